//! Lists of more than a page are whole, in order, and added up.

use exports::{DataSet, Export, Format, Request};

use crate::world::{ADMIN, World};

/// More than two pages of what is read together most.
const MANY: usize = 20_500;

/// Rows that were there before, and the values of a column in the file.
async fn column(world: &World, data_set: DataSet, name: &str) -> Vec<String> {
    let (manifest, file) = world.export(ADMIN, data_set).await.expect("a file");
    let mut reader = csv::Reader::from_reader(file.as_bytes());
    let place = reader
        .headers()
        .expect("a header")
        .iter()
        .position(|it| it == name);
    let place = place.expect("a column");
    let values: Vec<String> = (reader.records())
        .map(|row| row.expect("a row")[place].to_owned())
        .collect();
    assert_eq!(manifest.contents.rows, values.len() as u64);
    values
}

#[tokio::test]
async fn lists_of_several_pages_are_whole_and_in_order() {
    let world = World::new().await;
    // Several of the same moment, so that a page ends among them.
    world.postgres.run(&format!(
        "INSERT INTO intake_rejection (tenant_id, source, identity, record_id, code, message, raw, received_at)
         SELECT tenant_id, 'many', NULL, n::text, 'MALFORMED', 'no', '', timestamptz '2026-09-01' + n / 7 * interval '1 second'
         FROM tenant, generate_series(1, {MANY}) AS n WHERE slug = 'alpha';
         INSERT INTO intake_accounting (tenant_id, source, received_hour, event_hour, received, accepted, duplicate, rejected, bytes_up, bytes_down)
         SELECT tenant_id, 's' || n % 7, timestamptz '2024-01-01' + n / 7 * interval '1 hour', '2024-01-01', n, n, 0, 0, n, 0
         FROM tenant, generate_series(1, {MANY}) AS n WHERE slug = 'alpha';
         INSERT INTO audit (tenant_id, at, actor, role, action, subject)
         SELECT tenant_id, timestamptz '2026-09-01' + n / 7 * interval '1 second', 'many', 'tenant_admin', 'noun.verb', n::text
         FROM tenant, generate_series(1, {MANY}) AS n WHERE slug = 'alpha'"
    ));
    for (data_set, moment, unique) in [
        (DataSet::IngestRejections, "received_at", "record_id"),
        (DataSet::Audit, "at", "object"),
        (DataSet::IngestAccounting, "hour", "bytes_up"),
    ] {
        let moments = column(&world, data_set, moment).await;
        assert!(moments.is_sorted(), "{data_set:?}");
        let mut numbers: Vec<usize> = (column(&world, data_set, unique).await.iter())
            .filter_map(|text| text.parse().ok())
            .collect();
        numbers.sort_unstable();
        // The accounting has a row of ten bytes from before.
        numbers.dedup();
        assert!(numbers.into_iter().eq(1..=MANY), "{data_set:?}");
    }
    let (manifest, _) = world
        .export(ADMIN, DataSet::IngestAccounting)
        .await
        .expect("a file");
    let received = 11 + MANY * (MANY + 1) / 2;
    assert_eq!(manifest.contents.totals["received"], received.to_string());
    assert_eq!(manifest.contents.rows, MANY as u64 + 1);
}

/// SIMs whose last page is read long after the first batch of them was written.
const SIMS: usize = 40_000;

impl World {
    /// Some of these SIMs, in the order of their numbers.
    fn sims(&self, numbers: &str) {
        self.postgres.run(&format!(
            "INSERT INTO sim (tenant_id, sim_id, iccid, state, created_at, updated_at)
             SELECT tenant_id, gen_random_uuid(), '8999' || lpad(n::text, 15, '0'), 'ACTIVE', now(), now()
             FROM tenant, generate_series({numbers}) AS n WHERE slug = 'alpha'"
        ));
    }
}

#[tokio::test]
async fn what_is_added_while_a_file_is_made_is_not_in_it() {
    let world = World::new().await;
    let (_, few) = world.export(ADMIN, DataSet::Sims).await.expect("a file");
    let known = few.lines().count() - 1;
    world.sims(&format!("1, {SIMS}"));
    let session = world.session(ADMIN).await;
    let request = Request::parse(DataSet::Sims, None).expect("a request");
    let export = Export {
        session: &session,
        request: &request,
        form: Format::Csv.into(),
    };
    let (mut file, mut added) = (Vec::new(), None);
    let written = export.write(&mut file, |progress| {
        if progress.rows > 0 && added.is_none() {
            // It comes after all others.
            world.sims(&format!("{}, {}", SIMS + 1, SIMS + 1));
            added = Some(progress.rows);
        }
    });
    let rows = written.await.expect("a file").contents.rows;
    assert_eq!(rows, (known + SIMS) as u64);
    assert!(
        added.is_some_and(|rows| rows < SIMS as u64 / 4),
        "{added:?}"
    );
    let (later, file) = world.export(ADMIN, DataSet::Sims).await.expect("a file");
    assert_eq!(later.contents.rows, rows + 1);
    let last = file.lines().last().expect("a row");
    assert!(last.contains(&format!("8999{:015}", SIMS + 1)), "{last}");
}
