//! What the platform says of an org.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::http::input::{Body, Field, Input, Patch, Reader};
use crate::identity::orgs::SignaturePolicy;
use crate::ids::KeyId;
use crate::limits::rates::{MAX_RATE, RateLimit, RateSetting};
use crate::routes::org::{self, OrgChange, SignaturePolicyName};

/// Addresses that the platform keeps of an org.
const MAX_CONTACTS: usize = 10;

/// An org in a path.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OrgPath {
    /// The org's id, or its `key`.
    #[param(example = "acme")]
    pub org: String,
}

impl Input for OrgPath {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { org: request.path("org").looked_up()? })
    }
}

/// Which orgs a list shows.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OrgSearch {
    /// A part of the name or of the `key`, in any case, or the whole id.
    #[param(min_length = 1, max_length = 200, example = "acme")]
    pub search: Option<String>,
}

impl Input for OrgSearch {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { search: request.query("search").line(1..=200) })
    }
}

/// A new org.
#[derive(Clone, Debug, ToSchema)]
pub struct CreateOrg {
    /// Its public name, which never changes.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{1,62}$", example = "acme")]
    pub key: String,
    /// For people.
    #[schema(min_length = 1, max_length = 200, example = "Acme")]
    pub name: String,
    /// Whom to write to about it.
    #[schema(value_type = Vec<String>, required = false, max_items = 10)]
    pub contact_emails: Vec<String>,
    /// `true` for a link that makes and shows the credentials once, in place of the credentials.
    #[schema(required = false)]
    pub claim: bool,
}

impl Input for CreateOrg {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        let key = request.body("key").required();
        let key = key.choice(org::KEY_RULE, |key| org::is_key(key).then(|| key.to_owned()));
        let name = request.body("name").required().text(1..=200);
        let contact_emails = contacts(request.body("contact_emails")).unwrap_or_default();
        let claim = request.body("claim").boolean().unwrap_or_default();
        Some(Self { key: key?, name: name?, contact_emails, claim })
    }
}

fn contacts(field: Field<'_>) -> Option<Vec<String>> {
    field.list(0..=MAX_CONTACTS, |contact| contact.email())
}

/// Changes to an org.
#[derive(Clone, Debug, ToSchema)]
pub struct ChangeOrg {
    /// For people. Cannot be cleared.
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200, example = "Acme")]
    pub name: Option<String>,
    /// Whom to write to about it, in place of whom it was before.
    #[schema(value_type = Vec<String>, required = false, max_items = 10)]
    pub contact_emails: Option<Vec<String>>,
    /// Which of its requests must be signed from now on.
    #[schema(value_type = SignaturePolicyName, required = false)]
    pub signature_policy: Option<SignaturePolicy>,
    /// How many requests it may make on each replica; null for as many as `RATE_LIMIT` says of all.
    #[schema(value_type = Option<OrgLimits>, required = false)]
    pub limits: Patch<RateSetting>,
}

/// How many requests an org may make on each replica.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct OrgLimits {
    /// Requests a second, in the long run; 0 for any number.
    #[schema(minimum = 0, maximum = 1_000_000, example = 50)]
    pub rate: u32,
    /// Requests at once, after a while without any; by default as many as `rate`.
    #[schema(minimum = 1, maximum = 1_000_000, required = false, example = 100)]
    pub burst: Option<u32>,
}

impl OrgLimits {
    /// A setting that was stored; `None` where that of all holds.
    pub fn of(setting: RateSetting) -> Option<Self> {
        match setting {
            RateSetting::Default => None,
            RateSetting::Unlimited => Some(Self { rate: 0, burst: None }),
            RateSetting::Own(limit) => Some(Self { rate: limit.per_second(), burst: Some(limit.burst()) }),
        }
    }
}

/// Reads a limit of an org's own, or none.
fn limits(field: Field<'_>) -> Option<RateSetting> {
    let most = i64::from(MAX_RATE);
    let (rate, burst) = field.object(|limits| {
        let rate = limits.field("rate").required().integer(0..=most);
        Some((rate?, limits.field("burst").integer(1..=most)))
    })?;
    let rate = u32::try_from(rate).ok()?;
    if rate == 0 {
        return Some(RateSetting::Unlimited);
    }
    let burst = burst.and_then(|burst| u32::try_from(burst).ok()).unwrap_or(rate);
    RateLimit::new(rate, burst).ok().map(RateSetting::Own)
}

impl Input for ChangeOrg {
    const BODY: Body = Body::Optional;

    fn read(request: &mut Reader) -> Option<Self> {
        request.body("id").immutable();
        request.body("key").immutable();
        let name = request.body("name").not_null().text(1..=200);
        let contact_emails = contacts(request.body("contact_emails").not_null());
        let policy = request.body("signature_policy").not_null();
        let signature_policy =
            policy.choice("must be optional, administration or required", SignaturePolicy::parse);
        let limits = request.body("limits").change(limits)?;
        Some(Self { name, contact_emails, signature_policy, limits })
    }
}

impl ChangeOrg {
    /// The changes one by one.
    pub fn changes(self) -> Vec<OrgChange> {
        // Nobody signs here: who holds a platform token decides over every org.
        let policy = |policy| OrgChange::SetSignaturePolicy { policy, is_signed: true };
        let changes = [
            self.signature_policy.map(policy),
            self.contact_emails.map(OrgChange::SetContacts),
            match self.limits {
                Patch::Keep => None,
                Patch::Clear => Some(OrgChange::SetLimits(RateSetting::Default)),
                Patch::Set(setting) => Some(OrgChange::SetLimits(setting)),
            },
            self.name.map(OrgChange::Rename),
        ];
        changes.into_iter().flatten().collect()
    }
}

/// The reason for a step, for whoever looks later.
#[derive(Clone, Debug, ToSchema)]
pub struct Reasoned {
    /// Why.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, example = "Invoice unpaid since May")]
    pub reason: Option<String>,
}

impl Input for Reasoned {
    const BODY: Body = Body::Optional;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { reason: request.body("reason").line(1..=200) })
    }
}

/// The deletion of an org is confirmed by its key.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Confirmation {
    /// The org's `key` again: there is no way back.
    #[param(required = true)]
    pub confirm: String,
}

impl Input for Confirmation {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { confirm: request.query("confirm").required().looked_up()? })
    }
}

/// The recovery of an org from a thief.
#[derive(Clone, Debug, Default, ToSchema)]
pub struct RecoverOrg {
    /// A current key that its owner still trusts, and that goes on; without it a new one is made.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub keep_key_id: Option<KeyId>,
    /// When the thief may have come: public keys registered since are deleted as well, a signing secret made since is
    /// replaced, and a signature policy and networks of the org that were set since are lifted.
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub since: Option<DateTime<Utc>>,
    /// `true` for a link that makes and shows the new key once, in place of the key.
    #[schema(required = false)]
    pub claim: bool,
}

impl Input for RecoverOrg {
    const BODY: Body = Body::Optional;

    fn read(request: &mut Reader) -> Option<Self> {
        let keep_key_id = request.body("keep_key_id").uuid().map(KeyId);
        let since = request.body("since").datetime();
        let claim = request.body("claim");
        let claim = if keep_key_id.is_some() {
            claim.excluded("no key is made where one is kept");
            false
        } else {
            claim.boolean().unwrap_or_default()
        };
        Some(Self { keep_key_id, since, claim })
    }
}
