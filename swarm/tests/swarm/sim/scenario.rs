//! Random worlds, each from one number.

use std::io::ErrorKind;
use std::time::Duration;

use minimodel_sim::{ARTIFACTS, Behaviour, KIB, MBIT, MIB, Network, PeerNo, Plan, Scripted, World, ms, secs};
use minimodel_swarm::machine::Time;

const SUPPLIERS: [Behaviour; 22] = [
    Behaviour::Liar,
    Behaviour::BadProof,
    Behaviour::OtherIndex,
    Behaviour::Claimer,
    Behaviour::EndStaller,
    Behaviour::Fickle,
    Behaviour::Mute,
    Behaviour::Trickler(1),
    Behaviour::Trickler(3_000),
    Behaviour::Refuser,
    Behaviour::AlwaysBusy,
    Behaviour::Leaver(0),
    Behaviour::Leaver(3),
    Behaviour::ControlFlooder,
    Behaviour::AskFlooder,
    Behaviour::BadHave,
    Behaviour::BadAsk,
    Behaviour::HaveBeforeHello,
    Behaviour::SecondHello,
    Behaviour::OtherVersion,
    Behaviour::ForgedOffer,
    Behaviour::Teaser,
];

/// Hostile peers that fetch chunks, or claim to.
const TAKERS: [Behaviour; 11] = [
    Behaviour::Hog,
    Behaviour::FreeRider,
    Behaviour::NotReader,
    Behaviour::AskFlooder,
    Behaviour::BadAsk,
    Behaviour::Liar,
    Behaviour::Fickle,
    Behaviour::ForgedOffer,
    Behaviour::Toggler,
    Behaviour::Renewer,
    Behaviour::Comer,
];

/// EIO, ENOSPC, EINTR, EROFS, EACCES, EDQUOT.
const DISK_ERRORS: [ErrorKind; 6] = [
    ErrorKind::Other,
    ErrorKind::StorageFull,
    ErrorKind::Interrupted,
    ErrorKind::ReadOnlyFilesystem,
    ErrorKind::PermissionDenied,
    ErrorKind::QuotaExceeded,
];
const YEAR: i64 = 365 * 24 * 3_600;

/// Seeds from here on make large worlds, whose disks hold chunk numbers only.
pub(super) const LARGE_FROM: u64 = 1_000_000_000_000;

pub(super) struct Scenario {
    pub(super) world: World,
    pub(super) leechers: Vec<PeerNo>,
    /// Time limit in seconds: one slow seeder may have to serve every leecher, one after the other.
    pub(super) limit: u64,
}

pub(super) fn scenario(seed: u64) -> Scenario {
    let mut scenario = if seed < LARGE_FROM { whole(seed) } else { large(seed) };
    scenario.world.replay = format!(
        "MINIMODEL_SIM_SEED={seed} cargo test -p minimodel-swarm --test swarm sim::random::replay -- --exact --nocapture"
    );
    scenario
}

/// A small world of honest peers alone, with a loss of 5 %, jitter that reorders streams, and many mishaps.
pub(super) fn stormy(seed: u64) -> Scenario {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut world = World::whole(rng.usize(..ARTIFACTS), seed);
    world.replay = format!("world {seed} of sim::scenario::stormy");
    world.settings.keep_time = ms(rng.u64(1..200));
    world.settings.check_every = 4;
    world.network = Network {
        jitter: ms(rng.u64(1..80)),
        lost_of_1000: 50,
        lost_twice_of_1000: 10,
        ..Network::default()
    };
    let slow = |rng: &mut fastrand::Rng, plan: Plan| {
        plan.rates(rng.u64(16..128) * KIB, rng.u64(16..128) * KIB).delay_ms(rng.u64(1..200))
    };
    let seeders: Vec<_> = (0..2).map(|_| world.add(slow(&mut rng, Plan::seeder()))).collect();
    let leechers: Vec<_> =
        (0..4).map(|_| world.add(slow(&mut rng, Plan::leecher().knows(&seeders)))).collect();
    for _ in 0..8 {
        mishap(&mut world, &mut rng, &leechers, 10_000);
    }
    Scenario { world, leechers, limit: 7_200 }
}

