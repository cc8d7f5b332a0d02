//! A record type with a field of every kind, a few of its records, and two ways to ask for them:
//! the memory store with its indexes, and the reference evaluator.

use std::sync::LazyLock;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use crm_core::access::{Actor, BuiltIn};
use crm_core::custom_fields::{CustomFieldDraft, CustomFields, CustomType};
use crm_core::language::Custom;
use crm_core::store::evaluate::{Lookup, Row, matches, select};
use crm_core::store::{Filter, Kind, Page, Query, Record, Schema, Value};
use crm_core::tags::{Tag, TagDraft};
use crm_core::tenants::TenantId;
use crm_core::users::User;
use crm_core::values::Country;
use crm_core::{
    Choice, Crm, Entity, Error, FieldError, Id, ManualClock, Result, Rules, SeededRandom, TenantCrm,
};
use crm_store_memory::MemoryStore;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::wait;

/// Who owns some of the deals.
pub(crate) const OWNER: Uuid = Uuid::from_u128(0x77);
const VIP: Uuid = Uuid::from_u128(0x88);

/// How far a deal has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Choice)]
pub(crate) enum Status {
    /// Not decided.
    #[default]
    Open,
    /// Won.
    Won,
    /// Waits.
    OnHold,
}

/// A deal. Its permissions are borrowed, so that the built-in roles have them.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "deals", resource = "customers", tenant, owners(everybody))]
#[entity(index(status))]
pub(crate) struct Deal {
    /// The identifier.
    pub(crate) id: Id<Self>,
    /// The version.
    pub(crate) version: i64,
    /// When it was created.
    pub(crate) created_at: DateTime<Utc>,
    /// When it was last changed.
    pub(crate) updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    /// What people call it.
    #[entity(filter, sort, search)]
    pub(crate) name: String,
    /// How far it has come.
    #[entity(filter, sort)]
    pub(crate) status: Option<Status>,
    /// What it is worth.
    #[entity(filter, sort, scale = 2)]
    pub(crate) value: Option<Decimal>,
    /// How likely it is.
    #[entity(filter, sort)]
    pub(crate) score: Option<i64>,
    /// Whether somebody works on it.
    #[entity(filter)]
    pub(crate) active: Option<bool>,
    /// Who owns it.
    #[entity(filter)]
    pub(crate) owner_id: Option<Id<User>>,
    /// Words.
    #[entity(filter)]
    pub(crate) keywords: Vec<String>,
    /// Labels.
    #[entity(filter)]
    pub(crate) tags: Vec<Id<Tag>>,
    /// When it is to close.
    #[entity(filter, sort)]
    pub(crate) closes_on: Option<NaiveDate>,
    /// Where.
    #[entity(filter, reads = Country)]
    pub(crate) address_country: Option<Country>,
    /// Collides with a parameter of lists.
    #[entity(filter)]
    pub(crate) order: Option<i64>,
    /// The tenant's own fields.
    #[entity(filter, search)]
    pub(crate) custom_fields: CustomFields,
}

#[async_trait]
impl Rules for Deal {
    async fn check(&mut self, _: Option<&Self>, _: &TenantCrm) -> Result<()> {
        Ok(())
    }
}

/// What the tenant defined.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own;

const OWN: &[(&str, Kind)] = &[
    ("region", Kind::Text),
    ("seats", Kind::Decimal { scale: 6 }),
    ("floors", Kind::Int),
    ("modules", Kind::Codes),
    ("tier", Kind::Code),
    ("since", Kind::Date),
    ("seen", Kind::Time),
    ("paid", Kind::Bool),
];

impl Custom for Own {
    fn kind_of(&self, key: &str) -> Option<Kind> {
        OWN.iter().find(|(known, _)| *known == key).map(|(_, kind)| *kind)
    }
    fn keys(&self) -> Vec<String> {
        OWN.iter().map(|(key, _)| (*key).to_owned()).collect()
    }
    fn id_of(&self, field: &str, name: &str) -> Option<Uuid> {
        match (field, name) {
            ("tags", "vip") => Some(VIP),
            ("ownerId", "me") => Some(OWNER),
            _ => None,
        }
    }
}

struct NoOthers;

impl Lookup for NoOthers {
    fn known_by(&self, _: &Schema, _: Option<TenantId>, _: Uuid) -> Vec<&Row> {
        Vec::new()
    }

    fn find(&self, _: &Schema, _: Option<TenantId>, _: Uuid) -> Option<&Row> {
        None
    }
}

/// The deals, in the memory store and as rows for the evaluator.
pub(crate) struct World {
    within: TenantCrm,
    rows: Vec<Row>,
}

pub(crate) static WORLD: LazyLock<World> = LazyLock::new(|| wait(World::new()));

