//! The OpenAPI document as a contract: what it says of statuses, texts and numbers. `testing/api/contract` compares a running
//! companion with it.

use std::sync::OnceLock;

use minimodel_companion::api::document;
use serde_json::Value;

/// Method, path and description of each route.
fn operations() -> &'static [(String, String, Value)] {
    static ALL: OnceLock<Vec<(String, String, Value)>> = OnceLock::new();
    ALL.get_or_init(read)
}

fn read() -> Vec<(String, String, Value)> {
    let document = serde_json::to_value(document()).unwrap();
    let paths = document["paths"].as_object().unwrap().clone();
    let methods = |(path, item): (String, Value)| {
        let item = item.as_object().unwrap().clone();
        item.into_iter().map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    };
    paths.into_iter().flat_map(methods).collect()
}

/// The operation of the document that a request line names, if one does.
pub(crate) fn documented(line: &str) -> Option<&'static Value> {
    let (method, target) = line.split_once(' ')?;
    let path = target.split('?').next()?;
    let fits = |template: &str| {
        let (ours, theirs): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|(part, found)| part.starts_with('{') || part == found)
    };
    let all = operations();
    // A fixed path goes before one with a hole, as in the router, whatever its methods.
    let is_fixed = all.iter().any(|(_, template, _)| template == path);
    let is_here = |template: &str| if is_fixed { template == path } else { fits(template) };
    all.iter().find(|(is, template, _)| is == method && is_here(template)).map(|it| &it.2)
}

#[test]
fn every_route_names_each_status_that_it_gives() {
    let known: Vec<u16> = vec![400, 401, 403, 404, 408, 409, 412, 413, 415, 421, 422, 429, 500, 503, 507];
    for (method, path, operation) in operations() {
        let responses = operation["responses"].as_object().unwrap();
        assert!(!responses.contains_key("default"), "{method} {path} leaves its statuses open");
        for (name, response) in responses {
            let status: u16 = name.parse().unwrap();
            assert!(!response["description"].as_str().unwrap().is_empty(), "{method} {path} {status}");
            if status < 300 {
                assert_eq!(response["content"].is_null(), status == 204, "{method} {path}");
            } else {
                assert!(known.contains(&status), "{method} {path} {status}");
                let schema = &response["content"]["application/json"]["schema"];
                assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{method} {path} {status}");
            }
        }
        let is_change = method != "GET";
        assert_eq!(responses.contains_key("415"), is_change, "{method} {path}");
        // The code of a session takes the place of a token.
        let is_closed = !operation["security"].is_null() || path == "/v1/sessions";
        assert_eq!(responses.contains_key("401"), is_closed, "{method} {path}");
    }
}

#[test]
fn whole_numbers_have_bounds_and_texts_of_requests_have_forms() {
    let document = serde_json::to_value(document()).unwrap();
    let mut numbers = 0;
    walk(&document, &mut |schema| {
        let kinds = schema["type"].to_string();
        if kinds.contains("integer") {
            numbers += 1;
            assert!(schema["minimum"].is_number() && schema["maximum"].is_number(), "{schema}");
        }
    });
    assert!(numbers > 50, "the schemas were not found");
    let schemas = &document["components"]["schemas"];
    let requests = [
        "NewShare",
        "NewFetch",
        "NewEntry",
        "NewGrant",
        "Consent",
        "Endpoint",
        "Kept",
        "Fitted",
        "Pinned",
        "NewSession",
    ];
    for name in requests {
        assert_eq!(schemas[name]["additionalProperties"], false, "{name}");
        for (field, schema) in schemas[name]["properties"].as_object().unwrap() {
            let kinds = schema["type"].to_string();
            assert!(!kinds.contains("string") || schema["maxLength"].is_number(), "{name}.{field}: {schema}");
            assert!(!kinds.contains("array") || schema["maxItems"].is_number(), "{name}.{field}: {schema}");
        }
    }
    assert_eq!(schemas["NewFetch"]["properties"]["offers"]["minItems"], 1);
    assert_eq!(schemas["NewFetch"]["required"], serde_json::json!(["offers"]));
    assert_eq!(schemas["Consent"]["properties"]["actions"]["uniqueItems"], true);
    // What may be left out is not null instead.
    let body = &document["paths"]["/v1/library/{id}/activate"]["post"]["requestBody"];
    assert_eq!(
        (&body["required"], body["content"]["application/json"]["schema"]["$ref"].is_string()),
        (&false.into(), true)
    );
}

fn walk(value: &Value, look: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("type") {
                look(value);
            }
            fields.values().for_each(|value| walk(value, look));
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, look)),
        _ => {}
    }
}
