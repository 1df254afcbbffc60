//! A caller in Fortran 2008: a module with a type, whose procedure `call` has a form for each form of the function.

use std::fmt::Write as _;

use sdp_dal::error::{Error, Result};
use sdp_dal::wire::{form_params, CallSchema, Direction, Order, Param, ParamType};

use super::{identifiers, refused, value_type};

/// Names that the code uses itself. Fortran has no reserved words.
const TAKEN: [&str; 13] = [
    "self",
    "arguments",
    "results",
    "status",
    "told",
    "sdp_dal_array",
    "caller",
    "present",
    "c_float",
    "c_double",
    "c_bool",
    "module",
    "c_float_complex",
];

/// The longest name of Fortran, and what the stub appends to the function's.
const LONGEST: usize = 63 - "_caller".len();

/// The module.
pub fn write(forms: &[CallSchema]) -> Result<String> {
    let name = &forms[0].name;
    let mut all = forms.iter().flat_map(|form| &form.params).map(|param| &param.name).chain([name]);
    if let Some(long) = all.find(|name| name.len() > LONGEST) {
        return Err(Error::invalid(format!(
            "a stub in Fortran cannot use the name '{long}', which is too long: Fortran allows 63 letters"
        )));
    }
    let base = identifier(name);
    let calls: Vec<String> = (1..=forms.len()).map(|nth| format!("call_{nth}")).collect();
    let length = forms.iter().map(|form| form.to_string().len()).max().unwrap_or_default();
    let mut text = format!(
        "! A typed caller, written by sdp-dal stub --language fortran from:\n{}module {base}_stub\n  use sdp_dal\n  \
         implicit none\n  private\n  public :: {base}_caller\n\n",
        forms.iter().map(|form| comment(&form.to_string(), "!   ")).collect::<String>()
    );
    let _ = write!(
        text,
        "  !> Calls {name}. A call does not wait: get the outputs. An array is a target or a pointer, and must not\n  \
         !> change until the call was issued. Its dimensions have the order of the signature, or the reversed order\n  \
         !> if the signature says C.\n  type :: {base}_caller\n    type(sdp_dal_caller) :: caller\n  contains\n    \
         procedure :: open => open_caller\n    procedure, private :: {}\n    !> An error without a status stops the \
         program.\n    generic :: call => {}\n    procedure :: close => close_caller\n  end type\n\ncontains\n\n",
        calls.join(", "),
        calls.join(", ")
    );
    let _ = write!(
        text,
        "  !> Looks for processors that offer the function. timeout_ns: how long to wait for one. Default: not at all.\n  \
         subroutine open_caller(self, store, timeout_ns, status)\n    class({base}_caller), intent(inout) :: self\n    \
         type(sdp_dal_store), intent(in) :: store\n    integer(c_int64_t), intent(in), optional :: timeout_ns\n    \
         integer(c_int32_t), intent(out), optional :: status\n    character(len={length}) :: signatures({})\n",
        forms.len()
    );
    for (nth, form) in forms.iter().enumerate() {
        let _ = writeln!(text, "    signatures({}) = {}", nth + 1, quoted(&form.to_string()));
    }
    text += "    call self%caller%open(store, signatures, timeout_ns=timeout_ns, status=status)\n  end subroutine\n";
    let differs = form_params(forms);
    for (form, call) in forms.iter().zip(&calls) {
        text += &one(form, &form.form_name(&differs), &base, call)?;
    }
    let _ = write!(
        text,
        "\n  subroutine close_caller(self)\n    class({base}_caller), intent(inout) :: self\n    \
         call self%caller%close()\n  end subroutine\nend module\n"
    );
    Ok(text)
}

/// Fortran's names begin with a letter.
fn identifier(name: &str) -> String {
    if name.starts_with('_') {
        format!("p{name}")
    } else {
        name.to_owned()
    }
}

/// A text as Fortran writes it, on several lines if it is long.
fn quoted(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = letters
        .chunks(90)
        .map(|piece| format!("'{}'", piece.iter().collect::<String>().replace('\'', "''")))
        .collect();
    pieces.join(" // &\n        ")
}

/// Comment lines.
fn comment(text: &str, mark: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(110).map(|piece| format!("{mark}{}\n", piece.iter().collect::<String>())).collect()
}

