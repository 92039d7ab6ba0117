//! Random questions, answered by slices of SIMs or devices and compared with the answers of one statement.

use analytics::{
    Store,
    usage::{Attribution, CubeQuery, Fill, Inventory, Measure, OrderBy, Source, UsageAnswer},
};
use domain::{
    Code,
    slice::{Of, Slice},
};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Counts, Question, file, fixed, loaded, question, runner, used, whole_of, world};
use crate::oracle::{Asked, World};

/// Random questions that are asked both ways.
const QUESTIONS: u32 = 200;

#[test]
fn slices_add_up_to_what_one_statement_answers() {
    let (world, tenants) = fixed();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let db = runtime.block_on(loaded(world));
    let counts = Counts::default();
    runner(QUESTIONS)
        .run(
            &question::question(world, *tenants, Source::Cdr),
            |question| {
                let question = without_whole_groups(question);
                let of = of(&question);
                let Question {
                    scope, query, now, ..
                } = &question;
                let inventory = world.inventory(scope, query, None);
                let one = runtime.block_on(file(&db, &question, &inventory));
                let sliced = runtime.block_on(by_slices(&db, world, &question, of));
                let (one, sliced) = match (one, sliced) {
                    (Ok(one), Ok(sliced)) => (one, sliced),
                    (one, sliced) => {
                        let code =
                            |answer: domain::Result<UsageAnswer>| answer.map_err(|it| it.code());
                        prop_assert_eq!(code(sliced), code(one));
                        counts.count("refused");
                        return Ok(());
                    }
                };
                // Small cubes know no SIM.
                prop_assert_eq!(sliced.provenance.watermark, one.provenance.watermark);
                prop_assert_eq!(&sliced.provenance.incomplete, &one.provenance.incomplete);
                let provenance = one.provenance.clone();
                prop_assert_eq!(
                    &UsageAnswer {
                        provenance,
                        ..sliced
                    },
                    &one
                );
                let asked = Asked {
                    scope,
                    query: &query.clone(),
                    now: *now,
                    parent: None,
                    parents: 1,
                };
                let (expected, _) = world.answer(&asked);
                prop_assert_eq!(super::as_expected(one.clone()), expected);
                counts.count(format!("{of:?}"));
                counts.add("rows", one.rows.len());
                for feature in used(&question, tenants) {
                    counts.count(feature);
                }
                Ok(())
            },
        )
        .unwrap_or_else(|error| panic!("{error}"));
    println!("{}", counts.all());
    for (what, least) in [
        ("Sims", 60),
        ("Devices", 30),
        ("rows", 1_500),
        ("group SIM label", 10),
        ("group device label", 10),
        ("group DEVICE", 8),
        ("measure ACTIVE_SIMS", 25),
        ("measure AVERAGE_BYTES_PER_SIM", 25),
        ("order by a group", 5),
    ] {
        assert!(counts.of(what) >= least, "{what}: {}", counts.of(what));
    }
}

/// The question without what only one statement answers.
fn without_whole_groups(mut question: Question) -> Question {
    let query = &mut question.query;
    query.top = None;
    query.others = false;
    query.having = None;
    query.fill = Fill::None;
    query
        .order_by
        .retain(|order| matches!(order.by, OrderBy::Group(_)));
    question.parents = None;
    assert_eq!(query.unsliceable(), None);
    question
}

/// Numbers of SIMs add up over slices of SIMs only; other questions are asked by either.
fn of(question: &Question) -> Of {
    let of_sims = [Measure::ActiveSims, Measure::AverageBytesPerSim];
    let query = &question.query;
    let counts_sims = query.measures.iter().any(|one| of_sims.contains(one));
    // What is looked up by the SIM is not in a slice of the devices that records name.
    let is_current = query.attribution == Attribution::Current;
    if counts_sims || is_current || query.group_by.len() == 1 {
        Of::Sims
    } else {
        Of::Devices
    }
}

/// All slices of seven SIMs or devices of the fleet, and what is beside it.
fn slices(of: Of) -> Vec<Slice> {
    let first = match of {
        Of::Sims => 0,
        Of::Devices => 100,
    };
    let mut ids: Vec<Uuid> = (first..first + world::SIMS).map(world::id).collect();
    ids.sort_unstable();
    let bounds: Vec<Uuid> = ids.into_iter().skip(7).step_by(7).collect();
    let from = [None].into_iter().chain(bounds.iter().copied().map(Some));
    let to = bounds.iter().copied().map(Some).chain([None]);
    from.zip(to)
        .map(|(from, to)| Slice { of, from, to })
        .collect()
}

async fn by_slices(
    db: &Store,
    world: &World,
    question: &Question,
    of: Of,
) -> domain::Result<UsageAnswer> {
    let Question {
        scope, query, now, ..
    } = question;
    let query = super::at_most_a_page(query);
    let mut file = db.usage_slices(scope, &query, of, *now).await?;
    for slice in slices(of) {
        let inventory: Inventory = world.inventory_of(scope, &query, None, Some(slice));
        file.read(&inventory).await?;
    }
    whole_of(file).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_whole_groups_has_no_slices() {
    let (world, tenants) = fixed();
    let db = loaded(world).await;
    let scope = super::staff(tenants[0]);
    let span = super::between(
        crate::fleet::at("2028-01-01T00:00:00Z"),
        crate::fleet::at("2029-01-01T00:00:00Z"),
    );
    let mut query = CubeQuery::of(&[Measure::Records], span);
    let now = crate::fleet::now();
    let inventory = Inventory::default();
    // An answer of which no slice was read is none, and neither is a slice of an answer without slices.
    let mut file = db
        .usage_slices(&scope, &query, Of::Sims, now)
        .await
        .expect("begun");
    assert_eq!(
        file.next().await.err().map(|it| it.code()),
        Some(Code::Internal)
    );
    assert!(file.read(&inventory).await.is_err());
    let mut file = db
        .usage_file(&scope, &query, &inventory, now)
        .expect("a file");
    let slice = inventory.of_slice(Slice::whole(Of::Sims));
    assert!(file.read(&slice).await.is_err());
    query.others = true;
    assert_eq!(query.unsliceable(), Some("others"));
    let refused = db.usage_slices(&scope, &query, Of::Sims, now).await;
    assert!(refused.is_err());
}
