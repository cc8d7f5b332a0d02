//! What the stops on the way between a row and a customer cost, each by itself, per customer.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion};
use crm_benches::by_hand::ByHand;
use crm_benches::database::Database;
use crm_core::customers::Customer;
use crm_core::store::{Query, Record, Window};
use crm_core::values::Phone;
use crm_core::{Entity, Find};
use tokio::runtime::Runtime;

fn main() -> crm_benches::Result<()> {
    let runtime = Runtime::new()?;
    let database = runtime.block_on(Database::open())?;
    let tenants = runtime.block_on(database.tenants())?;
    let Some(tenant) = tenants.first() else { return Ok(()) };
    let page = runtime.block_on(tenant.within.customers().find(Find::all()))?;
    let Some(customer) = page.items.into_iter().next() else { return Ok(()) };
    let record = customer.clone().into_record(Some(tenant.id))?;
    let schema = Customer::schema();

    let mut criterion =
        Criterion::default().measurement_time(Duration::from_secs(2)).configure_from_args();
    let mut group = criterion.benchmark_group("conversion");
    group.bench_function("clone a customer", |bencher| bencher.iter(|| customer.clone()));
    group.bench_function("clone a record", |bencher| bencher.iter(|| record.clone()));
    group.bench_function("record to customer", |bencher| {
        bencher.iter_batched(
            || record.clone().into_values(),
            |values| Customer::from_values(values).ok(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("customer to values", |bencher| {
        bencher.iter_batched(|| customer.clone(), Entity::into_values, BatchSize::SmallInput);
    });
    group.bench_function("customer to record, checked", |bencher| {
        bencher.iter_batched(
            || customer.clone(),
            |customer| customer.into_record(Some(tenant.id)).ok(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("question to query", |bencher| {
        bencher.iter(|| Find::<Customer>::all().into_query().ok());
    });

    group.bench_function("clean a phone number", |bencher| {
        bencher.iter(|| Phone::parse("phone", black_box("+49 30 1234567")).ok());
    });

    // Rows are the driver's; they come once and are turned into records again and again.
    let query = Query::new(schema.clone()).window(Window::Page { offset: 0, limit: 20 })?;
    let rows = runtime.block_on(crm_store_postgres::testing::Rows::ask(
        &database.plain,
        tenant.id,
        &query,
    ))?;
    group.bench_function("20 rows to records", |bencher| {
        bencher.iter(|| black_box(rows.decode(&query)).map(|page| page.items.len()).ok());
    });
    let by_hand = ByHand::new(database.plain.clone(), tenant.id.uuid(), tenant.id.uuid());
    let raw = runtime.block_on(by_hand.rows())?;
    group.bench_function("20 rows to structs, by hand", |bencher| {
        bencher.iter(|| black_box(ByHand::decode(&raw)).map(|customers| customers.len()).ok());
    });
    group.bench_function("20 records to customers", |bencher| {
        let records: Vec<Record> = rows.decode(&query).map(|page| page.items).unwrap_or_default();
        bencher.iter_batched(
            || records.clone(),
            |records| {
                records
                    .into_iter()
                    .map(|record| Customer::from_values(record.into_values()))
                    .collect::<crm_core::Result<Vec<_>>>()
                    .ok()
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}
