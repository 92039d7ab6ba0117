//! A record in a message: its key is the card that it is about, and it is whoever's card that is.

use std::str;

use domain::{identifier::Iccid, session::Rollup, topic::Reason};

use super::{Cdr, MAX_MESSAGE_CHARS, Rejection, Shape, decode, decode_rollup, native, rollup};

/// What a message holds: one of our own events.
pub trait Event: Sized {
    /// Decodes one.
    ///
    /// # Errors
    /// A [`Rejection`], which is data: it is stored and counted.
    fn decode(bytes: &[u8]) -> Result<Self, Box<Rejection>>;

    /// The card that it is about, as it has it.
    fn iccid(&self) -> &Iccid;

    /// The same, also of one that is refused for something else.
    fn iccid_of(bytes: &[u8]) -> Option<Iccid>;
}

impl Event for Cdr {
    fn decode(bytes: &[u8]) -> Result<Self, Box<Rejection>> {
        decode(&Shape::Native, bytes)
    }

    fn iccid(&self) -> &Iccid {
        &self.iccid
    }

    fn iccid_of(bytes: &[u8]) -> Option<Iccid> {
        native::iccid_of(bytes)
    }
}

impl Event for Rollup {
    fn decode(bytes: &[u8]) -> Result<Self, Box<Rejection>> {
        decode_rollup(bytes)
    }

    fn iccid(&self) -> &Iccid {
        &self.iccid
    }

    fn iccid_of(bytes: &[u8]) -> Option<Iccid> {
        rollup::iccid_of(bytes)
    }
}

/// What can be told of a message with a payload.
#[derive(Debug, PartialEq, Eq)]
pub enum Keyed<T> {
    /// A record of this card, or why it is refused.
    Record {
        /// As the record has it.
        iccid: Iccid,
        /// The record.
        outcome: Result<T, Box<Rejection>>,
    },
    /// Nothing says whose it is.
    Nobodys {
        /// Why.
        reason: Reason,
        /// Why, for people, without what the message says.
        text: String,
    },
}

impl<T> Keyed<T> {
    fn nobodys(reason: Reason, text: &str) -> Self {
        // Postgres text has no NUL.
        let text = text.chars().filter(|it| *it != '\0');
        let text = text.take(MAX_MESSAGE_CHARS).collect();
        Self::Nobodys { reason, text }
    }
}

/// Reads a message, which has an event of at most so many bytes.
pub fn keyed<T: Event>(key: Option<&[u8]>, payload: &[u8], most: usize) -> Keyed<T> {
    if payload.len() > most {
        return Keyed::nobodys(Reason::TooLong, "the record is too long");
    }
    let Some(key) = card(key) else {
        let text = "the key is not the ICCID of the record";
        return Keyed::nobodys(Reason::InvalidKey, text);
    };
    let outcome = T::decode(payload);
    let iccid = match &outcome {
        Ok(event) => event.iccid().clone(),
        Err(rejection) => match T::iccid_of(payload) {
            Some(iccid) => iccid,
            None => return Keyed::nobodys(Reason::Malformed, &rejection.message),
        },
    };
    if same_card(&key, &iccid) {
        Keyed::Record { iccid, outcome }
    } else {
        let text = "the key is the ICCID of another card than the record's";
        Keyed::nobodys(Reason::KeyMismatch, text)
    }
}

fn card(key: Option<&[u8]>) -> Option<Iccid> {
    Iccid::parse(str::from_utf8(key?).ok()?).ok()
}

/// One may lack the last digit of the other; whether that is a check digit is looked at with the fleet.
fn same_card(a: &Iccid, b: &Iccid) -> bool {
    a == b || a.body() == b.body() && a.as_str().len() != b.as_str().len()
}

#[cfg(test)]
mod tests {
    use domain::journal::RejectionCode;

    use super::*;

    const CARD: &str = "8988303000000000001";

