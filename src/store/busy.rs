//! Which clients run functions of processors now, so that these share the CPUs.
//!
//! Each client counts its own running functions in its slot. What a crashed client has counted is not looked at, and the
//! next owner of the slot begins at 0.

use super::Store;
use crate::shm::cpus::{cpus, Cpus};
use crate::sync::atomic::Ordering;
use crate::sync::fail;

impl Store {
    /// A function of a processor begins to run in this process.
    pub fn begin_work(&self) {
        let attachment = &self.attachment;
        if attachment.here().is_err() {
            return;
        }
        let client = attachment.segment.client(attachment.slot);
        if client.cpus.load(Ordering::Relaxed) == 0 {
            client.cpus.store(cpus().word, Ordering::Relaxed);
        }
        // SYNC: pairs with the load in `cpus_for_one`. Advice, which orders nothing.
        client.busy.fetch_add(1, Ordering::Relaxed);
        fail::point("busy.counted");
    }

    /// It has returned.
    pub fn end_work(&self) {
        let attachment = &self.attachment;
        if attachment.here().is_ok() {
            let less = |busy: u32| busy.checked_sub(1);
            let busy = &attachment.segment.client(attachment.slot).busy;
            let _ = busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// How many CPUs this process may use, if all running clients that run functions on the same CPUs share them. At least 1.
    pub fn cpus_for_one(&self) -> u32 {
        let Cpus { count, word } = cpus();
        let attachment = &self.attachment;
        if attachment.here().is_err() {
            return count;
        }
        let segment = &attachment.segment;
        // The affinity may have changed.
        segment.client(attachment.slot).cpus.store(word, Ordering::Relaxed);
        let others = (0..segment.geometry().max_clients).filter(|slot| {
            let client = segment.client(*slot);
            let number = client.number.load(Ordering::Acquire);
            number != 0
                && number != attachment.number
                && client.busy.load(Ordering::Relaxed) != 0
                && client.cpus.load(Ordering::Relaxed) == word
                && self.alive(number)
        });
        let sharers = u32::try_from(others.count()).unwrap_or(u32::MAX).saturating_add(1);
        (count / sharers).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fresh, Neighbour, DEAD};
    use super::*;

    #[test]
    fn busy_clients_on_the_same_cpus_share_them() {
        let store = fresh("busy");
        let Cpus { count, word } = cpus();
        let share = |sharers: u32| (count / sharers).max(1);
        let own = store.attachment.segment.client(store.attachment.slot);
        store.begin_work();
        store.begin_work();
        assert_eq!((own.busy.load(Ordering::Relaxed), own.cpus.load(Ordering::Relaxed)), (2, word));
        assert_eq!(store.cpus_for_one(), count, "its own functions do not count");
        let neighbours = [8, 9].map(|slot| Neighbour::new(&store, slot));
        let others = [8, 9].map(|slot| store.attachment.segment.client(slot));
        assert_eq!(store.cpus_for_one(), count, "idle ones");
        others[0].busy.store(1, Ordering::Relaxed);
        others[1].busy.store(3, Ordering::Relaxed);
        others[1].cpus.store(word ^ 1, Ordering::Relaxed);
        others[0].cpus.store(word, Ordering::Relaxed);
        assert_eq!(store.cpus_for_one(), share(2), "one has other CPUs");
        others[1].cpus.store(word, Ordering::Relaxed);
        assert_eq!(store.cpus_for_one(), share(3));
        // One that has crashed.
        let crashed = store.attachment.segment.client(DEAD.1);
        crashed.busy.store(1, Ordering::Relaxed);
        crashed.cpus.store(word, Ordering::Relaxed);
        crashed.number.store(DEAD.0, Ordering::Release);
        assert_eq!(store.cpus_for_one(), share(3));
        crashed.number.store(0, Ordering::Release);
        drop(neighbours);
        others.iter().for_each(|client| client.busy.store(0, Ordering::Relaxed));
        (0..3).for_each(|_| store.end_work());
        assert_eq!(own.busy.load(Ordering::Relaxed), 0);
    }
}
