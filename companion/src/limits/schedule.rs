//! Rate limits by the hour of the local week. Pure: the time and its zone are arguments.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::{Limits, Rates, TransferLimits, Weekday, Window};
use crate::problem::{Problem, code};

/// Most windows in a schedule: twice the hours of a day.
pub const MAX_WINDOWS: usize = 48;

const HOUR_SECONDS: u64 = 3600;

/// Hours to search for a change of rates: 16 days. A window of one hour on one day of the week may be left out by a change of the
/// clock, and then begins two weeks after the last time.
const HOURS_AHEAD: u32 = 16 * 24;

/// An hour of the local week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalHour {
    /// The day.
    pub day: Weekday,
    /// The hour of it, 0 to 23.
    pub hour: u8,
}

/// Validates limits.
///
/// # Errors
///
/// The first broken rule: a rate, a number of slots or a daily quota of zero; more than [`MAX_WINDOWS`] windows; an hour that
/// does not exist; a window that is empty, that names a day twice, or that both pauses and has rates.
pub fn validate(limits: &Limits) -> Result<(), Problem> {
    let pause = "to let nothing move, pause the transfer, or give the hours a paused window";
    rate("up", limits.up, pause)?;
    rate("down", limits.down, pause)?;
    slots(limits.slots)?;
    if limits.peer_day_bytes == Some(0) {
        let hint = "leave it out for no budget; to serve nobody, pause the shares or revoke their consent";
        return Err(invalid("a budget of 0 bytes a peer and day lets nobody have anything", hint));
    }
    if limits.schedule.len() > MAX_WINDOWS {
        let found = limits.schedule.len();
        let hint = "hours that are next to each other and alike can share a window";
        return Err(invalid(
            format!("the schedule has {found} windows, and {MAX_WINDOWS} is the most"),
            hint,
        ));
    }
    limits.schedule.iter().enumerate().try_for_each(|(number, window)| check(number + 1, window))
}

/// Validates the limits of one transfer.
///
/// # Errors
///
/// A rate or a number of slots of zero.
pub fn validate_transfer(limits: &TransferLimits) -> Result<(), Problem> {
    let pause = "to let nothing move, pause the transfer";
    rate("up", limits.up, pause)?;
    rate("down", limits.down, pause)?;
    slots(limits.slots)
}

fn rate(name: &str, rate: Option<u64>, hint: &str) -> Result<(), Problem> {
    match rate {
        Some(0) => Err(invalid(format!("the rate `{name}` is 0 bytes a second"), hint)),
        _ => Ok(()),
    }
}

fn slots(slots: Option<u16>) -> Result<(), Problem> {
    match slots {
        Some(0) => Err(invalid("0 slots serve nobody", "to serve nobody, pause the share")),
        _ => Ok(()),
    }
}

fn check(number: usize, window: &Window) -> Result<(), Problem> {
    let &Window { from, to, up, down, paused, ref days } = window;
    if from > 23 || to > 24 {
        let hint = "a window begins at an hour from 0 to 23 and ends at one from 0 to 24, as in 22-7";
        return Err(invalid(format!("window {number}, {from}-{to}, names an hour that there is not"), hint));
    }
    if from == to {
        let hint = "0-24 is the whole day; a window that ends before it begins, as 22-7, goes over midnight";
        return Err(invalid(format!("window {number}, {from}-{to}, holds at no hour"), hint));
    }
    if days.iter().enumerate().any(|(at, day)| days[..at].contains(day)) {
        let hint = "name each day once; without any it is every day";
        return Err(invalid(format!("window {number}, {from}-{to}, names a day twice"), hint));
    }
    if paused && (up.is_some() || down.is_some()) {
        let hint = "give it rates, or let it pause";
        return Err(invalid(format!("window {number}, {from}-{to}, pauses everything and has rates"), hint));
    }
    let pause = "let the window pause instead";
    rate(&format!("up of window {number}, {from}-{to}"), up, pause)?;
    rate(&format!("down of window {number}, {from}-{to}"), down, pause)
}

fn invalid(error: impl Into<String>, hint: &str) -> Problem {
    Problem::new(code::INVALID, error, hint)
}

/// Returns true if the window holds at this hour. One that goes over midnight belongs to the day on which it begins.
pub fn holds(window: &Window, at: LocalHour) -> bool {
    let &Window { from, to, ref days, .. } = window;
    let begins_on = |day| days.is_empty() || days.contains(&day);
    if from < to {
        begins_on(at.day) && from <= at.hour && at.hour < to
    } else {
        from != to && (begins_on(at.day) && at.hour >= from || begins_on(at.day.before()) && at.hour < to)
    }
}

