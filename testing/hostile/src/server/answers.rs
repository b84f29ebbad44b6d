//! Wrong answers to requests.

use std::time::Duration;

use anyhow::{Context as _, Result};
use minimodel_wire::{ChunkHead, LeavesHead, ManifestHead, Request, ResetCode, limits};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::task::JoinSet;

use crate::model::Model;
use crate::seen::Seen;
use crate::trick::Trick;

/// An unknown close code: to the fetcher the connection is just gone.
const NO_CODE: u32 = 0xdead;

/// Whether the trick is played on a fetcher that has only an offer and asks for the manifest.
pub(super) fn is_of_a_manifest(trick: Trick) -> bool {
    matches!(
        trick,
        Trick::OtherManifest
            | Trick::StrippedManifest
            | Trick::ForgedManifest
            | Trick::ManifestOfNothing
            | Trick::HugeManifest
            | Trick::ShortManifest
            | Trick::LongManifest
    )
}

/// Answers every request until the connection ends.
pub(super) async fn all(connection: &Connection, trick: Trick, model: &Model, seen: &mut Seen) -> Result<()> {
    let mut answers = JoinSet::new();
    loop {
        let (send, mut recv) = connection.accept_bi().await?;
        let Ok(bytes) = recv.read_to_end(Request::MAX_LEN).await else { continue };
        seen.asked += 1;
        let request = Request::decode(&bytes).context("it asks for nothing that there is")?;
        answers.spawn(one(connection.clone(), (send, recv), request, trick, model.clone()));
    }
}

async fn one(
    connection: Connection,
    (send, recv): (SendStream, RecvStream),
    request: Request,
    trick: Trick,
    model: Model,
) {
    // The fetcher may reset the stream at any byte.
    let _ = match request {
        Request::Chunk { index } => chunk(&connection, (send, recv), index, trick, &model).await,
        Request::Manifest => manifest(send, trick, &model).await,
        Request::Leaves { first, count } => leaves(send, (first, count), trick, &model).await,
    };
}

/// Sends a manifest that is wrong in one way.
async fn manifest(mut send: SendStream, trick: Trick, model: &Model) -> Result<()> {
    let text = model.manifest.text();
    let mut text = match trick {
        // Well-formed, but of another model.
        Trick::OtherManifest => text.replacen("model.version=", "model.version=9", 1),
        Trick::StrippedManifest => {
            let unsigned = text.lines().filter(|line| !line.starts_with("signature."));
            unsigned.map(|line| format!("{line}\n")).collect()
        }
        Trick::ForgedManifest => forged(&text),
        _ => text.clone(),
    };
    let len = match trick {
        Trick::ManifestOfNothing => 0,
        Trick::HugeManifest => limits::MAX_MANIFEST_LEN + 1,
        _ => text.len() as u32,
    };
    match trick {
        Trick::ManifestOfNothing => text.clear(),
        Trick::HugeManifest => text = "#".repeat(len as usize),
        Trick::ShortManifest => drop(text.pop()),
        Trick::LongManifest => text.push('\n'),
        _ => {}
    }
    send.write_all(&ManifestHead { len }.encode()).await?;
    send.write_all(text.as_bytes()).await?;
    Ok(send.finish()?)
}

/// The text with the last digit of the signature changed.
fn forged(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix("signature.value=") {
        Some(digits) => {
            let (kept, last) = digits.split_at(digits.len().saturating_sub(1));
            format!("signature.value={kept}{}\n", if last == "0" { '1' } else { '0' })
        }
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// Sends the hashes of a range, in which one trick changes a hash, another leaves one out and a third adds one.
async fn leaves(mut send: SendStream, (first, count): (u32, u32), trick: Trick, model: &Model) -> Result<()> {
    let (mut hashes, proof) = model.leaves(first, count).context("the file is not here")?;
    match (trick, hashes.first_mut()) {
        (Trick::BadLeaves, Some(first)) => first[0] ^= 1,
        (Trick::ShortLeaves, _) => drop(hashes.pop()),
        (Trick::LongLeaves, _) => hashes.push([7; 32]),
        _ => {}
    }
    send.write_all(&LeavesHead { count, proof }.encode()).await?;
    send.write_all(&LeavesHead::encode_hashes(&hashes)).await?;
    Ok(send.finish()?)
}

async fn chunk(
    connection: &Connection,
    (mut send, mut recv): (SendStream, RecvStream),
    index: u32,
    trick: Trick,
    model: &Model,
) -> Result<()> {
    let reset = |mut send: SendStream, code: ResetCode| send.reset(VarInt::from_u32(code.into()));
    match trick {
        Trick::Refuses => return Ok(reset(send, ResetCode::NotHave)?),
        Trick::StopsRequests => {
            // The whole request was read, so that there is nothing left to stop; a STOP_SENDING is allowed.
            let _ = recv.stop(VarInt::from_u32(0));
            return Ok(reset(send, ResetCode::Cancelled)?);
        }
        Trick::EmptyAnswer => return Ok(send.finish()?),
        Trick::Mute => {
            connection.closed().await;
            return Ok(());
        }
        _ => {}
    }
    let asked = if trick == Trick::OtherIndex { model.alike(index).unwrap_or(index) } else { index };
    let (mut bytes, mut proof) = model.chunk(asked).context("the file is not here")?;
    let mut len = bytes.len() as u32;
    match trick {
        Trick::BadBytes => bytes[0] ^= 1,
        Trick::BadProof => {
            if let Some(digest) = proof.first_mut() {
                digest[31] ^= 0x80;
            }
        }
        Trick::ShortProof => drop(proof.pop()),
        Trick::LongProof => proof.push([7; 32]),
        Trick::ShortChunk => {
            len -= 1;
            bytes.pop();
        }
        Trick::LongChunk => {
            len += 1;
            bytes.push(0);
        }
        Trick::ShortBody => drop(bytes.pop()),
        Trick::LongBody => bytes.push(0),
        _ => {}
    }
    let head = ChunkHead { len, proof }.encode();
    if trick == Trick::ShortHead {
        send.write_all(&head[..head.len() / 2]).await?;
        return Ok(send.finish()?);
    }
    send.write_all(&head).await?;
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    match trick {
        Trick::Trickle => {
            for byte in bytes.chunks(1) {
                send.write_all(byte).await?;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Trick::BreaksOff => {
            send.write_all(first).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            connection.close(VarInt::from_u32(NO_CODE), b"");
        }
        Trick::ResetAnswers => {
            send.write_all(first).await?;
            return Ok(reset(send, ResetCode::Cancelled)?);
        }
        _ => {
            send.write_all(first).await?;
            send.write_all(rest).await?;
        }
    }
    Ok(send.finish()?)
}
