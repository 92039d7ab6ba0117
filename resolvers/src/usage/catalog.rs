//! `CubeCatalog`: what may be asked of the cubes.

use analytics::{cube::Table, usage::UsageLimits};
use async_graphql::SimpleObject;
use domain::{
    Scope,
    tenant::Settings,
    usage::{Dimension, Known, LabelGroup, Measure, Source},
};
use schema::{
    scalar::int,
    usage::{
        Grain, TimePart, UsageDimension, UsageLabelGroup, UsageMeasure, UsageSource, UsageTable,
        UsageUnit,
    },
};
use strum::{EnumMessage as _, VariantArray as _};

use super::provenance;

/// What the caller may ask about usage, and within which limits.
#[derive(SimpleObject)]
pub(crate) struct CubeCatalog {
    /// Measures that are open to the caller.
    measures: Vec<CubeMeasure>,
    /// Dimensions that are open to the caller.
    dimensions: Vec<CubeDimension>,
    /// Labels that are open to the caller: usage can be grouped by any key of them.
    labels: Vec<CubeLabelGroup>,
    /// Widths of time buckets.
    grains: Vec<Grain>,
    /// Parts of dates and of the time of day.
    time_parts: Vec<TimePart>,
    /// Tables that answers come from.
    tables: Vec<CubeTable>,
    /// Most rows of an answer with those that are skipped, all objects of a page together.
    max_rows: i32,
    /// Most groups of a question.
    max_groups: i32,
    /// Most time buckets of a period, of the narrowest width that the groups tell apart.
    max_buckets: i32,
}

/// A measure.
#[derive(SimpleObject)]
pub(crate) struct CubeMeasure {
    /// Its name in inputs; the field of `UsageValues` is the same in camel case.
    measure: UsageMeasure,
    /// What it is, in a sentence.
    description: String,
    /// Its unit.
    unit: UsageUnit,
    /// True: the values of all groups add up to the total.
    additive: bool,
    /// Decimal places of its values.
    decimal_places: i32,
    /// The sources that have it and are open to the caller.
    sources: Vec<UsageSource>,
}

/// A dimension.
#[derive(SimpleObject)]
pub(crate) struct CubeDimension {
    /// Its name in inputs; the field of `UsageKey` is the same in camel case.
    dimension: UsageDimension,
    /// What it is, in a sentence.
    description: String,
    /// True: it is what the SIM is now. False: it is what was true at the time of use.
    of_now: bool,
    /// The sources that have it and are open to the caller.
    sources: Vec<UsageSource>,
}

/// Labels of one kind of object.
#[derive(SimpleObject)]
pub(crate) struct CubeLabelGroup {
    /// Its name; the fields of `UsageGroup` and of `UsageKey` are the same in camel case.
    group: UsageLabelGroup,
    /// What it is, in a sentence.
    description: String,
    /// True, as for dimensions: labels are those of now. Which ones there were at the time of use is not kept.
    of_now: bool,
}

/// A table that answers come from.
#[derive(SimpleObject)]
pub(crate) struct CubeTable {
    /// Its name in `provenance`.
    table: UsageTable,
    /// The source whose answers come from it.
    source: UsageSource,
    /// Days for which all usage is in it, a setting of the tenant; null means for ever. For some time after a longer retention was set,
    /// records of the earlier days of these may be gone.
    retention_days: Option<i32>,
}

impl CubeCatalog {
    /// What a caller may ask.
    pub(super) fn of(scope: &Scope) -> Self {
        let is_open =
            |area: Option<domain::Area>| area.is_none_or(|area| scope.visibility().of(area));
        let sources: Vec<Source> = Source::VARIANTS
            .iter()
            .copied()
            .filter(|source| is_open(source.area()))
            .collect();
        let measures = Measure::VARIANTS
            .iter()
            .filter(|measure| is_open(measure.entry().area));
        let dimensions = Dimension::VARIANTS
            .iter()
            .filter(|dimension| is_open(dimension.entry().area));
        let labels = LabelGroup::VARIANTS
            .iter()
            .filter(|labels| is_open(labels.entry().area()));
        let tables = |source: &Source| {
            let source = *source;
            Table::all().map(move |table| CubeTable::of(source, table, scope.settings()))
        };
        Self {
            measures: measures
                .map(|one| CubeMeasure::of(*one, &sources))
                .collect(),
            dimensions: dimensions
                .map(|one| CubeDimension::of(*one, &sources))
                .collect(),
            labels: labels.copied().map(CubeLabelGroup::from).collect(),
            grains: all(domain::usage::Grain::VARIANTS),
            time_parts: all(domain::usage::TimePart::VARIANTS),
            tables: sources.iter().flat_map(tables).collect(),
            max_rows: int(UsageLimits::ROWS as u64),
            max_groups: int(UsageLimits::GROUPS as u64),
            max_buckets: int(UsageLimits::BUCKETS as u64),
        }
    }
}

/// Words of the vocabulary as those of the contract.
fn all<D: Copy, T: From<D>>(words: &[D]) -> Vec<T> {
    words.iter().copied().map(T::from).collect()
}

/// Those of some sources that are open to the caller.
fn open_ones(sources: impl Iterator<Item = Source>, open: &[Source]) -> Vec<UsageSource> {
    sources
        .filter(|source| open.contains(source))
        .map(Into::into)
        .collect()
}

impl CubeMeasure {
    /// A measure, where these sources are open to the caller.
    fn of(measure: Measure, open: &[Source]) -> Self {
        let entry = measure.entry();
        Self {
            measure: measure.into(),
            description: measure.get_documentation().unwrap_or_default().to_owned(),
            unit: entry.unit.into(),
            additive: entry.expression.is_additive(),
            decimal_places: int(entry.expression.places().into()),
            sources: open_ones(measure.sources(), open),
        }
    }
}

impl CubeDimension {
    /// A dimension, where these sources are open to the caller.
    fn of(dimension: Dimension, open: &[Source]) -> Self {
        let entry = dimension.entry();
        Self {
            dimension: dimension.into(),
            description: dimension.get_documentation().unwrap_or_default().to_owned(),
            of_now: entry.known == Known::Sim,
            sources: open_ones(entry.sources.iter().copied(), open),
        }
    }
}

impl From<LabelGroup> for CubeLabelGroup {
    fn from(group: LabelGroup) -> Self {
        Self {
            group: group.into(),
            description: group.get_documentation().unwrap_or_default().to_owned(),
            of_now: true,
        }
    }
}

impl CubeTable {
    /// A table of a source, under the settings of a tenant.
    fn of(source: Source, table: Table, settings: Settings) -> Self {
        let days = table.retention_days(source.into(), settings);
        Self {
            table: provenance::table(source, table),
            source: source.into(),
            retention_days: days.and_then(|days| days.try_into().ok()),
        }
    }
}
