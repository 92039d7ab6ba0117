//! The same questions, answered from the records and rollups in memory by the slowest means there are.
//!
//! Nothing here is shared with the planner but the words of a question and of an answer: clocks are read off a table, buckets are
//! found by looking for their first moment, groups are maps, and a row's place is where a stable sort leaves it.

mod compare;
mod fact;
mod refusal;
mod sum;
mod wall;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use analytics::{
    CdrRow, SessionRow,
    usage::{
        Alignment, Attribution, Carried, Condition, CubeQuery, Dimension, Fill, Filter, Group,
        Incomplete, Inventory, Key, Measure, Need, OrderBy, Source, Span,
    },
};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use domain::{
    Scope,
    id::{CustomerId, DeviceId},
    scope::Segments,
    slice::{Of, Slice},
};
use strum::VariantArray;
use uuid::Uuid;

use compare::{Earlier, Partner};
use fact::Fact;
pub(crate) use refusal::{ROLLUPS, refusals};
use sum::{Sum, passes};
use wall::{Wall, finest};

/// Country of each network of the made-up fleet.
pub(crate) const COUNTRIES: [(&str, &str); 3] =
    [("262-02", "DE"), ("262-01", "DE"), ("238-02", "DK")];

/// All that is known.
pub(crate) struct World {
    /// Every record, of all tenants.
    pub(crate) rows: Vec<CdrRow>,
    /// Every rollup of a session.
    pub(crate) rollups: Vec<SessionRow>,
    /// What SIMs and devices are now.
    pub(crate) words: HashMap<Need, BTreeMap<Uuid, String>>,
    /// What both come to.
    records: Vec<Fact>,
    sessions: Vec<Fact>,
}

/// A question, and who asks it when.
pub(crate) struct Asked<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) query: &'a CubeQuery,
    pub(crate) now: DateTime<Utc>,
    /// The object that is asked about.
    pub(crate) parent: Option<(Dimension, Key)>,
    /// How many of its kind are asked about at once.
    pub(crate) parents: u32,
}

/// Quantities of those that are asked for and open, in the order of the vocabulary.
pub(crate) type Quantities = Vec<Option<i128>>;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) keys: Vec<Option<Key>>,
    pub(crate) others: bool,
    pub(crate) values: Quantities,
    pub(crate) previous: Option<Quantities>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) period: [DateTime<Utc>; 2],
    pub(crate) rows: Vec<Row>,
    pub(crate) totals: Quantities,
    pub(crate) previous_totals: Option<Quantities>,
    pub(crate) truncated: bool,
    pub(crate) closed: Vec<Measure>,
    pub(crate) watermark: Option<DateTime<Utc>>,
    pub(crate) incomplete: Option<Incomplete>,
}

/// What is known of an answer that does not show in it.
#[derive(Default)]
pub(crate) struct Notes {
    /// Rows that were filled in.
    pub(crate) filled: usize,
    /// Whether usage of the earlier period stands beside no row.
    pub(crate) has_lonely: bool,
}

/// A group that may become a row.
struct Candidate {
    keys: Vec<Key>,
    /// None in a bucket that is filled in without values.
    now: Option<Sum>,
    is_filled: bool,
}

impl Candidate {
    fn value(&self, measure: Measure) -> Option<i128> {
        self.now.as_ref()?.value(measure)
    }
}

impl World {
    pub(crate) fn new(
        rows: Vec<CdrRow>,
        rollups: Vec<SessionRow>,
        words: HashMap<Need, BTreeMap<Uuid, String>>,
    ) -> Self {
        Self {
            records: rows.iter().enumerate().map(Fact::of_record).collect(),
            sessions: rollups.iter().enumerate().map(Fact::of_rollup).collect(),
            rows,
            rollups,
            words,
        }
    }

    fn facts(&self, source: Source) -> &[Fact] {
        match source {
            Source::Cdr => &self.records,
            Source::Session => &self.sessions,
        }
    }

