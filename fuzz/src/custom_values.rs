//! Values of a tenant's own fields: JSON → stored value → JSON.

use std::cell::RefCell;

use crm_core::access::{Actor, BuiltIn};
use crm_core::custom_fields::{CustomFieldDraft, CustomFields, CustomType};
use crm_core::customers::{Customer, CustomerDraft};
use crm_core::store::Value;
use crm_core::{Choice, Crm, Error, Find, ManualClock, SeededRandom, TenantCrm};
use crm_store_memory::MemoryStore;

use crate::wait;

/// After so many records a new store is begun, so that memory stays where it is.
const RECORDS: usize = 2_000;

thread_local! {
    static TENANT: RefCell<Option<(TenantCrm, usize)>> = const { RefCell::new(None) };
}

/// A tenant with a field of each type, under the type's name.
async fn tenant() -> TenantCrm {
    let crm = Crm::builder(MemoryStore::new())
        .clock(ManualClock::at("2026-03-16T09:30:00Z".parse().unwrap()))
        .random(SeededRandom::new(1))
        .build()
        .await
        .unwrap();
    let tenant = crm.system().create_tenant("Acme").await.unwrap();
    let within = crm.tenant(Actor::new(tenant.id, crm.new_id()).with_role(BuiltIn::Owner));
    for field_type in CustomType::ALL {
        let chosen = matches!(field_type, CustomType::Choice | CustomType::Choices);
        let draft = CustomFieldDraft {
            record_type: "customers".to_owned(),
            key: field_type.code().to_owned(),
            label: field_type.code().to_owned(),
            field_type: *field_type,
            references: (*field_type == CustomType::Reference).then(|| "companies".to_owned()),
            options: if chosen { vec!["a".into(), "b c".into()] } else { Vec::new() },
            ..CustomFieldDraft::default()
        };
        within.custom_fields().create(draft).await.unwrap();
    }
    within
}

fn current() -> TenantCrm {
    TENANT.with_borrow_mut(|slot| {
        let (within, used) = slot.get_or_insert_with(|| (wait(tenant()), 0));
        *used += 1;
        let within = within.clone();
        if *used >= RECORDS {
            *slot = None;
        }
        within
    })
}

pub(crate) fn check(data: &[u8]) {
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    match json {
        serde_json::Value::Object(fields) => object(&fields),
        // One value, for each type in turn.
        value => {
            for field_type in CustomType::ALL {
                let key = field_type.code().to_owned();
                object(&[(key, value.clone())].into_iter().collect());
            }
        }
    }
}

fn object(json: &serde_json::Map<String, serde_json::Value>) {
    let fields = match CustomFields::from_json(json) {
        Ok(fields) => fields,
        Err(error) => return named(&error),
    };
    let within = current();
    let customers = within.customers();
    let draft = CustomerDraft { custom_fields: fields, ..CustomerDraft::company("Acme") };
    let created = match wait(customers.create(draft.clone())) {
        Ok(created) => created,
        Err(error) => return named(&error),
    };
    let kept = &created.custom_fields;
    assert_eq!(wait(customers.get(created.id)).unwrap().custom_fields, *kept);

    // What is shown can be written back, and stays as it was.
    let shown = CustomFields::from_json(&kept.to_json()).unwrap();
    let again = CustomerDraft { custom_fields: shown, ..draft };
    let replaced = wait(customers.replace(created.id, None, again.clone())).unwrap();
    assert_eq!(replaced.custom_fields, *kept);
    let copied = wait(customers.create(again)).unwrap();
    assert_eq!(copied.custom_fields, *kept);

    // What is kept is found by what it is.
    for (key, value) in kept.iter() {
        let field_type = CustomType::from_code(key).unwrap();
        let asked = match value {
            Value::Codes(codes) if codes.is_empty() => continue,
            Value::Codes(codes) => Value::Text(codes[0].clone()),
            value => value.clone(),
        };
        let wanted = Customer::CUSTOM_FIELDS.key(key, field_type).eq(asked);
        let found = wait(customers.find(Find::all().filter(wanted).first(1_000))).unwrap();
        let there = found.items.iter().any(|one| one.id == created.id);
        assert!(there || found.items.len() >= 1_000, "{key} is not found by {value:?}");
    }
}

/// A refusal names the field that it is of.
fn named(error: &Error) {
    let Error::Invalid(faults) = error else { panic!("{error:?}") };
    assert!(!faults.is_empty());
    for fault in faults {
        assert!(fault.field.starts_with("customFields."), "{fault:?}");
        assert!(!fault.message.is_empty(), "{fault:?}");
    }
}
