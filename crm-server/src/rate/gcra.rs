//! The generic cell rate algorithm: of each caller one point in time is kept, up to which what it
//! has asked for is paid off at an even pace. It may lie ahead of now by as much as may come at
//! once. So there are no windows whose edges let twice as much through, and nothing to clear.

use crate::config::Rate;

/// A limit, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quota {
    /// How many requests there may be at once.
    pub(super) requests: u32,
    /// What one of them costs.
    pub(super) step: i64,
    /// How far ahead what is asked for may run.
    pub(super) window: i64,
}

/// What a caller has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Requests that may come at once.
    pub(super) requests: u32,
    /// Seconds until it is one more; 0 where it is as much as ever.
    pub(super) more_in: u64,
    /// Microseconds until the next one may come; 0 where it may now.
    pub(super) wait: i64,
}

impl Quota {
    /// Of a rate; none where it is off.
    pub(super) fn of(rate: Rate) -> Option<Self> {
        let window = i64::try_from(rate.within().as_micros()).ok()?;
        let step = window.checked_div(i64::from(rate.requests()))?;
        Some(Self { requests: rate.requests(), step, window: step * i64::from(rate.requests()) })
    }

    /// How far ahead a caller is: what it asked for before may be paid off by now. Where the clock
    /// was set back, nobody is further ahead than anybody can be.
    pub(super) fn ahead(&self, until: i64, now: i64) -> i64 {
        until.saturating_sub(now).clamp(0, self.window)
    }

    /// Whether one more request may come.
    pub(super) fn admits(&self, ahead: i64) -> bool {
        ahead + self.step <= self.window
    }

    /// What is left to a caller so far ahead.
    pub(super) fn left(&self, ahead: i64) -> Left {
        let free = (self.window - ahead).max(0);
        let more_in = if ahead <= 0 { 0 } else { self.step - free % self.step };
        let more_in = u64::try_from(more_in).unwrap_or(0).div_ceil(1_000_000);
        let wait = (self.step - free).max(0);
        let requests = u32::try_from(free / self.step).unwrap_or(u32::MAX);
        Left { requests, more_in, wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(text: &str) -> Quota {
        Quota::of(text.parse().unwrap()).unwrap()
    }

    #[test]
    fn so_many_come_at_once_and_then_one_after_the_other() {
        let quota = quota("3/30s");
        let second = 1_000_000;
        let (mut until, mut now) = (0, 1_700_000_000 * second);
        let mut ask = |now: i64| {
            let ahead = quota.ahead(until, now);
            let admitted = quota.admits(ahead);
            if admitted {
                until = now + ahead + quota.step;
            }
            (admitted, quota.left(quota.ahead(until, now)))
        };
        for left in [2, 1, 0] {
            let (admitted, now) = ask(now);
            assert_eq!((admitted, now.requests), (true, left));
        }
        let (admitted, left) = ask(now);
        assert!(!admitted);
        assert_eq!(left, Left { requests: 0, more_in: 10, wait: 10 * second });
        now += 10 * second - 1;
        assert_eq!(ask(now).1.wait, 1);
        now += 1;
        assert!(ask(now).0 && !ask(now).0);
        now += 3_600 * second;
        for _ in 0..3 {
            assert!(ask(now).0);
        }
        assert!(!ask(now).0, "a long silence saves up nothing");
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out_for_longer_than_the_window() {
        let quota = quota("1/1m");
        let until = 1_700_000_000_000_000;
        assert_eq!(quota.ahead(until, until - 86_400_000_000), 60_000_000);
    }

    #[test]
    fn an_odd_number_gives_no_more_than_it_says() {
        let quota = quota("7/1s");
        let mut ahead = 0;
        let mut admitted = 0;
        while quota.admits(ahead) {
            ahead += quota.step;
            admitted += 1;
        }
        assert_eq!((admitted, quota.left(0).requests), (7, 7));
    }
}