    /// What a question needs of the inventory. Labels of callers who see a part of the fleet are of all that they see, and of the objects
    /// that rows name only some are in sight.
    pub(crate) fn inventory(
        &self,
        scope: &Scope,
        query: &CubeQuery,
        parent: Option<Dimension>,
    ) -> Inventory {
        self.inventory_of(scope, query, parent, None)
    }

    /// What is carried of a need, as far as it matters to a slice.
    fn carried(&self, scope: &Scope, need: &Need, slice: Option<Slice>) -> Carried {
        if let Need::Visible(Dimension::Customer) = need {
            return Carried::set(customers_in_sight(scope));
        }
        let is_of = match need {
            Need::DeviceLabel(_) | Need::Devices(_) | Need::Visible(Dimension::Device) => {
                Of::Devices
            }
            _ => Of::Sims,
        };
        let slice = slice.filter(|slice| slice.of == is_of);
        let words = self.words.get(need).into_iter().flatten();
        let words = words.filter(|(id, _)| slice.is_none_or(|slice| slice.has(**id)));
        words.map(|(id, word)| (*id, word)).collect()
    }

    /// The same, as far as it matters to a slice.
    pub(crate) fn inventory_of(
        &self,
        scope: &Scope,
        query: &CubeQuery,
        parent: Option<Dimension>,
        slice: Option<Slice>,
    ) -> Inventory {
        let of_part = (!sees_all(scope)).then(|| query.needs_of_part());
        let needs = query.needs(parent).into_iter();
        let found = needs.chain(of_part.into_iter().flatten()).map(|need| {
            let carried = self.carried(scope, &need, slice);
            let is_label = matches!(need, Need::SimLabel(_) | Need::DeviceLabel(_));
            let carried = if is_label && !sees_all(scope) {
                carried.of_all()
            } else {
                carried
            };
            (need, carried)
        });
        let inventory = Inventory::new(found.collect());
        match slice {
            Some(slice) => inventory.of_slice(slice),
            None => inventory,
        }
    }

    /// The answer to a question that is not refused.
    pub(crate) fn answer(&self, asked: &Asked) -> (Answer, Notes) {
        Answering::new(self, asked).answer()
    }

