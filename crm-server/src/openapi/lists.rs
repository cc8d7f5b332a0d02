//! The parameters of lists, made from the schemas of their records.
//!
//! A field is a parameter by its name. With an operator (`createdAt[gte]`) there are so many that
//! they are the members of one object, [`CONDITIONS`], each of which is a parameter: that is
//! what OpenAPI calls an exploded form, and programs get one type that has them all.

use crm_core::language::{MAX_LIST_LIMIT, MAX_PAGE, ParameterDescription};
use crm_core::store::{Kind, MAX_SORTS};
use serde_json::{Map, Value, json};

use super::schemas::{choice_named, reference};
use super::words;

/// The name of the object; it appears in no request.
const CONDITIONS: &str = "conditions";

/// The operators whose value is a list, separated by commas.
const OF_LISTS: &[&str] = &["ne", "in", "all", "none"];

/// Adds the parameters of a list to its operation, and the schema of its conditions.
pub(super) fn complete(document: &mut Value, path: &str, described: &[ParameterDescription]) {
    let (own, plain): (Vec<_>, Vec<_>) =
        described.iter().partition(|described| described.name.ends_with(".{key}"));
    let mut parameters: Vec<Value> = Vec::new();
    for described in &plain {
        if !described.name.ends_with(']') {
            parameters.push(parameter(described, path, document));
        }
    }
    let conditions = conditions(&plain, &own);
    let named = name_conditions(document, path, &conditions);
    document["components"]["schemas"][&named] = conditions;
    parameters.push(json!({
        "name": CONDITIONS,
        "in": "query",
        "required": false,
        "description": "Conditions with an operator, each a parameter of its own: \
                        `createdAt[gte]=2026-01-01&phone[null]=true`.",
        "style": "form",
        "explode": true,
        "schema": reference(&named),
        "example": {"createdAt[gte]": "2026-01-31T09:30:00Z"}
    }));
    one_embeds(document, path, parameters.iter().find(|known| known["name"] == "expand").cloned());
    let operation = &mut document["paths"][path]["get"];
    match operation.get_mut("parameters").and_then(Value::as_array_mut) {
        Some(known) => known.extend(parameters),
        None => operation["parameters"] = Value::Array(parameters),
    }
}

/// A single record embeds what its list does, where anything.
fn one_embeds(document: &mut Value, path: &str, expand: Option<Value>) {
    let one = format!("/paths/{}~1{{id}}/get/parameters", path.replace('/', "~1"));
    let Some(parameters) = document.pointer_mut(&one).and_then(Value::as_array_mut) else { return };
    let Some(at) = parameters.iter().position(|known| known["name"] == "expand") else { return };
    match expand {
        Some(mut expand) => {
            expand["description"] = parameters[at]["description"].take();
            parameters[at] = expand;
        }
        None => drop(parameters.remove(at)),
    }
}

/// Lists of the same records have the same conditions.
fn name_conditions(document: &Value, path: &str, conditions: &Value) -> String {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    let same = schemas.into_iter().flatten().find(|(_, known)| *known == conditions);
    match same {
        Some((name, _)) => name.clone(),
        None => format!("{}Conditions", words::pascal(&words::singular(&words::noun(path)))),
    }
}

/// A parameter as the document shows it.
fn parameter(described: &ParameterDescription, path: &str, document: &mut Value) -> Value {
    let ParameterDescription { name, multiple, description, one_of, .. } = described;
    let mut value = value(described, described.kind);
    if let Some(codes) = described.choices {
        value = choice(name, codes, path, document);
    }
    match name.as_str() {
        "page" => {
            value["minimum"] = json!(1);
            value["maximum"] = json!(MAX_PAGE);
        }
        "limit" => {
            value["minimum"] = json!(1);
            value["maximum"] = json!(MAX_LIST_LIMIT);
        }
        "sort" => value["pattern"] = json!(format!("^-?({})$", any_of(one_of))),
        "fields" => value["pattern"] = json!(format!("^({})$", any_of(one_of))),
        // Something to search for.
        "q" => value["pattern"] = json!(r"\S"),
        "filter" => value["format"] = json!("aip-160"),
        "cursor" => value["format"] = json!("cursor"),
        _ => {}
    }
    let mut example = example(described);
    if let Some([first, ..]) = described.choices
        && !described.choices.is_some_and(|codes| codes.contains(&described.example.as_str()))
    {
        example = json!(first);
    }
    if *multiple {
        value = json!({"type": "array", "items": value});
        if name == "sort" {
            value["maxItems"] = json!(MAX_SORTS);
        }
        example = json!([example]);
    }
    json!({
        "name": name,
        "in": "query",
        "required": name == "q",
        "description": description,
        "schema": value,
        "example": example,
    })
}

