//! Examples: of every parameter, body and answer, made from their schemas, so that they have the
//! same form and a new operation has them by itself.
//!
//! What a field holds is told by its name ([`VALUES`]), else by its type. The API suite holds each
//! example against its schema and sends those of bodies to a server.

use serde_json::{Map, Value, json};

use super::schemas::referred;
use super::words;

/// An identifier.
const ID: &str = "0197d8a0-3c1f-7b52-9d0e-6f2a41c58e11";

/// What fields hold, as JSON: by the name of the schema and the field, or by the field's alone.
const VALUES: &[(&str, &str)] = &[
    ("address", r#""Torstraße 140""#),
    ("annualRevenue", r#""2500000.50""#),
    ("avatar", r#""https://acme.example/people/ada.png""#),
    ("city", r#""Berlin""#),
    ("code", r#""sales_rep""#),
    ("color", r##""#1f6feb""##),
    ("companyName", r#""Löwen GmbH""#),
    ("contactName", r#""Anna Schmidt""#),
    ("country", r#""DE""#),
    ("createdAt", r#""2026-01-31T09:30:00Z""#),
    ("currency", r#""EUR""#),
    ("deletedAt", "null"),
    ("description", r#""What there is to know""#),
    ("domain", r#""acme.example""#),
    ("email", r#""anna.schmidt@loewen.example""#),
    ("employeeCount", "120"),
    ("expiresIn", "900"),
    ("expiresAt", r#""2030-01-31T09:30:00Z""#),
    ("firstName", r#""Anna""#),
    ("format", r#""csv""#),
    ("help", r#""How many people use it""#),
    ("industry", r#""Software""#),
    ("jobTitle", r#""Head of purchasing""#),
    ("key", r#""seats""#),
    ("label", r#""Seats""#),
    ("lastAddress", r#""203.0.113.7""#),
    ("lastName", r#""Schmidt""#),
    ("limit", "20"),
    ("locale", r#""de-DE""#),
    ("message", r#""done""#),
    ("name", r#""Löwen GmbH""#),
    ("nextCursor", r#""WyItY3JlYXRlZEF0IiwiVDE3Njk4NTE4MDAwMDAwMDAiXQ""#),
    ("notes", r#""Met at the fair""#),
    ("page", "1"),
    ("password", r#""correct horse battery staple""#),
    ("permission", r#""customers:read""#),
    ("permissions", r#"{"customers:read": "all", "customers:update": "assigned"}"#),
    ("phone", r#""+493012345678""#),
    ("postalCode", r#""10119""#),
    ("preferences", r#"{"theme": "dark"}"#),
    ("prefix", r#""crm_4fKq8ZtX""#),
    ("reach", r#""team""#),
    ("recordType", r#""customers""#),
    ("refreshToken", r#""wFh0RrvJ6cmeUcUdUXJ8sS4nO1bHvzfqk1cVh0h1d1A""#),
    ("region", r#""Berlin""#),
    ("roles", r#"["sales_rep"]"#),
    ("scopes", r#"["customers:read"]"#),
    ("source", r#""Referral""#),
    ("status", r#""active""#),
    ("tenantName", r#""Acme""#),
    ("timeZone", r#""Europe/Berlin""#),
    ("title", r#""Head of sales""#),
    ("token", r#""eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTk3ZDhhMCJ9.c2lnbmF0dXJl""#),
    ("tokenType", r#""Bearer""#),
    ("total", "1"),
    ("totalPages", "1"),
    ("updatedAt", r#""2026-02-02T14:05:00Z""#),
    ("username", r#""ada""#),
    ("version", "3"),
    ("website", r#""https://loewen.example/""#),
    ("without", r#"["email"]"#),
    ("ApiKey.name", r#""Reports""#),
    ("ApiKeyInput.name", r#""Reports""#),
    ("Counted.count", "1"),
    ("Counted.key", r#""active""#),
    ("CustomField.default", "10"),
    ("CustomField.options", "[]"),
    ("CustomField.type", r#""number""#),
    ("Health.doingWithout", "[]"),
    ("Health.status", r#""ok""#),
    ("Health.version", r#""0.1.0""#),
    ("HandOverInput.types", r#"["customers"]"#),
    ("IssuedApiKey.key", r#""crm_4fKq8ZtX_wFh0RrvJ6cmeUcUdUXJ8sS4nO1bHvzfqk1cVh0h1d1A000000""#),
    ("IssuedApiKey.name", r#""Reports""#),
    ("JoiningInput.email", r#""ada@acme.example""#),
    ("LiveSession.device", r#""Firefox on Windows""#),
    ("LiveSession.ipAddress", r#""203.0.113.7""#),
    ("LiveSession.methods", r#"["pwd"]"#),
    (
        "LiveSession.userAgent",
        r#""Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0""#,
    ),
    ("ApiKeyInput.code", "null"),
    ("ChangeEmailInput.code", "null"),
    ("ChangeEmailInput.email", r#""ada.lovelace@acme.example""#),
    ("CodeInput.code", r#""123456""#),
    ("Enrolment.otpauthUri", r#""otpauth://totp/CRM:ada%40acme.example?secret=MZXW6YTBOI""#),
    ("Enrolment.qrCode", r#""data:image/png;base64,iVBORw0KGgo=""#),
    ("Enrolment.secret", r#""MZXW6YTBOI""#),
    ("LoginMfaInput.code", r#""123456""#),
    ("LoginMfaInput.mfaToken", r#""wFh0RrvJ6cmeUcUdUXJ8sS4nO1bHvzfqk1cVh0h1d1A""#),
    ("MfaChallenge.expiresIn", "300"),
    ("MfaChallenge.mfaToken", r#""wFh0RrvJ6cmeUcUdUXJ8sS4nO1bHvzfqk1cVh0h1d1A""#),
    ("NewRecoveryCodes.recoveryCodes", r#"["MZXW6Y-TBOIMZ-XW6YTB-OIMZXW"]"#),
    ("PasswordInput.code", "null"),
    ("RemoveMfaInput.code", r#""123456""#),
    ("Tenant.requireMfaRoles", r#"["admin", "owner"]"#),
    ("TenantInput.requireMfaRoles", r#"["admin", "owner"]"#),
    ("TenantOfMine.requireMfaRoles", r#"["admin", "owner"]"#),
    ("Member.email", r#""ada@acme.example""#),
    ("Member.name", r#""Ada Lovelace""#),
    ("MemberInput.name", r#""Ada Lovelace""#),
    ("NewMemberInput.email", r#""grace@acme.example""#),
    ("NewMemberInput.name", r#""Grace Hopper""#),
    ("PasswordInput.currentPassword", r#""correct horse battery staple""#),
    ("PasswordInput.newPassword", r#""a seat by the window, please""#),
    ("Permission.action", r#""read""#),
    ("Permission.class", r#""record""#),
    ("Permission.resource", r#""customers""#),
    ("PermissionSource.role", r#""sales_rep""#),
    ("ProfileInput.email", "null"),
    ("ProfileInput.name", r#""Ada Lovelace""#),
    ("Role.builtIn", "false"),
    ("Role.code", r#""field_sales""#),
    ("Role.name", r#""Field sales""#),
    ("RoleInput.code", r#""field_sales""#),
    ("RoleInput.name", r#""Field sales""#),
    ("Tag.name", r#""VIP""#),
    ("TagBrief.name", r#""VIP""#),
    ("Team.name", r#""Field sales""#),
    ("TeamBrief.name", r#""Field sales""#),
    ("TeamInput.name", r#""Field sales""#),
    ("TeamInput.members", "[]"),
    ("TeamInput.managers", "[]"),
    ("Tenant.name", r#""Acme""#),
    ("TenantInput.name", r#""Acme""#),
    ("TenantOfMine.name", r#""Acme""#),
    ("User.email", r#""ada@acme.example""#),
    ("User.name", r#""Ada Lovelace""#),
    ("UserBrief.email", r#""ada@acme.example""#),
    ("UserBrief.name", r#""Ada Lovelace""#),
];

/// Bodies whose fields cannot be told one by one.
const BODIES: &[(&str, &str)] = &[
    ("BulkInput", r#"{"ids": ["0197d8a0-3c1f-7b52-9d0e-6f2a41c58e11"], "atomic": false}"#),
    (
        "BulkUpdateInput",
        r#"{"ids": ["0197d8a0-3c1f-7b52-9d0e-6f2a41c58e11"], "changes": {}, "atomic": false}"#,
    ),
    ("BulkAssignInput", r#"{"filter": {"status": "paused"}, "assignedTo": null}"#),
    ("BulkTagInput", r#"{"filter": "status = cancelled", "set": []}"#),
    (
        "CustomFieldInput",
        r#"{"recordType": "customers", "key": "seats", "label": "Seats", "type": "number",
            "help": "How many people use it"}"#,
    ),
    ("CustomFieldPatch", r#"{"label": "Seats", "help": null}"#),
    ("CustomerPatch", r#"{"status": "paused", "city": "Berlin", "phone": null}"#),
    ("LoginInput", r#"{"email": "ada@acme.example", "password": "correct horse battery staple"}"#),
    (
        "SignUpInput",
        r#"{"email": "ada@acme.example", "password": "correct horse battery staple",
            "name": "Ada Lovelace", "tenantName": "Acme"}"#,
    ),
    ("TeamPatch", r#"{"name": "Field sales", "members": []}"#),
    ("TagInput", r##"{"name": "VIP", "color": "#1f6feb"}"##),
    ("TagPatch", r#"{"name": "VIP", "color": null}"#),
];

/// Gives each parameter, body and successful answer its example. Bodies and answers of one schema
/// have one, among the components.
pub(super) fn complete(document: &mut Value) {
    let known = document.clone();
    let mut examples = Map::new();
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    let operations = paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for operation in operations {
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            of_parameter(parameter, &known);
        }
        let content = operation.pointer_mut("/requestBody/content");
        for (media_type, media) in content.and_then(Value::as_object_mut).into_iter().flatten() {
            of_media(media, media_type, &format!("{id}Input"), &known, &mut examples, true);
        }
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for (status, response) in responses.into_iter().flatten() {
            if !status.starts_with('2') {
                continue;
            }
            let content = response.get_mut("content").and_then(Value::as_object_mut);
            for (media_type, media) in content.into_iter().flatten() {
                of_media(media, media_type, &format!("{id}Reply"), &known, &mut examples, false);
            }
        }
    }
    let shared = document.pointer_mut("/components/parameters").and_then(Value::as_object_mut);
    for parameter in shared.into_iter().flat_map(Map::values_mut) {
        of_parameter(parameter, &known);
    }
    document["components"]["examples"] = Value::Object(examples);
}

fn of_parameter(parameter: &mut Value, document: &Value) {
    if parameter.get("$ref").is_some() || parameter.get("example").is_some() {
        return;
    }
    let name = parameter["name"].as_str().unwrap_or_default();
    let schema = &parameter["schema"];
    let example = of_field("", &words::camel(name), schema, document);
    parameter["example"] = example;
}

fn of_media(
    media: &mut Value,
    media_type: &str,
    fallback: &str,
    document: &Value,
    examples: &mut Map<String, Value>,
    sent: bool,
) {
    if media.get("example").is_some() || media.get("examples").is_some() {
        return;
    }
    if !media_type.ends_with("json") {
        // A file: what is in it, its description says.
        media["example"] = json!("…");
        return;
    }
    let name =
        referred(&media["schema"]).map_or_else(|| words::capitalised(fallback), str::to_owned);
    let value = if sent {
        of_body(&name, &media["schema"], document)
    } else {
        of("", &media["schema"], document, 0)
    };
    examples.entry(name.clone()).or_insert_with(|| json!({"value": value}));
    let reference = json!({"$ref": format!("#/components/examples/{name}")});
    media["examples"] = json!({"example": reference});
}

/// A body that can be sent as it is: what is required and what stands for itself, no versions
/// and no identifiers that the reader does not have.
fn of_body(name: &str, schema: &Value, document: &Value) -> Value {
    let is_bulk = name.starts_with("Bulk") && name.ends_with("Update");
    let known = if is_bulk { "BulkUpdateInput" } else { name };
    if let Some((_, text)) = BODIES.iter().find(|(of, _)| *of == known) {
        return serde_json::from_str(text).unwrap_or_default();
    }
    let mut value = of("", schema, document, 0);
    let resolved = resolve(schema, document);
    let required: Vec<&str> =
        resolved["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, value| {
            required.contains(&name.as_str())
                || !(matches!(name.as_str(), "version" | "customFields")
                    || value.is_null()
                    || names_records(&resolved["properties"][name], document))
        });
        if name.ends_with("Patch") {
            let some: Vec<String> = fields.keys().take(2).cloned().collect();
            fields.retain(|name, _| some.contains(name));
        }
    }
    value
}

/// Whether the value is one identifier or several.
fn names_records(schema: &Value, document: &Value) -> bool {
    let schema = resolve(schema, document);
    schema["format"] == "uuid" || schema["items"]["format"] == "uuid"
}

fn resolve<'a>(schema: &'a Value, document: &'a Value) -> &'a Value {
    referred(schema).map_or(schema, |name| &document["components"]["schemas"][name])
}

/// A value of a schema, which is called by `name` where it has one.
fn of(name: &str, schema: &Value, document: &Value, depth: usize) -> Value {
    if let Some(name) = referred(schema) {
        return of(name, &document["components"]["schemas"][name], document, depth + 1);
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(codes) = schema["enum"].as_array() {
        return codes.first().cloned().unwrap_or_default();
    }
    for one_of in ["oneOf", "anyOf", "allOf"] {
        if let Some(first) = schema[one_of].as_array().and_then(|all| all.first()) {
            return of(name, first, document, depth);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(types) => types.first().and_then(Value::as_str),
        other => other.as_str(),
    };
    match kind {
        Some("object") => of_object(name, schema, document, depth),
        Some("array") if depth > 8 => json!([]),
        Some("array") => json!([of("", &schema["items"], document, depth + 1)]),
        Some("boolean") => json!(true),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("string") => json!(match schema["format"].as_str() {
            Some("uuid") => ID,
            Some("date-time") => "2026-01-31T09:30:00Z",
            Some("date") => "2026-01-31",
            Some("decimal") => "1000.50",
            Some("email") => "ada@acme.example",
            Some("uri" | "url") => "https://acme.example/",
            _ => "text",
        }),
        _ => json!("text"),
    }
}

fn of_object(name: &str, schema: &Value, document: &Value, depth: usize) -> Value {
    let mut value = Map::new();
    for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
        if depth < 8 {
            value.insert(field.clone(), of_field(name, field, schema, document));
        }
    }
    if value.is_empty() && schema["additionalProperties"].is_object() {
        let each = of("", &schema["additionalProperties"], document, depth + 1);
        value.insert("key".to_owned(), each);
    }
    Value::Object(value)
}

/// What a field holds. What its name tells is taken where it is of the field's type.
fn of_field(of_schema: &str, field: &str, schema: &Value, document: &Value) -> Value {
    if schema.get("example").is_some() {
        return schema["example"].clone();
    }
    let bare = of_schema.trim_end_matches("Input").trim_end_matches("Patch");
    let told = [format!("{of_schema}.{field}"), format!("{bare}.{field}"), field.to_owned()];
    for key in told {
        let value = VALUES.iter().find(|(name, _)| *name == key);
        let value = value.and_then(|(_, text)| serde_json::from_str::<Value>(text).ok());
        if let Some(value) = value.filter(|value| suits(value, schema, document)) {
            return value;
        }
    }
    let value = of("", schema, document, 1);
    // What is no more than a text is called by what it is.
    if value == "text" { json!(words::capitalised(&words::from_camel(field))) } else { value }
}

/// Whether a value is of the type that a schema asks for, and among its choices.
fn suits(value: &Value, schema: &Value, document: &Value) -> bool {
    let schema = resolve(schema, document);
    if let Some(parts) = schema["oneOf"].as_array() {
        return parts.iter().any(|part| suits(value, part, document));
    }
    if let Some(codes) = schema["enum"].as_array() {
        return codes.contains(value);
    }
    if schema["format"] == "uuid" || schema["properties"].is_object() {
        return value.is_null() && schema["type"].to_string().contains("null");
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match &schema["type"] {
        Value::Null => true,
        Value::Array(types) => types.iter().any(|one| *one == kind),
        one => *one == kind || (*one == "number" && kind == "integer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_told_is_json() {
        for (name, text) in VALUES.iter().chain(BODIES) {
            assert!(serde_json::from_str::<Value>(text).is_ok(), "{name}: {text}");
        }
    }

    #[test]
    fn a_value_is_told_by_its_name_else_by_its_type() {
        let document = json!({"components": {"schemas": {
            "Deal": {"type": "object", "properties": {
                "id": {"type": "string", "format": "uuid"},
                "city": {"type": ["string", "null"]},
                "closingRemark": {"type": "string"},
                "status": {"type": "string", "enum": ["open", "won"]},
                "version": {"type": "integer"}
            }}
        }}});
        let deal = of("", &json!({"$ref": "#/components/schemas/Deal"}), &document, 0);
        assert_eq!(
            deal,
            json!({
                "id": ID, "city": "Berlin", "closingRemark": "Closing remark", "status": "open",
                "version": 3
            })
        );
    }

    #[test]
    fn a_body_has_no_identifiers_that_the_reader_does_not_have() {
        let document = json!({"components": {"schemas": {"DealInput": {
            "type": "object", "required": ["stage"], "properties": {
                "stage": {"type": "string", "format": "uuid"},
                "owner": {"type": "string", "format": "uuid"},
                "version": {"type": "integer"},
                "city": {"type": "string"}
            }
        }}}});
        let schema = json!({"$ref": "#/components/schemas/DealInput"});
        let body = of_body("DealInput", &schema, &document);
        assert_eq!(body, json!({"stage": ID, "city": "Berlin"}));
    }
}
