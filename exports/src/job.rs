//! Exports as jobs: asked for, done, and given out.
//!
//! What a process does with a job ends in one statement that counts only while the job is still its own, so a file is complete or is
//! not there: it lies in the folder of its claim, and a job names the folder whose claim completed it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use domain::{
    Code, Error as Refusal, Result, WriteCx,
    id::JobId,
    job::{self, Asker, Claim, End, Job, JobKind, Lease, Made, NewJob, Progress as Done, Terms},
    tenant,
};
use serde_json::Value;
use service::{Entry, Session};
use tokio::{
    runtime::Handle,
    task::{JoinError, JoinHandle, spawn_blocking},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Files, Link, Order, Part, Progress,
    files::folder,
    link::Links,
    parts::{self, MANIFEST, Written},
};

/// How long the role that a token gave holds for a job: nobody can look it up.
const ROLE: TimeDelta = TimeDelta::hours(24);
/// How long a job waits whose tenant asks the cubes all the time.
const BUSY: Duration = Duration::from_secs(10);
/// Files that expired and are looked up together.
const SWEPT: u32 = 100;

/// What bounds exports.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// On which terms jobs are done.
    pub terms: Terms,
    /// How long files are kept, of tenants that have no setting.
    pub retention: TimeDelta,
    /// Bytes of files that a tenant keeps at most, if it has no setting.
    pub quota: u64,
    /// How long after the end of a month the files of schedules are asked for: for what comes late.
    pub late: TimeDelta,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            terms: Terms {
                lease: Duration::from_secs(30),
                per_tenant: 2,
                attempts: 5,
            },
            retention: TimeDelta::days(30),
            quota: 100 << 30,
            late: TimeDelta::days(1),
        }
    }
}

impl Settings {
    /// How long files of a tenant with these settings are kept.
    pub fn retention(&self, tenant: &tenant::Settings) -> TimeDelta {
        let own = tenant.export_days;
        own.map_or(self.retention, |days| TimeDelta::days(days.into()))
    }

    /// Bytes of files that a tenant with these settings keeps at most.
    pub fn quota(&self, tenant: &tenant::Settings) -> u64 {
        tenant.export_bytes.unwrap_or(self.quota)
    }
}

/// The exports of a server. Cloning is cheap.
#[derive(Clone)]
pub struct Exports {
    entry: Entry,
    files: Files,
    links: Links,
    settings: Settings,
}

/// A file that may be given out now.
#[derive(Clone, Debug)]
pub struct Download {
    /// Where it lies.
    pub place: String,
    /// The name that it is saved under.
    pub file_name: String,
    /// Its media type.
    pub media_type: &'static str,
    /// SHA-256 of it, in hexadecimal digits.
    pub sha256: String,
    /// Bytes of it.
    pub bytes: u64,
}

impl Exports {
    /// Exports of these callers, to these files.
    pub fn new(entry: Entry, files: Files, settings: Settings) -> Self {
        Self {
            links: Links::new(entry.clone()),
            entry,
            files,
            settings,
        }
    }