/// A choice under its name, which is that of a body where one has the same.
fn choice(parameter: &str, codes: &[&str], path: &str, document: &mut Value) -> Value {
    // `expand=` embeds nothing.
    let nothing = (parameter == "expand").then_some(&"");
    let codes = json!(codes.iter().chain(nothing).collect::<Vec<_>>());
    if let Some(known) = choice_named(document, &codes) {
        return reference(&known);
    }
    let (name, description) = match parameter {
        "count" => ("CountMode".to_owned(), "Whether a list counts all that there are."),
        "order" => ("SortOrder".to_owned(), "A direction."),
        "includeDeleted" => ("DeletedRecords".to_owned(), "Whether deleted records are there."),
        "expand" => {
            let of = words::pascal(&words::singular(&words::noun(path)));
            (format!("{of}Expansion"), "What can be embedded; an empty one for nothing.")
        }
        _ => return json!({"type": "string", "enum": codes}),
    };
    document["components"]["schemas"][&name] =
        json!({"type": "string", "enum": codes, "description": description});
    reference(&name)
}

/// Any of the fields; of a tenant's own ones, as they are called.
fn any_of(fields: &[String]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|field| field.replace('.', r"\.").replace("{key}", "[A-Za-z][A-Za-z0-9_]*"))
        .collect();
    fields.join("|")
}

/// The schema of one value.
fn value(described: &ParameterDescription, kind: Kind) -> Value {
    match kind {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Int => json!({"type": "integer", "format": "int64"}),
        Kind::Uuid | Kind::Uuids => json!({"type": "string", "format": "uuid"}),
        Kind::Date => json!({"type": "string", "format": "date"}),
        Kind::Time => json!({"type": "string", "format": "date-time"}),
        Kind::Decimal { .. } => {
            json!({"type": "string", "format": "decimal", "pattern": super::schemas::DECIMAL})
        }
        // Of a field, an empty text is no value.
        _ if described.multiple => json!({"type": "string", "minLength": 1}),
        _ => json!({"type": "string"}),
    }
}

