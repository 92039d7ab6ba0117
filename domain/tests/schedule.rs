//! Schedules: which months become jobs, when, and how often.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Clock, Code, Db, Result, Role, Scope, WriteCx,
    id::JobId,
    identity::{Known, VerifiedClaims},
    job::{self, End, Job, JobCondition, JobFilter, JobKind, Made, Terms},
    list::{List as _, Order},
    paging::PageRequest,
    schedule::{self, NewSchedule, Schedule, ScheduleFilter, SchedulePatch},
    tenant::{self, NewTenant},
};
use serde_json::json;
use testkit::PostgresDb;

const LATE: TimeDelta = TimeDelta::hours(24);

/// A clock that stands still until it is moved.
struct StandingClock(Mutex<DateTime<Utc>>);

impl Clock for StandingClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment")
}

struct Fixture {
    postgres: PostgresDb,
    clock: Arc<StandingClock>,
    db: Db,
}

impl Fixture {
    /// Two tenants, in the middle of September.
    async fn new() -> Self {
        let postgres = testkit::postgres();
        let clock = Arc::new(StandingClock(Mutex::new(at("2026-09-15T12:00:00Z"))));
        let db = Db::connect(postgres.url(), 8, clock.clone()).await;
        let db = db.expect("connected");
        for slug in ["alpha", "beta"] {
            let cx = db.system().await.expect("opened");
            let new = NewTenant {
                slug: slug.into(),
                name: slug.into(),
                simulated: false,
            };
            tenant::create(&cx, new).await.expect("created");
            cx.commit().await.expect("committed");
        }
        Self {
            postgres,
            clock,
            db,
        }
    }

    /// Another process, with a clock of its own that shows the same.
    async fn another(&self) -> Db {
        let clock = StandingClock(Mutex::new(self.clock.now()));
        let db = Db::connect(self.postgres.url(), 8, Arc::new(clock)).await;
        db.expect("connected")
    }

    fn move_to(&self, moment: &str) {
        *self.clock.0.lock().unwrap_or_else(PoisonError::into_inner) = at(moment);
    }

    async fn scope(&self, tenant: &str, subject: &str, role: Role) -> Scope {
        let known = Known::default();
        let cx = known.open(&self.db, &claims(tenant, subject, role)).await;
        cx.expect("known").scope().clone()
    }

    async fn write(&self, tenant: &str) -> WriteCx {
        let scope = self.scope(tenant, "adam", Role::TenantAdmin).await;
        self.db.write(&scope).await.expect("opened")
    }

    async fn try_create(&self, tenant: &str, name: &str, zone: &str) -> Result<Schedule> {
        let new = NewSchedule {
            kind: JobKind::Export,
            name: name.into(),
            request: json!({ "what": name }),
            zone: zone.parse().expect("a zone"),
            claims: claims(tenant, "adam", Role::TenantAdmin),
        };
        schedule::create(self.write(tenant).await, new).await
    }

    async fn create(&self, name: &str, zone: &str) -> Schedule {
        let made = self.try_create("alpha", name, zone).await;
        made.expect("a schedule")
    }

    /// Every export of a tenant, oldest first.
    async fn jobs(&self, filter: JobFilter) -> Vec<Job> {
        let scope = self.scope("alpha", "anna", Role::TenantAdmin).await;
        let cx = self.db.read(&scope).await.expect("opened");
        let page = PageRequest::relay(Some(200), None, None, None).expect("a page");
        let page = Job::page(&cx, &filter, Order::default(), &page).await;
        let rows = page.expect("jobs").rows.into_iter();
        rows.map(|(_, job)| job).collect()
    }
}

fn claims(tenant: &str, subject: &str, role: Role) -> VerifiedClaims {
    VerifiedClaims::new(subject.into(), tenant.into(), role, None).expect("claims")
}

/// Makes what is due; the months, as `name 2026-09`.
async fn look(db: &Db) -> Vec<String> {
    let (mut made, mut place) = (Vec::new(), None);
    loop {
        let cx = db.system().await.expect("opened");
        let due = schedule::next(&cx, JobKind::Export, LATE, place).await;
        let Some(due) = due.expect("an answer") else {
            return made;
        };
        place = Some(due.place);
        let name = due.request["what"].as_str().expect("a name").to_owned();
        let request = json!({ "of": due.month.to_string() });
        let job = schedule::make(cx, &due, request, LATE).await;
        if job.expect("an answer").is_some() {
            made.push(format!("{name} {}", due.month));
        }
    }
}

