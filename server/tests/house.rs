//! The house stays as it is drawn in ARCHITECTURE.md: which crate may use which, and which library lives where.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Each crate and the crates of this workspace it may use.
const EDGES: [(&str, &[&str]); 15] = [
    ("analytics", &["domain"]),
    // Measures the whole house; nothing may use it.
    (
        "bench",
        &[
            "analytics",
            "domain",
            "engines",
            "exports",
            "ingest",
            "migrations",
            "resolvers",
            "schema",
            "server",
            "service",
        ],
    ),
    // Knows the program from outside only.
    ("chaos", &[]),
    ("domain", &[]),
    ("engines", &[]),
    ("exports", &["analytics", "domain", "service"]),
    ("ingest", &["analytics", "domain", "service"]),
    ("migrations", &[]),
    ("playground", &[]),
    (
        "resolvers",
        &["analytics", "domain", "exports", "schema", "service"],
    ),
    ("schema", &["domain"]),
    (
        "server",
        &[
            "analytics",
            "domain",
            "engines",
            "exports",
            "ingest",
            "migrations",
            "playground",
            "resolvers",
            "schema",
            "service",
            "simulator",
        ],
    ),
    ("service", &["analytics", "domain"]),
    // Knows a running server from outside only, and writes its oracle with exports.
    ("simulator", &["domain", "exports"]),
    ("testkit", &["migrations"]),
];

/// Crates that any tests may use in addition.
const TEST_EDGES: [&str; 2] = ["migrations", "testkit"];

/// What the tests of one crate may use in addition.
const TEST_EDGES_OF: [(&str, &str); 2] = [
    // Statements are tried on the embedded engine, which is the one that is always there.
    ("analytics", "engines"),
    // What is simulated is read back by the decoders that it is made for.
    ("simulator", "ingest"),
];

/// Libraries that only some crates may name, in tests too, with the reason.
const HOMES: [(&str, &[&str], &str); 9] = [
    (
        "sea-orm",
        &["bench", "domain"],
        "every Postgres statement is in domain",
    ),
    (
        "sea-orm-migration",
        &["migrations", "testkit"],
        "schema changes are migrations",
    ),
    (
        "clickhouse",
        &["analytics"],
        "every ClickHouse statement comes from one builder",
    ),
    (
        "libloading",
        &["engines"],
        "the embedded engine is one module",
    ),
    (
        "async-graphql",
        &["bench", "resolvers", "schema", "server"],
        "business rules do not know how they are asked",
    ),
    ("axum", &["bench", "server"], "routes are in the server"),
    (
        "jsonwebtoken",
        &["bench", "server"],
        "a token becomes a scope in one place",
    ),
    (
        "rdkafka",
        &["bench", "ingest", "simulator"],
        "topics are read in ingest, and written as a network would by the simulator",
    ),
    (
        "arrow",
        &["exports"],
        "frames and files are written by exports",
    ),
];

/// A crate's dependencies by name: what it is built with, and what its tests use besides.
struct Crate {
    normal: BTreeSet<String>,
    test: BTreeSet<String>,
}

fn crates() -> BTreeMap<String, Crate> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let read = |package: &Value| {
        let mut found = Crate {
            normal: BTreeSet::new(),
            test: BTreeSet::new(),
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap().to_owned();
            if dependency["kind"] == "dev" {
                found.test.insert(name);
            } else {
                found.normal.insert(name);
            }
        }
        (package["name"].as_str().unwrap().to_owned(), found)
    };
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(read)
        .collect()
}

#[test]
fn every_crate_has_its_place() {
    let crates = crates();
    let found: Vec<&str> = crates.keys().map(String::as_str).collect();
    assert_eq!(
        found,
        EDGES.map(|(name, _)| name),
        "draw a new crate in EDGES and ARCHITECTURE.md"
    );
}

#[test]
fn crates_use_only_the_crates_below_them() {
    let crates = crates();
    let allowed: BTreeMap<_, _> = EDGES.into_iter().collect();
    for (name, found) in &crates {
        let allowed = allowed[name.as_str()];
        for edge in found
            .normal
            .iter()
            .filter(|name| crates.contains_key(*name))
        {
            assert!(
                allowed.contains(&edge.as_str()),
                "{name} may not use {edge}"
            );
        }
        for edge in found.test.iter().filter(|name| crates.contains_key(*name)) {
            let edge = edge.as_str();
            let fine = allowed.contains(&edge)
                || TEST_EDGES.contains(&edge)
                || TEST_EDGES_OF.contains(&(name.as_str(), edge));
            assert!(fine, "the tests of {name} may not use {edge}");
        }
    }
}

#[test]
fn the_drawing_has_no_circles() {
    let mut left: BTreeMap<_, _> = EDGES.into_iter().collect();
    while !left.is_empty() {
        let ground: Vec<&str> = left
            .iter()
            .filter(|(_, uses)| uses.iter().all(|used| !left.contains_key(used)))
            .map(|(name, _)| *name)
            .collect();
        assert!(!ground.is_empty(), "a circle among {:?}", left.keys());
        left.retain(|name, _| !ground.contains(name));
    }
}

#[test]
fn libraries_stay_where_they_live() {
    for (name, found) in crates() {
        for (library, homes, reason) in HOMES {
            if found.normal.contains(library) || found.test.contains(library) {
                assert!(
                    homes.contains(&name.as_str()),
                    "{name} may not use {library}: {reason}"
                );
            }
        }
    }
}

#[test]
fn the_test_kit_is_for_tests_only() {
    for (name, found) in crates() {
        assert!(!found.normal.contains("testkit"), "{name} ships testkit");
    }
}

#[test]
fn a_crate_is_named_as_its_folder_and_is_not_published() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in crates().keys() {
        let manifest = std::fs::read_to_string(root.join(name).join("Cargo.toml")).unwrap();
        for line in [
            &format!("name = \"{name}\"")[..],
            "publish.workspace = true",
            "[lints]\nworkspace = true",
        ] {
            assert!(manifest.contains(line), "{name}/Cargo.toml has no `{line}`");
        }
    }
}

/// Calls that decide who somebody is, and the files that may make them.
const MAKERS: [(&str, &[&str]); 3] = [
    ("Scope::of_token(", &["domain/src/identity/mod.rs"]),
    ("Scope::of_operator(", &["domain/src/identity/mod.rs"]),
    (
        "VerifiedClaims::new(",
        &["server/src/auth/token.rs", "server/src/command/token.rs"],
    ),
];

#[test]
fn only_a_verified_token_or_the_terminal_makes_a_scope() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let crates = EDGES.iter().map(|(name, _)| *name);
    for name in crates.filter(|name| *name != "bench") {
        for file in sources(&root.join(name).join("src")) {
            let text = std::fs::read_to_string(&file).unwrap();
            // Of a module, or of a whole file.
            let shipped = text.split("cfg(test)]").next().unwrap();
            let place = file.strip_prefix(root).unwrap().to_str().unwrap();
            for (call, allowed) in MAKERS {
                let fine = !shipped.contains(call) || allowed.contains(&place);
                assert!(fine, "{place} may not call {call}…)");
            }
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let within = |path: PathBuf| match path.extension() {
        Some(kind) => Vec::from_iter((kind == "rs").then_some(path)),
        None if path.is_dir() => sources(&path),
        None => Vec::new(),
    };
    paths.flat_map(within).collect()
}
