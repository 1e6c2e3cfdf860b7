//! Challenges: what is asked of the holder of a private half, and whether it was answered.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use public_keys::verify::Scheme;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::rules::ProvableKey;
use crate::crypto::master::random;
use crate::crypto::secret::Secret;
use crate::error::{ApiError, Code};
use crate::events::cut;
use crate::ids::new_row_id;
use crate::routes::public_keys::delivery::LiveKey;
use crate::routes::public_keys::reply::shown;
use crate::state::App;

/// The time in which a challenge can be answered.
const ANSWERED_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// A challenge as it is stored.
#[derive(Clone, Debug)]
pub struct NewChallenge {
    /// Which of the key's challenges it is.
    pub challenge_id: Uuid,
    /// What answers it.
    pub expected: Expected,
    /// From then on nothing does.
    pub expires_at: DateTime<Utc>,
}

/// What answers a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The text of this SHA-256, which was encrypted.
    Answer([u8; 32]),
    /// A signature of this text.
    SignatureOf(String),
}

/// Makes a challenge of a key: what the partner is shown, and what is stored of it.
///
/// # Errors
/// `key_not_live` where the certificate has ended by itself; 429 or 503 where the workers are busy.
pub async fn make(app: &App, key: &ProvableKey) -> Result<(String, NewChallenge), ApiError> {
    let expires_at = cut(app.clock.now()) + ANSWERED_WITHIN;
    let nonce = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(Zeroizing::new(random::<32>())));
    let (shown, expected) = if key.decrypts() {
        let expected = Expected::Answer(Sha256::digest(nonce.as_bytes()).into());
        let answer = Secret::new(nonce.as_bytes().to_vec());
        let message = LiveKey::of(key.row.clone())?.encrypt(app, answer).await.map_err(|error| match error {
            ApiError::Failed(failure) if failure.code == Code::NoDeliveryKey => Code::PublicKeyNotLive.into(),
            error => error,
        });
        (message?, expected)
    } else {
        let text = to_sign(&app.config.public_url, key.row.unique_id, &nonce, expires_at);
        (text.clone(), Expected::SignatureOf(text))
    };
    Ok((shown, NewChallenge { challenge_id: new_row_id(), expected, expires_at }))
}

/// What is to be signed. It says what it is for, and can be nothing else that such a key signs: a signature base of
/// RFC 9421 begins with a quotation mark, and what a JWS signs has neither blanks nor colons. One line, so that it
/// is the same wherever it is pasted.
fn to_sign(service: &str, unique_id: Uuid, nonce: &str, expires_at: DateTime<Utc>) -> String {
    let expires = shown(expires_at);
    format!(
        "partner-api key proof, version 1: the signer holds the private half of {unique_id} at {service}; \
         nonce {nonce}; expires {expires}"
    )
}

/// Whether a response is the answer. White space, which tools add and wrap lines with, counts for nothing.
///
/// # Errors
/// 429 or 503 where the workers are busy.
pub async fn is_answer(
    app: &App,
    key: &LiveKey,
    expected: &Expected,
    response: &Secret<String>,
) -> Result<bool, ApiError> {
    match expected {
        Expected::Answer(digest) => {
            let sent = Sha256::digest(response.expose().trim().as_bytes());
            Ok(sent.as_slice().ct_eq(digest).into())
        }
        Expected::SignatureOf(text) => {
            let sent: String = response.expose().split_ascii_whitespace().collect();
            let Ok(signature) = BASE64_STANDARD.decode(sent) else { return Ok(false) };
            // Shells and editors end a line.
            for signed in [text.clone(), format!("{text}\n")] {
                let signature = signature.clone();
                if key.verify(app, Scheme::PssSha512, signed.into_bytes(), signature).await?.is_ok() {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn what_is_signed_says_what_it_is_for_in_one_line() {
        let end = Utc.with_ymd_and_hms(2026, 11, 21, 8, 10, 0).unwrap();
        assert_eq!(
            to_sign("https://api.example.com", Uuid::from_u128(7), "n0nce", end),
            "partner-api key proof, version 1: the signer holds the private half of \
             00000000-0000-0000-0000-000000000007 at https://api.example.com; nonce n0nce; \
             expires 2026-11-21T08:10:00.000Z"
        );
    }
}
