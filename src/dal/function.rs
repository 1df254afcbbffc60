//! A function that a processor offers, and how its calls are run.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use crate::error::Result;
use crate::store::ObjectId;
use crate::sync::atomic::Mutex;
use crate::timeout::Timeout;
use crate::wire::{CallSchema, Cell, Direction, Order, Param};

use super::expect::Expectation;
use super::tensor::TensorForm;

/// Options for running the calls of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionOptions {
    /// It may run in several threads at the same time, in as many as take calls. Default: its calls wait for each
    /// other, while other functions can run.
    pub reentrant: bool,
    /// Its calls run one at a time, strictly in the order in which all callers issued them. The rows of a batch keep
    /// their order. A call whose inputs do not exist yet delays the calls after it, but not those of other functions. A
    /// call whose input has failed fails in its turn, and so does one whose input is the output of a later call. Not
    /// together with `reentrant`.
    pub ordered: bool,
    /// Dimensions of the same name may have different sizes, and the sizes in the signature are not checked.
    pub loose_dims: bool,
    /// How long its outputs wait for space in a full store. None: what the processor says.
    pub full_timeout: Option<Timeout>,
}

/// A function that a processor offers.
pub(super) struct Offered {
    /// The place of its first form in the list of functions. The forms of a function are one for all that decides when its
    /// calls run: they wait for each other, and an ordered function runs the calls of all its forms in order.
    pub(super) index: usize,
    /// Its own place in the list of functions.
    pub(super) place: usize,
    pub(super) schema: Arc<CallSchema>,
    pub(super) options: FunctionOptions,
    /// The outputs that start from inputs: both places.
    pub(super) starts: Vec<(usize, usize)>,
    /// By parameter.
    pub(super) expects: Vec<Arc<Expectation>>,
    /// By parameter: the form of the output that was made last. Outputs of one function mostly have one form.
    lasts: Vec<Mutex<Option<(Order, TensorForm)>>>,
    /// The schema's name, for C.
    name: CString,
}

impl Offered {
    /// The function at a place of the list; `index` is that of its first form.
    pub(super) fn new(
        (index, place): (usize, usize),
        schema: CallSchema,
        options: FunctionOptions,
    ) -> Offered {
        // Names have no NUL.
        let name = CString::new(schema.name.as_str()).unwrap_or_default();
        let expects = schema.params.iter().map(|param| Arc::new(Expectation::of_param(param))).collect();
        let lasts = schema.params.iter().map(|_| Mutex::default()).collect();
        let input = |output: &Param| output.starts_from.as_deref().and_then(|input| schema.param(input));
        let starts = schema.outputs().filter_map(|(at, output)| input(output).map(|(input, _)| (at, input)));
        let starts = starts.collect();
        Offered { index, place, schema: Arc::new(schema), options, starts, expects, lasts, name }
    }

    pub(super) fn name(&self) -> &CStr {
        &self.name
    }

    /// Whether an output starts from this input.
    pub(super) fn is_start(&self, param: usize) -> bool {
        self.starts.iter().any(|(_, input)| *input == param)
    }

    /// The form of an output of this shape and order: that of the one before, or what `make` gives.
    pub(super) fn form(
        &self,
        param: usize,
        shape: &[i64],
        order: Order,
        make: impl FnOnce() -> Result<TensorForm>,
    ) -> Result<TensorForm> {
        let Some(last) = self.lasts.get(param) else { return make() };
        match &*last.lock() {
            Some((known, form)) if *known == order && form.shape() == shape => return Ok(form.clone()),
            _ => {}
        }
        let form = make()?;
        *last.lock() = Some((order, form.clone()));
        Ok(form)
    }

    /// The parameters that a call waits for, with their IDs in this row. Null ones are left out.
    pub(super) fn inputs<'a>(&'a self, row: &'a [Cell]) -> impl Iterator<Item = (usize, ObjectId)> + 'a {
        self.schema.params.iter().zip(row).enumerate().filter_map(|(param, (spec, cell))| match cell {
            Cell::Id(id) | Cell::Part(id, _) if spec.is_awaited() => Some((param, *id)),
            _ => None,
        })
    }

    /// The outputs of this row, with their parameters. Null ones are left out.
    pub(super) fn outputs<'a>(&'a self, row: &'a [Cell]) -> impl Iterator<Item = (usize, ObjectId)> + 'a {
        self.schema.params.iter().zip(row).enumerate().filter_map(|(param, (spec, cell))| match cell {
            Cell::Id(id) if spec.direction == Direction::Out => Some((param, *id)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrow::datatypes::DataType;
    use crate::wire::{Elem, ParamType};

    fn param(name: &str, direction: Direction, ty: ParamType) -> Param {
        Param::new(name, direction, ty, true)
    }

    fn tensor() -> ParamType {
        ParamType::Tensor { elem: Elem::Float64, dims: Vec::new(), order: None }
    }

    #[test]
    fn a_call_waits_for_its_object_inputs_only() {
        let params = vec![
            param("x", Direction::In, ParamType::Scalar(DataType::Int64)),
            param("ms", Direction::In, tensor()),
            param("wgt", Direction::In, tensor()),
            param("tag", Direction::In, ParamType::Id),
            param("done", Direction::In, ParamType::Oid),
            param("dirty", Direction::Out, tensor()),
        ];
        let offered = Offered::new((0, 0), CallSchema::new("f", params), FunctionOptions::default());
        let id = |byte| ObjectId::new([byte; 20]);
        let row =
            [Cell::Int(1), Cell::Id(id(1)), Cell::Null, Cell::Id(id(2)), Cell::Id(id(3)), Cell::Id(id(4))];
        let inputs: Vec<_> = offered.inputs(&row).collect();
        assert_eq!(inputs, [(1, id(1)), (4, id(3))]);
        assert_eq!(offered.outputs(&row).collect::<Vec<_>>(), [(5, id(4))]);
    }
}
