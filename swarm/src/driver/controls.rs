//! What our user wants, as it changes.

use tokio::sync::watch;

use super::session::Session;
use crate::machine::{Controls, Input};

/// Controls that stay as they are.
pub fn steady(controls: Controls) -> watch::Receiver<Controls> {
    watch::channel(controls).1
}

/// Resolves when our user wants something else; never when nobody can say so any more.
pub(super) async fn changed(controls: &mut watch::Receiver<Controls>) {
    if controls.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Session {
    /// Follows what our user wants now.
    pub(super) fn follow_controls(&mut self) {
        let controls = self.controls.borrow_and_update().clone();
        self.tell(Input::Controls(controls));
    }
}
