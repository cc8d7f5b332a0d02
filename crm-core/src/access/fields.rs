//! Fields that somebody's right to read leaves out: which they are, and what becomes of records,
//! questions, changes and log entries that hold them.
//!
//! A field that is left out is as if the type had none of that name: it is shown as absent, a
//! question that names it is refused as one that names no field, a search does not look into it,
//! and a change keeps it as it is. Where a tenant's handle reads or writes for an actor it asks
//! here; nothing else may decide what somebody sees of a record.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::actor::Actor;
use super::permission::Permission;
use super::resources::{Class, RESOURCES};
use crate::custom_fields::HIDDEN;
use crate::error::{Error, Result};
use crate::store::{FieldIndex, Kind, Owners, Record, Schema, Scoping, Value, system};

/// What an actor does not see of the records of a type.
#[derive(Debug)]
pub(crate) struct LeftOut<'s> {
    schema: &'s Schema,
    fields: Vec<FieldIndex>,
    /// Fields that are made of those: shown as far as they are made of others, and not asked by.
    made: Vec<FieldIndex>,
    /// The keys of the tenant's own fields.
    keys: BTreeSet<String>,
}

impl<'s> LeftOut<'s> {
    /// What the actor does not see of this type; none where it sees all of it.
    pub(crate) fn of(actor: &Actor, schema: &'s Schema) -> Option<Self> {
        if !actor.grants().leaves_out() || schema.scoping() != Scoping::Tenant {
            return None;
        }
        let names = actor.grants().left_out(&Permission::on(schema, "read"))?;
        let mut left_out =
            Self { schema, fields: Vec::new(), made: Vec::new(), keys: BTreeSet::new() };
        for name in names {
            match own_key(schema, name) {
                Some(key) => drop(left_out.keys.insert(key.to_owned())),
                None => left_out
                    .fields
                    .extend(schema.index_of(name).filter(|field| can_be_left_out(schema, *field))),
            }
        }
        let is_left_out =
            |name: &str| left_out.fields.iter().any(|field| schema.field(*field).name == name);
        let made = (0..).zip(schema.fields()).filter(|(_, field)| {
            field.made_of.is_some_and(|of| alternatives(of).flatten().any(is_left_out))
        });
        left_out.made = made.map(|(index, _)| index).collect();
        Some(left_out)
    }

    /// Whether nothing may be asked by this field.
    pub(crate) fn has(&self, field: FieldIndex) -> bool {
        self.fields.contains(&field) || self.made.contains(&field)
    }

    /// Whether it leaves out the tenant's own field under this key.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// Whether a search would find something by what it leaves out of the type's own fields.
    pub(crate) fn is_searched(&self) -> bool {
        self.fields.iter().any(|field| self.schema.field(*field).searchable)
    }

