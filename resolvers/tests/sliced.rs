//! Questions that need more SIMs or devices than travel to the cubes at once: a page is refused and says that a file would do, and the
//! file, which is put together of slices, has what one statement answers.

mod world;

use std::fmt::Write as _;

use analytics::{
    CdrRow,
    usage::{
        Attribution, Comparison, Condition, CubeQuery, DeviceFilter, Dimension, Fill, Filter,
        Grain, Group, Key, Measure, Order, OrderBy, SimFilter, Span, Top, UsageRow, Whole,
    },
};
use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use domain::{
    Code, Error, Role, customer,
    device::DeviceCondition,
    id::{BatchId, CustomerId, DeviceId, SimId},
    identifier::Iccid,
    label::LabelFilter,
    scope::Visibility,
    sim::{SimCondition, SimState},
    usage::{Alignment, Source},
};
use serde_json::{Value, json};
use service::Session;
use strum::VariantArray as _;
use uuid::Uuid;
use world::{Caller, POOL, World, rich::prefix};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);
const BETA: Caller = Caller("beta", Role::TenantAdmin, None);
const CALLERS: [Caller; 6] = [
    ADMIN,
    Caller("alpha", Role::Viewer, Some("bosch")),
    Caller("alpha", Role::CustomerUser, Some("bosch")),
    // Usage by device, and no SIMs.
    Caller("alpha", Role::CustomerUser, Some("dyer")),
    POOL,
    BETA,
];

/// SIMs of Alpha.
const SIMS: usize = 100;
/// SIMs or devices that travel at once.
const MOST: usize = 7;

fn october(day: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 10, day, 10, 30, 0).unwrap()
}

fn number(n: usize) -> String {
    let iccid = Iccid::with_check_digit(&format!("{}{n:012}", prefix("alpha")));
    iccid.expect("19 digits").as_str().to_owned()
}

/// SIMs of Alpha as a test sees them, by ICCID.
async fn sims(world: &World) -> Vec<Value> {
    let ask = "{ sims(first: 200) { nodes { id iccid customer { id } device { id } } } }";
    let answer = world.run(ADMIN, ask, json!({})).await;
    let nodes = answer["data"]["sims"]["nodes"].as_array().expect("SIMs");
    assert_eq!(nodes.len(), SIMS, "{answer}");
    nodes.clone()
}

/// Alpha with a hundred SIMs, of which every third changed its device in October and every tenth went to somebody else since.
async fn world() -> World {
    let world = World::new().await;
    let admin = world.scope(ADMIN).await;
    let mut csv = "customer,iccid,state,device,labels,device_labels,valid_from\n".to_owned();
    for n in 7..SIMS {
        let customer = ["Bosch", "Dyer", "3M", ""][n % 4];
        let state = ["ACTIVE", "SUSPENDED", "INACTIVE"][n % 3];
        let device = if n % 5 == 0 {
            String::new()
        } else {
            format!("a{n}")
        };
        let label = if n % 3 == 1 {
            format!("location=site-{}", n % 2)
        } else {
            String::new()
        };
        let rack = if n % 4 < 2 && n % 5 != 0 {
            format!("rack=r{}", n % 3)
        } else {
            String::new()
        };
        let from = if customer.is_empty() && device.is_empty() {
            ""
        } else {
            "2026-01-01"
        };
        let iccid = number(n);
        writeln!(
            csv,
            "{customer},{iccid},{state},{device},{label},{rack},{from}"
        )
        .unwrap();
    }
    world.import(&admin, csv).await;
    let first = sims(&world).await;
    let mut csv = "iccid,state,device,device_labels,valid_from\n".to_owned();
    for n in (9..SIMS).step_by(3) {
        let iccid = number(n);
        writeln!(csv, "{iccid},ACTIVE,b{n},rack=b{},2026-10-02", n % 2).unwrap();
    }
    world.import(&admin, csv).await;
    used(&world, &first, &sims(&world).await).await;
    let mut csv = "customer,iccid,state,device,valid_from\n".to_owned();
    for n in (11..SIMS).step_by(10) {
        let customer = ["Bosch", "Dyer"][n / 10 % 2];
        writeln!(csv, "{customer},{},ACTIVE,c{n},2026-11-10", number(n)).unwrap();
    }
    world.import(&admin, csv).await;
    let (sims, devices): (Vec<_>, Vec<_>) = (first.iter().step_by(4))
        .map(|sim| (sim["id"].clone(), sim["device"]["id"].clone()))
        .unzip();
    let devices: Vec<_> = devices.into_iter().filter(Value::is_string).collect();
    let input = json!({ "subject": POOL.subject(), "simIds": sims, "deviceIds": devices });
    world.change(ADMIN, "grantSegment", input).await;
    let cx = world.db.write(&admin).await.expect("write");
    let dyer = customer::get_by_slug(&cx, "dyer").await.expect("Dyer").id;
    let without_sims = Visibility {
        sims: false,
        ..Visibility::ALL
    };
    let changed = customer::set_visibility(cx, dyer, without_sims).await;
    changed.expect("switches");
    world
}

