//! Raw quinn at its best settings, memory to nowhere, two processes: what the network part of a transfer costs at least.
//!
//! `rawquinn send --bytes N --mtu M` prints `ready ADDRESS`, serves one connection, prints `sent ...` and ends with its
//! input. `rawquinn recv --from ADDRESS --bytes N --mtu M` fetches all bytes, drops them and prints `done ...`.
//! Nothing is read, checked or written: `compare` takes its CPU seconds as the floor under every QUIC transfer.

#![allow(clippy::print_stdout, reason = "stdout is how a measuring process answers the one that started it")]

mod settings;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use clap::{Parser, Subcommand};
use quinn::Connection;
use tokio::task::JoinSet;

/// Any error that ends a measurement early; it is printed and never matched on.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Bytes a stream; measured fastest (1 MiB pieces cost 3 %).
const CHUNK: u64 = 4 << 20;
/// Streams at once.
const IN_FLIGHT: usize = 8;
/// Bytes handed to quinn at once.
const PIECE: usize = 1 << 20;

/// Raw quinn, for comparison.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    side: Side,
}

#[derive(Debug, Subcommand)]
enum Side {
    /// Hold random bytes and serve them
    Send {
        #[arg(long)]
        bytes: u64,
        #[arg(long)]
        mtu: u16,
    },
    /// Fetch them and drop them
    Recv {
        #[arg(long)]
        from: SocketAddr,
        #[arg(long)]
        bytes: u64,
        #[arg(long)]
        mtu: u16,
    },
}

fn main() -> ExitCode {
    // One thread: two workers for one connection were measured 15 % slower.
    let done =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::from).and_then(
            |runtime| {
                runtime.block_on(async {
                    match Args::parse().side {
                        Side::Send { bytes, mtu } => send(bytes, mtu).await,
                        Side::Recv { from, bytes, mtu } => receive(from, bytes, mtu).await,
                    }
                })
            },
        );
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The parent shows stderr when a side fails.
            let _ = writeln!(std::io::stderr(), "rawquinn: {error}");
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) -> Result<(), Failure> {
    println!("{line}");
    Ok(std::io::stdout().flush()?)
}

async fn send(bytes: u64, mtu: u16) -> Result<(), Failure> {
    let mut data = vec![0; usize::try_from(bytes)?];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for word in data.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
    let data = Bytes::from(data);
    let endpoint = settings::endpoint(mtu, Some(settings::server(mtu)?))?;
    say(&format!("ready {}", endpoint.local_addr()?))?;
    let connection = endpoint.accept().await.ok_or("the endpoint closed")?.await?;
    while let Ok((writer, reader)) = connection.accept_bi().await {
        tokio::spawn(answer(writer, reader, data.clone()));
    }
    let path = connection.stats().path;
    say(&format!("sent mtu={} packets={} lost={}", path.current_mtu, path.sent_packets, path.lost_packets))?;
    // Freeing a gigabyte is no part of a transfer: it happens after the parent has read the clocks.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await?;
    Ok(())
}

async fn answer(
    mut writer: quinn::SendStream,
    mut reader: quinn::RecvStream,
    data: Bytes,
) -> Result<(), Failure> {
    let mut range = [0; 16];
    reader.read_exact(&mut range).await?;
    let (offset, length) = range.split_at(8);
    let mut at = usize::try_from(u64::from_le_bytes(offset.try_into()?))?;
    let end = at + usize::try_from(u64::from_le_bytes(length.try_into()?))?;
    while at < end {
        let piece = data.slice(at..end.min(at + PIECE));
        at += piece.len();
        writer.write_chunk(piece).await?;
    }
    writer.finish()?;
    writer.stopped().await?;
    Ok(())
}

async fn receive(from: SocketAddr, bytes: u64, mtu: u16) -> Result<(), Failure> {
    let endpoint = settings::endpoint(mtu, None)?;
    let connection = endpoint.connect_with(settings::client(mtu)?, from, "localhost")?.await?;
    let next = Arc::new(AtomicU64::new(0));
    let mut streams = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        streams.spawn(fetch(connection.clone(), next.clone(), bytes));
    }
    let mut got = 0;
    while let Some(part) = streams.join_next().await {
        got += part??;
    }
    if got != bytes {
        return Err(format!("{got} bytes came instead of {bytes}").into());
    }
    say(&format!("done mtu={}", connection.stats().path.current_mtu))?;
    connection.close(0_u32.into(), b"done");
    endpoint.wait_idle().await;
    Ok(())
}

async fn fetch(connection: Connection, next: Arc<AtomicU64>, bytes: u64) -> Result<u64, Failure> {
    let mut got = 0;
    loop {
        let offset = next.fetch_add(CHUNK, Ordering::Relaxed);
        if offset >= bytes {
            return Ok(got);
        }
        let (mut writer, mut reader) = connection.open_bi().await?;
        let length = CHUNK.min(bytes - offset);
        writer.write_all(&[offset.to_le_bytes(), length.to_le_bytes()].concat()).await?;
        writer.finish()?;
        while let Some(chunk) = reader.read_chunk(usize::MAX, false).await? {
            got += chunk.bytes.len() as u64;
        }
    }
}
