//! Why a grant is not given, taken back or shown.

use crate::{Code, Error};

/// What is wrong with a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The tenant has no such grant.
    #[error("no such grant")]
    NotFound,
    /// Not 1 to 200 printable characters, so that no token can have it.
    #[error("a subject has 1 to 200 printable characters")]
    Subject,
    /// Nothing is to be opened.
    #[error("name at least one customer, SIM or device")]
    NoTarget,
    /// The tenant has no such customer.
    #[error("no such customer")]
    NoSuchCustomer,
    /// The tenant has no such SIM.
    #[error("no such SIM")]
    NoSuchSim,
    /// The tenant has no such device.
    #[error("no such device")]
    NoSuchDevice,
}

impl GrantError {
    /// The stable code.
    pub const fn code(self) -> Code {
        match self {
            Self::Subject | Self::NoTarget => Code::InvalidInput,
            _ => Code::NotFound,
        }
    }

    /// The field that is to blame.
    pub const fn field(self) -> Option<&'static str> {
        match self {
            Self::NotFound | Self::NoTarget => None,
            Self::Subject => Some("subject"),
            Self::NoSuchCustomer => Some("customer_ids"),
            Self::NoSuchSim => Some("sim_ids"),
            Self::NoSuchDevice => Some("device_ids"),
        }
    }
}

impl From<GrantError> for Error {
    fn from(error: GrantError) -> Self {
        let plain = Self::new(error.code(), error.to_string());
        match error.field() {
            Some(field) => plain.at(field),
            None => plain,
        }
    }
}
