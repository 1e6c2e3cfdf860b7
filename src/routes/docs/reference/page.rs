//! The reference as HTML.

use std::fmt::Write as _;

use serde_json::Value;

use super::schema::{Row, kind, rows, told};
use super::{Group, Operation, Reference, example, list, sample};
use crate::routes::errors;
use crate::routes::pages::{escaped, spans};

/// The page with all operations, or with those that a search found.
pub fn index(reference: &Reference, query: &str) -> String {
    let mut page = head(query);
    page.push_str("<main id=\"content\">\n");
    if query.trim().is_empty() {
        let info = &reference.document["info"];
        let _ = writeln!(
            page,
            "<h1>Reference</h1>\n{}",
            paragraphs(info["description"].as_str().unwrap_or_default())
        );
        for group in &reference.groups {
            let _ = writeln!(
                page,
                "<h2>{}</h2>\n<p>{}</p>\n{}",
                escaped(&group.name),
                spans(&group.description),
                entries(group.operations.iter())
            );
        }
    } else {
        let found = reference.search(query);
        let _ = writeln!(page, "<h1>{} found</h1>\n{}", found.len(), entries(found.into_iter()));
    }
    page.push_str("</main>\n");
    page + &navigation(reference, None)
}

/// The page of one operation.
pub fn operation(reference: &Reference, operation: &Operation) -> String {
    let mut page = head("");
    let _ = writeln!(
        page,
        "<main id=\"content\">\n<h1>{}</h1>\n<p class=\"call\"><b>{}</b> <code>{}</code></p>\n{}",
        spans(operation.title()),
        if operation.is_message { "message" } else { &operation.method },
        escaped(&operation.path),
        paragraphs(operation.spec["description"].as_str().unwrap_or_default()),
    );
    if !operation.is_message {
        page.push_str(&access(operation));
    }
    page.push_str(&parameters(reference, operation));
    page.push_str(&body(reference, operation));
    if !operation.is_message {
        page.push_str(&samples(reference, operation));
        page.push_str(&replies(reference, operation));
    }
    page.push_str("</main>\n");
    page + &navigation(reference, Some(operation))
}

/// The top of every page: where one is, and a search that needs no script.
fn head(query: &str) -> String {
    format!(
        "<a class=\"skip\" href=\"#content\">Skip to the content</a>\n<header>\n<a href=\"/docs\">partner-api</a>\n\
         <form role=\"search\" action=\"/docs\"><label for=\"q\">Search</label> \
         <input id=\"q\" name=\"q\" type=\"search\" value=\"{}\"> <button>Find</button></form>\n\
         <a href=\"/errors\">Errors</a> <a href=\"/docs/try\">Try it</a> <a href=\"/openapi.json\">OpenAPI</a>\n</header>\n",
        escaped(query)
    )
}

fn navigation(reference: &Reference, here: Option<&Operation>) -> String {
    let groups: String = reference.groups.iter().map(|group| group_of_links(group, here)).collect();
    format!("<nav aria-label=\"Operations\">\n{groups}</nav>\n")
}

fn group_of_links(group: &Group, here: Option<&Operation>) -> String {
    let is_here = |operation: &Operation| here.is_some_and(|here| here.id == operation.id);
    let open = if group.operations.iter().any(is_here) { " open" } else { "" };
    let links = group.operations.iter().map(|operation| {
        let current = if is_here(operation) { " aria-current=\"page\"" } else { "" };
        format!("<li><a href=\"/docs/{}\"{current}>{}</a></li>\n", operation.id, spans(operation.title()))
    });
    let links: String = links.collect();
    format!("<details{open}><summary>{}</summary>\n<ul>\n{links}</ul></details>\n", escaped(&group.name))
}

fn entries<'a>(operations: impl Iterator<Item = &'a Operation>) -> String {
    let entries: String = operations
        .map(|operation| {
            let method = if operation.is_message { "" } else { &operation.method };
            format!(
                "<li><a href=\"/docs/{}\">{}</a> <code>{method} {}</code></li>\n",
                operation.id,
                spans(operation.title()),
                escaped(&operation.path),
            )
        })
        .collect();
    format!("<ul class=\"entries\">\n{entries}</ul>")
}

/// Who may call it.
fn access(operation: &Operation) -> String {
    let takes: Vec<_> = list(&operation.spec["security"])
        .filter_map(|each| each.as_object()?.keys().next())
        .map(|scheme| match scheme.as_str() {
            "TenantKey" => "a tenant key (<code>taih-tenant-key</code>)",
            "PartnerToken" => "a partner token (<code>Authorization: Bearer</code>)",
            "MemberToken" => "a member token, for the member's own data",
            other => other,
        })
        .collect();
    let scope = operation.spec["x-required-scope"].as_str();
    let scope = scope.map(|scope| format!(" Scope: <code>{}</code>.", escaped(scope))).unwrap_or_default();
    match takes.as_slice() {
        [] => "<p>No credentials.</p>\n".to_owned(),
        takes => format!("<p>With {}.{scope}</p>\n", takes.join(", or ")),
    }
}

