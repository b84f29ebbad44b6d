//! Arguments of the verbs that show and limit transfers.

use std::str::FromStr;

use clap::{ArgGroup, Args, Subcommand};
use minimodel::publishers::Signer;
use minimodel_companion::model::Weekday;

use super::consent_flag::ConsentFlag;
use crate::size::{UnitError, parse_positive_size, parse_rate, parse_size};

/// A value, or the word `none`, which removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting<T> {
    /// No limit.
    None,
    /// This one.
    To(T),
}

impl<T> Setting<T> {
    fn parse<E>(text: &str, value: impl FnOnce(&str) -> Result<T, E>) -> Result<Self, E> {
        if text == "none" { Ok(Self::None) } else { value(text).map(Self::To) }
    }
}

fn rate(text: &str) -> Result<Setting<u64>, UnitError> {
    Setting::parse(text, |text| parse_rate(text).map(|rate| rate.bytes_per_second))
}

fn positive_size(text: &str) -> Result<Setting<u64>, UnitError> {
    Setting::parse(text, parse_positive_size)
}

fn size(text: &str) -> Result<Setting<u64>, UnitError> {
    Setting::parse(text, parse_size)
}

/// An invalid number of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a whole number from 1 to 65535, or none")]
pub(crate) struct SlotsSyntax;

fn slots(text: &str) -> Result<Setting<u16>, SlotsSyntax> {
    let number = |text: &str| text.parse().ok().filter(|&slots| slots > 0).ok_or(SlotsSyntax);
    Setting::parse(text, number)
}

/// Hours of the day, as in `22-7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoursArg {
    pub(crate) from: u8,
    pub(crate) to: u8,
}

/// Invalid hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write two different hours, as in 22-7: from 0 to 23, and to 24 at most")]
pub(crate) struct HoursSyntax;

impl FromStr for HoursArg {
    type Err = HoursSyntax;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (from, to) = text.split_once('-').ok_or(HoursSyntax)?;
        let hour = |text: &str| {
            let is_short = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|_| is_short).ok_or(HoursSyntax)
        };
        let (from, to) = (hour(from)?, hour(to)?);
        if from < 24 && to <= 24 && from != to { Ok(Self { from, to }) } else { Err(HoursSyntax) }
    }
}

/// Days of the week, as in `mon-fri,sun`: each once, in the order of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DaysArg(pub(crate) Vec<Weekday>);

/// Invalid days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write days as mon, tue, wed, thu, fri, sat, sun, or ranges of them, as in mon-fri,sun")]
pub(crate) struct DaysSyntax;

impl FromStr for DaysArg {
    type Err = DaysSyntax;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut named = [false; 7];
        for range in text.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let of = |text: &str| text.parse::<Weekday>().map_err(|_| DaysSyntax);
            let (first, mut day) = (of(first)?, of(last)?);
            // Back from the last one, also over the end of the week.
            while day != first {
                named[day as usize] = true;
                day = day.before();
            }
            named[day as usize] = true;
        }
        Ok(Self(Weekday::ALL.into_iter().filter(|&day| named[day as usize]).collect()))
    }
}

/// `minimodel status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Refresh every second until Ctrl-C; print one line per change if stdout is not a terminal
    #[arg(short, long)]
    pub(crate) watch: bool,
}

/// `minimodel doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {}

/// `minimodel limits`.
#[derive(Debug, Args)]
pub(crate) struct LimitsArgs {
    #[command(subcommand)]
    pub(crate) action: Option<LimitsAction>,
}

/// Actions on limits.
#[derive(Debug, Subcommand)]
pub(crate) enum LimitsAction {
    /// Show the limits and the rates of this hour
    Show(LimitsShowArgs),
    /// Change the limits of all transfers together, or of some; takes effect at once
    Set(LimitsSetArgs),
    /// Set other rates for hours of the day
    Schedule(ScheduleArgs),
    /// Show past traffic by day and peer
    Log(LimitsLogArgs),
}

/// `minimodel limits show`.
#[derive(Debug, Args)]
pub(crate) struct LimitsShowArgs {}

/// `minimodel limits set`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true)
    .args(["up", "down", "slots", "peer_day", "cache", "storage"]))]
