//! Lists of more than a page are whole, in order, and added up.

use exports::DataSet;

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
