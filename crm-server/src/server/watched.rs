//! A socket that does not wait for ever: neither for a request that comes a byte at a time, nor
//! for somebody who does not read.
//!
//! Where the parser refuses a request, nobody else has seen it: what it writes then is put into
//! the envelope that all other errors come in.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::framing::Framing;
use super::phase::Phase;
use super::refusal::Refusals;

/// A socket under watch.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    phase: Arc<Phase>,
    refusals: Refusals,
    /// How long the head of a request may take.
    head: Duration,
    /// How long nothing at all may happen.
    silence: Duration,
    deadline: Instant,
    /// Whether that is when the head of a request must have come.
    of_head: bool,
    alarm: Pin<Box<Sleep>>,
    /// Lines of the head that is being read.
    lines: usize,
    /// How it frames what follows it.
    framing: Framing,
    /// What is written in place of what was given to write.
    instead: Vec<u8>,
    written: usize,
}

impl Watched {
    pub(super) fn new(
        stream: TcpStream,
        phase: Arc<Phase>,
        refusals: Refusals,
        head: Duration,
        silence: Duration,
    ) -> Self {
        // A connection that says nothing from the start is as good as one that says it slowly.
        let deadline = Instant::now() + head;
        let alarm = Box::pin(tokio::time::sleep_until(deadline));
        let instead = Vec::new();
        Self {
            stream,
            phase,
            refusals,
            head,
            silence,
            deadline,
            of_head: true,
            alarm,
            lines: 0,
            framing: Framing::default(),
            instead,
            written: 0,
        }
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Whether it has waited long enough; wakes the task when that is so.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        // What follows a head that came in time has a time of its own, also where nothing follows.
        if self.of_head && self.phase.past_head() {
            self.of_head = false;
            self.deadline = Instant::now() + self.silence;
        }
        if self.alarm.deadline() > self.deadline {
            self.alarm.as_mut().reset(self.deadline);
        }
        while self.alarm.as_mut().poll(context).is_ready() {
            if Instant::now() >= self.deadline {
                return true;
            }
            self.alarm.as_mut().reset(self.deadline);
        }
        false
    }

    fn something_happened(&mut self) {
        // The head of a request has one deadline, however many bytes trickle in.
        if !self.phase.in_head() {
            self.of_head = false;
            self.deadline = Instant::now() + self.silence;
        }
    }

    /// Takes the parser's own refusal, and remembers ours.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        if !self.phase.in_head() || !self.instead.is_empty() {
            return false;
        }
        let Some(instead) = self.refusals.in_place_of(bytes, self.lines) else { return false };
        self.instead = instead;
        true
    }

    fn poll_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.instead.get(self.written..).filter(|rest| !rest.is_empty()) {
            let n = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += n;
        }
        Poll::Ready(Ok(()))
    }

    /// What a write came to, or that nobody reads.
    fn after_write<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.something_happened();
            return written;
        }
        if self.is_late(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_ready() {
            let new = buffer.filled().get(before..).unwrap_or_default();
            if new.is_empty() {
                return read;
            }
            if this.phase.bytes_came() {
                this.lines = 0;
                this.framing = Framing::default();
                // The first request has had its time since the connection was made.
                if this.deadline > Instant::now() + this.head {
                    this.deadline = Instant::now() + this.head;
                }
                this.of_head = true;
            }
            if this.phase.in_head() {
                this.lines += new.iter().filter(|byte| **byte == b'\n').count();
                this.framing.came(new);
                this.phase.contradicts(this.framing.is_contradictory());
            }
            this.something_happened();
            return read;
        }
        if this.phase.is_finishing() && this.phase.at_rest() {
            return Poll::Ready(Ok(()));
        }
        if !this.is_late(context) {
            return Poll::Pending;
        }
        // Neither is silence what is a long answer in the making, of which nothing is there yet.
        if this.phase.is_making() {
            this.something_happened();
            let _ = this.is_late(context);
            return Poll::Pending;
        }
        // Nobody is told anything who has asked for nothing.
        if this.phase.at_rest() && !this.phase.untouched() {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.after_write(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(first) = slices.first()
            && this.replaces(first)
        {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.after_write(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_instead(context))?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_instead(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}
