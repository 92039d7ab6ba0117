//! Where the values of dimensions stand in a statement.

use domain::usage::{Attribution, Dimension, Kind, Known};
use uuid::Uuid;

use super::{Carried, Inventory, Need};

/// The columns that a question's dimensions are read from.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) attribution: Attribution,
    pub(super) inventory: &'a Inventory,
}

impl Columns<'_> {
    /// The value of a dimension, once what the cells do not know was joined.
    pub(super) fn of(self, dimension: Dimension) -> String {
        if let Some(need) = Need::of(dimension, self.attribution)
            && let Some(place) = self.inventory.find(&need)
        {
            let (nobody, hidden) = (Uuid::nil(), Carried::HIDDEN);
            // What the caller may not see any more did not travel.
            return match dimension.entry().kind {
                Kind::Id => format!(
                    "if(id{place} = toUUID('{nobody}') OR word{place} = '{hidden}', toUUID('{}'), toUUIDOrZero(word{place}))",
                    Uuid::max()
                ),
                Kind::Text => {
                    format!("if(id{place} = toUUID('{nobody}'), '{hidden}', word{place})")
                }
            };
        }
        match dimension.entry().known {
            Known::Cells(column) => column.to_owned(),
            Known::Network => "country_code".to_owned(),
            // Nobody looked it up, so nobody may see it.
            Known::Sim => format!("'{}'", Carried::HIDDEN),
        }
    }

    /// The value of a dimension as the key of a row. What the caller may not see now is one value, so that neither its place nor how
    /// many there are says anything.
    pub(super) fn key(self, dimension: Dimension) -> String {
        let value = self.of(dimension);
        let Some(place) = self.inventory.find(&Need::Visible(dimension)) else {
            return value;
        };
        let (nobody, hidden) = (Uuid::nil(), Uuid::max());
        format!(
            "if({value} = toUUID('{nobody}') OR {value} IN (SELECT id FROM carried{place}), {value}, toUUID('{hidden}'))"
        )
    }

    /// Whether a dimension is known only after a join.
    pub(super) fn is_joined(self, dimension: Dimension) -> bool {
        dimension.entry().known == Known::Network || Need::of(dimension, self.attribution).is_some()
    }

    /// The value under a key of labels, after a mark that tells it from none and from what the caller may not see.
    pub(super) fn label(self, need: &Need) -> String {
        let Some(place) = self.inventory.find(need) else {
            return "''".to_owned();
        };
        let (nobody, hidden) = (Uuid::nil(), Carried::HIDDEN);
        let is_all = self.inventory.at(place).is_some_and(Carried::is_all);
        if !is_all {
            return format!("if(id{place} = toUUID('{nobody}'), '', concat('=', word{place}))");
        }
        // Usage may be of no device, which nobody may not see.
        let labelled = self.of(need.dimension());
        format!(
            "multiIf(word{place} != '', concat('=', word{place}), \
             id{place} = toUUID('{nobody}') AND {labelled} != toUUID('{nobody}'), '{hidden}', '')"
        )
    }

    /// A query of the ids that match a filter of the inventory.
    pub(super) fn matching(self, need: &Need) -> String {
        match self.inventory.find(need) {
            Some(place) => format!("SELECT id FROM carried{place}"),
            None => "SELECT generateUUIDv4() WHERE false".to_owned(),
        }
    }
}
