//! The emulator alone: does it carry full packets at the rates that are asked of it?

use std::fmt::Write;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use minimodel_benches::link::payload::{IP_UDP, MTU};
use serde::Serialize;

use crate::args::Options;
use crate::cell::{Health, LinkSpec};
use crate::machine::Load;
use crate::site::{Side, Site};

const LASTS: Duration = Duration::from_secs(3);
/// The share of the rate that is sent: at all of it a clock that is off by a hair fills the queue.
const FILL: f64 = 0.98;
/// The sender's pace.
const STEP: Duration = Duration::from_millis(1);
const RECEIVE_BUFFER: usize = 16 << 20;

/// Results at one rate.
#[derive(Clone, Debug, Serialize)]
struct Checked {
    rate_mbit: u64,
    sent: u64,
    arrived: u64,
    arrived_mbit: f64,
    queue_drops: u64,
    health: Health,
}

/// A table and its JSON: one row a rate, over a round trip of 1 ms without loss.
pub(crate) fn run(options: &Options, mut site: Site) -> Result<(String, String)> {
    let mut text = String::from(
        "| Mbit/s | packets sent | arrived | Mbit/s arrived | queue drops | lost in the machine | emulator, of a core | \
         late p50 ms | late p99 ms | late worst ms |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let (server, client) = (site.socket(Side::Serving)?, site.socket(Side::Fetching)?);
    socket2::SockRef::from(&client).set_recv_buffer_size(RECEIVE_BUFFER)?;
    let mut all = Vec::new();
    for &rate_mbit in &options.rates {
        let link = LinkSpec { rate_mbit, rtt_ms: 1.0, loss_percent: 0.0, queue_bytes: options.queue << 10 };
        let done = one(&mut site, link, &server, &client, options.seed)?;
        let ms = |micros: u64| micros as f64 / 1000.0;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.1} | {} | {} | {:.0} % | {:.2} | {:.2} | {:.2} |",
            done.rate_mbit,
            done.sent,
            done.arrived,
            done.arrived_mbit,
            done.queue_drops,
            done.health.device_drops + done.health.socket_drops,
            done.health.emulator_cpu * 100.0,
            ms(done.health.late_p50_us),
            ms(done.health.late_p99_us),
            ms(done.health.late_worst_us),
        );
        all.push(done);
    }
    let _ = writeln!(
        text,
        "\nFull packets of {MTU} bytes for {} s at {} % of each rate, sent and received by two plain sockets.",
        LASTS.as_secs(),
        FILL * 100.0
    );
    Ok((text, serde_json::to_string_pretty(&all)?))
}

fn one(
    site: &mut Site,
    link: LinkSpec,
    server: &UdpSocket,
    client: &UdpSocket,
    seed: u64,
) -> Result<Checked> {
    let front = site.place(0)?.advertise;
    let (strays, load) = (site.strays(), Load::now());
    let running = site.start(link.profile(), seed)?;
    // This datagram tells the serving side where to send to.
    client.send_to(b"send", front)?;
    server.set_read_timeout(Some(LASTS))?;
    let (_, to) = server.recv_from(&mut [0; 16]).context("nothing crosses the link")?;
    let began = Instant::now();
    let (sent, arrived) = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| count(client));
        let sent = send(server, to, link.profile().bits_per_second);
        Ok::<_, anyhow::Error>((
            sent?,
            receiver.join().map_err(|_| anyhow::anyhow!("the receiver panicked"))??,
        ))
    })?;
    let lasted = arrived.last.duration_since(began);
    let outcome = site.stop(running)?;
    Ok(Checked {
        rate_mbit: link.rate_mbit,
        sent,
        arrived: arrived.packets,
        arrived_mbit: arrived.packets as f64 * f64::from(MTU) * 8.0 / lasted.as_secs_f64() / 1e6,
        queue_drops: outcome.down.dropped,
        health: Health::of(&outcome, strays, site.strays(), load.idle_since()),
    })
}

/// Sends at [`FILL`] of the rate; returns the number of packets.
fn send(server: &UdpSocket, to: SocketAddr, bits_per_second: u64) -> Result<u64> {
    let packet = vec![7; (MTU - IP_UDP) as usize];
    let packets_per_second = bits_per_second as f64 * FILL / 8.0 / f64::from(MTU);
    let (began, mut sent) = (Instant::now(), 0);
    loop {
        let since = began.elapsed();
        if since >= LASTS {
            return Ok(sent);
        }
        while (sent as f64) < since.as_secs_f64() * packets_per_second {
            server.send_to(&packet, to)?;
            sent += 1;
        }
        std::thread::sleep(STEP);
    }
}

struct Arrived {
    packets: u64,
    last: Instant,
}

/// Counts what arrives until it is quiet.
fn count(client: &UdpSocket) -> Result<Arrived> {
    client.set_read_timeout(Some(LASTS / 4))?;
    let mut buffer = vec![0; MTU as usize];
    let mut arrived = Arrived { packets: 0, last: Instant::now() };
    while client.recv(&mut buffer).is_ok() {
        arrived.packets += 1;
        arrived.last = Instant::now();
    }
    Ok(arrived)
}
