//! Images: built once from the exact commit, pushed under its tag and then the branch's, which never goes back.

use std::process::Command;

use builder::Builder;
use proto::{Data, Event, ImageBuilt, ImageFailed, Lane, ScanFinished};
use runtime::{Outcome, Outcomes, Worker};
use testkit::{
    folder::Folder,
    process,
    registry::Registry,
    registry_proxy::{Fault, RegistryProxy},
};

use crate::{
    stage::{ignored, permanent, transient},
    yard::{Yard, change, pushed, scanned},
};

pub(crate) const DOCKERFILE: &str = "FROM scratch\nARG WHO=nobody\nCOPY page /page\nENV WHO=$WHO\n";

/// A yard with a registry and a container storage of its own.
pub(crate) struct Works {
    pub(crate) yard: Yard,
    pub(crate) registry: Registry,
    storage: Folder,
    pub(crate) builder: Builder,
}

impl Works {
    /// With these components: name and further keys.
    async fn open(components: &[(&str, &str)]) -> Self {
        Self::open_with("", components).await
    }

    /// With these keys of the app besides.
    pub(crate) async fn open_with(app: &str, components: &[(&str, &str)]) -> Self {
        let storage = Folder::new("storage").unwrap();
        let driver = buildah(&storage);
        Self::with(components, &format!("{driver}\n{app}"), storage, None).await
    }

    async fn with(components: &[(&str, &str)], driver: &str, storage: Folder, address: Option<String>) -> Self {
        let registry = Registry::start(&[]).await.unwrap();
        let address = address.unwrap_or_else(|| registry.address());
        let component =
            |(name, keys): &(&str, &str)| format!("      {name}: {{ image: '{address}/shop/{name}'{keys} }}\n");
        let components: String = components.iter().map(component).collect();
        let app = format!("    build: {driver}\n    components:\n{components}");
        let yard = Yard::open(&app, &format!("registries: {{ '{address}': {{ plain_http: true }} }}")).await;
        let builder = Builder::new(&yard.stage.context).unwrap();
        Self { yard, registry, storage, builder }
    }

    pub(crate) async fn handle(&self, event: &Event) -> Outcomes {
        self.builder.handle(event).await.unwrap()
    }

    pub(crate) async fn tag(&self, component: &str, tag: &str) -> Option<String> {
        self.registry.resolve(&format!("shop/{component}"), tag).await.unwrap()
    }

    /// What the local storage holds.
    async fn stored(&self) -> String {
        let mut command = Command::new("buildah");
        command.args(storage_arguments(&self.storage)).args(["images", "-a", "-q"]);
        process::run(command).await.unwrap()
    }
}

fn storage_arguments(storage: &Folder) -> Vec<String> {
    let (root, run) = (storage.join("root"), storage.join("run"));
    ["--storage-driver", "vfs", "--root", &root.to_string_lossy(), "--runroot", &run.to_string_lossy()]
        .map(str::to_owned)
        .to_vec()
}

fn buildah(storage: &Folder) -> String {
    format!("{{ buildah_with: {{ global: {:?}, build: [--isolation, chroot] }} }}", storage_arguments(storage))
}

fn built(outcomes: &Outcomes) -> Vec<ImageBuilt> {
    let each = |outcome: &Outcome| match outcome {
        Outcome::Event { subject, data } => match &**data {
            Data::ImageBuilt(built) if built.component.as_str() == subject => built.clone(),
            other => panic!("expected image.built of {subject}, got {other:?}"),
        },
        Outcome::Ignored { reason } => panic!("ignored: {reason}"),
    };
    outcomes.iter().map(each).collect()
}

fn failed(outcomes: &Outcomes) -> ImageFailed {
    let found = outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Event { data, .. } => match &**data {
            Data::ImageFailed(failed) => Some(failed.clone()),
            _ => None,
        },
        Outcome::Ignored { .. } => None,
    });
    found.unwrap_or_else(|| panic!("no image.failed among {outcomes:?}"))
}

