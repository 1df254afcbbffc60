//! Callers: finding processors and issuing calls to them.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::store::{ObjectId, Want};
use crate::sync::atomic::Mutex;
use crate::timeout::Timeout;
use crate::wire::{form_params, CallEncoder, CallSchema, Cell, Direction};

use super::again::Retries;
use super::discovery::FoundProcessor;
use super::expect::Expectation;
use super::finder::{CallerOptions, Finder};
use super::ownership::Namespace;

/// Finds processors that offer all of its functions, and issues calls to them. Any thread may use it.
pub struct Caller {
    pub(super) finder: Arc<Finder>,
    pub(super) retries: Arc<Retries>,
    pub(super) strict_dims: bool,
    pub(super) functions: Vec<Function>,
    /// Memory that is used again.
    pub(super) spare: Mutex<Spare>,
}

/// A function that can be called, and what of it is worked out once.
pub(super) struct Function {
    pub(super) encoder: CallEncoder,
    /// By parameter.
    pub(super) expects: Vec<Arc<Expectation>>,
    /// The places of its outputs.
    pub(super) outputs: Vec<usize>,
    /// The places of the parameters in which the forms of the function differ; empty if it has one form.
    pub(super) differs: Vec<usize>,
    /// By parameter: whether an output starts from it.
    pub(super) starts: Vec<bool>,
}

/// Memory for issuing a call, which the next one uses again.
#[derive(Default)]
pub(super) struct Spare {
    /// The call's bytes, and its metadata.
    pub(super) bytes: Vec<u8>,
    pub(super) cells: Vec<Cell>,
    pub(super) ids: Vec<ObjectId>,
    pub(super) wants: Vec<Want>,
}

/// Of more rows, memory is not kept.
const SPARE_MOST: usize = 4096;

impl Spare {
    /// Empties what it holds, and lets go what is large.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.cells.clear();
        self.ids.clear();
        self.wants.clear();
        if self.cells.capacity() > SPARE_MOST {
            *self = Spare::default();
        }
    }
}

impl Function {
    fn new(schema: &Arc<CallSchema>, all: &[Arc<CallSchema>]) -> Result<Function> {
        let params = &schema.params;
        let forms = all.iter().filter(|other| other.name == schema.name);
        let is_output = |place: &usize| params[*place].direction == Direction::Out;
        Ok(Function {
            encoder: CallEncoder::new(schema.clone())?,
            starts: params.iter().map(|param| schema.started_by(&param.name).is_some()).collect(),
            expects: params.iter().map(|param| Arc::new(Expectation::of_param(param))).collect(),
            outputs: (0..params.len()).filter(is_output).collect(),
            differs: form_params(forms.map(|form| &**form)),
        })
    }

    pub(super) fn schema(&self) -> &Arc<CallSchema> {
        self.encoder.schema()
    }
}

impl Caller {
    /// Creates a caller for these functions, with outputs and values in `namespace`. Several of one name are forms of one
    /// function, which differ in element types only. Then the arguments of a call choose the form, unless it is called by
    /// the name of a form ([`CallSchema::form_name`]). NO_PROCESSOR if there are fewer compatible processors than the
    /// minimum within the timeout of the options.
    pub fn new(namespace: &Namespace, schemas: Vec<CallSchema>, options: &CallerOptions) -> Result<Caller> {
        let schemas: Vec<_> = schemas.into_iter().map(Arc::new).collect();
        for (nth, schema) in schemas.iter().enumerate() {
            for other in schemas[..nth].iter().filter(|other| other.name == schema.name) {
                let twice =
                    |wrong: Error| wrong.context(format!("the function '{}' is given twice", schema.name));
                other.check_form(schema).map_err(twice)?;
            }
        }
        let functions =
            schemas.iter().map(|schema| Function::new(schema, &schemas)).collect::<Result<_>>()?;
        let full_timeout = options.full_timeout.or(namespace.full_timeout());
        let finder = Finder::new(namespace.with_full_timeout(full_timeout), schemas, options);
        finder.find_first()?;
        let finder = Arc::new(finder);
        let retries = Retries::new(finder.clone());
        Ok(Caller { finder, retries, strict_dims: options.strict_dims, functions, spare: Mutex::default() })
    }

    /// Sets [`CallerOptions::strict_dims`].
    pub fn set_strict_dims(&mut self, strict: bool) {
        self.strict_dims = strict;
    }

    /// The timeout of the options, for functions without a timeout of their own.
    pub fn timeout(&self) -> Timeout {
        self.finder.options.timeout
    }

    /// Looks again for compatible processors, and returns how many there are: none is no error. If there are none it waits
    /// for the first one, up to `timeout` (unless the options need none). Processors that crashed or closed are dropped.
    /// Running calls are not affected.
    pub fn find_processors(&self, timeout: Timeout) -> Result<usize> {
        self.finder.find_again(timeout)
    }

    /// Waits until a processor that this caller found crashes or is closed, and returns it. Each is returned once.
    /// TIMEOUT if there was none. A crash is noticed within 250 ms.
    pub fn next_lost(&self, timeout: Timeout) -> Result<FoundProcessor> {
        self.finder.next_lost(timeout)
    }

    /// The number of processors found that are still running.
    pub fn num_processors(&self) -> usize {
        self.finder.known().len()
    }

    /// The processors found that are still running, sorted by prefix.
    pub fn processors(&self) -> Vec<FoundProcessor> {
        self.finder.known().iter().map(|target| target.found()).collect()
    }

    /// The namespace for values and outputs.
    pub fn namespace(&self) -> &Namespace {
        &self.finder.namespace
    }

    /// The functions it can call, each form by itself, in the order in which they were given.
    pub fn functions(&self) -> impl Iterator<Item = &CallSchema> {
        self.finder.schemas.iter().map(|schema| &**schema)
    }
}
