//! What a reference or a parameter expects of its object, and whether dimension sizes agree within one call.

use crate::arrow::datatypes::{Schema, SchemaRef};
use crate::arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};
use crate::wire::{check_columns, Dim, Elem, Layout, Param, ParamType};

/// Describes the tensor or the table that a reference expects. Unknown parts are not checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Element type, if known.
    pub elem: Option<Elem>,
    /// Dimension names in order, if known. An empty name matches every name. An empty list means a tensor without
    /// dimensions.
    pub names: Option<Vec<String>>,
    /// A table is expected. Then the other fields are ignored.
    pub table: Option<ExpectedTable>,
}

/// The expected columns of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedTable {
    /// Any columns.
    Any,
    /// These columns.
    Columns(SchemaRef),
}

impl ExpectedTable {
    /// Creates it from these columns, or for any columns.
    pub fn new(columns: Option<SchemaRef>) -> ExpectedTable {
        columns.map_or(ExpectedTable::Any, ExpectedTable::Columns)
    }

    /// The columns, if they are fixed.
    pub fn columns(&self) -> Option<&SchemaRef> {
        match self {
            ExpectedTable::Any => None,
            ExpectedTable::Columns(columns) => Some(columns),
        }
    }
}

impl From<Option<(Elem, Vec<String>)>> for Expectation {
    fn from(pair: Option<(Elem, Vec<String>)>) -> Expectation {
        match pair {
            Some((elem, names)) => Expectation { elem: Some(elem), names: Some(names), table: None },
            None => Expectation::default(),
        }
    }
}

impl From<ExpectedTable> for Expectation {
    fn from(table: ExpectedTable) -> Expectation {
        Expectation { table: Some(table), ..Expectation::default() }
    }
}

impl Expectation {
    /// What a tensor or a table parameter expects; nothing for other parameters.
    pub(super) fn of_param(param: &Param) -> Expectation {
        match &param.ty {
            ParamType::Tensor { elem, dims, .. } => Expectation {
                elem: Some(*elem),
                names: Some(dims.iter().map(|dim| dim.name.clone()).collect()),
                table: None,
            },
            ParamType::Table(columns) => ExpectedTable::new(columns.clone()).into(),
            _ => Expectation::default(),
        }
    }

    /// What is known of a tensor that was read.
    pub(super) fn of_layout(layout: &Layout) -> Expectation {
        Expectation { elem: Some(layout.elem), names: Some(layout.names.clone()), table: None }
    }

    /// INVALID_ARGUMENT with what was found and what was expected, unless the tensor fits.
    pub(super) fn check(&self, layout: &Layout) -> Result<()> {
        let elem_fits = self.elem.is_none_or(|elem| elem == layout.elem);
        if self.table.is_none() && elem_fits && self.names_fit(layout) {
            return Ok(());
        }
        Err(Error::invalid(format!("found {}, expected {self}", Expectation::of_layout(layout))))
    }

    /// INVALID_ARGUMENT with what was found and what was expected, unless the table fits; it names the column.
    pub(super) fn check_table(&self, schema: &Schema, batches: &[RecordBatch]) -> Result<()> {
        if self.elem.is_some() || self.names.is_some() {
            return Err(Error::invalid(format!("found a table, expected {self}")));
        }
        match self.table.as_ref().and_then(ExpectedTable::columns) {
            Some(columns) => check_columns(columns, schema, batches),
            None => Ok(()),
        }
    }

    fn names_fit(&self, layout: &Layout) -> bool {
        let Some(expected) = &self.names else { return true };
        // A tag without dimensions is often written as an array of length 0.
        if expected.is_empty() && layout.shape == [0] {
            return true;
        }
        names_agree(expected, &layout.names, layout.shape.len())
    }

    /// Whether two expectations can be met by one object.
    pub(super) fn agrees(&self, other: &Expectation) -> bool {
        let is_tensor = |expect: &Expectation| expect.elem.is_some() || expect.names.is_some();
        match (&self.table, &other.table) {
            (Some(_), None) if is_tensor(other) => return false,
            (None, Some(_)) if is_tensor(self) => return false,
            (Some(ExpectedTable::Columns(one)), Some(ExpectedTable::Columns(two))) => {
                return check_columns(one, two, &[]).is_ok();
            }
            _ => {}
        }
        let elems = match (self.elem, other.elem) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        };
        let names = match (&self.names, &other.names) {
            (Some(one), Some(two)) => names_agree(one, two, two.len()),
            _ => true,
        };
        elems && names
    }

    /// The names to write with a value: the value's own, and where it has none the expected ones.
    pub(super) fn fill_names(&self, names: &[String], ndim: usize) -> Vec<String> {
        let expected = self.names.as_ref().filter(|expected| expected.len() == ndim);
        (0..ndim)
            .map(|i| match names.get(i) {
                Some(name) if !name.is_empty() => name.clone(),
                _ => expected.map(|expected| expected[i].clone()).unwrap_or_default(),
            })
            .collect()
    }
}

