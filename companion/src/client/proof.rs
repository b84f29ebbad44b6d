//! Connections to the companion alone: each is used only after the server has proved that it knows the token.
//!
//! `endpoint.json` names the port at which a companion answered when it started. If that companion crashed, any program on
//! this machine may hold the port now, and a client that trusts the file would send it the token. So each connection begins
//! with a challenge that only a holder of the token can answer (see `api::access`), and the request follows on the same
//! connection. No connection is used for a second call, so each call has a proof of its own.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use minimodel_swarm::os::is_process;
use ureq::Agent;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, Either, NextTimeout, TcpConnector, Transport,
};

use crate::api::access::{Token, nonce};

/// Time limit of the connection and of the proof. A running companion needs a moment for both.
const CONNECT: Duration = Duration::from_secs(5);

/// Largest answer to the challenge, in bytes, head included.
const MAX_PROOF: usize = 8 * 1024;

/// True if a process with this id exists. Whether it is the companion, the proof decides.
pub(super) fn is_alive(pid: u32) -> bool {
    is_process(pid)
}

/// An HTTP agent that sends requests only to companions that know this token.
pub(super) fn agent(token: Token) -> Agent {
    agent_within(token, CONNECT)
}

fn agent_within(token: Token, limit: Duration) -> Agent {
    let config = Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .timeout_connect(Some(limit))
        .build();
    let connector = Connector::<()>::chain(TcpConnector::default(), Proving { token, limit });
    Agent::with_parts(config, connector, Literal)
}

/// A resolver that accepts literal loopback addresses and looks up no name.
#[derive(Debug)]
struct Literal;

impl Resolver for Literal {
    fn resolve(
        &self,
        uri: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let authority = uri.authority().and_then(|authority| authority.as_str().parse().ok());
        let address = authority.filter(|address: &SocketAddr| address.ip().is_loopback());
        let mut addresses = self.empty();
        addresses.push(address.ok_or(ureq::Error::HostNotFound)?);
        Ok(addresses)
    }
}

/// A connector that passes a connection on when the server has proved that it knows the token.
#[derive(Debug)]
struct Proving {
    token: Token,
    /// Time for the whole answer, even if it comes a byte at a time.
    limit: Duration,
}

impl<T: Transport> Connector<Either<(), T>> for Proving {
    type Out = Either<(), T>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<Either<(), T>>,
    ) -> Result<Option<Either<(), T>>, ureq::Error> {
        let Some(mut transport) = chained else { return Ok(None) };
        let address = details.addrs.first().ok_or(ureq::Error::HostNotFound)?;
        let nonce = nonce()?;
        let answer = ask(&mut transport, *address, &nonce, details.timeout, self.limit)
            .map_err(|error| if is_closed(&error) { closed_early() } else { error })?;
        if self.token.proves(*address, &nonce, answer.trim_end()) {
            return Ok(Some(transport));
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "who answers there does not know the token")
            .into())
    }
}

/// The server closed the connection before it had proved anything, so nothing of the request was sent.
#[derive(Debug)]
struct ClosedEarly;

impl fmt::Display for ClosedEarly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was closed before the companion had proved that it knows the token")
    }
}

impl Error for ClosedEarly {}

fn closed_early() -> ureq::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, ClosedEarly).into()
}

/// True if a request failed since the server closed the connection.
pub(super) fn is_closed(error: &ureq::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error, ureq::Error::Io(error)
        if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof))
}

/// True if nothing says who listens there: it gave no answer in time, or closed each connection.
pub(super) fn is_out_of_reach(error: &ureq::Error) -> bool {
    let timed_out = matches!(error, ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut);
    matches!(error, ureq::Error::Timeout(_)) || timed_out || is_closed(error) || is_closed_early(error)
}

/// True if a request failed since the server closed the connection before the request was sent.
pub(super) fn is_closed_early(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(error) if error.get_ref().is_some_and(|cause| cause.is::<ClosedEarly>()))
}