impl World {
    async fn new() -> Self {
        let crm = Crm::builder(MemoryStore::new())
            .clock(ManualClock::at(time("2026-03-16T09:30:00Z")))
            .random(SeededRandom::new(1))
            .record_type::<Deal>()
            .build()
            .await
            .unwrap();
        let tenant = crm.system().create_tenant("Acme").await.unwrap();
        let within = crm.tenant(Actor::new(tenant.id, Id::new(OWNER)).with_role(BuiltIn::Owner));
        let vip = TagDraft { name: "VIP".to_owned(), ..TagDraft::default() };
        let vip = within.tags().create(vip).await.unwrap().id;
        for (key, field_type, options) in [
            ("region", CustomType::Text, &[][..]),
            ("seats", CustomType::Decimal, &[]),
            ("floors", CustomType::Number, &[]),
            ("modules", CustomType::Choices, &["crm", "erp"]),
            ("tier", CustomType::Choice, &["Gold"]),
            ("since", CustomType::Date, &[]),
            ("seen", CustomType::Timestamp, &[]),
            ("paid", CustomType::Boolean, &[]),
        ] {
            let draft = CustomFieldDraft {
                record_type: Deal::ENTITY.to_owned(),
                key: key.to_owned(),
                label: key.to_owned(),
                field_type,
                options: options.iter().map(|option| (*option).to_owned()).collect(),
                ..CustomFieldDraft::default()
            };
            within.custom_fields().create(draft).await.unwrap();
        }
        let deals = within.records::<Deal>();
        let mut rows = Vec::new();
        for (number, draft) in drafts(vip).into_iter().enumerate() {
            let mut deal = deals.create(draft).await.unwrap();
            if number % 4 == 3 {
                deal = deals.delete(deal.id, None).await.unwrap();
            }
            let record = deal.into_record(Some(tenant.id)).unwrap();
            rows.push(Row::new(Deal::schema(), record));
        }
        Self { within, rows }
    }

    /// Which of the records match, deleted ones too, by the evaluator: one bit each.
    pub(crate) fn found(&self, filter: &Filter) -> u32 {
        let bit = |row| u32::from(matches(Deal::schema(), filter, row, &NoOthers));
        self.rows.iter().fold(0, |bits, row| bits << 1 | bit(row))
    }

    /// All bits.
    pub(crate) fn all(&self) -> u32 {
        self.found(&Filter::All)
    }

    /// What the evaluator answers.
    pub(crate) fn evaluated(&self, query: &Query) -> Page<Record> {
        select(query, self.rows.iter(), &NoOthers)
    }

    /// What the memory store answers, as records.
    pub(crate) fn stored(&self, query: Query) -> Result<Page<Record>> {
        let page = wait(self.within.records::<Deal>().select(query))?;
        let tenant = self.within.actor().tenant();
        page.try_map(|deal| deal.into_record(Some(tenant)))
    }
}

/// What a request that cannot be read is told, which every refusal of a parser has to be.
pub(crate) fn refused(error: &Error) -> &FieldError {
    let Error::Unreadable(fault) = error else { panic!("not a refusal of the request: {error:?}") };
    assert!(!fault.message.is_empty() && fault.message.len() < 4_000, "{fault:?}");
    assert!(fault.code.chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{fault:?}");
    fault
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn drafts(vip: Id<Tag>) -> Vec<DealDraft> {
    let day = |text: &str| text.parse::<NaiveDate>().ok();
    let empty = |name: &str| DealDraft {
        name: name.to_owned(),
        status: None,
        value: None,
        score: None,
        active: None,
        owner_id: None,
        keywords: Vec::new(),
        tags: Vec::new(),
        closes_on: None,
        address_country: None,
        order: None,
        custom_fields: CustomFields::default(),
    };
    let own = CustomFields::from([
        ("region", "Nord West".into()),
        ("seats", Decimal::new(25, 0).into()),
        ("floors", 3_i64.into()),
        ("modules", Value::Codes(vec!["crm".into(), "erp".into()])),
        ("tier", "Gold".into()),
        ("since", day("2026-01-31").unwrap_or_default().into()),
        ("seen", time("2026-03-01T08:00:00.25Z").into()),
        ("paid", true.into()),
    ]);
    vec![
        DealDraft {
            status: Some(Status::Open),
            value: Some(Decimal::new(100_050, 2)),
            score: Some(10),
            active: Some(true),
            owner_id: Some(Id::new(OWNER)),
            keywords: vec!["vip".into(), "rust".into()],
            tags: vec![vip],
            closes_on: day("2026-03-01"),
            address_country: Country::from_code("DE"),
            order: Some(1),
            custom_fields: own,
            ..empty("Alpha, Inc. Größe")
        },
        DealDraft {
            status: Some(Status::Won),
            value: Some(Decimal::new(-5, 0)),
            score: Some(3),
            active: Some(false),
            keywords: vec!["rust".into()],
            address_country: Country::from_code("FR"),
            ..empty("Beta 100% *star* \"quoted\"")
        },
        empty("gamma alphabet"),
        DealDraft { value: Some(Decimal::ZERO), ..empty("gone") },
        DealDraft {
            status: Some(Status::OnHold),
            value: Some(Decimal::new(100_050, 2)),
            score: Some(i64::MIN),
            closes_on: day("0001-01-01"),
            ..empty("ALPHA \\ _ ' \n line")
        },
        DealDraft { score: Some(i64::MAX), order: Some(-1), ..empty("ﬁnance Straße ΣΑΣ") },
        empty(""),
    ]
}
