//! Mobile networks of the world (ITU-T E.212 codes), compiled in as reference data.
//!
//! `networks.csv` is made by `generate-networks.mjs` from the npm package named in [`SOURCE`]; README.md says which
//! entries are kept and which one wins when a code has several.

use serde::{Deserialize, Serialize};

/// Where the rows come from: an npm package.
pub const SOURCE: &str = "mcc-mnc-list";
/// Its version.
pub const SOURCE_VERSION: &str = "1.1.11";

pub(crate) const CSV: &str = include_str!("../networks.csv");

/// One network. MNC has two or three digits and is text: `310-26` and `310-026` differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Mobile country code, three digits.
    pub mcc: String,
    /// Mobile network code, two or three digits.
    pub mnc: String,
    /// What subscribers call it.
    pub name: String,
    /// The company, where it is known.
    pub operator: Option<String>,
    /// ISO 3166-1 alpha-2; none for international networks (MCC 9xx).
    pub country_code: Option<String>,
    /// Its name in English.
    pub country: Option<String>,
}

/// Every known network, ordered by MCC and MNC.
pub fn networks() -> Vec<Network> {
    // The text is compiled in and a test reads every line of it, so no row is lost here.
    csv::Reader::from_reader(CSV.as_bytes())
        .deserialize()
        .filter_map(Result::ok)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{CSV, networks};

    #[test]
    fn every_line_of_the_list_is_a_network() {
        assert_eq!(networks().len(), CSV.lines().count() - 1);
        assert!(networks().len() > 2000);
    }

    #[test]
    fn codes_are_digits_of_the_right_length_and_unique() {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let mut seen = BTreeSet::new();
        for network in networks() {
            assert!(
                network.mcc.len() == 3 && digits(&network.mcc),
                "{network:?}"
            );
            assert!(
                (2..=3).contains(&network.mnc.len()) && digits(&network.mnc),
                "{network:?}"
            );
            assert!(!network.name.trim().is_empty(), "{network:?}");
            assert!(
                seen.insert((network.mcc.clone(), network.mnc.clone())),
                "{network:?}"
            );
        }
    }

    #[test]
    fn a_country_is_two_letters_and_only_international_networks_have_none() {
        for network in networks() {
            match &network.country_code {
                Some(code) => {
                    assert!(code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()));
                    assert!(network.country.is_some(), "{network:?}");
                }
                None => assert!(network.mcc.starts_with('9'), "{network:?}"),
            }
        }
    }

    #[test]
    fn the_networks_of_the_demo_fleet_are_known() {
        let networks = networks();
        for (mcc, mnc, name) in [
            ("262", "01", "Telekom"),
            ("262", "02", "Vodafone"),
            ("242", "01", "Telenor"),
        ] {
            assert!(
                networks
                    .iter()
                    .any(|n| n.mcc == mcc && n.mnc == mnc && n.name == name)
            );
        }
    }
}
