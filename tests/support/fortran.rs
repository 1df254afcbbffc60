//! The part of the Fortran module that follows from the header.

use std::path::Path;
use std::process::Command;

use super::{python, root, run};

/// The files that `scripts/header_to_fortran.py` writes.
pub const FILES: [&str; 2] = ["fortran_c.inc", "fortran_arrays.inc"];

/// Writes them into a folder.
pub fn write_module(header: &Path, folder: &Path) {
    let script = root().join("scripts/header_to_fortran.py");
    run(Command::new(python::python_with("re")).arg(script).arg(header).arg(folder));
}
