//! The first connection of a process, made before anything else: what is wrong with a database is
//! said then, with the name of the variable and of the host, and never with a password.

use std::io;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgSslMode};
use sqlx::{Connection as _, Error, PgConnection};

use super::session;

/// A database that starts together with the service has this long.
const PATIENCE: Duration = Duration::from_secs(3);
/// An attempt that takes longer is given up.
const ATTEMPT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// The reason why a database cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConnectError {
    variable: &'static str,
    problem: String,
}

/// A database that answers.
#[derive(Debug)]
pub struct CheckedDatabase {
    /// The options to connect with.
    pub options: PgConnectOptions,
    /// Settings of the role, the database or the server that our SQL should not run under, as
    /// `name = value` of what they should be. Every connection sets them, but behind a pooler in
    /// transaction mode that does not hold.
    pub unfit: Vec<String>,
}

/// Connects to the database that `variable` names, and looks whether it can be used.
///
/// # Errors
/// Says what is wrong, and what to do.
pub async fn connect(
    variable: &'static str,
    options: PgConnectOptions,
) -> Result<CheckedDatabase, ConnectError> {
    let refuse = |problem| ConnectError { variable, problem };
    let address = ServerAddress::of(&options);
    let (mut connection, options) = establish(&address, options).await.map_err(refuse)?;
    let checked = check(&address, &mut connection).await;
    let unfit = session::missing_behind_a_pooler(&mut connection).await;
    let _ = connection.close().await;
    checked.map_err(refuse)?;
    let unfit = unfit.map_err(|error| refuse(address.explain(&error, &options)))?;
    Ok(CheckedDatabase { options, unfit })
}

async fn establish(
    address: &ServerAddress,
    options: PgConnectOptions,
) -> Result<(PgConnection, PgConnectOptions), String> {
    let deadline = Instant::now() + PATIENCE;
    let mut options = options;
    let mut without_tls = None;
    loop {
        let Ok(outcome) = tokio::time::timeout(ATTEMPT, PgConnection::connect_with(&options)).await else {
            return Err(format!("no answer from {} within {} seconds", address.server, ATTEMPT.as_secs()));
        };
        match outcome {
            Ok(connection) => return Ok((connection, options)),
            Err(error) if passes(&error) && Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            // As libpq does: who only prefers TLS goes on without, if its certificate is no good.
            Err(error) if is_tls(&error) && matches!(options.get_ssl_mode(), PgSslMode::Prefer) => {
                tracing::warn!(server = address.server, %error, "TLS failed and is only preferred: going on without");
                without_tls = Some(error);
                options = options.ssl_mode(PgSslMode::Disable);
            }
            Err(error) => {
                let explained = address.explain(&error, &options);
                return Err(match without_tls {
                    Some(tls) => format!("{}; and without TLS: {explained}", address.explain(&tls, &options)),
                    None => explained,
                });
            }
        }
    }
}

/// Text is UTF-8 here; in another encoding some of it could not be stored, or not be read back.
async fn check(address: &ServerAddress, connection: &mut PgConnection) -> Result<(), String> {
    let encoding: Result<String, _> = sqlx::query_scalar("SELECT current_setting('server_encoding')")
        .persistent(false)
        .fetch_one(&mut *connection)
        .await;
    match encoding {
        Ok(encoding) if encoding == "UTF8" => Ok(()),
        Ok(encoding) => Err(format!(
            "{} has the encoding {encoding}, and the service needs UTF8: make another one with CREATE DATABASE ... \
             TEMPLATE template0 ENCODING 'UTF8'",
            address.database
        )),
        Err(error) => Err(format!("{} does not answer: {error}", address.database)),
    }
}

/// Names for messages.
struct ServerAddress {
    server: String,
    database: String,
    user: String,
}

impl ServerAddress {
    fn of(options: &PgConnectOptions) -> Self {
        let server = match options.get_socket() {
            Some(directory) => format!("the socket in {}", directory.display()),
            None if options.get_host().contains(':') => {
                format!("[{}]:{}", options.get_host(), options.get_port())
            }
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        let name = options.get_database().unwrap_or(options.get_username());
        let database = format!("the database \"{name}\" at {server}");
        Self { database, user: options.get_username().to_owned(), server }
    }

    fn explain(&self, error: &Error, options: &PgConnectOptions) -> String {
        let Self { server, database, user } = self;
        match error {
            Error::Database(refused) => {
                let state = refused.code().unwrap_or_default();
                let said = refused.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::message);
                let said = said.unwrap_or("no reason given");
                match &*state {
                    "28P01" => format!("{server} does not take the password of the user \"{user}\""),
                    "28000" => format!("{server} does not let the user \"{user}\" in: {said}"),
                    "3D000" => {
                        format!("there is no {}: make it with CREATE DATABASE", &database["the ".len()..])
                    }
                    "53300" => format!("{server} has no connection left: {said}"),
                    _ => format!("{server} refuses the connection: {said}"),
                }
            }
            _ if is_tls(error) => format!(
                "no TLS with {server} (sslmode={}): {error}. Mend the server's certificate (X.509 version 3, a key of \
                 2048 bits or more), or set another sslmode",
                mode(options.get_ssl_mode())
            ),
            Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                format!("nothing listens at {server}")
            }
            Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                format!("there is no {}", &server["the ".len()..])
            }
            Error::Io(error) => format!("cannot connect to {server}: {error}"),
            Error::Protocol(problem) => format!("{server} does not answer as a Postgres does: {problem}"),
            error => format!("cannot connect to {server}: {error}"),
        }
    }
}

/// rustls's refusals arrive as invalid data.
fn is_tls(error: &Error) -> bool {
    match error {
        Error::Tls(_) => true,
        Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

fn mode(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

/// Returns `true` if the server may be about to come up.
fn passes(error: &Error) -> bool {
    match error {
        Error::Io(error) => {
            matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
        }
        Error::Database(error) => error.code().is_some_and(|state| state == "57P03" || state == "53300"),
        _ => false,
    }
}
