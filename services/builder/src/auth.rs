//! Credentials for the programs that pull and push: in a file only we can read, never on a command line.

use std::{
    fs::File,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use runtime::{Config, Secret};
use serde_json::{Map, json};

/// What tools may be told of this process's environment: where their own settings are, and proxies.
const PASSED_ON: [&str; 14] = [
    "BUILDAH_ISOLATION",
    "CONTAINERS_CONF",
    "CONTAINERS_REGISTRIES_CONF",
    "CONTAINERS_STORAGE_CONF",
    "DOCKER_CONFIG",
    "DOCKER_HOST",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "REGISTRY_AUTH_FILE",
    "STORAGE_DRIVER",
    "STORAGE_OPTS",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
];

/// What a build tool needs to know of us.
pub(crate) struct Auth {
    /// Variables for it.
    pub(crate) env: Vec<(String, PathBuf)>,
    /// What it must not show.
    pub(crate) masks: Vec<Secret>,
}

/// Writes `config.json` into this folder: the form that buildah, skopeo and docker share (containers-auth.json(5)).
/// Without configured credentials the tools look for their own.
pub(crate) fn write(config: &Config, folder: &Path) -> Result<Auth> {
    let (mut auths, mut masks) = (Map::new(), Vec::new());
    for (host, registry) in &config.registries {
        let Some(password) = &registry.password else { continue };
        let password = password.read().with_context(|| format!("`registries.{host}.password`"))?;
        let username = registry.username.as_deref().unwrap_or_default();
        let coded = STANDARD.encode(format!("{username}:{}", password.expose()));
        auths.insert(key(host).to_owned(), json!({ "auth": coded }));
        masks.extend([password, coded.into()]);
    }
    let own = PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?.into())));
    let mut env: Vec<(String, PathBuf)> = own.collect();
    if !auths.is_empty() {
        let path = folder.join("config.json");
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(json!({ "auths": auths }).to_string().as_bytes()));
        written.with_context(|| format!("writing {}", path.display()))?;
        env.push(("REGISTRY_AUTH_FILE".to_owned(), path));
        env.push(("DOCKER_CONFIG".to_owned(), folder.to_owned()));
    }
    Ok(Auth { env, masks })
}

/// Docker Hub's name there is not its host's.
fn key(host: &str) -> &str {
    if host == "docker.io" { "https://index.docker.io/v1/" } else { host }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn passwords_are_in_a_file_of_our_own_and_masked() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hunter22\n").unwrap();
        let text = format!(
            "registries: {{ 'r.example:5000': {{ username: me, password: 'file:{}/token' }}, 'open.example': {{}} }}",
            folder.path().display()
        );
        let auth = write(&Config::parse(&text, "test.yaml".as_ref()).unwrap(), folder.path()).unwrap();
        let path = folder.path().join("config.json");
        assert!(auth.env.contains(&("REGISTRY_AUTH_FILE".to_owned(), path.clone())));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(written, json!({ "auths": { "r.example:5000": { "auth": STANDARD.encode("me:hunter22") } } }));
        let shown =
            runtime::exec::Masks::of(&auth.masks).apply(&format!("hunter22 {}", STANDARD.encode("me:hunter22")));
        assert_eq!(shown, "*** ***");
    }
}
