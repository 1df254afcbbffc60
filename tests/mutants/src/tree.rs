//! A copy of the tree with the mutants in it, and its test programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::embed::embed;
use crate::list::Mutant;

/// A profile for which little is compiled and that runs fast. What no test is linked with is not made.
const PROFILE: &str = r#"
[profile.mutants]
inherits = "dev"
opt-level = 1
debug = false

[profile.models]
inherits = "mutants"
opt-level = 3
"#;

/// What asks, in the library, which mutant runs; and says which could have.
const ASKED: &str = include_str!("asked.rs");

/// A way to build test programs.
pub struct Build {
    /// Its folder in the target folder.
    pub name: &'static str,
    /// What cargo is to be told.
    pub flags: &'static str,
    /// The profile.
    pub profile: &'static str,
    /// What to build.
    pub programs: &'static [&'static str],
}

/// The copy.
pub struct Tree {
    root: PathBuf,
    /// The copy's top.
    pub folder: PathBuf,
    target: PathBuf,
    /// Lines of the copy that are a mutant's alone, by file.
    lines: BTreeMap<String, Vec<(usize, Range<usize>)>>,
}

fn failed(what: &Path) -> impl Fn(std::io::Error) -> String + '_ {
    move |error| format!("{}: {error}", what.display())
}

/// What git has, or will.
pub fn files(root: &Path, of: &[&str]) -> Result<Vec<String>, String> {
    let listed = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "-co", "--exclude-standard"])
        .args(of)
        .output()
        .map_err(|e| format!("git: {e}"))?;
    let names = String::from_utf8(listed.stdout).map_err(|e| format!("git: {e}"))?;
    Ok(names.split_terminator('\0').filter(|name| root.join(name).is_file()).map(str::to_owned).collect())
}

