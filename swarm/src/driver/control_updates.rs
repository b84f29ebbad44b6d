//! The user's controls of a transfer, followed as they change.

use tokio::sync::watch;

use super::session::Session;
use crate::machine::{Controls, Input};

/// Controls that never change.
pub fn steady(controls: Controls) -> watch::Receiver<Controls> {
    watch::channel(controls).1
}

/// Resolves when the user changes the controls; never once their sender is gone.
pub(super) async fn changed(controls: &mut watch::Receiver<Controls>) {
    if controls.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Session {
    /// Passes the current controls to the machine.
    pub(super) fn follow_controls(&mut self) {
        let controls = self.controls.borrow_and_update().clone();
        self.tell(Input::Controls(controls));
    }
}
