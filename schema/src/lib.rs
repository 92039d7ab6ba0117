//! The words of the GraphQL contract: scalars, enums and inputs, each of which turns into a domain type or is
//! refused. Object types live in `resolvers`, because a type and its fields share a crate; the published contract is
//! `schema.graphql` beside this crate's manifest.

pub mod customer;
pub mod device;
pub mod error;
pub mod export;
pub mod filter;
pub mod fleet;
pub mod group;
pub mod ingest;
pub mod label;
pub mod network;
pub mod notification;
pub mod order;
pub mod saved_filter;
pub mod scalar;
pub mod schedule;
pub mod scope;
pub mod session;
pub mod sim;
pub mod usage;
mod word;

use std::str::FromStr;

use async_graphql::ID;
use domain::{Error, Result};

/// Longest text accepted in a filter, in characters.
pub const MAX_FILTER_TEXT: usize = 200;
/// Most values in one filter list.
pub const MAX_FILTER_VALUES: usize = 200;

/// Parses a printed id of one kind.
///
/// # Errors
/// `INVALID_INPUT` for an id of another kind or no id at all.
pub fn parse_id<T: FromStr<Err = Error>>(id: &ID) -> Result<T> {
    id.as_str().parse()
}

/// Parses the printed id in an input's `field`.
///
/// # Errors
/// `INVALID_INPUT` for an id of another kind or no id at all, which names the field.
pub fn parse_id_in<T: FromStr<Err = Error>>(field: &str, id: &ID) -> Result<T> {
    parse_id(id).map_err(|error| error.at(field))
}

/// Parses a list of printed ids of one kind.
///
/// # Errors
/// `INVALID_INPUT` for an id of another kind, `LIMIT_EXCEEDED` for more than [`MAX_FILTER_VALUES`].
pub fn parse_ids<T: FromStr<Err = Error>>(ids: &[ID]) -> Result<Vec<T>> {
    bounded(ids.len())?;
    ids.iter().map(parse_id).collect()
}

/// Parses the list of printed ids in an input's `field`.
///
/// # Errors
/// Those of [`parse_ids`], which name the field.
pub fn parse_ids_in<T: FromStr<Err = Error>>(field: &str, ids: &[ID]) -> Result<Vec<T>> {
    parse_ids(ids).map_err(|error| error.at(field))
}

/// A filter text without characters that Postgres cannot store.
pub(crate) fn text(text: String) -> Result<String> {
    if text.contains('\0') {
        return Err(Error::invalid("a text cannot contain NUL"));
    }
    let length = text.chars().count();
    if length > MAX_FILTER_TEXT {
        let message = format!("a filter text has at most {MAX_FILTER_TEXT} characters");
        return Err(Error::limit(message, MAX_FILTER_TEXT as u64, length as u64));
    }
    Ok(text)
}

/// Filter texts, no more than [`MAX_FILTER_VALUES`].
pub(crate) fn texts(texts: Vec<String>) -> Result<Vec<String>> {
    bounded(texts.len())?;
    texts.into_iter().map(text).collect()
}

/// Words of a closed set, as the domain has them, no more than [`MAX_FILTER_VALUES`].
pub(crate) fn words<W: Into<D>, D>(words: Vec<W>) -> Result<Vec<D>> {
    bounded(words.len())?;
    Ok(words.into_iter().map(Into::into).collect())
}

pub(crate) fn bounded(values: usize) -> Result<()> {
    if values <= MAX_FILTER_VALUES {
        return Ok(());
    }
    let message = format!("a filter list has at most {MAX_FILTER_VALUES} values");
    Err(Error::limit(
        message,
        MAX_FILTER_VALUES as u64,
        values as u64,
    ))
}
