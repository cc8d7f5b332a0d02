//! What is still to be done to stored values after a definition has changed.
//!
//! It is part of the definition and goes on a bounded step at a time: each step is one commit of
//! some records together with how far it has come, so a crash between two of them loses nothing,
//! and whoever calls again goes on from there.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::entity::FieldType;
use crate::store::{Kind, Value};

/// How many records one step looks at, and at most writes.
pub(super) const STEP: u32 = 500;

/// What is done to stored values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "camelCase")]
pub enum Task {
    /// Each value is claimed for its record, so that no other can take it.
    Uniqueness,
    /// An option that is gone gives way to another one, or to nothing, in all records.
    Option {
        /// The option that is gone.
        option: String,
        /// What takes its place; none where it is taken away.
        replacement: Option<String>,
    },
    /// Values of a deleted definition are taken out of all records.
    Clearing,
    /// Options that nobody had are gone; whether that is still so is looked up once more.
    Unused {
        /// The options.
        options: Vec<String>,
    },
}

/// What is still to be done to stored values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// What is done.
    #[serde(flatten)]
    pub task: Task,
    /// How many records it has come past.
    pub done: u64,
    /// How many there were when it began.
    pub total: u64,
    /// The record that it has come to.
    pub(super) after: Option<Uuid>,
}

impl Work {
    pub(super) fn begin(task: Task, total: u64) -> Self {
        Self { task, done: 0, total, after: None }
    }

    /// The work one step on; none where that was the last one.
    pub(super) fn past(&self, records: &[Uuid]) -> Option<Self> {
        let last = records.last().filter(|_| records.len() == STEP as usize)?;
        let done = self.done + records.len() as u64;
        Some(Self { done, after: Some(*last), ..self.clone() })
    }
}

impl FieldType for Work {
    const KIND: Kind = Kind::Json;
    type Plain = Self;
    fn into_value(self) -> Value {
        // Plain data of this module's own: writing it does not fail.
        serde_json::to_value(self).map_or(Value::Null, |json| Value::Json(Box::new(json)))
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Json(json) => serde_json::from_value(*json).ok(),
            _ => None,
        }
    }
}
