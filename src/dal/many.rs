//! Waiting for several references at once.

use crate::error::{Error, Kind, Result};
use crate::store::ObjectId;
use crate::timeout::Timeout;

use super::ownership::Ref;
use super::standstill;

/// How many of the objects must have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitMode {
    /// All of them.
    All,
    /// One of them. Without any objects it does not wait.
    Any,
}

/// Waits until all or any of the objects have ended: they exist, or will never exist. Returns a result for each:
/// TIMEOUT for one that has not ended, or the error of one that failed, was deleted or lost its processor. All
/// references must be of one store.
///
/// # Errors
/// INVALID_ARGUMENT for references of several stores, and in a function that waits for calls that cannot run before it
/// has returned (like [`Ref::wait`]). INTERRUPTED, FORKED. TIMEOUT is not an error of this function, but a result in
/// the list.
pub fn wait_many(refs: &[&Ref], mode: WaitMode, timeout: Timeout) -> Result<Vec<Result<()>>> {
    let mut ended: Vec<Option<Result<()>>> = vec![None; refs.len()];
    let Some((first, others)) = refs.split_first() else { return Ok(Vec::new()) };
    let store = first.store();
    if let Some(other) = others.iter().find(|other| !other.store().is_same(store)) {
        return Err(Error::invalid(format!(
            "object {} is in the store {}, but object {} is in {}: wait for the objects of each store separately",
            first.id(),
            store.path().display(),
            other.id(),
            other.store().path().display()
        )));
    }
    let ids: Vec<ObjectId> = refs.iter().map(|reference| reference.id()).collect();
    let mut wait = |timeout| {
        store.wait_until(&ids, timeout, &mut || {
            for (reference, end) in refs.iter().zip(&mut ended).filter(|(_, end)| end.is_none()) {
                match reference.wait(Timeout::Poll) {
                    Err(error) if error.kind() == Kind::Timeout => {}
                    Err(error)
                        if matches!(error.kind(), Kind::Interrupted | Kind::Busy)
                            || store.here().is_err() =>
                    {
                        return Err(error)
                    }
                    result => *end = Some(result),
                }
            }
            let enough = match mode {
                WaitMode::All => ended.iter().all(Option::is_some),
                WaitMode::Any => ended.iter().any(Option::is_some),
            };
            Ok(enough.then_some(()))
        })
    };
    let waited = match mode {
        WaitMode::All => standstill::guard(&ids, timeout, &mut wait),
        WaitMode::Any => wait(timeout),
    };
    match waited {
        Err(error) if error.kind() != Kind::Timeout => return Err(error),
        _ => {}
    }
    let missing =
        |id: &ObjectId| Err(Error::new(Kind::Timeout, format!("the object {id} was not created in time")));
    Ok(ended.into_iter().zip(&ids).map(|(end, id)| end.unwrap_or_else(|| missing(id))).collect())
}
