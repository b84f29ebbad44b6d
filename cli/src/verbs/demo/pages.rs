//! `minimodel demo --page`: a share and a fetch between two users' companions, for watching and steering in the browser.
//!
//! Both companions are real ones, each a process with a temporary folder as its home. Their labels say on every view that
//! this is the demo. The fetch waits for its consent on Bob's page.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use minimodel::Home;
use minimodel::consent::Action;
use minimodel_companion::Service as _;
use minimodel_companion::client::Client;
use minimodel_companion::model::{Consent, Endpoint, NewFetch, NewShare, State, Transfer, TransferLimits};
use minimodel_verifier::Manifest;

use super::peers::{Character, Peer};
use super::story::Story;
use crate::companion;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::program;
use crate::settings::Context;
use crate::size::show_size;
use crate::text::of_problem;
use crate::verbs::open;

/// Upload rate of the share, in bytes a second: the transfer takes about half a minute.
const RATE: u64 = 2 << 20;
/// Longest wait for a companion to answer, and for its share to have an offer.
const STARTING: Duration = Duration::from_secs(30);
/// Longest wait for a companion to end in good order.
const ENDING: Duration = Duration::from_secs(10);
/// Interval at which a companion is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Tells the story until Ctrl-C, which is its ordinary end.
pub(super) fn tell(
    story: &Story<'_>,
    interrupt: &Interrupt,
    folder: &Path,
    is_printed: bool,
    context: &Context,
) -> Result<(), Failure> {
    story.title(
        "Two users of this machine, each with a companion and its page. Nothing leaves this machine.",
    )?;
    let (artifact, manifest) = super::make_model(folder)?;
    let alice = Household::start("Alice", folder, context, interrupt)?;
    let bob = Household::start("Bob", folder, context, interrupt)?;

    story.step(
        "Alice shares a made-up model with whoever has her offer, slowly, so that there is time to look.",
    )?;
    let offer = alice.share(&manifest, artifact, interrupt)?;
    story.say(&format!("{} in {} chunks", show_size(manifest.byte_count()), manifest.chunk_count()))?;
    story.step("Mallory offers the same file, and lies about one chunk in 16.")?;
    let mallory = Peer::start(Character::Liar, &manifest, &folder.join("alice.slm"))?;
    story.say(&mallory.id())?;
    story.step("Bob's companion is to fetch it. It asks him first: see Requests on his page.")?;
    let fetch = bob.fetch(&manifest, vec![offer, mallory.offer()])?;

    for (user, of) in [(&bob, "Bob's page"), (&alice, "Alice's page")] {
        story.step(of)?;
        open::show(&user.client, is_printed, &context.printer)?;
        story.say(&format!("again: {}", user.command()?))?;
    }
    story.title("Ctrl-C ends the demo and removes all of it.")?;
    watch(story, interrupt, &bob, fetch)
}

