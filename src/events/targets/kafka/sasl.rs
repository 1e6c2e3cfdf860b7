//! Logging in: PLAIN (RFC 4616), or SCRAM (RFC 5802, 7677), by which the broker also proves that it knows
//! the password. Names and passwords are printable ASCII, which is its own SASLprep (RFC 4013).

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::answer::Answer;
use super::code::Code;
use super::connection::Connection;
use super::request::Request;
use crate::events::targets::error::Reason;
use crate::events::targets::settings::kafka::{Sasl, SaslMechanism};

/// The rounds that brokers keep passwords with, as Kafka bounds them; more would be work for nothing.
const ITERATIONS: RangeInclusive<u32> = 4_096..=16_384;
/// Longest salt that is taken, in bytes.
const MAX_SALT: usize = 128;

/// Logs in.
///
/// # Errors
/// The broker's refusal, by the name that Kafka gives it; that the broker is not who knows the password.
pub async fn log_in(connection: &mut Connection, sasl: &Sasl) -> Result<(), Reason> {
    let mut answer = connection.ask(&mut Request::sasl_handshake(sasl.mechanism.name())).await?;
    let code = Code(answer.i16()?);
    if !code.is_fine() {
        return Err(code.reason(Some(&offered(&mut answer))));
    }
    match sasl.mechanism {
        SaslMechanism::Plain => {
            let message = Zeroizing::new(format!("\0{}\0{}", sasl.username, sasl.password.expose()));
            exchange(connection, message.as_bytes()).await.map(drop)
        }
        SaslMechanism::ScramSha256 => scram(connection, sasl, &SHA_256).await,
        SaslMechanism::ScramSha512 => scram(connection, sasl, &SHA_512).await,
    }
}

/// The mechanisms that a broker has, for whoever chose another.
fn offered(answer: &mut Answer) -> String {
    let name = |answer: &mut Answer| Ok(answer.text()?.unwrap_or_default().to_owned());
    let names = answer.list(16, name).unwrap_or_default();
    if names.is_empty() { String::new() } else { format!("the broker has {}", names.join(", ")) }
}

async fn exchange(connection: &mut Connection, message: &[u8]) -> Result<Vec<u8>, Reason> {
    let mut answer = connection.ask(&mut Request::sasl_authenticate(message)).await?;
    let code = Code(answer.i16()?);
    let said = answer.text()?.map(str::to_owned);
    if code.is_fine() { answer.bytes().map(<[u8]>::to_vec) } else { Err(code.reason(said.as_deref())) }
}

/// The hash of a mechanism.
struct Hash {
    hmac: hmac::Algorithm,
    digest: &'static digest::Algorithm,
    pbkdf2: pbkdf2::Algorithm,
}

static SHA_256: Hash =
    Hash { hmac: hmac::HMAC_SHA256, digest: &digest::SHA256, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256 };
static SHA_512: Hash =
    Hash { hmac: hmac::HMAC_SHA512, digest: &digest::SHA512, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA512 };

async fn scram(connection: &mut Connection, sasl: &Sasl, hash: &'static Hash) -> Result<(), Reason> {
    let nonce = STANDARD.encode(rand::random::<[u8; 18]>());
    let first = format!("n={},r={nonce}", escaped(&sasl.username));
    let challenge = exchange(connection, format!("n,,{first}").as_bytes()).await?;
    let challenge = String::from_utf8(challenge).map_err(|_| Reason::InvalidResponse)?;
    let password = sasl.password.clone();
    // Some milliseconds of work that are the broker's choice: the threads that serve do not wait for it.
    let proof =
        tokio::task::spawn_blocking(move || proof(hash, password.expose(), &nonce, &first, &challenge));
    let proof = proof.await.map_err(|_| Reason::Settings("the log-in could not be worked out"))??;
    let answer = exchange(connection, proof.message.as_bytes()).await?;
    let signature = answer.strip_prefix(b"v=").and_then(|text| STANDARD.decode(text).ok());
    // Who does not know the password cannot sign.
    let is_right = signature.is_some_and(|signature| signature.ct_eq(&proof.server_signature).into());
    if is_right {
        Ok(())
    } else {
        Err(Code::SASL_AUTHENTICATION_FAILED.reason(Some("the broker's signature is wrong")))
    }
}

