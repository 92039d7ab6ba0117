//! Links: how long they are good, what signs them, and what whoever comes with one leaves behind.

use chrono::TimeDelta;
use domain::{Code, job::Job};
use exports::{DataSet, Format, Link, Order, Partition, Request};
use uuid::Uuid;

use crate::fixture::{ADAM, ANNA, Fixture};

/// The audit log of two months.
const MONTHS: &str =
    r#"{"period": {"between": {"from": "2026-09-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}}}"#;

fn log() -> Order {
    let request = Request::parse(DataSet::Audit, Some(MONTHS)).expect("a question");
    Order::new(request, Format::Csv)
}

/// A job whose file is there.
async fn made(fixture: &Fixture, order: &Order) -> Job {
    let asked = fixture.ask(order).await.expect("asked");
    fixture.work().await;
    fixture.job(asked.id).await
}

/// A link of this moment.
async fn link(fixture: &Fixture, job: &Job) -> Link {
    let session = fixture.enter(ADAM).await;
    let link = fixture.exports.link(&session, job).await;
    link.expect("known").expect("a link")
}

async fn entered(fixture: &Fixture, job: &Job, link: &Link) -> Result<(), Code> {
    let entered = fixture.exports.enter(job.id, link).await;
    entered.map(drop).map_err(|error| error.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_good_for_a_quarter_of_an_hour_and_for_its_job_alone() {
    let fixture = Fixture::new().await;
    let [job, other] = [made(&fixture, &log()).await, made(&fixture, &log()).await];
    let given = link(&fixture, &job).await;
    fixture.pass(TimeDelta::seconds(15 * 60 - 1));
    assert_eq!(entered(&fixture, &job, &given).await, Ok(()));
    let later = Link {
        expires: given.expires + 1,
        ..given.clone()
    };
    let of_nobody = Link {
        key: Uuid::nil(),
        ..given.clone()
    };
    for (job, wrong) in [(&job, &later), (&job, &of_nobody), (&other, &given)] {
        assert_eq!(entered(&fixture, job, wrong).await, Err(Code::NotFound));
    }
    fixture.pass(TimeDelta::seconds(1));
    assert_eq!(entered(&fixture, &job, &given).await, Err(Code::NotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_sign_for_a_day_and_are_known_until_their_last_link_is_over() {
    let fixture = Fixture::new().await;
    let job = made(&fixture, &log()).await;
    let keys = || {
        let statement = "SELECT link_key_id::text FROM link_key ORDER BY created_at";
        fixture.postgres.texts(statement)
    };
    let first = link(&fixture, &job).await;
    // Another server signs with the same one.
    let other = fixture.another();
    let session = fixture.enter(ADAM).await;
    let of_other = other.link(&session, &job).await;
    let of_other = of_other.expect("known").expect("a link");
    assert_eq!((first.key, keys().len()), (of_other.key, 1));

    fixture.pass(TimeDelta::days(1) - TimeDelta::seconds(1));
    let last = link(&fixture, &job).await;
    assert_eq!(last.key, first.key);
    fixture.pass(TimeDelta::seconds(1));
    let next = link(&fixture, &job).await;
    assert_ne!(next.key, first.key);
    for good in [&last, &next] {
        assert_eq!(entered(&fixture, &job, good).await, Ok(()));
        assert!(other.enter(job.id, good).await.is_ok());
    }
    assert_eq!(keys(), [first.key.to_string(), next.key.to_string()]);

    // One that is copied from a backup signs nothing that is taken.
    fixture.pass(TimeDelta::hours(1) + TimeDelta::seconds(1));
    assert_eq!(entered(&fixture, &job, &last).await, Err(Code::NotFound));
    fixture.pass(TimeDelta::hours(23));
    let newest = link(&fixture, &job).await;
    assert_eq!(keys(), [next.key.to_string(), newest.key.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_download_leaves_who_had_what_and_which_part_of_it() {
    let fixture = Fixture::new().await;
    let whole = made(&fixture, &log()).await;
    let months = log().by(Some(Partition::Month)).expect("an order");
    let parted = made(&fixture, &months).await;
    let adam = fixture.enter(ADAM).await;
    let october = "month=2026-10/audit.csv";
    let given = fixture.exports.download(&adam, whole.id, None).await;
    given.expect("a file");
    let by_link = link(&fixture, &whole).await;
    let by_link = fixture.exports.enter(whole.id, &by_link).await;
    let by_link = by_link.expect("let in");
    let given = fixture.exports.download(&by_link, whole.id, None).await;
    given.expect("a file");
    let given = fixture.exports.download(&adam, parted.id, Some(october));
    assert_eq!(
        given.await.expect("a part").file_name,
        "month=2026-10 audit.csv"
    );
    // What is not given out leaves nothing.
    let anna = fixture.enter(ANNA).await;
    for (session, job, part) in [
        (&anna, whole.id, None),
        (&adam, parted.id, None),
        (&adam, parted.id, Some("month=2026-12/audit.csv")),
        (&adam, whole.id, Some(october)),
    ] {
        let refused = fixture.exports.download(session, job, part).await;
        let code = refused.err().map(|error| error.code());
        assert_eq!(code, Some(Code::NotFound), "{part:?}");
    }
    let left = fixture.postgres.texts(
        "SELECT concat_ws(' ', actor, role, subject, detail) FROM audit WHERE action = 'job.download' ORDER BY audit_id",
    );
    let of_whole = format!("adam tenant_admin {} {{}}", whole.id);
    let of_part = format!(r#"adam tenant_admin {} {{"part": "{october}"}}"#, parted.id);
    assert_eq!(left, [of_whole.clone(), of_whole, of_part]);
}
