//! What Linux tells of the machine, in `/proc` and `/sys`.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::Client;

/// Memory that programs may use, bytes: the machine's, or less where a control group allows less.
pub(crate) fn memory_bytes() -> Option<u64> {
    let info = rustix::system::sysinfo();
    #[expect(clippy::useless_conversion, reason = "the field's width differs between architectures")]
    let total =
        u64::try_from(info.totalram).ok().and_then(|units| units.checked_mul(u64::from(info.mem_unit)));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let allowed = group_limit(Path::new("/sys/fs/cgroup"), &groups);
    total.into_iter().chain(allowed).min()
}

/// The account that holds the client's end of a TCP connection within this machine, as proc(5) lists it. A connection that is not
/// listed, or that its client has closed, has no account that can be told. Where no table can be read nothing is told: `proc` may
/// not be mounted, or be closed to programs like this one, for all accounts alike.
pub(crate) fn account_of_client(client: SocketAddr, server: SocketAddr) -> Client {
    account_by(Path::new("/proc/net"), client, server)
}

fn account_by(tables: &Path, client: SocketAddr, server: SocketAddr) -> Client {
    let read = |name: &str| fs::read_to_string(tables.join(name));
    let (Ok(ipv4), ipv6) = (read("tcp"), read("tcp6")) else { return Client::Untold };
    // A machine without IPv6 has no table for it.
    let ipv6 = ipv6.unwrap_or_default();
    // A socket of IPv6 may have the IPv4 addresses mapped (RFC 4291 section 2.5.5.2), and is then in its own table.
    let account = match (client.ip(), server.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mapped = [(from, client), (to, server)]
                .map(|(ip, address)| SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()));
            account_in(&ipv4, [client, server]).or_else(|| account_in(&ipv6, mapped))
        }
        _ => account_in(&ipv6, [client, server]),
    };
    account.map_or(Client::Hidden, Client::Account)
}

/// The account in the line of an established connection with these ends, the local one first.
fn account_in(table: &str, ends: [SocketAddr; 2]) -> Option<u32> {
    const ESTABLISHED: &str = "01";
    let ends = ends.map(as_listed);
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().take(8).collect();
        let &[_, local, remote, state, _, _, _, account] = fields.as_slice() else { return None };
        // One that is closed is listed as root's.
        let is_meant = state == ESTABLISHED && [local, remote] == ends;
        is_meant.then(|| account.parse().ok()).flatten()
    })
}

