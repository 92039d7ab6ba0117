//! Questions of one tenant wait for each other at the cubes, and nobody else waits for them.

mod world;

use std::pin::pin;

use analytics::usage::{Alignment, CubeQuery, Measure, Span};
use chrono::{TimeZone as _, Utc};
use domain::Role;
use futures::{future::join, poll};
use serde_json::{Value, json};
use world::{Caller, World};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);
const BETA: Caller = Caller("beta", Role::TenantAdmin, None);

/// Questions of a tenant that are answered at once.
const AT_ONCE: u64 = 4;

/// Questions about six periods.
fn six() -> String {
    let ask = |day: u32| {
        format!(
            "day{day}: usage(input: {{ period: {{ between: {{ from: \"2026-10-01T00:00:00Z\", to: \"2026-10-{:02}T00:00:00Z\" }} }} }}) {{ totals {{ records }} }} ",
            day + 1
        )
    };
    (1..=6).map(ask).collect()
}

#[tokio::test]
async fn a_tenant_has_four_questions_at_the_cubes_and_another_one_does_not_wait() {
    let mut world = World::new().await;
    let gate = world.gate().await;
    for (asked, whole) in [
        (six(), "/day6/totals/records"),
        (
            format!("sims(first: 3) {{ nodes {{ {} }} }}", six()),
            "/sims/nodes/2/day6/totals/records",
        ),
    ] {
        gate.close();
        let before = gate.asked();
        let query = format!("{{ {asked} }}");
        let meanwhile = async {
            gate.until_asked(before + AT_ONCE).await;
            let ask = "{ sims { totalCount } }";
            let list = world.run(ADMIN, ask, json!({})).await;
            assert_eq!(list["data"]["sims"]["totalCount"], 7);
            assert_eq!(gate.asked(), before + AT_ONCE, "{asked}");
            let query = format!("{{ {} }}", &six()[..six().find("day2").expect("it")]);
            let through = async {
                gate.until_asked(before + AT_ONCE + 1).await;
                gate.open();
            };
            let asked = world.run_counted(BETA, &query, json!({}));
            let ((answer, _), ()) = join(asked, through).await;
            assert_eq!(answer["data"]["day1"]["totals"]["records"], "7");
        };
        let (answer, ()) = join(world.run(ADMIN, &query, json!({})), meanwhile).await;
        assert_eq!(world::codes(&answer), [""; 0], "{answer}");
        let told = answer["data"].pointer(whole);
        assert!(told.is_some_and(Value::is_string), "{answer}");
        assert_eq!(gate.asked(), before + 6 + 1);
    }
}

#[tokio::test]
async fn a_file_has_its_turn_until_it_is_dropped() {
    let world = World::new().await;
    let day = |day| Utc.with_ymd_and_hms(2026, 10, day, 0, 0, 0).unwrap();
    let period = Span::Between {
        from: day(1),
        to: day(2),
        align: Alignment::Exact,
    };
    let query = CubeQuery::of(&[Measure::Records], period);
    let session = world.entry.enter(&World::claims(ADMIN), "test").await;
    let session = session.expect("entered");
    let mut files = Vec::new();
    for _ in 0..AT_ONCE {
        files.push(session.usage_file(&query).await.expect("a file"));
    }
    let mut fifth = pin!(session.usage_file(&query));
    assert!(poll!(&mut fifth).is_pending());
    files.pop();
    assert!(fifth.await.is_ok());
}