fn conditions(plain: &[&ParameterDescription], own: &[&ParameterDescription]) -> Value {
    let mut properties = Map::new();
    for described in plain {
        if let Some((field, suffix)) = described.name.split_once('[') {
            let suffix = suffix.trim_end_matches(']');
            properties.insert(described.name.clone(), condition(described, field, suffix));
        }
        for suffix in &described.suffixes {
            let name = format!("{}[{suffix}]", described.name);
            properties.insert(name, condition(described, &described.name, suffix));
        }
    }
    let mut schema = json!({
        "type": "object",
        "description": "Conditions with an operator, by field.",
        "properties": properties,
    });
    if let Some(own) = own.first() {
        let field = own.name.trim_end_matches(".{key}");
        let suffixes = own.suffixes.join("|");
        let pattern = format!(r"^{field}\.[A-Za-z][A-Za-z0-9_]*(\[({suffixes})\])?$");
        schema["patternProperties"] = json!({pattern: {
            "type": ["string", "number", "boolean"],
            "description": "One of the tenant's own fields, read as what the tenant declared."
        }});
        schema["description"] = json!(format!(
            "Conditions with an operator, by field; the tenant's own fields are `{field}.{{key}}`, \
             with an operator or without."
        ));
    } else {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

fn condition(described: &ParameterDescription, field: &str, suffix: &str) -> Value {
    let mut schema = match suffix {
        "null" => json!({"type": "boolean"}),
        // Empty between two commas is no value; alone, it is the empty text.
        list if OF_LISTS.contains(&list) => json!({"type": "string", "minLength": 1}),
        "contains" | "startsWith" => json!({"type": "string"}),
        _ => value(&ParameterDescription { multiple: false, ..described.clone() }, described.kind),
    };
    schema["description"] = json!(meaning(field, suffix));
    schema
}

fn meaning(field: &str, suffix: &str) -> String {
    let what = match suffix {
        "ne" => "is none of these, separated by commas, or is absent",
        "in" => "is one of these, separated by commas",
        "gt" => "is greater",
        "gte" => "is greater or equal",
        "lt" => "is less",
        "lte" => "is less or equal",
        "contains" => "contains this",
        "startsWith" => "starts with this",
        "null" => "is absent, or is not",
        "all" => "has all of these, separated by commas",
        "none" => "has none of these, separated by commas",
        _ => "is this",
    };
    format!("`{field}` {what}.")
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

    fn described(name: &str, kind: Kind, suffixes: Vec<&'static str>) -> ParameterDescription {
        ParameterDescription {
            name: name.to_owned(),
            kind,
            multiple: !suffixes.is_empty(),
            suffixes,
            choices: None,
            one_of: Vec::new(),
            description: "How it is.".to_owned(),
            example: "3".to_owned(),
        }
    }

    fn completed() -> Value {
        let mut document = json!({
            "paths": {"/deals": {"get": {}}, "/deals/mine": {"get": {}}},
            "components": {"schemas": {"DealStatus": {"enum": ["open", "won"]}}}
        });
        let status = ParameterDescription {
            choices: Some(&["open", "won"]),
            ..described("status", Kind::Code, vec!["ne"])
        };
        let all = [
            described("limit", Kind::Int, Vec::new()),
            status,
            described("version", Kind::Int, vec!["gte", "null"]),
            described("order[eq]", Kind::Int, Vec::new()),
            described("customFields.{key}", Kind::Text, vec!["eq"]),
        ];
        complete(&mut document, "/deals", &all);
        complete(&mut document, "/deals/mine", &all);
        document
    }

    #[test]
    fn a_field_is_a_parameter_that_can_be_given_several_times() {
        let document = completed();
        let parameters = document["paths"]["/deals"]["get"]["parameters"].as_array().unwrap();
        let names: Vec<_> = parameters.iter().map(|p| p["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["limit", "status", "version", "conditions"]);
        assert_eq!(parameters[0]["schema"]["maximum"], 200);
        assert_eq!(parameters[1]["schema"]["items"], reference("DealStatus"));
        assert_eq!(parameters[2]["example"], json!([3]));
    }

    #[test]
    fn operators_are_members_of_one_object_for_all_lists_of_the_records() {
        let document = completed();
        let conditions = &document["components"]["schemas"]["DealConditions"];
        let names: Vec<_> = conditions["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["order[eq]", "status[ne]", "version[gte]", "version[null]"]);
        assert!(conditions["patternProperties"].to_string().contains("customFields"));
        let mine = &document["paths"]["/deals/mine"]["get"]["parameters"][3]["schema"];
        assert_eq!(*mine, reference("DealConditions"));
    }

    #[test]
    fn a_list_is_sorted_and_an_export_made_of_what_it_has() {
        let fields = vec!["name".to_owned(), "customFields.{key}".to_owned()];
        let pattern = |name: &str| {
            let described = ParameterDescription {
                one_of: fields.clone(),
                ..described(name, Kind::Text, Vec::new())
            };
            parameter(&described, "/deals", &mut json!({}))["schema"]["pattern"].take()
        };
        let own = r"customFields\.[A-Za-z][A-Za-z0-9_]*";
        assert_eq!(pattern("sort"), format!("^-?(name|{own})$"));
        assert_eq!(pattern("fields"), format!("^(name|{own})$"));
    }
}
