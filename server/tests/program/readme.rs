//! The commands of the README, as somebody copies them.

use std::process::Command;

use crate::support::{Program, Server};

const README: &str = include_str!("../../../README.md");

/// The indented lines that begin with the one that has this in it.
fn block(beginning: &str) -> String {
    let lines = README.lines().skip_while(|line| !line.contains(beginning));
    let lines = lines.map_while(|line| line.strip_prefix("    "));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    assert!(!text.is_empty(), "the README has no `{beginning}`");
    text
}

/// What a block prints, on the ports and with the program of the test.
fn run(program: &Program, server: &Server, beginning: &str) -> String {
    let simcube = program.command(&[]);
    let script = block(beginning)
        .replace("http://127.0.0.1:8080", &server.url)
        .replace("./dev simcube", &simcube.get_program().to_string_lossy());
    let mut command = Command::new("/bin/sh");
    command.args(["-ec", &script]).env_clear();
    for (name, value) in simcube.get_envs() {
        command.env(name, value.expect("a value"));
    }
    command.env("PATH", "/usr/bin:/bin");
    command.current_dir(simcube.get_current_dir().expect("a folder"));
    let output = command.output().expect("a shell");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_readme_do_what_it_says() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    program.file("FLEET.csv", &block("customer,iccid"));
    program.file("records.json", &format!("[{}]", block("{\"record_id\"")));
    let delivered = run(&program, &server, "./dev simcube tenant create");
    assert!(delivered.contains("3 rows: 3 created"), "{delivered}");
    assert!(delivered.contains("\"received\":1"), "{delivered}");
    let asked = run(
        &program,
        &server,
        "TOKEN=$(./dev simcube token --tenant acme --role tenant_admin)",
    );
    assert!(
        asked.contains("\"totals\"") && !asked.contains("errors"),
        "{asked}"
    );
    let proved = run(&program, &server, "./dev simcube verify");
    assert!(proved.ends_with("0 differences\n"), "{proved}");
}
