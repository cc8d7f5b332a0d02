//! Where a connection stands between two requests: what may take how long depends on it.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Known to the socket, which sees bytes, and to the service, which sees requests.
#[derive(Debug, Default)]
pub(super) struct Phase {
    at: AtomicU8,
    making: AtomicBool,
    finishing: AtomicBool,
    contradictory: AtomicBool,
}

const IDLE: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;
const ANSWERED: u8 = 3;

impl Phase {
    /// Bytes came: where no request is being answered, they begin one.
    pub(super) fn bytes_came(&self) -> bool {
        if matches!(self.at.load(Ordering::Relaxed), IDLE | ANSWERED) {
            self.at.store(HEAD, Ordering::Relaxed);
            return true;
        }
        false
    }

    /// A request was read so far that somebody answers it.
    pub(super) fn request_came(&self) {
        self.at.store(BUSY, Ordering::Relaxed);
    }

    /// Whether the head of the request names its length and a transfer coding.
    pub(super) fn contradicts(&self, contradictory: bool) {
        self.contradictory.store(contradictory, Ordering::Relaxed);
    }

    pub(super) fn is_contradictory(&self) -> bool {
        self.contradictory.load(Ordering::Relaxed)
    }

    /// Whether more of the answer is being made, and nobody else is waited for.
    pub(super) fn making(&self, making: bool) {
        self.making.store(making, Ordering::Relaxed);
    }

    pub(super) fn is_making(&self) -> bool {
        self.making.load(Ordering::Relaxed)
    }

    /// All of its answer was made.
    pub(super) fn answered(&self) {
        self.making(false);
        self.at.store(ANSWERED, Ordering::Relaxed);
    }

    /// The connection is to take no further request.
    pub(super) fn finish(&self) {
        self.finishing.store(true, Ordering::Relaxed);
    }

    /// Whether a request has begun that nobody answers yet.
    pub(super) fn in_head(&self) -> bool {
        self.at.load(Ordering::Relaxed) == HEAD
    }

    /// Whether the last request that began was read so far that somebody answers it.
    pub(super) fn past_head(&self) -> bool {
        matches!(self.at.load(Ordering::Relaxed), BUSY | ANSWERED)
    }

    /// Whether no request was ever begun.
    pub(super) fn untouched(&self) -> bool {
        self.at.load(Ordering::Relaxed) == IDLE
    }

    /// Whether nothing is being read or worked on.
    pub(super) fn at_rest(&self) -> bool {
        matches!(self.at.load(Ordering::Relaxed), IDLE | ANSWERED)
    }

    pub(super) fn is_finishing(&self) -> bool {
        self.finishing.load(Ordering::Relaxed)
    }
}
