//! Any question to the usage cubes.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use analytics::usage::{CubeQuery, Dimension, Group, Key, Measure, UsageRow, Values};
use domain::{
    Area, Error, Period, Permission as P, Result,
    customer::{self, Customer},
    decimal::Decimal,
    device::{self, Device},
    id::{CustomerId, DeviceId, SimId},
    sim::{self, Sim},
    usage::{Grain, Kind as Of, TimePart},
};
use service::{Session, UsageRows};
use strum::{EnumMessage, VariantArray};
use uuid::Uuid;

use crate::{Cell, Column, Kind, manifest::Origin, run::Sink};

/// Rows that are looked up together.
const ROWS: usize = 2_000;

/// What stands for what the caller may not see now.
const HIDDEN: &str = "HIDDEN";

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

/// The columns of a question's answer; of quantities those that are open.
fn columns(query: &CubeQuery, open: &[Measure]) -> Vec<Column> {
    let open = || open.iter().copied();
    let mut columns: Vec<Column> = query.group_by.iter().flat_map(columns_of).collect();
    columns.extend(query.others.then(others));
    columns.extend(open().map(quantity));
    if query.compare_to.is_some() {
        columns.extend(open().map(previous));
    }
    columns
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
pub(crate) struct Usage {
    session: Session,
    query: CubeQuery,
    rows: UsageRows,
    open: Vec<Measure>,
}

impl Usage {
    pub(super) async fn open(session: Session, query: &CubeQuery) -> Result<Self> {
        let rows = session.usage_file(query).await?;
        Ok(Self {
            open: rows.open().to_vec(),
            query: query.clone(),
            session,
            rows,
        })
    }

    pub(super) fn columns(&self) -> Vec<Column> {
        columns(&self.query, &self.open)
    }

    pub(super) fn period(&self) -> Period {
        self.rows.period()
    }

    pub(super) fn closed(&self) -> Vec<String> {
        self.rows.closed().iter().map(name_of).collect()
    }

    pub(super) async fn next(&mut self, sink: &mut dyn Sink) -> Result<bool, crate::Error> {
        let rows = self.rows.next(ROWS).await?;
        let names = Names::of(&self.session, &self.query, &rows).await?;
        for row in &rows {
            self.push(row, &names, sink)?;
        }
        Ok(!rows.is_empty())
    }

    fn push(&self, row: &UsageRow, names: &Names, sink: &mut dyn Sink) -> Result<(), crate::Error> {
        let keys: Vec<Option<String>> = row.keys.iter().zip(&self.query.group_by).map(id).collect();
        let mut cells = Vec::new();
        for ((group, key), id) in self.query.group_by.iter().zip(&row.keys).zip(&keys) {
            match group {
                Group::Dimension(dimension) if dimension.entry().kind == Of::Id => {
                    cells.push(id.as_deref().into());
                    cells.push(names.of_key(*dimension, key.as_ref()).into());
                }
                _ => cells.push(cell(key.as_ref())),
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

    pub(super) fn provenance(self) -> Result<Origin> {
        let whole = self.rows.whole()?;
        let totals: BTreeMap<String, String> = (self.open.iter())
            .filter_map(|measure| {
                let scaled = whole.totals.get(*measure)?;
                let places = measure.entry().expression.places();
                let total = Decimal { scaled, places };
                Some((name_of(measure), total.to_string()))
            })
            .collect();
        Ok(Origin {
            tables: (whole.provenance.tables.iter())
                .map(ToString::to_string)
                .collect(),
            watermark: whole.provenance.watermark,
            complete: whole.provenance.incomplete.is_none(),
            truncated: whole.truncated,
            whole: totals,
        })
    }
}

fn kind_of(measure: Measure) -> Kind {
    match measure.entry().expression.places() {
        0 => Kind::Sum,
        _ => Kind::Average,
    }
}

/// A key that is no id.
fn cell(key: Option<&Key>) -> Cell<'_> {
    match key {
        Some(Key::Text(text)) if !text.is_empty() => Cell::Text(text),
        Some(Key::Moment(moment)) => Cell::Moment(*moment),
        Some(Key::Number(number)) => Cell::Count((*number).into()),
        Some(Key::Hidden) => Cell::Text(HIDDEN),
        _ => Cell::Empty,
    }
}

/// The text of an id, as the contract prints it.
fn id((key, group): (&Option<Key>, &Group)) -> Option<String> {
    match (key, group) {
        (Some(Key::Id(id)), Group::Dimension(dimension)) => Some(match dimension {
            Dimension::Sim => SimId::new(*id).to_string(),
            Dimension::Device => DeviceId::new(*id).to_string(),
            _ => CustomerId::new(*id).to_string(),
        }),
        (Some(Key::Hidden), _) => Some(HIDDEN.to_owned()),
        _ => None,
    }
}

/// What people know the objects of some rows by.
#[derive(Default)]
struct Names {
    customers: HashMap<CustomerId, Arc<Customer>>,
    sims: HashMap<SimId, Sim>,
    devices: HashMap<DeviceId, Device>,
}

impl Names {
    async fn of(session: &Session, query: &CubeQuery, rows: &[UsageRow]) -> Result<Self, Error> {
        let mut names = Self::default();
        let cx = session.read().await?;
        for (place, group) in query.group_by.iter().enumerate() {
            let Group::Dimension(dimension) = group else {
                continue;
            };
            let mut ids: Vec<Uuid> = (rows.iter())
                .filter_map(|row| match row.keys.get(place) {
                    Some(Some(Key::Id(id))) => Some(*id),
                    _ => None,
                })
                .collect();
            ids.sort_unstable();
            ids.dedup();
            if ids.is_empty() {
                continue;
            }
            let may = |needs| session.scope().may(needs);
            match dimension {
                Dimension::Sim if may(P::SimsRead) => {
                    let ids: Vec<_> = ids.into_iter().map(SimId::new).collect();
                    names.sims = sim::by_ids(&cx, &ids).await?;
                }
                Dimension::Device if may(P::DevicesRead) => {
                    let ids: Vec<_> = ids.into_iter().map(DeviceId::new).collect();
                    names.devices = device::by_ids(&cx, &ids).await?;
                }
                Dimension::Customer | Dimension::SimCustomerNow if may(P::CustomersRead) => {
                    let ids: Vec<_> = ids.into_iter().map(CustomerId::new).collect();
                    names.customers.extend(customer::by_ids(&cx, &ids).await?);
                }
                _ => {}
            }
        }
        Ok(names)
    }

    fn of_key(&self, dimension: Dimension, key: Option<&Key>) -> Option<&str> {
        let Some(Key::Id(id)) = key else {
            return None;
        };
        match dimension {
            Dimension::Sim => (self.sims.get(&SimId::new(*id))).map(|sim| sim.iccid.as_str()),
            Dimension::Device => {
                (self.devices.get(&DeviceId::new(*id))).map(|device| device.name.as_str())
            }
            _ => (self.customers.get(&CustomerId::new(*id))).map(|one| one.name.as_str()),
        }
    }
}
