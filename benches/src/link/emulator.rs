//! The loop that moves packets over a link: one thread reads both ends, hands packets to the [model](super::model) and
//! hands out those that are due. One thread, because the machine's cores belong to the programs under test.

use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::thread::gettid;
use rustix::time::{ClockId, clock_gettime};

use super::model::{Counts, Direction, Fate, Profile};
use super::stats::{Lateness, Timeline};

/// Packets read before those that are due are handed out again.
const BATCH: usize = 64;
/// The shortest sleep while packets are on their way: packets are moved in batches, since a wake-up for each would take
/// processor time from the programs under test. It makes a packet late by this at most.
const STEP: Duration = Duration::from_micros(50);
/// The longest sleep, so that a stop is noticed.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);
/// Room for a packet as the ends may hand it in; a UDP datagram can be this large before the model refuses it.
const ROOM: usize = 1 << 16;

/// A direction of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the side that serves to the side that fetches.
    Down,
    /// Back.
    Up,
}

/// A packet that an end handed in; its bytes are in the buffer.
#[derive(Clone, Copy, Debug)]
pub struct Taken<R> {
    /// The direction in which it wants to go.
    pub way: Way,
    /// Its flow: the number of the serving program.
    pub flow: usize,
    /// What the ends need to hand it out again.
    pub route: R,
    /// Bytes in the buffer.
    pub length: usize,
    /// Bytes of it as an IP packet.
    pub wire_bytes: u32,
}

/// Both ends of a link. Nothing here may block but [`Ends::wait`].
pub trait Ends: Send + 'static {
    /// What [`Ends::deliver`] needs to know of a packet.
    type Route: Send + 'static;

    /// Reads the next waiting packet into `buffer`; none where nothing waits.
    ///
    /// # Errors
    /// A device or socket that no longer works.
    fn take(&mut self, buffer: &mut [u8]) -> io::Result<Option<Taken<Self::Route>>>;

    /// Hands out a packet. What the other end cannot take is lost.
    fn deliver(&mut self, way: Way, route: &Self::Route, packet: &[u8]);

    /// Sleeps until a packet waits, but no longer than `at_most`.
    ///
    /// # Errors
    /// A device or socket that no longer works.
    fn wait(&self, at_most: Timespec) -> io::Result<()>;
}

/// The measurements of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How long it ran.
    pub wall: Duration,
    /// Seconds of a core that the loop itself used.
    pub cpu: Duration,
    /// Counters towards the fetching side.
    pub down: Counts,
    /// Counters towards the serving side.
    pub up: Counts,
    /// Bytes that arrived at the fetching side, by flow.
    pub flows: Vec<Timeline>,
    /// How late packets were handed out.
    pub lateness: Lateness,
}

/// A link that runs until it is stopped.
#[derive(Debug)]
pub struct Running<E> {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<(E, io::Result<Outcome>)>>,
    since: Instant,
}

impl<E: Ends> Running<E> {
    /// Starts the loop over `ends` for `flows` serving programs. Packets that already wait at the ends are discarded.
    ///
    /// # Errors
    /// No thread can be had, or an end no longer works.
    pub fn start(mut ends: E, profile: Profile, flows: usize, seed: u64) -> io::Result<Self> {
        let mut buffer = vec![0; ROOM];
        while ends.take(&mut buffer)?.is_some() {}
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let (ready, is_ready) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("link".into()).spawn(move || {
            go_first();
            let since = Instant::now();
            // `start` waits for this message.
            let _ = ready.send(since);
            let mut line = Line::new(ends, profile, flows, seed, since);
            let outcome = line.run(&seen, &mut buffer);
            (line.ends, outcome)
        })?;
        let since = is_ready.recv().map_err(|_| io::Error::other("the link's thread panicked"))?;
        Ok(Self { stop, thread: Some(thread), since })
    }

