//! The question: a plain value, the same for a page, a dashboard and a file.

use chrono::{DateTime, Utc};
use domain::{
    Area, Error, Result,
    calendar::Zone,
    usage::{
        Alignment, Attribution, Comparison, Dimension, Fill, Grain, Kind, Known, LabelGroup,
        Measure, Preset, Source, State, TimePart,
    },
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Filter, Having, Need, UsageLimits,
    filter::{self, Condition},
    having::Compared,
    limit::beyond,
};

/// A question to the cubes. What depends on the clock is kept as it was said, so that a question that is kept means the same
/// every month.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CubeQuery {
    /// What it is counted from. A question about usage records is written without it, as before there were others.
    #[serde(default, skip_serializing_if = "is_of_records")]
    pub source: Source,
    /// Quantities wanted, each once.
    pub measures: Vec<Measure>,
    /// Time of use.
    pub period: Span,
    /// In which days, months and hours of the day are meant.
    #[serde(default)]
    pub time_zone: Zone,
    /// What to group by, in this order; of nothing, the whole is the only row.
    #[serde(default)]
    pub group_by: Vec<Group>,
    /// Which usage.
    #[serde(default)]
    pub filter: Option<Filter>,
    /// Which groups.
    #[serde(default)]
    pub having: Option<Having>,
    /// Sort of the rows. Ties, and everything when nothing is said, are sorted by the keys.
    #[serde(default)]
    pub order_by: Vec<Order>,
    /// Only the largest of one group.
    #[serde(default)]
    pub top: Option<Top>,
    /// Most rows, for each parent; the most there may be when nothing is said.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Rows passed over.
    #[serde(default)]
    pub offset: u32,
    /// Whether what is not shown is summed up as a row of its own.
    #[serde(default)]
    pub others: bool,
    /// Whether buckets without usage are rows.
    #[serde(default = "fill_none")]
    pub fill: Fill,
    /// What is shown beside each row.
    #[serde(default)]
    pub compare_to: Option<Comparison>,
    /// Whose usage it is.
    #[serde(default)]
    pub attribution: Attribution,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_of_records(source: &Source) -> bool {
    *source == Source::Cdr
}

const fn fill_none() -> Fill {
    Fill::None
}

/// A period as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Span {
    /// Between two moments.
    Between {
        /// First moment inside.
        from: DateTime<Utc>,
        /// First moment after.
        to: DateTime<Utc>,
        /// What becomes of bounds that no table has.
        #[serde(default)]
        align: Alignment,
    },
    /// One that moves with the clock.
    Preset(Preset),
    /// What that was at a moment: it moves no more.
    PresetAt {
        /// The period.
        preset: Preset,
        /// When it was meant.
        at: DateTime<Utc>,
    },
}

impl Span {
    /// The same period at any later time.
    #[must_use]
    pub const fn meant_at(self, at: DateTime<Utc>) -> Self {
        match self {
            Self::Preset(preset) => Self::PresetAt { preset, at },
            fixed => fixed,
        }
    }

    /// When a period was meant that had not ended then.
    pub(super) fn running_at(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (preset, at) = match self {
            Self::Preset(preset) => (preset, now),
            Self::PresetAt { preset, at } => (preset, at),
            Self::Between { .. } => return None,
        };
        preset.is_running().then_some(at)
    }

    /// Hours that it has at most, when days have been as long as they get.
    fn longest_hours(&self) -> u64 {
        match self {
            Self::Preset(preset) | Self::PresetAt { preset, .. } => preset.longest_days() * 24 + 1,
            Self::Between { from, to, .. } => {
                let hours = (*to - *from).num_hours().max(0);
                hours.unsigned_abs().saturating_add(1)
            }
        }
    }
}

/// What rows are grouped by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Values of a dimension.
    Dimension(Dimension),
    /// Time buckets.
    Time(Grain),
    /// A part of the date or of the time of day.
    TimePart(TimePart),
    /// The value that the SIM has now under this key of labels.
    SimLabel(String),
    /// The value that the device has now under this key of labels.
    DeviceLabel(String),
}

