//! What breaks while a file is made: afterwards there is the one file, or none, and the job says why.

use std::{
    fs,
    mem::replace,
    path::Path,
    time::{Duration, Instant},
};

use http::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::S3Server;
use tokio::time::{sleep, timeout};

use crate::{
    export,
    http::{answer, client},
    jobs::{self, PATIENCE, ask, asked, file, is, sent, show, until},
    own_engines::OwnEngines,
    small_disk,
    store::Store,
    support::{Program, Server},
};

/// Settings under which another server takes a job over soon.
const SOON: (&str, &str) = ("SIMCUBE_EXPORTS__LEASE_SECONDS", "1");

/// SIMs whose file has two parts.
const SIMS: usize = 7_000;

/// What nobody can read while it is held: a job that reads it waits in its middle.
const SIMS_HELD: &str = "LOCK TABLE sim IN ACCESS EXCLUSIVE MODE";

/// Each row has much text.
fn fleet(program: &Program) {
    program.print(&["tenant", "create", "acme", "--name", "Acme"]);
    let text = "0123456789".repeat(20);
    let labels: Vec<String> = (0..8).map(|n| format!("l{n}={text}")).collect();
    let labels = labels.join(";");
    let mut csv = "iccid,state,customer,labels,valid_from\n".to_owned();
    for n in 0..SIMS {
        csv.push_str(&format!(
            "8944501000{n:09},ACTIVE,Bosch,{labels},2024-01-01\n"
        ));
    }
    let file = program.file("fleet.csv", &csv);
    program.print(&["import", &file, "--tenant", "acme"]);
}

