//! Identifiers that networks give: ICCID, IMSI, MSISDN, PLMN. They parse on construction and mask themselves in
//! `Debug`, so they cannot slip into a log by accident.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Shows the first `keep` characters and masks the rest.
fn mask(f: &mut fmt::Formatter<'_>, kind: &str, text: &str, keep: usize) -> fmt::Result {
    let head: String = text.chars().take(keep).collect();
    write!(f, "{kind}({head}…)")
}

fn digits(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// Luhn check digit (ISO/IEC 7812-1) of a digit string.
fn luhn(body: &str) -> u8 {
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(index, byte)| {
            let digit = u32::from(byte - b'0');
            match (index % 2, digit * 2) {
                (0, doubled @ 10..) => doubled - 9,
                (0, doubled) => doubled,
                _ => digit,
            }
        })
        .sum();
    u8::try_from((10 - sum % 10) % 10).unwrap_or(0) + b'0'
}

/// Serial number of a SIM (ITU-T E.118): 19 or 20 digits, kept as given.
///
/// Vendors send it with or without its Luhn check digit, so a 19-digit text may be a complete ICCID or a
/// 20-digit one without its last digit. Matching therefore goes by [`Iccid::keys`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Iccid(String);

impl Iccid {
    /// Spaces and a trailing `F` filler are dropped.
    ///
    /// # Errors
    /// `INVALID_INPUT` unless 19 or 20 digits remain.
    pub fn parse(text: &str) -> Result<Self> {
        let text = if text.contains(' ') {
            Cow::Owned(text.replace(' ', ""))
        } else {
            Cow::Borrowed(text)
        };
        let text = text.strip_suffix(['F', 'f']).unwrap_or(&text);
        if digits(text, 19..=20) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::invalid("an ICCID has 19 or 20 digits"))
        }
    }

    /// The digits as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 19 digits: all but the check digit of a 20-digit one. What a SIM is looked up by.
    pub fn body_digits(&self) -> &str {
        self.0.get(..19).unwrap_or(&self.0)
    }

    /// [`Iccid::body_digits`] as a number, which 64 bits hold.
    pub fn body(&self) -> u64 {
        self.body_digits()
            .bytes()
            .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
    }

    /// Whether the last digit is the Luhn check digit of those before it.
    pub fn has_check_digit(&self) -> bool {
        let (body, check) = self.0.split_at(self.0.len() - 1);
        check.as_bytes() == [luhn(body)]
    }

    /// The texts under which the same SIM may be known: as given, with the check digit appended (when that
    /// still has at most 20 digits), and without it (when at least 19 digits remain).
    pub fn keys(&self) -> Vec<String> {
        let mut keys = vec![self.0.clone()];
        if self.0.len() == 19 {
            keys.push(format!("{}{}", self.0, char::from(luhn(&self.0))));
        } else if self.has_check_digit() {
            keys.push(self.0[..19].to_owned());
        }
        keys
    }

    /// `body` with its check digit.
    pub fn with_check_digit(body: &str) -> Result<Self> {
        if !digits(body, 18..=19) {
            return Err(Error::invalid("an ICCID body has 18 or 19 digits"));
        }
        Self::parse(&format!("{body}{}", char::from(luhn(body))))
    }
}

impl TryFrom<String> for Iccid {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<Iccid> for String {
    fn from(iccid: Iccid) -> Self {
        iccid.0
    }
}

impl fmt::Debug for Iccid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        mask(f, "Iccid", &self.0, 4)
    }
}

/// Subscriber identity on the SIM (ITU-T E.212): 6 to 15 digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Imsi(String);

impl Imsi {
    /// # Errors
    /// `INVALID_INPUT` unless the text is 6 to 15 digits.
    pub fn parse(text: &str) -> Result<Self> {
        if digits(text, 6..=15) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::invalid("an IMSI has 6 to 15 digits"))
        }
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Imsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        mask(f, "Imsi", &self.0, 3)
    }
}

