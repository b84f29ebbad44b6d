//! Tricks on the control stream, which both sides can play.

use anyhow::Result;
use minimodel_wire::{Bitfield, CloseCode, Consent, Frame, Hello, ManifestOnly, limits};
use quinn::VarInt;

use crate::model::Model;
use crate::net::Peer;
use crate::trick::Trick;

/// Text that would clear a screen, rename a window, turn the reading direction and forge a line.
pub(crate) const ESCAPES: &[u8] = b"\x1b[2J\x1b]0;owned\x07\r\nerror: all is lost\n\xe2\x80\xae\xc2\x9b31m\0";
/// Control frames of a flood.
const FLOOD: usize = 100_000;

/// Whether the trick uses only frames of the control stream.
pub(crate) fn is_one(trick: Trick) -> bool {
    matches!(
        trick,
        Trick::TruncatedFrame
            | Trick::OversizedLength
            | Trick::UnknownFrame
            | Trick::OtherVersion
            | Trick::SecondHello
            | Trick::HaveBeforeBitfield
            | Trick::ChunkOnControl
            | Trick::FinishedControl
            | Trick::ResetControl
            | Trick::StoppedControl
            | Trick::TrailingBytes
            | Trick::SecondSpelling
            | Trick::ControlFlood
            | Trick::HaveStorm
            | Trick::SpareBits
            | Trick::OtherBitfield
            | Trick::HugeBitfield
            | Trick::HavePastEnd
            | Trick::HostileName
            | Trick::NoHello
            | Trick::NoBitfield
            | Trick::OtherArtifact
            | Trick::OtherLicense
            | Trick::OtherEvidence
            | Trick::OtherSwarm
            | Trick::OtherLayout
            | Trick::NoDirection
            | Trick::UnknownConsent
            | Trick::LaterHello
            | Trick::SecondBitfield
            | Trick::Question
            | Trick::LaterQuestion
            | Trick::ForeignQuestion
            | Trick::MoreThanQuestion
            | Trick::EmptyBits
            | Trick::EmptyHave
            | Trick::EmptyPeers
            | Trick::DontHavePastEnd
            | Trick::UnpermittedInterest
            | Trick::UnknownBye
            | Trick::Leaves
            | Trick::ReservedFlood
    )
}

/// A frame of any type and body.
fn raw(kind: u16, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_le_bytes()[..], &kind.to_le_bytes(), body].concat()
}

/// Plays a trick. The target may end the connection at any byte; the error that then comes back is expected.
pub(crate) async fn play(trick: Trick, peer: &mut Peer, model: &Model, consent: Consent) -> Result<()> {
    match trick {
        Trick::NoHello => return Ok(peer.control.write_all(&[0xa2]).await?),
        Trick::NoBitfield => return peer.send(&Frame::Hello(model.hello(consent))).await,
        Trick::OtherVersion
        | Trick::HostileName
        | Trick::OtherArtifact
        | Trick::OtherLicense
        | Trick::OtherEvidence
        | Trick::OtherSwarm
        | Trick::OtherLayout
        | Trick::NoDirection
        | Trick::UnknownConsent => {
            peer.control.write_all(&hello(trick, model.hello(consent))).await?;
            return Ok(());
        }
        Trick::Question | Trick::LaterQuestion | Trick::ForeignQuestion | Trick::MoreThanQuestion => {
            peer.send(&question(trick, model)).await?;
            if trick == Trick::MoreThanQuestion {
                peer.send(&Frame::Interested).await?;
            }
            return Ok(());
        }
        Trick::HaveBeforeBitfield
        | Trick::SecondSpelling
        | Trick::EmptyBits
        | Trick::SpareBits
        | Trick::OtherBitfield
        | Trick::HugeBitfield => {
            peer.send(&Frame::Hello(model.hello(consent))).await?;
            peer.control.write_all(&bitfield(trick, model.count)).await?;
            return Ok(());
        }
        _ => peer.introduce(model, consent).await?,
    }
    let control = &mut peer.control;
    match trick {
        Trick::TruncatedFrame => {
            control.write_all(&[4, 0, 0, 0, 5, 0, 1]).await?;
            control.finish()?;
        }
        Trick::OversizedLength => control.write_all(&[0xff, 0xff, 0xff, 0xff, 4, 0]).await?,
        Trick::UnknownFrame => control.write_all(&raw(0x0042, b"?")).await?,
        Trick::SecondHello => control.write_all(&Frame::Hello(model.hello(consent)).encode()).await?,
        Trick::LaterHello => {
            let version = limits::PROTOCOL_VERSION + 1;
            control.write_all(&Frame::Hello(Hello { version, ..model.hello(consent) }).encode()).await?;
        }
        Trick::SecondBitfield => control.write_all(&Frame::Bitfield(model.none()).encode()).await?,
        Trick::EmptyHave => control.write_all(&raw(4, &[0; 8])).await?,
        Trick::EmptyPeers => control.write_all(&raw(0x0a, &[0; 8])).await?,
        Trick::DontHavePastEnd => {
            control.write_all(&Frame::DontHave { index: model.count }.encode()).await?;
        }
        Trick::UnpermittedInterest => control.write_all(&Frame::Interested.encode()).await?,
        Trick::UnknownBye => control.write_all(&raw(0x0b, &0xdead_u32.to_le_bytes())).await?,
        Trick::Leaves => control.write_all(&Frame::Bye { code: CloseCode::ShuttingDown }.encode()).await?,
        Trick::ReservedFlood => {
            control.write_all(&Frame::Ignored { kind: 0x8001 }.encode().repeat(FLOOD)).await?;
        }
        Trick::ChunkOnControl => {
            let (bytes, _) = model.chunk(0).unwrap_or((vec![0x5a; 16 << 10], Vec::new()));
            control.write_all(&bytes).await?;
        }
        Trick::FinishedControl => control.finish()?,
        Trick::ResetControl => control.reset(VarInt::from_u32(0))?,
        Trick::StoppedControl => {
            // Dropping the receive stream sends STOP_SENDING to the target, once the task that reads the stream has ended.
            peer.reader.abort();
            let _ = (&mut peer.reader).await;
        }
        // One index is announced, and one more byte follows it.
        Trick::TrailingBytes => control.write_all(&raw(4, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9])).await?,
        Trick::ControlFlood => {
            control.write_all(&Frame::NotInterested.encode().repeat(FLOOD)).await?;
        }
        Trick::HaveStorm => {
            control.write_all(&Frame::Have { indexes: vec![0; 256] }.encode().repeat(FLOOD / 16)).await?;
        }
        Trick::HavePastEnd => {
            control.write_all(&Frame::Have { indexes: vec![model.count] }.encode()).await?;
        }
        other => anyhow::bail!("{other} is no trick of frames"),
    }
    Ok(())
}

