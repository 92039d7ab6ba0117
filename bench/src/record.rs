//! Usage records as a sender writes them.

use std::fmt::{self, Display, Formatter};

use chrono::{DateTime, SecondsFormat, Utc};

/// One record, as a line of NDJSON without its end.
pub(crate) struct Record<'a> {
    /// Its identity, together with the source, which is always the same.
    pub(crate) id: String,
    /// Which SIM.
    pub(crate) iccid: &'a str,
    /// Where, as MCC-MNC.
    pub(crate) network: &'a str,
    /// Since when.
    pub(crate) start: DateTime<Utc>,
    /// Until when.
    pub(crate) end: DateTime<Utc>,
    /// What it sent.
    pub(crate) bytes_up: u64,
    /// What it received.
    pub(crate) bytes_down: u64,
}

impl Display for Record<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = |moment: DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::Secs, true);
        let Self {
            id,
            iccid,
            network,
            bytes_up,
            bytes_down,
            ..
        } = self;
        let (start, end) = (text(self.start), text(self.end));
        write!(
            f,
            r#"{{"record_id":"{id}","source":"bench","iccid":"{iccid}","mcc_mnc":"{network}","radio_access_type":"LTE","service":"DATA","start":"{start}","end":"{end}","bytes_up":{bytes_up},"bytes_down":{bytes_down}}}"#
        )
    }
}
