//! The session rollup event: exactly `session_id, iccid, event_timestamp, mcc_mnc, radio_access_type, ip_address, total_bytes_in,
//! total_bytes_out, request_type, cell_id`, each once; both totals are numbers and everything else is text.
//!
//! - One that misses a field, has it as another type, or has any other field is refused: senders are to notice that they send something
//!   else. Null is a field that is missing.
//! - `in` is from the device, as in Acct-Input-Octets (RFC 2866). Totals are whole and not negative.
//! - The radio access type is a code of GTPv2 or Diameter, or words; see [`domain::radio_access`].
//! - `cell_id` is looked at and goes no further, and neither do the names of fields that tenants are not shown: what is said about a
//!   rollup that is refused is read by them.

use std::{borrow::Cow, net::IpAddr};

use domain::{
    identifier::{Iccid, Plmn},
    journal::RejectionCode,
    radio_access::RadioAccess,
    session::{Request, Rollup},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Fault, Known, MAX_ID_BYTES, field, json_object, object};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(borrow)]
    session_id: Option<&'a RawValue>,
    #[serde(borrow)]
    iccid: Option<&'a RawValue>,
    #[serde(borrow)]
    event_timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    mcc_mnc: Option<&'a RawValue>,
    #[serde(borrow)]
    radio_access_type: Option<&'a RawValue>,
    #[serde(borrow)]
    ip_address: Option<&'a RawValue>,
    #[serde(borrow)]
    total_bytes_in: Option<&'a RawValue>,
    #[serde(borrow)]
    total_bytes_out: Option<&'a RawValue>,
    #[serde(borrow)]
    request_type: Option<&'a RawValue>,
    #[serde(borrow)]
    cell_id: Option<&'a RawValue>,
}

/// What is read of a rollup that is refused.
#[derive(Deserialize)]
struct Card<'a> {
    #[serde(borrow)]
    iccid: Option<&'a RawValue>,
}

/// The card that a rollup is about, also of one that is refused for something else.
pub(super) fn iccid_of(bytes: &[u8]) -> Option<Iccid> {
    let card: Card<'_> = object(json_object(bytes).ok()?).ok()?;
    iccid(card.iccid).ok()
}

pub(super) fn decode(json: &str, known: &mut Known) -> Result<Rollup, Fault> {
    let fields = fields(json)?;
    let session_id = session_id(fields.session_id)?;
    known.record_id = Some(session_id.clone());
    let event_at = field::time(fields.event_timestamp, "event_timestamp")?;
    known.event_at = Some(event_at);
    Ok(Rollup {
        session_id,
        iccid: iccid(fields.iccid)?,
        event_at,
        network: network(fields.mcc_mnc)?,
        radio_access: radio_access(fields.radio_access_type)?,
        ip: address(fields.ip_address)?,
        bytes_in: total(fields.total_bytes_in, "total_bytes_in")?,
        bytes_out: total(fields.total_bytes_out, "total_bytes_out")?,
        request: request(fields.request_type)?,
        cell_id: cell(fields.cell_id)?,
    })
}

/// The fields. The parser names those that it misses or does not know, which is not for tenants.
fn fields(json: &str) -> Result<Fields<'_>, Fault> {
    serde_json::from_str(json).map_err(|error| {
        if error.is_data() {
            Fault::malformed("the fields are not the ten of a session rollup, each once")
        } else {
            error.into()
        }
    })
}

/// A text of at most so many bytes without control characters.
fn short(raw: Option<&RawValue>, bytes: usize) -> Option<Cow<'_, str>> {
    field::word(raw).filter(|text| text.len() <= bytes && !text.chars().any(char::is_control))
}

fn session_id(raw: Option<&RawValue>) -> Result<String, Fault> {
    let missing = || Fault::new(RejectionCode::MissingIdentity, "session_id is missing");
    let text = short(Some(raw.ok_or_else(missing)?), MAX_ID_BYTES);
    let text = text.ok_or_else(|| {
        Fault::malformed(format!(
            "session_id is not a text of at most {MAX_ID_BYTES} bytes without control characters"
        ))
    })?;
    if text.is_empty() {
        return Err(missing());
    }
    Ok(text.into_owned())
}

fn iccid(raw: Option<&RawValue>) -> Result<Iccid, Fault> {
    let iccid = field::word(raw).and_then(|text| Iccid::parse(&text).ok());
    iccid.ok_or_else(|| {
        let message = "iccid is not a text of 19 or 20 digits";
        Fault::new(RejectionCode::InvalidIccid, message)
    })
}

