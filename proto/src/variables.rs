//! A deployment as environment variables: how programs that sync or test one are told what it is.

use crate::Deployment;

impl Deployment {
    /// `WINDLASS_APP`, `WINDLASS_ENVIRONMENT`, `WINDLASS_REVISION` and `WINDLASS_PATH`; and for each component, in
    /// upper case with `_` for `-`, `WINDLASS_IMAGE_<COMPONENT>` (`image@digest`) and, where the image says from
    /// which commit it was built, `WINDLASS_COMMIT_<COMPONENT>`.
    pub fn variables(&self) -> Vec<(String, String)> {
        let mut all = vec![
            ("WINDLASS_APP".to_owned(), self.app.to_string()),
            ("WINDLASS_ENVIRONMENT".to_owned(), self.environment.to_string()),
            ("WINDLASS_REVISION".to_owned(), self.revision.to_string()),
            ("WINDLASS_PATH".to_owned(), self.path.clone()),
        ];
        for (component, released) in &self.release {
            let name = component.as_str().to_ascii_uppercase().replace('-', "_");
            all.push((format!("WINDLASS_IMAGE_{name}"), format!("{}@{}", released.image, released.digest)));
            if let Some(commit) = &released.commit {
                all.push((format!("WINDLASS_COMMIT_{name}"), commit.to_string()));
            }
        }
        all
    }
}
