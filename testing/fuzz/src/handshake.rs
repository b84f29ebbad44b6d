//! The control stream and other inputs of a peer before and after its Hello, checked against a model of the handshake.

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_swarm::machine::{Ask, Breach, Conn, Event, Input, Machine, Output, Time};
use minimodel_wire::{Bitfield, CloseCode, Consent, Decoder, Frame, Hello, ManifestOnly, PROTOCOL_VERSION};

use crate::samples::{self, CHUNKS};
use crate::source::Source;

const CONN: Conn = Conn(1);

/// The first two bytes choose the machine's consent, its chunks, and which side opened the connection; then come pieces of
/// the control stream, whole frames, requests, and time.
///
/// # Panics
/// When a peer joins without a good Hello and a Bitfield, a peer that has not joined gets a request or a chunk, a good
/// handshake is refused, or an invariant of the machine breaks.
pub fn handshake(data: &[u8]) {
    let mut source = Source::new(data);
    let (setup, have) = (source.byte(), source.byte());
    let mut harness = Harness::new(setup, have);
    let (peer, site) = (samples::id(have & 7), samples::site(have & 7));
    harness.tell(Input::Connected { conn: CONN, peer, site, dialed: setup & 0x40 != 0 }, None);
    while !source.is_empty() && harness.phase != Phase::Gone {
        match source.byte() % 10 {
            0..=3 => {
                let len = source.byte().into();
                let piece = source.take(len).to_vec();
                harness.read(&piece);
            }
            4..=6 => {
                let frame = frame(&mut source);
                harness.read(&frame.encode());
            }
            7 => harness.wait(Duration::from_millis(u64::from(source.byte()) * 100)),
            8 => harness.ask(&mut source),
            _ => harness
                .tell(Input::Rtt { conn: CONN, rtt: Duration::from_millis(source.byte().into()) }, None),
        }
    }
    if harness.phase != Phase::Gone {
        harness.tell(Input::Closed { conn: CONN, code: None }, None);
    }
    assert!(harness.machine.is_idle(), "nothing is left of a connection that is gone");
}

/// A whole frame, which a fuzzer would take long to find.
fn frame(source: &mut Source<'_>) -> Frame {
    let (what, a) = (source.byte() % 14, source.byte());
    match what {
        0..=2 => Frame::Hello(samples::hello(samples::consent(a))),
        3 => Frame::Hello(wrong_hello(a)),
        4 => {
            let (version, swarm_id) = (PROTOCOL_VERSION, if a & 1 == 0 { [1; 32] } else { [2; 32] });
            Frame::ManifestOnly(ManifestOnly { version, swarm_id, software: "fuzz/1".to_owned() })
        }
        5 | 6 => Frame::Bitfield(bitfield(source.u32())),
        7 => Frame::Have { indexes: vec![u32::from(a) % (CHUNKS + 1)] },
        8 => Frame::DontHave { index: u32::from(a) % (CHUNKS + 1) },
        9 => [Frame::Choke, Frame::Unchoke, Frame::Interested, Frame::NotInterested][usize::from(a % 4)]
            .clone(),
        10 => Frame::Unchoke,
        11 => Frame::Bye { code: CloseCode::ALL[usize::from(a) % CloseCode::ALL.len()] },
        12 => Frame::Ignored { kind: 0x8000 + u16::from(a) },
        _ => {
            let offers = samples::offers();
            let mut bytes = offers[usize::from(a) % offers.len()].to_bytes();
            if a & 0x80 != 0 {
                bytes[40] ^= 1;
            }
            Frame::Peers { offers: vec![bytes.into()] }
        }
    }
}

/// A Hello with one field of another swarm.
fn wrong_hello(which: u8) -> Hello {
    let mut hello = samples::hello(samples::consent(which >> 3));
    match which % 7 {
        0 => hello.artifact_sha256[0] ^= 1,
        1 => hello.license_sha256[1] ^= 1,
        2 => hello.evidence_sha256[2] ^= 1,
        3 => hello.swarm_id[3] ^= 1,
        4 => hello.chunk_size *= 2,
        5 => hello.chunk_count += 1,
        _ => hello.consent = Consent::NONE,
    }
    hello
}

/// The chunks whose bit is set; all chunks if the high bit is set.
pub(crate) fn bitfield(bits: u32) -> Bitfield {
    if bits >> 31 == 1 {
        return Bitfield::full(CHUNKS);
    }
    let mut field = Bitfield::new(CHUNKS);
    for index in (0..CHUNKS).filter(|index| bits >> index & 1 == 1) {
        field.set(index);
    }
    field
}

/// The phase of the handshake, in the words of `docs/protocol.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Hello,
    Bitfield,
    Ready,
    ManifestOnly,
    Gone,
}

struct Harness {
    machine: Machine,
    ours: Consent,
    now: Time,
    decoder: Decoder,
    phase: Phase,
    next_ask: u64,
}

impl Harness {
    fn new(setup: u8, have: u8) -> Self {
        let ours = samples::consent(setup);
        let mut config = samples::config(ours, 7);
        config.rescan = setup & 0x08 != 0;
        config.listening = setup & 0x10 != 0;
        if setup & 0x20 != 0 {
            config.limits = samples::tight();
        }
        let field = match have >> 3 {
            0 => Bitfield::full(CHUNKS),
            bits => bitfield(bits.into()),
        };
        let machine = Machine::new(config, field, BTreeMap::new());
        let decoder = Decoder::new(Some(CHUNKS));
        Self { machine, ours, now: Time::ZERO, decoder, phase: Phase::Hello, next_ask: 0 }
    }

