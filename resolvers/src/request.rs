//! What one GraphQL request carries: the caller, the stores, one lazily opened read transaction, and loaders that live
//! and die with it, so nothing can leak from one tenant's request into another's.

use std::sync::Arc;

use analytics::Store;
use async_graphql::{Context, dataloader::DataLoader};
use domain::{Cx, Db, Scope};
use tokio::sync::OnceCell;

use crate::loader::Batch;

/// The data of one request. The server makes one per request and puts it into the request's data.
#[derive(Clone)]
pub struct Request(Arc<Inner>);

struct Inner {
    scope: Scope,
    db: Db,
    store: Store,
    cx: OnceCell<Cx>,
}

impl Request {
    /// A request of `scope`.
    pub fn new(scope: Scope, db: Db, store: Store) -> Self {
        Self(Arc::new(Inner {
            scope,
            db,
            store,
            cx: OnceCell::new(),
        }))
    }

    /// The data that resolvers expect on the request.
    pub fn attach(self, request: async_graphql::Request) -> async_graphql::Request {
        let loader = DataLoader::new(Batch(self.clone()), tokio::spawn);
        request.data(self).data(loader)
    }

    pub(crate) fn of<'a>(ctx: &Context<'a>) -> async_graphql::Result<&'a Self> {
        ctx.data::<Self>()
    }

    /// Who asks.
    pub fn scope(&self) -> &Scope {
        &self.0.scope
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// The request's snapshot of Postgres: opened by the first field that needs it, shared by all.
    pub(crate) async fn cx(&self) -> domain::Result<&Cx> {
        self.0
            .cx
            .get_or_try_init(|| self.0.db.read(&self.0.scope))
            .await
    }

    /// Postgres statements sent so far by reads of this request.
    pub fn statements(&self) -> u64 {
        self.0.cx.get().map_or(0, Cx::statements)
    }
}

/// The loaders of this request.
pub(crate) fn loader<'a>(ctx: &Context<'a>) -> async_graphql::Result<&'a DataLoader<Batch>> {
    ctx.data::<DataLoader<Batch>>()
}
