//! Many records changed by one call: in batches, each record with its rules, its reach, its audit
//! entry and its event, as if it were changed alone.
//!
//! A batch is one commit. Where it cannot be one, because one of its records was changed
//! meanwhile, takes a key that another one has, or rests on another one that the batch writes too,
//! its records are changed one by one, so that one in a thousand does not stand in the way of the
//! others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::rewrite::{Change, Step};
use super::{ATTEMPTS, Records, Rules, Unit};
use crate::audit::Action;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::idempotency::IN_USE;
use crate::store::{Deleted, Filter, MAX_LIMIT, Page, Path, Query, Value, Window, system};

/// The most records that one commit changes, and that can be changed all or none.
pub const MAX_BATCH: usize = 500;
/// The most records that one call changes.
pub const MAX_BULK: usize = 10_000;

/// Which records are to be changed.
#[derive(Debug, Clone)]
pub enum Selection<E> {
    /// These, each at the version that is expected of it, if one is.
    Ids(Vec<(Id<E>, Option<i64>)>),
    /// Those that match when the call begins, and still do when each is changed.
    Filter(Filter),
}

/// What changes the values of a record.
type Changing<E> = dyn Fn(&mut E) -> Result<()> + Send + Sync;

/// What is to be done with each of them.
pub enum Bulk<E> {
    /// Its values are changed by a function, which may be called again. Needs what
    /// [`Records::replace`] needs. [`Error::Unreadable`] from it is a fault of the whole call.
    Change(Box<Changing<E>>),
    /// It is deleted softly. Needs `delete`.
    Delete,
}

impl<E> std::fmt::Debug for Bulk<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Change(_) => "Change",
            Self::Delete => "Delete",
        })
    }
}

impl<E: Rules> Bulk<E> {
    fn step(&self, among: &Filter) -> Step<'_, E> {
        let stays: &Change<'_, E> = &|_| Ok(());
        let mut step = match self {
            Self::Change(change) => Step::new(Action::Updated, change),
            Self::Delete => Step::new(Action::Deleted, stays),
        };
        step.among = among.clone();
        step
    }
}

/// How a call goes about it.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// All records or none.
    pub atomic: bool,
    /// When to stop: records whose turn has not come by then are left as they are, and their
    /// outcomes say `NOT_REACHED`. Never where it is none.
    pub until: Option<DateTime<Utc>>,
}

/// What became of one record.
#[derive(Debug, Clone)]
pub struct Outcome<E> {
    /// The record.
    pub id: Id<E>,
    /// The record as it is now, and whether it is another than before; or why nothing was done to
    /// it.
    pub result: Result<(E, bool)>,
}

impl<E> Outcome<E> {
    fn new(id: Id<E>, result: Result<(E, bool)>) -> Self {
        Self { id, result }
    }
}

/// A record that is meant, and the version that is expected of it.
type Meant<E> = (Id<E>, Option<i64>);

/// A record on its way into a batch: what writes it, the version that it had, and as what.
type Prepared<E> = (Unit, i64, E);

