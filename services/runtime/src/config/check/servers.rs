//! Where bus and ledger are, and where this process listens.

use url::Url;

use super::super::Config;

/// Addresses of servers that are no URLs. They are not repeated: there may be a password in them.
pub(super) fn unfit_servers(config: &Config) -> Vec<String> {
    let parsed = |text: &str| Url::parse(text).ok();
    let mut found = Vec::new();
    if config.bus.starts_with("amqp") && !parsed(&config.bus).is_some_and(|url| url.has_host()) {
        found.push("`bus`: it is no URL with a host; write `amqps://windlass@rabbitmq.example:5671/%2f`".to_owned());
    }
    // PostgreSQL knows URLs of several hosts, which others do not.
    let is_one = !config.ledger.contains(',');
    if config.ledger.starts_with("postgres") && is_one && parsed(&config.ledger).is_none() {
        found.push("`ledger`: it is no URL; write `postgres://windlass@db.example:5432/windlass`".to_owned());
    }
    let idle = [("bus", &config.bus_password), ("ledger", &config.ledger_password)];
    let idle = idle.into_iter().filter(|(key, password)| {
        let address = if *key == "bus" { &config.bus } else { &config.ledger };
        password.is_some() && address.starts_with("sqlite")
    });
    found.extend(
        idle.map(|(key, _)| format!("`{key}_password`: a file has none; take it out, or write `{key}` as a URL")),
    );
    found
}

/// Names are looked up only when they are listened on: they may be known there and not here.
pub(super) fn check_listeners(config: &Config, found: &mut Vec<String>) {
    let (receiver, ops) = (&config.receiver.listen, &config.ops.listen);
    let console = config.console.as_ref().map(|console| &console.listen);
    let listeners = [("receiver.listen", receiver), ("ops.listen", ops)].into_iter();
    for (key, address) in listeners.chain(console.map(|listen| ("console.listen", listen))) {
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.is_none_or(|(host, port)| host.contains('*') || port.parse::<u16>().is_err()) {
            found.push(format!("`{key}`: `{address}` is no address and port; write `0.0.0.0:8080`"));
        }
    }
    if receiver == ops && !receiver.ends_with(":0") {
        found.push(format!("`ops.listen`: `{ops}` is the receiver's; give it a port of its own"));
    }
    if let Some(listen) = console.filter(|listen| [receiver, ops].contains(listen) && !listen.ends_with(":0")) {
        found.push(format!("`console.listen`: `{listen}` is taken by another part; give it a port of its own"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::contradictions as of;

    #[test]
    fn servers_have_addresses_and_files_no_passwords() {
        for (wrong, key, hint) in [
            ("bus: 'amqp://'", "bus", "write `amqps://"),
            ("bus: 'amqp://u:hunter2@h:99999/'", "bus", "write `amqps://"),
            ("ledger: 'postgres://u:hunter2@h:x/db'", "ledger", "write `postgres://"),
            ("bus_password: 'env:P'", "bus_password", "take it out"),
            ("ledger_password: 'env:P'", "ledger_password", "take it out"),
            ("data: ''", "data", "leave it out"),
            ("log: { filter: 'info,bumper=loud=x' }", "log.filter", "write `info`"),
        ] {
            let found = of(wrong);
            let one = found.len() == 1 && found[0].starts_with(&format!("`{key}`: ")) && found[0].contains(hint);
            assert!(one && !found[0].contains("hunter2"), "{wrong}: {found:?}");
        }
        for right in [
            "bus: 'amqps://me@mq.example:5671/%2f'\nbus_password: env:P",
            "ledger: 'postgres://u@a.example:1,b.example:2/db'",
            "ledger: 'postgres:///db?host=/run/postgresql'",
            "log: { filter: 'warn,bumper=debug' }",
        ] {
            assert_eq!(of(right), Vec::<String>::new(), "{right}");
        }
    }

    #[test]
    fn listeners_are_addresses_of_their_own() {
        for wrong in ["abc", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:99999", ":8080", "*:8080"] {
            let found = of(&format!("receiver: {{ listen: '{wrong}' }}"));
            assert!(found.len() == 1 && found[0].starts_with("`receiver.listen`"), "{wrong}: {found:?}");
        }
        let found = of("receiver: { listen: '127.0.0.1:80' }\nops: { listen: '127.0.0.1:80' }");
        assert!(found.len() == 1 && found[0].starts_with("`ops.listen`"), "{found:?}");
        for right in ["127.0.0.1:0", "[::1]:8080", "windlass.internal:8080"] {
            assert_eq!(of(&format!("receiver: {{ listen: '{right}' }}")), Vec::<String>::new());
        }
        let both = "receiver: { listen: '127.0.0.1:0' }\nops: { listen: '127.0.0.1:0' }";
        assert_eq!(of(both), Vec::<String>::new());
    }
}
