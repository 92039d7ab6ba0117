//! How many SIMs there are, by what they are now.

use std::collections::HashSet;

use strum::{AsRefStr, EnumMessage, VariantArray};

use super::{Sim, SimCondition, SimState};
use crate::{
    Error, Permission, ReadCx, Result,
    filter::Filter,
    group::Key,
    id::CustomerId,
    list::{self, List},
    row::{Columns, Decode},
    saved_filter::Clause,
    sql::{Sql, Visible, push_segments},
};

/// Most groupings of one question.
pub const MAX_GROUPINGS: usize = 2;

/// Most groups of one answer.
pub const MAX_GROUPS: u32 = 1_000;

/// A property that every SIM has, or has none of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum SimDimension {
    /// Its state.
    State,
    /// The customer that it is assigned to now.
    Customer,
}

/// By what SIMs are grouped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SimGrouping {
    /// By a property.
    Dimension(SimDimension),
    /// By the value of the label with this key.
    Label(String),
}

/// A group, and how many SIMs are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimCount {
    /// Their state, if they are grouped by it.
    pub state: Option<SimState>,
    /// Their customer, if they are grouped by it.
    pub customer: Option<Key<CustomerId>>,
    /// Their labels, in the order of the keys that they are grouped by.
    pub labels: Vec<Key<String>>,
    /// SIMs.
    pub count: u64,
}

/// How many SIMs there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimCounts {
    /// The groups, largest first and then by their keys; none without groupings.
    pub groups: Vec<SimCount>,
    /// All of them, in whatever group. A SIM is in one.
    pub total: u64,
    /// There are more than [`MAX_GROUPS`] groups, and only so many are here.
    pub truncated: bool,
}

/// How many of the visible SIMs match, in groups by up to [`MAX_GROUPINGS`] of their properties, in one statement. Terminated SIMs
/// are counted like others.
///
/// # Errors
/// `FORBIDDEN` when SIMs, or customers that are grouped by, are closed to the caller; `LIMIT_EXCEEDED` for too many groupings,
/// `INVALID_INPUT` for one that comes twice; those of [`List::resolve`].
pub async fn counts(
    cx: &ReadCx,
    groupings: &[SimGrouping],
    filter: &Filter<Clause<SimCondition>>,
) -> Result<SimCounts> {
    check(groupings)?;
    if groupings.contains(&SimGrouping::Dimension(SimDimension::Customer)) {
        cx.scope().require(Permission::CustomersRead)?;
    }
    let filter = Sim::resolve(cx, filter).await?;
    if groupings.is_empty() {
        return Ok(SimCounts {
            groups: Vec::new(),
            total: list::count::<Sim>(cx, &filter).await?,
            truncated: false,
        });
    }
    let matching = list::filtered::<Sim>(cx, &filter)?;
    let mut rows: Vec<Row> = cx.select(grouped(cx, matching, groupings)).await?;
    let total = rows.first().map_or(0, |row| row.total);
    let truncated = rows.len() > MAX_GROUPS as usize;
    rows.truncate(MAX_GROUPS as usize);
    let groups = rows.into_iter().map(|row| row.group(groupings)).collect();
    Ok(SimCounts {
        groups,
        total,
        truncated,
    })
}

fn check(groupings: &[SimGrouping]) -> Result<()> {
    let (most, asked) = (MAX_GROUPINGS as u64, groupings.len() as u64);
    if asked > most {
        let text = format!("SIMs are grouped by at most {most} properties at once");
        return Err(Error::limit(text, most, asked).at("group_by"));
    }
    let mut seen = HashSet::new();
    for (place, grouping) in groupings.iter().enumerate() {
        if !seen.insert(grouping) {
            let twice = Error::invalid("SIMs are already grouped by this");
            return Err(twice.at(&place.to_string()).at("group_by"));
        }
    }
    Ok(())
}

