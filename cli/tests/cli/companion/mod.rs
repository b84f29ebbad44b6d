//! The companion as a process, in homes of its own: commands that a user types, and what must then hold of files,
//! records, grants and other processes.

mod asking;
mod away;
#[cfg(target_os = "linux")]
mod browser;
mod causes;
mod database;
mod doctor;
mod executables;
mod exposed;
mod folders;
mod formats;
mod grants;
mod house;
mod http;
mod injected;
mod interface;
mod library;
mod limits;
#[cfg(target_os = "linux")]
mod page;
mod publishers;
mod records;
mod restart;
mod revoke;
#[cfg(target_os = "linux")]
mod service;
mod several;
mod shared;
mod spent;
mod terminal;
mod told;
mod two_homes;
mod version;
