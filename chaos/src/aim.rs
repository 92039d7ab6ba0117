//! Waiting for the moment at which a fault hurts most: ClickHouse is writing a part.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;

/// A part on its way has such a name; it is renamed when it is whole.
const DRAFT: &str = "tmp_insert_";

/// How long to wait for a part.
const PATIENCE: Duration = Duration::from_secs(1);

/// Strikes: at once, or so long after a part is seen being written below `data`. A part takes a few milliseconds, and what
/// matters happens at its end; so the blow is dealt by the thread that watches. Says whether there was a part.
pub(crate) async fn strike(
    data: &Path,
    aim: Option<Duration>,
    blow: impl FnOnce() + Send + 'static,
) -> Result<bool> {
    let data = data.to_owned();
    let watch = move || {
        let seen = match aim {
            Some(delay) => at_a_part(&data, delay)?,
            None => false,
        };
        blow();
        Ok(seen)
    };
    tokio::task::spawn_blocking(watch).await?
}

fn at_a_part(data: &Path, delay: Duration) -> Result<bool> {
    let mut tables = Vec::new();
    find_tables(data, &mut tables)?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if tables.iter().any(|table| has_draft(table)) {
            let seen = Instant::now();
            // A timer is too coarse.
            while seen.elapsed() < delay {
                std::thread::yield_now();
            }
            return Ok(true);
        }
        std::thread::yield_now();
    }
    Ok(false)
}

/// Folders of tables: those that say which format their parts have.
fn find_tables(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if folder.join("format_version.txt").is_file() {
        found.push(folder.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // What goes away meanwhile is no table.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            find_tables(&entry.path(), found).ok();
        }
    }
    Ok(())
}

fn has_draft(table: &Path) -> bool {
    let entries = fs::read_dir(table).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| entry.file_name().to_string_lossy().starts_with(DRAFT))
}
