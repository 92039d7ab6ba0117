//! Answers that are kept, to be given again while nothing changed that they were made of.
//!
//! An answer belongs to a caller, by the claims of its token, and to a question, by the bytes that asked it. So it is never given
//! to another tenant, role, customer or subject, and whatever makes two questions differ makes them two. What an answer was made of
//! is its footing ([`domain::Footing`]), which is compared with every request.

use std::sync::Arc;

use bytes::Bytes;
use domain::{Footing, Role, Scope, id::TenantId, identity::VerifiedClaims};
use moka::sync::Cache;

/// Bytes that all kept answers take together, about, with their questions.
const BOUND: u64 = 64 << 20;
/// Bytes of the largest one: none drives many others out.
const LARGEST: u64 = BOUND / 256;
/// Bytes of an entry besides its texts, about.
const ENTRY: usize = 512;

/// What somebody asks, in the very bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Question {
    claims: VerifiedClaims,
    /// By which way it comes: the same bytes may mean something else by another one.
    way: &'static str,
    asked: Bytes,
}

impl Question {
    /// What the caller of a verified token asks, by this way. Two questions by one way whose answers may differ have different bytes.
    pub fn new(claims: VerifiedClaims, way: &'static str, asked: Bytes) -> Self {
        Self { claims, way, asked }
    }

    /// Who asks.
    pub fn claims(&self) -> &VerifiedClaims {
        &self.claims
    }
}

/// What an answer was made of, and for whom.
pub struct Basis {
    pub(crate) tenant: TenantId,
    /// The scope of staff of the platform, who leave a trace. Others' scopes may be large.
    pub(crate) staff: Option<Scope>,
    pub(crate) footing: Footing,
}

impl Basis {
    pub(crate) fn new(scope: &Scope, footing: Footing) -> Self {
        let is_staff = scope.role() == Role::PlatformAdmin;
        Self {
            tenant: scope.tenant(),
            staff: is_staff.then(|| scope.clone()),
            footing,
        }
    }
}

/// An answer, and what it takes to give it again.
pub(crate) struct Kept {
    pub(crate) answer: Bytes,
    /// For the trace of staff.
    pub(crate) operation: String,
    pub(crate) basis: Basis,
}

/// Kept answers. Cloning is cheap and shares them.
#[derive(Clone)]
pub(crate) struct Answers(Cache<Question, Arc<Kept>>);

impl Default for Answers {
    fn default() -> Self {
        let kept = Cache::builder().weigher(weight).max_capacity(BOUND);
        Self(kept.build())
    }
}

impl Answers {
    pub(crate) fn get(&self, question: &Question) -> Option<Arc<Kept>> {
        self.0.get(question)
    }

    pub(crate) fn put(&self, question: Question, kept: Kept) {
        let question = Question {
            asked: own(&question.asked),
            ..question
        };
        let answer = own(&kept.answer);
        let kept = Arc::new(Kept { answer, ..kept });
        if u64::from(weight(&question, &kept)) > LARGEST {
            self.0.invalidate(&question);
            return;
        }
        self.0.insert(question, kept);
        // What it drives out goes now and not some insertions later: the bound is one.
        self.0.run_pending_tasks();
    }

    /// Bytes that they take now, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.weighted_size()
    }
}

/// The bytes without the buffer that they are a part of.
fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

fn weight(question: &Question, kept: &Arc<Kept>) -> u32 {
    let Question { claims, asked, .. } = question;
    let texts = asked.len() + claims.bytes() + kept.operation.len() + kept.answer.len();
    u32::try_from(ENTRY + texts).unwrap_or(u32::MAX)
}
