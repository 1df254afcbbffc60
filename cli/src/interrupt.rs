//! Ctrl-C and its like: the first one lets a command end in good order, the second one ends it at once.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sdp_dal::error::{Error, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long a command waits for anything without asking whether it was interrupted.
pub const SLICE: Duration = Duration::from_millis(100);

/// Whether a signal came that asks us to end.
pub struct Interrupt(Arc<OnceLock<()>>);

impl Interrupt {
    /// Takes SIGINT, SIGTERM and SIGHUP from now on.
    pub fn watch() -> Result<Interrupt> {
        let mut source =
            Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|e| Error::io("waiting for signals", &e))?;
        let came = Arc::new(OnceLock::new());
        let first = Arc::clone(&came);
        std::thread::spawn(move || {
            for signal in source.forever() {
                if first.set(()).is_err() {
                    std::process::exit(128 + signal);
                }
            }
        });
        Ok(Interrupt(came))
    }

    /// Whether one came.
    pub fn came(&self) -> bool {
        self.0.get().is_some()
    }

    /// Waits this long. False if a signal came meanwhile.
    pub fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while !self.came() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(SLICE));
        }
        false
    }
}
