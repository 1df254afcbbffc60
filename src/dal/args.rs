//! Arguments and results of a call, and what is checked before anything is written.

use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::store::ObjectId;
use crate::wire::{
    ArraySource, CallSchema, Cell, Direction, Layout, Param, ParamType, TableSource, TensorSource,
};

use super::expect::{DimSizes, Expectation};
use super::ownership::Ref;

/// One argument of a call.
#[derive(Clone)]
pub enum Arg<'a> {
    /// A plain value, or the ID of an object ([`Cell::Id`]), which is then a borrowed reference.
    Cell(Cell),
    /// A reference to an input, or to the object that an output is written to.
    Ref(Ref),
    /// A reference to an input from which an output starts, and which the caller gives away: the output may take its memory
    /// over. It does if no other client wants or reads the object when the call is taken, and no other unfinished call of
    /// this process takes it. Otherwise it is copied. Once the call is issued, this process can no longer use the object:
    /// the reference and its clones fail with OBJECT_DELETED.
    Given(Ref),
    /// A tensor in the memory of this process. If that is a sealed object of the store, a reference to it is passed. It
    /// is copied once into the namespace of the caller otherwise, when the call is issued, after all arguments were
    /// checked.
    Tensor(TensorSource<'a>),
    /// A slice, a vector or an array in the memory of this process, passed or copied like a tensor.
    Array(Box<ArraySource<'a>>),
    /// A table in the memory of this process, passed or copied like a tensor.
    Table(&'a TableSource),
    /// Null, for a nullable parameter. A null output is neither created nor returned.
    Null,
    /// Not given: a nullable input is null, and a new object is created for an output.
    Missing,
}

/// Arguments by name or by position (the order of the schema). They borrow the tensors and tables given by value until
/// the call is issued.
#[derive(Clone, Default)]
pub struct Args<'a> {
    positional: Vec<Arg<'a>>,
    named: Vec<(String, Arg<'a>)>,
}

impl<'a> Args<'a> {
    /// Creates an empty set of arguments.
    pub fn new() -> Args<'a> {
        Args::default()
    }

    /// Sets a parameter by name. It replaces an earlier argument with that name.
    pub fn set(&mut self, name: &str, arg: impl Into<Arg<'a>>) {
        let arg = arg.into();
        match self.named.iter_mut().find(|(other, _)| other == name) {
            Some((_, before)) => *before = arg,
            None => self.named.push((name.to_owned(), arg)),
        }
    }

    /// Appends an argument by position.
    pub fn push(&mut self, arg: impl Into<Arg<'a>>) {
        self.positional.push(arg.into());
    }

    /// Those by position, and those by name.
    fn parts(&self) -> RowArgs<'_> {
        RowArgs { positional: &self.positional, named: &self.named }
    }

    /// Removes all arguments.
    pub fn clear(&mut self) {
        self.positional.clear();
        self.named.clear();
    }
}

/// The arguments of one row.
#[derive(Clone, Copy)]
pub(super) struct RowArgs<'a> {
    positional: &'a [Arg<'a>],
    named: &'a [(String, Arg<'a>)],
}

/// The arguments of all rows of a call.
#[derive(Clone, Copy)]
pub(super) enum GivenRows<'a> {
    Each(&'a [Args<'a>]),
    /// One behind the other, by position: so many in a row, and so many rows.
    Flat(&'a [Arg<'a>], usize, usize),
}

impl<'a> RowArgs<'a> {
    /// What was given for the parameter at a place.
    pub(super) fn arg(&self, place: usize, param: &Param) -> Option<&'a Arg<'a>> {
        let named = || self.named.iter().find(|(name, _)| *name == param.name).map(|(_, arg)| arg);
        self.positional.get(place).or_else(named)
    }
}

impl<'a> GivenRows<'a> {
    pub(super) fn count(&self) -> usize {
        match self {
            GivenRows::Each(rows) => rows.len(),
            GivenRows::Flat(_, _, rows) => *rows,
        }
    }

    pub(super) fn row(&self, row: usize) -> RowArgs<'a> {
        match self {
            GivenRows::Each(rows) => rows[row].parts(),
            GivenRows::Flat(args, width, _) => {
                RowArgs { positional: &args[row * width..(row + 1) * width], named: &[] }
            }
        }
    }
}

