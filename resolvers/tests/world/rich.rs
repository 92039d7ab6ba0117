//! A world in which every field of the contract has a value for somebody: contacts, an archived customer, labels of devices, a
//! menu, SIMs that changed hands, grants, and an intake with its refusals.

use std::io::Cursor;

use analytics::network::Network;
use chrono::TimeDelta;
use domain::{
    Role, Scope,
    customer::{self, ContactPatch, CustomerPatch, NewCustomer},
    fleet,
    grant::{self, GrantTarget},
    id::{BatchId, DeviceId, SimId},
    identifier::Plmn,
    journal::{
        self, Claim, Expected, Kind, Month, NewBatch, NewRejection, Older, Part, RejectionCode,
        Tally,
    },
    label,
    list::{List as _, Order},
    paging::PageRequest,
    sim::{Sim, SimFilter},
    topic::{self, Message, Partition, Passage, Quarantined, Reason, Way},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, POOL, World, iccid};

/// Why Alpha's second batch is not counted.
pub(crate) const REASON: &str = "the usage store refuses it";

/// The prefix of a tenant's serial numbers.
pub(crate) const fn prefix(tenant: &str) -> &'static str {
    // The only difference that a constant function can see.
    match tenant.len() {
        5 => "8944501",
        _ => "8946007",
    }
}

impl World {
    /// Both tenants, with everything that can be told of a fleet.
    pub(crate) async fn rich() -> Self {
        let world = Self::new().await;
        world.networks().await;
        journal::open_month(&world.db, world.now)
            .await
            .expect("a month");
        world.quarantined(&[(7, Reason::InvalidKey)]).await;
        world.by_hand(
            "UPDATE topic_quarantine SET sent_at = received_at + interval '1 second', released_at = received_at + interval '1 hour'",
        );
        for tenant in ["alpha", "beta"] {
            let admin = Caller(tenant, Role::TenantAdmin, None);
            let scope = world.scope(admin).await;
            world.customers(&scope).await;
            world.labels(tenant, &scope).await;
            world.hands(tenant, &scope).await;
            Box::pin(world.grants(admin, &scope)).await;
            Box::pin(world.saved_filters(admin)).await;
            Box::pin(world.exports(admin)).await;
            Box::pin(world.schedules(admin)).await;
            world.notifications(admin);
            world.intake(tenant, &scope, "record-1", false).await;
            world.sessions(&scope).await;
            world.unknown_network(&scope);
            world.retired_source(&scope);
        }
        world
    }

    /// A session of each SIM.
    async fn sessions(&self, admin: &Scope) {
        let cx = self.db.read(admin).await.expect("read");
        let first = PageRequest::first_page();
        let page = Sim::page(&cx, &SimFilter::default(), Order::default(), &first).await;
        let sims = page.expect("sims").rows.into_iter();
        let sims = sims.map(|(_, sim)| (sim.id, sim.customer));
        self.sessions_of(admin.tenant(), sims).await;
    }

    /// The cubes know where their networks are, as the program tells them at its start.
    pub(crate) async fn networks(&self) {
        let network = |plmn: &str, name: &str, country_code: &str| Network {
            plmn: Plmn::parse(plmn).expect("a network"),
            name: name.into(),
            operator: String::new(),
            country_code: country_code.into(),
            country: String::new(),
        };
        let networks = [
            network("238-01", "TDC", "DK"),
            network("262-01", "Telekom", "DE"),
        ];
        let loaded = self.store.load_networks(&networks).await;
        assert_eq!(loaded.expect("loaded"), 2);
    }

    /// A session of a SIM without a customer was in a network that the dictionary does not have.
    fn unknown_network(&self, scope: &Scope) {
        self.clickhouse.run(&format!(
            "INSERT INTO session_year (tenant, period, customer, sim, device, network, rat, records)
             SELECT '{}', '2020-01-01', toUUID('00000000-0000-0000-0000-000000000000'), generateUUIDv4(),
                    toUUID('00000000-0000-0000-0000-000000000000'), '262-99', 'LTE', 1",
            scope.tenant().uuid()
        ));
    }

    /// A source that ended is waited for no more.
    fn retired_source(&self, scope: &Scope) {
        self.postgres.run(&format!(
            "INSERT INTO intake_progress (tenant_id, kind, source, newest_event_at, newest_received_at, retired_at)
             VALUES ('{}', 'CDR', 'old-gateway', '2026-11-20T10:00:00Z', '2026-11-20T10:00:00Z', '2026-11-21T10:00:00Z')",
            scope.tenant().uuid()
        ));
    }

