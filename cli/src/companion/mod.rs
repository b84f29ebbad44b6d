//! The companion from the command line: finds the one that runs, hands work over to it, and does its work.

pub(crate) mod asking;
pub(crate) mod follow;
pub(crate) mod hand_over;
mod host;

use std::sync::Arc;

use minimodel_companion::client::Client;
use minimodel_companion::{Companion, Places, Service};

use self::host::CommandLine;
use crate::args::{CompanionRunArgs, CongestionChoice, HandingOptions, ShareOptions};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow as transfers;
use crate::settings::Context;
use crate::text::of_problem;

/// Where the companion's state is.
pub(crate) fn places(context: &Context) -> Result<Places, Failure> {
    let absolute = |path| std::path::absolute(path).map_err(|error| Failure::reading("folder", path, &error));
    Ok(Places::new(&absolute(context.home.state()?)?, &absolute(context.home.data()?)?))
}

/// The companion that runs in this home folder, if one does.
pub(crate) fn running(context: &Context) -> Result<Option<Client>, Failure> {
    Client::find(&places(context)?.folder).map_err(of_problem)
}

/// The companion that runs, or its state, opened in this process for as long as the call takes.
pub(crate) fn service(context: &Context) -> Result<Box<dyn Service>, Failure> {
    match running(context)? {
        Some(client) => Ok(Box::new(client)),
        None => Ok(Box::new(open_at_rest(context)?)),
    }
}

/// Opens the companion's state for calls in this process; no transfer runs.
pub(crate) fn open_at_rest(context: &Context) -> Result<Companion, Failure> {
    open(context, CommandLine::new(context, None), false)
}

/// Opens the companion's state and runs its transfers in this process from now on.
pub(crate) fn open_to_run(context: &Context, args: &CompanionRunArgs) -> Result<Companion, Failure> {
    let host = CommandLine::new(context, args.label.as_ref()).with_ways(transfers::ways(&args.dht_node));
    open(context, host, true)
}

fn open(context: &Context, host: CommandLine, is_running: bool) -> Result<Companion, Failure> {
    let host = Arc::new(host);
    Companion::open(places(context)?, context.home.clone(), host, is_running).map_err(of_problem)
}

/// The companion that takes a transfer over. `None`: the user wants the transfer in this process, asks for what only
/// such a process does (`is_special`, and some options of a share), or no companion runs.
pub(crate) fn taking(
    context: &Context,
    share: &ShareOptions,
    handing: &HandingOptions,
    is_special: bool,
) -> Result<Option<Client>, Failure> {
    let is_special = is_special
        || share.offer_out.is_some()
        || share.max_datagram.is_some()
        || share.congestion != CongestionChoice::Own;
    let has_home = context.home.state().is_ok() && context.home.data().is_ok();
    let client = if handing.here || is_special || !has_home { None } else { running(context)? };
    if client.is_none() && handing.detach {
        let hint = if is_special || handing.here {
            "leave --detach away, or what only a process of its own does: --offer-out, --recheck, waiting without a peer"
        } else {
            "start one: `minimodel companion start`"
        };
        return Err(Failure::new(Exit::NotFound, "no companion takes this over", hint));
    }
    Ok(client)
}
