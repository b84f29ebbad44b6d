//! Costs without a network: signatures, and bitfields of the largest artifact that is allowed.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use minimodel_swarm::machine::{Config, Conn, Input, Machine, Output, Site, Time};
use minimodel_wire::limits::MAX_CHUNK_COUNT;
use minimodel_wire::{
    Bitfield, Consent, Decoder, Frame, Hello, Offer, PeerId, SignedOffer, UncheckedOffer, WireAddress,
};

use super::{Cost, used};

/// Where a member sees another one.
const SEEN: ([u8; 4], u16) = ([203, 0, 113, 7], 47_000);

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let (before, _) = used();
    let done = black_box(work());
    (done, used().0 - before)
}

fn config(consent: Consent) -> Config {
    let terms = minimodel_sim::terms(u64::from(MAX_CHUNK_COUNT) << 14, 1 << 14);
    minimodel_sim::config(PeerId([9; 32]), terms, consent)
}

struct Harness {
    machine: Machine,
    hello: Hello,
    next: u64,
}

impl Harness {
    fn new(have: Bitfield) -> Self {
        Self::of(Consent::FETCH | Consent::SERVE, have)
    }

    /// We and all peers have these consents.
    fn of(consent: Consent, have: Bitfield) -> Self {
        let config = config(consent);
        let hello = minimodel_sim::hello(&config.terms, consent);
        Self { machine: Machine::new(config, have, BTreeMap::new()), hello, next: 0 }
    }

    /// Measures a frame from its bytes on the wire to the encoded frames that answer it, without sending them.
    fn frame(&mut self, conn: Conn, frame: &Frame) -> (Duration, Duration) {
        let (bytes, theirs) = timed(|| frame.encode());
        let ((), ours) = timed(|| {
            let mut decoder = Decoder::new(Some(MAX_CHUNK_COUNT));
            decoder.push(&bytes);
            let frame = decoder.next().unwrap().unwrap();
            self.machine.handle(Time::ZERO, Input::Frame { conn, frame });
            while let Some(output) = self.machine.poll() {
                match output {
                    Output::Send { frame, .. } => drop(black_box(frame.encode())),
                    Output::Introduce { sides: [asker, target] } => {
                        let seen = WireAddress::seen(SEEN.into()).unwrap();
                        for (side, other) in [(&asker, &target), (&target, &asker)] {
                            black_box(side.told_of(other, seen).encode());
                        }
                    }
                    _ => {}
                }
            }
        });
        (theirs, ours)
    }

    /// The key of the peer that joined last.
    fn key(&self) -> PeerId {
        let mut key = [3; 32];
        key[..8].copy_from_slice(&self.next.to_le_bytes());
        PeerId(key)
    }

    /// Connects a new peer, and measures its Hello.
    fn join(&mut self) -> (Conn, (Duration, Duration)) {
        self.next += 1;
        let (conn, peer) = (Conn(self.next), self.key());
        self.machine.handle(
            Time::ZERO,
            Input::Connected { conn, peer, site: Site::of(Ipv4Addr::LOCALHOST.into()), dialed: false },
        );
        let hello = Frame::Hello(self.hello.clone());
        (conn, self.frame(conn, &hello))
    }
}

fn cost(what: &'static str, (theirs, ours): (Duration, Duration), bytes: (u64, u64)) -> Cost {
    Cost { what, times: 1, ours, theirs, bytes: Some(bytes) }
}

pub(crate) fn costs() -> Vec<Cost> {
    let mut costs = offers();
    let mixed = || {
        let mut have = Bitfield::full(MAX_CHUNK_COUNT);
        have.clear(7);
        have
    };
    let bits = u64::from(MAX_CHUNK_COUNT) / 8;
    let mut harness = Harness::new(mixed());
    let (_, hello) = harness.join();
    costs.push(cost("`Hello` to who has some of 2^24 chunks", hello, (168, bits)));
    let mut harness = Harness::new(Bitfield::new(MAX_CHUNK_COUNT));
    for (what, field, came) in [
        ("`Bitfield`: none of 2^24", Bitfield::new(MAX_CHUNK_COUNT), 11),
        ("`Bitfield`: all of 2^24", Bitfield::full(MAX_CHUNK_COUNT), 11),
        ("`Bitfield`: all but one of 2^24", mixed(), bits),
    ] {
        let (conn, _) = harness.join();
        let spent = harness.frame(conn, &Frame::Bitfield(field));
        costs.push(cost(what, spent, (came, 0)));
    }
    let (conn, _) = harness.join();
    harness.frame(conn, &Frame::Bitfield(Bitfield::full(MAX_CHUNK_COUNT)));
    let spent = harness.frame(conn, &Frame::DontHave { index: 7 });
    costs.push(cost("first `DontHave` of who had all of 2^24", spent, (10, 0)));
    costs.push(introductions());
    costs
}

/// Members that ask for introductions to each other, a pair at a time.
fn introductions() -> Cost {
    const PAIRS: u32 = 32;
    let all = Consent::FETCH | Consent::SERVE | Consent::PUBLISH;
    let mut harness = Harness::of(all, Bitfield::new(MAX_CHUNK_COUNT));
    let member = |harness: &mut Harness| {
        let (conn, _) = harness.join();
        harness.frame(conn, &Frame::Bitfield(Bitfield::new(MAX_CHUNK_COUNT)));
        (conn, harness.key())
    };
    let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..PAIRS {
        let ((asker, _), (_, peer)) = (member(&mut harness), member(&mut harness));
        let spent = harness.frame(asker, &Frame::Introduce { peer });
        (theirs, ours) = (theirs + spent.0, ours + spent.1);
    }
    let bytes = |each: u64| each * u64::from(PAIRS);
    Cost { what: "`Introduce`", times: PAIRS, ours, theirs, bytes: Some((bytes(38), bytes(124))) }
}

fn offers() -> Vec<Cost> {
    const TIMES: u32 = 500;
    let key = SigningKey::from_bytes(&[7; 32]);
    let offer = Offer {
        peer: PeerId(key.verifying_key().to_bytes()),
        swarm_id: [1; 32],
        addresses: vec![([192, 0, 2, 7], 47_000).into()],
        expires_unix: minimodel_sim::UNIX_AT_START + 3_600,
    };
    let (signed, theirs) = timed(|| {
        let sign = || SignedOffer::sign(offer.clone(), &key).unwrap();
        (1..TIMES).fold(sign(), |_, _| black_box(sign()))
    });
    let bytes = Bytes::from(signed.to_bytes());
    let len = bytes.len() as u64 * u64::from(TIMES);
    let (_, read) = timed(|| (0..TIMES).for_each(|_| drop(black_box(UncheckedOffer::read(bytes.clone())))));
    let unchecked = UncheckedOffer::read(bytes).unwrap();
    let (_, checked) = timed(|| (0..TIMES).for_each(|_| drop(black_box(unchecked.clone().check()))));
    let row = |what, ours, theirs| Cost { what, times: TIMES, ours, theirs, bytes: Some((len, 0)) };
    vec![
        row("offer that is read and not checked", read, Duration::ZERO),
        row("offer whose signature is checked, forged", checked, Duration::ZERO),
        row("offer whose signature is checked, newly signed", checked, theirs),
    ]
}
