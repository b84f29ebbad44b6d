//! The connections of a session, from the end of their handshakes to their close.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use minimodel_wire::{CloseCode, Consent, Frame, Nat, NoMeeting, PeerId, WireAddress};
use quinn::{Connection, VarInt};
use tokio::task::{AbortHandle, JoinSet};

use super::connection::{Link, LinkSettings};
use super::counters::Totals;
use super::dial::Dialer;
use super::door::Door;
use super::error::DriverError;
use super::meeting::Rendezvous;
use super::messages::{Origin, TaskMessage};
use super::newcomers::Place;
use super::node::Node;
use super::registrations::{Registered, Registration};
use super::report::{Over, PeerPath, PeerView};
use super::samples::PeerSample;
use super::seen_address::canonical;
use super::transport;
use super::workers::Tasks;
use crate::machine::{Config, Conn, Input, PeerState, Side, Time};

/// A peer is told again after this long at what address it is seen: what it was told fades (`observed.rs`).
const TELL_EVERY: Duration = Duration::from_secs(20 * 60);

/// The open connections of a session, and those that are about to be closed.
pub(super) struct Links {
    node: Node,
    dialer: Dialer,
    /// Its drop ends the acceptance of connections.
    registration: Option<Registration>,
    settings: LinkSettings,
    open: BTreeMap<Conn, Open>,
    /// Dials and meetings that may still be under way.
    dials: Vec<(PeerId, AbortHandle)>,
    next_conn: u64,
    /// Connections that are closed once their last frames and answers are delivered.
    pending_closes: JoinSet<()>,
}

/// One open connection.
struct Open {
    link: Link,
    /// The peer's address in the handshake.
    from: SocketAddr,
    peer: PeerId,
    /// Newcomer place of an incoming connection, held until it is introduced.
    place: Option<Place>,
    /// The peer's Hello agreed with this node's.
    is_introduced: bool,
    /// What the peer was told last of its address as seen from here, and when; `None`: it is not told.
    told: Option<Told>,
}

/// What a peer was told of addresses.
#[derive(Clone, Copy)]
struct Told {
    /// Its own, as seen from here.
    address: SocketAddr,
    /// How routers translate this node's.
    nat: Nat,
    at: Instant,
}

impl Links {
    /// A session that serves takes incoming connections from here on, if the node answers any.
    ///
    /// # Errors
    ///
    /// Another session of the node takes those of the same swarm.
    pub(super) fn new(
        node: &Node,
        config: &Config,
        settings: LinkSettings,
        door: Door,
    ) -> Result<Self, DriverError> {
        let serves = config.consent.contains(Consent::SERVE);
        let dialer = Dialer { serves: node.dialer.serves && serves, ..node.dialer.clone() };
        let listener = node.listener.as_ref().filter(|_| serves);
        let session = Registered { inbox: settings.inbox.clone(), door };
        let registration = listener.map(|listener| listener.register(&dialer, &config.terms, session));
        Ok(Self {
            node: node.clone(),
            dialer,
            registration: registration.transpose()?,
            settings,
            open: BTreeMap::new(),
            dials: Vec::new(),
            next_conn: 0,
            pending_closes: JoinSet::new(),
        })
    }

    /// Dials a peer; the task reports the connection or the failure.
    pub(super) fn dial(
        &mut self,
        peer: PeerId,
        addresses: Vec<SocketAddr>,
        pex_addresses: Vec<SocketAddr>,
        tasks: &mut Tasks,
    ) {
        let dialing = self.dialer.clone().dial(peer, addresses, pex_addresses);
        let task = tasks.report(async move {
            match dialing.await {
                Ok(connection) => dialed(connection, peer),
                Err(fault) => TaskMessage::Input(Input::DialFailed {
                    peer,
                    wrong_key: fault.wrong_key,
                    code: fault.code,
                }),
            }
        });
        self.note_dial(peer, task);
    }

    /// Meets a peer that the member `by` introduced; the task reports the connection, or that the meeting is over.
    pub(super) fn meet(&mut self, peer: PeerId, by: PeerId, at: Rendezvous, tasks: &mut Tasks) {
        let meeting = self.dialer.clone().meet(peer, at);
        let task = tasks.report(async move {
            match meeting.await {
                Ok(connection) => dialed(connection, peer),
                Err(sent) => TaskMessage::Input(Input::MeetingEnded { peer, by, sent }),
            }
        });
        self.note_dial(peer, task);
    }

    fn note_dial(&mut self, peer: PeerId, task: AbortHandle) {
        self.dials.retain(|(_, task)| !task.is_finished());
        self.dials.push((peer, task));
    }

