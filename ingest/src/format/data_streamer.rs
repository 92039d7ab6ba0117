//! Usage records of the emnify and 1NCE Data Streamers.
//!
//! - `id` is unique per stream, so the stream's name is part of the source.
//! - The vendor's `rx` and `tx` are seen from the network: **`rx` came from the device and is `bytes_up`**, `tx` went to
//!   the device and is `bytes_down`.
//! - Data volumes are MB of 10^6 bytes with at most six decimals, so whole bytes; they are read as decimals. SMS volumes
//!   are counts: `units` is their sum and the bytes are 0.
//! - **A `total` that is not the sum of `rx` and `tx` is refused** (`INVALID_VOLUME`): one of three numbers is wrong and
//!   nothing says which, so nothing is billed until the vendor sends it right. Without a `total` the parts stand. A part
//!   that is missing counts as zero only when `total` confirms it.
//! - A nested object that is null has none of its fields. A record without operator is of the unknown network.
//! - Everything else (tariff, endpoint, balance, cost, organisation) is the vendor's and is ignored; so are the fields
//!   that newer streams add.

use domain::{journal::RejectionCode, radio_access::RadioAccess};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Cdr, Fault, Known, Service, field, object};

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    sim: Option<&'a RawValue>,
    #[serde(borrow)]
    operator: Option<&'a RawValue>,
    #[serde(borrow)]
    traffic_type: Option<&'a RawValue>,
    #[serde(borrow)]
    volume: Option<&'a RawValue>,
    #[serde(borrow)]
    start_timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    end_timestamp: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Sim<'a> {
    #[serde(borrow)]
    iccid: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Operator<'a> {
    #[serde(borrow)]
    country: Option<&'a RawValue>,
    #[serde(borrow)]
    mnc: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Country<'a> {
    #[serde(borrow)]
    mcc: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct TrafficType<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Volume<'a> {
    #[serde(borrow)]
    rx: Option<&'a RawValue>,
    #[serde(borrow)]
    tx: Option<&'a RawValue>,
    #[serde(borrow)]
    total: Option<&'a RawValue>,
}

/// The nested object `name`; one without fields when it is absent or null.
fn nested<'a, T: Default + Deserialize<'a>>(
    raw: Option<&'a RawValue>,
    name: &str,
) -> Result<T, Fault> {
    match raw.map(RawValue::get) {
        None => Ok(T::default()),
        Some(json) if json.starts_with('{') => object(json),
        Some(_) => Err(Fault::malformed(format!("{name} is not a JSON object"))),
    }
}

