//! The parameters of lists, made from the schemas of their records.

use crm_core::language::ParameterDescription;
use crm_core::store::Kind;
use serde_json::{Value, json};

/// A parameter as the document shows it.
pub(super) fn parameter(described: &ParameterDescription) -> Value {
    let mut value = schema(described.kind);
    if let Some(choices) = described.choices {
        value["enum"] = json!(choices);
    }
    let mut description = described.description.clone();
    if !described.suffixes.is_empty() {
        let name = &described.name;
        let suffixed: Vec<String> =
            described.suffixes.iter().map(|suffix| format!("`{name}[{suffix}]`")).collect();
        description.push_str(&format!(" Also as {}.", suffixed.join(", ")));
    }
    let mut parameter = json!({
        "name": described.name,
        "in": "query",
        "required": false,
        "description": description,
        "schema": value,
    });
    if described.multiple {
        // Separated by commas, as one value.
        parameter["schema"] = json!({"type": "array", "items": parameter["schema"].take()});
        parameter["style"] = json!("form");
        parameter["explode"] = json!(false);
    } else if !described.example.is_empty() && described.choices.is_none() {
        parameter["example"] = example(described);
    }
    parameter
}

fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Int => json!({"type": "integer", "format": "int64"}),
        Kind::Uuid | Kind::Uuids => json!({"type": "string", "format": "uuid"}),
        Kind::Date => json!({"type": "string", "format": "date"}),
        Kind::Time => json!({"type": "string", "format": "date-time"}),
        Kind::Decimal { .. } => json!({"type": "string", "format": "decimal"}),
        _ => json!({"type": "string"}),
    }
}

fn example(described: &ParameterDescription) -> Value {
    match described.kind {
        Kind::Bool | Kind::Int => {
            serde_json::from_str(&described.example).unwrap_or_else(|_| json!(described.example))
        }
        _ => json!(described.example),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_are_one_parameter_separated_by_commas() {
        let described = ParameterDescription {
            name: "status".to_owned(),
            kind: Kind::Code,
            multiple: true,
            suffixes: vec!["ne"],
            choices: Some(&["active", "paused"]),
            description: "How it is.".to_owned(),
            example: "active".to_owned(),
        };
        let parameter = parameter(&described);
        assert_eq!(parameter["explode"], false);
        assert_eq!(parameter["schema"]["items"]["enum"], json!(["active", "paused"]));
        assert_eq!(parameter["description"], "How it is. Also as `status[ne]`.");
    }
}
