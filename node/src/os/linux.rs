//! What Linux has of its own: numbers of file systems, and which IPv6 addresses last.

use std::net::Ipv6Addr;
use std::path::Path;

/// `IFA_F_TEMPORARY`, `IFA_F_DADFAILED`, `IFA_F_DEPRECATED`, `IFA_F_TENTATIVE` of `linux/if_addr.h`.
const NOT_LASTING: u32 = 0x01 | 0x08 | 0x20 | 0x40;

/// `f_type` of `statfs(2)`: ext2 to ext4, XFS, Btrfs, F2FS, bcachefs, ZFS, tmpfs, overlayfs.
const KNOWN: [u32; 8] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0xca45_1a4e, 0x2fc1_2fc1, 0x0102_1994, 0x794c_7630];

/// Whether a path lies on a file system of this machine that keeps a change time which no program can set.
pub(crate) fn keeps_change_times(path: &Path) -> bool {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "magic numbers have 32 bits")]
    let kind = rustix::fs::statfs(path).map(|answer| answer.f_type as u32);
    kind.is_ok_and(|kind| KNOWN.contains(&kind))
}

/// The IPv6 addresses of this machine that the system replaces within a day (RFC 8981), is about to drop, or does not use yet.
pub(crate) fn temporary_addresses() -> Vec<Ipv6Addr> {
    let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    table.lines().filter_map(temporary_address).collect()
}

/// A line is: address, number of the interface, length of the prefix, scope, flags (all hexadecimal), name of the interface.
fn temporary_address(line: &str) -> Option<Ipv6Addr> {
    let mut words = line.split_whitespace();
    let address = u128::from_str_radix(words.next()?, 16).ok()?;
    let flags = u32::from_str_radix(words.nth(3)?, 16).ok()?;
    (flags & NOT_LASTING != 0).then(|| Ipv6Addr::from(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_and_deprecated_addresses_are_told_from_others() {
        let of = |flags: &str| {
            temporary_address(&format!("20010db8000000000000000000000007 02 40 00 {flags}     eth0"))
        };
        let address = Some("2001:db8::7".parse().unwrap());
        assert_eq!(["01", "20", "21", "41"].map(of), [address; 4]);
        assert_eq!(["80", "00", "82"].map(of), [None; 3]);
        assert_eq!(["", "x y z", "zz 02 40 00 01 eth0"].map(temporary_address), [None; 3]);
    }

    #[test]
    fn a_file_system_without_change_times_is_not_known() {
        assert!(!keeps_change_times(Path::new("/proc/self/status")));
        assert!(!keeps_change_times(Path::new("/no/such/file")));
    }
}