/// Retells how the fetch stands, until Ctrl-C.
fn watch(story: &Story<'_>, interrupt: &Interrupt, bob: &Household, fetch: u64) -> Result<(), Failure> {
    let mut told = String::new();
    while interrupt.check().is_ok() {
        let stands = match bob.client.transfer(fetch) {
            Ok(transfer) => words(&transfer),
            // The companion gets the signal too, and may end before it is seen here.
            Err(_) if interrupt.check().is_err() => break,
            Err(problem) if problem.code == Exit::NotFound.code() => "Bob removed the fetch from his list.",
            Err(problem) => return Err(of_problem(problem)),
        };
        if told != stands {
            story.say(stands)?;
            stands.clone_into(&mut told);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn words(fetch: &Transfer) -> &'static str {
    match fetch.state {
        State::Asking => "Bob is asked. No peer has been dialed.",
        State::Preparing => "Bob agreed.",
        State::Running | State::Waiting => "Bob agreed. Chunks come, and each is proven before it is kept.",
        State::Paused => "Bob paused the fetch.",
        State::Done => "Bob has the file, checked in full, and its receipt: see Records on his page.",
        State::Failed => "The fetch failed: Bob's page says why.",
    }
}

/// A user of the demo: a home folder with a companion, which does not outlive the demo.
struct Household {
    home: PathBuf,
    companion: Child,
    client: Client,
}

impl Household {
    fn start(name: &str, folder: &Path, context: &Context, interrupt: &Interrupt) -> Result<Self, Failure> {
        let home = folder.join(format!("{}-home", name.to_lowercase()));
        let mut companion = Command::new(program::path()?)
            .args(["companion", "run", "--end-with-stdin", "--port", "0", "--label"])
            .arg(format!("Demo: {name}. Made up, and gone when the demo ends."))
            .env("MINIMODEL_HOME", &home)
            .env_remove("MINIMODEL_JSON")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Failure::unexpected("cannot start a companion", &error.into()))?;
        let there = Context { home: Home::at(&home), ..context.clone() };
        match answering(&there, interrupt) {
            Ok(client) => Ok(Self { home, companion, client }),
            Err(failure) => {
                end(&mut companion);
                Err(failure)
            }
        }
    }

    /// The command that opens this user's page.
    fn command(&self) -> Result<String, Failure> {
        let word = |path: &Path| escape::shell_word(path.as_os_str());
        Ok(format!("MINIMODEL_HOME={} {} open --print", word(&self.home), word(&program::path()?)))
    }

    /// Shares the file; returns the offer.
    fn share(&self, manifest: &Manifest, path: PathBuf, interrupt: &Interrupt) -> Result<String, Failure> {
        let share = self.client.share(NewShare {
            manifest: Some(manifest.text()),
            path: Some(path),
            endpoint: here(),
            limits: TransferLimits { up: Some(RATE), ..TransferLimits::default() },
            consent: Some(Consent {
                actions: vec![Action::Serve],
                by: "api".to_owned(),
                expires_unix: None,
                quota_bytes: None,
                accept_publisher_key: None,
            }),
            ..NewShare::default()
        });
        let share = share.map_err(of_problem)?.id;
        until("the share has no offer", interrupt, || {
            self.client.transfer(share).map(|share| share.offer).map_err(of_problem)
        })
    }

    /// Adds the fetch, without a consent; returns its number.
    fn fetch(&self, manifest: &Arc<Manifest>, offers: Vec<String>) -> Result<u64, Failure> {
        let fetch = self.client.fetch(NewFetch {
            manifest: Some(manifest.text()),
            offers,
            out: Some(self.home.join("models")),
            endpoint: here(),
            ..NewFetch::default()
        });
        fetch.map(|fetch| fetch.id).map_err(of_problem)
    }
}

impl Drop for Household {
    fn drop(&mut self) {
        end(&mut self.companion);
    }
}

/// Listens on this machine alone.
fn here() -> Endpoint {
    Endpoint { listen: Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0))), ..Endpoint::default() }
}

fn answering(context: &Context, interrupt: &Interrupt) -> Result<Client, Failure> {
    until("its companion does not answer", interrupt, || companion::running(context))
}

fn until<T>(
    what: &str,
    interrupt: &Interrupt,
    mut look: impl FnMut() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let begun = Instant::now();
    while begun.elapsed() < STARTING {
        interrupt.check()?;
        if let Some(found) = look()? {
            return Ok(found);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let hint = "run `minimodel demo --page` again; if it stays, please report it";
    Err(Failure::new(Exit::Unexpected, format!("the demo cannot go on: {what}"), hint))
}

/// Ends a companion in good order by the end of its stdin, or else by force.
fn end(companion: &mut Child) {
    drop(companion.stdin.take());
    let begun = Instant::now();
    while begun.elapsed() < ENDING {
        if !matches!(companion.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    // Fails if it has ended meanwhile.
    let _ = companion.kill();
    let _ = companion.wait();
}
