//! The machine's load, and its description.

use std::path::Path;

/// Ticks of all cores so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    idle: u64,
    all: u64,
}

impl Load {
    /// Reads the ticks so far; zeros where they cannot be read.
    pub(crate) fn now() -> Self {
        Self::parse(&read("/proc/stat"))
    }

    /// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; later columns are part of user.
    fn parse(text: &str) -> Self {
        let numbers = text.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
        let ticks: Vec<u64> = numbers.filter_map(|number| number.parse().ok()).collect();
        Self { idle: ticks.iter().skip(3).take(2).sum(), all: ticks.iter().sum() }
    }

    /// Share of all cores that was idle since then; 1 where it cannot be known.
    pub(crate) fn idle_since(self) -> f64 {
        Self::now().idle_after(self)
    }

    fn idle_after(self, before: Self) -> f64 {
        let (idle, all) = (self.idle.saturating_sub(before.idle), self.all.saturating_sub(before.all));
        if all == 0 { 1.0 } else { idle as f64 / all as f64 }
    }
}

/// The machine in a few words.
pub(crate) fn describe() -> String {
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} cores ({model}), kernel {}", kernel.trim())
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_is_the_share_of_all_ticks_in_between() {
        let before = Load::parse("cpu  10 0 10 70 10 0 0 0 5 5\ncpu0 1 1\n");
        assert_eq!(before, Load { idle: 80, all: 100 });
        let after = Load::parse("cpu  40 0 30 110 20 0 0 0 9 9\n");
        assert!((after.idle_after(before) - 0.5).abs() < 1e-9);
        assert!((Load::parse("").idle_after(Load::parse("")) - 1.0).abs() < 1e-9);
    }
}
