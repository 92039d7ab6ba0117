//! Whoever takes a file slowly holds up the statement that it comes from.

use exports::{DataSet, Export, Format, Request};
use futures::join;
use tokio::io::{AsyncReadExt as _, duplex};

use crate::world::{ADMIN, QUESTION, World};

/// Records whose file is larger than all that is on its way between three programs.
const RECORDS: usize = 60_000;

/// What the sink takes before somebody reads it.
const TAKEN: usize = 64 << 10;

impl World {
    /// Many more records of one SIM, each with a name that nothing makes smaller.
    fn many_records(&self) {
        self.clickhouse.run(&format!(
            "INSERT INTO cdr (tenant, customer, sim, device, network, rat, service, source, record_id, identity, start, end,
                 bytes_up, bytes_down, units, sign, batch, received_at, apply_by)
             SELECT tenant, customer, sim, device, network, rat, service, source, hex(randomString(1000)), generateUUIDv4(), start, end,
                 bytes_up, bytes_down, units, sign, batch, received_at, now() + 600
             FROM (SELECT * FROM cdr WHERE source = 'alpha-gateway' LIMIT 1) AS one, numbers({RECORDS}) AS n"
        ));
    }

    /// Statements that run in the usage store.
    fn running(&self) -> String {
        let statement = format!(
            "SELECT count() FROM system.processes WHERE current_database = '{}' AND query NOT LIKE '%system.processes%'",
            self.clickhouse.database()
        );
        self.clickhouse.run(&statement).trim().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_nobody_takes_stands_still_in_the_engine_until_somebody_does() {
    let world = World::new().await;
    world.many_records();
    let session = world.session(ADMIN).await;
    let request = Request::parse(DataSet::Records, Some(QUESTION)).expect("a request");
    let export = Export {
        session: &session,
        request: &request,
        form: Format::Ndjson.into(),
    };
    let (mut sink, mut taken) = duplex(TAKEN);
    let slow = async {
        let written = export.write(&mut sink, |_| ()).await;
        drop(sink);
        written.expect("a file")
    };
    let others = async {
        // It has begun.
        let mut file = vec![0; 1];
        taken.read_exact(&mut file).await.expect("a byte");
        // Meanwhile others have all of the same rows, one after the other: so long it would have had time for them, too.
        let mut whole = Vec::new();
        for _ in 0..2 {
            whole.clear();
            let written = export.write(&mut whole, |_| ()).await;
            assert!(written.expect("a file").contents.rows > RECORDS as u64);
        }
        assert_eq!(world.running(), "1", "it stands still, and goes on");
        taken.read_to_end(&mut file).await.expect("the rest");
        assert!(file == whole, "{} of {} bytes", file.len(), whole.len());
    };
    let (manifest, ()) = join!(slow, others);
    assert!(manifest.bytes > 2_000 * RECORDS as u64);
}
