//! Keyset paging: every list uses these types, and this is the only code that reads or writes cursors.
//!
//! A cursor names the position of a row: the value it is sorted by and its id. It is bound to the list, filter and
//! order it came from, and to the parent whose list it is, by a fingerprint: a cursor of another question is refused
//! instead of answering wrongly.

use std::hash::{Hash, Hasher};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use strum::{AsRefStr, EnumMessage, VariantArray};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{Code, Error, Result, sql::Sql};

/// Rows returned when the caller does not say.
pub const DEFAULT_PAGE: u32 = 20;
/// Most rows of one page.
pub const MAX_PAGE: u32 = 200;
/// Rows of one page of a file, which nobody waits for.
const FILE_PAGE: u32 = 2_000;
/// Sort keys are identifiers, names or times: nothing longer comes from us.
const MAX_CURSOR_CHARS: usize = 1_024;

/// Ascending or descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Direction {
    /// Smallest first.
    #[default]
    Asc,
    /// Largest first.
    Desc,
}

/// Which rows of a list: `first … after` or `last … before`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest {
    limit: u32,
    backward: bool,
    cursor: Option<String>,
}

impl PageRequest {
    /// The first page of the default size.
    pub fn first_page() -> Self {
        Self {
            limit: DEFAULT_PAGE,
            backward: false,
            cursor: None,
        }
    }

    /// A page of a file: it begins after the row of this cursor.
    pub fn of_file(after: Option<String>) -> Self {
        Self {
            limit: FILE_PAGE,
            backward: false,
            cursor: after,
        }
    }

    /// Relay arguments.
    ///
    /// # Errors
    /// `INVALID_INPUT` when forward and backward arguments are mixed or a size is negative, `LIMIT_EXCEEDED` above
    /// [`MAX_PAGE`].
    pub fn relay(
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Self> {
        let backward = last.is_some() || before.is_some();
        if backward && (first.is_some() || after.is_some()) {
            return Err(Error::invalid(
                "use first and after, or last and before, not both",
            ));
        }
        let (size, field) = if backward {
            (last, "last")
        } else {
            (first, "first")
        };
        let limit = match size.map(u32::try_from) {
            None => DEFAULT_PAGE,
            Some(Ok(size)) => size,
            Some(Err(_)) => return Err(Error::invalid("a page size is not negative").at(field)),
        };
        if limit > MAX_PAGE {
            let text = format!("a page has at most {MAX_PAGE} rows");
            return Err(Error::limit(text, MAX_PAGE.into(), limit.into()).at(field));
        }
        Ok(Self {
            limit,
            backward,
            cursor: if backward { before } else { after },
        })
    }

    /// Rows asked for.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Whether the page ends before its cursor.
    pub fn is_backward(&self) -> bool {
        self.backward
    }
}

/// One page in list order.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows with their cursors.
    pub rows: Vec<(String, T)>,
    /// More rows follow.
    pub has_next: bool,
    /// Rows precede.
    pub has_previous: bool,
}

impl<T> Page<T> {
    /// The same page of something else.
    pub fn map<U>(self, mut of: impl FnMut(T) -> U) -> Page<U> {
        let rows = self.rows.into_iter();
        Page {
            rows: rows.map(|(cursor, row)| (cursor, of(row))).collect(),
            has_next: self.has_next,
            has_previous: self.has_previous,
        }
    }
}

/// Hashes a question to the same number in every process and version (the standard hasher promises neither).
struct Fingerprint(Sha256);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest
            .first_chunk::<8>()
            .map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

/// The cursors of a list that another store sorts, by a text and an id, in one order.
pub struct Cursors(Keyset<'static>);

impl Cursors {
    /// `question` is everything that decides which rows come in which order: list name, filter, parent.
    pub fn new(question: &(impl Hash + ?Sized)) -> Self {
        Self(Keyset::new("", "", "", Direction::Desc, question))
    }

    /// The sort key and id of the row that the page's cursor names; none without a cursor.
    ///
    /// # Errors
    /// `INVALID_CURSOR` for a damaged cursor, and for one of another question.
    pub fn position(&self, page: &PageRequest) -> Result<Option<(String, Uuid)>> {
        self.0.position(page)
    }

    /// What the page's cursor is refused as, if its key is none of this list's.
    pub fn damaged(page: &PageRequest) -> Error {
        damaged().at(if page.backward { "before" } else { "after" })
    }

    /// A page of rows, one more than were asked for if more follow; those of a backward page come last first.
    pub fn page<T>(
        &self,
        rows: Vec<T>,
        page: &PageRequest,
        position: impl Fn(&T) -> (String, Uuid),
    ) -> Page<T> {
        self.0.page(rows, page, position)
    }
}

fn damaged() -> Error {
    Error::new(Code::InvalidCursor, "this cursor is damaged")
}

/// The sort of one list: the column that sorts, its SQL type, and the id column that breaks ties.
pub(crate) struct Keyset<'a> {
    /// Qualified column, so that no output alias is sorted by mistake (300 x slower when it was).
    pub column: &'a str,
    /// Cast applied to the cursor's text.
    pub cast: &'a str,
    pub id: &'a str,
    pub direction: Direction,
    fingerprint: u64,
}

impl<'a> Keyset<'a> {
    /// `question` is everything that decides which rows come in which order: list name, filter, parent.
    pub(crate) fn new(
        column: &'a str,
        cast: &'a str,
        id: &'a str,
        direction: Direction,
        question: &(impl Hash + ?Sized),
    ) -> Self {
        let mut hasher = Fingerprint(Sha256::new());
        (column, direction, question).hash(&mut hasher);
        Self {
            column,
            cast,
            id,
            direction,
            fingerprint: hasher.finish(),
        }
    }