fn network(raw: Option<&RawValue>) -> Result<Plmn, Fault> {
    let network = field::word(raw).and_then(|text| Plmn::parse(&text).ok());
    network.ok_or_else(|| {
        let message = "the network is not a 3-digit MCC with a 2- or 3-digit MNC, as text";
        Fault::new(RejectionCode::InvalidNetwork, message)
    })
}

fn radio_access(raw: Option<&RawValue>) -> Result<RadioAccess, Fault> {
    let sent = field::word(raw).map(|text| RadioAccess::new(&text));
    sent.filter(|sent| !sent.as_sent().is_empty() && field::is_short(sent))
        .ok_or_else(|| Fault::malformed("radio_access_type is not a text of 1 to 32 bytes"))
}

fn address(raw: Option<&RawValue>) -> Result<IpAddr, Fault> {
    let address = field::word(raw).and_then(|text| text.parse().ok());
    address.ok_or_else(|| {
        let message = "ip_address is not an IPv4 or IPv6 address";
        Fault::new(RejectionCode::InvalidAddress, message)
    })
}

fn total(raw: Option<&RawValue>, name: &str) -> Result<u64, Fault> {
    let total = field::whole(raw, name)?;
    total.ok_or_else(|| Fault::new(RejectionCode::InvalidVolume, format!("{name} is missing")))
}

fn request(raw: Option<&RawValue>) -> Result<Request, Fault> {
    let request = field::word(raw).and_then(|word| word.parse().ok());
    request.ok_or_else(|| {
        let message = "request_type is not UPDATE or TERMINATE";
        Fault::new(RejectionCode::InvalidRequestType, message)
    })
}

fn cell(raw: Option<&RawValue>) -> Result<String, Fault> {
    let cell = short(raw, MAX_ID_BYTES);
    cell.map(Cow::into_owned)
        .ok_or_else(|| Fault::malformed("the cell is not a text"))
}

#[cfg(test)]
mod tests {
    use super::super::{Rejection, decode_rollup};
    use super::*;

