//! Answers of the cubes, compared with the records themselves.

mod duckdb;
mod question;
mod reconcile;
mod record;
mod sliced;
mod world;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, OnceLock},
};

use analytics::{
    Store,
    cube::{Cube, Level, Table},
    usage::{
        Alignment, Attribution, Comparison, CubeQuery, Dimension, Fill, Grain, Group, Incomplete,
        Inventory, Key, Measure, OrderBy, Parents, Preset, Selection, Source, Span, TimePart,
        UsageAnswer, UsageFile, UsageLimits, UsageRow, Values,
    },
};
use chrono::{DateTime, Utc};
use domain::{
    Result, Role, Scope,
    id::TenantId,
    identity::VerifiedClaims,
    scope::{Segment, Segments, Visibility},
};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use strum::VariantArray;

use crate::{
    Db,
    fleet::{apply, at, batch, now, record, tenant},
    migrated,
    oracle::{self, Asked, Notes, World},
};
use question::Question;

/// Random questions that are asked.
const QUESTIONS: u32 = 1_000;

pub(crate) fn scope(
    tenant: TenantId,
    role: Role,
    segment: Segment,
    visibility: Visibility,
) -> Scope {
    let customer = (role == Role::CustomerUser).then(|| "bosch".into());
    let claims = VerifiedClaims::new("t".into(), "alpha".into(), role, customer);
    Scope::of_token(tenant, &claims.expect("claims"), segment, visibility)
}

pub(crate) fn staff(tenant: TenantId) -> Scope {
    let segment = Segment::default();
    scope(tenant, Role::TenantAdmin, segment, Visibility::ALL)
}

/// A period that is meant as it is.
pub(crate) fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> Span {
    let align = Alignment::Exact;
    Span::Between { from, to, align }
}

/// How often something came.
#[derive(Default)]
struct Counts(Mutex<BTreeMap<String, usize>>);

impl Counts {
    fn count(&self, what: impl Into<String>) {
        self.add(what, 1);
    }

    fn add(&self, what: impl Into<String>, times: usize) {
        let mut counts = self.0.lock().expect("no panic");
        *counts.entry(what.into()).or_default() += times;
    }

    fn of(&self, what: &str) -> usize {
        self.0
            .lock()
            .expect("no panic")
            .get(what)
            .copied()
            .unwrap_or_default()
    }

    fn all(&self) -> String {
        let counts = self.0.lock().expect("no panic");
        let lines = counts
            .iter()
            .map(|(what, times)| format!("{times:6} {what}\n"));
        lines.collect()
    }
}

/// The fleet of all random questions, and its tenants.
fn fixed() -> (&'static World, &'static [TenantId; 2]) {
    static WORLD: OnceLock<(World, [TenantId; 2])> = OnceLock::new();
    let (world, tenants) = WORLD.get_or_init(|| {
        let tenants = [tenant(), tenant()];
        (world::world(tenants), tenants)
    });
    (world, tenants)
}

/// A database with that fleet.
async fn loaded(world: &World) -> Db {
    let db = migrated().await;
    world::load(&db, world).await;
    db
}

/// Always the same questions, or now and then a feature would not be asked for often enough.
fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let chance = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    TestRunner::new_with_rng(config, chance)
}

#[test]
fn random_questions_are_answered_as_from_the_records() {
    random_questions_to(Source::Cdr);
}

#[test]
fn random_questions_to_sessions_are_answered_as_from_the_rollups() {
    random_questions_to(Source::Session);
}

