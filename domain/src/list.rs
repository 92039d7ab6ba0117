//! Lists: filter, order, page, count, find. A new list is its row, its conditions and its order.

use std::{collections::HashMap, hash::Hash};

use chrono::{DateTime, SecondsFormat, Utc};
use futures::try_join;
use uuid::Uuid;

use crate::{
    Error, ReadCx, Result, Scope,
    filter::{self, Filter},
    id::Id,
    paging::{Direction, Keyset, Page, PageRequest},
    row::{Columns, Decode},
    slice::Extent,
    sql::{Sql, Visible, uuids},
};

/// By what a list is sorted, and which way; ties are broken by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Order<F> {
    /// Sorted by this.
    pub field: F,
    /// This way.
    pub direction: Direction,
}

/// A column that rows can be sorted by. It is never null.
pub(crate) struct SortColumn {
    /// Qualified with its table: sorting by an output alias cost 300 times as much.
    pub(crate) name: &'static str,
    /// Its type.
    pub(crate) cast: &'static str,
}

impl SortColumn {
    /// A column of text.
    pub(crate) const fn text(name: &'static str) -> Self {
        Self { name, cast: "text" }
    }

    /// A column of moments, whose keys are [`sort_moment`]s.
    pub(crate) const fn moment(name: &'static str) -> Self {
        Self {
            name,
            cast: "timestamptz",
        }
    }
}

/// A moment as a sort key: with the microseconds that Postgres has.
pub(crate) fn sort_moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// How a row is listed.
pub(crate) trait Listed: List + Decode {
    /// What one of them is called in a message.
    const WHAT: &'static str;
    /// The qualified column that identifies a row.
    const ID: &'static str;

    /// The columns of a row, from the rows that the caller may see: the start of every find.
    ///
    /// # Errors
    /// `FORBIDDEN` when none of them are open to the caller.
    fn scoped(cx: &ReadCx) -> Result<Sql>;

    /// Appends a condition as one term.
    fn push_condition(sql: &mut Sql, condition: &Self::Condition);

    /// The column of a field.
    fn column(field: Self::Field) -> SortColumn;

    /// The value of that column, as text that Postgres reads back unchanged.
    fn sort_key(&self, field: Self::Field) -> String;

    /// The value of [`Self::ID`].
    fn uuid(&self) -> Uuid;

    /// The row without what the caller may not see of it: mostly all of it is open.
    #[must_use]
    fn seen_by(self, _: &Scope) -> Self {
        self
    }
}

/// What callers can list.
pub trait List: Sized + Send + Sync + 'static {
    /// What a caller's filter is made of: conditions, and names that stand for some.
    type Clause: Hash + Send + Sync;
    /// What rows can be asked for.
    type Condition: Hash + Send + Sync;
    /// What rows can be sorted by.
    type Field: Copy + Hash + Default + Send + Sync;

    /// The filter with conditions in the place of names.
    ///
    /// # Errors
    /// Those of looking the names up, which name the field `filter`.
    fn resolve(
        cx: &ReadCx,
        filter: &Filter<Self::Clause>,
    ) -> impl Future<Output = Result<Filter<Self::Condition>>> + Send;

    /// One page.
    ///
    /// # Errors
    /// `FORBIDDEN` when they are closed to the caller, `INVALID_CURSOR` for a cursor of another question.
    fn page(
        cx: &ReadCx,
        filter: &Filter<Self::Condition>,
        order: Order<Self::Field>,
        page: &PageRequest,
    ) -> impl Future<Output = Result<Page<Self>>> + Send;

    /// How many match.
    ///
    /// # Errors
    /// `FORBIDDEN` when they are closed to the caller.
    fn count(
        cx: &ReadCx,
        filter: &Filter<Self::Condition>,
    ) -> impl Future<Output = Result<u64>> + Send;
}

