//! Taking a call whose inputs exist: claim, pin, check.

use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::log::{self, Level};
use crate::store::{Buffer, ObjectId, ObjectState, Store};
use crate::timeout::Timeout;
use crate::wire::{Cell, Param, ParamType, Part};

use super::call::{Call, Input, Taken};
use super::crew::Turn;
use super::expect::DimSizes;
use super::failure::of_input;
use super::output::{Need, Outputs};
use super::pending::PendingRow;
use super::table::Table;
use super::tensor::Tensor;

/// Why a call that was claimed does not run.
enum Refusal {
    /// Nobody wants it any more.
    Cancelled,
    /// Its outputs fail with this.
    Failed(Error),
    /// It cannot be said now: it is to be taken again later.
    NotNow(Error),
}

/// Takes the call, and the turn for it. None if there is nothing to run: cancelled, everything there already, or failed by an
/// input. After an error the turn is still there, and the row can be taken again.
pub(super) fn take(store: &Store, pending: &PendingRow, turn: &mut Option<Turn>) -> Result<Option<Call>> {
    let object = &pending.object;
    if !object.claim()? {
        return Ok(None);
    }
    let outputs = Outputs::look(store, object, pending.row)?;
    if outputs.need() != Need::Run {
        return object.end_row().map(|()| None);
    }
    let pinned = pin_inputs(store, pending, &outputs).and_then(|(mut inputs, sizes)| {
        start_outputs(pending, &outputs, &mut inputs)?;
        Ok((inputs, sizes))
    });
    match pinned {
        Ok((inputs, sizes)) => {
            outputs.set_progress(0.0)?;
            let (object, row) = (object.clone(), pending.row);
            let turn = turn.take().ok_or_else(|| Error::internal("a call is taken without a turn"))?;
            return Ok(Some(Call::new(Taken { object, row, outputs, inputs, sizes, turn })));
        }
        Err(Refusal::NotNow(error)) => return Err(error),
        Err(Refusal::Failed(error)) => outputs.fail(&error)?,
        Err(Refusal::Cancelled) => {}
    }
    object.end_row().map(|()| None)
}

/// Fails a call that is still queued. After an error it can be done again.
pub(super) fn refuse(store: &Store, pending: &PendingRow, error: &Error) -> Result<()> {
    let object = &pending.object;
    if object.function.outputs(pending.cells()).next().is_none()
        && store.is_marked_retried(object.call.key)?
    {
        // It stays in the queue: its caller takes it back and issues it again.
        return Ok(());
    }
    if !object.claim()? {
        return Ok(());
    }
    Outputs::look(store, object, pending.row)?.lose(error)?;
    object.end_row()
}

fn pin_inputs(
    store: &Store,
    pending: &PendingRow,
    outputs: &Outputs,
) -> std::result::Result<(Vec<Option<Input>>, DimSizes), Refusal> {
    if let Some(error) = &pending.hopeless {
        return Err(Refusal::Failed((**error).clone()));
    }
    let function = &pending.object.function;
    let params = &function.schema.params;
    let inputs = || function.inputs(pending.cells());
    // A first cause is better news than an input which that failure has left behind.
    for (nth, (param, id)) in inputs().enumerate() {
        let state = match pending.seen(nth) {
            Some(key) => store.look_key(key, &id),
            None => store.look(&id),
        };
        if let Ok(ObjectState::Failed { error, .. }) = state {
            return Err(Refusal::Failed(of_input(&error, &params[param].name)));
        }
    }
    let mut pinned: Vec<Option<Input>> = Vec::new();
    let mut sizes = DimSizes::default();
    for (nth, (param, id)) in inputs().enumerate() {
        let spec = &params[param];
        let sizes = (!function.options.loose_dims).then_some(&mut sizes);
        // A function without inputs needs no list of them.
        if pinned.is_empty() {
            pinned.resize_with(params.len(), || None);
        }
        let part = pending.cells().get(param).and_then(Cell::part);
        // Rows that take different parts of one object share nothing but its bytes.
        let before = if part.is_none() { read_before(store, pending, nth, (param, &id)) } else { None };
        if let Some(tensor) = before {
            if let Some(sizes) = sizes {
                let learnt = sizes.learn(params, param, &tensor.layout().shape);
                learnt.map_err(|error| Refusal::Failed(of_input(&error, &spec.name)))?;
            }
            pinned[param] = Some(Input::Tensor(tensor));
            continue;
        }
        let got = match pending.seen(nth) {
            Some(key) => store.get_key(key, &id, Timeout::Poll),
            None => store.get(&id, Timeout::Poll),
        };
        let buffer = got.map_err(|error| missing(pending, outputs, spec, error))?;
        pinned[param] = Some(
            read(pending, param, part, buffer, sizes)
                .map_err(|error| Refusal::Failed(of_input(&error, &spec.name)))?,
        );
    }
    Ok((pinned, sizes))
}

