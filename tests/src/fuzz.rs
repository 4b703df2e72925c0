//! Fuzzing on stable Rust, with nothing to install: inputs bent out of real ones, again and again.
//!
//! A target takes any bytes and says in words what they came to. An input that comes to something no input came to
//! before joins the corpus, and is bent further; so a run works its way in, without the compiler's help. What must
//! never happen, the target asserts; that nothing panics, takes long or takes much memory is watched here.
//!
//! Targets are tests in a module `fuzz` of their crate. `./scripts/test` gives each a fixed number of inputs, always
//! the same ones; `./scripts/fuzz` as many as it is asked for. An input that fails is saved, and can be run again.

mod json;
mod mutate;
mod watch;

use std::{
    collections::HashMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use mutate::Mutator;
use watch::Watch;

/// The largest input, in bytes.
pub const LARGEST: usize = 64 * 1024;
/// The most inputs that are kept to be bent further, besides the seeds.
const CORPUS: usize = 2_000;
/// The most kinds of endings that are told apart.
const KINDS: usize = 50_000;
/// How many inputs a target gets, unless it says so or is asked for more.
const COUNT: usize = 3_000;
/// Where every run of the tests begins.
const SEED: u64 = 20_261_126;

/// How long to go on, in seconds; without it, a fixed number of inputs is run.
const SECONDS: &str = "WINDLASS_FUZZ_SECONDS";
/// Where random numbers begin.
const BEGIN: &str = "WINDLASS_FUZZ_SEED";
/// A saved input, to be run alone.
const AGAIN: &str = "WINDLASS_FUZZ_INPUT";

/// One input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// What the bytes are for, where a target knows several kinds; bending leaves it as it is.
    pub label: Arc<str>,
    /// Any bytes, at most [`LARGEST`].
    pub bytes: Vec<u8>,
}

/// What a run was asked for, of a target that draws its inputs by itself.
pub struct Asked {
    name: &'static str,
    begin: u64,
    until: Option<Duration>,
}

impl Asked {
    /// What the environment asks of a target; its test has the same name.
    pub fn of(name: &'static str) -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        Self { name, begin: number(BEGIN).unwrap_or(SEED), until: number(SECONDS).map(Duration::from_secs) }
    }

    /// One round from where every run of the tests begins, or as many as there is time for, each from the next number.
    pub fn each(self, mut round: impl FnMut(u64)) {
        let begun = Instant::now();
        let mut seed = self.begin;
        loop {
            round(seed);
            seed += 1;
            if self.until.is_none_or(|until| begun.elapsed() >= until) {
                break;
            }
        }
        println!("{}: {} rounds in {:.1?}, from {}", self.name, seed - self.begin, begun.elapsed(), self.begin);
    }
}

/// A target in the making.
pub struct Fuzz {
    name: &'static str,
    count: usize,
    corpus: Vec<Input>,
    words: Vec<Vec<u8>>,
}

impl Fuzz {
    /// A target; its test has the same name.
    pub fn new(name: &'static str) -> Self {
        Self { name, count: COUNT, corpus: Vec::new(), words: Vec::new() }
    }

    /// How many inputs it gets in `./scripts/test`.
    #[must_use]
    pub fn count(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    /// A real input, to begin with.
    #[must_use]
    pub fn seed(mut self, label: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let mut bytes = bytes.into();
        bytes.truncate(LARGEST);
        self.corpus.push(Input { label: label.into(), bytes });
        self
    }

    /// Real inputs without a label.
    #[must_use]
    pub fn seeds<T: Into<Vec<u8>>>(self, all: impl IntoIterator<Item = T>) -> Self {
        all.into_iter().fold(self, |fuzz, bytes| fuzz.seed("", bytes))
    }

    /// Texts that mean something to the target.
    #[must_use]
    pub fn words(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| word.as_bytes().to_vec()));
        self
    }

    /// Runs it. The target says what the input came to; what it quotes and counts there makes no difference.
    ///
    /// # Panics
    /// When the target does, or when an input takes too long or too much memory; the input is saved.
    pub fn run(self, mut target: impl FnMut(&Input) -> String) {
        assert!(!self.corpus.is_empty(), "{}: nothing to begin with", self.name);
        if let Some(path) = std::env::var_os(AGAIN).map(PathBuf::from) {
            // An input is of the target whose folder it lies in.
            if path.parent().is_some_and(|folder| folder.ends_with(self.name)) {
                let input = Input::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
                println!("{}: {} came to: {}", self.name, path.display(), target(&input));
            }
            return;
        }
        Run::begin(self).go(&mut target);
    }
}

impl Input {
    /// An input that was saved: its label on a line, and its bytes.
    fn read(path: &Path) -> std::io::Result<Self> {
        let all = fs::read(path)?;
        let end = all.iter().position(|b| *b == b'\n').unwrap_or(all.len());
        let label = String::from_utf8_lossy(&all[..end]).as_ref().into();
        Ok(Self { label, bytes: all.get(end + 1..).unwrap_or_default().to_vec() })
    }

