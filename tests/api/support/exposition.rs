//! Reads what `/metrics` answers, strictly: as OpenMetrics 1.0 has it, and by Prometheus's
//! conventions for names.

use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

/// A scrape.
pub struct Exposition {
    /// The type of each family.
    pub families: BTreeMap<String, String>,
    pub samples: Vec<Sample>,
}

/// One number.
#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub labels: Labels,
    pub value: f64,
}

impl Exposition {
    /// Reads a scrape.
    ///
    /// # Panics
    /// At the first line that is not as it should be.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("it ends with its end mark");
        let mut read = Self { families: BTreeMap::new(), samples: Vec::new() };
        let (mut described, mut current) = (None, None);
        for line in body.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a name and a text");
                assert!(help.len() > 5 && is_name(name), "{line}");
                described = Some(name.to_owned());
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and a type");
                assert_eq!(described.as_deref(), Some(name), "no help: {line}");
                assert!(!name.ends_with("_total"), "the suffix is the sample's: {line}");
                let before = read.families.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "a family in two places: {line}");
                current = Some((name.to_owned(), kind.to_owned()));
            } else {
                let (family, kind) = current.as_ref().expect("a sample belongs to a family");
                let sample = Sample::parse(line);
                let suffix = sample.name.strip_prefix(family.as_str());
                let is_its =
                    suffix.is_some_and(|suffix| suffixes(kind).contains(&suffix) && sample.fits(suffix));
                assert!(is_its, "not of the {kind} {family}: {line}");
                read.samples.push(sample);
            }
        }
        read.check_series();
        read.check_histograms();
        read
    }

    /// What a series shows; the sum where the labels leave several.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let mut found =
            self.samples.iter().filter(|sample| sample.name == name && sample.has(labels)).peekable();
        assert!(found.peek().is_some(), "there is no {name}{labels:?}");
        found.map(|sample| sample.value).sum()
    }

    /// Names as queries use them.
    pub fn names(&self) -> BTreeSet<&str> {
        self.samples.iter().map(|sample| sample.name.as_str()).collect()
    }

    #[track_caller]
    fn check_series(&self) {
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            assert!(seen.insert((&sample.name, &sample.labels)), "twice: {sample:?}");
        }
        for family in self.families.keys() {
            assert!(self.samples.iter().any(|sample| sample.name.starts_with(family)), "{family} is empty");
        }
    }

    /// Buckets only grow, and the last one holds all.
    #[track_caller]
    fn check_histograms(&self) {
        let mut buckets: BTreeMap<(String, Labels), Vec<f64>> = BTreeMap::new();
        for sample in &self.samples {
            if let Some(family) = sample.name.strip_suffix("_bucket") {
                let mut labels = sample.labels.clone();
                labels.remove("le");
                buckets.entry((family.to_owned(), labels)).or_default().push(sample.value);
            }
        }
        for ((family, labels), counts) in buckets {
            assert!(counts.is_sorted(), "{family}{labels:?}: {counts:?}");
            let all = self.samples.iter().find(|s| s.name == format!("{family}_count") && s.labels == labels);
            assert_eq!(counts.last().copied(), all.map(|sample| sample.value), "{family}{labels:?}");
        }
    }
}

impl Sample {
    #[track_caller]
    fn parse(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect("braces close")),
            None => (series, ""),
        };
        assert!(is_name(name), "{line}");
        let value = value.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
        let mut read = Labels::new();
        let mut rest = labels;
        while !rest.is_empty() {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
            let (value, after) = after.split_once('"').unwrap_or_else(|| panic!("no end: {line}"));
            assert!(is_name(label) && !value.is_empty() && !value.contains('\\'), "{line}");
            assert_eq!(read.insert(label.to_owned(), value.to_owned()), None, "{line}");
            assert!(after.is_empty() || after.starts_with(','), "{line}");
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        Self { name: name.to_owned(), labels: read, value }
    }

    fn fits(&self, suffix: &str) -> bool {
        self.labels.contains_key("le") == (suffix == "_bucket") && !self.value.is_nan()
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.labels.get(*name).is_some_and(|found| found == value))
    }
}

fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        _ => panic!("a type of no use here: {kind}"),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
