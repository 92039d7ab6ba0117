//! What a batch adds up to: rows, rejections and accounts, by tenant and by delivery.

use std::collections::{BTreeMap, BTreeSet};

use analytics::CdrRow;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{
    Error, Result,
    id::{BatchId, TenantId},
    journal::{self, NewRejection, Part, RAW_BYTES, RejectionCode, Tally, Verdict},
};

use super::{
    Account, Rejected, batch::attribute::Attributed, counted::ByPart, decode::Item,
    horizon::Horizon,
};
use crate::{format::Rejection, read::Raw};

/// What became of one delivery.
#[derive(Clone, Default)]
struct Page {
    account: Account,
    /// Identities of records that are counted by a part, this batch's or an earlier one's.
    counted_by: ByPart,
}

/// The tenant whose records are entered.
#[derive(Clone)]
struct Present {
    tenant: TenantId,
    part: Part,
}

/// See the module.
pub(super) struct Books {
    batch: BatchId,
    horizon: Horizon,
    rows: Vec<CdrRow>,
    rejections: Vec<NewRejection>,
    pages: Vec<Page>,
    closed: Vec<Part>,
    present: Option<Present>,
    by_source: BTreeMap<(TenantId, String), BTreeMap<DateTime<Utc>, Tally>>,
}

impl Books {
    /// The books of so many `deliveries` with at most so many accepted `records`.
    pub(super) fn new(batch: BatchId, horizon: Horizon, deliveries: usize, records: usize) -> Self {
        Self {
            batch,
            horizon,
            rows: Vec::with_capacity(records),
            rejections: Vec::new(),
            pages: vec![Page::default(); deliveries],
            closed: Vec::new(),
            present: None,
            by_source: BTreeMap::new(),
        }
    }

    /// From here on records of `tenant` are entered.
    pub(super) fn open(&mut self, tenant: TenantId, part: i64) {
        let present = Present {
            tenant,
            part: Part::new(tenant, part),
        };
        self.closed
            .extend(self.present.replace(present).map(|present| present.part));
    }

    fn present(&mut self) -> Result<&mut Present> {
        let present = self.present.as_mut();
        present.ok_or_else(|| Error::internal("books without a tenant"))
    }

    /// Counts a record as received and returns its account.
    fn receive(
        &mut self,
        tenant: TenantId,
        source: &str,
        event_at: Option<DateTime<Utc>>,
    ) -> &mut Tally {
        let event_hour = self.horizon.hour(tenant, event_at);
        let new = || Tally {
            tenant,
            source: source.to_owned(),
            event_hour,
            received: 0,
            accepted: 0,
            duplicate: 0,
            rejected: 0,
            bytes_up: 0,
            bytes_down: 0,
        };
        let hours = self
            .by_source
            .entry((tenant, source.to_owned()))
            .or_default();
        let tally = hours.entry(event_hour).or_insert_with(new);
        tally.received += 1;
        tally
    }

    /// Enters a claimed record by its verdict.
    pub(super) fn settle(
        &mut self,
        delivery: usize,
        raw: &Raw,
        attributed: Attributed,
        verdict: Option<Verdict>,
    ) -> Result<()> {
        let verdict = verdict.ok_or_else(|| Error::internal("a claim has no verdict"))?;
        let (tenant, own) = {
            let present = self.present()?;
            (present.tenant, present.part.number)
        };
        let identity = attributed.identity;
        let cdr = &attributed.cdr;
        let of = match verdict {
            Verdict::Conflict => {
                let message = "a record with this id and other billing fields was accepted before";
                let refused = Rejection::of(attributed.cdr, RejectionCode::Conflict, message);
                self.reject(delivery, tenant, raw, refused, None);
                return Ok(());
            }
            Verdict::Duplicate { of } => {
                self.receive(tenant, &cdr.source, Some(cdr.start)).duplicate += 1;
                self.pages[delivery].account.duplicate += 1;
                of
            }
            Verdict::Accepted => {
                let tally = self.receive(tenant, &cdr.source, Some(cdr.start));
                tally.accepted += 1;
                tally.bytes_up += u128::from(cdr.bytes_up);
                tally.bytes_down += u128::from(cdr.bytes_down);
                let volume = [cdr.bytes_up, cdr.bytes_down, cdr.units];
                let start = cdr.start;
                self.present()?.part.add(identity, start, volume);
                let row = self.row(tenant, attributed);
                self.rows.push(row);
                let page = &mut self.pages[delivery];
                page.account.accepted += 1;
                own
            }
        };
        let page = &mut self.pages[delivery];
        page.account.received += 1;
        page.counted_by.entry(of).or_default().push(identity);
        Ok(())
    }

