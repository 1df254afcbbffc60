//! Broadcast: the same call to every processor that a caller found.

use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::timeout::Timeout;

use super::args::{Args, GivenRows, Results};
use super::caller::{Caller, Spare};
use super::discovery::FoundProcessor;
use super::discovery::Target;
use super::giving::Gives;
use super::issue::results_of;

/// The result of a broadcast at one processor.
pub struct Reply {
    /// The processor.
    pub processor: FoundProcessor,
    /// References to the outputs of each row, or the error if nothing was issued to this processor.
    pub results: Result<Vec<Results>>,
}

impl Caller {
    /// Issues a call to every processor found, like [`Caller::broadcast_batch`].
    pub fn broadcast(&self, function: &str, args: &Args<'_>, timeout: Timeout) -> Result<Vec<Reply>> {
        self.broadcast_batch(function, std::slice::from_ref(args), timeout)
    }

    /// Issues the same rows to every processor found, as one call object for each. Returns one reply for each
    /// processor, sorted by prefix. Values are put only once. Every processor has outputs of its own, so outputs can be
    /// given only if there is at most one processor (INVALID_ARGUMENT).
    ///
    /// All rows are checked before anything is issued. If one processor does not get the call, its reply has the error.
    /// PROCESSOR_LOST: it crashed or was closed (the caller drops it then). TIMEOUT: it still has `max_in_flight`
    /// unfinished calls after `timeout`. The other processors get the call after this wait.
    pub fn broadcast_batch(&self, function: &str, rows: &[Args<'_>], timeout: Timeout) -> Result<Vec<Reply>> {
        let known = self.form(function, GivenRows::Each(rows))?;
        let mut prepared = self.prepare(known, GivenRows::Each(rows), Vec::new())?;
        let targets = self.finder.found();
        if prepared.given && targets.len() > 1 {
            return Err(Error::invalid(format!(
                "{function}: an output was given, but the call goes to {} processors, and each needs outputs \
                 of its own: pass no outputs to a broadcast",
                targets.len()
            )));
        }
        if rows.is_empty() {
            let none = |target: &Arc<Target>| Reply { processor: target.found(), results: Ok(Vec::new()) };
            return Ok(targets.iter().map(none).collect());
        }
        if targets.len() > 1 {
            // Each of them reads the input: nobody has its memory alone.
            prepared.gives = Gives::default();
        }
        // What only encoding finds is found before anything is put.
        let outputs = self.address(known, &mut prepared)?;
        let written = self.write(known, &prepared, Vec::new())?;
        let mut first = Some((outputs, written));
        let mut spare = Spare::default();
        self.wait_for_all(&targets, timeout)?;
        let living = self.finder.living()?;
        let lives = |target: &Arc<Target>| living.iter().any(|other| Arc::ptr_eq(other, target));
        let inputs = match targets.iter().any(lives) {
            true => self.put_values(known.schema(), &mut prepared)?,
            false => None,
        };
        let mut replies = Vec::with_capacity(targets.len());
        for target in targets {
            let mut send = || {
                if !lives(&target) {
                    return Err(gone(&target));
                }
                if !self.finder.has_room(&target) {
                    let text = format!(
                        "processor {} has as many unfinished calls as max_in_flight allows",
                        target.title()
                    );
                    return Err(Error::new(Kind::Timeout, text));
                }
                let (outputs, written) = match first.take() {
                    Some(first) => first,
                    None => {
                        let outputs = self.address(known, &mut prepared)?;
                        (outputs, self.write(known, &prepared, Vec::new())?)
                    }
                };
                match self.issue(&target, &written, &outputs, &inputs, &prepared, &mut spare) {
                    Ok(()) => Ok(results_of(known, rows.len(), outputs)),
                    Err(error) if matches!(error.kind(), Kind::ProcessorLost | Kind::NotFound) => {
                        self.finder.forget(&target);
                        Err(gone(&target))
                    }
                    Err(error) => Err(error),
                }
            };
            let results = send().map_err(|error| error.context(function));
            replies.push(Reply { processor: target.found(), results });
        }
        Ok(replies)
    }

    /// Waits until all of these that live have room, or the timeout has passed.
    fn wait_for_all(&self, targets: &[Arc<Target>], timeout: Timeout) -> Result<()> {
        if self.finder.options.max_in_flight == 0 {
            return Ok(());
        }
        let waited = self.finder.wait_for_room(&timeout.deadline(), &mut || {
            let living = self.finder.living()?;
            let among = |target: &Arc<Target>| targets.iter().any(|other| Arc::ptr_eq(other, target));
            let mut ours = living.iter().filter(|target| among(target));
            Ok(ours.all(|target| self.finder.has_room(target)).then_some(()))
        });
        match waited {
            Err(error) if error.kind() != Kind::Timeout => Err(error),
            _ => Ok(()),
        }
    }
}

fn gone(target: &Target) -> Error {
    Error::new(Kind::ProcessorLost, format!("processor {} crashed or was closed", target.title()))
}
