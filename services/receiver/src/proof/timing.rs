//! Whether the time a refusal takes tells how much of a guess was right: `./scripts/bench timing`.
//!
//! Made as dudect makes it (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017): two classes of wrong
//! guesses, wrong at the first byte or right but for the last, random and in random order, and Welch's t-test over the
//! times. An |t| over 4.5 says that the classes take different times; a leak's grows with the number of samples. What
//! is timed is the whole verification of a request. Beside ours stands a comparison that ends at the first difference,
//! which the test must find, and one class against itself, in which it must find nothing.

mod welch;

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::BytesMut;
use rand::{RngExt, rngs::SmallRng};
use runtime::config::{Encoding, HmacAlgorithm, Proof, Source};
use serde_json::{Value, json};
use welch::Tests;

use super::{Shown, Unverified, by_secret};
use crate::{
    secrets::{Form, Key},
    signing,
};

/// From here on two classes differ (the paper, 3).
const THRESHOLD: f64 = 4.5;
/// How many requests are made ready at once.
const BATCH: usize = 2_000;
/// How many refusals are timed for each verification, unless `WINDLASS_TIMING_SAMPLES` says so.
const SAMPLES: usize = 1_000_000;
const SECRET: &str = "wfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What judges guesses.
type Judge = fn(&Subject, &Shown<'_>, &[u8]) -> bool;

/// A verification under test.
struct Subject {
    name: &'static str,
    source: Source,
    proof: Proof,
    keys: Arc<[Key]>,
    judge: Judge,
    /// Both classes are wrong at the first byte.
    alike: bool,
}

/// A wrong request, made ready.
struct Guess {
    class: usize,
    headers: HeaderMap,
    path: Option<String>,
    body: [u8; 64],
}

impl Subject {
    fn new(name: &'static str, source: Value) -> Self {
        let mut source = source;
        source["secrets"] = json!(["env:SECRET"]);
        let source: Source = serde_json::from_value(source).unwrap();
        let proof = source.proof().unwrap();
        let form = Form::Plain(if let Proof::Hmac(hmac) = &proof { hmac.algorithm } else { HmacAlgorithm::Sha256 });
        let keys = Arc::new([Key::new("env:SECRET", SECRET, form).unwrap()]);
        Self { name, source, proof, keys, judge: ours, alike: false }
    }

    fn all() -> Vec<Self> {
        let base64 = json!({ "hmac": { "header": "x-sum", "algorithm": "sha512", "encoding": "base64" } });
        let github = |name| Self::new(name, json!({ "kind": "github" }));
        vec![
            github("HMAC-SHA256 in hex"),
            Self::new("HMAC-SHA512 in base64", json!({ "kind": "generic", "proof": base64 })),
            Self::new("token", json!({ "kind": "gitlab" })),
            Self::new("token after Bearer", json!({ "kind": "distribution" })),
            Self::new("password", json!({ "kind": "azure-devops" })),
            Self::new("secret in the path", json!({ "kind": "quay" })),
            Self { alike: true, ..github("one class against itself") },
            Self { judge: leaky, ..github("a comparison that leaks") },
        ]
    }

    /// A guess of this class: 0 is wrong at the first byte, 1 at the last.
    fn guess(&self, class: usize, random: &mut SmallRng) -> Guess {
        let last = class == 1 && !self.alike;
        let mut body = [0; 64];
        random.fill(&mut body);
        let signed = match &self.proof {
            Proof::Hmac(hmac) => {
                let mut signed = signing::sign(&self.source, SECRET, &body).unwrap();
                let value = &mut signed.headers[0].1;
                *value =
                    format!("{}{}", hmac.prefix, spoilt_mac(&value[hmac.prefix.len()..], hmac.encoding, last, random));
                signed
            }
            _ => signing::sign(&self.source, &spoilt_secret(last, random), &body).unwrap(),
        };
        let header = |(name, value): &(String, String)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        let path = signed.path.strip_prefix('/').map(ToOwned::to_owned);
        Guess { class, headers: signed.headers.iter().map(header).collect(), path, body }
    }

    /// How long it takes to refuse the guess.
    fn time(&self, guess: &Guess) -> Duration {
        let shown = Shown { headers: &guess.headers, in_path: guess.path.as_deref(), peer: None };
        let begun = Instant::now();
        let let_in = black_box((self.judge)(self, black_box(&shown), &guess.body));
        let time = begun.elapsed();
        assert!(!let_in, "{}: a wrong guess was let in", self.name);
        time
    }

    /// Guesses of both classes in random order, and how long each took. All are made before the first is timed, so
    /// that making one leaves nothing behind for its own turn.
    fn batch(&self, random: &mut SmallRng) -> Vec<(usize, Duration)> {
        let guesses: Vec<_> = (0..BATCH).map(|_| self.guess(random.random_range(0..2), random)).collect();
        guesses.iter().map(|guess| (guess.class, self.time(guess))).collect()
    }

    fn measure(&self, samples: usize, random: &mut SmallRng) -> Tests {
        let warm_up: Vec<_> = (0..5).flat_map(|_| self.batch(random)).map(|(_, time)| time).collect();
        let mut tests = Tests::after(&warm_up);
        while tests.samples < samples {
            self.batch(random).into_iter().for_each(|(class, time)| tests.push(class, time));
        }
        tests
    }
}

/// As [`super::Verifier::begin`] and what follows do it, less the look at the secrets' files.
fn ours(subject: &Subject, shown: &Shown<'_>, body: &[u8]) -> bool {
    let Ok(claim) = by_secret(&subject.proof, shown, &subject.keys) else { return false };
    let mut unverified = Unverified { claim, bytes: BytesMut::new() };
    unverified.push(body);
    unverified.verify().is_ok()
}

/// As one writes it who does not think of time: what is stated and what is right, byte by byte to the first difference.
fn leaky(subject: &Subject, shown: &Shown<'_>, body: &[u8]) -> bool {
    let right = signing::sign(&subject.source, SECRET, body).unwrap();
    let (name, right) = &right.headers[0];
    let stated = shown.headers.get(name.as_str()).map_or(&b""[..], HeaderValue::as_bytes);
    stated.len() == right.len() && stated.iter().zip(right.as_bytes()).all(|(a, b)| black_box(*a) == *b)
}

fn spoilt_mac(right: &str, encoding: Encoding, last: bool, random: &mut SmallRng) -> String {
    let bytes = match encoding {
        Encoding::Hex => hex::decode(right).unwrap(),
        Encoding::Base64 => BASE64_STANDARD.decode(right).unwrap(),
    };
    let wrong = spoilt(bytes, last, |byte| byte ^ random.random_range(1..=u8::MAX));
    match encoding {
        Encoding::Hex => hex::encode(wrong),
        Encoding::Base64 => BASE64_STANDARD.encode(wrong),
    }
}

fn spoilt_secret(last: bool, random: &mut SmallRng) -> String {
    // The secret begins and ends with a small letter.
    let wrong = spoilt(SECRET.into(), last, |_| random.random_range(b'A'..=b'Z'));
    String::from_utf8(wrong).unwrap()
}

fn spoilt(mut bytes: Vec<u8>, last: bool, other: impl FnOnce(u8) -> u8) -> Vec<u8> {
    let at = if last { bytes.len() - 1 } else { 0 };
    bytes[at] = other(bytes[at]);
    bytes
}

#[test]
#[ignore = "it measures, and wants an optimised build and minutes: ./scripts/bench timing"]
fn no_refusal_tells_by_its_time_how_much_was_right() {
    let samples = std::env::var("WINDLASS_TIMING_SAMPLES").ok().and_then(|n| n.parse().ok()).unwrap_or(SAMPLES);
    let mut random: SmallRng = rand::make_rng();
    let mut wrong = Vec::new();
    println!("{:<26} {:>9} {:>9}", "refusals", "samples", "t");
    for subject in Subject::all() {
        let tests = subject.measure(samples, &mut random);
        let differ = tests.t().abs() > THRESHOLD;
        let verdict = if differ { "the classes differ" } else { "no difference seen" };
        println!("{:<26} {:>9} {:>9.2}  {verdict}", subject.name, tests.samples, tests.t());
        if differ != std::ptr::fn_addr_eq(subject.judge, leaky as Judge) {
            wrong.push(subject.name);
        }
    }
    assert!(wrong.is_empty(), "not as it should be, at a threshold of {THRESHOLD}: {wrong:?}");
}
