//! The mutants: what cargo-mutants would change, by names that no edit elsewhere changes.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// What kind of change a mutant is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Genre {
    /// Another operator.
    BinaryOperator,
    /// A function that only gives a value.
    FnValue,
    /// An arm of a match less.
    MatchArm,
    /// A guard that always, or never, holds.
    MatchArmGuard,
    /// A field that keeps its default.
    StructField,
    /// An operator less.
    UnaryOperator,
}

/// A place in a source; both count from one.
#[derive(Debug, Deserialize)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// What a mutant replaces.
#[derive(Debug, Deserialize)]
pub struct Span {
    /// Its first character.
    pub start: Place,
    /// After its last.
    pub end: Place,
}

/// A change of the library, as cargo-mutants names it.
#[derive(Debug, Deserialize)]
pub struct Mutant {
    /// File, line, column, change.
    pub name: String,
    /// The file, from the top of the tree.
    pub file: String,
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub replacement: String,
    /// How.
    pub genre: Genre,
    /// The name without line and column, and with "#2" for the second of one name.
    #[serde(skip)]
    pub label: String,
}

/// All mutants of these files.
pub fn list(root: &Path, files: &[String]) -> Result<Vec<Mutant>, String> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["mutants", "--list", "--json", "--no-shuffle", "--colors", "never"]);
    for file in files {
        command.args(["--file", file]);
    }
    let listed = command.output().map_err(|e| format!("cargo: {e}"))?;
    if !listed.status.success() {
        let why = String::from_utf8_lossy(&listed.stderr).into_owned();
        return Err(format!("{why}If cargo-mutants is missing: cargo install --locked cargo-mutants"));
    }
    let mut mutants: Vec<Mutant> =
        serde_json::from_slice(&listed.stdout).map_err(|e| format!("cargo mutants: {e}"))?;
    let mut seen: HashMap<String, usize> = HashMap::new();
    for mutant in &mut mutants {
        let change = mutant.name.splitn(4, ':').nth(3).unwrap_or_default();
        let label = format!("{}:{change}", mutant.file);
        let times = seen.entry(label.clone()).or_default();
        *times += 1;
        mutant.label = if *times > 1 { format!("{label} #{times}") } else { label };
    }
    Ok(mutants)
}

/// The labels of those that are known to make no difference.
pub fn known(root: &Path) -> Result<HashSet<String>, String> {
    let file = root.join("tests/mutants.txt");
    let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(text.lines().filter_map(|line| Some(line.split_once(" // ")?.0.to_owned())).collect())
}
