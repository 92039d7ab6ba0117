//! Who may select what, and what it says: every field of every object type, by each way to it, as every role, in two tenants.
//!
//! The table in `world/table` is the documentation of the policy. A field without a row fails the test, and so does a row
//! without a field. No answer to one tenant may hold a byte of the other.

mod world;

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Role,
    usage::{Dimension, LabelGroup, Measure},
};
use serde_json::{Value, json};
use strum::VariantArray as _;
use world::{
    CALLERS, Caller, World,
    at::{At, is},
    contract::Contract,
    table::{Filled, Row, Way, all_rows, all_ways},
};

/// `Type.field` of every object type in the contract.
fn contract() -> BTreeSet<String> {
    let contract = Contract::new();
    let fields = contract.objects().flat_map(|(ty, fields)| {
        let fields = fields.iter().map(|field| &field.node.name.node);
        fields.map(move |field| format!("{ty}.{field}"))
    });
    fields.collect()
}

#[test]
fn every_field_of_the_contract_has_a_row_and_every_type_a_way() {
    let table: BTreeSet<String> = all_rows().map(|row| row.field.to_owned()).collect();
    let contract = contract();
    let missing: Vec<_> = contract.difference(&table).collect();
    let stale: Vec<_> = table.difference(&contract).collect();
    assert!(
        missing.is_empty(),
        "fields without a row in `rows!` of tests/world/table: {missing:#?}"
    );
    assert!(stale.is_empty(), "rows without a field: {stale:#?}");
    assert_eq!(table.len(), all_rows().count(), "a field has one row");
    let reached: BTreeSet<&str> = all_ways().map(|way| way.ty).collect();
    let types: BTreeSet<&str> = all_rows().map(Row::ty).collect();
    let unreached: Vec<_> = types.difference(&reached).collect();
    assert!(
        unreached.is_empty(),
        "types without a way in `ways!` of tests/world/table: {unreached:#?}"
    );
    let idle: Vec<_> = reached.difference(&types).collect();
    assert!(idle.is_empty(), "ways to types without rows: {idle:#?}");
}

/// `BYTES_UP` as a field.
fn camel(word: &str) -> String {
    let parts = word.split('_').enumerate();
    let part = |(place, part): (usize, &str)| match place {
        0 => part.to_lowercase(),
        _ => part[..1].to_owned() + &part[1..].to_lowercase(),
    };
    parts.map(part).collect()
}

/// Of each word of the catalogue there is a field, with what the catalogue says of it, and a way in the table that asks for it.
#[test]
fn every_measure_and_every_dimension_is_a_field() {
    let contract = Contract::new();
    let fields = |ty: &str| contract.fields(ty).collect::<BTreeSet<_>>();
    let measures = Measure::VARIANTS.iter().map(|word| camel(word.as_ref()));
    assert_eq!(fields("UsageValues"), measures.collect());
    let keys = fields("UsageKey");
    for dimension in Dimension::VARIANTS {
        let (word, field) = (dimension.as_ref(), camel(dimension.as_ref()));
        assert!(keys.contains(&field), "UsageKey has no {field}");
        let group = format!("{{ dimension: {word} }}");
        let mut ways = all_ways().filter(|way| way.ty == "UsageKey");
        assert!(
            ways.any(|way| way.path.contains(&group)),
            "no way by {word}"
        );
    }
    for label in LabelGroup::VARIANTS {
        let field = camel(label.as_ref());
        assert!(keys.contains(&field), "UsageKey has no {field}");
    }
}

/// What was seen of the table.
#[derive(Default)]
struct Seen {
    cells: usize,
    closed: usize,
    /// Fields that had a value for somebody.
    yielded: BTreeSet<&'static str>,
    wrong: Vec<String>,
}

/// One caller going one way.
struct Walk<'a> {
    world: &'a World,
    filled: &'a Filled,
    caller: Caller,
    way: &'a Way,
}

