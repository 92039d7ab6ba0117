//! Fleet import on a real Postgres: what is stored, what is refused, and that the same file twice changes nothing.

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::Cursor,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use domain::{
    Clock, Cx, Db, Result, Role, Scope,
    fleet::{self, CountedUsage, Patience, Report},
    id::{SimId, TenantId},
    scope::{Segment, Visibility},
    tenant::{self, NewTenant},
};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use testkit::PostgresDb;

const NOW: &str = "2026-06-01T12:00:00Z";

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment")
}

/// A clock that a test moves on.
#[derive(Clone)]
struct Hands(Arc<Mutex<DateTime<Utc>>>);

impl Clock for Hands {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().expect("clock")
    }
}

/// Counted usage by SIM; `Everywhere` is the same moment for all.
enum Counted {
    Nowhere,
    Everywhere(DateTime<Utc>),
}

impl CountedUsage for Counted {
    async fn last_counted(
        &self,
        _: &Scope,
        sims: &[SimId],
    ) -> Result<HashMap<SimId, DateTime<Utc>>> {
        Ok(match self {
            Self::Nowhere => HashMap::new(),
            Self::Everywhere(at) => sims.iter().map(|sim| (*sim, *at)).collect(),
        })
    }
}

struct House {
    _postgres: PostgresDb,
    url: String,
    db: Db,
    clock: Hands,
    alpha: Scope,
    beta: Scope,
}

fn scope(tenant: TenantId, role: Role) -> Scope {
    Scope::verified(
        tenant,
        "test".into(),
        role,
        Segment::default(),
        Visibility::ALL,
    )
}

impl House {
    async fn new() -> Self {
        let postgres = tokio::task::spawn_blocking(testkit::postgres)
            .await
            .expect("a test database");
        let url = postgres.url().to_owned();
        let clock = Hands(Arc::new(Mutex::new(moment(NOW))));
        let db = Db::connect(&url, 2, Arc::new(clock.clone()))
            .await
            .expect("connected");
        let mut tenants = Vec::new();
        for name in ["alpha", "beta"] {
            let cx = db.system().await.expect("system");
            let new = NewTenant {
                slug: name.into(),
                name: name.into(),
                simulated: false,
            };
            let tenant = tenant::create(&cx, new).await.expect("tenant");
            cx.commit().await.expect("committed");
            tenants.push(scope(tenant.id, Role::TenantAdmin));
        }
        let beta = tenants.pop().expect("beta");
        let alpha = tenants.pop().expect("alpha");
        Self {
            _postgres: postgres,
            url,
            db,
            clock,
            alpha,
            beta,
        }
    }

    async fn import_as(&self, scope: &Scope, csv: &str, counted: &Counted) -> Result<Report> {
        let reader = Cursor::new(csv.as_bytes().to_vec());
        fleet::import_file(&self.db, scope, reader, counted, |_| {}).await
    }

    async fn import(&self, csv: &str) -> Report {
        self.import_as(&self.alpha, csv, &Counted::Nowhere)
            .await
            .expect("imported")
    }

    /// The rows of a statement as text, by the superuser.
    async fn text(&self, sql: &str) -> Vec<String> {
        let server = Database::connect(&self.url).await.expect("connected");
        let statement = Statement::from_string(DbBackend::Postgres, "SET timezone = 'UTC'");
        server.execute_raw(statement).await.expect("UTC");
        let statement = Statement::from_string(
            DbBackend::Postgres,
            format!("SELECT row_to_json(x)::text AS t FROM ({sql}) x"),
        );
        let rows = server.query_all_raw(statement).await.expect("rows");
        rows.iter()
            .map(|row| row.try_get("", "t").expect("text"))
            .collect()
    }

    async fn assignments(&self) -> Vec<String> {
        self.text(
            "SELECT right(iccid, 2) AS sim, slug, valid::text FROM sim_customer
            JOIN sim USING (tenant_id, sim_id) JOIN customer ON customer.tenant_id = sim.tenant_id
                AND customer.customer_id = sim_customer.customer_id ORDER BY iccid, valid",
        )
        .await
    }

    /// Whose the devices were, and who sees them now.
    async fn owners(&self) -> Vec<String> {
        self.text(
            "SELECT device.name AS device, was.slug, valid::text, now.slug AS now FROM device
            LEFT JOIN device_customer USING (tenant_id, device_id)
            LEFT JOIN customer was ON was.tenant_id = device.tenant_id AND was.customer_id = device_customer.customer_id
            LEFT JOIN customer now ON now.tenant_id = device.tenant_id AND now.customer_id = device.customer_id
            ORDER BY device.name, valid",
        )
        .await
    }