impl Group {
    /// Whether it is a time bucket or a part of one.
    pub const fn is_time(&self) -> bool {
        matches!(self, Self::Time(_) | Self::TimePart(_))
    }

    /// How many values it has at most, about.
    fn values(&self) -> u64 {
        match self {
            Self::Dimension(dimension) => dimension.entry().values,
            _ => u64::MAX,
        }
    }

    /// What it is known by in the cells, or by whose inventory.
    fn dimension(&self) -> Option<Dimension> {
        match self {
            Self::Dimension(dimension) => Some(*dimension),
            Self::SimLabel(_) => Some(LabelGroup::SimLabel.entry().of),
            Self::DeviceLabel(_) => Some(LabelGroup::DeviceLabel.entry().of),
            Self::Time(_) | Self::TimePart(_) => None,
        }
    }

    /// What has to be looked up in the inventory for its value.
    pub(super) fn need(&self, attribution: Attribution) -> Option<Need> {
        match self {
            Self::Dimension(dimension) => Need::of(*dimension, attribution),
            Self::SimLabel(key) => Some(Need::SimLabel(key.clone())),
            Self::DeviceLabel(key) => Some(Need::DeviceLabel(key.clone())),
            Self::Time(_) | Self::TimePart(_) => None,
        }
    }

    /// What has to be looked up in the inventory before that.
    fn need_before(&self, attribution: Attribution) -> Option<Need> {
        match self {
            Self::DeviceLabel(_) => Need::of(Dimension::Device, attribution),
            _ => None,
        }
    }
}

/// Only the largest values of one group, by the whole period and all other groups together; ties go by the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Top {
    /// Place of the group, from 0; not one of time.
    pub group: usize,
    /// How many.
    pub n: u32,
    /// Largest by this.
    pub by: Measure,
}

/// What a row is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderBy {
    /// A quantity, asked for or not. Rows without it come last.
    Measure(Measure),
    /// The group of this place, from 0; ids sort by their text.
    Group(usize),
}

/// One sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Order {
    /// Sorted by this.
    pub by: OrderBy,
    /// Largest first.
    #[serde(default)]
    pub descending: bool,
}

impl CubeQuery {
    /// A question about the whole of a period, to be narrowed.
    pub fn of(measures: &[Measure], period: Span) -> Self {
        Self {
            source: Source::Cdr,
            measures: measures.to_vec(),
            period,
            time_zone: Zone::UTC,
            group_by: Vec::new(),
            filter: None,
            having: None,
            order_by: Vec::new(),
            top: None,
            limit: None,
            offset: 0,
            others: false,
            fill: Fill::None,
            compare_to: None,
            attribution: Attribution::AtEvent,
        }
    }

    /// SHA-256 of the question: the same for the same one, in every process and version that can ask it.
    ///
    /// # Errors
    /// `INTERNAL` when it can't be written as JSON.
    pub fn fingerprint(&self) -> Result<[u8; 32]> {
        fingerprint(self)
    }

    /// Whether the question is one, whoever asks it. Every question is checked before it is planned; a surface that wants to
    /// name the field to blame asks for this itself.
    ///
    /// # Errors
    /// `INVALID_INPUT` or `LIMIT_EXCEEDED`, with the field.
    pub fn check(&self) -> Result<()> {
        self.check_within(UsageLimits::ROWS)
    }

    /// The same for a file, which has as many rows as the question leaves.
    ///
    /// # Errors
    /// Those of [`CubeQuery::check`].
    pub fn check_file(&self) -> Result<()> {
        self.check_within(UsageLimits::FILE_ROWS)
    }

    /// The same, where an answer has at most so many rows.
    pub(super) fn check_within(&self, most: usize) -> Result<()> {
        self.check_sizes(most)?;
        self.check_groups()?;
        self.check_places()?;
        self.check_source()?;
        let filter = self.filter.as_ref().map_or(Ok(()), filter::check_size);
        filter.map_err(|error| error.at("filter"))?;
        let having = self.having.as_ref().map_or(Ok(()), Having::check_size);
        having.map_err(|error| error.at("having"))
    }