    /// Tells two peers of each other, the first of which asked for it.
    pub(super) fn introduce(&self, sides: &[Side; 2]) {
        let [asker, target] = sides;
        let (seen, other) = (self.proved_address(asker.conn), self.proved_address(target.conn));
        match (seen, other) {
            (Some(seen), Some(other)) if seen.get().is_ipv4() == other.get().is_ipv4() => {
                self.tell(asker.conn, &asker.told_of(target, other));
                self.tell(target.conn, &target.told_of(asker, seen));
            }
            _ => {
                let reason = NoMeeting::NoAddress;
                self.tell(asker.conn, &Frame::NoMeet { peer: target.peer, reason });
            }
        }
    }

    fn tell(&self, conn: Conn, frame: &Frame) {
        if let Some((link, _)) = self.get(conn) {
            link.send(frame);
        }
    }

    /// The address at which a peer is seen now, if its host is the one that it proved to be at in the handshake.
    fn proved_address(&self, conn: Conn) -> Option<WireAddress> {
        let open = self.open.get(&conn)?;
        let seen = WireAddress::seen(open.link.connection.remote_address());
        seen.filter(|seen| seen.get().ip() == open.from.ip().to_canonical())
    }

    /// Takes a connection whose handshake is done, with the peer's address in it.
    pub(super) fn add(
        &mut self,
        connection: Connection,
        from: SocketAddr,
        peer: PeerId,
        origin: Origin,
    ) -> Conn {
        let conn = Conn(self.next_conn);
        self.next_conn += 1;
        let (opening, place) = match origin {
            Origin::Dialed => {
                // Another dial would end in a second connection, and one of them in a close.
                let others = self.dials.extract_if(.., |(other, _)| *other == peer);
                others.for_each(|(_, task)| task.abort());
                (None, None)
            }
            Origin::Accepted { opening, place } => (Some(opening), Some(place)),
        };
        let link = Link::start(connection, conn, opening, &self.settings);
        self.open.insert(conn, Open { link, from, peer, place, is_introduced: false, told: None });
        conn
    }

    /// The link to an open connection, and its peer.
    pub(super) fn get(&self, conn: Conn) -> Option<(&Link, PeerId)> {
        self.open.get(&conn).map(|open| (&open.link, open.peer))
    }

    /// Sends a frame. A bitfield introduces the peer: its Hello was good.
    pub(super) fn send(&mut self, conn: Conn, frame: &Frame) {
        let Some(open) = self.open.get_mut(&conn) else { return };
        if let Frame::Bitfield(_) = frame {
            // From here on the peer may send requests, and this node may fetch from it.
            if self.dialer.serves {
                let streams = VarInt::from_u32(transport::STREAMS_AFTER_HELLO);
                open.link.connection.set_max_concurrent_bi_streams(streams);
            }
            open.is_introduced = true;
            open.place = None;
            self.share_windows();
        }
        if let Some((link, _)) = self.get(conn) {
            link.send(frame);
        }
    }

    /// Tells a peer at which address it is seen.
    pub(super) fn tell_observed(&mut self, conn: Conn) {
        let Some(open) = self.open.get_mut(&conn) else { return };
        let address = canonical(open.link.connection.remote_address());
        let nat = self.dialer.observations.nat(address.is_ipv4());
        open.told = Some(Told { address, nat, at: Instant::now() });
        if let Ok(address) = WireAddress::try_from(address) {
            open.link.send(&Frame::Observed { address, nat });
        }
    }

    /// Tells peers anew whose address has changed since, or who heard it long ago.
    pub(super) fn retell_observed(&mut self) {
        let nats = [false, true].map(|is_ipv4| self.dialer.observations.nat(is_ipv4));
        let is_due = |open: &Open| {
            let seen = canonical(open.link.connection.remote_address());
            let nat = nats[usize::from(seen.is_ipv4())];
            open.told.is_some_and(|told| {
                told.address != seen || told.nat != nat || told.at.elapsed() >= TELL_EVERY
            })
        };
        let due: Vec<Conn> =
            self.open.iter().filter(|(_, open)| is_due(open)).map(|(&conn, _)| conn).collect();
        due.into_iter().for_each(|conn| self.tell_observed(conn));
    }

    /// Notes the address at which a peer sees this node. Returns true if the node's offer should name others now.
    pub(super) fn observed(&self, conn: Conn, address: SocketAddr) -> bool {
        let Some(open) = self.open.get(&conn) else { return false };
        let observations = &self.dialer.observations;
        observations.note(observations.now(), open.from, address)
    }

    /// The node.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// Divides the memory for bytes in flight among the introduced peers; other peers get next to nothing.
    fn share_windows(&self) {
        let introduced = self.open.values().filter(|open| open.is_introduced);
        let count = introduced.clone().count();
        for Open { link, .. } in introduced {
            let (receive, send) = transport::windows_of(link.connection.remote_address(), count);
            link.connection.set_send_window(send);
            if self.settings.fetches
                && let Ok(receive) = VarInt::from_u64(receive)
            {
                link.connection.set_receive_window(receive);
            }
        }
    }