/// Returns the rates at an hour of the local week: those of the first window that holds, else the default ones.
pub fn rates_at(limits: &Limits, at: LocalHour) -> Rates {
    match limits.schedule.iter().find(|window| holds(window, at)) {
        Some(&Window { up, down, paused, .. }) => Rates { up, down, paused },
        None => Rates { up: limits.up, down: limits.down, paused: false },
    }
}

/// Returns true if this window of the schedule, counted from 0, is the first one that holds at any hour.
pub fn is_ever_first(limits: &Limits, number: usize) -> bool {
    let mut hours = Weekday::ALL.into_iter().flat_map(|day| (0..24).map(move |hour| LocalHour { day, hour }));
    hours.any(|at| limits.schedule.iter().position(|window| holds(window, at)) == Some(number))
}

/// Returns the time zone of the schedule, and whether it is the system's: UTC if that is unknown.
pub fn zone() -> (TimeZone, bool) {
    match TimeZone::try_system() {
        Ok(zone) if !zone.is_unknown() => (zone, true),
        _ => (TimeZone::UTC, false),
    }
}

/// Returns the hour of the local week in the system's zone.
pub fn local_hour(now_unix: u64) -> LocalHour {
    hour_in(now_unix, &zone().0)
}

/// The hour of the week in a zone; the first one for times outside the calendar.
fn hour_in(now_unix: u64, zone: &TimeZone) -> LocalHour {
    let local = timestamp(now_unix).map(|at| zone.to_datetime(at));
    let day = local.and_then(|local| usize::try_from(local.weekday().to_monday_zero_offset()).ok());
    LocalHour {
        day: day.and_then(|day| Weekday::ALL.get(day).copied()).unwrap_or(Weekday::Mon),
        hour: local.and_then(|local| u8::try_from(local.hour()).ok()).unwrap_or(0),
    }
}

/// Returns when the rates next change; `None`: never.
pub fn next_change_unix(limits: &Limits, now_unix: u64, zone: &TimeZone) -> Option<u64> {
    if limits.schedule.is_empty() {
        return None;
    }
    let now = rates_at(limits, hour_in(now_unix, zone));
    let mut at = now_unix;
    for _ in 0..HOURS_AHEAD {
        at = next_hour_unix(at, zone)?;
        if rates_at(limits, hour_in(at, zone)) != now {
            return Some(at);
        }
    }
    None
}

/// Returns when the next hour of the local day may begin: the clock's next full hour, or a clock change before it.
fn next_hour_unix(at_unix: u64, zone: &TimeZone) -> Option<u64> {
    let at = timestamp(at_unix)?;
    let local = zone.to_datetime(at);
    let within = u64::try_from(local.minute()).ok()? * 60 + u64::try_from(local.second()).ok()?;
    let full = at_unix.checked_add(HOUR_SECONDS.checked_sub(within)?)?;
    let change = zone.following(at).next().and_then(|next| u64::try_from(next.timestamp().as_second()).ok());
    Some(change.filter(|&change| change > at_unix && change < full).unwrap_or(full))
}

fn timestamp(unix: u64) -> Option<Timestamp> {
    i64::try_from(unix).ok().and_then(|seconds| Timestamp::from_second(seconds).ok())
}

#[cfg(test)]
mod tests {
    use jiff::tz::Offset;
    use proptest::prelude::*;

    use super::*;

    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
    /// Its summer time shifts the clock by half an hour.
    const LORD_HOWE: &str = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";
    /// 2026-06-01T12:00:00Z.
    const NOON: u64 = 1_780_315_200;

    fn window(from: u8, to: u8, up: Option<u64>) -> Window {
        Window { from, to, up, ..Window::default() }
    }

    fn monday(hour: u8) -> LocalHour {
        LocalHour { day: Weekday::Mon, hour }
    }

    fn unix(text: &str) -> u64 {
        text.parse::<Timestamp>().unwrap().as_second().try_into().unwrap()
    }

    fn nights() -> Limits {
        Limits {
            up: Some(100),
            down: Some(200),
            schedule: vec![window(22, 7, None), window(6, 12, Some(50))],
            ..Limits::default()
        }
    }

    #[test]
    fn first_matching_window_counts_and_windows_cross_midnight() {
        let limits = nights();
        let up = |hour| rates_at(&limits, monday(hour)).up;
        assert_eq!([21, 22, 23, 0, 6].map(up), [Some(100), None, None, None, None]);
        assert_eq!([7, 11, 12].map(up), [Some(50), Some(50), Some(100)]);
        assert_eq!(rates_at(&limits, monday(12)), Rates { up: Some(100), down: Some(200), paused: false });
        // A window's rates replace the default ones: a rate that it does not name is unlimited.
        assert_eq!(rates_at(&limits, monday(8)).down, None);
        let to_midnight = Limits { schedule: vec![window(22, 0, Some(1))], ..Limits::default() };
        let hours: Vec<u8> =
            (0..24).filter(|&hour| rates_at(&to_midnight, monday(hour)).up.is_some()).collect();
        assert_eq!(hours, [22, 23]);
    }

