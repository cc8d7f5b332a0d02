//! The document as its readers have it: every operation says all that a caller needs, and its
//! examples are true.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Backend, TestServer, document, faults, resolve};

fn operations() -> Vec<(String, &'static Value)> {
    let paths = document()["paths"].as_object().unwrap();
    let each = |(path, item): (&'static String, &'static Value)| {
        let item = item.as_object().unwrap();
        item.iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
    };
    paths.iter().flat_map(each).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The example of a media type.
fn example(media: &Value) -> Option<&Value> {
    let several = media["examples"].as_object().and_then(|all| all.values().next());
    let of_several = several.map(|example| &resolve(example, document())["value"]);
    media.get("example").or(of_several)
}

#[test]
fn every_operation_is_described() {
    let mut ids = BTreeSet::new();
    let areas = document()["tags"].as_array().unwrap();
    for (name, operation) in operations() {
        assert!(!text(operation, "summary").is_empty(), "{name} has no summary");
        assert!(!text(operation, "description").is_empty(), "{name} has no description");
        let said = format!("{}{}", text(operation, "summary"), text(operation, "description"));
        assert!(!said.contains("{record"), "{name}: {said}");
        let id = text(operation, "operationId");
        let plain = id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(plain && (4..=50).contains(&id.len()), "{name}: {id:?} is no good name");
        assert!(ids.insert(id), "{name}: {id} twice");
        let tag = operation["tags"][0].as_str().unwrap_or_default();
        assert!(areas.iter().any(|area| area["name"] == tag), "{name}: {tag:?}");
        assert!(operation["security"].is_array(), "{name} does not say who may call it");
    }
    for area in areas {
        assert!(!text(area, "description").is_empty(), "{area}");
    }
}

#[test]
fn every_parameter_is_described_with_an_example_that_it_takes() {
    for (name, operation) in operations() {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let parameter = resolve(parameter, document());
            let name = format!("{name} {}", text(parameter, "name"));
            assert!(!text(parameter, "description").is_empty(), "{name}: no description");
            let example = parameter.get("example").unwrap_or_else(|| panic!("{name}: no example"));
            let wrong = faults(&parameter["schema"], example, document());
            assert!(wrong.is_empty(), "{name}: {wrong:?}");
        }
    }
}

#[test]
fn every_body_and_every_answer_has_an_example_of_its_schema() {
    for (name, operation) in operations() {
        let mut bodies = vec![(name.clone(), &operation["requestBody"])];
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = resolve(response, document());
            assert!(!text(response, "description").is_empty(), "{name} {status}");
            assert!(response["content"].is_object(), "{name} {status} has no content");
            bodies.push((format!("{name} {status}"), response));
        }
        for (name, body) in bodies {
            for (media_type, media) in body["content"].as_object().into_iter().flatten() {
                let name = format!("{name} {media_type}");
                let example = example(media).unwrap_or_else(|| panic!("{name} has no example"));
                if media_type.ends_with("json") {
                    let wrong = faults(&media["schema"], example, document());
                    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
                }
            }
        }
    }
}

#[test]
fn every_failure_has_the_one_schema_and_its_codes() {
    for (name, operation) in operations() {
        let responses = operation["responses"].as_object().unwrap();
        let guarded = !operation["security"].as_array().unwrap().is_empty();
        let needed = ["500", "503"].into_iter();
        let needed = needed.chain(["401", "403"].into_iter().filter(|_| guarded));
        let body = operation.get("requestBody").is_some();
        let needed = needed.chain(["400", "413", "415", "422"].into_iter().filter(|_| body));
        for status in needed {
            assert!(responses.contains_key(status), "{name} lacks {status}");
        }
        for (status, response) in responses.iter().filter(|(status, _)| !status.starts_with('2')) {
            let response = resolve(response, document());
            let schema = &response["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/ErrorReply", "{name} {status}");
            let codes = response["x-codes"].as_array().map_or(0, Vec::len);
            assert!(codes > 0, "{name} {status} has no codes");
        }
    }
}

#[test]
fn nothing_but_what_openapi_3_1_knows_is_in_the_schemas() {
    let text = document()["components"]["schemas"].to_string();
    for old in ["\"nullable\":", "\"allOf\":", "\"title\":\""] {
        assert!(!text.contains(old), "{old} is of OpenAPI 3.0, or makes a second name");
    }
}

/// The example of a JSON body that an operation takes.
fn sent(operation: &Value) -> Value {
    let content = operation["requestBody"]["content"].as_object().unwrap();
    let json = content.iter().find(|(media_type, _)| media_type.ends_with("json")).unwrap();
    example(json.1).unwrap().clone()
}

async fn examples_are_taken(backend: Backend) {
    let server = TestServer::writing(backend).await;
    let paths = document()["paths"].as_object().unwrap();
    let nobody = server.anonymous();
    for path in ["/auth/signup", "/auth/login"] {
        let answer = nobody.post(&format!("/api/v1{path}"), sent(&paths[path]["post"])).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.json());
    }
    let owner = server.owner("acme").await;
    let mut tried = 0;
    for (path, item) in paths {
        let creates = item.pointer("/post/responses/201").is_some();
        // Relations and their kinds name records and types, which no example can know.
        if !creates
            || path.contains('{')
            || path.starts_with("/auth")
            || path.starts_with("/relations")
        {
            continue;
        }
        let created = owner.post(&format!("/api/v1{path}"), sent(&item["post"])).await;
        let id = created.is(201)["data"]["id"].as_str().unwrap().to_owned();
        let one = format!("/api/v1{path}/{id}");
        // A tenant is known by another name in its path, and tried by its own tests.
        let Some(item) = paths.get(&format!("{path}/{{id}}")) else { continue };
        for method in ["get", "put", "patch", "delete"] {
            let Some(operation) = item.get(method) else { continue };
            let body = operation.get("requestBody").map(|_| sent(operation));
            let method = method.to_uppercase().parse().unwrap();
            owner.send(method, &one, body).await.is(200);
            tried += 1;
        }
    }
    assert!(tried >= 12, "{tried}");
    server.stop().await;
}

#[tokio::test]
async fn the_examples_of_bodies_are_taken_as_they_stand_on_memory() {
    examples_are_taken(Backend::Memory).await;
}

#[tokio::test]
async fn the_examples_of_bodies_are_taken_as_they_stand_on_postgres() {
    examples_are_taken(Backend::Postgres).await;
}
