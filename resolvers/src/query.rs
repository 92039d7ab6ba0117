//! The query root. Each field: parse, one domain function, wrap.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use domain::{
    Error, Period, customer, device,
    id::{CustomerId, DeviceId, SimId, TenantId},
    identifier::{Iccid, Plmn},
    journal, label, network,
    paging::PageRequest,
    sim,
};
use schema::{
    customer::CustomerFilter,
    device::{DeviceFilter, DeviceOrder},
    ingest::{HourOf, IngestBatchState, RejectionFilter},
    network::NetworkFilter,
    order::OrderDirection,
    parse_id,
    sim::{SimFilter, SimOrder},
    usage::UsageInput,
};

use crate::{
    connection::{Connection, Wanted},
    error::{IntoGraphql as _, to_graphql},
    request::Request,
    types::{
        accounting::IngestAccounting,
        customer::Customer,
        device::{self as device_type, Device},
        ingest_batch::IngestBatch,
        ingest_record::IngestRecord,
        ingest_rejection::IngestRejection,
        label::LabelDefinition,
        me::Me,
        network::Network,
        node::Node,
        sim::{self as sim_type, Sim},
        tenant::Tenant,
        usage::{self, Usage},
    },
};

/// Everything that can be read.
pub(crate) struct Query;

/// Everything that can be read. Lists are Relay connections: `first` and `after`, or `last` and `before`; 20 rows
/// unless said otherwise, 200 at most.
#[Object]
impl Query {
    /// The caller: role, permissions, open areas.
    async fn me(&self) -> Me {
        Me
    }

