//! How long files are kept, what they count until then, and how they go.

use std::{fs, future::pending};

use chrono::TimeDelta;
use domain::{Code, Result, job::Job};
use exports::{DataSet, Exports, Format, Order, Partition, Request, Settings};

use crate::fixture::{ADAM, Fixture};

const EVER: &str =
    r#"{"period": {"between": {"from": "2020-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"}}}"#;
/// Before any of it was written by the tests.
const YEAR: &str =
    r#"{"period": {"between": {"from": "2025-10-01T00:00:00Z", "to": "2026-10-01T00:00:00Z"}}}"#;

fn tenants_log(question: &str) -> Order {
    let request = Request::parse(DataSet::Audit, Some(question)).expect("a question");
    Order::new(request, Format::Csv)
}

async fn made(fixture: &Fixture) -> Job {
    let asked = fixture.ask(&tenants_log(EVER)).await.expect("asked");
    fixture.work().await;
    fixture.job(asked.id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn how_many_rows_there_will_be_is_said_from_the_start_of_all_files_together() {
    let fixture = Fixture::new().await;
    fixture.postgres.run(
        "INSERT INTO audit (tenant_id, at, actor, role, action, subject)
         SELECT tenant_id, timestamptz '2025-11-01' + n * interval '1 hour', 'x', 'support', 'noun.verb', n::text
         FROM tenant, generate_series(1, 5000) AS n",
    );
    let order = tenants_log(YEAR).by(Some(Partition::Month));
    let session = fixture.enter(ADAM).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut told = Vec::new();
    let order = order.expect("an order");
    let parts = folder.path().join("parts");
    let written = exports::to_folder(&session, &order, &parts, |progress| {
        told.push((progress.rows, progress.expected));
    });
    assert_eq!(written.await.expect("written").contents.rows, 5_000);
    assert!(told.iter().all(|(_, expected)| *expected == Some(5_000)));
    assert!(told.is_sorted() && told.len() > 12, "{told:?}");
    assert_eq!(told.last(), Some(&(5_000, Some(5_000))));
}

/// What the folder of files has.
fn left(fixture: &Fixture) -> usize {
    fs::read_dir(fixture.folder.path())
        .expect("a folder")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_when_its_time_has_come_and_its_job_stays() {
    let fixture = Fixture::new().await;
    let job = made(&fixture).await;
    let download = async || {
        let session = fixture.enter(ADAM).await;
        let given = fixture.exports.download(&session, job.id, None).await;
        given.map(drop).map_err(|error| error.code())
    };
    fixture.pass(TimeDelta::days(30) - TimeDelta::seconds(1));
    assert_eq!(fixture.exports.sweep().await.ok(), Some(0));
    assert_eq!((download().await, left(&fixture)), (Ok(()), 1));

    // Before anybody sweeps it is not given out any more.
    fixture.pass(TimeDelta::seconds(1));
    assert_eq!(download().await, Err(Code::NotFound));
    let session = fixture.enter(ADAM).await;
    let link = fixture.exports.link(&session, &job).await;
    assert_eq!(link.expect("known"), None);

    assert_eq!(fixture.exports.sweep().await.ok(), Some(1));
    assert_eq!((download().await, left(&fixture)), (Err(Code::NotFound), 0));
    let gone = fixture.job(job.id).await;
    assert_eq!((&gone.place, gone.bytes), (&None, 0));
    let still = |job: &Job| (job.state, job.result.clone(), job.expires_at);
    assert_eq!(still(&gone), still(&job));
    assert_eq!(fixture.exports.sweep().await.ok(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_counts_no_more_although_nobody_has_swept_yet() {
    let fixture = Fixture::new().await;
    let bytes = made(&fixture).await.bytes;
    let small = fixture.under(Settings {
        // For the next one, which has a few lines more, and not for both.
        quota: 2 * bytes - 1,
        ..Settings::default()
    });
    let ask = async |exports: &Exports| -> Result<Job> {
        let session = fixture.enter(ADAM).await;
        let cx = session.write(None).await?;
        exports.create(&session, cx, None, &tenants_log(EVER)).await
    };
    let refused = ask(&small).await.expect("asked");
    assert!(small.work(pending()).await.expect("done"));
    let refused = fixture.job(refused.id).await.failure;
    assert_eq!(refused.map(|it| it.code), Some(Code::LimitExceeded));
    fixture.pass(TimeDelta::days(30));
    let taken = ask(&small).await.expect("asked");
    assert!(small.work(pending()).await.expect("done"));
    let taken = fixture.job(taken.id).await;
    assert_eq!(taken.failure, None);
    // Of one that is full, nothing is asked for.
    let full = fixture.under(Settings {
        quota: taken.bytes,
        ..Settings::default()
    });
    let refused = ask(&full).await.err().map(|error| error.code());
    assert_eq!(refused, Some(Code::LimitExceeded));
    fixture.pass(TimeDelta::days(30));
    assert!(ask(&full).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_removed_keep_no_others_from_being_removed() {
    let fixture = Fixture::new().await;
    let job = made(&fixture).await;
    fixture.pass(TimeDelta::days(30));
    // Older ones that are no folders: more than are looked up together.
    fs::write(fixture.folder.path().join("stuck"), "").expect("written");
    fixture.postgres.run(&format!(
        "INSERT INTO job (tenant_id, kind, name, request, requested_by, asker, state, created_at, ended_at, place, bytes, expires_at)
         SELECT tenant_id, kind, name, request, requested_by, asker, state, created_at, ended_at, 'stuck/1/file.csv', 1,
             expires_at - interval '1 day' * (n % 7)
         FROM job, generate_series(1, 250) AS n WHERE job_id = '{}'",
        job.id.uuid()
    ));
    let stuck = || {
        let statement = "SELECT count(*)::text FROM job WHERE place IS NOT NULL";
        fixture.postgres.texts(statement)
    };
    let swept = fixture.exports.sweep().await;
    assert_eq!(swept.err().map(|it| it.code()), Some(Code::Unavailable));
    assert_eq!(stuck(), ["250"]);
    assert_eq!(fixture.job(job.id).await.place, None);
    fs::remove_file(fixture.folder.path().join("stuck")).expect("removed");
    assert_eq!(fixture.exports.sweep().await.ok(), Some(250));
    assert_eq!(stuck(), ["0"]);
}
