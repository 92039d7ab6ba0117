//! Jobs: whose turn it is, who has one, and what becomes of it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta};
use domain::{
    Code, Db, FixedClock, Result, Role, Scope, WriteCx,
    id::{JobId, TenantId},
    identity::{Known, VerifiedClaims},
    job::{
        self, Claim, End, Job, JobFilter, JobKind, JobState, Lease, Made, NewJob, Progress, Terms,
    },
    list::{List as _, Order},
    paging::PageRequest,
    tenant::{self, NewTenant},
};
use futures::{StreamExt as _, stream};
use serde_json::json;
use testkit::PostgresDb;

const TERMS: Terms = Terms {
    lease: Duration::from_hours(1),
    per_tenant: 2,
    attempts: 3,
};

/// Whoever has a job has lost it at once.
const SILENT: Terms = Terms {
    lease: Duration::ZERO,
    ..TERMS
};

struct Fixture {
    postgres: PostgresDb,
    db: Db,
    known: Known,
}

impl Fixture {
    async fn new(tenants: &[&str]) -> Self {
        let postgres = testkit::postgres();
        let now = DateTime::from_timestamp(1_795_000_000, 0).expect("a date");
        let clock = Arc::new(FixedClock(now));
        let db = Db::connect(postgres.url(), 8, clock).await;
        let fixture = Self {
            postgres,
            db: db.expect("connected"),
            known: Known::default(),
        };
        for slug in tenants {
            let cx = fixture.db.system().await.expect("opened");
            let new = NewTenant {
                slug: (*slug).into(),
                name: (*slug).into(),
                simulated: false,
            };
            tenant::create(&cx, new).await.expect("created");
            cx.commit().await.expect("committed");
        }
        fixture
    }

    fn claims(tenant: &str, subject: &str, role: Role) -> VerifiedClaims {
        VerifiedClaims::new(subject.into(), tenant.into(), role, None).expect("claims")
    }

    async fn scope(&self, claims: &VerifiedClaims) -> Scope {
        let cx = self.known.open(&self.db, claims).await.expect("known");
        cx.scope().clone()
    }

    async fn write(&self, claims: &VerifiedClaims) -> WriteCx {
        let scope = self.scope(claims).await;
        self.db.write(&scope).await.expect("opened")
    }

    async fn ask_as(&self, claims: VerifiedClaims, name: &str, quota: u64) -> Result<Job> {
        job::create(self.write(&claims).await, new(claims, name, quota)).await
    }

    async fn ask(&self, tenant: &str, name: &str) -> Job {
        let claims = Self::claims(tenant, "eve", Role::Support);
        self.ask_as(claims, name, u64::MAX).await.expect("made")
    }

    async fn get(&self, claims: &VerifiedClaims, id: JobId) -> Result<Job> {
        let scope = self.scope(claims).await;
        job::get(&self.db.read(&scope).await.expect("opened"), id).await
    }

    async fn claim(&self, terms: Terms) -> Option<Claim> {
        let system = self.db.system().await.expect("opened");
        let claim = job::claim(system, JobKind::Export, terms).await;
        claim.expect("an answer")
    }

    async fn end(&self, claim: &Claim, end: &End) -> bool {
        let system = self.db.system().await.expect("opened");
        let ended = job::end(system, claim.lease, end).await;
        ended.expect("an answer")
    }

    async fn beat(&self, claim: &Claim, rows: u64) -> bool {
        let system = self.db.system().await.expect("opened");
        let progress = Progress {
            rows,
            expected: Some(200),
        };
        let kept = job::beat(system, claim.lease, progress, TERMS).await;
        kept.expect("an answer")
    }

    async fn made(&self, claim: &Claim, place: &str) -> End {
        End::Complete(Made {
            quota: u64::MAX,
            result: json!({ "sha256": "x" }),
            place: place.into(),
            bytes: 10,
            expires_at: self.db.clock().now() + TimeDelta::days(1),
            rights: self.scope(&claim.asker.claims).await.rights(),
            rows: 200,
        })
    }
}

