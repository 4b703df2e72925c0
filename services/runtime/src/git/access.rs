//! Who we are at a Git server: a password in Git's environment, or a key in a file that is gone with the command.

use std::{fmt::Write as _, io::Write as _, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use tempfile::TempPath;

use super::{Git, GitError, error, url};
use crate::{
    Secret,
    config::{GitCredential, SecretRef},
    exec::{ExecError, Finished},
};

/// What a command needs beside its arguments to be let in.
#[derive(Default)]
pub(super) struct Access {
    pub(super) settings: Vec<(String, String)>,
    /// Goes behind the command for SSH; a shell reads it.
    pub(super) ssh: String,
    pub(super) masks: Vec<Secret>,
    pub(super) held: Vec<TempPath>,
}

impl Git {
    /// By the credential in the URL itself, or that of the longest configured prefix.
    pub(super) async fn access(&self, url: &str) -> Result<Access, GitError> {
        if let Some((origin, username, password)) = url::userinfo(url) {
            return Ok(by_password(&origin, &username, password));
        }
        let Some(best) = self.credential(url) else { return Ok(Access::default()) };
        let GitCredential { url: prefix, username, password, app, key, known_hosts } = best;
        if let Some(app) = app {
            return Ok(by_password(prefix, username, self.tokens.of(app, url).await?));
        }
        let access = || {
            if let Some(key) = key {
                return by_key(&key.read()?, known_hosts.as_deref());
            }
            let password = password.as_ref().map(SecretRef::read).transpose()?;
            Ok(password.map(|password| by_password(prefix, username, password)).unwrap_or_default())
        };
        access().map_err(|why| needs(&why))
    }

    /// That of the longest configured prefix.
    fn credential(&self, url: &str) -> Option<&GitCredential> {
        let matching = self.config.credentials.iter().filter(|c| url::is_below(url, &c.url));
        matching.max_by_key(|c| c.url.len())
    }

    /// What a command that did not exit with 0 came to. The token of an App that it was refused with is made anew for the
    /// next, unless another has had that done already.
    pub fn failed(&self, url: &str, finished: &Finished) -> GitError {
        let error = GitError::of(url, finished);
        let by_url = url::userinfo(url).is_some();
        let app = self.credential(url).filter(|_| !by_url).and_then(|credential| credential.app.as_ref());
        match (error, app) {
            (GitError::Refused { url: shown, why }, Some(app)) if error::is_about_us(&why) => {
                let is_refused = |token: &Secret| finished.masks.contains(token);
                if self.tokens.forget(app, url, is_refused) && error::is_unknown(&why) {
                    GitError::Ended { url: shown, why }
                } else {
                    GitError::Refused { url: shown, why }
                }
            }
            (error, _) => error,
        }
    }
}

/// A secret that could not be had.
pub(super) fn needs(why: &anyhow::Error) -> GitError {
    ExecError::Secret { program: "git".to_owned(), why: format!("{why:#}") }.into()
}

fn by_password(prefix: &str, username: &str, password: Secret) -> Access {
    let coded = STANDARD.encode(format!("{username}:{}", password.expose()));
    let settings = vec![(format!("http.{prefix}.extraHeader"), format!("Authorization: Basic {coded}"))];
    Access { settings, masks: vec![password, coded.into()], ..Access::default() }
}

/// Only this key, and of the servers only those that are known; the machine's own configuration of ssh is not asked.
fn by_key(key: &Secret, known_hosts: Option<&Path>) -> anyhow::Result<Access> {
    let file = key_file(key)?;
    let mut ssh = format!(" -F /dev/null -oIdentitiesOnly=yes -oIdentityAgent=none -i {}", quoted(&file));
    if let Some(known) = known_hosts {
        // ssh's own words for a file that is not there are those for a server that is not in it.
        std::fs::metadata(known).map_err(|why| anyhow::anyhow!("`known_hosts` {}: {why}", known.display()))?;
        let known = known.display();
        ssh += " -oStrictHostKeyChecking=yes -oGlobalKnownHostsFile=/dev/null";
        let _ = write!(ssh, " -oUserKnownHostsFile={known}");
    }
    Ok(Access { ssh, held: vec![file], ..Access::default() })
}

/// A secret as a file that only we may read (ssh refuses any other), for programs that take it in no other way.
pub(super) fn key_file(key: &Secret) -> anyhow::Result<TempPath> {
    let mut file = tempfile::Builder::new().prefix("windlass-key").tempfile()?;
    // The reference is read without the line feed at its end, and OpenSSH wants it.
    file.write_all(format!("{}\n", key.expose()).as_bytes())?;
    Ok(file.into_temp_path())
}

/// A path as a shell takes it for one word, and ssh for itself.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy().replace('%', "%%").replace('\'', r"'\''");
    format!("'{text}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_to_the_shell_and_itself_to_ssh() {
        assert_eq!(quoted(Path::new("/t m/it's 5%")), r"'/t m/it'\''s 5%%'");
    }
}
