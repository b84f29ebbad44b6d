//! The machine, in one paragraph: figures mean nothing without it.

use std::fs;
use std::path::Path;

use crate::procfs;

/// Properties of the machine on which figures depend.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    lines: Vec<(&'static str, String)>,
}

impl Machine {
    pub(crate) fn here(folder: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let unknown = || "unknown".to_owned();
        let cpu = read("/proc/cpuinfo");
        let flags = procfs::value_in(&cpu, "flags").unwrap_or_default();
        let extensions = ["sha_ni", "aes", "vaes", "avx2", "avx512f"]
            .into_iter()
            .filter(|flag| flags.split_whitespace().any(|word| word == *flag))
            .collect::<Vec<_>>();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let kernel = |name: &str| read(&format!("/proc/sys/{name}")).trim().to_owned();
        let lines = vec![
            ("CPU", procfs::value_in(&cpu, "model name").unwrap_or_else(unknown)),
            ("cores", cores.to_string()),
            ("extensions", extensions.join(" ")),
            ("memory", procfs::value_in(&read("/proc/meminfo"), "MemTotal").unwrap_or_else(unknown)),
            ("kernel", format!("Linux {}", kernel("kernel/osrelease"))),
            ("TCP congestion control", kernel("net/ipv4/tcp_congestion_control")),
            (
                "rmem_max, wmem_max",
                format!("{}, {}", kernel("net/core/rmem_max"), kernel("net/core/wmem_max")),
            ),
            ("folder", procfs::file_system_in(&read("/proc/mounts"), folder).unwrap_or_else(unknown)),
        ];
        Self { cores, lines }
    }

    pub(crate) fn markdown(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(|(name, value)| format!("{name} {value}")).collect();
        format!("Machine: {}.\n", lines.join("; "))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        self.lines
            .iter()
            .map(|(name, value)| ((*name).to_owned(), serde_json::Value::from(value.clone())))
            .collect()
    }
}
