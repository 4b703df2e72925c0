//! How large webhooks may be, and whether the bus and the spool hold them.

use super::super::{Config, Source};

/// What a webhook may hold beside its body, in bytes: its attributes.
const SPOOL_MARGIN: u64 = 64 << 10;

/// A limit above the bus's own would only look like one: what is between the two is read, and then refused.
pub(super) fn check_bodies(config: &Config, found: &mut Vec<String>) {
    for (key, _) in body_limits(config).into_iter().filter(|(_, bytes)| *bytes > bus::MAX_BODY) {
        found.push(format!("`{key}`: no bus takes a body of more than {} bytes; write that, or less", bus::MAX_BODY));
    }
}

/// The largest bodies there may be, by the key that says so.
fn body_limits(config: &Config) -> Vec<(String, usize)> {
    let of_source = |(name, source): (_, &Source)| {
        Some((format!("sources.{name}.max_body_bytes"), source.max_body_bytes?)) as Option<(String, usize)>
    };
    let all = ("receiver.max_body_bytes".to_owned(), config.receiver.max_body_bytes);
    std::iter::once(all).chain(config.sources.iter().filter_map(of_source)).collect()
}

/// A spool that a webhook does not fit into would only look like one.
pub(super) fn check_spool(config: &Config, found: &mut Vec<String>) {
    let Some(spool) = &config.receiver.spool else { return };
    let largest = body_limits(config).into_iter().max_by_key(|(_, bytes)| *bytes);
    if let Some((key, bytes)) = largest
        && let least = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(SPOOL_MARGIN)
        && spool.max_bytes < least
    {
        found.push(format!(
            "`receiver.spool.max_bytes`: {} holds no body of `{key}`; give it {least} or more, or write \
             `receiver.spool: off`",
            spool.max_bytes
        ));
    }
    if spool.max_age.is_zero() {
        found.push("`receiver.spool.max_age`: nothing would ever be taken; write `24h`".to_owned());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::super::testing::contradictions as of, *};

    #[test]
    fn a_spool_holds_at_least_one_webhook_or_is_off() {
        for off in ["receiver: { spool: off }", "receiver: { spool: false }"] {
            assert!(Config::parse(off, "windlass.yaml".as_ref()).unwrap().receiver.spool.is_none());
        }
        let config = Config::parse("receiver: { spool: { max_age: 1h } }", "windlass.yaml".as_ref()).unwrap();
        assert_eq!(config.receiver.spool.unwrap().max_bytes, 1 << 30);
        for (wrong, key) in [
            ("{ max_bytes: 1000 }", "`receiver.spool.max_bytes`"),
            ("{ max_age: 0s }", "`receiver.spool.max_age`"),
            ("{ max_age: soon }", "`receiver.spool.max_age`"),
            ("{ max_size: 1 }", "`receiver.spool.max_size`"),
            ("on", "`receiver.spool`"),
        ] {
            let found = of(&format!("receiver: {{ spool: {wrong} }}")).concat();
            assert!(found.contains(key), "{wrong}: {found}");
        }
    }

    #[test]
    fn the_largest_body_of_every_source_fits_the_bus_and_the_spool() {
        let source =
            |limit: &str| format!("sources: {{ it: {{ kind: quay, secrets: [env:S], max_body_bytes: {limit} }} }}");
        let spool = "receiver: { spool: { max_bytes: 30000000 } }\n";
        assert_eq!(of(&format!("{spool}{}", source("29000000"))), Vec::<String>::new());
        let found = of(&format!("{spool}{}", source("31000000")));
        let named = found.len() == 1 && found[0].starts_with("`receiver.spool.max_bytes`");
        assert!(named && found[0].contains("`sources.it.max_body_bytes`"), "{found:?}");
        assert_eq!(of(&source("67108864")), Vec::<String>::new());
        for (text, key) in [
            (source("67108865"), "sources.it.max_body_bytes"),
            ("receiver: { max_body_bytes: 100000000 }".to_owned(), "receiver.max_body_bytes"),
        ] {
            let found = of(&text);
            assert!(found.len() == 1 && found[0].starts_with(&format!("`{key}`: no bus")), "{found:?}");
        }
    }
}
