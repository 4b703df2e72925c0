//! What programs are told of each route: what it is asked with, and what it answers. What is described is what is taken:
//! the guard lets no other parameter in, and bodies and answers are described by the types that read and write them.

use operate::{
    approval::Approval,
    history::{LetterJson, StoryJson},
};
use proto::{AppName, EnvironmentName};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{order, read};
use crate::{filters, orders::OfEnvironment};

/// A schema, given where those that it refers to are kept.
pub(crate) type Make = fn(&mut SchemaGenerator) -> Schema;

/// The schema of a type.
pub(crate) fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A parameter, of a path or of a query.
#[derive(Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) says: &'static str,
    pub(crate) schema: Make,
}

/// What a route is asked with, and what it answers where it does not refuse.
pub(crate) struct Operation {
    /// A name for programs.
    pub(crate) id: &'static str,
    pub(crate) says: &'static str,
    pub(crate) query: &'static [Parameter],
    pub(crate) body: Option<Make>,
    /// Each status with what it means.
    pub(crate) answers: &'static [(u16, &'static str)],
    pub(crate) answer: Make,
    /// Whether it names something that may not be there.
    pub(crate) names: bool,
    /// Whether it is one under one key, however often it is sent.
    pub(crate) is_keyed: bool,
}

const FOUND: &[(u16, &str)] = &[(200, "what is asked for")];
const ORDERED: &[(u16, &str)] = &[(202, "it is durable; what comes of it, the chain of its event tells")];
const REPLAYED: &[(u16, &str)] = &[(200, "what would be done"), (202, "it is on its way again")];

/// Something to see of which there is one.
const SEEN: Operation = Operation {
    id: "",
    says: "",
    query: &[],
    body: None,
    answers: FOUND,
    answer: of::<String>,
    names: false,
    is_keyed: false,
};
/// An order.
const GIVEN: Operation = Operation {
    body: Some(of::<order::Reason>),
    answers: ORDERED,
    answer: of::<order::Ordered>,
    names: true,
    is_keyed: true,
    ..SEEN
};

pub(crate) const ME: Operation = Operation { id: "me", says: "Who asks", answer: of::<read::Me<'static>>, ..SEEN };
pub(crate) const OPENAPI: Operation = Operation { id: "openapi", says: "This description", answer: any_object, ..SEEN };
pub(crate) const STATUS: Operation = Operation {
    id: "status",
    says: "How it stands with every app, or with one",
    query: &[Parameter { name: "app", says: "With this app alone.", schema: of::<AppName> }],
    answer: of::<read::Status>,
    names: true,
    ..SEEN
};
pub(crate) const EVENTS: Operation = Operation {
    id: "events",
    says: "Events, the newest first",
    query: filters::EVENTS,
    answer: of::<read::Events>,
    ..SEEN
};
pub(crate) const EVENT: Operation = Operation {
    id: "event",
    says: "One event, who ran on it, and its chain",
    answer: of::<StoryJson>,
    names: true,
    ..SEEN
};
pub(crate) const REPLAY_EVENT: Operation = Operation {
    id: "replay_event",
    says: "Sends an event on its way again",
    body: Some(of::<order::ReplayOne>),
    answers: REPLAYED,
    answer: of::<order::ReplayedOne>,
    names: true,
    ..SEEN
};
pub(crate) const APPROVALS: Operation =
    Operation { id: "approvals", says: "What waits for people", answer: of::<read::Approvals>, ..SEEN };
pub(crate) const APPROVAL: Operation = Operation {
    id: "approval",
    says: "Exactly what is asked, and who answered what",
    answer: of::<Approval>,
    names: true,
    ..SEEN
};
pub(crate) const ANSWER: Operation = Operation {
    id: "answer",
    says: "Lets what waits in, or keeps it out; whether the answer counts, its chain tells",
    body: Some(of::<order::Comment>),
    ..GIVEN
};
pub(crate) const ORDER: Operation = Operation {
    id: "order",
    says: "Holds an environment, lets it go, or takes it back",
    body: Some(of::<order::OrderThere>),
    ..GIVEN
};
pub(crate) const RELEASE: Operation = Operation { id: "release", says: "Lets a digest be deployed again", ..GIVEN };
pub(crate) const SETTLE: Operation = Operation { id: "settle", says: "A fix need not come back", ..GIVEN };
pub(crate) const DEAD: Operation = Operation {
    id: "dead_letters",
    says: "Dead letters, the newest first",
    query: filters::DEAD,
    answer: of::<read::DeadLetters>,
    ..SEEN
};
pub(crate) const LETTER: Operation =
    Operation { id: "dead_letter", says: "One dead letter", answer: of::<LetterJson>, names: true, ..SEEN };
pub(crate) const REPLAY_LETTERS: Operation = Operation {
    id: "replay_dead_letters",
    says: "Sends dead letters to their workers again",
    body: Some(of::<order::ReplayMany>),
    answers: REPLAYED,
    answer: of::<order::ReplayedMany>,
    names: true,
    ..SEEN
};

/// What stands in braces in paths.
pub(crate) const IN_PATHS: &[Parameter] = &[
    Parameter { name: "app", says: "The app.", schema: of::<AppName> },
    Parameter { name: "environment", says: "Its environment.", schema: of::<EnvironmentName> },
    Parameter { name: "id", says: "Its id, or the beginning of it.", schema: beginning },
    Parameter {
        name: "digest",
        says: "The digest, or the beginning of it, with `sha256:` or without.",
        schema: beginning,
    },
    Parameter { name: "commit", says: "The source commit, or the beginning of it.", schema: beginning },
    Parameter { name: "answer", says: "Whether it is let in.", schema: of_answer },
    Parameter { name: "order", says: "What is ordered.", schema: of_order },
];

fn beginning(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 4 })
}

fn of_answer(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["approve", "reject"] })
}

fn of_order(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": OfEnvironment::WORDS.map(|(word, _)| word) })
}

fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

/// The header of a key.
pub(crate) fn key(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": order::LONGEST_KEY })
}

/// Its name.
pub(crate) const KEY: &str = order::KEY;
