//! Orders: `{field, direction}` everywhere.

use async_graphql::Enum;
use domain::paging;

/// Direction of a sort.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OrderDirection {
    /// Smallest first.
    #[default]
    Asc,
    /// Largest first.
    Desc,
}

impl From<OrderDirection> for paging::Direction {
    fn from(direction: OrderDirection) -> Self {
        match direction {
            OrderDirection::Asc => Self::Asc,
            OrderDirection::Desc => Self::Desc,
        }
    }
}

/// The order input of a list: what it is sorted by when nothing is said, and which way.
macro_rules! order {
    ($(#[$doc:meta])* $input:ident by $field:ident, $default:expr, $direction:literal) => {
        $(#[$doc])*
        #[derive(async_graphql::InputObject, Clone, Copy, Debug)]
        pub struct $input {
            /// Sorted by this.
            #[graphql(default_with = "Default::default()")]
            pub field: $field,
            /// In this direction.
            #[graphql(default_with = $direction)]
            pub direction: crate::order::OrderDirection,
        }

        impl Default for $input {
            fn default() -> Self {
                Self { field: $field::default(), direction: $default }
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
