//! iroh-blobs behind the driver protocol of `benches/compare` (see its README): direct addresses, no relay, no discovery.
//!
//! `compare-iroh seed FILE STORE PORT MODE` prints `ready ID@ADDRESS HASH` and serves until its input gives a line.
//! `compare-iroh leech HASH STORE PORT MODE ID@ADDRESS[,..]` prints `ready`, waits for a line, fetches, exports into the
//! store's folder, prints `done PATH` and waits for another line. MODE is not used.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use iroh::address_lookup::memory::MemoryLookup;
use iroh::endpoint::presets;
use iroh::protocol::Router;
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode};
use iroh_blobs::api::blobs::{AddPathOptions, ExportMode, ExportOptions, ImportMode};
use iroh_blobs::api::downloader::{DownloadOptions, Shuffled, SplitStrategy};
use iroh_blobs::protocol::GetRequest;
use iroh_blobs::store::fs::FsStore;
use iroh_blobs::{BlobFormat, BlobsProtocol, Hash, HashAndFormat};
use n0_future::StreamExt;

async fn bind(port: u16, lookup: Option<MemoryLookup>) -> Result<Endpoint> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut builder = Endpoint::builder(presets::Minimal).relay_mode(RelayMode::Disabled);
    builder = builder.clear_ip_transports().bind_addr(address)?;
    if let Some(lookup) = lookup {
        builder = builder.address_lookup(lookup);
    }
    Ok(builder.bind().await?)
}

async fn line() -> Result<()> {
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    Ok(())
}

async fn seed(file: &str, store: &str, port: u16) -> Result<()> {
    let store = FsStore::load(PathBuf::from(store)).await?;
    let path = std::path::absolute(file)?;
    // The file is served from where it is, not from a copy.
    let options = AddPathOptions { path, format: BlobFormat::Raw, mode: ImportMode::TryReference };
    let tag = store.blobs().add_path_with_opts(options).await?;
    let endpoint = bind(port, None).await?;
    let id = endpoint.id();
    let _router =
        Router::builder(endpoint).accept(iroh_blobs::ALPN, BlobsProtocol::new(&store, None)).spawn();
    println!("ready {id}@127.0.0.1:{port} {}", tag.hash);
    line().await
}

async fn leech(hash: &str, folder: &str, port: u16, providers: &str) -> Result<()> {
    let hash: Hash = hash.parse()?;
    let store = FsStore::load(PathBuf::from(folder)).await?;
    let lookup = MemoryLookup::new();
    let mut ids: Vec<EndpointId> = Vec::new();
    for provider in providers.split(',') {
        let (id, address) = provider.split_once('@').context("a provider is ID@ADDRESS")?;
        ids.push(id.parse()?);
        lookup.add_endpoint_info(EndpointAddr::new(id.parse()?).with_ip_addr(address.parse()?));
    }
    let endpoint = bind(port, Some(lookup.clone())).await?;
    println!("ready");
    line().await?;
    if let [id] = ids[..] {
        let address = lookup.get_endpoint_info(id).context("no address")?.into_endpoint_addr();
        let connection = endpoint.connect(address, iroh_blobs::ALPN).await?;
        store.remote().fetch(connection, HashAndFormat::raw(hash)).complete().await?;
    } else {
        // Split was measured faster than asking one provider for all of it.
        let request = GetRequest::blob(hash);
        let options = DownloadOptions::new(request, Shuffled::new(ids), SplitStrategy::Split);
        let mut progress = store.downloader(&endpoint).download_with_opts(options).stream().await?;
        while progress.next().await.is_some() {}
    }
    let target = std::path::absolute(PathBuf::from(folder).join("out.slm"))?;
    // A rename where the file system allows it, not a copy.
    let options = ExportOptions { hash, mode: ExportMode::TryReference, target: target.clone() };
    store.blobs().export_with_opts(options).finish().await?;
    println!("done {}", target.display());
    line().await
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["seed", file, store, port, _mode] => seed(file, store, port.parse()?).await?,
        ["leech", hash, store, port, _mode, providers] => {
            leech(hash, store, port.parse()?, providers).await?
        }
        _ => bail!(
            "usage: compare-iroh seed FILE STORE PORT MODE | leech HASH STORE PORT MODE ID@ADDRESS[,..]"
        ),
    }
    std::process::exit(0)
}
