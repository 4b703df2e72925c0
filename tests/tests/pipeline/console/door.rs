//! The door: who is let in, what forms are taken, and what is said to everybody else.

use console::{ROUTES, Row, Who};
use proto::WorkerName;

use super::{
    browser::{Browser, Form},
    stand::{ALICE, Stand, WATCHER},
};

/// A path of a route, with something in place of what is in braces.
fn path(row: &Row) -> String {
    let part = |part: &str| match part {
        "{app}" => "shop".to_owned(),
        "{environment}" => "production".to_owned(),
        "{order}" => "hold".to_owned(),
        "{answer}" => "approve".to_owned(),
        other if other.starts_with('{') => "3f2a91c0".to_owned(),
        other => other.to_owned(),
    };
    row.path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn is_api(row: &Row) -> bool {
    row.path.starts_with("/api/")
}

async fn ask(browser: &Browser, row: &Row) -> super::browser::Answer {
    let form = Form { action: path(row), hidden: Vec::new() };
    if row.method == "POST" { browser.post(&form, &[("reason", "x")]).await } else { browser.get(&path(row)).await }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_past_the_door_unknown() {
    let stand = Stand::open().await;
    let session = stand.alice().await.cookie.unwrap();
    let mut open = Vec::new();
    for row in ROUTES {
        if row.who == Who::Anybody {
            open.push((row.method, row.path));
            continue;
        }
        // No cookie; one that is no session; a session whose seal is another's.
        let (value, seal) = session.rsplit_once('.').unwrap();
        let forged = format!("{value}.{}", seal.chars().rev().collect::<String>());
        for cookie in [None, Some("windlass=x"), Some(forged.as_str()), Some("__Host-windlass=x")] {
            let browser = Browser::with_cookie(&stand.base, cookie);
            let answer = ask(&browser, row).await;
            match (is_api(row), row.method) {
                (false, "GET") => assert!(answer.goes_on().starts_with("/sign-in"), "{}: {answer}", row.path),
                _ => assert_eq!(answer.status, 401, "{} {}: {answer}", row.method, row.path),
            }
            // What they asked for themselves is said back to them, and nothing else.
            assert!(!answer.text.replace(&path(row), "").contains("shop"), "{}: {answer}", row.path);
        }
        // A session is no token, and a token no session.
        for token in [None, Some("wrong"), Some(session.split_once('=').unwrap().1)] {
            if !is_api(row) || token.is_some() {
                continue;
            }
            let answer = stand.program_with(row.method, &path(row), token, "{}", &[("cookie", &session)]).await;
            assert_eq!(answer.status, 401, "{} {}: {answer}", row.method, row.path);
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer}");
        }
    }
    assert_eq!(open, [("GET", "/style.css"), ("GET", "/sign-in"), ("POST", "/sign-in")]);
    let bearer = stand.program("GET", "/", Some(ALICE), "").await;
    assert!(bearer.goes_on().starts_with("/sign-in"), "{bearer}");
    // What is not there is not told from what is.
    for missing in ["/nothing", "/sign-in/", "/events/a/b/c", "/%73ign-in", "/api", "/style.css/x"] {
        assert!(Browser::new(&stand.base).get(missing).await.goes_on().starts_with("/sign-in"), "{missing}");
    }
    for method in ["PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"] {
        assert_eq!(stand.program(method, "/api/v1/status", Some(ALICE), "").await.status, 404, "{method}");
    }
    assert_eq!(stand.waiting(WorkerName::Bumper).await, 0);
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_orders_nothing() {
    let stand = Stand::open().await;
    let watcher = stand.watcher().await;
    for row in ROUTES.iter().filter(|row| row.who == Who::Orderers) {
        let answer = if is_api(row) {
            stand.program(row.method, &path(row), Some(WATCHER), r#"{ "reason": "x" }"#).await
        } else {
            ask(&watcher, row).await
        };
        assert_eq!(answer.status, 403, "{} {}: {answer}", row.method, row.path);
        assert!(answer.text.contains("watcher may look, and order nothing"), "{answer}");
    }
    let overview = watcher.get("/").await;
    assert!(overview.text.contains("production") && !overview.text.contains("/hold"), "{overview}");
    let me = stand.program("GET", "/api/v1/me", Some(WATCHER), "").await;
    let me: serde_json::Value = serde_json::from_str(&me.text).unwrap();
    assert_eq!(me, serde_json::json!({ "may": "read", "name": "watcher" }));
    // Signing out is no order.
    let out = watcher.send("/", "/sign-out", &[]).await;
    assert_eq!(out.goes_on(), "/sign-in");
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{out}");
    assert_eq!(stand.waiting(WorkerName::Bumper).await, 0);
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_token_ends_sessions_and_wrong_ones_are_bounded() {
    let stand = Stand::open().await;
    let (alice, watcher) = (stand.alice().await, stand.watcher().await);
    stand.rotate("alice", "alice-s-next-token-of-this-run");
    assert!(alice.get("/").await.goes_on().starts_with("/sign-in"));
    assert_eq!(alice.sign_in(ALICE).await.status, 401);
    assert_eq!(stand.program("GET", "/api/v1/me", Some(ALICE), "").await.status, 401);
    let alice = Browser::signed_in(&stand.base, "alice-s-next-token-of-this-run").await;
    assert_eq!((alice.get("/").await.status, watcher.get("/").await.status), (200, 200));
    // One that anybody could guess lets nobody in.
    stand.rotate("alice", "hunter2");
    assert_eq!(alice.sign_in("hunter2").await.status, 401);

    let mut wrong = Browser::new(&stand.base).sign_in("wrong").await;
    for _ in 0..20 {
        if wrong.status == 429 {
            break;
        }
        assert_eq!(wrong.status, 401, "{wrong}");
        wrong = Browser::new(&stand.base).sign_in("wrong").await;
    }
    assert_eq!(wrong.status, 429, "{wrong}");
    assert!((1..=60).contains(&wrong.header("retry-after").parse::<u64>().unwrap()), "{wrong}");
    // Nobody keeps out who is right, nor who is in.
    assert_eq!(stand.program("GET", "/api/v1/me", Some(WATCHER), "").await.status, 200);
    assert_eq!(Browser::new(&stand.base).sign_in("alice-s-token-of-yet-another-day").await.status, 429);
    assert_eq!(Browser::new(&stand.base).sign_in(WATCHER).await.status, 303);
    assert_eq!(watcher.get("/").await.status, 200);
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_anybody_else_s_orders_nothing() {
    let stand = Stand::open().await;
    let (alice, again) = (stand.alice().await, stand.alice().await);
    let hold = "/apps/shop/environments/production/hold";
    let (form, others) = (alice.form(hold, hold).await, again.form(hold, hold).await);
    let reason = [("reason", "because")];
    let bare = Form { hidden: Vec::new(), ..form.clone() };
    for (form, headers) in [
        (&bare, vec![]),
        (&others, vec![]),
        (&form, vec![("origin", "https://evil.example")]),
        (&form, vec![("origin", "null")]),
        (&form, vec![("origin", stand.base.as_str()), ("sec-fetch-site", "cross-site")]),
        (&form, vec![("sec-fetch-site", "same-site")]),
    ] {
        let answer = alice.post_with(form, &reason, &headers).await;
        assert_eq!(answer.status, 403, "{headers:?}: {answer}");
        assert!(answer.text.contains("nothing was done"), "{answer}");
    }
    // Nor does a page elsewhere sign anybody in, or ask under a name of its own.
    let sign_in = Form { action: "/sign-in".to_owned(), hidden: Vec::new() };
    let foreign = alice.post_with(&sign_in, &[("token", ALICE)], &[("origin", "https://evil.example")]).await;
    assert_eq!((foreign.status, foreign.header("set-cookie")), (403, ""));
    let rebound = stand.program_with("GET", "/sign-in", None, "", &[("host", "evil.example")]).await;
    assert_eq!(rebound.status, 421, "{rebound}");
    assert_eq!(stand.waiting(WorkerName::Bumper).await, 0);

    let ordered = alice.post(&form, &reason).await;
    assert_eq!(alice.post(&form, &reason).await.goes_on(), ordered.goes_on());
    let waits = alice.get(&ordered.goes_on()).await;
    assert!(waits.status == 200 && waits.text.contains("not in the history yet"), "{waits}");
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_while_a_session_ended_is_there_after_signing_in() {
    let stand = Stand::open().await;
    let alice = stand.alice().await;
    let hold = "/apps/shop/environments/production/hold";
    let form = alice.form(hold, hold).await;
    let token = "alice-s-next-token-of-this-run";
    stand.rotate("alice", token);
    let reason = "</textarea><script>alert(1)</script> & a fix by hand";
    let ended = alice.post(&form, &[("reason", reason)]).await;
    assert_eq!((ended.status, ended.header("location")), (401, ""), "{ended}");
    // It goes along however often a token is wrong, but for the form's own.
    let again = alice.post(&ended.form("/sign-in"), &[("token", "wrong")]).await;
    assert_eq!(again.status, 401, "{again}");
    let own = &form.hidden.iter().find(|(name, _)| name == "form_token").unwrap().1;
    assert!(!again.text.contains(own) && !again.text.contains("<script"), "{again}");
    let way_in = again.form("/sign-in");

    let mut back = Browser::new(&stand.base);
    let there = back.post(&way_in, &[("token", token)]).await;
    assert_eq!(there.status, 200, "{there}");
    assert!(there.text.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; a fix by hand</textarea>"), "{there}");
    assert_eq!(stand.waiting(WorkerName::Bumper).await, 0, "nothing is ordered by signing in");
    back.cookie = Some(there.cookie());
    let kept = there.form(hold);
    let ordered = back.post(&kept, &[("reason", reason)]).await;
    assert!(ordered.goes_on().starts_with("/events/"), "{ordered}");
    assert_eq!(stand.waiting(WorkerName::Bumper).await, 1);
    // It is the order that it was.
    assert_eq!(back.post(&kept, &[("reason", reason)]).await.goes_on(), ordered.goes_on());

    // Nobody is led elsewhere by it, nor past what they may.
    let leading = |to: &str| {
        let fields = [("unsent_to", to), ("unsent", "reason=x")];
        let hidden = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Form { action: "/sign-in".to_owned(), hidden }
    };
    for to in ["//evil.example/hold", "https://evil.example", "/sign-out", "/api/v1/dead/replay", "/nowhere"] {
        assert_eq!(back.post(&leading(to), &[("token", token)]).await.goes_on(), "/", "{to}");
    }
    assert_eq!(back.post(&leading(hold), &[("token", WATCHER)]).await.goes_on(), "/");
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_a_session_is_bound_to_it() {
    let stand = Stand::with("url: 'https://windlass.example'", "").await;
    let answer = Browser::new(&stand.base).sign_in(ALICE).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-windlass="), "{cookie}");
    for attribute in ["Path=/", "HttpOnly", "SameSite=Strict", "Secure", "Max-Age=43200"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{attribute}: {cookie}");
    }
    let public = [("host", "windlass.example"), ("cookie", &answer.cookie())];
    assert_eq!(stand.program_with("GET", "/", None, "", &public).await.status, 200);
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_not_read() {
    let stand = Stand::open().await;
    let large = format!(r#"{{ "reason": "{}" }}"#, "x".repeat(64 << 10));
    let hold = "/api/v1/apps/shop/environments/production/hold";
    let answer = stand.program("POST", hold, Some(ALICE), &large).await;
    assert_eq!(answer.status, 413, "{answer}");
    assert_eq!(stand.waiting(WorkerName::Bumper).await, 0);
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_elsewhere_leads_in_without_a_strict_cookie() {
    let stand = Stand::open().await;
    let path = "/events?type=push.received&app=shop";
    let cross = [("sec-fetch-site", "cross-site")];
    let step = stand.program_with("GET", path, None, "", &cross).await;
    assert_eq!(step.status, 200, "{step}");
    assert!(step.text.contains("url=/events?type=push.received&amp;app=shop"), "{step}");
    let cookie = stand.alice().await.cookie.unwrap();
    let within = [("sec-fetch-site", "same-origin"), ("cookie", cookie.as_str())];
    assert_eq!(stand.program_with("GET", path, None, "", &within).await.status, 200);
    let unknown = [("sec-fetch-site", "same-origin")];
    let next = stand.program_with("GET", path, None, "", &unknown).await.goes_on();
    assert_eq!(next, "/sign-in?next=%2Fevents%3Ftype%3Dpush.received%26app%3Dshop");
    let form = Browser::new(&stand.base).form(&next, "/sign-in").await;
    let signed_in = Browser::new(&stand.base).post(&form, &[("token", ALICE)]).await;
    assert_eq!(signed_in.goes_on(), path);
    stand.close().await;
}
