//! What went wrong of late: red tests and scans, images that were not made, what was not synced or not healthy, and what a
//! worker gave up on.

use ledger::{EventFilter, Ledger, Outline, Recorded};
use proto::{Data, Event, EventType, Timestamp};

use crate::Result;

/// What tells of trouble, or of none.
const TELLING: [EventType; 6] = [
    EventType::TestsFinished,
    EventType::ScanFinished,
    EventType::ImageFailed,
    EventType::SyncFinished,
    EventType::HealthReported,
    EventType::DeliveryParked,
];
/// How many of each type are looked at, the newest.
const LOOKED_AT: u32 = 100;

/// At most so many events since then that tell of trouble, the last first.
pub async fn since(ledger: &Ledger, since: Timestamp, most: usize) -> Result<Vec<Recorded<Outline>>> {
    let mut found = Vec::new();
    for kind in TELLING {
        let filter = EventFilter { kind: Some(kind), since: Some(since), limit: LOOKED_AT, ..EventFilter::default() };
        let events = ledger.events(&filter).await?;
        let troubles = events.iter().filter(|recorded| Event::from_message(&recorded.message).is_ok_and(is_trouble));
        found.extend(troubles.map(Recorded::outline));
    }
    found.sort_by_key(|recorded| std::cmp::Reverse(recorded.seq));
    found.truncate(most);
    Ok(found)
}

fn is_trouble(event: Event) -> bool {
    match event.data {
        Data::TestsFinished(tests) => !tests.passed,
        Data::ScanFinished(scans) => !scans.passed,
        Data::SyncFinished(sync) => !sync.succeeded,
        Data::HealthReported(report) => !report.healthy,
        Data::ImageFailed(_) | Data::DeliveryParked(_) => true,
        _ => false,
    }
}
