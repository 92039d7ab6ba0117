//! `Usage`: an answer of the cube.

use std::sync::Arc;

use analytics::usage::{CubeQuery, Dimension, Key, UsageAnswer};
use async_graphql::{ComplexObject, Context, ServerError, SimpleObject};
use domain::{Code, Error};
use schema::usage::UsageInput;

use super::{period::Period, provenance::Provenance, question, row::UsageRow, values::UsageValues};
use crate::{
    error::{IntoGraphql as _, extensions},
    limits::Shares,
    loader::UsageKey,
    request::{load, session},
    written::Rows,
};

/// An answer to a question about usage.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct Usage {
    /// The period that was meant: what a preset or widened bounds came to.
    period: Period,
    #[graphql(skip)]
    rows: Vec<UsageRow>,
    /// All usage of the period that passes `filter`, whatever rows are kept and returned.
    totals: UsageValues,
    /// The period that `compareTo` came to. Beside a preset that is not over it ends where as much of it has elapsed. Null without
    /// `compareTo`.
    previous_period: Option<Period>,
    /// The same of the period that it is compared with; null without `compareTo`.
    previous_totals: Option<UsageValues>,
    /// True: there are more rows than `limit` let through.
    truncated: bool,
    /// Where the answer comes from and how fresh it is.
    provenance: Provenance,
}

/// An answer to a question about usage.
#[ComplexObject]
impl Usage {
    /// One row for each group that has usage or was filled in, as many as `limit` lets through; then all others together, if they
    /// were asked for.
    async fn rows(&self) -> Rows<'_, UsageRow> {
        self.rows.iter().collect()
    }
}

impl Usage {
    fn new(query: &CubeQuery, answer: UsageAnswer) -> Self {
        let groups: Arc<[_]> = query.group_by.clone().into();
        let row = |row| UsageRow::new(&groups, row);
        Self {
            period: answer.period.into(),
            previous_period: answer.previous_period.map(Into::into),
            rows: answer.rows.into_iter().map(row).collect(),
            totals: UsageValues(answer.totals),
            previous_totals: answer.previous_totals.map(UsageValues),
            truncated: answer.truncated,
            provenance: answer.provenance.into(),
        }
    }
}

/// Usage of all that the caller may see.
pub(crate) async fn root(ctx: &Context<'_>, input: UsageInput) -> async_graphql::Result<Usage> {
    let query = question::ask(ctx, input).gql()?;
    let answer = session(ctx)?.usage(&query).await;
    let answer = answer.map_err(question::located).gql()?;
    report_closed(ctx, &answer);
    Ok(Usage::new(&query, answer))
}

/// Usage of one object; the objects of a page are asked about together.
pub(crate) async fn nested(
    ctx: &Context<'_>,
    parent: Dimension,
    id: Key,
    input: UsageInput,
) -> async_graphql::Result<Usage> {
    let query = question::ask(ctx, input).gql()?;
    let key = UsageKey {
        parent,
        id,
        query: Arc::new(query.clone()),
        rows: ctx.data::<Shares>()?.of(ctx.item.pos),
    };
    let answer: Option<Result<UsageAnswer, Arc<Error>>> = load(ctx, key).await?;
    let answer = answer
        .ok_or_else(|| Error::internal("no answer for an object that was asked about"))
        .gql()?
        .gql()?;
    report_closed(ctx, &answer);
    Ok(Usage::new(&query, answer))
}

/// Says which measures are null because they are closed to the caller: once, however many rows there are.
fn report_closed(ctx: &Context<'_>, answer: &UsageAnswer) {
    if answer.closed.is_empty() {
        return;
    }
    let names: Vec<&str> = answer.closed.iter().map(AsRef::as_ref).collect();
    let text = format!(
        "SIMs are not open to you, so these measures are null: {}",
        names.join(", ")
    );
    let mut error = ServerError::new(text, Some(ctx.item.pos));
    error.extensions = Some(extensions(Code::Forbidden, None));
    ctx.add_error(ctx.set_error_path(error));
}
