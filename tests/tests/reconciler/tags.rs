//! Registries that tell nobody: what their tags stand for is looked at, and what changed unheard is told once.

use std::path::Path;

use anyhow::ensure;
use proto::{Data, Digest, Event, EventId, ImageName, ImagePushed, Timestamp, WorkerName};
use reconciler::{Mode, Reconciler, Report, TagsReport};
use runtime::{Config, Context, service::Base};
use testkit::{
    folder::Folder,
    registry::{Image, Registry},
    registry_proxy::{Fault, RegistryProxy},
    wait,
};

use crate::world::{SOON, tells};

const REPOSITORY: &str = "acme/web";
const BRANCHES: &str = "deploy: [main], hotfix: ['hotfix/*']";

struct Shelf {
    registry: Registry,
    /// Where it is asked: there, or at something before it.
    at: String,
    context: Context,
    reconciler: Reconciler,
    _folder: Folder,
}

impl Shelf {
    /// A registry without webhooks, and an app that follows these.
    async fn open(followed: &str) -> Self {
        let registry = Registry::start(&[]).await.unwrap();
        let at = registry.address();
        Self::at(registry, at, followed).await
    }

    /// The same, asked through a proxy.
    async fn behind(followed: &str) -> (Self, RegistryProxy) {
        let registry = Registry::start(&[]).await.unwrap();
        let proxy = RegistryProxy::start(&registry.url()).unwrap();
        (Self::at(registry, proxy.address(), followed).await, proxy)
    }

    async fn at(registry: Registry, at: String, followed: &str) -> Self {
        let folder = Folder::new("shelf").unwrap();
        let text = format!(
            "data: '{data}'\nworkers: [bumper, recorder]\nnetwork: {{ allow: [127.0.0.0/8] }}\n\
             registries: {{ '{at}': {{ plain_http: true, poll: 1s }} }}\n\
             apps:\n  shop:\n    repository: acme/shop\n    {followed}\n    \
             components: {{ web: {{ image: '{at}/{REPOSITORY}' }} }}\n    \
             gitops: {{ repository: 'https://git.example/gitops.git' }}\n    \
             environments: {{ staging: {{ path: staging, sync: {{ command: ['true'] }} }} }}\n",
            data = folder.path().display(),
            followed = followed.replace(", hotfix", "\n    hotfix"),
        );
        let config = Config::parse(&text, Path::new("test.yaml")).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let context = Context::open(Base::open(config, "test").await.unwrap()).await.unwrap();
        tokio::spawn(recorder::serve(context.clone()));
        let reconciler = Reconciler::new(&context).unwrap();
        Self { registry, at, context, reconciler, _folder: folder }
    }

    fn image(&self) -> ImageName {
        ImageName::new(format!("{}/{REPOSITORY}", self.at)).unwrap()
    }

    /// Pushes an image of this content under a tag; its digest.
    async fn push(&self, tag: &str, content: &str) -> Digest {
        self.push_image(tag, &Image { content: content.to_owned(), labels: Vec::new() }).await
    }

    async fn push_image(&self, tag: &str, image: &Image) -> Digest {
        Digest::new(self.registry.push(REPOSITORY, &[tag], image).await.unwrap()).unwrap()
    }

    async fn look(&self) -> TagsReport {
        self.look_as(Mode::default()).await
    }

    async fn look_as(&self, mode: Mode) -> TagsReport {
        let mut reports = self.reconciler.once(None, mode).await;
        match reports.pop() {
            Some((_, Ok(Some(Report::Tags(report))))) if reports.is_empty() => report,
            other => panic!("{other:?}"),
        }
    }

    /// What the bumper is told next.
    async fn told(&self) -> (EventId, ImagePushed) {
        let mut deliveries = self.context.bus.consume(WorkerName::Bumper, 1).await.unwrap();
        let delivery = tokio::time::timeout(SOON, deliveries.next()).await.expect("an event").unwrap();
        let event = Event::from_message(&delivery.message).unwrap();
        delivery.ack().await.unwrap();
        let Data::ImagePushed(pushed) = event.data else { panic!("{event:?}") };
        (event.id, pushed)
    }

