//! Who may select what, and what they get: the documentation of the policy, as a table.

pub(crate) mod change;
pub(crate) mod customer;
pub(crate) mod export;
pub(crate) mod fleet;
pub(crate) mod ingest;
pub(crate) mod saved;
pub(crate) mod schedule;
pub(crate) mod session;
pub(crate) mod usage;

use domain::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Caller, World,
    at::{At, Which, slug},
};

/// Who gets an answer. The others get `FORBIDDEN` and null.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Open {
    /// Everyone with a token, ingest machines included.
    All,
    /// Everyone who reads the fleet.
    Readers,
    /// Those to whom SIMs are open: not the devices-only customer.
    Sims,
    /// Those to whom sessions are open, and SIMs.
    Sessions,
    /// Those to whom devices are open.
    Devices,
    /// Those to whom usage is open.
    Usage,
    /// Staff that sees the whole tenant.
    Staff,
    /// Those who administer the tenant.
    Admins,
    /// Staff of the platform.
    Platform,
}

impl Open {
    pub(crate) fn to(self, Caller(_, role, customer): Caller) -> bool {
        let admin = matches!(role, Role::PlatformAdmin | Role::TenantAdmin);
        let dyer = customer == Some("dyer");
        match self {
            Self::All => true,
            Self::Readers | Self::Devices => role != Role::Ingest,
            Self::Sims | Self::Sessions | Self::Usage => role != Role::Ingest && !dyer,
            Self::Staff => admin || role == Role::Support,
            Self::Admins => admin,
            Self::Platform => role == Role::PlatformAdmin,
        }
    }
}

/// A way to objects of a type; `%` is where their fields are selected.
pub(crate) struct Way {
    pub(crate) ty: &'static str,
    pub(crate) open: Open,
    pub(crate) path: &'static str,
    /// The objects that a caller meets there, in order.
    pub(crate) objects: fn(Caller) -> Vec<Which>,
}

/// A field of a type.
pub(crate) struct Row {
    /// `Type.field`.
    pub(crate) field: &'static str,
    pub(crate) open: Open,
    /// Its selection where that is more than its name.
    pub(crate) select: &'static str,
    /// What it says; see [`super::at::is`]. `!CODE` is an error with null.
    pub(crate) value: fn(&At<'_>) -> Value,
}

impl Row {
    pub(crate) fn ty(&self) -> &'static str {
        self.field.split_once('.').expect("Type.field").0
    }

    /// The selection under an alias.
    pub(crate) fn selected_as(&self, alias: &str) -> String {
        let name = self.field.split_once('.').expect("Type.field").1;
        let selection = if self.select.is_empty() {
            name
        } else {
            self.select
        };
        format!("{alias}: {selection}")
    }
}

macro_rules! rows {
    ($name:ident: $($field:literal $open:ident $select:literal => $value:expr;)*) => {
        pub(super) const $name: &[Row] =
            &[$(Row { field: $field, open: Open::$open, select: $select, value: $value }),*];
    };
}

macro_rules! ways {
    ($name:ident: $($ty:literal $open:ident $path:literal => $objects:expr;)*) => {
        pub(super) const $name: &[Way] =
            &[$(Way { ty: $ty, open: Open::$open, path: $path, objects: $objects }),*];
    };
}

pub(super) use {rows, ways};

/// The files of the table: a new one is a line here.
const TABLES: &[(&[Row], &[Way])] = &[
    (fleet::ROWS, fleet::WAYS),
    (customer::ROWS, customer::WAYS),
    (usage::ROWS, usage::WAYS),
    (ingest::ROWS, ingest::WAYS),
    (saved::ROWS, saved::WAYS),
    (export::ROWS, export::WAYS),
    (schedule::ROWS, schedule::WAYS),
    (session::ROWS, session::WAYS),
    (change::ROWS, change::WAYS),
];

/// Every field.
pub(crate) fn all_rows() -> impl Iterator<Item = &'static Row> {
    TABLES.iter().flat_map(|(rows, _)| *rows)
}

/// Every way, those that change something last.
pub(crate) fn all_ways() -> impl Iterator<Item = &'static Way> {
    TABLES.iter().flat_map(|(_, ways)| *ways)
}

impl Way {
    pub(crate) fn is_change(&self) -> bool {
        self.path.starts_with("mutation")
    }

    /// The rows of its type; of quantities, those of the source; of the keys of groups, those that are grouped by.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'static Row> {
        let is_asked = |row: &Row| match row.field {
            "SimCountKey.state" => self.path.contains("STATE"),
            "SimCountKey.customer" => self.path.contains("CUSTOMER"),
            "SimCountKey.label" => self.path.contains("label:"),
            "UsageValues.units" => !usage::is_of_sessions(self.path),
            "UsageValues.sessions" | "UsageValues.resets" => usage::is_of_sessions(self.path),
            field => field
                .strip_prefix("UsageKey.")
                .is_none_or(|key| self.is_grouped_by(key)),
        };
        all_rows().filter(move |row| row.ty() == self.ty && is_asked(row))
    }

    /// Whether usage is grouped by what this field of its keys tells.
    fn is_grouped_by(&self, key: &str) -> bool {
        let mut dimension = String::from("dimension: ");
        for letter in key.chars() {
            if letter.is_uppercase() {
                dimension.push('_');
            }
            dimension.extend(letter.to_uppercase());
        }
        dimension.push_str(" }");
        let group = format!("{{ {key}: ");
        key == "others" || self.path.contains(&dimension) || self.path.contains(&group)
    }

    /// The document that selects `rows` as `f0`, `f1` and so on, in objects that have an `it`.
    pub(crate) fn document<'a>(&self, rows: impl IntoIterator<Item = &'a Row>) -> String {
        let mut selection = String::from("it: __typename");
        for (place, row) in rows.into_iter().enumerate() {
            selection.push(' ');
            selection.push_str(&row.selected_as(&format!("f{place}")));
        }
        self.path.replace('%', &selection)
    }
}

