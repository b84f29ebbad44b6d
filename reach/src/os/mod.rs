//! The default gateway, as each system tells it. The readers of texts call nothing and are tested on every system.

use std::net::Ipv4Addr;

/// Largest table of routes, or output of a command that prints them, in bytes: a desktop's table is far smaller.
const MOST_BYTES: usize = 256 * 1024;

#[cfg(any(target_os = "linux", test))]
mod linux;
#[cfg(any(target_os = "macos", test))]
mod macos;
#[cfg(any(windows, test))]
mod windows;

#[cfg(target_os = "linux")]
use self::linux as system;
#[cfg(target_os = "macos")]
use self::macos as system;
#[cfg(windows)]
use self::windows as system;

/// The router of the IPv4 default route with the lowest metric. May block for the time of one command of the system.
pub(crate) fn default_gateway() -> Option<Ipv4Addr> {
    system::default_gateway()
}

/// The whole of a stream, if it is text of no more than [`MOST_BYTES`].
#[cfg(target_os = "linux")]
fn bounded_text(stream: impl std::io::Read) -> Option<String> {
    let mut text = String::new();
    let most = u64::try_from(MOST_BYTES).ok()?;
    let mut bounded = std::io::Read::take(stream, most.checked_add(1)?);
    std::io::Read::read_to_string(&mut bounded, &mut text).ok()?;
    (text.len() <= MOST_BYTES).then_some(text)
}

/// The first [`MOST_BYTES`] that a command of the system prints, as text; what is no UTF-8 in it is replaced.
#[cfg(any(target_os = "macos", windows))]
fn output_of(program: &std::path::Path, arguments: &[&str]) -> Option<String> {
    use std::process::{Command, Stdio};

    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut bytes = Vec::new();
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    let read = child
        .stdout
        .take()
        .map(|stdout| std::io::Read::read_to_end(&mut std::io::Read::take(stdout, most), &mut bytes));
    // Its output is closed by now: it ends, or fails at the next line.
    child.wait().ok()?;
    read?.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
