//! Fuzz targets: what build tools say when they fail.

use testkit::fuzz::{Fuzz, Input};

use super::{Blame, last_error, verdict};

#[test]
fn tools() {
    // A build that nobody else is blamed for is the commit's fault; the words are the tool's own.
    let target = |input: &Input| {
        let tail = String::from_utf8_lossy(&input.bytes);
        let line = last_error(&tail);
        assert!(line.as_ref().is_none_or(|line| tail.contains(line.as_str()) && !line.contains('\n')));
        match verdict(&tail) {
            Blame::Commit => "the commit".to_owned(),
            Blame::Network(why) | Blame::Machine(why) if Some(&why) == line.as_ref() => "others".to_owned(),
            other => panic!("{other:?}"),
        }
    };
    let seeds = [
        "STEP 3/3: RUN false\nError: building at STEP \"RUN /bin/busybox false\": exit status 1",
        "ERROR: failed to solve: process \"/bin/sh -c curl x; echo i/o timeout\" did not complete successfully: exit code: 7",
        "Error: creating build container: dial tcp 127.0.0.1:1: connect: connection refused",
        "Error: kernel does not support overlay fs: 'overlay' is not supported over overlayfs",
    ];
    let words = ["Error:", "ERROR: ", "dial tcp", "overlay", "step \"run", "process \"", "\n", "İ"];
    Fuzz::new("tools").seeds(seeds).words(&words).run(target);
}
