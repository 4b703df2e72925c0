//! What GitHub says, in our words.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{config, failed, github, ignored, only, read};
use proto::{Data, Lane};
use serde_json::{Value, json};

const COMMIT: &str = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";
const ZEROS: &str = "0000000000000000000000000000000000000000";

/// GitHub's own example of a push to a branch, cut to the fields it is about.
fn push() -> Value {
    json!({
        "ref": "refs/heads/main", "before": "9c8d7e6f9c8d7e6f9c8d7e6f9c8d7e6f9c8d7e6f", "after": COMMIT,
        "created": false, "deleted": false, "forced": true, "base_ref": null, "compare": "https://github.com/…",
        "repository": { "name": "Shop", "full_name": "Acme/Shop", "clone_url": "https://evil.example/x.git" },
        "pusher": { "name": "Codertocat", "email": "codertocat@example.org" },
        "commits": [], "sender": { "login": "Codertocat" },
        "head_commit": {
            "id": COMMIT, "message": "Add träger\n\nA longer text.", "timestamp": "2019-05-15T15:20:41Z",
            "author": { "name": "Mona Lisa", "email": "mona@example.org", "username": "mona" },
        },
    })
}

fn with(mut value: Value, pointer: &str, new: impl Into<Value>) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap()[key] = new.into();
    value
}

#[test]
fn a_push_to_a_branch_names_the_app_by_its_repository_whatever_its_case() {
    let (subject, data) = only(&read(&config(), &github("push", &push())));
    let Data::PushReceived(push) = data else { panic!("{data:?}") };
    assert_eq!(subject, "main");
    let change = &push.change;
    assert_eq!((change.app.as_str(), change.branch.as_str(), change.commit.as_str()), ("shop", "main", COMMIT));
    assert_eq!((change.lane, push.forced), (Lane::Deploy, true));
    assert_eq!(change.author.as_deref(), Some("Mona Lisa"));
    assert_eq!(change.title.as_deref(), Some("Add träger"));
    assert_eq!(push.before.unwrap().as_str(), "9c8d7e6f9c8d7e6f9c8d7e6f9c8d7e6f9c8d7e6f");
}

#[test]
fn the_branch_decides_the_lane_and_a_new_branch_has_no_before() {
    for (reference, lane) in
        [("hotfix/login", Lane::Hotfix), ("feature/x", Lane::Check), ("refs/heads/main", Lane::Check)]
    {
        let new = with(push(), "/ref", format!("refs/heads/{reference}"));
        let (subject, data) = only(&read(&config(), &github("push", &with(new, "/before", ZEROS))));
        let Data::PushReceived(push) = data else { panic!("{data:?}") };
        assert_eq!((subject.as_str(), push.change.lane, push.before), (reference, lane, None));
    }
}

#[test]
fn a_push_to_a_shared_repository_is_one_for_each_app_and_their_ids_differ() {
    let config = common::parse(&common::CONFIG.replace("acme/admin", "acme/shop"));
    let webhook = github("push", &push());
    let outcomes = read(&config, &webhook).unwrap();
    let ids = common::ids(&webhook, &outcomes);
    assert_eq!((outcomes.iter().count(), ids.len()), (2, 2), "{outcomes:?}");
    assert_eq!(ids, common::ids(&webhook, &read(&config, &webhook).unwrap()), "and are the same the second time");
}

#[test]
fn what_is_no_branch_to_build_is_ignored_with_its_name() {
    let deleted = with(with(push(), "/deleted", true), "/after", ZEROS);
    for (body, named) in [
        (with(push(), "/ref", "refs/tags/v1.0"), "refs/tags/v1.0"),
        (with(push(), "/ref", "refs/notes/commits"), "refs/notes/commits"),
        (with(push(), "/ref", "refs/pull/7/head"), "refs/pull/7/head"),
        (with(push(), "/ref", "refs/heads/-oProxyCommand=x"), "-oProxyCommand=x"),
        (with(push(), "/ref", "refs/heads/a..b"), "a..b"),
        (with(push(), "/ref", "refs/heads/a\nb"), "a?b"),
        (with(push(), "/ref", ""), "no branch"),
        (with(deleted, "/head_commit", Value::Null), "deleted"),
        (with(push(), "/after", ZEROS), "deleted"),
        (with(push(), "/repository/full_name", "acme/other"), "acme/other"),
    ] {
        let reason = ignored(&read(&config(), &github("push", &body)));
        assert!(reason.contains(named) && !reason.contains('\n'), "{named}: {reason}");
    }
    let other = ignored(&read(&config(), &github("star", &json!({}))));
    assert!(other.contains("star"), "{other}");
    ignored(&read(&config(), &github("ping", &json!({ "zen": "Keep it logically awesome." }))));
}

