//! The JSON API as an `OpenAPI` 3.1 document, made from the table of routes and the types that read and write what is sent,
//! so that it cannot say anything else. `openapi.json` is the same, kept to be read and compared.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    api::described::{self, IN_PATHS, Operation, Parameter},
    fault::{Problem, REFUSALS},
    routes::{ROUTES, Row, Who},
};

const ABOUT: &str = "The operators' JSON API of Windlass: every event and dead letter, how each environment stands, and \
                     orders. What is ordered is an event, kept with who and why; an answer of 202 says that it is durable.";

/// The document.
pub fn document() -> Value {
    let mut of = Schemas::new();
    let mut paths = Map::new();
    for (row, operation) in ROUTES.iter().filter_map(|row| Some((row, row.described?))) {
        let methods = paths.entry(row.path).or_insert_with(|| json!({}));
        methods[row.method.to_lowercase()] = of.operation(row, operation);
    }
    let responses: Map<_, _> =
        REFUSALS.iter().map(|(status, when)| (status.to_string(), of.refusal(*status, when))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Windlass's console",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache 2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "an operator's token, as `console.operators` has it",
            } },
            "responses": responses,
            "schemas": of.all(),
        },
    })
}

/// What is sent there and what comes back are described apart: what may be left out of the one always stands in the other.
struct Schemas {
    taken: SchemaGenerator,
    given: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self { taken: settings.clone().into_generator(), given: settings.for_serialize().into_generator() }
    }

    fn operation(&mut self, row: &Row, operation: &Operation) -> Value {
        let mut parameters: Vec<_> =
            in_braces(row.path).filter_map(find).map(|parameter| self.parameter(parameter, "path")).collect();
        parameters.extend(operation.query.iter().map(|parameter| self.parameter(parameter, "query")));
        if operation.is_keyed {
            let says = "Under one key the same order is one, however often it is sent.";
            let key = Parameter { name: described::KEY, says, schema: described::key };
            parameters.push(self.parameter(&key, "header"));
        }
        let mut said = json!({ "operationId": operation.id, "summary": operation.says, "responses": self.responses(row, operation) });
        if !parameters.is_empty() {
            said["parameters"] = parameters.into();
        }
        if let Some(body) = operation.body {
            let schema = body(&mut self.taken);
            // A body with no key that must be there may be left out.
            let is_required = self.taken_requires(schema.as_value());
            said["requestBody"] =
                json!({ "required": is_required, "content": { "application/json": { "schema": schema } } });
        }
        said
    }

    /// Whether what is sent must hold something.
    fn taken_requires(&self, schema: &Value) -> bool {
        let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let schema = name.and_then(|name| self.taken.definitions().get(name)).unwrap_or(schema);
        schema["required"].as_array().is_some_and(|keys| !keys.is_empty())
    }

    fn parameter(&mut self, parameter: &Parameter, place: &str) -> Value {
        let schema = (parameter.schema)(&mut self.taken);
        json!({
            "name": parameter.name,
            "in": place,
            "required": place == "path",
            "description": parameter.says,
            "schema": schema,
        })
    }

    fn responses(&mut self, row: &Row, operation: &Operation) -> Value {
        let schema = (operation.answer)(&mut self.given);
        let answers = operation.answers.iter().map(|(status, says)| {
            (
                status.to_string(),
                json!({ "description": says, "content": { "application/json": { "schema": schema } } }),
            )
        });
        let refusals = REFUSALS.iter().filter(|(status, _)| may_refuse(*status, row, operation));
        let refusals = refusals
            .map(|(status, _)| (status.to_string(), json!({ "$ref": format!("#/components/responses/{status}") })));
        answers.chain(refusals).collect::<Map<_, _>>().into()
    }

    fn refusal(&mut self, status: u16, when: &str) -> Value {
        let schema = self.given.subschema_for::<Problem>();
        let mut said = json!({ "description": when, "content": { "application/problem+json": { "schema": schema } } });
        if [429, 503].contains(&status) {
            let says = "Seconds after which to send it again.";
            said["headers"] = json!({ "Retry-After": { "description": says, "schema": { "type": "integer" } } });
        }
        said
    }

    fn all(mut self) -> Map<String, Value> {
        let mut all = self.taken.take_definitions(true);
        all.extend(self.given.take_definitions(true));
        all
    }
}

/// Whether a route ever refuses so.
fn may_refuse(status: u16, row: &Row, operation: &Operation) -> bool {
    match status {
        403 => row.who == Who::Orderers,
        404 => operation.names,
        408 | 413 => row.method == "POST",
        _ => true,
    }
}

fn in_braces(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn find(name: &str) -> Option<&'static Parameter> {
    IN_PATHS.iter().find(|parameter| parameter.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn whatever_stands_in_braces_is_described() {
        let api = ROUTES.iter().filter(|row| row.described.is_some());
        let named: BTreeSet<_> = api.flat_map(|row| in_braces(row.path)).collect();
        assert_eq!(named, IN_PATHS.iter().map(|parameter| parameter.name).collect());
    }

    #[test]
    fn each_operation_has_a_name_of_its_own() {
        let ids: Vec<_> = ROUTES.iter().filter_map(|row| Some(row.described?.id)).collect();
        assert!(ids.iter().all(|id| !id.is_empty()));
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    }

    #[test]
    fn what_is_taken_and_what_is_given_have_no_name_in_common_but_for_the_same() {
        let mut of = Schemas::new();
        for (row, operation) in ROUTES.iter().filter_map(|row| Some((row, row.described?))) {
            of.operation(row, operation);
        }
        let (taken, given) = (of.taken.take_definitions(true), of.given.take_definitions(true));
        for (name, schema) in &taken {
            assert!(given.get(name).is_none_or(|other| other == schema), "{name}");
        }
    }
}
