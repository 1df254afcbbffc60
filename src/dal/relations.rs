//! Relations between references: what must live until an object exists, and what must live as long as it.
//!
//! A reference holds what it is related to, as an issued call holds its inputs. Two that held each other would never be
//! let go, so a relation that closes a ring is refused. (A ring through a call that is issued later opens by itself: the
//! call is let go when its outputs have ended.)

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::log;
use crate::shm::fork::PerProcess;
use crate::sync::atomic::Mutex;
use crate::timeout::Timeout;

use super::ownership::{Held, Life, Ref};

/// Held while a relation is made: two threads must not close a ring together.
static MAKING: PerProcess<Mutex<()>> = PerProcess::empty();

impl Ref {
    /// Keeps `other` alive until this object exists or has failed, and the library has noticed that (by a check, a
    /// wait, or a sweep of its namespace). Waits up to `timeout` until the other object exists (TIMEOUT), and returns
    /// its error if it has failed. INVALID_ARGUMENT if the other object is this one, or keeps this one alive.
    pub fn add_dependency(&self, other: &Ref, timeout: Timeout) -> Result<()> {
        self.relate(other, timeout, |life| &mut life.dependencies)?;
        if !self.is_settled() {
            if let Some(namespace) = self.namespace() {
                namespace.remember(self.unfinished());
            }
        }
        Ok(())
    }

    /// Keeps `other` alive as long as this reference or a clone of it exists, or a call that has this object as an
    /// input needs it. Waits and fails like [`Ref::add_dependency`].
    pub fn add_reference(&self, other: &Ref, timeout: Timeout) -> Result<()> {
        self.relate(other, timeout, |life| &mut life.references)
    }

    fn relate(
        &self,
        other: &Ref,
        timeout: Timeout,
        place: impl FnOnce(&mut Life) -> &mut Held,
    ) -> Result<()> {
        let id = self.id();
        if other.id() == id {
            return Err(Error::invalid(format!("object {id} cannot keep itself alive")));
        }
        other.check_store(self.store(), "this one in")?;
        other.wait(timeout)?;
        let claim = other.claim_input()?;
        let _held = log::hold();
        let _making = MAKING.get().lock();
        if other.keeps_alive(self) {
            return Err(Error::invalid(format!(
                "object {} already keeps object {id} alive: neither would ever be deleted",
                other.id()
            )));
        }
        let mut life = self.life();
        let held = place(&mut life);
        held.refs.push(other.clone());
        held.claims.extend(claim);
        Ok(())
    }

    /// Whether `other` is held by this reference, or by one that it holds, and so on.
    fn keeps_alive(&self, other: &Ref) -> bool {
        let mut seen = HashSet::new();
        let mut open = vec![self.clone()];
        while let Some(next) = open.pop() {
            if next.address() == other.address() {
                return true;
            }
            if seen.insert(next.address()) {
                next.life().holds(&mut open);
            }
        }
        false
    }
}
