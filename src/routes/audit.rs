//! `/v1/admin/org/audit`: what was changed in an org, by whom, read by its partner (contract 10).
//! How rows are written and chained is in [`audit`](crate::audit).

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgExecutor;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::crypto::audit_chain::RowMac;
use crate::error::{ApiError, Code};
use crate::http::input::Valid;
use crate::http::paging::{CursorPosition, Listed, Page, Pagination};
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::ids::OrgId;
use crate::state::App;

/// `/v1/admin/org/audit`.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_audit_log))
}

/// A change.
#[derive(Serialize, ToSchema)]
pub struct AuditEntry {
    /// Its number: 1 is the org's creation, and none is ever missing.
    #[schema(example = 12)]
    pub(crate) seq: i64,
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// Who.
    #[schema(value_type = AuditActor)]
    pub(crate) actor: String,
    /// The key that authenticated, of `tenant_key` and `public_key`; of `platform` its token, of `claim` the claim, of
    /// `portal` the session.
    #[schema(required)]
    pub(crate) key_id: Option<Uuid>,
    /// Of `portal` the person, in the words of whoever made the session.
    #[schema(required, example = "ada")]
    pub(crate) actor_id: Option<String>,
    /// What: `<kind of thing>.<what was done>`.
    #[schema(example = "queue.created")]
    pub(crate) action: String,
    /// To what: an id, a stream's name, or the org's `key`.
    #[schema(example = "credentials")]
    pub(crate) subject: String,
    /// The request's `x-request-id`, where there was one.
    #[schema(required)]
    pub(crate) request_id: Option<String>,
    /// The address that the request came from, where there was one.
    #[schema(required, example = "203.0.113.7")]
    pub(crate) client_address: Option<String>,
    /// Covers this entry and the `mac` before, in hex; null before chaining began.
    #[schema(required, value_type = Option<String>, pattern = "^[0-9a-f]{64}$")]
    pub(crate) mac: Option<RowMac>,
}

/// Who changed something.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "documents what the log holds")]
enum AuditActor {
    /// The partner's backend, with the key that `key_id` names.
    TenantKey,
    /// The partner's backend, by a signature of the public key that `key_id` names.
    PublicKey,
    /// The partner's backend, through a gateway that named no key.
    Gateway,
    /// By hand, on our side.
    Operator,
    /// The platform, by the token that `key_id` names.
    Platform,
    /// Whoever opened the claim that `key_id` names.
    Claim,
    /// The person `actor_id`, in the portal's session that `key_id` names.
    Portal,
    /// The service, when a time has come.
    Service,
}

impl Listed for AuditEntry {
    fn cursor_position(&self) -> CursorPosition {
        CursorPosition::numbered(self.seq)
    }
}

/// The newest entry. Whoever keeps it can have it compared later: everything before it is as it
/// was then, or it can be told that it is not.
#[derive(Serialize, ToSchema)]
pub struct AuditHead {
    /// Its number, which is also how many entries there are.
    #[schema(example = 12)]
    seq: i64,
    /// Its `mac`.
    #[schema(required, value_type = Option<String>, pattern = "^[0-9a-f]{64}$")]
    mac: Option<RowMac>,
}

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
pub struct AuditLog {
    /// Oldest first.
    data: Vec<AuditEntry>,
    /// Where in the log this is.
    pagination: Pagination,
    /// Where the log ends, to be kept by who wants to be sure of it.
    head: AuditHead,
}

/// Read the audit log.
///
/// Every change of the org's keys, secrets, public keys and queues, and of the org itself, oldest
/// first. Entries are numbered without gaps, and each carries a MAC that covers the one before.
/// Keep `head`: with it we can prove to you that nothing before it was changed since.
#[utoipa::path(
    get, path = "/v1/admin/org/audit", tag = "Org", params(Page),
    extensions(("x-required-scope" = json!(KeyScope::AuditRead))),
    responses((status = 200, description = "A page of the log.", body = AuditLog)),
)]
async fn list_audit_log(
    State(app): State<App>,
    partner: Partner,
    Valid(page): Valid<Page>,
) -> Result<Json<AuditLog>, ApiError> {
    // It can only have been deleted since the gate: then it is refused as the gate would.
    let (entries, head) = list(&app.db.pool, partner.org_id, page).await?.ok_or(Code::Forbidden)?;
    let list = page.of(entries, head.seq);
    Ok(Json(AuditLog { data: list.data, pagination: list.pagination, head }))
}

/// A page of an org's log, and where the log ends at the same moment. `None` if there is no such
/// org.
async fn list(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    page: Page,
) -> Result<Option<(Vec<AuditEntry>, AuditHead)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT o.revision, o.audit_mac AS "audit_mac: RowMac",
               l.seq AS "seq?", l.at AS "at?", l.actor AS "actor?", l.key_id AS "key_id?", l.actor_id AS "actor_id?",
               l.action AS "action?",
               l.subject AS "subject?", l.request_id AS "request_id?",
               l.client_address AS "client_address?", l.mac AS "mac?: RowMac"
        FROM orgs o
        LEFT JOIN LATERAL (
            SELECT * FROM audit_log WHERE org_id = $1 AND seq > $2 ORDER BY seq LIMIT $3 OFFSET $4
        ) AS l ON true
        WHERE o.id = $1
        ORDER BY l.seq
        "#,
        org_id.0,
        page.after().number(),
        page.rows(),
        page.skip(),
    )
    .fetch_all(db)
    .await?;
    let Some(head) = rows.first().map(|row| AuditHead { seq: row.revision, mac: row.audit_mac }) else {
        return Ok(None);
    };
    let entries = rows.into_iter().filter_map(|row| {
        Some(AuditEntry {
            seq: row.seq?,
            at: row.at?,
            actor: row.actor?,
            key_id: row.key_id,
            actor_id: row.actor_id,
            action: row.action?,
            subject: row.subject?,
            request_id: row.request_id,
            client_address: row.client_address,
            mac: row.mac,
        })
    });
    Ok(Some((entries.collect(), head)))
}
