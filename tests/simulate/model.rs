//! What must be: histories of operations on one object, and whether any order of them explains what was seen.
//!
//! An operation takes effect at one step between its begin and its end (Herlihy and Wing, "Linearizability", 1990); one
//! whose process was killed, at any later step or never. The search is Wing's and Gong's (1993), with what was tried before
//! remembered.

use std::collections::HashSet;

/// An operation on the object, and what it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Its creation began.
    Create,
    /// There was one.
    Exists,
    /// Sealed, with this value.
    Seal(u32),
    /// Its creator gave it up.
    Abort,
    /// Got, with this value.
    Get(u32),
    /// Looked for, and not there.
    Miss,
    /// Deleted at once.
    Delete,
    /// Deleted once nobody holds it.
    DeleteLater,
    /// To be deleted, but there was none.
    NothingToDelete,
    /// Nobody else is left, and it is there.
    StillThere,
}

/// One operation of a history.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    pub client: usize,
    pub act: Act,
    pub begin: u64,
    /// `u64::MAX`: its process was killed before it came back.
    pub end: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Absent,
    /// By this client.
    Creating(usize),
    Present(u32),
    /// It goes when nobody holds it, which others may not know.
    Leaving(u32),
}

/// All that happened to one object.
#[derive(Default)]
pub struct History {
    ops: Vec<Option<Op>>,
    /// Clients that were killed, and when.
    dead: Vec<(usize, u64)>,
}

impl History {
    /// An operation has begun that would come to `act`. What it is to be ended by.
    pub fn begin(&mut self, client: usize, act: Act, begin: u64) -> usize {
        self.ops.push(Some(Op { client, act, begin, end: u64::MAX }));
        self.ops.len() - 1
    }

    /// It has come to `act`, or to nothing that says anything.
    pub fn end(&mut self, at: usize, act: Option<Act>, end: u64) {
        let begun = self.ops[at];
        self.ops[at] = begun.zip(act).map(|(op, act)| Op { act, end, ..op });
    }

    pub fn len(&self) -> usize {
        self.ops.len()
    }

    pub fn died(&mut self, client: usize, at: u64) {
        self.dead.push((client, at));
    }

    /// What no order of the operations explains.
    pub fn unexplained(&self) -> Option<String> {
        let mut ops: Vec<Op> = self.ops.iter().copied().flatten().collect();
        assert!(ops.len() <= 64, "histories are short");
        let mut tried = HashSet::new();
        if self.explains(&ops, 0, State::Absent, &mut tried) {
            return None;
        }
        ops.sort_by_key(|op| op.begin);
        let lines: Vec<String> = ops
            .iter()
            .map(|op| {
                let end = if op.end == u64::MAX { "killed".to_owned() } else { op.end.to_string() };
                format!("[{}..{end}] client {} {:?}", op.begin, op.client, op.act)
            })
            .collect();
        Some(format!("no order explains: {}", lines.join("; ")))
    }

    fn explains(&self, ops: &[Op], done: u64, state: State, tried: &mut HashSet<(u64, State)>) -> bool {
        if !tried.insert((done, state)) {
            return false;
        }
        let open = || ops.iter().enumerate().filter(move |(at, _)| done & 1 << at == 0);
        // All that came back have taken effect.
        if open().all(|(_, op)| op.end == u64::MAX) {
            return true;
        }
        let first_end = open().map(|(_, op)| op.end).min().unwrap_or(u64::MAX);
        for (at, op) in open().filter(|(_, op)| op.begin < first_end) {
            if let Some(next) = after(state, op) {
                if self.explains(ops, done | 1 << at, next, tried) {
                    return true;
                }
            }
        }
        // What happens by itself.
        match state {
            State::Leaving(_) => self.explains(ops, done, State::Absent, tried),
            State::Creating(client) => {
                let dead = self.dead.iter().any(|(who, at)| *who == client && *at < first_end);
                dead && self.explains(ops, done, State::Absent, tried)
            }
            _ => false,
        }
    }
}

fn after(state: State, op: &Op) -> Option<State> {
    match (op.act, state) {
        (Act::Create, State::Absent) => Some(State::Creating(op.client)),
        (Act::Exists, State::Creating(_) | State::Present(_) | State::Leaving(_)) => Some(state),
        (Act::Seal(value), State::Creating(client)) if client == op.client => Some(State::Present(value)),
        (Act::Abort, State::Creating(client)) if client == op.client => Some(State::Absent),
        // One that was deleted in the making.
        (Act::Seal(_) | Act::Abort, _) if state != State::Creating(op.client) => Some(state),
        (Act::Get(got), State::Present(value) | State::Leaving(value)) if got == value => Some(state),
        (Act::Miss, State::Absent | State::Creating(_)) => Some(state),
        (Act::Delete, State::Present(_) | State::Leaving(_) | State::Creating(_)) => Some(State::Absent),
        (Act::DeleteLater, State::Present(value) | State::Leaving(value)) => Some(State::Leaving(value)),
        (Act::DeleteLater, State::Creating(_)) => Some(State::Absent),
        (Act::NothingToDelete, State::Absent) => Some(state),
        (Act::StillThere, State::Present(_)) => Some(state),
        _ => None,
    }
}