/// Gives outputs that start from an input what they start from: the input's memory, or a copy.
fn start_outputs(
    pending: &PendingRow,
    outputs: &Outputs,
    inputs: &mut [Option<Input>],
) -> std::result::Result<(), Refusal> {
    let (object, function) = (&pending.object, &pending.object.function);
    let mut started = false;
    for (output, input) in &function.starts {
        if !outputs.can_start(*output) {
            continue;
        }
        // A null input starts nothing.
        let Some(Input::Tensor(tensor)) = inputs.get_mut(*input).and_then(Option::take) else { continue };
        // Of a part the output gets a copy: the whole is as it was.
        let is_whole = pending.cells().get(*input).and_then(Cell::part).is_none();
        let giver = (is_whole && object.gives(*input)).then_some(object.call.issuer);
        match outputs.start(*output, tensor, giver) {
            Ok(()) => inputs[*input] = Some(Input::HandedOn(*output)),
            // What was started has perhaps taken an input over, which is then not there to start from again.
            Err(error)
                if !started && matches!(error.kind(), Kind::Busy | Kind::Interrupted | Kind::Forked) =>
            {
                return Err(Refusal::NotNow(error))
            }
            Err(error) => return Err(Refusal::Failed(error)),
        }
        started = true;
    }
    Ok(())
}

/// An input that an earlier row of the batch has pinned and read, if it was not deleted since.
fn read_before(store: &Store, pending: &PendingRow, nth: usize, input: (usize, &ObjectId)) -> Option<Tensor> {
    let (param, id) = input;
    let key = pending.seen(nth)?;
    let tensor = pending.object.read_before(param, key)?;
    matches!(store.look_key(key, id), Ok(ObjectState::Sealed { .. })).then_some(tensor)
}

/// What it means that an input could not be pinned.
fn missing(pending: &PendingRow, outputs: &Outputs, spec: &Param, error: Error) -> Refusal {
    match error.kind() {
        Kind::ObjectDeleted | Kind::NotFound | Kind::Timeout => {
            if !pending.object.is_wanted() || outputs.need() == Need::Unwanted {
                return Refusal::Cancelled;
            }
            let given = pending.object.function.schema.param(&spec.name);
            let given = given.is_some_and(|(param, _)| pending.object.gives(param));
            let how = if given { "given away, and another call has its memory" } else { "deleted" };
            let text = format!("input '{}' was {how} before the call ran", spec.name);
            log::write(Level::Warning, || format!("{}: {text}", pending.object));
            Refusal::Failed(Error::new(Kind::InputLost, text))
        }
        Kind::Busy | Kind::Interrupted | Kind::Forked => Refusal::NotNow(error),
        _ => Refusal::Failed(of_input(&error, &spec.name)),
    }
}

/// Reads a tensor or a table and compares it with the parameter and with the other inputs' sizes.
fn read(
    pending: &PendingRow,
    param: usize,
    part: Option<&Arc<Part>>,
    buffer: Buffer,
    sizes: Option<&mut DimSizes>,
) -> Result<Input> {
    let function = &pending.object.function;
    let (spec, expect) = (&function.schema.params[param], &function.expects[param]);
    match &spec.ty {
        ParamType::Tensor { .. } => {}
        ParamType::Table(_) => {
            let table = Table::read(buffer)?.check(expect)?;
            return Ok(Input::Object(table.buffer().clone()));
        }
        _ => return Ok(Input::Object(buffer)),
    }
    let tensor = match part {
        Some(part) => Tensor::read_part(buffer, part)?,
        // What an output starts from is not kept for the next row.
        None if function.is_start(param) => Tensor::read(buffer)?,
        None => pending.object.read(param, buffer)?,
    };
    let layout = tensor.layout();
    expect.check(layout)?;
    if let Some(sizes) = sizes {
        sizes.learn(&function.schema.params, param, &layout.shape)?;
    }
    Ok(Input::Tensor(tensor))
}
