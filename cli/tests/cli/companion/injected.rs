//! Causes of a standstill that a disk, a path or another peer makes.

use std::ffi::OsStr;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use minimodel_hostile::{Identity, Model, Server, Target, Trick, attack};
use minimodel_skipped::skipped;
use minimodel_wire::SignedOffer;
use tokio::runtime::{Builder, Runtime};

use super::causes::{fetch, only, with_model};
use super::house::House;
use super::told::is_told;
use crate::process::{events, own_port};

const AGREED: [&str; 2] = ["--consent", "fetch,import"];

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn model(house: &House) -> Model {
    Model::read(&house.home.path("a.minimodel"), Some(&house.home.path("a.slm"))).unwrap()
}

/// Time for which the client's datagrams still get through after the seeder's are dropped, so that answers are lost
/// and not requests.
const ONE_WAY: Duration = Duration::from_millis(300);

/// Relays datagrams between the latest client and a seeder, until the given number came from the seeder.
struct Relay {
    address: SocketAddr,
    path: Arc<Mutex<Carried>>,
    is_over: Arc<AtomicBool>,
}

struct Carried {
    left: u64,
    cut: Option<Instant>,
    guest: Option<SocketAddr>,
}

impl Relay {
    fn start(seeder: SocketAddr, left: u64) -> Self {
        let (front, back) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        back.connect(seeder).unwrap();
        let address = front.local_addr().unwrap();
        for socket in [&front, &back] {
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        }
        let path = Arc::new(Mutex::new(Carried { left, cut: None, guest: None }));
        let is_over = Arc::new(AtomicBool::new(false));
        let (there, here) = (back.try_clone().unwrap(), front.try_clone().unwrap());
        let (state, over) = (path.clone(), is_over.clone());
        std::thread::spawn(move || {
            let mut datagram = [0; 65_536];
            while !over.load(Ordering::Relaxed) {
                let Ok((length, from)) = front.recv_from(&mut datagram) else { continue };
                let mut path = state.lock().unwrap();
                path.guest = Some(from);
                if path.cut.is_none_or(|cut| cut.elapsed() < ONE_WAY) {
                    let _ = there.send(&datagram[..length]);
                }
            }
        });
        let (state, over) = (path.clone(), is_over.clone());
        std::thread::spawn(move || {
            let mut datagram = [0; 65_536];
            while !over.load(Ordering::Relaxed) {
                let Ok(length) = back.recv(&mut datagram) else { continue };
                let mut path = state.lock().unwrap();
                path.left = path.left.saturating_sub(1);
                if path.left == 0 {
                    path.cut.get_or_insert_with(Instant::now);
                } else if let Some(guest) = path.guest {
                    let _ = here.send_to(&datagram[..length], guest);
                }
            }
        });
        Self { address, path, is_over }
    }

