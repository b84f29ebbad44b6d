//! `minimodel transfer`: pauses, starts, limits or forgets shares and fetches of the companion.

use minimodel_companion::Service;
use minimodel_companion::model::{Transfer, TransferLimits};
use serde::Serialize;

use crate::args::{PublisherOptions, RateSettings, Setting, TransferAction, TransferArgs, TransferIds};
use crate::companion;
use crate::companion::asking::Asking;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Context;
use crate::size::show_rate;
use crate::status::{about, kind, state};
use crate::text;

/// A transfer under `--json`.
#[derive(Serialize)]
struct TransferObject {
    transfer: Transfer,
}

/// Runs the verb.
pub(crate) fn run(args: &TransferArgs, context: &Context) -> Result<(), Failure> {
    let (service, printer) = (companion::service(context)?, &context.printer);
    let service = service.as_ref();
    let each = |ids: &TransferIds, work: &dyn Fn(u64) -> Result<(), Failure>| {
        ids.ids.iter().try_for_each(|&id| work(id))
    };
    match &args.action {
        TransferAction::Pause(ids) => {
            each(ids, &|id| tell(printer, &service.pause(id).map_err(text::of_problem)?))
        }
        TransferAction::Start(args) => each(&args.ids, &|id| {
            let transfer = service.start(id).map_err(text::of_problem)?;
            let accept_publisher_key = args.accept_publisher_key;
            let publisher = PublisherOptions { publisher_key: None, accept_publisher_key };
            let asking = Asking::new(context, "transfer start", args.consent.as_ref(), &publisher);
            tell(printer, &asking.agree(service, transfer)?)
        }),
        TransferAction::Remove(ids) => each(ids, &|id| {
            service.forget(id).map_err(text::of_problem)?;
            printer.note(format!("transfer {id} is forgotten; its files are where they were"));
            printer.event("transfer-removed", serde_json::json!({"id": id}))
        }),
        TransferAction::Limit(args) => each(&args.ids, &|id| limit(service, printer, id, &args.rates)),
    }
}

/// Changes those of a transfer's own limits that the command line names.
pub(super) fn limit(
    service: &dyn Service,
    printer: &Printer,
    id: u64,
    settings: &RateSettings,
) -> Result<(), Failure> {
    let before = service.transfer(id).map_err(text::of_problem)?;
    let limits = changed(before.limits, settings);
    let transfer = service.limit(id, limits).map_err(text::of_problem)?;
    if printer.is_json() {
        return printer.event("transfer", TransferObject { transfer });
    }
    printer.answer(format!("transfer {id}: {}", words(&transfer.limits)))
}

fn tell(printer: &Printer, transfer: &Transfer) -> Result<(), Failure> {
    if printer.is_json() {
        return printer.event("transfer", TransferObject { transfer: transfer.clone() });
    }
    printer.answer(format!(
        "transfer {}, {} of {}: {}",
        transfer.id,
        kind(transfer.kind),
        about(transfer),
        state(transfer.state)
    ))
}

fn changed(mut limits: TransferLimits, settings: &RateSettings) -> TransferLimits {
    set(&mut limits.up, settings.up);
    set(&mut limits.down, settings.down);
    set(&mut limits.slots, settings.slots);
    limits
}

/// Applies a setting that the command line names.
pub(super) fn set<T>(limit: &mut Option<T>, setting: Option<Setting<T>>) {
    match setting {
        None => {}
        Some(Setting::None) => *limit = None,
        Some(Setting::To(value)) => *limit = Some(value),
    }
}

/// Describes a transfer's own limits.
pub(super) fn words(limits: &TransferLimits) -> String {
    let rate = |rate: Option<u64>| rate.map_or_else(|| "no limit of its own".to_owned(), show_rate);
    let slots =
        limits.slots.map_or_else(|| "no slots of its own".to_owned(), |slots| format!("{slots} slots"));
    format!("in {}, out {}, {slots}", rate(limits.down), rate(limits.up))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let before = TransferLimits { up: Some(1), down: Some(2), slots: None };
        let settings = RateSettings { up: Some(Setting::None), down: None, slots: Some(Setting::To(4)) };
        let after = changed(before.clone(), &settings);
        assert_eq!(after, TransferLimits { up: None, down: Some(2), slots: Some(4) });
        assert_eq!(changed(before.clone(), &RateSettings::default()), before);
        assert_eq!(words(&after), "in 2 B/s, out no limit of its own, 4 slots");
    }
}
