//! Whole transfers between real processes on loopback: commands that a user types, and what must then hold of the
//! files, the records and the receipts. Where a test must know what was requested of a seeder, or needs a liar, it
//! runs the seeder itself ([`seeder`]); the fetch is always the real binary.

mod blame;
mod changed;
mod demo;
mod earlier;
mod expected;
mod importing;
mod invalid;
mod killed;
mod killing;
mod kills;
mod leaving;
mod lies;
mod mirror;
mod model;
mod phases;
mod pipes;
mod record;
mod repair;
mod seeder;
mod signals;
mod steps;
mod supply;
