//! The drawing: a panel a receiver, time to the right.

use std::fmt::Write as _;

use super::{SECONDS, Second};

const WIDTH: usize = 720;
const HEIGHT: usize = 120;
const MARGIN: usize = 48;

/// What is drawn of a second: its name, its colour, and how to read it.
type Curve = (&'static str, &'static str, fn(&Second) -> u32);

const CURVES: [Curve; 3] = [
    ("offered", "#d97706", |second| second.offered),
    ("accepted", "#15803d", |second| second.accepted),
    ("in flight", "#1d4ed8", |second| second.in_flight),
];

/// All panels, one below the other.
pub fn svg(panels: &[(&str, f64, Vec<Second>)]) -> String {
    let height = panels.len() * (HEIGHT + MARGIN) + MARGIN;
    let mut out = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {height}" font-family="sans-serif" font-size="12">"#,
        WIDTH + 2 * MARGIN
    );
    let _ = write!(out, r#"<rect width="100%" height="100%" fill="white"/>"#);
    for (n, (name, colour, _)) in CURVES.iter().enumerate() {
        let x = MARGIN + n * 90;
        let _ = write!(out, r#"<text x="{x}" y="20" fill="{colour}">{name}</text>"#);
    }
    for (n, (title, share, seconds)) in panels.iter().enumerate() {
        panel(&mut out, MARGIN + n * (HEIGHT + MARGIN), title, *share, seconds);
    }
    out.push_str("</svg>");
    out
}

fn panel(out: &mut String, top: usize, title: &str, share: f64, seconds: &[Second]) {
    let most =
        seconds.iter().flat_map(|second| CURVES.map(|(_, _, read)| read(second))).max().unwrap_or(1).max(1);
    let bottom = top + HEIGHT;
    let _ = write!(
        out,
        r#"<text x="{MARGIN}" y="{}">{title}: {:.0} % of what it can take</text>"#,
        top - 6,
        share * 100.0
    );
    let _ =
        write!(out, r##"<path d="M{MARGIN} {top}V{bottom}H{}" fill="none" stroke="#999"/>"##, MARGIN + WIDTH);
    let _ = write!(out, r#"<text x="{}" y="{}" text-anchor="end">{most}</text>"#, MARGIN - 4, top + 10);
    let _ = write!(
        out,
        r#"<text x="{}" y="{}" text-anchor="end">{SECONDS} s</text>"#,
        MARGIN + WIDTH,
        bottom + 14
    );
    for (_, colour, read) in CURVES {
        let points = seconds.iter().enumerate().map(|(at, second)| {
            let x = MARGIN + at * WIDTH / SECONDS;
            let y = bottom - read(second) as usize * HEIGHT / most as usize;
            format!("{x},{y}")
        });
        let points: Vec<_> = points.collect();
        let _ = write!(out, r#"<polyline points="{}" fill="none" stroke="{colour}"/>"#, points.join(" "));
    }
}