/// References to the outputs of one call, in the order of the schema. Dropping all of them cancels a call that has not
/// started.
pub struct Results {
    schema: Arc<CallSchema>,
    outputs: Vec<(usize, Option<Ref>)>,
}

impl Results {
    pub(super) fn new(schema: Arc<CallSchema>, outputs: Vec<(usize, Option<Ref>)>) -> Results {
        Results { schema, outputs }
    }

    /// The number of outputs of the function.
    pub fn len(&self) -> usize {
        self.outputs.len()
    }

    /// Whether the function has no outputs.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    /// The name of an output.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.outputs.get(index).map(|(param, _)| self.schema.params[*param].name.as_str())
    }

    /// Returns an output. None if it is null, or if there are fewer outputs.
    pub fn at(&self, index: usize) -> Option<&Ref> {
        self.outputs.get(index).and_then(|(_, output)| output.as_ref())
    }

    /// Returns an output by name, None if it is null. The error NOT_FOUND lists all names.
    pub fn get(&self, name: &str) -> Result<Option<&Ref>> {
        let place = (0..self.len()).find(|index| self.name(*index) == Some(name));
        match place {
            Some(index) => Ok(self.at(index)),
            None => {
                let names: Vec<_> = (0..self.len()).filter_map(|index| self.name(index)).collect();
                let function = &self.schema.name;
                let text = format!("{function} has no output '{name}', only: {}", names.join(", "));
                Err(Error::new(Kind::NotFound, text))
            }
        }
    }
}

/// A value that is put when the call is issued.
#[derive(Clone, Copy)]
pub(super) enum PutValue<'a> {
    Tensor(&'a TensorSource<'a>),
    Array(&'a ArraySource<'a>),
    Table(&'a TableSource),
}

impl PutValue<'_> {
    /// Copies it, a tensor in the order that the parameter asks for; how many bytes.
    pub(super) fn put(self, reference: &Ref, param: &Param) -> Result<u64> {
        let tensor = |source: &TensorSource<'_>| {
            reference.put_tensor_in(source, param.ty.order()).map(|()| source.layout.byte_len())
        };
        match self {
            PutValue::Tensor(source) => tensor(source),
            PutValue::Array(array) => tensor(&array.source()),
            PutValue::Table(source) => reference.put_whole_table(source),
        }
    }
}

/// An argument that was checked against its parameter.
pub(super) enum Planned<'a> {
    /// A plain value; its type and range are checked when the row is encoded.
    Value(Cell),
    Null,
    Object(Ref),
    /// An object that is given away.
    Given(Ref),
    ObjectId(ObjectId),
    Put(PutValue<'a>),
    /// An output that was not given.
    NewOutput,
}

/// Checks the arguments of one row, and adds an entry for each parameter to `planned`. Errors name the function and the
/// parameter. Equal dimension names are compared if `strict_dims`.
pub(super) fn plan<'a>(
    schema: &CallSchema,
    expects: &[Arc<Expectation>],
    args: RowArgs<'a>,
    strict_dims: bool,
    planned: &mut Vec<Planned<'a>>,
) -> Result<()> {
    check_names(schema, args).map_err(|error| error.context(&schema.name))?;
    let start = planned.len();
    let mut sizes = DimSizes::default();
    for (place, param) in schema.params.iter().enumerate() {
        let arg = args.arg(place, param);
        let wrong = |error: Error| error.context(format!("{}: parameter '{}'", schema.name, param.name));
        let checked = match (param.direction, arg) {
            (Direction::In, arg) => plan_input(schema, param, &expects[place], arg),
            (Direction::Out, arg) => plan_output(param, &expects[place], arg),
        };
        let checked = checked.map_err(wrong)?;
        if strict_dims {
            learn_sizes(&mut sizes, &schema.params, place, &checked)
                .map_err(|error| error.context(&schema.name))?;
        }
        planned.push(checked);
    }
    check_outputs(schema, &planned[start..]).map_err(|error| error.context(&schema.name))
}

