//! Parts of a fleet that come one after the other, where all of it is too much at once.

use uuid::Uuid;

use crate::{
    Permission, ReadCx, Result, Scope,
    device::Device,
    list::Listed,
    scope::Segments,
    sim::Sim,
    sql::{Sql, Visible, push_segments},
};

/// What a fleet is cut by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// SIMs.
    Sims,
    /// Devices.
    Devices,
}

/// The SIMs or devices whose ids lie between two others, byte by byte. Slices that begin where others end hold each of them once,
/// whether or not anybody knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Of what the ids are.
    pub of: Of,
    /// The first id inside; the first that there may be when nothing is said.
    pub from: Option<Uuid>,
    /// The first id after; none when all the rest is inside.
    pub to: Option<Uuid>,
}

impl Slice {
    /// All of them.
    pub const fn whole(of: Of) -> Self {
        Self {
            of,
            from: None,
            to: None,
        }
    }

    /// Whether an id is inside.
    pub fn has(&self, id: Uuid) -> bool {
        self.from.is_none_or(|from| from <= id) && self.to.is_none_or(|to| id < to)
    }

    /// Slices that hold the same, each with at most `every` of those that the caller sees, or sees the devices of: in order, and one
    /// more than `most` at most.
    ///
    /// # Errors
    /// `FORBIDDEN` when SIMs or devices are closed to the caller.
    pub async fn cut(self, cx: &ReadCx, every: usize, most: usize) -> Result<Vec<Self>> {
        let bounds = match self.of {
            Of::Sims => self.bounds::<Sim>(cx, every, most).await?,
            Of::Devices => self.bounds::<Device>(cx, every, most).await?,
        };
        let from = [self.from]
            .into_iter()
            .chain(bounds.iter().copied().map(Some));
        let to = bounds.iter().copied().map(Some).chain([self.to]);
        let slices = from.zip(to).map(|(from, to)| Self { from, to, ..self });
        Ok(slices.collect())
    }

    /// The ids at which another slice begins.
    async fn bounds<T: Listed>(self, cx: &ReadCx, every: usize, most: usize) -> Result<Vec<Uuid>> {
        let mut sql = T::scoped(cx)?.wrapped(
            "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM (SELECT id FROM (",
            ") AS list (id)",
        );
        if self.of == Of::Sims {
            push_sims_of_devices(&mut sql, cx.scope());
        }
        sql.push(") AS seen");
        self.push_range(&mut sql, "WHERE", "id");
        let every = every.max(1);
        sql.push(&format!(
            ") AS placed WHERE place > 1 AND (place - 1) % {every} = 0 ORDER BY id LIMIT {most}"
        ));
        // As with counts, one plan does not fit all tenants.
        sql.vary();
        let bounds: Vec<(Uuid,)> = cx.select(sql).await?;
        Ok(bounds.into_iter().map(|(id,)| id).collect())
    }

    /// Appends ` WHERE …` or ` AND …` so that only ids inside remain.
    fn push_range(&self, sql: &mut Sql, first: &str, column: &str) {
        let bounds = [(" >= ", self.from), (" < ", self.to)];
        let mut word = first;
        for (operator, bound) in bounds {
            if let Some(bound) = bound {
                let term = format!(" {word} {column}{operator}");
                sql.push(&term).bind(bound);
                word = "AND";
            }
        }
    }
}

/// Appends ` UNION …`: the SIMs of the devices that a caller sees, who may see none of these SIMs. Where they begin nobody is told.
fn push_sims_of_devices(sql: &mut Sql, scope: &Scope) {
    if matches!(scope.segments(), Segments::All) || !scope.may(Permission::DevicesRead) {
        return;
    }
    let tenant = scope.tenant().uuid();
    sql.push(" UNION SELECT held.sim_id FROM sim_device AS held WHERE held.tenant_id = ")
        .bind(tenant)
        .push(
            " AND held.device_id IN (SELECT device.device_id FROM device WHERE device.tenant_id = ",
        )
        .bind(tenant);
    push_segments(sql, scope, "device", Visible::Devices);
    sql.push(")");
}

/// How much of a fleet is looked at by what looks at all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Most rows.
    pub most: usize,
    /// Where, if not everywhere.
    pub slice: Option<Slice>,
}

impl From<usize> for Extent {
    /// Everywhere.
    fn from(most: usize) -> Self {
        Self { most, slice: None }
    }
}

impl Extent {
    /// Appends ` WHERE …` to a statement about SIMs or devices, so that only those remain that matter to the slice. To one of SIMs
    /// matter the devices in which these were, are or will be: usage says no others of them, because it gets its device from the same
    /// history.
    pub(crate) fn push(&self, sql: &mut Sql, cx: &ReadCx, rows: Visible, column: &str) {
        match (self.slice, rows) {
            (Some(slice @ Slice { of: Of::Sims, .. }), Visible::Sims)
            | (
                Some(
                    slice @ Slice {
                        of: Of::Devices, ..
                    },
                ),
                Visible::Devices,
            ) => {
                slice.push_range(sql, "WHERE", column);
            }
            (Some(slice @ Slice { of: Of::Sims, .. }), Visible::Devices) => {
                sql.push(" WHERE ").push(column).push(
                    " IN (SELECT held.device_id FROM sim_device AS held WHERE held.tenant_id = ",
                );
                sql.bind(cx.scope().tenant().uuid());
                slice.push_range(sql, "AND", "held.sim_id");
                sql.push(")");
            }
            _ => {}
        }
    }
}
