//! Event objects of the command line.

use serde::Serialize;

/// Version of the event objects. It changes when a field changes its meaning or goes away; new fields may come.
pub(crate) const EVENT_VERSION: u32 = 0;

/// One event of an NDJSON stream: `{"event":NAME,"version":0,...fields}`.
#[derive(Serialize)]
pub(crate) struct Event<'a, T: Serialize> {
    event: &'a str,
    version: u32,
    #[serde(flatten)]
    fields: T,
}

impl<'a, T: Serialize> Event<'a, T> {
    /// An event called `name`.
    pub(crate) fn new(name: &'a str, fields: T) -> Self {
        Self { event: name, version: EVENT_VERSION, fields }
    }
}

#[cfg(test)]
mod tests {
    use minimodel::json::line;

    use super::*;

    #[test]
    fn an_event_names_itself_and_its_version() {
        #[derive(Serialize)]
        struct Bytes {
            bytes: u64,
        }
        assert_eq!(
            line(&Event::new("progress", Bytes { bytes: 7 })).unwrap(),
            r#"{"event":"progress","version":0,"bytes":7}"#
        );
    }
}
