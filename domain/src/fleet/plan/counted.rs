x
/// Usage that stands in the way of changing assignments.
#[derive(Default)]
pub(super) struct Counted {
    /// The last moment at which counted usage of a SIM begins, which may lie ahead of the clock.
    pub(super) last: HashMap<Uuid, DateTime<Utc>>,
    /// Until when the tenant has usage that is accepted and not counted yet. Whose it is, is not known.
    pub(super) uncounted: Uncounted,
}

/// Whether a change from `first` on reaches usage that ends with `last`.
pub(super) fn reaches(first: Moment, last: Option<DateTime<Utc>>) -> bool {
    last.is_some_and(|last| first.is_none_or(|first| first <= last))
}

    /// Usage that is accepted keeps the customer and the device that it was accepted for.
    fn check_usage(
        &self,
        rows: &[&FleetRow],
        stored: Option<&KnownSim>,
        changes: [Option<Moment>; 2],
    ) -> Result<(), Refusal> {
        let (Some(sim), Some(first)) = (stored, changes.into_iter().flatten().min()) else {
            return Ok(());
        };
        let uncounted = self.counted.uncounted;
        let reason = if reaches(first, self.counted.last.get(&sim.id).copied()) {
            "usage of this SIM from that time on is already counted for another assignment"
        } else if reaches(first, uncounted.quarantined) {
            "usage that may be of this SIM is quarantined: import the row again when it is counted"
        } else if reaches(first, uncounted.journaled) {
            "usage that may be of this SIM is accepted and not counted yet; import the row again later"
        } else {
            return Ok(());
        };
        let culprit = rows
            .iter()
            .find(|row| row.valid_from == first)
            .unwrap_or(&rows[0]);
        Err(Refusal::new(culprit, RowCode::UsageAlreadyCounted, reason))
    }
