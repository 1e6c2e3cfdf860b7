//! Registration of families: with all their series from the start, so that a rate over a counter
//! that has not moved is 0 and not a gap.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

/// Names and values, all from closed sets.
pub type Labels<const N: usize> = [(&'static str, &'static str); N];
pub type Counters<const N: usize> = Family<Labels<N>, Counter>;
pub type Gauges<const N: usize> = Family<Labels<N>, Gauge>;
/// A gauge in seconds.
pub type Seconds = Gauge<f64, AtomicU64>;
pub type SecondGauges<const N: usize> = Family<Labels<N>, Seconds>;
pub type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Seconds; from a memory hit to the request timeout.
const DURATIONS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0];
/// Rows in one statement.
const SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// A family of durations in seconds; its series come as they are seen.
pub fn durations<S: Clone + std::hash::Hash + Eq>() -> Family<S, Histogram, fn() -> Histogram> {
    Family::new_with_constructor(|| Histogram::new(DURATIONS))
}

/// A histogram of durations in seconds.
pub fn duration() -> Histogram {
    Histogram::new(DURATIONS)
}

/// A family of batch sizes.
pub fn sizes<const N: usize>() -> Histograms<N> {
    Family::new_with_constructor(|| Histogram::new(SIZES))
}

/// Registers one metric.
pub fn one<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// Registers a family with a series for each of these labels.
pub fn each<const N: usize, M>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = Labels<N>>,
) -> Family<Labels<N>, M>
where
    Family<Labels<N>, M>: Metric,
    M: Clone + Default,
{
    let family = Family::default();
    registry.register(name, help, family.clone());
    for labels in series {
        drop(family.get_or_create_owned(&labels));
    }
    family
}

/// Sets one of a family's gauges.
pub fn set<const N: usize>(family: &Gauges<N>, labels: Labels<N>, value: impl TryInto<i64>) {
    family.get_or_create(&labels).set(value.try_into().unwrap_or(i64::MAX));
}

/// Every pair of two labels' values.
pub fn pairs(
    (a, values_a): (&'static str, &[&'static str]),
    (b, values_b): (&'static str, &[&'static str]),
) -> Vec<Labels<2>> {
    let with = |x: &'static str| values_b.iter().map(move |y| [(a, x), (b, *y)]);
    values_a.iter().flat_map(|x| with(x)).collect()
}
