//! Fields that a tenant defines for itself: typed, checked, filtered and sorted as built-in ones.
//!
//! ```text
//! cargo run -p crm-examples --example custom_fields
//! ```

use crm_core::access::{Actor, BuiltIn};
use crm_core::custom_fields::{CustomFieldDraft, CustomFields, CustomType};
use crm_core::customers::{Customer, CustomerDraft};
use crm_core::{Crm, Error, Find, Result};
use crm_store_memory::MemoryStore;

#[tokio::main]
async fn main() -> Result<()> {
    for line in fitness_studio(&Crm::new(MemoryStore::new()).await?).await? {
        println!("{line}");
    }
    Ok(())
}

async fn fitness_studio(crm: &Crm) -> Result<Vec<String>> {
    let tenant = crm.system().create_tenant("Studio 54").await?;
    let studio = crm.tenant(Actor::new(tenant.id, crm.new_id()).with_role(BuiltIn::Owner));

    // Defined once.
    let define = |key: &str, field_type| CustomFieldDraft {
        record_type: "customers".into(),
        key: key.into(),
        label: key.into(),
        field_type,
        ..CustomFieldDraft::default()
    };
    studio.custom_fields().create(define("visits", CustomType::Number)).await?;
    let plan = CustomFieldDraft {
        options: vec!["basic".into(), "gold".into()],
        default: Some("basic".into()),
        ..define("plan", CustomType::Choice)
    };
    studio.custom_fields().create(plan).await?;

    // Filled in: a number may come as text, and a plan that is not given is the basic one.
    for (first, last, custom_fields) in [
        ("Ada", "Byron", CustomFields::from([("visits", "12".into()), ("plan", "gold".into())])),
        ("Alan", "Turing", CustomFields::from([("visits", 48.into())])),
        ("Grace", "Hopper", CustomFields::from([("visits", 7.into())])),
    ] {
        let draft = CustomerDraft { custom_fields, ..CustomerDraft::person(first, last) };
        studio.customers().create(draft).await?;
    }

    // Asked for.
    let visits = Customer::CUSTOM_FIELDS.key("visits", CustomType::Number);
    let plan = Customer::CUSTOM_FIELDS.key("plan", CustomType::Choice);
    let regulars = Find::all().filter(visits.ge(10)).sort(visits.desc());
    let mut lines = Vec::new();
    for customer in studio.customers().find(regulars).await?.items {
        let fields = customer.custom_fields.to_json();
        lines.push(format!(
            "{}: {} visits, plan {}",
            customer.name, fields["visits"], fields["plan"]
        ));
    }
    let basic = studio.customers().count(plan.eq("basic")).await?;
    lines.push(format!("on the basic plan: {basic}"));

    // Refused, with every fault at once.
    let wrong = CustomFields::from([("visits", "often".into()), ("shoe", 42.into())]);
    let draft = CustomerDraft { custom_fields: wrong, ..CustomerDraft::person("Kurt", "Gödel") };
    if let Err(Error::Invalid(faults)) = studio.customers().create(draft).await {
        lines.extend(faults.iter().map(|fault| format!("refused: {fault}")));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use crm_core::Crm;
    use crm_store_memory::MemoryStore;
    use crm_store_postgres::PostgresStore;
    use crm_store_postgres::testing::TestDatabase;

    const SAID: [&str; 5] = [
        "Alan Turing: 48 visits, plan \"basic\"",
        "Ada Byron: 12 visits, plan \"gold\"",
        "on the basic plan: 2",
        "refused: customFields.shoe: expected one of [visits, plan]",
        "refused: customFields.visits: expected a whole number",
    ];

    #[tokio::test]
    async fn says_the_same_in_memory() {
        let crm = Crm::new(MemoryStore::new()).await.unwrap();
        assert_eq!(super::fitness_studio(&crm).await.unwrap(), SAID);
    }

    #[tokio::test]
    async fn says_the_same_on_postgres() {
        let database = TestDatabase::migrated().await.unwrap();
        let store = PostgresStore::connect(database.app_url()).await.unwrap();
        let crm = Crm::new(store).await.unwrap();
        assert_eq!(super::fitness_studio(&crm).await.unwrap(), SAID);
    }
}