#[tokio::test]
async fn every_component_is_built_once_and_tagged_by_commit_and_branch() {
    let works = Works::open(&[
        ("backend", ", dockerfile: back/Dockerfile, context: back"),
        ("frontend", ", build_args: { WHO: me }"),
    ])
    .await;
    let files = [("Dockerfile", DOCKERFILE), ("page", "1"), ("back/Dockerfile", DOCKERFILE), ("back/page", "b")];
    let commit = works.yard.commit(&files).await;
    let images = built(&works.handle(&scanned(&commit, true)).await);
    assert_eq!(images.iter().map(|image| image.component.as_str()).collect::<Vec<_>>(), ["backend", "frontend"]);
    for image in &images {
        assert!(!image.reused);
        assert_eq!(image.tags, [commit.clone(), "main".to_owned()]);
        for tag in &image.tags {
            let there = works.tag(image.component.as_str(), tag).await;
            assert_eq!(there.as_deref(), Some(image.digest.as_str()), "{tag}");
        }
        let context = &works.yard.stage.context;
        let there = context.registries.resolve(&image.image, &commit).await.unwrap().unwrap();
        let label = |name: &str| there.labels.get(name).map(String::as_str);
        assert_eq!(there.revision.unwrap().as_str(), commit);
        assert_eq!(label("org.opencontainers.image.source"), works.yard.git.url("acme/shop").strip_suffix(".git"));
        assert_eq!(label("io.windlass.component"), Some(image.component.as_str()));
        assert_eq!((label("io.windlass.app"), label("io.windlass.branch")), (Some("shop"), Some("main")));
        assert_eq!(label("org.opencontainers.image.created"), None);
    }
    assert_eq!((works.stored().await.as_str(), works.yard.stage.workspaces()), ("", 0));

    // The second time there is nothing to do, not even a checkout.
    let asked = works.yard.git.requests().len();
    let again = built(&works.handle(&scanned(&commit, true)).await);
    assert_eq!(works.yard.git.requests().len(), asked);
    assert!(again.iter().all(|image| image.reused));
    let digests = |images: &[ImageBuilt]| images.iter().map(|image| image.digest.clone()).collect::<Vec<_>>();
    assert_eq!(digests(&again), digests(&images));
}

#[tokio::test]
async fn an_image_of_another_commit_under_this_ones_tag_is_not_taken_for_it() {
    let works = Works::open(&[("web", "")]).await;
    let commit = works.yard.commit(&[("Dockerfile", DOCKERFILE), ("page", "1")]).await;
    let other = testkit::registry::Image::of(&"e".repeat(40), "https://git.example/shop");
    let wrong = works.registry.push("shop/web", &[&commit], &other).await.unwrap();
    let image = built(&works.handle(&scanned(&commit, true)).await).remove(0);
    assert!(!image.reused && image.digest.as_str() != wrong);
    assert_eq!(works.tag("web", &commit).await.as_deref(), Some(image.digest.as_str()));
}

#[tokio::test]
async fn a_dockerfile_that_fails_is_told_and_the_other_image_is_there() {
    let works = Works::open(&[("bad", ", dockerfile: Bad"), ("good", "")]).await;
    let bad = "FROM scratch\nCOPY page /page\nCOPY no-such-file /\n";
    let commit = works.yard.commit(&[("Dockerfile", DOCKERFILE), ("page", "1"), ("Bad", bad)]).await;
    let outcomes = works.handle(&scanned(&commit, true)).await;
    let image = failed(&outcomes);
    assert_eq!(image.component.as_str(), "bad");
    assert!(image.reason.contains("no-such-file"), "{}", image.reason);
    assert!(image.output_tail.contains("STEP 2/"), "{}", image.output_tail);
    let log = image.log.unwrap();
    assert_eq!(log, format!("shop/{}/image-bad.log", &commit[..12]));
    assert!(works.yard.log(&log).contains("no-such-file"));
    assert_eq!(outcomes.iter().count(), 2);
    assert!(works.tag("good", &commit).await.is_some());
    assert_eq!((works.tag("bad", &commit).await, works.tag("bad", "main").await), (None, None));
}

