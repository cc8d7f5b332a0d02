//! Takes up keys as they change in their file, while the server runs: within ten seconds by
//! itself, at once on SIGHUP. A file that cannot be read, or is not right, changes nothing.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::app::App;
use crate::config::{self, ConfigError};

/// How often the file is read.
pub const READ_EVERY: Duration = Duration::from_secs(10);

/// Takes up the keys that `read` tells, for as long as somebody holds the server. What comes
/// from now on is heard, also before anybody runs this.
pub fn watch(
    app: &Arc<App>,
    read: impl Fn() -> Result<config::Tokens, ConfigError> + Send + Sync + 'static,
) {
    let app: Weak<App> = Arc::downgrade(app);
    let mut asked = asked();
    tokio::spawn(async move {
        // What is wrong is said once, not every ten seconds.
        let mut said = None;
        loop {
            tokio::select! {
                () = tokio::time::sleep(READ_EVERY) => {}
                () = asked.hear() => said = None,
            }
            let Some(app) = app.upgrade() else { return };
            match read().and_then(|tokens| app.tokens().take_keys(&tokens)) {
                Ok(changed) => {
                    said = None;
                    if changed {
                        for key in app.tokens().list_keys() {
                            tracing::info!(kid = key.id, state = ?key.state, "the keys of tokens changed");
                        }
                    }
                }
                Err(error) if said.as_ref() != Some(&error) => {
                    tracing::error!(%error, "the keys of tokens stay as they are");
                    said = Some(error);
                }
                Err(_) => {}
            }
        }
    });
}

#[cfg(unix)]
struct Asked(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
fn asked() -> Asked {
    use tokio::signal::unix::{SignalKind, signal};

    Asked(signal(SignalKind::hangup()).ok())
}

#[cfg(unix)]
impl Asked {
    /// Done when the process is asked to read its keys again.
    async fn hear(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
struct Asked;

#[cfg(not(unix))]
fn asked() -> Asked {
    Asked
}

#[cfg(not(unix))]
impl Asked {
    async fn hear(&mut self) {
        std::future::pending().await
    }
}
