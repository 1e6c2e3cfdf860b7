//! The forms in which people hold a shared access signature, and the query string in each.

/// The domain of accounts' queues.
const QUEUE_HOST: &str = ".queue.core.windows.net";

/// The query string in what was pasted: itself, with or without a leading `?`; the URL of the queue or
/// of the account's queue service; a connection string with `SharedAccessSignature=`.
///
/// # Errors
/// It is something else, or leads to another account or queue.
pub fn query<'a>(pasted: &'a str, account: &str, queue: &str) -> Result<&'a str, &'static str> {
    let text = pasted.trim().trim_matches(['"', '\'']).trim();
    if text.starts_with("SharedAccessSignature ") || text.contains("Endpoint=sb://") {
        return Err("is for Service Bus or Event Hubs; one for Azure Queue Storage is needed");
    }
    let found = if is_connection_string(text) { in_connection_string(text, account)? } else { text };
    if found.contains("://") && !found.contains("sig=") && !found.contains('?') {
        return Err("is a URL without a signature: the part after the question mark is missing");
    }
    match found.split_once("://") {
        Some((scheme, rest)) if ["https", "http"].contains(&scheme) => in_url(rest, account, queue),
        _ => Ok(found.strip_prefix('?').unwrap_or(found)),
    }
}

/// Returns `true` if the text is `Name=value;Name=value`; in a query string semicolons are never
/// written out.
fn is_connection_string(text: &str) -> bool {
    text.contains(';') || ["SharedAccessSignature=", "AccountKey="].iter().any(|name| text.starts_with(name))
}

fn in_connection_string<'a>(text: &'a str, account: &str) -> Result<&'a str, &'static str> {
    let value = |wanted: &str| {
        let mut parts = text.split(';').filter_map(|part| part.split_once('='));
        parts.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    if value("AccountKey").is_some() {
        return Err("must not be the account's key, which opens everything: make a shared access signature");
    }
    let host = value("QueueEndpoint").and_then(|url| url.split_once("://")).map(|(_, rest)| host(rest));
    if host.is_some_and(|host| !is_host(host, account)) {
        return Err("is for another account: QueueEndpoint and account_name differ");
    }
    value("SharedAccessSignature").ok_or("is a connection string without a SharedAccessSignature")
}

fn in_url<'a>(rest: &'a str, account: &str, queue: &str) -> Result<&'a str, &'static str> {
    let (base, query) = rest.split_once('?').ok_or("is a URL without a question mark")?;
    let host = host(base);
    if !host.ends_with(QUEUE_HOST) {
        return Err("is the URL of another service; that of the queue service is needed");
    }
    if !is_host(host, account) {
        return Err("is for another account: its URL and account_name differ");
    }
    let mut path = base.split('/').skip(1);
    if path.next().is_some_and(|first| !first.is_empty() && first != queue) {
        return Err("is for another queue: its URL and queue_name differ");
    }
    Ok(query)
}

/// The host at the start of what follows `://`.
fn host(rest: &str) -> &str {
    rest.split(['/', '?']).next().unwrap_or_default()
}

fn is_host(host: &str, account: &str) -> bool {
    host.strip_suffix(QUEUE_HOST) == Some(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAS: &str = "sv=2024-11-04&ss=q&srt=o&sp=a&se=2027-01-01&sig=abc%3D";

    #[test]
    fn a_signature_is_found_in_every_form_it_is_handed_out_in() {
        for form in [
            "{}",
            "?{}",
            " {}\n",
            "\"{}\"",
            "https://acme.queue.core.windows.net/?{}",
            "https://acme.queue.core.windows.net?{}",
            "https://acme.queue.core.windows.net/events?{}",
            "https://acme.queue.core.windows.net/events/messages?{}",
            "SharedAccessSignature={}",
            "SharedAccessSignature=?{}",
            "BlobEndpoint=https://acme.blob.core.windows.net/;QueueEndpoint=https://acme.queue.core.windows.net/;\
             FileEndpoint=https://acme.file.core.windows.net/;SharedAccessSignature={}",
            "BlobEndpoint=https://acme.blob.core.windows.net/;SharedAccessSignature={}",
            "queueendpoint=https://acme.queue.core.windows.net;sharedaccesssignature={};",
        ] {
            assert_eq!(query(&form.replace("{}", SAS), "acme", "events"), Ok(SAS), "{form}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused_with_the_difference() {
        for (form, expected) in [
            (
                "https://zeta.queue.core.windows.net/?{}",
                "is for another account: its URL and account_name differ",
            ),
            (
                "https://acme.queue.core.windows.net/other?{}",
                "is for another queue: its URL and queue_name differ",
            ),
            (
                "https://acme.blob.core.windows.net/?{}",
                "is the URL of another service; that of the queue service is needed",
            ),
            (
                "https://acme.queue.core.windows.net.evil.example/?{}",
                "is the URL of another service; that of the queue service is needed",
            ),
            (
                "https://acme.queue.core.windows.net/events",
                "is a URL without a signature: the part after the question mark is missing",
            ),
            (
                "QueueEndpoint=https://zeta.queue.core.windows.net/;SharedAccessSignature={}",
                "is for another account: QueueEndpoint and account_name differ",
            ),
            (
                "QueueEndpoint=https://acme.queue.core.windows.net/;",
                "is a connection string without a SharedAccessSignature",
            ),
            (
                "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net",
                "must not be the account's key, which opens everything: make a shared access signature",
            ),
            (
                "SharedAccessSignature sr=https%3A%2F%2Fns.servicebus.windows.net&sig=a&se=1&skn=send",
                "is for Service Bus or Event Hubs; one for Azure Queue Storage is needed",
            ),
            (
                "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=c2VjcmV0",
                "is for Service Bus or Event Hubs; one for Azure Queue Storage is needed",
            ),
        ] {
            assert_eq!(query(&form.replace("{}", SAS), "acme", "events"), Err(expected), "{form}");
        }
    }
}
