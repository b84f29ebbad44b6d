//! Every time and size of the mapper, in one place.

use std::time::Duration;

/// Time from the first request to an answer or a definite no: a dial must not wait longer for a mapping.
pub(super) const PROBE: Duration = Duration::from_millis(1_500);

/// When a request is sent, counted from its first: RFC 6886 section 3.1 begins at 250 ms and doubles. The 3 s with which RFC 6887
/// section 8.1.1 begins would leave one packet.
pub(super) const SENDS: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(250), Duration::from_millis(750)];

/// Wait for a preferred protocol once another has granted a mapping: a router that speaks both answers both at once.
pub(super) const GRACE: Duration = Duration::from_millis(200);

/// Lifetime that is asked for when nothing else is said.
pub(super) const LIFETIME: Duration = Duration::from_secs(3_600);

/// Shortest lifetime that is asked for or believed: RFC 6887 section 15 has 120 s as the least.
pub(super) const MIN_LIFETIME: Duration = Duration::from_secs(120);

/// Longest lifetime that is asked for or believed: RFC 6887 section 15 has 24 hours as the most.
pub(super) const MAX_LIFETIME: Duration = Duration::from_secs(86_400);

/// Least time between two renewals of one mapping: RFC 6887 section 11.2.1 asks for 4 s at least.
pub(super) const RENEWAL_PAUSE: Duration = Duration::from_secs(10);

/// Time for one renewal by UPnP, which is some calls in sequence.
pub(super) const UPNP_RENEWAL: Duration = Duration::from_secs(10);

/// First pause after a failure; each further one is twice as long.
pub(super) const MIN_REST: Duration = Duration::from_secs(60);

/// Longest pause after a failure.
pub(super) const MAX_REST: Duration = Duration::from_secs(1_800);

/// Interval at which the routes of the system are read for another gateway or another address of ours.
pub(super) const LOOK: Duration = Duration::from_secs(60);

/// Interval at which the router is asked for its epoch (and, by NAT-PMP, its address), so that a restart is noticed.
pub(super) const WATCH: Duration = Duration::from_secs(300);

/// Time to find the router in the system's routes: a local file, or a command of the system.
pub(super) const FIND_ROUTER: Duration = Duration::from_secs(1);

/// Time for removals.
pub(super) const REMOVAL: Duration = Duration::from_millis(900);

/// Time for the answer to a call of UPnP that was under way at the end: what it maps may be permanent, and is removed after it.
pub(super) const UNDER_WAY: Duration = Duration::from_millis(3_200);

/// Time from the end of a mapper to the end of its task: a second at most, unless UPnP is mapping just then.
pub(super) const END: Duration = Duration::from_millis(4_200);

/// Largest datagram that is read, in bytes: PCP has at most 1,100 (RFC 6887 section 7), an SSDP answer fits into one Ethernet frame.
pub(super) const MAX_DATAGRAM_BYTES: usize = 1_500;

/// Other external ports that are tried by UPnP when the wanted one is taken.
pub(super) const OTHER_PORTS: usize = 4;

/// Commands that wait for the task.
pub(super) const COMMANDS: usize = 4;

/// Times and sizes of UPnP.
#[cfg(feature = "upnp")]
pub(super) mod upnp {
    use std::time::Duration;

    /// Time in which answers to a search are heard: routers wait up to MX, which is 1 s.
    pub(in super::super) const SEARCH: Duration = Duration::from_millis(1_500);

    /// When the search is sent, counted from its beginning: UDP loses packets.
    pub(in super::super) const SEARCHES: [Duration; 2] = [Duration::ZERO, Duration::from_millis(300)];

    /// Time for one call, from the connection to the last byte.
    pub(in super::super) const CALL: Duration = Duration::from_secs(1);

    /// Time for the call that makes a mapping: routers write it to their memory first. A state is told before (`PROBE`).
    pub(in super::super) const ADD: Duration = Duration::from_secs(3);

    /// Time after which a task begins no further call: a runtime that ends waits for the thread.
    pub(in super::super) const TASK: Duration = Duration::from_secs(4);

    /// Places of descriptions that are looked at in one search.
    pub(in super::super) const PLACES: usize = 4;

    /// Services of one description that are asked for their external address.
    pub(in super::super) const SERVICES: usize = 3;

    /// Largest description, in bytes: real ones have 2 to 20 KiB.
    pub(in super::super) const DESCRIPTION_BYTES: usize = 64 * 1024;

    /// Largest answer to a call, in bytes: real ones have less than 1 KiB.
    pub(in super::super) const ANSWER_BYTES: usize = 16 * 1024;

    /// Largest head of an HTTP answer, in bytes.
    pub(in super::super) const HEAD_BYTES: usize = 16 * 1024;

    /// Deepest nesting of elements: descriptions have 9.
    pub(in super::super) const DEPTH: usize = 32;

    /// Longest path of a URL, in bytes.
    pub(in super::super) const PATH_BYTES: usize = 1_024;

    /// Lifetime of a mapping in a router that knows permanent ones alone (error 725), in seconds.
    pub(in super::super) const PERMANENT: u32 = 0;

    /// Name of the mapping in the router's own pages.
    pub(in super::super) const DESCRIPTION: &str = "minimodel";
}