    /// What bounds them.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where files lie.
    pub fn files(&self) -> &Files {
        &self.files
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Asks for a file. What can be refused before it is made is refused now.
    ///
    /// # Errors
    /// `FORBIDDEN` when the data set is closed to the caller, and those of [`job::create`].
    pub async fn create(
        &self,
        session: &Session,
        cx: WriteCx,
        name: Option<String>,
        order: &Order,
    ) -> Result<Job> {
        let data_set = order.request.data_set();
        cx.scope().require(data_set.entry().needs)?;
        order.check(cx.now())?;
        let claims = session.claims().ok_or(job::JobError::NoToken)?;
        let new = NewJob {
            kind: JobKind::Export,
            name: name.unwrap_or_else(|| data_set.as_ref().to_owned()),
            request: order.clone().meant_at(cx.now()).freeze()?,
            claims: claims.clone(),
            quota: self.settings.quota(&cx.scope().settings()),
        };
        job::create(cx, new).await
    }

    /// Asks again for a file that came to nothing.
    ///
    /// # Errors
    /// Those of [`job::retry`].
    pub async fn retry(&self, session: &Session, cx: WriteCx, id: JobId) -> Result<Job> {
        let claims = session.claims().ok_or(job::JobError::NoToken)?;
        let quota = self.settings.quota(&cx.scope().settings());
        job::retry(cx, id, claims.clone(), quota).await
    }

    /// The file of a job, for whoever asked for it, and of what a schedule asked for to whoever looks after it: with a trace that is
    /// left first.
    ///
    /// # Errors
    /// `NOT_FOUND` when it is not the caller's, or its file is not there yet or any more; `RIGHTS_CHANGED` when the caller
    /// may not see all of it any more.
    pub async fn download(
        &self,
        session: &Session,
        id: JobId,
        part: Option<&str>,
    ) -> Result<Download> {
        let cx = session.read().await?;
        let job = job::get(&cx, id).await?;
        let gone = || Refusal::not_found("file");
        if !job.is_of(cx.scope()) {
            return Err(gone());
        }
        let is_there = job.expires_at.is_some_and(|until| cx.now() < until);
        let place = job.place.clone().filter(|_| is_there).ok_or_else(gone)?;
        if !cx.scope().still_has(&job.asker.rights) {
            return Err(rights_changed());
        }
        let form = Order::of(&job.request)?.form;
        let mut parts = Part::of(job.result.as_ref()).into_iter();
        let part = match part {
            Some(path) => Some(parts.find(|part| part.path == path).ok_or_else(gone)?),
            None if parts.len() == 0 => None,
            None => {
                let text = "the export has several files: name one of its parts";
                return Err(Refusal::new(Code::NotFound, text));
            }
        };
        let result = job.result.as_ref().and_then(|it| it.get("sha256"));
        let sha256 = result.and_then(Value::as_str).unwrap_or_default();
        drop(cx);
        let path = part.as_ref().map(|part| part.path.clone());
        job::downloaded(session.write(None).await?, id, path).await?;
        let extension = form.extension();
        let name = job.name.strip_suffix(&extension).unwrap_or(&job.name);
        let file_name = format!("{name}{extension}");
        let media_type = form.media_type();
        Ok(match part {
            None => Download {
                place,
                file_name,
                media_type,
                sha256: sha256.to_owned(),
                bytes: job.bytes,
            },
            Some(part) => Download {
                // It lies beside the manifest.
                place: place.replace(MANIFEST, &part.path),
                file_name: part.path.replace('/', " "),
                media_type,
                sha256: part.sha256,
                bytes: part.bytes,
            },
        })
    }

    /// A link to the file of a job, for whoever asked for it; none while there is no file, and for others.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn link(&self, session: &Session, job: &Job) -> Result<Option<Link>> {
        let now = session.read().await?.now();
        let is_there = job.place.is_some() && job.expires_at.is_some_and(|until| now < until);
        let Some(claims) = session.claims().filter(|_| is_there) else {
            return Ok(None);
        };
        if *claims != job.asker.claims || !session.scope().still_has(&job.asker.rights) {
            return Ok(None);
        }
        self.links.sign(claims, job.id, now).await.map(Some)
    }

    /// Lets in who came with a link to the file of a job.
    ///
    /// # Errors
    /// `NOT_FOUND` for a link that is not ours or is not good any more.
    pub async fn enter(&self, job: JobId, link: &Link) -> Result<Session> {
        self.links.enter(job, link).await
    }

    /// Does the next job, if there is one; whether there was. What is not done when this server stops is given back at once.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer. What goes wrong with a job is written down in it.
    pub async fn work(&self, stopped: impl Future<Output = ()>) -> Result<bool> {
        let system = self.entry.system().await?;
        let claim = job::claim(system, JobKind::Export, self.settings.terms).await?;
        let Some(claim) = claim else {
            return Ok(false);
        };
        let (lease, attempts) = (claim.lease, claim.attempts);
        let quota = claim.quota.unwrap_or(self.settings.quota);
        let room = quota.saturating_sub(claim.kept_bytes);
        let watched = Watched::default();
        let stop = CancellationToken::new();
        // Whoever gives this up gives up the other thread's work, too.
        let _stops = stop.clone().drop_guard();
        let mut making = self.begin(claim, &watched, &stop);
        let end = tokio::select! {
            made = &mut making => Some(ended(made)),
            end = self.beat(lease, room, &watched) => end,
            () = stopped => Some(End::Back(Duration::ZERO)),
        };
        let end = match end {
            Some(End::Fail(Code::Unavailable, _)) if attempts < self.settings.terms.attempts => {
                Some(End::Again(Duration::from_secs(1 << attempts.min(6))))
            }
            // Others of the tenant ask the cubes: that is no fault of the job.
            Some(End::Fail(Code::Throttled, _)) => Some(End::Back(BUSY)),
            end => end,
        };
        let is_kept = match end {
            Some(end) => self.say(lease, &end).await && matches!(end, End::Complete(_)),
            None => false,
        };
        if !is_kept {
            stop.cancel();
            if !making.is_finished() {
                // What it writes last is removed, too.
                making.await.ok();
            }
            self.clear(&[lease]).await?;
        }
        Ok(true)
    }

