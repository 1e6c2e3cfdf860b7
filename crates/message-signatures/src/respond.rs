//! Signed responses.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PSS_SHA512;
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sfv::{ItemSerializer, StringRef};
use thiserror::Error;

use crate::request::RequestHead;
use crate::signed::{INPUT, SIGNATURE, Signed};
use crate::{TAG, digest};

/// A response that is about to be sent, and the request that it answers.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status.
    pub status: StatusCode,
    /// The body as it will be sent; none if the response has none (204, 304).
    pub body: Option<&'a [u8]>,
    /// The request: `@method` and `@target-uri` come from here.
    pub request: &'a RequestHead<'a>,
    /// The request's signature, which is covered too, so that a response cannot be moved to another request.
    pub signed: Option<&'a Signed>,
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

/// Makes the signature base of a response, `created` in seconds since the epoch.
///
/// # Errors
/// [`SignError::KeyId`].
pub fn prepare(answer: &Answer<'_>, keyid: &str, created: i64) -> Result<Unsigned, SignError> {
    let keyid = StringRef::from_str(keyid).map_err(|_| SignError::KeyId)?;
    let keyid = ItemSerializer::new().bare_item(keyid).finish();
    let content_digest = answer.body.map(digest::of);

    let mut lines = vec![("\"@status\"".to_owned(), answer.status.as_str().to_owned())];
    if let Some(digest) = &content_digest {
        lines.push(("\"content-digest\"".to_owned(), digest.clone()));
    }
    lines.push(("\"@method\";req".to_owned(), answer.request.method.to_owned()));
    lines.push(("\"@target-uri\";req".to_owned(), answer.request.target_uri()));
    if let Some(signed) = answer.signed {
        let signature = ItemSerializer::new().bare_item(signed.signature()).finish();
        lines.push((format!("\"signature\";req;key=\"{}\"", signed.label()), signature));
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
