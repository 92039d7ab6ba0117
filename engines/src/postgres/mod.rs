//! A private Postgres: its cluster is made when missing, it listens on a free loopback port only, and it ends with
//! this process, whichever way this process ends.
//!
//! As root it runs as another user (`postgres`, else `nobody`). When that user cannot enter the data folder, because
//! it lies in a home of mode 0700, the cluster is placed under `/var/lib/simcube` and `postgres.json` in the data
//! folder remembers where; binaries that the user cannot read are copied there too.

mod account;
mod child;
mod leftover;
mod place;
mod record;
mod server;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::Error;
use account::Account;
use child::{Child, Lost};
use leftover::end_leftover;
use place::{check_owner, place, readable_binaries};
use record::{Record, secret};
use server::{Launched, Server};

/// The running server. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Postgres {
    url: String,
    child: Child,
}

impl Postgres {
    /// Starts the server of the data folder `data` with the programs in `binaries`, on `port` if given, else on the one
    /// that it had last or any free one. Blocks until it answers.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(crate) fn start(
        binaries: &Path,
        data: &Path,
        durable: bool,
        port: Option<u16>,
    ) -> Result<Self, Error> {
        if !binaries.join("bin/postgres").is_file() {
            return Err(Error::PostgresMissing(binaries.to_owned()));
        }
        let account = Account::needed()?;
        let binaries = readable_binaries(binaries, account)?;
        let mut record = match Record::read(data)? {
            Some(record) => record,
            None => Record {
                cluster: new_place(data, account)?,
                password: secret(),
                port: None,
            },
        };
        check_owner(&record.cluster, data)?;
        let server = Server {
            binaries,
            data,
            account,
            durable,
        };
        if !record.cluster.join("PG_VERSION").is_file() {
            // The record goes first: a cluster whose password nobody knows would be lost.
            record.write(data)?;
            server.initialise(&record)?;
        }
        server.check_version(&record.cluster)?;
        end_leftover(&record.cluster)?;
        let Launched { url, child } = match port {
            Some(port) => server.launch_at(port, &record)?,
            None => server.launch(&mut record)?,
        };
        record.write(data)?;
        Ok(Self { url, child })
    }

    /// Connection string, password included.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits until it ends by itself; for ever if it is stopped.
    pub(crate) fn lost(&self) -> impl Future<Output = Lost> + Send + use<> {
        self.child.lost()
    }
}

/// Where a new cluster goes. One that is there already is of a record that was lost, and with it its password.
fn new_place(data: &Path, account: Option<Account>) -> Result<PathBuf, Error> {
    let cluster = place(data, account)?;
    if cluster.join("PG_VERSION").is_file() {
        return Err(Error::RecordMissing {
            record: Record::path(data),
            cluster,
        });
    }
    Ok(cluster)
}

/// Removes the cluster of a data folder that this process holds, wherever it lies.
pub(crate) fn remove(data: &Path) -> Result<(), Error> {
    let Some(record) = Record::read(data)? else {
        return Ok(());
    };
    check_owner(&record.cluster, data)?;
    end_leftover(&record.cluster)?;
    for path in [record.cluster.with_extension("new"), record.cluster] {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::file(&path, error));
            }
            _ => {}
        }
    }
    fs::remove_file(Record::path(data)).map_err(|error| Error::file(data, error))
}
