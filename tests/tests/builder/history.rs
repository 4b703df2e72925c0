//! Whatever is pushed, reverted and handled in whichever order: in the end the branch's images are what its newest
//! commit says. The histories are drawn, and the same at every run.

use std::collections::BTreeMap;

use proto::{Data, Event, WorkerName};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    images::Works,
    yard::{pushed, scanned},
};

const COMPONENTS: [&str; 2] = ["back", "front"];
const PUSHES: usize = 10;

/// A history under way.
struct History {
    works: Works,
    random: StdRng,
    /// What each commit's components are made of.
    pages: BTreeMap<String, [u32; 2]>,
    newest: String,
    /// Deliveries that nobody has taken yet.
    waiting: Vec<Event>,
    /// How often a push was left aside, and an image was kept.
    left_aside: usize,
    kept: usize,
}

impl History {
    async fn begin(seed: u64) -> Self {
        let back = ("back", ", dockerfile: Dockerfile, context: back, paths: [back]");
        let front = ("front", ", dockerfile: Dockerfile, context: front, paths: [front]");
        let works = Works::open_with("    paths: [back, front, Dockerfile]", &[back, front]).await;
        let mut history = Self {
            works,
            random: StdRng::seed_from_u64(seed),
            pages: BTreeMap::new(),
            newest: String::new(),
            waiting: Vec::new(),
            left_aside: 0,
            kept: 0,
        };
        history.push(&[("Dockerfile", "FROM scratch\nCOPY page /page\n")], [0, 0]).await;
        history
    }

    async fn push(&mut self, more: &[(&str, &str)], pages: [u32; 2]) {
        let [back, front] = pages.map(|page| page.to_string());
        let files = [&[("back/page", back.as_str()), ("front/page", front.as_str())], more].concat();
        self.newest = self.works.yard.commit(&files).await;
        self.pages.insert(self.newest.clone(), pages);
        let event = pushed(&self.newest);
        self.works.yard.stage.record(&event).await;
        self.waiting.push(event);
    }

    /// Something is pushed: a page that may have been there before, or something that is of no component.
    async fn push_any(&mut self) {
        let mut pages = self.pages[&self.newest];
        let notes = self.random.random::<u32>().to_string();
        if self.random.random_bool(0.6) {
            let page = &mut pages[self.random.random_range(0..2)];
            *page = 1 - *page;
        }
        self.push(&[("docs/notes", &notes)], pages).await;
    }

    /// Any of the deliveries that wait is handled.
    async fn handle_any(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let event = self.waiting.swap_remove(self.random.random_range(0..self.waiting.len()));
        let outcomes = self.works.handle(&event).await;
        for outcome in self.works.yard.stage.record_all(&event, WorkerName::Builder, &outcomes).await {
            match outcome.data {
                Data::TestsFinished(tests) => self.waiting.push(scanned(tests.change.commit.as_str(), true)),
                Data::EventIgnored(ignored) if ignored.reason.contains("neither tested nor built") => {
                    self.left_aside += 1;
                }
                Data::ImageBuilt(built) => self.kept += usize::from(built.unchanged_since.is_some()),
                _ => {}
            }
        }
    }

    /// What each of the branch's images is made of.
    async fn deployed(&self) -> [u32; 2] {
        let context = &self.works.yard.stage.context;
        let mut found = [0; 2];
        for (place, name) in COMPONENTS.iter().enumerate() {
            let image = &context.config.apps.values().next().unwrap().components[&name.parse().unwrap()].image;
            let revision = context.registries.resolve(image, "main").await.unwrap().unwrap().revision.unwrap();
            found[place] = self.pages[revision.as_str()][place];
        }
        found
    }
}

#[tokio::test]
async fn in_the_end_the_branch_s_images_are_those_of_its_newest_commit() {
    let (mut left_aside, mut kept) = (0, 0);
    for seed in 0..3 {
        let mut history = History::begin(seed).await;
        let mut pushes = 1;
        while pushes < PUSHES || !history.waiting.is_empty() {
            if pushes < PUSHES && history.random.random_bool(0.4) {
                history.push_any().await;
                pushes += 1;
            } else {
                history.handle_any().await;
            }
        }
        assert_eq!(history.deployed().await, history.pages[&history.newest], "seed {seed}");
        left_aside += history.left_aside;
        kept += history.kept;
    }
    // Or nothing would have been tried.
    assert!(left_aside > 0 && kept > 0, "{left_aside} pushes were left aside, {kept} images were kept");
}