pub(crate) struct LimitsSetArgs {
    #[command(flatten)]
    pub(crate) rates: RateSettings,
    /// Upload at most this much to one peer per day (UTC), over all shares
    #[arg(long, value_name = "SIZE|none", value_parser = positive_size, conflicts_with = "transfer")]
    pub(crate) peer_day: Option<Setting<u64>>,
    /// Keep at most this many bytes of cached files in the library
    #[arg(long, value_name = "SIZE|none", value_parser = size, conflicts_with = "transfer")]
    pub(crate) cache: Option<Setting<u64>>,
    /// Limit the library's folder to this many bytes; the daemon refuses a download beyond it
    #[arg(long, value_name = "SIZE|none", value_parser = size, conflicts_with = "transfer")]
    pub(crate) storage: Option<Setting<u64>>,
    /// Apply to this transfer only, by its number in `status` (repeatable)
    #[arg(long, value_name = "ID")]
    pub(crate) transfer: Vec<u64>,
}

/// Rates and slots, of all transfers or of one.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct RateSettings {
    /// Upload at most this many bytes per second
    #[arg(long, value_name = "RATE|none", value_parser = rate)]
    pub(crate) up: Option<Setting<u64>>,
    /// Download at most this many bytes per second
    #[arg(long, value_name = "RATE|none", value_parser = rate)]
    pub(crate) down: Option<Setting<u64>>,
    /// Upload to at most this many peers at a time, for each share
    #[arg(long, value_name = "NUMBER|none", value_parser = slots)]
    pub(crate) slots: Option<Setting<u16>>,
}

/// `minimodel limits schedule`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleArgs {
    #[command(subcommand)]
    pub(crate) action: ScheduleAction,
}

/// Actions on the schedule.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleAction {
    /// Add hours with their own rates after the existing ones; the first that match apply
    Add(ScheduleAddArgs),
    /// Remove all hours from the schedule
    Clear(ScheduleClearArgs),
}

/// `minimodel limits schedule add`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleAddArgs {
    /// Hours of the local day; 22-7 spans midnight
    #[arg(value_name = "FROM-TO")]
    pub(crate) hours: HoursArg,
    /// Apply on these days only, counted by the day on which the hours begin
    #[arg(long, value_name = "DAYS")]
    pub(crate) days: Option<DaysArg>,
    /// Upload at most this many bytes per second
    #[arg(long, value_name = "RATE|none", value_parser = rate, required_unless_present = "paused")]
    pub(crate) up: Option<Setting<u64>>,
    /// Download at most this many bytes per second
    #[arg(long, value_name = "RATE|none", value_parser = rate, required_unless_present = "paused")]
    pub(crate) down: Option<Setting<u64>>,
    /// Pause all transfers in these hours
    #[arg(long, conflicts_with_all = ["up", "down"])]
    pub(crate) paused: bool,
}

/// `minimodel limits schedule clear`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleClearArgs {}

/// `minimodel limits log`.
#[derive(Debug, Args)]
pub(crate) struct LimitsLogArgs {
    /// Show this many days (UTC), including today
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=400))]
    pub(crate) days: u32,
}

/// `minimodel transfer`.
#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    #[command(subcommand)]
    pub(crate) action: TransferAction,
}

/// Actions on transfers.
#[derive(Debug, Subcommand)]
pub(crate) enum TransferAction {
    /// Pause a transfer until you start it again
    Pause(TransferIds),
    /// Start a paused or failed transfer again; asks here for missing permissions
    Start(TransferStartArgs),
    /// Remove a transfer; its files stay, including partial ones
    Remove(TransferIds),
    /// Change the limits of a transfer; takes effect at once
    Limit(TransferLimitArgs),
}

/// `minimodel transfer start`.
#[derive(Debug, Args)]
pub(crate) struct TransferStartArgs {
    #[command(flatten)]
    pub(crate) ids: TransferIds,
    /// Give these permissions, as in `--consent fetch,import`, instead of answering on a terminal
    #[arg(long, value_name = "ACTIONS")]
    pub(crate) consent: Option<ConsentFlag>,
    /// Accept this signing key, or `unsigned`, even if other keys of the publisher are known
    #[arg(long, value_name = "KEY")]
    pub(crate) accept_publisher_key: Option<Signer>,
}

