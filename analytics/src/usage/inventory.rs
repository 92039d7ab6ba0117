//! What the cubes do not know: what SIMs and devices are now. It comes from the same snapshot of Postgres as the rest of a
//! request and travels inside the statement, as one text that both engines take: of each SIM or device that matters its id
//! and the place of its word.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{
    device::DeviceCondition, saved_filter::Clause, sim::SimCondition, slice::Slice,
    usage::Dimension,
};
use uuid::Uuid;

/// Something of the inventory that a question depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// State of each SIM.
    SimState,
    /// Customer that each SIM belongs to.
    SimCustomer,
    /// Device that each SIM is in.
    SimDevice,
    /// Value of this key of labels on each SIM.
    SimLabel(String),
    /// Value of this key of labels on each device.
    DeviceLabel(String),
    /// The SIMs that match.
    Sims(SimFilter),
    /// The devices that match.
    Devices(DeviceFilter),
    /// The values of a dimension of ids that the caller may see now: in the keys of rows, all others are one.
    Visible(Dimension),
}

/// A filter of the list of SIMs.
pub type SimFilter = domain::filter::Filter<Clause<SimCondition>>;

/// A filter of the list of devices.
pub type DeviceFilter = domain::filter::Filter<Clause<DeviceCondition>>;

impl Need {
    /// The dimension that cells must be known by for it.
    pub(super) const fn dimension(&self) -> Dimension {
        match self {
            Self::DeviceLabel(_) | Self::Devices(_) => Dimension::Device,
            Self::Visible(dimension) => *dimension,
            _ => Dimension::Sim,
        }
    }

    /// Whether it has words, and is not only a set.
    pub(super) const fn has_words(&self) -> bool {
        !matches!(self, Self::Sims(_) | Self::Devices(_) | Self::Visible(_))
    }
}

/// Ids, each with a word. Whoever is not among them has none, or is out of sight when these are all that the caller may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    bytes: Vec<u8>,
    words: Vec<String>,
    is_all: bool,
}

/// Bytes of an entry: an id and the place of its word.
const ENTRY: usize = 16 + 4;

impl Carried {
    /// Adds an id with its word, which is at this place of the words.
    fn push(&mut self, id: Uuid, place: u32) {
        // As the engine keeps them: two halves, each with its lowest byte first.
        let (high, low) = id.as_u64_pair();
        self.bytes.extend(high.to_le_bytes());
        self.bytes.extend(low.to_le_bytes());
        self.bytes.extend(place.to_le_bytes());
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.bytes.len() / ENTRY
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A query of the columns `id` and `word`.
    pub(super) fn sql(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| quoted(word)).collect();
        format!(
            "SELECT reinterpret(substring(entries, {ENTRY} * number + 1, 16), 'UUID') AS id, \
             CAST([{}], 'Array(String)')[reinterpretAsUInt32(substring(entries, {ENTRY} * number + 17, 4)) + 1] AS word \
             FROM (SELECT base64Decode('{}') AS entries, number FROM numbers({}))",
            words.join(", "),
            STANDARD.encode(&self.bytes),
            self.len(),
        )
    }
}

impl<S: AsRef<str>> FromIterator<(Uuid, S)> for Carried {
    fn from_iter<I: IntoIterator<Item = (Uuid, S)>>(entries: I) -> Self {
        let mut carried = Self::default();
        let mut places = std::collections::HashMap::<String, u32>::new();
        for (id, word) in entries {
            let word = word.as_ref();
            let place = if let Some(place) = places.get(word) {
                *place
            } else {
                let place = u32::try_from(carried.words.len()).unwrap_or(u32::MAX);
                carried.words.push(word.to_owned());
                places.insert(word.to_owned(), place);
                place
            };
            carried.push(id, place);
        }
        carried
    }
}

impl Carried {
    /// A set of ids, without words.
    pub fn set(ids: impl IntoIterator<Item = Uuid>) -> Self {
        ids.into_iter().map(|id| (id, "")).collect()
    }

    /// The same, as all that the caller may see: values of labels, empty where there is none.
    #[must_use]
    pub fn of_all(self) -> Self {
        Self {
            is_all: true,
            ..self
        }
    }

    /// Whether these are all that the caller may see.
    pub(super) const fn is_all(&self) -> bool {
        self.is_all
    }

    /// The word of what is there and may not be seen.
    pub const HIDDEN: &str = "?";
}

/// A text as a literal of the statement.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// What a question needs of the inventory.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    found: Vec<(Need, Carried)>,
    slice: Option<Slice>,
}

impl Inventory {
    /// What was found of each need.
    pub fn new(found: Vec<(Need, Carried)>) -> Self {
        Self { found, slice: None }
    }

    /// The same, as what was found of a slice: no more is asked than that.
    #[must_use]
    pub fn of_slice(self, slice: Slice) -> Self {
        Self {
            slice: Some(slice),
            ..self
        }
    }

    /// The slice that it is of, if not of all.
    pub(super) const fn slice(&self) -> Option<Slice> {
        self.slice
    }

    /// What was found at a place.
    pub(super) fn at(&self, place: usize) -> Option<&Carried> {
        self.found.get(place).map(|(_, carried)| carried)
    }

    /// Place of what is needed.
    pub(super) fn find(&self, need: &Need) -> Option<usize> {
        self.found.iter().position(|(known, _)| known == need)
    }

    /// All of it, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Need, &Carried)> {
        self.found
            .iter()
            .enumerate()
            .map(|(place, (need, carried))| (place, need, carried))
    }
}