    /// The moment that all times of the outcome count from.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Ends the loop. The ends can be used again.
    ///
    /// # Errors
    /// The error that ended the loop early.
    pub fn stop(mut self) -> io::Result<(E, Outcome)> {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return Err(io::Error::other("stopped before")) };
        let (ends, outcome) = thread.join().map_err(|_| io::Error::other("the link's thread panicked"))?;
        Ok((ends, outcome?))
    }
}

impl<E> Drop for Running<E> {
    /// Ends the loop soon after the link is dropped.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Packet<R> {
    flow: usize,
    route: R,
    bytes: Box<[u8]>,
    wire_bytes: u32,
}

struct Line<E: Ends> {
    ends: E,
    since: Instant,
    down: Direction<Packet<E::Route>>,
    up: Direction<Packet<E::Route>>,
    flows: Vec<Timeline>,
    lateness: Lateness,
}

impl<E: Ends> Line<E> {
    fn new(ends: E, profile: Profile, flows: usize, seed: u64, since: Instant) -> Self {
        // Each direction has its own random losses, so that the two do not lose the same packets.
        let (down, up) = (Direction::new(profile, seed), Direction::new(profile, !seed));
        Self { ends, since, down, up, flows: vec![Timeline::default(); flows], lateness: Lateness::default() }
    }

    fn run(&mut self, stop: &AtomicBool, buffer: &mut [u8]) -> io::Result<Outcome> {
        while !stop.load(Ordering::Relaxed) {
            self.hand_out(Way::Down);
            self.hand_out(Way::Up);
            if !self.take_in(buffer)? {
                self.sleep()?;
            }
        }
        Ok(Outcome {
            wall: self.since.elapsed(),
            cpu: thread_cpu(),
            down: self.down.counts(),
            up: self.up.counts(),
            flows: std::mem::take(&mut self.flows),
            lateness: std::mem::take(&mut self.lateness),
        })
    }

    /// Hands out what is due.
    fn hand_out(&mut self, way: Way) {
        let mut now = self.since.elapsed();
        let line = match way {
            Way::Down => &mut self.down,
            Way::Up => &mut self.up,
        };
        while let Some((due, packet)) = line.arrival(now) {
            self.ends.deliver(way, &packet.route, &packet.bytes);
            now = self.since.elapsed();
            self.lateness.record(now.saturating_sub(due));
            if way == Way::Down
                && let Some(flow) = self.flows.get_mut(packet.flow)
            {
                flow.record(now, packet.wire_bytes);
            }
        }
    }

    /// Takes in a batch; false when nothing waits any more.
    fn take_in(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        for _ in 0..BATCH {
            let Some(Taken { way, flow, route, length, wire_bytes }) = self.ends.take(buffer)? else {
                return Ok(false);
            };
            let packet = Packet { flow, route, bytes: buffer[..length].into(), wire_bytes };
            let line = match way {
                Way::Down => &mut self.down,
                Way::Up => &mut self.up,
            };
            let _: Fate = line.offer(self.since.elapsed(), wire_bytes, packet);
        }
        Ok(true)
    }

    /// Sleeps until a packet is due or waits.
    fn sleep(&self) -> io::Result<()> {
        let next = [self.down.next_arrival(), self.up.next_arrival()].into_iter().flatten().min();
        if next.is_some() {
            std::thread::sleep(STEP);
        }
        let left = next.map_or(LONGEST_SLEEP, |due| due.saturating_sub(self.since.elapsed()));
        let nanos = left.min(LONGEST_SLEEP).subsec_nanos();
        self.ends.wait(Timespec { tv_sec: 0, tv_nsec: nanos.into() })
    }
}

/// Gives this thread real-time priority: a real line does not slow down where its ends are busy. That takes root and `chrt`
/// (util-linux); without them the thread competes with ordinary ones, and the lateness shows the effect.
fn go_first() {
    let mut command = Command::new("chrt");
    command.args(["--rr", "--pid", "1", &gettid().as_raw_nonzero().to_string()]);
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

fn thread_cpu() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(used.tv_sec).unwrap_or(0), u32::try_from(used.tv_nsec).unwrap_or(0))
}
