//! Currencies that cards are in.

use std::{fmt, str::FromStr};

use crate::{Error, Result};

/// Codes of ISO 4217 as of 2026 that are money of a country or of several, by the digits of their minor unit. Metals, units of account, codes
/// of funds, and `XXX` and `XTS`, which are no money, are left out.
const CODES: [(u32, &str); 3] = [
    (
        0,
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    ),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC \
         CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD \
         KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO \
         NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL \
         THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD XCG YER ZAR ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
];

/// A currency, by its ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency {
    code: &'static str,
    digits: u32,
}

impl Currency {
    /// Three capital letters.
    pub const fn code(self) -> &'static str {
        self.code
    }

    /// Decimal places of its minor unit, 0 to 3.
    pub const fn digits(self) -> u32 {
        self.digits
    }
}

impl FromStr for Currency {
    type Err = Error;

    /// # Errors
    /// `INVALID_INPUT` for what is no code of a currency.
    fn from_str(text: &str) -> Result<Self> {
        let known = CODES.iter().find_map(|(digits, codes)| {
            let code = codes.split(' ').find(|code| *code == text)?;
            Some(Self {
                code,
                digits: *digits,
            })
        });
        known.ok_or_else(|| Error::invalid("a currency is a code of ISO 4217, such as EUR"))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_known_with_its_minor_unit() {
        for (code, digits) in [("EUR", 2), ("JPY", 0), ("TND", 3), ("CHF", 2), ("XOF", 0)] {
            let currency: Currency = code.parse().expect("a currency");
            assert_eq!((currency.code(), currency.digits()), (code, digits));
            assert_eq!(currency.to_string(), code);
        }
        for text in [
            "XXX", "XTS", "XAU", "CHE", "eur", "EU", "EUR ", "", "EUR USD",
        ] {
            assert!(text.parse::<Currency>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_code_is_there_once() {
        let mut codes: Vec<&str> = CODES.iter().flat_map(|(_, all)| all.split(' ')).collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
        let is_code = |code: &&str| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
        assert!(codes.iter().all(is_code));
    }
}
