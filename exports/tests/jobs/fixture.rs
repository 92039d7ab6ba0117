//! A tenant, files of its jobs, and a clock that is moved by hand.

use std::{
    future::pending,
    sync::{Arc, Mutex, PoisonError},
};

use analytics::Store;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Clock, Db, Result, Role,
    id::JobId,
    identity::VerifiedClaims,
    job::{Job, JobCondition, JobFilter},
    list::{List as _, Order as Sort},
    paging::PageRequest,
    schedule::Schedule,
    tenant::{self, NewTenant},
};
use exports::{DataSet, Exports, Files, Format, Order, Request, Settings};
use service::{Entry, Session};
use tempfile::TempDir;

/// A clock that stands still until it is moved.
pub(crate) struct StandingClock(Mutex<DateTime<Utc>>);

impl Clock for StandingClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment")
}

pub(crate) struct Fixture {
    pub(crate) postgres: testkit::PostgresDb,
    _clickhouse: testkit::ClickHouseDb,
    pub(crate) clock: Arc<StandingClock>,
    pub(crate) entry: Entry,
    pub(crate) exports: Exports,
    pub(crate) folder: TempDir,
}

pub(crate) const ADAM: (&str, Role) = ("adam", Role::TenantAdmin);
pub(crate) const ANNA: (&str, Role) = ("anna", Role::TenantAdmin);

impl Fixture {
    /// A tenant in the middle of October.
    pub(crate) async fn new() -> Self {
        let (postgres, clickhouse) = (testkit::postgres(), testkit::clickhouse());
        let clock = Arc::new(StandingClock(Mutex::new(at("2026-10-15T12:00:00Z"))));
        let db = Db::connect(postgres.url(), 8, clock.clone()).await;
        let db = db.expect("Postgres");
        let cx = db.system().await.expect("opened");
        let new = NewTenant {
            slug: "alpha".into(),
            name: "Alpha".into(),
            simulated: false,
        };
        tenant::create(&cx, new).await.expect("created");
        cx.commit().await.expect("committed");
        let store = Store::remote(clickhouse.url()).expect("a URL");
        let entry = Entry::new(db, store.with_database(clickhouse.database()));
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::in_folder(folder.path()).expect("files");
        Self {
            postgres,
            _clickhouse: clickhouse,
            clock,
            exports: Exports::new(entry.clone(), files, Settings::default()),
            entry,
            folder,
        }
    }

    /// Another server with the same stores and files.
    pub(crate) fn another(&self) -> Exports {
        self.under(Settings::default())
    }

    /// The same under other settings.
    pub(crate) fn under(&self, settings: Settings) -> Exports {
        let files = Files::in_folder(self.folder.path()).expect("files");
        Exports::new(self.entry.clone(), files, settings)
    }

    /// Moves the clock on.
    pub(crate) fn pass(&self, time: TimeDelta) {
        *self.clock.0.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }

    pub(crate) fn move_to(&self, moment: &str) {
        *self.clock.0.lock().unwrap_or_else(PoisonError::into_inner) = at(moment);
    }

    pub(crate) async fn enter(&self, (subject, role): (&str, Role)) -> Session {
        let claims = VerifiedClaims::new(subject.into(), "alpha".into(), role, None);
        self.enter_as(&claims.expect("claims")).await
    }

    pub(crate) async fn enter_as(&self, claims: &VerifiedClaims) -> Session {
        let session = self.entry.enter(claims, "test").await;
        session.expect("entered")
    }

    pub(crate) async fn schedule(
        &self,
        data_set: DataSet,
        question: Option<&str>,
    ) -> Result<Schedule> {
        let session = self.enter(ADAM).await;
        let order = Order::new(Request::parse(data_set, question)?, Format::Csv);
        let cx = session.write(None).await?;
        self.exports
            .create_schedule(&session, cx, None, &order)
            .await
    }

    pub(crate) async fn jobs(&self, filter: JobFilter) -> Vec<Job> {
        let cx = self.enter(ANNA).await.read().await.expect("opened");
        let page = PageRequest::relay(Some(100), None, None, None).expect("a page");
        let page = Job::page(&cx, &filter, Sort::default(), &page).await;
        let rows = page.expect("jobs").rows.into_iter();
        rows.map(|(_, job)| job).collect()
    }

    /// A job as it is now.
    pub(crate) async fn job(&self, id: JobId) -> Job {
        let mut jobs = self.jobs(JobCondition::Ids(vec![id]).into()).await;
        jobs.pop().expect("a job")
    }

    /// Asks for a file of what Adam's tenant has.
    pub(crate) async fn ask(&self, order: &Order) -> Result<Job> {
        let session = self.enter(ADAM).await;
        let cx = session.write(None).await?;
        self.exports.create(&session, cx, None, order).await
    }

    /// Does the next job, which there is.
    pub(crate) async fn work(&self) {
        let worked = self.exports.work(pending()).await;
        assert!(worked.expect("done"), "there was nothing to do");
    }
}