/// A Hello with a wrong field, or with bytes that the project's encoder would not write.
fn hello(trick: Trick, mut hello: Hello) -> Vec<u8> {
    let other = |digest: &mut [u8; 32]| digest[31] ^= 1;
    match trick {
        Trick::OtherVersion => hello.version = limits::PROTOCOL_VERSION + 1,
        Trick::OtherArtifact => other(&mut hello.artifact_sha256),
        Trick::OtherLicense => other(&mut hello.license_sha256),
        Trick::OtherEvidence => other(&mut hello.evidence_sha256),
        Trick::OtherSwarm => other(&mut hello.swarm_id),
        Trick::OtherLayout => {
            (hello.chunk_size, hello.chunk_count) = (hello.chunk_size / 2, hello.chunk_count * 2);
        }
        Trick::NoDirection => hello.consent = Consent::NONE,
        _ => hello.software = "x".repeat(ESCAPES.len()),
    }
    let name = hello.software.len();
    let mut bytes = Frame::Hello(hello).encode();
    let at = bytes.len() - name;
    match trick {
        Trick::HostileName => bytes[at..].copy_from_slice(ESCAPES),
        // The consent stands before the u64 length of the name.
        Trick::UnknownConsent => bytes[at - 9] |= 8,
        _ => {}
    }
    bytes
}

/// The `ManifestOnly` frame that a peer with only an offer sends in place of a Hello.
pub(crate) fn question(trick: Trick, model: &Model) -> Frame {
    let mut swarm_id = *model.manifest.swarm_id();
    let mut version = limits::PROTOCOL_VERSION;
    match trick {
        Trick::LaterQuestion => version += 1,
        Trick::ForeignQuestion => swarm_id[0] ^= 1,
        _ => {}
    }
    Frame::ManifestOnly(ManifestOnly { version, swarm_id, software: "minimodel-hostile/1".to_owned() })
}

fn bitfield(trick: Trick, count: u32) -> Vec<u8> {
    let bits = |count: u32, bits: &[u8]| raw(3, &[&count.to_le_bytes()[..], &[2], bits].concat());
    let len = count.div_ceil(8) as usize;
    match trick {
        Trick::HaveBeforeBitfield => Frame::Have { indexes: vec![0] }.encode(),
        Trick::SecondSpelling => {
            let mut all = vec![0xff; len];
            if let Some(last) = all.last_mut().filter(|_| !count.is_multiple_of(8)) {
                *last = 0xff << (8 - count % 8);
            }
            bits(count, &all)
        }
        Trick::EmptyBits => bits(count, &vec![0; len]),
        Trick::SpareBits => {
            // Where there are no spare bits, a whole byte of them is added.
            let mut some = vec![0x80; len + usize::from(count.is_multiple_of(8))];
            if let Some(last) = some.last_mut() {
                *last = 1;
            }
            bits(count, &some)
        }
        Trick::OtherBitfield => Frame::Bitfield(Bitfield::full(count + 8)).encode(),
        _ => {
            // Only the head is sent: the target would keep nothing of the body.
            let mut head = limits::MAX_BITFIELD_LEN.to_le_bytes().to_vec();
            head.extend_from_slice(&[3, 0]);
            head
        }
    }
}
