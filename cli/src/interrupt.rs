//! Ctrl-C and its like: the first one lets a command end in good order, the second one ends it at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sdp_dal::error::{Error, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// How long a command waits for anything without asking whether it was interrupted.
pub const SLICE: Duration = Duration::from_millis(100);

/// Whether a signal came that asks us to end.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes SIGINT, SIGTERM and SIGHUP from now on.
    pub fn watch() -> Result<Interrupt> {
        let came = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // The order counts: the second signal finds the flag that the first one has set.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&came))
                .and_then(|_| flag::register(signal, Arc::clone(&came)))
                .map_err(|error| Error::io("waiting for signals", &error))?;
        }
        Ok(Interrupt(came))
    }

    /// Whether one came.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::SeqCst)
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
