//! One way of doing something against another, in turns.
//!
//! Other work on the machine slows both alike; each round runs one after the other, the first one
//! being now this, now that. Medians, because the slowest runs tell of the machine.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::Result;

type Running<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Something to do, for the nth time.
pub struct Operation<'a>(Box<dyn Fn(usize) -> Running<'a> + Send + Sync + 'a>);

impl fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operation")
    }
}

impl<'a> Operation<'a> {
    /// What this function begins.
    pub fn new<F, R>(f: F) -> Self
    where
        F: Fn(usize) -> R + Send + Sync + 'a,
        R: Future<Output = Result<()>> + Send + 'a,
    {
        Self(Box::new(move |n| Box::pin(f(n))))
    }

    /// Does it.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn run(&self, n: usize) -> Result<()> {
        (self.0)(n).await
    }

    async fn timed(&self, n: usize) -> Result<Duration> {
        let begun = Instant::now();
        self.run(n).await?;
        Ok(begun.elapsed())
    }
}

/// The library's way and another one.
#[derive(Debug)]
pub struct Pair<'a> {
    /// What is done.
    pub name: &'static str,
    /// By the library.
    pub library: Operation<'a>,
    /// In the other way.
    pub other: Operation<'a>,
}

/// How long both ways took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The library's median.
    pub library: Duration,
    /// The other's median.
    pub other: Duration,
    /// How often each ran.
    pub rounds: usize,
}

impl Outcome {
    /// The library's time over the other's.
    pub fn ratio(&self) -> f64 {
        self.library.as_secs_f64() / self.other.as_secs_f64()
    }
}

/// Runs both ways in turns, for about so long, at least 15 and at most 3,000 times each.
///
/// # Errors
/// Those of the work.
pub async fn compare(pair: &Pair<'_>, about: Duration) -> Result<Outcome> {
    // Statements are planned anew the first five times; connections come up, caches fill.
    for n in 0..12 {
        pair.library.run(n).await?;
        pair.other.run(n).await?;
    }
    let (mut library, mut other) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    let mut n = 12;
    while library.len() < 15 || (begun.elapsed() < about && library.len() < 3_000) {
        if n % 2 == 0 {
            library.push(pair.library.timed(n).await?);
            other.push(pair.other.timed(n).await?);
        } else {
            other.push(pair.other.timed(n).await?);
            library.push(pair.library.timed(n).await?);
        }
        n += 1;
    }
    let rounds = library.len();
    Ok(Outcome { library: median(library), other: median(other), rounds })
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied().unwrap_or_default()
}

/// A duration in the unit that suits it.
pub fn shown(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    if micros < 10.0 {
        format!("{micros:.2} µs")
    } else if micros < 1_000.0 {
        format!("{micros:.0} µs")
    } else {
        format!("{:.2} ms", micros / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        let of =
            |millis: &[u64]| median(millis.iter().copied().map(Duration::from_millis).collect());
        assert_eq!(of(&[9, 1, 2]), Duration::from_millis(2));
        assert_eq!(of(&[]), Duration::ZERO);
    }
}
