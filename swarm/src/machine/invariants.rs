//! Checks of the machine's invariants, which the module documentation states in words.

use super::core::Machine;
use super::peer::Phase;

impl Machine {
    /// Checks every invariant; the error names the one that does not hold. Meant for tests: it walks through the whole state.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.swarm.chunks.check()?;
        self.swarm.peers.check()?;
        self.downloads.check(&self.swarm)?;
        self.choker.check(&self.swarm)?;
        if !self.offer_checks.is_bounded() {
            return Err("more offers wait, are checked or remembered than may be".to_owned());
        }
        self.check_peers()
    }

    fn check_peers(&self) -> Result<(), String> {
        for peer in self.swarm.peers.values() {
            let controls = &self.swarm.config.controls;
            let may_be_here = peer.dialed || controls.lets_in(peer.id);
            if !may_be_here || peer.down.disallowed == controls.may_fetch_from(peer.id) {
                return Err(format!("{} is here against the word of our user", peer.id));
            }
            if peer.up.disallowed == controls.lets_in(peer.id) || (peer.up.unchoked && !peer.may_be_served())
            {
                return Err(format!("{} is served against the word of our user", peer.id));
            }
            if peer.up.disallowed && !(peer.up.waiting.is_empty() && peer.up.active.is_empty()) {
                return Err(format!("{} is answered against the word of our user", peer.id));
            }
            if peer.up.over_quota.is_some() && !self.swarm.is_wanted_source(peer) {
                return Err(format!("{} has used its allowance and is kept for nothing", peer.id));
            }
            if peer.phase == Phase::Ready {
                let useful =
                    peer.have.iter_ones().filter(|&i| !self.swarm.chunks.have().get(i)).count() as u32;
                if useful != peer.useful {
                    return Err(format!("{} has {useful} for us, counted {}", peer.id, peer.useful));
                }
            }
            if let Some(ask) = peer.up.active.keys().find(|ask| !self.swarm.asks.contains_key(ask)) {
                return Err(format!("{ask:?} is answered for nobody"));
            }
        }
        Ok(())
    }
}
