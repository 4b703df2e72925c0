//! Each way to write, through everything that reads what is written: deploying, promoting, taking back, a person's edit,
//! and the rule that nothing older comes over what is there.

use proto::{BumpReason, Deployment, Digest};

use crate::world::*;

const KUSTOMIZE: &str = "# The shop.\r\nimages:\r\n- name: frontend\r\n  newName: IMAGE-frontend\r\n  newTag: v0 # ours\r\n  \
                         digest: \"\"\r\n- {name: IMAGE-backend, newTag: 'v0', digest: ~ }";
const VALUES: &str = "frontend:\n  image: { repository: IMAGE-frontend, tag: 'v0', digest: }\nbackend: &b\n  # ours\n  image:\n    \
                      tag: v0\n    digest: sha256:0\n    repository: IMAGE-backend\n";
const CARRIED: &str = "{\n\t\"frontend\": \"v0\",\n\t\"backend\": null\n}";

/// A style: the keys that say so, the file of an environment, and what it holds at first.
struct Style {
    keys: &'static str,
    file: &'static str,
    text: &'static str,
    /// How many of the two components' tags and digests stand there afterwards.
    stands: (usize, usize),
}

const STYLES: &[Style] = &[
    Style { keys: "write: kustomize", file: "kustomization.yaml", text: KUSTOMIZE, stands: (2, 2) },
    Style { keys: "write: kustomize\n    pin: tag", file: "Kustomization", text: KUSTOMIZE, stands: (2, 0) },
    Style { keys: "write: kustomize\n    pin: digest", file: "kustomization.yml", text: KUSTOMIZE, stands: (0, 2) },
    Style {
        keys: "write: { values: { repository: '/{component}/image/repository', tag: '/{component}/image/tag', digest: \
               '/{component}/image/digest' } }",
        file: "values.yaml",
        text: VALUES,
        stands: (2, 2),
    },
    Style {
        keys: "write: { values: { file: nested/config.json, tag: '/{component}' } }",
        file: "nested/config.json",
        text: CARRIED,
        stands: (2, 2),
    },
    Style {
        keys: "write: { values: { file: nested/config.json, tag: '/{component}' } }\n    pin: tag",
        file: "nested/config.json",
        text: CARRIED,
        stands: (2, 0),
    },
    Style {
        keys: "write: { manifests: { container: '{component}' } }\n    pin: tag",
        file: "app.yaml",
        text: "containers:\n- {name: frontend, image: x}\n- image: \"y\"\n  name: backend\n",
        stands: (2, 0),
    },
];

impl Style {
    async fn world(&self) -> World {
        self.world_with("").await
    }

    /// A world with these keys of the app, too.
    async fn world_with(&self, more: &str) -> World {
        let config = CONFIG.replace("deploy: [main]", &format!("deploy: [main]\n    {}{more}", self.keys));
        let world = World::with(&config.replace("production/app.yaml", "production")).await;
        let text = self.text.replace("IMAGE", world.image("x").as_str().strip_suffix("-x").unwrap());
        let paths = ["staging", "production"].map(|environment| format!("{environment}/{}", self.file));
        world.repo.write(&[(&paths[0], &text), (&paths[1], &text)]);
        world
    }

    fn text(&self, world: &World, environment: &str) -> String {
        world.repo.text(&format!("{environment}/{}", self.file))
    }

    /// The file asks for this release, as far as it is pinned, and says nothing of another.
    fn asks_for(&self, text: &str, deployed: &Deployment) {
        let stands = |parts: Vec<&str>| parts.into_iter().map(|part| text.matches(part).count()).sum::<usize>();
        let mut tags: Vec<_> = deployed.release.values().filter_map(|r| r.tag.as_deref()).collect();
        tags.dedup();
        let digests = deployed.release.values().map(|r| r.digest.as_str()).collect();
        assert_eq!((stands(tags), stands(digests)), self.stands, "{}: {text}", self.keys);
    }
}

fn digests_of(deployed: &Deployment) -> Vec<&Digest> {
    deployed.release.values().map(|released| &released.digest).collect()
}

