//! The ways to write an image into files: where its parts stand, what they say together, and what they must say.

mod kustomize;
mod manifests;
mod values;

use proto::{ComponentName, ImageName, ReleasedImage};
use runtime::config::{Pin, Write};

use crate::{
    edit::Fault,
    image::{self, Reference},
    tree::Reader,
    yaml::Found,
};

/// A component's image, and how it is written in an environment.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) image: ImageName,
    pub(crate) write: Write,
    pub(crate) pin: Pin,
}

/// What was found of a component.
pub(crate) enum Finding<'t> {
    /// Every place its image is written at.
    Uses(Vec<Use<'t>>),
    /// None, and what would help.
    Missing(String),
}

/// One place an image is written at.
pub(crate) struct Use<'t> {
    pub(crate) file: &'t str,
    /// The line it begins on.
    pub(crate) line: usize,
    parts: Vec<(Part, Found)>,
    /// The image's name, where no part says it.
    name: String,
    /// What is missing if a part of the image has no place here; without it, the tag carries the digest along.
    lacks: Option<fn(Part) -> String>,
}

/// What of an image a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Registry,
    /// The name, without the registry where that stands apart.
    Name,
    Tag,
    Digest,
}

impl Slot {
    /// Where the image stands in the files at a path.
    pub(crate) fn find<'t>(
        &self,
        reader: &Reader<'t>,
        path: &str,
        component: &ComponentName,
    ) -> Result<Finding<'t>, Fault> {
        match &self.write {
            Write::Manifests(manifests) => manifests::find(manifests, reader, path, component, &self.image),
            Write::Kustomize(kustomize) => kustomize::find(kustomize, reader, path, &self.image),
            Write::Values(values) => values::find(values, reader, path, &self.image),
        }
    }

    /// Whether files ask for the image where this stands, whatever reads them.
    pub(crate) fn is_met(&self, used: &Use<'_>, wanted: &ReleasedImage) -> bool {
        self.asks_for(&used.value(), wanted)
            && used.parts.iter().all(|(_, found)| found.is_text || found.value.is_empty())
    }

    /// Whether files that say this ask for the image.
    pub(crate) fn asks_for(&self, value: &str, wanted: &ReleasedImage) -> bool {
        image::asks_for(value, wanted, self.pin)
    }
}

impl Use<'_> {
    /// The reference its parts make together.
    pub(crate) fn value(&self) -> String {
        if let Some(whole) = self.says(Part::Whole) {
            return whole.to_owned();
        }
        let name = self.says(Part::Name).unwrap_or(&self.name);
        let registry = self.says(Part::Registry).map(|registry| format!("{registry}/")).unwrap_or_default();
        let tag = self.says(Part::Tag).map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.says(Part::Digest).map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{registry}{name}{tag}{digest}")
    }

    /// What must be written where, so that its parts say the image. `Err` where that cannot be.
    pub(crate) fn changes(&self, wanted: &ReleasedImage, pin: Pin) -> Result<Vec<(&Found, String)>, String> {
        self.lacking(wanted, pin)?;
        let is_named = Reference::parse(&self.value()).is_of(&wanted.image);
        let mut changes = Vec::new();
        for (part, found) in &self.parts {
            let text = match part {
                Part::Whole => image::replaces(&found.value).to_owned() + &image::value_of(wanted, pin)?,
                Part::Registry | Part::Name if is_named => continue,
                Part::Registry => wanted.image.registry().to_owned(),
                Part::Name if self.has(Part::Registry) => wanted.image.repository().to_owned(),
                Part::Name => wanted.image.to_string(),
                Part::Tag => self.tag_of(wanted, pin)?,
                Part::Digest if pin == Pin::Tag => String::new(),
                Part::Digest => wanted.digest.to_string(),
            };
            if text == found.value && found.is_text {
                continue;
            }
            match &found.fixed {
                Some(why) => return Err(format!("line {}: {why}", found.line)),
                None => changes.push((found, text)),
            }
        }
        Ok(changes)
    }

    fn tag_of(&self, wanted: &ReleasedImage, pin: Pin) -> Result<String, String> {
        let carries = !self.has(Part::Digest) && self.lacks.is_none();
        match pin {
            Pin::Digest => Ok(String::new()),
            Pin::Both if carries => Ok(format!("{}@{}", image::tag_of(wanted)?, wanted.digest)),
            Pin::Both if wanted.tag.is_none() => Ok(String::new()),
            Pin::Both | Pin::Tag => image::tag_of(wanted).map(ToOwned::to_owned),
        }
    }

    /// Whether a part that must be written has no place.
    fn lacking(&self, wanted: &ReleasedImage, pin: Pin) -> Result<(), String> {
        let Some(lacks) = self.lacks else { return Ok(()) };
        let is_named = self.has(Part::Name) || Reference::parse(&self.value()).is_of(&wanted.image);
        let has_tag = pin == Pin::Digest || wanted.tag.is_none() || self.has(Part::Tag);
        let has_digest = pin == Pin::Tag || self.has(Part::Digest);
        let needed = [(is_named, Part::Name), (has_tag, Part::Tag), (has_digest, Part::Digest)];
        match needed.into_iter().find(|(is_there, _)| !is_there) {
            Some((_, part)) => Err(format!("line {}: {}", self.line, lacks(part))),
            None => Ok(()),
        }
    }

    fn has(&self, part: Part) -> bool {
        self.parts.iter().any(|(which, _)| *which == part)
    }

    /// What a part says, if it says anything.
    fn says(&self, part: Part) -> Option<&str> {
        let found = self.parts.iter().find(|(which, _)| *which == part);
        found.map(|(_, found)| found.value.as_str()).filter(|value| !value.is_empty())
    }
}
