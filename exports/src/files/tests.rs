//! A folder and a bucket of a real S3 server do the same.

use std::path::PathBuf;

use domain::{Code, job::Lease};
use futures::TryStreamExt as _;
use http::StatusCode;
use object_store::aws::AmazonS3ConfigKey;
use tempfile::TempDir;
use testkit::Bucket;
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use super::*;

/// More than a part.
const LARGE: usize = PART + PART / 2;

/// A place for files, and a way to see what it has past the code that is tested.
enum Seen {
    Folder(TempDir),
    Bucket(Bucket),
}

impl Seen {
    /// Everything, names for parts of unfinished files included.
    fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Bucket(bucket) => bucket.files(),
            Self::Folder(folder) => below(folder.path()),
        }
    }

    fn bytes(&self) -> u64 {
        let sizes = self.files().into_iter().map(std::fs::metadata);
        sizes.flatten().map(|found| found.len()).sum()
    }
}

fn below(folder: &FilePath) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

fn of_bucket(bucket: &Bucket, changed: &[(&str, &str)]) -> Files {
    let mut server = AmazonS3Builder::new();
    let environment = bucket.environment();
    let settings = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()));
    for (name, value) in settings.chain(changed.iter().copied()) {
        let name: AmazonS3ConfigKey = name.to_lowercase().parse().expect("a setting");
        server = server.with_config(name, value);
    }
    let url = bucket.url().parse().expect("an address");
    Files::in_bucket_of(server, &url).expect("a bucket")
}

/// Both.
fn places() -> [(Files, Seen); 2] {
    let folder = tempfile::tempdir().expect("a folder");
    let files = Files::in_folder(folder.path()).expect("files");
    let bucket = testkit::bucket();
    [
        (files, Seen::Folder(folder)),
        (of_bucket(&bucket, &[]), Seen::Bucket(bucket)),
    ]
}

fn lease(fence: u64) -> Lease {
    Lease {
        tenant: TenantId::new(Uuid::now_v7()),
        job: JobId::new(Uuid::now_v7()),
        fence,
    }
}

async fn read(files: &Files, place: &str, range: Range<u64>) -> Result<Vec<u8>> {
    let parts = files.read(place, range).await?;
    let parts: Vec<Bytes> = parts.try_collect().await.expect("all of it");
    Ok(parts.concat())
}

async fn write(files: &Files, place: &str, bytes: &[u8]) {
    let mut writer = files.writer(place);
    writer.write_all(bytes).await.expect("written");
    writer.shutdown().await.expect("ended");
}

fn bytes(count: usize) -> Vec<u8> {
    (0..=250).cycle().take(count).collect()
}

