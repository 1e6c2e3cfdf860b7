//! `Idempotency-Key` (contract 7): a POST that is sent again is answered again, not done again.
//!
//! The gate checks the header and puts it with the request. A handler takes its input as
//! [`Once`], which answers a retry before the handler runs, and makes its change through
//! [`execute`], which keeps the reply in the transaction of the change. Without the header
//! neither does anything.

pub mod header;
mod reply;
pub mod store;

use axum::extract::{FromRequest, Request};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use sqlx::PgConnection;
use uuid::Uuid;
use zeroize::Zeroizing;

use self::header::IdempotencyKey;
pub use self::reply::{IDEMPOTENT_REPLAYED, KeptSince, Made, Reply};
use self::store::KeptReply;
use crate::changes::{Change, Changeable, Rule};
use crate::crypto::associated_data;
use crate::db::Db;
use crate::error::{ApiError, Code};
use crate::http::input::{self, Input};
use crate::identity::portal::Visit;
use crate::identity::{Caller, Partner};
use crate::ids::OrgId;
use crate::state::App;

/// The time for which a reply is kept.
pub const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// POST routes of partners that take no key: a token or a link is cheap to make again, and bulk is idempotent by nature.
pub const EXEMPT: &[&str] =
    &["/v1/auth/token", "/v1/auth/signature/check", "/v1/users/bulk", "/v1/admin/org/portal-sessions"];

/// The input of a POST, taken once for each `Idempotency-Key`.
pub struct Once<T> {
    /// The input, which kept all the rules.
    pub input: T,
    /// The claim under which the reply is kept, if the request has a key.
    pub claim: Option<Claim>,
}

impl<T: Input> FromRequest<App> for Once<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        match Self::take(request, app).await {
            Ok(Arrival::New(once)) => Ok(once),
            Ok(Arrival::Answered(reply)) => Err(reply.replayed()),
            Err(error) => Err(error.into_response()),
        }
    }
}

enum Arrival<T> {
    New(Once<T>),
    /// And this was the answer.
    Answered(Reply),
}

impl<T: Input> Once<T> {
    async fn take(request: Request, app: &App) -> Result<Arrival<T>, ApiError> {
        let claimed = Claimant::of(&request);
        let (input, sent) = input::take(request, app.clock.now(), &app.workers).await?;
        let Some(claimed) = claimed else { return Ok(Arrival::New(Self { input, claim: None })) };
        let claim = claimed.claim(app, &sent);
        let kept = store::find(&app.db.pool, &claim, app.clock.now() - KEPT_FOR).await?;
        match kept {
            Some(kept) => claim.replay(app, kept).map(Arrival::Answered),
            None => Ok(Arrival::New(Self { input, claim: Some(claim) })),
        }
    }
}

/// The parts of a request that decide, before its body is known, whether it is the same one again.
struct Claimant {
    partner: Partner,
    /// The portal's session, which may change its credential on the way.
    session: Option<Uuid>,
    key: IdempotencyKey,
    method: Method,
    path: String,
}

impl Claimant {
    fn of(request: &Request) -> Option<Self> {
        let key = request.extensions().get::<IdempotencyKey>()?.clone();
        let Caller::Partner(partner) = *request.extensions().get::<Caller>()? else { return None };
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let session = request.extensions().get::<Visit>().map(|visit| visit.session_id);
        Some(Self { partner, session, key, method, path })
    }

    fn claim(&self, app: &App, body: &[u8]) -> Claim {
        let Partner { org_id, key_id, .. } = self.partner;
        let credential = self.session.or(key_id.map(|id| id.0)).or(self.partner.public_key());
        let credential = credential.map(Uuid::into_bytes);
        let credential = credential.as_ref().map_or(&[][..], |id| &id[..]);
        let (method, path) = (self.method.as_str().as_bytes(), self.path.as_bytes());
        let macs = |parts: &[&[u8]]| app.keyring.idempotency_macs(org_id, parts);
        Claim {
            org_id,
            scopes: macs(&[b"scope", credential, method, path, self.key.as_bytes()]),
            request_macs: macs(&[b"body", body]),
        }
    }
}

const AT_LEAST_ONE: &str = "a keyring has a key that makes MACs";

/// The right to answer a request for the first time.
#[derive(Clone)]
pub struct Claim {
    org_id: OrgId,
    /// Newest first: the first is stored, the others are from before the service's keys were
    /// renewed. A claim has at least one of each.
    scopes: Vec<[u8; 32]>,
    request_macs: Vec<[u8; 32]>,
}

