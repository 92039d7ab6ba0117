//! `simcube engines`: the private engines alone, over TCP, for tests.

use std::{io::Write as _, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use engines::{Access, ClickHouseAddress, Engines, Settings};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use crate::{config::Config, listener, refused::Refused};

/// Run the private engines alone, for tests
///
/// Prints where Postgres and ClickHouse are once both answer, and runs until it is stopped. Servers that the
/// configuration names are not used. ClickHouse is served without authentication, so on a loopback address only.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  simcube engines --data .dev/test --empty")]
pub(super) struct Args {
    /// Address to serve ClickHouse on; port 0 takes any free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    clickhouse_listen: String,
    /// Port for Postgres on the loopback address [default: the last one, or any free one]
    #[arg(long, value_name = "PORT")]
    postgres_port: Option<u16>,
    /// Throw away what the data folder holds, and keep nothing safe from a power loss: several times faster
    #[arg(long)]
    empty: bool,
    /// Stop when the process that started this one has ended
    #[arg(long)]
    with_parent: bool,
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    if !listener::is_loopback(&args.clickhouse_listen) {
        return Err(Refused(format!(
            "{} is not a loopback address",
            args.clickhouse_listen
        ))
        .into());
    }
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let parent = std::os::unix::process::parent_id();
    let listener = TcpListener::bind(&args.clickhouse_listen)
        .await
        .map_err(|error| {
            Refused(format!(
                "cannot listen on {}: {error}",
                args.clickhouse_listen
            ))
        })?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let settings = Settings {
        database_url: None,
        clickhouse_url: None,
        postgres_port: args.postgres_port,
        durable: !args.empty,
        ..Settings::from(config)
    };
    let opened = if args.empty {
        Engines::open_empty(settings).await
    } else {
        Engines::open(settings, Access::Alone).await
    };
    let engines = opened.map_err(|error| Refused(error.to_string()))?;
    let (stop, stopped) = oneshot::channel::<()>();
    let served = match engines.clickhouse() {
        ClickHouseAddress::Embedded(engine) => {
            tokio::spawn(engine.clone().serve_tcp(listener, async {
                // A dropped sender means stop as well.
                stopped.await.ok();
            }))
        }
        _ => anyhow::bail!("the private ClickHouse is not in this process"),
    };
    print(&format!(
        "SIMCUBE_TEST_DATABASE_URL={}\nSIMCUBE_TEST_CLICKHOUSE_URL=http://{address}\nSIMCUBE_TEST_READY=1\n",
        engines.database_url()
    ))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = orphaned(parent), if args.with_parent => {}
    }
    stop.send(()).ok();
    served.await.context("serving ClickHouse failed")?;
    engines.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Ends when the process has another parent than at its start.
async fn orphaned(parent: u32) {
    while std::os::unix::process::parent_id() == parent {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Whoever waits for these lines reads them through a pipe or a file.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
