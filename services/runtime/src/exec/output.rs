//! What a program says: cut into lines, masked, written down, said live, and its end remembered.

use std::{collections::VecDeque, path::PathBuf};

use tokio::{fs::File, io::AsyncWriteExt};
use tracing::info;

use super::{ExecError, Masks};

/// The longest line that is kept, in bytes; the rest of a longer one is counted, not shown.
const LONGEST_LINE: usize = 64 * 1024;
/// What is remembered of the end: lines, bytes in all, bytes of one line.
const TAIL: (usize, usize, usize) = (60, 8 * 1024, 2 * 1024);

/// The lines of one stream, as they become complete.
#[derive(Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    left_out: usize,
}

/// Where the lines of all streams go.
pub(super) struct Output {
    masks: Masks,
    log: Option<(PathBuf, File)>,
    label: Option<String>,
    tail: VecDeque<String>,
}

impl Lines {
    /// Takes a chunk and gives each line that it completes.
    pub(super) fn feed(&mut self, mut chunk: &[u8], room: usize, mut line: impl FnMut(&[u8], usize)) {
        while let Some(end) = chunk.iter().position(|b| *b == b'\n') {
            self.take(&chunk[..end], room);
            line(self.buffer.strip_suffix(b"\r").unwrap_or(&self.buffer), self.left_out);
            self.buffer.clear();
            self.left_out = 0;
            chunk = &chunk[end + 1..];
        }
        self.take(chunk, room);
    }

    /// Gives what the stream ended with, when that was no line feed.
    pub(super) fn finish(&mut self, line: impl FnOnce(&[u8], usize)) {
        if !self.buffer.is_empty() {
            line(&self.buffer, self.left_out);
            self.buffer.clear();
        }
    }

    fn take(&mut self, bytes: &[u8], room: usize) {
        let fits = bytes.len().min(room.saturating_sub(self.buffer.len()));
        self.buffer.extend_from_slice(&bytes[..fits]);
        self.left_out += bytes.len() - fits;
    }
}

impl Output {
    pub(super) async fn new(masks: Masks, log: Option<PathBuf>, label: Option<String>) -> Result<Self, ExecError> {
        let log = match log {
            Some(path) => Some((path.clone(), open(&path).await.map_err(|why| ExecError::Log { path, why })?)),
            None => None,
        };
        Ok(Self { masks, log, label, tail: VecDeque::new() })
    }

    /// Takes a chunk of a stream, or its end.
    pub(super) async fn take(&mut self, lines: &mut Lines, chunk: &[u8]) -> Result<(), ExecError> {
        // A secret that begins before the cut must be there whole, or its beginning would be shown.
        let room = LONGEST_LINE + self.masks.longest();
        let mut text = String::new();
        if chunk.is_empty() {
            lines.finish(|line, left_out| self.line(line, left_out, &mut text));
        } else {
            lines.feed(chunk, room, |line, left_out| self.line(line, left_out, &mut text));
        }
        if let Some((path, file)) = self.log.as_mut().filter(|_| !text.is_empty()) {
            let written = async { file.write_all(text.as_bytes()).await.and(file.flush().await) }.await;
            written.map_err(|why| ExecError::Log { path: path.clone(), why })?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], left_out: usize, text: &mut String) {
        let masked = self.masks.apply(&String::from_utf8_lossy(line));
        let shown = cut(&masked, LONGEST_LINE);
        let left_out = left_out + (masked.len() - shown.len());
        text.push_str(shown);
        if left_out > 0 {
            text.extend([" [... ", &left_out.to_string(), " bytes more]"]);
        }
        text.push('\n');
        let plain = plain(cut(shown, TAIL.2));
        if let Some(label) = &self.label {
            info!(target: "step", step = label, "{plain}");
        }
        if self.tail.len() == TAIL.0 {
            self.tail.pop_front();
        }
        self.tail.push_back(plain);
    }

    /// The last lines, as many as fit.
    pub(super) fn into_tail(mut self) -> String {
        let mut bytes = 0;
        let fitting = self.tail.iter().rev().take_while(|line| {
            bytes += line.len() + 1;
            bytes <= TAIL.1
        });
        let first = self.tail.len() - fitting.count();
        self.tail.drain(..first);
        self.tail.make_contiguous().join("\n")
    }
}

async fn open(path: &std::path::Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    File::options().create(true).append(true).open(path).await
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Without colours and other orders to a terminal: tails are shown in terminals, pages and chats.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            // ECMA-48: a control sequence is `ESC [`, parameters, and a final character from `@` to `~`.
            '\u{1b}' => {
                if chars.next() == Some('[') {
                    let _sequence = chars.find(|c| ('@'..='~').contains(c));
                }
            }
            '\t' => plain.push(' '),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_the_chunks_fall() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for chunk in [&b"on"[..], b"e\r\ntw", b"o\n\nthr", b"ee"] {
            lines.feed(chunk, 100, |line, _| seen.push(line.to_vec()));
        }
        lines.finish(|line, _| seen.push(line.to_vec()));
        assert_eq!(seen, [&b"one"[..], b"two", b"", b"three"]);
    }

    #[test]
    fn a_line_without_end_takes_bounded_room() {
        let mut lines = Lines::default();
        for _ in 0..1000 {
            lines.feed(&[b'x'; 1000], 500, |_, _| {});
        }
        let mut seen = (0, 0);
        lines.feed(b"\n", 500, |line, left_out| seen = (line.len(), left_out));
        assert_eq!(seen, (500, 999_500));
    }

    #[test]
    fn orders_to_terminals_are_left_out() {
        assert_eq!(plain("\u{1b}[1;31mred\u{1b}[0m\u{7}\tx"), "red x");
    }
}
