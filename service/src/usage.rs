//! Usage questions.

use std::collections::HashMap;

use analytics::usage::{
    self, Attribution, Carried, Condition, CubeQuery, Dimension, Filter, Group, Inventory, Need,
    Parents, Span, UsageAnswer, UsageFile, UsageLimits, UsageRow, Whole,
};
use chrono::{DateTime, Utc};
use domain::{
    Error, Period, ReadCx, Result, device, filter,
    group::Key,
    id::{CustomerId, DeviceId, SimId},
    journal::{self, Coverage},
    label,
    scope::Segments,
    sim,
    slice::Extent,
    usage::{Grain, Measure, Source},
};
use futures::{
    FutureExt as _,
    future::{try_join_all, try_join3},
};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::{
    Session,
    complete::{coverage, judge},
    hidden::{narrow, visible_customers},
    slices::{self, Slices, is_too_much, or_a_file},
};

/// Most SIMs or devices that travel at once.
const CARRIED: usize = UsageLimits::CARRIED;

impl Session {
    /// Usage of all that the caller may see.
    ///
    /// # Errors
    /// `FORBIDDEN` when usage is closed to the caller, `NOT_EXACT` when no table answers exactly, `LIMIT_EXCEEDED` when more SIMs or
    /// devices would have to travel to the cubes than may, `THROTTLED` when too many questions of the tenant wait.
    pub async fn usage(&self, query: &CubeQuery) -> Result<UsageAnswer> {
        self.usage_within(query, CARRIED).await
    }

    /// The same, where at most so many SIMs or devices travel to the cubes.
    ///
    /// # Errors
    /// Those of [`Session::usage`].
    pub async fn usage_within(&self, query: &CubeQuery, most: usize) -> Result<UsageAnswer> {
        let answer = self.answer(query, most).await;
        answer.map_err(|refusal| or_a_file(refusal, query, most))
    }

    /// The same, where nobody asks for a file of the question.
    pub(crate) async fn answer(&self, query: &CubeQuery, most: usize) -> Result<UsageAnswer> {
        let cx = self.read().await?;
        let query = &*narrow(&cx, query).await?;
        let inventory = inventory(&cx, query, None, most.into()).await?;
        let _turn = self.turn().await?;
        let asked = self
            .store()
            .usage(self.scope(), query, &inventory, cx.now());
        let (mut answer, (), coverage) =
            try_join3(asked, note(&cx, query), coverage(&cx, query.source))
                .boxed()
                .await?;
        judge(&mut answer.provenance, answer.period, coverage.as_ref());
        Ok(answer)
    }

    /// Usage of each of several objects of one kind, within what the caller may see.
    ///
    /// # Errors
    /// Those of [`Session::usage`].
    pub async fn usage_by(
        &self,
        query: &CubeQuery,
        parents: Parents<'_>,
    ) -> Result<HashMap<usage::Key, UsageAnswer>> {
        let cx = self.read().await?;
        let query = &*narrow(&cx, query).await?;
        let inventory = inventory(&cx, query, Some(parents.dimension), CARRIED.into()).await?;
        let _turn = self.turn().await?;
        let asked = self
            .store()
            .usage_by(self.scope(), query, parents, &inventory, cx.now());
        let (mut answers, (), coverage) =
            try_join3(asked, note(&cx, query), coverage(&cx, query.source))
                .boxed()
                .await?;
        for answer in answers.values_mut() {
            judge(&mut answer.provenance, answer.period, coverage.as_ref());
        }
        Ok(answers)
    }

    /// Receipt of the newest record of a source that is counted of what the caller may see. What is asked afterwards counts it, too.
    ///
    /// # Errors
    /// `FORBIDDEN` when usage is closed to the caller, `UNAVAILABLE` when the cubes do not answer.
    pub async fn watermark(&self, source: Source) -> Result<Option<DateTime<Utc>>> {
        self.store().watermark(self.scope(), source).await
    }

    /// Usage of all that the caller may see, for a file: as many rows as the question leaves, as they come.
    ///
    /// # Errors
    /// Those of [`Session::usage`].
    pub async fn usage_file(&self, query: &CubeQuery) -> Result<UsageRows> {
        self.usage_file_within(query, CARRIED).await
    }

