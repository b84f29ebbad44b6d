//! The bytes of `minimodel/1`, seen from outside: golden vectors, rules by name, and properties.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy lets tests stop so, but not the functions they share"
)]

mod address_rules;
mod bitfield;
mod consent;
mod decoder_rules;
mod golden;
mod identity;
mod offer_rules;
mod properties;
mod request_rules;
mod samples;
