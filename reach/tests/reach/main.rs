//! Ways to be found and reached, against fakes on loopback.

#![expect(clippy::expect_used, reason = "clippy lets tests stop so, but not the functions they share")]

mod mapping;
