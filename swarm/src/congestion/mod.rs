//! Congestion control: how many bytes may be in flight to one peer, as a pure type that the caller gives the time.
//!
//! [`DelayController`] keeps a window such that a small, chosen amount of its own bytes waits in the queue of the
//! bottleneck, and takes loss for congestion only where it is far more than a bad link loses. `docs/congestion.md`
//! has the reasons and the figures; the parts come from these texts:
//!
//! - the window by the queue that it causes: FAST TCP (Wei, Jin, Low, Hegde, IEEE/ACM ToN 14(6), 2006, equation 12);
//! - the *standing* delay, a minimum over a round trip, and windows that empty the queue now and then so that all
//!   see the path's own delay: Copa (Arun, Balakrishnan, NSDI 2018, sections 2.1 and 2.2);
//! - rounds, delivery rate, start, the loss threshold and what an idle application may not teach: BBR
//!   (draft-ietf-ccwg-bbr, under "Startup", "ProbeRTT", "Updating the Model upon Packet Loss");
//! - leaving the start before the queue overflows: HyStart++ (RFC 9406).

mod delay_controller;
mod round;

pub use delay_controller::DelayController;
