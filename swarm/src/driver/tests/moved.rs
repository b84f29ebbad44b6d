//! An address change in mid-transfer, and an attacker that only pretends one.

use std::net::UdpSocket;

use minimodel_wire::CloseCode;

use super::live::Live;
use super::path::Path;
use super::*;

// Rows: C7, H13
#[tokio::test]
async fn transfer_survives_address_change_and_forged_datagrams() {
    let mut seeder = Live::seeder(1, Controls::default());
    let target = seeder.node.local_address();
    let path = Path::to(target).await;
    let mut fetcher = Live::fetcher(Controls::default(), &[]);
    // Slow enough for changes in mid-transfer.
    fetcher.rate_limit.set(Some(128 << 10));
    fetcher.session.tell(Input::Source(path.offer(&seeder)));
    let forger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (mut got, mut met, mut lost) = (0, 0, Vec::new());
    work(&mut seeder.session, &mut fetcher.session, |session_event| {
        let SessionEvent::Machine(event) = session_event else { return false };
        match event {
            Event::Joined { .. } => met += 1,
            Event::Left { code, .. } if *code != Some(CloseCode::Done) => lost.push(event.clone()),
            Event::Struck { .. } | Event::Banned { .. } => lost.push(event.clone()),
            Event::Chunk { .. } => got += 1,
            _ => {}
        }
        if matches!(event, Event::Chunk { .. }) && [4, 8, 12].contains(&got) {
            // Earlier datagrams come from the forger as well, unchanged and with a bit changed: the connection must not
            // move for that.
            let heard = path.heard.lock().unwrap().clone();
            assert!(!heard.is_empty());
            for datagram in heard {
                forger.send_to(&datagram, target).unwrap();
                let mut changed = datagram;
                *changed.last_mut().unwrap() ^= 1;
                forger.send_to(&changed, target).unwrap();
            }
            path.moves.store(true, Ordering::Relaxed);
        }
        is_complete(session_event)
    })
    .await;
    assert_eq!((got, met, lost), (COUNT, 1, Vec::new()), "it is one connection");
    assert_eq!(seeder.session.links.count(), 1, "nobody else came of it");
    assert!(!path.moves.load(Ordering::Relaxed), "it never moved");
    // What counts for limits, and as the word of a witness, is the address that the peer has proved.
    let [(proved, now)] = seeder.session.links.addresses()[..] else { panic!("one connection") };
    assert_eq!((proved, proved != now), (path.first, true));
}