    /// The records that a question is about, its period, and the receipt of the newest record that the caller may see.
    pub(crate) fn records<'a>(
        &'a self,
        asked: &'a Asked,
    ) -> (Vec<&'a CdrRow>, [DateTime<Utc>; 2], Option<DateTime<Utc>>) {
        let answering = Answering::new(self, asked);
        let rows = answering.now.iter().map(|fact| &self.rows[fact.place]);
        (rows.collect(), answering.period, answering.watermark)
    }

    /// Value of a dimension.
    pub(crate) fn key(&self, dimension: Dimension, attribution: Attribution, row: &Fact) -> Key {
        let or_none = |id: Option<Uuid>| id.map_or(Key::None, Key::Id);
        let is_current = attribution == Attribution::Current;
        match dimension {
            Dimension::Network => Key::Text(row.network.clone()),
            Dimension::Country => {
                let country = COUNTRIES
                    .iter()
                    .find(|(network, _)| *network == row.network);
                Key::Text(country.map_or("", |(_, country)| country).into())
            }
            Dimension::Customer if is_current => self.id(&Need::SimCustomer, row),
            Dimension::Customer => or_none(row.customer.map(CustomerId::uuid)),
            Dimension::Sim => Key::Id(row.sim),
            Dimension::Device if is_current => self.id(&Need::SimDevice, row),
            Dimension::Device => or_none(row.device.map(DeviceId::uuid)),
            Dimension::RadioAccessType => Key::Text(row.rat.clone()),
            Dimension::Service => Key::Text(row.service.clone()),
            Dimension::Stream => Key::Text(row.stream.clone()),
            Dimension::SimState => self
                .word(&Need::SimState, Some(row.sim))
                .map_or(Key::Hidden, Key::Text),
            Dimension::SimCustomerNow => self.id(&Need::SimCustomer, row),
        }
    }

    fn device(&self, attribution: Attribution, row: &Fact) -> Option<Uuid> {
        match attribution {
            Attribution::AtEvent => row.device.map(DeviceId::uuid),
            Attribution::Current => match self.id(&Need::SimDevice, row) {
                Key::Id(id) => Some(id),
                _ => None,
            },
        }
    }

    /// An id that the inventory has of a record's SIM. A SIM that is not in it the caller may not see.
    fn id(&self, need: &Need, row: &Fact) -> Key {
        match self.word(need, Some(row.sim)).as_deref() {
            None | Some(Carried::HIDDEN) => Key::Hidden,
            Some("") => Key::None,
            Some(word) => Key::Id(word.parse().expect("an id")),
        }
    }

    /// Whether an object is among those that match a filter of the inventory.
    fn matches(&self, need: &Need, id: Option<Uuid>) -> bool {
        self.word(need, id).is_some()
    }

    fn word(&self, need: &Need, id: Option<Uuid>) -> Option<String> {
        self.words.get(need)?.get(&id?).cloned()
    }

    /// Key of a group that is not one of time.
    fn group(&self, group: &Group, asked: &Asked, row: &Fact) -> Option<Key> {
        let of = |dimension| self.key(dimension, asked.query.attribution, row);
        match group {
            Group::Dimension(dimension) => Some(self.in_sight(asked, *dimension, of(*dimension))),
            Group::SimLabel(key) => {
                let need = Need::SimLabel(key.clone());
                Some(self.label(asked.scope, &need, &of(Dimension::Sim)))
            }
            Group::DeviceLabel(key) => {
                let need = Need::DeviceLabel(key.clone());
                Some(self.label(asked.scope, &need, &of(Dimension::Device)))
            }
            Group::Time(_) | Group::TimePart(_) => None,
        }
    }

    /// The key of a row. Whoever sees a part of the fleet is not told which SIM, device or customer of then it was that is out of sight
    /// now: all of those are one. What SIMs are now is hidden already where it is.
    fn in_sight(&self, asked: &Asked, dimension: Dimension, key: Key) -> Key {
        let is_of_then = match dimension {
            Dimension::Sim => true,
            Dimension::Customer | Dimension::Device => {
                asked.query.attribution == Attribution::AtEvent
            }
            _ => false,
        };
        let Key::Id(id) = key else {
            return key;
        };
        let is_seen = !is_of_then
            || sees_all(asked.scope)
            || match dimension {
                Dimension::Customer => customers_in_sight(asked.scope).contains(&id),
                _ => self.matches(&Need::Visible(dimension), Some(id)),
            };
        if is_seen { key } else { Key::Hidden }
    }

    /// The value of a label of a SIM or device. To who sees a part of the fleet, one without the label is known as such, and one
    /// that is not known is hidden.
    fn label(&self, scope: &Scope, need: &Need, of: &Key) -> Key {
        let id = match of {
            Key::Id(id) => Some(*id),
            _ => None,
        };
        match self.word(need, id) {
            Some(word) if sees_all(scope) || !word.is_empty() => Key::Text(word),
            None if !sees_all(scope) && *of != Key::None => Key::Hidden,
            _ => Key::None,
        }
    }

    fn holds(&self, filter: &Filter, attribution: Attribution, row: &Fact) -> bool {
        match filter {
            Filter::And(parts) => parts.iter().all(|part| self.holds(part, attribution, row)),
            Filter::Or(parts) => parts.iter().any(|part| self.holds(part, attribution, row)),
            Filter::Not(part) => !self.holds(part, attribution, row),
            Filter::Is(Condition::In { dimension, values }) => {
                values.contains(&self.key(*dimension, attribution, row))
            }
            Filter::Is(Condition::Sim(filter)) => {
                self.matches(&Need::Sims(filter.clone()), Some(row.sim))
            }
            Filter::Is(Condition::Device(filter)) => {
                let device = self.device(attribution, row);
                self.matches(&Need::Devices(filter.clone()), device)
            }
        }
    }
}

/// One question being answered.
struct Answering<'a> {
    world: &'a World,
    asked: &'a Asked<'a>,
    query: &'a CubeQuery,
    wall: Arc<Wall>,
    period: [DateTime<Utc>; 2],
    earlier: Option<Earlier>,
    watermark: Option<DateTime<Utc>>,
    /// Records of the period and those of the earlier one.
    now: Vec<&'a Fact>,
    before: Vec<&'a Fact>,
}

