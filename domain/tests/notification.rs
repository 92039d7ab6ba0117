//! Notifications: what is told, to whom, and for how long.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Clock, Code, Db, Role, Scope,
    id::NotificationId,
    identity::{Known, VerifiedClaims},
    job::{self, Claim, End, Job, JobKind, Made, NewJob, Terms},
    list::{List as _, Order},
    notification::{
        self, Notification, NotificationCondition, NotificationFilter, NotificationKind, Which,
    },
    paging::PageRequest,
    tenant::{self, NewTenant},
};
use serde_json::json;
use testkit::PostgresDb;

const TERMS: Terms = Terms {
    lease: Duration::from_hours(1),
    per_tenant: 10,
    attempts: 1,
};

/// A clock that stands still until it is moved.
struct StandingClock(Mutex<DateTime<Utc>>);

impl Clock for StandingClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Fixture {
    postgres: PostgresDb,
    clock: Arc<StandingClock>,
    db: Db,
}

type Caller = (&'static str, &'static str, Role);

const EVE: Caller = ("alpha", "eve", Role::Support);
/// The same subject, of another tenant.
const OTHER: Caller = ("beta", "eve", Role::Support);
const ADMIN: Caller = ("alpha", "adam", Role::TenantAdmin);

fn claims((tenant, subject, role): Caller) -> VerifiedClaims {
    VerifiedClaims::new(subject.into(), tenant.into(), role, None).expect("claims")
}

impl Fixture {
    async fn new() -> Self {
        let postgres = testkit::postgres();
        let now = DateTime::from_timestamp(1_795_000_000, 0).expect("a date");
        let clock = Arc::new(StandingClock(Mutex::new(now)));
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

    fn wait(&self, time: TimeDelta) {
        let mut now = self.clock.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now += time;
    }

    async fn scope(&self, caller: Caller) -> Scope {
        let cx = Known::default().open(&self.db, &claims(caller)).await;
        cx.expect("known").scope().clone()
    }

    /// A job that somebody is at.
    async fn begun(&self, caller: Caller, name: &str, terms: Terms) -> (Job, Claim) {
        let cx = self.db.write(&self.scope(caller).await).await;
        let new = NewJob {
            kind: JobKind::Export,
            name: name.into(),
            request: json!({}),
            claims: claims(caller),
            quota: u64::MAX,
        };
        let job = job::create(cx.expect("opened"), new).await.expect("made");
        let system = self.db.system().await.expect("opened");
        let claim = job::claim(system, JobKind::Export, terms).await;
        (job, claim.expect("an answer").expect("a job"))
    }

    async fn end(&self, claim: &Claim, end: End) -> bool {
        let system = self.db.system().await.expect("opened");
        let ended = job::end(system, claim.lease, &end).await;
        ended.expect("an answer")
    }

    fn complete(&self, claim: &Claim) -> End {
        End::Complete(Made {
            quota: u64::MAX,
            result: json!({}),
            place: "there".into(),
            bytes: 1,
            expires_at: self.clock.now() + TimeDelta::days(1),
            rights: claim.asker.rights.clone(),
            rows: 1,
        })
    }

    /// What a caller is told, latest first.
    async fn told(&self, caller: Caller, filter: NotificationFilter) -> Vec<Notification> {
        let cx = self.db.read(&self.scope(caller).await).await;
        let page = PageRequest::relay(None, None, Some(100), None).expect("a page");
        let page = Notification::page(&cx.expect("opened"), &filter, Order::default(), &page).await;
        let rows = page.expect("a page").rows.into_iter();
        rows.map(|(_, notification)| notification).rev().collect()
    }

    async fn mark(&self, caller: Caller, which: Which) -> Result<u64, Code> {
        let cx = self.db.write(&self.scope(caller).await).await;
        let marked = notification::mark_read(cx.expect("opened"), which).await;
        marked.map_err(|error| error.code())
    }
}

fn all() -> NotificationFilter {
    NotificationFilter::default()
}

#[tokio::test]
async fn whoever_asked_for_a_job_is_told_once_how_it_ended_and_nobody_else_is() {
    let fixture = Fixture::new().await;
    let (one, claim) = fixture.begun(EVE, "one", TERMS).await;
    assert!(fixture.told(EVE, all()).await.is_empty(), "nothing ended");
    let made = fixture.complete(&claim);
    assert!(fixture.end(&claim, made.clone()).await);
    assert!(!fixture.end(&claim, made).await, "it is over");
    fixture.wait(TimeDelta::minutes(1));
    let (two, claim) = fixture.begun(EVE, "two", TERMS).await;
    let again = End::Again(Duration::ZERO);
    assert!(fixture.end(&claim, again).await, "more comes of it");
    let system = fixture.db.system().await.expect("opened");
    let claim = job::claim(system, JobKind::Export, TERMS).await;
    let claim = claim.expect("an answer").expect("a job");
    let fail = End::Fail(Code::RightsChanged, "less is open".into());
    assert!(fixture.end(&claim, fail).await);
    let told = fixture.told(EVE, all()).await;
    let of = |notification: &Notification| {
        let Notification {
            kind, name, code, ..
        } = notification;
        (*kind, notification.object(), name.clone(), *code)
    };
    let told: Vec<_> = told.iter().map(of).collect();
    let expected = [
        (
            NotificationKind::ExportFailed,
            two.id.to_string(),
            "two".to_owned(),
            Some(Code::RightsChanged),
        ),
        (
            NotificationKind::ExportComplete,
            one.id.to_string(),
            "one".to_owned(),
            None,
        ),
    ];
    assert_eq!(told, expected);
    for other in [ADMIN, OTHER] {
        assert!(fixture.told(other, all()).await.is_empty(), "{other:?}");
    }
}

#[tokio::test]
async fn a_job_that_is_given_up_is_told_and_one_that_is_cancelled_is_not() {
    let fixture = Fixture::new().await;
    let silent = Terms {
        lease: Duration::ZERO,
        ..TERMS
    };
    fixture.begun(EVE, "given up", silent).await;
    let system = fixture.db.system().await.expect("opened");
    let next = job::claim(system, JobKind::Export, TERMS).await;
    assert!(next.expect("an answer").is_none());
    let told = fixture.told(EVE, all()).await;
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].kind, told[0].code),
        (NotificationKind::ExportFailed, Some(Code::Unavailable))
    );
    let (job, claim) = fixture.begun(EVE, "cancelled", TERMS).await;
    let cx = fixture.db.write(&fixture.scope(EVE).await).await;
    let cancelled = job::cancel(cx.expect("opened"), job.id).await;
    cancelled.expect("cancelled");
    let made = fixture.complete(&claim);
    assert!(!fixture.end(&claim, made).await);
    assert_eq!(fixture.told(EVE, all()).await.len(), 1);
}