    /// The names of the fields that nothing may be asked by; those of the tenant's own included.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let declared = self.fields.iter().chain(&self.made);
        let declared = declared.map(|field| self.schema.field(*field).name.to_string());
        let own = self.schema.custom().map(|field| &self.schema.field(field).name);
        let own = own.into_iter().flat_map(|own| self.keys.iter().map(move |key| (own, key)));
        declared.chain(own.map(|(own, key)| format!("{own}.{key}"))).collect()
    }

    /// The names of the declared fields that are shown as absent.
    pub(crate) fn absent(&self) -> BTreeSet<String> {
        self.fields.iter().map(|field| self.schema.field(*field).name.to_string()).collect()
    }

    /// Takes the fields out of the values of a record.
    pub(crate) fn hide_values(&self, values: &mut [Value]) {
        self.hide_own(values);
        for field in &self.fields {
            if let Some(place) = values.get_mut(usize::from(*field)) {
                *place = nothing(self.schema.field(*field).kind);
            }
        }
        for field in &self.made {
            let text = self.made_of(*field, values);
            if let Some(place) = values.get_mut(usize::from(*field)) {
                *place = Value::Text(text);
            }
        }
    }

    /// The same of a record.
    pub(crate) fn hide(&self, record: &Record) -> Record {
        let mut values = record.values().to_vec();
        self.hide_values(&mut values);
        Record::from_stored(record.tenant(), values)
    }

    /// Takes the tenant's own fields alone out of the values of a record.
    pub(crate) fn hide_own(&self, values: &mut [Value]) {
        if let Some(own) = self.own(values) {
            own.retain(|key, _| !self.has_key(key.strip_prefix(HIDDEN).unwrap_or(key)));
        }
    }

    /// Puts them back as they are stored.
    pub(crate) fn keep_own(&self, stored: &[Value], values: &mut [Value]) {
        let place = self.schema.custom().map(usize::from);
        let stored = place.and_then(|place| stored.get(place));
        if let (Some(Value::Custom(stored)), Some(own)) = (stored, self.own(values)) {
            let kept = stored.iter().filter(|(key, _)| self.has_key(key));
            own.extend(kept.map(|(key, value)| (key.clone(), value.clone())));
        }
    }

    fn own<'v>(&self, values: &'v mut [Value]) -> Option<&'v mut BTreeMap<String, Value>> {
        match values.get_mut(usize::from(self.schema.custom()?)) {
            Some(Value::Custom(own)) => Some(own),
            _ => None,
        }
    }

    /// Puts the stored values of declared fields where somebody who does not see them has changed
    /// a record.
    ///
    /// # Errors
    /// [`Error::LeftOut`] where one of them was given a value: whether it is the stored one is
    /// nothing that the author may find out.
    pub(crate) fn keep(&self, stored: Option<&[Value]>, values: &mut [Value]) -> Result<()> {
        let mut given = Vec::new();
        for field in &self.fields {
            let (place, declared) = (usize::from(*field), self.schema.field(*field));
            let Some(value) = values.get_mut(place) else { continue };
            if *value != nothing(declared.kind) {
                given.push(declared.name.to_string());
            } else if let Some(stored) = stored.and_then(|stored| stored.get(place)) {
                value.clone_from(stored);
            }
        }
        if !given.is_empty() {
            return Err(Error::LeftOut(given));
        }
        for field in &self.made {
            let place = usize::from(*field);
            if let Some(stored) = stored.and_then(|stored| stored.get(place))
                && let Some(value) = values.get_mut(place)
            {
                value.clone_from(stored);
            }
        }
        Ok(())
    }

    /// Takes the fields out of what the log tells of a change, and what stood in the question of
    /// an export: how many records it gave tells of what it was asked by.
    pub(crate) fn redact(&self, changes: &mut Json) {
        let Some(changes) = changes.as_object_mut() else { return };
        for field in self.fields.iter().chain(&self.made) {
            changes.remove(&*self.schema.field(*field).name);
        }
        changes.remove("parameters");
        let Some(own) = self.schema.custom().map(|own| &self.schema.field(own).name) else {
            return;
        };
        let Some(Json::Object(change)) = changes.get_mut(&**own) else { return };
        for side in ["from", "to"] {
            if let Some(Json::Object(values)) = change.get_mut(side) {
                values.retain(|key, _| !self.has_key(key));
                if values.is_empty() {
                    change.remove(side);
                }
            }
        }
        if change.get("from") == change.get("to") {
            changes.remove(&**own);
        }
    }

    fn made_of(&self, field: FieldIndex, values: &[Value]) -> String {
        let text = |name: &str| {
            let place = self.schema.index_of(name)?;
            match values.get(usize::from(place)) {
                Some(Value::Text(text)) if !text.is_empty() => Some(text.as_str()),
                _ => None,
            }
        };
        let of = self.schema.field(field).made_of.unwrap_or_default();
        let mut each =
            alternatives(of).map(|names| names.filter_map(text).collect::<Vec<_>>().join(" "));
        each.find(|text| !text.is_empty()).unwrap_or_default()
    }
}

/// `name|firstName lastName`: the first of these that there is, several together.
fn alternatives(of: &str) -> impl Iterator<Item = impl Iterator<Item = &str>> {
    of.split('|').map(str::split_whitespace)
}

fn nothing(kind: Kind) -> Value {
    match kind {
        Kind::Uuids => Value::Uuids(Vec::new()),
        Kind::Codes => Value::Codes(Vec::new()),
        _ => Value::Null,
    }
}

/// The key of a tenant's own field, of a name that stands for one.
pub(crate) fn own_key<'n>(schema: &Schema, name: &'n str) -> Option<&'n str> {
    let own = schema.field(schema.custom()?).name.as_ref();
    name.strip_prefix(own)?.strip_prefix('.')
}

/// Whether a field can be left out: one that can be absent, and that decides neither what the
/// record is called nor who reaches it.
pub(crate) fn can_be_left_out(schema: &Schema, index: FieldIndex) -> bool {
    let field = schema.field(index);
    let is_owner = match schema.owners() {
        Owners::Users { assigned, creator } => assigned.contains(&index) || *creator == Some(index),
        Owners::Through { field } => *field == index,
        Owners::Everybody | Owners::Nobody | Owners::Ends => false,
    };
    let is_end = schema.ends().iter().any(|end| end.id == index || end.record_type == index);
    index > system::DELETED_AT
        && (!field.required || field.kind.is_list())
        && field.kind != Kind::Custom
        && field.made_of.is_none()
        && !field.secret
        && !is_owner
        && !is_end
        && schema.title() != Some(index)
}

/// Whether a permission can leave fields out: to read records of the business, or of a host's own
/// types.
pub(crate) fn leaves_out(permission: &Permission) -> bool {
    let resource = RESOURCES.iter().find(|resource| resource.name == permission.resource());
    permission.action() == "read" && resource.is_none_or(|resource| resource.class == Class::Record)
}
