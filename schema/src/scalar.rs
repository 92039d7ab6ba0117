//! Scalars of our own. Each says in `is_valid` what it takes, so that a value it does not take is refused before anything runs,
//! by the name of its argument.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{SecondsFormat, Utc};
use domain::decimal;
use serde::{Serialize, Serializer};

/// A count of what there are fewer than 2^31 of, as `Int`; more than that shows as the largest one.
pub fn int(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// An integer of up to 128 bits as a string of decimal digits, with a leading - when it is negative: JSON numbers lose digits
/// above 2^53. Input may also be a JSON integer. Counters of bytes and records are of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BigInt(pub i128);

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => {
            let signed = number.as_i64().map(i128::from);
            signed.or_else(|| number.as_u64().map(i128::from))
        }
        _ => None,
    }
}

/// An integer of up to 128 bits as a string of decimal digits, with a leading - when it is negative: JSON numbers lose digits
/// above 2^53. Input may also be a JSON integer. Counters of bytes and records are of this type.
#[Scalar(specified_by_url = "https://www.w3.org/TR/xmlschema11-2/#integer")]
impl ScalarType for BigInt {
    fn parse(value: Value) -> InputValueResult<Self> {
        let parsed = integer(&value).map(Self);
        parsed.ok_or_else(|| InputValueError::expected_type(value))
    }

    fn is_valid(value: &Value) -> bool {
        integer(value).is_some()
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl Serialize for BigInt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A decimal number as a string of digits: `0.25`, `-3`, `1048576`. JSON numbers lose digits. Input may also be a JSON integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(pub decimal::Decimal);

impl Decimal {
    /// A number in units of this decimal place.
    pub const fn new(scaled: i128, places: u32) -> Self {
        Self(decimal::Decimal { scaled, places })
    }
}

fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::String(text) => text.parse().ok().map(Decimal),
        value => integer(value).map(|scaled| Decimal::new(scaled, 0)),
    }
}

/// A decimal number as a string of digits: `0.25`, `-3`, `1048576`. JSON numbers lose digits. Input may also be a JSON integer.
#[Scalar(specified_by_url = "https://www.w3.org/TR/xmlschema11-2/#decimal")]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        let parsed = decimal(&value);
        parsed.ok_or_else(|| InputValueError::expected_type(value))
    }

    fn is_valid(value: &Value) -> bool {
        decimal(value).is_some()
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A moment in UTC as a string of RFC 3339 that ends in Z, with as many digits of a second as are not zero:
/// `2026-11-23T10:15:00Z`, `2026-11-23T10:15:00.250Z`. Input may have any offset. Spans of time are half-open: they begin with
/// their `from` and end before their `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime(pub chrono::DateTime<Utc>);

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(moment: chrono::DateTime<Utc>) -> Self {
        Self(moment)
    }
}

fn moment(value: &Value) -> Option<chrono::DateTime<Utc>> {
    let Value::String(text) = value else {
        return None;
    };
    let parsed = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(parsed.with_timezone(&Utc))
}

/// A moment in UTC as a string of RFC 3339 that ends in Z, with as many digits of a second as are not zero:
/// `2026-11-23T10:15:00Z`, `2026-11-23T10:15:00.250Z`. Input may have any offset. Spans of time are half-open: they begin with
/// their `from` and end before their `to`.
#[Scalar(specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let parsed = moment(&value).map(Self);
        parsed.ok_or_else(|| InputValueError::expected_type(value))
    }

    fn is_valid(value: &Value) -> bool {
        moment(value).is_some()
    }

    fn to_value(&self) -> Value {
        Value::String(self.printed())
    }
}

impl DateTime {
    fn printed(self) -> String {
        self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.printed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed<T: ScalarType>(value: impl Into<Value>) -> Option<String> {
        let value = value.into();
        let parsed = T::parse(value.clone()).ok();
        assert_eq!(parsed.is_some(), T::is_valid(&value), "{value}");
        match parsed?.to_value() {
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }

    #[test]
    fn a_decimal_number_keeps_its_digits() {
        for text in ["0.25", "-3", "1048576", "1.50", "-0.05"] {
            assert_eq!(printed::<Decimal>(text).as_deref(), Some(text));
        }
        assert_eq!(printed::<Decimal>(7).as_deref(), Some("7"));
        for text in ["", ".5", "1e3", "1,5"] {
            assert_eq!(printed::<Decimal>(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_is_read_at_any_offset_and_printed_in_utc() {
        for (given, expected) in [
            ("2026-11-23T10:15:00Z", "2026-11-23T10:15:00Z"),
            ("2026-11-23T12:15:00+02:00", "2026-11-23T10:15:00Z"),
            ("2026-11-23T10:15:00.25-00:00", "2026-11-23T10:15:00.250Z"),
            ("2026-11-23T10:15:00.000001Z", "2026-11-23T10:15:00.000001Z"),
        ] {
            assert_eq!(printed::<DateTime>(given).as_deref(), Some(expected));
        }
        for bad in [
            "",
            "yesterday",
            "2026-11-23",
            "2026-11-23T10:15:00",
            "2026-02-30T00:00:00Z",
        ] {
            assert_eq!(printed::<DateTime>(bad), None, "{bad}");
        }
        assert_eq!(printed::<DateTime>(1_795_000_000), None);
    }

    #[test]
    fn an_integer_keeps_every_digit() {
        let most = i128::MAX.to_string();
        assert_eq!(printed::<BigInt>(most.as_str()), Some(most));
        assert_eq!(
            printed::<BigInt>(u64::MAX).as_deref(),
            Some("18446744073709551615")
        );
        assert_eq!(printed::<BigInt>("-5").as_deref(), Some("-5"));
        for bad in [
            "",
            "1.0",
            "1e3",
            "0x1",
            "170141183460469231731687303715884105728",
        ] {
            assert_eq!(printed::<BigInt>(bad), None, "{bad}");
        }
        assert_eq!(printed::<BigInt>(1.5), None);
    }
}
