//! Signing commits: Git has `ssh-keygen` or `gpg` do it, with a key that lies on disk only meanwhile.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, path::Path};

use proto::Timestamp;
use tempfile::{TempDir, TempPath};

use super::{
    Git, GitError,
    access::{key_file, needs},
};
use crate::{
    Secret,
    config::{SecretRef, SigningKey},
    exec::{Finished, Program},
};

/// Signs commits while it lives.
pub struct Signer {
    git: Git,
    settings: Vec<(String, String)>,
    keys: Keys,
}

/// The key, where programs find it.
pub(super) enum Keys {
    Ssh { file: TempPath },
    Gpg { home: TempDir, fingerprint: String, expired: Option<Timestamp> },
}

/// Nobody is asked for a passphrase, whatever terminal or screen there is: a key of `git.sign` has none. As gpg's options,
/// and for `ssh-keygen`, which asks this program in the place of people.
const ASK_NOBODY: &str = "batch\nno-tty\npinentry-mode error\n";
const ASK_NOBODY_SSH: [(&str, &str); 2] = [("SSH_ASKPASS", "false"), ("SSH_ASKPASS_REQUIRE", "force")];

/// What programs say, and what that means where they do not say it themselves.
const MEANINGS: &[(&[&str], &str)] = &[
    // gpg's and OpenSSH's words for a passphrase that nobody gives.
    (
        &["No pinentry", "Inappropriate ioctl", "No passphrase given", "incorrect passphrase supplied"],
        "it has a passphrase, and a key of `git.sign` must have none: take it off with `ssh-keygen -p`, or gpg's \
         `--edit-key` and `passwd`",
    ),
    // Where a file is no private key, ssh-keygen looks for the public one beside it.
    (
        &["Couldn't load public key", "invalid format", "error in libcrypto"],
        "it is no private key that `ssh-keygen` reads",
    ),
    (&["cannot run ssh-keygen", "cannot run gpg"], "install it where commits are signed"),
];

impl Git {
    /// Who signs commits, when a key is configured.
    ///
    /// # Errors
    /// When the key cannot be read, or `gpg` does not take it.
    pub async fn signer(&self) -> Result<Option<Signer>, GitError> {
        Ok(match &self.config.sign {
            None => None,
            Some(SigningKey::Ssh(key)) => Some(self.by_ssh(&read(key)?)?),
            Some(SigningKey::Gpg(key)) => Some(self.by_gpg(&read(key)?).await?),
        })
    }

    fn by_ssh(&self, key: &Secret) -> Result<Signer, GitError> {
        let file = key_file(key).map_err(|why| needs(&why))?;
        let settings = vec![set("gpg.format", "ssh"), set("user.signingKey", &file.to_string_lossy())];
        Ok(Signer { git: self.clone(), settings, keys: Keys::Ssh { file } })
    }

    async fn by_gpg(&self, key: &Secret) -> Result<Signer, GitError> {
        // Of a folder that others may look into, gpg warns, whatever else it has to say.
        let ours = Permissions::from_mode(0o700);
        let home = tempfile::Builder::new().prefix("windlass-gpg").permissions(ours).tempdir();
        let home = home.map_err(|why| needs(&why.into()))?;
        std::fs::write(home.path().join("gpg.conf"), ASK_NOBODY).map_err(|why| needs(&why.into()))?;
        let import = gpg(home.path()).args(["--status-fd=1", "--import"]).stdin(key.expose().as_bytes().to_vec());
        let imported = import.keep_stdout(64 << 10).run().await?;
        let status = String::from_utf8_lossy(&imported.stdout).into_owned();
        // `[GNUPG:] IMPORT_OK <flags> <fingerprint>`; 16 among the flags says that it is a secret key.
        let mut imports = status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] IMPORT_OK "));
        let secret = |flags: &str| flags.parse::<u32>().is_ok_and(|flags| flags & 16 != 0);
        let found = imports.find_map(|line| line.split_once(' ').filter(|(flags, _)| secret(flags)));
        let Some((_, fingerprint)) = found else {
            let why = format!("gpg takes the key of `git.sign` for no secret key: {}", words(&imported));
            return Err(needs(&anyhow::anyhow!(why)));
        };
        // `[GNUPG:] KEYEXPIRED <seconds>`; of a subkey too, while the others sign.
        let expired = status.lines().find_map(|line| line.strip_prefix("[GNUPG:] KEYEXPIRED "));
        let expired = expired.and_then(|at| Timestamp::from_second(at.trim().parse().ok()?).ok());
        let settings = vec![set("gpg.format", "openpgp"), set("user.signingKey", fingerprint)];
        let keys = Keys::Gpg { home, fingerprint: fingerprint.to_owned(), expired };
        Ok(Signer { git: self.clone(), settings, keys })
    }
}

impl Signer {
    /// As [`Git::local`], for a command that is told to sign.
    pub fn local(&self, dir: &Path) -> Program {
        let program = self.git.local_with(dir, &self.settings);
        match &self.keys {
            Keys::Ssh { .. } => program.envs(ASK_NOBODY_SSH),
            Keys::Gpg { home, .. } => program.env("GNUPGHOME", home.path()),
        }
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Why it signed nothing, in one line.
    pub fn words(&self, finished: &Finished) -> String {
        let said = words(finished);
        let said = match &self.keys {
            Keys::Ssh { file } => said.replace(&*file.to_string_lossy(), "the key"),
            Keys::Gpg { .. } => said,
        };
        let meaning = MEANINGS.iter().find(|(all, _)| all.iter().any(|words| said.contains(words)));
        match (meaning, &self.keys) {
            (Some((_, means)), _) => format!("{said}; that is, {means}"),
            // So gpg calls one that may not sign, whatever forbids it.
            (None, Keys::Gpg { expired: Some(at), .. }) if said.contains("Unusable secret key") => {
                format!("{said}; it expired on {}", at.strftime("%F"))
            }
            _ => said,
        }
    }

    /// Ends what `gpg` left running; it would end by itself some minute after its folder is gone.
    pub async fn finish(self) {
        if let Keys::Gpg { home, .. } = &self.keys {
            let kill = Program::new(["gpgconf", "--kill", "all"]).env("GNUPGHOME", home.path());
            if let Err(why) = kill.run().await {
                tracing::warn!(%why, "could not end the agent that gpg started");
            }
        }
    }
}

/// What a program said, in one line: without what gpg says for machines, and without the names of files that are gone.
fn words(finished: &Finished) -> String {
    let lines = finished.tail.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("[GNUPG:]"));
    lines.collect::<Vec<_>>().join("; ")
}

fn read(key: &SecretRef) -> Result<Secret, GitError> {
    key.read().map_err(|why| needs(&why.context("`git.sign`")))
}

fn gpg(home: &Path) -> Program {
    Program::new(["gpg", "--batch", "--quiet", "--no-tty"]).env("GNUPGHOME", home)
}

fn set(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}