fn parameters(reference: &Reference, operation: &Operation) -> String {
    let given = ["path", "query", "header"].iter().flat_map(|place| operation.parameters(place));
    let rows: Vec<_> = given
        .map(|parameter| Row::Field {
            name: parameter["name"].as_str().unwrap_or_default().to_owned(),
            kind: format!(
                "{}, {}",
                parameter["in"].as_str().unwrap_or_default(),
                kind(reference, &parameter["schema"])
            ),
            is_required: parameter["required"] == true,
            told: parameter_told(reference, parameter),
        })
        .collect();
    table("Parameters", &rows)
}

fn parameter_told(reference: &Reference, parameter: &Value) -> String {
    let own = parameter["description"].as_str().unwrap_or_default();
    let of_schema = told(reference, &parameter["schema"]);
    if own.is_empty() || of_schema.contains(own) {
        of_schema
    } else {
        format!("{own} {of_schema}").trim_end().to_owned()
    }
}

fn body(reference: &Reference, operation: &Operation) -> String {
    let content = operation.spec["requestBody"]["content"].as_object().into_iter().flatten();
    content
        .map(|(media_type, content)| {
            let title = if operation.is_message { "What arrives" } else { "Body" };
            let schema = content["schema"].clone();
            let rows = table(&format!("{title}: {media_type}"), &rows(reference, &schema));
            if operation.is_message {
                let value = example::of_response(reference, &schema);
                return format!("{rows}{}", json(content.get("example").unwrap_or(&value)));
            }
            rows
        })
        .collect()
}

fn samples(reference: &Reference, operation: &Operation) -> String {
    let samples = sample::samples(reference, operation);
    let samples = samples.iter().enumerate().map(|(at, (language, code))| {
        let open = if at == 0 { " open" } else { "" };
        format!("<details class=\"sample\" name=\"sample\"{open}><summary>{language}</summary>\n<pre><code>{}</code></pre></details>\n", escaped(code))
    });
    let samples: String = samples.collect();
    let tag = operation.tag.replace(' ', "%20");
    format!(
        "<h2>Call it</h2>\n{samples}<p><a href=\"/docs/try#/{tag}/{}\">Try it here</a></p>\n",
        operation.id
    )
}

fn replies(reference: &Reference, operation: &Operation) -> String {
    let mut page = "<h2>Replies</h2>\n".to_owned();
    for (status, response) in operation.spec["responses"].as_object().into_iter().flatten() {
        let response = reference.resolve(response);
        let _ = writeln!(
            page,
            "<h3>{}</h3>\n<p>{}</p>",
            escaped(status),
            spans(response["description"].as_str().unwrap_or_default())
        );
        if !status.starts_with('2') {
            page.push_str(&leading_to_errors(response, status, operation));
            continue;
        }
        for (media_type, content) in response["content"].as_object().into_iter().flatten() {
            page.push_str(&table(media_type, &rows(reference, &content["schema"])));
            if media_type == "application/json" {
                let value = content.get("example").cloned();
                page.push_str(&json(
                    &value.unwrap_or_else(|| example::of_response(reference, &content["schema"])),
                ));
            }
        }
    }
    page
}

/// Links to the codes that a refusal may have.
fn leading_to_errors(response: &Value, status: &str, operation: &Operation) -> String {
    let examples = response["content"]["application/json"]["examples"].as_object().into_iter().flatten();
    let is_oauth = operation.path == crate::error::shape::TOKEN_PATH;
    let links: Vec<_> = examples
        .map(|(name, _)| {
            let fragment =
                if is_oauth { format!("{}{name}", crate::error::help::OAUTH) } else { name.clone() };
            format!("<a href=\"{}#{fragment}\"><code>{name}</code></a>", errors::PATH)
        })
        .collect();
    if links.is_empty() || status.is_empty() {
        String::new()
    } else {
        format!("<p>What to do: {}</p>\n", links.join(", "))
    }
}

fn table(title: &str, rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows: String = rows
        .iter()
        .map(|row| match row {
            Row::Form(title) => {
                format!("<tr><th colspan=\"3\" scope=\"rowgroup\">{}</th></tr>\n", spans(title))
            }
            Row::Field { name, kind, is_required, told } => {
                let required = if *is_required { " <b>required</b>" } else { "" };
                format!(
                    "<tr><td><code>{}</code></td><td>{}{required}</td><td>{}</td></tr>\n",
                    escaped(name),
                    escaped(kind),
                    spans(told)
                )
            }
        })
        .collect();
    format!(
        "<table>\n<caption>{}</caption>\n<thead><tr><th scope=\"col\">name</th><th scope=\"col\">type</th><th scope=\"col\">what</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n",
        escaped(title)
    )
}

fn json(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).expect("plain data");
    format!("<pre><code>{}</code></pre>\n", escaped(&text))
}

/// Paragraphs between blank lines, with `code` and **bold**.
fn paragraphs(text: &str) -> String {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()).map(|paragraph| {
        let parts = paragraph.split("**").enumerate().map(|(at, part)| match at % 2 {
            0 => spans(part),
            _ => format!("<b>{}</b>", spans(part)),
        });
        format!("<p>{}</p>\n", parts.collect::<String>())
    });
    paragraphs.collect()
}