/// The client's last message, and what the broker has to answer.
struct Proof {
    message: String,
    server_signature: Vec<u8>,
}

fn proof(hash: &Hash, password: &str, nonce: &str, first: &str, challenge: &str) -> Result<Proof, Reason> {
    let mut fields = challenge.split(',');
    let mut field =
        |name| fields.next().and_then(|field| field.strip_prefix(name)).ok_or(Reason::InvalidResponse);
    let (server_nonce, salt, iterations) = (field("r=")?, field("s=")?, field("i=")?);
    let salt = STANDARD.decode(salt).ok().filter(|salt| (1..=MAX_SALT).contains(&salt.len()));
    let salt = salt.ok_or(Reason::InvalidResponse)?;
    let iterations = iterations.parse().ok().filter(|iterations| ITERATIONS.contains(iterations));
    let iterations = iterations.and_then(NonZeroU32::new).ok_or(Reason::InvalidResponse)?;
    if !server_nonce.starts_with(nonce) || server_nonce.len() == nonce.len() {
        return Err(Reason::InvalidResponse);
    }
    let mut salted = Zeroizing::new(vec![0; hash.digest.output_len()]);
    pbkdf2::derive(hash.pbkdf2, iterations, &salt, password.as_bytes(), &mut salted);
    let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hash.hmac, key), text);
    let client_key = sign(&salted, b"Client Key");
    let stored_key = digest::digest(hash.digest, client_key.as_ref());
    let without_proof = format!("c=biws,r={server_nonce}");
    let signed = format!("{first},{challenge},{without_proof}");
    let signature = sign(stored_key.as_ref(), signed.as_bytes());
    let proof: Vec<_> =
        client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, sig)| key ^ sig).collect();
    let server_key = sign(&salted, b"Server Key");
    let server_signature = sign(server_key.as_ref(), signed.as_bytes()).as_ref().to_vec();
    Ok(Proof { message: format!("{without_proof},p={}", STANDARD.encode(proof)), server_signature })
}

/// A user name inside a message, where commas and equals signs have a meaning.
fn escaped(username: &str) -> String {
    username.replace('=', "=3D").replace(',', "=2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677 section 3.
    #[test]
    fn the_proof_is_the_rfcs() {
        let first = "n=user,r=rOprNGfwEbeRWgbNEkqO";
        let challenge =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let proof = proof(&SHA_256, "pencil", "rOprNGfwEbeRWgbNEkqO", first, challenge).expect("a proof");
        assert_eq!(
            proof.message,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(STANDARD.encode(proof.server_signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_challenge_that_is_none_or_asks_for_too_much_is_refused() {
        let long = format!("r=abcd,s={},i=4096", STANDARD.encode([0; 129]));
        for challenge in [
            "",
            "e=other-error",
            "m=ext,r=abcd,s=AAAA,i=4096",
            "r=xyz,s=AAAA,i=4096",
            "r=abc,s=AAAA,i=4096",
            "r=abcd,s=?,i=4096",
            "r=abcd,s=,i=4096",
            "r=abcd,s=AAAA,i=",
            "r=abcd,s=AAAA,i=4095",
            "r=abcd,s=AAAA,i=16385",
            "r=abcd,s=AAAA,i=99999999999999999999",
            &long,
        ] {
            assert!(proof(&SHA_256, "pencil", "abc", "n=user,r=abc", challenge).is_err(), "{challenge}");
        }
        assert_eq!(escaped("a=b,c"), "a=3Db=2Cc");
    }
}
