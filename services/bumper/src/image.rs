//! The values of `image:` keys: what they name, and what we write there.

use proto::{CommitSha, Digest, ImageName, ReleasedImage};

/// An `image:` value in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    name: &'a str,
    pub(crate) tag: Option<&'a str>,
    pub(crate) digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Takes a value apart. A `:` is a tag's only after the last `/`; before it, it is a port's.
    pub(crate) fn parse(value: &'a str) -> Self {
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

/// What is written for this image: the digest decides what runs, the tag is for people.
pub(crate) fn value_of(released: &ReleasedImage) -> String {
    let ReleasedImage { image, tag, digest, .. } = released;
    match tag {
        Some(tag) => format!("{image}:{tag}@{digest}"),
        None => format!("{image}@{digest}"),
    }
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