impl std::fmt::Display for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(table) = &self.table {
            return write!(f, "{}", ParamType::Table(table.columns().cloned()));
        }
        f.write_str(self.elem.map_or("any type", Elem::name))?;
        match &self.names {
            Some(names) => {
                let names =
                    names.iter().map(|name| if name.is_empty() { "?" } else { name }).collect::<Vec<_>>();
                write!(f, "[{}]", names.join(","))
            }
            None => f.write_str(" of any dimensions"),
        }
    }
}

/// `found` may lack names altogether; the number of dimensions must agree all the same.
fn names_agree(expected: &[String], found: &[String], ndim: usize) -> bool {
    expected.len() == ndim
        && expected.iter().zip(found).all(|(one, two)| one.is_empty() || two.is_empty() || one == two)
}

/// The sizes of the named dimensions of one call, as far as its tensors are known.
#[derive(Debug, Default)]
pub(super) struct DimSizes {
    /// Most calls have one, and need no list.
    first: Option<KnownSize>,
    others: Vec<KnownSize>,
}

/// A dimension's size, and of which parameter it was learnt.
#[derive(Clone, Copy, Debug)]
struct KnownSize {
    param: usize,
    axis: usize,
    size: i64,
}

impl KnownSize {
    fn name(self, params: &[Param]) -> &str {
        dims(&params[self.param]).get(self.axis).map_or("", |dim| &dim.name)
    }
}

impl DimSizes {
    /// Checks a tensor's shape against fixed sizes and the dimensions known so far; `params` are always those of one function.
    /// INVALID_ARGUMENT names the dimension, both parameters and both sizes.
    pub(super) fn fits(&self, params: &[Param], param: usize, shape: &[i64]) -> Result<()> {
        let dims = dims(&params[param]);
        if dims.len() != shape.len() {
            return Ok(());
        }
        for (axis, (dim, size)) in dims.iter().zip(shape).enumerate() {
            self.check(params, param, axis, *size)?;
            let twin = dims[..axis].iter().position(|other| !dim.name.is_empty() && other.name == dim.name);
            if let Some(twin) = twin.filter(|twin| shape[*twin] != *size) {
                return Err(Error::invalid(format!(
                    "dimension '{}' of parameter '{}' has the sizes {} and {size}: they must be equal",
                    dim.name, params[param].name, shape[twin]
                )));
            }
        }
        Ok(())
    }

    /// Checks as [`DimSizes::fits`] does, then learns the sizes; nothing is learnt from what does not fit.
    pub(super) fn learn(&mut self, params: &[Param], param: usize, shape: &[i64]) -> Result<()> {
        self.fits(params, param, shape)?;
        let dims = dims(&params[param]);
        if dims.len() != shape.len() {
            return Ok(());
        }
        for (axis, (dim, size)) in
            dims.iter().zip(shape).enumerate().filter(|(_, (dim, _))| !dim.name.is_empty())
        {
            let mut all = self.first.iter_mut().chain(&mut self.others);
            match all.find(|known| known.name(params) == dim.name) {
                Some(known) if known.param == param => known.size = *size,
                Some(_) => {}
                None => {
                    let new = KnownSize { param, axis, size: *size };
                    match self.first {
                        None => self.first = Some(new),
                        Some(_) => self.others.push(new),
                    }
                }
            }
        }
        Ok(())
    }

    fn check(&self, params: &[Param], param: usize, axis: usize, size: i64) -> Result<()> {
        let (dim, name) = (&dims(&params[param])[axis], &params[param].name);
        let called = || if dim.name.is_empty() { axis.to_string() } else { format!("'{}'", dim.name) };
        if let Some(fixed) = dim.size.filter(|fixed| *fixed != size) {
            return Err(Error::invalid(format!(
                "dimension {} of parameter '{name}' has size {size}, but the function requires {fixed}",
                called()
            )));
        }
        if dim.name.is_empty() {
            return Ok(());
        }
        match self.first.iter().chain(&self.others).find(|known| known.name(params) == dim.name) {
            // The same parameter again: an output that is created a second time after an abort.
            Some(known) if known.size != size && known.param != param => Err(Error::invalid(format!(
                "dimension {} has size {size} in parameter '{name}' but {} in parameter '{}'",
                called(),
                known.size,
                params[known.param].name
            ))),
            _ => Ok(()),
        }
    }
}

