//! Placeholders in URLs and expectations, filled in with what was deployed.

use proto::{Deployment, ReleasedImage};
use runtime::config::deployed::{self, Deployed, StandsForNothing};
use serde_json::Value;

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPlaceholder {
    /// It names nothing of a deployment.
    #[error(transparent)]
    Unknown(#[from] StandsForNothing),
    /// It names something this deployment has not.
    #[error("`{{{name}}}` is not known of this deployment: {why}")]
    Absent {
        /// What stands between the braces.
        name: String,
        /// Where it would come from.
        why: &'static str,
    },
}

/// The text with every placeholder filled in.
pub(crate) fn fill(text: &str, deployment: &Deployment) -> Result<String, BadPlaceholder> {
    deployed::fill(text, &deployment.release.keys(), &|placeholder| value(placeholder, deployment))
}

/// The value with the placeholders in its strings filled in, however deep they are.
pub(crate) fn fill_json(json: &Value, deployment: &Deployment) -> Result<Value, BadPlaceholder> {
    deployed::fill_json(json, &deployment.release.keys(), &|placeholder| value(placeholder, deployment))
}

fn value(placeholder: Deployed, deployment: &Deployment) -> Result<String, BadPlaceholder> {
    let released = |component: &str| deployment.release.iter().find(|(name, _)| name.as_str() == component);
    let of = |component: &str, part: &str, why, get: fn(&ReleasedImage) -> Option<String>| {
        let found = released(component).and_then(|(_, released)| get(released));
        found.ok_or_else(|| BadPlaceholder::Absent { name: format!("{component}.{part}"), why })
    };
    match placeholder {
        Deployed::Revision => Ok(deployment.revision.to_string()),
        Deployed::Digest(component) => {
            of(component, "digest", "it was not released", |released| Some(released.digest.to_string()))
        }
        Deployed::Commit(component) => {
            let why = "the image has no label `org.opencontainers.image.revision`";
            of(component, "commit", why, |released| released.commit.as_ref().map(ToString::to_string))
        }
        Deployed::Tag(component) => {
            of(component, "tag", "the image is deployed by its digest alone", |released| released.tag.clone())
        }
    }
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
