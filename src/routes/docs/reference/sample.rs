//! A call in three languages, as it can be pasted: the service's address and the key come from the environment.

use serde_json::Value;

use super::{Operation, Reference, example, list};

/// The languages and how a call looks in each, in the order that they are shown.
pub fn samples(reference: &Reference, operation: &Operation) -> [(&'static str, String); 3] {
    let call = Call::of(reference, operation);
    [("curl", call.in_curl()), ("Python", call.in_python()), ("JavaScript", call.in_javascript())]
}

/// What is sent.
struct Call<'a> {
    method: &'a str,
    path: String,
    credential: Option<Credential>,
    /// A POST whose reply holds a secret: to be sent so that it can be sent again.
    is_repeatable: bool,
    body: Option<Body>,
    /// Whether the reply is JSON.
    is_answered: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Credential {
    TenantKey,
    MemberToken,
}

enum Body {
    Json(Value),
    Form(Vec<(String, String)>),
    Text(String, String),
}

impl<'a> Call<'a> {
    fn of(reference: &Reference, operation: &'a Operation) -> Self {
        let takes = |scheme: &str| list(&operation.spec["security"]).any(|each| each.get(scheme).is_some());
        let credential = [("TenantKey", Credential::TenantKey), ("MemberToken", Credential::MemberToken)];
        let credential =
            credential.into_iter().find(|(scheme, _)| takes(scheme)).map(|(_, credential)| credential);
        let mut path = operation.path.clone();
        for parameter in operation.parameters("path") {
            let name = parameter["name"].as_str().unwrap_or_default();
            path = path.replace(&format!("{{{name}}}"), &example::of_parameter(reference, parameter));
        }
        let asked = operation.parameters("query").filter(|parameter| parameter["required"] == true);
        let asked: Vec<_> = asked
            .map(|parameter| {
                let name = parameter["name"].as_str().unwrap_or_default();
                format!("{name}={}", example::of_parameter(reference, parameter))
            })
            .collect();
        if !asked.is_empty() {
            path = format!("{path}?{}", asked.join("&"));
        }
        let shows_secret = operation
            .parameters("header")
            .any(|header| header["name"] == "idempotency-key" && header["schema"]["minLength"] == 20);
        let content =
            operation.spec["requestBody"]["content"].as_object().and_then(|content| content.iter().next());
        let is_json =
            |response: &Value| reference.resolve(response)["content"].get("application/json").is_some();
        let responses = operation.spec["responses"].as_object().into_iter().flatten();
        Self {
            method: &operation.method,
            path,
            credential,
            is_repeatable: shows_secret,
            body: content
                .map(|(media_type, content)| Body::of(media_type, example::of_request(reference, content))),
            is_answered: responses
                .into_iter()
                .any(|(status, response)| status.starts_with('2') && is_json(response)),
        }
    }

    fn in_curl(&self) -> String {
        let method = if self.method == "GET" || (self.method == "POST" && self.body.is_some()) {
            String::new()
        } else {
            format!(" -X {}", self.method)
        };
        let mut lines = vec![format!("curl{method} \"$URL{}\"", self.path)];
        lines.extend(self.credential.map(|credential| match credential {
            Credential::TenantKey => "-H \"taih-tenant-key: $TENANT_API_KEY\"".to_owned(),
            Credential::MemberToken => "-H \"Authorization: Bearer $TOKEN\"".to_owned(),
        }));
        if self.is_repeatable {
            lines.push("-H \"Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)\"".to_owned());
        }
        match &self.body {
            None => {}
            Some(Body::Json(value)) => {
                lines.push("-H 'Content-Type: application/json'".to_owned());
                lines.push(format!("-d {}", in_shell(&pretty(value))));
            }
            Some(Body::Form(fields)) => {
                lines.extend(fields.iter().map(|(name, value)| {
                    format!("--data-urlencode {}", in_shell(&format!("{name}={value}")))
                }));
            }
            Some(Body::Text(media_type, text)) => {
                lines.push(format!("-H 'Content-Type: {media_type}'"));
                lines.push(format!("--data-binary {}", in_shell(text)));
            }
        }
        lines.join(" \\\n  ")
    }

    fn in_python(&self) -> String {
        let mut headers: Vec<_> = self
            .credential
            .map(|credential| match credential {
                Credential::TenantKey => "\"taih-tenant-key\": os.environ[\"TENANT_API_KEY\"]".to_owned(),
                Credential::MemberToken => {
                    "\"Authorization\": \"Bearer \" + os.environ[\"TOKEN\"]".to_owned()
                }
            })
            .into_iter()
            .collect();
        headers.extend(self.is_repeatable.then(|| "\"Idempotency-Key\": str(uuid.uuid4())".to_owned()));
        let mut arguments = Vec::new();
        match &self.body {
            None => {}
            Some(Body::Json(value)) => arguments.push(format!("json={}", in_python(value, 1))),
            Some(Body::Form(fields)) => {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(name, value)| format!("        {}: {},\n", quoted(name), quoted(value)))
                    .collect();
                arguments.push(format!("data={{\n{}    }}", fields.concat()));
            }
            Some(Body::Text(media_type, text)) => {
                headers.push(format!("\"Content-Type\": {}", quoted(media_type)));
                arguments.push(format!("data={}", quoted(text)));
            }
        }
        if !headers.is_empty() {
            arguments.insert(0, format!("headers={{{}}}", headers.join(", ")));
        }
        let modules = if self.is_repeatable {
            "import os, uuid\nimport requests"
        } else {
            "import os\nimport requests"
        };
        let arguments: String = arguments.iter().map(|argument| format!("    {argument},\n")).collect();
        let shown = if self.is_answered { "print(reply.json())" } else { "print(reply.status_code)" };
        format!(
            "{modules}\n\nreply = requests.{}(\n    os.environ[\"URL\"] + {},\n{arguments})\nreply.raise_for_status()\n{shown}",
            self.method.to_lowercase(),
            quoted(&self.path),
        )
    }

    fn in_javascript(&self) -> String {
        let mut headers: Vec<_> = self
            .credential
            .map(|credential| match credential {
                Credential::TenantKey => "\"taih-tenant-key\": process.env.TENANT_API_KEY".to_owned(),
                Credential::MemberToken => "Authorization: `Bearer ${process.env.TOKEN}`".to_owned(),
            })
            .into_iter()
            .collect();
        headers.extend(self.is_repeatable.then(|| "\"Idempotency-Key\": crypto.randomUUID()".to_owned()));
        let body = match &self.body {
            None => None,
            Some(Body::Json(value)) => {
                headers.push("\"Content-Type\": \"application/json\"".to_owned());
                Some(format!("JSON.stringify({})", indented(&pretty(value), 1)))
            }
            Some(Body::Form(fields)) => {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(name, value)| format!("    {}: {},\n", quoted(name), quoted(value)))
                    .collect();
                Some(format!("new URLSearchParams({{\n{}  }})", fields.concat()))
            }
            Some(Body::Text(media_type, text)) => {
                headers.push(format!("\"Content-Type\": {}", quoted(media_type)));
                Some(quoted(text))
            }
        };
        let mut options = Vec::new();
        if self.method != "GET" {
            options.push(format!("method: {}", quoted(self.method)));
        }
        if !headers.is_empty() {
            options.push(format!("headers: {{ {} }}", headers.join(", ")));
        }
        options.extend(body.map(|body| format!("body: {body}")));
        let options: String = options.iter().map(|option| format!("  {option},\n")).collect();
        let options = if options.is_empty() { String::new() } else { format!(", {{\n{options}}}") };
        let shown = if self.is_answered { "await reply.json()" } else { "reply.status" };
        format!(
            "const reply = await fetch(process.env.URL + {}{options});\n\
             if (!reply.ok) throw new Error(await reply.text());\nconsole.log({shown});",
            quoted(&self.path),
        )
    }
}