/// Opens a [`Listed`] row to other crates.
macro_rules! lists {
    ($row:ty, by $condition:ty, sorted by $field:ty) => {
        crate::list::lists!($row, by $condition, sorted by $field, asked by $condition as crate::list::as_is);
    };
    ($row:ty, by $condition:ty, sorted by $field:ty, asked by $clause:ty as $resolve:path) => {
        impl crate::list::List for $row {
            type Clause = $clause;
            type Condition = $condition;
            type Field = $field;

            async fn resolve(
                cx: &crate::ReadCx,
                filter: &crate::filter::Filter<$clause>,
            ) -> crate::Result<crate::filter::Filter<$condition>> {
                let resolved = $resolve(cx, filter).await;
                resolved.map_err(|error| error.at("filter"))
            }

            async fn page(
                cx: &crate::ReadCx,
                filter: &crate::filter::Filter<$condition>,
                order: crate::list::Order<$field>,
                page: &crate::paging::PageRequest,
            ) -> crate::Result<crate::paging::Page<Self>> {
                crate::list::page(cx, filter, order, page).await
            }

            async fn count(
                cx: &crate::ReadCx,
                filter: &crate::filter::Filter<$condition>,
            ) -> crate::Result<u64> {
                crate::list::count::<Self>(cx, filter).await
            }
        }
    };
}
pub(crate) use lists;

/// A filter whose clauses are conditions.
pub(crate) async fn as_is<C: Clone>(_: &ReadCx, filter: &Filter<C>) -> Result<Filter<C>> {
    Ok(filter.clone())
}

/// The visible rows that match.
///
/// # Errors
/// `FORBIDDEN` when they are closed to the caller.
pub(crate) fn filtered<T: Listed>(cx: &ReadCx, filter: &Filter<T::Condition>) -> Result<Sql> {
    let mut sql = T::scoped(cx)?;
    sql.push(" AND ");
    filter::push(&mut sql, filter, &T::push_condition);
    Ok(sql)
}

/// One page.
///
/// # Errors
/// `FORBIDDEN` when they are closed to the caller, `INVALID_CURSOR` for a cursor of another question.
pub(crate) async fn page<T: Listed>(
    cx: &ReadCx,
    filter: &Filter<T::Condition>,
    Order { field, direction }: Order<T::Field>,
    page: &PageRequest,
) -> Result<Page<T>> {
    let (keyset, sql) = statement::<T>(cx, filter, Order { field, direction }, page)?;
    let rows: Vec<T> = cx.select(sql).await?;
    let rows = rows
        .into_iter()
        .map(|row| row.seen_by(cx.scope()))
        .collect();
    Ok(keyset.page(rows, page, |row: &T| (row.sort_key(field), row.uuid())))
}

/// How a page is sorted, and the statement that finds its rows and the next one.
fn statement<T: Listed>(
    cx: &ReadCx,
    filter: &Filter<T::Condition>,
    Order { field, direction }: Order<T::Field>,
    page: &PageRequest,
) -> Result<(Keyset<'static>, Sql)> {
    let SortColumn { name, cast } = T::column(field);
    let keyset = Keyset::new(name, cast, T::ID, direction, &(T::WHAT, filter));
    let mut sql = filtered::<T>(cx, filter)?;
    keyset.push(&mut sql, page, keyset.position(page)?);
    Ok((keyset, sql))
}

/// The statement that finds the rows of a page where they cost little to find twice: a part of a whole list, along an index.
///
/// # Errors
/// Those of [`page`].
pub(crate) fn cheap<T: Listed>(
    cx: &ReadCx,
    question: &Question<T::Condition, T::Field>,
) -> Result<Option<Sql>> {
    let Question {
        filter,
        order,
        page,
        ..
    } = question;
    let (_, sql) = statement::<T>(cx, filter, *order, page)?;
    Ok(Some(sql).filter(Sql::is_fixed))
}

