//! Clients with the partner's role: assumed with the org's id as external id, kept until shortly
//! before their end.
//!
//! The org is part of a session's key: that one partner's trust policy admits us must never serve
//! another org that names the same role (the confused deputy the external id is against).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{
    BehaviorVersion, Credentials, IdentityCache, Region, StalledStreamProtectionConfig,
};
use aws_sdk_sqs::{Client, Config};
use chrono::{DateTime, TimeDelta, Utc};
use quick_cache::sync::Cache;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

use super::failure;
use super::transport::Transport;
use crate::clock::Clock;
use crate::events::targets::error::{DeliveryError, Reason};
use crate::events::targets::outbound::Outbound;
use crate::events::targets::settings::SqsQueue;
use crate::events::targets::{AwsCredentials, TargetsConfig};

/// Sessions kept. One that is pushed out costs an AssumeRole when it is needed again.
const MAX_SESSIONS: usize = 2_000;
/// A session is renewed this long before it ends.
const RENEW_BEFORE: TimeDelta = TimeDelta::minutes(5);

/// The purpose of a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SessionKey {
    org_id: Uuid,
    region: String,
    role_arn: Option<String>,
}

/// A session, or the slot for one: the lock makes opening it a single flight.
#[derive(Default)]
struct Session {
    state: Mutex<SessionState>,
    /// Openings so far, to tell a waiter that one ended while it waited.
    openings: AtomicU64,
    /// The last opening that AWS no longer honours.
    denied: AtomicU64,
}

/// A session, as it is handed out.
pub struct OpenedSession {
    pub client: Client,
    /// `true` if it was opened for this caller.
    pub is_new: bool,
    session: Arc<Session>,
    opening: u64,
}

impl OpenedSession {
    /// Drops a session that AWS no longer honours; one that has taken its place stays.
    pub fn forget(&self) {
        self.session.denied.fetch_max(self.opening, Ordering::SeqCst);
    }
}

#[derive(Default)]
enum SessionState {
    #[default]
    New,
    Open {
        client: Client,
        /// `None`: our own credentials, which are not ours to renew.
        expires_at: Option<DateTime<Utc>>,
    },
    Failed(DeliveryError),
}

/// All sessions.
pub struct Sessions {
    cache: Cache<SessionKey, Arc<Session>>,
    clock: Clock,
    policy_allows_direct: bool,
    credentials: Option<AwsCredentials>,
    sqs: Service,
    sts: Service,
}

/// The address of one of AWS's services.
struct Service {
    transport: Transport,
    endpoint: Option<Url>,
}

impl Service {
    fn new(endpoint: Option<&Url>, partner: &Outbound, operator: &Outbound) -> Self {
        let outbound = if endpoint.is_some() { operator } else { partner };
        Self { transport: Transport(outbound.clone()), endpoint: endpoint.cloned() }
    }

    fn url(&self, name: &str, queue: &SqsQueue) -> String {
        self.endpoint.as_ref().map_or_else(|| queue.endpoint(name), Url::to_string)
    }
}

impl Sessions {
    pub fn new(config: &TargetsConfig, partner: &Outbound, operator: &Outbound, clock: Clock) -> Self {
        Self {
            cache: Cache::new(MAX_SESSIONS),
            clock,
            policy_allows_direct: config.policy.sqs_allow_direct,
            credentials: config.aws.clone(),
            sqs: Service::new(config.sqs_endpoint.as_ref(), partner, operator),
            sts: Service::new(config.sts_endpoint.as_ref(), partner, operator),
        }
    }

    /// A client that may write to the queue. Whoever asks while a session is being opened waits
    /// for it, and shares its failure.
    ///
    /// # Errors
    /// No credentials, or STS refused.
    pub async fn client(&self, queue: &SqsQueue, org_id: Uuid) -> Result<OpenedSession, DeliveryError> {
        let session = self.session(queue, org_id);
        let openings = session.openings.load(Ordering::SeqCst);
        let mut state = session.state.lock().await;
        let opening = session.openings.load(Ordering::SeqCst);
        match &*state {
            SessionState::Open { client, expires_at }
                if self.is_fresh(*expires_at) && session.denied.load(Ordering::SeqCst) < opening =>
            {
                let client = client.clone();
                drop(state);
                return Ok(OpenedSession { client, is_new: false, session, opening });
            }
            SessionState::Failed(error) if opening != openings => return Err(error.clone()),
            _ => {}
        }
        let opened = self.fill(&session, &mut state, queue, org_id).await;
        drop(state);
        opened
    }

