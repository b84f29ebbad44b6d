//! The handle of a running mapping.

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::driver::{Command, Driver};
use super::limits;
use super::machine::Random;
use super::settings::MapperSettings;
use super::state::{MappingState, NoMapping};

/// A mapping that is made, kept and renewed by a task of its own. Dropped, it stops trying and renewing, and what is mapped
/// expires at the router; [`Self::end`] removes it.
///
/// ```no_run
/// use minimodel_reach::mapping::{Mapper, MapperSettings, MappingState};
///
/// # async fn run() {
/// let mapper = Mapper::start(MapperSettings::new(4242));
/// let mut state = mapper.state();
/// let told = state.wait_for(|state| !matches!(state, MappingState::Trying)).await;
/// match told.as_deref() {
///     Ok(MappingState::Mapped(mapping)) => println!("{} by {}", mapping.external, mapping.by),
///     Ok(MappingState::Failed(why)) => println!("{why}"),
///     _ => {}
/// }
/// drop(told);
/// mapper.end().await;
/// # }
/// ```
#[derive(Debug)]
pub struct Mapper {
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<MappingState>,
    task: JoinHandle<()>,
}

impl Mapper {
    /// Starts to ask the router.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    pub fn start(settings: MapperSettings) -> Self {
        let (commands, waiting) = mpsc::channel(limits::COMMANDS);
        let (sender, state) = watch::channel(MappingState::Trying);
        let task = match random() {
            Ok(random) => tokio::spawn(Driver::new(settings, random, sender).run(waiting)),
            Err(_) => {
                sender.send_replace(MappingState::Failed(NoMapping::NoRandomness));
                tokio::spawn(async {})
            }
        };
        Self { commands, state, task }
    }

    /// The state, now and as it changes. Its sender is gone when the mapper has ended.
    pub fn state(&self) -> watch::Receiver<MappingState> {
        self.state.clone()
    }

    /// Says that the network changed or that the machine slept: the router is looked up at once, and what it keeps is renewed.
    pub fn network_changed(&self) {
        // A full queue holds one of these already.
        let _queued = self.commands.try_send(Command::NetworkChanged);
    }

    /// Removes the mapping at the router. Takes a second at most, or four if UPnP is asking the router just then; a mapping whose removal is
    /// not answered by then expires, if it is no permanent one.
    pub async fn end(self) {
        let Self { commands, mut task, .. } = self;
        let ended = tokio::time::timeout(limits::END, async {
            // A task that is gone has nothing mapped.
            if commands.send(Command::End).await.is_ok() {
                let _ended = (&mut task).await;
            }
        });
        if ended.await.is_err() {
            task.abort();
        }
    }
}

fn random() -> Result<Random, getrandom::Error> {
    let mut nonce = [0; 12];
    getrandom::fill(&mut nonce)?;
    let mut other_ports = [0; limits::OTHER_PORTS];
    for port in &mut other_ports {
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes)?;
        // The dynamic ports, RFC 6335 section 6: 49,152 to 65,535.
        *port = u16::from_be_bytes(bytes) | 0xc000;
    }
    Ok(Random { nonce, other_ports })
}
