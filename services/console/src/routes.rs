//! The one table of what there is: how each is asked for, and who may. The guard opens nothing that is not in it.

use actix_web::{
    HttpRequest, Route,
    error::PathError,
    http::Method,
    middleware::from_fn,
    web::{self, PathConfig, ServiceConfig},
};

use crate::{
    api::{
        self,
        described::{self, Operation},
    },
    fault::Fault,
    fields::Fields,
    filters, guard, pages,
};

/// Who may ask for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Whoever reaches the console.
    Anybody,
    /// Every operator.
    Readers,
    /// Operators who may order.
    Orderers,
}

/// One row of the table.
pub struct Row {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path; what is in braces stands for one part of it.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
    route: fn() -> Route,
    /// What programs are told of it.
    pub(crate) described: Option<&'static Operation>,
}

impl Row {
    /// Whether people send a form there that orders something.
    pub(crate) fn is_form(&self) -> bool {
        self.method == "POST" && self.who == Who::Orderers && self.described.is_none()
    }

    /// Refuses parameters that programs are not told of: a misspelt one would be taken for none.
    pub(crate) fn check(&self, query: &str) -> Result<(), Fault> {
        self.described.map_or(Ok(()), |operation| filters::only(&Fields::read(query.as_bytes()), operation.query))
    }
}

macro_rules! rows {
    ($($method:literal $path:literal $who:ident => $handler:path $(, as $operation:ident)?;)+) => {
        &[$(Row {
            method: $method,
            path: $path,
            who: Who::$who,
            route: || method($method).to($handler),
            described: rows!(@described $($operation)?),
        }),+]
    };
    (@described) => { None };
    (@described $operation:ident) => { Some(&described::$operation) };
}

/// Everything there is. The first that fits is it.
pub const ROUTES: &[Row] = rows! {
    "GET" "/style.css" Anybody => pages::style;
    "GET" "/sign-in" Anybody => pages::sign_in::form;
    "POST" "/sign-in" Anybody => pages::sign_in::enter;
    "POST" "/sign-out" Readers => pages::sign_in::leave;
    "GET" "/" Readers => pages::overview::page;
    "GET" "/events" Readers => pages::events::list;
    "GET" "/events/{id}" Readers => pages::event::page;
    "GET" "/events/{id}/replay" Orderers => pages::replay::of_event;
    "POST" "/events/{id}/replay" Orderers => pages::replay::event;
    "GET" "/approvals/{id}" Readers => pages::approval::page;
    "POST" "/approvals/{id}" Orderers => pages::approval::answer;
    "GET" "/apps/{app}/environments/{environment}/{order}" Orderers => pages::order::of_environment;
    "POST" "/apps/{app}/environments/{environment}/{order}" Orderers => pages::order::environment;
    "GET" "/apps/{app}/quarantine/{digest}" Orderers => pages::order::of_digest;
    "POST" "/apps/{app}/quarantine/{digest}" Orderers => pages::order::digest;
    "GET" "/apps/{app}/owed/{commit}" Orderers => pages::order::of_fix;
    "POST" "/apps/{app}/owed/{commit}" Orderers => pages::order::fix;
    "GET" "/dead" Readers => pages::dead::list;
    "POST" "/dead/replay" Orderers => pages::replay::letters;
    "GET" "/dead/{id}" Readers => pages::dead::page;
    "GET" "/api/v1/me" Readers => api::read::me, as ME;
    "GET" "/api/v1/openapi.json" Readers => api::read::openapi, as OPENAPI;
    "GET" "/api/v1/status" Readers => api::read::status, as STATUS;
    "GET" "/api/v1/events" Readers => api::read::events, as EVENTS;
    "GET" "/api/v1/events/{id}" Readers => api::read::event, as EVENT;
    "POST" "/api/v1/events/{id}/replay" Orderers => api::order::replay_event, as REPLAY_EVENT;
    "GET" "/api/v1/approvals" Readers => api::read::approvals, as APPROVALS;
    "GET" "/api/v1/approvals/{id}" Readers => api::read::approval, as APPROVAL;
    "POST" "/api/v1/approvals/{id}/{answer}" Orderers => api::order::answer, as ANSWER;
    "POST" "/api/v1/apps/{app}/environments/{environment}/{order}" Orderers => api::order::environment, as ORDER;
    "POST" "/api/v1/apps/{app}/quarantine/{digest}/release" Orderers => api::order::digest, as RELEASE;
    "POST" "/api/v1/apps/{app}/owed/{commit}/settle" Orderers => api::order::fix, as SETTLE;
    "GET" "/api/v1/dead" Readers => api::read::dead, as DEAD;
    "GET" "/api/v1/dead/{id}" Readers => api::read::letter, as LETTER;
    "POST" "/api/v1/dead/replay" Orderers => api::order::replay_letters, as REPLAY_LETTERS;
};

/// Has the server answer them.
pub(crate) fn register(config: &mut ServiceConfig) {
    let odd = |error: PathError, _: &HttpRequest| Fault::Invalid(error.to_string()).into();
    config.app_data(PathConfig::default().error_handler(odd));
    for row in ROUTES {
        let route = (row.route)();
        // Orders have deadlines of their own.
        let looks = row.method == "GET";
        config.route(row.path, if looks { route.wrap(from_fn(guard::in_time)) } else { route });
    }
    config.default_service(web::to(async || Err::<String, _>(Fault::NoSuchPage)));
}

/// The row of what is asked for so; none where nothing is.
pub(crate) fn row(method: &Method, path: &str) -> Option<&'static Row> {
    ROUTES.iter().find(|row| method.as_str() == row.method && fits(row.path, path))
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(wanted), Some(part)) if wanted == part || (wanted.starts_with('{') && !part.is_empty()) => {}
            _ => return false,
        }
    }
}

fn method(name: &str) -> Route {
    if name == "POST" { web::post() } else { web::get() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(method: &Method, path: &str) -> Option<Who> {
        row(method, path).map(|row| row.who)
    }

    #[test]
    fn programs_are_told_of_every_route_of_theirs_and_of_no_other() {
        for row in ROUTES {
            assert_eq!(row.described.is_some(), row.path.starts_with("/api/"), "{} {}", row.method, row.path);
        }
    }

    #[test]
    fn what_is_in_no_row_is_nothing() {
        assert_eq!(who(&Method::GET, "/sign-in"), Some(Who::Anybody));
        assert_eq!(who(&Method::POST, "/dead/replay"), Some(Who::Orderers));
        assert_eq!(who(&Method::GET, "/dead/3f2a"), Some(Who::Readers));
        for (method, path) in [
            (Method::GET, ""),
            (Method::GET, "/sign-in/"),
            (Method::GET, "//sign-in"),
            (Method::GET, "/sign-in/x"),
            (Method::GET, "/STYLE.css"),
            (Method::GET, "/events/"),
            (Method::GET, "/events/a/b"),
            (Method::POST, "/style.css"),
            (Method::DELETE, "/sign-in"),
        ] {
            assert_eq!(who(&method, path), None, "{method} {path}");
        }
    }
}