pub(super) fn one(_: Caller) -> Vec<Which> {
    vec![Which::All]
}

pub(super) fn sims(caller: Caller) -> Vec<Which> {
    caller.sims().into_iter().map(Which::Fleet).collect()
}

pub(super) fn devices(caller: Caller) -> Vec<Which> {
    caller.devices().into_iter().map(Which::Fleet).collect()
}

pub(super) fn customers(caller: Caller) -> Vec<Which> {
    caller
        .customers()
        .into_iter()
        .map(Which::Customer)
        .collect()
}

/// Any text.
pub(super) fn any(_: &At<'_>) -> Value {
    json!("*")
}

/// What a document's words stand for, by caller: those who see nothing of a kind are asked about somebody else's.
pub(crate) struct Filled {
    tenant: &'static str,
    words: Vec<(&'static str, String)>,
}

impl Filled {
    pub(crate) async fn new(world: &World, caller: Caller) -> Self {
        let ids = world.ids(Caller(caller.0, Role::TenantAdmin, None)).await;
        let own = caller.own();
        let of = |list: &str, n: usize| ids[list]["nodes"][n]["id"].to_string();
        let customer = usize::from(caller.2 == Some("dyer"));
        let between = |from: &str, to: &str| {
            format!("period: {{ between: {{ from: \"{from}\", to: \"{to}\" }} }}")
        };
        let october = between("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
        let november = between("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
        // Longer words first: none begins another.
        let words = vec![
            ("$october", october),
            (
                "$days",
                "from: \"2026-10-01T09:00:00Z\", to: \"2026-10-31T09:00:00Z\"".to_owned(),
            ),
            ("$november", november),
            ("$iccid", ids["sims"]["nodes"][own]["iccid"].to_string()),
            ("$sim", of("sims", own)),
            ("$device", of("devices", own)),
            ("$slug", json!(slug(customer)).to_string()),
            ("$customer", of("customers", customer)),
            ("$gone", of("customers", 2)),
            ("$label", of("labelDefinitions", 0)),
            ("$batch", of("ingestBatches", 1)),
            ("$grant", ids["segmentGrants"][0]["id"].to_string()),
            ("$saved", of("savedFilters", 0)),
            ("$export", of("exports", 0)),
            ("$schedule", of("exportSchedules", 0)),
            ("$tenant", ids["tenant"]["id"].to_string()),
            (
                "$source",
                json!(format!("{}-gateway", caller.0)).to_string(),
            ),
            (
                "$record",
                json!(format!("{}-record-1-1", caller.0)).to_string(),
            ),
        ];
        Self {
            tenant: caller.0,
            words,
        }
    }

    /// The document with ids in it. What is taken away by it is made for it.
    pub(crate) async fn fill(&self, world: &World, document: &str) -> String {
        let mut filled = document.to_owned();
        let spares = [
            (
                "$spareLabel",
                "createLabelDefinition(input: { key: $unique }) { labelDefinition { id } }",
                "/createLabelDefinition/labelDefinition/id",
            ),
            (
                "$spareSaved",
                "createSavedFilter(input: { name: $unique, filter: { sim: {} } }) { savedFilter { id } }",
                "/createSavedFilter/savedFilter/id",
            ),
            (
                "$spareExport",
                "createExport(input: { dataSet: { sims: {} }, format: CSV }) { export { id } }",
                "/createExport/export/id",
            ),
            (
                "$spareSchedule",
                "createExportSchedule(input: { dataSet: { audit: { period: { preset: LAST_MONTH } } }, format: CSV }) { exportSchedule { id } }",
                "/createExportSchedule/exportSchedule/id",
            ),
            (
                "$spareGrant",
                "grantSegment(input: { subject: \"spare\", customerIds: [$gone] }) { grants { id } }",
                "/grantSegment/grants/0/id",
            ),
        ];
        for (word, making, place) in spares {
            if filled.contains(word) {
                let unique = json!(Uuid::now_v7().to_string()).to_string();
                let making = making.replace("$unique", &unique);
                let making = self.known(&format!("mutation {{ {making} }}"));
                let admin = Caller(self.tenant, Role::TenantAdmin, None);
                let made = world.run(admin, &making, json!({})).await;
                let id = made["data"].pointer(place);
                let id = id.unwrap_or_else(|| panic!("no id: {made}"));
                filled = filled.replace(word, &id.to_string());
            }
        }
        self.known(&filled)
    }

    fn known(&self, document: &str) -> String {
        let mut filled = document.to_owned();
        for (word, text) in &self.words {
            filled = filled.replace(word, text);
        }
        filled
    }
}
