//! The program in docs/rating.md comes to the same digits.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::made_up::MadeUp;

const PAGE: &str = include_str!("../../../docs/rating.md");

/// The program of the page.
fn program() -> &'static str {
    let (_, rest) = PAGE.split_once("```python\n").expect("a program");
    let (program, rest) = rest.split_once("\n```\n").expect("its end");
    assert!(!rest.contains("```python"), "one program");
    program
}

/// What the program writes of these lines.
fn run(lines: &str) -> String {
    let mut python = Command::new("python3")
        .args(["-X", "utf8", "-c", program()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("python3 is needed to run docs/rating.md: {error}"));
    let mut stdin = python.stdin.take().expect("a pipe");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(lines.as_bytes()).expect("written"));
        python.wait_with_output().expect("an answer")
    });
    assert!(
        output.status.success(),
        "the program of docs/rating.md fails"
    );
    String::from_utf8(output.stdout).expect("text")
}

/// How many months are compared: 500, or more.
#[expect(
    clippy::disallowed_methods,
    reason = "more than the usual ones are asked for by the environment"
)]
fn months() -> u64 {
    let asked = std::env::var("SIMCUBE_TEST_RATED_MONTHS").ok();
    let asked = asked.map_or(0, |text| text.parse().expect("a number of months"));
    asked.max(500)
}

#[test]
fn the_published_program_comes_to_the_same_digits() {
    let months = 0..months();
    let (mut lines, mut expected) = (String::new(), Vec::new());
    for seed in months.clone() {
        let made_up = MadeUp::new(seed);
        lines.push_str(&made_up.json().to_string());
        lines.push('\n');
        expected.push(made_up.text(vec![made_up.rows()]));
    }
    let found = run(&lines);
    let found: Vec<&str> = found.lines().collect();
    assert_eq!(found.len(), expected.len());
    for (seed, (found, expected)) in months.zip(found.into_iter().zip(&expected)) {
        assert_eq!(found, expected, "month {seed}");
    }
    // What is compared is worth it: most months are rated, and some are refused in each way.
    for refusal in [
        "AMOUNT_TOO_LARGE",
        "OUTSIDE_MONTH",
        "ROWS_DIFFER",
        "NOT_ONCE",
    ] {
        let refused = format!("{{\"refused\":\"{refusal}\"}}");
        let times = expected.iter().filter(|text| **text == refused).count();
        assert!(
            (1..expected.len() / 4).contains(&times),
            "{refusal}: {times} times"
        );
    }
    for part in [
        "\"charge\":null",
        "\"access\":null",
        "\"customer\":null",
        "\"total\"",
    ] {
        assert!(expected.iter().any(|text| text.contains(part)), "{part}");
    }
}
