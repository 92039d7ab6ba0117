//! CloudEvents 1.0 in the JSON format, structured (one event) or batched (an array): `id` and `source` are the record's
//! identity and `data` is our own `cdr` event, whose own `record_id` and `source`, if any, are ignored. Any `type` is
//! taken. `data_base64` is not: a usage record is JSON.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Cdr, Fault, Known, field, native, object};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    specversion: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

pub(super) fn decode(json: &str, known: &mut Known) -> Result<Cdr, Fault> {
    let event: Event<'_> = object(json)?;
    known.source = field::id(event.source, "source")?;
    known.record_id = Some(field::id(event.id, "id")?);
    if field::word(event.specversion).as_deref() != Some("1.0") {
        return Err(Fault::malformed("specversion is not 1.0"));
    }
    let data = event
        .data
        .map(RawValue::get)
        .filter(|data| data.starts_with('{'))
        .ok_or_else(|| Fault::malformed("data is not a JSON object"))?;
    native::decode_event(data, known)
}
