//! The user's explicit yes to one action, asked for or given by a flag, and recorded.
//!
//! There is no general yes. Off a terminal, and under `--json`, only the flag counts; on a terminal one screen names each
//! action and lists the answers that agree: `yes`, `yes serve`. Without consent nothing has been dialed or written. What
//! was given is appended to `consent.log` in the state folder before anything is done with it; if that fails, nothing is
//! done.

mod advance;
mod question;
mod screen;

pub(crate) use minimodel::consent::Action;

pub(crate) use crate::args::{ConsentFlag, ConsentSource};
pub(crate) use advance::Advance;
pub(crate) use question::{
    MANIFEST_ASKED, NOTHING_DONE, Question, agree, answer, answer_by_offer, by_command, obtain,
    obtain_by_offer, take_up,
};
pub(crate) use screen::in_a_row;
