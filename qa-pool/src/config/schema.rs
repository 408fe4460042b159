//! The JSON schema of the file, made from the tables of its keys.

use super::keys::{self, Key, Kind, OWN, SETTINGS, TLS, WHOLE};
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
