//! Resource limits of the HTTP server against its clients.

use std::time::Duration;

/// The resource limits of a server. The daemon uses [`ServerLimits::default`]; tests make them small.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Time for the head of a request, and for an idle connection between two requests.
    pub head_time: Duration,
    /// Time for a body.
    pub body_time: Duration,
    /// Time in which a client must read some of what is written to it.
    pub write_time: Duration,
    /// Largest body, in bytes.
    pub body_bytes: usize,
    /// Connections at once. A further connection replaces the oldest that has not presented the token, or is dropped if all have.
    pub connections: usize,
    /// Time in which a connection sends its first byte before it gives way to another. A client on this machine has mostly sent its
    /// request before its connection is accepted.
    pub silence: Duration,
    /// Time in which a connection presents the token before it gives way to another.
    pub grace: Duration,
    /// What the page may have of these at once.
    pub page: PageLimits,
    /// Event streams at once.
    pub streams: usize,
    /// Short calls that run at once.
    pub quick_calls: usize,
    /// Calls that read whole files, at once.
    pub long_calls: usize,
    /// Calls that wait, for short and for long calls each.
    pub waiting_calls: usize,
    /// Interval of keep-alive comments in an event stream.
    pub keep_alive: Duration,
    /// Time for open requests to finish at shutdown.
    pub end_time: Duration,
}

/// What all sessions of the page together may have at once, so that the owner's programs find room beside them.
#[derive(Clone, Debug)]
pub struct PageLimits {
    /// Connections that keep their places. Those beyond give way to others.
    pub connections: usize,
    /// Requests that are answered, streams aside.
    pub calls: usize,
    /// Event streams.
    pub streams: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            write_time: Duration::from_secs(20),
            body_bytes: 256 * 1024,
            connections: 256,
            silence: Duration::from_millis(20),
            grace: Duration::from_millis(200),
            page: PageLimits { connections: 64, calls: 16, streams: 12 },
            streams: 16,
            quick_calls: 8,
            long_calls: 2,
            waiting_calls: 32,
            keep_alive: Duration::from_secs(15),
            end_time: Duration::from_secs(3),
        }
    }
}
