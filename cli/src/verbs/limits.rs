//! `minimodel limits`: rates, slots, budgets, their schedule, and the log of what moved.

use minimodel::clock::now_unix;
use minimodel_companion::Service;
use minimodel_companion::limits::schedule::{is_ever_first, local_hour, rates_at, validate};
use minimodel_companion::model::{Limits, Moved, Rates, Window};
use serde::Serialize;

use super::transfer::{self, set};
use crate::args::{
    LimitsAction, LimitsArgs, LimitsLogArgs, LimitsSetArgs, ScheduleAction, ScheduleAddArgs, Setting,
};
use crate::companion;
use crate::escape;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Context;
use crate::show;
use crate::size::{show_rate, show_size};
use crate::text;

/// The limits under `--json`.
#[derive(Serialize)]
struct LimitsObject {
    limits: Limits,
    now: Rates,
}

/// Runs the verb.
pub(crate) fn run(args: &LimitsArgs, context: &Context) -> Result<(), Failure> {
    let (service, printer) = (companion::service(context)?, &context.printer);
    let service = service.as_ref();
    match &args.action {
        None | Some(LimitsAction::Show(_)) => {
            let limits = service.limits().map_err(text::of_problem)?;
            answer(printer, &limits)
        }
        Some(LimitsAction::Set(args)) if args.transfer.is_empty() => {
            change(service, printer, |limits| apply(limits, args))
        }
        Some(LimitsAction::Set(args)) => {
            args.transfer.iter().try_for_each(|&id| transfer::limit(service, printer, id, &args.rates))
        }
        Some(LimitsAction::Schedule(args)) => match &args.action {
            ScheduleAction::Add(args) => {
                change(service, printer, |limits| limits.schedule.push(window(args)))
            }
            ScheduleAction::Clear(_) => change(service, printer, |limits| limits.schedule.clear()),
        },
        Some(LimitsAction::Log(args)) => log(service, printer, args),
    }
}

fn change(service: &dyn Service, printer: &Printer, change: impl FnOnce(&mut Limits)) -> Result<(), Failure> {
    let mut limits = service.limits().map_err(text::of_problem)?;
    change(&mut limits);
    validate(&limits).map_err(text::of_problem)?;
    let limits = service.set_limits(limits).map_err(text::of_problem)?;
    answer(printer, &limits)
}

fn apply(limits: &mut Limits, args: &LimitsSetArgs) {
    set(&mut limits.up, args.rates.up);
    set(&mut limits.down, args.rates.down);
    set(&mut limits.slots, args.rates.slots);
    set(&mut limits.peer_day_bytes, args.peer_day);
    set(&mut limits.cache_bytes, args.cache);
    set(&mut limits.storage_bytes, args.storage);
}

fn window(args: &ScheduleAddArgs) -> Window {
    let rate = |setting: Option<Setting<u64>>| {
        let mut rate = None;
        set(&mut rate, setting);
        rate
    };
    let ScheduleAddArgs { hours, days, up, down, paused } = args;
    Window {
        from: hours.from,
        to: hours.to,
        up: rate(*up),
        down: rate(*down),
        paused: *paused,
        // All seven are every day.
        days: days.as_ref().map(|days| days.0.clone()).filter(|days| days.len() < 7).unwrap_or_default(),
    }
}

fn answer(printer: &Printer, limits: &Limits) -> Result<(), Failure> {
    let now = rates_at(limits, local_hour(now_unix()));
    if printer.is_json() {
        return printer.event("limits", LimitsObject { limits: limits.clone(), now });
    }
    show::answer(printer, &lines(limits, now))
}

fn lines(limits: &Limits, now: Rates) -> Vec<(String, String)> {
    let rate = |rate: Option<u64>| rate.map_or_else(|| "no limit".to_owned(), show_rate);
    let size = |size: Option<u64>| size.map_or_else(|| "no limit".to_owned(), show_size);
    let rates = |up, down, paused| {
        if paused { "nothing moves".to_owned() } else { format!("in {}, out {}", rate(down), rate(up)) }
    };
    let slots = limits.slots.map_or_else(|| "the usual number".to_owned(), |slots| slots.to_string());
    let mut lines = vec![
        ("now", rates(now.up, now.down, now.paused)),
        ("otherwise", rates(limits.up, limits.down, false)),
        ("slots", slots),
        ("a peer a day", size(limits.peer_day_bytes)),
        ("cache", size(limits.cache_bytes)),
        ("storage", size(limits.storage_bytes)),
    ];
    for (number, window) in limits.schedule.iter().enumerate() {
        let &Window { from, to, up, down, paused, ref days } = window;
        let days: Vec<String> = days.iter().map(ToString::to_string).collect();
        let on = if days.is_empty() { String::new() } else { format!(", {}", days.join(" ")) };
        let never = if is_ever_first(limits, number) { "" } else { " (never: earlier windows come first)" };
        lines.push(("schedule", format!("{from}-{to} o'clock{on}: {}{never}", rates(up, down, paused))));
    }
    if limits.schedule.is_empty() {
        lines.retain(|(label, _)| *label != "now");
        if let Some((label, _)) = lines.first_mut() {
            *label = "rates";
        }
    }
    lines.into_iter().map(|(label, value)| (label.to_owned(), value)).collect()
}

