//! Declarations: what contradicts itself is refused before anything is stored.

use super::*;
use crate::error::Result;
use crate::store::Catalogue;

fn fault<T>(result: Result<T>) -> String {
    result.err().expect("is refused").to_string()
}

fn with(field: Field) -> Result<Arc<Schema>> {
    Schema::builder("things", Scoping::Tenant, Owners::Nobody).field(field).build()
}

fn owned(owners: Owners) -> Result<Arc<Schema>> {
    Schema::builder("things", Scoping::Tenant, owners)
        .field(Field::new("name", Kind::Text))
        .field(Field::new("userId", Kind::Uuid).references("users"))
        .field(Field::new("parentId", Kind::Uuid).references("things").required())
        .build()
}

#[test]
fn a_field_promises_only_what_its_kind_can_keep() {
    for (field, why) in [
        (Field::new("price", Kind::Int).searchable(), "is not text"),
        (Field::new("tags", Kind::Codes).sortable(), "has no order"),
        (Field::new("layout", Kind::Json).sortable(), "has no order"),
        (Field::new("layout", Kind::Json).filterable(), "is opaque"),
        (Field::new("people", Kind::Uuids).references("users"), "is no id"),
        (Field::new("price", Kind::Decimal { scale: 7 }), "more than 6 decimals"),
        (Field::new("name", Kind::Text).choices(Some(&["a"] as &[_])), "is no code"),
        (Field::new("Name", Kind::Text), "must be camel case"),
        (Field::new("na me", Kind::Text), "must be camel case"),
        (Field::new("createdAt", Kind::Text), "is declared twice"),
        (Field::new("created_at", Kind::Text), "is declared twice"),
    ] {
        let fault = fault(with(field));
        assert!(fault.contains(why), "{fault}");
    }
}

#[test]
fn no_field_is_named_as_what_backends_keep_beside_the_fields() {
    for name in ["tenantId", "searchText", "terms"] {
        assert!(fault(with(Field::new(name, Kind::Code))).contains("keep beside the fields"));
    }
    let both = |email: Field| {
        Schema::builder("things", Scoping::Tenant, Owners::Nobody)
            .field(email)
            .field(Field::new("emailKey", Kind::Code))
            .build()
    };
    assert!(fault(both(Field::new("email", Kind::Text).filterable())).contains("emailKey"));
    assert!(both(Field::new("email", Kind::Text)).is_ok());
}

#[test]
fn owners_are_identifiers_of_the_type() {
    let users = |assigned, creator| Owners::Users { assigned, creator };
    assert!(owned(users(vec![6], Some(7))).is_ok());
    assert!(owned(users(Vec::new(), Some(6))).is_ok());
    for owners in [
        users(Vec::new(), None),
        users(vec![5], None),
        users(vec![6], Some(5)),
        users(vec![99], None),
    ] {
        assert!(fault(owned(owners)).contains("named by identifiers"));
    }
    assert!(owned(Owners::Through { field: 7 }).is_ok());
    for field in [5, 6, 99] {
        assert!(fault(owned(Owners::Through { field })).contains("a required reference"));
    }
}

#[test]
fn a_unique_key_is_over_what_can_be_compared() {
    let unique = |name: &'static str, fields: &[&str]| {
        declaration().unique("things_code", &["code"])?.unique(name, fields)?.build()
    };
    assert!(unique("things_name", &["name", "count"]).is_ok());
    assert!(fault(unique("things_none", &[])).contains("needs ordered fields"));
    assert!(fault(unique("things_tags", &["tags"])).contains("needs ordered fields"));
    assert!(fault(unique("things_hidden", &["hidden"])).contains("must be filterable"));
    assert!(fault(unique("things_nome", &["nome"])).contains("has no field nome"));
    assert!(fault(unique("things_code", &["name"])).contains("is declared twice"));
    assert!(fault(unique("Things name", &["name"])).contains("must be snake case"));
}

#[test]
fn an_index_has_fields() {
    let index = |fields: &[&str]| declaration().index(fields)?.build();
    assert!(index(&["code", "createdAt"]).is_ok());
    assert!(fault(index(&[])).contains("an index needs fields"));
    assert!(fault(index(&["nome"])).contains("has no field nome"));
}

#[test]
fn a_catalogue_is_closed_under_references() {
    assert!(Catalogue::new([things(), users()]).is_ok());
    assert!(fault(Catalogue::new([things()])).contains("refers to unknown type users"));
    assert!(fault(Catalogue::new([users(), users()])).contains("users twice"));
    let session = Schema::builder("sessions", Scoping::Global, Owners::Nobody)
        .field(Field::new("thingId", Kind::Uuid).references("things"))
        .build()
        .unwrap();
    let catalogue = Catalogue::new([things(), users(), session]);
    assert!(fault(catalogue).contains("global sessions refers into a tenant"));
}
