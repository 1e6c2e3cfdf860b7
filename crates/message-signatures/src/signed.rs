//! The signature of a request: read first, verified when the key is known.

use sfv::{BareItem, Dictionary, FieldType as _, InnerList, ListEntry, Parameters};

use crate::component::Component;
use crate::key::VerifyingKey;
use crate::request::RequestHead;
use crate::{MAX_BASE, MAX_COMPONENTS, Problem, TAG, WINDOW, fields};

/// Names of the two fields.
pub(crate) const INPUT: &str = "signature-input";
pub(crate) const SIGNATURE: &str = "signature";

/// Longest signature, in bytes: RSA of 8192 bits.
const MAX_SIGNATURE: usize = 1024;

/// How a request is signed (RFC 9421 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `rsa-pss-sha512`: MGF1 with SHA-512, a salt of 64 bytes. What is meant when `alg` is absent.
    RsaPssSha512,
    /// `rsa-v1_5-sha256`.
    RsaV15Sha256,
}

impl Algorithm {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::RsaPssSha512 => "rsa-pss-sha512",
            Self::RsaV15Sha256 => "rsa-v1_5-sha256",
        }
    }
}

/// A signature that is well-formed, over components that the request has. Nothing is verified yet.
#[derive(Clone, Debug)]
pub struct Signed {
    label: String,
    parameters: SignatureParameters,
    covered: Vec<String>,
    base: String,
    signature: Vec<u8>,
    uncovered: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct SignatureParameters {
    keyid: String,
    algorithm: Algorithm,
    created: i64,
    expires: Option<i64>,
    nonce: Option<String>,
}

impl Signed {
    /// Reads the signature of a request; none if it carries neither of the two fields.
    ///
    /// # Errors
    /// Whatever keeps the signature base from being made. Whether enough is covered is not asked here, so that
    /// the base can be shown to a signer who has covered too little.
    pub fn parse(head: &RequestHead<'_>) -> Result<Option<Self>, Problem> {
        let inputs = fields::dictionary(head.headers, INPUT)?;
        let signatures = fields::dictionary(head.headers, SIGNATURE)?;
        let (inputs, signatures) = match (inputs, signatures) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(Problem::Missing(SIGNATURE)),
            (None, Some(_)) => return Err(Problem::Missing(INPUT)),
            (Some(inputs), Some(signatures)) => (inputs, signatures),
        };
        let (label, input) = choose(&inputs)?;
        let signature = signature(&signatures, label)?;
        let parameters = SignatureParameters::parse(&input.params)?;
        let components = components(input)?;
        if !head.is_clean() {
            return Err(Problem::Target);
        }
        Ok(Some(Self {
            label: label.to_owned(),
            base: signature_base(&components, input, head)?,
            uncovered: uncovered(&components, head, parameters.nonce.is_some()),
            covered: components.iter().map(|component| component.identifier().to_owned()).collect(),
            parameters,
            signature,
        }))
    }

    /// The label of the signature that counts.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The name of the key, as the signer gives it.
    pub fn keyid(&self) -> &str {
        &self.parameters.keyid
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.parameters.algorithm
    }

    /// The nonce, 16 to 128 visible characters.
    pub fn nonce(&self) -> Option<&str> {
        self.parameters.nonce.as_deref()
    }

    /// What is covered, each as `Signature-Input` names it.
    pub fn covered(&self) -> &[String] {
        &self.covered
    }

    /// Exactly the bytes that were signed if the signer saw the same request (RFC 9421 2.5).
    pub fn signature_base(&self) -> &str {
        &self.base
    }

    /// The signature itself.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The last second since the epoch at which [`Self::check_time`] lets it pass: so long a nonce is remembered.
    pub fn usable_until(&self) -> i64 {
        let window = self.parameters.created.saturating_add(WINDOW);
        self.parameters.expires.map_or(window, |expires| window.min(expires.saturating_sub(1)))
    }

