//! Which form of a function a call is for: functions of one name that differ in element types. What is known of the types
//! of the arguments rules forms out; the one that is left is called.
//!
//! Null, plain numbers and references of which nothing is known decide nothing. (A plain number does rule out a form in
//! which the parameter is no number.) The rows of a batch have one form.

use crate::error::{Error, Kind, Result};
use crate::timeout::Timeout;
use crate::wire::{Cell, FormName, Param, ParamType};

use super::args::{Arg, GivenRows};
use super::caller::{Caller, Function};
use super::ownership::Ref;

impl Caller {
    /// The index in [`Caller::functions`] of the form that these arguments choose, by position, row after row, one for each
    /// parameter. `function` is the name of a function, or of a form of it. A tensor for a parameter that is a value stands
    /// for a value of its element type. Errors are those of [`Caller::call_within`] that have to do with the name and with
    /// element types; nothing else is checked.
    pub fn choose_form(&self, function: &str, args: &[Arg<'_>], rows: usize) -> Result<usize> {
        let known = self.known_forms(function)?;
        let [(_, form), ..] = known[..] else { return Err(self.unknown(function)) };
        let width = form.width_of(args, rows)?;
        self.chosen(function, &known, GivenRows::Flat(args, width, rows))
    }

    /// The function of this name, in the form that the arguments choose.
    pub(super) fn form(&self, name: &str, rows: GivenRows<'_>) -> Result<&Function> {
        // Mostly there is only one.
        match self.functions.iter().find(|function| function.schema().name == name) {
            Some(only) if only.differs.is_empty() => Ok(only),
            _ => self.nth(self.chosen(name, &self.known_forms(name)?, rows)?),
        }
    }

    pub(super) fn nth(&self, function: usize) -> Result<&Function> {
        let past = || Error::invalid(format!("the caller has no function {function}"));
        self.functions.get(function).ok_or_else(past)
    }

    /// The forms that have this name, with their places: all of a function, or those that the name of a form means. At
    /// least one. NOT_FOUND lists what there is.
    fn known_forms(&self, name: &str) -> Result<Vec<(usize, &Function)>> {
        let named = FormName::parse(name);
        let function = named.as_ref().map_or(name, |named| named.function);
        let of_name = |(_, known): &(usize, &Function)| known.schema().name == function;
        let all: Vec<_> = self.functions.iter().enumerate().filter(of_name).collect();
        if all.is_empty() {
            return Err(self.unknown(name));
        }
        let Some(FormName { types, .. }) = named else { return Ok(all) };
        let is_meant = |known: &Function| known.schema().has_form_types(&known.differs, &types);
        let meant: Vec<_> = all.iter().copied().filter(|(_, known)| is_meant(known)).collect();
        if !meant.is_empty() {
            return Ok(meant);
        }
        let types = types.join(",");
        let text = match &all[..] {
            [(_, only)] => format!("'{function}' has no form <{types}>: it is {}", only.schema()),
            _ => format!("'{function}' has no form <{types}>, only: {}", names(&all)),
        };
        Err(Error::new(Kind::NotFound, text))
    }

    fn unknown(&self, name: &str) -> Error {
        let mut names: Vec<&str> = Vec::new();
        for schema in &self.finder.schemas {
            if !names.contains(&schema.name.as_str()) {
                names.push(&schema.name);
            }
        }
        let text = format!("this caller has no function '{name}', only: {}", names.join(", "));
        Error::new(Kind::NotFound, text)
    }

    /// The place of the form of these that the arguments choose.
    fn chosen(&self, name: &str, known: &[(usize, &Function)], rows: GivenRows<'_>) -> Result<usize> {
        let (mut left, mut reasons) = (Vec::new(), Vec::new());
        for (place, form) in known {
            match self.unfit(form, rows) {
                None => left.push((*place, *form)),
                Some(reason) => reasons.push(format!("{} ({reason})", form.name())),
            }
        }
        match left[..] {
            [(only, _)] => Ok(only),
            // Without a row nothing is called.
            [(first, _), ..] if rows.count() == 0 => Ok(first),
            [] => Err(Error::invalid(format!("{name}: the arguments fit no form: {}", reasons.join(", ")))),
            _ => Err(Error::invalid(format!(
                "{name}: the arguments fit more than one form: {}. Call one of them by this name, or pass a tensor or a \
                 reference whose type is known",
                names(&left)
            ))),
        }
    }

    /// Why the rows are not of this form: the first parameter whose type is another one.
    fn unfit(&self, form: &Function, rows: GivenRows<'_>) -> Option<String> {
        let params = &form.schema().params;
        // Of a function without parameters any number of rows may be asked for.
        let count = if form.differs.is_empty() { 0 } else { rows.count() };
        for row in 0..count {
            for place in &form.differs {
                let (param, args) = (&params[*place], rows.row(row));
                let Some(found) = args.arg(*place, param).and_then(|arg| self.other_type(param, arg)) else {
                    continue;
                };
                let row = if rows.count() > 1 { format!("row {row}: ") } else { String::new() };
                return Some(format!("{row}'{}' is {found}, expected {}", param.name, param.ty));
            }
        }
        None
    }

    /// What an argument is, if its type is known and is another one than the parameter's.
    fn other_type(&self, param: &Param, arg: &Arg<'_>) -> Option<String> {
        let found = match arg {
            Arg::Tensor(source) => source.layout.elem,
            Arg::Array(array) => array.layout().elem,
            Arg::Cell(Cell::Id(id)) => known_elem(&Ref::borrowed(
                self.finder.namespace.store(),
                *id,
                super::expect::Expectation::default(),
            ))?,
            Arg::Ref(reference) => known_elem(reference)?,
            Arg::Cell(cell) => return (!cell.suits(param)).then(|| cell.describe()),
            _ => return None,
        };
        let fits = match &param.ty {
            ParamType::Tensor { elem, .. } => *elem == found,
            ty => *ty == ParamType::value(&found.scalar_type()),
        };
        (!fits).then(|| found.name().to_owned())
    }
}

/// The element type of a tensor, as far as that is known without waiting.
fn known_elem(reference: &Ref) -> Option<crate::wire::Elem> {
    let expected = reference.expectation();
    if expected.elem.is_some() || expected.table.is_some() {
        return expected.elem;
    }
    match reference.known_tensor() {
        Some(known) => Some(known.layout().elem),
        None => Some(reference.get_tensor(Timeout::Poll).ok()?.layout().elem),
    }
}

impl Function {
    /// Its name among the forms of its function.
    fn name(&self) -> String {
        self.schema().form_name(&self.differs)
    }

    /// The number of parameters, of which there are arguments for so many rows.
    pub(super) fn width_of(&self, args: &[Arg<'_>], rows: usize) -> Result<usize> {
        let width = self.schema().params.len();
        match rows.checked_mul(width) {
            Some(count) if count == args.len() => Ok(width),
            _ => Err(Error::invalid(format!("{} arguments for {rows} rows of {width}", args.len()))),
        }
    }
}

fn names(forms: &[(usize, &Function)]) -> String {
    forms.iter().map(|(_, form)| form.name()).collect::<Vec<_>>().join(", ")
}