    /// Ends the cut: datagrams pass both ways again.
    fn mend(&self) {
        let mut path = self.path.lock().unwrap();
        (path.left, path.cut) = (u64::MAX, None);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

#[test]
fn dead_path_is_congestion_on_both_sides_and_resumes_if_mended() {
    let (alice, bob) = (House::of(with_model(1_500_000)), House::new());
    let port = own_port();
    // Long after the handshake and long before the end of the transfer, whatever the size of a datagram is.
    let relay = Relay::start(port, 40);
    let (listen, advertise) = (port.to_string(), relay.address.to_string());
    let words = ["seed", "--detach", "--listen", &listen, "--advertise", &advertise, "--consent", "serve"];
    let ran = alice.home.run(words.iter().chain(&["a.minimodel", "a.slm"])).exits(0);
    let offer = ran.stdout.lines().next().unwrap().to_owned();
    let fetching = fetch(&bob, &alice, &offer, &AGREED);
    bob.transfer_when(fetching, "fetching", |fetch| fetch["received_bytes"].as_u64() > Some(0));
    is_told(&bob, fetching, "congestion");
    is_told(&alice, only(&alice), "congestion");
    assert_eq!(bob.transfer(fetching)["peers"][0]["cause"], "congestion");
    relay.mend();
    let done = bob.transfer_when(fetching, "done", |fetch| fetch["state"] == "done");
    assert!(std::fs::read(done["path"].as_str().unwrap()).unwrap() == alice.home.read("a.slm"));
}

#[test]
fn somebody_who_takes_requests_and_never_answers_is_slow() {
    let (alice, bob) = (House::of(with_model(200_000)), House::new());
    let runtime = runtime();
    let _within = runtime.enter();
    let mute = Server::start(Trick::Mute, model(&alice)).unwrap();
    let fetching = fetch(&bob, &alice, &mute.offer(), &AGREED);
    is_told(&bob, fetching, "peer-slow");
    assert_eq!(bob.transfer(fetching)["peers"][0]["cause"], "peer-slow");
}

#[test]
fn somebody_who_never_unchokes_us_chokes_us() {
    let (alice, bob) = (House::of(with_model(200_000)), House::new());
    let runtime = runtime();
    let _within = runtime.enter();
    let choker = Server::start(Trick::Chokes, model(&alice)).unwrap();
    let fetching = fetch(&bob, &alice, &choker.offer(), &AGREED);
    is_told(&bob, fetching, "choked");
    assert_eq!(bob.transfer(fetching)["peers"][0]["choking_us"], true);
}

#[test]
fn somebody_who_asks_and_never_reads_is_slow() {
    let alice = House::of(with_model(400_000));
    let offer: SignedOffer = alice.share(&[]).parse().unwrap();
    let target = Target { address: offer.offer().addresses[0], peer: offer.offer().peer };
    let (runtime, model) = (runtime(), model(&alice));
    let attack = runtime
        .spawn(async move { attack(Trick::NeverReads, &target, &model, &Identity::new().unwrap()).await });
    is_told(&alice, only(&alice), "peer-slow");
    attack.abort();
}

/// A file system in an image file, mounted in a folder, whose writes can be made to block.
struct Freezing(PathBuf);

impl Freezing {
    /// Mounts the image; `None`, reported as skipped, where this is not permitted.
    fn mount(image: &Path, folder: PathBuf) -> Option<Self> {
        std::fs::File::create(image).unwrap().set_len(32 << 20).unwrap();
        std::fs::create_dir(&folder).unwrap();
        let (image, at) = (image.as_os_str(), folder.as_os_str());
        let made = does("mkfs.ext4", &["-q".as_ref(), image]);
        if made && does("mount", &["-o".as_ref(), "loop".as_ref(), image, at]) {
            return Some(Self(folder));
        }
        skipped("a disk that hangs; no file system can be made and mounted from a file here (root may)");
        None
    }

    fn freeze(&self) {
        assert!(does("fsfreeze", &["-f".as_ref(), self.0.as_os_str()]), "not frozen");
    }

    fn thaw(&self) -> bool {
        does("fsfreeze", &["-u".as_ref(), self.0.as_os_str()])
    }
}

impl Drop for Freezing {
    fn drop(&mut self) {
        // A process that waits for a frozen file system could not even be killed.
        self.thaw();
        does("umount", &["-l".as_ref(), self.0.as_os_str()]);
    }
}

fn does(program: &str, arguments: &[&OsStr]) -> bool {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}

// Rows: F4
#[test]
fn disk_with_stuck_writes_is_reported_without_blaming_a_peer() {
    let (alice, bob) = (House::of(with_model(3_000_000)), House::new());
    // Declared after the houses and so dropped first: the companion could not end while the disk is frozen.
    let Some(disk) = Freezing::mount(&alice.home.path("disk"), bob.home.path("models")) else { return };
    let offer = alice.share(&["--up", "256KiB"]);
    let fetching = fetch(&bob, &alice, &offer, &AGREED);
    bob.transfer_when(fetching, "fetching", |fetch| fetch["have_bytes"].as_u64() > Some(0));
    disk.freeze();
    alice.home.say(&format!("transfer limit {} --up none", only(&alice))).exits(0);
    is_told(&bob, fetching, "disk");
    assert_eq!(bob.transfer(fetching)["state"], "running");
    let blamed = bob.home.say("--json blame list").exits(0).stdout;
    assert!(events(&blamed, "blame").next().is_none(), "{blamed}");
    assert!(disk.thaw());
    let done = bob.transfer_when(fetching, "done", |fetch| fetch["state"] == "done");
    assert!(std::fs::read(done["path"].as_str().unwrap()).unwrap() == alice.home.read("a.slm"));
}

#[test]
fn a_disk_that_takes_no_more_is_told_and_with_room_it_goes_on() {
    let (alice, mut bob) = (House::of(with_model(12_000_000)), House::with_limit("-f 8192"));
    let offer = alice.share(&[]);
    let fetching = fetch(&bob, &alice, &offer, &AGREED);
    is_told(&bob, fetching, "disk");
    assert_eq!(bob.transfer(fetching)["state"], "waiting");
    assert_eq!(bob.stop().code, 0);
    bob.start();
    let done = bob.transfer_when(fetching, "done", |fetch| fetch["state"] == "done");
    assert!(std::fs::read(done["path"].as_str().unwrap()).unwrap() == alice.home.read("a.slm"));
}