#[tokio::test]
async fn a_month_is_made_once_when_it_has_ended_in_its_zone_and_what_is_late_has_come() {
    let fixture = Fixture::new().await;
    fixture.create("berlin", "Europe/Berlin").await;
    fixture.create("utc", "UTC").await;
    fixture.create("auckland", "Pacific/Auckland").await;
    let by_hand = [
        ("2026-10-01T11:00:00Z", "auckland 2026-09"),
        ("2026-10-01T22:00:00Z", "berlin 2026-09"),
        ("2026-10-02T00:00:00Z", "utc 2026-09"),
        ("2026-11-01T11:00:00Z", "auckland 2026-10"),
        // Summer time has ended since.
        ("2026-11-01T23:00:00Z", "berlin 2026-10"),
        ("2026-11-02T00:00:00Z", "utc 2026-10"),
        ("2027-01-01T23:00:00Z", "berlin 2026-12"),
        ("2027-03-01T23:00:00Z", "berlin 2027-02"),
        // It has begun again.
        ("2027-04-01T22:00:00Z", "berlin 2027-03"),
    ];
    for (moment, month) in by_hand {
        let before = at(moment) - TimeDelta::seconds(1);
        fixture.move_to(&before.to_rfc3339());
        let early = look(&fixture.db).await;
        assert!(
            !early.iter().any(|made| made == month),
            "{month}: {early:?}"
        );
        fixture.move_to(moment);
        assert_eq!(look(&fixture.db).await, [month], "{moment}");
        assert!(look(&fixture.db).await.is_empty(), "{month} again");
    }
}

#[tokio::test]
async fn a_job_of_a_month_asks_for_it_in_the_name_of_whoever_made_the_schedule() {
    let fixture = Fixture::new().await;
    let schedule = fixture.create("bills", "Europe/Berlin").await;
    assert_eq!(schedule.next.to_string(), "2026-09");
    let due = at("2026-10-01T22:00:00Z");
    assert_eq!(schedule.due_at(LATE), Some(due));
    fixture.move_to("2026-10-03T00:00:00Z");
    look(&fixture.db).await;
    let by_schedule = |id| fixture.jobs(JobCondition::Schedules(vec![id]).into());
    let jobs = by_schedule(schedule.id).await;
    let [job] = &jobs[..] else {
        panic!("{jobs:?}");
    };
    assert_eq!(job.name, "bills 2026-09");
    assert_eq!(job.request, json!({ "of": "2026-09" }));
    assert_eq!(
        (job.schedule, job.requested_by.as_str()),
        (Some(schedule.id), "adam")
    );
    assert_eq!(job.created_at, at("2026-10-03T00:00:00Z"));
    assert_eq!(job.asker.claims, claims("alpha", "adam", Role::TenantAdmin));
    let asked = fixture
        .postgres
        .texts("SELECT actor || ' ' || action || ' ' || (detail ->> 'name') FROM audit WHERE action LIKE 'job.%'");
    assert_eq!(asked, ["schedule job.request bills 2026-09"]);
    // Any administrator has it, and nobody else: not even its maker as somebody else.
    for (subject, role, is_of) in [
        ("anna", Role::TenantAdmin, true),
        ("adam", Role::TenantAdmin, true),
        ("adam", Role::Support, false),
        ("anna", Role::Viewer, false),
    ] {
        let scope = fixture.scope("alpha", subject, role).await;
        assert_eq!(job.is_of(&scope), is_of, "{subject} {role}");
    }
    // It is kept until the same month of next year is made, however short files are kept.
    let system = fixture.db.system().await.expect("opened");
    let terms = Terms {
        lease: Duration::from_hours(1),
        per_tenant: 2,
        attempts: 3,
    };
    let claim = job::claim(system, JobKind::Export, terms).await;
    let claim = claim.expect("an answer").expect("a job");
    assert_eq!(claim.schedule, Some(schedule.id));
    let made = |days| {
        End::Complete(Made {
            quota: u64::MAX,
            result: json!({}),
            place: "there".into(),
            bytes: 1,
            expires_at: fixture.clock.now() + TimeDelta::days(days),
            rights: claim.asker.rights.clone(),
            rows: 1,
        })
    };
    let system = fixture.db.system().await.expect("opened");
    assert!(
        job::end(system, claim.lease, &made(30))
            .await
            .expect("ended")
    );
    let jobs = by_schedule(schedule.id).await;
    assert_eq!(jobs[0].expires_at, Some(at("2027-10-01T22:00:00Z")));
}

