//! The library as another program uses it: the handles, and the examples run against each other over loopback.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by failing")]

mod examples;
mod handles;
mod imports;
mod shared;
mod ways;
