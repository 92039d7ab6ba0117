//! Answers that are kept: each is what would be answered anew, whatever happened in between, and nobody else's.

mod world;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use domain::{Role, identity::VerifiedClaims};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use world::{
    CALLERS, Caller, POOL, World,
    contract::Contract,
    iccid,
    mutation::{change, changes},
    table::{Filled, all_ways},
};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);
const STAFF: Caller = Caller("alpha", Role::PlatformAdmin, None);
const BOSCH: Caller = Caller("alpha", Role::CustomerUser, Some("bosch"));

/// Bytes that answers and scopes together may take.
const BOUND: u64 = (64 + 16) << 20;

/// What is read from tables that have no version.
const UNVERSIONED: [&str; 7] = [
    "export",
    "ingestAccounting",
    "ingestQuarantine",
    "ingestRejections",
    "ingestRecord",
    "ingestSources",
    "notifications",
];

/// Every field by every way, as some callers ask for it.
struct Questions(Vec<(Caller, String)>);

impl Questions {
    async fn new(world: &World) -> Self {
        let mut questions = Vec::new();
        for caller in [ADMIN, BOSCH, POOL] {
            let filled = Filled::new(world, caller).await;
            for way in all_ways().filter(|way| !way.is_change()) {
                let document = filled.fill(world, &way.document(way.rows())).await;
                questions.push((caller, document));
            }
        }
        let contract = Contract::new();
        for list in contract.lists() {
            let field = list.field;
            questions.push((ADMIN, format!("{{ {field} {{ totalCount }} }}")));
        }
        Self(questions)
    }

    /// Asks everything, which is kept afterwards.
    async fn ask(&self, world: &World) {
        for (caller, question) in &self.0 {
            world.ask(*caller, question, json!({})).await;
        }
    }

    /// Holds what is answered now against what would be answered anew, and says how many were not kept.
    async fn compare(&self, world: &World, after: &str) -> usize {
        let mut made = 0;
        let other = world.another_entry().await;
        for (caller, question) in &self.0 {
            let (answer, kept) = world.ask(*caller, question, json!({})).await;
            let anew = world.anew(&other, *caller, question).await;
            assert!(
                answer == anew,
                "{after}: {caller:?} asks {question}\nand is told {answer:?}\ninstead of {anew:?}"
            );
            made += usize::from(!kept);
        }
        made
    }
}

async fn rich() -> World {
    let mut world = World::rich().await;
    world.ask_for_whole_types();
    world
}

/// What makes something else of an answer besides mutations.
fn by_hand() -> Vec<(&'static str, String)> {
    let of = "tenant_id = (SELECT tenant_id FROM tenant WHERE slug = 'alpha')";
    vec![
        (
            "a tenant",
            format!("UPDATE tenant SET name = 'Alpha AG' WHERE {of}"),
        ),
        (
            "a network",
            "UPDATE network SET operator = 'Somebody' WHERE plmn = '262-01'".into(),
        ),
        (
            "a customer",
            format!("UPDATE customer SET phone = '1' WHERE {of}"),
        ),
        (
            "a SIM",
            format!("UPDATE sim SET state = 'TERMINATED' WHERE {of}"),
        ),
        (
            "a device",
            format!("UPDATE device SET state = 'RETIRED' WHERE {of}"),
        ),
        (
            "an assignment",
            format!("DELETE FROM sim_customer WHERE {of}"),
        ),
        (
            "a label",
            format!("UPDATE sim_label SET value = 'x' WHERE {of}"),
        ),
        (
            "a definition",
            format!("UPDATE label_definition SET options = '{{x}}' WHERE {of}"),
        ),
        (
            "a grant",
            format!("UPDATE segment_grant SET created_at = now() WHERE {of}"),
        ),
        (
            "a batch",
            format!("UPDATE intake_batch_tenant SET reason = 'x' WHERE {of}"),
        ),
        ("all labels", "TRUNCATE sim_label".into()),
    ]
}

