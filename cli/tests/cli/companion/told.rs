//! The cause of a standstill, as every interface reports it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use minimodel_companion::doctor::{CAUSES, name, words_of};
use minimodel_companion::model::Kind;
use serde_json::Value;

use super::house::House;
use crate::process::events;

/// Sends a raw request to the local interface, with the token of the home; returns the body of a successful answer.
#[track_caller]
pub(super) fn ask(house: &House, method: &str, path: &str, body: &str) -> String {
    let answer = answer_of(house, method, path, body);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 20"), "{answer}");
    body.to_owned()
}

/// Sends such a request; returns the whole answer with its head, whatever its status.
pub(super) fn answer_of(house: &House, method: &str, path: &str, body: &str) -> String {
    let folder = house.home.own("state/companion");
    let token = std::fs::read_to_string(folder.join("token")).unwrap();
    let endpoint: Value =
        serde_json::from_slice(&std::fs::read(folder.join("endpoint.json")).unwrap()).unwrap();
    let address: SocketAddr = endpoint["addresses"][0].as_str().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let (token, length) = (token.trim(), body.len());
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Asserts that every interface reports this cause of this transfer: `status --json`, the HTTP interface, the
/// metrics, the table for people, and the doctor, which says what to do.
#[track_caller]
pub(super) fn is_told(house: &House, id: u64, cause: &str) {
    let known = CAUSES.into_iter().find(|known| name(*known) == cause).unwrap();
    house.transfer_when(id, cause, |transfer| transfer["cause"] == cause);
    house.until(&format!("{cause} in the interface"), || {
        let status: Value = serde_json::from_str(&ask(house, "GET", "/v1/status", "")).unwrap();
        let transfers = status["transfers"].as_array().unwrap();
        transfers.iter().any(|transfer| transfer["id"] == id && transfer["cause"] == cause)
    });
    house.until(&format!("{cause} and no other cause in the metrics"), || {
        let metrics = ask(house, "GET", "/metrics", "");
        let of_it = |line: &&str| {
            line.starts_with("minimodel_transfer_idle{") && line.contains(&format!("transfer=\"{id}\""))
        };
        let mut now = metrics.lines().filter(of_it).filter(|line| line.ends_with("} 1"));
        let label = format!("cause=\"{cause}\"");
        now.next().is_some_and(|line| line.contains(&label)) && now.next().is_none()
    });
    let transfer = house.transfer(id);
    let asks = transfer["state"] == "asking";
    let words = words_of(if transfer["kind"] == "share" { Kind::Share } else { Kind::Fetch }, known);
    house.until(&format!("{cause} in words"), || {
        let shown = house.home.say("status").exits(0).stdout;
        shown.contains(if asks { "asks for your consent" } else { words })
    });
    house.until(&format!("{cause} of the doctor"), || {
        let ran = house.home.say("--json doctor");
        let name = format!("transfer {id}");
        let told = if asks { "asks for consent" } else { words };
        events(&ran.stdout, "finding").any(|finding| {
            finding["name"] == name
                && finding["detail"].as_str().unwrap().contains(told)
                && finding["hint"].as_str().is_some_and(|hint| !hint.is_empty())
        })
    });
}