/// Three records of each SIM, the first of them in its first device, and one of some that was taken back.
async fn used(world: &World, first: &[Value], then: &[Value]) {
    let tenant = world.scope(ADMIN).await.tenant();
    let batch = BatchId::new(Uuid::now_v7());
    let id = |value: &Value| value["id"].as_str().map(str::to_owned);
    let mut rows = Vec::new();
    for (n, (sim, later)) in (1_u64..).zip(first.iter().zip(then)) {
        for day in 1..=4_u32 {
            let sign = if day == 4 { -1 } else { 1 };
            if sign < 0 && n % 6 != 0 {
                continue;
            }
            let device = id(if day == 2 {
                &later["device"]
            } else {
                &sim["device"]
            });
            let start = october(if day == 4 { 1 } else { day });
            let identity = Uuid::now_v7();
            rows.push(CdrRow {
                tenant,
                customer: id(&sim["customer"])
                    .map(|id| id.parse::<CustomerId>().expect("a customer")),
                sim: id(sim).expect("an id").parse::<SimId>().expect("a SIM"),
                device: device.map(|id| id.parse::<DeviceId>().expect("a device")),
                network: ["262-01", "238-01"][(n % 2) as usize].into(),
                rat: "LTE".into(),
                service: "DATA".into(),
                source: "more".into(),
                record_id: identity.to_string(),
                identity,
                start,
                end: start + TimeDelta::minutes(5),
                bytes_up: n * 1_000 + u64::from(day % 3),
                bytes_down: n,
                units: n % 3,
                sign,
                batch,
                received_at: world.now,
            });
        }
    }
    world.apply(batch, &rows).await;
}

/// A question about October, about everything that can be asked of records.
fn about(group_by: Vec<Group>) -> CubeQuery {
    let day = |month| Utc.with_ymd_and_hms(2026, month, 1, 0, 0, 0).unwrap();
    let period = Span::Between {
        from: day(10),
        to: day(11),
        align: Alignment::Exact,
    };
    let of_records = |measure: &Measure| measure.sources().any(|source| source == Source::Cdr);
    let measures: Vec<Measure> = (Measure::VARIANTS.iter().copied())
        .filter(of_records)
        .collect();
    CubeQuery {
        group_by,
        ..CubeQuery::of(&measures, period)
    }
}

fn label(key: &str, values: Option<&[&str]>) -> LabelFilter {
    LabelFilter {
        key: key.into(),
        values: values.map(|values| values.iter().map(|value| (*value).into()).collect()),
    }
}

fn groups() -> Vec<Vec<Group>> {
    use Dimension::{Customer, Device, Network, Sim, SimCustomerNow, SimState};
    let by = Group::Dimension;
    let (location, rack) = (
        Group::SimLabel("location".into()),
        Group::DeviceLabel("rack".into()),
    );
    vec![
        vec![],
        vec![by(Sim)],
        vec![by(Device)],
        vec![by(Customer), by(SimCustomerNow)],
        vec![by(SimState), by(Network)],
        vec![location.clone()],
        vec![rack.clone()],
        vec![Group::Time(Grain::Day), location.clone()],
        vec![by(Customer), rack, location],
        vec![by(Sim), by(Device), by(Customer)],
    ]
}

