//! References of images: what they name, and what we write.

use proto::{CommitSha, Digest, ImageName, ReleasedImage};
use runtime::{config::Pin, oci::is_tag};

/// A reference in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    name: &'a str,
    pub(crate) tag: Option<&'a str>,
    pub(crate) digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Takes a value apart. A `:` is a tag's only after the last `/`; before it, it is a port's. What [`replaces`] finds
    /// before it is no part of it.
    pub(crate) fn parse(value: &'a str) -> Self {
        Self::bare(&value[replaces(value).len()..])
    }

    fn bare(value: &'a str) -> Self {
        let (rest, digest) = value.split_once('@').map_or((value, None), |(rest, digest)| (rest, Some(digest)));
        let path = rest.rfind('/').map_or(0, |slash| slash + 1);
        match rest[path..].find(':') {
            Some(colon) => Self { name: &rest[..path + colon], tag: Some(&rest[path + colon + 1..]), digest },
            None => Self { name: rest, tag: None, digest },
        }
    }

    /// Whether it names this image. Docker Hub's may leave their host out, and `library/` (distribution's reference
    /// grammar, "familiar names").
    pub(crate) fn is_of(&self, image: &ImageName) -> bool {
        if self.name == image.as_str() {
            return true;
        }
        let Some(hub) = image.as_str().strip_prefix("docker.io/") else { return false };
        self.name == hub || hub.strip_prefix("library/").is_some_and(|short| self.name == short)
    }

    /// The digest, where there is a proper one.
    pub(crate) fn proper_digest(&self) -> Option<Digest> {
        self.digest.and_then(|digest| Digest::new(digest).ok())
    }

    /// The commit, where the tag is one, as ours are.
    pub(crate) fn commit(&self) -> Option<CommitSha> {
        self.tag.and_then(|tag| CommitSha::new(tag).ok())
    }
}

/// The name and the `=` that stand before an image that is to come in another's place, as in Argo CD's
/// `spec.source.kustomize.images`, which takes what `kustomize edit set image` does: `web=ghcr.io/acme/web:v1`.
pub(crate) fn replaces(value: &str) -> &str {
    let Some(equals) = value.find('=') else { return "" };
    let Reference { name, tag, digest } = Reference::bare(&value[..equals]);
    if name.is_empty() || tag.is_some() || digest.is_some() { "" } else { &value[..=equals] }
}

/// What is written for this image: the digest decides what runs, the tag is for people, unless it is all there is.
pub(crate) fn value_of(released: &ReleasedImage, pin: Pin) -> Result<String, String> {
    let ReleasedImage { image, tag, digest, .. } = released;
    Ok(match (pin, tag) {
        (Pin::Tag, _) => format!("{image}:{}", tag_of(released)?),
        (Pin::Both, Some(_)) => format!("{image}:{}@{digest}", tag_of(released)?),
        (Pin::Both, None) | (Pin::Digest, _) => format!("{image}@{digest}"),
    })
}

/// The tag that is written. It may have been read from a file, so it may be anything.
pub(crate) fn tag_of(released: &ReleasedImage) -> Result<&str, String> {
    let ReleasedImage { image, tag, .. } = released;
    let tag = tag.as_deref().ok_or_else(|| format!("{image} has no tag to be written here; pin its digest"))?;
    if is_tag(tag) { Ok(tag) } else { Err(format!("`{}` is no tag of {image}", tag.escape_debug())) }
}

/// Whether files that say this ask for the image, by what of it is written: where a digest is, it counts.
pub(crate) fn asks_for(value: &str, wanted: &ReleasedImage, pin: Pin) -> bool {
    let reference = Reference::parse(value);
    let is_it = match (pin, reference.digest) {
        (Pin::Tag, None) => reference.tag.is_some() && reference.tag == wanted.tag.as_deref(),
        _ => reference.proper_digest().as_ref() == Some(&wanted.digest),
    };
    is_it && reference.is_of(&wanted.image)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_taken_apart() {
        for (value, name, tag, digest) in [
            ("ghcr.io/a/b", "ghcr.io/a/b", None, None),
            ("ghcr.io/a/b:1", "ghcr.io/a/b", Some("1"), None),
            ("h:5000/a", "h:5000/a", None, None),
            ("h:5000/a:1@sha256:ab", "h:5000/a", Some("1"), Some("sha256:ab")),
            ("a@sha256:ab", "a", None, Some("sha256:ab")),
            ("", "", None, None),
            ("web=h:5000/a:1@sha256:ab", "h:5000/a", Some("1"), Some("sha256:ab")),
            ("h:5000/web=a", "a", None, None),
            ("=a", "=a", None, None),
            ("a:1=b", "a", Some("1=b"), None),
        ] {
            assert_eq!(Reference::parse(value), Reference { name, tag, digest }, "{value}");
        }
    }

    #[test]
    fn only_the_whole_name_counts() {
        let image = ImageName::new("ghcr.io/a/b").unwrap();
        assert!(Reference::parse("ghcr.io/a/b:1").is_of(&image));
        for other in ["ghcr.io/a/b-next:1", "x.ghcr.io/a/b:1", "ghcr.io/a", "ghcr.io/a/b/c", "a/b:1"] {
            assert!(!Reference::parse(other).is_of(&image), "{other}");
        }
        let hub = ImageName::new("docker.io/library/nginx").unwrap();
        assert!(Reference::parse("nginx:1").is_of(&hub) && Reference::parse("library/nginx").is_of(&hub));
    }
}
