//! `stub`: writes a typed caller of a function, in C++, Python or Fortran, from its declaration.
//!
//! This file finds the forms of the function and gives names that the language allows. Each language has a file.

mod cpp;
mod fortran;
mod python;

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::wire::{CallSchema, Param, ParamType};

use crate::declared::{living, Declared};
use crate::outcome::Outcome;
use crate::table::Output;
use crate::words::{open, path_or_default};

const AFTER_HELP: &str = "\
Examples:
  sdp-dal stub --language c++ --store /dev/shm/mine ms2dirty -o ms2dirty.hpp
  sdp-dal stub --language python --signature 'add(x: int64, ys: int64[i]) -> (zs: int64[i])'";

/// Arguments of `stub`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Stub {
    /// The language of the caller.
    #[arg(short, long, value_name = "LANGUAGE")]
    language: Language,
    /// Path of a store in which a processor offers the function.
    #[arg(long, value_name = "PATH", conflicts_with = "signatures")]
    store: Option<PathBuf>,
    /// The signature of the function, instead of a processor that offers it. Give it once for each form of the function.
    #[arg(long = "signature", value_name = "SIGNATURE")]
    signatures: Vec<String>,
    /// The name of the function. It may be left out if a signature is given.
    #[arg(value_name = "FUNCTION", required_unless_present = "signatures")]
    function: Option<String>,
    /// Write to this file. Default: standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A language in which a caller can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// A header for C++17, over `sdp_dal.hpp`.
    #[value(name = "c++", alias = "cpp")]
    Cpp,
    /// A module for Python, over `ska_sdp_dal`.
    Python,
    /// A module for Fortran 2008, over `sdp_dal.f90`.
    Fortran,
}

/// Writes the caller.
pub fn run(which: &Stub, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let forms = if which.signatures.is_empty() { declared(which, accept_owner)? } else { given(which)? };
    let text = match which.language {
        Language::Cpp => cpp::write(&forms)?,
        Language::Python => python::write(&forms)?,
        Language::Fortran => fortran::write(&forms)?,
    };
    match &which.output {
        Some(path) => std::fs::write(path, text).map_err(|wrong| {
            Error::new(Kind::Io, format!("{} cannot be written: {wrong}", path.display()))
        })?,
        None => output.line(text.trim_end()),
    }
    Ok(Outcome::Fine)
}

/// The forms of the signatures on the command line.
fn given(which: &Stub) -> Result<Vec<CallSchema>> {
    let forms: Vec<CallSchema> =
        which.signatures.iter().map(|text| CallSchema::parse(text)).collect::<Result<_>>()?;
    let name = which.function.as_ref().unwrap_or(&forms[0].name);
    match forms.iter().find(|form| form.name != *name) {
        Some(other) => {
            Err(Error::invalid(format!("all signatures must be forms of '{name}', found '{}'", other.name)))
        }
        None => Ok(forms),
    }
}

/// The forms that the first processor with such a function declares.
fn declared(which: &Stub, accept_owner: Option<u32>) -> Result<Vec<CallSchema>> {
    let function = which.function.as_deref().unwrap_or_default();
    let store = open(&path_or_default(which.store.as_ref())?, accept_owner)?;
    let mut declared = Declared::default();
    let mut others = BTreeSet::new();
    for namespace in living(&store)? {
        let functions = declared.functions(&store, &namespace);
        let forms: Vec<CallSchema> = functions.iter().filter(|form| form.name == function).cloned().collect();
        if !forms.is_empty() {
            return Ok(forms);
        }
        others.extend(functions.into_iter().map(|form| form.name));
    }
    let others: Vec<String> = others.into_iter().collect();
    let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
    Err(Error::new(
        Kind::NoProcessor,
        format!("no processor offers '{function}'; offered functions: {others}"),
    ))
}

/// A parameter that a language has no type for.
fn refused(param: &Param, language: &str, instead: &str) -> Error {
    Error::invalid(format!(
        "a stub in {language} cannot pass parameter '{}' of type {}: {instead}",
        param.name, param.ty
    ))
}

/// The text of a value's type, as in a signature.
fn value_type(param: &Param) -> Option<String> {
    matches!(param.ty, ParamType::Scalar(_)).then(|| param.ty.to_string())
}

/// Names for variables: as they are, with `_` behind them where the language or the stub uses the name itself.
fn identifiers<'a>(names: impl Iterator<Item = &'a str>, taken: &[&str], folded: bool) -> Vec<String> {
    let key = |name: &str| if folded { name.to_ascii_lowercase() } else { name.to_owned() };
    let mut used: HashSet<String> = taken.iter().map(|name| key(name)).collect();
    let mut found = Vec::new();
    for name in names {
        let mut name = name.to_owned();
        while !used.insert(key(&name)) {
            name.push('_');
        }
        found.push(name);
    }
    found
}

/// The function's name as the name of a type: `ms2dirty_f32` as `Ms2dirtyF32`.
fn type_name(name: &str) -> String {
    let mut made = String::new();
    for part in name.split('_').filter(|part| !part.is_empty()) {
        let (first, rest) = part.split_at(1);
        made += &first.to_ascii_uppercase();
        made += rest;
    }
    if made.starts_with(|first: char| first.is_ascii_digit()) || made.is_empty() {
        made.insert_str(0, "Function");
    }
    made
}

/// Lines of signatures, each behind a mark.
fn signatures(forms: &[CallSchema], mark: &str) -> String {
    forms.iter().map(|form| format!("{mark}{form}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_language() {
        let names = ["x", "class", "class_", "X"];
        assert_eq!(identifiers(names.into_iter(), &["class"], false), ["x", "class_", "class__", "X"]);
        assert_eq!(identifiers(names.into_iter(), &[], true), ["x", "class", "class_", "X_"]);
        assert_eq!(type_name("ms2dirty_f32"), "Ms2dirtyF32");
        assert_eq!(type_name("_"), "Function");
    }
}
