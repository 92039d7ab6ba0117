//! What the records must come to, and what a server says that they do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use anyhow::{Context as _, Result, bail};
use chrono::{
    DateTime, Datelike as _, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Timelike as _, Utc,
};
use reqwest::Client;
use serde_json::{Value, json};

use crate::world::Record;

/// Differences listed per question; the rest is counted.
const LISTED: usize = 5;

/// Records and bytes of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    records: u128,
    up: u128,
    down: u128,
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} records, {} up, {} down",
            self.records, self.up, self.down
        )
    }
}

impl Sums {
    fn add(&mut self, record: &Record) {
        self.records += 1;
        self.up += u128::from(record.bytes_up);
        self.down += u128::from(record.bytes_down);
    }

    fn read(row: &Value, records: &str) -> Result<Self> {
        let number = |name: &str| {
            let number = row[name].as_str().and_then(|text| text.parse().ok());
            number.with_context(|| format!("{name} is no number in {row}"))
        };
        Ok(Self {
            records: number(records)?,
            up: number("bytesUp")?,
            down: number("bytesDown")?,
        })
    }
}

type Groups = BTreeMap<Vec<String>, Sums>;

/// A question to the cubes: each grain is answered by another table.
struct Question {
    grain: &'static str,
    dimensions: &'static [&'static str],
}

const QUESTIONS: [Question; 4] = [
    Question {
        grain: "HOUR",
        dimensions: &["SIM"],
    },
    Question {
        grain: "DAY",
        dimensions: &["SIM", "CUSTOMER"],
    },
    Question {
        grain: "MONTH",
        dimensions: &["SIM", "CUSTOMER", "NETWORK", "STREAM"],
    },
    Question {
        grain: "YEAR",
        dimensions: &["CUSTOMER", "NETWORK", "RADIO_ACCESS_TYPE", "STREAM"],
    },
];

/// Asks one server as an administrator of one tenant.
pub(crate) struct Asker<'a> {
    /// The HTTP client.
    pub(crate) http: &'a Client,
    /// Address of the server.
    pub(crate) url: &'a str,
    /// The administrator's token.
    pub(crate) token: &'a str,
    /// Everything that was delivered.
    pub(crate) records: &'a [Record],
}

impl Asker<'_> {
    /// Compares usage at every grain, its totals, and the accounting; says what differs.
    pub(crate) async fn compare(&self) -> Result<Vec<String>> {
        let mut differences = Vec::new();
        for question in &QUESTIONS {
            self.usage(question, &mut differences)
                .await
                .context(question.grain)?;
        }
        self.accounting(&mut differences)
            .await
            .context("accounting")?;
        Ok(differences)
    }

    fn counted(&self) -> impl Iterator<Item = &Record> + Clone {
        self.records.iter().filter(|record| record.is_ours)
    }

    async fn ask(&self, query: &str, variables: Value) -> Result<Value> {
        ask(self.http, self.url, self.token, query, variables).await
    }

    async fn usage(&self, question: &Question, differences: &mut Vec<String>) -> Result<()> {
        let (mut wanted, mut total) = (Groups::new(), Sums::default());
        for record in self.counted() {
            wanted.entry(question.key(record)).or_default().add(record);
            total.add(record);
        }
        let grouped = question.dimensions.iter();
        let grouped = grouped.map(|dimension| json!({ "dimension": dimension }));
        let time = json!({ "time": question.grain });
        let input = json!({
            "period": { "between": self.period(question.grain) },
            "groupBy": std::iter::once(time).chain(grouped).collect::<Value>(),
            // Room to notice groups that should not be.
            "limit": wanted.len() + 50,
        });
        let answer = self
            .ask(&question.document(), json!({ "input": input }))
            .await?;
        let rows = answer["usage"]["rows"].as_array().context("no rows")?;
        let mut found = Groups::new();
        for row in rows {
            found.insert(
                question.key_of_row(row)?,
                Sums::read(&row["values"], "records")?,
            );
        }
        differ(question.grain, &wanted, &found, differences);
        let totals = Sums::read(&answer["usage"]["totals"], "records")?;
        if totals != total {
            differences.push(format!(
                "{} totals: should be {total}; are {totals}",
                question.grain
            ));
        }
        Ok(())
    }

    /// A period around all records: whole years, or whole days where years have too many buckets.
    fn period(&self, grain: &str) -> Value {
        let starts = self.counted().map(|record| record.start);
        let first = starts.clone().min().unwrap_or_default();
        let last = starts.max().unwrap_or_default();
        let (from, to) = if grain == "HOUR" {
            (begin(first, "DAY"), begin(last, "DAY") + TimeDelta::days(1))
        } else {
            let next = begin(last, "YEAR") + TimeDelta::days(366);
            (begin(first, "YEAR"), begin(next, "YEAR"))
        };
        json!({ "from": text(from), "to": text(to) })
    }

    async fn accounting(&self, differences: &mut Vec<String>) -> Result<()> {
        const ACCOUNTING: &str = "{ ingestAccounting(from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\") \
            { source received accepted duplicate rejected bytesUp bytesDown } }";
        let mut wanted = Groups::new();
        for record in self.counted() {
            wanted
                .entry(vec![record.source.to_owned()])
                .or_default()
                .add(record);
        }
        let answer = self.ask(ACCOUNTING, Value::Null).await?;
        let mut found = Groups::new();
        for row in answer["ingestAccounting"].as_array().context("no rows")? {
            let count = |name: &str| {
                let count = row[name].as_str().and_then(|text| text.parse::<u64>().ok());
                count.with_context(|| format!("{name} in {row}"))
            };
            if count("received")? != count("accepted")? + count("duplicate")? + count("rejected")? {
                differences.push(format!("the account does not add up: {row}"));
            }
            let source = row["source"].as_str().context("no source")?.to_owned();
            let sums = Sums::read(row, "accepted")?;
            let entry = found.entry(vec![source]).or_default();
            *entry = Sums {
                records: entry.records + sums.records,
                up: entry.up + sums.up,
                down: entry.down + sums.down,
            };
        }
        differ("accounting", &wanted, &found, differences);
        Ok(())
    }
}

