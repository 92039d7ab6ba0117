//! What commands print, and what they say when they cannot begin.

use crate::support::Program;

#[test]
fn what_cannot_begin_says_so_in_a_sentence_and_exits_with_2() {
    let program = Program::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let unknown = program.file("unknown.toml", "lisen = \"x\"\n");
    let narrow = program.file("narrow.toml", "[pool]\nconnections = 7\n");
    let cases: [(&[&str], &str); 7] = [
        (&["serve", "--listen", &address], "is in use"),
        (
            &["serve", "--listen", "nonsense"],
            "cannot listen on nonsense",
        ),
        (&["config", "--config", "/nowhere.toml"], "does not exist"),
        (&["config", "--config", &unknown], "lisen"),
        (&["serve", "--config", &narrow], "pool.connections is 7"),
        (
            &["token", "--tenant", "alpha", "--role", "customer_user"],
            "needs --customer",
        ),
        (
            &["import", "/nowhere.csv", "--tenant", "alpha"],
            "cannot read /nowhere.csv",
        ),
    ];
    for (arguments, sentence) in cases {
        let output = program.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(sentence), "{arguments:?}: {error}");
        assert_eq!(error.trim().lines().count(), 1, "one sentence: {error}");
    }
}

#[test]
fn a_rate_card_is_told_or_all_that_is_wrong_with_it() {
    let program = Program::new();
    let card = |price: &str, unit: u64| {
        format!(
            r#"{{"billPeriod": "MONTH", "currency": "EUR", "accessCharge": "0.50", "zones": [
                {{"match": {{"network": "262-01"}}, "service": "DATA", "unit": {{"of": "BYTES", "size": {unit}}}, "increment": 1024,
                  "roundPer": "RECORD", "scope": "SIM", "perSim": false, "bands": [{{"price": "{price}"}}]}}]}}"#
        )
    };
    let good = program.file("good.json", &card("0.25", 1 << 20));
    let said = program.print(&["rate-card", "check", &good]);
    assert_eq!(
        said.trim(),
        "MONTH EUR: 1 zones, 0.500000000 for each SIM and month"
    );
    let bad = program.file("bad.json", &card("-1", 0));
    let output = program.run(&["rate-card", "check", &bad]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let codes: Vec<_> = said
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(
        codes,
        [
            "UNIT_TOO_SMALL /zones/0/unit/size",
            "PRICE_NEGATIVE /zones/0/bands/0/price"
        ]
    );
    let unreadable = program.file("none.json", "{");
    let output = program.run(&["rate-card", "check", &unreadable]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn token_prints_only_the_token_and_config_no_secret() {
    let program = Program::new();
    let token = program.token("alpha", "support");
    assert_eq!(token.split('.').count(), 3);
    assert!(!token.contains(char::is_whitespace));
    let output = program
        .command(&["config"])
        .env("DATABASE_URL", "postgres://me:hunter2@localhost/x")
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        text.contains("postgres://me:****@localhost/x") && !text.contains("hunter2"),
        "{text}"
    );
    let refused = program
        .command(&["token", "--tenant", "alpha", "--role", "support"])
        .env("OIDC_ISSUER", "https://issuer.example")
        .output()
        .expect("the program runs");
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stdout.is_empty());
}
