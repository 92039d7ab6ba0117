//! The GraphQL schema: one folder per aggregate, loaders, limits, and the map from domain errors to codes.
//!
//! Resolvers parse, call one function of `service` or `domain`, and wrap. No SQL, no rule about who may see what.

// The futures of the contract nest as its types do, which is deeper than the compiler looks by default.
#![recursion_limit = "256"]

mod absent;
mod api;
mod assignment;
mod connection;
mod customer;
mod device;
mod document;
mod error;
mod export;
mod fleet;
mod grant;
mod ingest;
mod inventory;
mod label;
mod limits;
mod loader;
mod network;
mod node;
mod notification;
mod operation;
mod order;
mod request;
mod saved_filter;
mod schedule;
mod session;
mod sim;
mod tenant;
mod turns;
mod usage;
mod user_error;
mod written;

use async_graphql::{EmptySubscription, MergedObject, SDLExportOptions, ValidationMode};

pub use api::Api;
pub use error::extensions;
pub use limits::Limits;
pub use operation::choose;

/// Everything that can be read. Lists are Relay connections: `first` and `after`, or `last` and `before`; 20 rows
/// unless said otherwise, 200 at most.
#[derive(MergedObject, Default)]
pub(crate) struct Query(FleetQueries, IntakeQueries, AccessQueries);

// Each of these is a few parts: merged parts nest, and sixteen in one were too deep for the compiler. That shows where they are
// run and not where they are merged, so `cargo check` passes and `server` does not build.

/// What there is.
#[derive(MergedObject, Default)]
pub(crate) struct FleetQueries(
    customer::CustomerList,
    customer::CustomerQuery,
    device::DeviceList,
    device::DeviceQuery,
    label::LabelDefinitionList,
    network::NetworkList,
    saved_filter::SavedFilterList,
    session::SessionQuery,
    sim::SimList,
    sim::SimQuery,
);

/// What was delivered, and what it comes to.
#[derive(MergedObject, Default)]
pub(crate) struct IntakeQueries(
    ingest::IngestBatchList,
    ingest::IngestQuery,
    ingest::QuarantineQuery,
    ingest::IngestRejectionList,
    usage::UsageQuery,
);

/// Who asks, who may see what, files, and anything by its id.
#[derive(MergedObject, Default)]
pub(crate) struct AccessQueries(
    export::ExportList,
    export::ExportQuery,
    grant::GrantQuery,
    node::NodeQuery,
    notification::NotificationList,
    schedule::ScheduleList,
    tenant::TenantQuery,
);

/// Everything that can be changed. Every change is made wholly or not at all, and is written to the audit log.
///
/// With an `idempotencyKey` of the caller's own choosing, 1 to 100 printable ASCII characters, a change can safely be requested
/// again when its answer was lost. For 24 hours, the same key with the same input is answered and changes nothing: with
/// the first report of an import, and otherwise with the object as it is by then. With another input it is a `CONFLICT`. A
/// request that comes while the first one is under way waits for it. What was refused leaves no key.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    customer::CustomerMutation,
    export::ExportMutation,
    fleet::FleetMutation,
    grant::GrantMutation,
    label::LabelMutation,
    notification::NotificationMutation,
    saved_filter::SavedFilterMutation,
    schedule::ScheduleMutation,
);

/// The executable schema.
pub(crate) type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// Builds the schema, which validates documents like this.
pub(crate) fn schema(validation: ValidationMode) -> Schema {
    let (query, mutation) = (Query::default(), Mutation::default());
    let schema = async_graphql::Schema::build(query, mutation, EmptySubscription);
    schema.validation_mode(validation).finish()
}

/// The published contract, as committed in `schema/schema.graphql`.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by();
    schema(ValidationMode::Strict).sdl_with_options(options)
}