    fn check_sizes(&self, most: usize) -> Result<()> {
        if self.measures.is_empty() {
            return Err(Error::invalid("at least one measure must be asked for").at("measures"));
        }
        if let Some((place, twice)) = repeated(&self.measures) {
            let error = Error::invalid(format!("{} is named twice", twice.as_ref()));
            return Err(error.at(&place.to_string()).at("measures"));
        }
        let rows = u64::from(self.limit.unwrap_or_default()) + u64::from(self.offset);
        if rows > most as u64 {
            let error = beyond("offset and limit come to too many rows", most, rows);
            let field = if self.limit.is_some() {
                "limit"
            } else {
                "offset"
            };
            return Err(error.at(field).suggest("narrow the question"));
        }
        Ok(())
    }

    fn check_groups(&self) -> Result<()> {
        if self.group_by.len() > UsageLimits::GROUPS {
            let error = beyond(
                "too many groups",
                UsageLimits::GROUPS,
                self.group_by.len() as u64,
            );
            return Err(error.at("group_by"));
        }
        let at = |error: Error, place: usize| Err(error.at(&place.to_string()).at("group_by"));
        if let Some((place, _)) = repeated(&self.group_by) {
            return at(Error::invalid("the same group is named twice"), place);
        }
        let groups = self.group_by.iter().enumerate();
        let mut grains = groups
            .clone()
            .filter(|(_, group)| matches!(group, Group::Time(_)));
        if let Some((place, _)) = grains.nth(1) {
            let text = "group by one width of time only";
            return at(Error::invalid(text).at("time"), place);
        }
        for (place, group) in groups {
            let (key, field) = match group {
                Group::SimLabel(key) => (key, "sim_label"),
                Group::DeviceLabel(key) => (key, "device_label"),
                _ => continue,
            };
            let (most, bytes) = (UsageLimits::TEXT_BYTES, key.len());
            if bytes > most {
                let error = beyond("a key of labels is too long", most, bytes as u64);
                return at(error.at(field), place);
            }
            if key.contains('\0') {
                let error = Error::invalid("a text cannot contain NUL");
                return at(error.at(field), place);
            }
        }
        Ok(())
    }

    fn check_places(&self) -> Result<()> {
        if self.order_by.len() > UsageLimits::ORDERS {
            let error = beyond(
                "too many sort keys",
                UsageLimits::ORDERS,
                self.order_by.len() as u64,
            );
            return Err(error.at("order_by"));
        }
        for (n, order) in self.order_by.iter().enumerate() {
            if let OrderBy::Group(place) = order.by {
                let at = |error: Error| {
                    let error = error.at("group").at("by");
                    error.at(&n.to_string()).at("order_by")
                };
                self.group_at(place).map_err(at)?;
            }
        }
        let Some(top) = &self.top else {
            return Ok(());
        };
        let group = self
            .group_at(top.group)
            .map_err(|error| error.at("group").at("top"))?;
        if group.is_time() {
            let text = "top cannot rank a group of time: use orderBy and limit";
            return Err(Error::invalid(text).at("group").at("top"));
        }
        if top.n as usize > UsageLimits::ROWS {
            let error = beyond("too many values", UsageLimits::ROWS, top.n.into());
            return Err(error.at("n").at("top"));
        }
        Ok(())
    }

    fn check_source(&self) -> Result<()> {
        let measures = self.measures.iter();
        // They may be selected as fields of the answer: what is wrong with the question then is its source.
        let measures = measures.map(|one| ("source".to_owned(), Word::Measure(*one)));
        let mut words = measures.chain(self.words());
        words.try_for_each(|(field, word)| {
            let known = self.check_word(&word);
            known.map_err(|error| error.at(&field))
        })
    }

