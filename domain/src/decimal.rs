//! Decimal numbers, exact.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A decimal number as it is written: `0.25` has two decimal places, `0.250` three. As JSON it is text, because JSON numbers lose
/// digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Decimal {
    /// In units of its last decimal place.
    pub scaled: i128,
    /// How many decimal places it has.
    pub places: u32,
}

impl Decimal {
    /// Most digits that are read.
    const DIGITS: usize = 36;

    /// The number in units of this decimal place, if it has no more.
    pub fn at(self, places: u32) -> Option<i128> {
        let Some(more) = places.checked_sub(self.places) else {
            let factor = 10_i128.checked_pow(self.places - places)?;
            return (self.scaled % factor == 0).then_some(self.scaled / factor);
        };
        self.scaled.checked_mul(10_i128.checked_pow(more)?)
    }
}

impl FromStr for Decimal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::invalid("a decimal number is digits, with a point between them: 0.25, -3");
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_whole = !whole.is_empty() && is_number(whole) && is_number(part);
        if !is_whole || digits.ends_with('.') || whole.len() + part.len() > Self::DIGITS {
            return Err(wrong());
        }
        let scaled: i128 = format!("{whole}{part}").parse().map_err(|_| wrong())?;
        let places = u32::try_from(part.len()).map_err(|_| wrong())?;
        let sign = if text.starts_with('-') { -1 } else { 1 };
        Ok(Self {
            scaled: sign * scaled,
            places,
        })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.places == 0 {
            return write!(f, "{}", self.scaled);
        }
        let places = self.places as usize;
        let digits = format!(
            "{:0>width$}",
            self.scaled.unsigned_abs(),
            width = places + 1
        );
        let (whole, part) = digits.split_at(digits.len() - places);
        let sign = if self.scaled < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}.{part}")
    }
}

impl TryFrom<String> for Decimal {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Decimal> for String {
    fn from(number: Decimal) -> Self {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_printed_as_it_was_read() {
        for text in [
            "0",
            "-3",
            "0.25",
            "-0.05",
            "1048576.000",
            "12345678901234567890.5",
        ] {
            let number: Decimal = text.parse().expect("a number");
            assert_eq!(number.to_string(), text);
            let json = serde_json::to_string(&number).expect("JSON");
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(
                serde_json::from_str::<Decimal>(&json).expect("a number"),
                number
            );
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let long = "9".repeat(37);
        for text in ["", ".5", "5.", "1e3", "--1", "+1", "1,5", "ten", "-", &long] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn places_are_added_and_only_zeros_taken_away() {
        let at = |text: &str, places| text.parse::<Decimal>().ok().and_then(|it| it.at(places));
        assert_eq!(at("0.5", 2), Some(50));
        assert_eq!(at("0.500", 2), Some(50));
        assert_eq!(at("0.125", 2), None);
        assert_eq!(at("-7", 0), Some(-7));
    }
}
