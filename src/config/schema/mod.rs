//! A JSON Schema (2020-12) of the configuration file, for editors and for those who write files by
//! program. What each key means and its default stand in `config.example.toml`, and are read there;
//! what may be written is said by `shapes`. It is a first check: `sidehook check` is the whole one.

mod example;
mod shapes;

use serde_json::{Map, Value, json};

use super::keys::{SECTIONS, Section};
use super::layers::EXAMPLE;
use example::{Documented, Example};

/// The schema.
pub fn schema() -> Value {
    let example = Example::read(EXAMPLE);
    let sections = SECTIONS.iter().map(|section| {
        let mut schema = if section.repeated {
            json!({"type": "array", "items": table(section, &example)})
        } else {
            table(section, &example)
        };
        if let Some(description) = example.of_section(section.name) {
            schema["description"] = description.into();
        }
        (section.name.to_owned(), schema)
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sidehook",
        "description": "The configuration of sidehook. Every key may be left out; its default is \
            what config.example.toml says.",
        "type": "object",
        "properties": sections.collect::<Map<_, _>>(),
        "additionalProperties": false,
        "$defs": shapes::definitions(),
    })
}

/// A section's keys, and no others.
fn table(section: &Section, example: &Example) -> Value {
    let keys = section.keys.iter().map(|&(key, kind)| {
        let documented = example.of_key(section.name, key);
        let mut shape = shapes::shape(section.name, key, kind, documented.map(|d| &d.value));
        if let Some(Documented { description, value, is_default, .. }) = documented {
            shape["description"] = description.as_str().into();
            if *is_default {
                shape["default"] = value.clone();
            } else {
                shape["examples"] = json!([value]);
            }
        }
        (key.to_owned(), shape)
    });
    let mut table = json!({
        "type": "object",
        "properties": keys.collect::<Map<_, _>>(),
        "additionalProperties": false,
    });
    let required = shapes::required(section.name);
    if !required.is_empty() {
        table["required"] = json!(required);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_description_a_shape_and_a_value() {
        let schema = schema();
        for section in SECTIONS {
            let table = &schema["properties"][section.name];
            let table = if section.repeated { &table["items"] } else { table };
            let keys = table["properties"].as_object().expect("a table");
            assert_eq!(keys.len(), section.keys.len(), "{}", section.name);
            for (key, shape) in keys {
                let what = format!("{} {key}: {shape}", section.heading());
                let description = shape["description"].as_str().unwrap_or_default();
                assert!(description.len() > 10, "config.example.toml does not describe {what}");
                let has = |name| shape.get(name).is_some();
                let has_shape = ["type", "$ref", "oneOf", "enum"].into_iter().any(has);
                assert!(has_shape, "config/schema/shapes.rs does not know {what}");
                assert!(has("default") || has("examples"), "{what}");
                assert!(!(section.repeated && has("default")), "{what}");
            }
        }
    }

    #[test]
    fn meanings_and_defaults_are_those_of_the_example() {
        let schema = schema();
        let proxy = &schema["properties"]["proxy"]["properties"];
        assert_eq!(proxy["connect_timeout"]["default"], "5s");
        assert_eq!(proxy["connect_timeout"]["$ref"], "#/$defs/duration");
        assert_eq!(
            proxy["connect_timeout"]["description"],
            "Time for a connection to the upstream, its addresses one after the other and TLS included; above: 504."
        );
        let capture = &schema["properties"]["capture"]["properties"];
        assert_eq!(
            capture["max_request_body"]["description"], capture["max_response_body"]["description"],
            "one comment above two keys is of both"
        );
        let webhook = &schema["properties"]["webhook"];
        assert!(webhook["description"].as_str().expect("a text").starts_with("Where events go"));
        assert_eq!(webhook["items"]["properties"]["retry"]["examples"][0][0], "5s");
    }
}
