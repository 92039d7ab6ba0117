//! `simcube token`: a development token.

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use domain::{Clock as _, Role, SystemClock, identity::VerifiedClaims};

use crate::{
    auth::{DevelopmentKey, development::Claims},
    config::Config,
    listener,
    refused::Refused,
};

/// Print a development token, and nothing else
///
/// It is signed with the key of the data folder. Servers accept it on a loopback address, and only while no
/// issuer is configured.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  simcube token --tenant alpha --role customer_user --customer bosch --ttl 30m\n\n\
    Roles: platform_admin, tenant_admin, support, viewer, customer_user, ingest"
)]
pub(super) struct Args {
    /// Slug of the tenant
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// Role
    #[arg(long, value_parser = role)]
    role: Role,
    /// Slug of the customer that a customer user or a viewer belongs to
    #[arg(long, value_name = "SLUG")]
    customer: Option<String>,
    /// Subject: who the audit log names, and whom grants are for [default: dev:ROLE or dev:ROLE:CUSTOMER]
    #[arg(long)]
    subject: Option<String>,
    /// How long it is valid: seconds, or a number with s, m, h or d
    #[arg(long, default_value = "1h", value_parser = ttl)]
    ttl: Duration,
}

fn role(text: &str) -> Result<Role, domain::Error> {
    text.parse()
}

fn ttl(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time such as 90s, 30m, 1h or 7d");
    let digits = text.trim_end_matches(['s', 'm', 'h', 'd']);
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let seconds = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit));
    // A century is longer than anyone needs and keeps the arithmetic of dates far from its ends.
    match seconds {
        Some(seconds @ 1..=3_155_760_000) => Ok(Duration::from_secs(seconds)),
        _ => Err(wrong()),
    }
}

pub(super) fn run(args: &Args, config: &Config) -> Result<ExitCode> {
    let claims = Claims {
        tenant: args.tenant.clone(),
        role: args.role,
        customer: args.customer.clone(),
        subject: args.subject.clone(),
    };
    println!("{}", sign(config, &claims, args.ttl)?);
    Ok(ExitCode::SUCCESS)
}

/// Signs a development token, or says why the server would refuse it.
pub(super) fn sign(config: &Config, claims: &Claims, ttl: Duration) -> Result<String> {
    if let Some(issuer) = &config.oidc.issuer {
        bail!(Refused(format!(
            "development tokens are off: tokens come from {issuer}"
        )));
    }
    if !listener::is_loopback(&config.listen) {
        bail!(Refused(format!(
            "development tokens are off: the server listens on {}, which is not a loopback address",
            config.listen
        )));
    }
    if claims.role == Role::CustomerUser && claims.customer.is_none() {
        bail!(Refused(
            "a token of the role customer_user needs --customer".into()
        ));
    }
    let subject = claims.subject.clone().unwrap_or_else(|| "dev".into());
    VerifiedClaims::new(
        subject,
        claims.tenant.clone(),
        claims.role,
        claims.customer.clone(),
    )
    .map_err(|error| Refused(error.to_string()))?;
    let key = DevelopmentKey::open(&config.data)?;
    key.sign(claims, &config.oidc.audience, SystemClock.now(), ttl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_has_a_unit_and_an_end() {
        assert_eq!(ttl("90"), Ok(Duration::from_secs(90)));
        assert_eq!(ttl("30m"), Ok(Duration::from_mins(30)));
        assert_eq!(ttl("1h"), Ok(Duration::from_hours(1)));
        for wrong in ["", "h", "0s", "1w", "-1h", "1hh", "99999999999d", "é"] {
            assert!(ttl(wrong).is_err(), "{wrong}");
        }
    }
}
