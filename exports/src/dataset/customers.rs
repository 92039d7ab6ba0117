//! Customers as they are now.

use domain::{Permission as P, customer::Customer, scope::Visibility};

use super::pages::Listed;
use crate::{Cell, Column, Error, Kind, run::Sink};

impl Listed for Customer {
    fn columns() -> Vec<Column> {
        let of = |name, kind, description| Column::of(name, kind, P::CustomersRead, description);
        vec![
            of("customer_id", Kind::Text, "Identifier."),
            of("slug", Kind::Text, "Short name, unique in the tenant."),
            of(
                "name",
                Kind::Text,
                "Organisation name, unique in the tenant.",
            ),
            of("first_name", Kind::Text, "Contact's first name.").or_empty(),
            of("last_name", Kind::Text, "Contact's last name.").or_empty(),
            of("email", Kind::Text, "Contact's mail address.").or_empty(),
            of("phone", Kind::Text, "Contact's phone number.").or_empty(),
            of("sees_devices", Kind::Flag, "Its own users see devices."),
            of("sees_sims", Kind::Flag, "Its own users see SIMs."),
            of("sees_sessions", Kind::Flag, "Its own users see sessions."),
            of("sees_usage", Kind::Flag, "Its own users see usage."),
            of(
                "sees_billing",
                Kind::Flag,
                "Its own users see costs and bills.",
            ),
            of("created_at", Kind::Moment, "When the record was made."),
            of(
                "archived_at",
                Kind::Moment,
                "Since when it is not served any more.",
            )
            .or_empty(),
        ]
    }

    fn push(&self, sink: &mut dyn Sink) -> Result<(), Error> {
        let Customer {
            id,
            slug,
            name,
            first_name,
            last_name,
            email,
            phone,
            visibility,
            created_at,
            archived_at,
        } = self;
        let Visibility {
            devices,
            sims,
            sessions,
            usage,
            billing,
        } = visibility;
        sink.push(&[
            Cell::Text(&id.to_string()),
            Cell::Text(slug),
            Cell::Text(name),
            first_name.as_deref().into(),
            last_name.as_deref().into(),
            email.as_deref().into(),
            phone.as_deref().into(),
            Cell::Flag(*devices),
            Cell::Flag(*sims),
            Cell::Flag(*sessions),
            Cell::Flag(*usage),
            Cell::Flag(*billing),
            Cell::Moment(*created_at),
            archived_at.map_or(Cell::Empty, Cell::Moment),
        ])
    }
}
