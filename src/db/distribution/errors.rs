//! What errors of a distributed database say.

/// Whether the database answered that it has no connection to one of its workers: what needs only others works.
#[must_use]
pub fn is_worker_away(error: &sqlx::Error) -> bool {
    let state = error.as_database_error().and_then(|error| error.code());
    // The class of connection exceptions. Of the service's own connection no server says anything.
    state.is_some_and(|state| state.starts_with("08"))
}

/// The constraint that a statement violated, as the migrations name it: a part of a distributed table has constraints of
/// its own, whose names end with its number.
#[must_use]
pub fn violated(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.constraint().map(as_migrated)
}

fn as_migrated(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((whole, part)) if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) => whole,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constraint_has_one_name_whichever_part_of_its_table_says_it() {
        assert_eq!(as_migrated("users_org_id_fkey"), "users_org_id_fkey");
        assert_eq!(as_migrated("users_org_id_fkey_102008"), "users_org_id_fkey");
        assert_eq!(as_migrated("reports_sha256_length"), "reports_sha256_length");
        assert_eq!(as_migrated("odd_"), "odd_");
    }
}
