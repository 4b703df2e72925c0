//! `WWW-Authenticate`: how a registry wants to be told who asks (RFC 9110, 11.6.1; Docker's token specification).

/// One challenge.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password with every request.
    Basic,
    /// A token, which this server hands out.
    Bearer {
        /// The token server's URL.
        realm: String,
        /// What it calls the registry.
        service: Option<String>,
        /// What is asked for.
        scope: Option<String>,
    },
}

/// Reads one header value; `None` for schemes nobody knows here.
pub(super) fn parse(header: &str) -> Option<Challenge> {
    let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut challenge = (None, None, None);
    for (name, value) in parameters(rest) {
        match name.to_ascii_lowercase().as_str() {
            "realm" => challenge.0 = Some(value),
            "service" => challenge.1 = Some(value),
            "scope" => challenge.2 = Some(value),
            _ => {}
        }
    }
    let (realm, service, scope) = challenge;
    Some(Challenge::Bearer { realm: realm?, service, scope })
}

/// `name="value"` pairs; a comma inside quotes separates nothing.
fn parameters(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((name, rest)) = text.split_once('=') {
        let name = name.trim_matches([' ', ',', '\t']).to_owned();
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        found.push((name, value.trim().to_owned()));
        text = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let header = r#"Bearer realm="https://auth.example/token",service=reg, scope="repository:a/b:pull,push""#;
        let wanted = Challenge::Bearer {
            realm: "https://auth.example/token".to_owned(),
            service: Some("reg".to_owned()),
            scope: Some("repository:a/b:pull,push".to_owned()),
        };
        assert_eq!(parse(header), Some(wanted));
        assert_eq!(parse(r#"BASIC realm="x""#), Some(Challenge::Basic));
        assert_eq!(parse("Negotiate"), None);
        assert_eq!(parse("Bearer service=x"), None);
    }
}