fn check_names(schema: &CallSchema, args: RowArgs<'_>) -> Result<()> {
    let params = &schema.params;
    if args.positional.len() > params.len() {
        let (given, known) = (args.positional.len(), params.len());
        return Err(Error::invalid(format!(
            "{given} arguments were given, but the function has {known} parameters"
        )));
    }
    for (name, _) in args.named {
        match params.iter().position(|param| param.name == *name) {
            None => {
                let names: Vec<_> = params.iter().map(|param| param.name.as_str()).collect();
                return Err(Error::invalid(format!("no parameter '{name}', only: {}", names.join(", "))));
            }
            Some(place) if place < args.positional.len() => {
                let text = format!("parameter '{name}' was given by position ({place}) and by name");
                return Err(Error::invalid(text));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn plan_input<'a>(
    schema: &CallSchema,
    param: &Param,
    expect: &Expectation,
    arg: Option<&'a Arg<'a>>,
) -> Result<Planned<'a>> {
    let expects_object = !matches!(param.ty, ParamType::Scalar(_));
    match arg {
        None | Some(Arg::Missing | Arg::Null | Arg::Cell(Cell::Null)) if param.nullable => Ok(Planned::Null),
        None | Some(Arg::Missing) => Err(Error::invalid("no value was given, and it is not nullable")),
        Some(Arg::Null | Arg::Cell(Cell::Null)) => Err(Error::invalid("found null, but it is not nullable")),
        Some(Arg::Cell(Cell::Id(id))) if expects_object => Ok(Planned::ObjectId(*id)),
        Some(Arg::Cell(_)) if expects_object => {
            Err(Error::invalid(format!("expected {}, found a plain value", kind_name(&param.ty))))
        }
        Some(Arg::Cell(cell)) => Ok(Planned::Value(cell.clone())),
        Some(Arg::Ref(_) | Arg::Given(_) | Arg::Tensor(_) | Arg::Array(_) | Arg::Table(_))
            if !expects_object =>
        {
            Err(Error::invalid("expected a plain value, found an object"))
        }
        Some(Arg::Ref(reference)) => {
            check_part(param, reference)?;
            check_reference(expect, reference).map(|()| Planned::Object(reference.clone()))
        }
        Some(Arg::Given(reference)) => {
            if schema.started_by(&param.name).is_none() {
                return Err(Error::invalid(format!(
                    "it is given away, but no output starts from it in '{schema}': pass the reference itself"
                )));
            }
            reference
                .refuse_part("only a whole object is given away: pass the part itself, which is copied")?;
            check_reference(expect, reference).map(|()| Planned::Given(reference.clone()))
        }
        Some(Arg::Tensor(source)) => plan_tensor(param, expect, source.layout, PutValue::Tensor(source)),
        Some(Arg::Array(array)) => plan_tensor(param, expect, array.layout(), PutValue::Array(array)),
        Some(Arg::Table(source)) => {
            if !matches!(param.ty, ParamType::Table(_) | ParamType::Oid) {
                return Err(Error::invalid(format!("expected {}, found a table", kind_name(&param.ty))));
            }
            expect.check_table(source.schema(), source.batches())?;
            Ok(Planned::Put(PutValue::Table(source)))
        }
    }
}

fn plan_tensor<'a>(
    param: &Param,
    expect: &Expectation,
    layout: &Layout,
    value: PutValue<'a>,
) -> Result<Planned<'a>> {
    if matches!(param.ty, ParamType::Table(_) | ParamType::Id) {
        return Err(Error::invalid(format!("expected {}, found a tensor", kind_name(&param.ty))));
    }
    expect.check(layout)?;
    Ok(Planned::Put(value))
}

fn plan_output<'a>(param: &Param, expect: &Expectation, arg: Option<&'a Arg<'a>>) -> Result<Planned<'a>> {
    match arg {
        None | Some(Arg::Missing) => Ok(Planned::NewOutput),
        Some(Arg::Null | Arg::Cell(Cell::Null)) if param.nullable => Ok(Planned::Null),
        Some(Arg::Null | Arg::Cell(Cell::Null)) => {
            Err(Error::invalid("found null, but this output is not nullable"))
        }
        Some(Arg::Cell(Cell::Id(id))) => Ok(Planned::ObjectId(*id)),
        Some(Arg::Ref(reference)) => {
            reference.refuse_part("this is an output, which is an object of its own")?;
            check_reference(expect, reference).map(|()| Planned::Object(reference.clone()))
        }
        Some(Arg::Given(_)) => Err(Error::invalid("this is an output, but only an input is given away")),
        Some(Arg::Cell(_) | Arg::Tensor(_) | Arg::Array(_) | Arg::Table(_)) => {
            Err(Error::invalid("this is an output: expected a reference, found a value"))
        }
    }
}

