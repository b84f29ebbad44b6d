//! All ways of one endpoint: what its transfers agreed to together decides what is announced, looked for and mapped.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use minimodel_reach::mapping::MappingState;
use minimodel_swarm::driver::{FoundPeer, FoundPeersSender, KnockFailed, Node, Way};
use minimodel_wire::PeerId;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::dht::{FromDht, Here, Lookout};
use super::event::{WayEvent, WayFault};
use super::knocking::{Knocker, Lead};
use super::lan::Neighbourhood;
use super::mapping::PortMapping;
use super::settings::{Ways, WaysSettings};
use super::wanted::{DhtMember, Wanted};
use crate::event::{Event, Watcher};

/// Events that may wait for a watcher.
const WAITING_EVENTS: usize = 256;
/// Most found peers of a transfer that its watcher is told of.
const MOST_TOLD: usize = 1_024;

/// A transfer that uses ways beyond offers.
pub(in super::super) struct Member {
    pub(in super::super) swarm: [u8; 32],
    /// What its user agreed to.
    pub(in super::super) ways: Ways,
    /// Others may find it: it serves and publishes.
    pub(in super::super) publishes: bool,
    /// It looks for peers to fetch from.
    pub(in super::super) fetches: bool,
    /// Peers that its user named by offers, which may be old.
    pub(in super::super) named: Vec<PeerId>,
    /// Takes the peers that are found.
    pub(in super::super) found: FoundPeersSender,
    pub(in super::super) watcher: Arc<dyn Watcher>,
}

impl Member {
    /// Returns true if it looks for others by this way.
    fn looks(&self, way: Way) -> bool {
        match way {
            Way::Lan => self.ways.lan && self.fetches,
            Way::Dht => self.ways.dht && (self.fetches || self.publishes),
        }
    }
}

/// A member, and the way to its watcher, which may block for as long as a user likes: what it does not take in time is dropped.
struct Joined {
    member: Member,
    events: SyncSender<WayEvent>,
    /// Peers of which its watcher was told.
    told: Mutex<BTreeSet<PeerId>>,
}

impl Joined {
    fn new(member: Member) -> std::io::Result<Self> {
        let (events, told) = sync_channel(WAITING_EVENTS);
        let watcher = member.watcher.clone();
        let tell = move || told.into_iter().for_each(|event| watcher.tell(Event::Way(Box::new(event))));
        std::thread::Builder::new().name("ways".to_owned()).spawn(tell)?;
        Ok(Self { member, events, told: Mutex::default() })
    }

    /// Returns true the first time that this peer is found for the transfer, of which only so many are remembered.
    fn is_news(&self, peer: PeerId) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < MOST_TOLD && told.insert(peer)
    }

    fn tell(&self, event: WayEvent) {
        let _ = self.events.try_send(event);
    }
}

impl Deref for Joined {
    type Target = Member;

    fn deref(&self) -> &Member {
        &self.member
    }
}

/// The ways of one endpoint. Nothing is bound or sent before a transfer joins that asks for it.
pub(in super::super) struct Hub {
    node: Node,
    handle: Handle,
    settings: WaysSettings,
    knocker: Knocker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    members: BTreeMap<u64, Arc<Joined>>,
    next: u64,
    lan: Option<Neighbourhood>,
    /// Says goodbye on the network that no transfer uses any more.
    goodbye: Option<JoinHandle<()>>,
    dht: Option<Lookout>,
    mapping: Option<PortMapping>,
    /// Has the router remove a mapping that no transfer wants any more.
    removal: Option<JoinHandle<()>>,
    /// The swarms for which the DHT last failed.
    failing: BTreeSet<[u8; 32]>,
}

impl State {
    /// Ends announcement and search on the network at hand.
    fn say_goodbye(&mut self, handle: &Handle) {
        if let Some(lan) = self.lan.take() {
            self.goodbye = Some(handle.spawn_blocking(move || lan.end()));
        }
    }
}

/// The part of one transfer, which leaves with its drop.
pub(in super::super) struct Membership {
    hub: Arc<Hub>,
    id: u64,
}

impl Hub {
    /// `handle`: the runtime of the node.
    pub(in super::super) fn new(node: Node, handle: Handle, settings: WaysSettings) -> Arc<Self> {
        let knocker = Knocker::new(node.clone(), handle.clone());
        Arc::new(Self { node, handle, settings, knocker, state: Mutex::default() })
    }