/// Files that change SIMs that are there.
fn files() -> Vec<(&'static str, String)> {
    let iccid = |n| iccid("8944501", n);
    vec![
        ("state", format!("iccid,state\n{},SUSPENDED\n", iccid(5))),
        (
            "numbers",
            format!("iccid,state,msisdn\n{},ACTIVE,491700001\n", iccid(0)),
        ),
        (
            "customer",
            format!(
                "iccid,state,customer,valid_from\n{},ACTIVE,Bosch,2026-11-21T11:57:00Z\n",
                iccid(6)
            ),
        ),
        (
            "device",
            format!(
                "iccid,state,device,valid_from\n{},ACTIVE,another,2026-11-21T11:57:00Z\n",
                iccid(1)
            ),
        ),
        (
            "labels",
            format!("iccid,state,labels\n{},ACTIVE,shelf=1\n", iccid(1)),
        ),
        (
            "labels of devices",
            format!(
                "iccid,state,device,device_labels\n{},ACTIVE,alpha-device-0,shelf=1\n",
                iccid(0)
            ),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_changes_what_is_kept_is_what_would_be_answered_anew() {
    let world = rich().await;
    world.release("alpha").await;
    let admin = world.scope(ADMIN).await;
    let questions = Questions::new(&world).await;
    questions.ask(&world).await;
    let (mut again, mut made) = (BTreeSet::new(), 0);
    for (caller, question) in &questions.0 {
        let (answer, kept) = world.ask(*caller, question, json!({})).await;
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        let is_unversioned = UNVERSIONED.iter().any(|field| question.contains(field));
        if !kept && !is_unversioned && world::codes(&answer).is_empty() {
            again.insert(question);
        }
        made += usize::from(!kept);
    }
    assert!(again.is_empty(), "not kept: {again:#?}");
    let seen = async |after: String| {
        let now = questions.compare(&world, &after).await;
        assert!(now > made, "{after} is seen in no answer");
        now
    };
    for (name, csv) in files() {
        world.import(&admin, csv).await;
        seen(format!("a file with {name}")).await;
    }
    for it in changes(&world).await {
        change(&world, ADMIN, &it, &it.under(it.mutation)).await;
        if it.mutation == "archiveCustomer" {
            // Whose customer it is can ask nothing, and is told nothing that was kept.
            let entered = world.entry.enter(&World::claims(BOSCH), "test").await;
            assert!(entered.is_err());
            let again = json!({ "customerId": it.input["customerId"], "archived": false });
            world.change(ADMIN, it.mutation, again).await;
        }
        seen(it.mutation.to_owned()).await;
    }
    let ask = "{ sims(first: 7) { nodes { id customer { id } device { id } } } }";
    let sims = world.run(ADMIN, ask, json!({})).await["data"]["sims"]["nodes"].clone();
    world.record(ADMIN, &sims[1], 5, 7, ["262-01", "SMS"]).await;
    seen("usage".to_owned()).await;
    world.intake("alpha", &admin, "more", true).await;
    seen("intake".to_owned()).await;
    for (name, statement) in by_hand() {
        world.by_hand(&statement);
        seen(format!("{name}, by hand")).await;
    }
}

/// The first of December, when the first SIM goes from its device to the second SIM's.
fn next(world: &World) -> DateTime<Utc> {
    let sim = iccid("8944501", 0);
    let next = Utc.with_ymd_and_hms(2026, 12, 1, 0, 0, 0).unwrap();
    // No file says what is to come; a program of later might.
    world.by_hand(&format!(
        "UPDATE sim_device SET valid = tstzrange(lower(valid), '{next}') WHERE sim_id = (SELECT sim_id FROM sim WHERE iccid = '{sim}');
         INSERT INTO sim_device SELECT sim.tenant_id, sim.sim_id, device_id, tstzrange('{next}', NULL) FROM sim
         JOIN device ON device.tenant_id = sim.tenant_id AND device.name = 'alpha-device-1' WHERE iccid = '{sim}'"
    ));
    next
}

#[tokio::test]
async fn an_answer_ends_when_the_next_assignment_begins() {
    let world = World::new().await;
    let next = next(&world);
    let period =
        "period: { between: { from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" } }";
    let by_device = format!(
        "{{ usage(input: {{ {period}, attribution: CURRENT, groupBy: [{{ dimension: DEVICE }}] }}) {{ rows {{ key {{ device {{ id }} }} values {{ records }} }} }} }}"
    );
    for ask in [
        "{ sims { nodes { iccid device { name } } } devices { nodes { name sims { iccid } } } }",
        &by_device,
    ] {
        world.move_clock(world.now);
        let (then, _) = world.ask(ADMIN, ask, json!({})).await;
        world.move_clock(next - TimeDelta::microseconds(1));
        assert_eq!(world.ask(ADMIN, ask, json!({})).await, (then.clone(), true));
        world.move_clock(next);
        let (now, kept) = world.ask(ADMIN, ask, json!({})).await;
        assert!(!kept && now != then, "{ask}");
        let other = world.another_entry().await;
        assert_eq!(now, world.anew(&other, ADMIN, ask).await);
        // Nothing is to come any more.
        world.move_clock(next + TimeDelta::days(1_000));
        assert_eq!(world.ask(ADMIN, ask, json!({})).await, (now, true));
    }
}

#[tokio::test]
async fn a_preset_is_kept_to_the_end_of_the_running_hour_of_its_zone() {
    let world = World::new().await;
    let rest = "totals { records }";
    for (zone, minutes) in [("UTC", 60), ("Asia/Kolkata", 30)] {
        let usage = |rest: &str| {
            format!(
                "usage(input: {{ period: {{ preset: LAST_24_HOURS }}, timeZone: \"{zone}\" }}) {{ period {{ from to }} {rest} }}"
            )
        };
        for ask in [
            format!("{{ {} }}", usage(rest)),
            format!("{{ sims(first: 1) {{ nodes {{ {} }} }} }}", usage(rest)),
        ] {
            world.move_clock(world.now);
            let (then, _) = world.ask(ADMIN, &ask, json!({})).await;
            let end = world.now + TimeDelta::minutes(minutes);
            world.move_clock(end - TimeDelta::microseconds(1));
            assert_eq!(
                world.ask(ADMIN, &ask, json!({})).await,
                (then.clone(), true),
                "{ask}"
            );
            world.move_clock(end);
            let (now, kept) = world.ask(ADMIN, &ask, json!({})).await;
            assert!(!kept && now != then, "{ask}");
            let other = world.another_entry().await;
            assert_eq!(now, world.anew(&other, ADMIN, &ask).await);
        }
    }
}

#[tokio::test]
async fn a_customer_with_another_name_has_it_wherever_it_is_read() {
    let world = World::new().await;
    let ask = "{ customer(by: { slug: \"bosch\" }) { id } }";
    let found = world.run(ADMIN, ask, json!({})).await;
    let lists = [
        "{ sims(first: 1) { nodes { customer { name } } } }",
        "{ devices(first: 1) { nodes { customer { name } } } }",
    ];
    for name in ["Bosch", "Robert Bosch", "Bosch AG"] {
        let input = json!({ "customerId": found["data"]["customer"]["id"], "name": name });
        world.change(ADMIN, "updateCustomer", input).await;
        for ask in lists {
            for kept in [false, true] {
                let (answer, is_kept) = world.ask(ADMIN, ask, json!({})).await;
                assert_eq!(is_kept, kept, "{ask}");
                let answer: Value = serde_json::from_slice(&answer).expect("JSON");
                let told = answer.pointer("/data").and_then(|data| {
                    data.as_object()?
                        .values()
                        .next()?
                        .pointer("/nodes/0/customer/name")
                });
                assert_eq!(told, Some(&json!(name)), "{ask}");
            }
        }
    }
}

#[tokio::test]
async fn usage_is_not_kept_while_a_batch_or_a_correction_is_under_way() {
    let world = World::new().await;
    let ask = "{ usage(input: { period: { between: { from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" } } }) { totals { records } } }";
    let is_kept = async || {
        world.ask(ADMIN, ask, json!({})).await;
        world.ask(ADMIN, ask, json!({})).await.1
    };
    // A source of a topic that is read to its end.
    world.by_hand(
        "INSERT INTO intake_progress (tenant_id, kind, source, topic, newest_event_at, newest_received_at)
         SELECT tenant_id, 'CDR', 'topical', 'cdr.records', now(), now() FROM tenant WHERE slug = 'alpha';
         INSERT INTO topic_position (cluster, topic, partition, next_offset, end_offset, moved_at)
         VALUES ('here', 'cdr.records', 0, 5, 5, now())",
    );
    world.ask(ADMIN, ask, json!({})).await;
    assert!(is_kept().await);
    for (begun, ended) in [
        (
            "INSERT INTO intake_batch_tenant SELECT tenant_id, 1, gen_random_uuid(), 'JOURNALED', 1, 1, 1, 1, 1, now(), now(), now()
             FROM tenant WHERE slug = 'alpha'",
            "UPDATE intake_batch_tenant SET state = 'COUNTED'",
        ),
        (
            "INSERT INTO intake_correction (begin_by) VALUES (now())",
            "DELETE FROM intake_correction",
        ),
        (
            "UPDATE topic_position SET end_offset = 9",
            "UPDATE topic_position SET end_offset = 5",
        ),
    ] {
        world.by_hand(begun);
        assert!(!world.ask(ADMIN, ask, json!({})).await.1, "{begun}");
        assert!(!is_kept().await, "{begun}");
        world.by_hand(ended);
        assert!(!world.ask(ADMIN, ask, json!({})).await.1, "{ended}");
        assert!(is_kept().await, "{ended}");
    }
}

