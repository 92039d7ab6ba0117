//! The parts of a record, from raw JSON text to typed values. A field that is absent and one that is null are the
//! same.

use std::borrow::Cow;

use chrono::{DateTime, Datelike as _, Utc};
use domain::{
    identifier::{Iccid, Plmn},
    journal::RejectionCode,
    radio_access::RadioAccess,
};
use serde_json::value::RawValue;

use super::{Fault, MAX_ID_BYTES};

/// Bytes of one MB in vendor records.
const MEGABYTE: u128 = 1_000_000;
/// Decimals of one MB that are whole bytes.
const MEGABYTE_DECIMALS: usize = 6;
/// Most bytes of a radio access type.
const MAX_RAT_BYTES: usize = 32;

/// The text of a JSON string; without a copy when nothing in it is escaped.
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let json = raw.get();
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        // Fails on a lone surrogate, which is no text.
        serde_json::from_str::<String>(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// The digits of a JSON number, as sent.
fn number(raw: &RawValue) -> Option<&str> {
    let json = raw.get();
    json.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        .then_some(json)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A source or a record id: a text, or an integer by its digits. 1 to 256 bytes, without control characters.
pub(super) fn id(raw: Option<&RawValue>, name: &str) -> Result<String, Fault> {
    let missing = || Fault::new(RejectionCode::MissingIdentity, format!("{name} is missing"));
    let raw = raw.ok_or_else(missing)?;
    let value = match number(raw) {
        Some(number) if is_digits(number.trim_start_matches('-')) => Cow::Borrowed(number),
        Some(_) => {
            return Err(Fault::malformed(format!(
                "{name} is not an integer or a text"
            )));
        }
        None => text(raw)
            .ok_or_else(|| Fault::malformed(format!("{name} is not an integer or a text")))?,
    };
    if value.is_empty() {
        return Err(missing());
    }
    if value.len() > MAX_ID_BYTES {
        return Err(Fault::malformed(format!(
            "{name} is longer than {MAX_ID_BYTES} bytes"
        )));
    }
    if value.chars().any(char::is_control) {
        return Err(Fault::malformed(format!("{name} has control characters")));
    }
    Ok(value.into_owned())
}

/// An RFC 3339 time with an offset, in whole milliseconds of UTC, of the years 1970 to 2199.
pub(super) fn time(raw: Option<&RawValue>, name: &str) -> Result<DateTime<Utc>, Fault> {
    let raw =
        raw.ok_or_else(|| Fault::new(RejectionCode::MissingTime, format!("{name} is missing")))?;
    let invalid = |why: &str| Fault::new(RejectionCode::InvalidTime, format!("{name} {why}"));
    let parsed = text(raw)
        .and_then(|text| DateTime::parse_from_rfc3339(&text).ok())
        .and_then(|time| DateTime::from_timestamp_millis(time.timestamp_millis()))
        .ok_or_else(|| invalid("is not an RFC 3339 time such as 2026-01-31T12:00:00Z"))?;
    if (1970..2200).contains(&parsed.year()) {
        Ok(parsed)
    } else {
        Err(invalid("is not within the years 1970 to 2199"))
    }
}

/// # Errors
/// `INVALID_TIME` when the end is before the start. Both at once is fine: an SMS takes no time.
pub(super) fn ordered(start: DateTime<Utc>, end: DateTime<Utc>) -> Result<(), Fault> {
    if end < start {
        Err(Fault::new(
            RejectionCode::InvalidTime,
            "the end is before the start",
        ))
    } else {
        Ok(())
    }
}

/// A card number, given as a text or as a number (its digits are kept).
pub(super) fn iccid(raw: Option<&RawValue>, name: &str) -> Result<Iccid, Fault> {
    let invalid = |why: &str| Fault::new(RejectionCode::InvalidIccid, format!("{name} {why}"));
    let raw = raw.ok_or_else(|| invalid("is missing"))?;
    number(raw)
        .map(Cow::Borrowed)
        .or_else(|| text(raw))
        .and_then(|text| Iccid::parse(&text).ok())
        .ok_or_else(|| invalid("is not 19 or 20 digits"))
}

/// `262-02` or `26202`; none when the record names no network.
pub(super) fn network(raw: Option<&RawValue>, name: &str) -> Result<String, Fault> {
    let Some(raw) = raw else {
        return Ok(String::new());
    };
    let invalid = || {
        let message = format!("{name} is not a 3-digit MCC with a 2- or 3-digit MNC, as text");
        Fault::new(RejectionCode::InvalidNetwork, message)
    };
    let text = text(raw).ok_or_else(invalid)?;
    if text.is_empty() {
        return Ok(String::new());
    }
    Plmn::parse(&text)
        .map(|plmn| plmn.as_str().to_owned())
        .map_err(|_| invalid())
}

/// MCC and MNC in two fields. The MCC may be a number, the MNC may not: it would lose its leading zero.
pub(super) fn network_parts(
    mcc: Option<&RawValue>,
    mnc: Option<&RawValue>,
) -> Result<String, Fault> {
    let invalid = || {
        let message = "operator needs a 3-digit country.mcc and a 2- or 3-digit mnc as text";
        Fault::new(RejectionCode::InvalidNetwork, message)
    };
    let (mcc, mnc) = match (mcc, mnc) {
        (None, None) => return Ok(String::new()),
        (Some(mcc), Some(mnc)) => (mcc, mnc),
        _ => return Err(invalid()),
    };
    let mcc = number(mcc).map(Cow::Borrowed).or_else(|| text(mcc));
    let (mcc, mnc) = mcc.zip(text(mnc)).ok_or_else(invalid)?;
    Plmn::new(&mcc, &mnc)
        .map(|plmn| plmn.as_str().to_owned())
        .map_err(|_| invalid())
}

/// A code or words; unknown when absent.
pub(super) fn radio_access_type(raw: Option<&RawValue>, name: &str) -> Result<RadioAccess, Fault> {
    let Some(raw) = raw else {
        return Ok(RadioAccess::default());
    };
    let sent = number(raw).map(Cow::Borrowed).or_else(|| text(raw));
    let sent = sent.map(|sent| RadioAccess::new(&sent));
    sent.filter(is_short)
        .ok_or_else(|| Fault::malformed(format!("{name} is not a text of at most 32 bytes")))
}

/// Whether a radio access type has at most 32 bytes and no control characters.
pub(super) fn is_short(radio_access: &RadioAccess) -> bool {
    let sent = radio_access.as_sent();
    sent.len() <= MAX_RAT_BYTES && !sent.chars().any(char::is_control)
}

fn volume_fault(name: &str, why: &str) -> Fault {
    Fault::new(RejectionCode::InvalidVolume, format!("{name} {why}"))
}

/// Largest exponent that is looked at; beyond it no volume of 64 bits has a digit.
const MAX_EXPONENT: i32 = 40;

/// A number that is not negative, as its digits before and after the point. An exponent moves the point, so that
/// `1e-06`, which is how some programs write one byte in MB, is read exactly.
fn plain<'a>(raw: &'a RawValue, name: &str) -> Result<(Cow<'a, str>, Cow<'a, str>), Fault> {
    let number = number(raw).ok_or_else(|| volume_fault(name, "is not a number"))?;
    if number.starts_with('-') {
        return Err(volume_fault(name, "is negative"));
    }
    let Some((mantissa, exponent)) = number.split_once(['e', 'E']) else {
        let (digits, fraction) = number.split_once('.').unwrap_or((number, ""));
        return Ok((digits.into(), fraction.into()));
    };
    let exponent: i32 = exponent
        .parse()
        .ok()
        .filter(|exponent| (-MAX_EXPONENT..=MAX_EXPONENT).contains(exponent))
        .ok_or_else(|| volume_fault(name, "has an exponent out of range"))?;
    let (digits, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    Ok(shifted(digits, fraction, exponent))
}

/// Moves the point of `digits.fraction` by `places`.
fn shifted<'a>(digits: &str, fraction: &str, places: i32) -> (Cow<'a, str>, Cow<'a, str>) {
    let shift = places.unsigned_abs() as usize;
    let zeros = "0".repeat(shift);
    let all = if places < 0 {
        zeros + digits + fraction
    } else {
        format!("{digits}{fraction}{zeros}")
    };
    let point = if places < 0 {
        digits.len()
    } else {
        digits.len() + shift
    };
    let (digits, fraction) = all.split_at(point);
    (digits.to_owned().into(), fraction.to_owned().into())
}

fn beyond(name: &str) -> Fault {
    volume_fault(name, "is more than 64 bits hold")
}

/// A count of whole bytes or units, `None` when absent.
pub(super) fn whole(raw: Option<&RawValue>, name: &str) -> Result<Option<u64>, Fault> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    let (digits, fraction) = plain(raw, name)?;
    if fraction.bytes().any(|b| b != b'0') {
        return Err(volume_fault(name, "is not a whole number"));
    }
    digits.parse().map(Some).map_err(|_| beyond(name))
}