impl Tree {
    /// A copy in the target folder, of all but the files that `embed` writes.
    pub fn copy(root: &Path, target: &Path, mutants: &[Mutant]) -> Result<Tree, String> {
        let tree = Tree {
            root: root.to_owned(),
            folder: target.join("tree"),
            target: target.to_owned(),
            lines: BTreeMap::new(),
        };
        let embedded: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.file.as_str()).collect();
        for name in files(root, &[])?.into_iter().filter(|name| !embedded.contains(name.as_str())) {
            let source = root.join(&name);
            let text = fs::read(&source).map_err(failed(&source))?;
            let text = match name.as_str() {
                "Cargo.toml" => [&text, PROFILE.as_bytes()].concat(),
                "src/sync/mod.rs" => [&text, ASKED.as_bytes()].concat(),
                _ => text,
            };
            tree.write(&name, &text)?;
        }
        Ok(tree)
    }

    /// Leaves a file alone whose text is the same, so that it is not compiled again.
    fn write(&self, name: &str, text: &[u8]) -> Result<(), String> {
        let file = self.folder.join(name);
        if fs::read(&file).is_ok_and(|old| old == text) {
            return Ok(());
        }
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        fs::write(&file, text).map_err(failed(&file))
    }

    /// Puts the mutants in, but those that `without` names, and gives those that cannot be put in beside others.
    pub fn embed(
        &mut self,
        mutants: &[Mutant],
        without: &BTreeSet<usize>,
    ) -> Result<BTreeSet<usize>, String> {
        let mut of: BTreeMap<&str, Vec<(usize, &Mutant)>> = BTreeMap::new();
        for (number, mutant) in mutants.iter().enumerate() {
            let list = of.entry(&mutant.file).or_default();
            if !without.contains(&number) {
                list.push((number, mutant));
            }
        }
        let mut left: BTreeSet<usize> = (0..mutants.len()).collect();
        for (name, list) in of {
            let source = self.root.join(name);
            let text = fs::read_to_string(&source).map_err(failed(&source))?;
            let embedded = embed(&text, &list).map_err(|e| format!("{name}: {e}"))?;
            let tail = if name == "src/sync/mod.rs" { ASKED } else { "" };
            self.write(name, (embedded.text + tail).as_bytes())?;
            for (number, _) in &embedded.lines {
                left.remove(number);
            }
            self.lines.insert(name.to_owned(), embedded.lines);
        }
        Ok(left)
    }

    /// Puts one mutant, and no other, into its file.
    pub fn replace(&mut self, mutant: &Mutant) -> Result<(), String> {
        let source = self.root.join(&mutant.file);
        let text = fs::read_to_string(&source).map_err(failed(&source))?;
        let at = |place: &crate::list::Place| {
            let begin: usize = text.split_inclusive('\n').take(place.line - 1).map(str::len).sum();
            let line = &text[begin..];
            begin + line.char_indices().nth(place.column - 1).map_or(line.len(), |(at, _)| at)
        };
        let (start, end) = (at(&mutant.span.start), at(&mutant.span.end));
        let tail = if mutant.file == "src/sync/mod.rs" { ASKED } else { "" };
        let text = format!("{}{}{}{tail}", &text[..start], mutant.replacement, &text[end..]);
        self.write(&mutant.file, text.as_bytes())
    }

    /// Builds test programs: their paths; or the mutants in lines that do not compile; or what the compiler said.
    pub fn build(&self, build: &Build) -> Result<Vec<PathBuf>, (BTreeSet<usize>, String)> {
        let nobody = |why: String| (BTreeSet::new(), why);
        let mut command = Command::new("cargo");
        command
            .current_dir(&self.folder)
            .args(["test", "--no-run", "--locked", "--message-format", "json", "--profile", build.profile])
            .args(build.programs)
            .env("RUSTFLAGS", build.flags)
            .env("CARGO_TARGET_DIR", self.target.join(build.name))
            .env("CARGO_INCREMENTAL", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut cargo = command.spawn().map_err(|e| nobody(format!("cargo: {e}")))?;
        let told = cargo.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
        // A thread reads the other pipe, which would fill.
        let errors =
            cargo.stderr.take().map(|pipe| std::thread::spawn(move || std::io::read_to_string(pipe)));
        let (mut programs, mut wrong, mut said) = (Vec::new(), BTreeSet::new(), String::new());
        for line in told.map_while(Result::ok) {
            let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
            if let Some(program) =
                message["executable"].as_str().filter(|_| message["profile"]["test"] == true)
            {
                programs.push(PathBuf::from(program));
            }
            if message["message"]["level"] == "error" {
                said += message["message"]["rendered"].as_str().unwrap_or_default();
                wrong.extend(self.blamed(&message["message"]));
            }
        }
        let status = cargo.wait().map_err(|e| nobody(format!("cargo: {e}")))?;
        if status.success() {
            return Ok(programs);
        }
        let rest = errors.and_then(|reader| reader.join().ok()?.ok()).unwrap_or_default();
        Err((wrong, said + &rest))
    }

    /// The mutants in whose lines an error is: first of all where the compiler sees it.
    fn blamed(&self, error: &Value) -> BTreeSet<usize> {
        let spans = error["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
        let of = |span: &Value| -> Vec<usize> {
            let line =
                |name: &str| span[name].as_u64().and_then(|line| usize::try_from(line).ok()).unwrap_or(0);
            let (first, last) = (line("line_start"), line("line_end"));
            let lines = self.lines.get(span["file_name"].as_str().unwrap_or_default());
            let hit =
                lines.into_iter().flatten().filter(|(_, lines)| lines.start <= last && first < lines.end);
            hit.map(|(number, _)| *number).collect()
        };
        let first: BTreeSet<usize> =
            spans.iter().filter(|span| span["is_primary"] == true).flat_map(of).collect();
        if first.is_empty() {
            spans.iter().flat_map(of).collect()
        } else {
            first
        }
    }
}
