//! Files that are believed, and programs that are run: whose they are decides.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use crate::support::Database;
use crate::support::database::MASTER_KEYS;
use crate::support::process::Program;

#[tokio::test]
async fn settings_of_a_directory_above_are_not_read() {
    let program = Program::embedded();
    write(&program.directory.join(".env"), "LOG=nonsense", 0o644);
    let message = program.run(&["org", "list"]).refused();
    assert!(message.starts_with("LOG: `nonsense`"), "the file of this directory is: {message}");

    let below = program.directory.join("below");
    fs::create_dir(&below).expect("a directory");
    let below = program.within(&below).with("DATABASE_URL", "postgres://h/d").with("PG_BIN", "/nonexistent");
    let message = below.run(&["org", "list"]).refused();
    assert!(message.starts_with("MASTER_KEYS or MASTER_PASSPHRASE_FILE must be set"), "{message}");
}

#[tokio::test]
async fn settings_that_others_could_have_written_are_refused() {
    let program = Program::embedded();
    let file = program.directory.join(".env");
    for mode in [0o664, 0o646, 0o666] {
        write(&file, "LOG=nonsense", mode);
        let message = program.run(&["org", "list"]).refused();
        assert_eq!(
            message,
            format!(".env can be changed by others (mode {mode:04o}): it is not read. Run `chmod go-w .env`")
        );
    }
    write(&file, "LOG=nonsense", 0o600);
    if chown(&file, Some(4711), None).is_ok() {
        let message = program.run(&["org", "list"]).refused();
        assert!(message.starts_with(".env belongs to uid 4711"), "{message}");
    }
}

#[tokio::test]
async fn secrets_come_from_files_that_strangers_cannot_read() {
    let database = Database::new().await;
    let program = Program::embedded().with("DATABASE_URL", &database.url());
    let (keys, gateway) = (program.directory.join("keys"), program.directory.join("gateway"));
    write(&keys, MASTER_KEYS, 0o600);
    write(&gateway, "current-0123456789012345678901234567\nprevious-012345678901234567890123456\n", 0o640);
    let named = |path: &PathBuf| path.display().to_string();
    let program =
        program.with("MASTER_KEYS_FILE", &named(&keys)).with("GATEWAY_SECRETS_FILE", &named(&gateway));
    assert_eq!(
        program.run(&["org", "suspend", "--key", "acme"]).refused(),
        "there is no org with the key \"acme\""
    );

    for (variable, file) in [("MASTER_KEYS_FILE", &keys), ("GATEWAY_SECRETS_FILE", &gateway)] {
        set_mode(file, 0o644);
        let message = program.run(&["org", "list"]).refused();
        let expected = format!("{variable}: {} can be read by everybody (mode 0644)", file.display());
        assert!(message.starts_with(&expected), "{message}");
        set_mode(file, 0o600);
    }
    let both = program.with("MASTER_KEYS", MASTER_KEYS);
    let message = both.run(&["org", "list"]).refused();
    assert_eq!(message, "MASTER_KEYS_FILE: is set beside MASTER_KEYS: leave one of them out");
}

#[tokio::test]
async fn a_passphrase_that_everybody_can_read_is_refused() {
    let database = Database::empty().await;
    let program = Program::embedded().with("DATABASE_URL", &database.url());
    let file = program.directory.join("passphrase");
    write(&file, "correct horse battery staple", 0o644);
    let program = program.with("MASTER_PASSPHRASE_FILE", &file.display().to_string());
    let message = program.run(&["org", "list"]).refused();
    assert!(message.starts_with("MASTER_PASSPHRASE_FILE: ") && message.contains("chmod o="), "{message}");
    set_mode(&file, 0o600);
    assert_eq!(program.run(&["org", "list", "--json"]).succeeded(), r#"{"orgs":[]}"#);
}

/// As root this runs as another user; and whoever runs it, it learns nothing.
#[tokio::test]
async fn a_program_that_may_be_postgres_runs_without_privileges_and_secrets() {
    let program = Program::embedded();
    let bin = program.directory.join("bin");
    fs::create_dir(&bin).expect("a directory");
    let seen = program.directory.join("seen");
    write(&seen, "", 0o666);
    let spy = format!("#!/bin/sh\n{{ id -u; env; }} >> {}\nexit 1\n", seen.display());
    for name in ["postgres", "initdb"] {
        write(&bin.join(name), &spy, 0o755);
    }
    let program = program
        .with("PG_BIN", &bin.display().to_string())
        .with("MASTER_KEYS", MASTER_KEYS)
        .with("GATEWAY_SECRETS", "current-0123456789012345678901234567");

    let message = program.run(&["serve"]).refused();

    assert!(message.contains("no Postgres found"), "{message}");
    let seen = fs::read_to_string(&seen).expect("it was run");
    assert!(!seen.starts_with("0\n") && !seen.is_empty(), "{seen}");
    for secret in ["MASTER_KEYS", "GATEWAY_SECRETS", "DATABASE_URL", MASTER_KEYS] {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).expect("writes");
    set_mode(path, mode);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its owner may");
}
