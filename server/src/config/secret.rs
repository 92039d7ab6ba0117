//! URLs that may carry a password.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A URL that may carry a password. It prints without it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The URL itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Host and port, for messages.
    pub fn place(&self) -> String {
        let url = url::Url::parse(&self.0).ok();
        let host = url.as_ref().and_then(url::Url::host_str);
        match (host, url.as_ref().and_then(url::Url::port)) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or("****").to_owned(),
        }
    }

    fn masked(&self) -> String {
        let Ok(mut url) = url::Url::parse(&self.0) else {
            return "****".into();
        };
        if url.password().is_some() && url.set_password(Some("****")).is_err() {
            return "****".into();
        }
        if url.query().is_some() {
            url.set_query(Some("****"));
        }
        url.to_string()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked())
    }
}
