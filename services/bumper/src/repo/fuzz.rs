//! Fuzz targets: what Git prints.

use testkit::fuzz::{Fuzz, Input};

use super::listing::{entries, read_blobs};
use crate::tree::{Entry, Tree};

#[test]
fn listings() {
    // The listing, a line of `=`, and what `git cat-file` says of its files.
    let target = |input: &Input| {
        let at = input.bytes.windows(3).position(|window| window == b"\n=\n").unwrap_or(input.bytes.len());
        let Some(listed) = entries(&input.bytes[..at]) else { return "no listing".to_owned() };
        let unread = listed.iter().filter(|listed| listed.unread(&["staging"]).is_some()).count();
        let cost = listed.iter().fold(0_usize, |sum, listed| sum.saturating_add(listed.cost()));
        let (count, mut tree) = (listed.len(), Tree::default());
        let blobs = input.bytes.get(at + 3..).unwrap_or_default();
        let read = read_blobs(listed, blobs, &mut tree).is_some();
        let bytes = tree.0.values().map(|entry| if let Entry::File { bytes, .. } = entry { bytes.len() } else { 0 });
        assert!(bytes.sum::<usize>() <= blobs.len(), "no byte is read twice");
        format!("{} {} {read} {}", "l".repeat(count.min(9)), "u".repeat(unread.min(9)), cost > 1_000_000)
    };
    let object = "0123456789abcdef0123456789abcdef01234567";
    let seeds = [
        format!(
            "100644 blob {object}      12\tstaging/app.yaml\0100755 blob {object}       3\ta b.yml\0\n=\n{object} blob 12\nimage: a/b:1\n{object} blob 3\nx:1\n"
        ),
        format!(
            "120000 blob {object}       7\tlink\0160000 commit {object}       -\tsub\0100644 blob {object} 99999999\tbig.yaml\0"
        ),
    ];
    let words =
        ["100644 blob ", "120000 blob ", object, "\t", "\0", "\n=\n", " blob ", ".yaml", "18446744073709551615"];
    Fuzz::new("listings").seeds(seeds).words(&words).run(target);
}
