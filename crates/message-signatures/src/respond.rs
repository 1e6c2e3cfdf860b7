//! Signed responses.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PSS_SHA512;
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sfv::{ItemSerializer, StringRef};
use thiserror::Error;

use crate::TAG;
use crate::request::RequestHead;
use crate::signed::{INPUT, SIGNATURE, Signed};

/// The request that a response answers, as far as the response's signature covers it. Owned, because the request is
/// gone when its response is signed.
#[derive(Clone, Debug)]
pub struct Question {
    method: String,
    target_uri: String,
    /// The request's own signature with its label, so that a response cannot be moved to another request.
    signature: Option<(String, Vec<u8>)>,
}

impl Question {
    /// Takes what is covered of a request, and of its signature if it was signed.
    pub fn of(request: &RequestHead<'_>, signed: Option<&Signed>) -> Self {
        Self {
            method: request.method.to_owned(),
            target_uri: request.target_uri(),
            signature: signed.map(|signed| (signed.label().to_owned(), signed.signature().to_owned())),
        }
    }
}

/// What is to be signed. Owned, so that another thread can do the RSA work.
#[derive(Clone, Debug)]
pub struct Unsigned {
    content_digest: Option<String>,
    input: String,
    base: String,
}

/// The three fields of a signed response.
#[derive(Clone, Debug)]
pub struct Fields {
    /// `Content-Digest`, if there is a body.
    pub content_digest: Option<HeaderValue>,
    /// `Signature-Input`.
    pub signature_input: HeaderValue,
    /// `Signature`.
    pub signature: HeaderValue,
}

impl Fields {
    /// Sets them in `headers`, in place of others of the same names.
    pub fn apply(self, headers: &mut HeaderMap) {
        if let Some(content_digest) = self.content_digest {
            headers.insert(HeaderName::from_static("content-digest"), content_digest);
        }
        headers.insert(HeaderName::from_static(INPUT), self.signature_input);
        headers.insert(HeaderName::from_static(SIGNATURE), self.signature);
    }
}

/// A response could not be signed.
#[derive(Debug, Error)]
pub enum SignError {
    /// The key id has characters that a structured field cannot hold.
    #[error("the key id is not a string of ASCII characters")]
    KeyId,
    /// The private key could not be used.
    #[error("the private key cannot sign")]
    Key(#[from] Unspecified),
    /// A value did not become a field: never with values of this crate.
    #[error("a field value is not valid")]
    Field(#[from] InvalidHeaderValue),
}

/// Makes the signature base of a response, `created` in seconds since the epoch. `content_digest` is the field's value
/// ([`digest::of`](crate::digest::of)); none if the response has no content (204, 304).
///
/// # Errors
/// [`SignError::KeyId`].
pub fn prepare(
    question: &Question,
    status: StatusCode,
    content_digest: Option<String>,
    keyid: &str,
    created: i64,
) -> Result<Unsigned, SignError> {
    let keyid = StringRef::from_str(keyid).map_err(|_| SignError::KeyId)?;
    let keyid = ItemSerializer::new().bare_item(keyid).finish();

    let mut lines = vec![("\"@status\"".to_owned(), status.as_str().to_owned())];
    if let Some(digest) = &content_digest {
        lines.push(("\"content-digest\"".to_owned(), digest.clone()));
    }
    lines.push(("\"@method\";req".to_owned(), question.method.clone()));
    lines.push(("\"@target-uri\";req".to_owned(), question.target_uri.clone()));
    if let Some((label, signature)) = &question.signature {
        let signature = ItemSerializer::new().bare_item(&signature[..]).finish();
        lines.push((format!("\"signature\";req;key=\"{label}\""), signature));
    }

    let names: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).collect();
    let parameters =
        format!("({});created={created};keyid={keyid};alg=\"rsa-pss-sha512\";tag=\"{TAG}\"", names.join(" "));
    let mut base = String::with_capacity(1024);
    for (name, value) in &lines {
        for part in [name, ": ", value, "\n"] {
            base.push_str(part);
        }
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(&parameters);
    Ok(Unsigned { content_digest, input: format!("{TAG}={parameters}"), base })
}

impl Unsigned {
    /// The bytes to sign with `rsa-pss-sha512`.
    pub fn signature_base(&self) -> &str {
        &self.base
    }

    /// Signs with `key`: a millisecond or more of RSA.
    ///
    /// # Errors
    /// [`SignError::Key`].
    pub fn sign(self, key: &KeyPair) -> Result<Fields, SignError> {
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PSS_SHA512, &SystemRandom::new(), self.base.as_bytes(), &mut signature)?;
        self.with(&signature)
    }

    /// The fields, with a signature over [`Self::signature_base`] that was made elsewhere.
    ///
    /// # Errors
    /// [`SignError::Field`], which does not happen.
    pub fn with(self, signature: &[u8]) -> Result<Fields, SignError> {
        let signature = format!("{TAG}={}", ItemSerializer::new().bare_item(signature).finish());
        Ok(Fields {
            content_digest: self.content_digest.map(HeaderValue::try_from).transpose()?,
            signature_input: HeaderValue::try_from(self.input)?,
            signature: HeaderValue::try_from(signature)?,
        })
    }
}