#[tokio::test]
async fn a_build_that_hangs_is_ended() {
    let works = Works::open(&[("web", ", timeout: 2s")]).await;
    let busybox = std::fs::read("/bin/busybox").unwrap();
    works.yard.work.write("busybox", busybox).unwrap();
    let hang = "FROM scratch\nCOPY busybox /busybox\nRUN [\"/busybox\", \"sleep\", \"600\"]\n";
    std::fs::set_permissions(
        works.yard.work.path().join("busybox"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let commit = works.yard.commit(&[("Dockerfile", hang)]).await;
    let image = failed(&works.handle(&scanned(&commit, true)).await);
    assert!(image.reason.contains("did not end within 2s"), "{}", image.reason);
    assert_eq!(works.yard.stage.workspaces(), 0);
}

#[tokio::test]
async fn no_path_leads_out_of_the_checkout() {
    let works =
        Works::open(&[("link", ", dockerfile: link"), ("root", ", context: up"), ("void", ", dockerfile: no")]).await;
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, works.yard.work.path().join(name)).unwrap();
    link("/etc/passwd", "link");
    link("..", "up");
    let commit = works.yard.commit(&[("Dockerfile", DOCKERFILE)]).await;
    let outcomes = works.handle(&scanned(&commit, true)).await;
    let reasons: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Event { data, .. } => match &**data {
                Data::ImageFailed(failed) => failed.reason.clone(),
                other => panic!("{other:?}"),
            },
            Outcome::Ignored { reason } => panic!("{reason}"),
        })
        .collect();
    assert!(reasons[0].starts_with("`link` leads out of the repository"), "{reasons:?}");
    assert!(reasons[1].starts_with("`up` leads out of the repository"), "{reasons:?}");
    assert_eq!(reasons[2], "there is no `no` in this commit");
}

#[tokio::test]
async fn only_a_good_commit_of_a_deployed_branch_is_built() {
    let works = Works::open(&[("web", "")]).await;
    let commit = works.yard.commit(&[("Dockerfile", DOCKERFILE)]).await;
    assert!(ignored(&works.handle(&scanned(&commit, false)).await).contains("its scans failed"));
    let side = proto::Change { lane: Lane::Check, ..change(&commit) };
    let event = crate::stage::first(ScanFinished { change: side, passed: true, scans: Vec::new() });
    assert!(ignored(&works.handle(&event).await).contains("not a deployed branch"));
    assert_eq!(works.tag("web", &commit).await, None);
}

#[tokio::test]
async fn a_branchs_tag_does_not_go_back() {
    let works = Works::open(&[("web", "")]).await;
    let old = works.yard.commit(&[("Dockerfile", DOCKERFILE), ("page", "old")]).await;
    let new = works.yard.commit(&[("page", "new")]).await;
    let pushes = [pushed(&old), pushed(&new)];
    for push in &pushes {
        works.yard.stage.record(push).await;
    }
    let newer = built(&works.handle(&scanned(&new, true)).await).remove(0);
    let reason = ignored(&works.handle(&scanned(&old, true)).await);
    assert!(reason.starts_with(&format!("superseded: `main` is at {}", &new[..12])), "{reason}");
    // Somebody wants the old one all the same: it gets its own tag and no other.
    let replayed = Event { replay: 1, ..scanned(&old, true) };
    let older = built(&works.handle(&replayed).await).remove(0);
    assert_eq!(older.tags, std::slice::from_ref(&old));
    assert_eq!(works.tag("web", &old).await.as_deref(), Some(older.digest.as_str()));
    assert_eq!(works.tag("web", "main").await.as_deref(), Some(newer.digest.as_str()));
    // Nor when the push itself was replayed, and so is the last that was written down.
    works.yard.stage.record(&Event { replay: 1, ..pushes[0].clone() }).await;
    let replayed = Event { replay: 2, ..scanned(&old, true) };
    assert_eq!(built(&works.handle(&replayed).await)[0].tags, std::slice::from_ref(&old));
    assert_eq!(works.tag("web", "main").await.as_deref(), Some(newer.digest.as_str()));
}

