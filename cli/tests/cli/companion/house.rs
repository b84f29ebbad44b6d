//! A home in which a companion runs.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use minimodel_companion::Service as _;
use minimodel_companion::client::Client;
use rustix::process::Signal;
use serde_json::Value;

use crate::home::{Home, MINIMODEL, Ran};
use crate::process::{Running, own_host};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A companion in a process of its own, in a home of its own.
pub(super) struct House {
    pub(super) home: Home,
    companion: Option<Running>,
}

impl House {
    /// A house whose working directory holds `a.slm` and its manifest.
    pub(super) fn with_artifact() -> Self {
        Self::of(Home::with_artifact())
    }

    /// A house with an empty working directory.
    pub(super) fn new() -> Self {
        Self::of(Home::new())
    }

    /// A house around an existing home.
    pub(super) fn of(home: Home) -> Self {
        let mut house = Self { home, companion: None };
        house.start();
        house
    }

    /// A house whose companion is under a limit of the system, as `ulimit` takes it.
    pub(super) fn with_limit(limit: &str) -> Self {
        let home = Home::new();
        let run = home.command(["companion", "run", "--json"]);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit {limit} && exec \"$@\""), "sh", MINIMODEL]).args(run.get_args());
        shell.current_dir(home.path("")).stdin(Stdio::null()).env_clear();
        shell.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut house = Self { home, companion: None };
        house.start_by(&mut shell);
        house
    }

    /// Starts the companion; returns when it answers.
    #[track_caller]
    pub(super) fn start(&mut self) {
        let mut run = self.home.command(["companion", "run", "--json"]);
        self.start_by(&mut run);
    }

    #[track_caller]
    fn start_by(&mut self, command: &mut Command) {
        let companion = Running::start(command);
        companion.wait_for_event("companion");
        self.companion = Some(companion);
        // From its event on it is found.
        self.home.say("companion status").exits(0);
    }

    /// Stops the companion in order.
    #[track_caller]
    pub(super) fn stop(&mut self) -> Ran {
        self.home.say("companion stop").exits(0);
        self.companion.take().unwrap().end()
    }

    /// Sends the companion a signal.
    pub(super) fn signal(&self, signal: Signal) {
        self.companion.as_ref().unwrap().signal(signal);
    }

    /// Kills the companion by SIGKILL.
    #[track_caller]
    pub(super) fn kill(&mut self) {
        self.companion.take().unwrap().kill();
    }

    /// All transfers, as `--json status` shows them, but asked without a process a look: most tests look many times a second.
    #[track_caller]
    pub(super) fn transfers(&self) -> Vec<Value> {
        let client = Client::find(&self.home.own("state/companion")).unwrap();
        let answered = client.and_then(|client| client.status().ok());
        // Without a companion the program reads the state itself.
        let status = answered.map_or_else(
            || self.home.say("--json status").exits(0).object()["status"].clone(),
            |status| serde_json::to_value(status).unwrap(),
        );
        status["transfers"].as_array().unwrap().clone()
    }

    /// The transfer with this number.
    #[track_caller]
    pub(super) fn transfer(&self, id: u64) -> Value {
        let found = self.transfers().into_iter().find(|transfer| transfer["id"] == id);
        found.unwrap_or_else(|| panic!("no transfer {id}"))
    }

    /// Waits until a transfer satisfies `holds`, and returns it.
    #[track_caller]
    pub(super) fn transfer_when(&self, id: u64, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let transfer = self.transfer(id);
            if holds(&transfer) {
                return transfer;
            }
            assert!(begun.elapsed() < PATIENCE, "not {what}: {transfer:#}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Waits until something holds.
    #[track_caller]
    pub(super) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Shares `a.slm` and returns the offer. `more`: further arguments.
    #[track_caller]
    pub(super) fn share(&self, more: &[&str]) -> String {
        self.share_of("a", &[&["--consent", "serve"], more].concat())
    }

    /// Shares `STEM.slm` under the consent of `more` or of earlier grants, and returns the offer.
    #[track_caller]
    pub(super) fn share_of(&self, stem: &str, more: &[&str]) -> String {
        let (manifest, artifact) = (format!("{stem}.minimodel"), format!("{stem}.slm"));
        let words = ["seed", "--detach", "--listen", &own_host(), &manifest, &artifact];
        let ran = self.home.run(words.iter().chain(more)).exits(0);
        ran.stdout.lines().next().unwrap().to_owned()
    }

    /// Peer id of this home's identity.
    #[track_caller]
    pub(super) fn peer(&self) -> String {
        self.home.say("id show").exits(0).stdout.trim().to_owned()
    }

    /// Hands a fetch over to the companion and returns its number.
    #[track_caller]
    pub(super) fn fetch(&self, words: &[&str]) -> u64 {
        let ran = self.home.run(["--json", "fetch", "--detach"].iter().chain(words)).exits(0);
        let handed = crate::process::event(&ran.stdout, "handed-over");
        handed["transfer"].as_u64().unwrap()
    }
}