/// An address as the kernel prints it: words of 32 bits in the order of this machine, in hexadecimal, and the port.
fn as_listed(address: SocketAddr) -> String {
    let words = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = words.as_chunks().0.iter().map(|word| format!("{:08X}", u32::from_ne_bytes(*word)));
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

/// Memory of the graphics card that has most of it, bytes; `None`: no driver reports it.
pub(crate) fn card_bytes() -> Option<u64> {
    vram(Path::new("/sys/class/drm"))
}

/// The largest receive and send buffers that a socket may ask for, bytes.
pub(crate) fn socket_buffers() -> Option<(u64, u64)> {
    kernel_number("rmem_max").zip(kernel_number("wmem_max"))
}

fn kernel_number(name: &str) -> Option<u64> {
    fs::read_to_string(Path::new("/proc/sys/net/core").join(name)).ok()?.trim().parse().ok()
}

/// Returns the lowest memory limit of the control groups that `groups` (`/proc/self/cgroup`) names and of their parents, for both
/// versions of control groups (cgroups(7)); `None`: there is no limit, or it cannot be read.
fn group_limit(root: &Path, groups: &str) -> Option<u64> {
    let mut lowest: Option<u64> = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let (base, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            list if list.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // In a container the path may be the host's and not exist; the root is then the container's own group.
        for group in Path::new(group.trim_start_matches('/')).ancestors() {
            let limit = fs::read_to_string(base.join(group).join(file)).ok();
            let limit = limit.and_then(|text| text.trim().parse::<u64>().ok());
            lowest = lowest.into_iter().chain(limit).min();
        }
    }
    lowest
}

/// Returns the largest memory that any graphics card reports; `None` if no driver reports it there.
fn vram(drm: &Path) -> Option<u64> {
    let cards = fs::read_dir(drm).ok()?.filter_map(Result::ok);
    let memory = cards.filter_map(|card| {
        fs::read_to_string(card.path().join("device/mem_info_vram_total")).ok()?.trim().parse::<u64>().ok()
    });
    memory.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_of_a_connection_is_found_by_both_ends() {
        for ip in ["127.0.0.1", "::1"] {
            let listener = std::net::TcpListener::bind((ip, 0)).unwrap();
            let server = listener.local_addr().unwrap();
            let stream = std::net::TcpStream::connect(server).unwrap();
            let client = stream.local_addr().unwrap();
            let own = Client::Account(minimodel_swarm::os::user_account());
            assert_eq!(account_of_client(client, server), own, "{ip}");
            // Nobody has a connection between these.
            assert_eq!(account_of_client(client, client), Client::Hidden, "{ip}");
            drop(stream);
            assert_eq!(account_of_client(client, server), Client::Hidden, "{ip}: closed");
        }
    }

    #[test]
    fn nothing_is_told_where_no_table_of_connections_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let ends: [SocketAddr; 2] = ["127.0.0.1:1", "127.0.0.1:2"].map(|end| end.parse().unwrap());
        let told = || account_by(folder.path(), ends[0], ends[1]);
        assert_eq!(told(), Client::Untold);
        // It is there, and cannot be read as a file.
        fs::create_dir(folder.path().join("tcp")).unwrap();
        assert_eq!(told(), Client::Untold);
        fs::remove_dir(folder.path().join("tcp")).unwrap();
        fs::write(folder.path().join("tcp"), "sl\n").unwrap();
        assert_eq!(told(), Client::Hidden);
    }

    #[test]
    fn account_of_an_ipv6_socket_with_mapped_addresses_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), server.port());
        let _stream = std::net::TcpStream::connect(mapped).unwrap();
        let (_accepted, client) = listener.accept().unwrap();
        assert!(client.is_ipv4());
        let own = Client::Account(minimodel_swarm::os::user_account());
        assert_eq!(account_of_client(client, server), own);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn account_is_the_eighth_field_of_a_line() {
        let line = |state: &str, account: u32| {
            format!(
                "  12: 0100007F:1F90 0100007F:0050 {state} 00000000:00000000 00:00000000 00000000  {account} 0 1"
            )
        };
        let (local, remote) = ("127.0.0.1:8080".parse().unwrap(), "127.0.0.1:80".parse().unwrap());
        let table = format!("  sl  local_address\n{}\nbroken\n{}\n", line("06", 0), line("01", 1_001));
        assert_eq!(account_in(&table, [local, remote]), Some(1_001));
        assert_eq!(account_in(&table, [remote, local]), None);
        let ip6 = as_listed("[::1]:255".parse().unwrap());
        assert_eq!(ip6, "00000000000000000000000001000000:00FF");
    }

    #[test]
    fn lowest_memory_limit_of_a_control_group_and_parents_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(group_limit(root.path(), "0::/a/b\n"), None);
        write("a/memory.max", "5000\n");
        write("a/b/memory.max", "max\n");
        assert_eq!(group_limit(root.path(), "0::/a/b\n"), Some(5000));
        write("a/b/memory.max", "4000\n");
        assert_eq!(group_limit(root.path(), "0::/a/b\n"), Some(4000));
        assert_eq!(group_limit(root.path(), "0::/a\n"), Some(5000));
        write("memory/c/memory.limit_in_bytes", "3000\n");
        assert_eq!(group_limit(root.path(), "7:cpu,memory:/c\n0::/a\n1:name=systemd:/x\n"), Some(3000));
        assert_eq!(group_limit(root.path(), "nonsense"), None);
    }

    #[test]
    fn card_with_most_memory_counts_and_silent_drivers_are_unknown() {
        let drm = tempfile::tempdir().unwrap();
        assert_eq!(vram(drm.path()), None);
        for (card, text) in [("card0", Some("100\n")), ("card1", Some("300\n")), ("card2", None)] {
            let device = drm.path().join(card).join("device");
            fs::create_dir_all(&device).unwrap();
            text.into_iter().for_each(|text| fs::write(device.join("mem_info_vram_total"), text).unwrap());
        }
        assert_eq!(vram(drm.path()), Some(300));
    }
}