    /// Bosch has somebody to talk to, and a third customer is gone.
    async fn customers(&self, admin: &Scope) {
        let write = async || self.db.write(admin).await.expect("write");
        let cx = write().await;
        let bosch = customer::get_by_slug(&cx, "bosch").await.expect("bosch");
        let tenant = self.slug(admin).await;
        let contact = ContactPatch {
            first_name: Some(Some("Ada".into())),
            last_name: Some(Some("Lovelace".into())),
            email: Some(Some(format!("ada@{tenant}.example"))),
            phone: Some(Some("+49 711 400".into())),
        };
        let patch = CustomerPatch {
            contact,
            ..CustomerPatch::default()
        };
        customer::update(cx, bosch.id, patch)
            .await
            .expect("updated");
        let gone = NewCustomer {
            slug: "gone".into(),
            name: "Gone".into(),
            ..NewCustomer::default()
        };
        let gone = customer::create(write().await, gone)
            .await
            .expect("created");
        let archived = customer::archive(write().await, gone.id, true).await;
        archived.expect("archived");
    }

    async fn slug(&self, scope: &Scope) -> String {
        let cx = self.db.read(scope).await.expect("read");
        domain::tenant::get(&cx).await.expect("the tenant").slug
    }

    /// Every device carries a label that nobody else's does, and locations come from a menu.
    async fn labels(&self, tenant: &'static str, admin: &Scope) {
        let mut csv = String::from("iccid,state,device,device_labels\n");
        for n in 0..7 {
            let iccid = iccid(prefix(tenant), n);
            csv.push_str(&format!(
                "{iccid},ACTIVE,{tenant}-device-{n},rack={tenant}-{n}\n"
            ));
        }
        self.import(admin, csv).await;
        let ask = "{ labelDefinitions(filter: { keys: [\"location\"] }) { nodes { id } } }";
        let admin_caller = Caller(tenant, Role::TenantAdmin, None);
        let found = self.run(admin_caller, ask, json!({})).await;
        let id = found["data"]["labelDefinitions"]["nodes"][0]["id"].as_str();
        let id = id.expect("a definition").parse().expect("an id");
        let menu = vec!["field".to_owned(), "depot".to_owned()];
        let patch = label::LabelDefinitionPatch {
            options: Some(Some(menu)),
        };
        let cx = self.db.write(admin).await.expect("write");
        label::update(cx, id, patch).await.expect("a menu");
    }

    /// The last SIM of Bosch was Dyer's for nine days, with its device.
    async fn hands(&self, tenant: &'static str, admin: &Scope) {
        let iccid = iccid(prefix(tenant), 2);
        let csv = format!(
            "iccid,state,customer,device,valid_from\n\
             {iccid},ACTIVE,Dyer,{tenant}-device-2,2026-11-01\n\
             {iccid},ACTIVE,Bosch,{tenant}-device-2,2026-11-10\n"
        );
        self.import(admin, csv).await;
    }

    pub(crate) async fn import(&self, admin: &Scope, csv: String) {
        let report = fleet::import_file(&self.db, admin, Cursor::new(csv), &self.store, |_| ())
            .await
            .expect("import");
        assert_eq!(report.rejected, 0, "{:?}", report.errors);
    }

    /// The pool sees two devices, and somebody else was granted one of each kind.
    pub(crate) async fn grants(&self, admin: Caller, scope: &Scope) {
        let bosch = {
            let cx = self.db.read(scope).await.expect("read");
            customer::get_by_slug(&cx, "bosch").await.expect("bosch").id
        };
        let ids = self.ids(admin).await;
        let sim = |n: usize| GrantTarget::Sim(id::<SimId>(&ids["sims"]["nodes"][n]));
        let device = |n: usize| GrantTarget::Device(id::<DeviceId>(&ids["devices"]["nodes"][n]));
        let other = vec![GrantTarget::Customer(bosch), sim(0), device(0)];
        for (subject, targets) in [
            (
                Caller(admin.0, POOL.1, POOL.2).subject(),
                vec![device(1), device(4)],
            ),
            ("other".to_owned(), other),
        ] {
            for target in targets {
                let cx = self.db.write(scope).await.expect("write");
                grant::add(cx, &subject, vec![target]).await.expect("grant");
            }
        }
    }

    /// One of each kind.
    async fn saved_filters(&self, admin: Caller) {
        for (name, filter) in [
            ("Active", json!({ "sim": { "states": ["ACTIVE"] } })),
            ("Devices", json!({ "device": { "search": "device" } })),
        ] {
            let input = json!({ "name": name, "filter": filter });
            self.change(admin, "createSavedFilter", input).await;
        }
    }

