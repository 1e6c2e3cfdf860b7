//! Tokens on one core: `cargo bench --bench tokens`.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use partner_api::crypto::access_token::{Claims, MemberClaims, TokenKey};
use partner_api::crypto::secret::Secret;
use uuid::Uuid;

fn main() {
    let key = TokenKey::from_seed(&Secret::new(vec![7; 32])).expect("a seed is 32 bytes");
    let claims = Claims::Member(MemberClaims {
        iss: "https://api.example.com".to_owned(),
        aud: Uuid::from_u128(1),
        sub: Uuid::from_u128(2),
        client_id: Some(Uuid::from_u128(1)),
        key_id: Some(Uuid::from_u128(4)),
        key: None,
        scope: "member".to_owned(),
        iat: 1_795_248_000,
        exp: 1_795_251_600,
        jti: Uuid::from_u128(3),
        user_created_at: 1_795_248_000_000_000,
    });
    let token = key.sign(&claims);
    measure("issue", || drop(black_box(key.sign(&claims))));
    measure("verify", || assert!(black_box(key.verify(&token)).is_some()));
}

/// The median of nine rounds.
fn measure(name: &str, work: impl Fn()) {
    let mut rates: Vec<_> = (0..9).map(|_| rate(&work)).collect();
    rates.sort_by(f64::total_cmp);
    println!("{name:8} {:8.0} a second on one core", rates[rates.len() / 2]);
}

fn rate(work: &impl Fn()) -> f64 {
    let (began, mut count) = (Instant::now(), 0.0);
    while began.elapsed() < Duration::from_millis(500) {
        work();
        count += 1.0;
    }
    count / began.elapsed().as_secs_f64()
}
