//! Questions that the compiler checks: filters, orders, search, walking everything, figures; and
//! the same question as text, for what comes from outside.
//!
//! ```text
//! cargo run -p crm-examples --example typed_queries
//! ```

use crm_core::access::{Actor, BuiltIn};
use crm_core::customers::{Customer, CustomerDraft, CustomerStatus, Customers};
use crm_core::language::{NoCustom, parse_expression};
use crm_core::store::{Aggregate, GroupBy, Measure, Value};
use crm_core::{Crm, Entity, Find, Result, Where};
use crm_store_memory::MemoryStore;
use rust_decimal::Decimal;

/// Name, country, industry, revenue in thousands, status.
type Row = (&'static str, &'static str, Option<&'static str>, i64, CustomerStatus);

const CUSTOMERS: [Row; 7] = [
    ("Adler AG", "DE", Some("Machinery"), 900, CustomerStatus::Active),
    ("Bäcker Müller", "DE", Some("Food"), 120, CustomerStatus::Active),
    ("Café Zénith", "FR", Some("food"), 80, CustomerStatus::Paused),
    ("Dupont & Cie", "FR", Some("Machinery"), 2_400, CustomerStatus::Active),
    ("Eiffel SARL", "FR", None, 310, CustomerStatus::Cancelled),
    ("Fabbri SpA", "IT", Some("Machinery"), 640, CustomerStatus::Active),
    ("Gelato Uno", "IT", Some("Food"), 55, CustomerStatus::Onboarding),
];

#[tokio::main]
async fn main() -> Result<()> {
    for line in questions(&Crm::new(MemoryStore::new()).await?).await? {
        println!("{line}");
    }
    Ok(())
}

async fn questions(crm: &Crm) -> Result<Vec<String>> {
    let customers = filled(crm).await?;
    let mut lines = Vec::new();

    // A status compared with a number, or with a deal's stage, does not compile.
    let large = Customer::STATUS
        .eq(CustomerStatus::Active)
        .and(Customer::ANNUAL_REVENUE.ge(Decimal::from(600_000)));
    let find = Find::from(large.clone()).sort(Customer::ANNUAL_REVENUE.desc());
    lines.push(format!("large and active: {}", names(&customers, find).await?));

    let find = Find::all()
        .filter(Customer::COUNTRY.any_of(["FR", "IT"]).and(Customer::INDUSTRY.eq("FOOD").not()))
        .sort(Customer::COUNTRY.asc())
        .sort(Customer::NAME.desc());
    lines.push(format!("French and Italian, but no food: {}", names(&customers, find).await?));

    lines.push(format!("search: {}", names(&customers, Find::all().search("zenith cafe")).await?));

    // The same question as it comes from a request: read by the same rules, refused where it
    // cannot be read.
    let text = "status = active AND annualRevenue >= 600000";
    let filter = Where::new(parse_expression(Customer::schema(), &NoCustom, text)?);
    lines.push(format!("{text}: {}", customers.count(filter).await?));
    if let Err(refused) = parse_expression(Customer::schema(), &NoCustom, "status = activ") {
        lines.push(format!("refused: {refused}"));
    }

    // Everything, three at a time: each part costs the same however far the walk has come.
    let all = Find::all().sort(Customer::NAME.asc());
    let mut part = customers.find(all.clone().first(3)).await?;
    let mut sizes = vec![part.items.len()];
    while let Some(cursor) = part.next {
        part = customers.find(all.clone().after(cursor, 3)).await?;
        sizes.push(part.items.len());
    }
    lines.push(format!("walked in parts of {sizes:?}"));

    // Figures: how many in each country, and what they turn over.
    let figures = Aggregate::count(Customer::schema().clone())
        .filter(Customer::STATUS.ne(CustomerStatus::Cancelled).into_filter())?
        .group_by(vec![GroupBy::Value(Customer::COUNTRY.path())])?
        .measures(vec![Measure::Count, Measure::Sum(Customer::ANNUAL_REVENUE.path())])?;
    for group in customers.aggregate(figures).await? {
        if let ([Value::Text(country)], [Value::Int(count), Value::Decimal(sum)]) =
            (&group.keys[..], &group.values[..])
        {
            lines.push(format!("{country}: {count}, {}", sum.normalize()));
        }
    }
    Ok(lines)
}

async fn names(customers: &Customers, find: Find<Customer>) -> Result<String> {
    let found = customers.find(find).await?.items.into_iter();
    Ok(found.map(|customer| customer.name).collect::<Vec<_>>().join(", "))
}

async fn filled(crm: &Crm) -> Result<Customers> {
    let tenant = crm.system().create_tenant("Acme").await?;
    let customers =
        crm.tenant(Actor::new(tenant.id, crm.new_id()).with_role(BuiltIn::Owner)).customers();
    for (name, country, industry, thousands, status) in CUSTOMERS {
        let draft = CustomerDraft {
            country: Some(country.into()),
            industry: industry.map(str::to_owned),
            annual_revenue: Some(Decimal::from(thousands * 1_000)),
            status,
            ..CustomerDraft::company(name)
        };
        customers.create(draft).await?;
    }
    Ok(customers)
}

#[cfg(test)]
mod tests {
    use crm_core::Crm;
    use crm_store_memory::MemoryStore;
    use crm_store_postgres::PostgresStore;
    use crm_store_postgres::testing::TestDatabase;

    const SAID: [&str; 9] = [
        "large and active: Dupont & Cie, Adler AG, Fabbri SpA",
        "French and Italian, but no food: Eiffel SARL, Dupont & Cie, Fabbri SpA",
        "search: Café Zénith",
        "status = active AND annualRevenue >= 600000: 3",
        "refused: filter: status expects one of onboarding, active, paused, inactive, cancelled, got \"activ\"; did you mean active? (at character 10)",
        "walked in parts of [3, 3, 1]",
        "DE: 2, 1020000",
        "FR: 2, 2480000",
        "IT: 2, 695000",
    ];

    #[tokio::test]
    async fn says_the_same_in_memory() {
        let crm = Crm::new(MemoryStore::new()).await.unwrap();
        assert_eq!(super::questions(&crm).await.unwrap(), SAID);
    }

    #[tokio::test]
    async fn says_the_same_on_postgres() {
        let database = TestDatabase::migrated().await.unwrap();
        let store = PostgresStore::connect(database.app_url()).await.unwrap();
        assert_eq!(super::questions(&Crm::new(store).await.unwrap()).await.unwrap(), SAID);
    }
}