impl<'a> Answering<'a> {
    fn new(world: &'a World, asked: &'a Asked<'a>) -> Self {
        let query = asked.query;
        let wall = Wall::of(query);
        let period = meant(query, &wall, asked.now);
        let earlier = Earlier::of(query, &wall, period, asked.now);
        let seen: Vec<&Fact> = world
            .facts(query.source)
            .iter()
            .filter(|row| visible(asked.scope, row))
            .collect();
        let watermark = seen.iter().map(|row| row.received_at).max();
        let of_parent = |row: &Fact| match &asked.parent {
            None => true,
            Some((dimension, id)) => world.key(*dimension, query.attribution, row) == *id,
        };
        let passes = |row: &Fact| match &query.filter {
            None => true,
            Some(filter) => world.holds(filter, query.attribution, row),
        };
        let own: Vec<&Fact> = seen
            .into_iter()
            .filter(|row| of_parent(row) && passes(row))
            .collect();
        let within = |[from, to]: [DateTime<Utc>; 2]| {
            let own = own.iter().copied();
            own.filter(|row| from <= row.at && row.at < to).collect()
        };
        Self {
            now: within(period),
            before: earlier
                .as_ref()
                .map_or_else(Vec::new, |earlier| within(earlier.period)),
            world,
            asked,
            query,
            wall,
            period,
            earlier,
            watermark,
        }
    }

    fn answer(self) -> (Answer, Notes) {
        let whole = |rows: &[&Fact]| {
            let mut sum = Sum::default();
            for row in rows {
                sum.add(row);
            }
            sum
        };
        let (totals, previous) = (whole(&self.now), whole(&self.before));
        let totals = self.quantities(Some(&totals));
        let previous_totals = self.beside(Some(&previous));
        let (rows, truncated, notes) = if self.query.group_by.is_empty() {
            let row = Row {
                keys: vec![],
                others: false,
                values: totals.clone(),
                previous: previous_totals.clone(),
            };
            (vec![row], false, Notes::default())
        } else {
            self.rows()
        };
        let to = self.period[1];
        let answer = Answer {
            period: self.period,
            rows,
            totals,
            previous_totals,
            truncated,
            closed: self
                .query
                .measures
                .iter()
                .copied()
                .filter(|measure| !self.is_open(*measure))
                .collect(),
            watermark: self.watermark,
            incomplete: match self.watermark {
                None => Some(Incomplete::NothingReceived),
                Some(watermark) => (watermark < to).then_some(Incomplete::PeriodRunning),
            },
        };
        (answer, notes)
    }

