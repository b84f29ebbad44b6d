//! Whole transfers between real processes on loopback: what a user would type, and what must then be true of the files,
//! the records and the receipts. Where a test has to know what a peer was asked for, or has to lie, it plays the seeder
//! itself ([`seeder`]); the fetch is always the real binary.

mod blame;
mod changed;
mod demo;
mod importing;
mod invalid;
mod killed;
mod killing;
mod kills;
mod leaving;
mod lies;
mod model;
mod phases;
mod pipes;
mod record;
mod repair;
mod seeder;
mod signals;
mod steps;
mod supply;