fn one(form: &CallSchema, form_name: &str, base: &str, call: &str) -> Result<String> {
    let plain: Vec<String> = form.params.iter().map(|param| identifier(&param.name)).collect();
    let names = identifiers(plain.iter().map(String::as_str), &TAKEN, true);
    let (mut declarations, mut inputs, mut outputs) = (String::new(), String::new(), String::new());
    for (param, name) in form.params.iter().zip(&names) {
        declarations += &comment(&param.ty.to_string(), "    ! ");
        let text = quoted(&param.name);
        if param.direction == Direction::Out {
            let _ = writeln!(declarations, "    type(sdp_dal_ref), intent(inout) :: {name}");
            let _ = writeln!(
                outputs,
                "    if (told == sdp_dal_ok) call results%ref({text}, {name}, status=told)"
            );
            continue;
        }
        let optional = if param.nullable { ", optional" } else { "" };
        let (declared, value) = input(param, name)?;
        let _ = writeln!(declarations, "    {}", declared.replacen(" ::", &format!("{optional} ::"), 1));
        let set = format!("call arguments%set({text}, {value}, status=told)");
        if param.nullable {
            let _ = write!(inputs, "    if (told == sdp_dal_ok .and. present({name})) &\n        {set}\n");
        } else {
            let _ = write!(inputs, "    if (told == sdp_dal_ok) &\n        {set}\n");
        }
    }
    let mut arguments = String::from("self");
    for name in &names {
        let _ = write!(arguments, ", &\n      {name}");
    }
    Ok(format!(
        "\n  !> {form_name}: issues a call.\n  subroutine {call}({arguments}, status)\n    \
         class({base}_caller), intent(in) :: self\n{declarations}    \
         integer(c_int32_t), intent(out), optional :: status\n    type(sdp_dal_args) :: arguments\n    \
         type(sdp_dal_results) :: results\n    integer(c_int32_t) :: told\n    told = sdp_dal_ok\n{inputs}    \
         if (told == sdp_dal_ok) &\n        call self%caller%call({}, arguments, results, status=told)\n{outputs}    \
         call results%free()\n    call arguments%free()\n    if (present(status)) then\n      \
         status = told\n    else\n      \
         call sdp_dal_check(told)\n    end if\n  end subroutine\n",
        quoted(form_name)
    ))
}

/// How an input is declared, and what is passed.
fn input(param: &Param, name: &str) -> Result<(String, String)> {
    Ok(match &param.ty {
        ParamType::Tensor { elem, dims, order } => {
            let (kind, is_unsigned) = number(elem.name()).ok_or_else(|| no_type(param))?;
            let colons = vec![":"; dims.len()].join(", ");
            let shape = if dims.is_empty() { String::new() } else { format!("({colons})") };
            let reversed = if *order == Some(Order::C) && dims.len() > 1 { ", reversed=.true." } else { "" };
            let unsigned = if is_unsigned { ", unsigned=.true." } else { "" };
            (
                format!("{kind}, pointer, intent(in) :: {name}{shape}"),
                format!("sdp_dal_array({name}{reversed}{unsigned})"),
            )
        }
        ParamType::Table(_) | ParamType::Oid => {
            (format!("type(sdp_dal_ref), intent(in) :: {name}"), name.to_owned())
        }
        ParamType::Id => return Err(no_type(param)),
        ParamType::Scalar(_) => value(param, name)?,
    })
}

fn value(param: &Param, name: &str) -> Result<(String, String)> {
    let text = value_type(param).unwrap_or_default();
    let (kind, passed) = match text.as_str() {
        "bool" => ("logical", name.to_owned()),
        "int8" | "int16" | "int32" | "uint8" | "uint16" => ("integer(c_int32_t)", name.to_owned()),
        "int64" | "uint32" | "uint64" => ("integer(c_int64_t)", name.to_owned()),
        "utf8" | "large_utf8" | "utf8_view" => ("character(len=*)", name.to_owned()),
        other => (number(other).ok_or_else(|| no_type(param))?.0, name.to_owned()),
    };
    Ok((format!("{kind}, intent(in) :: {name}"), passed))
}

fn no_type(param: &Param) -> Error {
    refused(param, "Fortran", "call the function with module sdp_dal_c")
}

/// The type of a number, and whether its bits are those of an unsigned integer.
fn number(name: &str) -> Option<(&'static str, bool)> {
    Some(match name {
        "bool" => ("logical(c_bool)", false),
        "int8" => ("integer(c_int8_t)", false),
        "int16" => ("integer(c_int16_t)", false),
        "int32" => ("integer(c_int32_t)", false),
        "int64" => ("integer(c_int64_t)", false),
        "uint8" => ("integer(c_int8_t)", true),
        "uint16" => ("integer(c_int16_t)", true),
        "uint32" => ("integer(c_int32_t)", true),
        "uint64" => ("integer(c_int64_t)", true),
        "float32" => ("real(c_float)", false),
        "float64" => ("real(c_double)", false),
        "complex64" => ("complex(c_float_complex)", false),
        "complex128" => ("complex(c_double_complex)", false),
        _ => return None,
    })
}
