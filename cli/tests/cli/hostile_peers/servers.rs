//! Hostile servers that a fetcher dials.

use minimodel_hostile::{Ended, Seen, Server, Side, Trick};

use super::conformance;
use super::page::Page;
use super::{Expected, Faults, Fetcher, all_hold, blame, is_calm, model, of_frames, publisher, runtime};
use crate::home::Home;
use crate::process::{Running, events};

/// Expected end and blame of a trick, beyond what the conformance table says of its rule.
fn expected(trick: Trick) -> Option<Expected> {
    const BANNED: &[Ended] = &[Ended::Closed(14)];
    /// The fetch was over, or other peers were better.
    const ANY_GOODBYE: &[Ended] = &[Ended::Closed(0), Ended::Closed(17)];
    let (ended, blame): (&[Ended], _) = match trick {
        Trick::BadBytes | Trick::BadProof | Trick::OtherIndex => {
            (BANNED, Some("peer-banned: sent a chunk that fails its proof"))
        }
        Trick::ShortProof | Trick::LongProof | Trick::ShortChunk | Trick::LongChunk | Trick::LongBody => {
            (BANNED, Some("peer-banned: sent a chunk with an impossible length or proof"))
        }
        Trick::ShortBody | Trick::ShortHead | Trick::EmptyAnswer => {
            (&[Ended::Closed(5)], Some("peer-struck: ended an answer before its end"))
        }
        Trick::Refuses => (&[Ended::Closed(17)], Some("peer-struck: refused a chunk it announced")),
        Trick::Mute => (ANY_GOODBYE, Some("peer-struck: took a request and did not answer")),
        Trick::Trickle => (ANY_GOODBYE, Some("peer-struck: sent next to nothing")),
        Trick::ResetAnswers | Trick::StopsRequests | Trick::Chokes => (ANY_GOODBYE, None),
        Trick::BreaksOff | Trick::HostileReason => (&[Ended::Open], None),
        Trick::UniStream | Trick::OpensStream => {
            (&[Ended::Transport(0x4)], Some("peer-struck: sent bytes that break the protocol"))
        }
        // TLS alert access_denied.
        Trick::OtherKey => (&[Ended::Transport(0x131)], None),
        // TLS alert bad_certificate.
        Trick::OtherScheme => (&[Ended::Transport(0x12a)], None),
        other => return of_frames(other),
    };
    Some(Expected { ended, blame })
}

#[test]
fn every_trick_is_answered_as_the_page_says() {
    all_hold(&play());
}

/// Has a fetcher dial a server for each trick and an honest seeder, and returns the fault of each trick that has one.
fn play() -> Faults {
    let publisher = publisher("3MiB");
    let model = model(&publisher);
    let runtime = runtime();
    let _within = runtime.enter();
    let tricks = Trick::from_side(Side::Server).filter(|&trick| !conformance::plays(trick));
    let servers: Vec<Server> = tricks.map(|trick| Server::start(trick, model.clone()).unwrap()).collect();
    let home = Home::new();
    // Slow enough that every liar is asked, and fast enough to be told from slow peers.
    let honest = Running::seed(
        &home,
        [
            publisher.path("model.minimodel").as_os_str(),
            publisher.path("model.slm").as_os_str(),
            "--up".as_ref(),
            "208KiB".as_ref(),
        ],
    );
    let mut offers: Vec<String> = servers.iter().map(Server::offer).collect();
    offers.push(honest.offer());

    let fetcher = Fetcher::of(&publisher);
    let ran = fetcher.start(&offers, &[]).end().exits(0);
    is_calm(&ran);
    fetcher.has_it(&publisher);
    is_calm(&honest.stop());
    assert_eq!(blame(&ran.stdout, &honest_peer(&offers)), Vec::<String>::new());

    let page = Page::read();
    let judged = servers.iter().map(|server| {
        let (trick, against) = (server.trick(), blame(&ran.stdout, &server.peer().to_string()));
        let seen = server.seen();
        let Some(first) = seen.first() else {
            return (trick, Err(format!("{} ({trick}): no fetcher came", trick.rule())));
        };
        let told = expected(trick).map_or(Ok(()), |mut expected| {
            if trick == Trick::BreaksOff && !against.is_empty() {
                // From the fourth break on.
                expected.blame = Some("peer-struck: broke off in the middle of chunks");
            }
            expected.check(trick, &first.ended, &against)
        });
        let is_named =
            || events(&ran.stdout, "wrong-key").any(|event| event["expected"] == server.peer().to_string());
        if trick == Trick::OtherKey && !is_named() {
            return (trick, Err(format!("the key that was expected is not told: {}", ran.stdout)));
        }
        let by_page = page.check(trick, first, &against, None);
        (trick, by_page.and(told).and_then(|()| was_asked_right(trick, &seen)))
    });
    judged.collect()
}

fn honest_peer(offers: &[String]) -> String {
    let offer: minimodel_wire::SignedOffer = offers.last().unwrap().parse().unwrap();
    offer.offer().peer.to_string()
}

/// Checks the number of requests: a liar gets at least one, and no more than may be in flight to a new peer; a
/// choking peer gets none.
fn was_asked_right(trick: Trick, seen: &[Seen]) -> Result<(), String> {
    /// Most requests in flight to a peer that has not delivered yet.
    const FIRST: u32 = 4;
    let asked: u32 = seen.iter().map(|seen| seen.asked).sum();
    let fine = match trick {
        Trick::BadBytes
        | Trick::BadProof
        | Trick::OtherIndex
        | Trick::ShortProof
        | Trick::LongProof
        | Trick::ShortChunk
        | Trick::LongChunk
        | Trick::LongBody => (1..=FIRST).contains(&asked),
        Trick::ShortBody
        | Trick::ShortHead
        | Trick::EmptyAnswer
        | Trick::Refuses
        | Trick::Mute
        | Trick::Trickle
        | Trick::ResetAnswers
        | Trick::StopsRequests => asked >= 1,
        Trick::Chokes => asked == 0,
        _ => true,
    };
    if fine { Ok(()) } else { Err(format!("{trick}: it was asked {asked} times")) }
}