#[tokio::test]
async fn every_style_deploys_promotes_and_takes_back_to_the_byte() {
    for style in STYLES {
        let world = style.world().await;
        let first = world.deploy(&commit('a')).await;
        assert_eq!(first.changed.len(), 2, "{}", style.keys);
        style.asks_for(&style.text(&world, "staging"), &first);
        let promoted = world.bump(&verdict(&first, true)).await;
        assert_eq!((promoted.reason, &promoted.release), (BumpReason::Promotion, &first.release), "{}", style.keys);
        let (good, staging) = (style.text(&world, "production"), style.text(&world, "staging"));
        assert_eq!(good, staging, "{}", style.keys);
        world.healthy(&promoted).await;

        let second = world.deploy(&commit('b')).await;
        assert_ne!(digests_of(&second), digests_of(&first));
        style.asks_for(&style.text(&world, "staging"), &second);
        let bad = world.bump(&verdict(&second, true)).await;
        assert_ne!(style.text(&world, "production"), good);
        let back = world.bump(&verdict(&bad, false)).await;
        assert_eq!((back.reason, &back.release), (BumpReason::Rollback, &first.release), "{}", style.keys);
        assert_eq!(style.text(&world, "production"), good, "{}", style.keys);
    }
}

#[tokio::test]
async fn what_a_person_wrote_meanwhile_is_not_taken_back() {
    for style in STYLES {
        let world = style.world().await;
        let first = world.deploy(&commit('a')).await;
        world.healthy(&first).await;
        let second = world.deploy(&commit('b')).await;
        let by_hand = style.text(&world, "staging").replace(commit('b').as_str(), "by-hand");
        let by_hand = second.release.values().fold(by_hand, |text, released| {
            text.replace(released.digest.as_str(), &format!("sha256:{}", "1".repeat(64)))
        });
        world.repo.write(&[(&format!("staging/{}", style.file), &by_hand)]);
        let why = world.ignored(&verdict(&second, false)).await;
        assert!(why.contains("by-hand") || why.contains(&"1".repeat(64)), "{}: {why}", style.keys);
        assert_eq!(style.text(&world, "staging"), by_hand, "{}", style.keys);
    }
}

#[tokio::test]
async fn what_is_older_is_seen_in_every_style_that_has_a_tag() {
    for style in STYLES.iter().filter(|style| style.stands.0 > 0) {
        let world = style.world_with("\n    release: apart\n    tags: { semver: '*' }").await;
        let push = async |tag: &str| {
            let digest = world.push("frontend", None, &[tag]).await;
            world.pushed("frontend", tag, Some(&digest))
        };
        let deployed = world.bump(&push("1.10.0").await).await;
        world.healthy(&deployed).await;
        let why = world.ignored(&push("1.9.0").await).await;
        assert!(why.contains("frontend 1.9.0 is older than 1.10.0, which is deployed"), "{}: {why}", style.keys);
    }
}

#[tokio::test]
async fn a_tag_that_was_moved_cannot_be_taken_back_by_itself() {
    let world = STYLES[1].world().await;
    let first = world.deploy(&commit('a')).await;
    world.healthy(&first).await;
    // The same commit's tag is given to other images, and a person deploys something else in between.
    world.push_both(&commit('a')).await;
    let mut moved = first.clone();
    for released in moved.release.values_mut() {
        released.digest = digest_of(b"moved");
    }
    let place = world.place("staging").await.healthy.unwrap();
    assert_eq!(place.release, first.release);
    let why = world.refused(&verdict(&moved, false)).await;
    assert!(why.contains("was moved") && why.contains("`pin: both`"), "{why}");
}

#[tokio::test]
async fn two_components_in_one_place_are_told_and_nothing_is_written() {
    let keys = "components:\n      backend: { image: \"REGISTRY/acme/shop-backend\", write: { values: { image: /image } } }\n      \
                frontend: { image: \"REGISTRY/acme/shop-frontend\", write: { values: { image: /image, when: { /kind: X } } } }\n";
    let start = CONFIG.find("components:").unwrap();
    let end = CONFIG.find("    gitops:").unwrap();
    let world = World::with(&format!("{}{keys}{}", &CONFIG[..start], &CONFIG[end..])).await;
    world.repo.write(&[("staging/values.yaml", "kind: X\nimage: v0\n")]);
    let head = world.repo.head();
    let (frontend, _) = world.push_both(&commit('a')).await;
    let why = world.refused(&world.pushed("frontend", "main", Some(&frontend))).await;
    let words = "`staging/values.yaml`, line 2: both backend and frontend are written here; mend `write`";
    assert!(why.contains(words), "{why}");
    assert_eq!(world.repo.head(), head);
}