#[test]
fn what_cannot_be_read_fails_for_good_and_says_where() {
    for (body, wanted) in [
        (with(push(), "/after", "HEAD"), "at `after`: `HEAD` is not a commit id"),
        (with(push(), "/repository", json!({ "id": 1 })), "at `repository`: missing field `full_name`"),
        (with(push(), "/head_commit/message", 7), "at `head_commit.message`"),
        (json!([]), "at `.`"),
    ] {
        let error = failed(&read(&config(), &github("push", &body)));
        assert!(error.contains("`push` from the source `github`") && error.contains(wanted), "{error}");
    }
    let deep = [b"{\"ref\":".as_slice(), &b"[".repeat(100_000)].concat();
    for body in [b"not json".to_vec(), Vec::new(), b"\xff\xfe".to_vec(), b"{} {}".to_vec(), deep] {
        failed(&read(&config(), &common::raw("github", Some("push"), "application/json", &body)));
    }
    failed(&read(&config(), &common::raw("github", None, "application/json", b"{}")));
    failed(&read(&config(), &common::raw("nonesuch", Some("push"), "application/json", b"{}")));
}

#[test]
fn a_form_says_the_same_as_json() {
    let form = |text: &str| {
        common::raw("github", Some("push"), "application/x-www-form-urlencoded; charset=utf-8", text.as_bytes())
    };
    let encoded: String =
        url::form_urlencoded::Serializer::new("payload=".to_owned()).append_key_only(&push().to_string()).finish();
    let encoded = encoded.replacen("payload=&", "payload=", 1);
    assert_eq!(only(&read(&config(), &form(&encoded))), only(&read(&config(), &github("push", &push()))));
    for broken in ["ref=x", "payload=%7B", "payload=%ff%fe", ""] {
        failed(&read(&config(), &form(broken)));
    }
}

#[test]
fn only_the_first_line_of_a_message_is_its_title_and_not_all_of_a_long_one() {
    for (message, title) in [("", None), ("\n\nx", None), (&*"ä".repeat(500), Some("ä".repeat(120)))] {
        let (_, data) = only(&read(&config(), &github("push", &with(push(), "/head_commit/message", message))));
        let Data::PushReceived(push) = data else { panic!("{data:?}") };
        assert_eq!(push.change.title, title);
    }
    let (_, data) = only(&read(&config(), &github("push", &with(push(), "/head_commit", Value::Null))));
    assert!(matches!(data, Data::PushReceived(push) if push.change.title.is_none()));
}

fn pull_request() -> Value {
    json!({
        "action": "synchronize", "number": 7,
        "pull_request": {
            "number": 7, "title": "Pay by card", "merged": null, "user": { "login": "mona" },
            "head": { "ref": "feature/card", "sha": COMMIT, "repo": { "full_name": "acme/Shop" } },
            "base": { "ref": "main", "sha": COMMIT, "repo": { "full_name": "acme/shop" } },
        },
        "repository": { "full_name": "acme/shop" },
    })
}

#[test]
fn a_pull_request_is_only_checked_and_a_fork_is_known_as_one() {
    for (repo, from_fork) in [
        (json!({ "full_name": "acme/Shop" }), false),
        (json!({ "full_name": "mallory/shop" }), true),
        (Value::Null, true),
    ] {
        let body = with(with(pull_request(), "/pull_request/head/repo", repo), "/pull_request/head/ref", "main");
        let (subject, data) = only(&read(&config(), &github("pull_request", &body)));
        let Data::PullRequestReceived(request) = data else { panic!("{data:?}") };
        assert_eq!(subject, format!("7@{COMMIT}"));
        assert_eq!((request.from_fork, request.change.lane), (from_fork, Lane::Check));
        assert_eq!((request.action.as_str(), request.base.as_str(), request.merged), ("synchronize", "main", false));
    }
    let merged = with(with(pull_request(), "/action", "closed"), "/pull_request/merged", true);
    let (_, data) = only(&read(&config(), &github("pull_request", &merged)));
    assert!(matches!(data, Data::PullRequestReceived(request) if request.merged));
    for (body, named) in [
        (with(pull_request(), "/action", "labeled"), "labeled"),
        (with(pull_request(), "/repository/full_name", "acme/other"), "acme/other"),
        (with(pull_request(), "/pull_request/head/ref", "-x"), "-x"),
    ] {
        let reason = ignored(&read(&config(), &github("pull_request", &body)));
        assert!(reason.contains(named), "{reason}");
    }
}
