//! Whether a processor's function is the one that a caller expects.

use crate::arrow::datatypes::Schema;

use super::types::same_type;
use super::{CallSchema, Direction, Param, ParamType};

impl CallSchema {
    /// Returns the differences that prevent a caller that expects `self` from calling `actual`, one sentence each. It
    /// is empty if they are compatible.
    ///
    /// Every expected parameter must exist with the same name, direction, kind, type, element type, dimension names,
    /// sizes (if both fix them) and table schema. Other parameters must be inputs that may be null. The order of the
    /// parameters, and that of the elements of a tensor, may differ. An output may start from an input though only one of
    /// them says so, but not from another one.
    pub fn mismatches(&self, actual: &CallSchema) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.name != actual.name {
            wrong.push(format!("expected a function '{}', found '{}'", self.name, actual.name));
        }
        for expected in &self.params {
            match actual.param(&expected.name) {
                None => wrong.push(format!("'{}' has no parameter '{}'", actual.name, expected.name)),
                Some((_, found)) => wrong.extend(mismatch(&actual.name, expected, found)),
            }
        }
        for extra in actual.params.iter().filter(|param| self.param(&param.name).is_none()) {
            if extra.direction == Direction::Out {
                wrong.push(format!(
                    "'{}' has an output '{}' that the caller does not know",
                    actual.name, extra.name
                ));
            } else if !extra.nullable {
                wrong.push(format!(
                    "'{}' needs a parameter '{}' that the caller does not know, and it must not be null",
                    actual.name, extra.name
                ));
            }
        }
        wrong
    }
}

/// The sentence about a parameter that both know.
fn mismatch(function: &str, expected: &Param, found: &Param) -> Option<String> {
    if expected.direction != found.direction {
        let word = |direction| if direction == Direction::In { "an input" } else { "an output" };
        return Some(format!(
            "parameter '{}' of '{function}' is {}, expected {}",
            expected.name,
            word(found.direction),
            word(expected.direction)
        ));
    }
    if same(&expected.ty, &found.ty) {
        let (Some(from), Some(other)) = (&expected.starts_from, &found.starts_from) else { return None };
        return (from != other).then(|| {
            format!("output '{}' of '{function}' starts from '{other}', expected '{from}'", expected.name)
        });
    }
    Some(format!("parameter '{}' of '{function}' is {}, expected {}", expected.name, found.ty, expected.ty))
}

fn same(expected: &ParamType, found: &ParamType) -> bool {
    match (expected, found) {
        (ParamType::Scalar(a), ParamType::Scalar(b)) => same_type(a, b),
        (ParamType::Tensor { elem: a, dims: x, .. }, ParamType::Tensor { elem: b, dims: y, .. }) => {
            a == b
                && x.len() == y.len()
                && x.iter().zip(y).all(|(x, y)| {
                    x.name == y.name && (x.size == y.size || x.size.is_none() || y.size.is_none())
                })
        }
        (ParamType::Table(None), ParamType::Table(None)) => true,
        (ParamType::Table(Some(a)), ParamType::Table(Some(b))) => same_columns(a, b),
        (ParamType::Oid, ParamType::Oid) | (ParamType::Id, ParamType::Id) => true,
        _ => false,
    }
}