async fn serve(program: &Program, store: &Store, more: &[(&'static str, &str)]) -> Server {
    let settings = store.settings(more);
    let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
    program.serve(&settings.collect::<Vec<_>>()).await
}

fn signal(server: &Server, signal: Signal) {
    let process = i32::try_from(server.id()).ok().and_then(Pid::from_raw);
    kill_process(process.expect("a process"), signal).expect("signalled");
}

/// The same rows without a job.
fn exported(program: &Program, format: &str) -> Vec<u8> {
    let output = program.run(&["export", "sims", "--tenant", "acme", "--format", format]);
    assert!(output.status.success());
    output.stdout
}

/// The file of a job is whole, and its manifest says so.
async fn check(server: &Server, token: &str, export: &Value, whole: &[u8]) {
    let id = export["id"].as_str().expect("an id");
    let (status, _, bytes) = sent(file(server, token, id)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        bytes == whole,
        "{} of {} bytes: {export}",
        bytes.len(),
        whole.len()
    );
    let manifest = &export["manifest"];
    assert_eq!(manifest["bytes"], bytes.len());
    assert_eq!(manifest["sha256"], digits(&bytes));
}

/// SHA-256 in hexadecimal digits.
fn digits(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Waits until so many files are left, of which each has a manifest, and nothing else.
pub(crate) async fn until_left(store: &Store, files: usize) {
    let left = timeout(PATIENCE, async {
        while store.files().len() != 2 * files {
            sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(left.await.is_ok(), "{:?}", store.files());
}

/// Asks for a file by REST.
async fn order(server: &Server, token: &str, order: &Value) -> String {
    let url = format!("{}/api/v1/exports", server.url);
    let (status, _, made) = answer(client().post(url).bearer_auth(token).json(order)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made["id"].as_str().expect("an id").to_owned()
}

/// Kills the server that makes a file at so many moments, from its first to its last, and leaves the job to another.
async fn killed(program: &Program, store: &Store, what: &Value, moments: u32) {
    let mut first = serve(program, store, &[SOON]).await;
    let mut other = serve(program, store, &[SOON]).await;
    // The terminal's role, which a typed file says.
    let token = program.token("acme", "tenant_admin");
    let word = |name: &str| what[name].as_str().expect("text");
    let mut words = vec!["export", word("dataSet"), "--tenant", "acme"];
    words.extend(["--format", word("format")]);
    let question = what.get("question").map(Value::to_string);
    words.extend(question.iter().flat_map(|json| ["--question", json]));
    let whole = program.run(&words).stdout;
    let id = order(&first, &token, what).await;
    until(&first, &token, &id, |export| export["state"] != "QUEUED").await;
    let begun = Instant::now();
    until(&first, &token, &id, is("COMPLETE")).await;
    let takes = begun.elapsed();
    let mut taken_over = 0;
    for moment in 0..moments {
        // It does not stand in the way, and is there when it is needed.
        signal(&other, Signal::STOP);
        let id = order(&first, &token, what).await;
        until(&first, &token, &id, |export| export["state"] != "QUEUED").await;
        sleep(takes * moment / moments).await;
        first.kill().await;
        signal(&other, Signal::CONT);
        let export = until(&other, &token, &id, is("COMPLETE")).await;
        check(&other, &token, &export, &whole).await;
        taken_over += u32::from(export["attempts"] != 1);
        first = replace(&mut other, serve(program, store, &[SOON]).await);
    }
    // How long a job takes differs: some of them may have been done already.
    assert!(
        taken_over * 10 >= moments * 3,
        "too late {} times",
        moments - taken_over
    );
    // Who starts sweeps.
    let _last = serve(program, store, &[SOON]).await;
    until_left(store, 1 + moments as usize).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_leaves_its_job_to_another_and_nothing_in_the_folder() {
    let program = Program::new();
    fleet(&program);
    let what = json!({ "dataSet": "sims", "format": "csv" });
    killed(&program, &Store::folder(&program), &what, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_leaves_its_job_to_another_and_nothing_in_the_bucket() {
    let program = Program::new();
    fleet(&program);
    let what = json!({ "dataSet": "sims", "format": "csv" });
    killed(&program, &Store::Bucket(testkit::bucket()), &what, 10).await;
}

/// Ten times the records that are sent, so that their statement runs for a while.
const MORE: &str = "INSERT INTO cdr (tenant, customer, sim, device, network, rat, service, source, record_id, identity, start, end, \
                        bytes_up, bytes_down, units, sign, batch, received_at, apply_by) \
                    SELECT tenant, customer, sim, device, network, rat, service, source, concat(record_id, toString(n.number)), \
                        generateUUIDv4(), start, end, bytes_up, bytes_down, units, sign, batch, received_at, now() + 600 \
                    FROM cdr, numbers(9) AS n";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_while_it_streams_records_leaves_them_to_another() {
    let program = Program::new();
    jobs::fleet(&program, 400);
    let server = program.serve(&[]).await;
    export::usage(&server, &program.token("acme", "tenant_admin")).await;
    server.kill().await;
    program.on_cubes(MORE).await;
    let october =
        json!({ "between": { "from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z" } });
    let what =
        json!({ "dataSet": "records", "format": "parquet", "question": { "period": october } });
    killed(&program, &Store::folder(&program), &what, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_past_its_lease_has_lost_the_job_when_it_wakes_up() {
    let program = Program::new();
    fleet(&program);
    let whole = exported(&program, "csv");
    let token = program.token("acme", "support");
    for store in [Store::folder(&program), Store::Bucket(testkit::bucket())] {
        let first = serve(&program, &store, &[SOON]).await;
        let id = ask(&first, &token, "CSV").await;
        until(&first, &token, &id, |export| export["state"] == "RUNNING").await;
        signal(&first, Signal::STOP);
        let second = serve(&program, &store, &[SOON]).await;
        let export = until(&second, &token, &id, is("COMPLETE")).await;
        assert!(export["attempts"].as_u64() >= Some(2), "{export}");
        signal(&first, Signal::CONT);
        // It says nothing of the job any more, and takes its own file away.
        check(&first, &token, &export, &whole).await;
        until_left(&store, 1).await;
        let [one, other] = [
            show(&first, &token, &id).await,
            show(&second, &token, &id).await,
        ];
        for field in ["manifest", "state", "attempts"] {
            assert_eq!(one[field], other[field]);
        }
    }
}

/// Months of an order of several files.
const MONTHS: usize = 60;

/// The log of five years, a file for each month.
async fn ask_for_months(server: &Server, token: &str) -> String {
    let create = "mutation { createExport(input: { format: CSV, partitionBy: MONTH, dataSet: { audit: { period: { between: { \
                  from: \"2021-01-01T00:00:00Z\", to: \"2026-01-01T00:00:00Z\" } } } } }) { export { id } userErrors { message } } }";
    let made = asked(server, token, create).await;
    let id = made["createExport"]["export"]["id"].as_str();
    id.unwrap_or_else(|| panic!("{made}")).to_owned()
}

/// How many files of months are there, and whether what says that they are whole is.
fn of_months(store: &Store) -> (usize, bool) {
    let files = store.files();
    let ending = |end: &str| files.iter().filter(|path| path.ends_with(end)).count();
    (ending("audit.csv"), ending("manifest.json") > 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_are_all_there_or_none_wherever_between_them_it_breaks() {
    let program = Program::new();
    program.print(&["tenant", "create", "acme"]);
    let store = Store::folder(&program);
    let token = program.token("acme", "tenant_admin");
    // Killed after the first, in the middle, and with the last still to come.
    let mut broken = 0;
    for after in [1, MONTHS / 2, MONTHS - 5] {
        let first = serve(&program, &store, &[SOON]).await;
        let id = ask_for_months(&first, &token).await;
        let reached = timeout(PATIENCE, async {
            while of_months(&store).0 < after {
                sleep(Duration::from_micros(200)).await;
            }
        });
        reached.await.expect("files");
        signal(&first, Signal::STOP);
        let (months, is_whole) = of_months(&store);
        let said = program.texts(&format!(
            "SELECT state FROM job WHERE job_id = '{}'",
            uuid(&id)
        ));
        assert!(
            is_whole || said == ["RUNNING"],
            "{months} files are {said:?}"
        );
        broken += u32::from(!is_whole);
        first.kill().await;
        let other = serve(&program, &store, &[SOON]).await;
        let export = until(&other, &token, &id, is("COMPLETE")).await;
        assert_eq!(export["attempts"], if is_whole { 1 } else { 2 });
        // What the dead one left goes when somebody sweeps: who starts does.
        let _sweeping = serve(&program, &store, &[]).await;
        until_months(&store).await;
        each_month(&other, &token, &id).await;
        drop(other);
        program.texts("UPDATE job SET expires_at = now() - interval '1 day' RETURNING state");
        let _sweeping = serve(&program, &store, &[]).await;
        let swept = timeout(PATIENCE, async {
            while !store.files().is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
        });
        swept.await.expect("swept");
    }
    assert!(broken >= 2, "too late {} times", 3 - broken);

    // Of what says that they are whole, nothing can be written.
    let server = serve(&program, &store, &[SOON]).await;
    let held = program.hold(crate::jobs::CLAIMING).await;
    let id = ask_for_months(&server, &token).await;
    let tenant = program.texts("SELECT tenant_id::text FROM tenant WHERE slug = 'acme'");
    let claim = format!(
        "ten_{}/{id}/1/manifest.json/in the way",
        tenant[0].replace('-', "")
    );
    let Store::Folder(folder) = &store else {
        unreachable!("it is a folder");
    };
    fs::create_dir_all(folder.join(claim)).expect("in the way");
    drop(held);
    let export = until(&server, &token, &id, is("COMPLETE")).await;
    assert_eq!(export["attempts"], 2, "{export}");
    until_months(&store).await;
    each_month(&server, &token, &id).await;
}

/// The part of an id that Postgres has.
fn uuid(id: &str) -> &str {
    id.split_once('_').expect("an id").1
}

/// Waits until there are the files of all months, once, and what says so.
async fn until_months(store: &Store) {
    let left = timeout(PATIENCE, async {
        while store.files().len() != MONTHS + 1 || of_months(store) != (MONTHS, true) {
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(left.await.is_ok(), "{:?}", store.files());
}

/// Every file is what the manifest says of it.
async fn each_month(server: &Server, token: &str, id: &str) {
    let url = format!("{}/api/v1/exports/{id}", server.url);
    let (_, _, body) = sent(client().get(&url).bearer_auth(token)).await;
    let export: Value = serde_json::from_slice(&body).expect("JSON");
    let parts = export["manifest"]["parts"].as_array().expect("parts");
    assert_eq!(parts.len(), MONTHS);
    for part in parts {
        let path = part["path"].as_str().expect("a path");
        let (status, _, bytes) = sent(
            client()
                .get(format!("{url}/file/{path}"))
                .bearer_auth(token),
        )
        .await;
        assert_eq!(
            (status, &part["bytes"]),
            (StatusCode::OK, &json!(bytes.len()))
        );
        assert_eq!(part["sha256"], digits(&bytes), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_stop_gives_its_job_back_at_once() {
    let program = Program::new();
    fleet(&program);
    let whole = exported(&program, "csv");
    let token = program.token("acme", "support");
    let store = Store::Bucket(testkit::bucket());
    let mut first = serve(&program, &store, &[]).await;
    let held = program.hold(SIMS_HELD).await;
    let id = ask(&first, &token, "CSV").await;
    until(&first, &token, &id, |export| export["state"] == "RUNNING").await;
    let other = serve(&program, &store, &[]).await;
    let begun = Instant::now();
    first.terminate();
    assert_eq!(first.wait().await, Some(0));
    drop(held);
    let export = until(&other, &token, &id, is("COMPLETE")).await;
    let lease = Duration::from_secs(30);
    assert!(begun.elapsed() < lease, "{:?}", begun.elapsed());
    assert_eq!(
        export["attempts"], 1,
        "the one that was given back does not count"
    );
    assert_eq!(program.texts("SELECT fence::text FROM job"), ["2"]);
    check(&other, &token, &export, &whole).await;
    until_left(&store, 1).await;
}

/// Waits until a job has failed, and says what it said.
async fn failed(server: &Server, token: &str, id: &str) -> String {
    let export = until(server, token, id, is("FAILED")).await;
    assert_eq!(export["error"]["code"], "UNAVAILABLE", "{export}");
    assert_eq!(
        (&export["attempts"], &export["manifest"], &export["bytes"]),
        (&json!(5), &Value::Null, &json!("0"))
    );
    let message = export["error"]["message"].as_str().expect("a message");
    message.to_owned()
}

async fn retry(server: &Server, token: &str, id: &str) {
    let retry = format!(
        "mutation {{ retryExport(input: {{exportId: \"{id}\"}}) {{ export {{ state }} userErrors {{ message }} }} }}"
    );
    let answered = asked(server, token, &retry).await;
    assert_eq!(answered["retryExport"]["export"]["state"], "QUEUED");
}

/// What readiness says of the files.
async fn readiness(server: &Server) -> (StatusCode, Value) {
    let request = client().get(format!("{}/health/ready", server.url));
    let (status, _, body) = sent(request).await;
    let said: Value = serde_json::from_slice(&body).expect("JSON");
    (status, said["checks"]["files"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_there_is_no_file_and_the_job_says_so_and_with_room_there_is_one() {
    let program = Program::new();
    fleet(&program);
    // The terminal's role, which a workbook says.
    let token = program.token("acme", "tenant_admin");
    for (format, full) in [("CSV", "exports"), ("XLSX", "tmp")] {
        let folder = program.data().join(full);
        fs::create_dir_all(&folder).expect("a folder to mount on");
        let mut serve = program.command(&["serve", "--listen", "127.0.0.1:0"]);
        serve.env("TMPDIR", program.data().join("tmp"));
        let server = program.start(small_disk::mounted(&serve, &folder, 4)).await;
        let folder = small_disk::seen(&server, &folder);
        let id = ask(&server, &token, format).await;
        assert_eq!(
            failed(&server, &token, &id).await,
            "the file cannot be written: there is no space left for files"
        );
        assert_eq!(crate::jobs::files(&folder), [] as [std::path::PathBuf; 0]);
        make_room(&server, &program.data().join(full));
        retry(&server, &token, &id).await;
        let export = until(&server, &token, &id, is("COMPLETE")).await;
        let whole = exported(&program, &format.to_lowercase());
        check(&server, &token, &export, &whole).await;
    }
}

/// Makes the disk of a server larger.
fn make_room(server: &Server, folder: &Path) {
    let mut command = std::process::Command::new("/usr/bin/nsenter");
    command.arg(format!("--target={}", server.id()));
    if !rustix::process::getuid().is_root() {
        command.args(["--user", "--preserve-credentials"]);
    }
    command
        .args(["--mount", "mount", "-o", "remount,size=256m"])
        .arg(folder);
    assert!(command.status().expect("nsenter").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_refuses_is_said_in_the_job_and_the_job_is_done_when_it_does_not() {
    let program = Program::new();
    fleet(&program);
    let token = program.token("acme", "support");
    let store = Store::Bucket(testkit::bucket());
    let wrong = ("AWS_SECRET_ACCESS_KEY", "wrong");
    let server = serve(&program, &store, &[wrong]).await;
    let nowhere = ("EXPORT_URL", "s3://nowhere/files");
    assert_eq!(
        readiness(&server).await,
        (StatusCode::OK, json!("degraded"))
    );
    let refused = ask(&server, &token, "CSV").await;
    assert_eq!(
        failed(&server, &token, &refused).await,
        "the file cannot be written: the store of files refuses the server's keys"
    );
    drop(server);
    let server = serve(&program, &store, &[nowhere]).await;
    let missing = ask(&server, &token, "CSV").await;
    assert_eq!(
        failed(&server, &token, &missing).await,
        "the file cannot be written: the bucket or folder of files is not there"
    );
    drop(server);
    let server = serve(&program, &store, &[]).await;
    assert_eq!(readiness(&server).await, (StatusCode::OK, json!("ok")));
    let whole = exported(&program, "csv");
    for id in [refused, missing] {
        retry(&server, &token, &id).await;
        let export = until(&server, &token, &id, is("COMPLETE")).await;
        check(&server, &token, &export, &whole).await;
    }
    until_left(&store, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_whose_server_ends_in_the_middle_of_a_file_gets_it_when_it_is_back() {
    let program = Program::new();
    fleet(&program);
    let token = program.token("acme", "support");
    let mut s3 = S3Server::start().await;
    let store = Store::Bucket(s3.bucket());
    let server = serve(&program, &store, &[]).await;
    let id = ask(&server, &token, "CSV").await;
    // As soon as it gets the first part, beside what says that there are parts.
    let begun = timeout(PATIENCE, async {
        while store.files().len() < 2 {
            sleep(Duration::from_millis(1)).await;
        }
    });
    begun.await.expect("a part");
    s3.kill();
    until(&server, &token, &id, |export| {
        assert_eq!(export["manifest"], Value::Null, "{export}");
        export["attempts"] == 2
    })
    .await;
    assert_eq!(
        readiness(&server).await,
        (StatusCode::OK, json!("degraded"))
    );
    s3.restart().await;
    let export = until(&server, &token, &id, is("COMPLETE")).await;
    check(&server, &token, &export, &exported(&program, "csv")).await;
    // What this server was receiving when it was killed it does not give back: other tests have such parts.
    let ended = store.files().into_iter().filter(|path| {
        let path = path.to_string_lossy();
        !path.contains("/.mpus-")
    });
    assert_eq!(ended.count(), 2, "{:?}", store.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_whose_middle_postgres_starts_again_is_done_once() {
    let mut engines = OwnEngines::start().await;
    let program = engines.program();
    fleet(&program);
    let token = program.token("acme", "support");
    let whole = exported(&program, "csv");
    let store = Store::folder(&program);
    let server = serve(&program, &store, &[SOON]).await;
    for _ in 0..3 {
        let id = ask(&server, &token, "CSV").await;
        until(&server, &token, &id, |export| export["rowsDone"] != "0").await;
        engines.kill_and_restart().await;
        let export = until_again(&server, &token, &id).await;
        check(&server, &token, &export, &whole).await;
    }
    let _last = serve(&program, &store, &[]).await;
    until_left(&store, 3).await;
}

/// Waits until a job is complete, whoever does not answer meanwhile.
async fn until_again(server: &Server, token: &str, id: &str) -> Value {
    let url = format!("{}/api/v1/exports/{id}", server.url);
    let waited = timeout(PATIENCE, async {
        loop {
            let (status, _, body) = sent(client().get(&url).bearer_auth(token)).await;
            let export: Value = serde_json::from_slice(&body).expect("JSON");
            if status == StatusCode::OK && export["state"] == "COMPLETE" {
                return export;
            }
            assert!(
                status == StatusCode::SERVICE_UNAVAILABLE || export["state"] != "FAILED",
                "{export}"
            );
            sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.expect("it is done")
}
