//! Exports that are made every month: what is asked for, what is in the file, and who gets it.

use std::fs;

use chrono::TimeDelta;
use domain::{
    Clock as _, Code, Role,
    job::{self, JobCondition, JobFilter, JobState},
};
use exports::{DataSet, Format, Order, Request};
use serde_json::json;

use crate::fixture::{ADAM, ANNA, Fixture, at};

/// Adam, who does not look after the tenant any more.
const DEMOTED: (&str, Role) = ("adam", Role::Support);

/// The audit log of last month in Berlin.
const AUDIT: &str = r#"{"period": {"preset": "LAST_MONTH"}, "time_zone": "Europe/Berlin"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_month_becomes_a_file_of_that_month_for_those_who_look_after_the_tenant() {
    let fixture = Fixture::new().await;
    let schedule = fixture.schedule(DataSet::Audit, Some(AUDIT)).await;
    let schedule = schedule.expect("a schedule");
    let due = fixture.exports.due_at(&schedule);
    assert_eq!(due, Some(at("2026-11-01T23:00:00Z")), "a day later");
    fixture.postgres.run(
        "INSERT INTO audit (tenant_id, at, actor, role, action, subject)
         SELECT tenant_id, moment::timestamptz, 'x', 'support', 'noun.verb', note FROM tenant, (VALUES
             ('2026-09-30T21:59:59Z', 'before'), ('2026-09-30T22:00:00Z', 'first'),
             ('2026-10-31T22:59:59Z', 'last'), ('2026-10-31T23:00:00Z', 'after')) AS written (moment, note)",
    );
    fixture.move_to("2026-11-01T22:59:59Z");
    assert_eq!(fixture.exports.ask_for_months().await.ok(), Some(0));
    fixture.move_to("2026-11-01T23:00:00Z");
    assert_eq!(fixture.exports.ask_for_months().await.ok(), Some(1));
    assert_eq!(fixture.exports.ask_for_months().await.ok(), Some(0));
    // Nobody does it for a week: what was asked is the same.
    fixture.move_to("2026-11-09T00:00:00Z");
    fixture.work().await;
    let of_schedule = JobCondition::Schedules(vec![schedule.id]);
    let jobs = fixture.jobs(of_schedule.into()).await;
    let [job] = &jobs[..] else {
        panic!("{jobs:?}");
    };
    assert_eq!(job.state, JobState::Complete, "{:?}", job.failure);
    assert_eq!(job.name, "audit 2026-10");
    let manifest = job.result.as_ref().expect("a manifest");
    let month = json!({ "from": "2026-09-30T22:00:00Z", "to": "2026-10-31T23:00:00Z" });
    assert_eq!(manifest["period"], month);
    assert_eq!(manifest["timeZone"], "Europe/Berlin");
    let place = job.place.as_ref().expect("a file");
    let file = fs::read_to_string(fixture.folder.path().join(place)).expect("read");
    let objects: Vec<&str> = ["before", "first", "last", "after"]
        .into_iter()
        .filter(|object| file.contains(&format!(",{object},")))
        .collect();
    assert_eq!(objects, ["first", "last"], "{file}");
    for (caller, code) in [
        (ADAM, None),
        (ANNA, None),
        (DEMOTED, Some(Code::NotFound)),
        (("anna", Role::Support), Some(Code::NotFound)),
    ] {
        let session = fixture.enter(caller).await;
        let given = fixture.exports.download(&session, job.id, None).await;
        match code {
            None => assert_eq!(given.expect("a file").file_name, "audit 2026-10.csv"),
            code => assert_eq!(given.err().map(|it| it.code()), code, "{caller:?}"),
        }
        let link = fixture.exports.link(&session, job).await.expect("known");
        assert_eq!(link.is_some(), caller == ADAM, "{caller:?}");
        if let Some(link) = link {
            let session = fixture.exports.enter(job.id, &link).await.expect("let in");
            assert!(
                fixture
                    .exports
                    .download(&session, job.id, None)
                    .await
                    .is_ok()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_failed_is_asked_for_again_by_any_who_look_after_the_tenant() {
    let fixture = Fixture::new().await;
    let made = fixture.schedule(DataSet::Audit, Some(AUDIT)).await;
    made.expect("a schedule");
    fixture.move_to("2026-11-05T00:00:00Z");
    assert_eq!(fixture.exports.ask_for_months().await.ok(), Some(1));
    let id = fixture.jobs(JobFilter::default()).await[0].id;
    let admin = fixture.enter(ANNA).await;
    let cx = admin.write(None).await.expect("opened");
    job::cancel(cx, id).await.expect("cancelled");
    for (caller, again) in [(DEMOTED, false), (ANNA, true)] {
        let session = fixture.enter(caller).await;
        let cx = session.write(None).await.expect("opened");
        let asked = fixture.exports.retry(&session, cx, id).await;
        assert_eq!(asked.is_ok(), again, "{caller:?}");
    }
    // Two days later: the role that Anna's token gave has nothing to do with it.
    fixture.move_to("2026-11-07T12:00:00Z");
    fixture.work().await;
    let job = &fixture.jobs(JobFilter::default()).await[0];
    assert_eq!(job.state, JobState::Complete, "{:?}", job.failure);
    let adam = fixture.enter(ADAM).await;
    assert!(fixture.exports.download(&adam, id, None).await.is_ok());
    // Of an ordinary export it has.
    let order = Order::new(
        Request::parse(DataSet::Audit, Some(AUDIT)).expect("a question"),
        Format::Csv,
    );
    let cx = admin.write(None).await.expect("opened");
    let asked = fixture.exports.create(&admin, cx, None, &order).await;
    let asked = asked.expect("asked");
    let later = fixture.clock.now() + TimeDelta::hours(25);
    fixture.move_to(&later.to_rfc3339());
    fixture.work().await;
    let jobs = fixture.jobs(JobCondition::Ids(vec![asked.id]).into()).await;
    let failed = jobs[0].failure.as_ref().map(|failure| failure.code);
    assert_eq!(failed, Some(Code::RightsChanged));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_takes_a_question_about_last_month_and_nothing_else() {
    let fixture = Fixture::new().await;
    let question = |period: &str| format!(r#"{{"period": {period}, "time_zone": "Asia/Kolkata"}}"#);
    let last = question(r#"{"preset": "LAST_MONTH"}"#);
    let cubes = last.replacen('{', r#"{"measures": ["RECORDS"], "#, 1);
    let hours = last.replacen('{', r#"{"hour_of": "RECEIPT", "#, 1);
    for (data_set, question) in [
        (DataSet::Usage, &cubes),
        (DataSet::CustomerUsage, &last),
        (DataSet::NetworkUsage, &last),
        (DataSet::Records, &last),
        (DataSet::IngestAccounting, &hours),
        (DataSet::Audit, &last),
    ] {
        let made = fixture.schedule(data_set, Some(question)).await;
        let made = made.unwrap_or_else(|error| panic!("{data_set:?}: {error}"));
        assert_eq!(made.zone.name(), "Asia/Kolkata");
        assert_eq!(made.name, data_set.as_ref());
    }
    let october = r#"{"between": {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}}"#;
    let this = question(r#"{"preset": "THIS_MONTH"}"#);
    for (data_set, question) in [
        (DataSet::Sims, None),
        (DataSet::Assignments, None),
        (DataSet::IngestRejections, None),
        (DataSet::Audit, Some(this)),
        (DataSet::Records, Some(question(october))),
    ] {
        let refused = fixture.schedule(data_set, question.as_deref()).await;
        let refused = refused.err().map(|error| error.code());
        assert_eq!(refused, Some(Code::InvalidInput), "{data_set:?}");
    }
    let support = fixture.enter(("sue", Role::Support)).await;
    let order = Order::new(
        Request::parse(DataSet::Records, Some(&last)).expect("a question"),
        Format::Csv,
    );
    let cx = support.write(None).await.expect("opened");
    let refused = fixture.exports.create_schedule(&support, cx, None, &order);
    let refused = refused.await.err().map(|error| error.code());
    assert_eq!(refused, Some(Code::Forbidden));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_this_program_does_not_know_waits_and_keeps_nobody_waiting() {
    let fixture = Fixture::new().await;
    for question in [AUDIT, &AUDIT.replace("Berlin", "Paris")] {
        let made = fixture.schedule(DataSet::Audit, Some(question)).await;
        made.expect("a schedule");
    }
    let newer = "UPDATE schedule SET request = jsonb_set(request, '{version}', '99') WHERE time_zone = 'Europe/Berlin'";
    fixture.postgres.run(newer);
    fixture.move_to("2026-12-05T00:00:00Z");
    for made in [2, 2] {
        let asked = fixture.exports.ask_for_months().await;
        assert_eq!(asked.err().map(|it| it.code()), Some(Code::Internal));
        assert_eq!(fixture.jobs(JobFilter::default()).await.len(), made);
    }
    // A program that knows it makes what was missed.
    fixture.postgres.run(&newer.replace("'99'", "'1'"));
    assert_eq!(fixture.exports.ask_for_months().await.ok(), Some(2));
}
