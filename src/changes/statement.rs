//! The statements of changes, with parameters that have names. Each is a `sqlx::query!`, checked
//! at compile time.

/// A `sqlx::query!` whose parameters are named by its first CTE: `named!("SELECT .. FROM given ..",
/// { "org_id": "uuid" = org_id.0, .. })`. The text follows `WITH given AS (SELECT $1::uuid AS
/// org_id, ..)`, so it may go on with more CTEs.
macro_rules! named {
    ({ $($text:tt)+ }, { $($name:tt: $type:tt = $value:expr,)+ }) => {
        $crate::changes::named!(
            @number [
            "$1" ", $2" ", $3" ", $4" ", $5" ", $6" ", $7" ", $8" ", $9" ", $10" ", $11" ", $12"
            ", $13" ", $14" ", $15" ", $16" ", $17" ", $18" ", $19" ", $20" ", $21" ", $22" ", $23"
            ", $24" ", $25" ", $26" ", $27" ", $28" ", $29" ", $30" ", $31" ", $32" ", $33" ", $34"
            ", $35" ", $36" ", $37" ", $38" ", $39" ", $40" ", $41" ", $42" ", $43" ", $44" ", $45"
            ", $46" ", $47" ", $48" ", $49" ", $50" ", $51" ", $52" ", $53" ", $54" ", $55" ", $56"
            ", $57" ", $58" ", $59" ", $60" ", $61" ", $62" ", $63" ", $64"
            ]
            ["WITH given AS (SELECT "] [] { $($name: $type = $value,)+ } { $($text)+ }
        )
    };
    // Takes one number and one parameter at a time.
    (@number [$number:tt $($numbers:tt)*] [$($head:tt)+] [$($given:expr,)*]
     { $name:tt: $type:tt = $value:expr, $($more:tt)* } $text:tt) => {
        $crate::changes::named!(
            @number [$($numbers)*] [$($head)+ + $number + "::" + $type + " AS " + $name] [$($given,)* $value,]
            { $($more)* } $text
        )
    };
    (@number $numbers:tt [$($head:tt)+] [$($given:expr,)*] {} { $($text:tt)+ }) => {
        sqlx::query!($($head)+ + ")" + $($text)+, $($given),*)
    };
}
pub(crate) use named;

/// Loads what a change is decided on: `snapshot!(db, mandate, now, columns = "..", from = "..", {
/// parameters })` gives the org's [`OrgState`](super::OrgState) and the rows, or `None` if there is
/// no such org. `from` joins to the org `o`, by conditions of the joins alone, so that the org's
/// row is always there; it may end with an ORDER BY. Parameters are columns of `given`, which has
/// `org_id`, `caller` and `now` besides.
///
/// This is the one place that says how the key of a caller stands.
macro_rules! snapshot {
    ($db:expr, $mandate:expr, $now:expr, columns = $columns:tt, from = $from:tt,
     { $($name:tt: $type:tt = $value:expr),* $(,)? }) => {{
        let (mandate, now): (&$crate::changes::Mandate, chrono::DateTime<chrono::Utc>) = ($mandate, $now);
        let rows = $crate::changes::named!(
            {
                r#" SELECT o.revision AS "revision!", o.audit_mac AS "audit_mac: crate::crypto::audit_chain::RowMac",
                    o.frozen_at IS NOT NULL AS "is_frozen!",
                    given.caller IS NULL OR (c.id IS NOT NULL AND c.revoked_at IS NULL
                        AND (c.expires_at IS NULL OR c.expires_at > given.now)) AS "caller_is_live!",
                    c.rotated_at IS NOT NULL AS "caller_is_superseded!",
                    c.pending_of IS NOT NULL AS "caller_is_pending!",
                    coalesce(c.leak_response <> 'notify', false) AS "caller_is_leaked!", c.scopes AS "caller_scopes?",
                    c.scope_policy AS "caller_scope_policy?", "#
                    + $columns
                    + " FROM given
                    JOIN orgs o ON o.id = given.org_id
                    LEFT JOIN tenant_keys c ON c.org_id = o.id AND c.id = given.caller "
                    + $from
            },
            {
                "org_id": "uuid" = mandate.org_id.0,
                "caller": "uuid" = mandate.caller.map(|id| id.0),
                "now": "timestamptz" = now,
                $($name: $type = $value,)*
            }
        );
        rows.fetch_all(&mut *$db).await.map(|rows| {
            let first = rows.first()?;
            let head = $crate::crypto::audit_chain::Head { seq: first.revision, mac: first.audit_mac };
            let caller = $crate::changes::CallerState {
                key_id: mandate.caller,
                is_live: first.caller_is_live,
                stage: $crate::identity::stage::KeyStage::of(
                    first.caller_is_superseded,
                    first.caller_is_pending,
                    first.caller_is_leaked,
                ),
                scopes: mandate.granted(first.caller_scopes.as_deref(), first.caller_scope_policy.as_deref()),
                is_frozen: first.is_frozen && mandate.author.is_partner(),
            };
            let is_frozen = first.is_frozen;
            Some(($crate::changes::OrgState { head, caller, now, is_frozen }, rows))
        })
    }};
}
pub(crate) use snapshot;

