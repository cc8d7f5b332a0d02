//! The library over the store in memory: what a service costs by itself, and whether a list costs
//! more as there are more customers.

use criterion::{BenchmarkId, Criterion};
use crm_benches::database::owner;
use crm_benches::sample::draft;
use crm_core::customers::Customer;
use crm_core::{Crm, Find, Id, TenantCrm};
use crm_store_memory::MemoryStore;
use tokio::runtime::Runtime;

fn main() -> crm_benches::Result<()> {
    let runtime = Runtime::new()?;
    let mut criterion = Criterion::default().sample_size(30).configure_from_args();
    for rows in [1_000, 100_000, 1_000_000] {
        let (within, some) = runtime.block_on(filled(rows))?;
        let customers = within.customers();
        let mut group = criterion.benchmark_group("memory");
        group.bench_function(BenchmarkId::new("get", rows), |bencher| {
            let mut n = 0;
            bencher.iter(|| {
                n += 1;
                runtime.block_on(customers.get(some[n % some.len()])).ok()
            });
        });
        group.bench_function(BenchmarkId::new("newest 20 and total", rows), |bencher| {
            bencher.iter(|| runtime.block_on(customers.find(Find::all().counted())).ok());
        });
        group.bench_function(BenchmarkId::new("create", rows), |bencher| {
            let mut n = rows;
            bencher.iter(|| {
                n += 1;
                runtime.block_on(customers.create(draft(n))).ok()
            });
        });
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}

async fn filled(rows: usize) -> crm_benches::Result<(TenantCrm, Vec<Id<Customer>>)> {
    let crm = Crm::new(MemoryStore::new()).await?;
    let tenant = crm.system().create_tenant("Bench").await?;
    let within = crm.tenant(owner(tenant.id));
    let customers = within.customers();
    let mut some = Vec::new();
    for n in 0..rows {
        let customer = customers.create(draft(n)).await?;
        if n % (rows / 1_000) == 0 {
            some.push(customer.id);
        }
    }
    Ok((within, some))
}
