//! Releases that wait with a pull request.

use ledger::{Asked, Barred, Chain, Hold, Offer, Owed, Place, Proposed, Waiting};
use proto::{BumpReason, CommitSha, Deployment, EventId, HealthReported, Lane, Release, ReleaseWaiting};
use runtime::Config;

use crate::chain::{Cause, Facts, Question, Step};

const CONFIG: &str = "apps:
  shop:
    repository: acme/shop
    deploy: [main]
    components: { web: { image: r.example/web } }
    gitops: { repository: 'https://r.example/acme/g.git' }
    environments: { staging: { path: s, sync: { command: ['true'] } } }
";

fn sha(digit: char) -> CommitSha {
    CommitSha::new(digit.to_string().repeat(40)).unwrap()
}

/// A held environment, and a release that waits with a pull request there, to come or to be restored.
fn held(reason: BumpReason) -> (Chain, EventId) {
    let (id, at) = (EventId(uuid::Uuid::from_u128(1)), "2026-11-26T08:00:00Z".parse().unwrap());
    let image = proto::ReleasedImage {
        image: "r.example/web".parse().unwrap(),
        tag: None,
        digest: format!("sha256:{:064x}", 1).parse().unwrap(),
        commit: Some(sha('a')),
    };
    let release = Release::from([("web".parse().unwrap(), image)]);
    let instead_of = (reason == BumpReason::Rollback).then(|| release.clone());
    let lane = Lane::Deploy;
    let (commit, verified, healthy_in) = (Some(sha('a')), None, [].into());
    let offer = Offer { release, commit, reason, lane, verified, healthy_in, author: None, note: None };
    let (url, waits_for) = ("https://r.example/1".to_owned(), "the merge of https://r.example/1".to_owned());
    let proposed = Proposed { number: 1, url, head: sha('b'), waits_for, instead_of, for_people: true };
    let waiting = Waiting { id, offer, since: at, requested: None, granted: [].into(), proposed: Some(proposed) };
    let hold = Hold { by: "ada".to_owned(), reason: "a test by hand".to_owned(), at, automatic: false };
    let mut place = Place { hold: Some(hold), ..Place::default() };
    *(if reason == BumpReason::Rollback { &mut place.back } else { &mut place.waiting }) = Some(waiting);
    (Chain { places: [("staging".parse().unwrap(), place)].into(), ..Chain::default() }, id)
}

/// The event by which it asks again.
fn asks_again(waiting: &Waiting) -> ReleaseWaiting {
    ReleaseWaiting {
        app: "shop".parse().unwrap(),
        environment: "staging".parse().unwrap(),
        release: waiting.offer.release.clone(),
        reason: waiting.offer.reason,
        lane: waiting.offer.lane,
        waits_for: String::new(),
        pull_request: None,
        tell: false,
    }
}

#[test]
fn what_was_proposed_is_not_pushed_past_a_closed_gate_where_pushes_are_wanted_meanwhile() {
    let (app, staging) = ("shop".parse().unwrap(), "staging".parse().unwrap());
    for reason in [BumpReason::Deploy, BumpReason::Rollback] {
        for (mode, asks) in [("", false), (", mode: pull_request, forge: { kind: github, token: env:X }", true)] {
            let text = CONFIG.replace("g.git'", &format!("g.git'{mode}"));
            let config = Config::parse(&text, "windlass.yaml".as_ref()).unwrap();
            let (chain, id) = held(reason);
            let waiting = chain.places[&staging].waiting_as(Lane::Deploy, id).unwrap().clone();
            let waits = asks_again(&waiting);
            let cause = Cause { id, replay: 0, now: waiting.since };
            let mut step = Step::new(chain, &app, &config.apps[&app], cause, Facts::default());
            step.waited(id, &waits);
            assert_eq!(step.wishes.len(), usize::from(asks), "{reason:?} {mode}");
            assert!(step.wishes.iter().all(|wish| !wish.may_merge));
            let again = step.told.comes_again.map(|wait| wait.waits_for);
            assert_eq!(again.is_some_and(|waits_for| waits_for.contains("`windlass unhold`")), !asks);
            assert!(step.chain.places[&staging].waiting_as(Lane::Deploy, id).is_some());
        }
    }
}

#[test]
fn it_is_asked_whether_a_fix_has_the_older_one_before_its_pull_request_is_looked_at() {
    let app = "shop".parse().unwrap();
    let text = CONFIG.replace("g.git'", "g.git', mode: pull_request, forge: { kind: github, token: env:X }");
    let config = Config::parse(&text, "windlass.yaml".as_ref()).unwrap();
    let (mut chain, id) = held(BumpReason::Deploy);
    let place = chain.places.values_mut().next().unwrap();
    let mut waiting = place.waiting.take().unwrap();
    waiting.offer.lane = Lane::Hotfix;
    place.urgent = Some(waiting.clone());
    chain.owed.push(Owed { commit: sha('c'), note: None, at: waiting.since, met: None, had_by: Vec::new() });
    let cause = Cause { id, replay: 0, now: waiting.since };
    let mut step = Step::new(chain, &app, &config.apps[&app], cause, Facts::default());
    step.waited(id, &asks_again(&waiting));
    let asked = step.facts.open().unwrap().questions;
    assert_eq!(asked, [Question::Order(sha('a'), sha('c'))].into());
}