    /// The event as its contract has it, a field a line.
    const SAMPLE: &str = r#"{
        "session_id": "a-1",
        "iccid": "8988303000000123456",
        "event_timestamp": "2026-03-01T10:00:00.250+01:00",
        "mcc_mnc": "26202",
        "radio_access_type": "6",
        "ip_address": "10.1.2.3",
        "total_bytes_in": 1200,
        "total_bytes_out": 18446744073709551615,
        "request_type": "UPDATE",
        "cell_id": "26202-17-4"
    }"#;

    fn read(json: &str) -> Result<Rollup, Rejection> {
        decode_rollup(json.as_bytes()).map_err(|rejection| *rejection)
    }

    /// The sample with another value of a field, or without it.
    fn with(name: &str, value: Option<&str>) -> Result<Rollup, RejectionCode> {
        let line = SAMPLE
            .lines()
            .find(|line| line.contains(&format!("\"{name}\"")));
        let line = line.expect("a field");
        let comma = if line.ends_with(',') { "," } else { "" };
        let other = value.map(|value| format!("\"{name}\": {value}{comma}"));
        let json = SAMPLE.replace(line, &other.unwrap_or_default());
        // Without its last field an object must not end in a comma.
        let json = json.replace("\"UPDATE\",\n\n", "\"UPDATE\"\n");
        read(&json).map_err(|rejection| rejection.code)
    }

    #[test]
    fn the_sample_is_read() {
        let rollup = read(SAMPLE).expect("the sample");
        assert_eq!((rollup.bytes_in, rollup.bytes_out), (1_200, u64::MAX));
        assert_eq!(
            (rollup.network.as_str(), &*rollup.radio_access.words()),
            ("262-02", "LTE")
        );
        assert_eq!(rollup.event_at.timestamp_millis(), 1_772_355_600_250);
        assert_eq!(rollup.request, Request::Update);
        for (address, shown) in [
            ("\"2001:DB8::0:1\"", "2001:db8::1"),
            ("\"10.0.0.9\"", "10.0.0.9"),
        ] {
            let rollup = with("ip_address", Some(address)).expect("an address");
            assert_eq!(rollup.ip.to_string(), shown);
        }
        assert!(with("cell_id", Some("\"\"")).is_ok());
        let terminate = with("request_type", Some("\"TERMINATE\"")).expect("a rollup");
        assert_eq!(terminate.request, Request::Terminate);
    }

    #[test]
    fn a_field_that_is_missing_or_null_is_refused_with_its_code() {
        use RejectionCode as Code;
        for (name, code) in [
            ("session_id", Code::MissingIdentity),
            ("iccid", Code::InvalidIccid),
            ("event_timestamp", Code::MissingTime),
            ("mcc_mnc", Code::InvalidNetwork),
            ("radio_access_type", Code::Malformed),
            ("ip_address", Code::InvalidAddress),
            ("total_bytes_in", Code::InvalidVolume),
            ("total_bytes_out", Code::InvalidVolume),
            ("request_type", Code::InvalidRequestType),
            ("cell_id", Code::Malformed),
        ] {
            for value in [None, Some("null")] {
                assert_eq!(with(name, value), Err(code), "{name} {value:?}");
            }
        }
    }

    #[test]
    fn a_field_of_another_type_or_value_is_refused_with_its_code() {
        use RejectionCode as Code;
        let long = format!("\"{}\"", "x".repeat(257));
        for (name, value, code) in [
            ("session_id", "7", Code::Malformed),
            ("session_id", "\"\"", Code::MissingIdentity),
            ("session_id", "\"a\\u0000\"", Code::Malformed),
            ("session_id", long.as_str(), Code::Malformed),
            ("iccid", "8988303000000123456", Code::InvalidIccid),
            ("iccid", "\"89883030\"", Code::InvalidIccid),
            ("event_timestamp", "1772355600", Code::InvalidTime),
            (
                "event_timestamp",
                "\"2026-03-01T10:00:00\"",
                Code::InvalidTime,
            ),
            (
                "event_timestamp",
                "\"2200-01-01T00:00:00Z\"",
                Code::InvalidTime,
            ),
            ("mcc_mnc", "26202", Code::InvalidNetwork),
            ("mcc_mnc", "\"\"", Code::InvalidNetwork),
            ("mcc_mnc", "\"2620\"", Code::InvalidNetwork),
            ("radio_access_type", "6", Code::Malformed),
            ("radio_access_type", "\" \"", Code::Malformed),
            ("ip_address", "\"10.0.0.256\"", Code::InvalidAddress),
            ("ip_address", "\"\"", Code::InvalidAddress),
            ("ip_address", "167772161", Code::InvalidAddress),
            ("total_bytes_in", "\"7\"", Code::InvalidVolume),
            ("total_bytes_in", "-1", Code::InvalidVolume),
            ("total_bytes_in", "1.5", Code::InvalidVolume),
            (
                "total_bytes_out",
                "18446744073709551616",
                Code::InvalidVolume,
            ),
            ("request_type", "\"update\"", Code::InvalidRequestType),
            ("request_type", "\"START\"", Code::InvalidRequestType),
            ("cell_id", "17", Code::Malformed),
            ("cell_id", long.as_str(), Code::Malformed),
        ] {
            assert_eq!(with(name, Some(value)), Err(code), "{name} {value}");
        }
    }

    #[test]
    fn a_field_more_or_twice_is_refused() {
        for more in ["\"rating_group\": 1,", "\"cell_id\": \"1\",", "\"\": 1,"] {
            let json = SAMPLE.replacen('{', &format!("{{ {more}"), 1);
            let rejection = read(&json).expect_err("refused");
            assert_eq!(rejection.code, RejectionCode::Malformed);
            assert!(!rejection.unreadable, "{more}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused_and_text_that_is_no_json_is_unreadable() {
        for (json, unreadable) in [
            ("[]", false),
            ("7", false),
            ("{\"session_id\": ", true),
            ("hello", true),
            ("", true),
        ] {
            let rejection = read(json).expect_err("refused");
            assert_eq!(rejection.code, RejectionCode::Malformed, "{json}");
            assert_eq!(rejection.unreadable, unreadable, "{json}");
            assert_eq!(rejection.source, domain::session::SOURCE);
        }
    }

    #[test]
    fn nothing_is_said_about_what_tenants_are_not_shown() {
        let mut said = Vec::new();
        for name in ["cell_id", "mcc_mnc", "rating_group", "command_code"] {
            let more = SAMPLE.replacen('{', &format!("{{ \"{name}\": 1,"), 1);
            said.push(read(&more).expect_err("refused").message);
            for value in ["", "null,", "7,", "{},"] {
                let line = format!("\"{name}\": {value}");
                let changed = SAMPLE
                    .lines()
                    .map(|it| if it.contains(name) { line.as_str() } else { it });
                let json: String = changed.collect();
                said.extend(read(&json).err().map(|rejection| rejection.message));
            }
        }
        for message in said {
            for hidden in ["cell_id", "mcc_mnc", "rating", "command"] {
                assert!(!message.contains(hidden), "{message}");
            }
        }
    }

    #[test]
    fn a_rollup_that_is_refused_is_known_by_its_session_and_time() {
        let json = SAMPLE.replace("1200", "-1");
        let rejection = read(&json).expect_err("refused");
        assert_eq!(rejection.record_id.as_deref(), Some("a-1"));
        assert!(rejection.event_at.is_some());
    }
}
