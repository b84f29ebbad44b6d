//! The user's explicit yes to one action, asked for or given by a flag, and recorded.
//!
//! There is no general yes. Off a terminal, and under `--json`, only the flag counts; on a terminal each action is its
//! own question and takes only the word `yes`. Without consent nothing has been dialed or written. What was given is
//! appended to `consent.log` in the state folder before anything is done with it; if that fails, nothing is done.

mod question;

pub(crate) use minimodel::consent::Action;

pub(crate) use crate::args::{ConsentFlag, ConsentSource};
pub(crate) use question::{
    MANIFEST_ASKED, NOTHING_DONE, Question, agree, answer, by_command, obtain, obtain_required,
};
