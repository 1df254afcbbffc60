//! Fail points: named steps at which a test kills (or stops) the process.
//!
//! Built with the feature `failpoints`, a process whose environment has `SDP_DAL_FAIL=name` kills itself with SIGKILL when
//! it first comes to that name; `name:3` does so the third time, and `name:1:stop` stops it (SIGSTOP) instead. Without the
//! feature a fail point is nothing at all. Each name stands once in the sources; `tests/crash.rs` finds them by reading
//! the sources and fails if one of them is never killed at.

/// Marks a step after which the process may die.
#[cfg(any(not(any(feature = "failpoints", feature = "simulate")), loom))]
#[inline(always)]
pub fn point(_name: &'static str) {}

/// Marks a step after which the process may die.
#[cfg(all(any(feature = "failpoints", feature = "simulate"), not(loom)))]
#[cfg_attr(feature = "simulate", track_caller)]
pub fn point(name: &'static str) {
    #[cfg(feature = "simulate")]
    super::sim::named(name);
    use super::atomic::{AtomicU32, Ordering};
    struct Target {
        name: String,
        nth: u32,
        signal: libc::c_int,
    }
    static TARGET: once_cell::sync::Lazy<Option<Target>> = once_cell::sync::Lazy::new(|| {
        let text = std::env::var("SDP_DAL_FAIL").ok()?;
        let mut parts = text.split(':');
        let name = parts.next()?.to_owned();
        let nth = parts.next().and_then(|nth| nth.parse().ok()).unwrap_or(1);
        let signal = if parts.next() == Some("stop") { libc::SIGSTOP } else { libc::SIGKILL };
        Some(Target { name, nth, signal })
    });
    static SEEN: AtomicU32 = AtomicU32::new(0);
    let Some(target) = TARGET.as_ref() else { return };
    if target.name == name && SEEN.fetch_add(1, Ordering::Relaxed) + 1 == target.nth {
        // To this thread: a stop sent to the process lets the thread that sends it run on for a moment.
        // SAFETY: sends a signal to ourselves; that is the whole purpose.
        unsafe { libc::raise(target.signal) };
    }
}
