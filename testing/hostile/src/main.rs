//! `minimodel-hostile`: plays one trick against a running `minimodel`, by hand, or lays siege to one.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use minimodel_hostile::siege::{self, Plan};
use minimodel_hostile::{Identity, Model, Server, Side, Target, Trick};
use minimodel_wire::SignedOffer;

/// A peer that breaks one rule of the protocol. Use it against your own `minimodel` and nobody else's.
#[derive(Debug, Parser)]
#[command(name = "minimodel-hostile", arg_required_else_help = true)]
struct Args {
    /// Print the tricks: name, row of the catalogue, sides, what is done.
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Attack a seeder, and say how it took it.
    Attack {
        #[arg(value_parser = trick)]
        trick: Trick,
        /// Offer of the seeder, as `minimodel seed` prints it.
        #[arg(long)]
        offer: SignedOffer,
        /// The manifest of what it serves.
        #[arg(long)]
        manifest: PathBuf,
    },
    /// Serve badly: prints an offer for `minimodel fetch --peer`, then how each connection ended.
    Serve {
        #[arg(value_parser = trick)]
        trick: Trick,
        /// The manifest.
        #[arg(long)]
        manifest: PathBuf,
        /// The file that it names.
        #[arg(long)]
        artifact: PathBuf,
    },
    /// Start a seeder, an honest fetcher and many hostile connections, and measure.
    Siege {
        /// The binary; without it, the one beside this.
        #[arg(long, env = "MINIMODEL_BIN")]
        minimodel: Option<PathBuf>,
        /// Hostile connections.
        #[arg(long, default_value_t = 256)]
        connections: usize,
        /// Size of the file.
        #[arg(long, default_value = "256MiB")]
        size: String,
        /// Rate of the honest fetcher; `none`: all that this machine can.
        #[arg(long, default_value = "24MiB")]
        down: String,
    },
}

fn trick(name: &str) -> Result<Trick> {
    Trick::from_name(name).with_context(|| format!("no trick is called {name:?}; see --list"))
}

#[expect(clippy::print_stdout, reason = "what it found is the answer of this program")]
fn say(line: &str) {
    println!("{line}");
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.list {
        list();
    }
    let runtime = tokio::runtime::Runtime::new()?;
    match args.verb {
        None => Ok(()),
        Some(Verb::Attack { trick, offer, manifest }) => runtime.block_on(async {
            let (model, target) = (Model::read(&manifest, None)?, Target::of(&offer)?);
            let seen = minimodel_hostile::attack(trick, &target, &model, &Identity::new()?).await?;
            say(&format!("{trick}: {seen}"));
            Ok(())
        }),
        Some(Verb::Serve { trick, manifest, artifact }) => runtime.block_on(async {
            let server = Server::start(trick, Model::read(&manifest, Some(&artifact))?)?;
            say(&server.offer());
            let mut told = 0;
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                for seen in server.seen().iter().skip(told) {
                    say(&format!("{trick}: {seen}"));
                    told += 1;
                }
            }
        }),
        Some(Verb::Siege { minimodel, connections, size, down }) => {
            let minimodel = match minimodel {
                Some(path) => path,
                None => std::env::current_exe()?.with_file_name("minimodel"),
            };
            let down = (down != "none").then_some(down);
            besiege(&Plan { minimodel, connections, size, down, compares: true })
        }
    }
}

fn list() {
    for trick in Trick::ALL {
        let sides: Vec<_> = trick.sides().iter().map(|side| side_name(*side)).collect();
        let (rows, what) = (trick.rows(), trick.what());
        say(&format!("{:<20} {rows:<8} {:<14} {what}", trick.name(), sides.join(",")));
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Client => "attack",
        Side::Server => "serve",
    }
}

fn besiege(plan: &Plan) -> Result<()> {
    let figures = siege::run(plan)?;
    let alone = figures.alone.unwrap_or_default();
    say(&format!(
        "honest fetch of {}: {:.2} s alone, {:.2} s besieged; {} handshakes begun, at most {} connections open at once",
        plan.size,
        alone.as_secs_f64(),
        figures.besieged.as_secs_f64(),
        figures.attempts,
        figures.most_open
    ));
    say(&format!(
        "figure: besiegers={} most_open={} handshakes={} rate_kept={:.2} rss_growth_mib={}",
        figures.connections,
        figures.most_open,
        figures.attempts,
        figures.rate_kept().unwrap_or_default(),
        figures.growth_mib()
    ));
    Ok(())
}
