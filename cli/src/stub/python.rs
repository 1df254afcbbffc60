//! A caller in Python: a class that can be called, with an overload for each form.

use std::fmt::Write as _;

use sdp_dal::error::Result;
use sdp_dal::wire::{CallSchema, Direction, Param, ParamType};

use super::{identifiers, signatures, type_name, value_type};

/// What a name in the generated code must not be: Python's words, and names that the code uses.
const TAKEN: [&str; 44] = [
    "False",
    "None",
    "True",
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "finally",
    "for",
    "from",
    "global",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "try",
    "while",
    "with",
    "yield",
    "self",
    "np",
    "dal",
    "arguments",
    "found",
    "Any",
    "None_",
    "super",
    "object",
];

/// The module.
pub fn write(forms: &[CallSchema]) -> Result<String> {
    let name = &forms[0].name;
    let class = format!("{}Caller", type_name(name));
    let outputs = format!("{}Outputs", type_name(name));
    let mut text = format!(
        "\"\"\"A typed caller, written by `sdp-dal stub --language python` from:\n\n{}\"\"\"\n\n\
         from __future__ import annotations\n\nfrom typing import Any, NamedTuple, Optional, Union, overload\n\n\
         import numpy as np\n\nimport ska_sdp_dal as dal\n\nSIGNATURES = [\n{}]\n\n\n",
        signatures(forms, "    "),
        forms.iter().map(|form| format!("    {},\n", quoted(&form.to_string()))).collect::<String>()
    );
    if forms.len() == 1 {
        text = text.replace("Union, overload", "Union");
    }
    let of_one = names(&forms[0]);
    let made: Vec<(&Param, &String)> =
        forms[0].params.iter().zip(&of_one).filter(|(param, _)| param.direction == Direction::Out).collect();
    let _ = write!(
        text,
        "class {outputs}(NamedTuple):\n    \
         \"\"\"References to the outputs, which exist when the call has ended.\"\"\"\n\n"
    );
    for (param, name) in &made {
        let kind = match &param.ty {
            ParamType::Tensor { .. } => "dal.TensorRef",
            ParamType::Table(_) => "dal.TableRef",
            _ => "dal.Ref",
        };
        let kind = if param.nullable { format!("Optional[{kind}]") } else { kind.to_owned() };
        let types: Vec<String> = forms
            .iter()
            .filter_map(|form| form.param(&param.name))
            .map(|(_, param)| param.ty.to_string())
            .collect();
        let _ = write!(text, "    {name}: {kind}\n    \"\"\"{}\"\"\"\n", types.join(" or "));
    }
    let _ = write!(
        text,
        "\n\nclass {class}:\n    \"\"\"Calls {name} of a processor. A call does not wait: get the outputs.\"\"\"\n\n    \
         def __init__(self, store: dal.Store, **options: Any) -> None:\n        \
         \"\"\"Looks for processors that offer the function. The options are those of `dal.Caller`.\"\"\"\n        \
         schemas = [dal.parse_call_schema(text) for text in SIGNATURES]\n        \
         self.caller = dal.Caller(schemas, store, **options)\n\n"
    );
    if forms.len() > 1 {
        for form in forms {
            let _ = write!(
                text,
                "    @overload\n    def __call__({}) -> {outputs}:\n        \"\"\"{form}\"\"\"\n\n",
                parameters(form)
            );
        }
        text += "    def __call__(self, **arguments: Any) -> Any:\n        \
                 \"\"\"Issues a call: the arguments choose the form.\"\"\"\n";
        let renamed: Vec<String> = forms[0]
            .params
            .iter()
            .zip(&of_one)
            .filter(|(param, name)| param.name != **name && param.direction == Direction::In)
            .map(|(param, name)| format!("{}: {}", quoted(name), quoted(&param.name)))
            .collect();
        if !renamed.is_empty() {
            let _ = writeln!(text, "        renamed = {{{}}}", renamed.join(", "));
            text +=
                "        arguments = {renamed.get(name, name): value for name, value in arguments.items()}\n";
        }
    } else {
        let _ = write!(
            text,
            "    def __call__({}) -> {outputs}:\n        \"\"\"{}\"\"\"\n",
            parameters(&forms[0]),
            forms[0]
        );
        let pairs: Vec<String> = forms[0]
            .params
            .iter()
            .zip(&of_one)
            .filter(|(param, _)| param.direction == Direction::In)
            .map(|(param, name)| format!("{}: {name}", quoted(&param.name)))
            .collect();
        let _ = writeln!(text, "        arguments: Any = {{{}}}", pairs.join(", "));
    }
    let _ = writeln!(text, "        found = getattr(self.caller, {})(**arguments)", quoted(name));
    let fields: Vec<String> =
        made.iter().map(|(param, _)| format!("found[{}]", quoted(&param.name))).collect();
    if fields.is_empty() {
        text = text.replacen("        found = getattr", "        getattr", 1);
    }
    let _ = write!(
        text,
        "        return {outputs}({})\n\n    def close(self) -> None:\n        \
         \"\"\"Closes the caller. Its calls continue.\"\"\"\n        self.caller.close()\n",
        fields.join(", ")
    );
    Ok(text)
}

/// Fields of a NamedTuple cannot begin with `_`.
fn names(form: &CallSchema) -> Vec<String> {
    let plain = form.params.iter().map(|param| match param.direction {
        Direction::Out => match param.name.trim_start_matches('_') {
            // Methods of a tuple.
            "count" => "count_",
            "index" => "index_",
            "" => "output",
            rest if rest.starts_with(|first: char| first.is_ascii_digit()) => "output",
            rest => rest,
        },
        Direction::In => param.name.as_str(),
    });
    identifiers(plain, &TAKEN, false)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The parameters, one a line. They are named in a call, so that those with a default may stand anywhere.
fn parameters(form: &CallSchema) -> String {
    let mut all = vec!["self".to_owned()];
    for (param, name) in form.params.iter().zip(names(form)) {
        if param.direction == Direction::Out {
            continue;
        }
        if all.len() == 1 {
            all.push("*".to_owned());
        }
        let kind = kind(param);
        all.push(if param.nullable {
            format!("{name}: Optional[{kind}] = None")
        } else {
            format!("{name}: {kind}")
        });
    }
    match &all[..] {
        [alone] => alone.clone(),
        _ => format!("\n        {},\n    ", all.join(",\n        ")),
    }
}

fn kind(param: &Param) -> String {
    match &param.ty {
        ParamType::Tensor { elem, .. } => {
            let name = elem.name().replace("bool", "bool_");
            format!("Union[np.ndarray[Any, np.dtype[np.{name}]], dal.TensorRef]")
        }
        ParamType::Oid => "dal.Ref".to_owned(),
        // A table is anything that pyarrow takes for one, and an ID has several forms.
        ParamType::Table(_) | ParamType::Id => "Any".to_owned(),
        ParamType::Scalar(_) => match value_type(param).unwrap_or_default().as_str() {
            "bool" => "bool",
            "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64" => "int",
            "float16" | "float32" | "float64" => "float",
            "complex64" | "complex128" => "complex",
            "utf8" | "large_utf8" | "utf8_view" => "str",
            "binary" | "large_binary" | "binary_view" => "bytes",
            _ => "Any",
        }
        .to_owned(),
    }
}
