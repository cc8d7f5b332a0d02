//! Records of each type that the generic controller serves, as they are written.

use serde_json::{Value, json};

use super::Person;

/// What records of a type are like. Tests of what holds for all types insist that none is missing.
pub(crate) struct Sample {
    /// Where they are, below the base.
    pub(crate) path: &'static str,
    /// How many there are in a new tenant.
    pub(crate) built_in: u64,
    /// Whether the role `readonly` may read them.
    pub(crate) read_by_all: bool,
    /// The input of one, with the identifiers of [`companies`]: no two numbers are in each other's
    /// way, and the word can be changed.
    input: fn(number: usize, word: &str, companies: &[String]) -> Value,
}

/// The types, each once.
pub(crate) const SAMPLES: &[Sample] = &[
    of("/customers", |n, word, _| json!({"companyName": format!("C{n}"), "city": word})),
    of("/companies", |n, word, _| json!({"name": format!("C{n}"), "city": word})),
    of("/customers/tags", |n, word, _| json!({"name": format!("{word} {n}")})),
    of("/custom-fields", |n, word, _| {
        let key = format!("k{n}");
        json!({"recordType": "customers", "key": key, "label": word, "type": "text"})
    }),
    of(
        "/relations/kinds",
        |n, word, _| json!({"key": format!("k{n}"), "name": format!("{word} {n}"), "symmetric": true}),
    ),
    of("/relations", |n, word, companies| {
        let end = |at: usize| json!({"type": "companies", "id": companies[at]});
        let attributes = json!({"word": word});
        json!({"kind": "parent_of", "from": end(0), "to": end(n + 1), "attributes": attributes})
    }),
    Sample {
        read_by_all: false,
        ..of("/teams", |n, word, _| json!({"name": format!("{word} {n}"), "description": word}))
    },
    Sample {
        built_in: 8,
        read_by_all: false,
        ..of("/users/roles", |n, word, _| {
            let permissions = json!([{"permission": "customers:read", "reach": "team"}]);
            json!({"code": format!("r{n}"), "name": format!("{word} {n}"), "permissions": permissions})
        })
    },
];

const fn of(path: &'static str, input: fn(usize, &str, &[String]) -> Value) -> Sample {
    Sample { path, built_in: 0, read_by_all: true, input }
}

/// A type in a tenant of its own, which has what its records refer to.
pub(crate) struct Kept {
    pub(crate) owner: Person,
    pub(crate) base: String,
    sample: &'static Sample,
    companies: Vec<String>,
}

impl Kept {
    pub(crate) async fn by(owner: Person, sample: &'static Sample) -> Self {
        let mut companies = Vec::new();
        // Where companies are counted, nobody refers to one.
        for number in 0..7 * usize::from(sample.path == "/relations") {
            let input = json!({"name": format!("End {number}")});
            let id = owner.post("/api/v1/companies", input).await.data()["id"].clone();
            companies.push(id.as_str().unwrap().to_owned());
        }
        Self { owner, base: format!("/api/v1{}", sample.path), sample, companies }
    }

    pub(crate) fn input(&self, number: usize, word: &str) -> Value {
        (self.sample.input)(number, word, &self.companies)
    }

    pub(crate) fn built_in(&self) -> u64 {
        self.sample.built_in
    }

    pub(crate) fn read_by_all(&self) -> bool {
        self.sample.read_by_all
    }
}
