//! Entities are what the migrated schema has.

use std::{collections::BTreeSet, sync::Arc};

use sea_orm::{ColumnTrait as _, ColumnType, EntityTrait, IdenStatic as _, Iterable as _};

use crate::{Db, SystemClock, audit, customer, grant, label, saved_filter, tenant};

/// Name, type, whether it may be null, and whether it is part of the primary key.
type Column = (String, String, bool, bool);

fn sql_type(kind: &ColumnType) -> &'static str {
    match kind {
        ColumnType::Uuid => "uuid",
        ColumnType::String(_) | ColumnType::Text => "text",
        ColumnType::Boolean => "boolean",
        ColumnType::BigInteger => "bigint",
        ColumnType::Integer => "integer",
        ColumnType::TimestampWithTimeZone => "timestamp with time zone",
        ColumnType::JsonBinary => "jsonb",
        ColumnType::Array(_) => "ARRAY",
        other => panic!("{other:?} has no name here yet"),
    }
}

fn drawn<E: EntityTrait>() -> (String, BTreeSet<Column>) {
    let keys: BTreeSet<String> = E::PrimaryKey::iter()
        .map(|key| key.as_str().to_owned())
        .collect();
    let columns = E::Column::iter().map(|column| {
        let (name, definition) = (column.as_str().to_owned(), column.def());
        let kind = sql_type(definition.get_column_type()).to_owned();
        let is_key = keys.contains(&name);
        (name, kind, definition.is_null(), is_key)
    });
    (E::default().table_name().to_owned(), columns.collect())
}

#[tokio::test]
async fn every_entity_is_its_table() {
    let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
    let postgres = postgres.expect("a test database");
    let db = Db::connect(postgres.url(), 1, Arc::new(SystemClock)).await;
    let cx = db.expect("connected").system().await.expect("system");
    for (table, drawn) in [
        drawn::<audit::entity::Entity>(),
        drawn::<customer::entity::Entity>(),
        drawn::<grant::entity::Entity>(),
        drawn::<label::entity::Entity>(),
        drawn::<saved_filter::entity::Entity>(),
        drawn::<tenant::entity::Entity>(),
    ] {
        let migrated: Vec<Column> = cx
            .all(
                "SELECT attribute.attname::text, \
                        CASE WHEN attndims > 0 THEN 'ARRAY' ELSE format_type(atttypid, NULL) END, \
                        NOT attnotnull, coalesce(attnum = ANY(conkey), false) \
                 FROM pg_attribute AS attribute \
                 LEFT JOIN pg_constraint ON conrelid = attrelid AND contype = 'p' \
                 WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped",
                [table.as_str().into()],
            )
            .await
            .expect("the columns");
        assert_eq!(drawn, migrated.into_iter().collect(), "{table}");
    }
}