    /// Judges the times at `now`, in seconds since the epoch.
    ///
    /// # Errors
    /// `created` more than [`WINDOW`] away on either side, or `expires` reached.
    pub fn check_time(&self, now: i64) -> Result<(), Problem> {
        let age = now.saturating_sub(self.parameters.created);
        if age > WINDOW {
            return Err(Problem::Late(age));
        }
        if age < -WINDOW {
            return Err(Problem::Early(age.saturating_neg()));
        }
        match self.parameters.expires {
            Some(expires) if now >= expires => Err(Problem::Expired(now.saturating_sub(expires))),
            _ => Ok(()),
        }
    }

    /// Judges whether enough is covered: `@method`; `@target-uri`, or `@authority`, `@path` and a query's
    /// `@query`; `content-digest` of a body; a nonce for every method but GET and HEAD.
    ///
    /// # Errors
    /// The first that is not covered.
    pub fn check_coverage(&self) -> Result<(), Problem> {
        match self.uncovered {
            None => Ok(()),
            Some(NONCE) => Err(Problem::NoParameter(NONCE)),
            Some(component) => Err(Problem::NotCovered(component)),
        }
    }

    /// Verifies the signature. [`Self::check_coverage`] is part of it; [`Self::check_time`] is the caller's, who has the
    /// clock, and so is the digest of the body ([`crate::digest::check`]).
    ///
    /// # Errors
    /// Too little covered; [`Problem::Salt`]; or [`Problem::Signature`] without saying what is wrong with it.
    pub fn verify(&self, public_key: &VerifyingKey) -> Result<(), Problem> {
        self.check_coverage()?;
        self.verify_signature(public_key)
    }

    pub(crate) fn verify_signature(&self, public_key: &VerifyingKey) -> Result<(), Problem> {
        public_key.verify(self.algorithm(), self.base.as_bytes(), &self.signature)
    }
}

const NONCE: &str = "nonce";

/// The only signature, or the only one that is tagged for us.
fn choose(inputs: &Dictionary) -> Result<(&str, &InnerList), Problem> {
    let is_tagged = |entry: &ListEntry| match entry {
        ListEntry::InnerList(list) => {
            list.params.get("tag").and_then(BareItem::as_string).is_some_and(|tag| tag.as_str() == TAG)
        }
        ListEntry::Item(_) => false,
    };
    let tagged = inputs.values().filter(|entry| is_tagged(entry)).count();
    let chosen = match (inputs.len(), tagged) {
        (1, _) => inputs.first(),
        (_, 1) => inputs.iter().find(|(_, entry)| is_tagged(entry)),
        _ => None,
    };
    match chosen {
        None => Err(Problem::Label { labels: inputs.len(), tagged }),
        Some((label, ListEntry::InnerList(list))) => Ok((label.as_str(), list)),
        Some((label, ListEntry::Item(_))) => Err(Problem::NotAList(label.as_str().to_owned())),
    }
}

fn signature(signatures: &Dictionary, label: &str) -> Result<Vec<u8>, Problem> {
    match signatures.get(label) {
        None => Err(Problem::NoSignature(label.to_owned())),
        Some(ListEntry::Item(item)) if item.params.is_empty() => match &item.bare_item {
            BareItem::ByteSequence(bytes) if bytes.len() <= MAX_SIGNATURE => Ok(bytes.clone()),
            _ => Err(Problem::NotBytes(label.to_owned())),
        },
        Some(_) => Err(Problem::NotBytes(label.to_owned())),
    }
}

fn components(input: &InnerList) -> Result<Vec<Component>, Problem> {
    if input.items.len() > MAX_COMPONENTS {
        return Err(Problem::TooMuch);
    }
    let mut components: Vec<Component> = Vec::with_capacity(input.items.len());
    for item in &input.items {
        let component = Component::parse(item)?;
        if components.contains(&component) {
            return Err(Problem::Twice(component.identifier().to_owned()));
        }
        components.push(component);
    }
    Ok(components)
}

