//! The files of an order, one after the other, and the manifest of all.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{Error as Refusal, Period};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service::Session;
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Export, Files, Manifest, Order, Progress,
    manifest::{Contents, Span},
};

/// Name of the manifest in the folder of the files.
pub(crate) const MANIFEST: &str = "manifest.json";

/// One of several files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Where it lies, below the folder of all of them.
    pub path: String,
    /// Its period.
    pub period: Option<Span>,
    /// Rows, headers not counted.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Totals of the columns that add up.
    pub totals: BTreeMap<String, String>,
    /// Receipt of the newest record that it counts.
    pub watermark: Option<DateTime<Utc>>,
}

impl Part {
    /// The files that a manifest names; none where there is but one.
    pub fn of(manifest: Option<&Value>) -> Vec<Self> {
        let parts = manifest.and_then(|manifest| manifest.get("parts"));
        parts
            .and_then(|parts| Vec::deserialize(parts).ok())
            .unwrap_or_default()
    }
}

/// What has been written.
pub(crate) struct Written {
    pub(crate) manifest: Manifest,
    /// Where the file lies; of several, their manifest.
    pub(crate) place: String,
}

/// Writes the files of an order to a folder, the manifest after them.
///
/// # Errors
/// Those of [`Export::write`]. What was begun of the file that failed is not there; what is whole already is.
pub(crate) async fn write(
    (files, folder): (&Files, &str),
    (session, order): (&Session, &Order),
    stop: &CancellationToken,
    mut progress: impl FnMut(Progress),
) -> Result<Written, Error> {
    let now = session.read().await?.now();
    let (pieces, period) = order.pieces(now)?;
    let form = order.form;
    // Those of several files are counted once.
    let of_all = match period {
        Some(_) => unless(stop, count(session, order)).await?,
        None => None,
    };
    let (mut made, mut before) = (Vec::new(), Progress::default());
    for piece in pieces {
        let mut sink = files.writer(&format!("{folder}/{}", piece.path));
        let told = |it: Progress| {
            progress(Progress {
                rows: before.rows + it.rows,
                expected: it.expected,
                bytes: before.bytes + it.bytes,
            });
        };
        let export = Export {
            session,
            request: &piece.request,
            form,
        };
        let writing = async {
            let mut begun = export.begin().await?;
            let expected = match period {
                Some(_) => of_all,
                None => begun.count().await?,
            };
            begun.write(&mut sink, expected, told).await
        };
        match unless(stop, writing).await {
            Ok(manifest) => {
                sink.shutdown().await?;
                before.rows += manifest.contents.rows;
                before.bytes += manifest.bytes;
                made.push((piece.path, manifest));
            }
            Err(error) => {
                // What was sent of it must not stay in the bucket.
                sink.abort().await.ok();
                return Err(error);
            }
        }
    }
    let at = |path: &str| format!("{folder}/{path}");
    let (place, manifest) = if let Some(period) = period {
        (at(MANIFEST), whole(order, period, made)?)
    } else {
        let (path, manifest) = made.pop().ok_or_else(|| Refusal::internal("no file"))?;
        (at(&path), manifest)
    };
    let text = serde_json::to_vec_pretty(&manifest).map_err(Refusal::internal)?;
    files.put(&at(MANIFEST), text.into()).await?;
    Ok(Written { manifest, place })
}

/// How many rows all files together will have, where that can be known.
async fn count(session: &Session, order: &Order) -> Result<Option<u64>, Error> {
    let whole = Export {
        session,
        request: &order.request,
        form: order.form,
    };
    whole.begin().await?.count().await
}

/// What comes of some work, as long as anybody waits for it.
async fn unless<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        done = work => done,
        () = stop.cancelled() => Err(Refusal::internal("nobody waits for it").into()),
    }
}

/// What all files together hold.
fn whole(order: &Order, period: Period, made: Vec<(String, Manifest)>) -> Result<Manifest, Error> {
    let none = || Refusal::internal("a period without a month");
    let (_, first) = made.first().ok_or_else(none)?;
    let mut head = first.contents.head.clone();
    head.question = order.request.json()?;
    head.period = Some(period.into());
    let mut manifest = Manifest {
        contents: Contents {
            head,
            rows: 0,
            totals: BTreeMap::new(),
            provenance: first.contents.provenance.clone(),
        },
        file: None,
        bytes: 0,
        sha256: String::new(),
        parts: Vec::new(),
        snapshot_at: first.snapshot_at,
    };
    for (path, part) in made {
        let Contents {
            head,
            rows,
            totals,
            provenance,
        } = part.contents;
        manifest.contents.rows += rows;
        manifest.bytes += part.bytes;
        for (name, total) in &totals {
            let sum = manifest.contents.totals.entry(name.clone());
            let sum = sum.or_insert_with(|| "0".to_owned());
            *sum = added(sum, total)?;
        }
        let watermark = provenance.as_ref().and_then(|origin| origin.watermark);
        if let (Some(all), Some(one)) = (&mut manifest.contents.provenance, &provenance) {
            // What was received until then is in every one of them.
            all.watermark = all.watermark.min(one.watermark);
            all.complete &= one.complete;
        }
        manifest.parts.push(Part {
            path,
            period: head.period,
            rows,
            bytes: part.bytes,
            sha256: part.sha256,
            totals,
            watermark,
        });
    }
    Ok(manifest)
}

/// The sum of two totals. Rows of one moment have none with decimal places.
fn added(sum: &str, total: &str) -> Result<String, Error> {
    let number = |text: &str| text.parse::<i128>().map_err(Refusal::internal);
    let sum = number(sum)?.checked_add(number(total)?);
    Ok(sum
        .ok_or_else(|| Refusal::internal("a total of more than 128 bits"))?
        .to_string())
}