/// Asks a server, and returns the data of its answer.
pub(crate) async fn ask(
    http: &Client,
    url: &str,
    token: &str,
    query: &str,
    variables: Value,
) -> Result<Value> {
    let request = http.post(format!("{url}/graphql")).bearer_auth(token);
    let body = json!({ "query": query, "variables": variables });
    let mut answer: Value = request.json(&body).send().await?.json().await?;
    if !answer["errors"].is_null() {
        bail!("{}", answer["errors"]);
    }
    Ok(answer["data"].take())
}

impl Question {
    /// The document that asks it: only what is grouped by can be selected.
    fn document(&self) -> String {
        let field = |name: &&str| match *name {
            "SIM" => "sim { sim { iccid } }",
            "CUSTOMER" => "customer { customer { name } }",
            "NETWORK" => "network { code }",
            "RADIO_ACCESS_TYPE" => "radioAccessType { value }",
            _ => "stream { value }",
        };
        let keys: Vec<&str> = self.dimensions.iter().map(field).collect();
        format!(
            "query($input: UsageInput!) {{ usage(input: $input) {{ \
             rows {{ key {{ time {} }} values {{ records bytesUp bytesDown }} }} totals {{ records bytesUp bytesDown }} }} }}",
            keys.join(" ")
        )
    }

    fn key(&self, record: &Record) -> Vec<String> {
        let dimension = |name: &&str| match *name {
            "SIM" => record.iccid.clone(),
            "CUSTOMER" => record.customer.to_owned(),
            "NETWORK" => record.network.to_owned(),
            "RADIO_ACCESS_TYPE" => record.rat.to_owned(),
            _ => record.source.to_owned(),
        };
        let period = text(begin(record.start, self.grain));
        std::iter::once(period)
            .chain(self.dimensions.iter().map(dimension))
            .collect()
    }

    fn key_of_row(&self, row: &Value) -> Result<Vec<String>> {
        let period = row["key"]["time"].as_str().context("no period")?;
        let period = text(DateTime::parse_from_rfc3339(period)?.to_utc());
        let dimension = |name: &&str| {
            let pointer = match *name {
                "SIM" => "/key/sim/sim/iccid",
                "CUSTOMER" => "/key/customer/customer/name",
                "NETWORK" => "/key/network/code",
                "RADIO_ACCESS_TYPE" => "/key/radioAccessType/value",
                _ => "/key/stream/value",
            };
            let value = row.pointer(pointer).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        Ok(std::iter::once(period)
            .chain(self.dimensions.iter().map(dimension))
            .collect())
    }
}

/// When the period that holds `moment` begins.
fn begin(moment: DateTime<Utc>, grain: &str) -> DateTime<Utc> {
    let day = moment.date_naive();
    let first = |month| NaiveDate::from_ymd_opt(day.year(), month, 1).unwrap_or(day);
    let (day, hour) = match grain {
        "HOUR" => (day, moment.hour()),
        "MONTH" => (first(day.month()), 0),
        "YEAR" => (first(1), 0),
        _ => (day, 0),
    };
    let time = NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or(NaiveTime::MIN);
    day.and_time(time).and_utc()
}

fn text(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn differ(what: &str, wanted: &Groups, found: &Groups, differences: &mut Vec<String>) {
    let keys: BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
    let of = |groups: &Groups, key: &Vec<String>| groups.get(key).copied().unwrap_or_default();
    let mut count = 0;
    for key in keys {
        let (should, is) = (of(wanted, key), of(found, key));
        if should != is {
            count += 1;
            if count <= LISTED {
                differences.push(format!(
                    "{what} {}: should be {should}; is {is}",
                    key.join(" ")
                ));
            }
        }
    }
    if count > LISTED {
        differences.push(format!("{what}: {} more groups differ", count - LISTED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_too_few_too_many_or_wrong_is_a_difference() {
        let group = |key: &str, records| {
            (
                vec![key.to_owned()],
                Sums {
                    records,
                    up: 0,
                    down: 0,
                },
            )
        };
        let wanted = Groups::from([group("a", 1), group("b", 1), group("c", 1)]);
        let found = Groups::from([group("b", 2), group("c", 1), group("d", 1)]);
        let mut listed = Vec::new();
        differ("x", &wanted, &found, &mut listed);
        let heads: Vec<&str> = listed.iter().map(|line| &line[..3]).collect();
        assert_eq!(heads, ["x a", "x b", "x d"]);
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        let moment = "2026-03-31T23:59:59Z".parse().expect("a moment");
        let begins = ["HOUR", "DAY", "MONTH", "YEAR"].map(|grain| text(begin(moment, grain)));
        let wanted = [
            "2026-03-31T23:00:00Z",
            "2026-03-31T00:00:00Z",
            "2026-03-01T00:00:00Z",
            "2026-01-01T00:00:00Z",
        ];
        assert_eq!(begins, wanted);
    }
}