#[tokio::test]
async fn a_job_ends_together_with_what_is_told_of_it_or_not_at_all() {
    let fixture = Fixture::new().await;
    let (job, claim) = fixture.begun(EVE, "one", TERMS).await;
    fixture
        .postgres
        .run("ALTER TABLE notification ADD CONSTRAINT nothing CHECK (name <> 'one')");
    let made = fixture.complete(&claim);
    let system = fixture.db.system().await.expect("opened");
    assert!(job::end(system, claim.lease, &made).await.is_err());
    let cx = fixture.db.read(&fixture.scope(EVE).await).await;
    let job = job::get(&cx.expect("opened"), job.id).await.expect("a job");
    assert_eq!(job.state, job::JobState::Running);
}

#[tokio::test]
async fn callers_mark_their_own_and_nobody_elses() {
    let fixture = Fixture::new().await;
    for (caller, name) in [
        (EVE, "one"),
        (EVE, "two"),
        (EVE, "three"),
        (OTHER, "other"),
        (ADMIN, "hers"),
    ] {
        let (_, claim) = fixture.begun(caller, name, TERMS).await;
        let made = fixture.complete(&claim);
        assert!(fixture.end(&claim, made).await);
        fixture.wait(TimeDelta::minutes(1));
    }
    let ids: Vec<NotificationId> = (fixture.told(EVE, all()).await.iter())
        .map(|notification| notification.id)
        .collect();
    let foreign = fixture.told(OTHER, all()).await[0].id;
    for caller in [OTHER, ADMIN] {
        let marked = fixture.mark(caller, Which::Ids(vec![ids[0]])).await;
        assert_eq!(marked, Err(Code::NotFound), "{caller:?}");
    }
    let mixed = Which::Ids(vec![ids[0], foreign]);
    assert_eq!(fixture.mark(EVE, mixed).await, Err(Code::NotFound));
    assert_eq!(fixture.mark(EVE, Which::Ids(Vec::new())).await, Ok(3));
    assert_eq!(fixture.mark(EVE, Which::Ids(vec![ids[1]])).await, Ok(2));
    let first = fixture.told(EVE, all()).await[1].read_at;
    assert_eq!(first, Some(fixture.clock.now()));
    fixture.wait(TimeDelta::minutes(1));
    let unread = NotificationCondition::Unread(true);
    let left = fixture.told(EVE, unread.into()).await;
    assert_eq!(left.len(), 2);
    assert!(
        left.iter()
            .all(|it| it.id != ids[1] && it.read_at.is_none())
    );
    assert_eq!(fixture.mark(EVE, Which::All).await, Ok(0));
    let told = fixture.told(EVE, all()).await;
    assert_eq!(told[1].read_at, first, "what was read stays as it is");
    assert!(
        told.iter()
            .all(|notification| notification.read_at.is_some())
    );
    for caller in [OTHER, ADMIN] {
        let others = fixture.told(caller, all()).await;
        assert_eq!((others.len(), others[0].read_at), (1, None), "{caller:?}");
    }
}

#[tokio::test]
async fn what_is_told_goes_after_ninety_days_read_or_not() {
    let fixture = Fixture::new().await;
    for name in ["old", "new"] {
        let (_, claim) = fixture.begun(EVE, name, TERMS).await;
        let made = fixture.complete(&claim);
        assert!(fixture.end(&claim, made).await);
        fixture.wait(TimeDelta::days(1));
    }
    let sweep = async || {
        let system = fixture.db.system().await.expect("opened");
        notification::sweep(system).await.expect("swept")
    };
    fixture.wait(TimeDelta::days(88));
    assert_eq!(sweep().await, 0, "the first is ninety days old");
    fixture.wait(TimeDelta::seconds(1));
    assert_eq!(sweep().await, 1);
    let told = fixture.told(EVE, all()).await;
    let names: Vec<&str> = told.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["new"]);
}
