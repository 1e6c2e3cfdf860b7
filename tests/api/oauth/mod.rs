//! OAuth 2.0 client credentials with a registered key (contract 16, RFC 6749, RFC 7523).

mod ends;
mod floods;
mod partners;
mod refusals;
mod server;
mod token;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_SHA384, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::signatures::{NOW, URL};
use crate::support::{Caller, Reply, TestApp, request};

pub const TOKEN: &str = "/v1/oauth/token";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

async fn app() -> TestApp {
    TestApp::with(&[("PUBLIC_URL", URL)]).await
}

/// An assertion, each part of which a test may spoil.
pub struct Assertion<'k> {
    key: &'k KeyPair,
    header: Value,
    claims: Value,
}

impl<'k> Assertion<'k> {
    /// A good one of the org `acme`.
    pub fn new(key: &'k KeyPair, keyid: &str) -> Self {
        let claims = json!({
            "iss": "acme", "sub": "acme", "aud": format!("{URL}{TOKEN}"), "iat": NOW, "exp": NOW + 60,
            "jti": Uuid::new_v4(),
        });
        Self { key, header: json!({"alg": "PS256", "typ": "JWT", "kid": keyid}), claims }
    }

    /// The same with other claims; null leaves one out.
    pub fn with(mut self, changes: Value) -> Self {
        merge(&mut self.claims, changes);
        self
    }

    /// The same with another header.
    fn headed(mut self, changes: Value) -> Self {
        merge(&mut self.header, changes);
        self
    }

    pub fn of(self, client: &str) -> Self {
        self.with(json!({"iss": client, "sub": client}))
    }

    fn text(&self) -> String {
        let padding: &'static dyn RsaEncoding = match self.header["alg"].as_str() {
            Some("RS384") => &RSA_PKCS1_SHA384,
            Some("PS384") => &RSA_PSS_SHA384,
            Some("PS512") => &RSA_PSS_SHA512,
            _ => &RSA_PSS_SHA256,
        };
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&self.header), part(&self.claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(padding, &SystemRandom::new(), signed.as_bytes(), &mut signature).expect("it signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The form that asks for a token with it.
    fn form(&self) -> String {
        form(&self.text())
    }

    /// Asks for a token that is good for this; nothing is not sent.
    pub async fn ask_for(&self, app: &TestApp, scope: &str) -> Reply {
        let scope = form_urlencoded::Serializer::new(String::new()).append_pair("scope", scope).finish();
        post(&app.anyone(), format!("{}&{scope}", self.form())).await
    }

    async fn ask(&self, caller: &Caller) -> Reply {
        post(caller, self.form()).await
    }

    /// A caller with the token that it gets.
    pub async fn bearer(&self, app: &TestApp) -> Caller {
        bearer(app, &token(&self.ask(&app.anyone()).await.expect(200)))
    }
}

fn merge(into: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        match value {
            Value::Null => drop(into.as_object_mut().expect("an object").remove(&name)),
            value => into[name] = value,
        }
    }
}

/// The form with this assertion.
fn form(assertion: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_assertion_type", ASSERTION_TYPE)
        .append_pair("client_assertion", assertion)
        .finish()
}

async fn post(caller: &Caller, form: impl Into<axum::body::Body>) -> Reply {
    let head = request("POST", TOKEN).header("content-type", "application/x-www-form-urlencoded");
    caller.send(head, form).await
}

fn token(reply: &Reply) -> String {
    reply.json()["access_token"].as_str().expect("a token").to_owned()
}

fn bearer(app: &TestApp, token: &str) -> Caller {
    app.anyone().with("authorization", format!("Bearer {token}"))
}

/// What a part of a JWT says.
fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).expect("a part");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

/// Everything that is wrong with an assertion has this one body.
#[track_caller]
fn invalid_client(reply: &Reply) {
    let body =
        json!({"error": "invalid_client", "error_description": "The client could not be authenticated."});
    assert_eq!((reply.status, reply.json()), (401, body));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("www-authenticate"), None);
}

#[track_caller]
fn unauthorized(reply: &Reply) {
    let message = "Credentials are missing or not valid.";
    assert_eq!((reply.status, reply.json()), (401, crate::support::envelope("unauthorized", message)));
}
