//! How long a function may block, and the moment at which this time has passed (monotonic clock).

use std::time::{Duration, Instant};

use crate::error::{Error, Kind};
use crate::sync::clock;

/// How long a function may block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// Check once, and do not wait.
    Poll,
    /// Wait at most this long.
    After(Duration),
    /// Wait without a limit: until the event occurs, the producer crashes, or the wait is interrupted.
    Forever,
}

/// The moment at which a [`Timeout`] that started now has passed.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Until);

#[derive(Clone, Copy, Debug)]
enum Until {
    /// No clock is read for it.
    Passed,
    At(Instant),
    Forever,
}

impl Timeout {
    /// From a number of seconds.
    pub fn from_secs(seconds: f64) -> Timeout {
        if seconds <= 0.0 {
            Timeout::Poll
        } else {
            Duration::try_from_secs_f64(seconds).map_or(Timeout::Forever, Timeout::After)
        }
    }

    /// The deadline if the wait starts now. A duration beyond the range of the clock means no limit.
    pub fn deadline(self) -> Deadline {
        Deadline(match self {
            Timeout::Poll => Until::Passed,
            Timeout::After(time) => clock::now().checked_add(time).map_or(Until::Forever, Until::At),
            Timeout::Forever => Until::Forever,
        })
    }
}

impl Deadline {
    /// What is left, at most `slice`; `None` when the timeout has passed.
    pub fn left(&self, slice: Duration) -> Option<Duration> {
        match self.0 {
            Until::Passed => None,
            Until::At(_) => self.left_at(clock::now(), slice),
            Until::Forever => Some(slice),
        }
    }

    /// The same where the clock was just read.
    pub(crate) fn left_at(&self, now: Instant, slice: Duration) -> Option<Duration> {
        match self.0 {
            Until::Passed => None,
            Until::At(at) => {
                let left = at.saturating_duration_since(now);
                (!left.is_zero()).then(|| left.min(slice))
            }
            Until::Forever => Some(slice),
        }
    }

    /// What is left of the timeout.
    pub fn remaining(&self) -> Timeout {
        match self.0 {
            Until::Forever => Timeout::Forever,
            _ => self.left(Duration::MAX).map_or(Timeout::Poll, Timeout::After),
        }
    }

    /// The store's lock could not be had: that is a timeout if the timeout has passed, and has the same text.
    pub fn or_late(&self, error: Error) -> Error {
        if error.kind() == Kind::Busy && self.passed() {
            return Error::new(Kind::Timeout, error.message());
        }
        error
    }

    /// Whether the timeout has passed.
    pub fn passed(&self) -> bool {
        match self.0 {
            Until::Passed => true,
            Until::At(at) => clock::now() >= at,
            Until::Forever => false,
        }
    }
}
