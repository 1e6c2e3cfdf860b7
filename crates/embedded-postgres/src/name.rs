//! The name of the cluster's role and of its database.

use crate::EmbeddedError;

/// An identifier that means the same quoted and not, in SQL, in Postgres's settings and as an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// Postgres cuts off longer ones.
    const LONGEST: usize = 63;
    /// The names that `initdb` makes itself, or reserves by its begin.
    const TAKEN: [&str; 3] = ["postgres", "template0", "template1"];

    /// Reads a name.
    pub(crate) fn parse(text: &str) -> Result<Self, EmbeddedError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let fits = text.len() <= Self::LONGEST
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(plain)
            && !text.starts_with("pg_")
            && !Self::TAKEN.contains(&text);
        match fits {
            true => Ok(Self(text.to_owned())),
            false => Err(EmbeddedError::InvalidName { name: text.to_owned() }),
        }
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_needs_no_quotation_marks() {
        assert!(Name::parse("acme_2").is_ok());
        assert!(Name::parse(&"a".repeat(63)).is_ok());
        let long = "a".repeat(64);
        for unfit in ["", "Acme", "2acme", "a-b", "a b", "a;", "pg_acme", "postgres", "template1", &long] {
            assert!(Name::parse(unfit).is_err(), "{unfit}");
        }
    }
}
