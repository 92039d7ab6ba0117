//! Identifiers of SIMs: each is one SIM's, of those that are stored and of those that the plan makes.

use std::collections::HashSet;

use uuid::Uuid;

use super::refusal::Refusal;
use crate::{
    fleet::{
        known::Known,
        model::{FleetRow, RowCode},
    },
    identifier::{Imsi, Msisdn},
};

/// What is taken.
pub(super) struct Identifiers<'a, 'k> {
    known: &'k Known,
    /// What this plan gives out.
    iccids: HashSet<String>,
    imsis: HashSet<&'a str>,
    msisdns: HashSet<&'a str>,
}

impl<'a, 'k> Identifiers<'a, 'k> {
    pub(super) fn new(known: &'k Known) -> Self {
        Self {
            known,
            iccids: HashSet::new(),
            imsis: HashSet::new(),
            msisdns: HashSet::new(),
        }
    }

    /// Gives a SIM what its row says.
    pub(super) fn take(&mut self, row: &'a FleetRow) {
        self.iccids.insert(row.iccid.as_str().to_owned());
        self.imsis.extend(row.imsi.as_ref().map(Imsi::as_str));
        self.msisdns.extend(row.msisdn.as_ref().map(Msisdn::as_str));
    }

    /// A new SIM's ICCID must be nobody's, under any text by which it may arrive.
    pub(super) fn check_iccid(&self, row: &FleetRow) -> Result<(), Refusal> {
        let keys = row.iccid.keys();
        let foreign = |key: &String| self.known.iccids.get(key) == Some(&false);
        // Another tenant's ICCID and one that is merely refused read alike on purpose.
        if keys.iter().any(foreign) {
            let reason = "this ICCID cannot be taken into the fleet; ask your provider";
            return Err(Refusal::new(row, RowCode::IccidUnavailable, reason));
        }
        let taken = |key: &String| self.known.iccids.contains_key(key) || self.iccids.contains(key);
        if keys.iter().any(taken) {
            let reason = "a SIM of the fleet has this ICCID but for the check digit";
            return Err(Refusal::new(row, RowCode::AmbiguousIccid, reason));
        }
        Ok(())
    }

    /// IMSI and MSISDN must be nobody else's than those of the SIM with this id.
    pub(super) fn check_numbers(&self, row: &FleetRow, id: Option<Uuid>) -> Result<(), Refusal> {
        let foreign = |owner: Option<&Uuid>| owner.is_some() && owner.copied() != id;
        if let Some(imsi) = row.imsi.as_ref().map(Imsi::as_str)
            && (self.imsis.contains(imsi) || foreign(self.known.imsi_owners.get(imsi)))
        {
            let reason = "another SIM has this IMSI";
            return Err(Refusal::new(row, RowCode::ImsiTaken, reason));
        }
        if let Some(msisdn) = row.msisdn.as_ref().map(Msisdn::as_str)
            && (self.msisdns.contains(msisdn) || foreign(self.known.msisdn_owners.get(msisdn)))
        {
            let reason = "another SIM has this MSISDN";
            return Err(Refusal::new(row, RowCode::MsisdnTaken, reason));
        }
        Ok(())
    }
}