/// Phone number (ITU-T E.164): up to 15 digits, first not zero; stored without the plus sign.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Msisdn(String);

impl Msisdn {
    /// # Errors
    /// `INVALID_INPUT` unless the text matches `^\+?[1-9]\d{1,14}$` (ITU-T E.164).
    pub fn parse(text: &str) -> Result<Self> {
        let number = text.strip_prefix('+').unwrap_or(text);
        if digits(number, 2..=15) && !number.starts_with('0') {
            Ok(Self(number.to_owned()))
        } else {
            Err(Error::invalid(
                "an MSISDN has 2 to 15 digits and does not begin with 0",
            ))
        }
    }

    /// The digits, without a plus sign.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        mask(f, "Msisdn", &self.0, 2)
    }
}

/// A mobile network (ITU-T E.212 PLMN): `MCC-MNC`, the MNC as text because `26` and `026` differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Plmn(String);

impl Plmn {
    /// Prefix of the printed id, without the underscore.
    pub const PREFIX: &'static str = "net";

    /// The printed id, `net_262-02`.
    pub fn id(&self) -> String {
        format!("{}_{}", Self::PREFIX, self.0)
    }

    /// Parses a printed id.
    ///
    /// # Errors
    /// `INVALID_INPUT` for any other text.
    pub fn of_id(text: &str) -> Result<Self> {
        let code = text
            .strip_prefix(Self::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'));
        let parsed = code.map(Self::parse).transpose()?;
        parsed
            .filter(|plmn| plmn.id() == text)
            .ok_or_else(|| Error::invalid("not a network id: expected net_MCC-MNC"))
    }

    /// # Errors
    /// `INVALID_INPUT` unless the MCC has three and the MNC two or three digits.
    pub fn new(mcc: &str, mnc: &str) -> Result<Self> {
        if digits(mcc, 3..=3) && digits(mnc, 2..=3) {
            Ok(Self(format!("{mcc}-{mnc}")))
        } else {
            Err(Error::invalid(
                "a network is a 3-digit MCC and a 2- or 3-digit MNC",
            ))
        }
    }

    /// Parses `262-02` or `26202`.
    ///
    /// # Errors
    /// `INVALID_INPUT` as for [`Plmn::new`].
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once('-') {
            Some((mcc, mnc)) => Self::new(mcc, mnc),
            None if text.is_ascii() && text.len() >= 3 => Self::new(&text[..3], &text[3..]),
            None => Self::new("", ""),
        }
    }

    /// `MCC-MNC`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The country code part.
    pub fn mcc(&self) -> &str {
        &self.0[..3]
    }

    /// The network code part, leading zeros kept.
    pub fn mnc(&self) -> &str {
        &self.0[4..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iccid_is_known_with_and_without_its_check_digit() {
        let short = Iccid::parse("8988303000000000000").expect("19 digits");
        let long = Iccid::with_check_digit("8988303000000000000").expect("19 digits");
        assert_eq!(long.as_str().len(), 20);
        assert!(short.keys().contains(&long.as_str().to_owned()));
        assert!(long.keys().contains(&short.as_str().to_owned()));
    }

    #[test]
    fn identifiers_do_not_print_in_debug() {
        let iccid = Iccid::parse("89883030000000000007").expect("20 digits");
        assert_eq!(format!("{iccid:?}"), "Iccid(8988…)");
    }

    #[test]
    fn mnc_is_text() {
        assert_ne!(Plmn::parse("310-26").ok(), Plmn::parse("310-026").ok());
        assert_eq!(Plmn::parse("26202").ok(), Plmn::new("262", "02").ok());
        assert!(Plmn::parse("2é202").is_err());
        assert!(Plmn::parse("26").is_err());
    }

    #[test]
    fn msisdn_rule() {
        assert!(Msisdn::parse("+4915112345678").is_ok());
        assert!(Msisdn::parse("+0123").is_err());
    }
}
