//! What one GraphQL request carries: the caller's session, and loaders that live and die with it.

use std::time::Duration;

use analytics::usage::UsageLimits;
use async_graphql::{
    Context,
    dataloader::{DataLoader, Loader},
};
use domain::{Error, IdempotencyKey, WriteCx};
use service::Session;

use crate::{
    error::IntoGraphql as _,
    loader::Batch,
    turns::{Turns, turns},
};

/// The data that resolvers expect on a request, and what drives its loads.
pub(crate) fn attach(
    session: Session,
    request: async_graphql::Request,
) -> (async_graphql::Request, Turns) {
    let (ask, turns) = turns();
    // An execution that is gone wants nothing any more.
    let spawn = move |load| drop(ask.unbounded_send(load));
    let loader = DataLoader::new(Batch(session.clone()), spawn)
        .delay(Duration::ZERO)
        // A question is about so many objects at most: what there is beyond is asked for by another one.
        .max_batch_size(UsageLimits::PARENTS);
    (request.data(session).data(loader), turns)
}

/// The caller's session.
pub(crate) fn session<'a>(ctx: &Context<'a>) -> async_graphql::Result<&'a Session> {
    ctx.data::<Session>()
}

/// The caller's key for the change that this field makes, which is bound to the field's arguments as they were given.
pub(crate) fn key(ctx: &Context<'_>, key: Option<&str>) -> domain::Result<Option<IdempotencyKey>> {
    let Some(key) = key else { return Ok(None) };
    let field = ctx.field();
    let given = field.arguments().map_err(|e| Error::internal(e.message))?;
    let given = given
        .into_iter()
        .map(|(name, value)| Ok((name.to_string(), value.into_json()?)));
    let arguments = given
        .collect::<serde_json::Result<_>>()
        .map_err(Error::internal)?;
    IdempotencyKey::new(key.to_owned(), field.name(), arguments).map(Some)
}

/// A transaction for the change that this field makes, under the caller's key if it gave one.
pub(crate) async fn write(ctx: &Context<'_>, key: Option<&str>) -> domain::Result<WriteCx> {
    let session = ctx
        .data::<Session>()
        .map_err(|e| Error::internal(e.message))?;
    session.write(self::key(ctx, key)?).await
}

/// What `key` stands for, loaded together with what other fields want at this moment.
pub(crate) async fn load<K, V>(ctx: &Context<'_>, key: K) -> async_graphql::Result<Option<V>>
where
    K: Clone + Eq + std::hash::Hash + Send + Sync + 'static,
    Batch: Loader<K, Error = std::sync::Arc<domain::Error>>,
    <Batch as Loader<K>>::Value: Into<V>,
{
    let found = ctx.data::<DataLoader<Batch>>()?.load_one(key).await.gql()?;
    Ok(found.map(Into::into))
}
