//! A CRM on PostgreSQL: what one program writes, the next one reads.
//!
//! ```text
//! DATABASE_URL=postgres://… cargo run -p crm-examples --example on_postgres
//! ```

use crm_core::access::{Actor, BuiltIn};
use crm_core::customers::CustomerDraft;
use crm_core::{Crm, Find, Result};
use crm_store_postgres::PostgresStore;

const HOW_TO_GET_ONE: &str = "\
DATABASE_URL is not set. It names a database and a user who owns it and may create roles. On a
server of your own, as its superuser:

    CREATE ROLE crm LOGIN CREATEROLE PASSWORD 'choose one';
    CREATE DATABASE crm OWNER crm TEMPLATE template0 ENCODING UTF8;

then DATABASE_URL=postgres://crm:…@localhost/crm. Without a server: docker run -e
POSTGRES_PASSWORD=trial -p 5432:5432 postgres:17, then
DATABASE_URL=postgres://postgres:trial@localhost/postgres.";

#[tokio::main]
async fn main() -> Result<()> {
    let Ok(url) = std::env::var("DATABASE_URL") else {
        println!("{HOW_TO_GET_ONE}");
        return Ok(());
    };
    println!("{}", write_and_read_back(&url).await?);
    Ok(())
}

async fn write_and_read_back(url: &str) -> Result<String> {
    let writer = Crm::new(PostgresStore::migrate_and_connect(url).await?).await?;
    let acme = writer.system().create_tenant("Acme").await?;
    let actor = Actor::new(acme.id, writer.new_id()).with_role(BuiltIn::Owner);
    let created = writer
        .tenant(actor.clone())
        .customers()
        .create(CustomerDraft::company("Löwen GmbH"))
        .await?;
    drop(writer);

    // Another program, as it were. Nothing is to be migrated any more.
    let reader = Crm::new(PostgresStore::connect(url).await?).await?;
    let found =
        reader.tenant(actor).customers().find(Find::all().search("lowen").counted()).await?;
    let names: Vec<String> = found.items.into_iter().map(|customer| customer.name).collect();
    let total = found.total.unwrap_or(0);
    Ok(format!("wrote {}, read back {total}: {}", created.name, names.join(", ")))
}

#[cfg(test)]
mod tests {
    use crm_store_postgres::testing::TestDatabase;

    #[tokio::test]
    async fn what_one_program_writes_the_next_one_reads() {
        let database = TestDatabase::empty().await.unwrap();
        let said = super::write_and_read_back(&database.owner_url()).await.unwrap();
        assert_eq!(said, "wrote Löwen GmbH, read back 1: Löwen GmbH");
    }
}
