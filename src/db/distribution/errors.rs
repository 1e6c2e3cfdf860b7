//! What errors of a distributed database say.

use sqlx::postgres::PgDatabaseError;

/// Whether the database answered that it has no connection to one of its workers: what needs only others works.
#[must_use]
pub fn is_worker_away(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    let of_worker = || {
        let error = error.try_downcast_ref::<PgDatabaseError>();
        error.and_then(PgDatabaseError::r#where).is_some_and(|at| at.contains("while executing command on"))
    };
    match &*error.code().unwrap_or_default() {
        // That a connection failed, which of the service's own no server says, nor a pooler, which says 08P01.
        "08006" => true,
        // A worker on its way out, or in again, which was asked.
        "57P01" | "57P02" | "57P03" => of_worker(),
        // A connection that was kept from before, and is found dead where a transaction begins.
        "XX000" => {
            error.message().starts_with("failure on connection marked as essential")
                || error.message().starts_with("server closed the connection unexpectedly")
        }
        _ => false,
    }
}

/// What a statement for one worker gave; nothing where that worker is away, so that the others' goes on.
///
/// # Errors
/// As given, but those.
pub fn or_nothing<T: Default>(answer: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
    match answer {
        Err(error) if is_worker_away(&error) => {
            tracing::warn!(%error, "a worker is away: what its orgs have waits");
            Ok(T::default())
        }
        answer => answer,
    }
}

/// The constraint that a statement violated, as the migrations name it: a part of a distributed table has constraints of
/// its own, whose names end with its number.
#[must_use]
pub fn violated(error: &sqlx::Error) -> Option<&str> {
    let error = error.as_database_error()?;
    error.constraint().or_else(|| named_in(error.message())).map(as_migrated)
}

/// What a worker says of it, the coordinator passes on as text alone.
fn named_in(message: &str) -> Option<&str> {
    message.split_once("constraint \"")?.1.split('"').next()
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
        let said =
            "new row for relation \"users_102008\" violates check constraint \"users_email_length_102008\"";
        assert_eq!(named_in(said).map(as_migrated), Some("users_email_length"));
        assert_eq!(named_in("null value in column \"id\" violates not-null constraint"), None);
    }
}
