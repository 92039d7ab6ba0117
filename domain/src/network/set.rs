//! The operator says what a network is called.

use super::{Network, NetworkError, store};
use crate::{Error, Result, SystemCx, identifier::Plmn};

/// Where what the operator said comes from. Nothing that is loaded replaces it (migration `0026_network_set`).
const SOURCE: &str = "operator";
/// Longest name, in bytes.
const LONGEST: usize = 200;

/// What is said of a network. What is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetNetwork {
    /// Name shown to people.
    pub name: Option<String>,
    /// Operating company.
    pub operator: Option<String>,
    /// Country, ISO 3166-1 alpha-2. Of a new network that is left out, it is the country of all others with its MCC, if that is one.
    pub country_code: Option<String>,
}

/// Says what a network is called, in the caller's transaction, whether or not the dictionary had it, and returns what it has now.
///
/// # Errors
/// `INVALID_INPUT` for a new network without a name, for texts that are empty, too long or not text, and for a country that no network
/// of the dictionary is in.
pub async fn set(cx: &SystemCx, plmn: &Plmn, set: SetNetwork) -> Result<Network> {
    let known = store::locked(cx, plmn).await?;
    let (country_code, country) = match (&set.country_code, &known) {
        (Some(code), _) => {
            let found = store::country(cx, &code.to_ascii_uppercase()).await?;
            let (code, country) = found.ok_or(NetworkError::UnknownCountry)?;
            (Some(code), Some(country))
        }
        (None, Some(known)) => (known.country_code.clone(), known.country.clone()),
        (None, None) => store::country_of_mcc(cx, plmn).await?.unzip(),
    };
    let operator = set.operator.as_deref().map(checked).transpose()?;
    let name = set.name.as_deref().map(checked).transpose()?;
    let (known_name, known_operator) = known.map(|known| (known.name, known.operator)).unzip();
    let network = Network {
        plmn: plmn.as_str().to_owned(),
        name: name.or(known_name).ok_or(NetworkError::NoName)?,
        operator: operator.or(known_operator.flatten()),
        country_code,
        country,
        source: SOURCE.to_owned(),
        source_version: cx.now().format("%Y-%m-%d").to_string(),
    };
    store::set(cx, plmn, &network).await?;
    Ok(network)
}

fn checked(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "a name has 1 to {LONGEST} bytes and no control characters"
        )));
    }
    Ok(text.to_owned())
}
