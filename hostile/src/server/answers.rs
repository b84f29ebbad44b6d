//! Answers that are not what was asked for.

use std::time::Duration;

use anyhow::{Context as _, Result};
use minimodel_wire::{ChunkHead, ManifestHead, Request, ResetCode};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::task::JoinSet;

use crate::model::Model;
use crate::seen::Seen;
use crate::trick::Trick;

/// A close code that nobody knows: to the other side the connection is just gone.
const NO_CODE: u32 = 0xdead;

/// Answers whatever is asked until the connection ends.
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
    // The other side may reset it at any byte.
    let _ = match request {
        Request::Chunk { index } => chunk(&connection, (send, recv), index, trick, &model).await,
        Request::Manifest => manifest(send, &model).await,
        Request::Leaves { .. } => Ok(()),
    };
}

/// A manifest that is right in form, of another model.
async fn manifest(mut send: SendStream, model: &Model) -> Result<()> {
    let text = model.manifest.text().replacen("model.version=", "model.version=9", 1);
    send.write_all(&ManifestHead { len: text.len() as u32 }.encode()).await?;
    send.write_all(text.as_bytes()).await?;
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
            // All of it was read: there is nothing left to stop, and saying so is allowed.
            let _ = recv.stop(VarInt::from_u32(0));
            return Ok(reset(send, ResetCode::Cancelled)?);
        }
        Trick::Mute => {
            connection.closed().await;
            return Ok(());
        }
        _ => {}
    }
    let asked = if trick == Trick::OtherIndex { (index + 1) % model.count } else { index };
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
    send.write_all(&ChunkHead { len, proof }.encode()).await?;
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