fn filters() -> Vec<Option<Filter>> {
    let sims = |condition: SimCondition| -> Filter {
        Condition::Sim(SimFilter::Is(condition.into())).into()
    };
    let active = sims(SimCondition::States(vec![SimState::Active]));
    let located = sims(SimCondition::Label(label("location", None)));
    let racked: DeviceCondition = DeviceCondition::Label(label("rack", Some(&["r0", "b1"])));
    let racked: Filter = Condition::Device(DeviceFilter::Is(racked.into())).into();
    let no_device: Filter = Condition::In {
        dimension: Dimension::Device,
        values: vec![Key::None],
    }
    .into();
    vec![
        None,
        Some(active.clone()),
        Some(Filter::Not(Box::new(Filter::Or(vec![located, no_device])))),
        Some(racked.clone()),
        Some(Filter::Or(vec![racked, active])),
    ]
}

/// Questions of all kinds that slices answer.
fn questions() -> Vec<CubeQuery> {
    let groups = groups().into_iter();
    let all = groups.flat_map(|group| filters().into_iter().map(move |it| (group.clone(), it)));
    let mut questions = Vec::new();
    // Every other one of a list of ten by five.
    for (n, (group_by, filter)) in all.enumerate().step_by(2) {
        let mut query = CubeQuery {
            filter,
            ..about(group_by)
        };
        if n % 3 == 1 {
            query.attribution = Attribution::Current;
        }
        if n % 4 == 2 {
            query.compare_to = Some(Comparison::PreviousPeriod);
        }
        if n % 5 > 2 {
            (query.offset, query.limit) = (2, Some(5));
        }
        if n % 7 > 3 && !query.group_by.is_empty() {
            query.order_by = vec![Order {
                by: OrderBy::Group(query.group_by.len() - 1),
                descending: true,
            }];
        }
        questions.push(query);
    }
    // What can be asked without a SIM.
    let rack = Group::DeviceLabel("rack".into());
    let [device, customer, network] =
        [Dimension::Device, Dimension::Customer, Dimension::Network].map(Group::Dimension);
    let without_sims = [
        vec![device.clone()],
        vec![device, Group::Time(Grain::Day)],
        vec![rack.clone()],
        vec![network, rack.clone()],
        vec![customer, rack],
    ];
    questions.extend(without_sims.map(about));
    questions
}

async fn file(
    session: &Session,
    query: &CubeQuery,
    most: usize,
) -> Result<(Vec<UsageRow>, Whole), Error> {
    let mut file = session.usage_file_within(query, most).await?;
    let mut rows = Vec::new();
    loop {
        let more = file.next(10).await?;
        if more.is_empty() {
            return Ok((rows, file.whole()?));
        }
        rows.extend(more);
    }
}

async fn session(world: &World, caller: Caller) -> Session {
    let session = world.entry.enter(&World::claims(caller), "test").await;
    session.expect("entered")
}

