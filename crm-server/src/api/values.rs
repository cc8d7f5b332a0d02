//! Values of the library in JSON, where poem-openapi has no description of them.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crm_core::Choice;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// How the message of a value that is not among the choices begins.
pub(super) const NOT_A_CHOICE: &str = "expected one of ";

/// One of a choice's values, by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Code<C>(pub C);

impl<C: Choice> Serialize for Code<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.code())
    }
}

impl<'de, C: Choice> Deserialize<'de> for Code<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(CodeVisitor(PhantomData))
    }
}

struct CodeVisitor<C>(PhantomData<C>);

impl<C: Choice> Visitor<'_> for CodeVisitor<C> {
    type Value = Code<C>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of ")?;
        f.write_str(&codes::<C>().join(", "))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Code<C>, E> {
        C::from_code(text).map(Code).ok_or_else(|| {
            E::custom(format!("{NOT_A_CHOICE}{}, got {text:?}", codes::<C>().join(", ")))
        })
    }
}

fn codes<C: Choice>() -> Vec<&'static str> {
    C::ALL.iter().map(|choice| choice.code()).collect()
}

impl<C: Choice + Send + Sync> Type for Code<C> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let enum_items = codes::<C>().into_iter().map(Value::from).collect();
        // The pass over the document gives it a schema of that name.
        let name = std::any::type_name::<C>().rsplit("::").next().map(str::to_owned);
        let schema = MetaSchema { enum_items, title: name, ..MetaSchema::new("string") };
        MetaSchemaRef::Inline(Box::new(schema))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<C: Choice + Send + Sync> ParseFromJSON for Code<C> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let value = value.unwrap_or_default();
        let code = value.as_str().and_then(C::from_code).map(Code);
        code.ok_or_else(|| ParseError::expected_type(value))
    }
}

impl<C: Choice + Send + Sync> ToJSON for Code<C> {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.code().into())
    }
}
