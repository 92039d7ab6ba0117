//! Queries about labels.

use schema::label::{LabelDefinitionFilter, LabelDefinitionOrder};

use super::LabelDefinition;
use crate::connection::list_query;

list_query! {
    /// The label keys in use, with their menus. Callers who see a part of the fleet get those that occur on what they see.
    LabelDefinitionList: label_definitions(LabelDefinitionFilter, LabelDefinitionOrder) -> LabelDefinition
}
