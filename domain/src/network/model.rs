//! What a network is.

/// A mobile network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// `MCC-MNC`; the MNC is text and keeps its leading zeros.
    pub plmn: String,
    /// Name shown to people.
    pub name: String,
    /// Operating company.
    pub operator: Option<String>,
    /// ISO 3166-1 alpha-2; none for international networks (901-xx).
    pub country_code: Option<String>,
    /// Country's name.
    pub country: Option<String>,
    /// Where the record comes from.
    pub source: String,
    /// Version of that source.
    pub source_version: String,
}
