/// Seconds between announcements: nodes forget a member some time after it announced itself.
const ANNOUNCE_EVERY: u64 = 15 * 60;
/// Seconds between updates of an item.
const PUBLISH_EVERY: u64 = 60 * 60;
/// Seconds after which a task that failed is tried again.
const RETRY_AFTER: u64 = 2 * 60;

/// One of the things that a publishing member does again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Announces a swarm under the info hash of the day.
    Announce,
    /// Publishes where this peer is.
    Publish,
}

/// Tells when a publishing member announces and publishes again.
///
/// The turn of the day has no time of its own: the next announcement is under the new day, at most 15 minutes after midnight, and lookups try
/// the day before for an hour. So members do not announce all at once at midnight.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    announce: Next,
    publish: Next,
}

/// When a task was last tried, and how long after that it is due.
#[derive(Clone, Debug, Default)]
struct Next(Option<(u64, u64)>);

impl Schedule {
    /// Everything is due at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// The task that is due at `now_unix` seconds since 1970, announcements first.
    pub fn due(&self, now_unix: u64) -> Option<Task> {
        let tasks = [(Task::Announce, &self.announce), (Task::Publish, &self.publish)];
        tasks.into_iter().find(|(_, next)| next.seconds(now_unix) == 0).map(|(task, _)| task)
    }

    /// Seconds from `now_unix` until something is due.
    pub fn wait(&self, now_unix: u64) -> u64 {
        self.announce.seconds(now_unix).min(self.publish.seconds(now_unix))
    }

    /// Notes that `task` was done at `now_unix`.
    pub fn done(&mut self, task: Task, now_unix: u64) {
        let every = match task {
            Task::Announce => ANNOUNCE_EVERY,
            Task::Publish => PUBLISH_EVERY,
        };
        *self.next(task) = Next(Some((now_unix, every)));
    }

    /// Notes that `task` failed at `now_unix`.
    pub fn failed(&mut self, task: Task, now_unix: u64) {
        *self.next(task) = Next(Some((now_unix, RETRY_AFTER)));
    }

    /// Makes everything due at once, as after a change of address.
    pub fn hurry(&mut self) {
        *self = Self::default();
    }

    fn next(&mut self, task: Task) -> &mut Next {
        match task {
            Task::Announce => &mut self.announce,
            Task::Publish => &mut self.publish,
        }
    }
}

impl Next {
    fn seconds(&self, now: u64) -> u64 {
        match self.0 {
            // A clock that was set back tells nothing: due at once.
            Some((tried, after)) if now >= tried => after.saturating_sub(now - tried),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::derive::{day, days_to_try};
    use super::*;

    const NOW: u64 = 1_794_744_000;

    #[test]
    fn a_new_schedule_announces_then_publishes() {
        let mut schedule = Schedule::new();
        assert_eq!(schedule.due(NOW), Some(Task::Announce));
        schedule.done(Task::Announce, NOW);
        assert_eq!(schedule.due(NOW), Some(Task::Publish));
        schedule.done(Task::Publish, NOW);
        assert_eq!((schedule.due(NOW), schedule.wait(NOW)), (None, 900));
    }

    #[test]
    fn a_day_has_96_announcements_and_24_items() {
        let mut schedule = Schedule::new();
        let mut counts = (0, 0);
        for now in NOW..NOW + 86_400 {
            while let Some(task) = schedule.due(now) {
                match task {
                    Task::Announce => counts.0 += 1,
                    Task::Publish => counts.1 += 1,
                }
                schedule.done(task, now);
            }
        }
        assert_eq!(counts, (96, 24));
    }

    #[test]
    fn a_failed_task_is_due_after_two_minutes() {
        let mut schedule = Schedule::new();
        schedule.failed(Task::Announce, NOW);
        schedule.done(Task::Publish, NOW);
        assert_eq!(schedule.due(NOW + 119), None);
        assert_eq!(schedule.due(NOW + 120), Some(Task::Announce));
    }

    #[test]
    fn a_clock_set_back_makes_tasks_due() {
        let mut schedule = Schedule::new();
        schedule.done(Task::Announce, NOW);
        schedule.done(Task::Publish, NOW);
        assert_eq!(schedule.due(NOW - 1), Some(Task::Announce));
    }

    #[test]
    fn hurry_makes_everything_due() {
        let mut schedule = Schedule::new();
        schedule.done(Task::Announce, NOW);
        schedule.done(Task::Publish, NOW);
        schedule.hurry();
        assert_eq!(schedule.wait(NOW), 0);
    }

    #[test]
    fn lookups_around_midnight_meet_announcements() {
        let midnight = u64::from(day(NOW)) * 86_400 + 86_400;
        for offset in 0..ANNOUNCE_EVERY {
            let (mut schedule, mut announced) = (Schedule::new(), 0);
            for now in (midnight - 7_200 + offset..midnight + 7_200).step_by(30) {
                if schedule.due(now) == Some(Task::Announce) {
                    announced = day(now);
                    schedule.done(Task::Announce, now);
                }
                assert!(days_to_try(now).contains(&announced), "at {now}, first at {offset}");
            }
        }
    }
}