impl Walk<'_> {
    async fn ask(&self, rows: &[&Row], seen: &mut Seen) -> Value {
        let Self {
            world,
            filled,
            caller,
            way,
        } = self;
        let query = filled
            .fill(world, &way.document(rows.iter().copied()))
            .await;
        let answer = world.run(*caller, &query, json!({})).await;
        // The name of a standard is nobody's.
        let text = answer.to_string().replace("ISO 3166-1 alpha-2", "");
        let foreign = match caller.0 {
            "alpha" => ["beta", "8946007"],
            _ => ["alpha", "8944501"],
        };
        if foreign.iter().any(|word| text.contains(word)) {
            self.complain(seen, &format!("shows another tenant: {text}"));
        }
        answer
    }

    fn complain(&self, seen: &mut Seen, what: &str) {
        let line = format!("{:?} by {}: {what}", self.caller, self.way.path);
        seen.wrong.push(line);
    }

    /// Everything there is to see this way.
    async fn walk(&self, seen: &mut Seen) {
        let rows: Vec<&Row> = self.way.rows().collect();
        if !self.way.open.to(self.caller) {
            let answer = self.ask(&rows, seen).await;
            self.expect_closed(&answer, None, seen);
            if !objects(&answer["data"]).is_empty() {
                self.complain(seen, "an object is shown");
            }
            seen.cells += rows.len();
            seen.closed += rows.len();
            return;
        }
        let is_open = |row: &&Row| row.open.to(self.caller);
        let (open, closed): (Vec<&Row>, Vec<&Row>) = rows.into_iter().partition(is_open);
        let expected = (self.way.objects)(self.caller).len();
        seen.cells += open.len() * expected.max(1);
        self.expect_open(&open, seen).await;
        for row in closed {
            let answer = self.ask(&[row], seen).await;
            self.expect_closed(&answer, Some(expected), seen);
            seen.cells += expected.max(1);
            seen.closed += expected.max(1);
        }
    }

    async fn expect_open(&self, rows: &[&'static Row], seen: &mut Seen) {
        let answer = self.ask(rows, seen).await;
        let expected = (self.way.objects)(self.caller);
        let found = objects(&answer["data"]);
        if found.len() != expected.len() {
            let (found, expected) = (found.len(), expected.len());
            self.complain(seen, &format!("{found} objects, not {expected}: {answer}"));
            return;
        }
        let mut codes = Vec::new();
        if self.caller.misses(self.way.path) {
            codes.push("NOT_FOUND".to_owned());
        }
        for (object, which) in found.into_iter().zip(expected) {
            let (caller, way) = (self.caller, self.way);
            let at = At { caller, way, which };
            for (place, row) in rows.iter().enumerate() {
                let (value, expected) = (&object[&format!("f{place}")], (row.value)(&at));
                if let Some(code) = expected.as_str().and_then(|text| text.strip_prefix('!')) {
                    codes.push(code.to_owned());
                    if !value.is_null() {
                        self.complain(seen, &format!("{} is {value}", row.field));
                    }
                } else if !is(value, &expected) {
                    let what = format!("{} of {which:?} is {value}, not {expected}", row.field);
                    self.complain(seen, &what);
                }
                if !(value.is_null() || *value == json!([])) {
                    seen.yielded.insert(row.field);
                }
            }
        }
        if world::codes(&answer) != codes {
            self.complain(seen, &format!("not {codes:?}: {}", answer["errors"]));
        }
    }

    /// Every error is `FORBIDDEN` and its field null; so many, if that is told.
    fn expect_closed(&self, answer: &Value, times: Option<usize>, seen: &mut Seen) {
        let errors = answer["errors"].as_array().cloned().unwrap_or_default();
        let codes = world::codes(answer);
        let refused = codes.iter().all(|code| code == "FORBIDDEN")
            && errors.iter().all(|error| is_null(answer, error));
        let enough = times.map_or(!codes.is_empty(), |times| codes.len() == times);
        if !(refused && enough) {
            self.complain(seen, &format!("is not closed: {answer}"));
        }
    }
}

/// The objects that a document selected, in order.
fn objects(data: &Value) -> Vec<&Value> {
    match data {
        Value::Object(fields) if fields.contains_key("it") => vec![data],
        Value::Object(fields) => fields.values().flat_map(objects).collect(),
        Value::Array(values) => values.iter().flat_map(objects).collect(),
        _ => Vec::new(),
    }
}

