//! What a batch adds up to: rows, rejections and accounts, by tenant and by delivery.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use analytics::CdrRow;
use chrono::{DateTime, Utc};
use domain::{
    Error, Result,
    id::{BatchId, TenantId},
    journal::{self, Kind, NewRejection, Part, RAW_BYTES, RejectionCode, Tally, Verdict},
};
use uuid::Uuid;

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
    kind: Kind,
    batch: BatchId,
    horizon: Horizon,
    rejections: Vec<NewRejection>,
    /// The topic that each delivery came through.
    topics: Vec<Option<Arc<str>>>,
    pages: Vec<Page>,
    closed: Vec<Part>,
    present: Option<Present>,
    by_source: BTreeMap<(TenantId, String), BTreeMap<DateTime<Utc>, Tally>>,
}

impl Books {
    /// The books of deliveries of a kind, by the topic that each came through.
    pub(super) fn new(
        kind: Kind,
        batch: BatchId,
        horizon: Horizon,
        topics: Vec<Option<Arc<str>>>,
    ) -> Self {
        Self {
            kind,
            batch,
            horizon,
            rejections: Vec::new(),
            pages: vec![Page::default(); topics.len()],
            topics,
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
            newest_event_at: None,
            topic: None,
        };
        let hours = self
            .by_source
            .entry((tenant, source.to_owned()))
            .or_default();
        let tally = hours.entry(event_hour).or_insert_with(new);
        tally.received += 1;
        tally
    }

    /// Begins to enter a record that was not refused.
    pub(super) fn entered<'a>(
        &'a mut self,
        delivery: usize,
        source: &'a str,
        event_at: DateTime<Utc>,
        identity: Uuid,
    ) -> Entered<'a> {
        Entered {
            books: self,
            delivery,
            source,
            event_at,
            identity,
        }
    }

    /// Counts a row of the present tenant.
    pub(super) fn count(
        &mut self,
        identity: Uuid,
        event_at: DateTime<Utc>,
        volume: [u64; 3],
    ) -> Result<()> {
        self.present()?.part.add(identity, event_at, volume);
        Ok(())
    }

    /// Enters a claimed record by its verdict, and gives its row if it counts.
    pub(super) fn settle(
        &mut self,
        delivery: usize,
        raw: &Raw,
        attributed: Attributed,
        verdict: Option<Verdict>,
    ) -> Result<Option<CdrRow>> {
        let verdict = verdict.ok_or_else(|| Error::internal("a claim has no verdict"))?;
        let tenant = self.present()?.tenant;
        let identity = attributed.identity;
        let cdr = &attributed.cdr;
        let start = cdr.start;
        match verdict {
            Verdict::Conflict => {
                let message = "a record with this id and other billing fields was accepted before";
                let refused = Rejection::of(attributed.cdr, RejectionCode::Conflict, message);
                self.reject(delivery, tenant, raw, refused, None);
                Ok(None)
            }
            Verdict::Duplicate { of } => {
                let entered = self.entered(delivery, &cdr.source, start, identity);
                entered.repeats(Some(of))?;
                Ok(None)
            }
            Verdict::Accepted => {
                let entered = self.entered(delivery, &cdr.source, start, identity);
                entered.accepted([cdr.bytes_up, cdr.bytes_down])?;
                let volume = [cdr.bytes_up, cdr.bytes_down, cdr.units];
                self.count(identity, start, volume)?;
                Ok(Some(row_of(
                    tenant,
                    attributed,
                    self.batch,
                    self.horizon.now,
                )))
            }
        }
    }

    /// Enters a record that was refused before it could be claimed.
    pub(super) fn reject_item<T>(&mut self, delivery: usize, item: Item<T>) {
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
        // What a rollup is known by is its session's, of which others may count.
        let record_id = rejection.record_id.as_ref();
        let record_id = record_id.filter(|_| self.kind == Kind::Cdr);
        let identity =
            record_id.map(|record_id| journal::identity(tenant, &rejection.source, record_id));
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

    /// Records of a delivery that were accepted, duplicate and rejected.
    pub(super) fn counts(&self, delivery: usize) -> [u64; 3] {
        let account = &self.pages[delivery].account;
        [account.accepted, account.duplicate, account.rejected]
    }

    /// The batch that accepted rows belong to.
    pub(super) fn batch(&self) -> BatchId {
        self.batch
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

/// A record that is being entered.
pub(super) struct Entered<'a> {
    books: &'a mut Books,
    delivery: usize,
    source: &'a str,
    event_at: DateTime<Utc>,
    identity: Uuid,
}

impl Entered<'_> {
    /// It is new, and brings so many bytes from and to the device.
    pub(super) fn accepted(mut self, [up, down]: [u64; 2]) -> Result<()> {
        let (tenant, own) = {
            let present = self.books.present()?;
            (present.tenant, present.part.number)
        };
        let tally = self.received(tenant);
        tally.accepted += 1;
        tally.bytes_up += u128::from(up);
        tally.bytes_down += u128::from(down);
        self.books.pages[self.delivery].account.accepted += 1;
        self.counted_by(Some(own));
        Ok(())
    }

    /// It came before, and that part counts it; none if it is known to be counted.
    pub(super) fn repeats(mut self, of: Option<i64>) -> Result<()> {
        let tenant = self.books.present()?.tenant;
        self.received(tenant).duplicate += 1;
        self.books.pages[self.delivery].account.duplicate += 1;
        self.counted_by(of);
        Ok(())
    }

    /// Counts it as received, and says how far its source is.
    fn received(&mut self, tenant: TenantId) -> &mut Tally {
        let topic = self.books.topics[self.delivery].clone();
        let tally = self.books.receive(tenant, self.source, Some(self.event_at));
        tally.newest_event_at = tally.newest_event_at.max(Some(self.event_at));
        tally.topic = topic.or(tally.topic.take());
        tally
    }

    fn counted_by(self, part: Option<i64>) {
        let page = &mut self.books.pages[self.delivery];
        page.account.received += 1;
        if let Some(part) = part {
            let records = page.counted_by.entry(part).or_default();
            records.push(self.identity);
        }
    }
}

/// The row of an accepted record.
pub(super) fn row_of(
    tenant: TenantId,
    attributed: Attributed,
    batch: BatchId,
    received_at: DateTime<Utc>,
) -> CdrRow {
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
        batch,
        received_at,
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