impl<E: Rules> Records<E> {
    /// Does the same with many records, each with all that holds for one alone. Answers what
    /// became of each, in the order asked for; a record that is named twice is changed once.
    ///
    /// With [`How::atomic`], all or none: where one cannot be changed none is, and only the
    /// outcomes of those that cannot are given. Where a record cannot be changed without regard
    /// to another one of the call, as when two owners are to leave, the call is refused.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> crm_core::Result<()> {
    /// use crm_core::customers::{Customer, CustomerDraft, CustomerStatus};
    /// use crm_core::records::{Bulk, How, Selection};
    /// # use crm_core::access::{Actor, BuiltIn};
    /// # let crm = crm_core::Crm::new(crm_store_memory::MemoryStore::new()).await?;
    /// # let tenant = crm.system().create_tenant("Acme").await?.id;
    /// # let acme = crm.tenant(Actor::new(tenant, crm.new_id()).with_role(BuiltIn::Owner));
    /// # for city in ["Kiel", "Kiel", "Bonn"] {
    /// #     let city = Some(city.to_owned());
    /// #     acme.customers().create(CustomerDraft { city, ..CustomerDraft::company("A") }).await?;
    /// # }
    ///
    /// let in_kiel = Selection::Filter(Customer::CITY.eq("Kiel".to_owned()).into_filter());
    /// let pause = Bulk::Change(Box::new(|customer: &mut Customer| {
    ///     customer.status = CustomerStatus::Paused;
    ///     Ok(())
    /// }));
    /// let outcomes = acme.customers().bulk(in_kiel, &pause, How::default()).await?;
    /// assert!(outcomes.len() == 2 && outcomes.iter().all(|one| one.result.is_ok()));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Limit`] beyond [`MAX_BULK`] records, or [`MAX_BATCH`] where it is all or none;
    /// [`Error::Forbidden`] where the permission is held for no record at all; where the function
    /// of a change cannot be applied to any record. A store that fails half-way fails the
    /// outcomes of the records that were left, not the call.
    pub async fn bulk(
        &self,
        which: Selection<E>,
        what: &Bulk<E>,
        how: How,
    ) -> Result<Vec<Outcome<E>>> {
        let among = match &which {
            Selection::Ids(_) => Filter::All,
            Selection::Filter(filter) => filter.clone(),
        };
        let step = what.step(&among);
        self.within.actor().require(&step.permission())?;
        let all = self.selected(which, if how.atomic { MAX_BATCH } else { MAX_BULK }).await?;
        let mut outcomes: Vec<Outcome<E>> = Vec::with_capacity(all.len());
        let mut stopped: Option<Error> = None;
        for part in all.chunks(MAX_BATCH) {
            let late = || self.is_late(&how).then(not_reached);
            if let Some(error) = stopped.clone().or_else(late) {
                outcomes.extend(part.iter().map(|(id, _)| Outcome::new(*id, Err(error.clone()))));
                continue;
            }
            match self.batch(part, &step, &how).await {
                Ok(done) => {
                    let failed = done.iter().find_map(|one| one.result.as_ref().err());
                    stopped = failed.filter(|error| is_away(error)).cloned();
                    outcomes.extend(done);
                }
                // Nothing was done yet, so this is what the call comes to.
                Err(error) if outcomes.is_empty() => return Err(error),
                Err(error) => {
                    let failed = |(id, _): &Meant<E>| Outcome::new(*id, Err(error.clone()));
                    outcomes.extend(part.iter().map(failed));
                    stopped = Some(error);
                }
            }
        }
        Ok(outcomes)
    }

    fn is_late(&self, how: &How) -> bool {
        how.until.is_some_and(|until| self.within.crm().clock().now() >= until)
    }

    /// The records that are meant, each once.
    async fn selected(&self, which: Selection<E>, most: usize) -> Result<Vec<Meant<E>>> {
        let too_many = || Error::Limit {
            what: "the number of records to change at once".to_owned(),
            limit: most as u64,
        };
        let mut ids = match which {
            Selection::Ids(ids) => ids,
            Selection::Filter(filter) => {
                let mut ids = Vec::new();
                let mut after = None;
                loop {
                    let query = Query::new(Arc::clone(E::schema()))
                        .filter(filter.clone())?
                        .window(Window::Cursor { after, limit: MAX_LIMIT })?;
                    let Page { items, next, .. } = self.select(query).await?;
                    ids.extend(items.iter().map(|entity| (entity.id(), None)));
                    if ids.len() > most {
                        return Err(too_many());
                    }
                    after = next;
                    if after.is_none() {
                        break;
                    }
                }
                ids
            }
        };
        let mut seen = HashSet::new();
        ids.retain(|(id, _)| seen.insert(*id));
        if ids.len() > most { Err(too_many()) } else { Ok(ids) }
    }

