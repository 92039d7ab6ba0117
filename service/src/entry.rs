//! The one way in.

use std::sync::Arc;

use analytics::Store;
use bytes::Bytes;
use domain::{
    Db, Permission, Result, Role, Scope, SystemCx, audit,
    id::TenantId,
    identity::{self, Known, VerifiedClaims},
};
use tokio::sync::Semaphore;

use crate::{
    Basis, Question, Session,
    answers::{Answers, Kept},
    turn::{Requests, Turn, Turns},
};

/// Fleet imports under way at once. Each holds two connections and may wait for another one of its tenant: the others wait without
/// any, so that imports leave connections to everybody else.
const IMPORTS: usize = 2;

/// A caller who was let in to deliver usage records; nothing else makes one.
#[derive(Clone, Copy, Debug)]
pub struct Deliverer {
    tenant: TenantId,
}

impl Deliverer {
    /// Whose the records are.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }
}

/// A caller who was let in to deliver rollups of sessions; nothing else makes one.
#[derive(Clone, Copy, Debug)]
pub struct SessionDeliverer {
    tenant: TenantId,
}

impl SessionDeliverer {
    /// Whose the sessions are.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }
}

/// Where callers become sessions.
#[derive(Clone)]
pub struct Entry {
    pub(crate) db: Db,
    pub(crate) store: Store,
    known: Known,
    answers: Answers,
    pub(crate) imports: Arc<Semaphore>,
    /// Of requests with questions to the cubes.
    requests: Requests,
    /// Of the questions.
    pub(crate) turns: Turns<TenantId>,
}

impl Entry {
    /// An entry to these stores.
    pub fn new(db: Db, store: Store) -> Self {
        Self {
            requests: Requests::new(db.connections() / 2),
            db,
            store,
            known: Known::default(),
            answers: Answers::default(),
            imports: Arc::new(Semaphore::new(IMPORTS)),
            turns: Turns::default(),
        }
    }

    /// A transaction of the platform's own.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer.
    pub async fn system(&self) -> Result<SystemCx> {
        self.db.system().await
    }

    /// Who the caller of a verified token is, now.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the token names a tenant or customer that does not exist.
    pub async fn identify(&self, claims: &VerifiedClaims) -> Result<Scope> {
        let cx = self.known.open(&self.db, claims).await?;
        Ok(cx.scope().clone())
    }

    /// Who the person at the server's terminal is: an administrator of the tenant with this slug, called `actor` in the
    /// audit log.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such tenant.
    pub async fn identify_operator(&self, slug: &str, actor: &str) -> Result<Scope> {
        identity::operator(&self.db, slug, actor).await
    }

    /// Lets the person at the server's terminal in, as an administrator of the tenant with this slug, called `actor` in the audit log.
    ///
    /// # Errors
    /// Those of [`Entry::identify_operator`].
    pub async fn enter_operator(&self, slug: &str, actor: &str) -> Result<Session> {
        let scope = self.identify_operator(slug, actor).await?;
        Ok(Session::new(scope, None, None, self.clone()))
    }

    /// The turn of a request with questions to the cubes, which is held until it is answered. It is waited for before anybody enters,
    /// without a connection: half of the connections stay for everything else.
    ///
    /// # Errors
    /// `THROTTLED` when it does not come in time.
    pub async fn turn(&self, claims: &VerifiedClaims) -> Result<Turn> {
        self.requests.take(claims.tenant()).await
    }

    /// Lets the caller of a verified token in to do `operation`. Staff of the platform leave a trace first.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the token names a tenant or customer that does not exist, `UNAVAILABLE` when the trace cannot be
    /// written: then nothing may be done.
    pub async fn enter(&self, claims: &VerifiedClaims, operation: &str) -> Result<Session> {
        let snapshot = self.known.open(&self.db, claims).await?;
        let scope = snapshot.scope().clone();
        // Who leaves a trace lets go of the connection first: nobody waits for one with another one in hand.
        let snapshot = (scope.role() != Role::PlatformAdmin).then_some(snapshot);
        audit::crossing(&self.db, &scope, operation).await?;
        let claims = Some(claims.clone());
        Ok(Session::new(scope, claims, snapshot, self.clone()))
    }

    /// What the caller of a verified token was answered when it asked the same before, byte for byte, if nothing has changed since that
    /// the answer was made of: in one round trip. Staff of the platform leave a trace first.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer, or the trace cannot be written: then nothing may be told.
    pub async fn recall(&self, question: &Question) -> Result<Option<Bytes>> {
        let Some(kept) = self.answers.get(question) else {
            return Ok(None);
        };
        let Basis {
            tenant,
            staff,
            footing,
        } = &kept.basis;
        if !self.db.stands(*tenant, footing).await? {
            return Ok(None);
        }
        if let Some(scope) = staff {
            audit::crossing(&self.db, scope, &kept.operation).await?;
        }
        Ok(Some(kept.answer.clone()))
    }

    /// Keeps an answer: the same question of the same caller is answered with these bytes until something changes that it was made
    /// of. An answer with errors is not to be kept.
    pub fn keep(&self, question: Question, operation: &str, basis: Basis, answer: Bytes) {
        let operation = operation.to_owned();
        let kept = Kept {
            answer,
            operation,
            basis,
        };
        self.answers.put(question, kept);
    }

    /// Bytes that the kept answers and scopes take now, about.
    pub fn bytes(&self) -> u64 {
        self.answers.bytes() + self.known.bytes()
    }

    /// Lets a caller in who delivers usage records. Staff of the platform leave a trace first.
    ///
    /// # Errors
    /// `FORBIDDEN` without `CDRS_WRITE`, and those of [`Entry::enter`].
    pub async fn enter_to_deliver(&self, scope: &Scope, operation: &str) -> Result<Deliverer> {
        scope.require(Permission::CdrsWrite)?;
        audit::crossing(&self.db, scope, operation).await?;
        Ok(Deliverer {
            tenant: scope.tenant(),
        })
    }

    /// Lets somebody in to deliver rollups of sessions.
    ///
    /// # Errors
    /// `FORBIDDEN` without `SESSIONS_WRITE`, and those of [`Entry::enter`].
    pub async fn enter_to_deliver_sessions(
        &self,
        scope: &Scope,
        operation: &str,
    ) -> Result<SessionDeliverer> {
        scope.require(Permission::SessionsWrite)?;
        audit::crossing(&self.db, scope, operation).await?;
        Ok(SessionDeliverer {
            tenant: scope.tenant(),
        })
    }
}
