//! A running server for a test, and raw requests to it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use minimodel_companion::Problem;
use minimodel_companion::api::{self, Access, Interface, ServerLimits};
use minimodel_companion::client::Client;
use minimodel_companion::model::Event;
use tokio::sync::{broadcast, watch};

use crate::contract::documented;
use crate::memory::Memory;

/// Time limit longer than any step takes; it only ends a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a folder of its own; it ends when the value is dropped.
pub(crate) struct Running {
    pub(crate) memory: Arc<Memory>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) folder: PathBuf,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) token: String,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<Result<(), Problem>>>,
    _root: tempfile::TempDir,
}

impl Running {
    pub(crate) fn new() -> Self {
        Self::within(ServerLimits::default())
    }

    pub(crate) fn within(limits: ServerLimits) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("companion");
        let access = Access::open(&folder).unwrap();
        let token = std::fs::read_to_string(folder.join("token")).unwrap().trim_end().to_owned();
        let listeners = api::bind(0).unwrap();
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let memory = Arc::new(Memory::default());
        let (events, _) = broadcast::channel(8);
        let (stop, stopped) = watch::channel(false);
        let (service, sender) = (Arc::clone(&memory), events.clone());
        let thread = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
            let interface = Interface { service, access, events: sender, stop: stopped, limits };
            runtime.block_on(async {
                api::publish(listeners, interface)?.until_stopped().await;
                Ok(())
            })
        });
        let running =
            Self { memory, events, folder, addresses, token, stop, thread: Some(thread), _root: root };
        while !running.folder.join("endpoint.json").exists() {
            std::thread::sleep(Duration::from_millis(2));
        }
        running
    }

    /// 127.0.0.1 and the port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(crate) fn client(&self) -> Client {
        Client::find(&self.folder).unwrap().expect("it runs")
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes and returns the answer.
    pub(crate) fn raw(&self, bytes: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        read_answer(&mut stream)
    }

    /// Sends a request with Host, token and the header lines `more`. A route answers with a status that the document has.
    pub(crate) fn request(&self, line: &str, more: &str, body: &str) -> String {
        let (address, token) = (self.address(), &self.token);
        let answer = self.raw(&format!(
            "{line} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{more}content-length: {}\r\n\r\n{body}",
            body.len()
        ));
        if let Some(operation) = documented(line) {
            let given = status(&answer).to_string();
            assert!(operation["responses"][&given].is_object(), "{line}: {given} is not in the document");
        }
        answer
    }

    /// Sends a well-formed change.
    pub(crate) fn change(&self, line: &str, body: &str) -> String {
        self.request(line, "content-type: application/json\r\n", body)
    }

    /// Stops the server and returns its result.
    pub(crate) fn end(&mut self) -> Result<(), Problem> {
        self.memory.hold(false);
        self.stop.send_replace(true);
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Reads one answer: its head, and as much body as the head declares.
pub(crate) fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if length.is_some_and(|length: usize| body.len() >= length) || head.contains(" 204 ") {
                return text;
            }
        }
        let mut more = [0; 4096];
        match stream.read(&mut more) {
            Ok(0) => return text,
            Ok(len) => answer.extend_from_slice(&more[..len]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return text,
            Err(error) => panic!("{error} after {text}"),
        }
    }
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

/// The problem in an answer.
pub(crate) fn problem(answer: &str) -> Problem {
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