pub(super) fn decode(json: &str, known: &mut Known) -> Result<Cdr, Fault> {
    let record: Record<'_> = object(json)?;
    known.record_id = Some(field::id(record.id, "id")?);
    let start = field::time(record.start_timestamp, "start_timestamp")?;
    known.event_at = Some(start);
    let end = field::time(record.end_timestamp, "end_timestamp")?;
    field::ordered(start, end)?;
    let iccid = field::iccid(nested::<Sim<'_>>(record.sim, "sim")?.iccid, "sim.iccid")?;
    let operator: Operator<'_> = nested(record.operator, "operator")?;
    let country: Country<'_> = nested(operator.country, "operator.country")?;
    let network = field::network_parts(country.mcc, operator.mnc)?;
    let traffic: TrafficType<'_> = nested(record.traffic_type, "traffic_type")?;
    let volume: Volume<'_> = nested(record.volume, "volume")?;
    let (service, bytes_up, bytes_down, units) = match field::code(traffic.id).as_deref() {
        Some("5") => {
            let (up, down) = parts(&volume, field::megabytes)?;
            (Service::Data, up, down, 0)
        }
        Some("6") => {
            let (from_device, to_device) = parts(&volume, field::whole)?;
            let units = from_device.checked_add(to_device);
            (Service::Sms, 0, 0, units.ok_or_else(too_many)?)
        }
        _ => {
            return Err(Fault::new(
                RejectionCode::InvalidService,
                "traffic_type.id is not 5 (data) or 6 (SMS)",
            ));
        }
    };
    let (source, record_id) = known.take_identity();
    Ok(Cdr {
        source,
        record_id,
        iccid,
        network,
        rat: RadioAccess::default(),
        service,
        start,
        end,
        bytes_up,
        bytes_down,
        units,
    })
}

fn too_many() -> Fault {
    Fault::new(
        RejectionCode::InvalidVolume,
        "volume is more than 64 bits hold",
    )
}

/// `rx` and `tx`, confirmed by `total`.
fn parts(
    volume: &Volume<'_>,
    read: fn(Option<&RawValue>, &str) -> Result<Option<u64>, Fault>,
) -> Result<(u64, u64), Fault> {
    let rx = read(volume.rx, "volume.rx")?;
    let tx = read(volume.tx, "volume.tx")?;
    let total = read(volume.total, "volume.total")?;
    let invalid = |message: &str| Fault::new(RejectionCode::InvalidVolume, message);
    if total.is_none() && (rx.is_none() || tx.is_none()) {
        return Err(invalid("volume.rx, volume.tx or both are missing"));
    }
    let (rx, tx) = (rx.unwrap_or(0), tx.unwrap_or(0));
    let sum = rx.checked_add(tx).ok_or_else(too_many)?;
    if total.is_some_and(|total| total != sum) {
        return Err(invalid(
            "volume.total is not the sum of volume.rx and volume.tx",
        ));
    }
    Ok((rx, tx))
}

#[cfg(test)]
mod tests {
    use super::super::{Shape, decode};
    use super::*;

    /// The shape that both vendors document, in every field.
    const DOCUMENTED: &str = r#"{
        "id": 8201234567, "cost": 0.0123456789, "currency": {"id": 1, "code": "EUR", "symbol": "€"},
        "start_timestamp": "2026-03-01T10:00:00Z", "end_timestamp": "2026-03-01T10:00:45.123Z",
        "session_id": "7a0b2d9e-5df5-4a53-93ab-7e0bfa4f8f11",
        "sim": {"id": 42, "iccid": "8988303000000123456", "msisdn": "423663920000000", "production_date": null},
        "imsi": "901430000000042", "imsi_id": 77,
        "operator": {"id": 3, "name": "Vodafone", "mnc": "02", "country": {"id": 74, "name": "Germany", "mcc": "262"}},
        "traffic_type": {"id": 5, "description": "Data"},
        "volume": {"rx": 0.100001, "tx": 1.250000, "total": 1.350001},
        "organisation": {"id": 9, "name": "Example"}, "tariff": {"id": 1, "name": "t", "ratezone": {"id": 1, "name": "z"}},
        "endpoint": {"id": 5, "name": "meter", "ip_address": "10.0.0.1", "tags": null, "imei": "3512", "balance": null}
    }"#;

    fn read(json: &str) -> Result<Cdr, RejectionCode> {
        let shape = Shape::DataStreamer {
            source: "data-streamer/main".into(),
        };
        decode(&shape, json.as_bytes()).map_err(|rejection| rejection.code)
    }

    fn with(from: &str, to: &str) -> Result<Cdr, RejectionCode> {
        assert!(DOCUMENTED.contains(from), "{from}");
        read(&DOCUMENTED.replacen(from, to, 1))
    }

    #[test]
    fn the_documented_shape_is_exact_to_the_byte() {
        let cdr = read(DOCUMENTED).expect("documented");
        assert_eq!((cdr.bytes_up, cdr.bytes_down), (100_001, 1_250_000));
        assert_eq!(
            (cdr.source.as_str(), cdr.record_id.as_str()),
            ("data-streamer/main", "8201234567")
        );
        assert_eq!(
            (cdr.network.as_str(), cdr.service),
            ("262-02", Service::Data)
        );
        assert_eq!(
            cdr.end.timestamp_millis() - cdr.start.timestamp_millis(),
            45_123
        );
    }

    #[test]
    fn a_total_that_is_not_the_sum_is_refused() {
        assert_eq!(
            with("1.350001", "1.350002"),
            Err(RejectionCode::InvalidVolume)
        );
        assert!(with(", \"total\": 1.350001", "").is_ok());
        assert!(with("1.350001", "null").is_ok());
    }

    #[test]
    fn a_missing_part_is_zero_only_when_the_total_confirms_it() {
        let only_tx = with("\"rx\": 0.100001, ", "\"rx\": null, ");
        assert_eq!(only_tx, Err(RejectionCode::InvalidVolume));
        let confirmed = with(
            "\"rx\": 0.100001, \"tx\": 1.250000, \"total\": 1.350001",
            "\"tx\": 1.25, \"total\": 1.250",
        );
        assert_eq!(
            confirmed.map(|cdr| (cdr.bytes_up, cdr.bytes_down)),
            Ok((0, 1_250_000))
        );
        for missing in ["null", "{}", "{\"rx\": 1}"] {
            let volume = "{\"rx\": 0.100001, \"tx\": 1.250000, \"total\": 1.350001}";
            assert_eq!(
                with(volume, missing),
                Err(RejectionCode::InvalidVolume),
                "{missing}"
            );
        }
    }

    #[test]
    fn messages_are_units_and_no_bytes() {
        let sms = DOCUMENTED
            .replacen("{\"id\": 5, \"description\": \"Data\"}", "{\"id\": 6}", 1)
            .replacen(
                "\"rx\": 0.100001, \"tx\": 1.250000, \"total\": 1.350001",
                "\"rx\": 2.000000, \"tx\": 1, \"total\": 3",
                1,
            );
        let cdr = read(&sms).expect("an SMS record");
        assert_eq!((cdr.service, cdr.units), (Service::Sms, 3));
        assert_eq!((cdr.bytes_up, cdr.bytes_down), (0, 0));
    }

    #[test]
    fn null_objects_have_no_fields() {
        let operator = "{\"id\": 3, \"name\": \"Vodafone\", \"mnc\": \"02\", \"country\": {\"id\": 74, \"name\": \"Germany\", \"mcc\": \"262\"}}";
        assert_eq!(
            with(operator, "null").map(|cdr| cdr.network),
            Ok(String::new())
        );
        assert_eq!(
            with(
                "{\"id\": 74, \"name\": \"Germany\", \"mcc\": \"262\"}",
                "null"
            ),
            Err(RejectionCode::InvalidNetwork)
        );
        assert_eq!(
            with("{\"id\": 5, \"description\": \"Data\"}", "null"),
            Err(RejectionCode::InvalidService)
        );
        assert_eq!(
            with("\"8988303000000123456\"", "null"),
            Err(RejectionCode::InvalidIccid)
        );
        assert_eq!(
            with("8201234567", "null"),
            Err(RejectionCode::MissingIdentity)
        );
        assert_eq!(
            with("\"2026-03-01T10:00:45.123Z\"", "null"),
            Err(RejectionCode::MissingTime)
        );
        assert_eq!(
            with("\"2026-03-01T10:00:45.123Z\"", "\"2026-03-01T09:59:59Z\""),
            Err(RejectionCode::InvalidTime)
        );
    }

    #[test]
    fn a_key_given_twice_is_malformed() {
        assert_eq!(with("{\n", "{ \"id\": 1,"), Err(RejectionCode::Malformed));
        assert_eq!(
            with("\"rx\": 0.100001", "\"rx\": 1, \"rx\": 0.100001"),
            Err(RejectionCode::Malformed)
        );
    }
}
