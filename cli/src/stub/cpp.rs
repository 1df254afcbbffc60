//! A caller in C++17: a class with a call operator for each form.

use std::fmt::Write as _;

use sdp_dal::error::{Error, Result};
use sdp_dal::wire::{form_params, CallSchema, Direction, Elem, Param, ParamType};

use super::{identifiers, refused, signatures, type_name, value_type};

/// What a name in the generated code must not be: C++'s words, and names that the code uses.
const TAKEN: [&str; 108] = [
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char8_t",
    "char16_t",
    "char32_t",
    "class",
    "compl",
    "concept",
    "const",
    "consteval",
    "constexpr",
    "constinit",
    "const_cast",
    "continue",
    "co_await",
    "co_return",
    "co_yield",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
    "std",
    "sdp_dal",
    "arguments",
    "results",
    "outputs",
    "caller_",
    "made",
    "set",
    "assert",
    "errno",
    "NULL",
    "store",
    "tensor",
    "found",
    "one",
    "value",
];

/// The header.
pub fn write(forms: &[CallSchema]) -> Result<String> {
    let name = &forms[0].name;
    let class = format!("{}Caller", type_name(name));
    let mut text = format!(
        "// A typed caller, written by sdp-dal stub --language c++ from:\n{}#pragma once\n\n\
         #include <complex>\n#include <cstddef>\n#include <cstdint>\n#include <optional>\n#include <string>\n\
         #include <utility>\n#include <variant>\n#include <vector>\n\n#include <sdp_dal.hpp>\n\n\
         /// Calls {name}. A tensor is passed as a view, which may be one of an array that is in the store, or as a\n\
         /// reference. A call does not wait: get the outputs.\nclass {class} {{\npublic:\n",
        signatures(forms, "//   ")
    );
    text += "    /// An input tensor.\n    template <class T, std::size_t N>\n    \
             using tensor = std::variant<sdp_dal::tensor_view<const T, N>, sdp_dal::ref>;\n\n";
    text += "    /// Looks for processors that offer the function.\n";
    let _ = write!(
        text,
        "    explicit {class}(sdp_dal::store &store, const sdp_dal::caller_options &options = {{}})\n        \
         : caller_(store,\n                  {{"
    );
    for (nth, form) in forms.iter().enumerate() {
        let comma = if nth > 0 { ",\n                   " } else { "" };
        let _ = write!(text, "{comma}{}", quoted(&form.to_string()));
    }
    text += "},\n                  options) {}\n";
    let differs = form_params(forms);
    for (nth, form) in forms.iter().enumerate() {
        let outputs = if forms.len() == 1 { "outputs".to_owned() } else { format!("outputs_{}", nth + 1) };
        text += &one(form, &form.form_name(&differs), &outputs)?;
    }
    text += "\nprivate:\n    template <class T, std::size_t N>\n    \
             static void set(sdp_dal::args &arguments, const char *name, const tensor<T, N> &value) {\n        \
             std::visit([&](const auto &one) { arguments.set(name, one); }, value);\n    }\n    \
             template <class T>\n    static void set(sdp_dal::args &arguments, const char *name, const T &value) {\n        \
             arguments.set(name, value);\n    }\n\n    sdp_dal::caller caller_;\n};\n";
    Ok(text)
}

/// A text as C++ writes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn one(form: &CallSchema, form_name: &str, outputs: &str) -> Result<String> {
    let names = identifiers(form.params.iter().map(|param| param.name.as_str()), &TAKEN, false);
    let mut text = format!(
        "\n    /// The outputs of {form_name}, which exist when its call has ended.\n    \
         struct {outputs} {{\n"
    );
    let (mut parameters, mut statements, mut made) = (Vec::new(), String::new(), Vec::new());
    for (param, name) in form.params.iter().zip(&names) {
        let quoted = quoted(&param.name);
        if param.direction == Direction::Out {
            let (kind, get) = if param.nullable {
                ("std::optional<sdp_dal::ref>", "value().")
            } else {
                ("sdp_dal::ref", "")
            };
            let _ = writeln!(text, "        /// {}", param.ty);
            let _ = writeln!(text, "        {kind} {name};");
            text += &getter(param, name, get)?;
            let found =
                if param.nullable { format!("found.get({quoted})") } else { format!("found[{quoted}]") };
            made.push(found);
            continue;
        }
        let kind = input(param)?;
        if param.nullable {
            parameters.push(format!("const std::optional<{kind}> &{name}"));
            let _ = writeln!(statements, "        if ({name}) set(arguments, {quoted}, *{name});");
        } else {
            parameters.push(format!("const {kind} &{name}"));
            let _ = writeln!(statements, "        set(arguments, {quoted}, {name});");
        }
    }
    let _ = write!(
        text,
        "    }};\n\n    /// {form_name}: issues a call.\n    {outputs} operator()({}) {{\n        \
         sdp_dal::args arguments;\n{statements}        const sdp_dal::results found = \
         caller_.call({}, arguments);\n        return {{{}}};\n    }}\n",
        parameters.join(",\n                       "),
        quoted(form_name),
        made.join(", "),
    );
    if made.is_empty() {
        text = text.replace("const sdp_dal::results found = caller_", "caller_");
    }
    Ok(text)
}

/// A function that waits for an output.
fn getter(param: &Param, name: &str, get: &str) -> Result<String> {
    let (kind, call) = match &param.ty {
        ParamType::Tensor { elem, dims, .. } => {
            let of = format!("{}, {}", element(param, *elem)?, dims.len());
            (format!("sdp_dal::tensor<{of}>"), format!("get<{of}>"))
        }
        ParamType::Table(_) => ("sdp_dal::table".to_owned(), "get_table".to_owned()),
        _ => return Ok(String::new()),
    };
    Ok(format!(
        "        {kind} get_{}(sdp_dal::timeout time = sdp_dal::forever) const {{\n            \
         return {name}.{get}{call}(time);\n        }}\n",
        param.name
    ))
}

fn input(param: &Param) -> Result<String> {
    Ok(match &param.ty {
        ParamType::Tensor { elem, dims, .. } => format!("tensor<{}, {}>", element(param, *elem)?, dims.len()),
        ParamType::Table(_) | ParamType::Oid => "sdp_dal::ref".to_owned(),
        ParamType::Id => "sdp_dal::object_id".to_owned(),
        ParamType::Scalar(_) => value(param)?.to_owned(),
    })
}

fn element(param: &Param, elem: Elem) -> Result<&'static str> {
    number(elem.name()).ok_or_else(|| no_type(param))
}

fn no_type(param: &Param) -> Error {
    refused(param, "C++", "call the function with sdp_dal::caller, and write this parameter by hand")
}

fn value(param: &Param) -> Result<&'static str> {
    let text = value_type(param).unwrap_or_default();
    match text.as_str() {
        "utf8" | "large_utf8" | "utf8_view" => Ok("std::string"),
        "binary" | "large_binary" | "binary_view" => Ok("std::vector<std::byte>"),
        other => number(other).ok_or_else(|| no_type(param)),
    }
}

fn number(name: &str) -> Option<&'static str> {
    Some(match name {
        "bool" => "bool",
        "int8" => "std::int8_t",
        "int16" => "std::int16_t",
        "int32" => "std::int32_t",
        "int64" => "std::int64_t",
        "uint8" => "std::uint8_t",
        "uint16" => "std::uint16_t",
        "uint32" => "std::uint32_t",
        "uint64" => "std::uint64_t",
        "float32" => "float",
        "float64" => "double",
        "complex64" => "std::complex<float>",
        "complex128" => "std::complex<double>",
        _ => return None,
    })
}
