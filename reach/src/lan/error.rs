use thiserror::Error;

/// Why members on the network at hand cannot be announced or looked for.
#[derive(Debug, Error)]
pub enum LanError {
    /// An announcement names no port.
    #[error("cannot announce on the local network at UDP port 0; bind the socket first and pass its port")]
    NoPort,
    /// The mDNS service refused a step, mostly for want of threads or sockets.
    #[error("cannot {step} on UDP port {port} for mDNS: {reason}; transfers go on with the offers at hand")]
    Mdns {
        /// What was tried.
        step: &'static str,
        /// The UDP port of mDNS.
        port: u16,
        /// The reason, in the words of the mDNS library or the system.
        reason: String,
    },
    /// The operating system gave no random bytes for names.
    #[error("no random bytes from the operating system for the names of the announcement: {reason}")]
    NoRandomness {
        /// The reason, in the words of the system.
        reason: String,
    },
}
