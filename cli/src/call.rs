//! `call`: calls a function of a processor from the command line.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use sdp_dal::dal::{Arg, Caller, CallerOptions, Namespace, Ref, Results};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{Buffer, Store};
use sdp_dal::timeout::{Deadline, Timeout};
use sdp_dal::wire::{form_params, read_tensor, CallSchema, FormName, Param};
use serde_json::{Map, Value};

use crate::contents::{self, Depth};
use crate::declared::{living, names_of_forms, Declared};
use crate::give;
use crate::interrupt::{Interrupt, SLICE};
use crate::npy;
use crate::outcome::Outcome;
use crate::table::{human_time, plain, Output};
use crate::words::{open, parse_seconds, path_or_default, whole_bytes};

const AFTER_HELP: &str = "\
Arguments are written NAME=VALUE, where VALUE is, by the type of the parameter:
  a number, true, false, a text (\"null\" in quotes is a text), 1+2j, 0xff for bytes, null
  @FILE.npy or [1,2,3] or [[1,2],[3,4]] for a tensor, id:ID for an object that is there
Of a function with several forms (element types), files and objects choose one, or its name does: 'scale<float32>'.
Exit status: 0 fine; 1 the call failed, or did not end in time; 2 wrong usage; 130 cancelled by Ctrl-C.";

/// How long a call may take until we say that we wait.
const QUIET: Duration = Duration::from_secs(2);

/// Arguments of `call`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Call {
    /// Path of the store, the function, and its arguments.
    #[arg(value_names = ["PATH", "FUNCTION", "NAME=VALUE"], num_args = 1.., required = true)]
    words: Vec<String>,
    /// Write an output to this file instead of showing it. The name may be left out if there is only one output.
    #[arg(short = 'o', long = "output", value_name = "[NAME=]FILE.npy")]
    outputs: Vec<String>,
    /// Call a processor whose prefix starts with these hexadecimal digits.
    #[arg(long, value_name = "PREFIX")]
    processor: Option<String>,
    /// Wait at most this long, for a processor and for the call. Default: do not wait for a processor, and wait for the
    /// call without a limit.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Option<Duration>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// Calls a function and shows, or writes, what it made.
pub fn run(which: &Call, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let (path, function, words) = split(&which.words)?;
    let digits = which.processor.as_deref().unwrap_or_default();
    let prefix = whole_prefix(digits)?;
    let interrupt = Interrupt::watch()?;
    let store = open(&path, accept_owner)?;
    let deadline = which.timeout.map_or(Timeout::Poll, Timeout::After).deadline();
    let Some(forms) = offered(&store, function, digits, &deadline, &interrupt)? else {
        return Ok(Outcome::Interrupted);
    };
    let namespace = Namespace::new(&store, Some("sdp-dal call"));
    let options = CallerOptions { processor_prefix: prefix, ..CallerOptions::default() };
    let schema = choose(&namespace, &options, function, forms, words)?;
    let given = give::read(&store, &schema, words)?;
    let files = files(&schema, &which.outputs)?;
    let name = schema.name.clone();
    let caller = Caller::new(&namespace, vec![schema], &options)?;
    let results = caller.call(&name, &give::args(&given))?;
    let until = which.timeout.map(|_| deadline);
    match collect(&namespace, &results, until.as_ref(), &interrupt) {
        Ok(Some(made)) => write(&made, &files, which.json, output).map(|()| Outcome::Fine),
        // Dropping the results cancels the call.
        Ok(None) => {
            eprintln!("sdp-dal: {function} was cancelled");
            Ok(Outcome::Interrupted)
        }
        Err(error) => {
            eprintln!("sdp-dal: {}", plain(error.message()));
            Ok(Outcome::FoundWrong)
        }
    }
}

/// The store, the function, and the arguments.
fn split(words: &[String]) -> Result<(PathBuf, &str, &[String])> {
    let is_path = words.get(1).is_some_and(|second| !second.contains('='));
    match words {
        [path, function, args @ ..] if is_path => Ok((PathBuf::from(path), function, args)),
        [function, args @ ..] => Ok((
            path_or_default(None).map_err(|error| {
                error.context(format!("'{function}' was read as the name of the function"))
            })?,
            function,
            args,
        )),
        [] => Err(Error::invalid("no function is given")),
    }
}

/// Whole bytes of a prefix: the caller knows no halves.
fn whole_prefix(digits: &str) -> Result<Vec<u8>> {
    if digits.len() > 8
        || !digits.len().is_multiple_of(2)
        || !digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return Err(Error::invalid(format!(
            "'{digits}' is not a prefix: expected 2, 4, 6 or 8 hexadecimal digits"
        )));
    }
    whole_bytes(digits)
}

