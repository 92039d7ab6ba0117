//! Orders: `{field, direction}` everywhere.

use domain::paging;

use crate::word::word;

word! {
    /// Direction of a sort.
    OrderDirection = paging::Direction, Default
}

/// The order input of a list: what it is sorted by when nothing is said, and which way.
macro_rules! order {
    ($(#[$doc:meta])* $input:ident by $field:ident, $direction:ident) => {
        $(#[$doc])*
        #[derive(async_graphql::InputObject, Clone, Copy, Debug)]
        pub struct $input {
            /// Sorted by this.
            #[graphql(default_with = "Default::default()")]
            pub field: $field,
            /// In this direction.
            #[graphql(default_with = "Self::default().direction")]
            pub direction: crate::order::OrderDirection,
        }

        impl Default for $input {
            fn default() -> Self {
                Self { field: $field::default(), direction: domain::paging::Direction::$direction.into() }
            }
        }

        impl<F: From<$field>> From<$input> for domain::list::Order<F> {
            fn from(order: $input) -> Self {
                Self { field: order.field.into(), direction: order.direction.into() }
            }
        }
    };
}
pub(crate) use order;
