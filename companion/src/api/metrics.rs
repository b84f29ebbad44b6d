//! `GET /metrics`, for Prometheus. Labels are numbers and words of this program, no text from outside.

use std::fmt;
use std::sync::atomic::AtomicU64;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::api::answer::{Api, Outcome};
use crate::model::{Cause, State as Stands, Status, Transfer};
use crate::problem::{Problem, code};

/// Content type of the text.
const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All states: a transfer has a series for each, which is 0 for states that it is not in.
const STATES: [Stands; 7] = [
    Stands::Asking,
    Stands::Waiting,
    Stands::Preparing,
    Stands::Running,
    Stands::Paused,
    Stands::Done,
    Stands::Failed,
];

/// Figures of the companion and of every transfer.
#[utoipa::path(
    get, path = "/metrics",
    responses((status = 200, content_type = "application/openmetrics-text", body = String,
        description = "OpenMetrics 1.0 text."))
)]
pub(crate) async fn metrics(State(api): State<Api>) -> Outcome<Response> {
    let status = api.quick(|service| service.status()).await?;
    let text = render(&status).map_err(|error| {
        Problem::new(code::UNEXPECTED, "the metrics cannot be written", "report it").because(error)
    })?;
    Ok(([(header::CONTENT_TYPE, TYPE)], text).into_response())
}

/// Labels of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct One {
    transfer: u64,
    kind: Word,
}

/// Labels of a transfer in a state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    transfer: u64,
    kind: Word,
    state: Word,
}

/// Labels of a transfer that is idle for a cause.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCause {
    transfer: u64,
    kind: Word,
    cause: Word,
}

/// A word of the interface, as its JSON spells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Word(String);

impl Word {
    fn of(value: impl serde::Serialize) -> Self {
        // Callers pass only enums that serialize as plain words.
        let word = serde_json::to_value(value).ok();
        Self(word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default())
    }
}

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }
}

type Counts = Family<One, Counter>;
type Gauges = Family<One, Gauge<u64, AtomicU64>>;

#[derive(Default)]
struct Figures {
    sent: Counts,
    received: Counts,
    up: Gauges,
    down: Gauges,
    peers: Gauges,
    have: Gauges,
    total: Gauges,
    state: Family<InState, Gauge>,
    run: Family<One, Gauge<f64, AtomicU64>>,
    idle: Family<ByCause, Gauge>,
    idle_seconds: Family<ByCause, Counter<f64, AtomicU64>>,
}

impl Figures {
    fn register(&self, registry: &mut Registry) {
        let name = |name: &str| format!("minimodel_transfer_{name}");
        let mut counts = |text: &str, help: &str, family: &Counts| {
            registry.register(name(text), help, family.clone());
        };
        counts("sent_bytes", "Payload bytes sent in this run", &self.sent);
        counts("received_bytes", "Payload bytes received in this run", &self.received);
        let mut gauges = |text: &str, help: &str, family: &Gauges| {
            registry.register(name(text), help, family.clone());
        };
        gauges("up_bytes_per_second", "Payload bytes a second that go out", &self.up);
        gauges("down_bytes_per_second", "Payload bytes a second that come in", &self.down);
        gauges("peers", "Connected peers", &self.peers);
        gauges("have_bytes", "Bytes that are proven and on disk", &self.have);
        gauges("size_bytes", "Bytes of the artifact, 0 while not known", &self.total);
        registry.register(name("state"), "1 for the state it is in", self.state.clone());
        registry.register(name("idle"), "1 for the cause for which no byte moves now", self.idle.clone());
        registry.register(name("run_seconds"), "Seconds that this run has lasted", self.run.clone());
        let help = "Seconds of this run in which no byte moved, by cause";
        registry.register(name("idle_seconds"), help, self.idle_seconds.clone());
    }

    fn add(&self, transfer: &Transfer) {
        let (id, kind) = (transfer.id, Word::of(transfer.kind));
        let one = One { transfer: id, kind: kind.clone() };
        self.sent.get_or_create(&one).inc_by(transfer.sent_bytes);
        self.received.get_or_create(&one).inc_by(transfer.received_bytes);
        self.up.get_or_create(&one).set(transfer.up_rate);
        self.down.get_or_create(&one).set(transfer.down_rate);
        self.peers.get_or_create(&one).set(transfer.peers.len() as u64);
        self.have.get_or_create(&one).set(transfer.have_bytes);
        self.total.get_or_create(&one).set(transfer.total_bytes);
        self.run.get_or_create(&one).set(transfer.run_seconds);
        for state in STATES {
            let labels = InState { transfer: id, kind: kind.clone(), state: Word::of(state) };
            self.state.get_or_create(&labels).set(i64::from(state == transfer.state));
        }
        let by = |cause: Cause| ByCause { transfer: id, kind: kind.clone(), cause: Word::of(cause) };
        for (cause, seconds) in &transfer.idle_seconds {
            self.idle_seconds.get_or_create(&by(*cause)).inc_by(*seconds);
            // A past cause stays, with 0, so that its series does not break off.
            self.idle.get_or_create(&by(*cause)).set(0);
        }
        if let Some(cause) = transfer.cause {
            self.idle.get_or_create(&by(cause)).set(1);
        }
    }
}

fn render(status: &Status) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    let build = Info::new(vec![("version", status.version.clone())]);
    registry.register("minimodel_build", "What runs", build);
    let figures = Figures::default();
    figures.register(&mut registry);
    status.transfers.iter().for_each(|transfer| figures.add(transfer));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}
