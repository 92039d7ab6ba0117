//! The ClickHouse schema: ordered files under `clickhouse/`, in the form that the installation needs.
//!
//! The files are plain SQL for a single server, but for the word DURABLE, which stands for [`DURABLE`].
//! [`Layout::Replicated`] rewrites them for a cluster: replicated engines, `ON CLUSTER`, no replicated de-duplication. No
//! cluster has run that form yet; a snapshot test shows its exact text.

/// Where the tables live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One server, or the embedded engine.
    Single,
    /// Every replica of a cluster of one shard. The server must define the macros `{shard}` and `{replica}`.
    Replicated {
        /// The cluster's name in the server's configuration.
        cluster: String,
    },
}

/// What every table sets, so that an insert or a merge that was answered is on disk: the parts' files and the folder that
/// names them. And that nothing is dropped because it looks like something earlier.
pub const DURABLE: [(&str, u64); 4] = [
    ("fsync_after_insert", 1),
    ("fsync_part_directory", 1),
    ("min_rows_to_fsync_after_merge", 1),
    ("non_replicated_deduplication_window", 0),
];

/// One step of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its place in the order.
    pub version: u32,
    /// Its name, for people.
    pub name: &'static str,
    /// Statements that make it. Each can be run again after a failure half way.
    pub sql: Vec<String>,
    /// Statements that take it back.
    pub down: Vec<String>,
}

struct File {
    version: u32,
    name: &'static str,
    up: &'static str,
    down: &'static str,
}

macro_rules! file {
    ($version:literal, $name:literal, $stem:literal) => {
        File {
            version: $version,
            name: $name,
            up: include_str!(concat!("../clickhouse/", $stem, ".up.sql")),
            down: include_str!(concat!("../clickhouse/", $stem, ".down.sql")),
        }
    };
}

const FILES: [File; 6] = [
    file!(0, "migration", "0000_migration"),
    file!(1, "foundation", "0001_foundation"),
    file!(2, "store_identity", "0002_store_identity"),
    file!(3, "small_cubes", "0003_small_cubes"),
    file!(4, "expiry", "0004_expiry"),
    file!(5, "session", "0005_session"),
];

/// Every migration in order.
pub fn statements(layout: &Layout) -> Vec<Migration> {
    FILES
        .iter()
        .map(|file| Migration {
            version: file.version,
            name: file.name,
            sql: split(file.up)
                .map(|sql| layout.rewrite(&durable(&sql)))
                .collect(),
            down: split(file.down).map(|sql| layout.rewrite(&sql)).collect(),
        })
        .collect()
}

/// The statements of a file without comments. A statement ends with a semicolon at the end of a line.
fn split(file: &str) -> impl Iterator<Item = String> {
    let code: Vec<&str> = file
        .lines()
        .map(|line| {
            if line.trim_start().starts_with("--") {
                ""
            } else {
                line.trim_end()
            }
        })
        .filter(|line| !line.is_empty())
        .collect();
    let code = code.join("\n") + "\n";
    let statements: Vec<String> = code
        .split(";\n")
        .map(str::trim)
        .filter(|sql| !sql.is_empty())
        .map(str::to_owned)
        .collect();
    statements.into_iter()
}

/// Writes the settings out.
fn durable(sql: &str) -> String {
    let settings: Vec<String> = DURABLE
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    sql.replace(
        "SETTINGS DURABLE",
        &format!("SETTINGS {}", settings.join(", ")),
    )
}

impl Layout {
    fn rewrite(&self, sql: &str) -> String {
        let Self::Replicated { cluster } = self else {
            return sql.to_owned();
        };
        let cluster = cluster.replace('\\', r"\\").replace('\'', r"\'");
        sql.lines()
            .map(|line| replicated(line, &cluster))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// One line for a cluster. The files keep to one form per statement, so words at the start of a line tell enough.
fn replicated(line: &str, cluster: &str) -> String {
    const DDL: [&str; 5] = [
        "ALTER TABLE ",
        "CREATE TABLE IF NOT EXISTS ",
        "CREATE MATERIALIZED VIEW IF NOT EXISTS ",
        "DROP TABLE IF EXISTS ",
        "DROP VIEW IF EXISTS ",
    ];
    const KEEPER: &str = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'";
    for verb in DDL {
        if let Some(rest) = line.strip_prefix(verb) {
            let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            return format!("{verb}{name} ON CLUSTER '{cluster}' {rest}")
                .trim_end()
                .to_owned();
        }
    }
    if let Some(engine) = line.strip_prefix("ENGINE = ") {
        return match engine
            .strip_suffix(')')
            .and_then(|engine| engine.split_once('('))
        {
            Some((engine, arguments)) => {
                format!("ENGINE = Replicated{engine}({KEEPER}, {arguments})")
            }
            None => format!("ENGINE = Replicated{engine}({KEEPER})"),
        };
    }
    match line.split_once("non_replicated_deduplication_window = ") {
        Some((before, after)) => format!("{before}replicated_deduplication_window = {after}"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(layout: &Layout) -> String {
        let part = |title: &str, sql: &[String]| format!("-- {title}\n{};\n", sql.join(";\n\n"));
        statements(layout)
            .iter()
            .map(|m| {
                part(&format!("{:04} {} up", m.version, m.name), &m.sql)
                    + &part(&format!("{:04} {} down", m.version, m.name), &m.down)
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn the_schema_of_a_single_server() {
        insta::assert_snapshot!(text(&Layout::Single));
    }

    #[test]
    fn the_schema_of_a_cluster_which_none_ran_yet() {
        insta::assert_snapshot!(text(&Layout::Replicated {
            cluster: "simcube".into()
        }));
    }

    #[test]
    fn versions_are_in_order_and_every_step_can_be_taken_back() {
        let steps = statements(&Layout::Single);
        assert!((0..).zip(&steps).all(|(place, step)| step.version == place));
        assert!(
            steps
                .iter()
                .all(|step| !step.sql.is_empty() && !step.down.is_empty())
        );
    }
}
