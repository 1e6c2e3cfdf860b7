//! What changes an org: what its policy has signed (contract 12.1), and what stands still while it is frozen (13.4).

use axum::http::Method;

use crate::identity::orgs::SignaturePolicy;
use crate::routes::queues::messages;
use crate::routes::{org, signatures};

/// Where credentials, queues and the org itself are changed.
const ADMINISTRATION: [&str; 4] =
    ["/v1/auth/tenant-key", "/v1/auth/signing-secret", "/v1/admin", "/api/v1/key"];

fn administers(method: &Method, path: &str) -> bool {
    let is_below =
        |root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    !matches!(*method, Method::GET | Method::HEAD)
        && ADMINISTRATION.into_iter().any(is_below)
        && !messages::is_acknowledgement(path)
}

/// Returns `true` if an org with this policy has such a request signed.
pub fn requires_signature(policy: SignaturePolicy, method: &Method, path: &str) -> bool {
    match policy {
        SignaturePolicy::Optional => false,
        // The brake is pulled by who has any live key (13.4): nobody gains by it but the owner.
        SignaturePolicy::Administration => administers(method, path) && path != org::FREEZE_PATH,
        // Whoever cannot sign yet is told here what is wrong.
        SignaturePolicy::Required => path != signatures::CHECK_PATH,
    }
}

/// Returns `true` if a frozen org refuses such a request: all of the administration but its own brake.
pub fn freezes(method: &Method, path: &str) -> bool {
    administers(method, path) && ![org::FREEZE_PATH, org::THAW_PATH].contains(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administration_is_what_changes_credentials_queues_and_the_org() {
        let requires = |method, path| requires_signature(SignaturePolicy::Administration, &method, path);
        for path in [
            "/v1/auth/tenant-key/rotate",
            "/v1/auth/signing-secret/rotate",
            "/v1/admin/org",
            "/api/v1/key",
            "/api/v1/key/generate",
        ] {
            for method in [Method::POST, Method::DELETE] {
                assert!(requires(method.clone(), path) && freezes(&method, path), "{path}");
            }
            for method in [Method::GET, Method::HEAD] {
                assert!(!requires(method.clone(), path) && !freezes(&method, path), "{path}");
            }
        }
        for path in [
            "/v1/users",
            "/v1/admin/org/queues/users/ack",
            "/v1/auth/token",
            "/v1/auth/signature/check",
            "/v1/administer",
            "/api/v1/keys",
        ] {
            assert!(!requires(Method::POST, path) && !freezes(&Method::POST, path), "{path}");
        }
    }

    #[test]
    fn the_brake_is_pulled_unsigned_released_signed_and_never_frozen() {
        for (path, is_signed) in [("/v1/admin/org/freeze", false), ("/v1/admin/org/thaw", true)] {
            let required = requires_signature(SignaturePolicy::Administration, &Method::POST, path);
            assert_eq!(required, is_signed, "{path}");
            assert!(!freezes(&Method::POST, path), "{path}");
        }
        assert!(freezes(&Method::POST, "/v1/admin/org/thaw/"));
    }

    #[test]
    fn required_is_everything_but_the_check_that_helps_to_sign() {
        let requires = |method, path| requires_signature(SignaturePolicy::Required, &method, path);
        assert!(requires(Method::GET, "/v1/users") && requires(Method::POST, "/v1/auth/token"));
        assert!(!requires(Method::POST, "/v1/auth/signature/check"));
    }
}
