//! Six record types made by chance, the same ones in every run, so that a backend with tables can
//! make them beforehand. What differs from case to case is what is in them and asked of them.

use std::sync::{Arc, LazyLock};

use super::dice::Dice;
use crate::error::Result;
use crate::store::{Field, FieldIndex, Kind, Owners, Schema, Scoping, system};

/// The field by which a case finds its own records among those of all tenants.
pub(super) const MARK: FieldIndex = system::COUNT as FieldIndex;

const COUNT: usize = 6;
/// From this one on the types have an end.
const ENDS: usize = 4;

#[expect(clippy::expect_used, reason = "the seed is constant, and every run builds the types")]
static SCHEMAS: LazyLock<Vec<Arc<Schema>>> = LazyLock::new(|| {
    let mut dice = Dice::new(20_260_301);
    let schemas: Result<_> = (0..COUNT).map(|number| schema(number, &mut dice)).collect();
    schemas.expect("types made by chance are declared rightly")
});

/// The types; the first two are global.
pub(in crate::conformance) fn schemas() -> &'static [Arc<Schema>] {
    &SCHEMAS
}

fn name(number: usize) -> String {
    format!("conformance_random_{number}")
}

fn schema(number: usize, dice: &mut Dice) -> Result<Arc<Schema>> {
    let is_global = number < 2;
    let scoping = if is_global { Scoping::Global } else { Scoping::Tenant };
    let mut fields = vec![Field::new("mark", Kind::Code).required().filterable().sortable()];
    for position in 0..5 + dice.below(6) {
        let mut field = Field::new(format!("field{position}"), kind(number * 7 + position, dice));
        field.filterable = field.kind != Kind::Json && dice.chance(80);
        field.sortable = field.kind.is_ordered() && dice.chance(70);
        field.searchable =
            matches!(field.kind, Kind::Text | Kind::Code | Kind::Custom) && dice.chance(60);
        field.required |= dice.chance(12);
        fields.push(field);
    }
    fields.push(Field::new("body", Kind::Text).searchable());
    // To any type that lies at hand; required only where a record can be there before.
    for position in 0..1 + dice.below(2) {
        let is_owned = number == COUNT - 1 && position == 0;
        let limit = if is_global { 2 } else { COUNT };
        let target = dice.below(if is_owned { number } else { limit });
        let mut field = Field::new(format!("reference{position}"), Kind::Uuid);
        field = field.filterable().references(name(target));
        field.required = is_owned || target < number && dice.chance(20);
        field.sortable = dice.chance(50);
        fields.push(field);
    }
    let keys: Vec<String> = fields
        .iter()
        .skip(1)
        .filter(|field| field.kind.is_ordered() && field.filterable)
        .map(|field| field.name.to_string())
        .collect();
    let mut builder = Schema::builder(name(number), scoping, Owners::Nobody);
    for field in fields {
        builder = builder.field(field);
    }
    // Two types have an end, one an identifier of its own, one is named otherwise than it is
    // called.
    if number >= ENDS {
        builder = builder
            .field(Field::new("endType", Kind::Code).filterable())
            .field(Field::new("endId", Kind::Uuid).filterable().sortable())
            .end("end", "endType", "endId")?;
    }
    if number == ENDS - 1 {
        let known = Field::new("knownId", Kind::Uuid).required().filterable();
        builder = builder.field(known).known_by("knownId")?;
    }
    if number == ENDS {
        builder = builder.resource("conformance_random_things");
    }
    let some = |dice: &mut Dice, most: usize| {
        let mut chosen: Vec<&str> = Vec::new();
        for _ in 0..=dice.below(most) {
            if let Some(key) = dice.pick(&keys)
                && !chosen.contains(&key.as_str())
            {
                chosen.push(key);
            }
        }
        chosen
    };
    for position in 0..[0, 1, 2][number % 3] {
        let mut chosen = some(dice, 1 + position * 3);
        // Cases share the records of a global type, and shall not meet.
        if is_global {
            chosen.insert(0, "mark");
        }
        if !chosen.is_empty() {
            builder = builder.unique(format!("{}_key{position}", name(number)), &chosen)?;
        }
    }
    for _ in 0..dice.below(3) {
        let chosen = some(dice, 2);
        if !chosen.is_empty() {
            builder = builder.index(&chosen)?;
        }
    }
    builder.build()
}

// One after the other, so that none is missing.
fn kind(turn: usize, dice: &mut Dice) -> Kind {
    match turn % 13 {
        0 => Kind::Text,
        1 => Kind::Int,
        2 => Kind::Custom,
        3 => Kind::Codes,
        4 => Kind::Decimal { scale: dice.below(7) as u8 },
        5 => Kind::Time,
        6 => Kind::Text,
        7 => Kind::Code,
        8 => Kind::Uuids,
        9 => Kind::Bool,
        10 => Kind::Date,
        11 => Kind::Uuid,
        _ => Kind::Json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_has_made_something_of_everything() {
        let fields: Vec<&Field> = schemas().iter().flat_map(|schema| schema.fields()).collect();
        let is_there = |wanted: &dyn Fn(&Field) -> bool| fields.iter().any(|field| wanted(field));
        for kind in [
            Kind::Bool,
            Kind::Int,
            Kind::Text,
            Kind::Code,
            Kind::Uuid,
            Kind::Date,
            Kind::Time,
            Kind::Uuids,
            Kind::Codes,
            Kind::Json,
            Kind::Custom,
        ] {
            assert!(is_there(&|field| field.kind == kind), "{kind:?}");
        }
        assert!(is_there(&|field| matches!(field.kind, Kind::Decimal { .. })));
        assert!(is_there(&|field| field.references.is_some() && field.required));
        assert!(is_there(&|field| field.sortable && !field.filterable));
        assert!(is_there(&|field| field.searchable && !field.filterable && !field.sortable));
        let unique: Vec<usize> =
            schemas().iter().flat_map(|s| s.unique()).map(|key| key.fields.len()).collect();
        assert!(unique.contains(&1) && unique.iter().any(|n| *n > 1), "{unique:?}");
        assert!(schemas().iter().any(|schema| !schema.indexes().is_empty()));
        assert_eq!(schemas().iter().filter(|schema| !schema.ends().is_empty()).count(), 2);
        assert!(schemas().iter().any(|schema| schema.known_by() != system::ID));
        assert!(schemas().iter().any(|schema| schema.resource() != schema.name()));
    }
}