#[tokio::test]
async fn what_nobody_was_there_to_make_is_made_afterwards_oldest_first_and_at_most_a_year_of_it() {
    let fixture = Fixture::new().await;
    fixture.create("a", "UTC").await;
    fixture.move_to("2026-10-20T00:00:00Z");
    assert_eq!(look(&fixture.db).await, ["a 2026-09"]);
    fixture.create("b", "Europe/Berlin").await;
    fixture.move_to("2027-01-15T00:00:00Z");
    let missed = [
        "b 2026-10",
        "a 2026-10",
        "b 2026-11",
        "a 2026-11",
        "b 2026-12",
        "a 2026-12",
    ];
    assert_eq!(look(&fixture.db).await, missed);
    // Two years later, twelve of each are made; a month whose late records still come is not one of them.
    fixture.move_to("2029-01-01T12:00:00Z");
    let made = look(&fixture.db).await;
    let of_a: Vec<&str> = made
        .iter()
        .filter_map(|made| made.strip_prefix("a "))
        .collect();
    assert_eq!((made.len(), of_a.len()), (24, 12), "{made:?}");
    assert_eq!((of_a[0], of_a[11]), ("2027-12", "2028-11"));
    assert!(of_a.is_sorted());
    assert!(look(&fixture.db).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_look_at_the_same_time_make_each_month_once() {
    let fixture = Fixture::new().await;
    for (name, zone) in [("a", "UTC"), ("b", "Europe/Berlin"), ("c", "Asia/Kolkata")] {
        fixture.create(name, zone).await;
    }
    fixture.move_to("2027-09-10T00:00:00Z");
    let mut looks = Vec::new();
    for _ in 0..4 {
        let db = fixture.another().await;
        looks.push(tokio::spawn(async move {
            let mut made = look(&db).await;
            made.extend(look(&db).await);
            made
        }));
    }
    let mut made: BTreeMap<String, u32> = BTreeMap::new();
    for look in looks {
        for month in look.await.expect("ran") {
            *made.entry(month).or_default() += 1;
        }
    }
    for month in look(&fixture.db).await {
        *made.entry(month).or_default() += 1;
    }
    assert_eq!(made.len(), 36, "{made:?}");
    assert!(made.values().all(|times| *times == 1), "{made:?}");
    let jobs = fixture.jobs(JobFilter::default()).await;
    assert_eq!(jobs.len(), 36);
}

#[tokio::test]
async fn a_process_that_ends_before_a_job_is_made_leaves_the_month_to_the_next() {
    let fixture = Fixture::new().await;
    let schedule = fixture.create("a", "UTC").await;
    fixture.move_to("2026-10-20T00:00:00Z");
    {
        let cx = fixture.db.system().await.expect("opened");
        let due = schedule::next(&cx, JobKind::Export, LATE, None).await;
        assert!(due.expect("an answer").is_some());
        // Somebody else leaves alone what is being made.
        assert!(look(&fixture.another().await).await.is_empty());
    }
    // Whoever waits for it has it when the other one is gone.
    fixture.postgres.run("SELECT FROM schedule FOR UPDATE");
    assert_eq!(look(&fixture.db).await, ["a 2026-09"]);
    // A schedule that has gone back in time makes nothing twice.
    fixture
        .postgres
        .run("UPDATE schedule SET next_month = '2026-09-01', ends_at = '2026-10-01T00:00:00Z'");
    assert!(look(&fixture.db).await.is_empty());
    let scope = fixture.scope("alpha", "adam", Role::TenantAdmin).await;
    let cx = fixture.db.read(&scope).await.expect("opened");
    let now = schedule::get(&cx, schedule.id).await.expect("a schedule");
    assert_eq!(now.next.to_string(), "2026-10", "and goes on");
}

#[tokio::test]
async fn what_is_off_is_made_when_it_is_on_again_and_what_is_deleted_never() {
    let fixture = Fixture::new().await;
    let [off, gone] = [
        fixture.create("off", "UTC").await.id,
        fixture.create("gone", "UTC").await.id,
    ];
    let set = async |enabled| {
        let patch = SchedulePatch {
            name: Some("on".into()),
            enabled: Some(enabled),
        };
        schedule::update(fixture.write("alpha").await, off, patch).await
    };
    let changed = set(false).await.expect("changed");
    assert_eq!((changed.name.as_str(), changed.enabled), ("on", false));
    assert_eq!(changed.due_at(LATE), None);
    fixture.move_to("2026-10-20T00:00:00Z");
    assert_eq!(look(&fixture.db).await, ["gone 2026-09"]);
    let deleted = schedule::delete(fixture.write("alpha").await, gone).await;
    deleted.expect("deleted");
    fixture.move_to("2026-11-20T00:00:00Z");
    set(true).await.expect("changed");
    assert_eq!(look(&fixture.db).await, ["off 2026-09", "off 2026-10"]);
    let jobs = fixture.jobs(JobFilter::default()).await;
    let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["gone 2026-09", "on 2026-09", "on 2026-10"]);
    assert_eq!(jobs[0].schedule, Some(gone), "its exports stay");
}

#[tokio::test]
async fn schedules_are_of_those_who_look_after_the_tenant() {
    let fixture = Fixture::new().await;
    let id = fixture.create("a", "UTC").await.id;
    for (tenant, role, code) in [
        ("alpha", Role::TenantAdmin, None),
        ("alpha", Role::PlatformAdmin, None),
        ("alpha", Role::Support, Some(Code::Forbidden)),
        ("alpha", Role::Viewer, Some(Code::Forbidden)),
        ("alpha", Role::Ingest, Some(Code::Forbidden)),
        ("beta", Role::TenantAdmin, Some(Code::NotFound)),
    ] {
        let scope = fixture.scope(tenant, "adam", role).await;
        let cx = fixture.db.read(&scope).await.expect("opened");
        let got = schedule::get(&cx, id).await.err().map(|it| it.code());
        assert_eq!(got, code, "{tenant} {role}");
        let all = Schedule::count(&cx, &ScheduleFilter::default()).await;
        let expected = match code {
            None => Ok(1),
            Some(Code::NotFound) => Ok(0),
            Some(code) => Err(code),
        };
        assert_eq!(all.map_err(|it| it.code()), expected);
        let Some(code) = code else { continue };
        let cx = fixture.db.write(&scope).await.expect("opened");
        let patch = SchedulePatch::default();
        let changed = schedule::update(cx, id, patch).await;
        assert_eq!(changed.err().map(|it| it.code()), Some(code));
        let cx = fixture.db.write(&scope).await.expect("opened");
        let deleted = schedule::delete(cx, id).await;
        assert_eq!(deleted.err().map(|it| it.code()), Some(code));
    }
}

#[tokio::test]
async fn a_tenant_has_so_many_schedules_with_names_that_files_can_have() {
    let fixture = Fixture::new().await;
    let long = "x".repeat(92);
    assert!(fixture.try_create("beta", &long, "UTC").await.is_ok());
    for bad in ["", " a", "a/b", "..", &format!("{long}x")] {
        let refused = fixture.try_create("beta", bad, "UTC").await;
        let refused = refused.expect_err("no name");
        assert_eq!(refused.code(), Code::InvalidInput, "{bad}");
        let field = refused.details().and_then(|it| it.field.as_deref());
        assert_eq!(field, Some("name"), "{bad}");
    }
    for n in 0..schedule::MOST {
        fixture.create(&n.to_string(), "UTC").await;
    }
    let refused = fixture.try_create("alpha", "more", "UTC").await;
    let refused = refused.expect_err("too many").code();
    assert_eq!(refused, Code::LimitExceeded);
    assert!(fixture.try_create("beta", "another", "UTC").await.is_ok());
    fixture.move_to("2026-10-20T00:00:00Z");
    assert_eq!(look(&fixture.db).await.len() as u64, schedule::MOST + 2);
    let ids: Vec<JobId> = (fixture.jobs(JobFilter::default()).await.iter())
        .map(|job| job.id)
        .collect();
    assert_eq!(ids.len() as u64, schedule::MOST);
}
