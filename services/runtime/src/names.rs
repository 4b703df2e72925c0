//! What there is, for whoever named what there is not.

use std::fmt::Display;

/// `there are: one, two`, to stand after what there is not.
pub fn there_are(names: impl IntoIterator<Item = impl Display>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| name.to_string()).collect();
    if names.is_empty() { "there are none".to_owned() } else { format!("there are: {}", names.join(", ")) }
}