fn signature_base(
    components: &[Component],
    input: &InnerList,
    head: &RequestHead<'_>,
) -> Result<String, Problem> {
    let mut base = String::with_capacity(1024);
    // Sixty-four components may parse one long field sixty-four times, for anybody who asks.
    let mut parsed = 0;
    for component in components {
        parsed += component.parses(head);
        if parsed > MAX_BASE {
            return Err(Problem::TooMuch);
        }
        let value = component.value(head)?;
        if base.len() + component.identifier().len() + value.len() > MAX_BASE {
            return Err(Problem::TooMuch);
        }
        for part in [component.identifier(), ": ", &value, "\n"] {
            base.push_str(part);
        }
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(&vec![ListEntry::InnerList(input.clone())].serialize().unwrap_or_default());
    Ok(base)
}

/// The first thing that must be covered and is not.
fn uncovered(components: &[Component], head: &RequestHead<'_>, has_nonce: bool) -> Option<&'static str> {
    let covers = |name| components.iter().any(|component| component.is_whole(name));
    if !covers("@method") {
        return Some("@method");
    }
    if !covers("@target-uri") {
        // Whoever has begun with the parts is told which part is missing.
        let has_begun = covers("@authority") || covers("@path");
        match (covers("@authority"), covers("@path"), head.query().is_none() || covers("@query")) {
            (true, true, true) => {}
            _ if !has_begun => return Some("@target-uri"),
            (false, ..) => return Some("@authority"),
            (_, false, _) => return Some("@path"),
            _ => return Some("@query"),
        }
    }
    if head.has_body && !covers("content-digest") {
        return Some("content-digest");
    }
    (!has_nonce && !matches!(head.method, "GET" | "HEAD")).then_some(NONCE)
}

impl SignatureParameters {
    fn parse(parameters: &Parameters) -> Result<Self, Problem> {
        let known = ["created", "expires", "nonce", "alg", "keyid", "tag"];
        if let Some(unknown) = parameters.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(Problem::UnknownParameter(unknown.as_str().to_owned()));
        }
        if parameters.get("tag").is_some_and(|tag| tag.as_string().is_none()) {
            return Err(Problem::Parameter { name: "tag", must: "a string" });
        }
        let algorithm = match text(parameters, "alg", 0..=256, "a string")?.as_deref() {
            None | Some("rsa-pss-sha512") => Algorithm::RsaPssSha512,
            Some("rsa-v1_5-sha256") => Algorithm::RsaV15Sha256,
            Some(other) => return Err(Problem::Algorithm(other.to_owned())),
        };
        Ok(Self {
            keyid: text(parameters, "keyid", 1..=256, "a string of 1 to 256 visible characters")?
                .ok_or(Problem::NoParameter("keyid"))?,
            algorithm,
            created: seconds(parameters, "created")?.ok_or(Problem::NoParameter("created"))?,
            expires: seconds(parameters, "expires")?,
            nonce: text(parameters, NONCE, 16..=128, "a string of 16 to 128 visible characters")?,
        })
    }
}

fn text(
    parameters: &Parameters,
    name: &'static str,
    length: std::ops::RangeInclusive<usize>,
    must: &'static str,
) -> Result<Option<String>, Problem> {
    match parameters.get(name) {
        None => Ok(None),
        Some(BareItem::String(text))
            if length.contains(&text.as_str().len())
                && text.as_str().bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(Some(text.as_str().to_owned()))
        }
        Some(_) => Err(Problem::Parameter { name, must }),
    }
}

fn seconds(parameters: &Parameters, name: &'static str) -> Result<Option<i64>, Problem> {
    match parameters.get(name) {
        None => Ok(None),
        Some(BareItem::Integer(seconds)) if i64::from(*seconds) >= 0 => Ok(Some(i64::from(*seconds))),
        Some(_) => Err(Problem::Parameter { name, must: "seconds since the epoch, a whole number" }),
    }
}
