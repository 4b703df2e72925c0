//! What `deploy/` and the README tell users to write is what the program reads.
#![allow(clippy::unwrap_used)]

use runtime::Config;

fn in_repository(path: &str) -> String {
    std::fs::read_to_string(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn the_reference_configuration_is_read() {
    let config = Config::parse(&in_repository("deploy/windlass.yaml"), "deploy/windlass.yaml".as_ref()).unwrap();
    assert_eq!(config.apps.len(), 1);
    assert_eq!(config.secrets().len(), 10);
}

#[test]
fn the_readme_s_configuration_is_read() {
    let readme = in_repository("README.md");
    let yaml = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    Config::parse(yaml, "README.md".as_ref()).unwrap();
}

#[test]
fn the_pages_configurations_are_read() {
    let pages = ["services/runtime/FILTERS.md", "services/bumper/PROMOTION.md", "services/bumper/WRITEBACK.md"];
    for (path, count) in pages.into_iter().zip([2, 1, 3]) {
        let page = in_repository(path);
        let shown = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
        // Beside them stand files of GitOps repositories.
        let shown = shown.filter(|yaml| yaml.starts_with("apps:"));
        let read = shown.map(|yaml| Config::parse(yaml, path.as_ref()).unwrap_or_else(|error| panic!("{error}")));
        assert_eq!(read.count(), count, "{path}");
    }
}