    /// Lets a transfer use the ways that its user agreed to.
    ///
    /// # Errors
    ///
    /// The system gives no thread to tell its watcher.
    pub(in super::super) fn join(self: &Arc<Self>, member: Member) -> std::io::Result<Membership> {
        let (member, mut state) = (Arc::new(Joined::new(member)?), self.lock());
        let id = state.next;
        state.next += 1;
        state.members.insert(id, member.clone());
        let mut told = Vec::new();
        if member.ways.map {
            told.push(WayEvent::Asked);
            // What the router said to those before.
            let now = state.mapping.as_ref().and_then(PortMapping::settled);
            told.extend(now.map(WayEvent::Mapping));
        }
        let mut begun = |way, outcome: Result<(), WayFault>| {
            told.push(match outcome {
                Ok(()) => WayEvent::Begun { way, is_found: member.publishes },
                Err(fault) => WayEvent::Failed { way, fault: Arc::new(fault) },
            });
        };
        if member.ways.dht {
            let dht = state.dht.get_or_insert_with(|| self.lookout());
            let Member { swarm, publishes, fetches, ref named, .. } = member.member;
            begun(Way::Dht, dht.add(id, DhtMember { swarm, publishes, fetches, named: named.clone() }));
        }
        if member.ways.lan {
            begun(Way::Lan, self.follow_lan(&mut state));
        }
        self.follow_mapping(&mut state);
        told.into_iter().for_each(|event| member.tell(event));
        Ok(Membership { hub: self.clone(), id })
    }

    fn leave(self: &Arc<Self>, id: u64) {
        let mut state = self.lock();
        let Some(member) = state.members.remove(&id) else { return };
        if let Some(dht) = &state.dht {
            dht.remove(id);
        }
        if member.ways.lan {
            // A goodbye that could not be sent is one that others notice later.
            let _ = self.follow_lan(&mut state);
        }
        self.follow_mapping(&mut state);
    }

    /// Announces and looks for what the members together agreed to.
    fn follow_lan(self: &Arc<Self>, state: &mut State) -> Result<(), WayFault> {
        let of = |is_meant: fn(&Member) -> bool| {
            let mut swarms: Vec<[u8; 32]> = Vec::new();
            let members = state.members.values().filter(|member| member.ways.lan && is_meant(member));
            for member in members {
                if !swarms.contains(&member.swarm) {
                    swarms.push(member.swarm);
                }
            }
            swarms
        };
        let wanted = Wanted { announced: of(|member| member.publishes), sought: of(|member| member.fetches) };
        if wanted == Wanted::default() {
            state.say_goodbye(&self.handle);
            return Ok(());
        }
        let lan = state.lan.get_or_insert_with(|| {
            let hub = Arc::downgrade(self);
            let found = move |swarm, addresses: Vec<SocketAddr>| {
                let leads = addresses.into_iter().map(|at| Lead { swarm, at, way: Way::Lan });
                leads.for_each(|lead| follow(&hub, lead));
            };
            Neighbourhood::new(&self.handle, &self.settings, Arc::new(found))
        });
        lan.follow(self.node.local_address().port(), &wanted)
    }

    fn lookout(self: &Arc<Self>) -> Lookout {
        let hub = Arc::downgrade(self);
        let tell = move |swarm, told| match told {
            FromDht::Address(at) => follow(&hub, Lead { swarm, at, way: Way::Dht }),
            FromDht::Offer(offer) => {
                let found = FoundPeer { offer: *offer, at: None, way: Way::Dht };
                hub.upgrade().into_iter().for_each(|hub| hub.found(swarm, &found));
            }
            FromDht::Fault(fault) => {
                let fault = fault.map(Arc::new);
                hub.upgrade().into_iter().for_each(|hub| hub.note(swarm, fault.as_ref()));
            }
        };
        Lookout::new(Arc::new(OfHub(Arc::downgrade(self))), &self.settings, Arc::new(tell))
    }

