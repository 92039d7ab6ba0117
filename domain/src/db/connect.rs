//! From a URL to a pool of connections.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use deadpool::managed::QueueMode;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use percent_encoding::percent_decode_str;
use tokio_postgres::{Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::{Host, Url};

use super::tls::{Tls, Trust};
use crate::{Error, Result};

/// How long a connection is waited for, and how long a new one may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A pool of at most `connections` to the server of this URL, each with these settings. Nothing is sent yet.
///
/// # Errors
/// `INVALID_INPUT` for a URL that says nothing to Postgres. The text does not repeat it: it may have a password in it.
pub(super) fn pool(url: &str, connections: u32, settings: &[(&str, &str)]) -> Result<Pool> {
    let (mut config, tls) = parse(url)?;
    let settings = settings
        .iter()
        .map(|(name, value)| format!("-c {name}={value}"));
    let options = config
        .get_options()
        .map(str::to_owned)
        .into_iter()
        .chain(settings);
    let options: Vec<String> = options.collect();
    config.options(options.join(" ")).connect_timeout(PATIENCE);
    let tls = MakeRustlsConnect::new(tls.client()?);
    let recycling = ManagerConfig {
        // A connection comes back when its transaction has ended: nothing has to be asked.
        recycling_method: RecyclingMethod::Fast,
    };
    Pool::builder(Manager::from_config(config, tls, recycling))
        .max_size(usize::try_from(connections).map_err(Error::internal)?)
        // The one that came back last has its statements prepared and its pages at hand.
        .queue_mode(QueueMode::Lifo)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .build()
        .map_err(Error::internal)
}

/// What a URL says, in the words of libpq (`sslmode`, `sslrootcert`, `host`, …), as far as they mean something here.
fn parse(url: &str) -> Result<(Config, Tls)> {
    let url = Url::parse(url).map_err(|_| Error::invalid("the Postgres URL is not a URL"))?;
    let (mut config, mut tls) = (Config::new(), Tls::default());
    config.application_name("simcube").ssl_mode(SslMode::Prefer);
    let mut host = url.host().as_ref().map(name_of).transpose()?;
    if let Some(port) = url.port() {
        config.port(port);
    }
    if !url.username().is_empty() {
        config.user(decoded(url.username())?);
    }
    if let Some(password) = url.password() {
        config.password(decoded(password)?);
    }
    let database = url.path().trim_start_matches('/');
    if !database.is_empty() {
        config.dbname(decoded(database)?);
    }
    for (key, value) in url.query_pairs() {
        let value = value.into_owned();
        match &*key {
            "host" => host = Some(value),
            "hostaddr" => drop(config.hostaddr(number::<IpAddr>("hostaddr", &value)?)),
            "port" => drop(config.port(number("port", &value)?)),
            "dbname" => drop(config.dbname(value)),
            "user" => drop(config.user(value)),
            "password" => drop(config.password(value)),
            "application_name" => drop(config.application_name(value)),
            "options" => drop(config.options(value)),
            "sslmode" | "ssl-mode" => {
                let (mode, trust) = ssl_mode(&value)?;
                config.ssl_mode(mode);
                tls.trust = trust;
            }
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => tls.roots = Some(PathBuf::from(value)),
            "sslcert" | "ssl-cert" => tls.certificate = Some(PathBuf::from(value)),
            "sslkey" | "ssl-key" => tls.key = Some(PathBuf::from(value)),
            // What only other programs understand.
            _ => {}
        }
    }
    // A path is the folder of a socket.
    let host = host.filter(|host| !host.is_empty());
    config.host(host.unwrap_or_else(|| "localhost".to_owned()));
    Ok((config, tls))
}

/// A host as it is looked up: an IPv6 address has brackets only in the URL.
fn name_of(host: &Host<&str>) -> Result<String> {
    match host {
        Host::Domain(name) => decoded(name),
        Host::Ipv4(address) => Ok(address.to_string()),
        Host::Ipv6(address) => Ok(address.to_string()),
    }
}

fn decoded(text: &str) -> Result<String> {
    let text = percent_decode_str(text).decode_utf8();
    let text = text.map_err(|_| Error::invalid("the Postgres URL is not UTF-8"))?;
    Ok(text.into_owned())
}

fn number<N: std::str::FromStr>(key: &str, value: &str) -> Result<N> {
    let wrong = |_| Error::invalid(format!("`{key}` of the Postgres URL is wrong"));
    value.parse().map_err(wrong)
}

/// Whether the connection is encrypted, and what the server's certificate must be.
fn ssl_mode(word: &str) -> Result<(SslMode, Trust)> {
    match word {
        // libpq would try without encryption first.
        "disable" | "allow" => Ok((SslMode::Disable, Trust::Any)),
        "prefer" => Ok((SslMode::Prefer, Trust::Any)),
        "require" => Ok((SslMode::Require, Trust::Any)),
        "verify-ca" => Ok((SslMode::Require, Trust::Issuer)),
        "verify-full" => Ok((SslMode::Require, Trust::IssuerAndName)),
        _ => Err(Error::invalid(
            "`sslmode` of the Postgres URL is none of disable, allow, prefer, require, verify-ca and verify-full",
        )),
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::Host;

    use super::*;

    #[test]
    fn a_url_says_where_and_how() {
        let url = "postgres://ada:p%40ss@db.example:6543/fleet?sslmode=verify-ca&options=-c%20a=b&channel=x";
        let (config, tls) = parse(url).expect("a URL");
        assert_eq!(config.get_hosts(), [Host::Tcp("db.example".into())]);
        assert_eq!(config.get_ports(), [6543]);
        assert_eq!(config.get_user(), Some("ada"));
        assert_eq!(config.get_password(), Some(&b"p@ss"[..]));
        assert_eq!(config.get_dbname(), Some("fleet"));
        assert_eq!(config.get_options(), Some("-c a=b"));
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
        assert_eq!(tls.trust, Trust::Issuer);
    }

    #[test]
    fn an_address_has_no_brackets_and_nowhere_is_here() {
        for (url, host) in [
            ("postgres://ada@[::1]:6543/fleet", "::1"),
            ("postgres://ada@127.0.0.1/fleet", "127.0.0.1"),
            ("postgres:///fleet", "localhost"),
        ] {
            let (config, _) = parse(url).expect("a URL");
            assert_eq!(config.get_hosts(), [Host::Tcp(host.into())]);
        }
    }

    #[test]
    fn a_socket_stands_in_place_of_the_host() {
        let (config, _) =
            parse("postgres://ada@localhost/fleet?host=/run/postgres").expect("a URL");
        assert_eq!(config.get_hosts(), [Host::Unix("/run/postgres".into())]);
        let (config, _) = parse("postgres://ada@%2Frun%2Fpostgres/fleet").expect("a URL");
        assert_eq!(config.get_hosts(), [Host::Unix("/run/postgres".into())]);
    }

    #[test]
    fn what_is_wrong_is_refused_without_the_password() {
        for url in [
            "secret",
            "postgres://ada:secret@host:port/x",
            "postgres://ada:secret@host/x?sslmode=secretly",
            "postgres://ada:secret@host/x?port=secret",
            "postgres://ada:secret%ff@host/x",
        ] {
            let error = parse(url).expect_err("refused");
            assert_eq!(error.code(), crate::Code::InvalidInput);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
