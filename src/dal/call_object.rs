//! A call object in a processor's queue: one row per invocation, claimed once for all of them.

use std::fmt;
use std::sync::Arc;

use crate::sync::atomic::Mutex;

use crate::error::Result;
use crate::log;
use crate::store::{Buffer, Claim, EntryKey, QueuedCall, Store};
use crate::wire::Cell;

use super::function::Offered;
use super::tensor::Tensor;

enum Ownership {
    /// Its bytes are still pinned, as it was just pulled; or they are not.
    Queued(Option<Buffer>),
    /// Ours; the call object stays pinned until its last row has ended, which tells the caller that it is
    /// running.
    Claimed(Buffer),
    Gone,
}

struct Rows {
    ownership: Ownership,
    left: usize,
}

/// A call object in our queue: one row per invocation, in the order of our own schema's parameters.
pub(super) struct CallObject {
    pub(super) store: Store,
    pub(super) call: QueuedCall,
    pub(super) function: Arc<Offered>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// By parameter: whether the caller gives its objects away. As long as it says so of any.
    given: Vec<bool>,
    state: Mutex<Rows>,
    /// Of several rows: the tensor that was read last for each parameter, as rows often share it. Pinned until the last row has
    /// ended, as long as the caller holds it anyway.
    read: Mutex<Vec<Option<Tensor>>>,
}

impl CallObject {
    /// A call as it came out of the queue, with its rows in the order of the function's parameters.
    pub(super) fn new(
        store: &Store,
        call: QueuedCall,
        function: Arc<Offered>,
        rows: Vec<Vec<Cell>>,
        given: Vec<bool>,
        buffer: Buffer,
    ) -> Arc<CallObject> {
        let state = Mutex::new(Rows { ownership: Ownership::Queued(Some(buffer)), left: rows.len() });
        Arc::new(CallObject {
            store: store.clone(),
            call,
            function,
            rows,
            given,
            state,
            read: Mutex::default(),
        })
    }

    /// Whether the caller gives the objects of a parameter away.
    pub(super) fn gives(&self, param: usize) -> bool {
        self.given.get(param).copied().unwrap_or(false)
    }

    /// Takes the call, once for all its rows. False if its caller has dropped it.
    pub(super) fn claim(&self) -> Result<bool> {
        let _held = log::hold();
        let mut state = self.state.lock();
        if let Ownership::Queued(pinned) = &mut state.ownership {
            state.ownership = match self.store.claim_pinned(&self.call, pinned.take())? {
                Claim::Claimed(buffer) => Ownership::Claimed(buffer),
                Claim::Gone => Ownership::Gone,
            };
        }
        Ok(matches!(state.ownership, Ownership::Claimed(_)))
    }

    /// It waits: its bytes are pinned no longer.
    pub(super) fn let_go(&self) {
        let _held = log::hold();
        if let Ownership::Queued(pinned) = &mut self.state.lock().ownership {
            *pinned = None;
        }
    }

    /// Its bytes, until its last row has ended.
    pub(super) fn buffer(&self) -> Option<Buffer> {
        match &self.state.lock().ownership {
            Ownership::Claimed(buffer) => Some(buffer.clone()),
            Ownership::Queued(_) | Ownership::Gone => None,
        }
    }

    /// Reads the tensor of a parameter.
    pub(super) fn read(&self, param: usize, buffer: Buffer) -> Result<Tensor> {
        if self.rows.len() == 1 {
            return Tensor::read(buffer);
        }
        let tensor = Tensor::read(buffer)?;
        let _held = log::hold();
        let mut read = self.read.lock();
        let places = read.len().max(param + 1);
        read.resize_with(places, || None);
        read[param] = Some(tensor.clone());
        Ok(tensor)
    }

    /// The tensor that was read last for a parameter, if it is this life of its object.
    pub(super) fn read_before(&self, param: usize, key: EntryKey) -> Option<Tensor> {
        if self.rows.len() == 1 {
            return None;
        }
        let read = self.read.lock();
        read.get(param)?.as_ref().filter(|tensor| tensor.buffer().key() == key).cloned()
    }

    /// Whether its caller still wants it.
    pub(super) fn is_wanted(&self) -> bool {
        self.store.is_wanted(self.call.key)
    }

    /// Whether it is known that nothing is to be done about it any more. (Who claims it finds out.)
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state.lock().ownership, Ownership::Gone)
    }

    /// Whether nothing is to be done about it any more.
    pub(super) fn is_gone(&self) -> bool {
        match self.state.lock().ownership {
            Ownership::Gone => true,
            Ownership::Queued(_) => !self.is_wanted(),
            Ownership::Claimed(_) => false,
        }
    }

    /// One row has ended; with the last one the call leaves the queue.
    pub(super) fn end_row(&self) -> Result<()> {
        let mut state = self.state.lock();
        state.left = state.left.saturating_sub(1);
        if state.left > 0 {
            return Ok(());
        }
        let ended = std::mem::replace(&mut state.ownership, Ownership::Gone);
        drop(state);
        let read = std::mem::take(&mut *self.read.lock());
        drop(read);
        match ended {
            Ownership::Claimed(buffer) => {
                let finished = self.store.finish(self.call.key);
                drop(buffer);
                finished
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for CallObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QueuedCall { id, issuer, .. } = &self.call;
        write!(f, "the call {id} of {} by client {issuer}", self.function.schema.name)
    }
}