/// The transfers to act on.
#[derive(Debug, Args)]
pub(crate) struct TransferIds {
    /// Number of the transfer in `status` (repeatable)
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<u64>,
}

/// `minimodel transfer limit`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true).args(["up", "down", "slots"]))]
pub(crate) struct TransferLimitArgs {
    #[command(flatten)]
    pub(crate) ids: TransferIds,
    #[command(flatten)]
    pub(crate) rates: RateSettings,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_value_or_the_word_none() {
        assert_eq!(rate("2MiB/s"), Ok(Setting::To(2 << 20)));
        assert_eq!(rate("none"), Ok(Setting::None));
        assert_eq!(rate("0"), Err(UnitError::Zero));
        assert_eq!(positive_size("0"), Err(UnitError::Zero));
        assert_eq!(size("0"), Ok(Setting::To(0)));
        assert_eq!(slots("3"), Ok(Setting::To(3)));
        for text in ["0", "None", "65536", "-1", ""] {
            assert_eq!(slots(text), Err(SlotsSyntax), "{text:?}");
        }
    }

    #[test]
    fn hours_are_two_that_differ() {
        assert_eq!("22-7".parse(), Ok(HoursArg { from: 22, to: 7 }));
        assert_eq!("08-24".parse(), Ok(HoursArg { from: 8, to: 24 }));
        for text in ["", "22", "22-", "-7", "7-7", "24-1", "1-25", "+1-2", "001-2", "1-2-3", "1:00-2:00"] {
            assert_eq!(text.parse::<HoursArg>(), Err(HoursSyntax), "{text:?}");
        }
    }

    #[test]
    fn days_are_names_and_ranges_also_over_the_weekend() {
        let days = |text: &str| text.parse().map(|DaysArg(days)| days);
        assert_eq!(days("sun,mon"), Ok(vec![Weekday::Mon, Weekday::Sun]));
        assert_eq!(days("mon-fri").unwrap().len(), 5);
        assert_eq!(days("sat-mon,mon"), Ok(vec![Weekday::Mon, Weekday::Sat, Weekday::Sun]));
        assert_eq!(days("mon-sun").unwrap(), Weekday::ALL);
        for text in ["", ",", "mon,", "mon-", "-mon", "Mon", "mon-fri-sun", "monday"] {
            assert_eq!(days(text), Err(DaysSyntax), "{text:?}");
        }
    }

    #[test]
    fn command_line_that_changes_nothing_or_conflicts_is_refused() {
        use crate::args::Cli;
        use clap::Parser as _;
        let parse =
            |line: &str| Cli::try_parse_from(["minimodel"].into_iter().chain(line.split(' '))).is_ok();
        let good = [
            "status",
            "status -w",
            "limits",
            "limits show",
            "limits set --up none",
            "limits set --up 1MiB --slots 3 --cache 0",
            "limits set --transfer 1 --transfer 2 --down 1MiB",
            "limits schedule add 22-7 --up none --down 1MiB",
            "limits schedule add 22-7 --paused",
            "limits schedule add 9-17 --days mon-fri --paused",
            "limits schedule clear",
            "limits log --days 400",
            "transfer pause 1 2",
            "transfer limit 1 --slots none",
            "doctor",
        ];
        good.iter().for_each(|line| assert!(parse(line), "{line}"));
        let bad = [
            "limits set",
            "limits set --transfer 1",
            "limits set --transfer 1 --peer-day 1GiB",
            "limits set --transfer 1 --up none --storage none",
            "limits set --down 0",
            "limits schedule",
            "limits schedule add 22-7",
            "limits schedule add 22-7 --up none",
            "limits schedule add 22-7 --paused --up none",
            "limits schedule add 7-7 --paused",
            "limits schedule add 9-17 --days mon-fry --paused",
            "limits log --days 0",
            "limits log --days 401",
            "transfer pause",
            "transfer pause -- -1",
            "transfer limit 1",
        ];
        bad.iter().for_each(|line| assert!(!parse(line), "{line}"));
    }
}