/// Only tensors have parts, and no ID names one.
fn check_part(param: &Param, reference: &Ref) -> Result<()> {
    match &param.ty {
        ParamType::Table(_) => reference.refuse_part("expected a table, and only tensors have parts"),
        ParamType::Id => {
            reference.refuse_part("expected an ID, which names whole objects only: pass the whole")
        }
        _ => Ok(()),
    }
}

/// What is known of the object must fit the parameter.
fn check_reference(expected: &Expectation, reference: &Ref) -> Result<()> {
    if !reference.expectation().agrees(expected) {
        let found = reference.expectation();
        return Err(Error::invalid(format!(
            "{} is a reference to {found}, expected {expected}",
            reference.title()
        )));
    }
    match reference.known_tensor() {
        Some(known) => expected.check(known.layout()).map_err(|error| error.context(reference.title())),
        None => Ok(()),
    }
}

fn learn_sizes(sizes: &mut DimSizes, params: &[Param], place: usize, planned: &Planned<'_>) -> Result<()> {
    match planned {
        Planned::Put(PutValue::Tensor(source)) => sizes.learn(params, place, &source.layout.shape),
        Planned::Put(PutValue::Array(array)) => sizes.learn(params, place, &array.layout().shape),
        Planned::Object(reference) | Planned::Given(reference) => match reference.known_tensor() {
            Some(known) => sizes.learn(params, place, &known.layout().shape),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The same object must not be two outputs, nor input and output.
fn check_outputs(schema: &CallSchema, planned: &[Planned<'_>]) -> Result<()> {
    let object = |planned: &Planned<'_>| match planned {
        Planned::Object(reference) | Planned::Given(reference) => Some(reference.id()),
        Planned::ObjectId(id) => Some(*id),
        _ => None,
    };
    let waits = |param: &Param| !matches!(param.ty, ParamType::Id);
    let objects = || {
        let named = schema.params.iter().zip(planned).filter(|(param, _)| waits(param));
        named.filter_map(|(param, planned)| object(planned).map(|id| (param, id)))
    };
    for (nth, (param, id)) in objects().enumerate() {
        for (other, _) in objects().take(nth).filter(|(_, other)| *other == id) {
            if param.direction == Direction::Out || other.direction == Direction::Out {
                return Err(Error::invalid(format!(
                    "parameters '{}' and '{}' name the same object {id}: each output needs an object of its own",
                    other.name, param.name
                )));
            }
        }
    }
    Ok(())
}

fn kind_name(ty: &ParamType) -> &'static str {
    match ty {
        ParamType::Scalar(_) => "a plain value",
        ParamType::Tensor { .. } => "a tensor or a reference",
        ParamType::Table(_) => "a table or a reference",
        ParamType::Oid | ParamType::Id => "a reference",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrow::datatypes::DataType;

    fn plan<'a>(schema: &CallSchema, args: &'a Args<'_>, strict_dims: bool) -> Result<Vec<Planned<'a>>> {
        let expects: Vec<_> =
            schema.params.iter().map(|param| Arc::new(Expectation::of_param(param))).collect();
        let mut planned = Vec::new();
        super::plan(schema, &expects, args.parts(), strict_dims, &mut planned)?;
        Ok(planned)
    }
    use crate::wire::{Dim, Elem, Layout};

    fn param(name: &str, direction: Direction, ty: ParamType, nullable: bool) -> Param {
        Param::new(name, direction, ty, nullable)
    }

    fn tensor(dims: &[&str]) -> ParamType {
        let dims = dims.iter().map(|name| Dim { name: (*name).to_owned(), size: None }).collect();
        ParamType::Tensor { elem: Elem::Float64, dims, order: None }
    }

    fn gridder() -> CallSchema {
        CallSchema::new(
            "grid",
            vec![
                param("n", Direction::In, ParamType::Scalar(DataType::Int64), false),
                param("ms", Direction::In, tensor(&["row", "chan"]), false),
                param("wgt", Direction::In, tensor(&["row", "chan"]), true),
                param("dirty", Direction::Out, tensor(&["x", "y"]), false),
                param("psf", Direction::Out, tensor(&["x", "y"]), true),
            ],
        )
    }

    fn id(byte: u8) -> ObjectId {
        ObjectId::new([byte; 20])
    }

    fn arg(byte: u8) -> Arg<'static> {
        Arg::Cell(Cell::Id(id(byte)))
    }

    fn error(args: &Args<'_>) -> String {
        match plan(&gridder(), args, true) {
            Ok(_) => panic!("these arguments are wrong"),
            Err(error) => {
                assert_eq!(error.kind(), Kind::InvalidArgument);
                error.message().to_owned()
            }
        }
    }

    fn positional(args: impl IntoIterator<Item = Arg<'static>>) -> Args<'static> {
        let mut all = Args::new();
        args.into_iter().for_each(|arg| all.push(arg));
        all
    }

    #[test]
    fn arguments_go_by_position_and_by_name() {
        let mut args = positional([Arg::Cell(Cell::Int(3))]);
        args.set("ms", arg(1));
        args.set("psf", Arg::Null);
        let planned = plan(&gridder(), &args, true).unwrap();
        assert!(matches!(
            planned[..],
            [
                Planned::Value(Cell::Int(3)),
                Planned::ObjectId(_),
                Planned::Null,
                Planned::NewOutput,
                Planned::Null
            ]
        ));
    }

    #[test]
    fn errors_name_function_and_parameter() {
        let mut args = positional([Arg::Cell(Cell::Int(3))]);
        assert_eq!(error(&args), "grid: parameter 'ms': no value was given, and it is not nullable");
        args.set("ms", Arg::Null);
        assert_eq!(error(&args), "grid: parameter 'ms': found null, but it is not nullable");
        args.set("ms", Arg::Cell(Cell::Float(1.0)));
        assert_eq!(
            error(&args),
            "grid: parameter 'ms': expected a tensor or a reference, found a plain value"
        );
        args.set("ms", arg(1));
        args.set("dirty", Arg::Null);
        assert_eq!(error(&args), "grid: parameter 'dirty': found null, but this output is not nullable");
        args.set("dirty", Arg::Cell(Cell::Int(1)));
        assert!(error(&args).starts_with("grid: parameter 'dirty': this is an output:"));
        args.set("n", Arg::Cell(Cell::Int(1)));
        assert_eq!(error(&args), "grid: parameter 'n' was given by position (0) and by name");
        args.clear();
        args.set("m", Arg::Null);
        assert_eq!(error(&args), "grid: no parameter 'm', only: n, ms, wgt, dirty, psf");
        let many = positional((0..6).map(|_| Arg::Null));
        assert_eq!(error(&many), "grid: 6 arguments were given, but the function has 5 parameters");
    }

    #[test]
    fn an_output_is_an_object_of_its_own() {
        let mut args = positional([Arg::Cell(Cell::Int(3)), arg(1), arg(1), arg(2), arg(3)]);
        assert!(plan(&gridder(), &args, true).is_ok());
        args.positional[4] = arg(2);
        assert!(error(&args).contains("'dirty' and 'psf' name the same object"));
        args.positional[4] = arg(1);
        assert!(error(&args).contains("'ms' and 'psf' name the same object"));
    }

    #[test]
    fn tensors_by_value_agree_in_their_sizes() {
        let layout = |rows: i64| Layout {
            elem: Elem::Float64,
            shape: vec![rows, 2],
            strides: vec![16, 8],
            names: Vec::new(),
        };
        let (four, five) = (layout(4), layout(5));
        let bytes = [0; 80];
        let source = |layout| Arg::Tensor(TensorSource { bytes: &bytes, origin: 0, layout });
        let mut args = Args::new();
        args.push(Arg::Cell(Cell::Int(3)));
        args.push(source(&four));
        args.push(source(&five));
        let wrong = plan(&gridder(), &args, true).err().map(|error| error.message().to_owned());
        assert_eq!(
            wrong.as_deref(),
            Some("grid: dimension 'row' has size 5 in parameter 'wgt' but 4 in parameter 'ms'")
        );
        assert!(plan(&gridder(), &args, false).is_ok());
    }
}
