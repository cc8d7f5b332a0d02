//! What a record's rules add to the commit that writes it.

use std::fmt;

use super::Unit;
use crate::entity::Entity;
use crate::error::Result;

/// The commit in the making, as [`Rules::accompany`](super::Rules::accompany) sees it.
pub struct Along<'a>(&'a mut Unit);

impl fmt::Debug for Along<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Along").finish_non_exhaustive()
    }
}

impl<'a> Along<'a> {
    pub(super) fn new(unit: &'a mut Unit) -> Self {
        Self(unit)
    }

    /// Rests the commit on a record being as it was read: where somebody changes it meanwhile,
    /// nothing is written, and the change is decided anew. Of two changes that each rest on what
    /// the other one changes, one comes through.
    ///
    /// # Errors
    /// Where the record cannot be stored as it is.
    pub fn rest_on<E: Entity>(&mut self, read: E) -> Result<()> {
        self.0.check(read)
    }

    /// The whole unit, for the library's own types.
    pub(crate) fn unit(&mut self) -> &mut Unit {
        self.0
    }
}
