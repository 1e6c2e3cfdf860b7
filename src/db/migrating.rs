//! Migrations of a distributed database. A file holds several statements, and sent as one text each of them would be
//! handed on to the workers as that whole text, which they refuse.

use std::borrow::Cow;

use sqlx::migrate::{Migration, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

/// Encloses what is executed by itself.
const QUOTE: &str = "$one_statement_of_a_migration$";

/// The same migrations, each as one block that executes its statements one by one: still in one transaction, and under
/// the checksum of its file.
#[must_use]
pub fn one_by_one(migrator: &Migrator) -> Migrator {
    let migrations = migrator.iter().map(|migration| {
        let sql = if migration.no_tx {
            // By rule one statement, which may be in no block.
            migration.sql.clone()
        } else {
            AssertSqlSafe(block(migration.sql.as_str())).into_sql_str()
        };
        Migration { sql, ..migration.clone() }
    });
    Migrator {
        migrations: Cow::Owned(migrations.collect()),
        ignore_missing: migrator.ignore_missing,
        locking: migrator.locking,
        no_tx: migrator.no_tx,
        table_name: migrator.table_name.clone(),
        create_schemas: migrator.create_schemas.clone(),
    }
}

fn block(sql: &str) -> String {
    let executed: String =
        statements(sql).iter().map(|statement| format!("EXECUTE {QUOTE}{statement}{QUOTE};\n")).collect();
    // Parts of a distributed table have its triggers, which the extension allows to whoever insists.
    format!(
        "DO $statements_of_a_migration$ BEGIN
         SET LOCAL citus.enable_unsafe_triggers TO on;
         {executed}END $statements_of_a_migration$"
    )
}

/// The statements of a text, each with the comments before it. Of strings with backslashes (`E''`) it knows nothing.
fn statements(sql: &str) -> Vec<&str> {
    let (mut found, mut begin, mut at) = (Vec::new(), 0, 0);
    while let Some(next) = sql[at..].find(['\'', '"', '-', '/', '$', ';']).map(|ahead| at + ahead) {
        if sql.as_bytes()[next] == b';' {
            found.push(sql[begin..next].trim());
            begin = next + 1;
        }
        at = next + length(&sql[next..]);
    }
    found.push(sql[begin..].trim());
    found.retain(|statement| !statement.is_empty());
    found
}

/// How much of a text is what it begins with: a string, a name in quotes, a comment, or one character.
fn length(text: &str) -> usize {
    let until = |opens: usize, closes: &str| {
        text[opens..].find(closes).map_or(text.len(), |inner| opens + inner + closes.len())
    };
    match text.as_bytes() {
        [b'\'', ..] => until(1, "'"),
        [b'"', ..] => until(1, "\""),
        [b'-', b'-', ..] => until(2, "\n"),
        [b'/', b'*', ..] => until(2, "*/"),
        [b'$', ..] => match text[1..].find('$').map(|tag| &text[..tag + 2]) {
            Some(tag) if tag[1..tag.len() - 1].chars().all(|c| c.is_alphanumeric() || c == '_') => {
                until(tag.len(), tag)
            }
            _ => 1,
        },
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart_where_its_statements_end_and_nowhere_else() {
        let text = "-- Why; so.\nALTER TABLE users ADD COLUMN a text DEFAULT 'x;''y';\nSELECT \";\", 1 - 2 /* ; */;\n\
                    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;\n\
                    DO $of$ BEGIN PERFORM '$$;'; END $of$\n;  ;\n";
        let found = statements(text);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].starts_with("-- Why; so.\nALTER") && found[0].ends_with("'x;''y'"), "{}", found[0]);
        assert!(found[1].starts_with("SELECT") && found[1].ends_with("*/"), "{}", found[1]);
        assert!(found[2].ends_with("END $$") && found[3].ends_with("END $of$"), "{found:#?}");
    }

    #[test]
    fn every_migration_is_itself_again_when_its_statements_are_put_together() {
        for migration in crate::db::MIGRATIONS.iter() {
            let found = statements(migration.sql.as_str());
            assert!(!found.is_empty() && !migration.sql.as_str().contains(QUOTE));
            let without = |text: &str| text.replace(|c: char| c.is_whitespace() || c == ';', "");
            assert_eq!(without(&found.concat()), without(migration.sql.as_str()));
        }
    }
}
