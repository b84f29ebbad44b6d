//! Refusals of `minimodel`: the exit code, the object named, the next step, and above all what did not happen. Row
//! ids of the fault catalogue begin the names of the tests.

mod bounds;
mod consent;
mod disk;
mod errors;
mod folders;
mod hostile;
mod identity;
mod invalid;
mod moments;
mod naming;
mod others;
mod outputs;
mod peers;
mod publishers;
mod source;
mod spent;
mod stage;
mod strangers;

pub(crate) use folders::run_without_privilege;
