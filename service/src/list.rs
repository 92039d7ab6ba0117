//! Pages.

use domain::{
    ReadCx, Result,
    filter::Filter,
    list::{List, Listing, Question},
};

use futures::{FutureExt as _, future::try_join};

use crate::{Session, relation::wanted};

/// One page of what the caller may see.
///
/// # Errors
/// `FORBIDDEN` when the rows are closed to the caller, `INVALID_CURSOR` for a cursor of another question, and those of looking up
/// what the filter names.
pub async fn list<T: List>(
    session: &Session,
    question: &Question<T::Clause, T::Field>,
) -> Result<Listing<T>> {
    let cx = session.read().await?;
    let filter = T::resolve(&cx, &question.filter).await?;
    listing(&cx, &question.with(filter)).await
}

/// How many rows a filter leaves of what the caller may see.
///
/// # Errors
/// Those of [`list`], but for cursors.
pub async fn count<T: List>(session: &Session, filter: &Filter<T::Clause>) -> Result<u64> {
    let cx = session.read().await?;
    let filter = T::resolve(&cx, filter).await?;
    T::count(&cx, &filter).await
}

/// One page of what a resolved question asks for.
///
/// # Errors
/// `FORBIDDEN` when the rows are closed to the caller, `INVALID_CURSOR` for a cursor of another question.
pub(crate) async fn listing<T: List>(
    cx: &ReadCx,
    Question {
        filter,
        order,
        page,
        with_total,
    }: &Question<T::Condition, T::Field>,
) -> Result<Listing<T>> {
    // Boxed, because every list of the contract waits for it from deep within.
    let asked = try_join(
        T::page(cx, filter, *order, page),
        wanted(*with_total, T::count(cx, filter)),
    );
    let (page, total) = asked.boxed().await?;
    Ok(Listing { page, total })
}