/// Applies a plan with its audit row and its event, in one statement, or does nothing because the
/// org is no longer as it was seen: gives whether it happened.
///
/// ```ignore
/// change!(
///     db,
///     &entry,
///     event = Some(&draft),
///     version = "coalesce((SELECT version FROM renamed), 1)",
///     writes = "renamed AS (
///         UPDATE things t SET name = change.name, version = t.version + 1
///         FROM change WHERE t.org_id = change.org_id AND t.id = change.thing_id RETURNING t.version
///     )",
///     { "thing_id": "uuid" = thing.id, "name": "text" = &thing.name }
/// )?
/// ```
///
/// All parameters are columns of `change`, a row if the org is unchanged and else none. So nothing
/// is written without it: whatever `writes` has takes its values `FROM change`. Besides those that
/// are given it has the audit row's `org_id`, `seq`, `at`, `action`, `subject`, and the event's
/// `event_id` (NULL without an event), `stream`, `event_head`, `event_tail`, `event_at`,
/// `traceparent`. `version` is the version of the event's subject after the change; `announce`, if
/// there is one, a SELECT of what replicas are to forget ([`crate::db::news`]).
///
/// `set` changes columns of the org's own row, which the statement writes anyway, and cannot write
/// twice; without an event `gate` takes the place of that write and must hold the same guards;
/// `inserts` writes a row that is not there yet. The guard on `audit_key` stops a process that has not heard of a renewed key: it must not write after
/// the row that handed the log over.
macro_rules! change {
    ($db:expr, $entry:expr, event = $event:expr, version = $version:tt, $(set = $set:tt,)? $(writes = $writes:tt,)?
     $(announce = $announce:tt,)? { $($name:tt: $type:tt = $value:expr),* $(,)? }) => {{
        let event: Option<&$crate::events::Draft> = $event;
        $crate::changes::change!(
            @write $db, $entry,
            [
                "change AS (
                    UPDATE orgs o SET revision = given.seq, audit_mac = given.mac" $(+ ", " + $set)? + " FROM given
                    WHERE o.id = given.org_id AND o.revision = given.seq - 1 AND o.audit_key <= given.audit_key
                    RETURNING given.*
                )"
            ],
            [
                $(+ ", " + $writes)? + ",
                event AS (
                    INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, traceparent)
                    SELECT org_id, event_id, stream, action, event_head || " + $version + " || event_tail, event_at,
                           event_at, traceparent
                    FROM change WHERE event_id IS NOT NULL
                )"
            ],
            [$(+ ", announced AS (INSERT INTO announcements (news) " + $announce + " ON CONFLICT DO NOTHING)")?],
            {
                "event_id": "uuid" = event.map(|event| event.id),
                "stream": "text" = event.map(|event| event.stream.name()),
                "event_head": "text" = event.map(|event| event.head.as_str()),
                "event_tail": "text" = $crate::events::Draft::TAIL,
                "event_at": "timestamptz" = event.map(|event| event.at),
                "traceparent": "text" = event.and_then(|event| event.traceparent.as_deref()),
                $($name: $type = $value,)*
            }
        )
    }};
    ($db:expr, $entry:expr, gate = $gate:tt, $(announce = $announce:tt,)?
     { $($name:tt: $type:tt = $value:expr),* $(,)? }) => {
        $crate::changes::change!(
            @write $db, $entry,
            ["change AS (" + $gate + ")"],
            [],
            [$(+ ", announced AS (INSERT INTO announcements (news) " + $announce + " ON CONFLICT DO NOTHING)")?],
            { $($name: $type = $value,)* }
        )
    };
    ($db:expr, $entry:expr, inserts = $inserts:tt, { $($name:tt: $type:tt = $value:expr),* $(,)? }) => {
        $crate::changes::change!(
            @write $db, $entry,
            ["inserted AS (" + $inserts + "), change AS (SELECT given.* FROM given, inserted)"],
            [],
            [],
            { $($name: $type = $value,)* }
        )
    };
    ($db:expr, $entry:expr, $(set = $set:tt,)? $(writes = $writes:tt,)? $(announce = $announce:tt,)?
     { $($name:tt: $type:tt = $value:expr),* $(,)? }) => {
        $crate::changes::change!(
            @write $db, $entry,
            [
                "change AS (
                    UPDATE orgs o SET revision = given.seq, audit_mac = given.mac" $(+ ", " + $set)? + " FROM given
                    WHERE o.id = given.org_id AND o.revision = given.seq - 1 AND o.audit_key <= given.audit_key
                    RETURNING given.*
                )"
            ],
            [$(+ ", " + $writes)?],
            [$(+ ", announced AS (INSERT INTO announcements (news) " + $announce + " ON CONFLICT DO NOTHING)")?],
            { $($name: $type = $value,)* }
        )
    };
    (@write $db:expr, $entry:expr, [$($gate:tt)+], [$($writes:tt)*], [$($announce:tt)*], { $($parameters:tt)* }) => {{
        let entry: &$crate::audit::Entry = $entry;
        let done = $crate::changes::named!(
            {
                ", " + $($gate)+ + ",
                logged AS (
                    INSERT INTO audit_log (org_id, seq, mac, at, actor, key_id, actor_id, action, subject, request_id,
                                           client_address)
                    SELECT org_id, seq, mac, at, actor, caller, actor_id, action, subject, request_id, client_address
                    FROM change
                )"
                    $($writes)*
                    $($announce)*
                    + " SELECT seq FROM change"
            },
            {
                "org_id": "uuid" = entry.org_id.0,
                "seq": "bigint" = entry.row.seq,
                "mac": "bytea" = &entry.mac.0[..],
                "audit_key": "smallint" = entry.key,
                "at": "timestamptz" = entry.row.at,
                "actor": "text" = &entry.row.actor,
                "caller": "uuid" = entry.row.key_id,
                "actor_id": "text" = entry.row.actor_id.as_deref(),
                "action": "text" = &entry.row.action,
                "subject": "text" = &entry.row.subject,
                "request_id": "text" = entry.row.request_id.as_deref(),
                "client_address": "text" = entry.row.client_address.as_deref(),
                $($parameters)*
            }
        );
        done.fetch_optional($db).await.map(|row| row.is_some())
    }};
}
pub(crate) use change;
