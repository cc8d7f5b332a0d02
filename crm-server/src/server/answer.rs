//! The body of an answer, which may come a part at a time: the connection is busy until its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};

use super::phase::Phase;

/// A body that tells how far it is.
#[derive(Debug)]
pub(super) struct Answer<B> {
    body: B,
    phase: Arc<Phase>,
}

impl<B> Answer<B> {
    pub(super) fn new(body: B, phase: Arc<Phase>) -> Self {
        Self { body, phase }
    }
}

/// Sent to its end, or given up.
impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        self.phase.answered();
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        this.phase.making(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
