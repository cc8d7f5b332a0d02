//! Operations as an OpenAPI document describes them.

use std::collections::{BTreeMap, BTreeSet};

use poem::http::Method;
use serde_json::Value;

/// An OpenAPI 3 document.
#[derive(Debug, Clone)]
pub struct Document {
    root: Value,
    operations: Vec<Operation>,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// `GET /customers/{id}`, without what the servers' address adds.
    pub name: String,
    /// Its method.
    pub method: Method,
    /// Its path as it is called, with parameters in braces.
    pub path: String,
    /// Its parameters, wherever they stand.
    pub parameters: Vec<Parameter>,
    /// The schema of its body in JSON; none where it takes none.
    pub body: Option<Value>,
    /// Whether a body has to be there.
    pub needs_body: bool,
    /// The statuses that it is listed to answer.
    pub statuses: BTreeSet<u16>,
    /// The codes of errors that it is listed to answer, by status, where the document has them as
    /// `x-codes`.
    pub codes: BTreeMap<u16, BTreeSet<String>>,
    /// Whether it asks for a token.
    pub guarded: bool,
    /// The header in which it takes an API key in place of a token; none where it takes none.
    pub key_header: Option<String>,
}

/// A parameter.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// What it takes.
    pub schema: Value,
    /// Whether it has to be there.
    pub required: bool,
    /// What it can be; null where nothing shows it.
    pub example: Value,
    /// The names that it goes by beside its own: ``Also as `id[ne]`, `id[in]`.``
    pub also: Vec<String>,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
}

impl Document {
    /// Reads one.
    ///
    /// # Errors
    /// Where it has no paths, or an operation's method is none.
    pub fn new(root: Value) -> Result<Self, String> {
        let everywhere = base(&root).unwrap_or_default();
        let mut document = Self { root, operations: Vec::new() };
        let paths = document.root["paths"].as_object().ok_or("the document has no paths")?;
        let mut operations = Vec::new();
        for (path, item) in paths {
            let shared = item["parameters"].as_array().cloned().unwrap_or_default();
            let base = base(item).unwrap_or_else(|| everywhere.clone());
            for (method, operation) in item.as_object().into_iter().flatten() {
                if !operation.is_object() {
                    continue;
                }
                let name = format!("{} {path}", method.to_uppercase());
                let method = method.to_uppercase().parse::<Method>();
                let method = method.map_err(|_| format!("{name}: no such method"))?;
                let own = operation["parameters"].as_array().into_iter().flatten();
                let parameters = shared.iter().chain(own);
                let content = document.resolve(&operation["requestBody"]);
                let responses = operation["responses"].as_object().into_iter().flatten();
                let responses = responses
                    .filter_map(|(status, response)| Some((status.parse().ok()?, response)));
                let responses: BTreeMap<u16, &Value> = responses.collect();
                let listed = |response: &Value| {
                    let codes = document.resolve(response)["x-codes"].as_array()?;
                    Some(codes.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                };
                let codes = responses.iter().filter_map(|(s, r)| Some((*s, listed(r)?))).collect();
                operations.push(Operation {
                    method,
                    path: format!("{base}{path}"),
                    parameters: parameters.filter_map(|p| document.parameter(p)).collect(),
                    body: json_schema(content).cloned(),
                    needs_body: content["required"].as_bool().unwrap_or_default(),
                    statuses: responses.keys().copied().collect(),
                    codes,
                    guarded: operation["security"].as_array().is_some_and(|all| !all.is_empty()),
                    key_header: document.key_header(operation),
                    name,
                });
            }
        }
        document.operations = operations;
        Ok(document)
    }

    /// Every operation.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// What a reference leads to, and what wraps a single one; anything else is itself.
    pub fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let target = schema["$ref"].as_str().or_else(|| match schema["allOf"].as_array() {
            Some(all) if all.len() == 1 => all[0]["$ref"].as_str(),
            _ => None,
        });
        let target = target.and_then(|target| target.strip_prefix('#'));
        target.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    /// The document itself.
    pub fn root(&self) -> &Value {
        &self.root
    }

    /// The header of a security scheme of the operation that is an API key.
    fn key_header(&self, operation: &Value) -> Option<String> {
        let schemes = operation["security"].as_array().into_iter().flatten();
        let mut names = schemes.filter_map(Value::as_object).flat_map(|scheme| scheme.keys());
        names.find_map(|name| {
            let scheme = self.root.pointer(&format!("/components/securitySchemes/{name}"))?;
            let is_header = scheme["type"] == "apiKey" && scheme["in"] == "header";
            scheme["name"].as_str().filter(|_| is_header).map(str::to_owned)
        })
    }

    fn parameter(&self, parameter: &Value) -> Option<Parameter> {
        let parameter = self.resolve(parameter);
        let place = match parameter["in"].as_str()? {
            "path" => Place::Path,
            "query" => Place::Query,
            "header" => Place::Header,
            _ => return None,
        };
        let name = parameter["name"].as_str()?.to_owned();
        let description = parameter["description"].as_str().unwrap_or_default();
        let also = description
            .split('`')
            .filter(|text| text.starts_with(&format!("{name}[")))
            .map(str::to_owned)
            .collect();
        let required = parameter["required"].as_bool().unwrap_or_default();
        let schema = self.resolve(&parameter["schema"]).clone();
        let example = parameter["example"].clone();
        Some(Parameter { name, place, schema, required, example, also })
    }
}

/// What stands before the paths of a document, or before one of them: the path of its server's
/// address.
fn base(of: &Value) -> Option<String> {
    let server = of.pointer("/servers/0/url")?.as_str()?;
    let path = match server.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => server,
    };
    Some(path.trim_end_matches('/').to_owned())
}

