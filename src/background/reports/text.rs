//! Rows as text: JSON a line, or CSV (RFC 4180).

use std::io;

use serde::Serialize;
use serde_json::Value;

use crate::routes::reports::input::ReportFormat;

/// A column of a CSV: its name, and where its value is in a row's JSON (RFC 6901).
#[derive(Clone, Copy, Debug)]
pub struct Column(pub &'static str, pub &'static str);

/// How rows are written.
#[derive(Clone, Copy, Debug)]
pub struct RowText {
    /// The form.
    pub format: ReportFormat,
    /// Of a CSV.
    pub columns: &'static [Column],
}

impl RowText {
    /// Appends what stands before all rows.
    pub fn head(self, into: &mut Vec<u8>) {
        if self.format == ReportFormat::Csv {
            line(into, self.columns.iter().map(|Column(name, _)| (*name).to_owned()));
        }
    }

    /// Appends a row.
    ///
    /// # Errors
    /// Never, for plain data with string keys.
    pub fn row(self, row: &impl Serialize, into: &mut Vec<u8>) -> io::Result<()> {
        match self.format {
            ReportFormat::Ndjson => {
                serde_json::to_writer(&mut *into, row)?;
                into.push(b'\n');
            }
            ReportFormat::Csv => {
                let row = serde_json::to_value(row)?;
                line(into, self.columns.iter().map(|Column(_, place)| cell(row.pointer(place))));
            }
        }
        Ok(())
    }
}

fn line(into: &mut Vec<u8>, cells: impl Iterator<Item = String>) {
    for (number, cell) in cells.enumerate() {
        if number > 0 {
            into.push(b',');
        }
        if cell.contains(['"', ',', '\r', '\n']) {
            into.push(b'"');
            into.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            into.push(b'"');
        } else {
            into.extend_from_slice(cell.as_bytes());
        }
    }
    into.extend_from_slice(b"\r\n");
}

/// A value as the text of a cell; nothing for `null`. Text that a spreadsheet would take for a formula gets an
/// apostrophe in front: names are whatever users type, and who opens a report must not run what they typed. NDJSON has
/// the text as it is.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) => {
            format!("'{text}")
        }
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(" "),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[Column("id", "/id"), Column("name", "/profile/name"), Column("all", "/all")];

    fn written(format: ReportFormat, row: &Value) -> String {
        let (text, mut into) = (RowText { format, columns: COLUMNS }, Vec::new());
        text.head(&mut into);
        text.row(row, &mut into).unwrap();
        String::from_utf8(into).unwrap()
    }

    #[test]
    fn json_is_a_line_a_row_as_it_is() {
        let row = json!({"id": 1, "profile": {"name": "=1+1\n"}});
        assert_eq!(written(ReportFormat::Ndjson, &row), "{\"id\":1,\"profile\":{\"name\":\"=1+1\\n\"}}\n");
    }

    #[test]
    fn csv_has_a_header_quotes_what_it_must_and_joins_lists() {
        let row = |name: &str| json!({"id": true, "profile": {"name": name}, "all": ["a", "b"]});
        for (name, expected) in [
            ("Ada", "Ada"),
            ("", ""),
            ("Ada, Countess", "\"Ada, Countess\""),
            ("\"Ada\"", "\"\"\"Ada\"\"\""),
            ("A\r\nda", "\"A\r\nda\""),
            ("Zoë", "Zoë"),
        ] {
            let expected = format!("id,name,all\r\ntrue,{expected},a b\r\n");
            assert_eq!(written(ReportFormat::Csv, &row(name)), expected);
        }
        let nothing = json!({"id": null});
        assert_eq!(written(ReportFormat::Csv, &nothing), "id,name,all\r\n,,\r\n");
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for formula in ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            let row = json!({"id": formula, "profile": {"name": "x"}});
            let written = written(ReportFormat::Csv, &row);
            let (_, cells) = written.split_once("\r\n").unwrap();
            assert!(cells.trim_start_matches('"').starts_with(&format!("'{formula}")), "{written}");
        }
    }
}
