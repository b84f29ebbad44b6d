//! Serves a model until Enter: `cargo run -p minimodel --example seed -- HOME MANIFEST FILE.slm ADDRESS:PORT`.
#![expect(clippy::print_stdout, reason = "an example prints what it did")]

use std::error::Error;

use minimodel::transfer::Endpoint;
use minimodel::{Action, Home, Manifest, Node, RunConsent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let [home, manifest, file, listen] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "usage")?;
    let until_enter = |offer: String| {
        println!("{offer}");
        let _ = std::io::stdin().read_line(&mut String::new());
    };
    run([home, manifest, file, listen], until_enter).await
}

/// Serves a file until `hand_out`, which gets the offer, returns.
pub async fn run(
    [home, manifest, file, listen]: [String; 4],
    hand_out: impl FnOnce(String),
) -> Result<(), Box<dyn Error>> {
    let manifest = Manifest::parse(&std::fs::read(manifest)?)?;
    let endpoint = Endpoint { listen: Some(listen.parse()?), ..Endpoint::default() };
    // A program with a user asks first.
    let agreed = RunConsent::given([Action::Serve], "command line of the example");
    let mut share = Node::open(Home::at(home))?.share(manifest, file).endpoint(endpoint).start(&agreed)?;
    if let Some(offer) = share.offer().await {
        hand_out(offer.to_string());
    }
    share.control().cancel();
    println!("{} bytes sent", share.finish().await?.sent_bytes);
    Ok(())
}
