//! Comparison of a manifest's `requires.*` with this machine.
//!
//! The machine is examined once ([`Machine::look`]); the comparison is pure. What cannot be determined is `unknown`, never a
//! guess, and does not count against a model.

use minimodel_verifier::Manifest;
use serde::{Deserialize, Serialize};

use crate::model::{FitCheck, Fits};
use crate::os;

/// A megabyte of `requires.ram_mb` and `requires.vram_mb`: 10^6 bytes. A machine sold with 8192 MB leaves programs a little less
/// than 8192 MiB, and is meant to pass.
pub const MEGABYTE: u64 = 1_000_000;

/// What a manifest requires: its `requires.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requires {
    /// `requires.ram_mb`, megabytes.
    pub ram_mb: Option<u64>,
    /// `requires.vram_mb`, megabytes.
    pub vram_mb: Option<u64>,
    /// `requires.arch`; empty: any.
    pub arch: Vec<String>,
}

impl Requires {
    /// Reads the requirements of `manifest`.
    pub fn of(manifest: &Manifest) -> Self {
        let requires = &manifest.draft().requires;
        Self { ram_mb: requires.ram_mb, vram_mb: requires.vram_mb, arch: requires.arch.clone() }
    }
}

/// What this machine has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Memory that programs may use, bytes: the machine's, or less where a control group allows less.
    pub ram_bytes: Option<u64>,
    /// Memory of the graphics card that has most of it, bytes.
    pub vram_bytes: Option<u64>,
    /// Architecture as Rust calls it: `x86_64`, `aarch64`.
    pub arch: String,
}

impl Machine {
    /// Examines this machine.
    pub fn look() -> Self {
        Self {
            ram_bytes: os::memory_bytes(),
            vram_bytes: os::card_bytes(),
            arch: std::env::consts::ARCH.to_owned(),
        }
    }
}

/// Compares requirements and machine; one check per requirement.
pub fn fits(requires: &Requires, machine: &Machine) -> Fits {
    let mut checks = Vec::new();
    for (name, needs, has) in
        [("ram", requires.ram_mb, machine.ram_bytes), ("vram", requires.vram_mb, machine.vram_bytes)]
    {
        let Some(needs) = needs else { continue };
        let has = has.map(|bytes| bytes / MEGABYTE);
        let outcome = match has {
            // 0 MB is met even by unknown memory.
            _ if needs == 0 => "pass",
            None => "unknown",
            Some(has) if has >= needs => "pass",
            Some(_) => "fail",
        };
        let has = has.map_or_else(|| "unknown".to_owned(), |has| format!("{has} MB"));
        checks.push(check(name, format!("{needs} MB"), has, outcome));
    }
    if !requires.arch.is_empty() {
        let outcome = match machine.arch.as_str() {
            "" => "unknown",
            arch if requires.arch.iter().any(|word| plain_arch(word) == plain_arch(arch)) => "pass",
            _ => "fail",
        };
        let has = if machine.arch.is_empty() { "unknown" } else { &machine.arch };
        checks.push(check("arch", requires.arch.join(" or "), has.to_owned(), outcome));
    }
    Fits { fits: checks.iter().all(|check| check.outcome != "fail"), checks }
}

fn check(name: &str, needs: String, has: String, outcome: &str) -> FitCheck {
    FitCheck { name: name.to_owned(), needs, has, outcome: outcome.to_owned() }
}

/// Normalizes the names of an architecture to one spelling.
fn plain_arch(word: &str) -> &str {
    match word {
        "amd64" | "x64" | "x86-64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(fits: &Fits) -> Vec<(&str, &str)> {
        fits.checks.iter().map(|check| (check.name.as_str(), check.outcome.as_str())).collect()
    }

    fn machine(ram_mb: u64, arch: &str) -> Machine {
        Machine { ram_bytes: Some(ram_mb * MEGABYTE), vram_bytes: None, arch: arch.to_owned() }
    }

    #[test]
    fn a_model_that_requires_nothing_fits_everywhere() {
        assert_eq!(fits(&Requires::default(), &Machine::default()), Fits { fits: true, checks: Vec::new() });
    }

    #[test]
    fn memory_is_compared_in_megabytes_and_unknown_does_not_fail() {
        let needs = Requires { ram_mb: Some(64), vram_mb: Some(1), arch: Vec::new() };
        let enough = fits(&needs, &machine(64, "x86_64"));
        assert!(enough.fits);
        assert_eq!(outcomes(&enough), [("ram", "pass"), ("vram", "unknown")]);
        assert_eq!((enough.checks[1].has.as_str(), enough.checks[0].has.as_str()), ("unknown", "64 MB"));
        let short = fits(&needs, &Machine { ram_bytes: Some(64 * MEGABYTE - 1), ..machine(0, "x86_64") });
        assert!(!short.fits);
        assert_eq!(outcomes(&short), [("ram", "fail"), ("vram", "unknown")]);
        let none = Requires { ram_mb: Some(0), vram_mb: Some(0), arch: Vec::new() };
        assert_eq!(outcomes(&fits(&none, &Machine::default())), [("ram", "pass"), ("vram", "pass")]);
        let card = Machine { vram_bytes: Some(MEGABYTE), ..machine(64, "x86_64") };
        assert_eq!(outcomes(&fits(&needs, &card)), [("ram", "pass"), ("vram", "pass")]);
    }

    #[test]
    fn an_architecture_goes_by_several_names() {
        let needs = |words: &[&str]| Requires {
            arch: words.iter().map(|&word| word.to_owned()).collect(),
            ..Requires::default()
        };
        for (words, arch, outcome) in [
            (vec!["x86_64", "aarch64"], "aarch64", "pass"),
            (vec!["amd64"], "x86_64", "pass"),
            (vec!["arm64"], "aarch64", "pass"),
            (vec!["arm64"], "x86_64", "fail"),
            (vec!["riscv64"], "riscv64", "pass"),
            (vec!["x86"], "x86_64", "fail"),
        ] {
            assert_eq!(
                outcomes(&fits(&needs(&words), &machine(1, arch))),
                [("arch", outcome)],
                "{words:?} {arch}"
            );
        }
    }

    #[test]
    fn this_machine_has_memory_and_an_architecture() {
        let machine = Machine::look();
        assert!(machine.ram_bytes.is_some_and(|bytes| bytes > MEGABYTE), "{machine:?}");
        assert_eq!(machine.arch, std::env::consts::ARCH);
    }
}