    /// Removes a connection that has ended, or is to be closed.
    pub(super) fn remove(&mut self, conn: Conn) -> Option<Link> {
        let Open { link, is_introduced, .. } = self.open.remove(&conn)?;
        if is_introduced {
            self.share_windows();
        }
        Some(link)
    }

    /// Ends a connection with a code.
    pub(super) fn close(&mut self, conn: Conn, code: CloseCode) {
        if let Some(pending) = self.remove(conn).and_then(|link| link.close(code)) {
            self.pending_closes.spawn(pending);
        }
    }

    /// Ends every connection with a code, and takes no more.
    pub(super) fn close_all(&mut self, code: CloseCode) {
        self.registration = None;
        let left: Vec<Conn> = self.open.keys().copied().collect();
        left.into_iter().for_each(|conn| self.close(conn, code));
    }

    /// Waits until each connection is closed with its own code, up to the longest drain time.
    pub(super) async fn all_closed(&mut self) {
        let all_closed = async { while self.pending_closes.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(transport::MAX_DRAIN_TIME, all_closed).await;
        self.pending_closes.abort_all();
        while self.pending_closes.join_next().await.is_some() {}
    }

    /// Repeats the closes for `grace` to peers that have not received them. Connections to a node of this one session that
    /// never came this far are closed with `code`.
    pub(super) fn drained(&self, code: CloseCode, grace: Duration) -> impl Future<Output = ()> + 'static {
        let node = self.node.clone();
        async move { node.drain(code, grace).await }
    }

    /// Removes the tasks of closes that are done.
    pub(super) fn reap(&mut self) {
        while self.pending_closes.try_join_next().is_some() {}
    }

    /// The open connections.
    pub(super) fn connections(&self) -> Vec<Connection> {
        self.open.values().map(|open| open.link.connection.clone()).collect()
    }

    /// Samples every connection: what moved on it since the last call, and what the machine thinks of its peer.
    pub(super) fn sample(
        &mut self,
        now: Time,
        state_of: impl Fn(Conn) -> Option<PeerState>,
    ) -> Vec<PeerSample> {
        let sample = |(&conn, open): (&Conn, &mut Open)| {
            let (path, state) = (open.link.sample_path(now), state_of(conn).unwrap_or_default());
            PeerSample { conn, path, state, is_unread: open.link.is_unread(), idle: None }
        };
        self.open.iter_mut().map(sample).collect()
    }

    /// Probes silent peers: only an answer to a packet tells a silent peer from a silent path. A repeated Interested
    /// says nothing new, and the peer's QUIC acknowledges it.
    pub(super) fn probe(&self, samples: &[PeerSample]) {
        let is_silent = |one: &&PeerSample| one.state.requests > 0 && !one.path.is_heard && one.state.useful;
        for one in samples.iter().filter(is_silent) {
            if let Some((link, _)) = self.get(one.conn) {
                link.send(&Frame::Interested);
            }
        }
    }

    /// What a snapshot says of a connected peer; `None` if the connection is over.
    pub(super) fn view(&self, sample: &PeerSample) -> Option<PeerView> {
        let ((link, peer), state) = (self.get(sample.conn)?, sample.state);
        let address = canonical(link.connection.remote_address());
        let is_mapped = self.dialer.observations.is_mapped();
        Some(PeerView {
            peer,
            received_bytes: link.counters.received(),
            sent_bytes: link.counters.sent(),
            down_rate: sample.path.down_rate,
            up_rate: sample.path.up_rate,
            choking_us: state.choking_us,
            we_choke: state.we_choke,
            interested: state.interested,
            requests: state.requests,
            asks: state.asks,
            have: state.have,
            idle: sample.idle,
            path: PeerPath {
                address,
                rtt: link.connection.rtt(),
                found: state.found,
                over: Over::of(address, state.found, is_mapped),
            },
            blamed: state.blamed,
        })
    }

    /// Counters of all connections of the session, also of those that are over.
    pub(super) fn totals(&self) -> &Arc<Totals> {
        &self.settings.totals
    }
}

/// A dial that led to a connection. A server's address does not change afterwards.
fn dialed(connection: Connection, peer: PeerId) -> TaskMessage {
    let from = connection.remote_address();
    TaskMessage::Connected { connection, from, peer, origin: Origin::Dialed }
}

#[cfg(test)]
impl Links {
    /// The addresses of the open connections: in the handshake, and now.
    pub(super) fn addresses(&self) -> Vec<(SocketAddr, SocketAddr)> {
        self.open.values().map(|open| (open.from, open.link.connection.remote_address())).collect()
    }

    /// Connections that are open.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// Connections there were so far.
    pub(super) fn opened(&self) -> u64 {
        self.next_conn
    }
}
