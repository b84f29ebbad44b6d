//! Exit codes. Scripts rely on them, so a number never changes its meaning.

/// Every exit code of `minimodel`; `docs/cli.md` has the same table, and a test holds them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done and verified.
    Done = 0,
    /// Unexpected failure: a fault of this program or its environment.
    Unexpected = 1,
    /// Usage: the command line was not understood.
    Usage = 2,
    /// No usable peer, or an input file that is not there.
    NotFound = 3,
    /// Verification failed: the bytes are not what the manifest says.
    Verification = 4,
    /// Consent missing or refused.
    Consent = 5,
    /// License, evidence or publisher key mismatch.
    Mismatch = 6,
    /// Stopped or stalled, resumable.
    Stopped = 7,
    /// The peer speaks another protocol or version.
    Protocol = 8,
    /// Disk full.
    DiskFull = 9,
    /// Manifest, offer or request not valid.
    Invalid = 10,
    /// Busy: another process holds this target.
    Busy = 11,
    /// Quota or rate rule reached.
    Quota = 12,
    /// File I/O or permission.
    Io = 13,
    /// Interrupted by Ctrl-C, resumable.
    Interrupted = 130,
    /// Ended by SIGTERM, resumable.
    Terminated = 143,
}

impl Exit {
    /// All exit codes, in ascending order.
    pub(crate) const ALL: [Self; 16] = [
        Self::Done,
        Self::Unexpected,
        Self::Usage,
        Self::NotFound,
        Self::Verification,
        Self::Consent,
        Self::Mismatch,
        Self::Stopped,
        Self::Protocol,
        Self::DiskFull,
        Self::Invalid,
        Self::Busy,
        Self::Quota,
        Self::Io,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The exit code with this number, if there is one.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| exit.code() == code)
    }

    /// The number the shell sees.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_every_code() {
        let page = include_str!("../../docs/cli.md");
        for exit in Exit::ALL {
            assert!(
                page.contains(&format!("\n| {} |", exit.code())),
                "docs/cli.md lacks exit code {}",
                exit.code()
            );
        }
        assert!(Exit::ALL.is_sorted_by_key(|exit| exit.code()));
    }
}
