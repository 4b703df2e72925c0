//! Patterns of branches and of files: globs, and what they leave out.
//!
//! `*` and `?` stand for anything but `/`, `**` for any number of whole parts, `[a-z]` for one of these, `{a,b}` for
//! either. A pattern with `!` before it leaves out. In a list the last pattern that matches decides, as in `.gitignore`.

use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;

use super::value::as_string_schema;

/// What makes a text a pattern.
const WILD: [char; 6] = ['*', '?', '[', '{', '}', '\\'];

/// A branch, or a pattern of branches; with `!` before it, those it leaves out.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct BranchPattern {
    glob: Glob,
    /// The same for what [`proto::Branch::as_tag`] makes of branches.
    of_tags: GlobMatcher,
}

/// A file, a folder, or a pattern of files from the repository's root; with `!` before it, those it leaves out.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct PathPattern(Glob);

/// What both have in common.
#[derive(Debug, Clone)]
struct Glob {
    /// As it was written.
    text: String,
    matcher: GlobMatcher,
}

impl TryFrom<String> for BranchPattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let glob = Glob::new(text)?;
        let pattern = glob.pattern();
        if let Some(branch) = pattern.strip_prefix("refs/heads/") {
            return Err(format!("`{}` names no branch; write `{branch}`, without `refs/heads/`", glob.text));
        }
        if !pattern.contains(WILD) {
            proto::Branch::new(pattern).map_err(|error| format!("in the branch pattern `{}`: {error}", glob.text))?;
        }
        let of_tags = compile(&as_tags(pattern), false)?;
        Ok(Self { glob, of_tags })
    }
}

impl BranchPattern {
    /// Whether a list of patterns lets this branch in.
    pub fn let_in(patterns: &[Self], branch: &str) -> bool {
        last_word(patterns, |pattern| &pattern.glob, |pattern| pattern.glob.matcher.is_match(branch))
    }

    /// Whether the tag is what [`proto::Branch::as_tag`] makes of a branch that the list lets in.
    pub fn let_tag_in(patterns: &[Self], tag: &str) -> bool {
        last_word(patterns, |pattern| &pattern.glob, |pattern| pattern.of_tags.is_match(tag))
    }

    /// The one branch this names, if it is no pattern.
    pub fn plain(&self) -> Option<&str> {
        Some(self.glob.text.as_str()).filter(|text| !self.glob.leaves_out() && !text.contains(WILD))
    }

    /// Whether it only takes away from what others let in.
    pub(super) fn leaves_out(&self) -> bool {
        self.glob.leaves_out()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.glob.text
    }
}

impl TryFrom<String> for PathPattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let glob = Glob::new(text)?;
        let odd = |part: &str| part.is_empty() || part == "." || part == "..";
        if glob.pattern().trim_end_matches('/').split('/').any(odd) {
            let text = &glob.text;
            return Err(format!(
                "`{text}` matches no file; write it from the repository's root, as in `packages/app/**`"
            ));
        }
        Ok(Self(glob))
    }
}

impl PathPattern {
    /// Whether a list of patterns lets this file in.
    pub fn let_in(patterns: &[Self], file: &str) -> bool {
        last_word(patterns, |pattern| &pattern.0, |pattern| pattern.matches(file))
    }

    /// What to write in place of a pattern that matches a folder these files are in, and none of what is in it.
    pub fn hint(patterns: &[Self], files: &[String]) -> Option<String> {
        let stops = |pattern: &Self, file: &str| {
            let mut folders = file.match_indices('/').map(|(end, _)| &file[..end]);
            !pattern.matches(file) && folders.any(|folder| pattern.0.matcher.is_match(folder))
        };
        let mut letting_in = patterns.iter().filter(|pattern| !pattern.leaves_out());
        let text = letting_in.find(|pattern| files.iter().any(|file| stops(pattern, file)))?.as_str();
        let all = text.strip_suffix("/*").unwrap_or(text);
        Some(format!("`{text}` does not reach into folders, `{all}/**` does"))
    }