    /// Asks the router as long as a member agreed to it.
    fn follow_mapping(self: &Arc<Self>, state: &mut State) {
        let is_wanted = state.members.values().any(|member| member.ways.map);
        if !is_wanted {
            if let Some(mapping) = state.mapping.take() {
                let node = self.node.clone();
                state.removal = Some(self.handle.spawn(async move { mapping.end(&node).await }));
            }
            return;
        }
        if let Some(removal) = state.removal.take_if(|removal| !removal.is_finished()) {
            // The router knows one mapping of a port: the last one goes first.
            let hub = Arc::downgrade(self);
            state.removal = Some(self.handle.spawn(async move {
                let _ = removal.await;
                let Some(hub) = hub.upgrade() else { return };
                let mut state = hub.lock();
                state.removal = None;
                hub.follow_mapping(&mut state);
            }));
            return;
        }
        if state.mapping.is_none() {
            let hub = Arc::downgrade(self);
            let tell = Arc::new(move |now: MappingState| {
                let Some(hub) = hub.upgrade() else { return };
                for member in hub.members().iter().filter(|member| member.ways.map) {
                    member.tell(WayEvent::Mapping(now.clone()));
                }
            });
            state.mapping = Some(PortMapping::start(&self.node, &self.handle, &self.settings, tell));
        }
    }

    /// Tells the members of a swarm of a peer.
    fn found(&self, swarm: [u8; 32], found: &FoundPeer) {
        let peer = found.offer.offer().peer;
        // Another process of the same user is found as well.
        if peer == self.node.id() {
            return;
        }
        for member in self.members().iter().filter(|member| member.swarm == swarm) {
            if member.looks(found.way) {
                member.found.tell(found.clone());
                if member.is_news(peer) {
                    member.tell(WayEvent::Found { way: found.way, peer, at: found.at });
                }
            }
        }
    }

    /// Tells the members of a swarm that the DHT fails, or works again, each once.
    fn note(&self, swarm: [u8; 32], fault: Option<&Arc<WayFault>>) {
        let mut state = self.lock();
        let is_news = match fault {
            Some(_) => state.failing.insert(swarm),
            None => state.failing.remove(&swarm),
        };
        drop(state);
        let is_meant = |member: &&Arc<Joined>| is_news && member.swarm == swarm && member.ways.dht;
        for member in self.members().iter().filter(is_meant) {
            member.tell(match fault {
                Some(fault) => WayEvent::Failed { way: Way::Dht, fault: fault.clone() },
                None => WayEvent::Works { way: Way::Dht },
            });
        }
    }

    /// Waits a moment for the first answer of the router, if it is asked.
    pub(in super::super) fn mapping_is_settled(&self) -> impl Future<Output = ()> + Send + 'static {
        let asked = self.lock().mapping.as_ref().map(PortMapping::state);
        async move {
            if let Some((state, begun)) = asked {
                PortMapping::first_answer(state, begun).await;
            }
        }
    }

    /// Ends all ways: says goodbye, and has the router remove the mapping, which takes a second at most.
    pub(in super::super) async fn end(&self) {
        let (mapping, removal, goodbye) = {
            let mut state = self.lock();
            state.say_goodbye(&self.handle);
            state.dht = None;
            (state.mapping.take(), state.removal.take(), state.goodbye.take())
        };
        if let Some(mapping) = mapping {
            mapping.end(&self.node).await;
        }
        for work in [removal, goodbye].into_iter().flatten() {
            // An error is a panic in it, which the time limits of the router and of the announcement make good.
            let _ = work.await;
        }
    }

    /// Returns true if a transfer looks for members of that swarm by that way now.
    fn wants(&self, lead: Lead) -> bool {
        self.lock().members.values().any(|member| member.swarm == lead.swarm && member.looks(lead.way))
    }

    fn members(&self) -> Vec<Arc<Joined>> {
        self.lock().members.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The node of a hub.
struct OfHub(Weak<Hub>);

impl Here for OfHub {
    fn node(&self) -> Option<Node> {
        self.0.upgrade().map(|hub| hub.node.clone())
    }
}

/// Knocks where a member may be, and tells what came of it.
fn follow(hub: &Weak<Hub>, lead: Lead) {
    let Some(hub_now) = hub.upgrade() else { return };
    let (hub, asked) = (hub.clone(), hub.clone());
    let is_wanted = move |lead: Lead| asked.upgrade().is_some_and(|hub| hub.wants(lead));
    hub_now.knocker.follow(lead, is_wanted, move |lead, came: Result<FoundPeer, KnockFailed>| {
        let Some(hub) = hub.upgrade() else { return };
        match came {
            Ok(found) => hub.found(lead.swarm, &found),
            Err(why) => {
                let way = lead.way;
                let is_meant = |member: &&Arc<Joined>| member.swarm == lead.swarm && member.looks(way);
                for member in hub.members().iter().filter(is_meant) {
                    member.tell(WayEvent::NotProved { way, at: lead.at, why: why.clone() });
                }
            }
        }
    });
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.hub.leave(self.id);
    }
}
