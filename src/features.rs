//! The features, and whether they are live (contract 2): `DISABLED_FEATURES`, the gate and `GET
//! /v1/features` ask here. `app::features` has their routes.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{ApiError, Code};

/// Seconds after which it may make sense to ask for a feature again: a day.
const RETRY_AFTER: u32 = 86_400;

/// Something that can be live, switched off, or still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "contract 2 lists them; the names are all there is to say")]
pub enum Feature {
    Users,
    UserBulk,
    TenantKeyRotation,
    TenantKeys,
    SigningSecretRotation,
    EventQueues,
    PublicKeys,
    MemberTokens,
    AuditLog,
    RequestSignatures,
    ResponseSignatures,
    MessageEncryption,
    Reports,
    OauthTokens,
    LeakReports,
    /// A queue type; the queue routes ask for it.
    AzureEventHubs,
    /// A queue type; the queue routes ask for it.
    Kafka,
    HealthProfile,
    PrivacySettings,
    Devices,
    OrgMembers,
    OrgInvites,
    Portal,
}

use Feature::*;

impl Feature {
    /// Every feature, in the order that partners see.
    pub const ALL: [Self; 23] = [
        Users,
        UserBulk,
        TenantKeyRotation,
        TenantKeys,
        SigningSecretRotation,
        EventQueues,
        PublicKeys,
        MemberTokens,
        AuditLog,
        RequestSignatures,
        ResponseSignatures,
        MessageEncryption,
        Reports,
        OauthTokens,
        LeakReports,
        AzureEventHubs,
        Kafka,
        HealthProfile,
        PrivacySettings,
        Devices,
        OrgMembers,
        OrgInvites,
        Portal,
    ];

    /// The name in `DISABLED_FEATURES` and `GET /v1/features`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Users => "users",
            UserBulk => "user_bulk",
            TenantKeyRotation => "tenant_key_rotation",
            TenantKeys => "tenant_keys",
            SigningSecretRotation => "signing_secret_rotation",
            EventQueues => "event_queues",
            PublicKeys => "public_keys",
            MemberTokens => "member_tokens",
            AuditLog => "audit_log",
            RequestSignatures => "request_signatures",
            ResponseSignatures => "response_signatures",
            MessageEncryption => "message_encryption",
            Reports => "reports",
            OauthTokens => "oauth_tokens",
            LeakReports => "leak_reports",
            HealthProfile => "health_profile",
            PrivacySettings => "privacy_settings",
            Devices => "devices",
            OrgMembers => "org_members",
            OrgInvites => "org_invites",
            AzureEventHubs => "azure_event_hubs",
            Kafka => "kafka",
            Portal => "portal",
        }
    }

    /// Returns `true` if it is still to come; what is built can be switched off.
    #[must_use]
    pub fn is_planned(self) -> bool {
        matches!(self, HealthProfile | PrivacySettings | Devices | OrgMembers | OrgInvites)
    }

    /// Returns `true` if a POST may be answered with a secret.
    #[must_use]
    pub fn shows_secrets(self) -> bool {
        matches!(self, TenantKeyRotation | TenantKeys | SigningSecretRotation)
    }
}

/// How a feature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FeatureState)]
pub enum FeatureState {
    /// Works.
    Live,
    /// Built, but switched off by operations.
    Disabled,
    /// To come.
    Planned,
}

/// The features that operations switched off.
#[derive(Clone, Debug, Default)]
pub struct DisabledFeatures(Vec<Feature>);

impl DisabledFeatures {
    /// Reads a comma list of names.
    ///
    /// # Errors
    /// Names the first that cannot be switched off.
    pub fn parse(list: &str) -> Result<Self, String> {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let known = |name: &str| Feature::ALL.into_iter().find(|f| !f.is_planned() && f.name() == name);
        names
            .map(|name| {
                known(name).ok_or_else(|| format!("{name:?} is not a feature that can be switched off"))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The state of `feature`.
    #[must_use]
    pub fn status(&self, feature: Feature) -> FeatureState {
        match feature {
            planned if planned.is_planned() => FeatureState::Planned,
            built if self.0.contains(&built) => FeatureState::Disabled,
            _ => FeatureState::Live,
        }
    }

    /// Passes if `feature` is live.
    ///
    /// # Errors
    /// 503 with the message of contract 2.
    pub fn require(&self, feature: Feature, contact: &str) -> Result<(), ApiError> {
        let state = match self.status(feature) {
            FeatureState::Live => return Ok(()),
            FeatureState::Disabled => "switched off at the moment",
            FeatureState::Planned => "not live yet",
        };
        let name = feature.name();
        let message =
            format!("The feature {name} is {state}. Please ask your integration contact: {contact}.");
        Err(ApiError::with_message(Code::ServiceUnavailable, Cow::Owned(message)).retry_after(RETRY_AFTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_features_of_the_contracts_list_can_be_switched_off() {
        assert_eq!(
            DisabledFeatures::parse(" users, audit_log ,").unwrap().0,
            [Feature::Users, Feature::AuditLog]
        );
        assert!(DisabledFeatures::parse("").unwrap().0.is_empty());
        for bad in ["user", "devices", "Users"] {
            assert!(DisabledFeatures::parse(bad).unwrap_err().contains(bad));
        }
    }
}
