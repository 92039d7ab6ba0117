//! Who has what from when on: histories of SIMs and devices, and the usage that stands in their way.

use std::{cell::Cell, io::Cursor};

use domain::fleet::{self, Patience};

use crate::house::{Counted, House, NOW, counts, errors, moment};

#[tokio::test(flavor = "multi_thread")]
async fn an_undated_change_holds_from_now_on() {
    let house = House::new().await;
    let head = "iccid,state,customer\n";
    house
        .import(&format!("{head}8944501000000000001,ACTIVE,Bosch\n"))
        .await;
    let counted = Counted::Everywhere(moment("2026-05-31T00:00:00Z"));
    let moved = format!("{head}8944501000000000001,ACTIVE,Dyer\n");
    let report = house
        .import_as(&house.alpha, &moved, &counted)
        .await
        .expect("imported");
    assert_eq!(counts(&report), (0, 1, 0, 0));
    house.set_clock("2026-06-02T00:00:00Z");
    let report = house
        .import_as(&house.alpha, &moved, &counted)
        .await
        .expect("imported");
    assert_eq!(counts(&report), (0, 0, 1, 0));
    house
        .import(&format!("{head}8944501000000000001,ACTIVE,\n"))
        .await;
    insta::assert_snapshot!(house.assignments().await.join("\n"), @r##"
{"sim":"01","slug":"dyer","valid":"[\"2026-06-01 12:00:00+00\",\"2026-06-02 00:00:00+00\")"}
{"sim":"01","slug":"bosch","valid":"[-infinity,\"2026-06-01 12:00:00+00\")"}
"##);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_assignment_does_not_reach_back_over_counted_usage() {
    let house = House::new().await;
    house
        .import("iccid,state\n8944501000000000001,ACTIVE\n")
        .await;
    let counted = Counted::Everywhere(moment("2026-05-31T00:00:00Z"));
    let assigned = "iccid,state,customer\n8944501000000000001,ACTIVE,Bosch\n";
    let report = house
        .import_as(&house.alpha, assigned, &counted)
        .await
        .expect("imported");
    assert_eq!(counts(&report), (0, 1, 0, 0));
    insta::assert_snapshot!(house.assignments().await.join("\n"), @r##"
{"sim":"01","slug":"bosch","valid":"[\"2026-06-01 12:00:00+00\",)"}
"##);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backdated_assignment_over_counted_usage_is_refused_and_before_it_is_not() {
    let house = House::new().await;
    let head = "iccid,state,customer,valid_from\n";
    house
        .import(&format!(
            "{head}8944501000000000001,ACTIVE,Bosch,2026-01-01\n"
        ))
        .await;
    let before = house.assignments().await;
    let counted = Counted::Everywhere(moment("2026-05-10T00:00:00Z"));
    let late = format!("{head}8944501000000000001,ACTIVE,Dyer,2026-05-10\n");
    let report = house
        .import_as(&house.alpha, &late, &counted)
        .await
        .expect("imported");
    assert_eq!(errors(&report), [(2, "USAGE_ALREADY_COUNTED")]);
    assert_eq!(house.assignments().await, before);
    let after = format!("{head}8944501000000000001,ACTIVE,Dyer,2026-05-11\n");
    let report = house
        .import_as(&house.alpha, &after, &counted)
        .await
        .expect("imported");
    assert_eq!(counts(&report), (0, 1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_from_now_on_does_not_reach_into_usage_ahead_of_the_clock() {
    let house = House::new().await;
    let head = "iccid,state,customer,valid_from\n";
    house
        .import(&format!(
            "{head}8944501000000000001,ACTIVE,Bosch,2026-01-01\n"
        ))
        .await;
    let before = house.assignments().await;
    let counted = Counted::Everywhere(moment("2026-06-01T12:30:00Z"));
    let undated = "iccid,state,customer\n8944501000000000001,ACTIVE,Dyer\n".to_owned();
    let dated = format!("{head}8944501000000000001,ACTIVE,Dyer,{NOW}\n");
    for moved in [&undated, &dated] {
        let report = house.import_as(&house.alpha, moved, &counted).await;
        assert_eq!(
            errors(&report.expect("imported")),
            [(2, "USAGE_ALREADY_COUNTED")]
        );
    }
    assert_eq!(house.assignments().await, before);
    house.set_clock("2026-06-01T12:30:00.001Z");
    let report = house.import_as(&house.alpha, &undated, &counted).await;
    assert_eq!(counts(&report.expect("imported")), (0, 1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_usage_is_accepted_and_not_counted_no_known_sim_is_reassigned() {
    let house = House::new().await;
    let head = "iccid,state,customer,device,valid_from\n";
    let known = "8944501000000000001,ACTIVE,Bosch,d1,2026-01-01\n";
    house.import(&format!("{head}{known}")).await;
    house.journal("beta", "2026-06-02T00:00:00Z").await;
    let to_dyer = "8944501000000000001,ACTIVE,Dyer,d1,\n";
    let new = "8944501000000000002,ACTIVE,Dyer,d2,\n";
    let report = house.import(&format!("{head}{to_dyer}")).await;
    assert_eq!(counts(&report), (0, 1, 0, 0), "another tenant's usage");

    house.set_clock("2026-06-02T00:00:00Z");
    house.journal("alpha", "2026-06-02T00:00:00Z").await;
    let (before, devices) = (house.assignments().await, house.owners().await);
    let to_bosch = "8944501000000000001,ACTIVE,Bosch,d1,\n";
    let elsewhere = "8944501000000000001,ACTIVE,Dyer,d3,\n";
    let backdated = "8944501000000000001,ACTIVE,Dyer,d1,2026-05-10\n";
    for refused in [to_bosch, elsewhere, backdated] {
        let report = house.import(&format!("{head}{refused}")).await;
        assert_eq!(errors(&report), [(2, "USAGE_ALREADY_COUNTED")], "{refused}");
        let reason = &report.errors[0].reason;
        assert!(reason.contains("not counted yet"), "{reason}");
    }
    assert_eq!(house.assignments().await, before);
    assert_eq!(house.owners().await, devices);
    // What changes no assignment goes on, and a new SIM has no usage.
    let rest = format!("{head}8944501000000000001,SUSPENDED,Dyer,d1,\n{new}");
    assert_eq!(counts(&house.import(&rest).await), (1, 1, 0, 0));

    house.set_state("COUNTED").await;
    let report = house.import(&format!("{head}{to_bosch}")).await;
    assert_eq!(counts(&report), (0, 1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_under_way_is_in_the_way_of_changes_that_begin_before_its_end_only() {
    let house = House::new().await;
    let head = "iccid,state,customer,valid_from\n";
    let row = |customer: &str, from: &str| {
        format!("{head}8944501000000000001,ACTIVE,{customer},{from}\n")
    };
    house.import(&row("Bosch", "2026-01-01")).await;
    house.journal("alpha", "2026-05-10T00:00:00Z").await;
    for state in ["JOURNALED", "QUARANTINED"] {
        house.set_state(state).await;
        let report = house.import(&row("Dyer", "2026-05-10T00:00:00Z")).await;
        assert_eq!(errors(&report), [(2, "USAGE_ALREADY_COUNTED")], "{state}");
    }
    let report = house.import(&row("Dyer", "2026-05-10T00:00:00.001Z")).await;
    assert_eq!(counts(&report), (0, 1, 0, 0));
    house.set_state("JOURNALED").await;
    assert_eq!(counts(&house.import(&row("", "")).await), (0, 1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantined_usage_is_not_waited_for_and_has_its_own_sentence() {
    let house = House::new().await;
    let head = "iccid,state,customer\n";
    let file = |customer: &str| format!("{head}8944501000000000001,ACTIVE,{customer}\n");
    house.import(&file("Bosch")).await;
    house.journal("alpha", NOW).await;
    house.set_state("QUARANTINED").await;
    let reader = Cursor::new(file("Dyer"));
    let chunk = fleet::chunks(reader).expect("header").next();
    let chunk = chunk.expect("a chunk");
    let cx = house.db.write(&house.alpha).await.expect("write");
    let system = house.db.system().await.expect("system");
    let (counted, mut patience) = (Counted::Nowhere, Patience::default());
    let report = fleet::import(&cx, &system, &chunk, &counted, &mut patience).await;
    let report = report.expect("imported");
    assert!(cx.statements() < 30, "{} statements", cx.statements());
    drop((cx, system));
    assert_eq!(errors(&report), [(2, "USAGE_ALREADY_COUNTED")]);
    let reason = &report.errors[0].reason;
    assert!(reason.contains("is quarantined"), "{reason}");
    // Another tenant's stands in nobody's way.
    let beta = "iccid,state,customer\n8944501000000000002,ACTIVE,Bosch\n";
    let moved = "iccid,state,customer\n8944501000000000002,ACTIVE,Dyer\n";
    for file in [beta, moved] {
        let report = house.import_as(&house.beta, file, &Counted::Nowhere).await;
        assert_eq!(report.expect("imported").rejected, 0);
    }
    house.set_state("COUNTED").await;
    assert_eq!(counts(&house.import(&file("Dyer")).await), (0, 1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_waits_for_usage_that_is_about_to_be_counted_and_keeps_more_out() {
    let house = House::new().await;
    let head = "iccid,state,customer\n";
    house
        .import(&format!("{head}8944501000000000001,ACTIVE,Bosch\n"))
        .await;
    house.journal("alpha", NOW).await;
    let done = Cell::new(false);
    let counting = async {
        let waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (classid::bigint << 32) | objid::bigint = (SELECT ('x' || right(replace(tenant_id::text, '-', ''), 16))::bit(64)::bigint
                FROM tenant WHERE slug = 'alpha')";
        while !done.get() && house.text(waits).await.is_empty() {
            tokio::task::yield_now().await;
        }
        house.set_state("COUNTED").await;
    };
    let moved = format!("{head}8944501000000000001,ACTIVE,Dyer\n");
    let importing = async {
        let report = house.import(&moved).await;
        done.set(true);
        report
    };
    let (report, ()) = tokio::join!(importing, counting);
    assert_eq!(counts(&report), (0, 1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn history_arrives_row_by_row_or_whole_and_is_the_same() {
    let house = House::new().await;
    let head = "iccid,state,customer,valid_from\n";
    let row =
        |customer: &str, from: &str| format!("8944501000000000001,ACTIVE,{customer},{from}\n");
    let whole = format!(
        "{head}{}{}{}{}",
        row("Dyer", "2026-03-01"),
        row("Bosch", "2026-01-01"),
        row("", "2026-02-01"),
        row("Bosch", "2026-04-01")
    );
    for (customer, from) in [
        ("Bosch", "2026-01-01"),
        ("", "2026-02-01"),
        ("Bosch", "2026-04-01"),
        ("Dyer", "2026-03-01"),
    ] {
        house
            .import(&format!("{head}{}", row(customer, from)))
            .await;
    }
    assert_eq!(counts(&house.import(&whole).await), (0, 0, 4, 0));
    insta::assert_snapshot!(house.assignments().await.join("\n"), @r##"
{"sim":"01","slug":"bosch","valid":"[\"2026-01-01 00:00:00+00\",\"2026-02-01 00:00:00+00\")"}
{"sim":"01","slug":"dyer","valid":"[\"2026-03-01 00:00:00+00\",\"2026-04-01 00:00:00+00\")"}
{"sim":"01","slug":"bosch","valid":"[\"2026-04-01 00:00:00+00\",)"}
"##);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_moves_with_its_sim_at_valid_from_and_the_same_file_again_is_a_no_op() {
    let house = House::new().await;
    let csv = "iccid,state,customer,device,valid_from\n\
        8944501000000000001,ACTIVE,Bosch,d1,2026-01-01\n\
        8944501000000000001,ACTIVE,Dyer,d1,2026-03-01T06:30:00Z\n\
        8944501000000000002,ACTIVE,Bosch,d2,2026-01-01\n\
        8944501000000000002,ACTIVE,Dyer,,2026-03-01\n\
        8944501000000000003,ACTIVE,Bosch,d3,\n\
        8944501000000000004,ACTIVE,,d4,2026-01-01\n\
        8944501000000000004,ACTIVE,Bosch,,2026-02-01\n";
    assert_eq!(counts(&house.import(csv).await), (7, 0, 0, 0));
    let owners = house.owners().await;
    insta::assert_snapshot!(owners.join("\n"), @r##"
{"device":"d1","slug":"bosch","valid":"[\"2026-01-01 00:00:00+00\",\"2026-03-01 06:30:00+00\")","now":"dyer"}
{"device":"d1","slug":"dyer","valid":"[\"2026-03-01 06:30:00+00\",)","now":"dyer"}
{"device":"d2","slug":"bosch","valid":"[\"2026-01-01 00:00:00+00\",)","now":"bosch"}
{"device":"d3","slug":"bosch","valid":"[-infinity,)","now":"bosch"}
{"device":"d4","slug":null,"valid":null,"now":null}
"##);
    house.set_clock("2026-06-20T00:00:00Z");
    assert_eq!(counts(&house.import(csv).await), (0, 0, 7, 0));
    assert_eq!(house.owners().await, owners);
    let touched = "SELECT name FROM device WHERE updated_at > created_at ORDER BY name";
    assert!(house.text(touched).await.is_empty());

    // From now on, with its SIM, whether the file names the device or not; and to nobody.
    let moved =
        "iccid,state,customer\n8944501000000000001,ACTIVE,Bosch\n8944501000000000003,ACTIVE,\n";
    assert_eq!(counts(&house.import(moved).await), (0, 2, 0, 0));
    let owners = house.owners().await;
    insta::assert_snapshot!(owners.join("\n"), @r##"
{"device":"d1","slug":"bosch","valid":"[\"2026-01-01 00:00:00+00\",\"2026-03-01 06:30:00+00\")","now":"bosch"}
{"device":"d1","slug":"dyer","valid":"[\"2026-03-01 06:30:00+00\",\"2026-06-20 00:00:00+00\")","now":"bosch"}
{"device":"d1","slug":"bosch","valid":"[\"2026-06-20 00:00:00+00\",)","now":"bosch"}
{"device":"d2","slug":"bosch","valid":"[\"2026-01-01 00:00:00+00\",)","now":"bosch"}
{"device":"d3","slug":"bosch","valid":"[-infinity,\"2026-06-20 00:00:00+00\")","now":null}
{"device":"d4","slug":null,"valid":null,"now":null}
"##);
    assert_eq!(counts(&house.import(moved).await), (0, 0, 2, 0));
    assert_eq!(house.owners().await, owners);
    assert_eq!(
        house.text(touched).await,
        [r#"{"name":"d1"}"#, r#"{"name":"d3"}"#]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_whose_sim_came_last_in_whatever_order_that_is_told() {
    let head = "iccid,state,customer,device,valid_from\n";
    let rows = [
        "8944501000000000001,ACTIVE,Bosch,d1,2026-01-01\n",
        "8944501000000000002,ACTIVE,Dyer,d1,2026-03-01\n",
        "8944501000000000002,ACTIVE,Dyer,,2026-05-01\n",
        "8944501000000000003,ACTIVE,,d1,2026-04-01\n",
    ];
    let house = House::new().await;
    house.import(&format!("{head}{}", rows.concat())).await;
    let owners = house.owners().await;
    insta::assert_snapshot!(owners.join("\n"), @r##"
{"device":"d1","slug":"bosch","valid":"[\"2026-01-01 00:00:00+00\",\"2026-03-01 00:00:00+00\")","now":"bosch"}
{"device":"d1","slug":"dyer","valid":"[\"2026-03-01 00:00:00+00\",\"2026-05-01 00:00:00+00\")","now":"bosch"}
{"device":"d1","slug":"bosch","valid":"[\"2026-05-01 00:00:00+00\",)","now":"bosch"}
"##);
    let other = House::new().await;
    for row in [3, 1, 2, 0] {
        other.import(&format!("{head}{}", rows[row])).await;
    }
    assert_eq!(other.owners().await, owners);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_customer_keeps_its_sims_and_is_given_no_others() {
    let house = House::new().await;
    let head = "iccid,state,customer,valid_from\n";
    let row = |sim: u32, customer: &str, from: &str| {
        format!("894450100000000000{sim},ACTIVE,{customer},{from}\n")
    };
    let has = format!("{head}{}", row(1, "Bosch", "2026-02-01"));
    house.import(&has).await;
    house
        .import(&format!("{head}{}", row(2, "Dyer", "2026-02-01")))
        .await;
    house
        .execute("UPDATE customer SET archived_at = '2026-03-01' WHERE slug = 'bosch'")
        .await;
    let before = house.assignments().await;
    // By its name in any case and by its slug; new SIMs and known ones.
    for refused in [
        row(3, "Bosch", ""),
        row(3, "BOSCH", "2026-01-01"),
        row(2, "bosch", "2026-05-01"),
    ] {
        let report = house.import(&format!("{head}{refused}")).await;
        assert_eq!(errors(&report), [(2, "CUSTOMER_ARCHIVED")], "{refused}");
    }
    assert_eq!(house.assignments().await, before);
    assert_eq!(
        counts(&house.import(&has).await),
        (0, 0, 1, 0),
        "what it has stays its own"
    );
    // Its past may be told, and what it has may go.
    let past = row(3, "Bosch", "2025-01-01") + &row(3, "Dyer", "2025-02-01");
    assert_eq!(
        counts(&house.import(&format!("{head}{past}")).await),
        (2, 0, 0, 0)
    );
    let gone = row(1, "Dyer", "2026-05-01");
    assert_eq!(
        counts(&house.import(&format!("{head}{gone}")).await),
        (0, 1, 0, 0)
    );
    let back = row(1, "Bosch", "2026-05-02");
    let report = house.import(&format!("{head}{back}")).await;
    assert_eq!(errors(&report), [(2, "CUSTOMER_ARCHIVED")]);
}
