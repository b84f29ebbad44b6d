//! Fetches a model and shows how it goes: `cargo run -p minimodel --example watch -- HOME OFFER FOLDER`.
#![expect(clippy::print_stdout, reason = "an example prints what it did")]

use std::error::Error;

use minimodel::{Action, Event, Home, Node, RunConsent, SignedOffer, SwarmEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let [home, offer, folder] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "usage")?;
    run(home, &offer, folder).await
}

/// Fetches what `offer` offers into `folder`, at most 50 MB a second, and prints events.
pub async fn run(home: String, offer: &str, folder: String) -> Result<(), Box<dyn Error>> {
    let agreed = RunConsent::given([Action::Fetch, Action::Import], "command line of the example");
    let offer: SignedOffer = offer.parse()?;
    let fetch = Node::open(Home::at(home))?.fetch(offer);
    let mut fetch = fetch.into_folder(folder).start(&agreed)?;
    fetch.control().set_down(Some(50_000_000));
    while let Some(event) = fetch.next().await {
        match event {
            Event::Manifest(manifest) => println!("{} {}", manifest.model_id(), manifest.model_version()),
            Event::Swarm(SwarmEvent::Joined { peer, .. }) => println!("peer {peer}"),
            Event::Snapshot(now) => println!("{} of {} bytes", now.have_bytes, now.total_bytes),
            Event::Complete => println!("whole and checked"),
            _ => {}
        }
    }
    println!("{}", fetch.finish().await?.path.display());
    Ok(())
}
