//! Fuzz targets: what programs say, and secrets in it.

use testkit::fuzz::{Fuzz, Input};

use super::{Masks, output::Lines};
use crate::Secret;

#[test]
fn outputs() {
    // Lines come out the same however the chunks fall, and no secret comes through, whatever stands around it.
    let secret = "p@ss/word+1";
    let masks = Masks::of(&[Secret::from(secret.to_owned()), Secret::from("word+1=tail".to_owned())]);
    let target = |input: &Input| {
        let lines = |size: usize| {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            for chunk in input.bytes.chunks(size) {
                lines.feed(chunk, 2_000, |line, left_out| seen.push((line.to_vec(), left_out)));
            }
            lines.finish(|line, left_out| seen.push((line.to_vec(), left_out)));
            seen
        };
        let whole = lines(usize::MAX);
        assert_eq!(lines(1 + input.bytes.len() / 7), whole, "chunks of a seventh");
        let mut masked = 0;
        for (line, _) in &whole {
            let text = masks.apply(&String::from_utf8_lossy(line));
            assert!(!text.contains(secret) && !text.contains("word+1=tail"), "{text}");
            masked += text.matches("***").count();
        }
        format!("{} {}", "l".repeat(whole.len().min(20)), "m".repeat(masked.min(20)))
    };
    let seeds = [
        "one\r\ntwo\n\nthree",
        "x p@ss/word+1 y\n",
        "p%40ss%2Fword%2B1 \u{1b}[31mred",
        "cEBzcy93b3JkKzE= p@ss/word+1=tail",
    ];
    let words = [secret, "p@ss/", "word+1", "=tail", "\r", "\n", "\u{1b}["];
    Fuzz::new("outputs").count(1_000).seeds(seeds).words(&words).run(target);
}
