//! Secrets rotated under load, a hundred times in each way files are replaced: no genuine webhook is turned away, and what
//! was taken out is refused.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use testkit::wait;
use tokio::task::JoinHandle;

use crate::story::{PATIENCE, Request, Sender, Story, signature};

const ROTATIONS: usize = 100;
const SENDERS: usize = 8;

/// How the files of secrets come to hold others.
trait Files {
    /// From here on the slots hold these; one without a secret has no file.
    fn put(&mut self, slots: &[Option<String>; 2]);
}

const SLOTS: [&str; 2] = ["a", "b"];

/// As an operator does it: each file is replaced by another of its name.
struct Renamed(PathBuf);

impl Files for Renamed {
    fn put(&mut self, slots: &[Option<String>; 2]) {
        for (name, secret) in SLOTS.into_iter().zip(slots) {
            let (file, next) = (self.0.join(name), self.0.join("next"));
            match secret {
                Some(secret) if std::fs::read_to_string(&file).ok().as_ref() == Some(secret) => {}
                Some(secret) => {
                    std::fs::write(&next, secret).unwrap();
                    std::fs::rename(&next, &file).unwrap();
                }
                None => drop(std::fs::remove_file(&file)),
            }
        }
    }
}

/// As the kubelet does it: the files are links into `..data`, itself a link to a folder, which is exchanged whole; then
/// the folder before is removed.
struct Kubelet {
    folder: PathBuf,
    generation: usize,
}

impl Files for Kubelet {
    fn put(&mut self, slots: &[Option<String>; 2]) {
        let before = self.folder.join(format!("..{}", self.generation));
        self.generation += 1;
        let (now, data) = (self.folder.join(format!("..{}", self.generation)), self.folder.join("..data"));
        std::fs::create_dir(&now).unwrap();
        for (name, secret) in SLOTS.into_iter().zip(slots) {
            if let Some(secret) = secret {
                std::fs::write(now.join(name), secret).unwrap();
            }
            let _there_already = symlink(Path::new("..data").join(name), self.folder.join(name));
        }
        let next = self.folder.join("..data_tmp");
        symlink(now.file_name().unwrap(), &next).unwrap();
        std::fs::rename(&next, &data).unwrap();
        // The first has none before it.
        let _ = std::fs::remove_dir_all(before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_turned_away_while_files_are_renamed_over_others() {
    let folder = tempfile::tempdir().unwrap();
    let files = Renamed(folder.path().to_owned());
    rotated(folder, files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_turned_away_while_kubernetes_exchanges_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let files = Kubelet { folder: folder.path().to_owned(), generation: 0 };
    rotated(folder, files).await;
}

fn secret(number: usize) -> String {
    format!("the secret of rotation {number}")
}

/// The senders' side: which secret is set there, and how far each of them is.
struct Side {
    current: AtomicUsize,
    /// The secret of each sender's last webhook that was answered.
    answered: [AtomicUsize; SENDERS],
    over: std::sync::atomic::AtomicBool,
}

async fn rotated(folder: tempfile::TempDir, mut files: impl Files) {
    let mut slots = [Some(secret(0)), None];
    files.put(&slots);
    let path = folder.path().display();
    let config = format!(
        "bus: sqlite:{path}/bus.db\ndata: {path}/data\nreceiver: {{ listen: '127.0.0.1:0' }}\nsources:\n  \
         github: {{ kind: github, secrets: [file:{path}/a, file:{path}/b] }}\n"
    );
    let config = runtime::Config::parse(&config, Path::new("windlass.yaml")).unwrap();
    let story = Story::of(folder, &config).await;
    let side = Arc::new(Side {
        current: AtomicUsize::new(0),
        answered: std::array::from_fn(|_| AtomicUsize::new(usize::MAX)),
        over: false.into(),
    });
    let senders: Vec<_> = (0..SENDERS).map(|n| send(&story, n, side.clone())).collect();
    for rotation in 1..=ROTATIONS {
        // Add the new one, change it at the sender, take the old one out.
        slots[rotation % 2] = Some(secret(rotation));
        files.put(&slots);
        side.current.store(rotation, Ordering::SeqCst);
        wait::until_true(PATIENCE, "every sender has the new secret", async || {
            assert!(senders.iter().all(|sender| !sender.is_finished()), "a sender was turned away");
            side.answered.iter().all(|answered| answered.load(Ordering::SeqCst) == rotation)
        })
        .await
        .unwrap();
        slots[(rotation - 1) % 2] = None;
        files.put(&slots);
        story.send(&signed(rotation - 1, "taken out")).await.problem(401);
    }
    side.over.store(true, Ordering::SeqCst);
    let mut sent = 0;
    for sender in senders {
        sent += sender.await.expect("nobody is turned away");
    }
    assert_eq!(story.waiting().await, sent, "each is on the bus once");
    println!("{}", serde_json::json!({ "rotations": ROTATIONS, "senders": SENDERS, "accepted": sent, "refused": 0 }));
    story.end().await;
}

fn signed(number: usize, body: &str) -> Request {
    let stated = signature(&secret(number), body.as_bytes());
    Request::github(body).header("X-Hub-Signature-256", &stated)
}

/// Sends without a pause, with the secret that is set at the moment; how many were taken, which must be all.
fn send(story: &Story, sender: usize, side: Arc<Side>) -> JoinHandle<u64> {
    let address = story.address;
    tokio::spawn(async move {
        let mut connection = Sender::connect(address).await;
        let mut sent = 0;
        while !side.over.load(Ordering::SeqCst) {
            let number = side.current.load(Ordering::SeqCst);
            let request = signed(number, &format!("{{\"sender\":{sender},\"n\":{sent}}}"));
            connection.write(&request.bytes()).await.unwrap();
            connection.answer().await.expect("an answer").accepted();
            side.answered[sender].store(number, Ordering::SeqCst);
            sent += 1;
        }
        sent
    })
}