    /// A folder's name stands for all that is in it.
    fn matches(&self, file: &str) -> bool {
        let pattern = self.0.pattern().trim_end_matches('/');
        let is_in = || file.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('/'));
        self.0.matcher.is_match(file) || (!pattern.contains(WILD) && is_in())
    }

    /// Whether it only takes away from what others let in.
    pub(super) fn leaves_out(&self) -> bool {
        self.0.leaves_out()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

impl Glob {
    fn new(text: String) -> Result<Self, String> {
        let pattern = text.strip_prefix('!').unwrap_or(&text);
        if pattern.is_empty() {
            return Err(format!("`{text}` is an empty pattern"));
        }
        // What ends with `/` means a folder, and nobody writes a folder to have only its name matched.
        let folder = pattern.ends_with('/').then(|| format!("{pattern}**"));
        let matcher = compile(folder.as_deref().unwrap_or(pattern), true)?;
        Ok(Self { text, matcher })
    }

    fn leaves_out(&self) -> bool {
        self.text.starts_with('!')
    }

    fn pattern(&self) -> &str {
        self.text.strip_prefix('!').unwrap_or(&self.text)
    }
}

/// A glob of the text as the module says.
pub(super) fn compile(pattern: &str, heed_slashes: bool) -> Result<GlobMatcher, String> {
    let mut builder = GlobBuilder::new(pattern);
    let glob = builder.literal_separator(heed_slashes).backslash_escape(true).empty_alternates(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| format!("`{pattern}` is no glob: {}", error.kind()))
}

/// Whether the last pattern that matches lets in.
fn last_word<P>(patterns: &[P], glob: impl Fn(&P) -> &Glob, matches: impl Fn(&P) -> bool) -> bool {
    patterns.iter().rev().find(|pattern| matches(pattern)).is_some_and(|pattern| !glob(pattern).leaves_out())
}

/// The pattern for branches made one for their tags, where every `/` is a `-`.
fn as_tags(pattern: &str) -> String {
    let mut pattern = pattern.to_owned();
    while pattern.contains("**/**") {
        pattern = pattern.replace("**/**", "**");
    }
    let (start, rest) = match pattern.strip_prefix("**/") {
        Some(rest) => ("{,*-}", rest),
        None => ("", pattern.as_str()),
    };
    let rest = rest.replace("/**/", "\0");
    let safe =
        |c: char| c == '\0' || c.is_ascii_alphanumeric() || "._-,!^".contains(c) || WILD.contains(&c) || c == ']';
    let rest: String = rest.chars().map(|c| if safe(c) { c } else { '-' }).collect();
    format!("{start}{}", rest.replace('\0', "{-,-*-}"))
}

as_string_schema!(
    BranchPattern,
    "a branch, or a glob of branches: `*` for anything but `/`, `**` for anything; with `!` before it, those it leaves out"
);
as_string_schema!(
    PathPattern,
    "a file, a folder, or a glob of files from the repository's root: `*` for anything but `/`, `**` for anything; \
     with `!` before it, those it leaves out"
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn branches(patterns: &[&str]) -> Vec<BranchPattern> {
        patterns.iter().map(|text| (*text).to_owned().try_into().unwrap()).collect()
    }

    fn paths(patterns: &[&str]) -> Vec<PathPattern> {
        patterns.iter().map(|text| (*text).to_owned().try_into().unwrap()).collect()
    }

    #[test]
    fn branches_are_let_in_by_the_last_pattern_that_matches() {
        for (patterns, inside, outside) in [
            (&["main"][..], &["main"][..], &["maintenance", "x/main", "Main"][..]),
            (&["hotfix/*"], &["hotfix/login"], &["hotfix/a/b", "hotfix", "x/hotfix/login"]),
            (&["hotfix/**"], &["hotfix/login", "hotfix/a/b"], &["hotfix"]),
            (&["**"], &["main", "a/b/c"], &[]),
            (&["**/fix"], &["fix", "a/fix", "a/b/fix"], &["prefix", "fix/a"]),
            (&["release/v?.[0-9]"], &["release/v1.2"], &["release/v1.x", "release/v12.3"]),
            (&["{main,next}"], &["main", "next"], &["main,next"]),
            (&["release/*", "!release/old-*"], &["release/2"], &["release/old-1", "main"]),
            (&["!release/old-1", "release/*"], &["release/old-1"], &[]),
            (&["**", "!a/**", "a/b"], &["main", "a/b"], &["a/c", "a/b/c"]),
            (&[], &[], &["main"]),
        ] {
            let list = branches(patterns);
            for branch in inside {
                assert!(BranchPattern::let_in(&list, branch), "{patterns:?} {branch}");
            }
            for branch in outside {
                assert!(!BranchPattern::let_in(&list, branch), "{patterns:?} {branch}");
            }
        }
    }

    #[test]
    fn files_are_let_in_by_the_last_pattern_that_matches() {
        for (patterns, inside, outside) in [
            (&["packages/app/**"][..], &["packages/app/a.ts", "packages/app/a/b"][..], &["packages/app", "x"][..]),
            (&["packages/app"], &["packages/app", "packages/app/a/b"], &["packages/application/x"]),
            (&["packages/app/"], &["packages/app/a/b"], &["packages/application/x"]),
            (&["**/*.md"], &["README.md", "a/b.md"], &["a.mdx"]),
            (&["*.md"], &["README.md"], &["a/b.md"]),
            (&["packages/**/test"], &["packages/test", "packages/a/b/test"], &["packages/a/tests"]),
            (&["packages/app/**", "!**/*.md"], &["packages/app/a.ts"], &["packages/app/README.md", "README.md"]),
            (&["**", "!docs", "docs/api.json"], &["a", "docs/api.json"], &["docs/x/y"]),
            (&["a [1] \\[2\\]"], &["a 1 [2]"], &["a [1] [2]"]),
            (&["ünï/*"], &["ünï/cödé"], &["uni/code"]),
            (&["packages/*"], &["packages/a.ts"], &["packages", "packages/app/a.ts", "packages/app/b/c"]),
            (&["packages/*/src"], &[], &["packages/app/src/a.ts", "packages/src"]),
            (&["packages/*/src/**"], &["packages/app/src/a.ts", "packages/app/src/b/c"], &["packages/a/b/src/c"]),
            (&["packages/*/**"], &["packages/app/a.ts"], &["packages/a.ts"]),
        ] {
            let list = paths(patterns);
            for file in inside {
                assert!(PathPattern::let_in(&list, file), "{patterns:?} {file}");
            }
            for file in outside {
                assert!(!PathPattern::let_in(&list, file), "{patterns:?} {file}");
            }
        }
    }

    #[test]
    fn a_pattern_that_stops_at_a_folder_says_what_to_write() {
        let hint = |patterns: &[&str], files: &[&str]| {
            PathPattern::hint(&paths(patterns), &files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>())
        };
        let of = |patterns: &[&str], file: &str| hint(patterns, &["README.md", file]).unwrap();
        assert!(of(&["packages/*"], "packages/app/src/a.ts").contains("`packages/**` does"));
        assert!(of(&["packages/*/src"], "packages/app/src/a.ts").contains("`packages/*/src/**` does"));
        assert_eq!(hint(&["packages/*", "docs"], &["README.md", "src/packages/app/a"]), None);
        assert_eq!(hint(&["**", "!docs/*"], &["docs/x/y"]), None);
        assert_eq!(hint(&["packages/**", "!**/*.md"], &["packages/app/README.md"]), None);
    }

    #[test]
    fn what_could_never_match_is_told_and_how_to_write_it() {
        for (text, hint) in [
            ("", "empty"),
            ("!", "empty"),
            ("refs/heads/main", "write `main`"),
            ("a..b", "is not a branch name"),
            ("a[", "unclosed"),
            ("{a", "unclosed"),
        ] {
            let why = BranchPattern::try_from(text.to_owned()).unwrap_err();
            assert!(why.contains(hint), "{text}: {why}");
        }
        for (text, hint) in
            [("", "empty"), ("/etc", "root"), ("./a", "root"), ("a/../b", "root"), ("a//b", "root"), ("[", "unclosed")]
        {
            let why = PathPattern::try_from(text.to_owned()).unwrap_err();
            assert!(why.contains(hint), "{text}: {why}");
        }
    }

    #[test]
    fn only_a_branch_s_own_name_is_plain() {
        let plain = |text: &str| branches(&[text])[0].plain().map(ToOwned::to_owned);
        assert_eq!(plain("main").as_deref(), Some("main"));
        assert_eq!((plain("!main"), plain("hotfix/*"), plain("{a,b}")), (None, None, None));
    }

    /// Parts of branch names, and of patterns of them.
    fn name() -> impl Strategy<Value = String> {
        prop::collection::vec("[a-z0-9_+]{1,4}", 1..4).prop_map(|parts| parts.join("/"))
    }

    fn pattern() -> impl Strategy<Value = String> {
        let part = prop_oneof!["[a-z0-9_+]{1,3}", Just("*".to_owned()), Just("**".to_owned()), "[a-z]{1,2}\\*"];
        prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
    }

    proptest! {
        /// Or images of a deployed branch would not be followed.
        #[test]
        fn the_tag_of_a_branch_that_is_let_in_is_let_in(pattern in pattern(), name in name()) {
            let branch = proto::Branch::new(name).unwrap();
            let list = branches(&[&pattern]);
            if BranchPattern::let_in(&list, branch.as_str()) && branch.as_str().starts_with(|c: char| c != '+') {
                prop_assert!(BranchPattern::let_tag_in(&list, &branch.as_tag()), "{pattern} {branch}");
            }
        }

        #[test]
        fn a_name_lets_itself_in_and_a_later_mark_leaves_it_out(name in name(), other in name()) {
            let left_out = format!("!{name}");
            prop_assert!(BranchPattern::let_in(&branches(&[&name]), &name));
            prop_assert!(!BranchPattern::let_in(&branches(&[&name, &other, &left_out]), &name));
            let below = format!("{name}/{other}");
            prop_assert!(PathPattern::let_in(&paths(&[&name]), &below));
            prop_assert_eq!(BranchPattern::let_in(&branches(&[&other]), &name), name == other);
        }

        #[test]
        fn no_text_is_more_than_a_list_of_patterns_bears(text in ".{0,40}", file in ".{0,40}") {
            if let Ok(pattern) = PathPattern::try_from(text) {
                let _ = PathPattern::let_in(&[pattern], &file);
            }
        }
    }
}
