//! Whose usage it is.

use ingest::pipeline::{NoFault, Settings};

use crate::world::{
    FOREIGN, LONG, MOVED, MOVED_AT, Record, SHORT, World, array, codes, numbers, post_json, record,
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
