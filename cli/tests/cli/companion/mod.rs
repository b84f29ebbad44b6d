//! The companion as a process, in homes of its own: what its user types, and what must then be true of files, records,
//! grants and other people's processes.

mod grants;
mod house;
mod http;
mod interface;
mod library;
mod restart;
mod revoke;
mod terminal;
mod two_homes;
mod upgrade;
mod version;