/// A group as it is read; what is not grouped by is null.
struct Row {
    state: Option<SimState>,
    customer: Option<CustomerId>,
    is_hidden: bool,
    labels: [Option<String>; MAX_GROUPINGS],
    count: u64,
    total: u64,
}

impl Decode for Row {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            state: row.word_or_none()?,
            customer: row.get()?,
            is_hidden: row.get()?,
            labels: [row.get()?, row.get()?],
            count: row.count()?,
            total: row.count()?,
        })
    }
}

impl Row {
    fn group(self, groupings: &[SimGrouping]) -> SimCount {
        let customer = match self.customer {
            Some(id) => Key::Value(id),
            None if self.is_hidden => Key::Hidden,
            None => Key::Unassigned,
        };
        let labels = self.labels.into_iter().zip(groupings);
        let labels = labels.filter(|(_, grouping)| matches!(grouping, SimGrouping::Label(_)));
        SimCount {
            state: self.state,
            customer: groupings
                .contains(&SimGrouping::Dimension(SimDimension::Customer))
                .then_some(customer),
            labels: labels
                .map(|(value, _)| value.map_or(Key::Unassigned, Key::Value))
                .collect(),
            count: self.count,
        }
    }
}

/// Groups what `matching` selects, which are SIMs. The key of grouping n is in the table `gn`, where it is not in the SIM itself.
fn grouped(cx: &ReadCx, matching: Sql, groupings: &[SimGrouping]) -> Sql {
    let mut state = "NULL";
    let mut customer = ["NULL::uuid", "false"];
    let mut labels = ["NULL", "NULL"];
    let mut keys = Vec::new();
    for (place, grouping) in groupings.iter().enumerate() {
        match grouping {
            SimGrouping::Dimension(SimDimension::State) => {
                state = "sim.state";
                keys.push(state);
            }
            SimGrouping::Dimension(SimDimension::Customer) => {
                customer = [
                    "seen.customer_id",
                    "sim.customer_id IS NOT NULL AND seen.customer_id IS NULL",
                ];
                keys.extend(customer);
            }
            SimGrouping::Label(_) => {
                labels[place] = ["g0.value COLLATE \"C\"", "g1.value COLLATE \"C\""][place];
                keys.push(labels[place]);
            }
        }
    }
    let keys = keys.join(", ");
    let [customer, is_hidden] = customer;
    let [first, second] = labels;
    let select = format!(
        "SELECT {state}, {customer}, {is_hidden}, {first}, {second}, count(*), (sum(count(*)) OVER ())::bigint FROM ("
    );
    let mut sql = matching.wrapped(&select, ") AS sim");
    let tenant = cx.scope().tenant().uuid();
    for (place, grouping) in groupings.iter().enumerate() {
        match grouping {
            SimGrouping::Dimension(SimDimension::State) => {}
            SimGrouping::Dimension(SimDimension::Customer) => {
                sql.push(" LEFT JOIN customer AS seen ON seen.tenant_id = ");
                sql.bind(tenant)
                    .push(" AND seen.customer_id = sim.customer_id");
                push_segments(&mut sql, cx.scope(), "seen", Visible::Customers);
            }
            SimGrouping::Label(key) => {
                let table = format!("g{place}");
                sql.push(&format!(
                    " LEFT JOIN sim_label AS {table} ON {table}.sim_id = sim.sim_id AND {table}.tenant_id = "
                ));
                sql.bind(tenant).push(&format!(
                    " AND {table}.label_id = (SELECT label_id FROM label_definition WHERE tenant_id = "
                ));
                sql.bind(tenant)
                    .push(" AND key = ")
                    .bind(key.as_str())
                    .push(")");
            }
        }
    }
    sql.push(&format!(
        " GROUP BY {keys} ORDER BY count(*) DESC, {keys} LIMIT "
    ));
    sql.bind(i64::from(MAX_GROUPS) + 1);
    // A plan for any tenant reads the whole table, where one for a small tenant reads its part of an index.
    sql.vary();
    sql
}
