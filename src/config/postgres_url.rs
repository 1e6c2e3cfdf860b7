//! `DATABASE_URL`, read as libpq reads it (PostgreSQL's manual, "Connection URIs"). What cannot be
//! honoured is refused in words that say what to write instead and never repeat a value.

use std::fs::File;
use std::net::Ipv6Addr;

use sqlx::postgres::PgConnectOptions;
use zeroize::Zeroizing;

const SHAPE: &str = "must be a postgres:// URL, such as postgres://user:password@host/database";
const ENCODE: &str = "cannot be read: in a user's name or a password, write / as %2F, ? as %3F, # as %23, % as %25, \
                      [ as %5B, ] as %5D and a blank as %20; a port is a number up to 65535";
const SEVERAL: &str =
    "names several hosts: name one, such as an address, a DNS name or a pooler that follows the primary";
const BRACKETS: &str = "an IPv6 address is written in brackets, such as postgres://user@[::1]/database";
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
/// Settings of libpq's that change nothing here: we have our own, or need none.
const IGNORED: [&str; 14] = [
    "application_name",
    "client_encoding",
    "connect_timeout",
    "fallback_application_name",
    "gsslib",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "sslcompression",
    "sslsni",
    "tcp_user_timeout",
];
/// The longest name of a parameter that a message repeats; a longer one may be a value.
const MAX_ECHOED_NAME: usize = 40;

