//! Fetches a model: `cargo run -p minimodel --example fetch -- HOME OFFER FOLDER`.
#![expect(clippy::print_stdout, reason = "an example prints what it did")]

use std::error::Error;

use minimodel::{Action, Home, Node, RunConsent, SignedOffer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let [home, offer, folder] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "usage")?;
    run(home, &offer, folder).await
}

/// Fetches what `offer` offers into `folder`.
pub async fn run(home: String, offer: &str, folder: String) -> Result<(), Box<dyn Error>> {
    let offer: SignedOffer = offer.parse()?;
    let node = Node::open(Home::at(home))?;
    // A program with a user asks first, and for each action alone.
    let agreed = RunConsent::given([Action::Fetch, Action::Import], "command line of the example");
    let fetch = node.fetch(offer).into_folder(folder).start(&agreed)?;
    let imported = fetch.finish().await?;
    println!("{}", imported.path.display());
    println!("{}", imported.receipt_path.display());
    Ok(())
}
