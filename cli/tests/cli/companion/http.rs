//! The local interface, byte by byte, without the project's own client.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::home::Home;

/// Longer than any answer takes; it only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Address and token of a companion.
pub(super) struct Http {
    pub(super) address: SocketAddr,
    pub(super) token: String,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// Asserts the status.
    #[track_caller]
    pub(super) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        self
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Http {
    /// Reads the address and the token from the home, as any program of the same user can.
    pub(super) fn of(home: &Home) -> Self {
        let read =
            |name: &str| std::fs::read_to_string(home.own(&format!("state/companion/{name}"))).unwrap();
        let endpoint: Value = serde_json::from_str(&read("endpoint.json")).unwrap();
        let address = endpoint["addresses"][0].as_str().unwrap().parse().unwrap();
        Self { address, token: read("token").trim_end().to_owned() }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends a request with these header lines, and no others but those that frame it.
    pub(super) fn raw(&self, line: &str, head: &str, body: &str) -> Answer {
        let mut stream = self.connect();
        let text = format!(
            "{line} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n{head}\r\n{body}",
            body.len()
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Valid header lines, without the content type of a body.
    pub(super) fn head(&self) -> String {
        format!("host: {}\r\nauthorization: Bearer {}\r\n", self.address, self.token)
    }

    /// A request of this method and path, without a body.
    pub(super) fn ask(&self, line: &str) -> Answer {
        self.raw(line, &self.head(), "")
    }

    /// Sends a GET request.
    pub(super) fn get(&self, path: &str) -> Answer {
        self.raw(&format!("GET {path}"), &self.head(), "")
    }

    /// Sends a request with a JSON body, or without a body for `null`.
    pub(super) fn change(&self, line: &str, body: &Value) -> Answer {
        let head = format!("{}content-type: application/json\r\n", self.head());
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(line, &head, &body)
    }

    /// The stream of events; it ends with the companion.
    pub(super) fn events(&self) -> impl Iterator<Item = Value> + use<> {
        let mut stream = self.connect();
        // HTTP/1.0, so that nothing of the framing comes between the lines.
        let text = format!("GET /v1/events HTTP/1.0\r\n{}\r\n", self.head());
        stream.write_all(text.as_bytes()).unwrap();
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.filter_map(|line| Some(serde_json::from_str(line.strip_prefix("data: ")?).unwrap()))
    }
}
