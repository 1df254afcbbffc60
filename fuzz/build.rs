//! Makes of the header, for every exported function, a call whose arguments a machine chooses (src/targets/abi): so a new
//! function is fuzzed as soon as it is declared.

use std::fmt::Write as _;
use std::path::PathBuf;

#[allow(dead_code, missing_docs, reason = "the tests of the header use all of it")]
#[path = "../tests/support/declarations.rs"]
mod declarations;

use declarations::{declarations, Declaration, Function};

/// Where `declarations` finds the header.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What belongs to the machine itself, to other stores of this machine, or ends the process's use of all stores.
const LEFT_OUT: [&str; 3] = ["sdp_dal_stores_list", "sdp_dal_stores_leave", "sdp_dal_set_log"];

struct Header {
    functions: Vec<Function>,
    handles: Vec<String>,
    structs: Vec<(String, Vec<(String, String)>)>,
}

impl Header {
    fn read() -> Header {
        let mut header = Header { functions: Vec::new(), handles: Vec::new(), structs: Vec::new() };
        for declaration in declarations() {
            match declaration {
                Declaration::Function(function) => header.functions.push(function),
                Declaration::Opaque { name } => header.handles.push(name),
                Declaration::Struct { spelling, fields } if spelling.starts_with("sdp_dal_") => {
                    let fields = fields.iter().map(|field| (field.name.clone(), type_of(&field.text)));
                    header.structs.push((spelling, fields.collect()));
                }
                _ => {}
            }
        }
        // Which of DLPack's structs is meant says a parameter.
        header.handles.extend(["DLManagedTensor", "DLManagedTensorVersioned"].map(str::to_owned));
        header
    }

    /// The kind of handle that a parameter of this type is, with how many stars.
    fn handle(&self, ty: &str) -> Option<(usize, usize)> {
        let word = ty.trim_start_matches("const ").trim_start_matches("struct ");
        let name = word.split([' ', '*']).next()?;
        let kind = self.handles.iter().position(|handle| handle == name)?;
        Some((kind, ty.matches('*').count()))
    }

    fn structure(&self, ty: &str) -> Option<usize> {
        let name = ty.trim_start_matches("const ").strip_suffix('*')?.trim();
        self.structs.iter().position(|(spelling, _)| spelling == name)
    }

    /// How a parameter goes over the ABI: pointers are all alike.
    fn rust_type(ty: &str) -> &'static str {
        match ty {
            _ if ty.contains('*') => "P",
            "int64_t" => "i64",
            "uint64_t" => "u64",
            "int32_t" | "sdp_dal_status" | "int" => "i32",
            "uint32_t" => "u32",
            "size_t" => "usize",
            "double" => "f64",
            "_Bool" => "bool",
            "sdp_dal_function" | "sdp_dal_drop" | "sdp_dal_interrupt_check" | "sdp_dal_log_function" => "P",
            "void" => "()",
            other => panic!("the header has a new type: {other}"),
        }
    }

    /// What the machine is asked for.
    fn argument(&self, function: &str, ty: &str, name: &str) -> String {
        let is_const = ty.starts_with("const ");
        if let Some((kind, stars)) = self.handle(ty) {
            let ends = function.ends_with("_free") || function.ends_with("_close");
            return match stars {
                1 if ends => format!("m.take({kind})"),
                1 => format!("m.handle({kind})"),
                _ if ty.contains("const *") || ty.ends_with("*const *") => format!("m.handles({kind})"),
                _ if is_const => "m.out_borrowed()".into(),
                _ if function.ends_with("get_many") => format!("m.out_handle({kind}, Made::Counted)"),
                _ if function.ends_with("_issue") => format!("m.out_handle({kind}, Made::Some)"),
                _ => format!("m.out_handle({kind}, Made::One)"),
            };
        }
        if let Some(place) = self.structure(ty) {
            return match (ty, is_const) {
                ("const sdp_dal_value *", _) => "m.values()".into(),
                ("sdp_dal_value *", _) => "m.out_values()".into(),
                (_, true) => format!("m.in_struct({place})"),
                (_, false) => format!("m.out_struct({place})"),
            };
        }
        let arrow = ["ArrowSchema", "ArrowArrayStream", "ArrowArray"];
        if let Some(what) = arrow
            .iter()
            .find(|what| ty == format!("struct {what} *") || ty == format!("const struct {what} *"))
        {
            let kind = what.trim_start_matches("Arrow").to_lowercase();
            let way = if name.starts_with("out") { "out" } else { "in" };
            return match name {
                "columns" if kind == "arraystream" => "m.in_arraystreams()".into(),
                _ => format!("m.{way}_{kind}()"),
            };
        }
        match (ty, name) {
            ("const void *", "tensor") => "m.in_dlpack()".into(),
            ("void **", "out") if function.ends_with("dlpack") => "m.out_dlpack()".into(),
            ("int32_t", "version") => "m.version()".into(),
            ("const char *", _) => format!("m.text({name:?})"),
            ("char *", _) => "m.buffer()".into(),
            ("size_t *", "length") => "m.length()".into(),
            ("size_t *", "count") => "m.length()".into(),
            ("uint32_t *", "numbers") => "m.buffer()".into(),
            ("uint8_t *", "out_ids") => "m.room_for_ids()".into(),
            ("const char *const *", _) => "m.texts()".into(),
            ("const int64_t *", _) => "m.shape()".into(),
            ("const uint8_t *" | "const void *", _) => "m.bytes()".into(),
            ("void *", _) => "m.user_data()".into(),
            ("sdp_dal_function", _) => "m.function()".into(),
            ("sdp_dal_drop" | "sdp_dal_interrupt_check", _) => "null()".into(),
            ("int64_t", "timeout_ns") => "m.timeout()".into(),
            ("int32_t", "ndim") => "m.ndim()".into(),
            ("size_t", _) if name == "size" || name.ends_with("_size") => "m.size()".into(),
            ("size_t", _) if name == "count" || name == "capacity" || name.starts_with("num_") => {
                "m.count()".into()
            }
            ("size_t", _) => "m.index()".into(),
            ("int32_t", _) => "m.small()".into(),
            ("_Bool", _) => "m.flag()".into(),
            ("int64_t", _) => "m.number().cast_signed()".into(),
            ("uint64_t", _) => "m.number()".into(),
            ("double", _) => "m.double()".into(),
            _ if ty.ends_with('*') && !is_const || ty.ends_with("**") => "m.out()".into(),
            _ => panic!("{function}: the header has something new: {ty} {name}"),
        }
    }
}