/// The parts of a URL, by the names that sqlx's own parser knows.
#[derive(Default)]
struct UrlParts(Vec<(&'static str, Zeroizing<String>)>);

impl UrlParts {
    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.retain(|(set, _)| *set != name);
        self.0.push((name, Zeroizing::new(value.into())));
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(set, _)| *set == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a URL. What it leaves out comes from `PGHOST` and its like, and from `.pgpass`.
///
/// # Errors
/// Says what to write instead.
pub(super) fn parse(url: &str) -> Result<PgConnectOptions, String> {
    if url.starts_with(['"', '\'']) {
        return Err("has quotes around it: leave them out".to_owned());
    }
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")).ok_or(SHAPE)?;
    if rest.contains(['#', ' ', '\t', '\n']) {
        return Err(ENCODE.to_owned());
    }
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    if !authority.contains('@') && path.contains('@') {
        return Err(ENCODE.to_owned());
    }
    let mut parts = UrlParts::default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    read_user(&mut parts, user)?;
    read_host(&mut parts, host)?;
    let database = decode(path.trim_start_matches('/'))?;
    if !database.is_empty() {
        parts.set("dbname", database.as_str());
    }
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        read_parameter(&mut parts, &decode(name)?, value)?;
    }
    normalize_tls(&mut parts)?;
    to_options(&parts)
}

fn read_user(parts: &mut UrlParts, text: &str) -> Result<(), String> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    if !user.is_empty() {
        parts.set("user", decode(user)?.as_str());
    }
    if let Some(password) = password {
        parts.set("password", decode(password)?.as_str());
    }
    Ok(())
}

fn read_host(parts: &mut UrlParts, text: &str) -> Result<(), String> {
    if text.contains(',') {
        return Err(SEVERAL.to_owned());
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(inside) => {
            let (address, port) = inside.split_once(']').ok_or(BRACKETS)?;
            let address: Ipv6Addr = address.parse().map_err(|_| BRACKETS)?;
            let port = if port.is_empty() { "" } else { port.strip_prefix(':').ok_or(ENCODE)? };
            (Zeroizing::new(address.to_string()), port)
        }
        None if text.matches(':').count() > 1 => return Err(BRACKETS.to_owned()),
        None => {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            (decode(host)?, port)
        }
    };
    if !host.is_empty() {
        set_host(parts, &host)?;
    }
    if port.is_empty() { Ok(()) } else { set_port(parts, port) }
}

fn set_host(parts: &mut UrlParts, host: &str) -> Result<(), String> {
    if host.contains(',') {
        return Err(SEVERAL.to_owned());
    }
    let is_plain = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:%".contains(&b));
    if !host.starts_with('/') && !is_plain(host) {
        return Err("the host is neither a name, an address, nor the directory of a socket".to_owned());
    }
    parts.set("host", host);
    Ok(())
}

fn set_port(parts: &mut UrlParts, port: &str) -> Result<(), String> {
    if port.contains(',') {
        return Err(SEVERAL.to_owned());
    }
    let port: u16 = port.parse().ok().filter(|port| *port > 0).ok_or(ENCODE)?;
    parts.set("port", port.to_string());
    Ok(())
}

fn read_parameter(parts: &mut UrlParts, name: &str, value: &str) -> Result<(), String> {
    // Only here do people write a blank as in a form.
    let value = if name.starts_with("options") { value.replace('+', "%20") } else { value.to_owned() };
    let value = decode(&Zeroizing::new(value))?;
    match name {
        "host" if value.is_empty() => {}
        "host" | "hostaddr" => set_host(parts, &value)?,
        "port" => set_port(parts, &value)?,
        "user" => parts.set("user", value.as_str()),
        "password" => parts.set("password", value.as_str()),
        "dbname" => parts.set("dbname", value.as_str()),
        "sslmode" | "ssl-mode" => parts.set("sslmode", value.as_str()),
        "ssl" if *value == "true" => parts.set("sslmode", "require"),
        "sslrootcert" | "ssl-root-cert" | "ssl-ca" => parts.set("sslrootcert", value.as_str()),
        "sslcert" | "ssl-cert" => parts.set("sslcert", value.as_str()),
        "sslkey" | "ssl-key" => parts.set("sslkey", value.as_str()),
        "statement-cache-capacity" if value.parse::<u32>().is_ok() => {
            parts.set("statement-cache-capacity", value.as_str());
        }
        "options" => add_option(parts, &value),
        "channel_binding" if ["prefer", "disable"].contains(&value.as_str()) => {}
        "channel_binding" => {
            return Err(
                "channel_binding=require cannot be had: leave it out, and write sslmode=verify-full".into()
            );
        }
        "target_session_attrs"
            if ["any", "read-write", "primary", "prefer-standby"].contains(&value.as_str()) => {}
        "target_session_attrs" => {
            return Err(
                "target_session_attrs must be read-write, as the service writes: or leave it out".into()
            );
        }
        "gssencmode" if *value != "require" => {}
        "sslnegotiation" if *value == "postgres" => {}
        name if IGNORED.contains(&name) => {}
        name => match name.strip_prefix("options[").and_then(|name| name.strip_suffix(']')) {
            Some(setting) => add_option(parts, &format!("-c {setting}={}", escaped(&value))),
            None => return Err(unknown(name)),
        },
    }
    Ok(())
}

fn unknown(name: &str) -> String {
    let is_plain = name.len() <= MAX_ECHOED_NAME
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    let name = if is_plain && !name.is_empty() { format!("`{name}`") } else { "one of them".to_owned() };
    format!(
        "has a parameter that is not known here, or not with that value ({name}): leave it out. Known are host, port, user, password, \
         dbname, sslmode, sslrootcert, sslcert, sslkey, options"
    )
}

/// As the server splits `options`.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace(' ', r"\ ")
}

fn add_option(parts: &mut UrlParts, option: &str) {
    let before = parts.get("options").map(|before| format!("{before} ")).unwrap_or_default();
    parts.set("options", format!("{before}{option}"));
}

/// libpq's rules: no TLS on a socket; a root certificate is there to be checked against.
fn normalize_tls(parts: &mut UrlParts) -> Result<(), String> {
    if let Some(mode) = parts.get("sslmode")
        && !SSL_MODES.contains(&mode)
    {
        return Err(format!("sslmode must be one of {}", SSL_MODES.join(", ")));
    }
    if parts.get("sslrootcert") == Some("system") {
        parts.0.retain(|(name, _)| *name != "sslrootcert");
        parts.set("sslmode", "verify-full");
    }
    if parts.get("sslrootcert").is_some() && parts.get("sslmode") == Some("require") {
        parts.set("sslmode", "verify-ca");
    }
    if parts.get("host").is_some_and(|host| host.starts_with('/')) {
        parts.set("sslmode", "disable");
    }
    for file in ["sslrootcert", "sslcert", "sslkey"] {
        // sqlx also takes the certificate itself.
        if let Some(path) = parts.get(file).filter(|text| !text.contains("-----BEGIN"))
            && let Err(error) = File::open(path)
        {
            return Err(format!("{file} names a file that cannot be read: {error}"));
        }
    }
    Ok(())
}

