//! `key`, `secret`, `org delete` and `org queues`: by the API's rules, and nothing is lost.

use serde_json::{Value, json};

use crate::support::Database;
use crate::support::process::Program;

async fn with_org() -> (Database, Program) {
    let database = Database::new().await;
    let program = Program::on(&database);
    program.run(&["org", "create", "--key", "acme", "--name", "Acme", "--json"]).succeeded();
    (database, program)
}

fn keys(program: &Program, more: &[&str]) -> Vec<Value> {
    let printed = program.run(&[&["key", "list", "--org", "acme", "--json"], more].concat()).succeeded();
    let listed: Value = serde_json::from_str(&printed).expect("one JSON value");
    listed["keys"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn arguments_keep_the_rules_of_the_api_in_its_words() {
    let (_database, program) = with_org().await;
    let long = "x".repeat(201);
    let future = "must be in the future";
    let date = "must be an RFC 3339 date and time with an offset, such as 2027-01-31T12:00:00Z";
    for (arguments, said) in [
        (&["key", "create", "--expires-at", "2020-01-01T00:00:00Z"][..], format!("--expires-at {future}")),
        (&["key", "create", "--expires-at", "tomorrow"], format!("--expires-at {date}")),
        (&["key", "create", "--expires-at", "2099-01-01T00:00:00"], format!("--expires-at {date}")),
        (&["key", "create", "--name", ""], "--name must have at least 1 characters".into()),
        (&["key", "create", "--name", &long], "--name must have at most 200 characters".into()),
        (
            &["key", "create", "--name", "", "--expires-at", "2020-01-01T00:00:00Z"],
            format!("--name must have at least 1 characters; --expires-at {future}"),
        ),
        (
            &["key", "rotate", "--grace-period-seconds", "604801"],
            "--grace-period-seconds must be at most 604800".into(),
        ),
        (
            &["key", "rotate", "--grace-period-seconds", "-1"],
            "--grace-period-seconds must be at least 0".into(),
        ),
        (&["key", "rotate", "--expires-at", "2020-01-01T00:00:00Z"], format!("--expires-at {future}")),
        (&["key", "create", "--scopes", "users"], "--scopes must be * or a scope of the list".into()),
        (
            &["key", "create", "--scopes", "*,org:read"],
            "--scopes must have * alone, or scopes without it".into(),
        ),
        (&["key", "rotate", "--scopes", "org:read,org:read"], "--scopes must have each scope once".into()),
        (&["key", "rotate", "--scope-policy", "x"], "--scope-policy must be enforce or report".into()),
        (&["key", "rotate", "--id", "1"], "--id must be a UUID, written 8-4-4-4-12".into()),
        (&["key", "revoke", "--id", "1"], "--id must be a UUID, written 8-4-4-4-12".into()),
        (
            &["secret", "rotate", "--grace-period-seconds", "604801"],
            "--grace-period-seconds must be at most 604800".into(),
        ),
        (&["event", "replay", "1"], "--event-ids must be an event's id".into()),
    ] {
        let arguments = [&arguments[..2], &["--org", "acme"], &arguments[2..]].concat();
        assert_eq!(program.run(&arguments).refused(), said, "{arguments:?}");
    }
    assert_eq!(keys(&program, &[]).len(), 1, "nothing was made");
}

#[tokio::test]
async fn a_key_is_made_and_rotated_with_scopes_and_the_list_shows_them() {
    let (_database, program) = with_org().await;
    let run = |arguments: &[&str]| -> Value {
        serde_json::from_str(&program.run(&[arguments, &["--json"]].concat()).succeeded())
            .expect("one JSON value")
    };
    let made =
        run(&["key", "create", "--org", "acme", "--name", "importer", "--scopes", "users:write,users:read"]);
    let id = made["key_id"].as_str().expect("an id");
    let rights = |id: &Value| {
        let key = keys(&program, &[]).into_iter().find(|key| key["id"] == *id).expect("it is listed");
        (key["scopes"].clone(), key["scope_policy"].clone())
    };
    let both = json!(["users:read", "users:write"]);
    assert_eq!(rights(&made["key_id"]), (both.clone(), json!("enforce")));
    let kept = run(&["key", "rotate", "--org", "acme", "--id", id, "--scope-policy", "report"]);
    assert_eq!(rights(&kept["key_id"]), (both, json!("report")));
    let id = kept["key_id"].as_str().expect("an id");
    let all = run(&["key", "rotate", "--org", "acme", "--id", id, "--scopes", "*"]);
    assert_eq!(rights(&all["key_id"]), (json!(["*"]), json!("report")));
    let listed = program.run(&["key", "list", "--org", "acme"]).succeeded();
    assert!(listed.contains("  importer  (users:read users:write)"), "{listed}");
    assert!(listed.contains("  importer  (users:read users:write, only reported)"), "{listed}");
}

#[tokio::test]
async fn the_living_keys_are_found_among_many_dead_ones() {
    let (database, program) = with_org().await;
    database
        .execute(
            "INSERT INTO tenant_keys (org_id, id, name, prefix, digest, created_at, revoked_at)
             SELECT o.id, gen_random_uuid(), 'dead', 'tk_test_dead00', sha256(n::text::bytea),
                    '2020-01-01T00:00:00Z', '2020-01-01T00:00:00Z'
             FROM orgs AS o, generate_series(1, 700) AS n",
        )
        .await;
    let live = keys(&program, &["--live"]);
    assert_eq!(live.iter().map(|key| &key["name"]).collect::<Vec<_>>(), [&json!("first key")]);
    assert_eq!(keys(&program, &[]).len(), 701);
}

#[tokio::test]
async fn what_cannot_be_shown_is_not_made() {
    let (_database, program) = with_org().await;
    for arguments in [
        &["org", "create", "--key", "lost", "--name", "Lost"][..],
        &["org", "create", "--key", "lost", "--name", "Lost", "--json"],
        &["key", "create", "--org", "acme"],
        &["key", "rotate", "--org", "acme", "--grace-period-seconds", "0"],
        &["secret", "rotate", "--org", "acme"],
        &["org", "list"],
    ] {
        let message = program.run_into_full(arguments).refused();
        assert!(message.starts_with("cannot write to standard output: "), "{arguments:?}: {message}");
    }
    let orgs: Value =
        serde_json::from_str(&program.run(&["org", "list", "--json"]).succeeded()).expect("JSON");
    assert_eq!(orgs["orgs"].as_array().expect("a list").len(), 1);
    let keys = keys(&program, &[]);
    assert_eq!((keys.len(), &keys[0]["rotated_at"], &keys[0]["revoked_at"]), (1, &Value::Null, &Value::Null));
    // The secret that could not be shown is nobody's.
    let printed = program.run(&["secret", "rotate", "--org", "acme", "--json"]).succeeded();
    let rotated: Value = serde_json::from_str(&printed).expect("JSON");
    assert!(rotated["previous_secret_expires_at"].is_string());
}

#[tokio::test]
async fn an_org_is_deleted_only_on_purpose() {
    let (_database, program) = with_org().await;
    let message = program.run(&["org", "delete", "--key", "acme"]).refused();
    assert!(message.contains("--yes"), "{message}");
    assert_eq!(keys(&program, &[]).len(), 1);
    program.run(&["org", "delete", "--key", "acme", "--yes"]).succeeded();
    assert_eq!(
        program.run(&["key", "list", "--org", "acme"]).refused(),
        "there is no org with the key \"acme\""
    );
}

#[tokio::test]
async fn a_thiefs_queue_is_seen_and_removed() {
    let (database, program) = with_org().await;
    database
        .execute(
            "INSERT INTO event_queues (org_id, stream, type, settings, created_at, updated_at)
             SELECT id, 'credentials', 'webhook', '{\"url\": \"https://thief.example/\"}', now(), now() FROM orgs",
        )
        .await;
    let list = || -> Value {
        let printed = program.run(&["org", "queues", "--key", "acme", "--json"]).succeeded();
        serde_json::from_str(&printed).expect("one JSON value")
    };
    assert_eq!(list()["queues"][0]["queue_name"], "credentials");
    assert_eq!(list()["queues"][0]["settings"], json!({"url": "https://thief.example/"}));
    assert!(program.run(&["org", "queues", "--key", "acme"]).succeeded().contains("https://thief.example/"));

    for (option, done) in [("--pause", "paused"), ("--resume", "resumed"), ("--pause", "paused")] {
        let done = format!(r#"{{"{done}":"credentials"}}"#);
        assert_eq!(
            program.run(&["org", "queues", "--key", "acme", option, "credentials", "--json"]).succeeded(),
            done
        );
    }
    let two = ["org", "queues", "--key", "acme", "--pause", "users", "--remove", "users"];
    assert_eq!(program.run(&two).status.code(), Some(2));

    let removed =
        program.run(&["org", "queues", "--key", "acme", "--remove", "credentials", "--json"]).succeeded();
    assert_eq!(removed, r#"{"removed":"credentials"}"#);
    assert_eq!(list(), json!({"queues": []}));
    for (stream, said) in [("credentials", "no queue"), ("nonsense", "stream")] {
        let message = program.run(&["org", "queues", "--key", "acme", "--remove", stream]).refused();
        assert!(message.contains(said), "{message}");
    }
    let printed = program.run(&["audit", "verify", "--org", "acme"]).succeeded();
    assert!(printed.contains(':'), "{printed}");
}
