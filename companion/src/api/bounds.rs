//! How much of the companion its clients may take up.

use std::time::Duration;

/// The bounds of a server. What is used is [`Bounds::default`]; tests make them small.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Time for the head of a request, and how long a connection may be idle between two.
    pub head_time: Duration,
    /// Time for a body.
    pub body_time: Duration,
    /// Time in which a client has to take some of what is written to it.
    pub write_time: Duration,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Connections at once. When there are more the oldest goes that has not shown the token.
    pub connections: usize,
    /// Event streams at once.
    pub streams: usize,
    /// Calls that run at once.
    pub quick_calls: usize,
    /// Calls that read whole files, at once.
    pub long_calls: usize,
    /// Calls of each of the two sorts that wait.
    pub waiting_calls: usize,
    /// Time between two signs of life in an event stream.
    pub keep_alive: Duration,
    /// Time for requests that are under way when the companion ends.
    pub end_time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            write_time: Duration::from_secs(20),
            body_bytes: 256 * 1024,
            connections: 64,
            streams: 16,
            quick_calls: 8,
            long_calls: 2,
            waiting_calls: 32,
            keep_alive: Duration::from_secs(15),
            end_time: Duration::from_secs(3),
        }
    }
}
