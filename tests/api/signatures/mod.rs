//! Signed requests (contract 12.1, RFC 9421, RFC 9530): what passes, what does not, and what an org may ask for.

mod check;
mod policy;
mod proven;
mod requests;

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA512, RsaEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Caller, Org, Reply, TestApp};

pub const URL: &str = "https://api.example.com";
/// The instant at which tests begin, in seconds of Unix time.
pub const NOW: i64 = 1_795_248_000;

pub static ALICE: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).expect("a pair"));
pub static MALLORY: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).expect("a pair"));

async fn app() -> TestApp {
    TestApp::with(&[("PUBLIC_URL", URL)]).await
}

/// A registration of the public half of a pair.
pub fn registration(org: &Org, pair: &KeyPair, usage: &str) -> Value {
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("DER");
    json!({
        "OwnerCode": org.key, "Usage": [usage], "Type": "RSA", "PublicKey": STANDARD.encode(std::convert::AsRef::<[u8]>::as_ref(&*spki)),
        "ExpirationUtc": "2028-11-21T08:00:00.000Z",
    })
}

/// Registers it; gives its id.
pub async fn register(org: &Org, pair: &KeyPair, usage: &str) -> String {
    let reply = org.post("/api/v1/key", registration(org, pair, usage)).await.expect(200).json();
    reply["UniqueId"].as_str().expect("an id").to_owned()
}

/// A request that is signed as RFC 9421 says, each part of which a test may spoil.
pub struct Request<'k> {
    method: &'static str,
    path: &'static str,
    pub body: String,
    key: &'k KeyPair,
    keyid: String,
    pub created: i64,
    nonce: Option<String>,
    /// What is covered, as `Signature-Input` lists it.
    covered: Vec<&'static str>,
    parameters: String,
    padding: &'static dyn RsaEncoding,
}

impl<'k> Request<'k> {
    pub fn new(method: &'static str, path: &'static str, key: &'k KeyPair, keyid: &str) -> Self {
        let nonce = (method != "GET").then(|| uuid::Uuid::new_v4().simple().to_string());
        let covered = vec!["@method", "@target-uri"];
        let (body, parameters, padding) = (String::new(), String::new(), &RSA_PSS_SHA512);
        Self {
            method,
            path,
            body,
            key,
            keyid: keyid.to_owned(),
            created: NOW,
            nonce,
            covered,
            parameters,
            padding,
        }
    }

    pub fn with_body(mut self, body: Value) -> Self {
        self.body = body.to_string();
        self.covered.push("content-digest");
        self
    }

    fn input(&self) -> String {
        let covered: Vec<_> = self.covered.iter().map(|name| format!("\"{name}\"")).collect();
        let mut input = format!("({});created={};keyid=\"{}\"", covered.join(" "), self.created, self.keyid);
        if let Some(nonce) = &self.nonce {
            input.push_str(&format!(";nonce=\"{nonce}\""));
        }
        input + &self.parameters
    }

    fn digest(&self) -> String {
        format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(&self.body)))
    }

    /// The headers that sign it, for the URL that it is sent to.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let value = |name: &str| match name {
            "@method" => self.method.to_owned(),
            "@target-uri" => format!("{URL}{}", self.path),
            "@authority" => "api.example.com".to_owned(),
            "@path" => self.path.split('?').next().expect("a path").to_owned(),
            "@query" => self.path.split_once('?').map_or("?".to_owned(), |(_, query)| format!("?{query}")),
            "content-digest" => self.digest(),
            other => panic!("no test covers {other}"),
        };
        let lines: String =
            self.covered.iter().map(|name| format!("\"{name}\": {}\n", value(name))).collect();
        let input = self.input();
        let base = format!("{lines}\"@signature-params\": {input}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(self.padding, &SystemRandom::new(), base.as_bytes(), &mut signature).expect("it signs");
        let mut headers = vec![
            ("signature-input", format!("sig1={input}")),
            ("signature", format!("sig1=:{}:", STANDARD.encode(signature))),
        ];
        if self.covered.contains(&"content-digest") {
            headers.push(("content-digest", self.digest()));
        }
        headers
    }

    fn by(&self, caller: &Caller) -> Caller {
        self.headers().into_iter().fold(caller.clone(), |caller, (name, value)| caller.with(name, value))
    }

    pub async fn send(&self, caller: &Caller) -> Reply {
        let signed = self.by(caller);
        if self.body.is_empty() {
            signed.bodyless(self.method, self.path).await
        } else {
            signed.raw(self.method, self.path, self.body.clone()).await
        }
    }
}

fn pkcs1() -> &'static dyn RsaEncoding {
    &RSA_PKCS1_SHA256
}

/// Everything that is wrong with a signature has this one body.
fn refused(reply: Reply) {
    let message = "Credentials are missing or not valid.";
    reply.expect_json(401, &crate::support::envelope("unauthorized", message));
}
