//! A chunk that arrived on a connection that is over.

use minimodel_wire::{ChunkHead, PeerId, Request};

use super::super::connection::{Link, LinkSettings};
use super::super::download::{self, ChunkRequest};
use super::super::limiter::Limiter;
use super::super::messages::TaskMessage;
use super::super::quota::{Direction, Reservation};
use super::*;
use crate::machine::{Conn, Req};

const LEN: u32 = 1_000;

// Rows: B22
#[tokio::test]
async fn chunk_that_arrived_before_the_close_is_reported_before_it() {
    let ((seeding, _), (fetching, _)) = (node(1), node(2));
    let (target, address) = (seeding.id(), seeding.local_address());
    let accepted = async { seeding.dialer.endpoint.accept().await.unwrap().await.unwrap() };
    let dialed = fetching.dialer.clone().dial(target, vec![address], Vec::new());
    let (serving, connection) = tokio::join!(accepted, dialed);
    let connection = connection.unwrap();
    let (inbox, mut messages) = mpsc::channel(1);
    let settings =
        LinkSettings { chunk_count: COUNT, fetches: false, inbox: inbox.clone(), totals: Arc::default() };
    let link = Link::start(connection.clone(), Conn(1), None, &settings);
    link.send(&Frame::Interested);
    let _control = serving.accept_bi().await.unwrap();
    // The session is busy: tasks that report to it wait, and are served in order.
    inbox.send(TaskMessage::Panicked).await.unwrap();
    let request = ChunkRequest {
        req: Req(1),
        index: 0,
        len: LEN,
        reservation: Reservation::request(None, Direction::Received, PeerId([1; 32]), LEN.into()).unwrap(),
        proof_len: 0,
        buffer: Vec::new(),
        counters: link.counters.clone(),
        limiter: Limiter::new(Vec::new()),
        reading: link.readers.subscribe(),
    };
    let reading = tokio::spawn(download::chunk(connection.clone(), request, inbox));
    let (mut send, mut recv) = serving.accept_bi().await.unwrap();
    recv.read_to_end(Request::MAX_LEN).await.unwrap();
    send.write_all(&ChunkHead { len: LEN, proof: Vec::new() }.encode()).await.unwrap();
    send.write_all(&[7; LEN as usize]).await.unwrap();
    send.finish().unwrap();
    // The other side has all of it, and acknowledges it.
    send.stopped().await.unwrap();
    serving.close(0u32.into(), b"");
    connection.closed().await;
    // Lets all tasks run that were woken by this.
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
    assert!(!reading.is_finished(), "what it has to tell waits");
    let mut told = Vec::new();
    while told.last() != Some(&"the end") {
        match timeout(PATIENCE, messages.recv()).await.unwrap().unwrap() {
            TaskMessage::Arrived { data, .. } if data == [7; LEN as usize] => told.push("a chunk"),
            TaskMessage::Input(Input::Failed { .. }) => told.push("no chunk"),
            TaskMessage::Input(Input::Closed { .. }) => told.push("the end"),
            _ => {}
        }
    }
    assert_eq!(told, ["a chunk", "the end"]);
}
