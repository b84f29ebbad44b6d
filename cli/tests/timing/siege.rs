//! Many hostile connections at once, and a great many one after another.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use minimodel_hostile::siege::occupation::{self, Habit, Occupation};
use minimodel_hostile::siege::{Plan, run};
use minimodel_skipped::walk;

use crate::alone;
use crate::home::{Home, MINIMODEL};
use crate::honest::{Fetcher, is_calm, model, publisher, runtime};
use crate::process::{Running, own_host};
use minimodel_hostile::{Identity, Model, Target, Trick, attack};

/// A seeder of the real program, and the target of the attackers.
struct Besieged {
    publisher: Home,
    _home: Home,
    seeder: Running,
    model: Model,
    target: Target,
}

impl Besieged {
    fn new() -> Self {
        let publisher = publisher("200KiB");
        let (home, model) = (Home::new(), model(&publisher));
        let paths = [publisher.path("model.minimodel"), publisher.path("model.slm")];
        let seeder = Running::seed(&home, paths.iter().map(|path| path.as_os_str()));
        let target = Target::of(&seeder.offer().parse().unwrap()).unwrap();
        Self { publisher, _home: home, seeder, model, target }
    }

    /// Plays tricks over new connections with new keys: `rounds` one after another, in `tasks` tasks at once.
    fn play(&self, tricks: &'static [Trick], tasks: usize, rounds: usize) {
        runtime().block_on(async {
            let mut visits = tokio::task::JoinSet::new();
            for n in 0..tasks {
                let (target, model) = (self.target, self.model.clone());
                visits.spawn(async move {
                    for round in 0..rounds {
                        let trick = tricks[(n + round) % tricks.len()];
                        attack(trick, &target, &model, &Identity::new().unwrap()).await.unwrap();
                    }
                });
            }
            visits.join_all().await;
        });
    }

    /// An honest fetch gets the whole file, and the seeder ends without a panic.
    fn serves_still(self) {
        let fetcher = Fetcher::of(&self.publisher);
        is_calm(&fetcher.start(&[self.seeder.offer()], &[]).end().exits(0));
        fetcher.has_it(&self.publisher);
        is_calm(&self.seeder.stop().exits(0));
    }
}

/// Most resident memory that a seeder may gain under siege, in MiB.
const MOST_GROWTH: u64 = 128;

// Rows: F1, B16
#[test]
fn honest_fetch_and_memory_bound_survive_256_hostile_peers() {
    let _alone = alone();
    let plan = Plan {
        minimodel: MINIMODEL.into(),
        connections: 256,
        size: "3MiB".to_owned(),
        down: Some("1MiB".to_owned()),
        compares: false,
    };
    let figures = run(&plan).unwrap();
    println!("{figures:?}");
    // All connection places are taken, and further connections are turned away.
    assert!(figures.attempts >= plan.connections && figures.most_open >= 64, "{figures:?}");
    assert!(figures.growth_mib() <= MOST_GROWTH, "{figures:?}");
}

// Rows: F2, F3, F6
#[test]
fn hostile_connections_leave_no_open_file_or_thread_in_seeder() {
    let _alone = alone();
    /// One of each before the first count, so that descriptors and threads that are created once exist by then.
    const TRICKS: &[Trick] =
        &[Trick::IgnorableFrames, Trick::SecondHello, Trick::StreamChurn, Trick::UniStream];
    let besieged = Besieged::new();
    let pid = besieged.seeder.pid();
    let count = |what: &str| std::fs::read_dir(format!("/proc/{pid}/{what}")).unwrap().count();
    besieged.play(TRICKS, 4, 1);
    let before = (count("fd"), count("task"));
    besieged.play(TRICKS, 4, 25);
    // At most eight threads read chunks, however many are requested at once.
    let after = (count("fd"), count("task"));
    assert_eq!(after.0, before.0, "files are left open");
    assert!(after.1 <= before.1.max(2 + 8 + 2), "{before:?} became {after:?}");
    besieged.serves_still();
}