    /// # Errors
    /// `INVALID_INPUT` for a word that is not known of the question's source.
    pub(super) fn check_word(&self, word: &Word) -> Result<()> {
        let sources = word.sources();
        if sources.contains(&self.source) {
            return Ok(());
        }
        let what = match self.source {
            Source::Cdr => "usage records",
            Source::Session => "sessions",
        };
        let text = format!("{} is not known of {what}", word.name());
        let sources: Vec<_> = sources.iter().map(AsRef::as_ref).collect();
        let suggestion = format!("ask for it with source {}", sources.join(" or "));
        Err(Error::invalid(text).suggest(suggestion))
    }

    /// Whether groups are put together after they were made.
    pub(super) fn merges(&self) -> bool {
        self.others || self.top.is_some()
    }

    /// Most rows that an answer has, about, by nothing but the question: what its groups and its largest values leave.
    pub fn most_rows(&self) -> u64 {
        let most = |(place, group): (usize, &Group)| match group {
            // The first and the last bucket may be parts, and bounds may move outward.
            Group::Time(grain) => self.period.longest_hours() / grain.shortest_hours() + 4,
            Group::TimePart(part) => part.count(),
            _ => match self.top {
                Some(top) if top.group == place => u64::from(top.n),
                _ => group.values(),
            },
        };
        let groups = self.group_by.iter().enumerate();
        let rows = groups.clone().map(most).fold(1, u64::saturating_mul);
        let rows = self.limit.map_or(rows, |limit| rows.min(limit.into()));
        let buckets = groups.filter(|(_, group)| group.is_time()).map(most);
        let others = match (self.others, self.top) {
            (false, _) => 0,
            (true, None) => 1,
            (true, Some(_)) => buckets.fold(1, u64::saturating_mul),
        };
        rows.saturating_add(others).min(UsageLimits::ROWS as u64)
    }

    fn group_at(&self, place: usize) -> Result<&Group> {
        let missing = || {
            let groups = self.group_by.len();
            Error::invalid(format!(
                "groupBy has no group {place}: it has {groups}, counted from 0"
            ))
        };
        self.group_by.get(place).ok_or_else(missing)
    }

    /// Every quantity that the question names, with repetitions.
    pub(super) fn named_measures(&self) -> impl Iterator<Item = Measure> {
        let sorted = self.order_by.iter().filter_map(|order| match order.by {
            OrderBy::Measure(measure) => Some(measure),
            OrderBy::Group(_) => None,
        });
        let conditions = self.having.iter().flat_map(Having::conditions);
        let conditions = conditions.map(|Compared::Measure { by, .. }| *by);
        let top = self.top.map(|top| top.by);
        self.measures
            .iter()
            .copied()
            .chain(sorted)
            .chain(conditions)
            .chain(top)
    }

    /// The states that its quantities are made of.
    pub(super) fn states(&self) -> Vec<State> {
        let states = self
            .named_measures()
            .flat_map(|measure| measure.entry().expression.states());
        let mut states: Vec<State> = states.collect();
        states.sort_unstable();
        states.dedup();
        states
    }

    /// What rows depend on, by its field, and the area that it is of. Quantities that are only shown are left out one by one where
    /// they are closed.
    pub(super) fn ways(&self) -> impl Iterator<Item = (String, Option<Area>)> {
        let source = ("source".to_owned(), self.source.area());
        let words = self.words().map(|(field, word)| (field, word.area()));
        let now = (self.attribution == Attribution::Current)
            .then(|| ("attribution".to_owned(), Some(Area::Sims)));
        [source].into_iter().chain(words).chain(now)
    }

