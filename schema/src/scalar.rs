//! Scalars of our own.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

/// A count of what there are fewer than 2^31 of, as `Int`; more than that shows as the largest one.
pub fn int(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// An integer of up to 128 bits, written as a decimal string because JSON numbers lose digits above 2^53. Byte
/// counters are of this type. Input may also be a JSON integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BigInt(pub i128);

/// An integer of up to 128 bits, written as a decimal string because JSON numbers lose digits above 2^53. Byte
/// counters are of this type. Input may also be a JSON integer.
#[Scalar]
impl ScalarType for BigInt {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Ok(Self(text.parse().map_err(|_| "not an integer")?)),
            Value::Number(number) => {
                let integer = number
                    .as_i64()
                    .map(i128::from)
                    .or(number.as_u64().map(i128::from));
                integer.map(Self).ok_or_else(|| "not an integer".into())
            }
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}