    /// The same, where at most so many SIMs or devices travel to the cubes at once. What needs more is read by slices, before the first
    /// row.
    ///
    /// # Errors
    /// Those of [`Session::usage`].
    pub async fn usage_file_within(&self, query: &CubeQuery, most: usize) -> Result<UsageRows> {
        let cx = self.read().await?;
        let query = narrow(&cx, query).await?.into_owned();
        let found = match inventory(&cx, &query, None, most.into()).await {
            Ok(found) => Some(found),
            Err(refusal) if is_too_much(&refusal, most) && query.unsliceable().is_none() => None,
            Err(refusal) => return Err(or_a_file(refusal, &query, most)),
        };
        let coverage = coverage(&cx, query.source).await?;
        let turn = self.turn().await?;
        let (store, scope, now) = (self.store(), self.scope(), cx.now());
        Ok(if let Some(found) = found {
            UsageRows {
                file: store.usage_file(scope, &query, &found, now)?,
                slices: None,
                coverage,
                _turn: turn,
            }
        } else {
            UsageRows {
                file: store
                    .usage_slices(scope, &query, slices::of(&cx), now)
                    .await?,
                slices: Some(Slices::of(cx, query, most).await?),
                coverage,
                _turn: turn,
            }
        })
    }
}

/// Usage that is being read. It has the tenant's turn until it is dropped.
pub struct UsageRows {
    file: UsageFile,
    /// What is read before the first row.
    slices: Option<Slices>,
    /// What was known of the journal before.
    coverage: Option<Coverage>,
    _turn: OwnedSemaphorePermit,
}

impl UsageRows {
    /// The period that is meant.
    pub fn period(&self) -> Period {
        self.file.period()
    }

    /// What people call the tables that are read, the coarsest first.
    pub fn tables(&self) -> Vec<String> {
        self.file.tables()
    }

    /// Quantities that were asked for and are closed to the caller.
    pub fn closed(&self) -> &[Measure] {
        self.file.closed()
    }

    /// Quantities that were asked for and are open to the caller.
    pub fn open(&self) -> &[Measure] {
        self.file.open()
    }

    /// At most so many of the next rows; none at the end.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when the question needs too much memory or time, also after rows have come.
    pub async fn next(&mut self, most: usize) -> Result<Vec<UsageRow>> {
        if let Some(slices) = &mut self.slices {
            slices.read(&mut self.file).await?;
            self.slices = None;
        }
        let mut rows = Vec::new();
        while rows.len() < most
            && let Some(row) = self.file.next().await?
        {
            rows.push(row);
        }
        Ok(rows)
    }

    /// What is said beside the rows, once all of them have been read.
    ///
    /// # Errors
    /// `INTERNAL` before.
    pub fn whole(self) -> Result<Whole> {
        let period = self.file.period();
        let mut whole = self.file.whole()?;
        judge(&mut whole.provenance, period, self.coverage.as_ref());
        Ok(whole)
    }
}

/// Notes what an answer of the cubes stands on. They are asked when there is a snapshot that says how they stand.
async fn note(cx: &ReadCx, query: &CubeQuery) -> Result<()> {
    if let Span::Preset(_) = query.period {
        // It means something else when the next hour begins.
        if let Some(hour) = query.time_zone.bucket(Grain::Hour, cx.now()) {
            cx.only_until(hour.to());
        }
    }
    journal::note_cubes(cx).await
}

/// What a question needs to know of SIMs and devices, from the request's snapshot.
///
/// # Errors
/// `FORBIDDEN` when they are closed to the caller, `LIMIT_EXCEEDED` when more of them matter than may travel to the cubes.
pub(crate) async fn inventory(
    cx: &ReadCx,
    query: &CubeQuery,
    parent: Option<Dimension>,
    extent: Extent,
) -> Result<Inventory> {
    let mut needs = query.needs(parent);
    if matches!(cx.scope().segments(), Segments::Part(_)) {
        needs.extend(query.needs_of_part());
    }
    let found = needs.into_iter().map(async |need| {
        let carried = carried(cx, &need, extent).await;
        let carried = carried.map_err(|error| match field(query, &need) {
            Some(field) => error.at(&field),
            None => error,
        })?;
        Ok::<_, Error>((need, carried))
    });
    let inventory = Inventory::new(try_join_all(found).await?);
    Ok(match extent.slice {
        Some(slice) => inventory.of_slice(slice),
        None => inventory,
    })
}