/// A small world with real stores, failing disks and bad paths.
fn whole(seed: u64) -> Scenario {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut world = World::whole(rng.usize(..ARTIFACTS), seed);
    world.settings.keep_time = ms(rng.u64(1..30));
    world.settings.check_every = 4;
    let lost_of_1000 = [0, 0, 10, 50][rng.usize(..4)];
    world.network = Network {
        jitter: ms([0, 0, 5, 60][rng.usize(..4)]),
        lost_of_1000,
        lost_twice_of_1000: lost_of_1000 / 5,
        ..Network::default()
    };
    let (bytes, chunk) = (world.terms.byte_count, u64::from(world.terms.chunk_size));
    let rates = [16 * KIB, 64 * KIB, 256 * KIB, 20 * MBIT];
    let path = |rng: &mut fastrand::Rng, plan: Plan| {
        plan.rates(rates[rng.usize(..4)], rates[rng.usize(..4)]).delay_ms(rng.u64(1..120))
    };
    let mut suppliers = vec![world.add(path(&mut rng, Plan::seeder()))];
    for _ in 0..rng.usize(..5) {
        let hostile = Plan::hostile(SUPPLIERS[rng.usize(..SUPPLIERS.len())]);
        let plan = if rng.u8(..5) == 0 { Plan::seeder() } else { hostile };
        suppliers.push(world.add(path(&mut rng, plan)));
    }
    rng.shuffle(&mut suppliers);
    let mut leechers = Vec::new();
    for _ in 0..rng.usize(1..4) {
        let mut plan = if rng.u8(..3) == 0 { Plan::taker() } else { Plan::leecher() };
        plan = path(&mut rng, plan).knows(&suppliers).joins_at(ms(rng.u64(..3_000)));
        plan.limits.memory_budget_bytes = [chunk, 4 * chunk, 64 * MIB][rng.usize(..3)];
        plan.limits.upload_slots = [1, 2, 8][rng.usize(..3)];
        let (modulo, kept) = (rng.u32(1..6), rng.u32(..9));
        let count = world.terms.chunk_count;
        leechers.push(world.add(plan.has((0..count).filter(|index| index % modulo > kept))));
    }
    let takers = if rng.u8(..3) == 0 { rng.usize(1..3) } else { 0 };
    for _ in 0..takers {
        let behaviour = TAKERS[rng.usize(..TAKERS.len())];
        let plan = Plan { behaviour, ..Plan::leecher().knows(&suppliers) };
        world.add(path(&mut rng, plan).joins_at(ms(rng.u64(..3_000))));
    }
    // Most mishaps shall fall into the time while bytes move.
    let span = (1_000 * 2 * bytes / (64 * KIB)).clamp(2_000, 20_000);
    for _ in 0..rng.usize(1..7) {
        mishap(&mut world, &mut rng, &leechers, span);
    }
    for _ in 0..rng.usize(..3) {
        world.faults.cut_at.push(rng.u64(1..1_500));
    }
    world.faults.cut_at.sort_unstable();
    let limit = 3_600 + 4 * (leechers.len() + takers + 1) as u64 * bytes / (16 * KIB);
    Scenario { world, leechers, limit }
}

fn mishap(world: &mut World, rng: &mut fastrand::Rng, leechers: &[PeerNo], span: u64) {
    let leecher = leechers[rng.usize(..leechers.len())];
    let who = if rng.u8(..3) == 0 { 0 } else { leecher };
    let at = ms(rng.u64(..span));
    let back = at + ms(rng.u64(1..5_000));
    let (soon, later) = (ms(rng.u64(1..3_000)), ms(rng.u64(..40_000)));
    match rng.u8(..14) {
        0 => world.script(at, Scripted::Cut(who)),
        1 => ended(world, at, back, Scripted::Kill(who), who),
        2 => ended(world, at, back, Scripted::Stop(who), who),
        3 => world.script(at, Scripted::Suspend(who, Time::after_start(back + later))),
        4 | 5 => {
            let seed = (rng.u8(..3) > 0).then(|| rng.u64(..));
            ended(world, at, back, Scripted::PowerLoss(who, seed), who);
        }
        6 => {
            ended(world, at, back, Scripted::Kill(leecher), leecher);
            for _ in 0..rng.usize(1..3) {
                let index = rng.u32(..world.terms.chunk_count);
                world.script(back - ms(1), Scripted::Rot(leecher, index));
            }
        }
        7 | 8 => {
            let (after, kind) = (rng.u64(..30), DISK_ERRORS[rng.usize(..DISK_ERRORS.len())]);
            world.script(at, Scripted::FailCall(leecher, after, kind));
        }
        9 => {
            let room = rng.u64(..world.terms.byte_count + 8 * KIB);
            world.script(at, Scripted::Room(leecher, Some(room)));
            world.script(back + soon, Scripted::Room(leecher, None));
        }
        10 => world.script(at, Scripted::StallDisk(leecher, Time::after_start(at + soon))),
        11 => world.script(at, Scripted::Split(rng.u64(..), Time::after_start(at + later))),
        12 => world.script(at, Scripted::Rebind(who, ms(rng.u64(1..150)))),
        _ => {
            world.script(at, Scripted::SetClock(leecher, if rng.bool() { YEAR } else { -YEAR }));
            ended(world, at, back, Scripted::Kill(leecher), leecher);
        }
    }
}