    fn rows(&self) -> (Vec<Row>, bool, Notes) {
        let now = self.now.iter().map(|row| (*row, self.keys(row, row.at)));
        let groups = sums(now);
        let mut has_lonely = false;
        let before = self.before.iter().filter_map(|row| {
            let earlier = self.earlier.as_ref()?;
            let Some(partner) = earlier.partner(self.query, &self.wall, self.period, row.at) else {
                has_lonely = true;
                return None;
            };
            let moment = match partner {
                Partner::All => row.at,
                Partner::At(moment) => moment,
            };
            Some((*row, self.keys(row, moment)))
        });
        let before = sums(before);
        let largest = self.largest();
        let in_top = |keys: &[Key]| match &self.query.top {
            None => true,
            Some(top) => largest.contains(&keys[top.group]),
        };
        let passes = |candidate: &Candidate| match &self.query.having {
            None => true,
            Some(having) => passes(having, &|measure| candidate.value(measure)) == Some(true),
        };

        let (candidates, rest): (Vec<_>, Vec<_>) = groups
            .iter()
            .map(|(keys, sum)| Candidate {
                keys: keys.clone(),
                now: Some(sum.clone()),
                is_filled: false,
            })
            .chain(self.filled(&groups, &in_top))
            .partition(|candidate| in_top(&candidate.keys));
        let (mut shown, refused): (Vec<_>, Vec<_>) = candidates.into_iter().partition(passes);
        let (mut hidden, refused_too): (Vec<_>, Vec<_>) = rest.into_iter().partition(passes);
        let refused: BTreeSet<Vec<Key>> = refused
            .into_iter()
            .chain(refused_too)
            .map(|candidate| candidate.keys)
            .collect();

        shown.sort_by(|a, b| self.compare(a, b));
        let skipped = self.query.offset as usize;
        let limit = if let Some(limit) = self.query.limit {
            limit as usize
        } else {
            let besides = skipped + beside(self.query, &self.wall, self.period);
            10_000 / self.asked.parents as usize - besides
        };
        let truncated = shown.len() > skipped + limit;
        let beyond = shown.split_off(shown.len().min(skipped + limit));
        let passed_over: Vec<_> = shown.drain(..shown.len().min(skipped)).collect();
        hidden.extend(passed_over);
        hidden.extend(beyond);

        let notes = Notes {
            filled: shown.iter().filter(|row| row.is_filled).count(),
            has_lonely,
        };
        let mut rows: Vec<Row> = shown
            .iter()
            .map(|candidate| Row {
                keys: candidate.keys.iter().cloned().map(Some).collect(),
                others: false,
                values: self.quantities(candidate.now.as_ref()),
                previous: self.beside(Some(before.get(&candidate.keys).unwrap_or(&Sum::default()))),
            })
            .collect();
        if self.query.others {
            let shown: BTreeSet<_> = shown.iter().map(|candidate| &candidate.keys).collect();
            let lost = before
                .iter()
                .filter(|(keys, _)| !shown.contains(keys) && !refused.contains(*keys));
            rows.extend(self.others(&hidden, lost));
        }
        (rows, truncated, notes)
    }

