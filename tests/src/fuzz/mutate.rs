//! Bends an input: its bytes, and its JSON where it is some.

use std::ops::Range;

use rand::{RngExt, rngs::SmallRng};

use super::{Input, LARGEST, json};

/// Texts at which parsers of any kind have failed.
const WORDS: &[&str] = &[
    "\0",
    "\u{feff}",
    "\r\n",
    "\n",
    "\t",
    " ",
    "\"",
    "'",
    "`",
    "\\",
    "\\u0000",
    "\\ud800",
    "/",
    "//",
    "..",
    "../",
    "%",
    "%00",
    "%2e",
    "%ff",
    "@",
    ":",
    ";",
    ",",
    "=",
    "&",
    "*",
    "**",
    "~",
    "~0",
    "~1",
    "^",
    "{",
    "}",
    "[",
    "]",
    "<",
    ">",
    "null",
    "true",
    "-1",
    "0",
    "1e309",
    "-0.0",
    "18446744073709551616",
    "9223372036854775807",
    "ü",
    "\u{202e}",
    "sha256:",
    "refs/heads/",
    "refs/tags/",
    "0000000000000000000000000000000000000000",
];
/// The most changes made at once.
const MOST: usize = 6;

pub(super) struct Mutator<'a> {
    pub(super) random: &'a mut SmallRng,
    /// The target's own texts.
    pub(super) words: &'a [Vec<u8>],
    /// Another input, to take pieces of.
    pub(super) other: &'a [u8],
}

impl Mutator<'_> {
    /// The input with some changes, seldom with many.
    pub(super) fn bend(&mut self, mut input: Input) -> Input {
        let mut changes = 1;
        while changes < MOST && self.random.random_bool(0.4) {
            changes += 1;
        }
        for _ in 0..changes {
            let as_json = self.random.random_bool(0.5);
            let bent = if as_json { json::bend(&input.bytes, self.other, self.random) } else { None };
            match bent {
                Some(bytes) => input.bytes = bytes,
                None => self.bend_bytes(&mut input.bytes),
            }
            input.bytes.truncate(LARGEST);
        }
        input
    }

    fn bend_bytes(&mut self, bytes: &mut Vec<u8>) {
        match self.random.random_range(0..12) {
            0 | 1 => {
                let at = self.place(bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.random.random_range(0..8);
                }
            }
            2 => {
                let at = self.place(bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = self.random.random();
                }
            }
            3 => drop(bytes.drain(self.piece(bytes, 16))),
            4 => drop(bytes.drain(self.piece(bytes, LARGEST))),
            5 => bytes.truncate(self.place(bytes)),
            6 | 7 => self.put_word(bytes),
            8 => self.repeat(bytes),
            9 => self.take_of_other(bytes),
            10 => self.swap(bytes),
            _ => self.change_number(bytes),
        }
    }

    fn place(&mut self, bytes: &[u8]) -> usize {
        self.random.random_range(0..=bytes.len())
    }

    /// A piece, of at most so many bytes.
    fn piece(&mut self, bytes: &[u8], most: usize) -> Range<usize> {
        let start = self.place(bytes);
        let length = self.random.random_range(0..=most.min(bytes.len() - start));
        start..start + length
    }

    fn put_word(&mut self, bytes: &mut Vec<u8>) {
        let own = self.words.len() * 3;
        let n = self.random.random_range(0..own + WORDS.len());
        let word = if n < own { self.words[n / 3].clone() } else { WORDS[n - own].as_bytes().to_vec() };
        let over = if self.random.random_bool(0.5) { word.len() } else { 0 };
        let start = self.place(bytes);
        bytes.splice(start..(start + over).min(bytes.len()), word);
    }

    fn repeat(&mut self, bytes: &mut Vec<u8>) {
        let range = self.piece(bytes, 64);
        let times =
            if self.random.random_bool(0.1) { LARGEST / range.len().max(1) } else { self.random.random_range(1..20) };
        let more = bytes[range.clone()].repeat(times);
        bytes.splice(range.end..range.end, more);
    }

    fn take_of_other(&mut self, bytes: &mut Vec<u8>) {
        let most = if self.random.random_bool(0.5) { 64 } else { LARGEST };
        let (from, to) = (self.piece(self.other, most), self.piece(bytes, 64));
        bytes.splice(to, self.other[from].iter().copied());
    }

    fn swap(&mut self, bytes: &mut Vec<u8>) {
        let (from, to) = (self.piece(bytes, 64), self.place(bytes));
        let piece: Vec<u8> = bytes.drain(from).collect();
        let to = to.min(bytes.len());
        bytes.splice(to..to, piece);
    }

    /// A run of digits replaced by another number.
    fn change_number(&mut self, bytes: &mut Vec<u8>) {
        let from = self.place(bytes);
        let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit).map(|at| from + at) else { return };
        let length = bytes[start..].iter().take_while(|b| b.is_ascii_digit()).count();
        let number = match self.random.random_range(0..4) {
            0 => u64::MAX,
            1 => u64::from(self.random.random::<u32>()),
            2 => self.random.random(),
            _ => self.random.random_range(0..20),
        };
        bytes.splice(start..start + length, number.to_string().into_bytes());
    }
}
