//! What became of the messages of topics: how far they are read, and whether the sums of their partitions are those of the tenant's accounts.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, bail};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{oracle::ask, stage::Stage};

/// Partitions of each topic.
pub(crate) const PARTITIONS: usize = 3;
/// The topics that are read, and what the sources of their records begin with.
const TOPICS: [(&str, &str); 2] = [("cdr.records", "pgw-"), ("session.rollups", "session.")];
/// Between two looks.
const LOOK: Duration = Duration::from_millis(300);

/// Messages of a partition, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    /// Tombstones, and what was quarantined.
    nobodys: u64,
    accepted: u64,
    duplicate: u64,
    rejected: u64,
}

impl Sums {
    fn decoded(self) -> u64 {
        self.accepted + self.duplicate + self.rejected
    }

    fn plus(self, other: Self) -> Self {
        Self {
            nobodys: self.nobodys + other.nobodys,
            accepted: self.accepted + other.accepted,
            duplicate: self.duplicate + other.duplicate,
            rejected: self.rejected + other.rejected,
        }
    }
}

/// Offsets of each partition, `TOPIC/NUMBER`: how many messages it has.
pub(crate) type Ends = BTreeMap<String, u64>;

/// Waits until all messages are journaled, all of them counted, and all dead letters sent.
pub(crate) async fn settled(stage: &Stage, http: &Client, patience: Duration) -> Result<Ends> {
    let begun = Instant::now();
    loop {
        let (is_well, said) = stage.run(&["topics", "check"]).await?;
        let open = match ends(&said) {
            Some(ends) if is_well => {
                let waiting = waiting(&metrics(stage, http).await?);
                if waiting.is_empty() {
                    return Ok(ends);
                }
                waiting.join(", ")
            }
            _ => said,
        };
        if begun.elapsed() > patience {
            bail!("not everything is read and counted after {patience:?}: {open}");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// How many messages each partition has, from what `topics check` says; none unless all of them are read.
fn ends(said: &str) -> Option<Ends> {
    let read = said.lines().filter_map(|line| {
        let (what, found) = line.split_once(": 0 of offsets 0 to ")?;
        let end = found.strip_suffix(" to be read")?.parse().ok()?;
        Some((what.to_owned(), end))
    });
    let ends: Ends = read.collect();
    (ends.len() == TOPICS.len() * PARTITIONS).then_some(ends)
}

async fn metrics(stage: &Stage, http: &Client) -> Result<String> {
    let url = stage.urls.first().context("no server")?;
    let answer = http.get(format!("{url}/metrics")).send().await?;
    Ok(answer.error_for_status()?.text().await?)
}

/// The gauges that are not zero yet.
fn waiting(metrics: &str) -> Vec<String> {
    const GAUGES: [&str; 3] = [
        "simcube_intake_oldest_unapplied_seconds ",
        "simcube_intake_quarantined_batches ",
        "simcube_topic_unsent_dead_letters ",
    ];
    let lines = metrics.lines().map(str::trim);
    let open = lines.filter(|line| {
        let value = GAUGES.iter().find_map(|gauge| line.strip_prefix(gauge));
        value.is_some_and(|value| value != "0")
    });
    open.map(str::to_owned).collect()
}

/// Compares the sums of each partition with what it has, and those of each topic with the accounts of the one tenant that it has records
/// of. Says what differs.
pub(crate) async fn compare(
    stage: &Stage,
    http: &Client,
    token: &str,
    ends: &Ends,
) -> Result<Vec<String>> {
    let found = sums(&metrics(stage, http).await?);
    let mut differences = Vec::new();
    for (partition, end) in ends {
        let sums = found.get(partition).copied().unwrap_or_default();
        if sums.nobodys + sums.decoded() != *end {
            differences.push(format!(
                "{partition} has {end} messages and these were read: {sums:?}"
            ));
        }
    }
    let url = stage.urls.first().context("no server")?;
    for (topic, sources) in TOPICS {
        let own = found.iter().filter(|(partition, _)| {
            let name = partition.rsplit_once('/');
            name.is_some_and(|(name, _)| name == topic)
        });
        let read = own.fold(Sums::default(), |sum, (_, sums)| sum.plus(*sums));
        let booked = booked(http, url, token, sources).await?;
        let read = Sums { nobodys: 0, ..read };
        if read != booked {
            differences.push(format!("{topic}: decoded {read:?}, booked {booked:?}"));
        }
    }
    Ok(differences)
}

/// Sums of what was read in its order, by partition.
fn sums(metrics: &str) -> BTreeMap<String, Sums> {
    let mut found: BTreeMap<String, Sums> = BTreeMap::new();
    for line in metrics.lines() {
        let Some((labels, value)) = line
            .strip_prefix("simcube_topic_messages_total{")
            .and_then(|line| line.split_once("} "))
        else {
            continue;
        };
        let label = |name: &str| {
            let labels = labels.split(',');
            let mut values = labels.filter_map(|label| label.strip_prefix(name)?.strip_prefix('='));
            values.next().map_or("", |value| value.trim_matches('"'))
        };
        if label("reading") != "consume" {
            continue;
        }
        let partition = format!("{}/{}", label("topic"), label("partition"));
        let sums = found.entry(partition).or_default();
        let count: u64 = value.trim().parse().unwrap_or(u64::MAX / 8);
        match label("outcome") {
            "accepted" => sums.accepted += count,
            "duplicate" => sums.duplicate += count,
            "rejected" => sums.rejected += count,
            _ => sums.nobodys += count,
        }
    }
    found
}

/// What the tenant's accounts say of these sources.
async fn booked(http: &Client, url: &str, token: &str, sources: &str) -> Result<Sums> {
    const ACCOUNTING: &str = "{ ingestAccounting(from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\") \
        { source received accepted duplicate rejected } }";
    let answer = ask(http, url, token, ACCOUNTING, json!(null)).await?;
    let rows = answer["ingestAccounting"].as_array().context("no rows")?;
    let of_source = |row: &&Value| {
        let source = row["source"].as_str();
        source.is_some_and(|source| source.starts_with(sources))
    };
    let mut booked = Sums::default();
    for row in rows.iter().filter(of_source) {
        let count = |name: &str| {
            let count = row[name].as_str().and_then(|text| text.parse::<u64>().ok());
            count.with_context(|| format!("{name} in {row}"))
        };
        let sums = Sums {
            nobodys: 0,
            accepted: count("accepted")?,
            duplicate: count("duplicate")?,
            rejected: count("rejected")?,
        };
        if count("received")? != sums.decoded() {
            bail!("the account does not add up: {row}");
        }
        booked = booked.plus(sums);
    }
    Ok(booked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_settled_when_all_are_read() {
        let line = |topic: &str, number: usize, open: u64| {
            format!("{topic}/{number}: {open} of offsets 0 to 17 to be read\n")
        };
        let all = |open| -> String {
            let lines = TOPICS.iter().flat_map(|(topic, _)| {
                (0..PARTITIONS)
                    .map(move |number| line(topic, number, if number == 1 { open } else { 0 }))
            });
            lines.collect()
        };
        let ends = ends(&all(0)).expect("settled");
        assert_eq!(ends["cdr.records/2"], 17);
        assert_eq!(super::ends(&all(3)), None);
        assert_eq!(super::ends(&line("cdr.records", 0, 0)), None);
    }

    #[test]
    fn sums_are_of_what_was_read_in_its_order() {
        let metrics = "simcube_topic_messages_total{topic=\"a\",partition=\"0\",reading=\"consume\",outcome=\"accepted\"} 7\n\
            simcube_topic_messages_total{topic=\"a\",partition=\"0\",reading=\"consume\",outcome=\"quarantined\"} 2\n\
            simcube_topic_messages_total{topic=\"a\",partition=\"0\",reading=\"replay\",outcome=\"accepted\"} 9\n\
            simcube_intake_oldest_unapplied_seconds 0.25\n";
        let expected = Sums {
            nobodys: 2,
            accepted: 7,
            ..Sums::default()
        };
        assert_eq!(sums(metrics)["a/0"], expected);
        assert_eq!(waiting(metrics).len(), 1);
    }
}