fn json_schema(body: &Value) -> Option<&Value> {
    let content = body["content"].as_object()?;
    let json = content.get("application/json").or_else(|| {
        content.iter().find(|(name, _)| name.contains("json")).map(|(_, media)| media)
    })?;
    json.get("schema")
}

impl Operation {
    /// What its records are called: `/customers/tags/{id}/restore` has `tags`.
    pub fn kind(&self) -> &str {
        let leading = self.path.split('/').take_while(|segment| !segment.starts_with('{'));
        leading.filter(|segment| !segment.is_empty()).last().unwrap_or_default()
    }

    /// The last word of its path that is no parameter: of `/customers/{id}/notes`, `notes`.
    pub fn last_word(&self) -> &str {
        let mut segments = self.path.split('/');
        segments.rfind(|word| !word.is_empty() && !word.starts_with('{')).unwrap_or_default()
    }

    /// The parameters of its path, each with the kind of record that it names, which is the word
    /// before it.
    pub fn path_parameters(&self) -> Vec<(&Parameter, String)> {
        let mut before = "";
        let mut found = Vec::new();
        for segment in self.path.split('/').filter(|segment| !segment.is_empty()) {
            match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => {
                    let named = |p: &&Parameter| p.place == Place::Path && p.name == name;
                    let parameter = self.parameters.iter().find(named);
                    found.extend(parameter.map(|parameter| (parameter, before.to_owned())));
                }
                None => before = segment,
            }
        }
        found
    }

    /// Whether it makes a record of the kind that its path ends with.
    pub fn creates(&self) -> bool {
        self.method == Method::POST && self.statuses.contains(&201) && self.body.is_some()
    }

    /// Whether it only reads.
    pub fn reads(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }

    /// Its path with values in place of parameters; encoded.
    pub fn path_with(&self, value: impl Fn(&str) -> String) -> String {
        let segments = self.path.split('/').map(|segment| {
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            name.map_or_else(|| segment.to_owned(), |name| encoded(&value(name)))
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

/// The type of a schema: the first that is not null, where it has several.
pub(super) fn kind(schema: &Value) -> &str {
    let several = schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let of = schema["type"].as_str().or_else(|| several.into_iter().find(|of| *of != "null"));
    of.unwrap_or_default()
}

/// The schemas of which one holds, but for that of nothing.
pub(super) fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    let choices = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    choices.into_iter().flatten().filter(|one| one["type"] != "null")
}

/// A value as it stands in a path or a query.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_are_read_with_what_they_refer_to() {
        let document = Document::new(json!({
            "servers": [{"url": "https://crm.example/api/v1/"}],
            "paths": {"/customers/{id}/tags/{tagId}": {"put": {
                "security": [{"bearer": []}, {"key": []}],
                "parameters": [
                    {"name": "id", "in": "path", "schema": {"type": "string", "format": "uuid"}},
                    {"name": "tagId", "in": "path", "schema": {"type": "string"}},
                    {"$ref": "#/components/parameters/Tenant"}
                ],
                "requestBody": {"required": true, "content": {"application/json": {
                    "schema": {"$ref": "#/components/schemas/Input"}
                }}},
                "responses": {"200": {}, "404": {}}
            }}},
            "components": {
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "key": {"type": "apiKey", "in": "header", "name": "X-Key"}
                },
                "parameters": {"Tenant": {"name": "X-Tenant-ID", "in": "header", "schema": {}}},
                "schemas": {"Input": {"type": "object"}}
            }
        }))
        .unwrap();
        let [operation] = document.operations() else { panic!() };
        assert_eq!(operation.name, "PUT /customers/{id}/tags/{tagId}");
        assert_eq!(operation.kind(), "customers");
        let kinds: Vec<_> =
            operation.path_parameters().into_iter().map(|(p, k)| (&*p.name, k)).collect();
        assert_eq!(kinds, [("id", "customers".to_owned()), ("tagId", "tags".to_owned())]);
        assert_eq!(operation.parameters[2].place, Place::Header);
        assert_eq!(document.resolve(operation.body.as_ref().unwrap()), &json!({"type": "object"}));
        assert_eq!(operation.key_header.as_deref(), Some("X-Key"));
        assert!(operation.guarded && operation.needs_body && operation.statuses.contains(&404));
        assert_eq!(
            operation.path_with(|name| format!("{name}/")),
            "/api/v1/customers/id%2F/tags/tagId%2F"
        );
    }
}
