//! How long things take, counted in buckets: some atomic additions, whoever looks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the buckets, in microseconds, and as Prometheus writes them, in seconds.
const BUCKETS: [(u64, &str); 16] = [
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
];

/// Durations, by how long they were.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// How many ended in each bucket, and, last, beyond all.
    counts: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    pub(super) fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|(end, _)| *end < micros);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// For each bucket its upper end and how many lie below it, `+Inf` last.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let ends = BUCKETS.iter().map(|(_, end)| *end).chain(["+Inf"]);
        ends.zip(&self.counts).scan(0, |below, (end, count)| {
            *below += count.load(Ordering::Relaxed);
            Some((end, *below))
        })
    }

    /// The sum of all durations, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_its_bucket_and_in_all_behind_it() {
        let histogram = Histogram::default();
        for micros in [0, 100, 101, 1_000, 20_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let counts: Vec<(&str, u64)> = histogram.cumulative().collect();
        assert_eq!(counts[..4], [("0.0001", 2), ("0.00025", 3), ("0.0005", 3), ("0.001", 4)]);
        assert_eq!(counts[15..], [("10", 4), ("+Inf", 5)]);
        assert!((histogram.seconds() - 20.001_201).abs() < 1e-9);
    }

    #[test]
    fn the_ends_are_written_as_they_are_compared() {
        for (micros, seconds) in BUCKETS {
            let read: f64 = seconds.parse().unwrap();
            assert!((read * 1e6 - micros as f64).abs() < 1e-6, "{seconds}");
        }
        assert!(BUCKETS.is_sorted());
    }
}
