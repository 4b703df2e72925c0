//! `windlass up` with nothing but a configuration: what was missed before it started comes by itself.

use std::time::Duration;

use anyhow::ensure;
use testkit::{
    folder::Folder,
    github_api::{FakeGithub, Outcome},
    http, ports,
    process::{Process, Signal},
    wait,
};

use crate::world::{SOON, program, push};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_before_the_start_comes_after_it() {
    let (github, folder) = (FakeGithub::start().unwrap(), Folder::new("up").unwrap());
    let (port, ops) = (ports::free().unwrap(), ports::free().unwrap());
    let hook = github.hook("repos/acme/shop", &format!("http://127.0.0.1:{port}/webhooks/github"), "s3cret");
    let secret = folder.write("secret", "s3cret").unwrap();
    let token = folder.write("token", &github.token()).unwrap();
    let text = format!(
        "data: '{data}'\nworkers: [normalizer, recorder]\nreceiver: {{ listen: '127.0.0.1:{port}' }}\n\
         ops: {{ listen: '127.0.0.1:{ops}' }}\nsources:\n  github:\n    kind: github\n    secrets: ['file:{secret}']\n    \
         reconcile: {{ token: 'file:{token}', api: '{api}', pause: 0s, every: 1s, hooks: [{{ repository: acme/shop }}] }}\n\
         apps: {{ shop: {{ repository: acme/shop, deploy: [main] }} }}\n",
        data = folder.join("data").display(),
        secret = secret.display(),
        token = token.display(),
        api = github.api(),
    );
    let config = folder.write("windlass.yaml", &text).unwrap();
    let begun = proto::Timestamp::now() - Duration::from_hours(2);
    for n in 0..25 {
        github.missed(hook, "push", &push("a", n), begun + Duration::from_mins(n.into()), Outcome::Unreachable);
    }
    let mut command = program("windlass", &config);
    command.arg("up");
    let mut up = Process::start_guarded("up", command, &folder.join("up.log"), Signal::TERM, None).unwrap();
    let metrics = format!("http://127.0.0.1:{ops}/metrics");
    let recovered = async || {
        ensure!(up.ended().is_none(), "it ended: {}", up.log_end());
        ensure!(github.missing().is_empty(), "{} are missing", github.missing().len());
        let text = http::client().get(&metrics).send().await?.text().await?;
        let told = r#"windlass_reconciler_redeliveries_came_total{place="github"} 25"#;
        ensure!(text.lines().any(|line| line == told), "{text}");
        Ok(())
    };
    wait::until(SOON, "what was missed", recovered).await.unwrap();
    up.signal(Signal::TERM).unwrap();
    assert!(up.wait(SOON).await.unwrap().success(), "{}", up.log_end());
}
