use crm_core::access::{Actor, BuiltIn};
use crm_core::customers::{Customer, CustomerDraft};
use crm_core::{Crm, Find};
use crm_store_memory::MemoryStore;

#[tokio::main]
async fn main() -> crm_core::Result<()> {
    let crm = Crm::new(MemoryStore::new()).await?;
    let acme = crm.system().create_tenant("Acme").await?;
    let ada = crm.tenant(Actor::new(acme.id, crm.new_id()).with_role(BuiltIn::Owner));
    for (name, country) in [("Löwen GmbH", "Germany"), ("Zénith", "France"), ("Adler AG", "deu")]
    {
        let draft = CustomerDraft { country: Some(country.into()), ..CustomerDraft::company(name) };
        ada.customers().create(draft).await?;
    }
    let german = Find::all().filter(Customer::COUNTRY.eq("DE")).sort(Customer::NAME.asc());
    for customer in ada.customers().find(german).await?.items {
        println!("{}, {}", customer.name, customer.status);
    }
    let bob = crm.tenant(Actor::new(acme.id, crm.new_id()).with_role(BuiltIn::Readonly));
    if let Err(refused) = bob.customers().create(CustomerDraft::company("Bob & Sons")).await {
        println!("refused: {refused}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    /// The program is told in three places; it must be the same one.
    #[test]
    fn runs_and_stands_in_the_documentation_as_it_is_here() {
        super::main().unwrap();
        let program = include_str!("first_program.rs").split("\n#[cfg(test)]").next().unwrap();
        assert!(program.lines().count() <= 25);
        let readme = include_str!("../../README.md");
        assert!(readme.contains(&format!("```rust\n{program}```")), "README.md has another one");
        let commented: String = program
            .lines()
            .map(|line| format!("//! {line}").trim_end().to_owned() + "\n")
            .collect();
        let library = include_str!("../../crm-core/src/lib.rs");
        assert!(library.contains(&commented), "crm-core/src/lib.rs has another one");
    }
}