    /// The words of the vocabulary that rows depend on, by their field.
    fn words(&self) -> impl Iterator<Item = (String, Word)> {
        let groups = self.group_by.iter().enumerate().filter_map(|(n, group)| {
            let dimension = group.dimension()?;
            Some((format!("group_by.{n}"), Word::Dimension(dimension)))
        });
        let filter = self.conditions().map(|condition| {
            let dimension = Word::Dimension(condition.dimension());
            ("filter".to_owned(), dimension)
        });
        let having = self.having.iter().flat_map(Having::conditions);
        let having =
            having.map(|Compared::Measure { by, .. }| ("having".to_owned(), Word::Measure(*by)));
        let orders = self.order_by.iter().enumerate();
        let orders = orders.filter_map(|(n, order)| match order.by {
            OrderBy::Measure(by) => Some((format!("order_by.{n}"), Word::Measure(by))),
            OrderBy::Group(_) => None,
        });
        let top = self
            .top
            .map(|top| ("top.by".to_owned(), Word::Measure(top.by)));
        groups.chain(filter).chain(having).chain(orders).chain(top)
    }

    /// Every dimension that the question names, with repetitions.
    pub(super) fn dimensions(&self) -> impl Iterator<Item = Dimension> {
        let groups = self.group_by.iter().filter_map(Group::dimension);
        groups.chain(self.conditions().map(Condition::dimension))
    }

    /// Conditions of its filter, wherever they stand.
    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.filter.iter().flat_map(Filter::conditions)
    }

    /// What has to be looked up in the inventory before the question can be planned, each once.
    pub fn needs(&self, parent: Option<Dimension>) -> Vec<Need> {
        let groups = self.group_by.iter().flat_map(|group| {
            let before = group.need_before(self.attribution);
            before.into_iter().chain(group.need(self.attribution))
        });
        let filters = self
            .conditions()
            .flat_map(|condition| condition.needs(self.attribution));
        let parent = parent.and_then(|parent| Need::of(parent, self.attribution));
        let mut needs = Vec::new();
        for need in groups.chain(filters).chain(parent) {
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        needs
    }

    /// What has to be looked up besides for a caller who sees a part of the fleet: which ids its rows may name. Cells keep those of the
    /// time of use.
    pub fn needs_of_part(&self) -> impl Iterator<Item = Need> {
        let groups = self.group_by.iter().filter_map(|group| match group {
            Group::Dimension(dimension) => Some(*dimension),
            _ => None,
        });
        let of_cells = groups.filter(|dimension| {
            dimension.entry().kind == Kind::Id && Need::of(*dimension, self.attribution).is_none()
        });
        of_cells.map(Need::Visible)
    }
}

/// A word of the vocabulary that a question names.
pub(super) enum Word {
    Dimension(Dimension),
    Measure(Measure),
}

impl Word {
    fn name(&self) -> &str {
        match self {
            Self::Dimension(dimension) => dimension.as_ref(),
            Self::Measure(measure) => measure.as_ref(),
        }
    }

    const fn area(&self) -> Option<Area> {
        match self {
            Self::Dimension(dimension) => dimension.entry().area,
            Self::Measure(measure) => measure.entry().area,
        }
    }

    /// The sources that have it.
    fn sources(&self) -> Vec<Source> {
        match self {
            Self::Dimension(dimension) => dimension.entry().sources.to_vec(),
            Self::Measure(measure) => measure.sources().collect(),
        }
    }
}

impl Need {
    /// What tells the values of a dimension, where the cells do not.
    pub(super) fn of(dimension: Dimension, attribution: Attribution) -> Option<Self> {
        match (dimension, attribution) {
            (Dimension::SimState, _) => Some(Self::SimState),
            (Dimension::SimCustomerNow, _) | (Dimension::Customer, Attribution::Current) => {
                Some(Self::SimCustomer)
            }
            (Dimension::Device, Attribution::Current) => Some(Self::SimDevice),
            _ => {
                debug_assert!(!matches!(dimension.entry().known, Known::Sim));
                None
            }
        }
    }
}

/// SHA-256 of a question as JSON.
pub(super) fn fingerprint(question: &impl Serialize) -> Result<[u8; 32]> {
    let text = serde_json::to_vec(question).map_err(Error::internal)?;
    Ok(Sha256::digest(text).into())
}

/// The first of those that come again, with its place.
fn repeated<T: PartialEq>(all: &[T]) -> Option<(usize, &T)> {
    all.iter()
        .enumerate()
        .find(|(place, one)| all[..*place].contains(one))
}
