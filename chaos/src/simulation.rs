//! Fleets that the program itself simulates, each with an oracle that `simcube verify` is asked about: sessions, and what travels through
//! Kafka.

use anyhow::{Result, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use rand::{RngExt as _, seq::IndexedRandom as _};
use tokio::task::JoinSet;

use crate::{
    dice::Dice,
    log::Log,
    stage::{SPAN, Stage},
};

/// About as many records and rollups are made for each SIM.
const PER_SIM: u64 = 45;

/// One fleet on its way.
pub(crate) struct Simulation {
    /// Its tenant.
    pub(crate) slug: &'static str,
    /// Whether it travels through topics.
    pub(crate) through_topics: bool,
    /// Where its oracle is.
    pub(crate) oracle: String,
    /// What makes it the same fleet each time.
    plan: Vec<String>,
    per_second: u64,
    batch: u64,
}

impl Simulation {
    /// Two fleets of a run that begins at `now`: one through topics, one over HTTP.
    pub(crate) fn draw(dice: &mut Dice, stage: &Stage, now: DateTime<Utc>) -> [Self; 2] {
        [("cedar", true), ("dogwood", false)].map(|(slug, through_topics)| {
            let sims: u64 = dice.random_range(20..70);
            let days: u64 = dice.random_range(2..6);
            let via = if through_topics { "kafka" } else { "http" };
            let url = stage.urls.choose(dice).map_or("", String::as_str);
            let until = now.to_rfc3339_opts(SecondsFormat::Secs, true);
            let words = [
                "simulate",
                "--tenant",
                slug,
                "--faults",
                "all",
                "--via",
                via,
                "--sessions",
                "2",
                "--to",
                url,
                "--until",
                &until,
            ];
            let numbers = [
                ("--seed", dice.random_range(0..1 << 32)),
                ("--sims", sims),
                ("--days", days),
            ];
            let mut plan: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            plan.extend(
                numbers
                    .iter()
                    .flat_map(|(name, number)| [(*name).to_owned(), number.to_string()]),
            );
            Self {
                slug,
                through_topics,
                oracle: stage.path(&format!("{slug}.oracle")),
                plan,
                per_second: (sims * PER_SIM / SPAN.as_secs()).max(20),
                // Each delivery takes a part of every table, and parts stay on the small disk for minutes.
                batch: dice.random_range(10..120),
            }
        })
    }

    /// Begins to send all of it while things go wrong. The oracle is there when it begins.
    pub(crate) fn begin(&self, stage: &Stage, sending: &mut JoinSet<Result<(bool, String)>>) {
        let numbers = [self.per_second, self.batch].map(|number| number.to_string());
        let more = [
            "--per-second",
            &numbers[0],
            "--batch",
            &numbers[1],
            "--oracle",
            &self.oracle,
        ];
        let launch = stage.launch(&self.words(&more), &format!("{}.log", self.slug));
        sending.spawn(async move { launch.run().await });
    }

    /// All of it once more in another order and other batches: over HTTP, all of it must be known.
    pub(crate) async fn again(&self, dice: &mut Dice, stage: &Stage, log: &Log) -> Result<()> {
        let numbers = [dice.random_range(0..1_000), dice.random_range(50..2_000)];
        let numbers = numbers.map(|number: u64| number.to_string());
        let more = ["--order", &numbers[0], "--batch", &numbers[1]];
        let said = stage.print(&self.words(&more)).await?;
        log.event(format_args!("{} again: {said}", self.slug));
        if !said.contains(" 0 accepted") {
            log.differs(format!(
                "{}: what had been acknowledged was not known: {said}",
                self.slug
            ));
        }
        Ok(())
    }

    fn words<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let plan = self.plan.iter().map(String::as_str);
        plan.chain(more.iter().copied()).collect()
    }
}

/// Waits until all of it is sent.
pub(crate) async fn sent(mut sending: JoinSet<Result<(bool, String)>>, log: &Log) -> Result<()> {
    while let Some(ended) = sending.join_next().await {
        let (succeeded, said) = ended??;
        log.event(format_args!("a simulation was sent: {said}"));
        ensure!(succeeded, "a simulation could not be sent: {said}");
    }
    Ok(())
}
