//! Components under the names that the configuration has for them now. What is known of earlier days may have others: a
//! component that was renamed is found again by its image, so that what went together goes on together.

use std::collections::BTreeMap;

use ledger::{Chain, Place, Waiting};
use proto::{ComponentName, Deployment, Release};
use runtime::config::App;

/// What is known of an app, under the names there are now. What waits for a component that is none of the app's any more
/// does so no longer; what runs of it is known on.
pub(super) fn chain(app: &App, chain: &mut Chain) {
    for place in chain.places.values_mut() {
        let Place { asked, healthy, waiting, urgent, back, .. } = place;
        let asked = asked.as_mut().map(|asked| &mut asked.deployment);
        for deployment in asked.into_iter().chain(healthy) {
            self::deployment(app, deployment);
        }
        for Waiting { offer, proposed, .. } in [waiting, urgent, back].into_iter().flatten() {
            release(app, &mut offer.release);
            offer.release.retain(|name, _| app.components.contains_key(name));
            if let Some(replaced) = proposed.as_mut().and_then(|proposed| proposed.instead_of.as_mut()) {
                release(app, replaced);
            }
        }
    }
}

/// A deployment, under the names there are now.
pub(super) fn deployment(app: &App, deployment: &mut Deployment) {
    let renamed = renamed(app, &deployment.release);
    let name = |known: ComponentName| renamed.get(&known).cloned().unwrap_or(known);
    let Deployment { release, changed, previous, .. } = deployment;
    *release = std::mem::take(release).into_iter().map(|(known, image)| (name(known), image)).collect();
    *changed = std::mem::take(changed).into_iter().map(name).collect();
    *previous = std::mem::take(previous).into_iter().map(|(known, value)| (name(known), value)).collect();
}

fn release(app: &App, release: &mut Release) {
    for (known, now) in renamed(app, release) {
        if let Some(image) = release.remove(&known) {
            release.insert(now, image);
        }
    }
}

/// Names of components that are none any more, and what has their image now and is not there under its own name.
fn renamed(app: &App, release: &Release) -> BTreeMap<ComponentName, ComponentName> {
    let mut taken: Vec<_> = release.keys().cloned().collect();
    let mut renamed = BTreeMap::new();
    for (known, released) in release.iter().filter(|(known, _)| !app.components.contains_key(*known)) {
        let mut heirs = app.components.iter().filter(|(_, component)| component.image == released.image);
        if let Some((now, _)) = heirs.find(|(now, _)| !taken.contains(now)) {
            taken.push(now.clone());
            renamed.insert(known.clone(), now.clone());
        }
    }
    renamed
}
