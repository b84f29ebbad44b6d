//! What `/proc` says about a process and the machine.

use std::fs;
use std::path::Path;

/// Memory of one process in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Anonymous pages now: what the program itself allocated, mapped files left out (`RssAnon`).
    pub(crate) anonymous: u64,
    /// The most that was ever resident, mapped files included (`VmHWM`).
    pub(crate) resident_peak: u64,
}

/// The text of `/proc/PID/status`; a process without memory (a zombie) has none.
pub(crate) fn memory_in(status: &str) -> Option<Memory> {
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some(Memory { anonymous: field("RssAnon")?, resident_peak: field("VmHWM")? })
}

pub(crate) fn memory(pid: i32) -> Option<Memory> {
    memory_in(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// Ticks (of 10 ms) that all cores together were not idle, of `/proc/stat`; time stolen by other guests counts.
pub(crate) fn busy_ticks_in(stat: &str) -> Option<u64> {
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks = all.split_whitespace().map(|word| word.parse::<u64>().ok()).collect::<Option<Vec<_>>>()?;
    // user nice system idle iowait irq softirq steal, then guests, which user and nice hold already (proc(5)).
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some(ticks.iter().take(8).sum::<u64>() - idle)
}

/// Seconds that all cores together were not idle since the machine started.
pub(crate) fn busy_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    busy_ticks_in(&stat).map_or(0.0, |ticks| ticks as f64 / 100.0)
}

/// A process and all that it started and that still runs (nginx serves from a child).
pub(crate) fn family(pid: i32) -> Vec<i32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children =
            fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        found.extend(children.split_whitespace().filter_map(|word| word.parse::<i32>().ok()));
        next += 1;
    }
    found
}

/// The file system type that `/proc/mounts` gives for a path: the longest mount point above it, the last of equals.
pub(crate) fn file_system_in(mounts: &str, path: &Path) -> Option<String> {
    let rows = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        Some((words.next()?, words.next()?))
    });
    let above = rows.filter(|(point, _)| path.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind.to_owned())
}

/// The first value of a key in `/proc/cpuinfo` or `/proc/meminfo`.
pub(crate) fn value_in(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_a_status_file() {
        let status =
            "Name:\tminimodel\nVmPeak:\t  900 kB\nVmHWM:\t   4711 kB\nVmRSS:\t  300 kB\nRssAnon:\t   96 kB\n";
        assert_eq!(memory_in(status), Some(Memory { anonymous: 96, resident_peak: 4711 }));
        assert_eq!(memory_in("Name:\tzombie\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    fn busy_is_all_but_idle_and_waiting() {
        let stat = "cpu  10 20 30 1000 500 1 2 3 7 7\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(busy_ticks_in(stat), Some(66));
        assert_eq!(busy_ticks_in("cpu0 1 2 3 4 5\n"), None);
    }

    #[test]
    fn this_process_has_memory_and_is_of_its_own_family() {
        let pid = std::process::id().cast_signed();
        assert!(memory(pid).unwrap().resident_peak > 0);
        assert_eq!(family(pid)[0], pid);
    }

    #[test]
    fn the_longest_mount_point_wins() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\ntmpfs /dev/shm2 ramfs rw 0 0\n";
        assert_eq!(file_system_in(mounts, Path::new("/dev/shm/x")).unwrap(), "tmpfs");
        assert_eq!(file_system_in(mounts, Path::new("/home")).unwrap(), "ext4");
    }

    #[test]
    fn a_key_is_not_a_prefix() {
        let text = "model\t\t: 17\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: other\n";
        assert_eq!(value_in(text, "model name").unwrap(), "Some CPU @ 2 GHz");
        assert_eq!(value_in(text, "nothing"), None);
    }
}
