//! librqbit behind the driver protocol of `benches/compare` (see its README): no DHT, no trackers, no local discovery.
//!
//! `compare-rqbit seed TORRENT FOLDER PORT MODE` prints `ready ADDRESS` and serves until its input gives a line.
//! `compare-rqbit leech TORRENT FOLDER PORT MODE ADDRESS[,..]` prints `ready`, waits for a line, fetches, prints
//! `done PATH` and serves on until another line. MODE is `tcp` or `utp`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail};
use librqbit::{
    AddTorrent, AddTorrentOptions, ConnectionOptions, ListenerMode, ListenerOptions, Session, SessionOptions,
};

async fn line() -> Result<()> {
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    Ok(())
}

async fn run(torrent: &str, folder: &str, port: u16, mode: &str, peers: Option<&str>) -> Result<()> {
    let torrent = std::fs::read(torrent)?;
    let utp = mode == "utp";
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let options = SessionOptions {
        dht: None,
        disable_trackers: true,
        persistence: None,
        fastresume: false,
        disable_local_service_discovery: true,
        listen: Some(ListenerOptions {
            mode: if utp { ListenerMode::UtpOnly } else { ListenerMode::TcpOnly },
            listen_addr: address,
            ..Default::default()
        }),
        connect: Some(ConnectionOptions { enable_tcp: !utp, ..Default::default() }),
        ..Default::default()
    };
    let session = Session::new_with_opts(folder.into(), options).await?;
    let initial_peers = match peers {
        None => None,
        Some(peers) => {
            println!("ready");
            line().await?;
            Some(peers.split(',').map(str::parse).collect::<Result<Vec<SocketAddr>, _>>()?)
        }
    };
    let options = AddTorrentOptions {
        overwrite: true,
        output_folder: Some(folder.to_owned()),
        initial_peers,
        disable_trackers: true,
        ..Default::default()
    };
    let added = session.add_torrent(AddTorrent::from_bytes(torrent), Some(options)).await?;
    let handle = added.into_handle().context("the torrent was only listed")?;
    handle.wait_until_completed().await?;
    if peers.is_none() {
        println!("ready {address}");
    } else {
        println!("done {}", Path::new(folder).join("model.slm").display());
    }
    line().await
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["seed", torrent, folder, port, mode] => run(torrent, folder, port.parse()?, mode, None).await?,
        ["leech", torrent, folder, port, mode, peers] => {
            run(torrent, folder, port.parse()?, mode, Some(peers)).await?
        }
        _ => bail!(
            "usage: compare-rqbit seed TORRENT FOLDER PORT MODE | leech TORRENT FOLDER PORT MODE ADDRESS[,..]"
        ),
    }
    std::process::exit(0)
}