/// A declarator's type: all but its name.
fn type_of(text: &str) -> String {
    let text = text.split('[').next().unwrap_or(text);
    let name = text.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |at| at + 1);
    text[..name].trim().replace("bool", "_Bool").replace("__Bool", "_Bool")
}

fn name_of(text: &str) -> &str {
    text.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or(text)
}

fn main() {
    println!("cargo::rerun-if-changed=../include/sdp_dal.h");
    println!("cargo::rerun-if-changed=../tests/support/declarations.rs");
    println!("cargo::rerun-if-changed=build.rs");
    let header = Header::read();
    let mut text = String::new();
    let quoted = |names: &[String]| names.iter().map(|name| format!("{name:?}, ")).collect::<String>();
    let _ = writeln!(
        text,
        "/// The kinds of handles.\npub const HANDLES: &[&str] = &[{}];",
        quoted(&header.handles)
    );
    let _ = writeln!(
        text,
        "/// The structs, their fields with their types.\npub const STRUCTS: &[(&str, &[(&str, &str)])] = &["
    );
    for (name, fields) in &header.structs {
        let _ = writeln!(text, "    ({name:?}, &{fields:?}),");
    }
    let _ = writeln!(text, "];");
    let functions: Vec<&Function> =
        header.functions.iter().filter(|function| !LEFT_OUT.contains(&function.name.as_str())).collect();
    let (mut externs, mut names, mut arms, mut ends) =
        (String::new(), String::new(), String::new(), String::new());
    for (nth, function) in functions.iter().enumerate() {
        let name = &function.name;
        let types: Vec<String> = function.parameters.iter().map(|parameter| type_of(parameter)).collect();
        let rust: Vec<String> =
            types.iter().enumerate().map(|(at, ty)| format!("a{at}: {}", Header::rust_type(ty))).collect();
        let result = function.result.replace("bool", "_Bool").replace("__Bool", "_Bool");
        let result = Header::rust_type(result.trim());
        let _ = writeln!(externs, "    pub(super) fn {name}({}) -> {result};", rust.join(", "));
        let mut needs: Vec<usize> = types
            .iter()
            .filter_map(|ty| header.handle(ty).filter(|(_, stars)| *stars == 1).map(|(kind, _)| kind))
            .collect();
        needs.dedup();
        let _ = writeln!(names, "    ({name:?}, &{needs:?}),");
        let mut call = String::new();
        for (at, (parameter, ty)) in function.parameters.iter().zip(&types).enumerate() {
            let _ = write!(call, "let a{at} = {}; ", header.argument(name, ty, name_of(parameter)));
        }
        let arguments: Vec<String> = (0..types.len()).map(|at| format!("a{at}")).collect();
        let arguments = arguments.join(", ");
        let end = if function.result == "sdp_dal_status" {
            format!("let status = {name}({arguments}); m.ended({name:?}, status)")
        } else {
            let ignored = if function.result == "void" { "" } else { "let _ = " };
            format!("{ignored}{name}({arguments}); m.ended_otherwise()")
        };
        let _ = writeln!(arms, "        {nth} => {{ {call}{end} }}");
    }
    for (kind, handle) in header.handles.iter().enumerate() {
        let end = ["_free", "_close"].map(|end| format!("{handle}{end}"));
        if let Some(function) = functions.iter().find(|function| end.contains(&function.name)) {
            let _ = writeln!(ends, "        {kind} => {}(handle),", function.name);
        }
    }
    let _ = write!(
        text,
        "extern \"C\" {{\n{externs}}}\n
/// Every function, with the kinds of handles that it takes.\npub const FUNCTIONS: &[(&str, &[usize])] = &[\n{names}];\n
/// Calls a function with what the machine chooses.
pub(super) unsafe fn call(function: usize, m: &mut Machine<'_, '_>) {{\n    unsafe {{ match function {{\n{arms}        _ => {{}}\n    }} }}\n}}\n
/// Ends a handle of the library.
pub(super) unsafe fn end(kind: usize, handle: P) {{\n    unsafe {{ match kind {{\n{ends}        _ => {{}}\n    }} }}\n}}\n"
    );
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("abi.rs");
    std::fs::write(out, text).unwrap_or_else(|error| panic!("the calls cannot be written: {error}"));
}
