//! Who a request is from, and what it sent, as the guard has found it. A handler that asks for either behind no guard
//! gets a refusal.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::{fault::Fault, fields::Fields, operators::Operator, session::Session};

/// Somebody who is known.
#[derive(Clone)]
pub(crate) enum Visitor {
    /// A person, by a session.
    Person(Session),
    /// A program, by its token.
    Program(Operator),
}

impl Visitor {
    pub(crate) fn operator(&self) -> &Operator {
        match self {
            Self::Person(session) => &session.operator,
            Self::Program(operator) => operator,
        }
    }
}

/// The body, which was read within its limits.
#[derive(Clone, Default)]
pub(crate) struct Sent(pub(crate) Bytes);

impl Sent {
    /// As a form.
    pub(crate) fn form(&self) -> Fields {
        Fields::read(&self.0)
    }

    /// As a JSON object; nothing is one without keys. What is read into would take a list for one, by the places in it.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let text: &[u8] = if self.0.trim_ascii().is_empty() { b"{}" } else { &self.0 };
        if text.trim_ascii_start().first() == Some(&b'[') {
            return Err(Fault::Invalid(
                "the body is not what belongs here: it is a list, and not an object".to_owned(),
            ));
        }
        serde_json::from_slice(text).map_err(|why| Fault::Invalid(format!("the body is not what belongs here: {why}")))
    }
}

impl FromRequest for Visitor {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or(Fault::NotSignedIn))
    }
}

impl FromRequest for Sent {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or(Fault::NoBody))
    }
}

impl FromRequest for Fields {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    /// The query.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::read(request.query_string().as_bytes())))
    }
}