fn suggestion(error: &Error) -> &str {
    let details = error.details().expect("details");
    details.suggestion.as_deref().expect("a suggestion")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_slices_is_the_file_of_one_statement_for_every_caller() {
    let world = world().await;
    for caller in CALLERS {
        let session = session(&world, caller).await;
        let (mut sliced, mut rows) = (0, 0);
        for query in questions() {
            let page = session.usage_within(&query, MOST).await;
            let one = file(&session, &query, 1_000).await;
            let found = file(&session, &query, MOST).await;
            let (one, found) = match (one, found) {
                (Ok(one), Ok(found)) => (one, found),
                (one, found) => {
                    let (one, found) = (one.map_err(|it| it.code()), found.map_err(|it| it.code()));
                    assert_eq!(found, one, "{caller:?} {query:?}");
                    assert_eq!(one.err(), Some(Code::Forbidden), "{caller:?} {query:?}");
                    continue;
                }
            };
            assert_eq!(found, one, "{caller:?} {query:?}");
            let Err(refusal) = page else { continue };
            assert_eq!(refusal.code(), Code::LimitExceeded, "{refusal}");
            assert_eq!(refusal.details().and_then(|it| it.limit), Some(MOST as u64));
            let ways = suggestion(&refusal);
            assert!(ways.contains("narrow") || ways.contains("ask "), "{ways}");
            assert!(ways.contains("createExport"), "{ways}");
            sliced += 1;
            rows += one.0.len();
        }
        println!("{caller:?}: {sliced} files in slices, {rows} rows");
        let least = match caller {
            // A tenant with seven SIMs needs no slices.
            BETA => 0,
            Caller(_, _, Some("dyer")) => 5,
            _ => 10,
        };
        assert!(sliced >= least, "{caller:?}: {sliced}");
        assert!(caller != BETA || sliced == 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_whose_sims_were_in_many_devices_is_cut_again() {
    let world = world().await;
    let session = session(&world, ADMIN).await;
    let query = about(vec![Group::DeviceLabel("rack".into())]);
    let one = file(&session, &query, 1_000).await.expect("a file");
    assert!(one.0.len() > 3, "{one:?}");
    for most in [2, 3, 20] {
        let found = file(&session, &query, most).await.expect("a file");
        assert_eq!(found, one, "{most}");
    }
    // Of one SIM there are two that carry the label.
    let refusal = file(&session, &query, 1).await.expect_err("a refusal");
    assert_eq!(refusal.code(), Code::LimitExceeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slices_cannot_say_is_refused_by_name() {
    type Change = fn(&mut CubeQuery, Order, Top);
    let world = world().await;
    let session = session(&world, ADMIN).await;
    let query = about(vec![
        Group::SimLabel("location".into()),
        Group::Time(Grain::Day),
    ]);
    let by_measure = Order {
        by: OrderBy::Measure(Measure::Records),
        descending: true,
    };
    let top = Top {
        group: 0,
        n: 1,
        by: Measure::Records,
    };
    let changes: [(&str, Change); 4] = [
        ("top", |query, _, top| query.top = Some(top)),
        ("others", |query, _, _| query.others = true),
        ("fill", |query, _, _| query.fill = Fill::Zero),
        ("an order by a measure", |query, order, _| {
            query.order_by.push(order);
        }),
    ];
    for (what, change) in changes {
        let mut query = query.clone();
        change(&mut query, by_measure, top);
        file(&session, &query, 1_000).await.expect("a file");
        for refusal in [
            session.usage_within(&query, MOST).await.err(),
            file(&session, &query, MOST).await.err(),
        ] {
            let refusal = refusal.expect("a refusal");
            assert_eq!(refusal.code(), Code::LimitExceeded, "{what}");
            let ways = suggestion(&refusal);
            assert!(
                ways.contains(&format!("without {what} (createExport")),
                "{ways}"
            );
            let field = refusal.details().and_then(|it| it.field.as_deref());
            assert_eq!(field, Some("group_by.0.sim_label"), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_of_too_many_slices_is_refused() {
    let world = World::new().await;
    world.by_hand(
        "INSERT INTO sim (tenant_id, sim_id, iccid, state, created_at, updated_at)
         SELECT tenant_id, gen_random_uuid(), '8946007' || lpad(n::text, 12, '0'), 'ACTIVE', now(), now()
         FROM tenant, generate_series(1000, 1299) AS n WHERE slug = 'beta'",
    );
    let session = session(&world, BETA).await;
    let query = about(vec![Group::Dimension(Dimension::SimState)]);
    let refusal = file(&session, &query, 1).await.expect_err("a refusal");
    assert_eq!(refusal.code(), Code::LimitExceeded);
    assert_eq!(refusal.details().and_then(|it| it.limit), Some(256));
    let rows = file(&session, &query, 2).await.expect("a file").0;
    assert_eq!(rows.len(), 1);
}