/// How many match.
///
/// # Errors
/// `FORBIDDEN` when they are closed to the caller.
pub(crate) async fn count<T: Listed>(cx: &ReadCx, filter: &Filter<T::Condition>) -> Result<u64> {
    let mut counted = filtered::<T>(cx, filter)?.wrapped("SELECT count(*) FROM (", ") AS list");
    // A plan for any tenant reads the whole table, where one for a small tenant reads its part of an index.
    counted.vary();
    let (count,): (i64,) = cx.select_one(counted).await?.unwrap_or_default();
    u64::try_from(count).map_err(Error::internal)
}

/// The ids of all that match, in no order. The first column of a row is its id.
///
/// # Errors
/// `FORBIDDEN` when they are closed to the caller, `LIMIT_EXCEEDED` when there are more than the extent allows.
pub(crate) async fn ids<T: Listed, I: Id>(
    cx: &ReadCx,
    filter: &Filter<T::Condition>,
    rows: Visible,
    extent: Extent,
) -> Result<Vec<I>> {
    let mut sql = filtered::<T>(cx, filter)?.wrapped("SELECT id FROM (", ") AS list (id)");
    extent.push(&mut sql, cx, rows, "list.id");
    let most = extent.most;
    let ids = at_most(cx, sql, most)
        .await?
        .ok_or_else(|| too_many::<T>("match the filter", most).suggest("narrow the filter"))?;
    Ok(ids.into_iter().map(|(id,)| I::new(id)).collect())
}

/// All rows of a statement, or none if there are more than `limit`.
pub(crate) async fn at_most<R: Decode>(
    cx: &ReadCx,
    mut sql: Sql,
    limit: usize,
) -> Result<Option<Vec<R>>> {
    sql.push(&format!(" LIMIT {}", limit.saturating_add(1)));
    // As with counts, one plan does not fit all tenants.
    sql.vary();
    let rows = cx.select(sql).await?;
    Ok((rows.len() <= limit).then_some(rows))
}

/// More rows than are read at once: how many there are was not counted.
pub(crate) fn too_many<T: Listed>(which: &str, limit: usize) -> Error {
    let text = format!("more than {limit} {}s {which}", T::WHAT);
    Error::limit(text, limit as u64, limit as u64 + 1)
}

/// What is asked of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question<C, F> {
    /// Which rows.
    pub filter: Filter<C>,
    /// In which order.
    pub order: Order<F>,
    /// Which page of them.
    pub page: PageRequest,
    /// Whether all of them are counted.
    pub with_total: bool,
}

impl<C, F: Copy> Question<C, F> {
    /// The same question with another filter.
    #[must_use]
    pub fn with<D>(&self, filter: Filter<D>) -> Question<D, F> {
        Question {
            filter,
            order: self.order,
            page: self.page.clone(),
            with_total: self.with_total,
        }
    }
}

/// One page of a list, and how long the list is.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// The page.
    pub page: Page<T>,
    /// How many rows the whole list has, if that was asked for.
    pub total: Option<u64>,
}

struct Child<T> {
    parent: Uuid,
    row: T,
}

impl<T: Decode> Decode for Child<T> {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        let parent = row.get()?;
        let _place: i64 = row.get()?;
        Ok(Self {
            parent,
            row: T::decode(row)?,
        })
    }
}

