//! A BitTorrent tracker of one torrent for the length of one run, since aria2 has no option to add a peer.
//! It answers every announce with all earlier announcers and with the seeders (BEP 3, compact form of BEP 23).

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A running tracker; it ends when dropped.
#[derive(Debug)]
pub(super) struct Tracker {
    port: u16,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tracker {
    pub(super) fn start(seeders: &[u16]) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("tracker: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(told)?;
        let port = listener.local_addr().map_err(told)?.port();
        let over = Arc::new(AtomicBool::new(false));
        let (stop, mut known) = (over.clone(), seeders.to_vec());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                // A client that disconnects is no error of the tracker.
                let _ = stream.and_then(|stream| answer(stream, &mut known));
            }
        });
        Ok(Self { port, over, thread: Some(thread) })
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/announce", self.port)
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // The thread waits for a connection: this is its last one.
        if TcpStream::connect(("127.0.0.1", self.port)).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, known: &mut Vec<u16>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let announced = port_in(&request);
    let others: Vec<u16> = known.iter().copied().filter(|port| Some(*port) != announced).collect();
    known.extend(announced.filter(|port| !known.contains(port)));
    let body = response(&others);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat())
}

/// The port that an announce names.
fn port_in(request: &str) -> Option<u16> {
    let query = request.split_whitespace().nth(1)?.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix("port="))?.parse().ok()
}

/// Peers at loopback, six bytes each, asked for again in two seconds.
fn response(ports: &[u16]) -> Vec<u8> {
    let mut body = format!("d8:intervali2e5:peers{}:", ports.len() * 6).into_bytes();
    for port in ports {
        body.extend([127, 0, 0, 1]);
        body.extend(port.to_be_bytes());
    }
    body.push(b'e');
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn announce(tracker: &Tracker, port: u16) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", tracker.port)).unwrap();
        let request = format!("GET /announce?info_hash=%01&port={port}&left=0 HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        all.split_off(end)
    }

    #[test]
    fn everybody_but_oneself_is_named() {
        let tracker = Tracker::start(&[0x1234]).unwrap();
        assert_eq!(announce(&tracker, 0x0506), b"d8:intervali2e5:peers6:\x7f\0\0\x01\x12\x34e");
        assert_eq!(
            announce(&tracker, 0x0708),
            b"d8:intervali2e5:peers12:\x7f\0\0\x01\x12\x34\x7f\0\0\x01\x05\x06e"
        );
        assert_eq!(
            announce(&tracker, 0x0506),
            b"d8:intervali2e5:peers12:\x7f\0\0\x01\x12\x34\x7f\0\0\x01\x07\x08e"
        );
        assert!(tracker.url().starts_with("http://127.0.0.1:"));
    }

    #[test]
    fn a_request_without_a_port_has_none() {
        assert_eq!(port_in("GET /announce?port=6881&x=1 HTTP/1.1"), Some(6881));
        assert_eq!(port_in("GET /announce HTTP/1.1"), None);
        assert_eq!(port_in(""), None);
    }
}
