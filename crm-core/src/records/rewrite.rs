//! One record put in place of itself: the one way on which a record that there is becomes another,
//! whether it is changed alone or with many.

use super::{ATTEMPTS, Along, Records, Rules, Unit, ends};
use crate::access::{Permission, Reach};
use crate::audit::Action;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::store::{Deleted, Filter, Owners};

/// What is done to an entity between two versions of it. May be called again.
pub(super) type Change<'a, E> = dyn Fn(&mut E) -> Result<()> + Send + Sync + 'a;

/// What is done to a record.
pub(super) struct Step<'a, E> {
    pub(super) action: Action,
    pub(super) change: &'a Change<'a, E>,
    /// What has to hold of the record when it is read; else it is not there.
    pub(super) among: Filter,
}

impl<'a, E: Rules> Step<'a, E> {
    pub(super) fn new(action: Action, change: &'a Change<'a, E>) -> Self {
        Self { action, change, among: Filter::All }
    }

    pub(super) fn permission(&self) -> Permission {
        Records::<E>::permission(match self.action {
            Action::Deleted | Action::Restored => "delete",
            _ => "update",
        })
    }

    /// Whether it is done to what matches, and to nothing else.
    pub(super) fn chooses(&self) -> bool {
        self.among != Filter::All
    }

    fn deleted(&self) -> Deleted {
        match self.action {
            Action::Restored => Deleted::Only,
            _ => Deleted::Exclude,
        }
    }
}

impl<E: Rules> Records<E> {
    /// Does something to a record; answers it, and whether it is another than before.
    pub(super) async fn rewrite(
        &self,
        id: Id<E>,
        expected: Option<i64>,
        step: &Step<'_, E>,
    ) -> Result<(E, bool)> {
        let mut attempt = 1;
        loop {
            let before = self.load_kept(&step.among, id, step.deleted()).await?;
            let was = before.version();
            let unit = Unit::within(&self.within);
            let done = match self.step(unit, step, expected, before).await {
                Ok((unit, after)) if after.version() != was => self.committed(unit, after).await,
                Ok((_, same)) => self.seen(same).await,
                Err(error) => Err(error),
            };
            match done {
                // Somebody was faster: with this record, if no version of it was expected, or
                // with another one that the change rests on.
                Err(Error::Stale { kind, id: stale, .. })
                    if expected.is_none() || kind != E::ENTITY || stale != id.to_string() =>
                {
                    if attempt == ATTEMPTS {
                        return Err(Error::busy(&kind, stale));
                    }
                    attempt += 1;
                }
                done => {
                    return done.map(|after| {
                        let changed = after.version() != was;
                        (after, changed)
                    });
                }
            }
        }
    }

    /// A record as it is and as a change would make it: refused where the change would be, as far as
    /// the commit itself has no objection. Nothing is written.
    pub(crate) async fn rehearse(
        &self,
        id: Id<E>,
        expected: Option<i64>,
        change: &Change<'_, E>,
    ) -> Result<(E, E)> {
        let step = Step::new(Action::Updated, change);
        let before = self.load_kept(&step.among, id, step.deleted()).await?;
        let unit = Unit::within(&self.within);
        let (_, after) = self.step(unit, &step, expected, before.clone()).await?;
        Ok((self.seen(before).await?, self.seen(after).await?))
    }

    /// The unit that does something to a record as it was read, not yet committed, and the record
    /// as it is then: at the same version where there is nothing to do.
    pub(super) async fn step(
        &self,
        unit: Unit,
        step: &Step<'_, E>,
        expected: Option<i64>,
        before: E,
    ) -> Result<(Unit, E)> {
        let permission = step.permission();
        let reach = self.within.actor().require(&permission)?;
        self.require_reach(&permission, reach, &before).await?;
        if let Some(expected) = expected.filter(|expected| *expected != before.version()) {
            let (kind, id) = (E::ENTITY.to_owned(), before.id().to_string());
            return Err(Error::Stale { kind, id, expected });
        }
        // What is only deleted is not looked at.
        let after = if step.action == Action::Deleted {
            before.clone()
        } else {
            let mut after = self.seen(before.clone()).await?;
            (step.change)(&mut after)?;
            self.kept(Some(&before), after)?
        };
        self.in_place(unit, &permission, reach, step.action, before, after).await
    }

    /// Writes a record in place of itself, once: whoever calls may try again where it is stale.
    /// That the reach of the permission contains it as it was has been seen to.
    pub(crate) async fn put(
        &self,
        permission: &Permission,
        reach: Reach,
        action: Action,
        before: E,
        after: E,
    ) -> Result<E> {
        let (was, unit) = (before.version(), Unit::within(&self.within));
        let (unit, after) = self.in_place(unit, permission, reach, action, before, after).await?;
        if after.version() == was {
            self.seen(after).await
        } else {
            self.committed(unit, after).await
        }
    }

    async fn in_place(
        &self,
        mut unit: Unit,
        permission: &Permission,
        reach: Reach,
        action: Action,
        before: E,
        mut after: E,
    ) -> Result<(Unit, E)> {
        // What is only deleted stays as it is, whatever the rules have become; what reaches it is
        // held all the same.
        let held = match action {
            Action::Deleted if *E::schema().owners() == Owners::Ends => {
                let record = self.as_record(&before);
                let held = ends::hold_references(&self.within, E::schema(), Some(&record), &record);
                match held.await {
                    // Gone since it was read, and the record with it.
                    Err(Error::Invalid(_)) => {
                        return Err(Error::not_found(E::ENTITY, before.id()));
                    }
                    held => held?,
                }
            }
            Action::Deleted => Vec::new(),
            _ => self.check(Some(&before), &mut after).await?,
        };
        if action == Action::Updated && after == before {
            return Ok((unit, before));
        }
        let mut system = unit.next(&before);
        match action {
            Action::Deleted => system.deleted_at = Some(unit.now()),
            Action::Restored => system.deleted_at = None,
            _ => {}
        }
        after.set_system(system);
        self.require_reach(permission, reach, &after).await?;
        let mut along = Along::new(&mut unit);
        E::accompany(action, Some(&before), &after, &self.within, &mut along).await?;
        unit.update(before, after.clone(), action)?;
        unit.hold(held);
        Ok((unit, after))
    }

    async fn committed(&self, unit: Unit, after: E) -> Result<E> {
        self.commit(unit).await?;
        self.as_shown(after).await
    }
}
