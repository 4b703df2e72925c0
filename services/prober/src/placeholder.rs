//! `{revision}`, `{<component>.commit}`, `{<component>.digest}` and `{<component>.tag}` in URLs and expectations.

use proto::Deployment;
use serde_json::Value;

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPlaceholder {
    /// It names nothing of a deployment.
    #[error("`{{{name}}}` stands for nothing; there are {known}")]
    Unknown {
        /// What stands between the braces.
        name: String,
        /// What may stand there.
        known: String,
    },
    /// It names something this deployment has not.
    #[error("`{{{name}}}` is not known of this deployment: {why}")]
    Absent {
        /// What stands between the braces.
        name: String,
        /// Where it would come from.
        why: &'static str,
    },
}

/// The text with every placeholder filled in. Braces around anything but letters, digits, `-`, `_` and `.` are just
/// braces: expectations may hold JSON.
pub(crate) fn fill(text: &str, deployment: &Deployment) -> Result<String, BadPlaceholder> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, inner) = (&rest[..open], &rest[open + 1..]);
        filled.push_str(before);
        if let Some(close) = inner.find('}').filter(|&close| is_name(&inner[..close])) {
            filled.push_str(&value(&inner[..close], deployment)?);
            rest = &inner[close + 1..];
        } else {
            filled.push('{');
            rest = inner;
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The value with the placeholders in its strings filled in, however deep they are.
pub(crate) fn fill_json(value: &Value, deployment: &Deployment) -> Result<Value, BadPlaceholder> {
    Ok(match value {
        Value::String(text) => Value::String(fill(text, deployment)?),
        Value::Array(items) => Value::Array(items.iter().map(|v| fill_json(v, deployment)).collect::<Result<_, _>>()?),
        Value::Object(map) => {
            let filled = map.iter().map(|(k, v)| Ok((k.clone(), fill_json(v, deployment)?)));
            Value::Object(filled.collect::<Result<_, _>>()?)
        }
        other => other.clone(),
    })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn value(name: &str, deployment: &Deployment) -> Result<String, BadPlaceholder> {
    if name == "revision" {
        return Ok(deployment.revision.to_string());
    }
    let unknown = || BadPlaceholder::Unknown { name: name.to_owned(), known: known(deployment) };
    let absent = |why| BadPlaceholder::Absent { name: name.to_owned(), why };
    let (component, part) = name.split_once('.').ok_or_else(unknown)?;
    let released = deployment.release.iter().find(|(c, _)| c.as_str() == component);
    let released = released.map(|(_, released)| released).ok_or_else(unknown)?;
    match part {
        "digest" => Ok(released.digest.to_string()),
        "commit" => {
            let why = "the image has no label `org.opencontainers.image.revision`";
            released.commit.as_ref().map(ToString::to_string).ok_or_else(|| absent(why))
        }
        "tag" => released.tag.clone().ok_or_else(|| absent("the image is deployed by its digest alone")),
        _ => Err(unknown()),
    }
}

fn known(deployment: &Deployment) -> String {
    let of = |component| ["commit", "digest", "tag"].map(|part| format!("`{{{component}.{part}}}`"));
    let components = deployment.release.keys().flat_map(of);
    Some("`{revision}`".to_owned()).into_iter().chain(components).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use serde_json::json;

    use super::*;

    fn deployment() -> Deployment {
        let (commit, digest) = ("c".repeat(40), format!("sha256:{}", "d".repeat(64)));
        serde_json::from_value(json!({
            "app": "shop", "environment": "staging", "repository": "https://git.example/gitops.git", "branch": "main",
            "path": "staging", "revision": "a".repeat(40), "changed": ["web"], "reason": "deploy",
            "release": {
                "web": { "image": "ghcr.io/acme/web", "digest": digest, "commit": commit },
                "api": { "image": "ghcr.io/acme/api", "digest": digest, "tag": "main" },
            },
        }))
        .unwrap()
    }

    #[test]
    fn what_was_deployed_is_filled_in() {
        let filled = fill("/{revision}/{web.commit}?{api.tag}", &deployment()).unwrap();
        assert_eq!(filled, format!("/{}/{}?main", "a".repeat(40), "c".repeat(40)));
        let filled = fill_json(&json!({ "v": ["{api.tag}", 1, null] }), &deployment()).unwrap();
        assert_eq!(filled, json!({ "v": ["main", 1, null] }));
    }

    #[test]
    fn braces_of_json_are_just_braces() {
        for text in [r#"{"status":"ok"}"#, "{}", "{ revision }", "a{b", "}{"] {
            assert_eq!(fill(text, &deployment()).unwrap(), text);
        }
        assert_eq!(fill(r#"{"tag":"{api.tag}"}"#, &deployment()).unwrap(), r#"{"tag":"main"}"#);
    }

    #[test]
    fn what_stands_for_nothing_is_named() {
        for bad in ["{version}", "{db.commit}", "{web.commits}"] {
            let error = fill(bad, &deployment()).unwrap_err().to_string();
            assert!(error.contains(&format!("`{bad}`")) && error.contains("`{web.commit}`"), "{error}");
        }
        let error = fill("{web.tag}", &deployment()).unwrap_err();
        assert!(matches!(error, BadPlaceholder::Absent { .. }), "{error}");
        assert!(fill("{api.commit}", &deployment()).unwrap_err().to_string().contains("image.revision"));
    }
}
