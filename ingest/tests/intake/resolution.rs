//! Whose usage it is.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chrono::TimeDelta;
use domain::fleet::Report;
use ingest::pipeline::{NoFault, Settings, Step};

use crate::{
    fault::StopAt,
    world::{
        FOREIGN, LONG, MOVED, MOVED_AT, Record, SHORT, Sent, World, array, codes, impatient,
        numbers, post_json, post_rollups, record, sent,
    },
};

#[tokio::test]
async fn an_unknown_and_a_foreign_iccid_get_the_same_answer() {
    let world = World::new().await;
    let intake = world.intake();
    let batch = [record("a", "8988303000000009999"), record("b", FOREIGN)];
    let reply = post_json(&intake, &world.alpha, &array(&batch))
        .await
        .expect("taken");
    assert_eq!(codes(&reply), ["UNKNOWN_ICCID", "UNKNOWN_ICCID"]);
    assert_eq!(reply.rejections[0].message, reply.rejections[1].message);
    assert_eq!(world.counted(&world.alpha).await.records, 0);
}

#[tokio::test]
async fn an_iccid_is_known_with_and_without_its_check_digit() {
    let world = World::new().await;
    let intake = world.intake();
    let with_digit = (b'0'..=b'9')
        .map(|digit| format!("{SHORT}{}", char::from(digit)))
        .find(|text| {
            domain::identifier::Iccid::parse(text).is_ok_and(|iccid| iccid.has_check_digit())
        })
        .expect("one of ten");
    for (n, iccid) in [LONG, &LONG[..19], SHORT, &with_digit]
        .into_iter()
        .enumerate()
    {
        let reply = post_json(&intake, &world.alpha, &record(n, iccid).json())
            .await
            .expect("taken");
        assert_eq!(numbers(&reply), [1, 1, 0, 0], "{iccid}");
    }
    // The same record under the other text of its card is the same record.
    let reply = post_json(&intake, &world.alpha, &record(0, &LONG[..19]).json())
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [1, 0, 1, 0]);
    let wrong = format!("{}9", &LONG[..19]);
    let reply = post_json(&intake, &world.alpha, &record("w", &wrong).json())
        .await
        .expect("taken");
    assert_eq!(codes(&reply), ["UNKNOWN_ICCID"]);
    let sims = world.ask("SELECT uniqExact(sim) FROM cdr").await;
    assert_eq!(sims.trim(), "2");
}

#[tokio::test]
async fn a_moved_sim_belongs_to_whom_it_belonged_at_event_time() {
    let world = World::new().await;
    let intake = world.intake();
    let starts = [
        "2025-12-31T23:59:59.999Z",
        "2026-03-10T11:59:59.999Z",
        MOVED_AT,
        "2026-03-19T00:00:00Z",
    ];
    let records: Vec<Record> = starts
        .iter()
        .enumerate()
        .map(|(n, start)| Record {
            start: (*start).into(),
            end: "2026-03-19T01:00:00Z".into(),
            up: 10_u32.pow(u32::try_from(n).expect("small")).to_string(),
            ..record(n, MOVED)
        })
        .collect();
    let reply = post_json(&intake, &world.alpha, &array(&records))
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [4, 4, 0, 0]);
    // Unassigned, Bosch with the first device, twice Dyer with the second.
    let owners = "SELECT groupArray(bytes) FROM (SELECT sum(bytes_up) AS bytes FROM usage_hour \
                  GROUP BY customer, device ORDER BY bytes) FORMAT TSV";
    assert_eq!(world.ask(owners).await.trim(), "[1,10,1100]");
    let unassigned = "SELECT sum(bytes_up) FROM usage_year WHERE customer = toUUID('00000000-0000-0000-0000-000000000000')";
    assert_eq!(world.ask(unassigned).await.trim(), "1");
    world.proved(&world.alpha).await;
}

