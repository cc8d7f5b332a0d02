//! The same work by the library, by hand and, where it is to be far better, as PostgreSQL is asked
//! where nobody has thought about it.

use std::sync::atomic::{AtomicUsize, Ordering};

use crm_core::custom_fields::{CustomOf, CustomType};
use crm_core::customers::{Customer, CustomerPatch, CustomerStatus, Customers};
use crm_core::store::{Aggregate, GroupBy, Measure};
use crm_core::{Change, Entity, Find};
use sqlx::PgPool;
use uuid::Uuid;

use crate::Result;
use crate::by_hand::{ByHand, naive};
use crate::compare::{Operation, Pair};
use crate::database::{Database, Tenant};
use crate::generate::{MOST_SEATS, SEATS};
use crate::sample::draft;

/// What customers are searched for: a part of a name that one in some 130 has.
pub const SOUGHT: &str = "tanvans";

// Numbers that tell what was written by the benchmark from what was generated.
static NEXT: AtomicUsize = AtomicUsize::new(1_000_000);

fn next() -> usize {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What is measured against statements written by hand, in a tenant.
pub fn against_by_hand<'a>(database: &Database, tenant: &'a Tenant) -> Vec<Pair<'a>> {
    let customers = tenant.within.customers();
    let actor = tenant.within.actor().user().uuid();
    let by_hand = ByHand::new(database.by_hand.clone(), tenant.id.uuid(), actor);
    let some = move |n: usize| tenant.some[n % tenant.some.len()];
    vec![
        Pair {
            name: "get",
            library: {
                let customers = customers.clone();
                Operation::new(move |n| {
                    let customers = customers.clone();
                    async move { done(customers.get(some(n)).await?) }
                })
            },
            other: {
                let by_hand = by_hand.clone();
                Operation::new(move |n| {
                    let by_hand = by_hand.clone();
                    async move { done(by_hand.get(some(n).uuid()).await?) }
                })
            },
        },
        Pair {
            name: "list of 20",
            library: {
                let customers = customers.clone();
                Operation::new(move |_| {
                    let customers = customers.clone();
                    async move { done(customers.find(Find::all()).await?) }
                })
            },
            other: {
                let by_hand = by_hand.clone();
                Operation::new(move |_| {
                    let by_hand = by_hand.clone();
                    async move { done(by_hand.list().await?) }
                })
            },
        },
        Pair {
            name: "filtered list",
            library: {
                let customers = customers.clone();
                Operation::new(move |_| {
                    let customers = customers.clone();
                    let filter = Customer::STATUS
                        .eq(CustomerStatus::Paused)
                        .and(Customer::COUNTRY.eq("FR".to_owned()));
                    async move { done(customers.find(filter).await?) }
                })
            },
            other: {
                let by_hand = by_hand.clone();
                Operation::new(move |_| {
                    let by_hand = by_hand.clone();
                    async move { done(by_hand.filtered("paused", "FR").await?) }
                })
            },
        },
        Pair {
            name: "insert",
            library: {
                let customers = customers.clone();
                Operation::new(move |_| {
                    let customers = customers.clone();
                    async move { done(customers.create(draft(next())).await?) }
                })
            },
            other: {
                let by_hand = by_hand.clone();
                Operation::new(move |_| {
                    let by_hand = by_hand.clone();
                    async move { done(by_hand.create(draft(next())).await?) }
                })
            },
        },
        Pair {
            name: "update",
            library: {
                let customers = customers.clone();
                Operation::new(move |n| {
                    let customers = customers.clone();
                    let patch = CustomerPatch {
                        notes: Change::Set(format!("Called again, {}.", next())),
                        ..CustomerPatch::default()
                    };
                    async move { done(customers.patch(some(n), None, patch).await?) }
                })
            },
            other: {
                let by_hand = by_hand.clone();
                Operation::new(move |n| {
                    let by_hand = by_hand.clone();
                    let notes = format!("Called again, {}.", next());
                    async move { done(by_hand.update(some(n).uuid(), &notes).await?) }
                })
            },
        },
        Pair {
            name: "aggregate",
            library: {
                Operation::new(move |_| {
                    let customers = customers.clone();
                    async move { done(customers.aggregate(figures()?).await?) }
                })
            },
            other: Operation::new(move |_| {
                let by_hand = by_hand.clone();
                async move { done(by_hand.figures().await?) }
            }),
        },
    ]
}

/// What is measured against naive statements, in a tenant.
pub fn against_naive<'a>(database: &Database, tenant: &'a Tenant) -> Vec<Pair<'a>> {
    let customers = tenant.within.customers();
    let (id, plain) = (tenant.id.uuid(), database.plain.clone());
    vec![
        Pair {
            name: "list of 20 and total",
            library: {
                let customers = customers.clone();
                Operation::new(move |_| {
                    let customers = customers.clone();
                    async move { done(customers.find(Find::all().counted()).await?) }
                })
            },
            other: {
                let plain = plain.clone();
                Operation::new(move |_| {
                    let plain = plain.clone();
                    async move { done(naive::list(&plain, id).await?) }
                })
            },
        },
        Pair {
            name: "search and total",
            library: {
                let customers = customers.clone();
                Operation::new(move |_| {
                    let customers = customers.clone();
                    let find = Find::all().search(SOUGHT).counted();
                    async move { done(customers.find(find).await?) }
                })
            },
            other: {
                let plain = plain.clone();
                Operation::new(move |_| {
                    let plain = plain.clone();
                    async move { done(naive::search(&plain, id, SOUGHT).await?) }
                })
            },
        },
        by_seats("own field, equal, and total", 1, &customers, &plain, id),
        by_seats("own field, a range, and total", 10, &customers, &plain, id),
        Pair {
            name: "own field, sorted",
            library: Operation::new(move |_| {
                let customers = customers.clone();
                async move { done(customers.find(Find::all().sort(seats().desc())).await?) }
            }),
            other: Operation::new(move |_| {
                let plain = plain.clone();
                async move { done(naive::most_seats(&plain, id).await?) }
            }),
        },
    ]
}

/// The newest twenty whose seats are so many, or among so many following numbers.
fn by_seats<'a>(
    name: &'static str,
    width: i64,
    customers: &Customers,
    plain: &PgPool,
    tenant: Uuid,
) -> Pair<'a> {
    let (customers, plain) = (customers.clone(), plain.clone());
    let from = move |n: usize| i64::try_from(n).unwrap_or_default() * 37 % (MOST_SEATS - width);
    Pair {
        name,
        library: Operation::new(move |n| {
            let customers = customers.clone();
            let filter = match width {
                1 => seats().eq(from(n)),
                _ => seats().ge(from(n)).and(seats().lt(from(n) + width)),
            };
            async move { done(customers.find(Find::from(filter).counted()).await?) }
        }),
        other: Operation::new(move |n| {
            let plain = plain.clone();
            let seats = (from(n), from(n) + width);
            async move { done(naive::seats(&plain, tenant, seats).await?) }
        }),
    }
}

fn seats() -> CustomOf<Customer> {
    Customer::CUSTOM_FIELDS.key(SEATS, CustomType::Number)
}

/// By status, how many customers there are and what they turn over.
///
/// # Errors
/// Never; the question makes sense.
pub fn figures() -> Result<Aggregate> {
    Ok(Aggregate::count(Customer::schema().clone())
        .group_by(vec![GroupBy::Value(Customer::STATUS.path())])?
        .measures(vec![Measure::Count, Measure::Sum(Customer::ANNUAL_REVENUE.path())])?)
}

fn done<T>(answer: T) -> Result<()> {
    std::hint::black_box(answer);
    Ok(())
}