fn ended(world: &mut World, at: Duration, back: Duration, how: Scripted, who: PeerNo) {
    world.script(at, how);
    world.script(back, Scripted::Restart(who));
}

/// Many peers and chunks, with churn.
fn large(seed: u64) -> Scenario {
    let mut rng = fastrand::Rng::with_seed(seed);
    let chunk = [16 * KIB, 64 * KIB, 256 * KIB][rng.usize(..3)];
    let count = rng.u64(1..300);
    let mut world = World::new(chunk * count - rng.u64(..chunk), chunk, seed);
    world.settings.keep_time = ms(rng.u64(1..30));
    world.settings.check_every = 64;
    let path = |rng: &mut fastrand::Rng, plan: Plan| {
        let rates = [MBIT, 4 * MBIT, 20 * MBIT, 100 * MBIT];
        plan.rates(rates[rng.usize(..4)], rates[rng.usize(..4)]).delay_ms(rng.u64(1..120))
    };
    let mut suppliers = vec![world.add(path(&mut rng, Plan::seeder()))];
    for _ in 0..rng.usize(..14) {
        let hostile = Plan::hostile(SUPPLIERS[rng.usize(..SUPPLIERS.len())]);
        let plan = if rng.u8(..4) == 0 { Plan::seeder() } else { hostile };
        suppliers.push(world.add(path(&mut rng, plan)));
    }
    rng.shuffle(&mut suppliers);
    let mut leechers = Vec::new();
    for _ in 0..rng.usize(1..16) {
        let mut plan = if rng.u8(..3) == 0 { Plan::taker() } else { Plan::leecher() };
        plan = path(&mut rng, plan).knows(&suppliers).joins_at(ms(rng.u64(..3_000)));
        plan.limits.memory_budget_bytes = [chunk, 4 * chunk, 64 * MIB][rng.usize(..3)];
        plan.limits.upload_slots = [1, 2, 8][rng.usize(..3)];
        let (modulo, kept) = (rng.u32(1..5), rng.u32(..5));
        plan = plan.has((0..count as u32).filter(|index| index % modulo > kept));
        leechers.push(world.add(plan));
    }
    for _ in 0..rng.usize(..24) {
        let who = if rng.bool() { leechers[rng.usize(..leechers.len())] } else { 0 };
        let at = ms(rng.u64(..10_000));
        let back = at + ms(rng.u64(1..5_000));
        match rng.u8(..5) {
            0 => world.script(at, Scripted::Cut(who)),
            1 => ended(&mut world, at, back, Scripted::Kill(who), who),
            2 => ended(&mut world, at, back, Scripted::Stop(who), who),
            3 => world.script(at, Scripted::Suspend(who, Time::after_start(back))),
            _ => {}
        }
    }
    let limit = 600 + 2 * (leechers.len() as u64 + 1) * chunk * count / MBIT;
    Scenario { world, leechers, limit }
}

/// Runs a scenario to its end and checks what must hold there.
pub(super) fn run(scenario: &mut Scenario) {
    let world = &mut scenario.world;
    let leechers = &scenario.leechers;
    world.must_run(secs(scenario.limit), |world| leechers.iter().all(|&leecher| world.is_complete(leecher)));
    world.check_ends();
}
