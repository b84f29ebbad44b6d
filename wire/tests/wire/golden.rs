//! The hex blocks of `docs/protocol.md` are what this crate writes, and it reads them back.

use std::collections::BTreeMap;

use minimodel_wire::{
    ChunkHead, CloseCode, Decoder, Frame, LeavesHead, ManifestHead, Request, ResetCode, SignedOffer,
};

use crate::samples;

const PAGE: &str = include_str!("../../../docs/protocol.md");
const FENCE: &str = "```";

/// The blocks that begin "```golden NAME", as their text without comments (`#` to the end of the line).
fn blocks() -> BTreeMap<&'static str, String> {
    let mut blocks = BTreeMap::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("```golden ") else { continue };
        let text: String = lines
            .by_ref()
            .take_while(|line| *line != FENCE)
            .filter_map(|line| line.split('#').next())
            .flat_map(str::split_whitespace)
            .collect();
        assert_eq!(blocks.insert(name, text), None, "two blocks are named {name}");
    }
    blocks
}

fn block(name: &str) -> Vec<u8> {
    let blocks = blocks();
    let text = blocks.get(name).unwrap_or_else(|| panic!("docs/protocol.md has no block {name}"));
    hex(text)
}

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).expect("lowercase hex")
}

/// Compares both as hex, so that a failure can be compared with the page.
fn assert_bytes(name: &str, ours: &[u8]) {
    let shown = data_encoding::HEXLOWER.encode(ours);
    assert_eq!(shown, data_encoding::HEXLOWER.encode(&block(name)), "block {name}");
}

#[test]
fn frames_on_the_page_are_written_and_read() {
    for (name, frame) in samples::frames() {
        assert_bytes(name, &frame.encode());
        let mut decoder = Decoder::new(None);
        decoder.push(&block(name));
        assert_eq!(decoder.next(), Ok(Some(frame)), "{name}");
        assert_eq!(decoder.finish(), Ok(()), "{name}");
    }
}

#[test]
fn requests_on_the_page_are_written_and_read() {
    for (name, request) in samples::requests() {
        assert_bytes(name, &request.encode());
        assert_eq!(Request::decode(&block(name)), Ok(request), "{name}");
    }
}

#[test]
fn answer_heads_on_the_page_are_written_and_read() {
    assert_bytes("chunk-head", &samples::chunk_head().encode());
    assert_eq!(ChunkHead::decode(&block("chunk-head")), Ok(samples::chunk_head()));
    assert_bytes("leaves-head", &samples::leaves_head().encode());
    assert_eq!(LeavesHead::decode(&block("leaves-head")), Ok(samples::leaves_head()));
    assert_bytes("manifest-head", &samples::manifest_head().encode());
    assert_eq!(ManifestHead::decode(&block("manifest-head")), Ok(samples::manifest_head()));
}

#[test]
fn offer_on_the_page_is_written_and_read_as_bytes_and_as_text() {
    let offer = samples::signed_offer();
    assert_bytes("offer", &offer.to_bytes());
    assert_eq!(SignedOffer::from_bytes(&block("offer")), Ok(offer.clone()));
    let text = blocks().remove("offer-text").expect("a block offer-text");
    assert_eq!(offer.to_string(), text);
    assert_eq!(text.parse(), Ok(offer));
}

#[test]
fn peer_id_on_the_page_is_the_key_of_its_offer() {
    let text = blocks().remove("peer-id").expect("a block peer-id");
    assert_eq!(samples::offer().peer.to_string(), text);
}

#[test]
fn every_block_of_the_page_is_tested() {
    let mut tested: Vec<&str> = samples::frames().iter().map(|(name, _)| *name).collect();
    tested.extend(samples::requests().iter().map(|(name, _)| *name));
    tested.extend(["chunk-head", "leaves-head", "manifest-head", "offer", "offer-text", "peer-id"]);
    tested.sort_unstable();
    assert_eq!(blocks().into_keys().collect::<Vec<_>>(), tested);
}

#[test]
fn every_frame_kind_is_on_the_page() {
    let shown: Vec<Frame> = samples::frames().into_iter().map(|(_, frame)| frame).collect();
    for number in 0x0001..=0x000b {
        assert!(shown.iter().any(|frame| frame.kind().number() == number), "frame {number:#06x}");
    }
}

#[test]
fn codes_on_the_page_are_the_codes_of_the_crate() {
    assert_eq!(table_rows("Close codes"), rows(CloseCode::ALL));
    assert_eq!(table_rows("Reset codes"), rows(ResetCode::ALL));
}

/// "number name phrase" of each row of the first table below a heading.
fn table_rows(heading: &str) -> Vec<String> {
    let (_, section) = PAGE.split_once(&format!("{heading}\n")).expect("the heading");
    section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|row| {
            row.split('|')
                .skip(1)
                .take(3)
                .map(|cell| cell.trim().replace('`', ""))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

fn rows<C: Copy + std::fmt::Debug + std::fmt::Display + Into<u32>>(codes: &[C]) -> Vec<String> {
    codes.iter().map(|code| format!("{} {code:?} {code}", (*code).into())).collect()
}
