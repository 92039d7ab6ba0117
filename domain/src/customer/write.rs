//! How customers are created and changed. None is deleted: usage, tokens and files name it.

use uuid::Uuid;

use super::{Customer, CustomerError, get, store};
use crate::{
    Error, Permission, Result, WriteCx,
    change::Change,
    id::CustomerId,
    text::{is_slug, is_trimmed},
};

/// What is needed to create a customer. Every visibility switch is off at first.
#[derive(Clone, Debug, Default)]
pub struct NewCustomer {
    /// Short name, for ever: 1 to 63 of `a-z`, `0-9` and `-`, not beginning with `-`.
    pub slug: String,
    /// Organisation name, 1 to 200 characters, unique in the tenant.
    pub name: String,
    /// Who to talk to.
    pub contact: ContactPatch,
}

/// What changes of a customer; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct CustomerPatch {
    /// Organisation name.
    pub name: Option<String>,
    /// Who to talk to.
    pub contact: ContactPatch,
}

/// What changes of a contact: none stays, none within clears.
#[derive(Clone, Debug, Default)]
pub struct ContactPatch {
    /// First name.
    pub first_name: Option<Option<String>>,
    /// Last name.
    pub last_name: Option<Option<String>>,
    /// Mail address.
    pub email: Option<Option<String>>,
    /// Phone number.
    pub phone: Option<Option<String>>,
}

/// Creates a customer.
///
/// # Errors
/// `FORBIDDEN` without `CUSTOMERS_WRITE`; those of [`CustomerError`].
pub async fn create(cx: WriteCx, new: NewCustomer) -> Result<Customer> {
    cx.scope().require(Permission::CustomersWrite)?;
    if let Some(id) = cx.earlier().await? {
        return get(&cx, CustomerId::new(id)).await;
    }
    let mut errors = Vec::from_iter((!is_slug(&new.slug)).then_some(CustomerError::Slug));
    let mut customer = Customer {
        id: CustomerId::new(Uuid::now_v7()),
        slug: new.slug,
        name: String::new(),
        first_name: None,
        last_name: None,
        email: None,
        phone: None,
        visibility: crate::scope::Visibility::default(),
        created_at: cx.now(),
        archived_at: None,
    };
    let patch = CustomerPatch {
        name: Some(new.name),
        contact: new.contact,
    };
    errors.extend(apply(&mut customer, patch));
    Error::none_of(errors)?;
    store::insert(&cx, &customer).await?;
    cx.commit(Change::CustomerCreated {
        customer: customer.id,
        slug: customer.slug.clone(),
    })
    .await?;
    Ok(customer)
}

/// Changes a customer. Its slug never changes.
///
/// # Errors
/// `FORBIDDEN` without `CUSTOMERS_WRITE`, `NOT_FOUND`, those of [`CustomerError`].
pub async fn update(cx: WriteCx, id: CustomerId, patch: CustomerPatch) -> Result<Customer> {
    cx.scope().require(Permission::CustomersWrite)?;
    if let Some(()) = cx.earlier().await? {
        return get(&cx, id).await;
    }
    store::lock(&cx, id).await?;
    let before = get(&cx, id).await?;
    let mut customer = before.clone();
    Error::none_of(apply(&mut customer, patch))?;
    store::update(&cx, &customer).await?;
    let changed = [
        ("name", before.name != customer.name),
        ("first_name", before.first_name != customer.first_name),
        ("last_name", before.last_name != customer.last_name),
        ("email", before.email != customer.email),
        ("phone", before.phone != customer.phone),
    ];
    let fields = changed
        .into_iter()
        .filter_map(|(field, is)| is.then_some(field));
    cx.commit(Change::CustomerUpdated {
        customer: id,
        fields: fields.collect(),
    })
    .await?;
    Ok(customer)
}

/// Archives a customer, so that its users are not let in any more, or takes that back. What it has stays its own.
///
/// # Errors
/// `FORBIDDEN` without `CUSTOMERS_WRITE`, `NOT_FOUND`.
pub async fn archive(cx: WriteCx, id: CustomerId, archived: bool) -> Result<Customer> {
    cx.scope().require(Permission::CustomersWrite)?;
    if let Some(()) = cx.earlier().await? {
        return get(&cx, id).await;
    }
    store::lock(&cx, id).await?;
    let mut customer = get(&cx, id).await?;
    customer.archived_at = if archived {
        customer.archived_at.or(Some(cx.now()))
    } else {
        None
    };
    store::update(&cx, &customer).await?;
    let customer_id = customer.id;
    cx.commit(Change::CustomerArchived {
        customer: customer_id,
        archived,
    })
    .await?;
    Ok(customer)
}

/// Changes what is valid, and returns what is not.
fn apply(customer: &mut Customer, patch: CustomerPatch) -> Vec<CustomerError> {
    let mut errors = Vec::new();
    if let Some(name) = patch.name {
        if !is_name(&name) {
            errors.push(CustomerError::Name);
        }
        customer.name = name;
    }
    let ContactPatch {
        first_name,
        last_name,
        email,
        phone,
    } = patch.contact;
    for (field, value, is_valid, error) in [
        (
            &mut customer.first_name,
            first_name,
            is_name as fn(&str) -> bool,
            CustomerError::FirstName,
        ),
        (
            &mut customer.last_name,
            last_name,
            is_name,
            CustomerError::LastName,
        ),
        (&mut customer.email, email, is_email, CustomerError::Email),
        (&mut customer.phone, phone, is_phone, CustomerError::Phone),
    ] {
        let Some(value) = value else { continue };
        if value.as_deref().is_some_and(|text| !is_valid(text)) {
            errors.push(error);
        }
        *field = value;
    }
    errors
}

fn is_name(text: &str) -> bool {
    is_trimmed(text, 200)
}

/// What RFC 5321 lets through at most; whether somebody reads it, a mail would show.
fn is_email(text: &str) -> bool {
    let fits = text.len() <= 254 && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    fits && text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@')
    })
}

/// Digits as people write them; at most 15 of them are a number (ITU-T E.164), and an extension may follow.
fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let written = text.strip_prefix('+').unwrap_or(text);
    (3..=20).contains(&digits)
        && text.len() <= 40
        && written
            .bytes()
            .all(|b| b.is_ascii_digit() || b" -()/".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_are_plausible() {
        for good in ["a@b", "ada.lovelace+sims@bosch.example"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            &format!("{}@b", "a".repeat(253)),
        ] {
            assert!(!is_email(bad), "{bad}");
        }
        for good in ["112", "+49 711 400-40990", "(0711) 400 40990"] {
            assert!(is_phone(good), "{good}");
        }
        for bad in ["", "12", "+", "call me", "1+2345", "123456789012345678901"] {
            assert!(!is_phone(bad), "{bad}");
        }
        assert!(is_name("Robert Bosch GmbH \"😀\""));
        for bad in ["", " x", "a\0", "two\nlines"] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