    #[test]
    fn window_holds_from_the_days_on_which_it_begins() {
        let nights = Window { days: vec![Weekday::Fri, Weekday::Sat], ..window(22, 7, Some(1)) };
        let mornings = Window { days: vec![Weekday::Sun], ..window(8, 12, Some(2)) };
        let limits = Limits { schedule: vec![nights, mornings], ..Limits::default() };
        let up = |day, hour| rates_at(&limits, LocalHour { day, hour }).up;
        assert_eq!([(Weekday::Fri, 6), (Weekday::Fri, 22)].map(|(day, hour)| up(day, hour)), [None, Some(1)]);
        assert_eq!([6, 7, 21, 23].map(|hour| up(Weekday::Sat, hour)), [Some(1), None, None, Some(1)]);
        assert_eq!([6, 8, 12, 22].map(|hour| up(Weekday::Sun, hour)), [Some(1), Some(2), None, None]);
        assert_eq!(up(Weekday::Mon, 6), None);
        // 2026-06-01 is a Monday.
        let next = |at: &str| next_change_unix(&limits, unix(at), &TimeZone::UTC).map(hours_of);
        assert_eq!(next("2026-06-01T12:00:00Z").as_deref(), Some("2026-06-05T22:00:00Z"));
        assert_eq!(next("2026-06-05T22:00:00Z").as_deref(), Some("2026-06-06T07:00:00Z"));
        assert_eq!(next("2026-06-07T12:30:00Z").as_deref(), Some("2026-06-12T22:00:00Z"));
    }

    #[test]
    fn window_covered_by_earlier_ones_is_known_never_to_apply() {
        let mut limits = nights();
        assert!(is_ever_first(&limits, 0) && is_ever_first(&limits, 1));
        limits.schedule.push(window(23, 5, Some(1)));
        assert!(!is_ever_first(&limits, 2) && !is_ever_first(&limits, 9));
    }

    #[test]
    fn every_rule_of_limits_refuses_what_breaks_it_and_names_it() {
        let with = |schedule: Window| Limits { schedule: vec![schedule], ..Limits::default() };
        let refused = [
            (Limits { up: Some(0), ..Limits::default() }, "`up`"),
            (Limits { down: Some(0), ..Limits::default() }, "`down`"),
            (Limits { slots: Some(0), ..Limits::default() }, "slots"),
            (Limits { peer_day_bytes: Some(0), ..Limits::default() }, "budget"),
            (Limits { schedule: vec![window(0, 24, None); 49], ..Limits::default() }, "49"),
            (with(window(24, 3, None)), "24-3"),
            (with(window(3, 25, None)), "3-25"),
            (with(window(255, 255, None)), "255-255"),
            (with(window(0, 0, None)), "0-0"),
            (with(window(7, 7, None)), "no hour"),
            (with(window(1, 2, Some(0))), "up of window 1"),
            (with(Window { down: Some(0), ..window(1, 2, None) }), "down of window 1"),
            (with(Window { paused: true, ..window(1, 2, Some(9)) }), "pauses"),
            (with(Window { days: vec![Weekday::Mon; 2], ..window(1, 2, None) }), "a day twice"),
        ];
        for (limits, word) in refused {
            let problem = validate(&limits).unwrap_err();
            assert!(problem.error.contains(word), "{problem:?}");
            assert_eq!(problem.code, code::INVALID);
            assert!(!problem.hint.is_empty());
        }
        assert_eq!(validate(&nights()), Ok(()));
        assert_eq!(validate(&Limits { cache_bytes: Some(0), ..Limits::default() }), Ok(()));
        assert_eq!(
            validate(&Limits { schedule: vec![window(0, 24, None); 48], ..Limits::default() }),
            Ok(())
        );
        assert_eq!(validate_transfer(&TransferLimits { up: Some(1), ..TransferLimits::default() }), Ok(()));
        for wrong in [
            TransferLimits { up: Some(0), ..TransferLimits::default() },
            TransferLimits { down: Some(0), ..TransferLimits::default() },
            TransferLimits { slots: Some(0), ..TransferLimits::default() },
        ] {
            assert_eq!(validate_transfer(&wrong).unwrap_err().code, code::INVALID);
        }
    }

    #[test]
    fn hours_are_those_of_the_zone() {
        let hour = |zone| hour_in(NOON, &zone);
        assert_eq!(hour(TimeZone::UTC), monday(12));
        let west = hour(TimeZone::fixed(Offset::constant(-13)));
        assert_eq!(west, LocalHour { day: Weekday::Sun, hour: 23 });
        assert_eq!(hour(TimeZone::posix(BERLIN).unwrap()), monday(14));
        assert_eq!(hour_in(u64::MAX, &TimeZone::UTC), monday(0));
        assert!(local_hour(NOON).hour < 24);
    }

