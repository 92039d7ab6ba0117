//! What a file says and what becomes of it.

use std::{fmt::Write as _, io::Cursor};

use domain::{
    Role,
    fleet::{self, Patience},
};
use sea_orm::{ConnectionTrait as _, Database};

use crate::house::{Counted, House, counts, errors, moment, scope};

const FLEET: &str = "customer,iccid,imsi,msisdn,state,device,device_kind,labels,simulated,valid_from\n\
    Robert Bosch GmbH,8944501000000000001,234500000000001,+447700900001,ACTIVE,tracker-1,TRACKER,location=field;category=deployed,true,\n\
    Robert Bosch GmbH,8944501000000000002,234500000000002,,SUSPENDED,,,,,2026-01-01\n\
    3M,8944501000000000002,234500000000002,,SUSPENDED,gate-2,GATEWAY,,,2026-03-01T06:30:00Z\n\
    ,8944501000000000003,,,available,,,,,\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_file_becomes_customers_sims_devices_labels_and_history() {
    let house = House::new().await;
    let report = house.import(FLEET).await;
    assert_eq!(counts(&report), (4, 0, 0, 0));
    insta::assert_snapshot!(house.assignments().await.join("\n"), @r##"
{"sim":"01","slug":"robert-bosch-gmbh","valid":"[-infinity,)"}
{"sim":"02","slug":"robert-bosch-gmbh","valid":"[\"2026-01-01 00:00:00+00\",\"2026-03-01 06:30:00+00\")"}
{"sim":"02","slug":"3m","valid":"[\"2026-03-01 06:30:00+00\",)"}
"##);
    let sims = "SELECT iccid, imsi, msisdn, state, simulated, slug FROM sim
        LEFT JOIN customer USING (tenant_id, customer_id) ORDER BY iccid";
    insta::assert_snapshot!(house.text(sims).await.join("\n"), @r##"
{"iccid":"8944501000000000001","imsi":"234500000000001","msisdn":"447700900001","state":"ACTIVE","simulated":true,"slug":"robert-bosch-gmbh"}
{"iccid":"8944501000000000002","imsi":"234500000000002","msisdn":null,"state":"SUSPENDED","simulated":false,"slug":"3m"}
{"iccid":"8944501000000000003","imsi":null,"msisdn":null,"state":"INACTIVE","simulated":false,"slug":null}
"##);
    let devices = "SELECT device.name, kind, state, connectivity, simulated, slug, valid::text
        FROM device JOIN customer USING (tenant_id, customer_id) JOIN sim_device USING (tenant_id, device_id)
        ORDER BY device.name";
    insta::assert_snapshot!(house.text(devices).await.join("\n"), @r##"
{"name":"gate-2","kind":"GATEWAY","state":"ACTIVE","connectivity":["CELLULAR"],"simulated":false,"slug":"3m","valid":"[\"2026-03-01 06:30:00+00\",)"}
{"name":"tracker-1","kind":"TRACKER","state":"ACTIVE","connectivity":["CELLULAR"],"simulated":true,"slug":"robert-bosch-gmbh","valid":"[-infinity,)"}
"##);
    let labels = "SELECT right(iccid, 2) AS sim, key, options, value FROM sim_label
        JOIN label_definition USING (tenant_id, label_id) JOIN sim USING (tenant_id, sim_id) ORDER BY key";
    insta::assert_snapshot!(house.text(labels).await.join("\n"), @r##"
{"sim":"01","key":"category","options":null,"value":"deployed"}
{"sim":"01","key":"location","options":null,"value":"field"}
"##);
    let rest = "SELECT (SELECT json_agg(detail) FROM audit WHERE action = 'fleet.import') AS audit,
        (SELECT bool_or(see_devices OR see_sims OR see_sessions OR see_usage OR see_billing) FROM customer) AS switches";
    insta::assert_snapshot!(house.text(rest).await.join("\n"), @r##"
{"audit":[{"rows": 4, "created": 4, "updated": 0, "rejected": 0, "unchanged": 0}],"switches":false}
"##);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_again_is_a_no_op_even_later_and_over_counted_usage() {
    let house = House::new().await;
    house.import(FLEET).await;
    let before = house.assignments().await;
    house.set_clock("2026-06-20T00:00:00Z");
    let counted = Counted::Everywhere(moment("2026-06-19T00:00:00Z"));
    let again = house
        .import_as(&house.alpha, FLEET, &counted)
        .await
        .expect("imported");
    assert_eq!(counts(&again), (0, 0, 4, 0));
    assert_eq!(house.assignments().await, before);
    let twins = house
        .text("SELECT count(*) FROM sim WHERE updated_at > created_at")
        .await;
    assert_eq!(twins, [r#"{"count":0}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_iccid_is_unavailable_and_nothing_more_is_said() {
    let house = House::new().await;
    let long =
        domain::identifier::Iccid::with_check_digit("8944501000000000001").expect("20 digits");
    house
        .import(&format!("iccid,state\n{},ACTIVE\n", long.as_str()))
        .await;
    for theirs in ["8944501000000000001", long.as_str()] {
        let csv = format!("iccid,state\n8944501000000000009,ACTIVE\n{theirs},ACTIVE\n");
        let report = house
            .import_as(&house.beta, &csv, &Counted::Nowhere)
            .await
            .expect("imported");
        assert_eq!(errors(&report), [(3, "ICCID_UNAVAILABLE")]);
        let reason = &report.errors[0].reason;
        assert!(
            !reason.contains("tenant") && !reason.contains("exist"),
            "{reason}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_up_to_the_check_digit_is_refused_in_the_file_and_against_the_store() {
    let house = House::new().await;
    let long =
        domain::identifier::Iccid::with_check_digit("8944501000000000001").expect("20 digits");
    let csv = format!(
        "iccid,state\n{},ACTIVE\n8944501000000000001,ACTIVE\n",
        long.as_str()
    );
    assert_eq!(errors(&house.import(&csv).await), [(3, "AMBIGUOUS_ICCID")]);
    assert_eq!(errors(&house.import(&csv).await), [(3, "AMBIGUOUS_ICCID")]);
    // Twenty digits that do not end in a check digit are a SIM of their own.
    let other = format!(
        "{}{}",
        "8944501000000000001",
        u8::from(long.as_str().ends_with('0'))
    );
    assert_eq!(
        counts(
            &house
                .import(&format!("iccid,state\n{other},ACTIVE\n"))
                .await
        ),
        (1, 0, 0, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_reported_and_the_others_go_on() {
    let house = House::new().await;
    let options = "INSERT INTO label_definition (tenant_id, key, options, created_at)
        SELECT tenant_id, 'location', ARRAY['field', 'warehouse'], now() FROM tenant";
    let server = Database::connect(&house.url).await.expect("connected");
    server.execute_unprepared(options).await.expect("defined");
    house.import("iccid,state,imsi,msisdn\n8944501000000000001,TERMINATED,234500000000001,447700900001\n").await;
    let csv = "iccid,state,imsi,msisdn,labels,valid_from\n\
        8944501000000000001,ACTIVE,,,,\n\
        8944501000000000002,ACTIVE,234500000000001,,,\n\
        8944501000000000003,ACTIVE,,+447700900001,,\n\
        8944501000000000004,ACTIVE,,,location=moon,\n\
        8944501000000000005,ACTIVE,,,,2026-06-01T12:00:01Z\n\
        8944501000000000006,ACTIVE,,,,2026-01-01\n\
        8944501000000000006,ACTIVE,,,,2026-01-01\n\
        8944501000000000007,ACTIVE,234500000000007,,location=field,\n\
        8944501000000000008,ACTIVE,234500000000007,,,\n\
        nonsense,ACTIVE,,,,\n";
    let report = house.import(csv).await;
    assert_eq!(counts(&report), (1, 0, 0, 10 - 1));
    assert_eq!(
        errors(&report),
        [
            (2, "INVALID_TRANSITION"),
            (3, "IMSI_TAKEN"),
            (4, "MSISDN_TAKEN"),
            (5, "INVALID_LABEL"),
            (6, "FUTURE_ASSIGNMENT"),
            (7, "INCOMPLETE_HISTORY"),
            (8, "DUPLICATE_ROW"),
            (10, "IMSI_TAKEN"),
            (11, "INVALID_ICCID"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn device_labels_are_the_devices_and_the_same_again_is_a_no_op() {
    let house = House::new().await;
    let head = "iccid,state,device,device_labels,valid_from\n";
    // Two devices of one SIM, then a device of two SIMs that contradict each other.
    let csv = format!(
        "{head}8944501000000000001,ACTIVE,d1,location=warehouse;category=standby,2026-01-01\n\
        8944501000000000001,ACTIVE,d2,location=field,2026-02-01\n\
        8944501000000000002,ACTIVE,d3,location=warehouse,\n8944501000000000003,ACTIVE,d3,location=field,\n"
    );
    assert_eq!(counts(&house.import(&csv).await), (4, 0, 0, 0));
    insta::assert_snapshot!(house.device_labels().await.join("\n"), @r##"
{"label":"alpha d1 category=standby"}
{"label":"alpha d1 location=warehouse"}
{"label":"alpha d2 location=field"}
{"label":"alpha d3 location=field"}
"##);
    assert!(house.text("SELECT 1 FROM sim_label").await.is_empty());
    house.set_clock("2026-06-02T00:00:00Z");
    assert_eq!(counts(&house.import(&csv).await), (0, 0, 4, 0));
    let touched = "SELECT name FROM device WHERE updated_at > created_at
        UNION ALL SELECT iccid FROM sim WHERE updated_at > created_at";
    assert!(house.text(touched).await.is_empty());
    // What is not named stays, and a SIM whose device alone changed is not touched.
    let one = format!("{head}8944501000000000001,ACTIVE,d1,location=field,2026-01-01\n");
    assert_eq!(counts(&house.import(&one).await), (0, 1, 0, 0));
    let d1 = house.device_labels().await;
    assert!(d1[0].contains("d1 category=standby") && d1[1].contains("d1 location=field"));
    assert_eq!(house.text(touched).await, [r#"{"name":"d1"}"#]);
    let silent = "iccid,state,device,device_labels\n8944501000000000002,ACTIVE,d3,\n";
    assert_eq!(counts(&house.import(silent).await), (0, 0, 1, 0));
    assert_eq!(house.device_labels().await, d1);
}

#[tokio::test(flavor = "multi_thread")]
async fn device_labels_need_a_device_keep_to_the_options_and_to_the_tenant() {
    let house = House::new().await;
    let options = "INSERT INTO label_definition (tenant_id, key, options, created_at)
        SELECT tenant_id, 'location', ARRAY['field', 'warehouse'], now() FROM tenant WHERE slug = 'alpha'";
    let server = Database::connect(&house.url).await.expect("connected");
    server.execute_unprepared(options).await.expect("defined");
    let csv = "iccid,state,device,device_labels,valid_from\n\
        8944501000000000001,ACTIVE,,location=field,\n\
        8944501000000000002,ACTIVE,d1,location=moon,2026-01-01\n\
        8944501000000000002,ACTIVE,d1,location=field,2026-02-01\n\
        8944501000000000003,ACTIVE,d2,location,\n\
        8944501000000000004,ACTIVE,d3,location=warehouse,\n";
    let report = house.import(csv).await;
    let refused = [
        (2, "INVALID_LABEL"),
        (3, "INVALID_LABEL"),
        (4, "INCOMPLETE_HISTORY"),
        (5, "INVALID_LABEL"),
    ];
    assert_eq!(
        (counts(&report), errors(&report)),
        ((1, 0, 0, 4), refused.to_vec())
    );
    let no_column = "iccid,state,device_labels\n8944501000000000004,ACTIVE,location=field\n";
    assert_eq!(
        errors(&house.import(no_column).await),
        [(2, "INVALID_LABEL")]
    );
    // A device of that name in another tenant is another device, and the options are not that tenant's.
    let theirs = "iccid,state,device,device_labels\n8944501000000000009,ACTIVE,d3,location=moon\n";
    let report = house
        .import_as(&house.beta, theirs, &Counted::Nowhere)
        .await;
    assert_eq!(counts(&report.expect("imported")), (1, 0, 0, 0));
    insta::assert_snapshot!(house.device_labels().await.join("\n"), @r##"
{"label":"alpha d3 location=warehouse"}
{"label":"beta d3 location=moon"}
"##);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_share_a_slug_stay_two_customers() {
    let house = House::new().await;
    let csv = "iccid,state,customer\n8944501000000000001,ACTIVE,Müller\n8944501000000000002,ACTIVE,Möller\n\
        8944501000000000003,ACTIVE,MÜLLER\n8944501000000000004,ACTIVE,m-ller-2\n";
    house.import(csv).await;
    insta::assert_snapshot!(house.assignments().await.join("\n"), @r##"
{"sim":"01","slug":"m-ller","valid":"[-infinity,)"}
{"sim":"02","slug":"m-ller-2","valid":"[-infinity,)"}
{"sim":"03","slug":"m-ller","valid":"[-infinity,)"}
{"sim":"04","slug":"m-ller-2","valid":"[-infinity,)"}
"##);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_who_may_write_inventory_import() {
    let house = House::new().await;
    for role in [
        Role::Support,
        Role::Viewer,
        Role::CustomerUser,
        Role::Ingest,
    ] {
        let refused = house
            .import_as(&scope(house.alpha.tenant(), role), FLEET, &Counted::Nowhere)
            .await
            .map_err(|error| error.code());
        assert_eq!(refused, Err(domain::Code::Forbidden));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_costs_the_same_number_of_statements_for_one_row_or_a_thousand() {
    let house = House::new().await;
    let mut statements = Vec::new();
    for count in [1, 1_000] {
        let mut csv = String::from("iccid,state,customer,device,labels,device_labels\n");
        for n in 0..count {
            let row = ("ACTIVE", format!("C{count}"), format!("d{count}-{n}"));
            writeln!(
                csv,
                "89445010000{count:04}{n:04},{},{},{},k{count}=v,d{count}=v",
                row.0, row.1, row.2
            )
            .expect("written");
        }
        let chunk = fleet::chunks(Cursor::new(csv))
            .expect("header")
            .next()
            .expect("a chunk");
        let cx = house.db.write(&house.alpha).await.expect("cx");
        let system = house.db.system().await.expect("system");
        let mut patience = Patience::default();
        let report = fleet::import(&cx, &system, &chunk, &Counted::Nowhere, &mut patience)
            .await
            .expect("imported");
        assert_eq!(report.created, count);
        statements.push(cx.statements() + system.statements());
    }
    assert_eq!(statements[0], statements[1]);
    assert!(statements[1] < 30, "{statements:?}");
}