fn log(service: &dyn Service, printer: &Printer, args: &LimitsLogArgs) -> Result<(), Failure> {
    let moved = service.moved(args.days).map_err(text::of_problem)?;
    if printer.is_json() {
        return moved.iter().try_for_each(|row| printer.event("moved", row));
    }
    if moved.is_empty() {
        let days = if args.days == 1 { "today" } else { &format!("in the last {} days", args.days) };
        printer.note(format!("nothing moved {days}"));
    }
    moved.iter().try_for_each(|row| printer.answer(line(row)))
}

/// `2026-06-01  PEER  sent 1.0 MiB  received 0 B  my-model 1`.
fn line(row: &Moved) -> String {
    let Moved { day, peer, model, sent_bytes, received_bytes, .. } = row;
    let (sent, received) = (show_size(*sent_bytes), show_size(*received_bytes));
    let (day, peer, model) = (escape::shown(day), escape::shown(peer), escape::shown(model));
    format!("{day}  {peer}  sent {sent}  received {received}  {model}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use minimodel_companion::limits::schedule::LocalHour;
    use minimodel_companion::model::Weekday;

    use super::*;
    use crate::args::RateSettings;

    #[test]
    fn what_is_not_named_stays_and_none_takes_away() {
        let mut limits = Limits { up: Some(1), down: Some(2), cache_bytes: Some(3), ..Limits::default() };
        let args = LimitsSetArgs {
            rates: RateSettings { up: Some(Setting::None), down: None, slots: Some(Setting::To(4)) },
            peer_day: Some(Setting::To(5)),
            cache: None,
            storage: Some(Setting::To(6)),
            transfer: Vec::new(),
        };
        apply(&mut limits, &args);
        let expected = Limits {
            down: Some(2),
            slots: Some(4),
            peer_day_bytes: Some(5),
            cache_bytes: Some(3),
            storage_bytes: Some(6),
            ..Limits::default()
        };
        assert_eq!(limits, expected);
    }

    #[test]
    fn limits_show_lists_windows_and_marks_one_that_never_applies() {
        let hours = |text: &str| text.parse().unwrap();
        let night = ScheduleAddArgs {
            hours: hours("22-7"),
            days: Some("fri-sat".parse().unwrap()),
            up: Some(Setting::None),
            down: Some(Setting::To(1 << 20)),
            paused: false,
        };
        let never = ScheduleAddArgs {
            hours: hours("23-5"),
            days: "fri".parse().ok(),
            up: None,
            down: None,
            paused: true,
        };
        let mut limits = Limits { up: Some(1 << 10), ..Limits::default() };
        let shown = |limits: &Limits| -> Vec<String> {
            let lines = lines(limits, rates_at(limits, LocalHour { day: Weekday::Fri, hour: 23 }));
            lines.into_iter().map(|(label, value)| format!("{label}: {value}")).collect()
        };
        assert_eq!(shown(&limits)[0], "rates: in no limit, out 1.0 KiB/s");
        limits.schedule = vec![window(&night), window(&never)];
        let shown = shown(&limits);
        assert_eq!(shown[..2], ["now: in 1.0 MiB/s, out no limit", "otherwise: in no limit, out 1.0 KiB/s"]);
        assert_eq!(
            shown[6..],
            [
                "schedule: 22-7 o'clock, fri sat: in 1.0 MiB/s, out no limit",
                "schedule: 23-5 o'clock, fri: nothing moves (never: earlier windows come first)"
            ]
        );
    }

    // Rows: D8
    #[test]
    fn a_row_of_the_log_is_a_line_whatever_the_model_is_called() {
        let row = Moved {
            day: "2026-06-01".into(),
            peer: "abc".into(),
            swarm_id: String::new(),
            model: "\u{1b}[2J\nx".into(),
            sent_bytes: 1 << 20,
            received_bytes: 7,
        };
        assert_eq!(line(&row), "2026-06-01  abc  sent 1.0 MiB  received 7 B  \\u{1b}[2J\\nx");
    }
}