/// The answers to one question about each of several parents, whose ids are in `column`: one statement for all pages, and one
/// for all totals. A cursor is one parent's: the others are answered `INVALID_CURSOR`.
///
/// # Errors
/// `FORBIDDEN` when they are closed to the caller.
pub(crate) async fn by_parents<T: Listed, I: Id>(
    cx: &ReadCx,
    column: &str,
    parents: &[I],
    question: &Question<T::Condition, T::Field>,
) -> Result<HashMap<I, Result<Listing<T>>>> {
    let Question {
        filter,
        order: Order { field, direction },
        page,
        with_total,
    } = question;
    let matching = filtered::<T>(cx, filter)?;
    let SortColumn { name, cast } = T::column(*field);
    let mut listings = HashMap::new();
    let mut asked = Vec::new();
    for id in parents {
        let list = (T::WHAT, filter, column, id.uuid());
        let keyset = Keyset::new(name, cast, T::ID, *direction, &list);
        match keyset.position(page) {
            Ok(position) => asked.push((*id, keyset, position)),
            Err(error) => {
                listings.insert(*id, Err(error));
            }
        }
    }
    // Either none has a position, or the only one that the cursor belongs to.
    let Some((_, keyset, position)) = asked.first() else {
        return Ok(listings);
    };
    let of_parent = || {
        let mut sql = matching.clone();
        sql.push(&format!(" AND {column} = parent.id"));
        let ids = asked.iter().map(|(id, ..)| id.uuid());
        let parents = sql.placeholder(uuids(ids));
        (
            sql,
            format!("FROM unnest({parents}::uuid[]) AS parent (id)"),
        )
    };
    let (mut sql, from) = of_parent();
    keyset.push(&mut sql, page, position.clone());
    let children = select_children(cx, sql, &from);
    let totals = async {
        if !with_total {
            return Ok(HashMap::new());
        }
        let (sql, from) = of_parent();
        count_children(cx, sql, &from).await
    };
    let (mut children, mut totals) = try_join!(children, totals)?;
    for (id, keyset, _) in &asked {
        let rows: Vec<T> = children.remove(&id.uuid()).unwrap_or_default();
        let rows = rows
            .into_iter()
            .map(|row| row.seen_by(cx.scope()))
            .collect();
        let total = totals.remove(&id.uuid()).map(u64::try_from);
        let position = |row: &T| (row.sort_key(*field), row.uuid());
        let listing = Listing {
            page: keyset.page(rows, page, position),
            total: total.transpose().map_err(Error::internal)?,
        };
        listings.insert(*id, Ok(listing));
    }
    Ok(listings)
}

/// The rows of each parent in `from`, in the order of `sql`, which selects those of one.
async fn select_children<T: Decode>(
    cx: &ReadCx,
    sql: Sql,
    from: &str,
) -> Result<HashMap<Uuid, Vec<T>>> {
    let before = format!(
        "SELECT parent.id, child.* {from} CROSS JOIN LATERAL (SELECT row_number() OVER () AS place, list.* FROM ("
    );
    let after = ") AS list) AS child ORDER BY parent.id, child.place";
    let mut children: HashMap<Uuid, Vec<T>> = HashMap::new();
    for Child { parent, row } in cx.select(sql.wrapped(&before, after)).await? {
        children.entry(parent).or_default().push(row);
    }
    Ok(children)
}

/// How many rows `sql` selects for each parent in `from`.
async fn count_children(cx: &ReadCx, sql: Sql, from: &str) -> Result<HashMap<Uuid, i64>> {
    let before = "SELECT parent.id, (SELECT count(*) FROM (";
    let counted = sql.wrapped(before, &format!(") AS list) {from}"));
    Ok(cx.select(counted).await?.into_iter().collect())
}

/// The visible ones among `ids`.
///
/// # Errors
/// `FORBIDDEN` when they are closed to the caller.
pub(crate) async fn by_ids<T: Listed, I: Id>(cx: &ReadCx, ids: &[I]) -> Result<HashMap<I, T>> {
    let mut sql = T::scoped(cx)?;
    sql.push(" AND ")
        .push_any(T::ID, uuids(ids.iter().map(|id| id.uuid())));
    let rows: Vec<T> = cx.select(sql).await?;
    Ok(rows
        .into_iter()
        .map(|row| (I::new(row.uuid()), row.seen_by(cx.scope())))
        .collect())
}

/// The one with this id.
///
/// # Errors
/// `NOT_FOUND` when the caller cannot see it.
pub(crate) async fn get<T: Listed, I: Id>(cx: &ReadCx, id: I) -> Result<T> {
    let found = by_ids(cx, &[id]).await?.remove(&id);
    found.ok_or_else(|| Error::not_found(T::WHAT))
}
