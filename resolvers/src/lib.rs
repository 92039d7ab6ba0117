//! The GraphQL schema: roots, one file per object type, loaders, limits, and the map from domain errors to codes.
//!
//! Resolvers parse, call one function of `domain` or `analytics`, and wrap. No SQL, no rule about who may see what.

mod api;
mod connection;
mod error;
mod limits;
mod loader;
mod mutation;
mod order;
mod query;
mod question;
mod request;
mod types;

use async_graphql::{EmptySubscription, SDLExportOptions};

pub use api::Api;
pub use limits::Limits;
pub use request::Request;

/// The executable schema.
pub(crate) type Schema = async_graphql::Schema<query::Query, mutation::Mutation, EmptySubscription>;

/// Builds the schema.
pub(crate) fn schema() -> Schema {
    async_graphql::Schema::build(query::Query, mutation::Mutation, EmptySubscription).finish()
}

/// The published contract, as committed in `schema/schema.graphql`.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items();
    schema().sdl_with_options(options)
}
