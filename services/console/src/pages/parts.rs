//! What several pages show alike: moments, ids, releases, filters.

use std::collections::BTreeMap;

use maud::{Markup, html};
use proto::{EventId, Release, ReleasedImage, Timestamp};

use crate::fields::Fields;

/// A moment, for people and for programs.
pub(super) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) { (at.strftime("%F %T UTC").to_string()) } }
}

/// An event's id as a link to its page, where it is one.
pub(super) fn event_link(id: &str) -> Markup {
    let Ok(id) = id.parse::<EventId>() else { return html! { code { (id) } } };
    let id = id.to_string();
    html! { a href={ "/events/" (id) } { code { (id[..8]) } } }
}

/// What is in a release: each component with its source commit and its exact digest.
pub(super) fn release(release: &Release) -> Markup {
    html! {
        @if release.is_empty() {
            p { "Nothing is known." }
        } @else {
            ul.release {
                @for (component, image) in release {
                    li { strong { (component.as_str()) } " " (one_image(image)) }
                }
            }
        }
    }
}

/// An image by its source commit or tag, and its digest in full for whoever wants it.
pub(super) fn one_image(image: &ReleasedImage) -> Markup {
    let name = match (&image.commit, &image.tag) {
        (Some(commit), _) => commit.short().to_owned(),
        (None, Some(tag)) => tag.clone(),
        (None, None) => image.digest.short().to_owned(),
    };
    html! { code title=(image.digest.as_str()) { (name) } }
}

/// A message's attributes, as they travelled.
pub(super) fn attributes(attributes: &BTreeMap<String, String>) -> Markup {
    html! {
        dl {
            @for (name, value) in attributes {
                div { dt { (name) } dd { code { (value) } } }
            }
        }
    }
}

/// A labelled field of a filter.
pub(super) fn text_field(name: &str, label: &str, hint: &str, value: Option<&str>) -> Markup {
    html! {
        label { span { (label) } input type="text" name=(name) value=[value] placeholder=(hint) autocomplete="off"; }
    }
}

/// A labelled choice of a filter; anything unless chosen.
pub(super) fn choice(name: &str, label: &str, of: &[&str], chosen: Option<&str>) -> Markup {
    html! {
        label {
            span { (label) }
            select name=(name) {
                option value="" { "any" }
                @for one in of { option value=(one) selected[chosen == Some(*one)] { (one) } }
            }
        }
    }
}

/// The field for why something is ordered.
pub(super) fn reason_field() -> Markup {
    html! {
        label {
            span { "Reason" }
            textarea name="reason" rows="3" maxlength="1000" required { }
        }
    }
}

/// Leads to what is listed before this, where there may be more, and back to the newest.
pub(super) fn older(path: &str, query: &Fields, before: Option<&str>) -> Markup {
    let newest = query.get("before").is_some();
    html! {
        @if newest || before.is_some() {
            nav aria-label="Pages" {
                @if newest { a href={ (path) "?" (query.with("before", "")) } { "Newest" } " " }
                @if let Some(last) = before {
                    a rel="next" href={ (path) "?" (query.with("before", last)) } { "Older" }
                }
            }
        }
    }
}
