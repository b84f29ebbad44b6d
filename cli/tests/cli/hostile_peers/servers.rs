//! Hostile servers that a fetcher dials.

use minimodel_hostile::{Ended, Seen, Server, Side, Trick};

use super::conformance;
use super::page::Page;
use super::{Expected, Faults, Fetcher, blame, each_trick, is_calm, model, of_frames, publisher, runtime};
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

each_trick! {
    truncated_frame: TruncatedFrame,
    oversized_length: OversizedLength,
    unknown_frame: UnknownFrame,
    other_version: OtherVersion,
    other_artifact: OtherArtifact,
    other_license: OtherLicense,
    other_evidence: OtherEvidence,
    other_swarm: OtherSwarm,
    other_layout: OtherLayout,
    no_direction: NoDirection,
    unknown_consent: UnknownConsent,
    later_hello: LaterHello,
    second_bitfield: SecondBitfield,
    question: Question,
    second_hello: SecondHello,
    have_before_bitfield: HaveBeforeBitfield,
    chunk_on_control: ChunkOnControl,
    finished_control: FinishedControl,
    reset_control: ResetControl,
    stopped_control: StoppedControl,
    trailing_bytes: TrailingBytes,
    second_spelling: SecondSpelling,
    control_flood: ControlFlood,
    have_storm: HaveStorm,
    empty_bits: EmptyBits,
    empty_have: EmptyHave,
    empty_peers: EmptyPeers,
    dont_have_past_end: DontHavePastEnd,
    unpermitted_interest: UnpermittedInterest,
    unknown_bye: UnknownBye,
    leaves: Leaves,
    reserved_flood: ReservedFlood,
    spare_bits: SpareBits,
    other_bitfield: OtherBitfield,
    huge_bitfield: HugeBitfield,
    have_past_end: HavePastEnd,
    uni_stream: UniStream,
    opens_stream: OpensStream,
    no_bitfield: NoBitfield,
    other_scheme: OtherScheme,
    hostile_reason: HostileReason,
    hostile_name: HostileName,
    bad_bytes: BadBytes,
    bad_proof: BadProof,
    other_index: OtherIndex,
    short_proof: ShortProof,
    long_proof: LongProof,
    short_chunk: ShortChunk,
    long_chunk: LongChunk,
    short_body: ShortBody,
    long_body: LongBody,
    empty_answer: EmptyAnswer,
    short_head: ShortHead,
    refuses: Refuses,
    chokes: Chokes,
    mute: Mute,
    trickle: Trickle,
    breaks_off: BreaksOff,
    reset_answers: ResetAnswers,
    stops_requests: StopsRequests,
    other_key: OtherKey,
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