/// Bytes of a volume in MB of 10^6 bytes, exact: the text is read as a decimal.
pub(super) fn megabytes(raw: Option<&RawValue>, name: &str) -> Result<Option<u64>, Fault> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    let (digits, fraction) = plain(raw, name)?;
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > MEGABYTE_DECIMALS {
        return Err(volume_fault(
            name,
            "is not whole bytes: more than six decimals",
        ));
    }
    let whole: u64 = digits.parse().map_err(|_| beyond(name))?;
    let part = fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(MEGABYTE_DECIMALS)
        .fold(0, |sum: u128, digit| sum * 10 + u128::from(digit - b'0'));
    u64::try_from(u128::from(whole) * MEGABYTE + part)
        .map(Some)
        .map_err(|_| beyond(name))
}

/// A JSON text among known words.
pub(super) fn word(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    raw.and_then(text)
}

/// A small code, given as a number or as a text.
pub(super) fn code(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    raw.and_then(|raw| number(raw).map(Cow::Borrowed).or_else(|| text(raw)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.into()).expect("JSON")
    }

    fn bytes(json: &str) -> Result<Option<u64>, RejectionCode> {
        megabytes(Some(&raw(json)), "rx").map_err(|fault| fault.code)
    }

    #[test]
    fn megabytes_are_exact_bytes() {
        for (text, expected) in [
            ("0", 0),
            ("0.000001", 1),
            ("0.1", 100_000),
            ("0.100000", 100_000),
            ("12.345678", 12_345_678),
            ("1.0000000", 1_000_000),
            // As a float this is 9007199254.740992 and some.
            ("9007199254.740993", 9_007_199_254_740_993),
            ("18446744073709.551615", u64::MAX),
            ("1e-06", 1),
            ("9.9E-5", 99),
            ("1.5e2", 150_000_000),
            ("0e40", 0),
        ] {
            assert_eq!(bytes(text), Ok(Some(expected)), "{text}");
        }
    }

    #[test]
    fn volumes_that_are_not_whole_bytes_are_refused() {
        for text in [
            "-1",
            "-0.0",
            "1e-7",
            "0.0000001",
            "18446744073709.551616",
            "1e400",
            "99999999999999999999",
            "\"1\"",
            "true",
            "[]",
        ] {
            assert_eq!(bytes(text), Err(RejectionCode::InvalidVolume), "{text}");
        }
    }

    #[test]
    fn counts_are_64_bit() {
        let count = |json: &str| whole(Some(&raw(json)), "n").map_err(|fault| fault.code);
        assert_eq!(count("18446744073709551615"), Ok(Some(u64::MAX)));
        assert_eq!(count("3.000000"), Ok(Some(3)));
        assert_eq!(count("3e0"), Ok(Some(3)));
        for refused in ["18446744073709551616", "3.5", "-3", "3e-1", "\"3\"", "{}"] {
            assert_eq!(
                count(refused),
                Err(RejectionCode::InvalidVolume),
                "{refused}"
            );
        }
    }

    #[test]
    fn an_mnc_keeps_its_zero_and_is_no_number() {
        let network = |mcc: &str, mnc: &str| {
            network_parts(Some(&raw(mcc)), Some(&raw(mnc))).map_err(|fault| fault.code)
        };
        assert_eq!(network("\"238\"", "\"07\""), Ok("238-07".into()));
        assert_eq!(network("238", "\"007\""), Ok("238-007".into()));
        assert_eq!(network("238", "7"), Err(RejectionCode::InvalidNetwork));
    }

    #[test]
    fn times_are_utc_milliseconds_of_believable_years() {
        let time = |json: &str| {
            time(Some(&raw(json)), "start")
                .map(|time| time.timestamp_millis())
                .map_err(|fault| fault.code)
        };
        assert_eq!(time("\"1970-01-01T02:00:01.2345678+02:00\""), Ok(1_234));
        assert!(time("\"2199-12-31T23:59:59.999Z\"").is_ok());
        for refused in [
            "\"9999-01-01T00:00:00Z\"",
            "\"1969-12-31T23:59:59Z\"",
            "\"2026-02-30T00:00:00Z\"",
            "\"2026-01-01T00:00:00\"",
            "\"\\u0000\"",
            "1700000000",
        ] {
            assert_eq!(time(refused), Err(RejectionCode::InvalidTime), "{refused}");
        }
    }

    #[test]
    fn ids_are_texts_or_integers() {
        let id = |json: &str| id(Some(&raw(json)), "record_id").map_err(|fault| fault.code);
        assert_eq!(
            id("123456789012345678901234567890"),
            Ok("123456789012345678901234567890".into())
        );
        assert_eq!(id("\"a\\u00e9\""), Ok("aé".into()));
        assert_eq!(id("\"\""), Err(RejectionCode::MissingIdentity));
        for refused in ["1.5", "1e3", "true", "{}", "\"a\\u0000b\"", "\"\\ud800\""] {
            assert_eq!(id(refused), Err(RejectionCode::Malformed), "{refused}");
        }
    }
}