    /// The same with a session that is opened now, whatever there was: it may do what AWS allows at
    /// this moment. Others use it from then on.
    ///
    /// # Errors
    /// As [`Sessions::client`].
    pub async fn open_anew(&self, queue: &SqsQueue, org_id: Uuid) -> Result<OpenedSession, DeliveryError> {
        let session = self.session(queue, org_id);
        let mut state = session.state.lock().await;
        let opened = self.fill(&session, &mut state, queue, org_id).await;
        drop(state);
        opened
    }

    async fn fill(
        &self,
        session: &Arc<Session>,
        state: &mut SessionState,
        queue: &SqsQueue,
        org_id: Uuid,
    ) -> Result<OpenedSession, DeliveryError> {
        let opened = self.open(queue, org_id).await;
        let opening = session.openings.fetch_add(1, Ordering::SeqCst) + 1;
        match opened {
            Ok((client, expires_at)) => {
                *state = SessionState::Open { client: client.clone(), expires_at };
                Ok(OpenedSession { client, is_new: true, session: session.clone(), opening })
            }
            Err(error) => {
                *state = SessionState::Failed(error.clone());
                Err(error)
            }
        }
    }

    fn session(&self, queue: &SqsQueue, org_id: Uuid) -> Arc<Session> {
        let key = key(queue, org_id);
        if let Some(session) = self.cache.get(&key) {
            return session;
        }
        let session =
            self.cache.get_or_insert_with(&key, || Ok::<_, std::convert::Infallible>(Arc::default()));
        session.unwrap_or_else(|never| match never {})
    }

    fn is_fresh(&self, expires_at: Option<DateTime<Utc>>) -> bool {
        expires_at.is_none_or(|end| self.clock.now() < end - RENEW_BEFORE)
    }

    async fn open(
        &self,
        queue: &SqsQueue,
        org_id: Uuid,
    ) -> Result<(Client, Option<DateTime<Utc>>), DeliveryError> {
        let own = self.own_credentials()?;
        match queue.role_arn() {
            Some(role) => {
                let (credentials, expires_at) = self.assume(queue, role, org_id, own).await?;
                Ok((self.sqs_client(queue, credentials), Some(expires_at)))
            }
            None if self.policy_allows_direct => Ok((self.sqs_client(queue, own), None)),
            None => Err(Reason::Settings("role_arn is required").into()),
        }
    }

    fn own_credentials(&self) -> Result<Credentials, Reason> {
        let own = self.credentials.as_ref().ok_or(Reason::Settings("this service has no AWS credentials"))?;
        let token = own.session_token.as_ref().map(|token| token.expose().clone());
        Ok(Credentials::new(&own.access_key_id, own.secret_access_key.expose(), token, None, "configuration"))
    }

    fn sqs_client(&self, queue: &SqsQueue, credentials: Credentials) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(self.sqs.transport.clone())
            .endpoint_url(self.sqs.url("sqs", queue))
            .region(Region::new(queue.region().to_owned()))
            .credentials_provider(credentials)
            // The credentials are fixed, the publisher retries, and the caller keeps the time.
            .identity_cache(IdentityCache::no_cache())
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Client::from_conf(config)
    }

    fn sts_client(&self, queue: &SqsQueue, credentials: Credentials) -> aws_sdk_sts::Client {
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(self.sts.transport.clone())
            .endpoint_url(self.sts.url("sts", queue))
            .region(Region::new(queue.region().to_owned()))
            .credentials_provider(credentials)
            .identity_cache(IdentityCache::no_cache())
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        aws_sdk_sts::Client::from_conf(config)
    }

    /// The partner's role for an hour, under a session name that shows the org in their logs.
    async fn assume(
        &self,
        queue: &SqsQueue,
        role_arn: &str,
        org_id: Uuid,
        own: Credentials,
    ) -> Result<(Credentials, DateTime<Utc>), DeliveryError> {
        let assumed = self
            .sts_client(queue, own)
            .assume_role()
            .role_arn(role_arn)
            .role_session_name(format!("partner-api-{org_id}"))
            .external_id(org_id.to_string())
            .send()
            .await
            .map_err(|error| failure(&error))?;
        let granted = assumed.credentials().ok_or(Reason::InvalidResponse)?;
        let end = DateTime::from_timestamp(granted.expiration().secs(), 0).ok_or(Reason::InvalidResponse)?;
        let token = Some(granted.session_token().to_owned());
        let credentials = Credentials::new(
            granted.access_key_id(),
            granted.secret_access_key(),
            token,
            None,
            "assumed role",
        );
        Ok((credentials, end))
    }
}

fn key(queue: &SqsQueue, org_id: Uuid) -> SessionKey {
    let (region, role_arn) = (queue.region().to_owned(), queue.role_arn().map(str::to_owned));
    SessionKey { org_id, region, role_arn }
}
