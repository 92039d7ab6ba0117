//! `Usage`: an answer of the cube.

use analytics::{
    cube::{Cube, Level},
    usage::{Dimension, Key, Measure, UsageAnswer, UsageQuery, UsageRow as Row, Values},
};
use async_graphql::{ComplexObject, Context, ID, Object, SimpleObject};
use domain::{
    id::{CustomerId, DeviceId, SimId},
    usage::Service,
};
use schema::{
    scalar::{BigInt, DateTime, int},
    usage::{UsageInput, UsageService, UsageTable},
};

use super::question;
use crate::{
    customer::Customer,
    device::Device,
    error::IntoGraphql as _,
    loader::{CustomerKey, DeviceKey, NetworkKey, SimKey, UsageKey},
    network::{Network, network_id},
    request::{load, session},
    sim::Sim,
    written::{Rows, Selected, Step, Written, columns},
};

/// An answer of the usage cube.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct Usage {
    #[graphql(skip)]
    rows: Vec<UsageRow>,
    /// True: the limit cut rows off.
    truncated: bool,
    /// The whole, whatever the limit.
    totals: UsageTotals,
    /// Where the answer comes from and how fresh it is.
    provenance: Provenance,
}

/// An answer of the usage cube.
#[ComplexObject]
impl Usage {
    /// One row per time bucket and group, at most as many as the limit.
    async fn rows(&self) -> Rows<'_, UsageRow> {
        self.rows.iter().collect()
    }
}

/// Quantities of the whole answer.
#[derive(SimpleObject)]
pub(crate) struct UsageTotals {
    /// Bytes sent by devices.
    bytes_up: Option<BigInt>,
    /// Bytes received by devices.
    bytes_down: Option<BigInt>,
    /// Both directions.
    bytes_total: Option<BigInt>,
    /// Usage records.
    records: Option<BigInt>,
    /// Distinct SIMs with usage, exactly; fewer than 2^31.
    active_sims: Option<i32>,
}

/// Where an answer comes from and how fresh it is.
#[derive(SimpleObject)]
pub(crate) struct Provenance {
    /// The table that was read: the coarsest one that is exact for this question.
    table: UsageTable,
    /// When the newest record was received that is counted within what the caller may see; null when nothing is.
    watermark: Option<DateTime>,
    /// True: the period had ended when that record was received.
    complete: bool,
    /// Why the answer is not complete.
    reason: Option<String>,
}

/// Quantities of one group. Fields of dimensions that were not asked for are null.
pub(crate) struct UsageRow {
    dimensions: Vec<Dimension>,
    row: Row,
}

/// Quantities of one group. Fields of dimensions that were not asked for are null.
#[Object]
impl UsageRow {
    /// Visited network; null when the dictionary does not know it.
    async fn network(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Network>> {
        let Some(plmn) = self.text(Dimension::Network) else {
            return Ok(None);
        };
        load(ctx, NetworkKey(plmn.to_owned())).await
    }

    /// Customer at the time of use; null is unassigned or not visible to the caller.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        let Some(id) = self.id(Dimension::Customer) else {
            return Ok(None);
        };
        load(ctx, CustomerKey(CustomerId::new(id))).await
    }

    /// SIM; null when it now belongs to somebody whose SIMs the caller may not see.
    async fn sim(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Sim>> {
        let Some(id) = self.id(Dimension::Sim) else {
            return Ok(None);
        };
        load(ctx, SimKey(SimId::new(id))).await
    }

    /// Device at the time of use; null is no device, or one that the caller may not see now.
    async fn device(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Device>> {
        let Some(id) = self.id(Dimension::Device) else {
            return Ok(None);
        };
        load(ctx, DeviceKey(DeviceId::new(id))).await
    }

    /// Kind of service.
    async fn service(&self) -> async_graphql::Result<Option<UsageService>> {
        let Some(word) = self.text(Dimension::Service) else {
            return Ok(None);
        };
        let unknown = |_| domain::Error::internal(format!("a record of the service {word}"));
        let service: Service = word.parse().map_err(unknown).gql()?;
        Ok(Some(service.into()))
    }

    #[graphql(flatten)]
    async fn columns(&self) -> RowColumns<'_> {
        RowColumns(self)
    }
}

