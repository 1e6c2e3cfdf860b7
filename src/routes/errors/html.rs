//! The page at `/errors`.

use std::fmt::Write as _;

use super::content::{Block, blocks};
use crate::routes::pages::{escaped, spans};

/// What is between the page's head and its end.
pub fn body() -> String {
    let mut page = "<main>\n".to_owned();
    for block in blocks() {
        write(&mut page, block);
    }
    page.push_str("</main>\n");
    page
}

fn write(page: &mut String, block: Block) {
    let _ = match block {
        Block::Heading(1, fragment, text) => writeln!(page, "<h1 id=\"{fragment}\">{}</h1>", spans(&text)),
        Block::Heading(level, fragment, text) => {
            let text = spans(&text);
            writeln!(page, "<h{level} id=\"{fragment}\"><a href=\"#{fragment}\">{text}</a></h{level}>")
        }
        Block::Text(text) => writeln!(page, "<p>{}</p>", spans(&text)),
        Block::Json(json) => writeln!(page, "<pre><code>{}</code></pre>", escaped(json)),
        Block::List(items) => {
            let items: String = items.iter().map(|item| format!("<li>{}</li>\n", spans(item))).collect();
            writeln!(page, "<ul>\n{items}</ul>")
        }
        Block::Index(statuses) => {
            let items = statuses.iter().map(|(status, names)| {
                let links = names.iter().map(|name| format!("<a href=\"#{name}\"><code>{name}</code></a>"));
                format!("<li>{status}: {}</li>\n", links.collect::<Vec<_>>().join(", "))
            });
            writeln!(page, "<ul>\n{}</ul>", items.collect::<String>())
        }
    };
}