#[tokio::test]
async fn a_change_of_the_fleet_is_seen_by_the_next_batch() {
    let world = World::new().await;
    let intake = world.intake();
    let new = "8988303000000000008";
    let owner = async |id: &str| {
        let sql = format!("SELECT customer, device FROM cdr WHERE record_id = '{id}' FORMAT TSV");
        world.ask(&sql).await
    };
    let post = async |id: &str, iccid: &str| {
        let reply = post_json(&intake, &world.alpha, &record(id, iccid).json()).await;
        reply.expect("taken")
    };
    // Asked for once, a SIM is kept in memory; one that nobody has is not.
    assert_eq!(numbers(&post("a", SHORT).await), [1, 1, 0, 0]);
    assert_eq!(codes(&post("b", new).await), ["UNKNOWN_ICCID"]);
    assert_eq!(numbers(&post("c", &LONG[..19]).await), [1, 1, 0, 0]);

    let other_digit = format!("{}9", &LONG[..19]);
    let fleet = format!(
        "iccid,state,customer,device,valid_from\n\
         {SHORT},ACTIVE,bosch,meter-2,2026-01-01T00:00:00Z\n\
         {new},ACTIVE,,,\n\
         {other_digit},ACTIVE,,,\n"
    );
    world.import(&world.alpha, &fleet).await;
    assert_eq!(numbers(&post("d", SHORT).await), [1, 1, 0, 0]);
    assert_ne!(
        owner("d").await,
        owner("a").await,
        "the customer and the device are new"
    );
    assert_eq!(numbers(&post("e", new).await), [1, 1, 0, 0]);
    assert_eq!(codes(&post("f", &LONG[..19]).await), ["AMBIGUOUS_ICCID"]);
}

#[tokio::test]
async fn a_fleet_larger_than_what_is_kept_in_memory_is_resolved_all_the_same() {
    let world = World::new().await;
    let settings = Settings {
        known_sims: 1,
        ..Settings::default()
    };
    let intake = world.intake_with(settings, NoFault);
    for round in 0..3 {
        let ids = [LONG, SHORT, MOVED];
        let records = ids.map(|iccid| record(format!("{iccid}-{round}"), iccid));
        let reply = post_json(&intake, &world.alpha, &array(&records)).await;
        assert_eq!(numbers(&reply.expect("taken")), [3, 3, 0, 0]);
    }
    assert_eq!(world.proved(&world.alpha).await.records, 9);
}

/// Codes of the refused rows.
fn refused(report: &Report) -> Vec<&str> {
    report
        .errors
        .iter()
        .map(|error| error.code.as_ref())
        .collect()
}

#[tokio::test]
async fn usage_ahead_of_the_clock_is_not_left_behind_by_an_assignment_from_now_on() {
    let world = World::new().await;
    let ahead = Record {
        start: "2026-03-20T12:30:00Z".into(),
        end: "2026-03-20T12:31:00Z".into(),
        ..record("ahead", SHORT)
    };
    let stopped = world.intake_with(impatient(), StopAt::first(Step::Committed));
    let reply = post_json(&stopped, &world.alpha, &ahead.json()).await;
    assert!(reply.is_err(), "journaled, and not counted");

    let moved = format!("iccid,state,customer,device\n{SHORT},ACTIVE,bosch,meter-2\n");
    let now = world.reassign(&world.alpha, &moved).await;
    assert_eq!(refused(&now), ["USAGE_ALREADY_COUNTED"], "journaled");
    assert_eq!(world.settled(&world.intake()).await.counted, 1);
    let now = world.reassign(&world.alpha, &moved).await;
    assert_eq!(refused(&now), ["USAGE_ALREADY_COUNTED"], "counted");
    assert_eq!(
        refused(
            &world
                .reassign(
                    &world.beta,
                    "iccid,state,customer\n8988303000000000009,ACTIVE,x\n"
                )
                .await
        ),
        Vec::<&str>::new(),
        "another tenant's usage"
    );

    world.clock.pass(TimeDelta::seconds(30 * 60 + 31));
    let later = world.reassign(&world.alpha, &moved).await;
    assert_eq!((later.updated, later.rejected), (1, 0));
    let after = Record {
        start: "2026-03-20T12:30:31Z".into(),
        ..ahead.clone()
    };
    let reply = post_json(
        &world.intake(),
        &world.alpha,
        &array(&[Record {
            id: "after".into(),
            ..after
        }]),
    )
    .await;
    assert_eq!(numbers(&reply.expect("taken")), [1, 1, 0, 0]);
    let owned = "SELECT record_id, customer != toUUID('00000000-0000-0000-0000-000000000000'),
        device != toUUID('00000000-0000-0000-0000-000000000000') FROM cdr ORDER BY start FORMAT TSV";
    assert_eq!(world.ask(owned).await.trim(), "ahead\t0\t0\nafter\t1\t1");
}