/// The form that the arguments choose: what has a type decides, which are files and objects.
fn choose(
    namespace: &Namespace,
    options: &CallerOptions,
    function: &str,
    forms: Vec<CallSchema>,
    words: &[String],
) -> Result<CallSchema> {
    let read: Vec<_> = forms.iter().map(|form| give::read(namespace.store(), form, words)).collect();
    if read.iter().all(Result::is_err) {
        // What cannot be read at all is told of the first.
        return forms.into_iter().next().ok_or_else(|| Error::internal("a function without a form"));
    }
    let (mut forms, given): (Vec<_>, Vec<_>) =
        forms.into_iter().zip(read).filter_map(|(form, read)| Some((form, read.ok()?))).unzip();
    if let ([_], _) | (_, []) = (&forms[..], &given[..]) {
        return Ok(forms.remove(0));
    }
    let typed = |name: &str| {
        let has_type = |text: &str| text.starts_with('@') || text.starts_with("id:");
        let words = words.iter().filter_map(|word| word.split_once('='));
        words.filter(|(_, text)| has_type(text)).any(|(other, _)| other == name)
    };
    let arg = |param: &Param| match given[0].iter().find(|(name, _)| *name == param.name && typed(name)) {
        Some((_, given)) => give::arg(given),
        None => Arg::Missing,
    };
    let args: Vec<_> = forms[0].params.iter().map(arg).collect();
    let caller = Caller::new(namespace, forms.clone(), options)?;
    let name = forms[0].name.clone();
    let chosen = caller.choose_form(&name, &args, 1).map_err(|error| match function == name {
        true => error,
        false => error.context(function),
    })?;
    Ok(forms.swap_remove(chosen))
}

/// The forms of the function as the first processor offers it, if the name is a form's those that it means. None if a
/// signal came.
fn offered(
    store: &Store,
    function: &str,
    digits: &str,
    deadline: &Deadline,
    interrupt: &Interrupt,
) -> Result<Option<Vec<CallSchema>>> {
    let start = whole_bytes(digits)?;
    let mut declared = Declared::default();
    loop {
        let mut others = BTreeSet::new();
        for namespace in living(store)? {
            let functions = declared.functions(store, &namespace);
            if namespace.prefix.starts_with(&start) {
                let forms = forms_named(function, &functions);
                if !forms.is_empty() {
                    return Ok(Some(forms));
                }
            }
            let names = names_of_forms(&functions);
            others.extend(names);
        }
        let Some(left) = deadline.left(SLICE) else {
            let others: Vec<String> = others.into_iter().collect();
            let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
            let of = if digits.is_empty() { String::new() } else { format!(" with prefix {digits}") };
            return Err(Error::new(
                Kind::NoProcessor,
                format!("no processor{of} offers '{function}'; offered functions: {others}"),
            ));
        };
        if !interrupt.pause(left) {
            return Ok(None);
        }
    }
}

/// The forms that have a name: all of a function, or those that the name of a form means.
fn forms_named(name: &str, functions: &[CallSchema]) -> Vec<CallSchema> {
    let named = FormName::parse(name);
    let function = named.as_ref().map_or(name, |named| named.function);
    let all: Vec<&CallSchema> = functions.iter().filter(|schema| schema.name == function).collect();
    let params = form_params(all.iter().copied());
    let is_meant =
        |form: &&CallSchema| named.as_ref().is_none_or(|named| form.has_form_types(&params, &named.types));
    all.into_iter().filter(is_meant).cloned().collect()
}

/// Output names and the files they go to.
fn files(schema: &CallSchema, wishes: &[String]) -> Result<Vec<(String, PathBuf)>> {
    let names: Vec<&str> = schema.outputs().map(|(_, param)| param.name.as_str()).collect();
    let mut files = Vec::new();
    for wish in wishes {
        let (name, file) = match (wish.split_once('='), &names[..]) {
            (Some((name, file)), _) if names.contains(&name) => (name, file),
            (_, [only]) => (*only, wish.as_str()),
            _ => {
                return Err(Error::invalid(format!(
                    "-o {wish}: expected NAME=FILE.npy with one of the outputs of {}: {}",
                    schema.name,
                    names.join(", ")
                )));
            }
        };
        files.push((name.to_owned(), PathBuf::from(file)));
    }
    Ok(files)
}

/// An output's name and, if it is not null, the object.
type Made = (String, Option<Buffer>);

/// Waits for the outputs (of a function without, for its end); none if a signal came.
fn collect(
    namespace: &Namespace,
    results: &Results,
    deadline: Option<&Deadline>,
    interrupt: &Interrupt,
) -> Result<Option<Vec<Made>>> {
    let mut made = Vec::new();
    let mut progress = Progress::begin();
    for nth in 0..results.len() {
        let name = results.name(nth).unwrap_or_default().to_owned();
        let buffer = match results.at(nth) {
            None => None,
            Some(output) => {
                let got =
                    wait(deadline, interrupt, &mut progress, &name, &mut |timeout| got(output, timeout));
                match got? {
                    Some(buffer) => Some(buffer),
                    None => return Ok(None),
                }
            }
        };
        made.push((name, buffer));
    }
    let ended = wait(deadline, interrupt, &mut progress, "the end of the call", &mut |timeout| {
        if results.is_empty() {
            namespace.sweep(namespace.unfinished());
        }
        let over = !results.is_empty() || namespace.unfinished() == 0;
        if let (false, Timeout::After(time)) = (over, timeout) {
            std::thread::sleep(time.min(Duration::from_millis(5)));
        }
        Ok(over.then_some(()))
    })?;
    Ok(ended.map(|()| made))
}

