//! The suite's own record types: every kind of value, and every declaration a type can make.

use std::sync::{Arc, LazyLock};

use crate::error::Result;
use crate::store::{Catalogue, Field, Kind, Owners, Schema, Scoping, system};

/// The types, declared once.
#[derive(Debug)]
pub(super) struct Types {
    /// A field of each kind.
    pub(super) specimens: Arc<Schema>,
    /// Unique keys, references to itself and to a global type, owners.
    pub(super) accounts: Arc<Schema>,
    /// Owned through an account.
    pub(super) notes: Arc<Schema>,
    /// Of the installation.
    pub(super) agents: Arc<Schema>,
    /// Without a field of its own.
    pub(super) settings: Arc<Schema>,
    /// Two ends, the second of them optional.
    pub(super) links: Arc<Schema>,
    /// Known by another identifier than their id, and by another name than their type's.
    pub(super) people: Arc<Schema>,
}

#[expect(clippy::expect_used, reason = "constant declarations, built by every use of the suite")]
pub(super) static TYPES: LazyLock<Types> =
    LazyLock::new(|| Types::declare().expect("the suite's own declarations hold"));

impl Types {
    fn declare() -> Result<Self> {
        let any = |name, kind| Field::new(name, kind).filterable();
        let label = || Field::new("label", Kind::Code).required().filterable().sortable();
        let specimens = Schema::builder("conformance_specimens", Scoping::Tenant, Owners::Nobody)
            .field(label())
            .field(any("flag", Kind::Bool).sortable())
            .field(any("number", Kind::Int).sortable())
            .field(any("amount", Kind::Decimal { scale: 2 }).sortable())
            .field(any("ratio", Kind::Decimal { scale: 6 }).sortable())
            .field(any("whole", Kind::Decimal { scale: 0 }).sortable())
            .field(any("title", Kind::Text).sortable().searchable())
            .field(Field::new("body", Kind::Text).searchable())
            .field(any("code", Kind::Code).sortable().searchable())
            .field(any("link", Kind::Uuid).sortable())
            .field(any("day", Kind::Date).sortable())
            .field(any("at", Kind::Time).sortable())
            .field(any("members", Kind::Uuids))
            .field(any("labels", Kind::Codes))
            .field(Field::new("document", Kind::Json))
            .field(any("custom", Kind::Custom).searchable())
            .index(&["at"])?
            .index(&["code", "number"])?
            .index(&["day"])?
            .build()?;
        let owners = {
            let first = system::COUNT as u16;
            Owners::Users { assigned: vec![first + 1], creator: Some(first + 2) }
        };
        let accounts = Schema::builder("conformance_accounts", Scoping::Tenant, owners)
            .field(label())
            .field(any("ownerId", Kind::Uuid).sortable())
            .field(any("creatorId", Kind::Uuid))
            .field(any("email", Kind::Text).sortable().searchable())
            .field(any("region", Kind::Code))
            .field(any("name", Kind::Text))
            .field(any("number", Kind::Int).sortable())
            .field(any("parentId", Kind::Uuid).references("conformance_accounts"))
            .field(any("agentId", Kind::Uuid).references("conformance_agents"))
            .field(any("relatedIds", Kind::Uuids))
            .unique("conformance_accounts_email", &["email"])?
            .unique("conformance_accounts_region_name_number", &["region", "name", "number"])?
            .index(&["parentId"])?
            .index(&["ownerId", "createdAt"])?
            .build()?;
        let account = Owners::Through { field: system::COUNT as u16 + 1 };
        let notes = Schema::builder("conformance_notes", Scoping::Tenant, account)
            .field(label())
            .field(any("accountId", Kind::Uuid).required().references("conformance_accounts"))
            .field(any("text", Kind::Text))
            .index(&["accountId", "createdAt"])?
            .build()?;
        let agents = Schema::builder("conformance_agents", Scoping::Global, Owners::Nobody)
            .field(label())
            .field(any("email", Kind::Text).required().sortable().searchable())
            .field(any("chiefId", Kind::Uuid).references("conformance_agents"))
            .unique("conformance_agents_email", &["email"])?
            .build()?;
        let settings =
            Schema::builder("conformance_settings", Scoping::Tenant, Owners::Everybody).build()?;
        let links = Schema::builder("conformance_links", Scoping::Tenant, Owners::Nobody)
            .field(label())
            .field(any("sourceType", Kind::Code).required())
            .field(any("sourceId", Kind::Uuid).required())
            .field(any("targetType", Kind::Code))
            .field(any("targetId", Kind::Uuid))
            .end("source", "sourceType", "sourceId")?
            .end("target", "targetType", "targetId")?
            .index(&["sourceId"])?
            .build()?;
        let people = Schema::builder("conformance_people", Scoping::Tenant, Owners::Nobody)
            .field(label())
            .field(any("userId", Kind::Uuid).required())
            .known_by("userId")?
            .resource("conformance_users")
            .build()?;
        Ok(Self { specimens, accounts, notes, agents, settings, links, people })
    }

    fn all(&self) -> [&Arc<Schema>; 7] {
        let Self { specimens, accounts, notes, agents, settings, links, people } = self;
        [agents, accounts, notes, specimens, settings, links, people]
    }
}

/// The record types of the suite and of the differential test, for a backend to prepare.
///
/// Their names begin with `conformance_`, so that they live beside a product's own.
#[expect(clippy::expect_used, reason = "constant declarations, built by every use of the suite")]
pub fn catalogue() -> Catalogue {
    let random = super::differential::schemas().iter();
    let all = TYPES.all().into_iter().chain(random).cloned();
    Catalogue::new(all).expect("the suite's own declarations hold together")
}
