//! The one pass over the document that says what holds for all operations.

use crm_core::language::ParameterDescription;
use serde_json::{Map, Value, json};

use super::{errors, examples, lists, parameters, replies, schemas, words};
use crate::api::by_key;

const MERGE_PATCH: &str = "application/merge-patch+json";

/// `described` are the lists of the API, each with its path and its parameters.
pub(super) fn complete(document: &mut Value, described: &[(String, Vec<ParameterDescription>)]) {
    document["openapi"] = json!("3.1.0");
    // Each operation says its own; this is what the reference offers to sign in with.
    document["security"] = json!([{"bearer": []}]);
    schemas::mend(document);
    for (path, parameters) in described {
        lists::complete(document, path, parameters);
    }
    let mut tags: Vec<String> = Vec::new();
    let mut components = Components::take(document);
    let paths = document["paths"].as_object_mut();
    for (path, item) in paths.into_iter().flatten() {
        let lists = described.iter().any(|(listed, _)| listed == path);
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            complete_operation(operation, path, method, lists && method == "get", &mut components);
            if let Some(tag) = operation["tags"][0].as_str()
                && !tags.iter().any(|known| known == tag)
            {
                tags.push(tag.to_owned());
            }
        }
    }
    document["tags"] = words::in_order(tags);
    components.put(document);
    name_changes(document);
    replies::link(document);
    parameters::share(document);
    examples::complete(document);
}

/// What operations share.
#[derive(Default)]
struct Components {
    schemas: Map<String, Value>,
    responses: Map<String, Value>,
}

impl Components {
    fn take(document: &mut Value) -> Self {
        let schemas = match document.pointer_mut("/components/schemas").map(Value::take) {
            Some(Value::Object(schemas)) => schemas,
            _ => Map::new(),
        };
        Self { schemas, responses: Map::new() }
    }

    fn put(mut self, document: &mut Value) {
        self.schemas.insert("ErrorReply".to_owned(), errors::schema());
        self.schemas.insert("Fault".to_owned(), errors::fault());
        let components = &mut document["components"];
        components["schemas"] = Value::Object(self.schemas);
        components["responses"] = Value::Object(self.responses);
        components["headers"] = replies::headers();
        components["securitySchemes"] = json!({
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "The access token of a sign-in. Where an operation takes `apiKey`, \
                                too, an API key may stand here in its place."
            },
            "apiKey": {
                "type": "apiKey",
                "in": "header",
                "name": "X-API-Key",
                "description": "An API key: `crm_`, eight characters by which it is known, `_`, \
                                and 49 more. It is good in one tenant, within its scopes, and \
                                never for more than its user may do. Not together with \
                                `Authorization`."
            }
        });
    }
}

fn complete_operation(
    operation: &mut Value,
    path: &str,
    method: &str,
    lists: bool,
    components: &mut Components,
) {
    if operation["tags"].as_array().is_none_or(Vec::is_empty) {
        operation["tags"] = json!([words::tag(path)]);
    }
    say(operation, path);
    if operation.get("security").is_none() {
        // Said, not left out: nothing is needed here.
        operation["security"] = json!([]);
    }
    let schemes = operation["security"].as_array_mut();
    if let Some(schemes) = schemes.filter(|schemes| !schemes.is_empty())
        && by_key::is_reached(method, path)
    {
        schemes.push(json!({"apiKey": []}));
    }
    let responses = &operation["responses"];
    let creates = responses.get("201").is_some();
    let data = responses.pointer("/200/content/application~1json; charset=utf-8/schema/properties");
    let many =
        data.is_some_and(|data| data.get("meta").is_some() || data["data"]["type"] == "array");
    operation["operationId"] = json!(words::operation_id(method, path, many, creates));
    let traits = errors::traits(operation, path, method, lists);
    for (status, response) in errors::of(&traits, &mut components.responses) {
        operation["responses"][status] = response;
    }
    let keyed = errors::takes_key(operation, path, method);
    let rated = !path.starts_with("/health/");
    replies::complete(operation, keyed, rated, &mut components.schemas);
    parameters::complete(operation, path, method);
    take_patch(operation, &mut components.schemas);
}

/// The summary and the description, with the records' name in them. A summary that says all is
/// the description too.
fn say(operation: &mut Value, path: &str) {
    let plural = words::noun(path);
    let singular = words::singular(&plural);
    for key in ["summary", "description"] {
        if let Some(text) = operation[key].as_str() {
            let text = text
                .replace("a {record}", &words::with_article(&singular))
                .replace("{records}", &plural)
                .replace("{record}", &singular);
            operation[key] = json!(text);
        }
    }
    if operation["description"].as_str().is_none_or(str::is_empty) {
        let summary = operation["summary"].as_str().unwrap_or_default();
        let stop = if summary.ends_with(['.', '?', '!']) { "" } else { "." };
        operation["description"] = json!(format!("{summary}{stop}"));
    }
}

/// The body that changes many records, as their handlers share it.
const CHANGES_OF_MANY: &str = "BulkUpdateInput";

/// What changes many records is of a schema of its own for each type, with the patch of one in it.
fn name_changes(document: &mut Value) {
    const SCHEMA: &str = "/requestBody/content/application~1json/schema";
    let mut named = Map::new();
    let paths = document["paths"].as_object_mut().map(std::mem::take).unwrap_or_default();
    let patch_of = |base: &str| {
        let patch =
            paths.get(&format!("{base}/{{id}}"))?.get("patch")?.pointer("/requestBody/content")?;
        schemas::referred(&patch.get(MERGE_PATCH)?["schema"]).map(str::to_owned)
    };
    let mut changed = paths.clone();
    for (path, item) in &mut changed {
        let operation = item.get_mut("post");
        let Some(schema) = operation.and_then(|of| of.pointer_mut(SCHEMA)) else { continue };
        let Some(base) = path.strip_suffix("/bulk/update").or(path.strip_suffix("/bulk-update"))
        else {
            continue;
        };
        let Some(patch) = patch_of(base) else { continue };
        let mut own = document["components"]["schemas"][CHANGES_OF_MANY].clone();
        let noun = patch.trim_end_matches("Patch");
        let mut changes = document["components"]["schemas"][&patch].clone();
        if let Some(fields) = changes["properties"].as_object_mut() {
            // Each record has a version of its own: they are beside the changes.
            fields.remove("version");
        }
        let of_changes = format!("{noun}Changes");
        own["properties"]["changes"] = schemas::reference(&of_changes);
        named.insert(of_changes, changes);
        let name = format!("Bulk{noun}Update");
        *schema = schemas::reference(&name);
        named.insert(name, own);
    }
    document["paths"] = Value::Object(changed);
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.remove(CHANGES_OF_MANY);
        schemas.extend(named);
    }
}

/// A merge patch is of a schema of its own, made from that of the whole.
fn take_patch(operation: &mut Value, known: &mut Map<String, Value>) {
    let content = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut);
    let Some(content) = content.filter(|content| content.contains_key(MERGE_PATCH)) else { return };
    for media in content.values_mut() {
        let Some(name) = schemas::referred(&media["schema"]).map(str::to_owned) else { continue };
        let Some(whole) = known.get(&name) else { continue };
        let patch = schemas::as_patch(whole);
        let name = format!("{}Patch", name.trim_end_matches("Input"));
        media["schema"] = schemas::reference(&name);
        known.insert(name, patch);
    }
}
