//! What networks can be asked for and sorted by.

use strum::{AsRefStr, EnumMessage, VariantArray};

use crate::{
    filter::Filter,
    identifier::Plmn,
    list::SortColumn,
    sql::{Sql, contains, texts},
};

/// Which networks.
pub type NetworkFilter = Filter<NetworkCondition>;

/// One condition on a network. An empty list is met by no network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NetworkCondition {
    /// Part of the name or operator, any case.
    Search(String),
    /// One of these.
    Codes(Vec<Plmn>),
    /// In one of these countries, ISO 3166-1 alpha-2.
    Countries(Vec<String>),
}

/// What networks can be sorted by.
#[derive(AsRefStr, EnumMessage, VariantArray, Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum NetworkOrderField {
    /// MCC-MNC.
    #[default]
    Code,
}

pub(super) fn push(sql: &mut Sql, condition: &NetworkCondition) {
    match condition {
        NetworkCondition::Search(text) => {
            contains(sql, &["network.name", "network.operator"], text);
        }
        NetworkCondition::Codes(codes) => {
            sql.push_any("network.plmn", texts(codes.iter().map(Plmn::as_str)));
        }
        NetworkCondition::Countries(codes) => {
            sql.push_any("network.country_code", texts(codes));
        }
    }
}

pub(super) fn column(field: NetworkOrderField) -> SortColumn {
    match field {
        NetworkOrderField::Code => SortColumn::text("network.plmn"),
    }
}
