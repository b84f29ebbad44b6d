//! The reader of the event stream.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read};

use crate::model::Event;
use crate::problem::{Problem, code};
use crate::service::Answer;

/// Longest line, in bytes: one transfer with very many peers.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// The companion's events as they happen: all transfers, then every change. [`Event::Resync`] voids all events before it.
/// Ends after [`Event::Stopping`], or after one problem when the stream breaks off.
pub struct Events {
    reader: BufReader<Box<dyn Read + Send>>,
    ended: bool,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Events {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader: BufReader::new(reader), ended: false }
    }

    /// Reads the data of the next event, by the rules for streams in the HTML standard, section 9.2.6. Ids and names are
    /// skipped: the data is complete without them.
    fn data(&mut self) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            let mut line = Vec::new();
            (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut line)?;
            if line.pop() != Some(b'\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if line.is_empty() && !data.is_empty() {
                return Ok(data);
            }
            if let Some(value) = line.strip_prefix(b"data:") {
                data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
                data.push(b'\n');
            }
        }
    }
}

impl Iterator for Events {
    type Item = Answer<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let event = match self.data() {
            Ok(data) => serde_json::from_slice(&data).map_err(|error| super::unexpected(&error)),
            Err(error) => {
                let hint = "see whether it runs: `minimodel companion status`";
                Err(Problem::new(code::STOPPED, "the companion's events broke off", hint).because(error))
            }
        };
        self.ended = matches!(event, Err(_) | Ok(Event::Stopping));
        Some(event)
    }
}
