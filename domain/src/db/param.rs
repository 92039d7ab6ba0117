//! Values on their way to Postgres.

use std::error::Error;

use bytes::BytesMut;
use sea_orm::{Value, sea_query::ArrayType};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

/// A statement's parameter: the values that entities and built statements carry, in Postgres's binary form.
#[derive(Debug)]
pub(super) struct Param<'a>(pub(super) &'a Value);

/// The type that a value has in Postgres, which is said with the statement so that nothing has to be asked first.
pub(super) fn type_of(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::BOOL,
        Value::SmallInt(_) => Type::INT2,
        Value::Int(_) => Type::INT4,
        Value::BigInt(_) => Type::INT8,
        Value::Double(_) => Type::FLOAT8,
        Value::String(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
        Value::Json(_) => Type::JSONB,
        Value::Uuid(_) => Type::UUID,
        Value::ChronoDate(_) => Type::DATE,
        Value::ChronoDateTimeUtc(_) => Type::TIMESTAMPTZ,
        Value::Array(ArrayType::Bool, _) => Type::BOOL_ARRAY,
        Value::Array(ArrayType::SmallInt, _) => Type::INT2_ARRAY,
        Value::Array(ArrayType::Int, _) => Type::INT4_ARRAY,
        Value::Array(ArrayType::BigInt, _) => Type::INT8_ARRAY,
        Value::Array(ArrayType::String, _) => Type::TEXT_ARRAY,
        Value::Array(ArrayType::Bytes, _) => Type::BYTEA_ARRAY,
        Value::Array(ArrayType::Uuid, _) => Type::UUID_ARRAY,
        Value::Array(ArrayType::ChronoDateTimeUtc, _) => Type::TIMESTAMPTZ_ARRAY,
        // Sent as it is, it is refused by name in `to_sql`.
        _ => Type::UNKNOWN,
    }
}

impl ToSql for Param<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Value::Bool(value) => value.to_sql(ty, out),
            Value::SmallInt(value) => value.to_sql(ty, out),
            Value::Int(value) => value.to_sql(ty, out),
            Value::BigInt(value) => value.to_sql(ty, out),
            Value::Double(value) => value.to_sql(ty, out),
            Value::String(value) => value.to_sql(ty, out),
            Value::Bytes(value) => value.to_sql(ty, out),
            Value::Json(value) => value.as_deref().to_sql(ty, out),
            Value::Uuid(value) => value.to_sql(ty, out),
            Value::ChronoDate(value) => value.to_sql(ty, out),
            Value::ChronoDateTimeUtc(value) => value.to_sql(ty, out),
            Value::Array(_, values) => {
                let values = values.as_deref();
                let params = values.map(|values| values.iter().map(Param).collect::<Vec<_>>());
                params.to_sql(ty, out)
            }
            other => Err(format!("{other:?} has no type in Postgres here").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        // The type of every parameter is said by `type_of`.
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }

    to_sql_checked!();
}
