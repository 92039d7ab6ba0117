//! Questions to the usage cubes: any, and those with fixed groups and quantities.

use std::{borrow::Cow, collections::BTreeMap};

use analytics::usage::{CubeQuery, Dimension, Group, Measure, Selection, UsageRow, Values};
use domain::{
    Area, Period, Permission as P, Result,
    decimal::Decimal,
    usage::{Grain, Kind as Of, TimePart},
};
use futures::{FutureExt as _, future::BoxFuture};
use service::{Session, UsageRows};
use strum::{EnumMessage, VariantArray};

use super::{
    Source,
    names::{Names, cell, id, of_network},
    origin,
};
use crate::{
    Cell, Column, Kind,
    manifest::{Foreseen, Origin},
    run::Sink,
};

/// Rows that are looked up together.
const ROWS: usize = 2_000;

/// What is summed up where the groups are fixed.
const QUANTITIES: [Measure; 6] = [
    Measure::BytesUp,
    Measure::BytesDown,
    Measure::BytesTotal,
    Measure::Units,
    Measure::Records,
    Measure::ActiveSims,
];

/// The groups of usage by customer.
pub(super) const BY_CUSTOMER: [Dimension; 3] =
    [Dimension::Customer, Dimension::Network, Dimension::Service];

/// The groups of usage by network.
pub(super) const BY_NETWORK: [Dimension; 2] = [Dimension::Network, Dimension::Service];

/// Every column that a question may have.
pub(super) fn registered() -> Vec<Column> {
    let dimensions = Dimension::VARIANTS.iter().map(|one| Group::Dimension(*one));
    let times = Grain::VARIANTS.iter().map(|grain| Group::Time(*grain));
    let parts = TimePart::VARIANTS.iter().map(|part| Group::TimePart(*part));
    let key = || "<key>".to_owned();
    let labels = [Group::SimLabel(key()), Group::DeviceLabel(key())];
    let groups = dimensions.chain(times).chain(parts).chain(labels);
    groups
        .flat_map(|group| columns_of(&group))
        .chain([others()])
        .chain(Measure::VARIANTS.iter().map(|one| quantity(*one)))
        .chain(Measure::VARIANTS.iter().map(|one| previous(*one)))
        .collect()
}

/// Every column of usage by these groups.
pub(super) fn registered_by(groups: &[Dimension]) -> Vec<Column> {
    let groups = groups.iter().map(|one| Group::Dimension(*one));
    let quantities = QUANTITIES.iter().map(|one| quantity(*one));
    groups
        .flat_map(|group| named(&group))
        .chain(quantities)
        .collect()
}

/// What a word of the vocabulary says of itself.
fn documentation(word: &impl EnumMessage) -> &'static str {
    word.get_documentation().unwrap_or_default()
}

fn name_of(word: &impl AsRef<str>) -> String {
    word.as_ref().to_lowercase()
}

const fn needs(area: Option<Area>) -> P {
    match area {
        Some(Area::Sims) => P::SimsRead,
        Some(Area::Devices) => P::DevicesRead,
        _ => P::UsageRead,
    }
}

/// The columns of a group: its key and, of an object, what people know it by.
fn columns_of(group: &Group) -> Vec<Column> {
    let text = |name: String, needs, description: Cow<'static, str>| {
        Column::of(name, Kind::Text, needs, description).or_empty()
    };
    match group {
        Group::Dimension(dimension) => {
            let (name, says) = (name_of(dimension), documentation(dimension));
            let needs = needs(dimension.entry().area);
            if dimension.entry().kind == Of::Text {
                return vec![text(name, needs, says.into())];
            }
            let (shown, known, opens) = match dimension {
                Dimension::Sim => ("iccid".to_owned(), "Its serial number.", P::SimsRead),
                Dimension::Device => (name.clone(), "Its name.", P::DevicesRead),
                _ => (name.clone(), "Its name.", P::CustomersRead),
            };
            vec![
                text(format!("{name}_id"), needs, says.into()),
                text(shown, opens, known.into()),
            ]
        }
        Group::Time(grain) => {
            let says = format!(
                "First moment of the bucket of time. {}",
                documentation(grain)
            );
            vec![Column::of(name_of(grain), Kind::Moment, P::UsageRead, says).or_empty()]
        }
        Group::TimePart(part) => {
            let says = documentation(part);
            vec![Column::of(name_of(part), Kind::Count, P::UsageRead, says).or_empty()]
        }
        Group::SimLabel(key) => {
            let says = "The value that the SIM has now under this key of labels.";
            vec![text(format!("sim_label:{key}"), P::SimsRead, says.into())]
        }
        Group::DeviceLabel(key) => {
            let says = "The value that the device has now under this key of labels.";
            vec![text(
                format!("device_label:{key}"),
                P::DevicesRead,
                says.into(),
            )]
        }
    }
}

/// The columns of a group, and of a network what the dictionary says of it.
fn named(group: &Group) -> Vec<Column> {
    let mut columns = columns_of(group);
    if matches!(group, Group::Dimension(Dimension::Network)) {
        columns.extend(of_network());
    }
    columns
}

fn others() -> Column {
    let says = "Whether the row is all that is not shown.";
    Column::of("others", Kind::Flag, P::UsageRead, says)
}

fn quantity(measure: Measure) -> Column {
    let (entry, kind) = (measure.entry(), kind_of(measure));
    let says = documentation(&measure);
    Column {
        unit: Some(entry.unit),
        additive: entry.expression.is_additive(),
        ..Column::of(name_of(&measure), kind, needs(entry.area), says).or_empty()
    }
}

