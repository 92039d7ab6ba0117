//! Queries about saved filters.

use schema::saved_filter::{SavedFilterFilter, SavedFilterOrder};

use super::SavedFilter;
use crate::connection::list_query;

list_query! {
    /// The tenant's saved filters. Needs `SAVED_FILTERS_READ`, which those have who see the whole tenant.
    SavedFilterList: saved_filters(SavedFilterFilter, SavedFilterOrder) -> SavedFilter
}
