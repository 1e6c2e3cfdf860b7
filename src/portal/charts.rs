//! Pictures, as SVG inside the page: they take its colours, and say in words what they show. What is text in them is
//! HTML beside them, so that it does not shrink on a phone.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use super::parts;

/// Units of a picture's width.
const WIDTH: f64 = 1_000.0;
/// The far end of the timeline.
const HORIZON: TimeDelta = TimeDelta::days(730);
/// Its near end, below which no difference is seen.
const NEAREST: TimeDelta = TimeDelta::minutes(30);
/// What is marked on it.
const MARKS: [(TimeDelta, &str); 5] = [
    (TimeDelta::hours(1), "1 h"),
    (TimeDelta::days(1), "1 day"),
    (TimeDelta::days(7), "1 week"),
    (TimeDelta::days(30), "1 month"),
    (TimeDelta::days(365), "1 year"),
];

/// What a bar of the timeline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// Works until its end.
    Live,
    /// Was replaced, and works until its grace window ends.
    Grace,
    /// Waits to be confirmed, or ends then.
    Waiting,
}

impl Bar {
    fn class(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Grace => "grace",
            Self::Waiting => "waiting",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Live => "works until",
            Self::Grace => "grace window until",
            Self::Waiting => "waits for its confirmation until",
        }
    }
}

/// A line of the timeline.
#[derive(Clone, Debug)]
pub struct Line {
    /// What ends, for people,
    pub name: String,
    /// what kind of thing it is,
    pub kind: &'static str,
    /// and the page about it.
    pub path: String,
    /// How it goes on until then.
    pub bar: Bar,
    /// Its end; `None` for what has none.
    pub ends_at: Option<DateTime<Utc>>,
}

/// What works until when, on a scale that grows: an hour from now is as visible as a year.
pub fn timeline(now: DateTime<Utc>, lines: &[Line]) -> Markup {
    html! {
        ol.timeline {
            @for line in lines {
                li {
                    div.what { a href=(line.path) { (line.name) } span.quiet { (line.kind) } }
                    (bar(now, line))
                    div.when {
                        @match line.ends_at {
                            Some(end) => { (line.bar.words()) " " (parts::time(end)) ", " strong { (parts::distance(now, end)) } }
                            None => { "works without an end" }
                        }
                    }
                }
            }
            li.scale aria-hidden="true" {
                div.what {}
                svg viewBox="0 0 1000 24" preserveAspectRatio="none" { (grid(24.0)) }
                div.marks {
                    span { "now" }
                    @for (_, words) in MARKS { span { (words) } }
                }
            }
        }
    }
}

fn bar(now: DateTime<Utc>, line: &Line) -> Markup {
    let width = line.ends_at.map_or(WIDTH, |end| place(end - now).max(6.0));
    html! {
        svg class=(line.bar.class()) viewBox="0 0 1000 24" preserveAspectRatio="none" aria-hidden="true" {
            (grid(24.0))
            rect x="0" y="6" width=(rounded(width)) height="12" rx="6" {}
        }
    }
}

fn grid(height: f64) -> Markup {
    html! {
        @for (span, _) in MARKS {
            line x1=(rounded(place(span))) x2=(rounded(place(span))) y1="0" y2=(height) {}
        }
    }
}

/// Where an instant is, so long from now: by the logarithm.
fn place(span: TimeDelta) -> f64 {
    let units = |span: TimeDelta| span.num_seconds().max(0) as f64 / NEAREST.num_seconds() as f64;
    ((1.0 + units(span)).ln() / (1.0 + units(HORIZON)).ln()).min(1.0) * WIDTH
}

/// A value over time, and what of it went wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Column {
    /// All of it.
    pub all: i64,
    /// What went wrong.
    pub bad: i64,
}

/// Columns over time, the newest on the right; `says` is what the picture shows, in words.
pub fn columns(columns: &[Column], says: &str) -> Markup {
    let most = columns.iter().map(|column| column.all).max().unwrap_or_default().max(1) as f64;
    let step = WIDTH / columns.len().max(1) as f64;
    let height = |value: i64| if value == 0 { 0.0 } else { (value as f64 / most * 96.0).max(3.0) };
    html! {
        svg.columns viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label=(says) {
            line x1="0" x2="1000" y1="99.5" y2="99.5" {}
            @for (number, column) in columns.iter().enumerate() {
                @let x = rounded(number as f64 * step + step * 0.12);
                @let (all, bad) = (height(column.all), height(column.bad));
                @if column.all > 0 {
                    rect x=(x) y=(rounded(99.0 - all)) width=(rounded(step * 0.76)) height=(rounded(all)) {}
                }
                @if column.bad > 0 {
                    rect.bad x=(x) y=(rounded(99.0 - bad)) width=(rounded(step * 0.76)) height=(rounded(bad)) {}
                }
            }
        }
    }
}

/// How far something is, in hundredths.
pub fn progress(share: f64, says: &str) -> Markup {
    let percent = (share.clamp(0.0, 1.0) * 100.0).round();
    html! { progress max="100" value=(percent) aria-label=(says) { (percent) " %" } }
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_later_is_further_right_and_nothing_is_off_the_picture() {
        let places: Vec<_> = [0, 60, 3_600, 86_400, 604_800, 2_592_000, 31_536_000, 9_999_999_999]
            .map(|seconds| place(TimeDelta::seconds(seconds)))
            .to_vec();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");
        assert!(places[0] < 0.1 && (places[7] - WIDTH).abs() < 0.1, "{places:?}");
        assert!(place(TimeDelta::seconds(-5)).abs() < 0.1);
        // A grace window of a day is seen well beside a year.
        assert!(places[3] > 250.0 && places[6] < 960.0, "{places:?}");
    }
}
