//! Text as Slack wants it: escaped, and cut where Slack would refuse it.
//!
//! Limits and escapes: Slack's "Formatting text" and "Block Kit" references (section text 3000 characters, header
//! context elements 10, blocks 50; `&`, `<` and `>` are control characters).

use url::Url;

/// Plain text as mrkdwn: nothing in it can mention anybody or make a link.
pub(crate) fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        push(&mut out, c);
        out
    })
}

fn push(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        c if c.is_control() && c != '\n' => out.push(' '),
        c => out.push(c),
    }
}

fn width(c: char) -> usize {
    match c {
        '&' => 5,
        '<' | '>' => 4,
        _ => 1,
    }
}

/// A value between backticks; a backtick in it would end them.
pub(crate) fn code(text: &str) -> String {
    format!("`{}`", escape(text).replace(['`', '\n'], "'"))
}

/// A link with its words. In an address a `|` would begin them.
pub(crate) fn link(to: &Url, words: &str) -> String {
    format!("<{}|{}>", escape(to.as_str()).replace('|', "%7C"), escape(words))
}

/// The beginning of a text, escaped, in at most so many characters.
pub(crate) fn start(text: &str, max: usize) -> String {
    let mut taken = String::new();
    let mut room = max.saturating_sub(1);
    for c in text.trim().chars() {
        let Some(left) = room.checked_sub(width(c)) else {
            taken.push('…');
            return taken;
        };
        room = left;
        push(&mut taken, c);
    }
    taken
}

/// The end of some output as a code block in at most so many characters; what failed stands at the end.
pub(crate) fn block(output: &str, max: usize) -> String {
    // Three backticks in it would end the block.
    let output = output.trim().replace("```", "'''");
    let mut room = max.saturating_sub("```\n…\n```".chars().count());
    let mut from = output.len();
    for (at, c) in output.char_indices().rev() {
        let Some(left) = room.checked_sub(width(c)) else { break };
        (room, from) = (left, at);
    }
    let cut = if from > 0 { "…" } else { "" };
    format!("```\n{cut}{}\n```", escape(&output[from..]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_can_mention_anybody() {
        assert_eq!(escape("<!channel> & <@U1>\u{7}"), "&lt;!channel&gt; &amp; &lt;@U1&gt; ");
        assert_eq!(code("a`b`\nc"), "`a'b''c`");
    }

    #[test]
    fn a_link_leads_where_it_says_whatever_is_in_its_address() {
        let to = |url: &str| link(&Url::parse(url).unwrap(), "a > b");
        assert_eq!(to("https://windlass.example:8443/a"), "<https://windlass.example:8443/a|a &gt; b>");
        assert_eq!(to("https://h/?a=1&b=<|>"), "<https://h/?a=1&amp;b=%3C%7C%3E|a &gt; b>");
    }

    #[test]
    fn cuts_count_what_slack_counts_and_split_no_escape() {
        let long = "<&>".repeat(5000);
        for max in [50, 51, 52, 53, 3000] {
            let text = start(&long, max);
            assert!(text.chars().count() <= max && text.ends_with('…'), "{max}: {text}");
            let text = block(&long, max);
            assert!(text.chars().count() <= max, "{max}: {}", text.len());
            assert!(text.starts_with("```\n…&") && text.ends_with(";\n```"), "{text}");
        }
        assert_eq!(start(" short ", 50), "short");
    }

    #[test]
    fn a_block_keeps_the_end_and_stays_one_block() {
        let text = block(&format!("{}\n``` the end", "x".repeat(5000)), 100);
        assert!(text.ends_with("''' the end\n```"), "{text}");
        assert_eq!(text.matches("```").count(), 2);
    }
}
