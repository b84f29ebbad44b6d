//! The task that performs what a machine decides.

use std::future::pending;
use std::io;
use std::net::{SocketAddr, UdpSocket as StdUdpSocket};
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::limits;
use super::machine::{Input, Machine, Output, Random, Report, Task};
use super::router;
use super::settings::{Gateway, MapperSettings};
use super::state::{MappingState, NoMapping};

/// What the owner of a mapper asks of its task.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    NetworkChanged,
    End,
}

/// A machine, and what it acts with.
pub(super) struct Driver {
    settings: MapperSettings,
    machine: Machine,
    state: watch::Sender<MappingState>,
    gateway: Option<Gateway>,
    /// Connected to the router's port of PCP and NAT-PMP: the system drops what comes from elsewhere.
    socket: Option<UdpSocket>,
    lookups: JoinSet<Result<Gateway, NoMapping>>,
    upnp: JoinSet<(u32, Report)>,
}

/// What the task waits for.
enum Event {
    Command(Option<Command>),
    Router(Result<Gateway, NoMapping>),
    Datagram(io::Result<usize>),
    Upnp(u32, Report),
    Wakeup,
}

impl Driver {
    pub(super) fn new(settings: MapperSettings, random: Random, state: watch::Sender<MappingState>) -> Self {
        let machine = Machine::new(now(), settings.clone(), random);
        let (lookups, upnp) = (JoinSet::new(), JoinSet::new());
        Self { settings, machine, state, gateway: None, socket: None, lookups, upnp }
    }

    /// Runs until the mapping is removed, or its owner is gone.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut buffer = [0; limits::MAX_DATAGRAM_BYTES];
        loop {
            while let Some(output) = self.machine.poll() {
                if output == Output::Ended {
                    return;
                }
                self.perform(output).await;
            }
            let event = self.next(&mut commands, &mut buffer).await;
            let input = match event {
                Event::Command(None) => return,
                Event::Command(Some(Command::NetworkChanged)) => Input::NetworkChanged,
                Event::Command(Some(Command::End)) => Input::End,
                Event::Router(found) => Input::Router(self.arrive(found)),
                Event::Datagram(Ok(length)) => Input::Datagram(buffer.get(..length).unwrap_or_default()),
                Event::Datagram(Err(error)) => {
                    self.unheard(&error);
                    continue;
                }
                Event::Upnp(round, report) => Input::Upnp(round, report),
                Event::Wakeup => Input::Wakeup,
            };
            self.machine.handle(now(), input);
        }
    }

    async fn next(&mut self, commands: &mut mpsc::Receiver<Command>, buffer: &mut [u8]) -> Event {
        let wakeup = self.machine.wakeup();
        tokio::select! {
            command = commands.recv() => Event::Command(command),
            Some(found) = self.lookups.join_next() => {
                Event::Router(found.unwrap_or(Err(NoMapping::NoRouter { found: None })))
            }
            Some(Ok((round, report))) = self.upnp.join_next() => Event::Upnp(round, report),
            received = receive(self.socket.as_ref(), buffer) => Event::Datagram(received),
            () = sleep_until(wakeup) => Event::Wakeup,
        }
    }

    async fn perform(&mut self, output: Output) {
        match output {
            Output::FindRouter => {
                let gateways = self.settings.gateways.clone();
                self.lookups.spawn(async move { router::find(&gateways).await });
            }
            Output::Send(bytes) => self.send(&bytes).await,
            Output::Upnp(round, task) => self.begin(round, task),
            Output::State(state) => {
                self.state.send_replace(state);
            }
            Output::Ended => {}
        }
    }

    /// Opens the socket towards a router that was found, if it is another than before.
    fn arrive(&mut self, found: Result<Gateway, NoMapping>) -> Result<Gateway, NoMapping> {
        let gateway = found?;
        if self.gateway.as_ref() != Some(&gateway) || self.socket.is_none() {
            self.socket =
                Some(open(&gateway).map_err(|_| NoMapping::NoRouter { found: Some(gateway.router) })?);
            self.gateway = Some(gateway.clone());
        }
        Ok(gateway)
    }

    /// Sends a request. One that is lost here is sent again, as one that is lost elsewhere.
    async fn send(&mut self, bytes: &[u8]) {
        if self.socket.is_none() {
            self.socket = self.gateway.as_ref().and_then(|gateway| open(gateway).ok());
        }
        if let Some(socket) = &self.socket {
            let _lost = socket.send(bytes).await;
        }
    }

    /// Drops a socket that cannot be read, so that its error does not come back at once; the next request opens another. That
    /// nobody listens at the port (ICMP) comes once a request.
    fn unheard(&mut self, error: &io::Error) {
        if !matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) {
            self.socket = None;
        }
    }

    #[cfg(feature = "upnp")]
    fn begin(&mut self, round: u32, task: Task) {
        if let Some(gateway) = self.gateway.clone() {
            let searches_network = self.settings.gateways == super::settings::Gateways::System;
            let scope =
                if searches_network { super::upnp::Scope::Network } else { super::upnp::Scope::Router };
            self.upnp.spawn(async move { (round, super::upnp::perform(&gateway, scope, task).await) });
        }
    }

    #[cfg(not(feature = "upnp"))]
    fn begin(&mut self, round: u32, _: Task) {
        self.upnp.spawn(async move { (round, Report::Nothing) });
    }
}

fn open(gateway: &Gateway) -> io::Result<UdpSocket> {
    let socket = StdUdpSocket::bind(SocketAddr::new(gateway.own, 0))?;
    socket.connect(gateway.pmp)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<usize> {
    match socket {
        Some(socket) => socket.recv(buffer).await,
        None => pending().await,
    }
}

async fn sleep_until(wakeup: Option<Instant>) {
    match wakeup {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