#[tokio::test]
async fn a_question_is_its_callers_own() {
    let world = World::new().await;
    let ask = "{ me { subject role tenant { slug } } networks(first: 1) { totalCount } }";
    for _ in 0..2 {
        let other = world.another_entry().await;
        for caller in CALLERS {
            let (answer, _) = world.ask(caller, ask, json!({})).await;
            assert_eq!(answer, world.anew(&other, caller, ask).await, "{caller:?}");
        }
    }
    let ask = "query($n: Int) { sims(first: $n) { nodes { iccid } } }";
    for n in [1, 2, 1, 2] {
        let (answer, _) = world.ask(ADMIN, ask, json!({ "n": n })).await;
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        let rows = answer["data"]["sims"]["nodes"].as_array().map(Vec::len);
        assert_eq!(rows, Some(n));
    }
    // Nor are errors kept.
    let ask = "{ sim(by: { iccid: \"8944501000000000999\" }) { id } }";
    for _ in 0..2 {
        assert!(!world.ask(ADMIN, ask, json!({})).await.1);
    }
}

#[tokio::test]
async fn staff_leave_a_trace_when_they_are_told_again() {
    let world = World::new().await;
    let ask = "{ sims { totalCount } }";
    for kept in [false, true, true] {
        let before = world.audited("alpha").len();
        let (_, is_kept) = world.ask(STAFF, ask, json!({})).await;
        assert_eq!(is_kept, kept);
        let audited = world.audited("alpha");
        assert_eq!(audited[before..], ["tenant.cross"]);
    }
    world.by_hand("REVOKE INSERT ON audit FROM simcube_app");
    let asked = json!({ "query": ask, "variables": {} }).to_string();
    let question = service::Question::new(World::claims(STAFF), "test", asked.into());
    assert!(
        world.entry.recall(&question).await.is_err(),
        "no trace, no answer"
    );
}

/// Pages of memory of this process.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_u64) * 4_096
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_questions_of_ten_thousand_callers_stay_within_the_bound() {
    let world = World::new().await;
    let before = resident();
    let ask = async |n: usize| {
        let claims = VerifiedClaims::new(
            format!("subject-{n}"),
            "alpha".into(),
            Role::TenantAdmin,
            None,
        );
        let filling = "x".repeat(12_000);
        let question = format!("{{ me {{ subject }} customers {{ totalCount }} }} # {n} {filling}");
        world
            .ask_as(claims.expect("claims"), &question, json!({}))
            .await
    };
    let asked = stream::iter(0..10_000).map(ask).buffer_unordered(4);
    let kept: usize = asked
        .map(|(_, kept)| usize::from(kept))
        .fold(0, async |a, b| a + b)
        .await;
    assert_eq!(kept, 0, "all are different");
    let bytes = world.entry.bytes();
    eprintln!(
        "kept {bytes} bytes, the process grew by {}",
        resident() - before
    );
    assert!((BOUND / 2..=BOUND).contains(&bytes), "{bytes} bytes");
}
