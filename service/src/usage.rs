//! Usage questions.

use std::collections::HashMap;

use analytics::usage::{
    self, Carried, CubeQuery, Dimension, Inventory, Need, Parents, Span, UsageAnswer, UsageLimits,
};
use domain::{
    Error, ReadCx, Result, device,
    group::Key,
    id::{CustomerId, DeviceId, SimId},
    journal, label, sim,
    usage::Grain,
};
use futures::future::{try_join, try_join_all};
use uuid::Uuid;

use crate::{Session, hidden::hide};

impl Session {
    /// Usage of all that the caller may see.
    ///
    /// # Errors
    /// `FORBIDDEN` when usage is closed to the caller, `NOT_EXACT` when no table answers exactly, `THROTTLED` when too many questions of
    /// the tenant wait.
    pub async fn usage(&self, query: &CubeQuery) -> Result<UsageAnswer> {
        let cx = self.read().await?;
        let inventory = inventory(&cx, query, None).await?;
        let _turn = self.turn().await?;
        let asked = self
            .store()
            .usage(self.scope(), query, &inventory, cx.now());
        let (mut answer, ()) = try_join(asked, note(&cx, query)).await?;
        hide(&cx, query, [&mut answer]).await?;
        Ok(answer)
    }

    /// Usage of each of the objects `ids` of one kind, within what the caller may see.
    ///
    /// # Errors
    /// Those of [`Session::usage`].
    pub async fn usage_by(
        &self,
        query: &CubeQuery,
        parent: Dimension,
        ids: &[usage::Key],
    ) -> Result<HashMap<usage::Key, UsageAnswer>> {
        let cx = self.read().await?;
        let inventory = inventory(&cx, query, Some(parent)).await?;
        let _turn = self.turn().await?;
        let parents = Parents {
            dimension: parent,
            ids,
        };
        let asked = self
            .store()
            .usage_by(self.scope(), query, parents, &inventory, cx.now());
        let (mut answers, ()) = try_join(asked, note(&cx, query)).await?;
        hide(&cx, query, answers.values_mut()).await?;
        Ok(answers)
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
/// `FORBIDDEN` when they are closed to the caller, `LIMIT_EXCEEDED` when more of them matter than travel to the cubes.
async fn inventory(cx: &ReadCx, query: &CubeQuery, parent: Option<Dimension>) -> Result<Inventory> {
    let found = query.needs(parent).into_iter().map(async |need| {
        let carried = carried(cx, &need).await?;
        Ok::<_, Error>((need, carried))
    });
    Ok(Inventory::new(try_join_all(found).await?))
}

async fn carried(cx: &ReadCx, need: &Need) -> Result<Carried> {
    const MOST: usize = UsageLimits::CARRIED;
    Ok(match need {
        Need::SimState => {
            let states = sim::now::states(cx, MOST).await?;
            states
                .iter()
                .map(|(id, state)| (id.uuid(), state.as_ref()))
                .collect()
        }
        Need::SimCustomer => {
            let customers = sim::now::customers(cx, MOST).await?;
            customers
                .into_iter()
                .map(|(id, key)| (id.uuid(), word(key, CustomerId::uuid)))
                .collect()
        }
        Need::SimDevice => {
            let devices = sim::now::devices(cx, MOST).await?;
            devices
                .into_iter()
                .map(|(id, key)| (id.uuid(), word(key, DeviceId::uuid)))
                .collect()
        }
        Need::SimLabel(key) => {
            let values = label::of_sims(cx, key, MOST).await?;
            values
                .into_iter()
                .map(|(id, value)| (id.uuid(), value))
                .collect()
        }
        Need::DeviceLabel(key) => {
            let values = label::of_devices(cx, key, MOST).await?;
            values
                .into_iter()
                .map(|(id, value)| (id.uuid(), value))
                .collect()
        }
        Need::Sims(filter) => {
            let found = sim::matching(cx, filter, MOST).await;
            let found = found.map_err(|error| error.at("sim").at("filter"))?;
            Carried::set(found.into_iter().map(SimId::uuid))
        }
        Need::Devices(filter) => {
            let found = device::matching(cx, filter, MOST).await;
            let found = found.map_err(|error| error.at("device").at("filter"))?;
            Carried::set(found.into_iter().map(DeviceId::uuid))
        }
    })
}

/// A key as the cubes are told it: nothing where there is none.
fn word<T>(key: Key<T>, uuid: fn(T) -> Uuid) -> String {
    match key {
        Key::Value(id) => uuid(id).to_string(),
        Key::Unassigned => String::new(),
        Key::Hidden => Carried::HIDDEN.to_owned(),
    }
}