    #[test]
    fn the_next_change_is_where_rates_differ_and_none_without_one() {
        let limits = nights();
        let next = |at: &str| next_change_unix(&limits, unix(at), &TimeZone::UTC).map(hours_of);
        let hours_of_day = |text: &str| Some(hours_of(unix(text)));
        assert_eq!(next("2026-06-01T12:00:00Z"), hours_of_day("2026-06-01T22:00:00Z"));
        assert_eq!(next("2026-06-01T21:59:59Z"), hours_of_day("2026-06-01T22:00:00Z"));
        assert_eq!(next("2026-06-01T22:00:00Z"), hours_of_day("2026-06-02T07:00:00Z"));
        let always = Limits { up: Some(5), schedule: vec![window(3, 9, Some(5))], ..Limits::default() };
        assert_eq!(next_change_unix(&always, NOON, &TimeZone::UTC), None);
        assert_eq!(next_change_unix(&Limits::default(), NOON, &TimeZone::UTC), None);
        assert_eq!(next_change_unix(&limits, u64::MAX, &TimeZone::UTC), None);
    }

    fn hours_of(unix: u64) -> String {
        Timestamp::from_second(unix.try_into().unwrap()).unwrap().to_string()
    }

    #[test]
    fn windows_follow_the_local_clock_on_days_of_clock_change() {
        let berlin = TimeZone::posix(BERLIN).unwrap();
        let between = |from, to| Limits { schedule: vec![window(from, to, Some(1))], ..Limits::default() };
        let next =
            |limits: &Limits, at: &str, zone| hours_of(next_change_unix(limits, unix(at), zone).unwrap());
        // 2026-03-29: 02:00 is 03:00, so a window from 2 to 3 is not there that day, and one from 2 to 5 begins at 3.
        assert_eq!(next(&between(2, 5), "2026-03-28T23:30:00Z", &berlin), "2026-03-29T01:00:00Z");
        assert_eq!(next(&between(2, 3), "2026-03-28T23:30:00Z", &berlin), "2026-03-30T00:00:00Z");
        // 2026-10-25: 03:00 is 02:00 again, so the hour from 2 to 3 is two hours long.
        assert_eq!(next(&between(2, 3), "2026-10-24T23:30:00Z", &berlin), "2026-10-25T00:00:00Z");
        assert_eq!(next(&between(2, 3), "2026-10-25T00:10:00Z", &berlin), "2026-10-25T02:00:00Z");
        // An hour of one day of the week, which the clock leaves out once.
        let sundays = Limits {
            schedule: vec![Window { days: vec![Weekday::ALL[6]], ..window(2, 3, Some(1)) }],
            ..Limits::default()
        };
        assert_eq!(next(&sundays, "2026-03-22T02:00:00Z", &berlin), "2026-04-05T00:00:00Z");
        // A change by half an hour, which falls into an hour of the clock: 2026-04-05 02:00 is 01:30 again.
        let howe = TimeZone::posix(LORD_HOWE).unwrap();
        assert_eq!(next(&between(1, 2), "2026-04-04T13:40:00Z", &howe), "2026-04-04T14:00:00Z");
        assert_eq!(next(&between(1, 2), "2026-04-04T14:10:00Z", &howe), "2026-04-04T15:30:00Z");
    }

    proptest! {
        #[test]
        fn rates_hold_from_now_until_the_next_change(
            windows in prop::collection::vec((0_u8..24, 0_u8..=24, prop::option::of(1_u64..3), 0_usize..9), 0..5),
            ahead in 0_u64..400 * 86_400,
            zone in prop::sample::select(vec!["UTC0", BERLIN, LORD_HOWE, "EST5EDT,M3.2.0,M11.1.0"]),
        ) {
            let zone = TimeZone::posix(zone).unwrap();
            let window = |(from, to, up, day): (u8, u8, Option<u64>, usize)| Window {
                days: Weekday::ALL.get(day).into_iter().copied().collect(),
                ..window(from, to, up)
            };
            let schedule = windows.into_iter().map(window).collect();
            let limits = Limits { schedule, ..Limits::default() };
            let start = NOON + ahead;
            let rates = |at| rates_at(&limits, hour_in(at, &zone));
            let change = next_change_unix(&limits, start, &zone);
            let end = change.unwrap_or(start + 15 * 24 * HOUR_SECONDS);
            for at in (start..end).step_by(1_800).chain([end - 1]) {
                prop_assert_eq!(rates(at), rates(start));
            }
            if let Some(change) = change {
                prop_assert_ne!(rates(change), rates(start));
            }
        }
    }
}