fn random_questions_to(source: Source) {
    let (world, tenants) = fixed();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let db = runtime.block_on(loaded(world));
    let counts = Counts::default();
    runner(QUESTIONS)
        .run(&question::question(world, *tenants, source), |question| {
            runtime.block_on(check(&db, world, tenants, &question, &counts))
        })
        .unwrap_or_else(|error| panic!("{error}"));
    println!("{}", counts.all());
    // Rollups are kept for weeks, and what takes older ones is refused.
    let (answered, part) = match source {
        Source::Cdr => (8, 1),
        Source::Session => (5, 2),
    };
    assert!(counts.of("answered") * 10 >= QUESTIONS as usize * answered);
    assert!(counts.of(r#"refused: Refusal(InvalidInput, "not of this source")"#) > 0);
    for (least, features) in [(50, features(source)), (15, presets()), (2, pairs())] {
        for feature in features {
            assert!(
                counts.of(&feature) >= least / part,
                "{feature}: {}",
                counts.of(&feature)
            );
        }
    }
    for (what, least) in [
        ("answers with several rows", 250),
        ("rows of others", 200),
        ("rows with earlier usage", 1_000),
        ("rows that were filled in", 1_000),
        ("answers that were cut off", 100),
        ("rows of what is out of sight", 500),
        ("answers with usage that has no partner", 8),
        ("small cubes", 40),
        ("full cubes", 100),
        ("records", 50),
        ("several tables", 100),
        ("sums of rows", 500),
        ("wholes by both attributions", 50),
    ] {
        assert!(
            counts.of(what) >= least / part,
            "{what}: {}",
            counts.of(what)
        );
    }
}

async fn check(
    db: &Db,
    world: &World,
    tenants: &[TenantId; 2],
    question: &Question,
    counts: &Counts,
) -> Result<(), TestCaseError> {
    let Question {
        scope,
        query,
        now,
        parents,
    } = question;
    let kept = serde_json::to_string(query).expect("JSON");
    let kept: CubeQuery = serde_json::from_str(&kept)
        .map_err(|error| TestCaseError::fail(format!("{error}: {kept}")))?;
    prop_assert_eq!(&kept, query, "a question is the same when it is kept");
    let parents = parents
        .as_ref()
        .map(|(dimension, ids)| (*dimension, &ids[..]));
    let asked = |parent| Asked {
        scope,
        query,
        now: *now,
        parent,
        parents: parents.map_or(1, |(_, ids)| u32::try_from(ids.len()).expect("few")),
    };
    let found = ask(db, world, question).await;
    let refusals = oracle::refusals(&asked(None), parents);
    let found = match found {
        Err(error) => {
            let is_known = refusals.iter().any(|refusal| refusal.0 == error.code());
            let cause = error.cause();
            prop_assert!(
                is_known,
                "{}: {error}: {cause:?}; {refusals:?}",
                error.code()
            );
            counts.count("refused");
            counts.count(format!("refused: {:?}", refusals[0]));
            return Ok(());
        }
        Ok(found) => found,
    };
    prop_assert!(refusals.is_empty(), "answered in spite of {refusals:?}");
    prop_assert_eq!(found.len(), parents.map_or(1, |(_, ids)| ids.len()));
    if is_of_the_whole(question) {
        let found = found.first().map(|(_, answer)| answer);
        as_much_by_whom_it_is_now(db, world, question, found, counts).await?;
    }
    for (parent, found) in found {
        children_are_their_parent(query, &found, counts)?;
        let (expected, notes) = world.answer(&asked(parent.clone()));
        let about = |what: &str| format!("{what} of {parent:?}");
        note(counts, &found, &notes);
        let found = as_expected(found);
        // The parts first, so that a difference is seen at once.
        prop_assert_eq!(found.period, expected.period);
        prop_assert_eq!(&found.totals, &expected.totals, "{}", about("totals"));
        prop_assert_eq!(
            &found.previous_totals,
            &expected.previous_totals,
            "{}",
            about("earlier totals")
        );
        prop_assert_eq!(
            found.truncated,
            expected.truncated,
            "{}",
            about("truncated")
        );
        for (place, (found, expected)) in found.rows.iter().zip(&expected.rows).enumerate() {
            prop_assert_eq!(found, expected, "row {} {}", place, about(""));
        }
        prop_assert_eq!(found, expected, "{}", about("answer"));
    }
    counts.count("answered");
    for feature in used(question, tenants).into_iter().chain(pair(query)) {
        counts.count(feature);
    }
    Ok(())
}

/// Before anything is left out, the rows of an answer add up to the whole, whatever they are grouped by.
fn children_are_their_parent(
    query: &CubeQuery,
    found: &UsageAnswer,
    counts: &Counts,
) -> Result<(), TestCaseError> {
    let is_cut = query.having.is_some() || query.top.is_some() || query.offset > 0;
    if is_cut || found.truncated || query.group_by.is_empty() {
        return Ok(());
    }
    for measure in &query.measures {
        let total = found.totals.get(*measure);
        if let (true, Some(total)) = (measure.entry().expression.is_additive(), total) {
            let rows = found.rows.iter();
            let sum: i128 = rows.filter_map(|row| row.values.get(*measure)).sum();
            prop_assert_eq!(sum, total, "{}", measure.as_ref());
            counts.count("sums of rows");
        }
    }
    Ok(())
}

/// Whether it is about all usage of a tenant, whosever it was.
fn is_of_the_whole(question: &Question) -> bool {
    let Question {
        scope,
        query,
        parents,
        ..
    } = question;
    let is_all = *scope.segments() == Segments::All && parents.is_none();
    is_all && query.filter.is_none() && query.top.is_none()
}

/// The whole is the same by whom it belonged to and by whom it belongs to now.
async fn as_much_by_whom_it_is_now(
    db: &Db,
    world: &World,
    question: &Question,
    found: Option<&UsageAnswer>,
    counts: &Counts,
) -> Result<(), TestCaseError> {
    let attribution = match question.query.attribution {
        Attribution::AtEvent => Attribution::Current,
        Attribution::Current => Attribution::AtEvent,
    };
    let other = Question {
        query: CubeQuery {
            attribution,
            ..question.query.clone()
        },
        ..question.clone()
    };
    let answered = ask(db, world, &other).await;
    let answered = answered.map_err(|error| TestCaseError::fail(error.to_string()))?;
    let whole = |answer: &UsageAnswer| (answer.totals.clone(), answer.previous_totals.clone());
    prop_assert_eq!(
        answered.first().map(|(_, answer)| whole(answer)),
        found.map(whole)
    );
    counts.count("wholes by both attributions");
    Ok(())
}

/// Of each parent its answer, of the whole one alone.
async fn ask(
    db: &Db,
    world: &World,
    question: &Question,
) -> Result<Vec<(Option<(Dimension, Key)>, UsageAnswer)>> {
    let Question {
        scope,
        query,
        now,
        parents,
    } = question;
    let dimension = parents.as_ref().map(|(dimension, _)| *dimension);
    let inventory = world.inventory(scope, query, dimension);
    let Some((dimension, ids)) = parents else {
        let answer = db.usage(scope, query, &inventory, *now).await?;
        assert_eq!(file(db, question, &inventory).await?, answer, "as a file");
        return Ok(vec![(None, answer)]);
    };
    let parents = Parents::of(*dimension, ids);
    let answers = db.usage_by(scope, query, parents, &inventory, *now).await?;
    Ok(by_parent(*dimension, answers))
}

/// The same answer, as a file takes it.
async fn file(db: &Store, question: &Question, inventory: &Inventory) -> Result<UsageAnswer> {
    let Question {
        scope, query, now, ..
    } = question;
    let query = at_most_a_page(query);
    whole_of(db.usage_file(scope, &query, inventory, *now)?).await
}

/// The question as a page has it, since a file has no limit of its own.
fn at_most_a_page(query: &CubeQuery) -> CubeQuery {
    let most = u32::try_from(UsageLimits::ROWS).expect("few");
    CubeQuery {
        limit: query.limit.or(Some(most.saturating_sub(query.offset))),
        ..query.clone()
    }
}

/// All that a file has.
async fn whole_of(mut file: UsageFile) -> Result<UsageAnswer> {
    let mut rows = Vec::new();
    while let Some(row) = file.next().await? {
        rows.push(row);
    }
    let (period, closed) = (file.period(), file.closed().to_vec());
    let whole = file.whole()?;
    Ok(UsageAnswer {
        period,
        rows,
        totals: whole.totals,
        previous_period: whole.previous_period,
        previous_totals: whole.previous_totals,
        truncated: whole.truncated,
        closed,
        provenance: whole.provenance,
    })
}

fn by_parent(
    dimension: Dimension,
    answers: HashMap<Key, UsageAnswer>,
) -> Vec<(Option<(Dimension, Key)>, UsageAnswer)> {
    let answers = answers.into_iter();
    answers
        .map(|(id, answer)| (Some((dimension, id)), answer))
        .collect()
}

/// An answer in the oracle's words.
fn as_expected(answer: UsageAnswer) -> oracle::Answer {
    let quantities = |values: Values| -> oracle::Quantities {
        Measure::VARIANTS
            .iter()
            .map(|measure| values.get(*measure))
            .collect()
    };
    let rows = answer.rows.into_iter().map(|row| oracle::Row {
        keys: row.keys,
        others: row.others,
        values: quantities(row.values),
        previous: row.previous.map(quantities),
    });
    oracle::Answer {
        period: [answer.period.from(), answer.period.to()],
        rows: rows.collect(),
        totals: quantities(answer.totals),
        previous_totals: answer.previous_totals.map(quantities),
        truncated: answer.truncated,
        closed: answer.closed,
        watermark: answer.provenance.watermark,
        incomplete: answer.provenance.incomplete,
    }
}

/// Counts what shows that an answer was worth asking for.
fn note(counts: &Counts, answer: &UsageAnswer, notes: &Notes) {
    counts.count("answers");
    if answer.rows.is_empty() {
        counts.count("empty answers");
    }
    if answer.rows.len() > 1 {
        counts.count("answers with several rows");
    }
    if answer.truncated {
        counts.count("answers that were cut off");
    }
    if notes.has_lonely {
        counts.count("answers with usage that has no partner");
    }
    let rows = |is: &dyn Fn(&UsageRow) -> bool| answer.rows.iter().filter(|row| is(row)).count();
    counts.add("rows of others", rows(&|row| row.others));
    let has_usage = |values: Values| {
        let mut measures = Measure::VARIANTS.iter();
        measures.any(|measure| values.get(*measure).is_some_and(|value| value > 0))
    };
    counts.add(
        "rows with earlier usage",
        rows(&|row| row.previous.clone().is_some_and(has_usage)),
    );
    counts.add("rows that were filled in", notes.filled);
    let is_hidden = |key: &Option<Key>| *key == Some(Key::Hidden);
    counts.add(
        "rows of what is out of sight",
        rows(&|row| row.keys.iter().any(is_hidden)),
    );
    let tables = &answer.provenance.tables;
    if tables.len() > 1 {
        counts.count("several tables");
    }
    let reads = |is: fn(&Table) -> bool| tables.iter().any(is);
    for (what, reads) in [
        (
            "small cubes",
            reads(|table| matches!(table, Table::Cube(Cube::Small(_)))),
        ),
        (
            "full cubes",
            reads(|table| matches!(table, Table::Cube(Cube::Full(_)))),
        ),
        ("records", reads(|table| *table == Table::Records)),
    ] {
        if reads {
            counts.count(what);
        }
    }
}

/// Everything that a question has of [`features`] and [`presets`].
fn used(question: &Question, tenants: &[TenantId; 2]) -> Vec<String> {
    let query = &question.query;
    let mut used = vec![
        format!("zone {}", query.time_zone),
        format!("role {}", question.scope.role()),
        format!(
            "tenant {}",
            usize::from(question.scope.tenant() == tenants[1])
        ),
    ];
    used.extend(
        query
            .measures
            .iter()
            .map(|measure| format!("measure {}", measure.as_ref())),
    );
    used.extend(query.group_by.iter().map(|group| match group {
        Group::Dimension(dimension) => format!("group {}", dimension.as_ref()),
        Group::Time(grain) => format!("group {}", grain.as_ref()),
        Group::TimePart(part) => format!("group {}", part.as_ref()),
        Group::SimLabel(_) => "group SIM label".to_owned(),
        Group::DeviceLabel(_) => "group device label".to_owned(),
    }));
    used.push(match query.period {
        Span::Preset(preset) | Span::PresetAt { preset, .. } => {
            format!("preset {}", preset.as_ref())
        }
        Span::Between { align, .. } => format!("align {}", align.as_ref()),
    });
    if matches!(query.period, Span::PresetAt { .. }) {
        used.push("preset at a moment".to_owned());
    }
    let is_grouped = !query.group_by.is_empty();
    let is_by_time = query.group_by.iter().any(Group::is_time);
    for order in &query.order_by {
        used.push(match order.by {
            OrderBy::Measure(_) => "order by a measure".to_owned(),
            OrderBy::Group(_) => "order by a group".to_owned(),
        });
    }
    used.extend(
        query
            .compare_to
            .map(|with| format!("compare {}", with.as_ref())),
    );
    if query.fill != Fill::None && is_by_time {
        used.push(format!("fill {}", query.fill.as_ref()));
    }
    for (feature, is_used) in [
        ("filter", query.filter.is_some()),
        (
            "inventory filter",
            query.filter.as_ref().is_some_and(question::is_of_inventory),
        ),
        (
            "ids in sight",
            *question.scope.segments() != Segments::All && query.needs_of_part().next().is_some(),
        ),
        ("having", query.having.is_some() && is_grouped),
        ("top", query.top.is_some()),
        ("top by time", query.top.is_some() && is_by_time),
        ("others", query.others && is_grouped),
        ("offset", query.offset > 0 && is_grouped),
        ("limit", query.limit.is_some() && is_grouped),
        ("no limit", query.limit.is_none() && is_grouped),
        ("current", query.attribution == Attribution::Current),
        ("parents", question.parents.is_some()),
        ("no groups", !is_grouped),
    ] {
        if is_used {
            used.push(feature.to_owned());
        }
    }
    used
}

/// Each of these must be asked for fifty times.
fn features(source: Source) -> Vec<String> {
    fn each<T: AsRef<str>>(kind: &str, words: &[T]) -> Vec<String> {
        let words = words.iter();
        words
            .map(|word| format!("{kind} {}", word.as_ref()))
            .collect()
    }
    [
        each("zone", &question::ZONES),
        each("role", &["tenant_admin", "customer_user", "viewer"]),
        each("tenant", &["0", "1"]),
        each("measure", &question::measures(source)),
        each("group", &question::dimensions(source)),
        each("group", Grain::VARIANTS),
        each("group", TimePart::VARIANTS),
        each("group", &["SIM label", "device label"]),
        each("align", Alignment::VARIANTS),
        each("compare", Comparison::VARIANTS),
        each("fill", &Fill::VARIANTS[1..]),
        each("order by a", &["measure", "group"]),
        [
            "filter",
            "inventory filter",
            "ids in sight",
            "having",
            "top",
            "top by time",
            "others",
            "offset",
            "limit",
            "no limit",
            "current",
            "preset at a moment",
            "parents",
            "no groups",
        ]
        .map(str::to_owned)
        .to_vec(),
    ]
    .concat()
}

fn presets() -> Vec<String> {
    let presets = Preset::VARIANTS.iter();
    presets
        .map(|preset| format!("preset {}", preset.as_ref()))
        .collect()
}

/// What a period that moves with the clock is compared with.
fn pair(query: &CubeQuery) -> Option<String> {
    let Span::Preset(preset) = query.period else {
        return None;
    };
    let with = query.compare_to?;
    Some(format!("{} to {}", preset.as_ref(), with.as_ref()))
}

/// All that [`pair`] may say.
fn pairs() -> Vec<String> {
    let presets = Preset::VARIANTS.iter();
    let with = |preset: &Preset| {
        let with = Comparison::VARIANTS.iter();
        let pair = |with: &Comparison| format!("{} to {}", preset.as_ref(), with.as_ref());
        with.map(pair).collect::<Vec<_>>()
    };
    presets.flat_map(with).collect()
}

async fn october(db: &Store, scope: &Scope) -> UsageAnswer {
    let period = between(at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z"));
    let query = CubeQuery::of(&[Measure::Records], period);
    let answer = db.usage(scope, &query, &Inventory::default(), now()).await;
    answer.expect("an answer")
}

#[tokio::test]
async fn an_answer_says_where_it_comes_from() {
    let store = migrated().await;
    let (tenant, other, batch) = (tenant(), tenant(), batch());
    let scope = staff(tenant);
    let nothing = october(&store, &scope).await;
    assert_eq!(nothing.totals.get(Measure::Records), Some(0));
    assert_eq!(nothing.provenance.watermark, None);
    assert_eq!(
        nothing.provenance.incomplete,
        Some(Incomplete::NothingReceived)
    );

    let mut rows = vec![
        record(tenant, batch, 1, at("2026-10-02T00:00:00Z")),
        record(other, batch, 2, at("2026-12-02T00:00:00Z")),
    ];
    rows[0].received_at = at("2026-10-31T12:00:00.250Z");
    apply(&store, batch, &rows).await;
    let early = october(&store, &scope).await.provenance;
    assert_eq!(early.tables, [Table::Cube(Cube::Small(Level::Month))]);
    assert_eq!(
        early.watermark,
        Some(at("2026-10-31T12:00:00.250Z")),
        "another tenant's record does not count"
    );
    assert_eq!(early.incomplete, Some(Incomplete::PeriodRunning));

    let batch = crate::fleet::batch();
    let late = record(tenant, batch, 3, at("2026-11-01T00:00:00Z"));
    apply(&store, batch, &[late]).await;
    let later = october(&store, &scope).await;
    assert_eq!(later.provenance.incomplete, None);
    assert_eq!(later.totals.get(Measure::Records), Some(1));
}

/// Alone in its part, so that the engine decides by this record whether to read any.
#[tokio::test]
async fn a_record_in_the_last_millisecond_before_a_bound_counts() {
    let store = migrated().await;
    let (tenant, batch) = (tenant(), batch());
    let last = record(tenant, batch, 1, at("2026-10-02T10:29:59.999Z"));
    apply(&store, batch, &[last]).await;
    let scope = staff(tenant);
    let half = |from, to| CubeQuery::of(&[Measure::Records], between(at(from), at(to)));
    for (query, records) in [
        (half("2026-10-02T10:00:00Z", "2026-10-02T10:30:00Z"), 1),
        (half("2026-10-02T10:30:00Z", "2026-10-02T11:00:00Z"), 0),
    ] {
        let inventory = Inventory::default();
        let answer = store.usage(&scope, &query, &inventory, now()).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.provenance.tables, [Table::Records]);
        assert_eq!(answer.totals.get(Measure::Records), Some(records));
        let selection = Selection {
            period: query.period,
            time_zone: query.time_zone,
            filter: None,
        };
        let file = store.records(&scope, &selection, &inventory, now());
        let mut file = file.expect("records");
        let mut found = 0;
        while file.next().await.expect("a record").is_some() {
            found += 1;
        }
        assert_eq!(found, records);
    }
}