/// The dimensions of a tensor parameter; those of another one: none.
fn dims(param: &Param) -> &[Dim] {
    match &param.ty {
        ParamType::Tensor { dims, .. } => dims,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Direction;

    fn layout(shape: &[i64], names: &[&str]) -> Layout {
        Layout {
            elem: Elem::Float64,
            shape: shape.to_vec(),
            strides: vec![8; shape.len()],
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn expects(elem: Elem, names: &[&str]) -> Expectation {
        Some((elem, names.iter().map(|name| (*name).to_owned()).collect())).into()
    }

    fn param(name: &str, dims: &[Dim]) -> Param {
        let ty = ParamType::Tensor { elem: Elem::Float64, dims: dims.to_vec(), order: None };
        Param::new(name, Direction::In, ty, false)
    }

    fn dim(name: &str, size: Option<i64>) -> Dim {
        Dim { name: name.to_owned(), size }
    }

    #[test]
    fn names_are_compared_where_both_have_them() {
        let expected = expects(Elem::Float64, &["row", "chan"]);
        assert!(expected.check(&layout(&[2, 3], &["row", "chan"])).is_ok());
        assert!(expected.check(&layout(&[2, 3], &["", "chan"])).is_ok());
        assert!(expected.check(&layout(&[2, 3], &[])).is_ok());
        assert!(expected.agrees(&expects(Elem::Float64, &["", "chan"])));
        assert!(!expected.agrees(&expects(Elem::Float32, &["row", "chan"])));
        assert!(!expected.agrees(&expects(Elem::Float64, &["row"])));
    }

    #[test]
    fn a_tag_may_be_an_empty_array() {
        let tag = expects(Elem::Float64, &[]);
        assert!(tag.check(&layout(&[], &[])).is_ok());
        assert!(tag.check(&layout(&[0], &[""])).is_ok());
    }

    #[test]
    fn missing_names_are_filled_in() {
        let expected = expects(Elem::Float64, &["row", "chan"]);
        let own = vec![String::new(), "freq".to_owned()];
        assert_eq!(expected.fill_names(&own, 2), ["row", "freq"]);
        assert_eq!(expected.fill_names(&[], 2), ["row", "chan"]);
        assert_eq!(expected.fill_names(&[], 1), [""]);
    }

    #[test]
    fn equal_names_have_equal_sizes() {
        let mut sizes = DimSizes::default();
        let params = [
            param("uvw", &[dim("row", None), dim("uvw", Some(3))]),
            param("ms", &[dim("row", None), dim("chan", None)]),
            param("freq", &[dim("chan", None)]),
        ];
        sizes.learn(&params, 0, &[4, 3]).unwrap();
        let error = sizes.learn(&params, 1, &[5, 7]).unwrap_err();
        assert_eq!(error.message(), "dimension 'row' has size 5 in parameter 'ms' but 4 in parameter 'uvw'");
        // Nothing was learnt from the wrong tensor.
        sizes.learn(&params, 2, &[8]).unwrap();
    }

    #[test]
    fn fixed_sizes_hold_with_and_without_a_name() {
        let mut sizes = DimSizes::default();
        let params =
            [param("uvw", &[dim("row", None), dim("uvw", Some(3))]), param("pair", &[dim("", Some(2))])];
        let error = sizes.learn(&params, 0, &[4, 2]).unwrap_err();
        assert!(error.message().contains("'uvw' of parameter 'uvw' has size 2"), "{error}");
        let error = sizes.learn(&params, 1, &[3]).unwrap_err();
        assert!(error.message().contains("dimension 0 of parameter 'pair' has size 3"), "{error}");
    }

    #[test]
    fn a_square_is_square_and_an_output_may_be_made_again() {
        let mut sizes = DimSizes::default();
        let params = [
            param("gram", &[dim("ant", None), dim("ant", None)]),
            param("dirty", &[dim("x", None)]),
            param("psf", &[dim("x", None)]),
            param("beam", &[dim("y", None), dim("x", None)]),
        ];
        assert!(sizes.learn(&params, 0, &[4, 5]).is_err());
        sizes.learn(&params, 1, &[16]).unwrap();
        sizes.learn(&params, 1, &[32]).unwrap();
        assert!(sizes.learn(&params, 2, &[16]).is_err());
        // Also what is not the first that was learnt.
        sizes.learn(&params, 3, &[7, 32]).unwrap();
        sizes.learn(&params, 3, &[8, 32]).unwrap();
        assert!(sizes.fits(&params, 3, &[8, 16]).is_err());
    }
}