fn new(claims: VerifiedClaims, name: &str, quota: u64) -> NewJob {
    NewJob {
        kind: JobKind::Export,
        name: name.into(),
        request: json!({ "what": name }),
        claims,
        quota,
    }
}

fn eve(tenant: &str) -> VerifiedClaims {
    Fixture::claims(tenant, "eve", Role::Support)
}

#[tokio::test]
async fn tenants_take_turns_and_have_so_many_jobs_at_the_same_time() {
    let fixture = Fixture::new(&["alpha", "beta"]).await;
    for name in ["a1", "a2", "a3"] {
        fixture.ask("alpha", name).await;
    }
    fixture.ask("beta", "b1").await;
    let mut begun = Vec::new();
    while let Some(claim) = fixture.claim(TERMS).await {
        begun.push(claim);
    }
    let names: Vec<&str> = begun.iter().map(|claim| claim.name.as_str()).collect();
    assert_eq!(names, ["a1", "b1", "a2"], "the third of alpha waits");
    let failed = End::Fail(Code::Internal, "internal error".into());
    assert!(fixture.end(&begun[0], &failed).await);
    assert_eq!(fixture.claim(TERMS).await.expect("the last").name, "a3");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_end_at_the_same_time_keep_to_what_the_tenant_may_keep() {
    let fixture = Arc::new(Fixture::new(&["alpha"]).await);
    let terms = Terms {
        per_tenant: 8,
        ..TERMS
    };
    let (mut ends, mut ids) = (Vec::new(), Vec::new());
    for n in 0..8 {
        ids.push(fixture.ask("alpha", &format!("a{n}")).await.id);
        let claim = fixture.claim(terms).await.expect("a job");
        let End::Complete(made) = fixture.made(&claim, &format!("place-{n}")).await else {
            panic!("it is made");
        };
        // Room for three of ten bytes each.
        ends.push((claim, End::Complete(Made { quota: 35, ..made })));
    }
    let ends = ends.into_iter().map(|(claim, end)| {
        let fixture = fixture.clone();
        tokio::spawn(async move { fixture.end(&claim, &end).await })
    });
    let ended = futures::future::join_all(ends).await;
    let kept = ended
        .into_iter()
        .filter(|is_kept| *is_kept.as_ref().expect("ran"));
    assert_eq!(kept.count(), 3);
    let (mut kept, mut refused) = (0, 0);
    for id in ids {
        let job = fixture.get(&eve("alpha"), id).await.expect("a job");
        match job.failure {
            Some(failure) => {
                assert_eq!((failure.code, job.place), (Code::LimitExceeded, None));
                refused += 1;
            }
            None => kept += job.bytes,
        }
    }
    assert_eq!((kept, refused), (30, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_claims_at_the_same_time_gets_other_jobs() {
    let fixture = Arc::new(Fixture::new(&["alpha", "beta", "gamma"]).await);
    for tenant in ["alpha", "beta", "gamma"] {
        for n in 0..6 {
            fixture.ask(tenant, &format!("{tenant}{n}")).await;
        }
    }
    let claims = (0..12).map(|_| {
        let fixture = fixture.clone();
        tokio::spawn(async move { fixture.claim(TERMS).await })
    });
    let mut by_tenant: HashMap<String, Vec<String>> = HashMap::new();
    for claim in futures::future::join_all(claims).await {
        if let Some(claim) = claim.expect("ran") {
            let tenant = claim.asker.claims.tenant().to_owned();
            by_tenant.entry(tenant).or_default().push(claim.name);
        }
    }
    assert_eq!(by_tenant.len(), 3);
    for (tenant, names) in by_tenant {
        let first = [format!("{tenant}0"), format!("{tenant}1")];
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(first.iter().all(|name| names.contains(name)), "{names:?}");
    }
}

#[tokio::test]
async fn what_is_given_back_waits_and_was_no_attempt() {
    let fixture = Fixture::new(&["alpha"]).await;
    let id = fixture.ask("alpha", "one").await.id;
    for _ in 0..2 * TERMS.attempts {
        let claim = fixture.claim(TERMS).await.expect("a job");
        assert_eq!(claim.attempts, 1);
        assert!(fixture.end(&claim, &End::Back(Duration::ZERO)).await);
    }
    let claim = fixture.claim(TERMS).await.expect("a job");
    let later = End::Back(Duration::from_hours(1));
    assert!(fixture.end(&claim, &later).await);
    assert!(fixture.claim(TERMS).await.is_none(), "it waits");
    let job = fixture.get(&eve("alpha"), id).await.expect("a job");
    assert_eq!((job.state, job.attempts), (JobState::Queued, 0));
}

#[tokio::test]
async fn what_is_of_tenants_that_are_not_here_is_not_called_abandoned() {
    let fixture = Fixture::new(&["alpha"]).await;
    fixture.ask("alpha", "one").await;
    let claim = fixture.claim(TERMS).await.expect("a job");
    let older = Lease {
        fence: claim.lease.fence - 1,
        ..claim.lease
    };
    let elsewhere = Lease {
        tenant: TenantId::new(claim.lease.job.uuid()),
        ..claim.lease
    };
    let system = fixture.db.system().await.expect("opened");
    let abandoned = job::abandoned(&system, &[claim.lease, older, elsewhere]).await;
    let abandoned = abandoned.expect("an answer");
    assert_eq!(abandoned.len(), 1);
    assert_eq!(abandoned[0].fence, older.fence);
}

#[tokio::test]
async fn who_is_silent_loses_a_job_and_nothing_counts_that_comes_from_it_later() {
    let fixture = Fixture::new(&["alpha"]).await;
    let id = fixture.ask("alpha", "one").await.id;
    let first = fixture.claim(SILENT).await.expect("a job");
    let second = fixture.claim(TERMS).await.expect("the same job");
    assert_eq!((first.lease.job, second.lease.job), (id, id));
    assert!(second.lease.fence > first.lease.fence);
    assert!(fixture.claim(TERMS).await.is_none(), "somebody is at it");
    assert!(!fixture.beat(&first, 1).await);
    let stale = fixture.made(&first, "first").await;
    assert!(!fixture.end(&first, &stale).await);
    assert!(fixture.beat(&second, 50).await);
    let job = fixture.get(&eve("alpha"), id).await.expect("a job");
    assert_eq!((job.state, job.percent()), (JobState::Running, Some(25)));
    assert_eq!((job.attempts, job.place), (2, None));
    let made = fixture.made(&second, "second").await;
    assert!(fixture.end(&second, &made).await);
    let job = fixture.get(&eve("alpha"), id).await.expect("a job");
    assert_eq!((job.state, job.percent()), (JobState::Complete, Some(100)));
    assert_eq!((job.place.as_deref(), job.bytes), (Some("second"), 10));
    let system = fixture.db.system().await.expect("opened");
    let abandoned = job::abandoned(&system, &[first.lease, second.lease]).await;
    assert_eq!(abandoned.expect("known"), [first.lease]);
    assert!(!fixture.end(&second, &made).await, "it is over");
}

#[tokio::test]
async fn a_job_that_ends_processes_is_given_up_and_one_that_waits_waits() {
    let fixture = Fixture::new(&["alpha"]).await;
    let id = fixture.ask("alpha", "one").await.id;
    let waits = fixture.claim(TERMS).await.expect("a job");
    let again = End::Again(Duration::from_hours(1));
    assert!(fixture.end(&waits, &again).await);
    assert!(fixture.claim(TERMS).await.is_none(), "not before an hour");
    fixture.postgres.run("UPDATE job SET not_before = NULL");
    for attempt in 2..=3 {
        let claim = fixture.claim(SILENT).await.expect("a job");
        assert_eq!(claim.attempts, attempt);
    }
    assert!(fixture.claim(SILENT).await.is_none());
    let job = fixture.get(&eve("alpha"), id).await.expect("a job");
    let failure = job.failure.expect("a failure");
    assert_eq!(
        (job.state, failure.code),
        (JobState::Failed, Code::Unavailable)
    );
    assert!(
        failure.message.contains("broken off 3 times"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn what_is_cancelled_is_lost_to_whoever_does_it_and_can_be_asked_for_again() {
    let fixture = Fixture::new(&["alpha"]).await;
    let id = fixture.ask("alpha", "one").await.id;
    let (eve, admin) = (
        eve("alpha"),
        Fixture::claims("alpha", "adam", Role::TenantAdmin),
    );
    let code = |result: Result<Job>| result.map(|job| job.state).map_err(|error| error.code());
    let retry = async |claims: &VerifiedClaims| {
        let cx = fixture.write(claims).await;
        code(job::retry(cx, id, claims.clone(), u64::MAX).await)
    };
    assert_eq!(retry(&eve).await, Err(Code::Conflict), "it did not fail");
    let claim = fixture.claim(TERMS).await.expect("a job");
    let cancelled = job::cancel(fixture.write(&admin).await, id).await;
    assert_eq!(code(cancelled), Ok(JobState::Cancelled));
    assert!(!fixture.beat(&claim, 1).await);
    let made = fixture.made(&claim, "late").await;
    assert!(!fixture.end(&claim, &made).await);
    let again = job::cancel(fixture.write(&eve).await, id).await;
    assert_eq!(code(again), Err(Code::Conflict));
    assert_eq!(retry(&admin).await, Err(Code::Forbidden));
    assert_eq!(retry(&eve).await, Ok(JobState::Queued));
    let next = fixture.claim(TERMS).await.expect("the job");
    assert_eq!(next.attempts, 1);
    assert!(next.lease.fence > claim.lease.fence);
}

#[tokio::test]
async fn jobs_are_of_whoever_asked_and_of_those_who_look_after_the_tenant() {
    let fixture = Fixture::new(&["alpha", "beta"]).await;
    let id = fixture.ask("alpha", "one").await.id;
    let count = async |claims: &VerifiedClaims| {
        let scope = fixture.scope(claims).await;
        let cx = fixture.db.read(&scope).await.expect("opened");
        let page = PageRequest::relay(Some(10), None, None, None).expect("a page");
        let page = Job::page(&cx, &JobFilter::default(), Order::default(), &page).await;
        page.map(|page| page.rows.len())
            .map_err(|error| error.code())
    };
    for (tenant, subject, role, seen) in [
        ("alpha", "eve", Role::Support, Ok(1)),
        ("alpha", "mallory", Role::Support, Ok(0)),
        ("alpha", "adam", Role::TenantAdmin, Ok(1)),
        ("beta", "eve", Role::Support, Ok(0)),
        ("beta", "adam", Role::TenantAdmin, Ok(0)),
        ("alpha", "eve", Role::Ingest, Err(Code::Forbidden)),
    ] {
        let claims = Fixture::claims(tenant, subject, role);
        assert_eq!(count(&claims).await, seen, "{tenant} {subject}");
        let got = fixture.get(&claims, id).await.is_ok();
        assert_eq!(got, seen == Ok(1), "{tenant} {subject}");
        if seen == Ok(0) {
            let cancelled = job::cancel(fixture.write(&claims).await, id).await;
            let code = cancelled.map_err(|error| error.code()).map(|_| ());
            assert_eq!(code, Err(Code::NotFound), "{tenant} {subject}");
        }
    }
}

#[tokio::test]
async fn a_tenant_has_so_many_open_jobs_and_keeps_so_many_bytes() {
    let fixture = Fixture::new(&["alpha", "beta"]).await;
    for n in 0..job::OPEN {
        fixture.ask("alpha", &n.to_string()).await;
    }
    let refused = fixture.ask_as(eve("alpha"), "more", u64::MAX).await;
    let refused = refused.expect_err("too many");
    assert_eq!(refused.code(), Code::LimitExceeded);
    fixture.ask("beta", "one").await;
    let claim = async {
        loop {
            let claim = fixture.claim(TERMS).await.expect("a job");
            if claim.name == "one" {
                return claim;
            }
        }
    };
    let claim = claim.await;
    let made = fixture.made(&claim, "there").await;
    assert!(fixture.end(&claim, &made).await);
    assert!(fixture.ask_as(eve("beta"), "fits", 11).await.is_ok());
    let refused = fixture.ask_as(eve("beta"), "more", 10).await;
    assert_eq!(
        refused.map_err(|error| error.code()).err(),
        Some(Code::LimitExceeded)
    );
    // What is gone is not kept.
    let system = fixture.db.system().await.expect("opened");
    let forgotten = job::forget(system, claim.lease.tenant, claim.lease.job).await;
    forgotten.expect("forgotten");
    assert!(fixture.ask_as(eve("beta"), "more", 10).await.is_ok());
    let job = fixture
        .get(&eve("beta"), claim.lease.job)
        .await
        .expect("a job");
    assert_eq!((job.state, job.place), (JobState::Complete, None));
}

/// As many as a tenant's clients can send, with hundreds of them waiting for a connection at any time.
#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_that_are_asked_for_at_once_there_are_as_many_as_may_be_open() {
    let fixture = Arc::new(Fixture::new(&["alpha"]).await);
    let scope = fixture.scope(&eve("alpha")).await;
    let asked = (0..10_000).map(|n: u32| {
        let (fixture, scope) = (fixture.clone(), scope.clone());
        async move {
            let asked = tokio::spawn(async move {
                let cx = fixture.db.write(&scope).await?;
                job::create(cx, new(eve("alpha"), &n.to_string(), u64::MAX)).await
            });
            asked.await.expect("ran").map_err(|error| error.code())
        }
    });
    // All of them at the same time would find no connection in time.
    let asked = stream::iter(asked).buffer_unordered(500);
    let (mut made, mut refused) = (0, 0);
    for answer in asked.collect::<Vec<_>>().await {
        match answer {
            Ok(_) => made += 1,
            Err(code) => {
                assert_eq!(code, Code::LimitExceeded);
                refused += 1;
            }
        }
    }
    assert_eq!((made, refused), (job::OPEN, 10_000 - job::OPEN));
    let kept = "SELECT count(*)::text FROM job WHERE state = 'QUEUED'";
    assert_eq!(fixture.postgres.texts(kept), [made.to_string()]);
}

#[tokio::test]
async fn whoever_stands_still_while_it_changes_a_job_holds_nobody_up_for_long() {
    let fixture = Fixture::new(&["alpha"]).await;
    fixture.ask("alpha", "one").await;
    fixture.postgres.run(
        "CREATE TABLE noted (silence text);
         GRANT INSERT ON noted TO simcube_system;
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO noted VALUES (current_setting('idle_in_transaction_session_timeout')); RETURN NULL; END $$;
         CREATE TRIGGER noting AFTER UPDATE ON job FOR EACH STATEMENT EXECUTE FUNCTION note()",
    );
    let claim = fixture.claim(TERMS).await.expect("a job");
    assert!(fixture.beat(&claim, 1).await);
    let made = fixture.made(&claim, "there").await;
    assert!(fixture.end(&claim, &made).await);
    let noted = fixture.postgres.texts("SELECT silence FROM noted");
    // A claim looks first for jobs that are to be given up.
    assert_eq!(noted, ["10s"; 4]);
}