    /// One of several files, one that is being made, one that is complete and one that failed. No server is there to make them.
    async fn exports(&self, admin: Caller) {
        let records = json!({ "period": { "preset": "LAST_MONTH" } });
        let parted = json!({ "dataSet": { "records": records }, "format": "PARQUET", "name": "All of them", "partitionBy": "MONTH" });
        let input = json!({ "dataSet": { "sims": { "filter": { "states": ["ACTIVE"] } } }, "format": "PARQUET", "name": "All of them" });
        for (input, ended) in [
            (
                &parted,
                "state = 'COMPLETE', ended_at = created_at + interval '1 minute', place = 'somewhere/manifest.json', bytes = 7,
                 expires_at = created_at + interval '30 days',
                 result = '{\"parts\": [{\"path\": \"month=2026-10/records.parquet\", \"rows\": 1, \"bytes\": 7, \"sha256\": \"ab\", \"totals\": {}}]}'",
            ),
            (&input, "state = 'RUNNING', lease_until = 'infinity'"),
            (
                &input,
                "state = 'COMPLETE', ended_at = created_at + interval '1 minute', result = '{\"rows\": 1}', place = 'somewhere/file', bytes = 10,
                 expires_at = created_at + interval '30 days'",
            ),
            (
                &input,
                "state = 'FAILED', ended_at = created_at + interval '1 minute', code = 'UNAVAILABLE', message = 'no space'",
            ),
        ] {
            self.change(admin, "createExport", input.clone()).await;
            self.by_hand(&format!(
                "UPDATE job SET attempts = 1, rows_done = 1, rows_expected = 2, started_at = created_at,
                 heartbeat_at = created_at + interval '1 minute', {ended} WHERE state = 'QUEUED'"
            ));
        }
    }

    /// One that runs, which asked for the export that is being made, and one that is off.
    async fn schedules(&self, admin: Caller) {
        let month = json!({ "period": { "preset": "LAST_MONTH" }, "timeZone": "Europe/Berlin" });
        for (name, data_set) in [
            ("Bills", json!({ "customerUsage": month })),
            ("Trail", json!({ "audit": month })),
        ] {
            let input = json!({ "dataSet": data_set, "format": "XLSX", "name": name });
            self.change(admin, "createExportSchedule", input).await;
        }
        let of = format!("(SELECT tenant_id FROM tenant WHERE slug = '{}')", admin.0);
        self.by_hand(&format!(
            "UPDATE schedule SET enabled = false WHERE name = 'Trail';
             UPDATE job SET schedule_id = schedule.schedule_id, schedule_month = '2026-10-01' FROM schedule
             WHERE job.tenant_id = {of} AND schedule.tenant_id = {of} AND job.state = 'RUNNING' AND schedule.name = 'Bills'"
        ));
    }

    /// The administrator was told of the exports that ended, and has read of the one that is complete.
    fn notifications(&self, admin: Caller) {
        self.by_hand(&format!(
            "INSERT INTO notification (tenant_id, subject, kind, object_id, name, code, created_at, read_at)
             SELECT tenant_id, requested_by, 'EXPORT_' || state, job_id, name, code, ended_at,
                    CASE state WHEN 'COMPLETE' THEN ended_at + interval '1 hour' END
             FROM job WHERE tenant_id = (SELECT tenant_id FROM tenant WHERE slug = '{}') AND state IN ('COMPLETE', 'FAILED')
                AND NOT coalesce(result ? 'parts', false)
             ORDER BY job_id",
            admin.0
        ));
    }