fn same_columns(a: &Schema, b: &Schema) -> bool {
    a.fields().len() == b.fields().len()
        && a.fields().iter().zip(b.fields()).all(|(a, b)| {
            a.name() == b.name()
                && a.is_nullable() == b.is_nullable()
                && same_type(a.data_type(), b.data_type())
        })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_schema, Random};
    use super::*;

    fn mismatches(expected: &str, actual: &str) -> Vec<String> {
        CallSchema::parse(expected).unwrap().mismatches(&CallSchema::parse(actual).unwrap())
    }

    #[test]
    fn compatible_functions() {
        for (expected, actual) in [
            ("f()", "f()"),
            ("f(x: int64)", "f(x: int64, y: float64[i]?)"),
            ("f(x: int64, y: utf8)", "f(y: utf8?, x: int64)"),
            ("f(x: int8[i]) -> (z: oid)", "f(out z: oid, x: int8[i=3])"),
            ("f(x: int8[i]) -> (z: int8[i] F)", "f(x: int8[i] C) -> (z: int8[i])"),
            ("f(x: int8[i] C)", "f(x: int8[i] F)"),
            ("f(x: list<int8>)", "f(x: list<element:int8>)"),
            ("f(x: map<utf8,int8>)", "f(x: map<pairs:struct<k:utf8!,v:int8>!>)"),
            ("f(t: table{a: int8?})", "f(t: table{a: int8?})"),
            ("f(a: int8[i]) -> (s: int8[i])", "f(a: int8[i]) -> (s: int8[i] = a)"),
            ("f(a: int8[i]) -> (s: int8[i] = a)", "f(a: int8[i]) -> (s: int8[i])"),
        ] {
            assert_eq!(mismatches(expected, actual), Vec::<String>::new(), "{expected} {actual}");
        }
        let mut random = Random::new(21);
        for _ in 0..300 {
            let schema = any_schema(&mut random);
            assert_eq!(schema.mismatches(&schema), Vec::<String>::new());
        }
    }

    #[test]
    fn every_difference_has_a_sentence() {
        for (expected, actual, sentence) in [
            ("f()", "g()", "expected a function 'f', found 'g'"),
            ("f(x: int64)", "f()", "'f' has no parameter 'x'"),
            ("f(x: int64)", "f(x: int32)", "parameter 'x' of 'f' is int32, expected int64"),
            ("f(x: int64)", "f(x: int64[])", "parameter 'x' of 'f' is int64[], expected int64"),
            ("f(x: int8[i])", "f(x: int8[j])", "parameter 'x' of 'f' is int8[j], expected int8[i]"),
            ("f(x: int8[i])", "f(x: int8[i,j])", "parameter 'x' of 'f' is int8[i,j], expected int8[i]"),
            ("f(x: int8[i])", "f(x: bool[i])", "parameter 'x' of 'f' is bool[i], expected int8[i]"),
            ("f(x: int8[i=2])", "f(x: int8[i=3])", "parameter 'x' of 'f' is int8[i=3], expected int8[i=2]"),
            ("f(x: oid)", "f() -> (x: oid)", "parameter 'x' of 'f' is an output, expected an input"),
            ("f(x: oid)", "f(x: id)", "parameter 'x' of 'f' is id, expected oid"),
            ("f(x: table)", "f(x: table{a: int8})", "parameter 'x' of 'f' is table{a: int8}, expected table"),
            (
                "f(x: table{a: int8?})",
                "f(x: table{a: int8})",
                "parameter 'x' of 'f' is table{a: int8}, expected",
            ),
            ("f(x: table{b: int8})", "f(x: table{a: int8})", "is table{a: int8}, expected table{b: int8}"),
            ("f(x: struct<a:int8>)", "f(x: struct<b:int8>)", "is struct<b:int8>, expected struct<a:int8>"),
            ("f(x: list<int8>)", "f(x: list<int8!>)", "is list<int8!>, expected list<int8>"),
            (
                "f()",
                "f(y: int8)",
                "'f' needs a parameter 'y' that the caller does not know, and it must not be null",
            ),
            (
                "f(a: int8[i], b: int8[i]) -> (s: int8[i] = a)",
                "f(a: int8[i], b: int8[i]) -> (s: int8[i] = b)",
                "output 's' of 'f' starts from 'b', expected 'a'",
            ),
            ("f()", "f() -> (y: oid?)", "'f' has an output 'y' that the caller does not know"),
        ] {
            let found = mismatches(expected, actual);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(sentence), "{found:?}");
        }
        assert_eq!(mismatches("f(a: int8, b: int8)", "f(c: int8)").len(), 3);
    }
}