#[tokio::test]
async fn usage_whose_records_have_expired_keeps_its_assignment() {
    let world = World::new().await;
    let reply = post_json(&world.intake(), &world.alpha, &record("a", SHORT).json()).await;
    assert_eq!(numbers(&reply.expect("taken")), [1, 1, 0, 0]);
    world.ask("TRUNCATE TABLE cdr").await;
    let moved =
        |from: &str| format!("iccid,state,customer,valid_from\n{SHORT},ACTIVE,bosch,{from}\n");
    let within = world
        .reassign(&world.alpha, &moved("2026-03-15T10:59:59.999Z"))
        .await;
    assert_eq!(refused(&within), ["USAGE_ALREADY_COUNTED"]);
    let after = world
        .reassign(&world.alpha, &moved("2026-03-15T11:00:00Z"))
        .await;
    assert_eq!((after.updated, after.rejected), (1, 0));
}

#[tokio::test]
async fn usage_of_a_session_keeps_its_assignment_as_a_record_does() {
    let world = World::new().await;
    let moved = |customer: &str, from: &str| {
        format!("iccid,state,customer,valid_from\n{SHORT},ACTIVE,{customer},{from}\n")
    };
    let rollup = Sent {
        iccid: SHORT.into(),
        ..sent("s", 10, 100)
    };
    let stopped = world.intake_with(impatient(), StopAt::first(Step::Committed));
    let rollups = std::slice::from_ref(&rollup);
    let reply = post_rollups(&world, &stopped, &world.alpha, rollups).await;
    assert!(reply.is_err(), "journaled, and not counted");
    let within = moved("bosch", "2026-03-19T00:10:00Z");
    let journaled = world.reassign(&world.alpha, &within).await;
    assert_eq!(refused(&journaled), ["USAGE_ALREADY_COUNTED"], "journaled");
    assert_eq!(world.settled(&world.intake()).await.counted, 1);
    let counted = world.reassign(&world.alpha, &within).await;
    assert_eq!(refused(&counted), ["USAGE_ALREADY_COUNTED"], "counted");

    // The later of both families counts: a record of the day before changes nothing.
    let record = Record {
        start: "2026-03-18T10:00:00Z".into(),
        end: "2026-03-18T10:01:00Z".into(),
        ..record("before", SHORT)
    };
    let reply = post_json(&world.intake(), &world.alpha, &record.json()).await;
    assert_eq!(numbers(&reply.expect("taken")), [1, 1, 0, 0]);
    let counted = world.reassign(&world.alpha, &within).await;
    assert_eq!(refused(&counted), ["USAGE_ALREADY_COUNTED"], "of both");
    let after = moved("bosch", "2026-03-19T00:10:00.001Z");
    let after = world.reassign(&world.alpha, &after).await;
    assert_eq!((after.updated, after.rejected), (1, 0));

    // Where the log has expired it is the end of the hour.
    world.ask("TRUNCATE TABLE session_log").await;
    let within = moved("dyer", "2026-03-19T00:59:59.999Z");
    let expired = world.reassign(&world.alpha, &within).await;
    assert_eq!(refused(&expired), ["USAGE_ALREADY_COUNTED"], "expired");
    let after = moved("dyer", "2026-03-19T01:00:00Z");
    let after = world.reassign(&world.alpha, &after).await;
    assert_eq!((after.updated, after.rejected), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_is_reassigned_while_usage_comes_in_without_a_pause() {
    let world = Arc::new(World::new().await);
    let intake = world.intake();
    let done = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (world, intake, done) = (world.clone(), intake.clone(), done.clone());
            tokio::spawn(async move {
                let mut sent = 0;
                while !done.load(Ordering::SeqCst) {
                    let records = [LONG, SHORT, MOVED]
                        .map(|iccid| record(format!("{sender}-{sent}-{iccid}"), iccid));
                    let reply = post_json(&intake, &world.alpha, &array(&records)).await;
                    assert_eq!(numbers(&reply.expect("taken")), [3, 3, 0, 0]);
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    for n in 0..10 {
        world.clock.pass(TimeDelta::seconds(1));
        let customer = ["bosch", "dyer"][n % 2];
        let report = world
            .reassign(
                &world.alpha,
                &format!("iccid,state,customer\n{SHORT},ACTIVE,{customer}\n"),
            )
            .await;
        assert_eq!((report.updated, refused(&report)), (1, Vec::new()), "{n}");
    }
    done.store(true, Ordering::SeqCst);
    let mut sent = 0;
    for sender in senders {
        sent += 3 * sender.await.expect("sent");
    }
    assert_eq!(world.proved(&world.alpha).await.records, sent);
}