    fn saved(&self) -> Vec<u8> {
        [self.label.as_bytes(), b"\n", &self.bytes].concat()
    }

    /// The bytes as text, where they are some.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

struct Run {
    fuzz: Fuzz,
    begin: u64,
    until: Option<Duration>,
    random: SmallRng,
    /// What inputs came to, and which of the corpus was the shortest that did.
    seen: HashMap<String, Option<usize>>,
    watch: Watch,
    done: usize,
}

impl Run {
    fn begin(fuzz: Fuzz) -> Self {
        let Asked { begin, until, .. } = Asked::of(fuzz.name);
        let watch = Watch::over(fuzz.name);
        Self { fuzz, begin, until, random: SmallRng::seed_from_u64(begin), seen: HashMap::new(), watch, done: 0 }
    }

    fn go(mut self, target: &mut impl FnMut(&Input) -> String) {
        let begun = Instant::now();
        let seeds = self.fuzz.corpus.len();
        for at in 0..seeds {
            let kind = self.one(&self.fuzz.corpus[at].clone(), target);
            self.seen.entry(kind).or_insert(Some(at));
        }
        while self.until.map_or(self.done < self.fuzz.count, |until| begun.elapsed() < until) {
            let input = self.next();
            let kind = self.one(&input, target);
            self.keep(kind, input, seeds);
        }
        let (name, done, ways) = (self.fuzz.name, self.done, self.seen.len());
        let (took, slowest) = (begun.elapsed(), self.watch.slowest());
        println!("{name}: {done} inputs in {took:.1?}, from {}: {ways} ways to end, slowest {slowest:.1?}", self.begin);
    }

    fn next(&mut self) -> Input {
        let corpus = &self.fuzz.corpus;
        // What was found lately has been bent least.
        let from = if self.random.random_bool(0.3) { corpus.len() * 3 / 4 } else { 0 };
        let input = corpus[self.random.random_range(from..corpus.len())].clone();
        let other = &corpus[self.random.random_range(0..corpus.len())];
        Mutator { random: &mut self.random, words: &self.fuzz.words, other: &other.bytes }.bend(input)
    }

    /// Keeps what came to something new, or to something known by less: in short inputs each change says more.
    fn keep(&mut self, kind: String, input: Input, seeds: usize) {
        let corpus = &mut self.fuzz.corpus;
        match self.seen.get(&kind).copied() {
            Some(Some(at)) if at >= seeds && input.bytes.len() < corpus[at].bytes.len() * 3 / 4 => corpus[at] = input,
            None if corpus.len() < seeds + CORPUS => {
                self.seen.insert(kind, Some(corpus.len()));
                corpus.push(input);
            }
            None if self.seen.len() < KINDS => _ = self.seen.insert(kind, None),
            Some(_) | None => {}
        }
    }

    /// Runs one input; what kind of thing it came to.
    fn one(&mut self, input: &Input, target: &mut impl FnMut(&Input) -> String) -> String {
        self.done += 1;
        self.watch.begin(&input.saved());
        let came = catch_unwind(AssertUnwindSafe(|| target(input)));
        match came.map(|came| self.watch.end().map(|()| came)) {
            Ok(Ok(came)) => kind_of(&came),
            Ok(Err(why)) => panic!("{why}; {}", self.watch.save(&input.saved(), self.begin)),
            Err(panic) => {
                eprintln!("{}", self.watch.save(&input.saved(), self.begin));
                resume_unwind(panic);
            }
        }
    }
}

/// What it came to, without what is quoted and counted in it.
fn kind_of(came: &str) -> String {
    let mut kind = String::new();
    let mut quote = None;
    for c in came.chars().take(2_000) {
        match quote {
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None if c == '`' || c == '"' => quote = Some(c),
            None if c.is_ascii_digit() => {}
            None => kind.push(c),
        }
        if kind.len() > 300 {
            break;
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A parser with a fault four bytes deep, each step of which it tells apart.
    fn faulty(input: &Input) -> String {
        let right = input.bytes.iter().zip(b"{\"a\":[[").take_while(|(a, b)| a == b).count();
        assert!(right < 7, "the fault");
        format!("{} of it", ["", "a", "ab", "abc", "abcd", "abcde", "abcdef"][right])
    }

    #[test]
    fn a_fault_is_found_step_by_step_and_saved() {
        let found = catch_unwind(|| Fuzz::new("a-fault").count(100_000).seeds(["{}"]).words(&["\"a\":"]).run(faulty));
        assert!(found.is_err(), "100000 inputs did not lead to it");
        let folder = watch::folder("a-fault");
        let saved: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let input = Input::read(&saved[0]).unwrap();
        assert!(input.bytes.starts_with(b"{\"a\":[["), "{input:?}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_quoted_and_counted_makes_no_new_kind() {
        assert_eq!(kind_of("at `a.b`: line 3 is \"x\""), kind_of("at `c`: line 17 is \"yy\""));
        assert_ne!(kind_of("at `a`: no list"), kind_of("at `a`: no text"));
    }
}
