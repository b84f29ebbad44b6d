//! The client of a running companion: [`crate::Service`] over its local interface, for other processes.
//!
//! A client connects to loopback alone, through no proxy, and sends the token only after the server has proved on the same
//! connection that it knows the token (the module `proof`).

mod calls;
mod events;
mod proof;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, StatusCode, header};
use ureq::{Agent, Body};

pub use events::Events;

use crate::api::Access;
use crate::db;
use crate::problem::{Problem, code};
use crate::service::Answer;

/// Time limit of calls that read no whole files.
const QUICK: Duration = Duration::from_secs(60);

/// Silence after which an event stream is dead: three times the companion's keep-alive interval.
const SILENCE: Duration = Duration::from_secs(45);

/// Time in which a request is repeated whose connection was closed, and the pause before each.
const PERSIST: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// Largest answer, in bytes: many transfers with many peers each.
const MAX_ANSWER: u64 = 256 * 1024 * 1024;

/// How long an answer may take.
#[derive(Clone, Copy, Debug)]
enum Patience {
    /// [`QUICK`], from the first to the last byte.
    Quick,
    /// As long as it takes: whole files are read.
    Long,
    /// As long as no silence exceeds [`SILENCE`].
    Stream,
}

/// A running companion.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    address: SocketAddr,
    bearer: String,
}

impl Client {
    /// Finds the companion that runs on this folder. `None` when none answers: `endpoint.json` is missing, its process is gone,
    /// nothing answers at its port, or the program there does not know the token.
    ///
    /// # Errors
    ///
    /// A folder or files that others can access; a companion that runs and cannot be reached now, code [`code::BUSY`]: what it would
    /// do must not be done without it.
    pub fn find(folder: &Path) -> Result<Option<Self>, Problem> {
        let Some(access) = Access::read(folder)? else { return Ok(None) };
        let Some(endpoint) = access.endpoint()? else { return Ok(None) };
        if !proof::is_alive(endpoint.pid) {
            return Ok(None);
        }
        let agent = proof::agent(access.token().clone());
        // This request carries no token. The agent sends it only after a valid proof, so any answer is the companion's.
        let mut unreached = None;
        for address in endpoint.addresses {
            match persist(true, || agent.get(format!("http://{address}/healthz")).call()) {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    let bearer = access.token().header();
                    return Ok(Some(Self { agent, address, bearer }));
                }
                Err(error) if proof::is_out_of_reach(&error) => unreached = Some((address, error)),
                _ => {}
            }
        }
        // Another program may have the port now; the database is held by a companion alone.
        match unreached.filter(|_| db::is_held(folder)) {
            Some((address, error)) => Err(out_of_reach(endpoint.pid, address, &error)),
            None => Ok(None),
        }
    }

    /// The companion's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens the stream of events: a snapshot of all transfers, then every change.
    ///
    /// # Errors
    ///
    /// The companion does not answer, or has too many event streams.
    pub fn events(&self) -> Result<Events, Problem> {
        self.stream("/v1/events")
    }

    /// As [`Self::events`], with the map of the chunks of one transfer ([`Event::Chunks`](crate::model::Event::Chunks)) in this
    /// many cells, or fewer: at first, then as it changes, twice a second at most.
    ///
    /// # Errors
    ///
    /// As [`Self::events`]; there is no such transfer, or the cells are not 1 to 4096.
    pub fn events_with_chunks(&self, transfer: u64, cells: u32) -> Result<Events, Problem> {
        self.stream(&format!("/v1/events?chunks={transfer}&cells={cells}"))
    }

    fn stream(&self, path: &str) -> Result<Events, Problem> {
        let response = self.send(&Method::GET, path, Patience::Stream, &())?;
        let reader = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Events::new(Box::new(reader)))
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Answer<T> {
        read(self.send(&Method::GET, path, Patience::Quick, &())?)
    }

    /// Sends a request, and returns the problem of an answer that holds one as the error.
    fn send(
        &self,
        method: &Method,
        path: &str,
        patience: Patience,
        body: &impl Serialize,
    ) -> Answer<Response<Body>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(header::AUTHORIZATION, &self.bearer);
        let answer = if method == Method::GET {
            self.run(request.body(()), patience, true)
        } else {
            let body = serde_json::to_vec(body).map_err(|error| unexpected(&error))?;
            self.run(request.header(header::CONTENT_TYPE, "application/json").body(body), patience, false)
        };
        let response = answer.map_err(|error| self.gone(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = text(response)?;
        // A body that is no problem does not come from a companion of this version.
        let problem = serde_json::from_slice(&text);
        Err(problem.unwrap_or_else(|_| unexpected(&format!("it answered {status}"))))
    }

    fn run<S: ureq::AsSendBody + Clone>(
        &self,
        request: Result<Request<S>, ureq::http::Error>,
        patience: Patience,
        reads: bool,
    ) -> Result<Response<Body>, ureq::Error> {
        let request = request?;
        persist(reads, || self.agent.run(self.patient(request.clone(), patience)))
    }

    fn patient<S: ureq::AsSendBody>(&self, request: Request<S>, patience: Patience) -> Request<S> {
        let config = self.agent.configure_request(request);
        match patience {
            Patience::Quick => config.timeout_global(Some(QUICK)).build(),
            Patience::Long => config.build(),
            Patience::Stream => config.timeout_per_read(Some(SILENCE)).build(),
        }
    }

    fn gone(&self, error: &ureq::Error) -> Problem {
        let hint =
            "see whether it runs: `minimodel companion status`; what it did goes on with its next start";
        Problem::new(code::STOPPED, format!("the companion at {} does not answer", self.address), hint)
            .because(error)
    }
}

fn out_of_reach(pid: u32, address: SocketAddr, error: &ureq::Error) -> Problem {
    let hint = "try again; if it stays so, other programs of this machine hold its connections, or it was stopped (Ctrl-Z, \
                SIGSTOP)";
    let told = format!("the companion runs as process {pid} and does not answer at {address}");
    Problem::new(code::BUSY, told, hint).because(error)
}

/// Repeats a request whose connection the companion closed, for [`PERSIST`] at most: while other programs take all its places,
/// it closes connections that have not presented the token. A request that does more than read is repeated only if it was not sent.
fn persist<T>(reads: bool, mut request: impl FnMut() -> Result<T, ureq::Error>) -> Result<T, ureq::Error> {
    let began = Instant::now();
    loop {
        match request() {
            Err(error)
                if (proof::is_closed_early(&error) || reads && proof::is_closed(&error))
                    && began.elapsed() < PERSIST =>
            {
                std::thread::sleep(PAUSE);
            }
            ended => return ended,
        }
    }
}

/// Reads the whole answer.
fn text(response: Response<Body>) -> Answer<Vec<u8>> {
    let text = response.into_body().into_with_config().limit(MAX_ANSWER).read_to_vec();
    text.map_err(|error| unexpected(&error))
}

fn read<T: DeserializeOwned>(response: Response<Body>) -> Answer<T> {
    serde_json::from_slice(&text(response)?).map_err(|error| unexpected(&error))
}

/// The companion answered, but not as this version of it does.
fn unexpected(cause: &impl ToString) -> Problem {
    let hint = "companion and command line have to be of one version: `minimodel companion stop`, then start it again";
    Problem::new(code::UNEXPECTED, "the companion's answer is not understood", hint)
        .because(cause.to_string())
}