    /// Passes bytes of the control stream to the machine, as the driver's reader does.
    fn read(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
        while self.phase != Phase::Gone {
            match self.decoder.next() {
                Ok(Some(frame)) => {
                    let next = self.expected(&frame);
                    self.tell(Input::Frame { conn: CONN, frame }, next);
                }
                Ok(None) => return,
                Err(error) => {
                    let breach = Breach::Malformed(error.close_code());
                    self.tell(Input::Broke { conn: CONN, breach }, Some(Phase::Gone));
                }
            }
        }
    }

    /// The phase to which this frame must lead; `None` after the handshake, where several outcomes are allowed.
    fn expected(&self, frame: &Frame) -> Option<Phase> {
        let next = match (self.phase, frame) {
            (Phase::Ready | Phase::Gone, _) => return None,
            (_, Frame::Bye { .. }) => Phase::Gone,
            (phase, Frame::Ignored { .. }) => phase,
            (Phase::Hello, Frame::Hello(hello)) if self.agrees(hello) => Phase::Bitfield,
            (Phase::Hello, Frame::ManifestOnly(asked))
                if asked.swarm_id == samples::terms().swarm_id && self.ours.contains(Consent::SERVE) =>
            {
                Phase::ManifestOnly
            }
            (Phase::Bitfield, Frame::Bitfield(_)) => Phase::Ready,
            _ => Phase::Gone,
        };
        Some(next)
    }

    fn agrees(&self, hello: &Hello) -> bool {
        let theirs = hello.consent;
        let same = Hello { consent: theirs, software: hello.software.clone(), ..samples::hello(theirs) };
        let helps =
            |giver: Consent, taker: Consent| giver.contains(Consent::SERVE) && taker.contains(Consent::FETCH);
        let introduces = |side: Consent| side.contains(Consent::SERVE | Consent::PUBLISH);
        let is_contact = introduces(self.ours) && introduces(theirs);
        *hello == same && (is_contact || helps(self.ours, theirs) || helps(theirs, self.ours))
    }

    fn ask(&mut self, source: &mut Source<'_>) {
        let ask = Ask(self.next_ask);
        self.next_ask += 1;
        let conn = CONN;
        let input = match source.byte() % 4 {
            0 => Input::AskedLeaves { ask, conn },
            1 => Input::AskedManifest { ask, conn },
            _ => Input::Asked { ask, conn, index: u32::from(source.byte()) % CHUNKS },
        };
        self.tell(input, None);
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.machine.wakeup().filter(|&at| at <= end) {
            assert!(at >= self.now, "a wakeup that lies in the past");
            self.now = at;
            self.tell(Input::Tick, None);
            assert!(self.machine.wakeup().is_none_or(|next| next > at), "woken again at once");
        }
        self.now = end;
        self.tell(Input::Tick, None);
    }

    /// Passes an input to the machine and checks all outputs against the model. `expected` is the phase that must follow.
    fn tell(&mut self, input: Input, expected: Option<Phase>) {
        let was = self.phase;
        let (mut joined, mut closed, mut count) = (false, matches!(input, Input::Closed { .. }), 0);
        self.machine.handle(self.now, input);
        while let Some(output) = self.machine.poll() {
            count += 1;
            joined |= matches!(output, Output::Event(Event::Joined { .. }));
            closed |= matches!(output, Output::Close { .. });
            // A request that came before the Hello is answered as soon as the Hello is accepted.
            let may = match expected {
                _ if joined => Phase::Ready,
                Some(next @ (Phase::Bitfield | Phase::ManifestOnly)) => next,
                _ => was,
            };
            self.may_say(may, &output);
        }
        assert!(count < 400, "{count} outputs at once");
        assert_eq!(self.machine.check_invariants(), Ok(()));
        let is_let_in = expected == Some(Phase::Ready);
        assert!(!joined || is_let_in, "let in from {was:?}");
        // A flood may end a connection whose handshake is good.
        assert!(joined || !is_let_in || closed, "refused a good introduction");
        assert!(closed || expected != Some(Phase::Gone), "it broke a rule and stays, in {was:?}");
        self.phase = if closed { Phase::Gone } else { expected.unwrap_or(was) };
        assert_eq!(self.machine.progress().peers, u32::from(self.phase == Phase::Ready));
    }

    /// Checks that a peer gets requests, chunks, leaf hashes and the manifest only in the phases that allow them.
    fn may_say(&self, phase: Phase, output: &Output) {
        let needs_ready = match output {
            Output::Request { .. } | Output::RequestLeaves { .. } | Output::Serve { .. } => true,
            Output::Keep { .. } => true,
            Output::Send { frame, .. } => matches!(
                frame,
                Frame::Have { .. } | Frame::Interested | Frame::Unchoke | Frame::Choke | Frame::NotInterested
            ),
            _ => false,
        };
        assert!(!needs_ready || phase == Phase::Ready, "{output:?} in {phase:?}");
        // After a good Hello: the Bitfield may arrive later than a request on another stream.
        let is_greeted = matches!(phase, Phase::Bitfield | Phase::Ready);
        if let Output::ServeLeaves { .. } = output {
            assert!(is_greeted && self.ours.contains(Consent::SERVE), "leaf hashes in {phase:?}");
        }
        if let Output::ServeManifest { .. } = output {
            assert!(is_greeted || phase == Phase::ManifestOnly, "the manifest in {phase:?}");
            assert!(self.ours.contains(Consent::SERVE));
        }
        if let Output::Request { .. } = output {
            assert!(self.ours.contains(Consent::FETCH));
        }
        if let Output::Serve { .. } = output {
            assert!(self.ours.contains(Consent::SERVE));
        }
    }
}
