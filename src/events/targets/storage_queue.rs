//! `azure_storage_queue`: Put Message with the partner's shared access signature.
//!
//! The message's text is the JSON envelope itself, not base64 of it: that is what the SDKs of
//! today read by default (Python, .NET and JavaScript v12 all decode nothing). Azure Functions
//! decode base64 unless `host.json` says `"messageEncoding": "none"`.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header;
use hyper::http::response::Parts;
use hyper::{Method, Request, Uri};
use url::Url;

use super::error::{DeliveryError, Reason};
use super::outbound::{Outbound, Over, USER_AGENT, drain, read, with_timeout};
use super::settings::StorageQueue;
use super::webhook::retry_after;
use super::{Delivery, xml_safe};

/// Largest message text Azure takes.
const MAX_MESSAGE: usize = 64 * 1024;
/// The version of the REST protocol; SDKs, and Azurite, have known it for years.
const API_VERSION: &str = "2021-12-02";
/// The time that the queue keeps a message nobody reads, in seconds: 14 days, as long as an event
/// waits with us and as SQS keeps one at most. Azure's default is 7.
const MESSAGE_TTL_SECS: u32 = 14 * 24 * 60 * 60;

/// Puts a delivery's message on the queue; `endpoint` replaces the account's host (an operator's emulator).
///
/// # Errors
/// A class, or Azure's error code and message.
pub async fn send(
    outbound: &Outbound,
    endpoint: Option<&Url>,
    queue: &StorageQueue,
    delivery: &Delivery<'_>,
    timeout: Duration,
    now: DateTime<Utc>,
) -> Result<(), DeliveryError> {
    let request = request(endpoint, queue, &xml_safe(delivery.message))?;
    let over = if delivery.anew { Over::New } else { Over::Any };
    with_timeout(timeout, async {
        let (head, body) = outbound.send(request, over).await?.into_parts();
        if head.status.is_success() {
            drain(body).await;
            return Ok(());
        }
        let body = read(body).await.unwrap_or_default();
        Err(DeliveryError { retry_after: retry_after(&head.headers, now), reason: refusal(&head, &body) })
    })
    .await
}

fn request(
    endpoint: Option<&Url>,
    queue: &StorageQueue,
    message: &str,
) -> Result<Request<Full<Bytes>>, Reason> {
    if message.len() > MAX_MESSAGE {
        return Err(Reason::TooLarge);
    }
    let account = queue.account_name();
    let base = match endpoint {
        Some(url) => format!("{}/{account}", url.as_str().trim_end_matches('/')),
        None => format!("https://{account}.queue.core.windows.net"),
    };
    let (name, sas) = (queue.queue_name(), queue.sas().query().expose());
    let uri = Uri::try_from(format!("{base}/{name}/messages?messagettl={MESSAGE_TTL_SECS}&{sas}"))
        .map_err(|_| Reason::Settings("sas_token cannot be sent"))?;
    let text = escape(message);
    let body = format!("<QueueMessage><MessageText>{text}</MessageText></QueueMessage>");
    Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(header::CONTENT_TYPE, "application/xml")
        .header(header::USER_AGENT, USER_AGENT)
        .header("x-ms-version", API_VERSION)
        .body(Full::new(body.into()))
        .map_err(|_| Reason::Settings("sas_token cannot be sent"))
}

/// The error's code is in a header, its message in the body: `<Error><Code/><Message/></Error>`,
/// where the message's first line is the text and the rest are request ids.
fn refusal(head: &Parts, body: &[u8]) -> Reason {
    let body = String::from_utf8_lossy(body);
    let code = head.headers.get("x-ms-error-code").and_then(|code| code.to_str().ok());
    let message = element(&body, "Message").and_then(|text| text.lines().next());
    Reason::provider(head.status.as_u16(), code.or_else(|| element(&body, "Code")), message)
}

/// The text of the first element of that name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// Text between tags: a carriage return would otherwise be read as a line feed.
fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '\r']) {
        return text.into();
    }
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> StorageQueue {
        StorageQueue::new("account", "queue", "?sv=1&sig=a%2Bb&se=2027-01-01").expect("valid settings")
    }

    #[test]
    fn the_request_goes_to_the_accounts_host() {
        let uri = |endpoint: Option<&Url>| {
            request(endpoint, &queue(), "{}").map(|request| request.uri().to_string()).expect("a request")
        };
        let path = "queue/messages?messagettl=1209600&sv=1&sig=a%2Bb&se=2027-01-01";
        assert_eq!(uri(None), format!("https://account.queue.core.windows.net/{path}"));
        let emulator = Url::parse("http://127.0.0.1:10001").expect("a URL");
        assert_eq!(uri(Some(&emulator)), format!("http://127.0.0.1:10001/account/{path}"));
    }

    #[test]
    fn the_limit_is_azures() {
        assert!(request(None, &queue(), &"a".repeat(MAX_MESSAGE)).is_ok());
        assert_eq!(request(None, &queue(), &"a".repeat(MAX_MESSAGE + 1)).err(), Some(Reason::TooLarge));
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape("a\"b"), "a\"b");
        assert_eq!(escape("<a>&amp;\r\n"), "&lt;a&gt;&amp;amp;&#13;\n");
    }

    #[test]
    fn azures_errors() {
        let body = "<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code>\
            <Message>Server failed to authenticate the request.\nRequestId:1\nTime:2</Message>\
            <AuthenticationErrorDetail>sig=secret</AuthenticationErrorDetail></Error>";
        let head = |code: Option<&str>| {
            let mut response = hyper::Response::builder().status(403);
            if let Some(code) = code {
                response = response.header("x-ms-error-code", code);
            }
            response.body(()).expect("a response").into_parts().0
        };
        let text = "AuthenticationFailed: Server failed to authenticate the request.";
        assert_eq!(refusal(&head(None), body.as_bytes()).to_string(), text);
        assert_eq!(refusal(&head(Some("QueueNotFound")), b"").to_string(), "QueueNotFound");
        assert_eq!(refusal(&head(None), b"<html>secret</html>").to_string(), "status 403");
    }
}