    /// The ids of a tenant's fleet, in the order of its numbers.
    pub(crate) async fn ids(&self, admin: Caller) -> Value {
        let ask = "{ tenant { id } sims(first: 200) { nodes { id iccid } }
            devices(first: 200) { nodes { id name } } customers(first: 200) { nodes { id slug } }
            labelDefinitions(first: 200) { nodes { id key } } ingestBatches(first: 200) { nodes { id } }
            savedFilters(first: 200) { nodes { id } } exports(first: 200) { nodes { id } }
            exportSchedules(first: 200) { nodes { id } } notifications(first: 200) { nodes { id } }
            segmentGrants(subject: \"other\") { id } }";
        self.run(admin, ask, json!({})).await["data"].clone()
    }

    /// What was quarantined is counted after all.
    pub(crate) async fn release(&self, tenant: &'static str) {
        let newest = self.newest_batch(tenant).await;
        let cx = self.db.system().await.expect("system");
        let counted = journal::mark_counted(&cx, &[newest], self.now).await;
        counted.expect("counted");
        cx.commit().await.expect("committed");
    }

    async fn newest_batch(&self, tenant: &'static str) -> BatchId {
        let ids = self.ids(Caller(tenant, Role::TenantAdmin, None)).await;
        id(&ids["ingestBatches"]["nodes"][0])
    }

    /// Messages of a topic that are nobody's, by their offsets.
    pub(crate) async fn quarantined(&self, messages: &[(i64, Reason)]) {
        let quarantined = messages.iter().map(|(offset, reason)| Quarantined {
            message: Message {
                offset: *offset,
                key: Some("nobody".into()),
                payload: "nonsense".into(),
            },
            reason: *reason,
            text: "no card".into(),
        });
        let passage = Passage {
            partition: Partition {
                cluster: "cluster".into(),
                topic: "cdr.records".into(),
                number: 2,
            },
            kind: Kind::Cdr,
            way: Way::Replay,
            tombstones: 0,
            decoded: Vec::new(),
            quarantined: quarantined.collect(),
        };
        let cx = self.db.system().await.expect("system");
        let quarantined: Vec<&Quarantined> = passage.quarantined.iter().collect();
        let filed = topic::file(&cx, &passage, &quarantined, self.now).await;
        filed.expect("filed");
        cx.commit().await.expect("committed");
    }

    /// A batch of two records of which one came again and was refused, and another batch, which
    /// is quarantined if not all is to be counted: none of the tenant's SIMs can change hands then.
    pub(crate) async fn intake(
        &self,
        tenant: &'static str,
        admin: &Scope,
        name: &str,
        is_whole: bool,
    ) {
        let source = format!("{tenant}-gateway");
        let whose = admin.tenant();
        let record_id = |n: u32| format!("{tenant}-{name}-{n}");
        let identity = |n: u32| journal::identity(whose, &source, &record_id(n));
        for (hours, records, refused) in [(2, vec![1, 2], 1_u64), (1, vec![3], 0)] {
            let received_at = self.now - TimeDelta::hours(hours);
            let cx = self.db.system().await.expect("system");
            let month = journal::hold_month(&cx).await.expect("held");
            let month: Month = month.expect("an open month");
            let number = journal::part_sequences(&cx, 1).await.expect("a number")[0];
            let mut part = Part::new(whose, month.part(number));
            let mut claims = Vec::new();
            for n in &records {
                part.add(identity(*n), received_at, [1_000, 10_000, 0]);
                claims.push(Claim {
                    identity: identity(*n),
                    content: 1,
                    part: part.number,
                    event_at: received_at,
                });
            }
            journal::claim(&cx, month, &claims, &Older::new(0), Expected::AllNew)
                .await
                .expect("claimed");
            let accepted = records.len() as u64;
            let tally = Tally {
                tenant: whose,
                source: source.clone(),
                event_hour: journal::hour_of(received_at),
                received: accepted + refused + refused,
                accepted,
                duplicate: refused,
                rejected: refused,
                bytes_up: part.bytes_up,
                bytes_down: part.bytes_down,
                newest_event_at: Some(received_at),
                topic: None,
            };
            let rejections: Vec<NewRejection> = (0..refused)
                .map(|_| NewRejection {
                    tenant: whose,
                    source: source.clone(),
                    identity: Some(identity(1)),
                    record_id: Some(record_id(1)),
                    code: RejectionCode::Conflict,
                    message: "other bytes than before".into(),
                    raw: format!("{{\"source\":\"{source}\"}}"),
                })
                .collect();
            let id = BatchId::new(Uuid::now_v7());
            let batch = NewBatch {
                id,
                rows: accepted,
                encoding: 1,
                payload: b"rows",
                apply_by: received_at,
                parts: &[part],
            };
            journal::record(
                &cx,
                journal::Kind::Cdr,
                Some(batch),
                &[tally],
                &rejections,
                received_at,
            )
            .await
            .expect("recorded");
            let settled = if is_whole || refused > 0 {
                journal::mark_counted(&cx, &[id], received_at).await
            } else {
                journal::quarantine(&cx, id, REASON).await
            };
            settled.expect("settled");
            cx.commit().await.expect("committed");
        }
    }
}

fn id<I: std::str::FromStr>(node: &Value) -> I {
    let id = node["id"].as_str().and_then(|id| id.parse().ok());
    id.unwrap_or_else(|| panic!("no id in {node}"))
}