columns! {
    RowColumns of UsageRow {
        /// Start of the time bucket (UTC).
        period_start: Option<DateTime> = |row| row.row.period_start.map(Into::into);
        /// Visited network; null when the record named none.
        network_id: Option<ID> = |row| row.text(Dimension::Network).map(network_id);
        /// Visited network as MCC-MNC; null when the record named none.
        network_code: Option<&str> = |row| row.text(Dimension::Network);
        /// Country of the visited network, ISO 3166-1 alpha-2; null when unknown.
        country_code: Option<&str> = |row| row.text(Dimension::Country);
        /// Customer at the time of use; null is unassigned.
        customer_id: Option<ID> = |row| Some(CustomerId::new(row.id(Dimension::Customer)?).to_string().into());
        /// SIM.
        sim_id: Option<ID> = |row| Some(SimId::new(row.id(Dimension::Sim)?).to_string().into());
        /// Device at the time of use; null is no device.
        device_id: Option<ID> = |row| Some(DeviceId::new(row.id(Dimension::Device)?).to_string().into());
        /// Radio access type; null when the record named none.
        radio_access_type: Option<&str> = |row| row.text(Dimension::RadioAccessType);
        /// The stream that delivered the records.
        source: Option<&str> = |row| row.text(Dimension::Source);
        /// Bytes sent by devices.
        bytes_up: Option<BigInt> = |row| row.row.values.bytes_up.map(BigInt);
        /// Bytes received by devices.
        bytes_down: Option<BigInt> = |row| row.row.values.bytes_down.map(BigInt);
        /// Both directions.
        bytes_total: Option<BigInt> = |row| row.row.values.bytes_total.map(BigInt);
        /// Usage records.
        records: Option<BigInt> = |row| row.row.values.records.map(|records| BigInt(records.into()));
        /// Distinct SIMs with usage, exactly; fewer than 2^31. Groups do not add up: one SIM may be active in two.
        active_sims: Option<i32> = |row| row.row.values.active_sims.map(int);
    }
}

impl Written for UsageRow {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        RowColumns::step(field)
    }
}

impl UsageRow {
    fn key(&self, dimension: Dimension) -> Option<&Key> {
        let place = self
            .dimensions
            .iter()
            .position(|asked| *asked == dimension)?;
        self.row.keys.get(place)
    }

    fn text(&self, dimension: Dimension) -> Option<&str> {
        match self.key(dimension)? {
            // Records that named none have an empty text.
            Key::Text(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
            Key::Id(_) | Key::None => None,
        }
    }

    fn id(&self, dimension: Dimension) -> Option<uuid::Uuid> {
        match self.key(dimension)? {
            Key::Id(id) => Some(*id),
            Key::Text(_) | Key::None => None,
        }
    }
}

impl From<Values> for UsageTotals {
    fn from(values: Values) -> Self {
        Self {
            bytes_up: values.bytes_up.map(BigInt),
            bytes_down: values.bytes_down.map(BigInt),
            bytes_total: values.bytes_total.map(BigInt),
            records: values.records.map(|records| BigInt(records.into())),
            active_sims: values.active_sims.map(int),
        }
    }
}

impl Usage {
    fn new(query: &UsageQuery, answer: UsageAnswer) -> Self {
        let row = |row| UsageRow {
            dimensions: query.dimensions.clone(),
            row,
        };
        let provenance = answer.provenance;
        Self {
            rows: answer.rows.into_iter().map(row).collect(),
            truncated: answer.truncated,
            totals: answer.totals.into(),
            provenance: Provenance {
                table: match provenance.table {
                    Cube::Full(Level::Hour) => UsageTable::UsageHour,
                    Cube::Full(Level::Day) => UsageTable::UsageDay,
                    Cube::Full(Level::Month) => UsageTable::UsageMonth,
                    Cube::Full(Level::Year) => UsageTable::UsageYear,
                    Cube::Small(Level::Hour) => UsageTable::UsageHourSmall,
                    Cube::Small(Level::Day) => UsageTable::UsageDaySmall,
                    Cube::Small(Level::Month) => UsageTable::UsageMonthSmall,
                    Cube::Small(Level::Year) => UsageTable::UsageYearSmall,
                },
                watermark: provenance.watermark.map(Into::into),
                complete: provenance.complete,
                reason: provenance.reason,
            },
        }
    }
}

/// The quantities whose fields are selected; counting active SIMs costs more than adding, so it is done on demand.
fn measures(ctx: &Context<'_>) -> Vec<Measure> {
    let ahead = ctx.look_ahead();
    let selected = |field| {
        ahead.field("rows").field(field).exists() || ahead.field("totals").field(field).exists()
    };
    let named = [
        ("bytesUp", Measure::BytesUp),
        ("bytesDown", Measure::BytesDown),
        ("bytesTotal", Measure::BytesTotal),
        ("records", Measure::Records),
        ("activeSims", Measure::ActiveSims),
    ];
    let measures: Vec<_> = named
        .into_iter()
        .filter(|(field, _)| selected(field))
        .map(|(_, measure)| measure)
        .collect();
    // Keys or provenance alone were asked for: the cheapest measure finds the groups.
    if measures.is_empty() {
        vec![Measure::Records]
    } else {
        measures
    }
}

/// Usage of all that the caller may see.
pub(crate) async fn root(ctx: &Context<'_>, input: UsageInput) -> async_graphql::Result<Usage> {
    let query = question::ask(input, measures(ctx)).gql()?;
    let answer = session(ctx)?.usage(&query).await.gql()?;
    Ok(Usage::new(&query, answer))
}

/// Usage of one object; the objects of a page are asked about together.
pub(crate) async fn nested(
    ctx: &Context<'_>,
    parent: Dimension,
    id: Key,
    input: UsageInput,
) -> async_graphql::Result<Usage> {
    let query = question::ask(input, measures(ctx)).gql()?;
    let key = UsageKey::new(parent, id, query.clone());
    let answer: Option<UsageAnswer> = load(ctx, key).await?;
    let answer = answer
        .ok_or_else(|| domain::Error::internal("no answer for an object that was asked about"))
        .gql()?;
    Ok(Usage::new(&query, answer))
}
