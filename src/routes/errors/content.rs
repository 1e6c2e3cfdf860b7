//! What the pages say, before it is Markdown or HTML.

use std::collections::BTreeMap;

use crate::error::help::{Help, OAUTH, OAUTH_INVALID_REQUEST, VALIDATION};
use crate::error::{Code, ProblemKind};

/// A part of the page. Text may have `code spans`.
pub enum Block {
    /// A heading of a level from 1 on, which its fragment leads to.
    Heading(u8, String, String),
    /// A paragraph.
    Text(String),
    /// JSON, as it is sent.
    Json(&'static str),
    /// A list.
    List(Vec<String>),
    /// The codes of each status, as links.
    Index(BTreeMap<u16, Vec<&'static str>>),
}

/// The whole page.
pub fn blocks() -> Vec<Block> {
    let mut blocks = introduction();
    blocks.push(heading(2, "codes", "Codes"));
    let codes = Code::ALL.iter().filter(|code| !code.is_of_token_endpoint());
    let mut named = BTreeMap::<_, Vec<_>>::new();
    for code in codes {
        named.entry(code.name()).or_default().push(*code);
    }
    blocks.push(Block::Index(by_status(&named)));
    for (name, codes) in named {
        blocks.push(heading(3, name, &format!("`{name}`")));
        for code in codes {
            blocks.extend(entry(code, code.help()));
        }
    }
    blocks.extend(validation());
    blocks.extend(token_endpoint());
    blocks
}

/// The example of each shape.
fn introduction() -> Vec<Block> {
    let text = |text: &str| Block::Text(text.to_owned());
    vec![
        heading(1, "errors", "Errors"),
        text(
            "Every error of the API by its code: what happened, what to do, and whether the request may be sent \
             again. The codes are a closed set, and a program may switch on them. Messages are for people, and change.",
        ),
        text(
            "Every reply has a request id in `x-request-id`; quote it when you ask for help. Where the service knows \
             its own address (`PUBLIC_URL`), every error reply leads to its entry here: \
             `Link: <.../errors#key_superseded>; rel=\"help\"`.",
        ),
        heading(2, "shapes", "Shapes"),
        text("An error has one of four shapes, by the path and by what is wrong. Under `/v1`:"),
        Block::Json(
            r#"{"error": {"code": "key_superseded", "message": "...", "details": [], "request_id": "7ceec407-..."}}"#,
        ),
        text(
            "A request under `/v1` whose fields are not valid, with everything that is wrong at once (422):",
        ),
        Block::Json(
            r#"{"detail": [{"loc": ["body", "user_id"], "msg": "must be a UUID, written 8-4-4-4-12", "type": "uuid_parsing"}]}"#,
        ),
        text("Under `/api/v1/key`, where fields that are not valid are 400:"),
        Block::Json(
            r#"{"TraceId": "7ceec407-...", "Error": {"Code": "weak_key", "Message": "...", "AdditionalInfo": "", "ExtraData": {"PublicKey": "..."}}}"#,
        ),
        text("At `/v1/oauth/token`, as RFC 6749 says:"),
        Block::Json(r#"{"error": "invalid_client", "error_description": "..."}"#),
    ]
}

/// The codes of each status, by name.
fn by_status(named: &BTreeMap<&'static str, Vec<Code>>) -> BTreeMap<u16, Vec<&'static str>> {
    let mut statuses = BTreeMap::<_, Vec<_>>::new();
    for (name, codes) in named {
        for code in codes {
            statuses.entry(code.status().as_u16()).or_default().push(*name);
        }
    }
    statuses
}

/// A code's status and message, and the help with it.
fn entry(code: Code, help: Help) -> [Block; 2] {
    let status = code.status();
    let reason = status.canonical_reason().unwrap_or_default();
    [
        Block::Text(format!("{} {reason}. \"{}\"", status.as_u16(), code.default_message())),
        Block::List(vec![
            format!("What happened: {}", help.happened),
            format!("What to do: {}", help.remedy),
            format!("Sending it again: {}", help.retry.said()),
        ]),
    ]
}

fn validation() -> [Block; 3] {
    let types = ProblemKind::ALL.iter().map(|kind| {
        let (wrong, remedy) = kind.help();
        format!("`{}`: {wrong} {remedy}", kind.name())
    });
    let told = "422 with `detail`: one entry for each thing that is wrong, all of them at once. `loc` says where: `body`, \
                `path`, `query` or `header`, then names and positions in lists. `msg` says what would be right, and \
                never repeats what was sent. Nothing was changed; mend all of them, then send it again. The types:";
    [heading(2, VALIDATION, "Validation"), Block::Text(told.to_owned()), Block::List(types.collect())]
}

fn token_endpoint() -> Vec<Block> {
    let told =
        "What `POST /v1/oauth/token` answers. The words are OAuth's, so that client libraries know them.";
    let mut blocks = vec![heading(2, "oauth", "OAuth"), Block::Text(told.to_owned())];
    for name in Code::OAUTH_NAMES {
        blocks.push(heading(3, &format!("{OAUTH}{name}"), &format!("OAuth: `{name}`")));
        if name == Code::InvalidRequest.name() {
            blocks.extend(entry(Code::InvalidRequest, OAUTH_INVALID_REQUEST));
            continue;
        }
        for code in Code::ALL.iter().filter(|code| code.oauth_name() == name) {
            blocks.extend(entry(*code, code.help()));
        }
    }
    blocks
}

fn heading(level: u8, fragment: &str, text: &str) -> Block {
    Block::Heading(level, fragment.to_owned(), text.to_owned())
}
