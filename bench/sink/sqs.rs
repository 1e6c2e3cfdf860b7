//! As much of SQS (AWS JSON 1.0) and STS (query) as a sender of messages needs.

use serde_json::{Value, json};

use super::wire::{self, Request};

/// Until long after any benchmark.
const SESSION: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
    <Credentials><AccessKeyId>ASIASINK</AccessKeyId><SecretAccessKey>sink</SecretAccessKey>\
    <SessionToken>sink</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
    <AssumedRoleUser><AssumedRoleId>AROASINK:sink</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/sink/sink</Arn>\
    </AssumedRoleUser></AssumeRoleResult><ResponseMetadata><RequestId>sink</RequestId></ResponseMetadata></AssumeRoleResponse>";

/// The texts of the messages that a request holds; `None` of one that is not for a queue of messages.
pub fn messages(request: &Request<'_>) -> Option<Vec<String>> {
    if is_for_sts(request) {
        return Some(Vec::new());
    }
    let action = action(request)?;
    let body: Value = serde_json::from_slice(request.body).ok()?;
    let text = |entry: &Value| entry["MessageBody"].as_str().map(str::to_owned);
    match action {
        "SendMessage" => Some(text(&body).into_iter().collect()),
        "SendMessageBatch" => Some(body["Entries"].as_array()?.iter().filter_map(text).collect()),
        _ => None,
    }
}

/// The answer to a request that holds so many messages; `None` of one that is not for a queue of messages.
pub fn reply(request: &Request<'_>, messages: usize) -> Option<Vec<u8>> {
    if is_for_sts(request) {
        return Some(wire::reply(200, &["content-type: text/xml".to_owned()], SESSION));
    }
    let taken = |id: Option<&Value>| {
        let mut taken = json!({"MD5OfMessageBody": "00000000000000000000000000000000", "MessageId": "sink"});
        if let Some(id) = id {
            taken["Id"] = id.clone();
        }
        taken
    };
    let answer = match action(request)? {
        "SendMessageBatch" => {
            let body: Value = serde_json::from_slice(request.body).ok()?;
            let entries = body["Entries"].as_array()?.iter().take(messages);
            json!({"Failed": [], "Successful": entries.map(|entry| taken(entry.get("Id"))).collect::<Vec<_>>()})
        }
        _ => taken(None),
    };
    Some(wire::reply(200, &["content-type: application/x-amz-json-1.0".to_owned()], &answer.to_string()))
}

fn action<'r>(request: &'r Request<'_>) -> Option<&'r str> {
    request.header("x-amz-target")?.strip_prefix("AmazonSQS.")
}

fn is_for_sts(request: &Request<'_>) -> bool {
    request.body.starts_with(b"Action=AssumeRole")
}