    /// How much waits for the bumper.
    async fn waiting(&self) -> u64 {
        let depths = self.context.bus.depths().await.unwrap();
        depths.into_iter().find(|(queue, _)| queue == "windlass.bumper").unwrap().1
    }

    /// The registry's webhook, as the normalizer tells of it; waits until it is in the history.
    async fn webhook(&self, tag: &str, digest: &Digest) {
        let pushed = ImagePushed {
            app: "shop".parse().unwrap(),
            component: "web".parse().unwrap(),
            image: self.image(),
            tag: Some(tag.to_owned()),
            digest: Some(digest.clone()),
        };
        let event = Event::first(EventId::fresh(), "/webhooks/registry".into(), tag.into(), Timestamp::now(), pushed);
        self.tell(event).await;
    }

    /// Tells the bumper, which takes it; waits until it is in the history.
    async fn tell(&self, event: Event) {
        self.context.bus.publish(&[event.to_message()]).await.unwrap();
        let recorded = async || {
            let known = self.context.ledger.events(&ledger::EventFilter::default()).await?;
            ensure!(known.iter().any(|known| known.message.attribute("id") == event.id.to_string()), "not yet");
            Ok(())
        };
        wait::until(SOON, "the event in the history", recorded).await.unwrap();
        assert_eq!(self.told().await.0, event.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_at_first_is_noted_and_each_change_is_told_once() {
    let shelf = Shelf::open(BRANCHES).await;
    let first = shelf.push("main", "one").await;
    shelf.push("hotfix-login", "two").await;
    let report = shelf.look().await;
    assert_eq!(
        (report.noted.as_slice(), report.told.len()),
        (["hotfix-login", "main"].map(String::from).as_slice(), 0)
    );
    let report = shelf.look().await;
    assert_eq!((report.tags, report.noted.len(), report.told.len()), (2, 0, 0), "{report}");
    assert_eq!(shelf.waiting().await, 0);

    let second = shelf.push("main", "three").await;
    let would = shelf.look_as(Mode { dry_run: true, ..Mode::default() }).await;
    assert_eq!((would.told.as_slice(), shelf.waiting().await), (["main".to_owned()].as_slice(), 0));
    assert_eq!(shelf.look().await.told, ["main"]);
    let (id, pushed) = shelf.told().await;
    assert_eq!((pushed.tag.as_deref(), pushed.digest.as_ref()), (Some("main"), Some(&second)));
    assert_eq!(id, EventId::of_tag(&shelf.image(), "main", &second, 1));
    assert!(shelf.look().await.told.is_empty());

    // Put back, which is a change like any other, and another event than the first time it stood for that.
    assert_eq!(shelf.push("main", "one").await, first);
    assert_eq!(shelf.look().await.told, ["main"]);
    assert_eq!(shelf.told().await.0, EventId::of_tag(&shelf.image(), "main", &first, 2));
    assert_eq!(shelf.waiting().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_comes_later_is_told_if_it_is_followed() {
    let shelf = Shelf::open(BRANCHES).await;
    assert_eq!(shelf.look().await.tags, 1, "`main`, though it is not there");
    for tag in ["hotfix-login", "feature-x", "0123456789abcdef0123456789abcdef01234567"] {
        shelf.push(tag, tag).await;
    }
    assert_eq!(shelf.look().await.told, ["hotfix-login"]);
    assert_eq!(shelf.told().await.1.tag.as_deref(), Some("hotfix-login"));
    assert_eq!(shelf.waiting().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_told_of_is_not_told_again() {
    let shelf = Shelf::open(BRANCHES).await;
    shelf.push("main", "one").await;
    shelf.look().await;
    // It came, was deployed, and people took it back by hand: telling of it again would undo that.
    let digest = shelf.push("main", "two").await;
    shelf.webhook("main", &digest).await;
    let report = shelf.look().await;
    assert_eq!((report.told.len(), report.unclear.len(), shelf.waiting().await), (0, 0, 0), "{report}");
    shelf.push("main", "three").await;
    assert_eq!(shelf.look().await.told, ["main"], "but what came after it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_under_a_tag_that_nobody_follows_is_told_under_one_that_is_followed() {
    let shelf = Shelf::open(BRANCHES).await;
    shelf.push("main", "one").await;
    shelf.look().await;
    // A build pushes its commit's tag and then its branch's; the first webhook came, and the second did not.
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let digest = shelf.push(commit, "two").await;
    shelf.webhook(commit, &digest).await;
    assert_eq!(shelf.push("main", "two").await, digest);
    assert_eq!(shelf.look().await.told, ["main"]);
    assert_eq!(shelf.told().await.1.tag.as_deref(), Some("main"));

    // The very image is no other that might be newer.
    let digest = shelf.push("main", "three").await;
    shelf.webhook("main", &digest).await;
    assert_eq!(shelf.push("hotfix-login", "three").await, digest);
    let report = shelf.look().await;
    assert_eq!((report.told.as_slice(), report.unclear.len()), (["hotfix-login".to_owned()].as_slice(), 0), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_older_than_what_was_told_is_left_alone() {
    let shelf = Shelf::open(BRANCHES).await;
    shelf.push("main", "one").await;
    shelf.look().await;
    shelf.push("main", "two").await;
    let urgent = shelf.push("hotfix-login", "three").await;
    shelf.webhook("hotfix-login", &urgent).await;
    let report = shelf.look().await;
    assert_eq!((report.told.len(), report.unclear.as_slice()), (0, ["main".to_owned()].as_slice()), "{report}");
    assert_eq!((shelf.look().await.unclear.len(), shelf.waiting().await), (0, 0), "and it is said once");
    tells(&shelf.context, "nothing says which is newer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_before_the_last_look_silences_nobody() {
    let shelf = Shelf::open(BRANCHES).await;
    shelf.push("main", "one").await;
    let urgent = shelf.push("hotfix-login", "two").await;
    shelf.webhook("hotfix-login", &urgent).await;
    shelf.look().await;
    shelf.push("main", "three").await;
    let report = shelf.look().await;
    assert_eq!((report.told.as_slice(), report.unclear.len()), (["main".to_owned()].as_slice(), 0), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_look_that_was_cut_off_did_not_come_to_is_told_by_the_next() {
    let shelf = Shelf::open(BRANCHES).await;
    shelf.push("main", "one").await;
    shelf.push("hotfix-login", "two").await;
    shelf.look().await;
    let digest = shelf.push("main", "three").await;
    shelf.push("hotfix-login", "four").await;
    // It died when it had told of the first.
    let pushed = ImagePushed {
        app: "shop".parse().unwrap(),
        component: "web".parse().unwrap(),
        image: shelf.image(),
        tag: Some("main".to_owned()),
        digest: Some(digest.clone()),
    };
    let id = EventId::of_tag(&shelf.image(), "main", &digest, 1);
    shelf.tell(Event::first(id, "/reconciler".into(), "web:main".into(), Timestamp::now(), pushed)).await;
    let report = shelf.look().await;
    assert_eq!((report.told.as_slice(), report.unclear.len()), (["hotfix-login".to_owned()].as_slice(), 0), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_tag_holds_up_no_other_and_is_looked_at_again() {
    let (shelf, proxy) = Shelf::behind(BRANCHES).await;
    let break_tag = |tag: &str| {
        proxy.only(&format!("/manifests/{tag}"));
        proxy.always(Fault::Status(500));
    };
    shelf.push("main", "one").await;
    shelf.push("hotfix-old", "two").await;
    break_tag("hotfix-old");
    let report = shelf.look().await;
    assert_eq!((report.noted.as_slice(), report.broken.len()), (["main".to_owned()].as_slice(), 1), "{report}");
    shelf.push("hotfix-new", "three").await;
    let report = shelf.look().await;
    assert_eq!((report.told.as_slice(), report.broken.len()), (["hotfix-new".to_owned()].as_slice(), 1), "{report}");
    let state = shelf.context.ledger.sweeps().await.unwrap().pop().unwrap();
    assert!(state.trouble.is_some_and(|trouble| trouble.contains("hotfix-old") && trouble.contains("500")));

    // Mended, it is no news: it was there before anybody looked.
    proxy.heal();
    let report = shelf.look().await;
    assert_eq!((report.noted.as_slice(), report.told.len()), (["hotfix-old".to_owned()].as_slice(), 0), "{report}");

    // What changes while it cannot be looked at is told once it can.
    shelf.push("hotfix-old", "four").await;
    break_tag("hotfix-old");
    assert_eq!(shelf.look().await.broken.len(), 1);
    proxy.heal();
    assert_eq!(shelf.look().await.told, ["hotfix-old"]);

    // Unless another was told of meanwhile: since when it was last looked at, not since the last look.
    shelf.push("hotfix-old", "five").await;
    break_tag("hotfix-old");
    let digest = shelf.push("main", "six").await;
    assert_eq!(shelf.told().await.1.tag.as_deref(), Some("hotfix-new"));
    assert_eq!(shelf.told().await.1.tag.as_deref(), Some("hotfix-old"));
    shelf.webhook("main", &digest).await;
    assert_eq!(shelf.look().await.broken.len(), 1);
    proxy.heal();
    let report = shelf.look().await;
    assert_eq!((report.told.len(), report.unclear.as_slice()), (0, ["hotfix-old".to_owned()].as_slice()), "{report}");

    proxy.always(Fault::Status(503));
    let reports = shelf.reconciler.once(None, Mode::default()).await;
    assert!(matches!(reports.as_slice(), [(_, Err(_))]), "not a tag, but the registry: {reports:?}");
}

/// A shelf of these tags, each of which stands for something new since the last look, made in this order.
async fn changed(tags: &[&str]) -> (Shelf, RegistryProxy) {
    let (shelf, proxy) = Shelf::behind(BRANCHES).await;
    for content in ["old", "new"] {
        for (minute, tag) in tags.iter().enumerate() {
            let image = Image { content: format!("{content} {tag}"), labels: Vec::new() };
            let made = format!("2026-11-27T06:{minute:02}:00Z");
            shelf.push_image(tag, &image.label("org.opencontainers.image.created", &made)).await;
        }
        if content == "old" {
            assert_eq!(shelf.look().await.noted.len(), tags.len());
        }
    }
    proxy.only("/manifests/");
    proxy.always(Fault::TooManyRequests(60));
    (shelf, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_ends_each_look_early_starves_no_tag() {
    let (shelf, proxy) = changed(&["hotfix-a", "hotfix-b", "main"]).await;
    // To ask for what a tag stands for, and to read it, is two.
    for (tag, left) in [("hotfix-a", 2), ("hotfix-b", 2), ("main", 2)] {
        proxy.spare(2);
        let report = shelf.look().await;
        assert_eq!((report.told.as_slice(), report.not_reached), ([tag.to_owned()].as_slice(), left), "{report}");
        assert_eq!(shelf.told().await.1.tag.as_deref(), Some(tag));
    }
    let state = shelf.context.ledger.sweeps().await.unwrap().pop().unwrap();
    assert!(state.trouble.is_some_and(|trouble| trouble.contains("2 tags are looked at next time")));
    // With nothing to read, two more.
    proxy.spare(2);
    assert_eq!(shelf.look().await.not_reached, 1);
    let reports = shelf.reconciler.once(None, Mode::default()).await;
    assert!(matches!(reports.as_slice(), [(_, Err(_))]), "it came to nothing: {reports:?}");
    proxy.heal();
    let report = shelf.look().await;
    assert_eq!((report.not_reached, report.told.len(), shelf.waiting().await), (0, 0, 0), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_limit_kept_from_being_told_first_does_not_come_over_what_was_made_later() {
    let (shelf, proxy) = changed(&["main", "hotfix-a"]).await;
    proxy.spare(2);
    assert_eq!(shelf.look().await.told, ["hotfix-a"]);
    proxy.heal();
    let report = shelf.look().await;
    assert_eq!((report.told.len(), report.unclear.as_slice()), (0, ["main".to_owned()].as_slice()), "{report}");
    tells(&shelf.context, "`hotfix-a` was made later").await;
    shelf.push("main", "newer").await;
    assert_eq!(shelf.look().await.told, ["main"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_images_that_come_into_view_are_no_news() {
    let shelf = Shelf::open("tags: { glob: 'release-*' }").await;
    let tags: Vec<_> = (1..=103).map(|n| format!("release-{n:03}")).collect();
    let image = Image { content: "one".to_owned(), labels: Vec::new() };
    shelf.registry.push(REPOSITORY, &tags.iter().map(String::as_str).collect::<Vec<_>>(), &image).await.unwrap();
    let report = shelf.look().await;
    assert_eq!((report.noted.len(), report.left_out), (100, 3), "{report}");
    assert!(!report.noted.contains(&tags[0]) && report.noted.contains(&tags[102]), "the last are looked at");
    let state = shelf.context.ledger.sweeps().await.unwrap().pop().unwrap();
    assert!(state.trouble.is_some_and(|trouble| trouble.contains("`order`")));

    // Retention takes some away, and so three are in view that nobody looked at before.
    let names = shelf.registry.folder().join("images/docker/registry/v2/repositories").join(REPOSITORY);
    for tag in &tags[49..52] {
        std::fs::remove_dir_all(names.join("_manifests/tags").join(tag)).unwrap();
    }
    let report = shelf.look().await;
    assert_eq!((report.left_out, report.told.len(), report.unclear.len()), (0, 0, 0), "{report}");
    assert_eq!(report.noted, tags[..3], "{report}");
    shelf.push("release-104", "two").await;
    std::fs::remove_dir_all(names.join("_manifests/tags").join(&tags[0])).unwrap();
    assert_eq!(shelf.look().await.told, ["release-104"], "what is pushed now is");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_versions_the_highest_alone_is_told() {
    let shelf = Shelf::open("tags: { semver: '>=1.2, <2' }").await;
    for version in ["1.2.0", "1.9.0", "2.0.0"] {
        shelf.push(version, version).await;
    }
    assert_eq!(shelf.look().await.noted, ["1.9.0"]);
    for version in ["1.3.0", "1.10.0", "2.1.0"] {
        shelf.push(version, version).await;
    }
    assert_eq!(shelf.look().await.told, ["1.10.0"]);
    assert_eq!(shelf.told().await.1.tag.as_deref(), Some("1.10.0"));
    assert!(shelf.look().await.told.is_empty());
    assert_eq!(shelf.waiting().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_away_fails_the_look_and_the_next_tells_of_all() {
    let mut shelf = Shelf::open(BRANCHES).await;
    shelf.push("main", "one").await;
    shelf.look().await;
    shelf.push("main", "two").await;
    shelf.registry.stop().await.unwrap();
    let reports = shelf.reconciler.once(None, Mode::default()).await;
    let [(_, Err(error))] = reports.as_slice() else { panic!("{reports:?}") };
    assert!(format!("{error:#}").contains("cannot be reached"), "{error:#}");
    shelf.registry.start_again().await.unwrap();
    assert_eq!(shelf.look().await.told, ["main"]);
}
