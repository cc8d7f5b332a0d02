//! Values made by chance, from pools so small that they meet.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::dice::Dice;
use crate::store::{CUSTOM_SCALE, Kind, Value};

const TEXTS: &[&str] = &[
    "", "a", "A", "ä", "a\u{308}", "b", "Zoé", "zoe", "STRASSE", "straße", "foo bar", "Foo  Bar",
    "foo\nbar", "%", "a%b", "a_b", "axb", "\\", "a\\b", "'\"", "{a,b}", "null", "ﬁn", "Ωmega",
    "z ", "10", "9",
];

const PARTS: &[&str] =
    &["", "a", "A", "ä", "%", "_", "\\", "oo", "OO B", "ss", "ß", "\u{308}", " ", "'", "ω", "fi"];

const KEYS: &[&str] = &["k", "K", "a.b", "it's \"it\"", "", "ключ"];

#[derive(Debug)]
pub(super) struct Values {
    salt: u64,
    mark: String,
}

/// One of `from`, or `otherwise` where there is none.
pub(super) fn choice<'a, T>(dice: &mut Dice, from: &'a [T], otherwise: &'a T) -> &'a T {
    dice.pick(from).unwrap_or(otherwise)
}

impl Values {
    pub(super) fn new(salt: u64) -> Self {
        Self { salt, mark: format!("{salt:016x}") }
    }

    pub(super) fn salt(&self) -> u64 {
        self.salt
    }

    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// An id that no record has.
    pub(super) fn stranger(&self, dice: &mut Dice) -> Uuid {
        Uuid::from_u64_pair(self.salt, 0xeeee_0000_0000_0000 | dice.below(3) as u64)
    }

    /// A present value of a kind.
    pub(super) fn of(&self, kind: Kind, dice: &mut Dice) -> Value {
        match kind {
            Kind::Bool => dice.chance(50).into(),
            Kind::Int => match dice.below(12) {
                0 => i64::MIN.into(),
                1 => i64::MAX.into(),
                n => (n as i64 - 5).into(),
            },
            Kind::Decimal { scale } => {
                let scale = dice.below(usize::from(scale) + 1) as u32;
                match dice.below(8) {
                    0 => Value::Decimal(Decimal::new(-999_999_999_999_999, 0)),
                    1 => Value::Decimal(Decimal::new(999_999_999_999_999, scale)),
                    n => Value::Decimal(Decimal::new(n as i64 * 5 - 20, scale)),
                }
            }
            Kind::Text | Kind::Code => self.text(dice).into(),
            Kind::Uuid => Uuid::from_u64_pair(self.salt, dice.below(6) as u64).into(),
            Kind::Date => {
                let days = [-719_162, -1, 0, 1, 59, 20_000, 2_932_896][dice.below(7)];
                NaiveDate::from_epoch_days(days).map_or(Value::Null, Value::Date)
            }
            Kind::Time => Value::Time(self.time(dice)),
            Kind::Uuids => {
                let id = |dice: &mut Dice| Uuid::from_u64_pair(self.salt, dice.below(4) as u64);
                Value::Uuids((0..dice.below(4)).map(|_| id(dice)).collect())
            }
            Kind::Codes => Value::Codes((0..dice.below(4)).map(|_| self.text(dice)).collect()),
            Kind::Json => {
                let documents =
                    [json!(null), json!([1, "a", null]), json!({"a": {"b": -0.5}}), json!("x")];
                let [first, ..] = &documents;
                Value::Json(Box::new(choice(dice, &documents, first).clone()))
            }
            Kind::Custom => {
                let mut fields = BTreeMap::new();
                for _ in 0..dice.below(5) {
                    let (key, kind) = self.custom_key(dice);
                    fields.insert(key, self.of(kind, dice));
                }
                Value::Custom(fields)
            }
        }
    }

    fn text(&self, dice: &mut Dice) -> String {
        (*choice(dice, TEXTS, &"")).to_owned()
    }

    fn time(&self, dice: &mut Dice) -> DateTime<Utc> {
        let micros = [
            -62_135_596_800_000_000,
            -1,
            0,
            1,
            1_700_000_000_000_000,
            1_700_000_000_000_001,
            1_700_000_086_400_000,
            253_402_300_799_999_999,
        ][dice.below(8)];
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
    }

    /// Ascending times.
    pub(super) fn bounds(&self, dice: &mut Dice) -> Vec<DateTime<Utc>> {
        let mut bounds: Vec<_> = (0..dice.below(4)).map(|_| self.time(dice)).collect();
        bounds.sort();
        bounds.dedup();
        bounds
    }

    /// A key and what it is asked for as, which is not always what it was stored as.
    pub(super) fn custom_key(&self, dice: &mut Dice) -> (String, Kind) {
        let kinds = [
            Kind::Bool,
            Kind::Int,
            Kind::Decimal { scale: 2 },
            Kind::Decimal { scale: CUSTOM_SCALE },
            Kind::Text,
            Kind::Text,
            Kind::Code,
            Kind::Uuid,
            Kind::Date,
            Kind::Time,
            Kind::Uuids,
            Kind::Codes,
        ];
        let place = dice.below(KEYS.len());
        // Mostly each key has a kind of its own, so that values meet.
        let kind = if dice.chance(70) { kinds[place * 2] } else { kinds[dice.below(kinds.len())] };
        (KEYS[place].to_owned(), kind)
    }

    /// Part of a text.
    pub(super) fn part(&self, dice: &mut Dice) -> String {
        let pool = if dice.chance(60) { PARTS } else { TEXTS };
        (*choice(dice, pool, &"")).to_owned()
    }

    /// The words of a search.
    pub(super) fn words(&self, dice: &mut Dice) -> Vec<String> {
        (0..1 + dice.below(2)).map(|_| self.part(dice)).collect()
    }
}
