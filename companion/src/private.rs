//! Checks of owner and mode, in one place: other accounts must not read this program's secrets, nor write the records that it
//! trusts.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use minimodel_swarm::store::others_may_write;

/// What other accounts may do with a file or folder of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Nothing: it is a secret.
    Nothing,
    /// Read it.
    Read,
    /// Read it; the user's primary group may also write it, as folders are created where each user has a private group.
    ReadButOwnGroup,
}

/// Why a file or folder is not protected from other accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposed {
    /// Another account owns it, and may change mode and content at any time. This user can only move it away, if the folder
    /// that holds it is theirs.
    Foreign {
        /// User id of the owner.
        owner: u32,
        /// Effective user id of this process.
        user: u32,
    },
    /// Its mode, which gives other accounts more access than they may have.
    Mode(u32),
}

impl Exposed {
    /// Returns what is wrong with the owner or mode of a file or folder, if anything.
    pub fn look(metadata: &Metadata, others: Others) -> Option<Self> {
        Self::judge(
            rustix::process::geteuid().as_raw(),
            metadata.uid(),
            metadata.gid(),
            metadata.mode(),
            others,
        )
    }

    fn judge(user: u32, owner: u32, group: u32, mode: u32, others: Others) -> Option<Self> {
        let mode = mode & 0o7777;
        let is_open = match others {
            Others::Nothing => mode & 0o077 != 0,
            Others::Read => mode & 0o022 != 0,
            Others::ReadButOwnGroup => others_may_write(mode, group),
        };
        if owner != user { Some(Self::Foreign { owner, user }) } else { is_open.then_some(Self::Mode(mode)) }
    }
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { owner, user } => write!(f, "it belongs to user {owner}, and this is user {user}"),
            Self::Mode(mode) => write!(f, "its mode is {mode:04o}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h11_owner_and_mode_are_judged_in_one_place_bit_by_bit() {
        let own_group = rustix::process::getegid().as_raw();
        let judge = |group, mode, others| Exposed::judge(7, 7, group, mode, others);
        for bit in (0..9).map(|bit| 1 << bit) {
            let mode = 0o100_000 | bit;
            let exposed = |is_exposed: bool| is_exposed.then_some(Exposed::Mode(bit));
            assert_eq!(judge(own_group, mode, Others::Nothing), exposed(bit & 0o077 != 0));
            assert_eq!(judge(own_group, mode, Others::Read), exposed(bit & 0o022 != 0));
            assert_eq!(judge(own_group, mode, Others::ReadButOwnGroup), exposed(bit == 0o002));
            assert_eq!(judge(own_group + 1, mode, Others::ReadButOwnGroup), exposed(bit & 0o022 != 0));
        }
        for others in [Others::Nothing, Others::Read, Others::ReadButOwnGroup] {
            let foreign = Exposed::judge(7, 8, own_group, 0o777, others).unwrap();
            assert_eq!(foreign.to_string(), "it belongs to user 8, and this is user 7");
        }
    }
}
