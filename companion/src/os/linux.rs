//! What Linux tells of the machine, in `/proc` and `/sys`.

use std::fs;
use std::path::Path;

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
