//! The user's controls of a transfer, followed as they change.

use tokio::sync::watch;

use crate::machine::Controls;

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