    async fn batch(
        &self,
        part: &[Meant<E>],
        step: &Step<'_, E>,
        how: &How,
    ) -> Result<Vec<Outcome<E>>> {
        let mut attempt = 1;
        loop {
            let mut all = Unit::within(&self.within);
            let prepared = self.prepared(part, step, &all).await?;
            if how.atomic && prepared.iter().any(|(_, prepared)| prepared.is_err()) {
                let failed = prepared
                    .into_iter()
                    .filter_map(|(id, prepared)| Some(Outcome::new(id, Err(prepared.err()?))));
                return Ok(failed.collect());
            }
            let mut outcomes = Vec::with_capacity(part.len());
            let (mut changes, mut as_one) = (0, true);
            for (id, prepared) in prepared {
                outcomes.push(match prepared {
                    Err(error) => Outcome::new(id, Err(error)),
                    Ok((_, was, after)) if after.version() == was => {
                        Outcome::new(id, Ok((self.seen(after).await?, false)))
                    }
                    Ok((unit, _, after)) => {
                        as_one &= all.absorb(unit);
                        changes += 1;
                        Outcome::new(id, Ok((self.as_shown(after).await?, true)))
                    }
                });
            }
            let committed = match (as_one, changes) {
                (true, 0) => Ok(()),
                (true, _) => all.commit_naming(&self.within).await.map(drop),
                (false, _) if how.atomic => return Err(entangled()),
                (false, _) => return Ok(self.one_by_one(part, step, how).await),
            };
            E::forget(&self.within);
            match committed {
                Ok(()) => return Ok(outcomes),
                Err((_, error)) if is_away(&error) => return Err(error),
                Err((_, Error::Stale { .. })) if attempt < ATTEMPTS => attempt += 1,
                Err((about, error)) if how.atomic => {
                    let of = |id: Uuid| part.iter().find(|(of, _)| of.uuid() == id);
                    return match about.and_then(of) {
                        Some((id, _)) => Ok(vec![Outcome::new(*id, Err(error))]),
                        None => Err(error),
                    };
                }
                Err(_) => return Ok(self.one_by_one(part, step, how).await),
            }
        }
    }

    /// What each record comes to, or why nothing can be done to it.
    async fn prepared(
        &self,
        part: &[Meant<E>],
        step: &Step<'_, E>,
        all: &Unit,
    ) -> Result<Vec<(Id<E>, Result<Prepared<E>>)>> {
        let ids = part.iter().map(|(id, _)| Value::Uuid(id.uuid())).collect();
        let query = Query::new(Arc::clone(E::schema()))
            .filter(Filter::In(Path::field(system::ID), ids))?
            .filter(step.among.clone())?
            .deleted(Deleted::Exclude)
            .window(Window::Page { offset: 0, limit: MAX_LIMIT })?;
        let found = self.select_kept(query).await?.items;
        let mut found: HashMap<Id<E>, E> =
            found.into_iter().map(|entity| (entity.id(), entity)).collect();
        let mut prepared = Vec::with_capacity(part.len());
        for (id, expected) in part {
            let one = match found.remove(id) {
                // It does not match any more.
                None if step.chooses() => continue,
                None => Err(Error::not_found(E::ENTITY, id)),
                Some(before) => {
                    let was = before.version();
                    let done = self.step(all.beside(), step, *expected, before).await;
                    done.map(|(unit, after)| (unit, was, after))
                }
            };
            match one {
                Err(error) if is_away(&error) || matches!(error, Error::Unreadable(_)) => {
                    return Err(error);
                }
                one => prepared.push((*id, one)),
            }
        }
        Ok(prepared)
    }

    async fn one_by_one(
        &self,
        part: &[Meant<E>],
        step: &Step<'_, E>,
        how: &How,
    ) -> Vec<Outcome<E>> {
        let mut outcomes = Vec::with_capacity(part.len());
        let mut stopped: Option<Error> = None;
        for (id, expected) in part {
            let late = || self.is_late(how).then(not_reached);
            let result = match stopped.clone().or_else(late) {
                Some(error) => Err(error),
                None => self.rewrite(*id, *expected, step).await,
            };
            match &result {
                // It does not match any more.
                Err(Error::NotFound { kind, .. }) if step.chooses() && kind == E::ENTITY => {
                    continue;
                }
                Err(error) if is_away(error) => stopped = Some(error.clone()),
                _ => {}
            }
            outcomes.push(Outcome::new(*id, result));
        }
        outcomes
    }
}

/// Whether the next record would fare no better: the store is away, the time is up, or the key
/// under which the call was made belongs to another one.
fn is_away(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. }) || [NOT_REACHED, IN_USE].contains(&error.code())
}

const NOT_REACHED: &str = "NOT_REACHED";

fn not_reached() -> Error {
    let message = "its turn did not come in time, and it is as it was".to_owned();
    Error::Conflict { code: NOT_REACHED, field: None, message }
}

fn entangled() -> Error {
    let message = "some of these depend on each other, and cannot be changed all or none";
    Error::Conflict { code: "ENTANGLED", field: None, message: message.to_owned() }
}