// Rows: H2, B18
#[test]
fn keys_that_churn_or_read_slowly_do_not_keep_a_newcomer_out() {
    let _alone = alone();
    let Besieged { publisher, _home, seeder, model, target } = Besieged::new();
    let seconds = Duration::from_secs;
    let habits = [
        (Habit::Idle, &[2][..], seconds(6)),
        (Habit::Mute, &[2][..], seconds(18)),
        (Habit::Slow, &[2, 5, 6, 7][..], seconds(18)),
    ];
    for (habit, hosts, stay) in habits.into_iter().take(walk(3, 1)) {
        let from = hosts.iter().map(|&n| Ipv4Addr::new(127, 0, 0, n).into()).collect();
        let occupation =
            Occupation::lay(occupation::Plan { target, model: model.clone(), from, tasks: 90, stay, habit });
        let begun = Instant::now();
        while occupation.turned_away() == 0 {
            assert!(begun.elapsed() < seconds(60), "only {} came", occupation.here());
            std::thread::sleep(Duration::from_millis(20));
        }
        let (begun, fetcher) = (Instant::now(), Fetcher::of(&publisher));
        let fetching = fetcher.start(&[seeder.offer()], &[]);
        fetching.wait_for_event("peer-joined");
        let joined = begun.elapsed();
        let ran = fetching.end().exits(0);
        println!("{habit:?}: in after {joined:?}, done after {:?}", begun.elapsed());
        // The bound allows for a busy machine; a newcomer without its share gets `busy` for minutes.
        assert!(joined < seconds(10), "{habit:?}: in after {joined:?}");
        assert!(!ran.stdout.contains("busy"), "{habit:?}: {}", ran.stdout);
        fetcher.has_it(&publisher);
        is_calm(&ran);
    }
    is_calm(&seeder.stop());
}

// Rows: B19
#[test]
fn forty_keys_of_a_host_do_not_keep_a_fetcher_from_a_seeder() {
    let _alone = alone();
    for habit in [Habit::Idle, Habit::Misleading] {
        let publisher = publisher("16MiB");
        let homes = [Home::new(), Home::new()];
        let seed = |home: &Home, more: &[&str]| {
            let mut command = home.command(["seed", "--consent", "serve,publish"]);
            command.env("MINIMODEL_LISTEN", own_host()).args(more);
            Running::start(command.args(["model.minimodel", "model.slm"].map(|name| publisher.path(name))))
        };
        // By itself the first seeder takes nine minutes.
        let slow = seed(&homes[0], &["--up", "30KiB"]);
        let fetcher = Fetcher::of(&publisher);
        let fetching = fetcher.start_with("fetch,import,serve,publish", &[slow.offer()], &[]);
        fetching.wait_for_event("peer-joined");
        let occupation = Occupation::lay(occupation::Plan {
            target: Target::of(&fetching.offer().parse().unwrap()).unwrap(),
            model: model(&publisher),
            from: vec![Ipv4Addr::new(127, 0, 0, 2).into()],
            tasks: 40,
            stay: Duration::from_secs(600),
            habit,
        });
        let begun = Instant::now();
        while occupation.here() < 40 {
            assert!(begun.elapsed() < Duration::from_secs(60), "only {} came", occupation.here());
            std::thread::sleep(Duration::from_millis(20));
        }
        let (begun, fast) = (Instant::now(), seed(&homes[1], &["--peer", &slow.offer()]));
        fetching.wait_for_event("done");
        println!("figure: {habit:?}: done after {:.1} s", begun.elapsed().as_secs_f64());
        is_calm(&fetching.end().exits(0));
        fetcher.has_it(&publisher);
        is_calm(&fast.stop());
        is_calm(&slow.stop());
    }
}

/// Peak resident memory of a process, in MiB.
fn most_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

// Rows: A12, I6
#[test]
fn data_beyond_windows_or_in_fragments_is_not_held_in_memory() {
    let _alone = alone();
    /// Peers at once, fewer than the handshakes of one address; then how often each connects.
    const PEERS: usize = 6;
    const ROUNDS: usize = 3;
    let besieged = Besieged::new();
    let pid = besieged.seeder.pid();
    // Memory that is allocated once is allocated before the measurement.
    besieged.play(&[Trick::IgnorableFrames], PEERS, 1);
    let before = most_memory(pid);
    besieged.play(&[Trick::PastWindow], PEERS, ROUNDS);
    besieged.play(&[Trick::Fragments], PEERS, 1);
    let grown = most_memory(pid) - before;
    // Each peer tries to make the seeder hold 24 MiB.
    assert!(grown < 64, "{grown} MiB more");
    besieged.serves_still();
}
