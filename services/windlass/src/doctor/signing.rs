//! The key that commits are signed with: it is tried.

use proto::WorkerName;
use runtime::{Config, config::SigningKey, git::Git, network::Guard, programs::Needed};

use super::report::Finding;

/// Whether it signs, and the signature verifies. What cannot be read, and programs that are not here, are told with the
/// others of their kind.
pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let (Some(key), Some(needed)) = (&config.git.sign, Needed::for_signing(&config.git)) else { return Vec::new() };
    let (SigningKey::Ssh(secret) | SigningKey::Gpg(secret)) = key;
    let signs = config.workers.contains(&WorkerName::Bumper);
    if !signs || secret.read().is_err() || needed.find().is_none() {
        return Vec::new();
    }
    let tried = Git::new(&config.git, &Guard::new(&config.network)).try_signing().await;
    vec![match tried {
        Ok(by) => Finding::ok(needed.key, format!("it signs, and that verifies: {}", by.unwrap_or_default())),
        Err(error) => {
            let next = format!("put a key into {secret} that signs: without a passphrase, and not expired");
            Finding::broken(needed.key, format!("{error:#}"), &next)
        }
    }]
}