    /// Begins to make the file, on a thread of its own: rows are encoded and compressed, and other requests must not wait for that.
    #[expect(
        clippy::disallowed_methods,
        reason = "it blocks a thread that is there to be blocked"
    )]
    fn begin(&self, claim: Claim, watched: &Watched, stop: &CancellationToken) -> Making {
        let (exports, runtime) = (self.clone(), Handle::current());
        let (watched, stop) = (watched.clone(), stop.clone());
        spawn_blocking(move || runtime.block_on(exports.make(claim, &watched, &stop)))
    }

    /// Says that somebody is at a job, until it is lost or too large.
    async fn beat(&self, lease: Lease, room: u64, watched: &Watched) -> Option<End> {
        let terms = self.settings.terms;
        let mut silent = Duration::ZERO;
        let rest = terms.lease / 10;
        loop {
            sleep(rest).await;
            let Progress {
                rows,
                expected,
                bytes,
            } = watched.get();
            if bytes > room {
                return Some(End::beyond_room());
            }
            let said = async {
                let system = self.entry.system().await?;
                job::beat(system, lease, Done { rows, expected }, terms).await
            };
            match said.await {
                Ok(true) => silent = Duration::ZERO,
                Ok(false) => return None,
                Err(error) => {
                    tracing::warn!(cause = error.cause(), %error, "nobody could be told how far an export is");
                    silent += rest;
                    if silent >= terms.lease {
                        return None;
                    }
                }
            }
        }
    }

    async fn make(
        &self,
        claim: Claim,
        watched: &Watched,
        stop: &CancellationToken,
    ) -> Result<Made, Error> {
        let Claim {
            lease,
            request,
            asker: Asker { claims, rights },
            schedule,
            created_at,
            quota,
            ..
        } = claim;
        let quota = quota.unwrap_or(self.settings.quota);
        let order = Order::of(&request)?;
        let session = self.entry.enter(&claims, "export").await;
        let session = session.map_err(|error| match error.code() {
            Code::Unauthenticated => rights_changed(),
            _ => error,
        })?;
        let now = session.read().await?.now();
        // The role of a schedule is the one that it was made under: what it makes is given out under one of then.
        let is_outdated = schedule.is_none() && now - created_at > ROLE;
        if is_outdated || !session.scope().still_has(&rights) {
            return Err(rights_changed().into());
        }
        let folder = folder(lease);
        let of = (&session, &order);
        let written = parts::write((&self.files, &folder), of, stop, |progress| {
            watched.set(progress);
        });
        let Written { manifest, place } = written.await?;
        Ok(Made {
            result: serde_json::to_value(&manifest).map_err(Refusal::internal)?,
            place,
            bytes: manifest.bytes,
            expires_at: now + self.settings.retention(&session.scope().settings()),
            rights: session.scope().rights(),
            rows: manifest.contents.rows,
            quota,
        })
    }

    /// Says what became of a job, as long as it can still be its own; whether it was.
    async fn say(&self, lease: Lease, end: &End) -> bool {
        let mut waited = Duration::ZERO;
        loop {
            let said = async { job::end(self.entry.system().await?, lease, end).await };
            match said.await {
                Ok(is_own) => return is_own,
                Err(error) if waited >= self.settings.terms.lease => {
                    tracing::error!(cause = error.cause(), %error, job = %lease.job, "what an export came to was not written down");
                    return false;
                }
                Err(_) => {
                    let rest = self.settings.terms.lease / 30;
                    sleep(rest).await;
                    waited += rest;
                }
            }
        }
    }

    /// Removes what was made under those of these claims that are abandoned; how many. A job may be complete by one although the answer
    /// was lost.
    async fn clear(&self, leases: &[Lease]) -> Result<u64> {
        let abandoned = job::abandoned(&self.entry.system().await?, leases).await?;
        let mut outcome = Ok(());
        for lease in &abandoned {
            // What cannot be removed does not keep the rest.
            outcome = outcome.and(self.files.remove(&folder(*lease)).await);
        }
        outcome?;
        Ok(abandoned.len() as u64)
    }

    /// Removes files that expired, and what processes that ended left behind; how many.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres or the files do not answer.
    pub async fn sweep(&self) -> Result<u64> {
        let (mut swept, mut refused, mut last) = (0, None, None);
        loop {
            let system = self.entry.system().await?;
            let expired = job::expired(&system, last.as_ref(), SWEPT).await?;
            drop(system);
            for file in &expired {
                let folder = file.place.rsplit_once('/').map_or("", |(folder, _)| folder);
                match self.files.remove(folder).await {
                    Ok(()) => {
                        job::forget(self.entry.system().await?, file.tenant, file.job).await?;
                        swept += 1;
                    }
                    // The others go all the same.
                    Err(error) => refused = Some(error),
                }
            }
            last = expired.into_iter().next_back();
            if last.is_none() {
                break;
            }
        }
        swept += self.clear(&self.files.claims().await?).await?;
        refused.map_or(Ok(swept), Err)
    }
}

/// A file that is being made on another thread.
type Making = JoinHandle<Result<Made, Error>>;

/// What became of a job when its thread ended.
fn ended(made: Result<Result<Made, Error>, JoinError>) -> End {
    match made {
        Ok(Ok(made)) => End::Complete(made),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&Refusal::internal(error).into()),
    }
}

/// What is said of a failure in the job. Causes are logged and not told.
fn failed(error: &Error) -> End {
    let (code, cause) = (error.code(), error.cause());
    if let Some(cause) = cause {
        tracing::error!(code = code.as_ref(), cause, "an export failed");
    }
    End::Fail(code, error.sentence())
}

fn rights_changed() -> Refusal {
    let text = "whoever asked for the file may not see all of it any more";
    Refusal::new(Code::RightsChanged, text)
}

/// How far a file is, for whoever says so.
#[derive(Clone, Default)]
struct Watched(Arc<Mutex<Progress>>);

impl Watched {
    fn get(&self) -> Progress {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, progress: Progress) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }
}