async fn carried(cx: &ReadCx, need: &Need, extent: Extent) -> Result<Carried> {
    Ok(match need {
        Need::SimState => {
            let states = sim::now::states(cx, extent).await?;
            states
                .iter()
                .map(|(id, state)| (id.uuid(), state.as_ref()))
                .collect()
        }
        Need::SimCustomer => {
            let customers = sim::now::customers(cx, extent).await?;
            customers
                .into_iter()
                .map(|(id, key)| (id.uuid(), word(key, CustomerId::uuid)))
                .collect()
        }
        Need::SimDevice => {
            let devices = sim::now::devices(cx, extent).await?;
            devices
                .into_iter()
                .map(|(id, key)| (id.uuid(), word(key, DeviceId::uuid)))
                .collect()
        }
        Need::SimLabel(key) => labels(cx, label::of_sims(cx, key, extent).await?, SimId::uuid),
        Need::DeviceLabel(key) => labels(
            cx,
            label::of_devices(cx, key, extent).await?,
            DeviceId::uuid,
        ),
        Need::Sims(filter) => {
            let found = sim::matching(cx, filter, extent).await?;
            Carried::set(found.into_iter().map(SimId::uuid))
        }
        Need::Devices(filter) => {
            let found = device::matching(cx, filter, extent).await?;
            Carried::set(found.into_iter().map(DeviceId::uuid))
        }
        Need::Visible(Dimension::Sim) => {
            let found = sim::matching(cx, &filter::Filter::default(), extent).await?;
            Carried::set(found.into_iter().map(SimId::uuid))
        }
        Need::Visible(Dimension::Device) => {
            let found = device::matching(cx, &filter::Filter::default(), extent).await?;
            Carried::set(found.into_iter().map(DeviceId::uuid))
        }
        // All other ids are of customers.
        Need::Visible(_) => {
            let found = visible_customers(cx.scope().segments());
            Carried::set(found.into_iter().map(CustomerId::uuid))
        }
    })
}

/// The first field of the question, with its parents, that a need comes from; none for that of a parent.
fn field(query: &CubeQuery, need: &Need) -> Option<String> {
    let of_group = |(place, group): (usize, &Group)| {
        let field = match (group, need) {
            (Group::SimLabel(key), Need::SimLabel(needed)) if key == needed => "sim_label",
            (Group::DeviceLabel(key), Need::DeviceLabel(needed)) if key == needed => "device_label",
            (Group::Dimension(Dimension::SimState), Need::SimState)
            | (Group::Dimension(Dimension::SimCustomerNow), Need::SimCustomer) => "dimension",
            (Group::Dimension(dimension), Need::Visible(needed)) if dimension == needed => {
                "dimension"
            }
            _ => return None,
        };
        Some(format!("group_by.{place}.{field}"))
    };
    let group = query.group_by.iter().enumerate().find_map(of_group);
    let filter = || query.filter.as_ref().and_then(|filter| path(filter, need));
    group
        .or_else(|| filter().map(|path| format!("filter.{path}")))
        .or_else(|| (query.attribution == Attribution::Current).then(|| "attribution".to_owned()))
}

/// Where in a filter its SIMs or devices are asked for.
fn path(filter: &Filter, need: &Need) -> Option<String> {
    let within = |field: &str, parts: &[Filter]| {
        let mut parts = parts.iter().enumerate();
        parts.find_map(|(place, part)| Some(format!("{field}.{place}.{}", path(part, need)?)))
    };
    match (filter, need) {
        (Filter::And(parts), _) => within("and", parts),
        (Filter::Or(parts), _) => within("or", parts),
        (Filter::Not(part), _) => Some(format!("not.{}", path(part, need)?)),
        (Filter::Is(Condition::Sim(filter)), Need::Sims(needed)) => {
            (filter == needed).then(|| "sim".to_owned())
        }
        (Filter::Is(Condition::Device(filter)), Need::Devices(needed)) => {
            (filter == needed).then(|| "device".to_owned())
        }
        _ => None,
    }
}

/// Values of labels as the cubes are told them. Those of callers who see a part of the fleet are of all that they see.
fn labels<I>(cx: &ReadCx, values: Vec<(I, Option<String>)>, uuid: fn(I) -> Uuid) -> Carried {
    let values = values.into_iter();
    let carried: Carried = values
        .map(|(id, value)| (uuid(id), value.unwrap_or_default()))
        .collect();
    match cx.scope().segments() {
        Segments::All => carried,
        Segments::Part(_) => carried.of_all(),
    }
}

/// A key as the cubes are told it: nothing where there is none.
fn word<T>(key: Key<T>, uuid: fn(T) -> Uuid) -> String {
    match key {
        Key::Value(id) => uuid(id).to_string(),
        Key::Unassigned => String::new(),
        Key::Hidden => Carried::HIDDEN.to_owned(),
    }
}
