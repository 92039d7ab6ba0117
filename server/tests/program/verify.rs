//! A simulation with every fault, counted once, proved by its oracle, and mended when a cube is not.

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
async fn the_oracle_agrees_whatever_the_order_and_a_broken_cube_is_found_and_mended() {
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
    let mended = program.print(&["verify", "--oracle", "oracle", "--repair"]);
    assert!(
        mended.contains("cells of usage_day of acme") && mended.ends_with("0 differences"),
        "{mended}"
    );
    // What a repair leaves behind still counts once.
    let later = simulate(&program, &server, &[]);
    assert!(later.contains(" 0 accepted"), "{later}");
    program.print(&["verify", "--oracle", "oracle"]);
}

#[test]
fn what_is_not_an_oracle_is_refused() {
    let program = Program::new();
    let output = program.run(&["verify", "--oracle", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read the oracle in nowhere"));
}
