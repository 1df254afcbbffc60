//! What a trace remembers: the calls that wait or run, and the objects that are there.

use std::collections::HashMap;
use std::time::Duration;

use sdp_dal::error::Result;
use sdp_dal::store::{Buffer, ObjectId};
use sdp_dal::wire::{decode_call, Direction, ParamType};

use crate::chrome::Place;
use crate::contents::cell_text;

/// Who made an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maker {
    /// A call of this function.
    Call(String),
    /// A client, by its attachment number.
    Client(u32),
}

/// An object that is there.
#[derive(Clone, Debug)]
pub struct Object {
    /// Bytes of data.
    pub bytes: u64,
    /// Who made it where and when; none if that was before the trace.
    pub made: Option<(Maker, Place, Duration)>,
}

/// An object among a call's parameters.
#[derive(Clone, Debug)]
pub struct Part {
    /// The parameter.
    pub name: String,
    /// The object.
    pub id: ObjectId,
    /// Its bytes, once it is known.
    pub bytes: Option<u64>,
    /// Who made it.
    pub maker: Option<Maker>,
}

/// A call.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Its function.
    pub function: String,
    /// Attachment number of who issued it; 0: not known.
    pub caller: u32,
    /// When; none: before the trace.
    pub issued: Option<Duration>,
    /// When its last input was there.
    pub ready: Option<Duration>,
    /// Who runs it, and since when.
    pub claimed: Option<(Place, Duration)>,
    /// Rows.
    pub rows: usize,
    /// Values of its first row.
    pub values: Vec<(String, String)>,
    /// Objects that it reads.
    pub inputs: Vec<Part>,
    /// Objects that it makes.
    pub outputs: Vec<Part>,
}

impl Call {
    /// A call of which no more is known than its function.
    pub fn unknown(function: &str) -> Call {
        Call { function: function.to_owned(), ..Call::default() }
    }

    /// Reads a call object.
    pub fn read(buffer: &Buffer) -> Result<Call> {
        let decoded = decode_call(buffer.data(), buffer.metadata(), &[])?;
        let mut call = Call::unknown(&decoded.function);
        call.rows = decoded.rows.len();
        for (at, row) in decoded.rows.iter().enumerate() {
            for (param, cell) in decoded.schema.params.iter().zip(row) {
                let waits = param.ty.is_object() && param.ty != ParamType::Id;
                match cell.object() {
                    Some(id) if waits => {
                        let part = Part { name: param.name.clone(), id, bytes: None, maker: None };
                        match param.direction {
                            Direction::In => call.inputs.push(part),
                            Direction::Out => call.outputs.push(part),
                        }
                    }
                    _ if at == 0 => call.values.push((param.name.clone(), cell_text(cell))),
                    _ => {}
                }
            }
        }
        Ok(call)
    }

    /// Bytes of the objects among these that are known.
    pub fn bytes(parts: &[Part]) -> u64 {
        parts.iter().filter_map(|part| part.bytes).sum()
    }

    /// Notes what is known of an object among its inputs and outputs.
    pub fn learn(&mut self, id: &ObjectId, object: &Object) {
        for part in self.inputs.iter_mut().chain(&mut self.outputs).filter(|part| part.id == *id) {
            part.bytes = Some(object.bytes);
            part.maker = object.made.as_ref().map(|(maker, ..)| maker.clone());
        }
    }
}

/// The lines that are taken in each client's row.
#[derive(Default)]
pub struct Lanes(HashMap<u32, Vec<bool>>);

impl Lanes {
    /// The first free line for a call, and whether it is a new one.
    pub fn take(&mut self, client: u32) -> (Place, bool) {
        let lanes = self.0.entry(client).or_default();
        let free = lanes.iter().position(|taken| !taken);
        let at = free.unwrap_or(lanes.len());
        match free {
            Some(at) => lanes[at] = true,
            None => lanes.push(true),
        }
        let lane = u32::try_from(at + 1).unwrap_or(u32::MAX);
        (Place { client, lane }, free.is_none())
    }

    /// The line is free again.
    pub fn give(&mut self, place: Place) {
        let lanes = self.0.get_mut(&place.client);
        if let Some(taken) = lanes.and_then(|lanes| lanes.get_mut(place.lane.saturating_sub(1) as usize)) {
            *taken = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_at_the_same_time_lie_beside_each_other() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.take(7), (Place { client: 7, lane: 1 }, true));
        assert_eq!(lanes.take(7), (Place { client: 7, lane: 2 }, true));
        assert_eq!(lanes.take(8), (Place { client: 8, lane: 1 }, true));
        lanes.give(Place { client: 7, lane: 1 });
        assert_eq!(lanes.take(7), (Place { client: 7, lane: 1 }, false));
    }
}