    fn payload(iccid: &str, bytes_up: &str) -> String {
        format!(
            r#"{{"record_id":"1","source":"pgw","iccid":"{iccid}","mcc_mnc":"262-02","radio_access_type":"LTE",
                "service":"DATA","start":"2026-03-01T10:00:00Z","end":"2026-03-01T10:00:10Z",
                "bytes_up":{bytes_up},"bytes_down":1}}"#
        )
    }

    fn read(key: Option<&str>, payload: &str) -> Result<Result<(), RejectionCode>, Reason> {
        let key = key.map(str::as_bytes);
        match keyed::<Cdr>(key, payload.as_bytes(), 1_000) {
            Keyed::Record { outcome, .. } => Ok(outcome.map(drop).map_err(|it| it.code)),
            Keyed::Nobodys { reason, .. } => Err(reason),
        }
    }

    #[test]
    fn a_record_is_its_cards() {
        let good = payload(CARD, "1");
        assert_eq!(read(Some(CARD), &good), Ok(Ok(())));
        assert_eq!(read(Some(&format!("{CARD}7")), &good), Ok(Ok(())));
        let refused = read(Some(CARD), &payload(CARD, "-1"));
        assert_eq!(refused, Ok(Err(RejectionCode::InvalidVolume)));
    }

    #[test]
    fn what_names_no_card_is_nobodys() {
        let good = payload(CARD, "1");
        assert_eq!(read(None, &good), Err(Reason::InvalidKey));
        for key in ["", "card", "898830300000000000"] {
            assert_eq!(read(Some(key), &good), Err(Reason::InvalidKey), "{key}");
        }
        for other in ["8988303000000000002", "89883030000000000011"] {
            let expected = if other.starts_with(CARD) {
                Ok(Ok(()))
            } else {
                Err(Reason::KeyMismatch)
            };
            assert_eq!(read(Some(other), &good), expected, "{other}");
        }
        let long = read(
            Some("89883030000000000011"),
            &payload("89883030000000000012", "1"),
        );
        assert_eq!(long, Err(Reason::KeyMismatch));
        for payload in ["", "{", "[1]", "7", "{}", r#"{"iccid":"no"}"#, "\u{0}"] {
            assert_eq!(
                read(Some(CARD), payload),
                Err(Reason::Malformed),
                "{payload}"
            );
        }
        let huge = payload(CARD, &"1".repeat(2_000));
        assert_eq!(read(Some(CARD), &huge), Err(Reason::TooLong));
    }

    #[test]
    fn a_rollup_that_is_refused_is_still_its_cards() {
        let good = format!(
            r#"{{"session_id":"a-1","iccid":"{CARD}","event_timestamp":"2026-03-01T10:00:00Z","mcc_mnc":"26202",
                "radio_access_type":"6","ip_address":"10.1.2.3","total_bytes_in":100,"total_bytes_out":1,
                "request_type":"UPDATE","cell_id":"17"}}"#
        );
        let read =
            |payload: &str| match keyed::<Rollup>(Some(CARD.as_bytes()), payload.as_bytes(), 1_000)
            {
                Keyed::Record { outcome, .. } => Ok(outcome.map(drop).map_err(|it| it.code)),
                Keyed::Nobodys { reason, .. } => Err(reason),
            };
        assert_eq!(read(&good), Ok(Ok(())));
        for (wrong, code) in [
            (good.replace("100", "-1"), RejectionCode::InvalidVolume),
            (
                good.replace("\"a-1\"", "\"\""),
                RejectionCode::MissingIdentity,
            ),
            (
                good.replace('{', "{\"rating_group\":1,"),
                RejectionCode::Malformed,
            ),
            (
                good.replace(",\"cell_id\"", ",\"cell\""),
                RejectionCode::Malformed,
            ),
        ] {
            assert_eq!(read(&wrong), Ok(Err(code)), "{wrong}");
        }
        for nobodys in [
            good.replace("iccid", "card"),
            good.replace(CARD, "no"),
            good.replace('{', &format!("{{\"iccid\":\"{CARD}\",")),
            format!("[\"{CARD}\"]"),
            "{".to_owned(),
        ] {
            assert_eq!(read(&nobodys), Err(Reason::Malformed), "{nobodys}");
        }
    }
}