/// Whether the field that an error is about is there, and null.
fn is_null(answer: &Value, error: &Value) -> bool {
    let Some(path) = error["path"].as_array() else {
        return false;
    };
    let place = path.iter().try_fold(&answer["data"], |place, segment| {
        segment.as_str().map_or_else(
            || place.get(usize::try_from(segment.as_u64()?).ok()?),
            |name| place.get(name),
        )
    });
    place == Some(&Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_says_to_every_role_by_every_way_what_the_table_says() {
    let mut world = World::rich().await;
    // Whole types are asked for at once, and every error must be seen.
    world.ask_for_whole_types();
    let mut filled = Vec::new();
    for caller in CALLERS {
        filled.push((caller, Filled::new(&world, caller).await));
    }
    let mut seen = Seen::default();
    let (asking, changing): (Vec<&Way>, Vec<&Way>) = all_ways().partition(|way| !way.is_change());
    for way in asking.into_iter().chain(changing) {
        for (caller, filled) in &filled {
            let walk = Walk {
                world: &world,
                filled,
                caller: *caller,
                way,
            };
            walk.walk(&mut seen).await;
        }
    }
    let wrong = &seen.wrong;
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let silent: Vec<&str> = all_rows()
        .map(|row| row.field)
        .filter(|field| !seen.yielded.contains(field))
        .collect();
    assert!(silent.is_empty(), "never a value: {silent:#?}");
    eprintln!(
        "{} cells of {} fields by {} ways, {} of them closed",
        seen.cells,
        seen.yielded.len(),
        all_ways().count(),
        seen.closed
    );
}

#[tokio::test]
async fn a_switch_and_a_pool_take_effect_on_the_next_request() {
    let world = World::new().await;
    let admin = Caller("alpha", Role::TenantAdmin, None);
    let dyer = Caller("alpha", Role::CustomerUser, Some("dyer"));
    let sims = "{ sims { totalCount } }";
    assert_eq!(
        world::codes(&world.run(dyer, sims, json!({})).await),
        ["FORBIDDEN"]
    );
    let id = world
        .run(
            admin,
            "{ customer(by: { slug: \"dyer\" }) { id } }",
            json!({}),
        )
        .await["data"]["customer"]["id"]
        .clone();
    let open = "mutation($id: ID!) { setCustomerVisibility(input: { customerId: $id, visibility: { devices: true, sims: true, sessions: false, usage: false, billing: false } }) { customer { visibility { sims } } } }";
    world.run(admin, open, json!({ "id": id })).await;
    assert_eq!(
        world.run(dyer, sims, json!({})).await["data"]["sims"]["totalCount"],
        2
    );

    let first = world
        .run(dyer, "{ sims(first: 1) { nodes { id } } }", json!({}))
        .await["data"]["sims"]["nodes"][0]["id"]
        .clone();
    let grant = "mutation($sub: String!, $sims: [ID!]!) { grantSegment(input: { subject: $sub, simIds: $sims }) { grants { id sim { id } } } }";
    let granted = world
        .run(
            admin,
            grant,
            json!({ "sub": "customer_user@alpha", "sims": [first] }),
        )
        .await;
    assert_eq!(
        world.run(dyer, sims, json!({})).await["data"]["sims"]["totalCount"],
        1,
        "the pool narrows"
    );
    let grant_id = granted["data"]["grantSegment"]["grants"][0]["id"].clone();
    let revoke = "mutation($id: ID!) { revokeSegment(input: { grantId: $id }) { grantId } }";
    world.run(admin, revoke, json!({ "id": grant_id })).await;
    assert_eq!(
        world.run(dyer, sims, json!({})).await["data"]["sims"]["totalCount"],
        2
    );
}

/// The devices that a caller sees: ids by name.
async fn devices(world: &World, caller: Caller) -> BTreeMap<String, Value> {
    let query = "{ devices { totalCount nodes { id name } } }";
    let answer = world.run(caller, query, json!({})).await;
    let devices = &answer["data"]["devices"];
    let nodes = devices["nodes"].as_array().expect("nodes");
    assert_eq!(devices["totalCount"], nodes.len());
    let name = |node: &Value| node["name"].as_str().expect("a name").to_owned();
    let pairs = nodes.iter().map(|node| (name(node), node["id"].clone()));
    pairs.collect()
}

#[tokio::test]
async fn a_device_is_seen_by_the_customer_that_it_belongs_to_now() {
    let world = World::new().await;
    let admin = Caller("alpha", Role::TenantAdmin, None);
    let (bosch, dyer) = (
        Caller("alpha", Role::CustomerUser, Some("bosch")),
        Caller("alpha", Role::CustomerUser, Some("dyer")),
    );
    let names = |devices: &BTreeMap<String, Value>| devices.keys().cloned().collect::<Vec<_>>();
    let before = devices(&world, dyer).await;
    assert_eq!(names(&before), ["alpha-device-3", "alpha-device-4"]);

    let file = world::fleet_file("alpha", "8944501");
    let iccid = |n: usize| {
        file.lines()
            .nth(n + 1)
            .and_then(|line| line.split(',').nth(1))
            .expect("an ICCID")
    };
    let moved = format!(
        "iccid,state,customer,device,valid_from\n{},ACTIVE,Bosch,alpha-device-3,2026-11-01\n\
         {},ACTIVE,Dyer,alpha-device-0,2026-11-01\n",
        iccid(3),
        iccid(0)
    );
    let import = "mutation($csv: String!) { importFleet(input: { csv: $csv }) { report { updated rejected } } }";
    let report = world.run(admin, import, json!({ "csv": moved })).await;
    assert_eq!(
        report["data"]["importFleet"]["report"],
        json!({ "updated": 2, "rejected": 0 })
    );

    assert_eq!(
        names(&devices(&world, dyer).await),
        ["alpha-device-0", "alpha-device-4"]
    );
    let left = &before["alpha-device-3"];
    let node = "query($id: ID!) { node(id: $id) { id } device(id: $id) { name } }";
    let answer = world.run(dyer, node, json!({ "id": left })).await;
    assert_eq!(world::codes(&answer), ["NOT_FOUND", "NOT_FOUND"]);
    let seen = devices(&world, bosch).await;
    assert_eq!(
        names(&seen),
        ["alpha-device-1", "alpha-device-2", "alpha-device-3"]
    );
    // What it used before stays with the customer of that time.
    let usage = "query($id: ID!, $october: UsageInput!) { device(id: $id) { usage(input: $october) { totals { records } } } }";
    let question = json!({ "id": left, "october": world::october() });
    for (caller, records) in [(bosch, 0), (admin, 3)] {
        let answer = world.run(caller, usage, question.clone()).await;
        let used = &answer["data"]["device"]["usage"]["totals"]["records"];
        assert_eq!(
            used.as_str().map_or(used.as_u64(), |n| n.parse().ok()),
            Some(records),
            "{answer}"
        );
    }
}