fn previous(measure: Measure) -> Column {
    let column = quantity(measure);
    Column {
        name: format!("previous_{}", column.name).into(),
        description: format!(
            "The same of the period that it is compared with. {}",
            column.description
        )
        .into(),
        ..column
    }
}

/// An answer that is being read.
pub(super) struct Usage {
    session: Session,
    query: CubeQuery,
    rows: UsageRows,
    open: Vec<Measure>,
    /// Whether networks come with what the dictionary says of them.
    is_named: bool,
}

impl Usage {
    /// The answer to any question.
    pub(super) async fn of(session: Session, query: &CubeQuery) -> Result<Self> {
        Self::open(session, query.clone(), false).await
    }

    /// Usage by these groups.
    pub(super) async fn by(
        groups: &[Dimension],
        session: Session,
        selection: &Selection,
    ) -> Result<Self> {
        Self::open(session, selection.by(groups, &QUANTITIES), true).await
    }

    async fn open(session: Session, query: CubeQuery, is_named: bool) -> Result<Self> {
        let rows = session.usage_file(&query).await?;
        Ok(Self {
            open: rows.open().to_vec(),
            query,
            session,
            rows,
            is_named,
        })
    }

    fn names_networks(&self, dimension: Dimension) -> bool {
        self.is_named && dimension == Dimension::Network
    }

    fn push(&self, row: &UsageRow, names: &Names, sink: &mut dyn Sink) -> Result<(), crate::Error> {
        let groups = || self.query.group_by.iter().zip(&row.keys);
        let of_id = |group: &Group| match group {
            Group::Dimension(dimension) => {
                Some(*dimension).filter(|one| one.entry().kind == Of::Id)
            }
            _ => None,
        };
        let ids: Vec<Option<String>> = groups()
            .map(|(group, key)| id(of_id(group)?, key.as_ref()))
            .collect();
        let mut cells = Vec::new();
        for ((group, key), text) in groups().zip(&ids) {
            if let Some(dimension) = of_id(group) {
                cells.push(text.as_deref().into());
                cells.push(names.of(dimension, key.as_ref()).into());
                continue;
            }
            cells.push(cell(key.as_ref()));
            if matches!(group, Group::Dimension(one) if self.names_networks(*one)) {
                cells.extend(names.network_cells(key.as_ref()));
            }
        }
        if self.query.others {
            cells.push(Cell::Flag(row.others));
        }
        self.push_values(&mut cells, &row.values);
        if self.query.compare_to.is_some() {
            match &row.previous {
                Some(previous) => self.push_values(&mut cells, previous),
                None => cells.extend(self.open.iter().map(|_| Cell::Empty)),
            }
        }
        sink.push(&cells)
    }

    fn push_values(&self, cells: &mut Vec<Cell<'_>>, values: &Values) {
        let value = |measure: &Measure| match (values.get(*measure), kind_of(*measure)) {
            (None, _) => Cell::Empty,
            (Some(value), Kind::Average) => Cell::Average(value),
            (Some(value), _) => Cell::Sum(value),
        };
        cells.extend(self.open.iter().map(value));
    }
}

impl Source for Usage {
    /// Of quantities, those that are open.
    fn columns(&self) -> Vec<Column> {
        let open = || self.open.iter().copied();
        let groups = self.query.group_by.iter();
        let of_group = if self.is_named { named } else { columns_of };
        let mut columns: Vec<Column> = groups.flat_map(of_group).collect();
        columns.extend(self.query.others.then(others));
        columns.extend(open().map(quantity));
        if self.query.compare_to.is_some() {
            columns.extend(open().map(previous));
        }
        columns
    }

    fn next<'a>(&'a mut self, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<bool, crate::Error>> {
        async move {
            let rows = self.rows.next(ROWS).await?;
            let names = names(&self.session, &self.query, self.is_named, &rows).await?;
            for row in &rows {
                self.push(row, &names, sink)?;
            }
            Ok(!rows.is_empty())
        }
        .boxed()
    }

    fn period(&self) -> Option<Period> {
        Some(self.rows.period())
    }

    fn closed(&self) -> Vec<String> {
        self.rows.closed().iter().map(name_of).collect()
    }

    fn foreseen(&self) -> BoxFuture<'_, Result<Option<Foreseen>>> {
        let (tables, session) = (self.rows.tables(), self.session.clone());
        let source = self.query.source;
        async move {
            let watermark = session.watermark(source).await?;
            Ok(Some(Foreseen { tables, watermark }))
        }
        .boxed()
    }

    fn provenance(self: Box<Self>) -> Result<Option<Origin>> {
        let whole = self.rows.whole()?;
        let totals: BTreeMap<String, String> = (self.open.iter())
            .filter_map(|measure| {
                let scaled = whole.totals.get(*measure)?;
                let places = measure.entry().expression.places();
                let total = Decimal { scaled, places };
                Some((name_of(measure), total.to_string()))
            })
            .collect();
        Ok(Some(origin(&whole.provenance, whole.truncated, totals)))
    }
}

/// What the objects that some rows name are known by.
async fn names(
    session: &Session,
    query: &CubeQuery,
    with_networks: bool,
    rows: &[UsageRow],
) -> Result<Names> {
    let mut names = Names::default();
    for (place, group) in query.group_by.iter().enumerate() {
        let Group::Dimension(dimension) = group else {
            continue;
        };
        let is_network = with_networks && *dimension == Dimension::Network;
        if is_network || dimension.entry().kind == Of::Id {
            let keys = rows.iter().filter_map(|row| row.keys[place].as_ref());
            names.add(session, *dimension, keys).await?;
        }
    }
    Ok(names)
}

fn kind_of(measure: Measure) -> Kind {
    match measure.entry().expression.places() {
        0 => Kind::Sum,
        _ => Kind::Average,
    }
}
