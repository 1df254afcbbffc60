//! Parts in one line: `[0:100, -5:, ::2]`.
//!
//! ```text
//! part   = ( slice | layout ) { slice }                  layout = "@" offset elem shape strides [ names ]
//! slice  = "[" [ along { "," along } ] "]"                shape  = "[" [ size { "," size } ] "]"
//! along  = index | [ start ] ":" [ stop ] [ ":" step ]    strides = "(" [ bytes { "," bytes } ] ")"
//!        | start "+:" count [ ":" step ] | "..."          names  = "{" name { "," name } "}"
//! ```
//! A slice with `:` is one of Python; `5+:10` is ten elements from the fifth on, all of which must be there. A layout says where
//! elements lie in the object's data: `@4096 complex64 [3,4] (64,8) {row,chan}`; a dimension without a name is `*`.

use std::fmt::{self, Write};
use std::str::FromStr;

use crate::error::{Error, Result};

use super::part::{Along, Part, Placed};
use super::scanner::{write_name, Scanner};
use super::{Elem, Layout, MAX_DIMS};

/// Longest text of a part.
pub const MAX_PART_TEXT: usize = 32 << 10;

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(placed) = self.placed() {
            write!(f, "{placed}")?;
        }
        for slice in self.slices() {
            f.write_char('[')?;
            for (dim, along) in slice.iter().enumerate() {
                f.write_str(if dim > 0 { ", " } else { "" })?;
                write!(f, "{along}")?;
            }
            f.write_char(']')?;
        }
        Ok(())
    }
}

impl fmt::Display for Along {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |at: Option<i64>| at.map(|at| at.to_string()).unwrap_or_default();
        let step = match self {
            Along::At(index) => return write!(f, "{index}"),
            Along::Rest => return f.write_str("..."),
            Along::Range { start, stop, step } => {
                write!(f, "{}:{}", text(*start), text(*stop))?;
                *step
            }
            Along::Count { start, count, step } => {
                write!(f, "{start}+:{count}")?;
                *step
            }
        };
        if step == 1 {
            return Ok(());
        }
        write!(f, ":{step}")
    }
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Layout { elem, shape, strides, names } = &self.layout;
        let list = |numbers: &[i64]| numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        write!(f, "@{} {elem} [{}] ({})", self.origin, list(shape), list(strides))?;
        if names.iter().all(String::is_empty) {
            return Ok(());
        }
        let mut text = String::new();
        for name in names {
            text.push_str(if text.is_empty() { "" } else { "," });
            match name.as_str() {
                "" => text.push('*'),
                name => write_name(name, &mut text),
            }
        }
        write!(f, " {{{text}}}")
    }
}

impl FromStr for Part {
    type Err = Error;

    /// InvalidArgument with the column, what was found and what was expected.
    fn from_str(text: &str) -> Result<Part> {
        if text.len() > MAX_PART_TEXT {
            return Err(Error::invalid(format!(
                "the text of a part has {} bytes, but at most {MAX_PART_TEXT} are allowed",
                text.len()
            )));
        }
        read_part(text).map_err(|wrong| {
            let mut start: String = text.chars().take(80).collect();
            if start.len() < text.len() {
                start.push('…');
            }
            wrong.context(format!("part \"{start}\""))
        })
    }
}

fn read_part(text: &str) -> Result<Part> {
    let scanner = &mut Scanner::new(text);
    let mut part = if scanner.eat("@") {
        let Placed { layout, origin } = read_placed(scanner)?;
        Part::layout(origin, layout)?
    } else {
        scanner.require("[", "'[' and the elements of the first dimension")?;
        Part::slice(&read_slice(scanner)?)?
    };
    while scanner.eat("[") {
        part = part.then(&read_slice(scanner)?)?;
    }
    if scanner.at_end() {
        return Ok(part);
    }
    Err(scanner.wrong("'[' or the end of the part"))
}

/// Reads up to and with the `]`.
fn read_slice(scanner: &mut Scanner<'_>) -> Result<Vec<Along>> {
    let mut slice = Vec::new();
    while !scanner.eat("]") {
        slice.push(read_along(scanner)?);
        if !scanner.eat(",") {
            scanner.require("]", "',' or ']' after the elements of a dimension")?;
            break;
        }
    }
    Ok(slice)
}

fn read_along(scanner: &mut Scanner<'_>) -> Result<Along> {
    const PLACE: &str = "an index of 64 bits";
    if scanner.eat("...") {
        return Ok(Along::Rest);
    }
    let start = scanner.number(PLACE)?;
    if let Some(start) = start.filter(|_| scanner.eat("+:")) {
        let count = scanner.need_number("how many elements")?;
        return Ok(Along::Count { start, count, step: read_step(scanner)? });
    }
    if scanner.eat(":") {
        let stop = scanner.number(PLACE)?;
        return Ok(Along::Range { start, stop, step: read_step(scanner)? });
    }
    start.map(Along::At).ok_or_else(|| scanner.wrong("an index, or ':' and the elements of a dimension"))
}

fn read_step(scanner: &mut Scanner<'_>) -> Result<i64> {
    let step = if scanner.eat(":") { scanner.number("a step")? } else { None };
    Ok(step.unwrap_or(1))
}

fn read_placed(scanner: &mut Scanner<'_>) -> Result<Placed> {
    let origin = scanner.need_number("the place of the first element, in bytes")?;
    let mark = scanner.mark();
    let elem = scanner.name().and_then(Elem::from_name);
    let elem = elem.ok_or_else(|| {
        scanner.reset(mark);
        scanner.wrong("an element type such as complex64")
    })?;
    let shape = read_numbers(scanner, "[", "]")?;
    let strides = read_numbers(scanner, "(", ")")?;
    let mut names = Vec::new();
    if scanner.eat("{") {
        while !scanner.eat("}") {
            let name = if scanner.eat("*") { Some(String::new()) } else { scanner.name_or_quoted()? };
            names.push(name.ok_or_else(|| scanner.wrong("the name of a dimension, or '*'"))?);
            if !scanner.eat(",") {
                scanner.require("}", "',' or '}' after the name of a dimension")?;
                break;
            }
        }
    }
    Ok(Placed { layout: Layout::strided(elem, &shape, Some(&strides), &names)?, origin })
}

fn read_numbers(scanner: &mut Scanner<'_>, open: &str, close: &str) -> Result<Vec<i64>> {
    scanner.require(open, &format!("'{open}' and a number for each dimension"))?;
    let mut numbers = Vec::new();
    while !scanner.eat(close) {
        numbers.push(scanner.need_number("a number")?);
        if numbers.len() > MAX_DIMS {
            return Err(scanner.wrong(&format!("'{close}' after at most {MAX_DIMS} numbers")));
        }
        if !scanner.eat(",") {
            scanner.require(close, &format!("',' or '{close}' after a number"))?;
            break;
        }
    }
    Ok(numbers)
}
