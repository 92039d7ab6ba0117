//! A simulation with every fault, counted once, proved by its oracle, and repaired when a cube is not.

use crate::support::{Program, Server};

fn simulate(program: &Program, server: &Server, more: &[&str]) -> String {
    let token = program.token("acme", "tenant_admin");
    let words = [
        "simulate", "--tenant", "acme", "--seed", "7", "--sims", "40", "--days", "5", "--faults",
        "all",
    ];
    let to = ["--to", &server.url, "--token", &token];
    program.print(&[&words[..], &to[..], more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oracle_agrees_whatever_the_order_and_a_broken_cube_is_found_and_repaired() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let program = Program::new();
    let server = program.serve(&[]).await;
    program.print(&["tenant", "create", "acme", "--name", "Acme"]);
    let first = simulate(&program, &server, &["--oracle", "oracle"]);
    assert!(
        first.contains(" duplicate") && !first.contains(" 0 duplicate"),
        "{first}"
    );
    let again = simulate(&program, &server, &["--order", "99", "--batch", "333"]);
    assert!(again.contains(" 0 accepted"), "{again}");
    let proved = program.print(&["verify", "--oracle", "oracle"]);
    assert!(proved.ends_with("0 differences"), "{proved}");
    assert!(proved.contains("intake stood still for "), "{proved}");

    // Totals that agree are no proof: another device, and the oracle knows it too.
    let key = "tenant, period, customer, sim, device, network, rat, service, source";
    let columns = format!("{key}, bytes_up, bytes_down, units, records, received_at");
    let some = "(SELECT min(sim) FROM usage_year)";
    let swap = format!(
        "INSERT INTO usage_year ({columns}) SELECT {columns} FROM (\
         SELECT * REPLACE (-bytes_up AS bytes_up, -bytes_down AS bytes_down, -units AS units, -records AS records) \
         FROM usage_year FINAL WHERE sim = {some} UNION ALL \
         SELECT * REPLACE (toUUID('00000000-0000-0000-0000-0000000000dd') AS device) FROM usage_year FINAL \
         WHERE sim = {some})"
    );
    program.on_cubes(&swap).await;
    let swapped = program.run(&["verify", "--oracle", "oracle"]);
    let shown = String::from_utf8_lossy(&swapped.stdout);
    assert_eq!(swapped.status.code(), Some(1), "{shown}");
    assert!(
        shown.contains("dev_000000000000000000000000000000dd")
            && shown.contains("differs: usage_year:"),
        "{shown}"
    );

    for cube in ["usage_hour", "usage_day", "usage_month", "usage_year"] {
        program.on_cubes(&format!("TRUNCATE TABLE {cube}")).await;
    }
    let broken = program.run(&["verify", "--oracle", "oracle"]);
    let shown = String::from_utf8_lossy(&broken.stdout);
    assert_eq!(broken.status.code(), Some(1), "{shown}");
    assert!(
        shown.contains("differs: acme") && shown.contains("  differ\n"),
        "{shown}"
    );
    let repaired = program.print(&["verify", "--oracle", "oracle", "--repair"]);
    assert!(
        repaired.contains("cells of usage_day of acme") && repaired.ends_with("0 differences"),
        "{repaired}"
    );
    let again = program.print(&["verify", "--repair"]);
    assert!(!again.contains("repaired"), "{again}");
    // What a repair leaves behind still counts once.
    let later = simulate(&program, &server, &[]);
    assert!(later.contains(" 0 accepted"), "{later}");
    program.print(&["verify", "--oracle", "oracle"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oracle_knows_what_sessions_come_to_whatever_the_order() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let program = Program::new();
    let server = program.serve(&[]).await;
    program.print(&["tenant", "create", "acme", "--name", "Acme"]);
    simulate(&program, &server, &["--sessions", "--oracle", "oracle"]);
    let again = simulate(
        &program,
        &server,
        &["--sessions", "--order", "99", "--batch", "211"],
    );
    assert!(again.contains(" 0 accepted"), "{again}");
    let proved = program.print(&["verify", "--oracle", "oracle"]);
    assert!(proved.ends_with("0 differences"), "{proved}");
    for table in ["session_log", "session_hour", "session_year"] {
        assert!(
            proved.contains(&format!("{table}: ")) && !proved.contains(&format!("{table}: 0 ")),
            "{proved}"
        );
    }

    // A reset more than there was, where everything else agrees.
    let columns = "tenant, period, customer, sim, device, network, rat, bytes_up, bytes_down, records, sessions";
    program
        .on_cubes(&format!(
            "INSERT INTO session_hour ({columns}, resets) SELECT {columns}, toInt64(1) FROM (SELECT * REPLACE \
             (0 AS bytes_up, 0 AS bytes_down, 0 AS records, 0 AS sessions) FROM session_hour LIMIT 1)"
        ))
        .await;
    let broken = program.run(&["verify", "--oracle", "oracle"]);
    let shown = String::from_utf8_lossy(&broken.stdout);
    assert_eq!(broken.status.code(), Some(1), "{shown}");
    assert!(shown.contains("differs: session_hour: "), "{shown}");
}

#[test]
fn what_is_not_an_oracle_is_refused() {
    let program = Program::new();
    let output = program.run(&["verify", "--oracle", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read the oracle in nowhere"));
}
