//! Pages.

use domain::{
    Result,
    list::{List, Listing, Question},
};

use crate::Session;

/// One page of what the caller may see.
///
/// # Errors
/// `FORBIDDEN` when the rows are closed to the caller, `INVALID_CURSOR` for a cursor of another question.
pub async fn list<T: List>(
    session: &Session,
    question: &Question<T::Condition, T::Field>,
) -> Result<Listing<T>> {
    let Question {
        filter,
        order,
        page,
        with_total,
    } = question;
    let cx = session.read().await?;
    let page = T::page(&cx, filter, *order, page).await?;
    let total = match with_total {
        true => Some(T::count(&cx, filter).await?),
        false => None,
    };
    Ok(Listing { page, total })
}