/// By way of sqlx's own parser, which alone reads `.pgpass`.
fn to_options(parts: &UrlParts) -> Result<PgConnectOptions, String> {
    let mut query = form_urlencoded::Serializer::new(String::from("postgres:///?"));
    for (name, value) in &parts.0 {
        query.append_pair(name, value);
    }
    let url = Zeroizing::new(query.finish());
    // Its error may quote the URL.
    url.parse().map_err(|_| SHAPE.to_owned())
}

fn decode(text: &str) -> Result<Zeroizing<String>, String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut left = text.as_bytes();
    while let Some((first, rest)) = left.split_first() {
        left = rest;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, rest) = left.split_at_checked(2).ok_or(ENCODE)?;
        let mut byte = [0];
        hex::decode_to_slice(digits, &mut byte).map_err(|_| ENCODE)?;
        bytes.push(byte[0]);
        left = rest;
    }
    if bytes.contains(&0) {
        return Err(ENCODE.to_owned());
    }
    String::from_utf8(bytes.to_vec()).map(Zeroizing::new).map_err(|_| ENCODE.to_owned())
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions as _;
    use sqlx::postgres::PgSslMode;

    use super::*;

    /// Host or socket, port, user, database.
    fn read(url: &str) -> (String, u16, String, String) {
        let options = parse(url).unwrap_or_else(|problem| panic!("{url}: {problem}"));
        let socket = options.get_socket().map(|path| path.display().to_string());
        (
            socket.unwrap_or_else(|| options.get_host().to_owned()),
            options.get_port(),
            options.get_username().to_owned(),
            options.get_database().unwrap_or_default().to_owned(),
        )
    }

    #[test]
    fn every_usual_form_is_read() {
        for (url, host, port, user, database) in [
            ("postgres://u:p@db.internal/app", "db.internal", 5432, "u", "app"),
            ("postgresql://u:p@db.internal:6543/app", "db.internal", 6543, "u", "app"),
            ("postgres://u:p@[::1]/app", "::1", 5432, "u", "app"),
            ("postgres://u:p@[2001:db8::7]:5433/app?sslmode=require", "2001:db8::7", 5433, "u", "app"),
            ("postgres://u:p@10.0.0.7:/app", "10.0.0.7", 5432, "u", "app"),
            ("postgres://u@/app?host=/run/postgresql", "/run/postgresql", 5432, "u", "app"),
            ("postgres:///app?host=/run/postgresql&port=5433&user=u", "/run/postgresql", 5433, "u", "app"),
            ("postgres://u@%2Frun%2Fpostgresql:5433/app", "/run/postgresql", 5433, "u", "app"),
            ("postgres://u@localhost/other?dbname=app", "localhost", 5432, "u", "app"),
            ("postgres://some%40one@h/a%20b", "h", 5432, "some@one", "a b"),
            (
                "postgres://u@h/app?connect_timeout=10&application_name=x&target_session_attrs=read-write",
                "h",
                5432,
                "u",
                "app",
            ),
            ("postgres://u@h/app?channel_binding=prefer&gssencmode=disable", "h", 5432, "u", "app"),
        ] {
            assert_eq!(read(url), (host.to_owned(), port, user.to_owned(), database.to_owned()), "{url}");
        }
    }

    #[test]
    fn passwords_may_have_odd_characters() {
        for (written, password) in [
            ("p@ss:w0rd", "p@ss:w0rd"),
            ("a@b@c", "a@b@c"),
            ("!$&'()*+,;=-._~", "!$&'()*+,;=-._~"),
            ("%2F%3F%23%25%5B%5D%20%40%3A", "/?#%[] @:"),
            ("p%C3%A4ss", "päss"),
            ("", ""),
        ] {
            let url = parse(&format!("postgres://u:{written}@db.internal/app")).unwrap().to_url_lossy();
            let sent = url.password().map(|text| decode(text).unwrap().to_string());
            assert_eq!(sent.unwrap_or_default(), password, "{written}");
        }
    }

    #[test]
    fn tls_is_asked_for_as_libpq_does() {
        let mode = |url: &str| parse(url).unwrap().get_ssl_mode();
        let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/src/events/targets/testdata/receiver.pem");
        assert!(matches!(mode("postgres://h/a?sslmode=verify-full"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://h/a?ssl=true"), PgSslMode::Require));
        assert!(matches!(
            mode(&format!("postgres://h/a?sslmode=require&sslrootcert={ca}")),
            PgSslMode::VerifyCa
        ));
        assert!(matches!(mode("postgres://h/a?sslrootcert=system"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres:///a?host=/run&sslmode=require"), PgSslMode::Disable));
    }

    #[test]
    fn options_reach_the_server() {
        for url in [
            "postgres://h/a?options=-c%20search_path%3Dapp",
            "postgres://h/a?options=-c+search_path=app",
            "postgres://h/a?options[search_path]=app",
        ] {
            assert_eq!(parse(url).unwrap().get_options(), Some("-c search_path=app"), "{url}");
        }
    }

    #[test]
    fn what_is_not_taken_says_what_to_write_and_repeats_no_value() {
        for (url, said) in [
            ("\"postgres://u:s3cr3t@h/a\"", "has quotes around it"),
            ("mysql://u:s3cr3t@h/a", "must be a postgres:// URL"),
            ("jdbc:postgresql://h/a?password=s3cr3t", "must be a postgres:// URL"),
            ("postgresql+asyncpg://u:s3cr3t@h/a", "must be a postgres:// URL"),
            ("host=h password=s3cr3t", "must be a postgres:// URL"),
            ("postgres://u:s3cr3t@a,b/x", "names several hosts"),
            ("postgres://u:s3cr3t@a:5432,b:5433/x", "names several hosts"),
            ("postgres://u:s3cr3t@/x?host=a,b", "names several hosts"),
            ("postgres://u:s3cr3t@a/x?port=1,2", "names several hosts"),
            ("postgres://u:s3cr3t@::1/x", "written in brackets"),
            ("postgres://u:s3cr3t@[::1/x", "written in brackets"),
            ("postgres://u:s3/cr3t@h/x", "write / as %2F"),
            ("postgres://u:s3?cr3t@h/x", "write / as %2F"),
            ("postgres://u:s3cr3t#@h/x", "# as %23"),
            ("postgres://u:s3cr3t%@h/x", "% as %25"),
            ("postgres://u:s3 cr3t@h/x", "a blank as %20"),
            ("postgres://u:s3cr3t@h:s3cr3t/x", "a port is a number"),
            ("postgres://u:s3cr3t@h:70000/x", "a port is a number"),
            ("postgres://u:s3cr3t@h/x?sslmode=s3cr3t", "sslmode must be one of disable, allow"),
            (
                "postgres://u:s3cr3t@h/x?sslrootcert=/nonexistent",
                "sslrootcert names a file that cannot be read",
            ),
            ("postgres://u:s3cr3t@h/x?channel_binding=require", "sslmode=verify-full"),
            ("postgres://u:s3cr3t@h/x?target_session_attrs=standby", "must be read-write"),
            ("postgres://u@h/x?pasword=s3cr3t", "`pasword`"),
            ("postgres://u@h/x?service=s3cr3t", "`service`"),
        ] {
            let problem = parse(url).err().unwrap_or_else(|| panic!("{url} is read"));
            assert!(problem.contains(said), "{url}: {problem}");
            assert!(
                !problem.contains("s3cr3t") && !problem.contains("s3/") && !problem.contains("cr3t"),
                "{problem}"
            );
        }
    }
}
