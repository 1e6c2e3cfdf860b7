//! Users, as `GET /v1/users/{user_id}` shows them.

use sqlx::PgConnection;

use super::{Column, CursorPosition, PAGE, Source, Span};
use crate::routes::users::user::{Profile, User};

/// The org's users.
#[derive(Debug)]
pub struct Users {
    span: Span,
    after: CursorPosition,
}

impl Source for Users {
    type Row = User;
    const COLUMNS: &'static [Column] = &[
        Column("user_id", "/user_id"),
        Column("first_name", "/profile/first_name"),
        Column("last_name", "/profile/last_name"),
        Column("email", "/profile/email"),
        Column("created_at", "/created_at"),
        Column("updated_at", "/updated_at"),
    ];

    fn new(span: Span) -> Self {
        Self { span, after: span.start() }
    }

    async fn count(&self, db: &mut PgConnection) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar!(
            r#"
            SELECT count(*) AS "count!" FROM users
            WHERE org_id = $1 AND (created_at, user_id) > ($2, $3) AND ($4::timestamptz IS NULL OR created_at < $4)
            "#,
            self.span.org_id.0,
            self.after.created_at,
            self.after.id,
            self.span.to,
        )
        .fetch_one(db)
        .await
    }

    async fn page(&mut self, db: &mut PgConnection) -> Result<Vec<User>, sqlx::Error> {
        let rows = sqlx::query!(
            "SELECT user_id, first_name, last_name, email, created_at, updated_at FROM users
             WHERE org_id = $1 AND (created_at, user_id) > ($2, $3) AND ($4::timestamptz IS NULL OR created_at < $4)
             ORDER BY created_at, user_id LIMIT $5",
            self.span.org_id.0,
            self.after.created_at,
            self.after.id,
            self.span.to,
            PAGE,
        )
        .fetch_all(db)
        .await?;
        if let Some(last) = rows.last() {
            self.after = CursorPosition { created_at: last.created_at, id: last.user_id };
        }
        let users = rows.into_iter().map(|row| User {
            user_id: row.user_id,
            profile: Profile { first_name: row.first_name, last_name: row.last_name, email: row.email },
            created_at: row.created_at,
            updated_at: row.updated_at,
        });
        Ok(users.collect())
    }
}