    /// The caller's tenant.
    async fn tenant(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Tenant>> {
        Tenant::load(ctx).await.map(Some)
    }

    /// SIMs that the caller may see.
    #[expect(
        clippy::too_many_arguments,
        reason = "Relay's four page arguments, a filter and an order"
    )]
    async fn sims(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which SIMs.")] filter: Option<SimFilter>,
        #[graphql(desc = "Sorted how.", default)] order_by: SimOrder,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<Sim>>> {
        let page = PageRequest::relay(first, after, last, before).gql()?;
        let filter = sim::SimFilter::try_from(filter.unwrap_or_default()).gql()?;
        let (cx, wanted) = (Request::of(ctx)?.cx().await.gql()?, Wanted::of(ctx));
        let page = sim::list(cx, &filter, order_by.into(), &page).await.gql()?;
        let total = if wanted.total() {
            Some(sim::count(cx, &filter).await.gql()?)
        } else {
            None
        };
        let sims = page.rows.iter().map(|(_, sim)| sim);
        let related = sim_type::Prefetched::load(cx, sims, &wanted).await.gql()?;
        Ok(Some(Connection::new(page, total, |sim| related.sim(sim))))
    }

    /// One SIM, by id or by ICCID (with or without its check digit).
    async fn sim(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id.")] id: Option<ID>,
        #[graphql(desc = "Serial number.")] iccid: Option<String>,
    ) -> async_graphql::Result<Option<Sim>> {
        let cx = Request::of(ctx)?.cx().await.gql()?;
        let sim = match (id, iccid) {
            (Some(id), None) => sim::get(cx, parse_id::<SimId>(&id).gql()?).await,
            (None, Some(iccid)) => sim::get_by_iccid(cx, &Iccid::parse(&iccid).gql()?).await,
            _ => Err(Error::invalid("give either id or iccid")),
        };
        Ok(Some(sim.gql()?.into()))
    }

    /// Devices that the caller may see.
    #[expect(
        clippy::too_many_arguments,
        reason = "Relay's four page arguments, a filter and an order"
    )]
    async fn devices(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which devices.")] filter: Option<DeviceFilter>,
        #[graphql(desc = "Sorted how.", default)] order_by: DeviceOrder,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<Device>>> {
        let page = PageRequest::relay(first, after, last, before).gql()?;
        let filter = device::DeviceFilter::try_from(filter.unwrap_or_default()).gql()?;
        let (cx, wanted) = (Request::of(ctx)?.cx().await.gql()?, Wanted::of(ctx));
        let page = device::list(cx, &filter, order_by.into(), &page)
            .await
            .gql()?;
        let total = if wanted.total() {
            Some(device::count(cx, &filter).await.gql()?)
        } else {
            None
        };
        let devices = page.rows.iter().map(|(_, device)| device);
        let related = device_type::Prefetched::load(cx, devices, &wanted)
            .await
            .gql()?;
        Ok(Some(Connection::new(page, total, |device| {
            related.device(device)
        })))
    }

    /// One device.
    async fn device(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id.")] id: ID,
    ) -> async_graphql::Result<Option<Device>> {
        let cx = Request::of(ctx)?.cx().await.gql()?;
        let id = parse_id::<DeviceId>(&id).gql()?;
        Ok(Some(device::get(cx, id).await.gql()?.into()))
    }

    /// Customers that the caller may see, by name.
    #[expect(
        clippy::too_many_arguments,
        reason = "Relay's four page arguments, a filter and an order"
    )]
    async fn customers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which customers.")] filter: Option<CustomerFilter>,
        #[graphql(desc = "Direction of the sort by name.", default)] direction: OrderDirection,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<Customer>>> {
        let page = PageRequest::relay(first, after, last, before).gql()?;
        let filter = customer::CustomerFilter::try_from(filter.unwrap_or_default()).gql()?;
        let (cx, wanted) = (Request::of(ctx)?.cx().await.gql()?, Wanted::of(ctx));
        let page = customer::list(cx, &filter, direction.into(), &page)
            .await
            .gql()?;
        let total = if wanted.total() {
            Some(customer::count(cx, &filter).await.gql()?)
        } else {
            None
        };
        Ok(Some(Connection::new(page, total, Into::into)))
    }

    /// One customer, by id or by slug.
    async fn customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id.")] id: Option<ID>,
        #[graphql(desc = "Short name.")] slug: Option<String>,
    ) -> async_graphql::Result<Option<Customer>> {
        let cx = Request::of(ctx)?.cx().await.gql()?;
        let customer = match (id, slug) {
            (Some(id), None) => customer::get(cx, parse_id::<CustomerId>(&id).gql()?).await,
            (None, Some(slug)) => customer::get_by_slug(cx, &slug).await,
            _ => Err(Error::invalid("give either id or slug")),
        };
        Ok(Some(customer.gql()?.into()))
    }

    /// The network dictionary, by MCC-MNC.
    async fn networks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which networks.")] filter: Option<NetworkFilter>,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<Network>>> {
        let page = PageRequest::relay(first, after, last, before).gql()?;
        let filter = network::NetworkFilter::try_from(filter.unwrap_or_default()).gql()?;
        let (cx, wanted) = (Request::of(ctx)?.cx().await.gql()?, Wanted::of(ctx));
        let page = network::list(cx, &filter, &page).await.gql()?;
        let total = if wanted.total() {
            Some(network::count(cx, &filter).await.gql()?)
        } else {
            None
        };
        Ok(Some(Connection::new(page, total, Into::into)))
    }

    /// The label keys in use, with their menus.
    async fn labels(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<Option<Vec<LabelDefinition>>> {
        let definitions = label::definitions(Request::of(ctx)?.cx().await.gql()?)
            .await
            .gql()?;
        Ok(Some(definitions.into_iter().map(LabelDefinition).collect()))
    }

    /// Any object by its global id.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id; its prefix names the kind.")] id: ID,
    ) -> async_graphql::Result<Option<Node>> {
        let cx = Request::of(ctx)?.cx().await.gql()?;
        let prefix = id.split_once('_').map_or("", |(prefix, _)| prefix);
        Ok(Some(match prefix {
            CustomerId::PREFIX => {
                Node::Customer(customer::get(cx, parse_id(&id).gql()?).await.gql()?.into())
            }
            DeviceId::PREFIX => {
                Node::Device(device::get(cx, parse_id(&id).gql()?).await.gql()?.into())
            }
            SimId::PREFIX => Node::Sim(sim::get(cx, parse_id(&id).gql()?).await.gql()?.into()),
            TenantId::PREFIX if parse_id::<TenantId>(&id).gql()? == cx.scope().tenant() => {
                Node::Tenant(Tenant::load(ctx).await?)
            }
            "net" => {
                let plmn = Plmn::parse(id.trim_start_matches("net_")).gql()?;
                Node::Network(network::get(cx, &plmn).await.gql()?.into())
            }
            _ => return Err(to_graphql(&Error::not_found("object"))),
        }))
    }

    /// Usage of everything the caller may see, from the cubes. The answer says which cube it comes from and how fresh
    /// it is.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The question.")] input: UsageInput,
    ) -> async_graphql::Result<Option<Usage>> {
        usage::root(ctx, input).await.map(Some)
    }

    /// Deliveries by source and hour: received = accepted + duplicate + rejected. `from` and `to` are half-open.
    async fn ingest_accounting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Hours that begin at or after this moment.")] from: DateTime<Utc>,
        #[graphql(desc = "Hours that begin before this moment.")] to: DateTime<Utc>,
        #[graphql(desc = "By hour of receipt or of the event.", default)] hour_of: HourOf,
        #[graphql(desc = "Only this source.")] source: Option<String>,
    ) -> async_graphql::Result<Option<Vec<IngestAccounting>>> {
        let period = Period::new(from, to).gql()?;
        let query = journal::AccountingQuery {
            period,
            hour_of: hour_of.into(),
            source,
        };
        let rows = journal::accounting(Request::of(ctx)?.cx().await.gql()?, &query)
            .await
            .gql()?;
        let rows: domain::Result<_> = rows.into_iter().map(TryInto::try_into).collect();
        Ok(Some(rows.gql()?))
    }

    /// Batches that hold records of the tenant, newest first. Those that are quarantined say why.
    async fn ingest_batches(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only batches in this state.")] state: Option<IngestBatchState>,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<IngestBatch>>> {
        let page = PageRequest::relay(first, after, last, before).gql()?;
        let filter = journal::BatchFilter {
            state: state.map(Into::into),
            received: None,
        };
        let cx = Request::of(ctx)?.cx().await.gql()?;
        let page = journal::batches(cx, &filter, &page).await.gql()?;
        Ok(Some(Connection::new(page, None, Into::into)))
    }

    /// Records that were refused, newest first.
    async fn ingest_rejections(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which records.")] filter: Option<RejectionFilter>,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<IngestRejection>>> {
        let page = PageRequest::relay(first, after, last, before).gql()?;
        let filter = journal::RejectionFilter::try_from(filter.unwrap_or_default()).gql()?;
        let cx = Request::of(ctx)?.cx().await.gql()?;
        let page = journal::rejections(cx, &filter, &page).await.gql()?;
        Ok(Some(Connection::new(page, None, Into::into)))
    }

    /// What became of one record: counted, refused, or never seen.
    async fn ingest_record(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Source of the record.")] source: String,
        #[graphql(desc = "Id of the record, unique in its source.")] record_id: String,
    ) -> async_graphql::Result<Option<IngestRecord>> {
        let cx = Request::of(ctx)?.cx().await.gql()?;
        Ok(Some(
            journal::fate(cx, &source, &record_id).await.gql()?.into(),
        ))
    }
}
