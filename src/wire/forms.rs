//! Forms: functions of one name that differ in element types only, of tensors or of values. A declaration may list several,
//! and a call is one of one of them, which its schema tells.
//!
//! A form is named `ms2dirty<complex64,float32>`: after the function's name the types of the parameters in which its forms
//! differ, in their order. Some of these may be left out.

use crate::arrow::array::Array;
use crate::arrow::datatypes::DataType;
use crate::error::{Error, Result};

use super::cell::{Column, ColumnKind};
use super::types::same_type;
use super::{type_text, CallSchema, Cell, Elem, Param, ParamType};

/// A form's name, taken apart: the function's name, and the types that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormName<'a> {
    /// The function's name.
    pub function: &'a str,
    /// Types, in the order of the parameters.
    pub types: Vec<&'a str>,
}

impl<'a> FormName<'a> {
    /// Reads `function<type,...>`. None if it does not have this shape.
    pub fn parse(text: &'a str) -> Option<FormName<'a>> {
        let (function, types) = text.strip_suffix('>')?.split_once('<')?;
        let (mut all, mut start, mut depth) = (Vec::new(), 0, 0_i32);
        for (at, letter) in types.char_indices() {
            match letter {
                '<' => depth += 1,
                '>' => depth -= 1,
                ',' if depth == 0 => {
                    all.push(types[start..at].trim());
                    start = at + 1;
                }
                _ => {}
            }
        }
        all.push(types[start..].trim());
        Some(FormName { function: function.trim(), types: all })
    }
}

impl CallSchema {
    /// Checks that `other`, a function of the same name, can be a form of the same function: that it has the same
    /// parameters in the same order, and differs in element types only. InvalidArgument with what differs.
    pub fn check_form(&self, other: &CallSchema) -> Result<()> {
        let wrong = |what: String| Err(Error::invalid(what));
        let names = |schema: &CallSchema| {
            schema.params.iter().map(|param| param.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        if self.params.len() != other.params.len()
            || self.params.iter().zip(&other.params).any(|(one, two)| one.name != two.name)
        {
            return wrong(format!(
                "its parameters are {}, but those of the other form are {}",
                names(other),
                names(self)
            ));
        }
        for (one, two) in self.params.iter().zip(&other.params) {
            let differs = |what: &str| wrong(format!("parameter '{}' {what}", one.name));
            if one.direction != two.direction {
                return differs(&format!(
                    "is an {}put, but an {}put of the other form",
                    two.direction.name(),
                    one.direction.name()
                ));
            }
            if one.nullable != two.nullable {
                return differs("may be null in one of the forms only");
            }
            if one.starts_from != two.starts_from {
                return differs("starts from an input in one of the forms only, or from another one");
            }
            if without_type(one) != without_type(two) {
                return differs(&format!(
                    "is {}, but {} in the other form: only element types may differ",
                    two.ty, one.ty
                ));
            }
        }
        if form_params([self, other]).is_empty() {
            return wrong("all its types are those of the other form".to_owned());
        }
        Ok(())
    }

    /// Its name among forms that differ in these parameters. With no parameters it is the function's name.
    pub fn form_name(&self, params: &[usize]) -> String {
        match params {
            [] => self.name.clone(),
            _ => format!("{}<{}>", self.name, self.form_types(params).join(",")),
        }
    }

    fn form_types(&self, params: &[usize]) -> Vec<String> {
        params.iter().filter_map(|place| element_type(&self.params.get(*place)?.ty)).collect()
    }

    /// Whether these types, in their order, are among those of these parameters. With no parameters: among those of all.
    pub fn has_form_types(&self, params: &[usize], types: &[&str]) -> bool {
        let all: Vec<usize> = (0..self.params.len()).collect();
        let found = self.form_types(if params.is_empty() { &all } else { params });
        let mut found = found.iter();
        types.iter().all(|wanted| found.any(|found| found == wanted))
    }
}

/// The places of the parameters in which forms of one function differ, in their order.
pub fn form_params<'a>(forms: impl IntoIterator<Item = &'a CallSchema>) -> Vec<usize> {
    let forms: Vec<&CallSchema> = forms.into_iter().collect();
    let Some((first, others)) = forms.split_first() else { return Vec::new() };
    let differs = |place: &usize| {
        let ty = &first.params[*place].ty;
        others.iter().any(|other| !same_elements(ty, &other.params[*place].ty))
    };
    let shared = forms.iter().map(|form| form.params.len()).min().unwrap_or(0);
    (0..shared).filter(differs).collect()
}

fn same_elements(one: &ParamType, two: &ParamType) -> bool {
    match (one, two) {
        (ParamType::Scalar(one), ParamType::Scalar(two)) => same_type(one, two),
        (ParamType::Tensor { elem: one, .. }, ParamType::Tensor { elem: two, .. }) => one == two,
        _ => true,
    }
}

/// The type of the elements of a tensor, or that of a value.
fn element_type(ty: &ParamType) -> Option<String> {
    match ty {
        ParamType::Scalar(data_type) => Some(type_text(data_type)),
        ParamType::Tensor { elem, .. } => Some(elem.name().to_owned()),
        _ => None,
    }
}

/// All that forms have in common of a parameter.
fn without_type(param: &Param) -> Param {
    let ty = match &param.ty {
        ParamType::Scalar(_) => ParamType::Scalar(DataType::Null),
        ParamType::Tensor { dims, order, .. } => {
            ParamType::Tensor { elem: Elem::Bool, dims: dims.clone(), order: *order }
        }
        other => other.clone(),
    };
    Param { ty, metadata: super::Metadata::new(), ..param.clone() }
}

impl Cell {
    /// Whether a value of this kind can be one of the parameter, whatever its size: numbers of one kind fit all types of
    /// this kind, so that which form is called does not depend on how large a number is.
    pub(crate) fn suits(&self, param: &Param) -> bool {
        let column = Column::new(param);
        match (column.kind, self) {
            (_, Cell::Null) => true,
            (_, Cell::Array(array)) => {
                same_type(array.data_type(), &column.data_type) || (array.len() == 1 && array.is_null(0))
            }
            (ColumnKind::Int(_) | ColumnKind::Uint(_), Cell::Int(_) | Cell::Uint(_))
            | (ColumnKind::Float(_), Cell::Float(_))
            | (ColumnKind::Bool, Cell::Bool(_))
            | (ColumnKind::Text, Cell::Utf8(_))
            | (ColumnKind::Bytes, Cell::Binary(_))
            | (ColumnKind::Id, Cell::Id(_)) => true,
            (ColumnKind::Other, Cell::Complex(..)) => {
                let elems = [Elem::Complex64, Elem::Complex128];
                elems.iter().any(|elem| same_type(&elem.scalar_type(), &column.data_type))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Direction;
    use super::*;

    fn schema(text: &str) -> CallSchema {
        CallSchema::parse(text).unwrap()
    }

    #[test]
    fn forms_differ_in_element_types_only() {
        let float = schema(
            "f(n: int64, ms: complex64[row,chan], wgt: float32[row,chan]?, e: float32) -> (d: float32[x,y])",
        );
        let double = schema(
            "f(n: int64, ms: complex128[row,chan], wgt: float64[row,chan]?, e: float64) -> (d: float64[x,y])",
        );
        float.check_form(&double).unwrap();
        assert_eq!(form_params([&float, &double]), [1, 2, 3, 4]);
        for (one, two, sentence) in [
            ("f(x: int8[i])", "f(x: int8[i])", "all its types are those of the other form"),
            ("f(x: list<int8>)", "f(x: list<element:int8>)", "all its types are those of the other form"),
            ("f(x: int8[i])", "f(y: int16[i])", "its parameters are y, but those of the other form are x"),
            ("f(x: int8, y: int8)", "f(y: int8, x: int16)", "its parameters are y, x, but"),
            ("f(x: int8[i])", "f(x: int16[i], y: int8)", "its parameters are x, y, but"),
            ("f(x: oid)", "f() -> (x: oid)", "parameter 'x' is an output, but an input of the other form"),
            ("f(x: int8[i])", "f(x: int16[i]?)", "parameter 'x' may be null in one of the forms only"),
            (
                "f(x: int8[i])",
                "f(x: int16[j])",
                "'x' is int16[j], but int8[i] in the other form: only element",
            ),
            ("f(x: int8[i])", "f(x: int16[i=2])", "'x' is int16[i=2], but int8[i] in the other form"),
            ("f(x: int8[i])", "f(x: int16[i] F)", "'x' is int16[i] F, but int8[i] in the other form"),
            ("f(x: int8[i])", "f(x: int16)", "'x' is int16, but int8[i] in the other form"),
            ("f(x: table{a: int8})", "f(x: table{a: int16})", "'x' is table{a: int16}, but table{a: int8}"),
            ("f(x: oid)", "f(x: id)", "'x' is id, but oid in the other form"),
            (
                "f(x: int8[i]) -> (y: int8[i] = x)",
                "f(x: int16[i]) -> (y: int16[i])",
                "parameter 'y' starts from an input in one of the forms only",
            ),
        ] {
            let wrong = schema(one).check_form(&schema(two)).unwrap_err();
            assert!(wrong.message().contains(sentence), "{wrong}");
        }
        let mut told = schema("f(x: int16[i])");
        told.set_metadata(Some("x"), "unit", Some("Jy")).unwrap();
        schema("f(x: int8[i])").check_form(&told).unwrap();
    }

    #[test]
    fn a_form_is_named_by_the_types_that_tell_it() {
        let float = schema("f(u: float64[row], ms: complex64[row], w: float32[row]) -> (d: float32[x])");
        let double = schema("f(u: float64[row], ms: complex128[row], w: float64[row]) -> (d: float64[x])");
        let params = form_params([&float, &double]);
        assert_eq!(float.form_name(&params), "f<complex64,float32,float32>");
        assert_eq!(double.form_name(&[]), "f");
        let is = |form: &CallSchema, text: &str| {
            form.has_form_types(&params, &FormName::parse(text).unwrap().types)
        };
        for (text, of_float, of_double) in [
            ("f<complex64,float32,float32>", true, false),
            ("f<complex64>", true, false),
            ("f<float32>", true, false),
            ("f<float64>", false, true),
            ("f< complex128 , float64 >", false, true),
            ("f<float64,complex128>", false, false),
            ("f<int8>", false, false),
        ] {
            assert_eq!((is(&float, text), is(&double, text)), (of_float, of_double), "{text}");
        }
        // A function of one form is told by any of its types.
        assert!(float.has_form_types(&[], &["float64", "complex64"]));
        assert!(!float.has_form_types(&[], &["complex128"]));
    }

    #[test]
    fn names_of_forms_are_taken_apart() {
        let parse = |text| FormName::parse(text).map(|name| (name.function, name.types));
        assert_eq!(parse("f<list<int8>,map<utf8,int8>>"), Some(("f", vec!["list<int8>", "map<utf8,int8>"])));
        assert_eq!(parse("f<>"), Some(("f", vec![""])));
        assert_eq!(parse("f"), None);
        assert_eq!(parse("f<int8"), None);
        assert_eq!(parse(">"), None);
    }

    #[test]
    fn a_number_suits_all_types_of_its_kind() {
        let param = |text: &str| {
            Param::new("x", Direction::In, ParamType::parse(text, Direction::In).unwrap(), false)
        };
        for (cell, types, others) in [
            (Cell::Int(300), ["int8", "uint64"], ["float32", "utf8"]),
            (Cell::Uint(3), ["int8", "int64"], ["float64", "bool"]),
            (Cell::Float(1e300), ["float32", "float64"], ["int64", "complex64"]),
            (Cell::Complex(1e300, 0.0), ["complex64", "complex128"], ["float64", "utf8"]),
            (Cell::Utf8("a".into()), ["utf8", "large_utf8"], ["binary", "int8"]),
            (Cell::Bool(true), ["bool", "bool"], ["int8", "utf8"]),
        ] {
            assert!(types.iter().all(|text| cell.suits(&param(text))), "{cell:?}");
            assert!(!others.iter().any(|text| cell.suits(&param(text))), "{cell:?}");
            assert!(Cell::Null.suits(&param(types[0])));
        }
        let typed: Cell =
            Cell::Array(std::sync::Arc::new(crate::arrow::array::Float32Array::from(vec![1.0])));
        assert!(typed.suits(&param("float32")));
        assert!(!typed.suits(&param("float64")));
    }
}