    /// What is not shown, merged.
    fn others<'b>(
        &self,
        hidden: &[Candidate],
        lost: impl Iterator<Item = (&'b Vec<Key>, &'b Sum)>,
    ) -> Vec<Row> {
        let mut merged: BTreeMap<Vec<Key>, (Sum, Sum)> = BTreeMap::new();
        for candidate in hidden.iter().filter(|candidate| !candidate.is_filled) {
            let (now, _) = merged.entry(self.of_others(&candidate.keys)).or_default();
            now.absorb(candidate.now.as_ref().expect("a sum"));
        }
        for (keys, sum) in lost {
            let (_, before) = merged.entry(self.of_others(keys)).or_default();
            before.absorb(sum);
        }
        let rows = merged.into_iter().map(|(times, (now, before))| {
            let mut times = times.into_iter();
            let groups = self.query.group_by.iter();
            Row {
                keys: groups
                    .map(|group| if group.is_time() { times.next() } else { None })
                    .collect(),
                others: true,
                values: self.quantities(Some(&now)),
                previous: self.beside(Some(&before)),
            }
        });
        rows.collect()
    }

    /// The keys by which others are told apart: those of time, beside the largest of a group.
    fn of_others(&self, keys: &[Key]) -> Vec<Key> {
        match self.query.top {
            None => vec![],
            Some(_) => self.of_time(keys),
        }
    }

    fn of_time(&self, keys: &[Key]) -> Vec<Key> {
        let groups = self.query.group_by.iter().zip(keys);
        let times = groups.filter(|(group, _)| group.is_time());
        times.map(|(_, key)| key.clone()).collect()
    }

    /// The largest values of one group.
    fn largest(&self) -> Vec<Key> {
        let Some(top) = &self.query.top else {
            return vec![];
        };
        let keys = |row: &Fact| vec![self.keys(row, row.at).swap_remove(top.group)];
        let values = sums(self.now.iter().map(|row| (*row, keys(row))));
        let mut values: Vec<_> = values.into_iter().collect();
        let group = &self.query.group_by[top.group];
        values.sort_by(|(a, a_sum), (b, b_sum)| {
            let sums = descending(a_sum.value(top.by), b_sum.value(top.by));
            sums.then_with(|| text(group, &a[0]).cmp(&text(group, &b[0])))
        });
        values.truncate(top.n as usize);
        values.into_iter().flat_map(|(keys, _)| keys).collect()
    }

    /// Buckets without usage.
    fn filled(
        &self,
        groups: &BTreeMap<Vec<Key>, Sum>,
        in_top: &impl Fn(&[Key]) -> bool,
    ) -> Vec<Candidate> {
        let is_asked = self.query.fill != Fill::None && finest(self.query).is_some();
        let Some(watermark) = self.watermark.filter(|_| is_asked) else {
            return vec![];
        };
        // Every key but those of time, of whatever time.
        let mut occurring: Vec<Vec<Key>> = sums(self.now.iter().map(|row| {
            let mut keys = self.keys(row, row.at);
            self.put_times(&mut keys, self.period[0]);
            (*row, keys)
        }))
        .into_keys()
        .filter(|keys| in_top(keys))
        .collect();
        if self.query.group_by.iter().all(Group::is_time) {
            let mut keys = vec![Key::None; self.query.group_by.len()];
            self.put_times(&mut keys, self.period[0]);
            occurring = vec![keys];
        }
        let mut filled = Vec::new();
        let mut known = BTreeSet::new();
        for step in self.wall.steps(self.period) {
            let mut times = vec![Key::None; self.query.group_by.len()];
            self.put_times(&mut times, step);
            if step > watermark || !known.insert(times.clone()) {
                continue;
            }
            for keys in &occurring {
                let mut keys = keys.clone();
                self.put_times(&mut keys, step);
                if !groups.contains_key(&keys) {
                    filled.push(Candidate {
                        keys,
                        now: (self.query.fill == Fill::Zero).then(Sum::default),
                        is_filled: true,
                    });
                }
            }
        }
        filled
    }

    fn keys(&self, row: &Fact, moment: DateTime<Utc>) -> Vec<Key> {
        let groups = self.query.group_by.iter();
        let key = |group| {
            let time = self.wall.key(group, moment);
            time.or_else(|| self.world.group(group, self.asked, row))
        };
        groups.map(|group| key(group).expect("a key")).collect()
    }

    fn put_times(&self, keys: &mut [Key], moment: DateTime<Utc>) {
        for (group, key) in self.query.group_by.iter().zip(keys) {
            if let Some(time) = self.wall.key(group, moment) {
                *key = time;
            }
        }
    }

    fn compare(&self, a: &Candidate, b: &Candidate) -> Ordering {
        let by_group = |place: usize| {
            let group = &self.query.group_by[place];
            text(group, &a.keys[place]).cmp(&text(group, &b.keys[place]))
        };
        let asked = self.query.order_by.iter().map(|order| match order.by {
            OrderBy::Measure(measure) => {
                let (a, b) = (a.value(measure), b.value(measure));
                if order.descending {
                    descending(a, b)
                } else {
                    a.is_none().cmp(&b.is_none()).then(a.cmp(&b))
                }
            }
            OrderBy::Group(place) if order.descending => by_group(place).reverse(),
            OrderBy::Group(place) => by_group(place),
        });
        let keys = (0..self.query.group_by.len()).map(by_group);
        asked
            .fold(Ordering::Equal, Ordering::then)
            .then(keys.fold(Ordering::Equal, Ordering::then))
    }

    fn is_open(&self, measure: Measure) -> bool {
        let area = measure.entry().area;
        area.is_none_or(|area| self.asked.scope.visibility().of(area))
    }

    fn quantities(&self, sum: Option<&Sum>) -> Quantities {
        let all = Measure::VARIANTS.iter();
        all.map(|measure| {
            let is_asked = self.query.measures.contains(measure) && self.is_open(*measure);
            sum.filter(|_| is_asked)?.value(*measure)
        })
        .collect()
    }

    /// Quantities of the earlier period, if there is one.
    fn beside(&self, sum: Option<&Sum>) -> Option<Quantities> {
        self.earlier.as_ref().map(|_| self.quantities(sum))
    }
}

/// Groups of records, without those that were taken back.
fn sums<'a>(rows: impl Iterator<Item = (&'a Fact, Vec<Key>)>) -> BTreeMap<Vec<Key>, Sum> {
    let mut groups: BTreeMap<Vec<Key>, Sum> = BTreeMap::new();
    for (row, keys) in rows {
        groups.entry(keys).or_default().add(row);
    }
    groups.retain(|_, sum| sum.records != 0);
    groups
}

