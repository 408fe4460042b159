//! The JSON schema of the file, made from the tables of its keys.

use super::keys::{self, GROUP, Key, Kind, MEMBER, OWN, SETTINGS, TLS, WHOLE};
use qa_resource_core::Settings;
use serde_json::{Map, Value, json};

/// What `humantime` reads, such as `1m 30s`.
const DURATION: &str = r"^\s*\d+\s*[a-zA-Zµ]+(\s*\d+\s*[a-zA-Zµ]+)*\s*$";

pub(super) fn schema() -> Value {
    let mut whole = properties(&WHOLE);
    whole["shutdown_timeout"]["default"] = json!("25s");
    whole.insert(
        "resource".to_owned(),
        json!({
            "type": "array",
            "description": "the resources, in the order in which they are added to the pool",
            "items": resource(),
        }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The configuration of a pool of qa-resource",
        "type": "object",
        "properties": whole,
        "additionalProperties": false,
    })
}

fn resource() -> Value {
    let mut own = properties(&OWN);
    own["name"]["minLength"] = json!(1);
    own["required"]["default"] = json!(true);
    own.insert(
        "tls".to_owned(),
        json!({
            "type": "object",
            "description": "whom to trust, where the URL asks for TLS",
            "properties": properties(&TLS),
            "additionalProperties": false,
        }),
    );
    own.insert("group".to_owned(), group());
    own.extend(properties(&SETTINGS));
    let defaults = keys::settings(&Settings::default());
    for (key, default) in defaults.into_iter().filter(|(_, default)| !default.is_null()) {
        own[&key]["default"] = default;
    }
    // Either, or none: the environment may have it. Never both.
    let both = |key: &str| json!({ "required": [key, format!("{key}_file")] });
    json!({
        "type": "object",
        "properties": own,
        "required": ["name"],
        "not": { "anyOf": [both("url"), both("user"), both("password")] },
        "additionalProperties": false,
    })
}

fn group() -> Value {
    let mut own = properties(&GROUP);
    own["policy"]["enum"] = json!(["least-loaded", "round-robin", "failover"]);
    let defaults = [
        ("policy", json!("least-loaded")),
        ("failback_after", json!("30s")),
        ("ejection_failures", json!(3)),
        ("ejection_first", json!("1s")),
        ("ejection_longest", json!("30s")),
        ("weight", json!(1)),
    ];
    for (key, default) in defaults {
        own[key]["default"] = default;
    }
    let mut member = properties(&MEMBER);
    member["weight"]["default"] = json!(1);
    own.insert(
        "members".to_owned(),
        json!({
            "type": "array",
            "description": "the servers beside the one of the url, in order",
            "items": {
                "type": "object",
                "properties": member,
                "required": ["host"],
                "additionalProperties": false,
            },
        }),
    );
    json!({
        "type": "object",
        "description": "other servers that are alike, and how the group of all of them behaves",
        "properties": own,
        "additionalProperties": false,
    })
}

fn properties(keys: &[Key]) -> Map<String, Value> {
    let property = |(name, kind, meaning): &Key| {
        let mut property = match kind {
            Kind::Duration => json!({ "type": "string", "pattern": DURATION }),
            Kind::Count => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
            Kind::Flag => json!({ "type": "boolean" }),
            Kind::Text | Kind::Secret | Kind::Path => json!({ "type": "string" }),
        };
        property["description"] = json!(meaning);
        ((*name).to_owned(), property)
    };
    keys.iter().map(property).collect()
}