/// Sends the challenge and returns the body of the answer.
fn ask(
    transport: &mut impl Transport,
    address: SocketAddr,
    nonce: &str,
    timeout: NextTimeout,
    limit: Duration,
) -> Result<String, ureq::Error> {
    let began = Instant::now();
    let mut request = String::new();
    write!(request, "GET /healthz?challenge={nonce} HTTP/1.1\r\nhost: {address}\r\n\r\n")
        .map_err(io::Error::other)?;
    transport.buffers().output()[..request.len()].copy_from_slice(request.as_bytes());
    transport.transmit_output(request.len(), timeout)?;
    let mut answer = Vec::new();
    loop {
        let Some(left) = limit.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        };
        let more = transport.await_input(NextTimeout { after: left.into(), ..timeout })?;
        let input = transport.buffers().input();
        answer.extend_from_slice(input);
        let len = input.len();
        transport.buffers().input_consume(len);
        if let Some(body) = body(&answer)? {
            return Ok(body);
        }
        if !more {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if answer.len() > MAX_PROOF {
            return Err(io::Error::from(io::ErrorKind::InvalidData).into());
        }
    }
}

/// The body of a complete answer: status 200 and a length, as the companion answers; `None` while bytes are missing.
fn body(answer: &[u8]) -> Result<Option<String>, io::Error> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end]).map_err(|_| invalid())?;
    let mut lines = head.split("\r\n");
    if lines.next().is_none_or(|line| !line.starts_with("HTTP/1.1 200 ")) {
        return Err(invalid());
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = &answer[end + 4..];
    match length.ok_or_else(invalid)? {
        length if body.len() < length => Ok(None),
        // Bytes beyond the length answer no request.
        length if body.len() > length => Err(invalid()),
        _ => String::from_utf8(body.to_owned()).map(Some).map_err(|_| invalid()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn who_answers_a_byte_at_a_time_does_not_hold_a_client_up() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let dribble = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 20]).unwrap();
            // Until the client disconnects, or has taken the most that it may take.
            (0..=MAX_PROOF).find(|_| {
                std::thread::sleep(Duration::from_millis(5));
                stream.write_all(b"a").is_err()
            })
        });
        let root = tempfile::tempdir().unwrap();
        let token = crate::api::Access::open(&root.path().join("c")).unwrap().token().clone();
        let agent = agent_within(token, Duration::from_millis(200));
        assert!(agent.get(format!("http://{address}/healthz")).call().is_err());
        assert!(dribble.join().unwrap().is_some(), "the client took all of it");
    }

    #[test]
    fn close_before_the_proof_is_told_from_one_after() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let root = tempfile::tempdir().unwrap();
        let token = crate::api::Access::open(&root.path().join("c")).unwrap().token().clone();
        let proof = token.clone();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 4096];
            let count = stream.read(&mut head).unwrap();
            drop(stream);
            assert!(head[..count].starts_with(b"GET /healthz?challenge="));
            let (mut stream, _) = listener.accept().unwrap();
            let count = stream.read(&mut head).unwrap();
            let head = str::from_utf8(&head[..count]).unwrap();
            let nonce = head["GET /healthz?challenge=".len()..].split(' ').next().unwrap();
            let proof = proof.proof(address, nonce);
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{proof}", proof.len()).unwrap();
            assert_ne!(stream.read(&mut [0; 4096]).unwrap(), 0, "no request came");
        });
        let agent = agent(token);
        let ask = || agent.get(format!("http://{address}/healthz")).call().unwrap_err();
        let (early, late) = (ask(), ask());
        assert!(is_closed_early(&early) && is_closed(&early), "{early:?}");
        assert!(!is_closed_early(&late) && is_closed(&late), "{late:?}");
        server.join().unwrap();
    }

    #[test]
    fn nothing_but_loopback_addresses_is_ever_dialed() {
        let root = tempfile::tempdir().unwrap();
        let token = crate::api::Access::open(&root.path().join("c")).unwrap().token().clone();
        let agent = agent(token);
        for host in
            ["192.0.2.1:80", "[2001:db8::1]:80", "0.0.0.0:80", "localhost:80", "example.org", "127.0.0.1"]
        {
            let refused = agent.get(format!("http://{host}/healthz")).call().unwrap_err();
            assert!(matches!(refused, ureq::Error::HostNotFound), "{host}: {refused}");
        }
    }

    #[test]
    fn only_a_whole_answer_of_status_200_and_a_length_has_a_body() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
        for (answer, expected) in [("", None), (&head[..20], None), (head, None)] {
            assert_eq!(body(answer.as_bytes()).unwrap().as_deref(), expected, "{answer}");
        }
        assert_eq!(body(format!("{head}abc").as_bytes()).unwrap().as_deref(), Some("abc"));
        for answer in [
            format!("{head}abcd"),
            head.replace("200", "201"),
            head.replace("Length", "Lengths"),
            head.replace(" 3", " -3"),
        ] {
            assert!(body(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
