//! What the token endpoint takes: a form (RFC 6749 3.2 and 4.4.2, RFC 7521 4.2).

use std::collections::BTreeMap;

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use utoipa::ToSchema;

use crate::error::{ApiError, Code};
use crate::http::input::{read_body, require_media_type};
use crate::identity::key_scopes::KeyScopes;
use crate::identity::oauth;

/// The media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";
/// The largest body, in bytes: an assertion has at most half of it.
const MAX_BODY: usize = 16 * 1024;
/// The one grant.
pub const GRANT_TYPE: &str = "client_credentials";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a client asks for, and with what it proves who it is.
pub struct TokenRequest {
    /// Signed by a registered key.
    pub assertion: String,
    /// The client's identifier, where it says it beside the assertion.
    pub client_id: Option<String>,
    scope: Option<String>,
}

/// The form, as it is documented. Parameters that are not listed are ignored, as RFC 6749 3.2 wants.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what is read by name")]
pub struct TokenForm {
    /// The grant.
    grant_type: GrantType,
    /// How the client authenticates (RFC 7523 2.2).
    client_assertion_type: AssertionType,
    /// A JWT of at most five minutes and 8 KiB, signed (RS384, PS256, PS384, PS512) with a registered key of the usage
    /// `Authentication`. Header: `kid`, the key's `UniqueId`. Claims: `iss` and `sub`, the key's `RelatedClientId` or
    /// your `OwnerCode`; `aud`, this URL or the issuer; `exp`; `jti`, which is taken once.
    #[schema(format = Password, example = "<the JWT that you signed>")]
    client_assertion: String,
    /// The same as `sub`.
    #[schema(required = false, example = "demo")]
    client_id: Option<String>,
    /// What the token is to be good for, by spaces: scopes of `x-required-scope`, or `partner` for all of them, which
    /// is what it is good for where nothing is said.
    #[schema(required = false, example = "users:read users:write")]
    scope: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case", example = "client_credentials")]
#[expect(dead_code, reason = "documents a constant")]
enum GrantType {
    ClientCredentials,
}

#[derive(ToSchema)]
#[schema(example = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")]
#[expect(dead_code, reason = "documents a constant")]
enum AssertionType {
    #[schema(rename = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")]
    JwtBearer,
}

impl TokenRequest {
    /// Reads a request, and gives its headers as well.
    ///
    /// # Errors
    /// `invalid_request` for what is no such form, `unsupported_grant_type`, and `invalid_client` where the client
    /// does not authenticate, or in another way. 413 for more than 16 KiB.
    pub async fn read(request: Request) -> Result<(Self, HeaderMap), ApiError> {
        let (parts, body) = request.into_parts();
        if parts.uri.query().is_some_and(|query| !query.is_empty()) {
            return Err(invalid("Parameters belong in the body; a URL is logged on its way."));
        }
        if parts.headers.contains_key(AUTHORIZATION) {
            return Err(invalid(
                "The client authenticates with client_assertion alone; send no Authorization.",
            ));
        }
        require_media_type(&parts.headers, FORM)
            .map_err(|_| invalid("The body must be sent once as application/x-www-form-urlencoded."))?;
        let body = read_body(&parts.headers, body, MAX_BODY).await?;
        Ok((Self::parse(&body)?, parts.headers))
    }

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut form = Form::parse(body)?;
        let grant_type = form.take("grant_type").ok_or_else(|| invalid("grant_type is missing."))?;
        if grant_type != GRANT_TYPE {
            return Err(Code::UnsupportedGrantType.into());
        }
        let secret = form.take("client_secret");
        let assertion = match (form.take("client_assertion_type"), form.take("client_assertion")) {
            (Some(_), Some(_)) if secret.is_some() => {
                return Err(invalid("The client authenticates in more than one way."));
            }
            (Some(kind), Some(assertion)) if kind == ASSERTION_TYPE => assertion,
            (Some(_), Some(_)) | (None, None) => return Err(Code::InvalidClient.into()),
            (None, Some(_)) => return Err(invalid("client_assertion_type is missing.")),
            (Some(_), None) => return Err(invalid("client_assertion is missing.")),
        };
        Ok(Self { assertion, client_id: form.take("client_id"), scope: form.take("scope") })
    }

    /// The scopes that are asked for; nothing asked for is all there is.
    ///
    /// # Errors
    /// `invalid_scope`.
    pub fn scopes(&self) -> Result<KeyScopes, ApiError> {
        oauth::asked(self.scope.as_deref())
    }
}

/// The parameters of a form, by name.
struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a form in which no parameter comes twice (RFC 6749 3.2).
    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(invalid("A parameter is given more than once."));
            }
        }
        Ok(Self(parameters))
    }

    /// A parameter; one without a value counts as left out (RFC 6749 3.2).
    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }
}

fn invalid(message: &'static str) -> ApiError {
    ApiError::with_message(Code::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "grant_type=client_credentials&client_assertion=a.b.c\
                        &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

    fn refusal(body: &str) -> Option<&'static str> {
        match TokenRequest::parse(body.as_bytes()).and_then(|request| request.scopes()) {
            Err(ApiError::Failed(failure)) => Some(failure.code.name()),
            _ => None,
        }
    }

    #[test]
    fn a_form_is_read_and_what_it_need_not_have_is_ignored() {
        let request = TokenRequest::parse(format!("{GOOD}&client_id=acme&resource=x&scope=").as_bytes());
        let Ok(TokenRequest { assertion, client_id, scope }) = request else { panic!("it is good") };
        assert_eq!((assertion.as_str(), client_id.as_deref(), scope), ("a.b.c", Some("acme"), None));
    }

    #[test]
    fn each_mistake_has_its_code() {
        let without = |name: &str| {
            GOOD.split('&')
                .filter(|pair| !pair.starts_with(&format!("{name}=")))
                .collect::<Vec<_>>()
                .join("&")
        };
        for (body, code) in [
            (String::new(), "invalid_request"),
            (without("grant_type"), "invalid_request"),
            (without("client_assertion"), "invalid_request"),
            (without("client_assertion_type"), "invalid_request"),
            ("grant_type=client_credentials".into(), "invalid_client"),
            ("grant_type=client_credentials&client_id=a&client_secret=b".into(), "invalid_client"),
            (format!("{GOOD}&client_secret=b"), "invalid_request"),
            (GOOD.replace("jwt-bearer", "saml2-bearer"), "invalid_client"),
            (GOOD.replace("client_credentials", "password"), "unsupported_grant_type"),
            (format!("{GOOD}&grant_type=client_credentials"), "invalid_request"),
            (format!("{GOOD}&x=&x="), "invalid_request"),
            (format!("{GOOD}&scope=users:reads"), "invalid_scope"),
            (format!("{GOOD}&scope=partner+*"), "invalid_scope"),
            (format!("{GOOD}&scope=partner++users:read"), "invalid_scope"),
            (format!("{GOOD}&scope=Partner"), "invalid_scope"),
            (format!("{GOOD}&scope=+"), "invalid_scope"),
        ] {
            assert_eq!(refusal(&body), Some(code), "{body}");
        }
        for scope in
            ["", "&scope=", "&scope=partner", "&scope=partner+users:read", "&scope=users:read+users:read"]
        {
            assert_eq!(refusal(&format!("{GOOD}{scope}")), None, "{scope}");
        }
    }
}
