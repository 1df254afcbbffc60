//! Which inputs of a call its caller gives away.
//!
//! An input from which an output starts is given by column: in all rows of the call, or in none. What is not given is copied by
//! the processor.

use crate::store::ObjectId;
use crate::sync::hash::FastMap;

use super::ownership::Ref;

/// The inputs of the rows of one call from which outputs start.
#[derive(Default)]
pub(super) struct Gives {
    /// Given, with their parameters.
    given: Vec<(usize, Ref)>,
    /// Parameters whose value was put for this call, so that nobody else knows it.
    put: Vec<usize>,
    /// Parameters that a row does not give.
    kept: Vec<usize>,
    /// Objects that more than one row takes.
    shared: FastMap<ObjectId, ()>,
}

impl Gives {
    /// Gives an input away.
    pub(super) fn give(&mut self, param: usize, reference: Ref) {
        self.given.push((param, reference));
    }

    /// The input is put for the call.
    pub(super) fn put(&mut self, param: usize) {
        note(&mut self.put, param);
    }

    /// The input is not given: neither is that of any other row.
    pub(super) fn keep(&mut self, param: usize) {
        note(&mut self.kept, param);
    }

    /// Another row takes the object, too.
    pub(super) fn share(&mut self, id: ObjectId) {
        self.shared.insert(id, ());
    }

    /// Whether anything was given.
    pub(super) fn is_any(&self) -> bool {
        !self.given.is_empty()
    }

    /// All rows are known: what is shared is not given.
    pub(super) fn settle(&mut self) {
        let shared = std::mem::take(&mut self.shared);
        for (param, reference) in &self.given {
            if shared.contains_key(&reference.id()) {
                note(&mut self.kept, *param);
            }
        }
    }

    /// By parameter, of so many: whether its inputs are given.
    pub(super) fn columns(&self, params: usize) -> impl Iterator<Item = bool> + '_ {
        let any = self.is_any() || !self.put.is_empty();
        (0..if any { params } else { 0 }).map(|param| {
            let given = self.put.contains(&param) || self.given.iter().any(|(other, _)| *other == param);
            given && !self.kept.contains(&param)
        })
    }

    /// The call was issued: what was given is no longer this process's.
    pub(super) fn issued(&self) {
        for (_, reference) in self.given.iter().filter(|(param, _)| !self.kept.contains(param)) {
            reference.give_away();
        }
    }
}

fn note(params: &mut Vec<usize>, param: usize) {
    if !params.contains(&param) {
        params.push(param);
    }
}
