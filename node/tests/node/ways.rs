//! Ways to be found and reached, each with its consent and without, on this machine alone.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mainline::Testnet;
use minimodel::transfer::{
    Endpoint, FetchOptions, Limits, LocalWays, MappingState, NoMapping, Way, WayEvent, WaysSettings,
};
use minimodel::{Action, Event, Fetch, Found, Over, RunConsent, Share};

use super::handles::{World, loopback, within};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(8, 8, 4, 4);
const SHARED: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 9);

/// A UDP port at loopback that keeps what it hears, and answers as a function says.
pub(super) struct Heard {
    pub(super) at: SocketAddr,
    datagrams: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Heard {
    fn start(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (at, datagrams) = (socket.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let kept = datagrams.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 2_048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                kept.lock().unwrap().push(buffer[..length].to_vec());
                if let Some(answer) = answer(&buffer[..length]) {
                    socket.send_to(&answer, from).unwrap();
                }
            }
        });
        Self { at, datagrams }
    }

    /// A router of PCP (RFC 6887) that grants what is asked, at this address outside.
    pub(super) fn router(external: Ipv4Addr) -> Self {
        Self::start(move |request| {
            let is_map = request.len() == 60 && request[..2] == [2, 1];
            is_map.then(|| {
                let mut answer = request.to_vec();
                answer[1] |= 0x80;
                answer[8..24].copy_from_slice(&[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                answer[44..60].copy_from_slice(&external.to_ipv6_mapped().octets());
                answer
            })
        })
    }

    fn all(&self) -> Vec<Vec<u8>> {
        self.datagrams.lock().unwrap().clone()
    }

    /// Requests that a mapping be removed.
    pub(super) fn removals(&self) -> usize {
        self.all().iter().filter(|it| it.len() == 60 && it[..2] == [2, 1] && it[4..8] == [0; 4]).count()
    }
}

/// An endpoint whose router and first node of the DHT are at these ports of this machine.
fn endpoint(router: Option<&Heard>, dht_nodes: &[String]) -> Endpoint {
    let router_ports = router.map(|router| [router.at.port(), 9]);
    let local = Some(LocalWays { mdns_port: 35_353, router_ports });
    Endpoint { ways: WaysSettings { dht_nodes: dht_nodes.to_vec(), local }, ..loopback() }
}

fn share(world: &World, at: Endpoint, actions: &[Action]) -> Share {
    let share = world.node("alice").share(world.manifest.clone(), world.at("model.slm"));
    let agreed = RunConsent::given(actions.iter().copied(), "test");
    share.endpoint(at).start(&agreed).unwrap()
}

/// A fetch to which nobody gave an offer.
fn fetch(world: &World, at: Endpoint, actions: &[Action]) -> Fetch {
    let mut options = FetchOptions::default();
    options.endpoint = at;
    options.stall_timeout = Duration::from_secs(30);
    let agreed = RunConsent::given([&[Action::Fetch, Action::Import], actions].concat(), "test");
    let fetch = world.node("bob").fetch(world.manifest.clone()).into_folder(world.at("models"));
    fetch.options(options).limits(Limits { down: Some(2 << 20), ..Limits::default() }).start(&agreed).unwrap()
}

fn mapping(event: &Event) -> Option<&MappingState> {
    match event {
        Event::Way(way) => {
            if let WayEvent::Mapping(state) = &**way {
                Some(state)
            } else {
                None
            }
        }
        _ => None,
    }
}

#[tokio::test]
async fn mapped_port_stands_in_first_offer_and_is_removed_at_the_end() {
    let (world, router) = (World::new(), Heard::router(PUBLIC));
    let mut share = share(&world, endpoint(Some(&router), &[]), &[Action::Serve, Action::Map]);
    let offer = within(share.offer()).await.unwrap();
    let [outside, inside] = offer.offer().addresses[..] else { panic!("{offer:?}") };
    assert_eq!((outside, inside.ip().is_loopback()), ((PUBLIC, inside.port()).into(), true));
    assert_eq!(router.removals(), 0);
    share.control().cancel();
    within(share.finish()).await.unwrap();
    assert!(router.removals() > 0);
}

// Rows: H16
#[tokio::test]
async fn carriers_translator_is_told_and_stands_in_no_offer() {
    let (world, router) = (World::new(), Heard::router(SHARED));
    let mut share = share(&world, endpoint(Some(&router), &[]), &[Action::Serve, Action::Map]);
    let told = async {
        loop {
            let event = share.next().await.expect("it runs");
            if let Some(MappingState::Failed(why)) = mapping(&event) {
                return why.clone();
            }
        }
    };
    let router_ip = router.at.ip();
    assert_eq!(within(told).await, NoMapping::CarrierNat { router: router_ip, external: SHARED.into() });
    let offer = within(share.offer()).await.unwrap();
    assert!(offer.offer().addresses.iter().all(|at| at.ip().is_loopback()), "{offer:?}");
}

// Rows: H16
#[tokio::test]
async fn silent_router_holds_no_share_up() {
    let (world, router) = (World::new(), Heard::start(|_| None));
    let mut share = share(&world, endpoint(Some(&router), &[]), &[Action::Serve, Action::Map]);
    let offer = within(share.offer()).await.unwrap();
    assert!(!router.all().is_empty() && offer.offer().addresses.len() == 1);
}

// Rows: H16, H17
#[tokio::test]
async fn without_its_consent_no_way_sends_a_packet() {
    let (world, router, node) = (World::new(), Heard::router(PUBLIC), Heard::start(|_| None));
    let at = || endpoint(Some(&router), &[node.at.to_string()]);
    let mut share = share(&world, at(), &[Action::Serve, Action::Publish]);
    let offer = within(share.offer()).await.unwrap();
    let mut options = FetchOptions::default();
    options.endpoint = at();
    let agreed = RunConsent::given([Action::Fetch, Action::Import], "test");
    let fetch = world.node("bob").fetch(offer).into_folder(world.at("models")).options(options);
    within(fetch.start(&agreed).unwrap().finish()).await.unwrap();
    share.control().cancel();
    within(share.finish()).await.unwrap();
    assert_eq!((router.all().len(), node.all().len()), (0, 0));
}

#[tokio::test]
async fn fetch_without_an_offer_finds_a_share_by_the_dht() {
    let (world, testnet) = (World::new(), Testnet::builder(12).build().unwrap());
    let at = || endpoint(None, &testnet.bootstrap);
    let mut share = share(&world, at(), &[Action::Serve, Action::Publish, Action::Dht]);
    let offer = within(share.offer()).await.unwrap();
    // The first look of a fetch comes once: by then the share is announced.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut fetch = fetch(&world, at(), &[Action::Dht]);
    let (mut found, mut path) = (None, None);
    let whole = async {
        while let Some(event) = fetch.next().await {
            match event {
                Event::Way(way) => {
                    if let WayEvent::Found { way, peer, .. } = *way {
                        found = Some((way, peer));
                    }
                }
                Event::Snapshot(now) => path = now.peers.first().map(|peer| peer.path).or(path),
                Event::Imported(_) => return,
                _ => {}
            }
        }
    };
    within(whole).await;
    assert_eq!(found, Some((Way::Dht, offer.offer().peer)));
    let path = path.expect("a snapshot with the peer");
    assert_eq!((path.found, path.over), (Found::By(Way::Dht), Over::Local));
    within(fetch.finish()).await.unwrap();
}