impl Body {
    fn of(media_type: &str, value: Value) -> Self {
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match (media_type, value) {
            ("application/json", value) => Self::Json(value),
            ("application/x-www-form-urlencoded", Value::Object(fields)) => {
                Self::Form(fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
            }
            (media_type, value) => Self::Text(media_type.to_owned(), plain(&value)),
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("plain data")
}

/// A word of a shell's, whatever is in it.
fn in_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A string of JSON's, which is one of Python's and of JavaScript's.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The lines after the first, further in.
fn indented(text: &str, levels: usize) -> String {
    text.replace('\n', &format!("\n{}", "  ".repeat(levels)))
}

/// A literal of Python's; its brackets stand `level` levels in.
fn in_python(value: &Value, level: usize) -> String {
    let (inner, outer) = ("    ".repeat(level + 1), "    ".repeat(level));
    let block = |open: &str, entries: Vec<String>, close: &str| match entries.as_slice() {
        [] => format!("{open}{close}"),
        entries => {
            let entries: String = entries.iter().map(|entry| format!("{inner}{entry},\n")).collect();
            format!("{open}\n{entries}{outer}{close}")
        }
    };
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(items) => block("[", items.iter().map(|item| in_python(item, level + 1)).collect(), "]"),
        Value::Object(fields) => {
            let entries = fields
                .iter()
                .map(|(name, field)| format!("{}: {}", quoted(name), in_python(field, level + 1)));
            block("{", entries.collect(), "}")
        }
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample(id: &str) -> [(&'static str, String); 3] {
        let reference = Reference::of(crate::openapi::to_json(&crate::app::document()).as_bytes());
        samples(&reference, reference.find(id).expect("an operation"))
    }

    #[test]
    fn a_change_is_sent_with_its_key_and_an_idempotency_key_where_a_secret_comes_back() {
        let [(_, curl), (_, python), (_, javascript)] = sample("rotate_tenant_key");
        assert!(
            curl.starts_with(
                "curl \"$URL/v1/auth/tenant-key/rotate\" \\\n  -H \"taih-tenant-key: $TENANT_API_KEY\""
            ),
            "{curl}"
        );
        for each in [curl, python, javascript] {
            assert!(each.contains("Idempotency-Key"), "{each}");
        }
        let [(_, curl), ..] = sample("create_user");
        assert!(!curl.contains("Idempotency-Key"), "{curl}");
    }

    #[test]
    fn reading_needs_no_more_than_the_key() {
        let [(_, curl), (_, python), (_, javascript)] = sample("list_features");
        assert_eq!(curl, "curl \"$URL/v1/features\" \\\n  -H \"taih-tenant-key: $TENANT_API_KEY\"");
        assert_eq!(
            python,
            "import os\nimport requests\n\nreply = requests.get(\n    os.environ[\"URL\"] + \"/v1/features\",\n    \
             headers={\"taih-tenant-key\": os.environ[\"TENANT_API_KEY\"]},\n)\nreply.raise_for_status()\nprint(reply.json())"
        );
        assert_eq!(
            javascript,
            "const reply = await fetch(process.env.URL + \"/v1/features\", {\n  \
             headers: { \"taih-tenant-key\": process.env.TENANT_API_KEY },\n});\n\
             if (!reply.ok) throw new Error(await reply.text());\nconsole.log(await reply.json());"
        );
    }

    #[test]
    fn values_are_literals_of_each_language() {
        assert_eq!(in_shell("it's"), "'it'\\''s'");
        let value = json!({"a": [true, null], "b": {}, "c": "\"x\""});
        let literal = "{\n        \"a\": [\n            True,\n            None,\n        ],\n        \"b\": {},\n        \"c\": \"\\\"x\\\"\",\n    }";
        assert_eq!(in_python(&value, 1), literal);
    }
}
