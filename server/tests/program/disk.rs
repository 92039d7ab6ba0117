//! A full disk: what was acknowledged stays, the rest is refused for the moment, and with room all goes on.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use ::http::StatusCode;
use serde_json::Value;

use crate::{
    http::{answer, client, counts, fleet, record},
    small_disk,
    support::{Program, Server},
};

/// Room for fresh engines, the reserve that ClickHouse keeps, and little more.
const MEGABYTES: u32 = 768;

/// A file that takes all the room that there is but `leave`, until it is dropped.
struct Filler(PathBuf);

impl Filler {
    fn new(disk: &Path, leave: u64) -> Self {
        let path = disk.join("filler");
        let mut file = File::create(&path).expect("a file");
        for piece in [1 << 20, 4096] {
            let zeros = vec![0; piece];
            // Until nothing fits any more.
            while room(disk) > leave && file.write_all(&zeros).is_ok() {}
        }
        Self(path)
    }
}

/// Free bytes.
fn room(disk: &Path) -> u64 {
    let stat = rustix::fs::statvfs(disk).expect("a disk");
    stat.f_bavail * stat.f_frsize
}

/// Below the reserve that the embedded ClickHouse keeps, and enough for Postgres.
const LITTLE: u64 = 128 << 20;

impl Drop for Filler {
    fn drop(&mut self) {
        fs::remove_file(&self.0).expect("removed");
    }
}

struct Sender<'a> {
    server: &'a Server,
    token: String,
}

impl Sender<'_> {
    async fn deliver(&self, records: &[Value]) -> (StatusCode, Value) {
        let request = client().post(format!("{}/api/v1/ingest/cdrs", self.server.url));
        let (status, _, reply) = answer(request.bearer_auth(&self.token).json(&records)).await;
        (status, reply)
    }

    /// Delivers until all are counted.
    async fn insist(&self, records: &[Value]) -> [u64; 5] {
        let insisting = async {
            loop {
                let (status, reply) = self.deliver(records).await;
                if status == StatusCode::OK {
                    return counts(&reply);
                }
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{reply}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let insisted = tokio::time::timeout(Duration::from_mins(1), insisting).await;
        insisted.expect("it takes records again")
    }
}

fn records(name: &str) -> Vec<Value> {
    (0..50).map(|n| record(&format!("{name}-{n}"), n)).collect()
}

async fn until_ready(server: &Server) {
    until(server, |said| said["status"] == "ok").await;
}

/// Until readiness says this.
async fn until(server: &Server, is_said: impl Fn(&Value) -> bool) {
    let waiting = async {
        loop {
            let request = client().get(format!("{}/health/ready", server.url));
            let (_, _, said) = answer(request).await;
            if is_said(&said) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(1), waiting).await;
    waited.expect("readiness says so");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_that_was_acknowledged_is_lost_and_with_room_all_goes_on() {
    let program = Program::private();
    let disk = program.engines_data();
    fs::create_dir(&disk).expect("a folder to mount on");
    let serve = program.command(&["serve", "--listen", "127.0.0.1:0"]);
    let server = program
        .start(small_disk::mounted(&serve, &disk, MEGABYTES))
        .await;
    program.see_mounts_of(server.id());
    fleet(&program, "acme");
    let sender = Sender {
        token: program.token("acme", "ingest"),
        server: &server,
    };
    let before = records("before");
    let (status, reply) = sender.deliver(&before).await;
    assert_eq!(
        (status, counts(&reply)),
        (StatusCode::OK, [50, 50, 0, 0, 0])
    );

    let disk = small_disk::seen(&server, &disk);
    let filler = Filler::new(&disk, LITTLE);
    for _ in 0..2 {
        // They are in the journal, and wait to be counted.
        let (status, reply) = sender.deliver(&records("little")).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{reply}");
        assert_eq!(reply["code"], "UNAVAILABLE", "{reply}");
    }
    until(&server, |said| said["checks"]["disk"] == "degraded").await;
    drop(filler);
    // All of them were: nobody has to bring them again for them to count.
    assert_eq!(sender.insist(&records("little")).await, [50, 0, 50, 0, 0]);

    let filler = Filler::new(&disk, 0);
    for attempt in 0..3 {
        let (status, reply) = sender.deliver(&records(&format!("full-{attempt}"))).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{reply}");
        assert_eq!(reply["code"], "UNAVAILABLE", "{reply}");
    }
    let process = client().get(format!("{}/health/live", server.url));
    assert_eq!(answer(process).await.0, StatusCode::OK);

    drop(filler);
    until_ready(&server).await;
    for attempt in 0..3 {
        let [received, accepted, duplicate, rejected, pending] =
            sender.insist(&records(&format!("full-{attempt}"))).await;
        assert_eq!((received, rejected, pending), (50, 0, 0));
        assert_eq!(accepted + duplicate, 50);
    }
    assert_eq!(sender.insist(&before).await, [50, 0, 50, 0, 0]);
    let proved = program.print(&["verify"]);
    assert!(proved.ends_with("0 differences"), "{proved}");
    let line = proved.lines().find(|line| line.starts_with("acme"));
    let counted = line.expect("a line of the tenant").split_whitespace();
    let counted: Vec<u64> = counted.filter_map(|word| word.parse().ok()).collect();
    assert_eq!(counted, [250; 6], "{proved}");
}
