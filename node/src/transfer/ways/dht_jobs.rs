//! What is to be done in the DHT, and in which order: pure.

use std::collections::BTreeMap;

use minimodel_reach::dht::{Schedule, Task};
use minimodel_wire::PeerId;

use super::wanted::DhtMember;

/// Seconds between the lookups of a fetch, the last for all that follow.
const LOOKS_OF_A_FETCH: [u64; 6] = [30, 60, 120, 240, 480, 900];
/// Seconds between those of a share, which looks for members that introduce it.
const LOOKS_OF_A_SHARE: u64 = 900;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// Looks for members of the swarm, and where these peers are now.
    Look { named: Vec<PeerId> },
    /// Announces that a member is here.
    Announce,
    /// Publishes where this peer is.
    Publish,
}

/// All members, and when each has something to do.
#[derive(Debug, Default)]
pub(super) struct Jobs(BTreeMap<u64, Entry>);

#[derive(Debug)]
struct Entry {
    member: DhtMember,
    schedule: Schedule,
    /// Lookups so far, and when the next is due; `None`: there is none.
    looks: usize,
    next_look: Option<u64>,
}

impl Jobs {
    pub(super) fn add(&mut self, id: u64, member: DhtMember, now_unix: u64) {
        let next_look = (member.publishes || member.fetches).then_some(now_unix);
        let entry = Entry { member, schedule: Schedule::new(), looks: 0, next_look };
        self.0.insert(id, entry);
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.0.remove(&id);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes every announcement due: this machine is elsewhere now.
    pub(super) fn hurry(&mut self) {
        self.0.values_mut().for_each(|entry| entry.schedule.hurry());
    }

    /// The job that is due, and its swarm: what a fetch waits for comes first. The error is how many seconds there is nothing to do.
    pub(super) fn next(&self, now_unix: u64) -> Result<(u64, [u8; 32], Job), u64> {
        let due = self.0.iter().filter_map(|(&id, entry)| {
            let (rank, job) = entry.due(now_unix)?;
            Some((rank, id, entry.member.swarm, job))
        });
        let first = due.min_by_key(|&(rank, id, ..)| (rank, id));
        first
            .map(|(_, id, swarm, job)| (id, swarm, job))
            .ok_or_else(|| self.0.values().map(|entry| entry.wait(now_unix)).min().unwrap_or(u64::MAX).max(1))
    }

    /// Notes that a job was done, or failed.
    pub(super) fn done(&mut self, id: u64, job: &Job, is_good: bool, now_unix: u64) {
        let Some(entry) = self.0.get_mut(&id) else { return };
        let task = match job {
            Job::Look { .. } => return entry.looked(now_unix),
            Job::Announce => Task::Announce,
            Job::Publish => Task::Publish,
        };
        if is_good {
            entry.schedule.done(task, now_unix);
        } else {
            entry.schedule.failed(task, now_unix);
        }
    }
}

impl Entry {
    fn due(&self, now_unix: u64) -> Option<(u8, Job)> {
        let looks = self.next_look.is_some_and(|at| at <= now_unix);
        let look = || Job::Look { named: self.member.named.clone() };
        if looks && self.member.fetches {
            return Some((0, look()));
        }
        match self.schedule.due(now_unix).filter(|_| self.member.publishes) {
            Some(Task::Announce) => Some((1, Job::Announce)),
            Some(Task::Publish) => Some((2, Job::Publish)),
            None => looks.then(|| (3, look())),
        }
    }

    fn wait(&self, now_unix: u64) -> u64 {
        let look = self.next_look.map_or(u64::MAX, |at| at.saturating_sub(now_unix));
        if self.member.publishes { look.min(self.schedule.wait(now_unix)) } else { look }
    }

    fn looked(&mut self, now_unix: u64) {
        let last = LOOKS_OF_A_FETCH.len() - 1;
        let pause =
            if self.member.fetches { LOOKS_OF_A_FETCH[self.looks.min(last)] } else { LOOKS_OF_A_SHARE };
        self.looks += 1;
        // Who is not to be found looks once, when its user asks for it.
        self.next_look = self.member.publishes.then(|| now_unix + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_780_000_000;

    fn member(swarm: u8, publishes: bool, fetches: bool) -> DhtMember {
        DhtMember { swarm: [swarm; 32], publishes, fetches, named: Vec::new() }
    }

    /// What is done within so many seconds, with the second of each.
    fn run(jobs: &mut Jobs, seconds: u64) -> Vec<(u64, u64, Job)> {
        let (mut done, mut now) = (Vec::new(), NOW);
        while now < NOW + seconds {
            match jobs.next(now) {
                Ok((id, _, job)) => {
                    jobs.done(id, &job, true, now);
                    done.push((now - NOW, id, job));
                }
                Err(wait) => now = now.saturating_add(wait),
            }
        }
        done
    }

    fn look() -> Job {
        Job::Look { named: Vec::new() }
    }

    // Rows: H17
    #[test]
    fn fetch_not_to_be_found_looks_once_and_is_never_announced() {
        let mut jobs = Jobs::default();
        jobs.add(1, member(1, false, true), NOW);
        assert_eq!(run(&mut jobs, 100_000), [(0, 1, look())]);
    }

    #[test]
    fn share_that_is_not_to_be_found_has_nothing_to_do() {
        let mut jobs = Jobs::default();
        jobs.add(1, member(1, false, false), NOW);
        assert_eq!(run(&mut jobs, 100_000), []);
    }

    #[test]
    fn share_is_announced_every_quarter_hour_and_published_hourly() {
        let mut jobs = Jobs::default();
        jobs.add(1, member(1, true, false), NOW);
        let done = run(&mut jobs, 3_600);
        let count = |wanted: &Job| done.iter().filter(|(_, _, job)| job == wanted).count();
        assert_eq!([count(&Job::Announce), count(&Job::Publish), count(&look())], [4, 1, 4]);
    }

    #[test]
    fn lookup_of_a_fetch_comes_before_what_shares_have_to_do() {
        let mut jobs = Jobs::default();
        jobs.add(1, member(1, true, false), NOW);
        jobs.add(2, member(2, true, true), NOW);
        let order: Vec<(u64, Job)> = run(&mut jobs, 1).into_iter().map(|(_, id, job)| (id, job)).collect();
        let expected = [
            (2, look()),
            (1, Job::Announce),
            (2, Job::Announce),
            (1, Job::Publish),
            (2, Job::Publish),
            (1, look()),
        ];
        assert_eq!(order, expected);
        jobs.remove(1);
        jobs.hurry();
        assert_eq!(jobs.next(NOW + 1), Ok((2, [2; 32], Job::Announce)));
    }

    #[test]
    fn fetch_looks_less_and_less_often() {
        let mut jobs = Jobs::default();
        jobs.add(1, member(1, true, true), NOW);
        let looks = run(&mut jobs, 3_000).into_iter().filter(|(_, _, job)| *job == look());
        let at: Vec<u64> = looks.map(|(second, ..)| second).collect();
        assert_eq!(at, [0, 30, 90, 210, 450, 930, 1_830, 2_730]);
    }
}