#[test]
fn no_verdict_lets_go_what_a_person_had_taken_back_before_the_rollback_is_merged() {
    let app = "shop".parse().unwrap();
    let config = Config::parse(CONFIG, "windlass.yaml".as_ref()).unwrap();
    for ordered in [false, true] {
        let (mut chain, id) = held(BumpReason::Rollback);
        let (name, place) = chain.places.iter_mut().next().unwrap();
        let (release, at) = (place.back.as_ref().unwrap().offer.release.clone(), place.hold.take().unwrap().at);
        let deployment = Deployment {
            app: "shop".parse().unwrap(),
            environment: name.clone(),
            repository: "https://r.example/acme/g.git".to_owned(),
            branch: "main".parse().unwrap(),
            path: "s".to_owned(),
            revision: sha('d'),
            changed: release.keys().cloned().collect(),
            commit: Some(sha('a')),
            reason: BumpReason::Deploy,
            previous: [].into(),
            note: None,
            release,
        };
        let digest = deployment.release.values().next().unwrap().digest.clone();
        place.asked = Some(Asked {
            deployment: deployment.clone(),
            at,
            lane: Lane::Deploy,
            author: None,
            verdict: None,
            healthy_since: None,
        });
        let entry = Barred { reason: "it is slow".to_owned(), environment: name.clone(), at, ordered };
        chain.barred.insert(digest, entry);
        let mut step = Step::new(chain, &app, &config.apps[&app], Cause { id, replay: 0, now: at }, Facts::default());
        let summary = "every check passed".to_owned();
        step.judged(&HealthReported { deployment, healthy: true, summary, checks: Vec::new() }, false, &Release::new());
        assert_eq!(step.chain.barred.is_empty(), !ordered);
    }
}

/// People who are asked while the pull request is open answer to one id, in whatever state that is by then.
#[test]
fn an_approval_that_is_wanted_since_its_pull_request_is_open_is_asked_for_too() {
    let (app, staging) = ("shop".parse().unwrap(), "staging".parse().unwrap());
    let text = CONFIG.replace("g.git'", "g.git', mode: pull_request, forge: { kind: github, token: env:X }");
    let config = Config::parse(&text.replace("path: s,", "path: s, approval: required,"), "windlass.yaml".as_ref());
    let (config, (mut chain, id)) = (config.unwrap(), held(BumpReason::Deploy));
    chain.places.get_mut(&staging).unwrap().hold = None;
    let waiting = |chain: &Chain| chain.places[&staging].waiting.clone().unwrap();
    let take = |chain: Chain, cause: EventId| {
        let (waits, at) = (asks_again(&waiting(&chain)), waiting(&chain).since);
        let cause = Cause { id: cause, replay: 0, now: at };
        let mut step = Step::new(chain, &app, &config.apps[&app], cause, Facts::default());
        step.facts.learn_author(sha('a'), None);
        step.waited(cause.id, &waits);
        assert_eq!(step.facts.open(), None);
        step
    };
    let step = take(chain, id);
    let asks =
        |(_, data): &(String, proto::Data)| matches!(data, proto::Data::ApprovalRequested(it) if it.approval == id);
    assert!(step.wishes.is_empty() && step.told.events.iter().any(asks), "{:?}", step.told);
    let asked = waiting(&step.chain);
    assert_eq!((asked.proposed.as_ref().map(|it| it.number), asked.id == id), (Some(1), false));
    // It is looked at again, and comes to another state.
    let mut step = take(step.chain, asked.id);
    let wish = step.wishes.remove(0);
    assert!(!wish.may_merge);
    let state = Proposed { waits_for: "the checks".to_owned(), ..wish.proposed.clone().unwrap() };
    step.proposed(&wish, state);
    assert_eq!(waiting(&step.chain).approval(), id);
    let (cause, by) = (EventId(uuid::Uuid::from_u128(9)), "ada".to_owned());
    let answer =
        proto::ApprovalGranted { approval: id, app: app.clone(), environment: staging.clone(), by, comment: None };
    let cause = Cause { id: cause, replay: 0, now: asked.since };
    let mut step = Step::new(step.chain, &app, &config.apps[&app], cause, Facts::default());
    step.facts.learn_author(sha('a'), None);
    step.granted(&answer);
    assert_eq!(step.wishes.len(), 1);
}
