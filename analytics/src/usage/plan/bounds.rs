//! Bounds that would do, where those of a question are not exact.

use domain::{Error, Period, Result};

use crate::usage::{Alignment, CubeQuery, Span, times::with_bounds};

/// How often what a refusal says would do may be refused itself.
const ATTEMPTS: usize = 3;

/// The refusal of a question, with bounds that are answered when they are asked for as they are. It names none where no bounds near
/// the question's do.
pub(super) fn that_do(
    refusal: Error,
    query: &CubeQuery,
    plan: impl Fn(&CubeQuery) -> Result<()>,
) -> Error {
    let mut suggested = would_do(&refusal);
    if suggested.is_none() {
        return refusal;
    }
    for _ in 0..ATTEMPTS {
        let Some(period) = suggested else { break };
        let asked = CubeQuery {
            period: Span::Between {
                from: period.from(),
                to: period.to(),
                align: Alignment::Exact,
            },
            ..query.clone()
        };
        suggested = match plan(&asked) {
            Ok(()) => return with_bounds(refusal, period),
            Err(refused) => would_do(&refused),
        };
    }
    let without = Error::new(refusal.code(), refusal.to_string())
        .suggest("take a later period, no groups of time, or no comparison");
    match refusal.details().and_then(|it| it.field.as_deref()) {
        Some(field) => without.at(field),
        None => without,
    }
}

fn would_do(error: &Error) -> Option<Period> {
    error.details()?.period
}
