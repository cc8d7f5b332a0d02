//! The library on PostgreSQL, each figure beside the same work written by hand.
//!
//! Criterion measures one after the other; on a machine with other work to do, the command
//! `ratios` compares them better.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use crm_benches::compare::{Operation, Pair};
use crm_benches::database::Database;
use crm_benches::library::{against_by_hand, against_naive};
use tokio::runtime::Runtime;

fn main() -> crm_benches::Result<()> {
    let runtime = Runtime::new()?;
    let database = runtime.block_on(Database::open())?;
    let tenants = runtime.block_on(database.tenants())?;
    let mut criterion = Criterion::default()
        .sample_size(20)
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    for tenant in &tenants {
        for pair in against_by_hand(&database, tenant) {
            measure(&mut criterion, &runtime, tenant.rows, &pair, "by hand");
        }
        if tenant.rows >= 10_000 {
            for pair in against_naive(&database, tenant) {
                measure(&mut criterion, &runtime, tenant.rows, &pair, "naive");
            }
        }
    }
    criterion.final_summary();
    Ok(())
}

fn measure(criterion: &mut Criterion, runtime: &Runtime, rows: usize, pair: &Pair<'_>, by: &str) {
    let mut group = criterion.benchmark_group(format!("postgres/{}", pair.name));
    for (way, operation) in [("library", &pair.library), (by, &pair.other)] {
        group.bench_function(BenchmarkId::new(way, rows), |bencher| {
            let mut n = 0;
            bencher.iter(|| {
                n += 1;
                run(runtime, operation, n);
            });
        });
    }
    group.finish();
}

#[expect(clippy::panic, reason = "criterion has no other way to end a run")]
fn run(runtime: &Runtime, operation: &Operation<'_>, n: usize) {
    if let Err(error) = runtime.block_on(operation.run(n)) {
        panic!("{error}");
    }
}