#[tokio::test]
async fn a_folder_that_takes_nothing_does_not_answer() {
    let above = tempfile::tempdir().expect("a folder");
    let path = above.path().join("exports");
    let files = Files::in_folder(&path).expect("a folder");
    files.ping().await.expect("it answers");
    std::fs::remove_dir(&path).expect("nothing stays of what was tried");
    files.ping().await.expect("it is made again");
    std::fs::remove_dir(&path).expect("removed");
    std::fs::write(&path, "no folder").expect("written");
    let error = files.ping().await.expect_err("no folder");
    assert_eq!(error.code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_as_it_was_written_whole_and_in_ranges() {
    for (files, _seen) in places() {
        files.ping().await.expect("it answers");
        for (n, size) in [0, 10, LARGE].into_iter().enumerate() {
            let place = format!("{}/file.csv", folder(lease(n as u64)));
            let written = bytes(size);
            write(&files, &place, &written).await;
            if size == 0 {
                continue;
            }
            let all = read(&files, &place, 0..size as u64).await.expect("a file");
            assert!(all == written, "{size} bytes");
            let last = read(&files, &place, size as u64 - 3..size as u64).await;
            assert_eq!(last.expect("a file"), written[size - 3..]);
            let some = read(&files, &place, 2..5).await.expect("a file");
            assert_eq!(some, written[2..5]);
        }
        let none = read(&files, &format!("{}/file.csv", folder(lease(1))), 0..1).await;
        assert_eq!(none.expect_err("none").code(), Code::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_a_file_that_is_not_ended_and_nothing_stays_of_one_that_is_given_up() {
    for (files, seen) in places() {
        let claim = lease(1);
        let place = format!("{}/file.csv", folder(claim));
        let mut writer = files.writer(&place);
        writer.write_all(&bytes(LARGE)).await.expect("written");
        until(async || seen.bytes() >= PART as u64).await;
        assert!(read(&files, &place, 0..1).await.is_err());
        // Until the part is answered for, a bucket may refuse: then it goes with its claim.
        if writer.abort().await.is_err() {
            until(async || files.remove(&folder(claim)).await.is_ok()).await;
        }
        assert!(read(&files, &place, 0..1).await.is_err());
        assert_eq!(seen.files(), [] as [PathBuf; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_ended_is_found_by_its_claim_and_removed_with_it() {
    for (files, seen) in places() {
        let [ended, unended, kept] = [1, 22, 3].map(lease);
        write(&files, &format!("{}/file.csv", folder(ended)), b"all").await;
        let beside = format!("{}/manifest.json", folder(ended));
        files.put(&beside, "{}".into()).await.expect("written");
        let mut writer = files.writer(&format!("{}/file.csv", folder(unended)));
        writer.write_all(&bytes(2 * LARGE)).await.expect("written");
        // As a process that is killed leaves it.
        std::mem::forget(writer);
        until(async || seen.bytes() >= 2 * LARGE as u64).await;
        write(&files, &format!("{}/file.csv", folder(kept)), b"kept").await;

        let mut claims = files.claims().await.expect("claims");
        claims.sort_by_key(|claim| claim.fence);
        assert_eq!(claims, [ended, kept, unended]);
        // Until the last part has come in, a bucket may refuse.
        until(async || files.remove(&folder(unended)).await.is_ok()).await;
        for claim in [ended, unended] {
            files.remove(&folder(claim)).await.expect("gone is gone");
        }
        let left = files.claims().await.expect("claims");
        assert_eq!(left, [kept], "{:?}", seen.files());
        assert_eq!(seen.files().len(), 1, "{:?}", seen.files());
        let place = format!("{}/file.csv", folder(kept));
        assert_eq!(read(&files, &place, 0..4).await.expect("a file"), b"kept");
    }
}

async fn until(is: impl AsyncFn() -> bool) {
    let waited = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while !is().await {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("it comes to that");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_gives_a_file_out_itself_for_a_minute_and_no_other() {
    let bucket = testkit::bucket();
    let files = of_bucket(&bucket, &[]);
    let [place, other] = [1, 2].map(|fence| format!("{}/file.csv", folder(lease(fence))));
    for place in [&place, &other] {
        write(&files, place, b"0123456789").await;
    }
    let disposition = "attachment; filename=\"May.csv\"";
    let link = files.link(&place, "text/csv", disposition).await;
    let link = link.expect("keys").expect("an address");
    assert!(
        link.query()
            .is_some_and(|query| query.contains("X-Amz-Expires=60"))
    );
    let client = reqwest::Client::new();
    let whole = client.get(link.clone()).send().await.expect("an answer");
    assert_eq!(whole.headers()["content-disposition"], disposition);
    assert_eq!(whole.headers()["content-type"], "text/csv");
    assert_eq!(whole.bytes().await.expect("a body"), "0123456789");
    let part = client.get(link.clone()).header("range", "bytes=2-4");
    let part = part.send().await.expect("an answer");
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.expect("a body"), "234");
    for wrong in [
        link.as_str().replace(&place, &other),
        link.as_str()
            .replace("X-Amz-Expires=60", "X-Amz-Expires=600"),
        link.as_str().replace("May.csv", "June.csv"),
    ] {
        let refused = client.get(&wrong).send().await.expect("an answer");
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{wrong}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let files = Files::in_folder(folder.path()).expect("files");
    let none = files.link(&place, "text/csv", disposition).await;
    assert_eq!(none.expect("nothing"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_refuses_says_why() {
    let bucket = testkit::bucket();
    let refusing = of_bucket(&bucket, &[("AWS_SECRET_ACCESS_KEY", "wrong")]);
    let keys = "the store of files refuses the server's keys";
    for error in [
        refusing.ping().await.expect_err("refused"),
        refusing.put("a", "a".into()).await.expect_err("refused"),
    ] {
        assert_eq!(
            (error.code(), error.to_string()),
            (Code::Unavailable, keys.to_owned()),
            "{error:?}"
        );
    }
}
