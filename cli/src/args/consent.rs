//! Arguments of `consent` and `announce`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use minimodel_wire::PeerId;

use super::consent_flag::ConsentFlag;
use crate::size::{UnitError, parse_duration, parse_positive_size};

/// `minimodel consent`.
#[derive(Debug, Args)]
pub(crate) struct ConsentArgs {
    #[command(subcommand)]
    pub(crate) action: ConsentVerb,
}

/// Actions on permissions.
#[derive(Debug, Subcommand)]
pub(crate) enum ConsentVerb {
    /// List the permissions in force, one per line
    List(ConsentListArgs),
    /// Show all details of a permission
    Show(ConsentShowArgs),
    /// Give permission for actions until further notice, within the limits that you set
    Grant(Box<ConsentGrantArgs>),
    /// Revoke permissions; transfers that depend on them stop
    Revoke(ConsentRevokeArgs),
    /// Print the consent log
    Log(ConsentLogArgs),
    /// Accept the consent log after you restored it from a copy or moved it away; all its permissions end
    Restore(ConsentRestoreArgs),
}

/// `minimodel consent list`.
#[derive(Debug, Args)]
pub(crate) struct ConsentListArgs {
    /// Include permissions that ended or were revoked
    #[arg(long)]
    pub(crate) all: bool,
}

/// `minimodel consent restore`.
#[derive(Debug, Args)]
pub(crate) struct ConsentRestoreArgs {}

/// `minimodel consent show`.
#[derive(Debug, Args)]
pub(crate) struct ConsentShowArgs {
    /// Number of the permission, from `consent list`
    #[arg(value_name = "ID")]
    pub(crate) id: u64,
}

/// `minimodel consent grant`.
#[derive(Debug, Args)]
pub(crate) struct ConsentGrantArgs {
    /// Actions, separated by commas: fetch, import, serve, cache, publish
    #[arg(value_name = "ACTIONS")]
    pub(crate) actions: ConsentFlag,
    /// Apply to this model only: a swarm id, a manifest file, or a name as in my-model or my-model@1
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Apply to this peer only
    #[arg(long, value_name = "PEER")]
    pub(crate) peer: Option<PeerId>,
    /// Expire after this long, as in 24h or 30d
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_span, conflicts_with = "until")]
    pub(crate) lasts: Option<Duration>,
    /// Expire at this time, as in 2026-12-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) until: Option<u64>,
    /// End after this many payload bytes, as in 10GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_positive_size)]
    pub(crate) quota: Option<u64>,
    /// Repeat the same actions to agree without a question on a terminal
    #[arg(long, value_name = "ACTIONS")]
    pub(crate) consent: Option<ConsentFlag>,
}

/// `minimodel consent revoke`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["id", "all"]))]
pub(crate) struct ConsentRevokeArgs {
    /// Number of the permission, from `consent list`
    #[arg(value_name = "ID")]
    pub(crate) id: Option<u64>,
    /// Revoke all permissions
    #[arg(long)]
    pub(crate) all: bool,
}

/// `minimodel consent log`.
#[derive(Debug, Args)]
pub(crate) struct ConsentLogArgs {
    /// Verify instead that no line was changed, added or lost
    #[arg(long)]
    pub(crate) verify: bool,
}

/// `minimodel announce`.
#[derive(Debug, Args)]
pub(crate) struct AnnounceArgs {
    #[command(subcommand)]
    pub(crate) action: AnnounceVerb,
}

/// Actions on announcements.
#[derive(Debug, Subcommand)]
pub(crate) enum AnnounceVerb {
    /// Announce a share; peers may then tell the swarm that you have it
    On(AnnounceOnArgs),
    /// Withdraw an announcement and revoke its permission
    Off(AnnounceOffArgs),
    /// List the announced shares
    List(AnnounceListArgs),
}

/// `minimodel announce on`.
#[derive(Debug, Args)]
pub(crate) struct AnnounceOnArgs {
    /// Share to announce: the number of its transfer, or its model as for `consent grant --model`
    #[arg(value_name = "TRANSFER|MODEL")]
    pub(crate) share: String,
    /// Also write the offer to this file; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Agree with `--consent publish` instead of answering on a terminal
    #[arg(long, value_name = "ACTIONS")]
    pub(crate) consent: Option<ConsentFlag>,
}

/// `minimodel announce off`.
#[derive(Debug, Args)]
pub(crate) struct AnnounceOffArgs {
    /// Announced share: the number of its transfer, or its model
    #[arg(value_name = "TRANSFER|MODEL")]
    pub(crate) share: String,
}

/// `minimodel announce list`.
#[derive(Debug, Args)]
pub(crate) struct AnnounceListArgs {}

/// Parses a duration, which may be in days.
fn parse_span(text: &str) -> Result<Duration, UnitError> {
    let Some(days) = text.strip_suffix('d') else { return parse_duration(text) };
    if days.is_empty() || !days.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UnitError::Duration);
    }
    let days: u64 = days.parse().map_err(|_| UnitError::TooLarge)?;
    match days.checked_mul(86_400).ok_or(UnitError::TooLarge)? {
        0 => Err(UnitError::Zero),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

/// Parses a time as seconds since 1970.
fn parse_time(text: &str) -> Result<u64, String> {
    let time: Option<Timestamp> = text.parse().ok();
    let seconds = time.and_then(|time| u64::try_from(time.as_second()).ok());
    seconds.ok_or_else(|| "not a time: write it in UTC as in 2026-12-31T00:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_lasts_for_days_too_or_until_a_time() {
        assert_eq!(parse_span("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(parse_span("24h"), Ok(Duration::from_secs(86_400)));
        for text in ["d", "-1d", "1.5d", "+1d", "1D", "30"] {
            assert_eq!(parse_span(text), Err(UnitError::Duration), "{text}");
        }
        assert_eq!(parse_span("0d"), Err(UnitError::Zero));
        assert_eq!(parse_span("213503982334602d"), Err(UnitError::TooLarge));
        assert_eq!(parse_time("2026-06-01T12:00:00Z"), Ok(1_780_315_200));
        assert!(parse_time("tomorrow").is_err() && parse_time("1969-12-31T23:59:59Z").is_err());
    }
}
