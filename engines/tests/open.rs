//! Which engines are used, before any is started.

use std::path::Path;

use engines::{Access, ClickHouseAddress, Engines, Error, Settings, clickhouse::EngineLimits};
use tempfile::tempdir;

/// Private engines in `data`, of which nobody said where they are.
fn settings(data: &Path) -> Settings {
    Settings {
        data: data.to_owned(),
        engines: None,
        database_url: None,
        clickhouse_url: None,
        postgres_port: None,
        limits: EngineLimits::default(),
        durable: true,
    }
}

#[tokio::test]
async fn missing_engines_are_a_sentence_that_says_what_to_do() {
    let (data, empty) = (tempdir().unwrap(), tempdir().unwrap());
    let Err(error) = Engines::open(settings(data.path()), Access::Alone).await else {
        panic!("opened")
    };
    assert!(matches!(error, Error::EnginesUnknown), "{error}");
    let missing = Settings {
        engines: Some(empty.path().into()),
        ..settings(data.path())
    };
    let Err(error) = Engines::open(missing, Access::Alone).await else {
        panic!("opened")
    };
    assert!(
        error
            .to_string()
            .contains("run engines/fetch, or set DATABASE_URL"),
        "{error}"
    );
}

#[tokio::test]
async fn servers_of_the_operators_need_no_data_folder() {
    let parent = tempdir().unwrap();
    let data = parent.path().join("never-made");
    let remote = Settings {
        database_url: Some("postgres://db/simcube".into()),
        clickhouse_url: Some("http://cubes:8123".into()),
        ..settings(&data)
    };
    let engines = Engines::open(remote, Access::Alone).await.unwrap();
    assert_eq!(engines.database_url(), "postgres://db/simcube");
    assert!(
        matches!(engines.clickhouse(), ClickHouseAddress::Url(url) if url == "http://cubes:8123")
    );
    assert!(!data.exists());
}
