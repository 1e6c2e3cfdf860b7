//! Orgs as the platform sees them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::input::OrgLimits;
use super::store::{self, OrgCounts, PlatformRow};
use crate::error::{ApiError, Code};
use crate::http::paging::{CursorPosition, Data, List, Listed, Page};
use crate::ids::OrgId;
use crate::limits::rates::RateSetting;
use crate::routes::org::{self, OrgProfile};
use crate::routes::users;
use crate::state::App;

/// An org, as its partner sees it and with what only the platform knows.
#[derive(Serialize, ToSchema)]
pub struct PlatformOrg {
    /// As its partner sees it.
    #[serde(flatten)]
    profile: OrgProfile,
    /// Whether it is served.
    state: OrgStateName,
    /// Since when it is suspended, if it is.
    #[schema(required)]
    suspended_at: Option<DateTime<Utc>>,
    /// Why it is suspended, if somebody said so.
    #[schema(required)]
    suspend_reason: Option<String>,
    /// Whom to write to about it.
    contact_emails: Vec<String>,
    /// How many requests it may make on each replica, if not as many as all (`RATE_LIMIT`).
    #[schema(required)]
    limits: Option<OrgLimits>,
    /// How much it has.
    counts: OrgCounts,
}

/// Whether an org is served.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrgState)]
enum OrgStateName {
    /// It is.
    Active,
    /// It is refused whatever it asks for.
    Suspended,
}

impl Listed for PlatformOrg {
    fn cursor_position(&self) -> CursorPosition {
        CursorPosition { created_at: self.profile.created_at, id: self.profile.id.0 }
    }
}

/// A page of all orgs, or of those that a search finds.
pub async fn page_of(app: &App, page: Page, search: Option<&str>) -> Result<List<PlatformOrg>, ApiError> {
    let (rows, total) = store::list(&app.db, (None, search), page, app.clock.now()).await?;
    Ok(page.of(completed(app, rows).await?, total))
}

/// One org.
pub async fn one(app: &App, org_id: OrgId) -> Result<Data<PlatformOrg>, ApiError> {
    let (rows, _) = store::list(&app.db, (Some(org_id), None), Page::at(0, 1), app.clock.now()).await?;
    let data = completed(app, rows).await?.pop().ok_or(Code::NotFound)?;
    Ok(Data { data })
}

/// The rows, with what their partners see.
async fn completed(app: &App, rows: Vec<PlatformRow>) -> Result<Vec<PlatformOrg>, ApiError> {
    let ids: Vec<_> = rows.iter().map(|row| row.id.0).collect();
    let orgs = org::store::find_many(&app.db.pool, &ids).await?;
    let mut orgs: HashMap<_, _> = orgs.into_iter().map(|org| (org.id, org)).collect();
    let mut completed = Vec::with_capacity(rows.len());
    for mut row in rows {
        // Deleted in between.
        let Some(org) = orgs.remove(&row.id) else { continue };
        let limits = OrgLimits::of(RateSetting::stored(org.rate_limit, org.rate_burst));
        row.counts.users = users::total(app, row.id, row.counts.users).await?;
        completed.push(PlatformOrg {
            profile: OrgProfile::of(org, row.counts.users),
            state: if row.suspended_at.is_some() { OrgStateName::Suspended } else { OrgStateName::Active },
            suspended_at: row.suspended_at,
            suspend_reason: row.suspend_reason,
            contact_emails: row.contact_emails,
            limits,
            counts: row.counts,
        });
    }
    Ok(completed)
}