impl Claim {
    /// From the oldest scope: a process that has not heard of a renewal locks the same.
    fn lock(&self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = *self.scopes.last().expect(AT_LEAST_ONE);
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    fn scope(&self) -> [u8; 32] {
        *self.scopes.first().expect(AT_LEAST_ONE)
    }

    /// Returns `true` if the request under which a reply was kept had this body.
    fn is_of(&self, request_mac: &[u8]) -> bool {
        let matches = |mac: &[u8; 32]| subtle::ConstantTimeEq::ct_eq(request_mac, &mac[..]).unwrap_u8();
        self.request_macs.iter().map(matches).sum::<u8>() == 1
    }

    /// Answers again what was answered before.
    fn replay(&self, app: &App, kept: KeptReply) -> Result<Reply, ApiError> {
        if !self.is_of(&kept.request_mac) {
            return Err(Code::IdempotencyKeyReused.into());
        }
        let body = match (kept.body, kept.sealed, kept.readable_until) {
            (Some(body), ..) => Zeroizing::new(body),
            (None, Some(sealed), Some(until)) if app.clock.now() < until => {
                let associated_data = associated_data::idempotency_key(self.org_id, &kept.scope);
                let opened =
                    app.keyring.master.open(&associated_data, &sealed).map_err(ApiError::unavailable)?;
                Zeroizing::new(String::from_utf8(opened.expose().clone()).map_err(ApiError::internal)?)
            }
            _ => return Err(gone(kept.made)),
        };
        Reply::kept(kept.status, body, kept.created_at)
    }

    /// Takes the claim until the transaction ends; the reply, if another request has answered.
    async fn take(&self, app: &App, tx: &mut PgConnection) -> Result<Option<Reply>, ApiError> {
        if !store::try_lock(&mut *tx, self).await? {
            return Err(Code::IdempotencyInProgress.into());
        }
        let kept = store::find(tx, self, app.clock.now() - KEPT_FOR).await?;
        kept.map(|kept| self.replay(app, kept)).transpose()
    }

    /// Keeps a reply in the transaction of its change.
    async fn keep(&self, app: &App, tx: &mut PgConnection, reply: &Reply) -> Result<(), ApiError> {
        let (now, readable_for) = (app.clock.now(), app.config.idempotency_secrets_for);
        let is_secret = reply.made().is_some();
        let sealed = (is_secret && readable_for > TimeDelta::zero()).then(|| {
            let associated_data = associated_data::idempotency_key(self.org_id, &self.scope());
            app.keyring.master.seal(&associated_data, reply.body().as_bytes())
        });
        let kept = KeptReply {
            scope: self.scope().to_vec(),
            request_mac: self.request_macs.first().expect(AT_LEAST_ONE).to_vec(),
            status: reply.status(),
            body: (!is_secret).then(|| reply.body().to_owned()),
            sealed,
            readable_until: is_secret.then(|| now + readable_for),
            made: reply.made().map(serde_json::to_value).transpose().map_err(ApiError::internal)?,
            created_at: now,
        };
        Ok(store::insert(tx, self, &kept).await?)
    }
}

/// The secret was shown and is not shown again; what it belongs to exists.
fn gone(made: Option<serde_json::Value>) -> ApiError {
    let made: Vec<Made> = match made.map(serde_json::from_value).transpose() {
        Ok(made) => made.unwrap_or_default(),
        Err(error) => return ApiError::internal(error),
    };
    made.into_iter().fold(Code::SecretNoLongerAvailable.into(), |error: ApiError, Made { field, id }| {
        error.detail(field, "made", id)
    })
}

/// The work of a POST in the database.
pub trait Work: Send + Sync + Sized + 'static {
    /// The report of it.
    type Done: Send + 'static;

    /// Does it within a transaction.
    fn execute_in(&self, tx: &mut PgConnection) -> impl Future<Output = Result<Self::Done, ApiError>> + Send;

    /// Does it alone, as one statement.
    fn alone(self, db: &Db) -> impl Future<Output = Result<Self::Done, ApiError>> + Send {
        async move {
            let mut connection = db.pool.acquire().await?;
            db.pool.observing(self.execute_in(&mut connection)).await
        }
    }
}

impl<C: Changeable, R: Rule<C>> Work for Change<C, R> {
    type Done = C::Done;

    async fn execute_in(&self, tx: &mut PgConnection) -> Result<C::Done, ApiError> {
        self.execute_in(tx).await
    }

    async fn alone(self, db: &Db) -> Result<C::Done, ApiError> {
        self.execute(db).await
    }
}

/// Does its work and answers. With a claim the reply is kept in the transaction of the work, so
/// that a crash leaves both or neither.
///
/// # Errors
/// What the work refuses; 409 `idempotency_in_progress` while another request has the claim.
pub async fn execute<W: Work>(
    app: &App,
    claim: Option<Claim>,
    work: W,
    reply: impl FnOnce(W::Done) -> Result<Reply, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let Some(claim) = claim else {
        return Ok(reply(work.alone(&app.db).await?)?.into_response());
    };
    let (app, db) = (app.clone(), &app.db);
    db.transaction(async move |mut tx| {
        if let Some(answered) = claim.take(&app, &mut tx).await? {
            return Ok(answered.replayed());
        }
        let reply = reply(work.execute_in(&mut tx).await?)?;
        claim.keep(&app, &mut tx, &reply).await?;
        tx.commit().await?;
        Ok(reply.into_response())
    })
    .await
}

/// Answers for something that was done outside the database, and keeps the reply. A crash in
/// between leaves it done and without a reply: a retry does it again.
///
/// # Errors
/// As [`execute`].
pub async fn keep(app: &App, claim: Option<Claim>, reply: Reply) -> Result<Response, ApiError> {
    match claim {
        None => Ok(reply.into_response()),
        claim => execute(app, claim, Nothing, |()| Ok(reply)).await,
    }
}

struct Nothing;

impl Work for Nothing {
    type Done = ();

    async fn execute_in(&self, _: &mut PgConnection) -> Result<(), ApiError> {
        Ok(())
    }
}
