//! Our own `cdr` event: `record_id, source, iccid, imsi?, mcc_mnc, radio_access_type, apn?, service, start, end,
//! bytes_up, bytes_down, units?`.
//!
//! Data needs both byte counts; SMS and voice may leave them out. `units` is as the source counts and 0 when absent.
//! A record that names no network or radio access type has them unknown, which is a value of the cubes. `imsi` and
//! `apn` are not billing fields and are ignored.

use domain::{identifier::Iccid, journal::RejectionCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Cdr, Fault, Known, Service, field, object};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    record_id: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    iccid: Option<&'a RawValue>,
    #[serde(borrow)]
    mcc_mnc: Option<&'a RawValue>,
    #[serde(borrow)]
    radio_access_type: Option<&'a RawValue>,
    #[serde(borrow)]
    service: Option<&'a RawValue>,
    #[serde(borrow)]
    start: Option<&'a RawValue>,
    #[serde(borrow)]
    end: Option<&'a RawValue>,
    #[serde(borrow)]
    bytes_up: Option<&'a RawValue>,
    #[serde(borrow)]
    bytes_down: Option<&'a RawValue>,
    #[serde(borrow)]
    units: Option<&'a RawValue>,
}

/// The card that a record is about, also of one that is refused for something else.
pub(super) fn iccid_of(bytes: &[u8]) -> Option<Iccid> {
    let record: Event<'_> = serde_json::from_slice(bytes).ok()?;
    field::iccid(record.iccid, "iccid").ok()
}

/// A record that carries its own identity.
pub(super) fn decode(json: &str, known: &mut Known) -> Result<Cdr, Fault> {
    let record: Event<'_> = object(json)?;
    known.source = field::id(record.source, "source")?;
    known.record_id = Some(field::id(record.record_id, "record_id")?);
    billing_fields(&record, known)
}

/// The event inside an envelope whose identity is known already.
pub(super) fn decode_event(json: &str, known: &mut Known) -> Result<Cdr, Fault> {
    billing_fields(&object(json)?, known)
}

fn billing_fields(record: &Event<'_>, known: &mut Known) -> Result<Cdr, Fault> {
    let start = field::time(record.start, "start")?;
    known.event_at = Some(start);
    let end = field::time(record.end, "end")?;
    field::ordered(start, end)?;
    let iccid = field::iccid(record.iccid, "iccid")?;
    let network = field::network(record.mcc_mnc, "mcc_mnc")?;
    let rat = field::radio_access_type(record.radio_access_type, "radio_access_type")?;
    let service = service(record.service)?;
    let bytes = |raw: Option<&RawValue>, name: &str| match field::whole(raw, name)? {
        None if service == Service::Data => Err(Fault::new(
            RejectionCode::InvalidVolume,
            format!("{name} is missing"),
        )),
        bytes => Ok(bytes.unwrap_or(0)),
    };
    let bytes_up = bytes(record.bytes_up, "bytes_up")?;
    let bytes_down = bytes(record.bytes_down, "bytes_down")?;
    let units = field::whole(record.units, "units")?.unwrap_or(0);
    let (source, record_id) = known.take_identity();
    Ok(Cdr {
        source,
        record_id,
        iccid,
        network,
        rat,
        service,
        start,
        end,
        bytes_up,
        bytes_down,
        units,
    })
}

fn service(raw: Option<&RawValue>) -> Result<Service, Fault> {
    let service = field::word(raw).and_then(|word| word.parse().ok());
    service.ok_or_else(|| {
        let message = "service is not DATA, SMS or VOICE";
        Fault::new(RejectionCode::InvalidService, message)
    })
}