#[tokio::test]
async fn a_registry_that_is_down_or_unwell_is_no_verdict() {
    let mut works = Works::open(&[("web", "")]).await;
    let commit = works.yard.commit(&[("Dockerfile", DOCKERFILE), ("page", "1")]).await;
    works.registry.stop().await.unwrap();
    let down = transient(works.builder.handle(&scanned(&commit, true)).await.unwrap_err());
    assert!(down.contains("cannot be reached"), "{down}");
    works.registry.start_again().await.unwrap();
    assert_eq!(built(&works.handle(&scanned(&commit, true)).await).len(), 1);
}

#[tokio::test]
async fn a_registry_that_fails_uploads_is_tried_again_later() {
    let storage = Folder::new("storage").unwrap();
    let driver = buildah(&storage);
    let backend = Registry::start(&[]).await.unwrap();
    let proxy = RegistryProxy::start(&backend.url()).unwrap();
    let works = Works::with(&[("web", "")], &driver, storage, Some(proxy.address())).await;
    let commit = works.yard.commit(&[("Dockerfile", DOCKERFILE), ("page", "1")]).await;
    proxy.only("/blobs/uploads");
    proxy.always(Fault::Status(500));
    let unwell = transient(works.builder.handle(&scanned(&commit, true)).await.unwrap_err());
    assert!(unwell.contains("cannot push") && unwell.contains("500"), "{unwell}");
    assert_eq!(works.stored().await, "", "what could not be pushed is removed too");
    proxy.heal();
    let image = built(&works.handle(&scanned(&commit, true)).await).remove(0);
    let there = backend.resolve("shop/web", "main").await.unwrap();
    assert_eq!(there.as_deref(), Some(image.digest.as_str()));
}

#[tokio::test]
async fn any_command_may_build() {
    let storage = Folder::new("storage").unwrap();
    let arguments = storage_arguments(&storage).join(" ");
    let works = Works::with(&[("web", "")], "{ command: [./ci/build, now] }", storage, None).await;
    let script = format!(
        r#"#!/bin/sh -e
test "$1" = now
labels=$(echo "$WINDLASS_LABELS" | sed 's/^/--label /')
buildah {arguments} build --isolation chroot $labels -f "$WINDLASS_DOCKERFILE" --iidfile id "$WINDLASS_CONTEXT"
buildah {arguments} push --tls-verify=false "$(cat id)" "docker://$WINDLASS_IMAGE:$WINDLASS_TAGS"
"#
    );
    let files = [("Dockerfile", DOCKERFILE), ("page", "1"), ("ci/build", script.as_str())];
    let commit = works.yard.commit(&files).await;
    let image = built(&works.handle(&scanned(&commit, true)).await).remove(0);
    assert_eq!(image.tags, [commit.clone(), "main".to_owned()]);
    assert_eq!(works.tag("web", "main").await.as_deref(), Some(image.digest.as_str()));

    let commit = works.yard.commit(&[("ci/build", "#!/bin/sh\nexit 0\n")]).await;
    let nothing = failed(&works.handle(&scanned(&commit, true)).await);
    assert!(nothing.reason.contains("is not in the registry"), "{}", nothing.reason);
    let commit = works.yard.commit(&[("ci/build", "#!/bin/sh\necho no luck\nexit 3\n")]).await;
    let red = failed(&works.handle(&scanned(&commit, true)).await);
    assert_eq!((red.reason.as_str(), red.output_tail.as_str()), ("the build command exited with status 3", "no luck"));
}

#[tokio::test]
async fn a_build_tool_that_is_missing_is_named() {
    let storage = Folder::new("storage").unwrap();
    let works = Works::with(&[("web", "")], "{ command: [no-such-builder-here] }", storage, None).await;
    let commit = works.yard.commit(&[("Dockerfile", DOCKERFILE), ("page", "1")]).await;
    let missing = permanent(works.builder.handle(&scanned(&commit, true)).await.unwrap_err());
    assert!(missing.contains("`no-such-builder-here`") && missing.contains("install it"), "{missing}");
}
