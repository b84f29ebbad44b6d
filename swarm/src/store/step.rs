//! Labelled steps: every call that changes a disk is one, so that a test can end the process exactly there.
//!
//! A test aid of debug builds, described in `docs/store.md`. In a release build `step` only makes the call.

/// Makes a call that changes the disk. The labels are `create`, `write`, `set_len`, `sync`, `rename`, `remove`,
/// `sync_dir` and `mkdir`.
pub fn step<T>(label: &'static str, call: impl FnOnce() -> T) -> T {
    #[cfg(debug_assertions)]
    let ends_after = armed::reach(label);
    #[cfg(not(debug_assertions))]
    let _ = label;
    let answer = call();
    #[cfg(debug_assertions)]
    if ends_after {
        armed::end();
    }
    answer
}

#[cfg(debug_assertions)]
pub use armed::kill_at;

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use crate::os;

    static PLAN: OnceLock<Plan> = OnceLock::new();

    /// The step at which the process ends.
    struct Plan {
        /// The label of the steps that are counted; `None`: all.
        label: Option<String>,
        nth: u64,
        is_after: bool,
        seen: AtomicU64,
    }

    /// Ends this process with SIGKILL at a step: `17` is just before the 17th of all, `rename:2` just before the second
    /// rename, `17+` and `rename:2+` just after. Returns false if the plan is not understood, or one is set already.
    pub fn kill_at(plan: &str) -> bool {
        let (plan, is_after) = plan.strip_suffix('+').map_or((plan, false), |plan| (plan, true));
        let (label, nth) = match plan.split_once(':') {
            Some((label, nth)) => (Some(label.to_owned()), nth),
            None => (None, plan),
        };
        let plan = nth.parse().map(|nth| Plan { label, nth, is_after, seen: AtomicU64::new(0) });
        plan.is_ok_and(|plan| PLAN.set(plan).is_ok())
    }

    /// Counts a step, and ends the process if the plan says before it. Returns true if the plan says after it.
    pub(super) fn reach(label: &str) -> bool {
        let Some(plan) = PLAN.get().filter(|plan| plan.label.as_deref().is_none_or(|only| only == label))
        else {
            return false;
        };
        if plan.seen.fetch_add(1, Ordering::SeqCst) + 1 != plan.nth {
            return false;
        }
        if !plan.is_after {
            end();
        }
        plan.is_after
    }

    /// Ends this process as `kill -9` would.
    pub(super) fn end() {
        os::kill_this_process();
    }
}