    /// The sort key and id of the row that the page's cursor names; none without a cursor.
    ///
    /// # Errors
    /// `INVALID_CURSOR` for a damaged cursor, and for one of another question.
    pub(crate) fn position(&self, page: &PageRequest) -> Result<Option<(String, Uuid)>> {
        let field = if page.backward { "before" } else { "after" };
        let cursor = page.cursor.as_deref();
        let position = cursor.map(|cursor| self.decode(cursor)).transpose();
        position.map_err(|error| error.at(field))
    }

    /// Appends the position predicate, `ORDER BY` and `LIMIT` (one more than asked, to know whether more follow).
    pub(crate) fn push(&self, sql: &mut Sql, page: &PageRequest, position: Option<(String, Uuid)>) {
        let ascending = (self.direction == Direction::Asc) != page.backward;
        let Self {
            column, cast, id, ..
        } = self;
        if let Some((key, row)) = position {
            let comparison = if ascending { ">" } else { "<" };
            sql.push(&format!(" AND ({column}, {id}) {comparison} ("));
            sql.bind(key)
                .push(&format!("::{cast}, "))
                .bind(row)
                .push(")");
        }
        let word = if ascending { "ASC" } else { "DESC" };
        sql.push(&format!(" ORDER BY {column} {word}, {id} {word} LIMIT "));
        sql.bind(i64::from(page.limit) + 1);
    }

    /// Cuts the extra row off and puts a backward page into list order.
    pub(crate) fn page<T>(
        &self,
        mut rows: Vec<T>,
        page: &PageRequest,
        position: impl Fn(&T) -> (String, Uuid),
    ) -> Page<T> {
        let limit = page.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        if page.backward {
            rows.reverse();
        }
        let rows = rows
            .into_iter()
            .map(|row| {
                let (key, id) = position(&row);
                (self.encode(&key, id), row)
            })
            .collect();
        let beyond = page.cursor.is_some();
        let (has_next, has_previous) = if page.backward {
            (beyond, more)
        } else {
            (more, beyond)
        };
        Page {
            rows,
            has_next,
            has_previous,
        }
    }

    fn encode(&self, key: &str, id: Uuid) -> String {
        let mut bytes = self.fingerprint.to_be_bytes().to_vec();
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(key.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(&self, cursor: &str) -> Result<(String, Uuid)> {
        if cursor.len() > MAX_CURSOR_CHARS {
            return Err(damaged());
        }
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(cursor)
            .map_err(|_| damaged())?;
        let (fingerprint, rest) = bytes.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (id, key) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        if u64::from_be_bytes(*fingerprint) != self.fingerprint {
            return Err(Error::new(
                Code::InvalidCursor,
                "this cursor belongs to another list, filter or order",
            ));
        }
        let key = std::str::from_utf8(key).map_err(|_| damaged())?;
        if key.contains('\0') {
            return Err(damaged());
        }
        Ok((key.to_owned(), Uuid::from_bytes(*id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyset(question: &str) -> Keyset<'static> {
        Keyset::new("sim.iccid", "text", "sim.sim_id", Direction::Asc, question)
    }

    #[test]
    fn a_cursor_of_another_question_is_refused() {
        let cursor = keyset("state = ACTIVE").encode("8988", Uuid::nil());
        assert_eq!(
            keyset("state = ACTIVE").decode(&cursor).ok(),
            Some(("8988".into(), Uuid::nil()))
        );
        let refused = keyset("state = SUSPENDED")
            .decode(&cursor)
            .map_err(|e| e.code());
        assert_eq!(refused, Err(Code::InvalidCursor));
    }

    #[test]
    fn a_cursor_of_another_order_is_refused() {
        let [by, other] = ["sim.iccid", "sim.imsi"];
        let [up, down] = [Direction::Asc, Direction::Desc];
        let keyset = |column, direction| Keyset::new(column, "text", "sim.sim_id", direction, "q");
        let cursor = keyset(by, up).encode("8988", Uuid::nil());
        assert!(keyset(by, up).decode(&cursor).is_ok());
        for another in [keyset(by, down), keyset(other, up)] {
            let refused = another.decode(&cursor).map_err(|e| e.code());
            assert_eq!(refused, Err(Code::InvalidCursor));
        }
    }

    #[test]
    fn a_damaged_cursor_is_refused() {
        for garbage in ["", "!", "AAAA", "é", &"A".repeat(5_000)] {
            assert_eq!(
                keyset("q").decode(garbage).map_err(|e| e.code()),
                Err(Code::InvalidCursor)
            );
        }
    }

    #[test]
    fn a_page_that_ends_at_the_last_row_has_no_next() {
        let request = PageRequest::relay(Some(2), None, None, None).expect("valid");
        let position = |n: &u128| (n.to_string(), Uuid::from_u128(*n));
        assert!(!keyset("q").page(vec![1, 2], &request, position).has_next);
        assert!(keyset("q").page(vec![1, 2, 3], &request, position).has_next);
    }

    #[test]
    fn sizes_are_bounded_and_directions_do_not_mix() {
        let code = |first, last| {
            PageRequest::relay(first, None, last, None)
                .map(|_| ())
                .map_err(|e| e.code())
        };
        assert_eq!(code(Some(1_000_000), None), Err(Code::LimitExceeded));
        assert_eq!(code(Some(-1), None), Err(Code::InvalidInput));
        assert_eq!(code(Some(1), Some(1)), Err(Code::InvalidInput));
    }
}
