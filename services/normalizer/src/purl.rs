//! Package URLs of images (github.com/package-url/purl-spec): the types `oci` and `docker`.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::said::{Image, Name};

/// A package URL in its parts, decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Purl {
    kind: String,
    namespace: Option<String>,
    name: String,
    version: Option<String>,
    qualifiers: BTreeMap<String, String>,
}

impl Purl {
    /// `pkg:<type>/<namespace>/<name>@<version>?<qualifiers>#<subpath>`; `None` where it is not so.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("pkg:")?.trim_start_matches('/');
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        // An `@` of a namespace or a name is written `%40`.
        let (rest, version) = rest.split_once('@').map_or((rest, None), |(rest, version)| (rest, Some(version)));
        let (kind, path) = rest.split_once('/')?;
        let path = path.trim_matches('/');
        let (namespace, name) = path.rsplit_once('/').map_or((None, path), |(space, name)| (Some(space), name));
        let qualifiers = qualifiers.split('&').filter_map(|pair| pair.split_once('='));
        (!name.is_empty()).then(|| Self {
            kind: kind.to_lowercase(),
            namespace: namespace.map(decoded),
            name: decoded(name),
            version: version.map(decoded).filter(|version| !version.is_empty()),
            qualifiers: qualifiers.map(|(key, value)| (key.to_lowercase(), decoded(value))).collect(),
        })
    }

    /// The image it stands for; `None` for packages of other types.
    pub(crate) fn into_image(mut self) -> Option<Image> {
        let registry = self.qualifiers.remove("repository_url").map(|url| {
            let plain = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
            plain.trim_end_matches('/').to_owned()
        });
        let tag = self.qualifiers.remove("tag");
        let (path, tag) = match self.kind.as_str() {
            // `version` is the digest, and the name is the last part of the repository's.
            "oci" => (self.name, tag),
            // `version` is a digest or a tag; the namespace belongs to the name.
            "docker" => {
                let path = self.namespace.map_or_else(|| self.name.clone(), |space| format!("{space}/{}", self.name));
                (path, tag.or_else(|| self.version.clone()))
            }
            _ => return None,
        };
        let names = match (registry, self.kind.as_str()) {
            // Some write the whole repository there, others what it is in.
            (Some(url), _) => vec![Name::whole(&url), Name::whole(&format!("{url}/{path}"))],
            (None, "docker") => vec![Name::at("docker.io", path)],
            (None, _) => vec![Name { host: None, path }],
        };
        Some(Image { names, tag, digest: self.version })
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn images_are_named_by_either_type_and_in_either_way() {
        let names = |text: &str| {
            let image = Purl::parse(text).unwrap().into_image().unwrap();
            let names: Vec<_> = image.names.iter().filter_map(|name| name.image(None).ok()).collect();
            (names.into_iter().map(String::from).collect::<Vec<_>>(), image.tag, image.digest)
        };
        let digest = format!("sha256:{}", "a".repeat(64));
        let encoded = digest.replace(':', "%3A");
        let whole = format!("pkg:oci/web@{encoded}?repository_url=ghcr.io/acme/web&tag=main");
        assert_eq!(names(&whole).0[0], "ghcr.io/acme/web");
        assert_eq!((names(&whole).1.as_deref(), names(&whole).2), (Some("main"), Some(digest)));
        let inside = names("pkg:oci/web@x?repository_url=https://ghcr.io/acme/");
        assert!(inside.0.contains(&"ghcr.io/acme/web".to_owned()), "{inside:?}");
        assert_eq!(names("pkg:docker/acme/web@main?repository_url=gcr.io").0, ["gcr.io/acme/web"]);
        let hub = names("pkg:docker/nginx@1.27");
        assert_eq!((hub.0, hub.1.as_deref()), (vec!["docker.io/library/nginx".to_owned()], Some("1.27")));
    }

    #[test]
    fn other_packages_are_no_images() {
        for text in ["pkg:npm/left-pad@1", "pkg:golang/example.com/a@1"] {
            assert!(Purl::parse(text).unwrap().into_image().is_none(), "{text}");
        }
        for text in ["", "pkg:", "pkg:oci", "pkg:oci/", "oci/web"] {
            assert_eq!(Purl::parse(text), None, "{text}");
        }
    }
}