    fn row(&self, tenant: TenantId, attributed: Attributed) -> CdrRow {
        let Attributed {
            cdr,
            resolved,
            identity,
        } = attributed;
        CdrRow {
            tenant,
            customer: resolved.customer,
            sim: resolved.sim,
            device: resolved.device,
            network: cdr.network,
            rat: cdr.rat.words().into_owned(),
            service: cdr.service.as_ref().to_owned(),
            source: cdr.source,
            record_id: cdr.record_id,
            identity,
            start: cdr.start,
            end: cdr.end,
            bytes_up: cdr.bytes_up,
            bytes_down: cdr.bytes_down,
            units: cdr.units,
            sign: 1,
            batch: self.batch,
            received_at: self.horizon.now,
        }
    }

    /// Enters a record that was refused before it could be claimed.
    pub(super) fn reject_item(&mut self, delivery: usize, item: Item<Attributed>) {
        let flaw = item.flaw();
        let tenant = self.present.as_ref().map(|present| present.tenant);
        if let (Err(rejection), Some(tenant)) = (item.outcome, tenant) {
            self.reject(delivery, tenant, &item.raw, *rejection, flaw);
        }
    }

    fn reject(
        &mut self,
        delivery: usize,
        tenant: TenantId,
        raw: &Raw,
        rejection: Rejection,
        flaw: Option<(domain::Code, String)>,
    ) {
        self.receive(tenant, &rejection.source, rejection.event_at)
            .rejected += 1;
        let account = &mut self.pages[delivery].account;
        account.received += 1;
        account.rejected += 1;
        account.unreadable += u64::from(flaw.is_some());
        if account.flaw.is_none() {
            account.flaw = flaw;
        }
        account.rejections.push(Rejected {
            index: raw.index,
            code: rejection.code,
            message: rejection.message.clone(),
        });
        let identity = rejection
            .record_id
            .as_ref()
            .map(|record_id| journal::identity(tenant, &rejection.source, record_id));
        self.rejections.push(NewRejection {
            tenant,
            source: rejection.source,
            identity,
            record_id: rejection.record_id,
            code: rejection.code,
            message: rejection.message,
            raw: stored(&raw.bytes),
        });
    }

    /// The batch that accepted rows belong to.
    pub(super) fn batch(&self) -> BatchId {
        self.batch
    }

    /// How many rows were accepted.
    pub(super) fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The accepted rows, encoded.
    pub(super) fn payload(&self) -> Bytes {
        analytics::cdr::encode(&self.rows)
    }

    /// What each tenant has in the rows.
    pub(super) fn parts(&self) -> Vec<Part> {
        self.counting().cloned().collect()
    }

    fn counting(&self) -> impl Iterator<Item = &Part> {
        let present = self.present.iter().map(|present| &present.part);
        let parts = self.closed.iter().chain(present);
        parts.filter(|part| part.rows > 0)
    }

    pub(super) fn tallies(&self) -> Vec<Tally> {
        let hours = self.by_source.values().flat_map(BTreeMap::values);
        hours.cloned().collect()
    }

    pub(super) fn rejections(&self) -> &[NewRejection] {
        &self.rejections
    }

    /// The numbers of these parts.
    fn own(&self) -> BTreeSet<i64> {
        self.counting().map(|part| part.number).collect()
    }

    /// Parts of earlier batches that records of this one repeat.
    pub(super) fn repeated(&self) -> Vec<i64> {
        let own = self.own();
        let counted_by = self.pages.iter().flat_map(|page| page.counted_by.keys());
        let repeated: BTreeSet<i64> = counted_by.copied().collect();
        repeated.difference(&own).copied().collect()
    }

    /// The account of a delivery, those parts of this batch that count records of it (also such as are repeated within the
    /// batch), and its records by the part that counts them.
    pub(super) fn account(
        &mut self,
        delivery: usize,
        listed: usize,
    ) -> (Account, BTreeSet<i64>, ByPart) {
        let Page {
            mut account,
            counted_by,
        } = std::mem::take(&mut self.pages[delivery]);
        account.rejections_truncated = account.rejections.len() > listed;
        account.rejections.truncate(listed);
        let mut own = self.own();
        own.retain(|part| counted_by.contains_key(part));
        (account, own, counted_by)
    }
}

/// A refused record as it is kept: its beginning, as text that Postgres takes.
fn stored(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(RAW_BYTES)];
    let mut text = String::from_utf8_lossy(head).replace('\0', "");
    // A replacement character is longer than the byte it replaces.
    text.truncate(text.floor_char_boundary(RAW_BYTES));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_of_a_refused_record_is_short_text_without_nul() {
        assert_eq!(stored(b"a\0b\xff"), "ab\u{fffd}");
        let long = stored(&vec![0xff; 1_000_000]);
        assert!(long.len() <= RAW_BYTES && long.len() > RAW_BYTES - 3);
    }
}