    /// Tenant, device, label and value.
    async fn device_labels(&self) -> Vec<String> {
        self.text(
            "SELECT slug || ' ' || device.name || ' ' || key || '=' || value AS label FROM device_label
            JOIN label_definition USING (tenant_id, label_id) JOIN device USING (tenant_id, device_id)
            JOIN tenant USING (tenant_id) ORDER BY 1",
        )
        .await
    }

    fn set_clock(&self, text: &str) {
        *self.clock.0.lock().expect("clock") = moment(text);
    }
}

fn counts(report: &Report) -> (u64, u64, u64, u64) {
    assert_eq!(
        report.rows,
        report.created + report.updated + report.unchanged + report.rejected
    );
    (
        report.created,
        report.updated,
        report.unchanged,
        report.rejected,
    )
}

fn errors(report: &Report) -> Vec<(u64, &'static str)> {
    report
        .errors
        .iter()
        .map(|error| (error.line, error.code.as_str()))
        .collect()
}

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

impl House {
    async fn execute(&self, sql: &str) {
        let server = Database::connect(&self.url).await.expect("connected");
        server.execute_unprepared(sql).await.expect("executed");
    }

    /// A row of Alpha that is accepted and not counted, or of both tenants.
    async fn journal(&self, slugs: &str) {
        let sql = format!(
            "INSERT INTO intake_batch (tenant_id, batch_id, source, rows, payload, created_at)
            SELECT tenant_id, uuidv7(), 'x', 1, 'x', now() FROM tenant WHERE slug IN ({slugs})"
        );
        self.execute(&sql).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_usage_is_accepted_and_not_counted_no_known_sim_is_reassigned() {
    let house = House::new().await;
    let head = "iccid,state,customer,device,valid_from\n";
    let known = "8944501000000000001,ACTIVE,Bosch,d1,2026-01-01\n";
    house.import(&format!("{head}{known}")).await;
    house.journal("'beta'").await;
    let to_dyer = "8944501000000000001,ACTIVE,Dyer,d1,\n";
    let new = "8944501000000000002,ACTIVE,Dyer,d2,\n";
    let report = house.import(&format!("{head}{to_dyer}")).await;
    assert_eq!(counts(&report), (0, 1, 0, 0), "another tenant's usage");

    house.set_clock("2026-06-02T00:00:00Z");
    house.journal("'alpha'").await;
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

    house
        .execute("UPDATE intake_batch SET applied_at = now()")
        .await;
    let report = house.import(&format!("{head}{to_bosch}")).await;
    assert_eq!(counts(&report), (0, 1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_waits_for_usage_that_is_about_to_be_counted_and_keeps_more_out() {
    let house = House::new().await;
    let head = "iccid,state,customer\n";
    house
        .import(&format!("{head}8944501000000000001,ACTIVE,Bosch\n"))
        .await;
    house.journal("'alpha'").await;
    let counting = async {
        let waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (classid::bigint << 32) | objid::bigint = (SELECT ('x' || right(replace(tenant_id::text, '-', ''), 16))::bit(64)::bigint
                FROM tenant WHERE slug = 'alpha')";
        while house.text(waits).await.is_empty() {
            tokio::task::yield_now().await;
        }
        house
            .execute("UPDATE intake_batch SET applied_at = now()")
            .await;
    };
    let moved = format!("{head}8944501000000000001,ACTIVE,Dyer\n");
    let (report, ()) = tokio::join!(house.import(&moved), counting);
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
    "##);
    house.set_clock("2026-06-20T00:00:00Z");
    assert_eq!(counts(&house.import(csv).await), (0, 0, 7, 0));
    assert_eq!(house.owners().await, owners);
    let touched = "SELECT name FROM device WHERE updated_at > created_at";
    assert!(house.text(touched).await.is_empty());

    // From now on, with its SIM, whether the file names the device or not; and to nobody.
    let moved =
        "iccid,state,customer\n8944501000000000001,ACTIVE,Bosch\n8944501000000000003,ACTIVE,\n";
    assert_eq!(counts(&house.import(moved).await), (0, 2, 0, 0));
    let owners = house.owners().await;
    insta::assert_snapshot!(owners.join("\n"), @r##"
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
    "##);
    let (other, mut backwards) = (House::new().await, rows);
    backwards.reverse();
    for row in backwards {
        other.import(&format!("{head}{row}")).await;
    }
    assert_eq!(other.owners().await, owners);
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
        let cx: Cx = house.db.write(&house.alpha).await.expect("cx");
        let system = house.db.system().await.expect("system");
        let mut patience = Patience::default();
        let report = fleet::import(&cx, &system, &chunk, &Counted::Nowhere, &mut patience)
            .await
            .expect("imported");
        assert_eq!(report.created, count);
        statements.push(cx.statements() + system.statements());
        cx.commit().await.expect("committed");
    }
    assert_eq!(statements[0], statements[1]);
    assert!(statements[1] < 30, "{statements:?}");
}
