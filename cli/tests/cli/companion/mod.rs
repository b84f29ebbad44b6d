//! The companion as a process, in homes of its own: what its user types, and what must then be true of files, records,
//! grants and other people's processes.

mod causes;
mod doctor;
mod house;
mod injected;
mod limits;
mod restart;
mod revoke;
mod told;
mod two_homes;