fn got(output: &Ref, timeout: Timeout) -> Result<Option<Buffer>> {
    match output.get_buffer(timeout) {
        Ok(buffer) => Ok(Some(buffer)),
        Err(error) if matches!(error.kind(), Kind::Timeout | Kind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Looks again and again; none if a signal came.
fn wait<T>(
    deadline: Option<&Deadline>,
    interrupt: &Interrupt,
    progress: &mut Progress,
    what: &str,
    look: &mut dyn FnMut(Timeout) -> Result<Option<T>>,
) -> Result<Option<T>> {
    loop {
        if interrupt.came() {
            return Ok(None);
        }
        let slice = deadline.map_or(Some(SLICE), |deadline| deadline.left(SLICE));
        if let Some(found) = look(slice.map_or(Timeout::Poll, Timeout::After))? {
            progress.clear();
            return Ok(Some(found));
        }
        if slice.is_none() {
            progress.clear();
            return Err(Error::new(
                Kind::Timeout,
                format!("{what} did not come before the timeout; the call was cancelled"),
            ));
        }
        progress.tell(what);
    }
}

/// A line on the terminal that says what we wait for, and goes again.
struct Progress {
    begun: Instant,
    terminal: bool,
    told: bool,
}

impl Progress {
    fn begin() -> Progress {
        Progress { begun: Instant::now(), terminal: std::io::stderr().is_terminal(), told: false }
    }

    fn tell(&mut self, what: &str) {
        if self.terminal && self.begun.elapsed() >= QUIET {
            eprint!("\r\x1b[Kwaiting for {} ({})", plain(what), human_time(self.begun.elapsed()));
            self.told = true;
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.told) {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn write(made: &[Made], files: &[(String, PathBuf)], json: bool, output: &mut Output) -> Result<()> {
    let mut report = Map::new();
    for (name, buffer) in made {
        let mut file = None;
        for (_, path) in files.iter().filter(|(other, _)| other == name) {
            let buffer = buffer.as_ref().ok_or_else(|| {
                Error::invalid(format!("output '{name}' is null: there is nothing to write"))
            })?;
            let (layout, start) = read_tensor(buffer.data(), buffer.metadata()).map_err(|error| {
                error.context(format!("output '{name}' cannot be written as a .npy file"))
            })?;
            // What lies behind the elements fills up the object.
            let size = usize::try_from(layout.byte_len()).unwrap_or(usize::MAX);
            npy::write(path, &layout, &buffer.data()[start..][..size])?;
            file = Some(path.display().to_string());
        }
        let read = buffer.as_ref().map(|buffer| contents::read(buffer, Depth::Values)).transpose()?;
        if json {
            let value = serde_json::to_value(&read);
            let mut value = value.map_err(|wrong| Error::internal(format!("an output as JSON: {wrong}")))?;
            if let (Value::Object(fields), Some(file)) = (&mut value, file) {
                fields.insert("file".to_owned(), Value::String(file));
            }
            report.insert(name.clone(), value);
            continue;
        }
        match (&read, file) {
            (None, _) => output.line(format!("{name}: null")),
            (Some(read), Some(file)) => output.line(plain(&format!("{name}: {} in {file}", read.line()))),
            (Some(read), None) => {
                output.line(plain(&format!("{name}: {}", read.line())));
                read.details().iter().for_each(|line| output.line(format!("  {}", plain(line))));
            }
        }
    }
    if json {
        output.json(&report)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_comes_first_if_it_comes() {
        let words = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<String>>();
        let with = words(&["/tmp/x", "add", "x=1"]);
        let (path, function, args) = split(&with).unwrap();
        assert_eq!((path, function, args.len()), (PathBuf::from("/tmp/x"), "add", 1));
        let plain = words(&["/tmp/x", "add"]);
        assert_eq!(split(&plain).unwrap().1, "add");
    }

    #[test]
    fn outputs_go_to_files_by_name() {
        let two = CallSchema::parse("f() -> (a: int8[i], b: int8[i])").unwrap();
        let one = CallSchema::parse("f() -> (a: int8[i])").unwrap();
        let wish = |text: &str| vec![text.to_owned()];
        assert_eq!(files(&two, &wish("b=x.npy")).unwrap(), [("b".to_owned(), PathBuf::from("x.npy"))]);
        assert_eq!(files(&one, &wish("x=y.npy")).unwrap(), [("a".to_owned(), PathBuf::from("x=y.npy"))]);
        assert!(files(&two, &wish("x.npy")).unwrap_err().message().contains("a, b"));
    }
}
