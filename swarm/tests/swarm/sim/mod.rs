//! Tests of swarms in virtual time: the scenarios, rows of the fault catalogue, and random suites of `minimodel-sim`.

mod crowding;
mod endgame;
mod figures;
mod hostile;
mod introductions;
mod leavers;
mod leechers;
mod liars;
mod meetings;
mod mixes;
mod movers;
mod offers;
mod points;
mod random;
mod rescan;
mod rows;
mod scenario;
mod siege;
mod third_parties;
mod throughput;
mod transfer;
mod uploads;
mod users;
