//! What there is, for whoever named what there is not.

use std::fmt::Display;

/// From which likeness on one name is taken for another that was meant, between 0 and 1 (Jaro and Winkler's).
const ALIKE: f64 = 0.85;

/// `there are: one, two`, to stand after what there is not.
pub fn there_are(names: impl IntoIterator<Item = impl Display>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| name.to_string()).collect();
    if names.is_empty() { "there are none".to_owned() } else { format!("there are: {}", names.join(", ")) }
}

/// `; write `one`, if that is meant`, to stand after what there is not, where it is one of these mistyped; else nothing.
pub fn meant(given: &str, names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let plain = |word: &str| word.to_lowercase().replace('-', "_");
    let alike = names.into_iter().map(|name| (strsim::jaro_winkler(&plain(given), &plain(name.as_ref())), name));
    let best = alike.filter(|(alike, _)| *alike > ALIKE).max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, name)| format!("; write `{}`, if that is meant", name.as_ref())).unwrap_or_default()
}

/// `there is no thing `shpo`; write `shop`, if that is meant; there are: shop, till`.
pub fn there_is_no(what: &str, given: &str, names: &[&str]) -> String {
    format!("there is no {what} `{given}`{}; {}", meant(given, names), there_are(names))
}