fn descending(a: Option<i128>, b: Option<i128>) -> Ordering {
    a.is_none().cmp(&b.is_none()).then(b.cmp(&a))
}

/// The text by which a key is sorted.
fn text(group: &Group, key: &Key) -> String {
    let is_label = matches!(group, Group::SimLabel(_) | Group::DeviceLabel(_));
    match key {
        Key::None => String::new(),
        // Ids come before what may not be seen, states after it, and so do labels.
        Key::Hidden if is_label || *group == Group::Dimension(Dimension::SimState) => {
            "?".to_owned()
        }
        Key::Hidden => Uuid::max().to_string(),
        Key::Id(id) => id.to_string(),
        Key::Text(text) if is_label => format!("={text}"),
        Key::Text(text) => text.clone(),
        Key::Moment(moment) => format!("{:012}", moment.timestamp()),
        Key::Number(number) => format!("{number:012}"),
    }
}

fn sees_all(scope: &Scope) -> bool {
    *scope.segments() == Segments::All
}

/// The customers that who sees a part of the fleet is told of: the one of its token, or else those that were granted to it.
fn customers_in_sight(scope: &Scope) -> Vec<Uuid> {
    let Segments::Part(part) = scope.segments() else {
        return vec![];
    };
    match part.within {
        Some(own) => vec![own.uuid()],
        None => part.customers.iter().map(|id| id.uuid()).collect(),
    }
}

fn visible(scope: &Scope, row: &Fact) -> bool {
    if row.tenant != scope.tenant() {
        return false;
    }
    let Segments::Part(part) = scope.segments() else {
        return true;
    };
    let within = part
        .within
        .is_none_or(|customer| row.customer == Some(customer));
    let granted = row.customer.is_some_and(|id| part.customers.contains(&id))
        || part.sims.iter().any(|sim| sim.uuid() == row.sim)
        || row.device.is_some_and(|id| part.devices.contains(&id));
    !part.is_empty() && within && (!part.has_grants() || granted)
}

/// Rows of all others that an answer may have, which count as its own do: with `top` one in each bucket of time, all in all one where there
/// is none.
fn beside(query: &CubeQuery, wall: &Wall, period: [DateTime<Utc>; 2]) -> usize {
    if query.top.is_none() || !query.others {
        return 0;
    }
    let keys = |step: DateTime<Utc>| -> Vec<Key> {
        let groups = query.group_by.iter();
        groups.filter_map(|group| wall.key(group, step)).collect()
    };
    let buckets: BTreeSet<Vec<Key>> = wall.steps(period).map(keys).collect();
    buckets.len()
}

/// The period that is meant.
fn meant(query: &CubeQuery, wall: &Wall, now: DateTime<Utc>) -> [DateTime<Utc>; 2] {
    let (from, to) = match query.period {
        Span::Preset(preset) => return wall.preset(preset, now),
        Span::PresetAt { preset, at } => return wall.preset(preset, at),
        Span::Between {
            from,
            to,
            align: Alignment::Exact,
        } => return [from, to],
        Span::Between { from, to, .. } => (from, to),
    };
    let last = to - TimeDelta::milliseconds(1);
    if let Some(grain) = finest(query) {
        return [wall.start(grain, from), wall.end(grain, last)];
    }
    let hour = |moment: DateTime<Utc>| {
        moment
            .duration_trunc(TimeDelta::hours(1))
            .expect("in range")
    };
    [hour(from), hour(last) + TimeDelta::hours(1)]
}

/// Distinct values of a dimension, as a source tells it.
pub(crate) fn values(
    world: &World,
    source: Source,
    dimension: Dimension,
    attribution: Attribution,
) -> Vec<Key> {
    let rows = world.facts(source).iter();
    let keys = rows.map(|row| world.key(dimension, attribution, row));
    // What may not be seen can't be asked about.
    let keys = keys.filter(|key| *key != Key::Hidden);
    keys.collect::<BTreeSet<_>>().into_iter().collect()
}
