#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes what of the Fortran module follows from the C header, so that nothing stands twice by hand:

    python3 scripts/header_to_fortran.py include/sdp_dal.h include/sdp_dal

    fortran_c.inc        module sdp_dal_c: constants, structs, and an interface for each function
    fortran_arrays.inc   module sdp_dal_arrays: Fortran arrays as tensors and back, for each element type and rank

include/sdp_dal.f90 includes both. `SDP_DAL_UPDATE_HEADER=1 cargo test --test header` runs this, and `cargo test --test
fortran` compares them with the header.
"""

import re
import sys
from pathlib import Path

HEAD = """\
! SPDX-License-Identifier: BSD-3-Clause
! Written by scripts/header_to_fortran.py from sdp_dal.h: not to be edited.
"""

INTERFACE_HEAD = """
!> The C interface, for what module sdp_dal does not offer. sdp_dal.h describes each function.
!>
!> A struct knows its size, and its other fields are zero. Texts end with c_null_char. Handles, structs and memory are
!> passed as type(c_ptr): c_loc() of a target, or c_null_ptr. Numbers and handles that a function returns in its
!> arguments are variables. Unsigned integers are signed ones of the same size.
"""

NUMBERS = {
    "int8_t": ("integer(c_int8_t)", 1),
    "uint8_t": ("integer(c_int8_t)", 1),
    "int16_t": ("integer(c_int16_t)", 2),
    "int32_t": ("integer(c_int32_t)", 4),
    "uint32_t": ("integer(c_int32_t)", 4),
    "sdp_dal_status": ("integer(c_int32_t)", 4),
    "int": ("integer(c_int)", 4),
    "int64_t": ("integer(c_int64_t)", 8),
    "uint64_t": ("integer(c_int64_t)", 8),
    "size_t": ("integer(c_size_t)", 8),
    "double": ("real(c_double)", 8),
    "bool": ("logical(c_bool)", 1),
}

#: Numbers of which an argument has many, and texts and handles that may be NULL or are arrays: C's types do not tell.
ARRAYS = {
    ("sdp_dal_tensor_view_from_dlpack", "strides"),
    ("sdp_dal_object_get_many", "out"),
    ("sdp_dal_caller_issue", "out_refs"),
}
NULLABLE_TEXTS = {("sdp_dal_store_open", "path")}

#: The element types of Fortran, with the codes of the tensors that they can be.
ELEMENTS = [
    ("bool", "logical(c_bool)", ["bool"], 1),
    ("int8", "integer(c_int8_t)", ["int8", "uint8"], 1),
    ("int16", "integer(c_int16_t)", ["int16", "uint16"], 2),
    ("int32", "integer(c_int32_t)", ["int32", "uint32"], 4),
    ("int64", "integer(c_int64_t)", ["int64", "uint64"], 8),
    ("float32", "real(c_float)", ["float32"], 4),
    ("float64", "real(c_double)", ["float64"], 8),
    ("complex64", "complex(c_float_complex)", ["complex64"], 8),
    ("complex128", "complex(c_double_complex)", ["complex128"], 16),
]
MAX_DIMS = 8
WIDTH = 125


def plain(header: str) -> str:
    """The declarations alone."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"#ifdef __cplusplus.*?#endif", "", text, flags=re.DOTALL)
    return re.sub(r"^[ \t]*#[^\n]*(\\\n[^\n]*)*$", "", text, flags=re.MULTILINE)


def wrapped(line: str, indent: str) -> str:
    """A statement, continued where it is too long."""
    lines = []
    while len(line) > WIDTH:
        cut = line.rfind(", ", 0, WIDTH - 2) + 1
        lines.append(line[:cut] + " &")
        line = indent + "    " + line[cut:].lstrip()
    return "\n".join([*lines, line])


def enumerators(text: str) -> list[tuple[str, str]]:
    """Names and values of all constants."""
    found = []
    for body in re.findall(r"typedef enum \{(.*?)\} \w+;", text, flags=re.DOTALL):
        found += re.findall(r"(\w+) = (-?\d+)", body)
    return found


class Struct:
    """A struct: its fields, and its size."""

    def __init__(self, name: str, body: str) -> None:
        self.name = name
        self.fields = []
        size = align = 0
        for declaration in filter(None, (line.strip() for line in body.split(";"))):
            kind, name, count, width = field(declaration)
            one = width if width < 8 else 8
            size += -size % one + width * count
            align = max(align, one)
            self.fields.append((kind, name, count))
        self.size = size + -size % align

    def lines(self) -> list[str]:
        made = [f"  type, bind(c) :: {self.name}"]
        for kind, name, count in self.fields:
            zero = {"t": "c_null_ptr", "l": ".false.", "r": "0"}.get(kind[0], "0")
            if kind == "type(c_funptr)":
                zero = "c_null_funptr"
            if name == "struct_size":
                zero = str(self.size)
            shape = f"({count})" if count > 1 else ""
            made.append(f"    {kind} :: {name}{shape} = {zero}")
        return [*made, "  end type"]


def field(declaration: str) -> tuple[str, str, int, int]:
    """Type, name, how many, and the size of one."""
    function = re.search(r"\(\*(\w+)\)", declaration)
    if function:
        return "type(c_funptr)", function.group(1), 1, 8
    kind, name, count = re.fullmatch(r"(.*?)(\w+)(?:\[(\d+)\])?", declaration, flags=re.DOTALL).groups()
    if "*" in kind:
        return "type(c_ptr)", name, 1, 8
    number, width = NUMBERS[kind.strip()]
    return number, name, int(count or 1), width


def structs(text: str) -> list[Struct]:
    found = [Struct(name, body) for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", text, flags=re.DOTALL)]
    arrow = re.findall(r"^struct (\w+) \{(.*?)^\};", text, flags=re.DOTALL | re.MULTILINE)
    return [Struct(name, body) for name, body in arrow] + found


def parameter(function: str, declaration: str) -> tuple[str, str]:
    """How an argument is declared, and its name."""
    kind, name = re.fullmatch(r"(.*?)(\w+)", declaration.strip(), flags=re.DOTALL).groups()
    kind = " ".join(kind.replace("*", " * ").split())
    constant = kind.startswith("const ")
    base = kind.removeprefix("const ").split(" ")[0]
    stars = kind.count("*")
    array = (function, name) in ARRAYS
    if stars == 0:
        if base in NUMBERS:
            return f"{NUMBERS[base][0]}, value", name
        # A type of functions.
        return "type(c_funptr), value", name
    if stars == 2:
        if "* const *" in kind:
            return "type(c_ptr), intent(in)", f"{name}(*)"
        return "type(c_ptr), intent(inout)" if array else "type(c_ptr), intent(out)", f"{name}(*)" if array else name
    if base == "char" and (function, name) not in NULLABLE_TEXTS:
        return f"character(kind=c_char), intent({'in' if constant else 'inout'})", f"{name}(*)"
    if base in NUMBERS:
        many = constant or array or base in ("uint8_t", "sdp_dal_status")
        return f"{NUMBERS[base][0]}, intent({'in' if constant else 'inout'})", f"{name}(*)" if many else name
    return "type(c_ptr), value", name


def function(result: str, name: str, parameters: str) -> list[str]:
    """The interface of a function."""
    declared = [parameter(name, one) for one in parameters.split(",") if one.strip() not in ("", "void")]
    bare = [re.sub(r"\W.*", "", spelled) for _, spelled in declared]
    result = " ".join(result.replace("*", " * ").split())
    if result == "void":
        word, kind = "subroutine", ""
    else:
        word = "function"
        kind = "type(c_ptr) " if "*" in result else f"{NUMBERS[result][0]} "
    made = [wrapped(f"    {kind}{word} {name}({', '.join(bare)}) bind(c)", "    ")]
    if kind or declared:
        made.append("      import")
    made += [f"      {kind} :: {spelled}" for kind, spelled in declared]
    return [*made, f"    end {word}"]


def functions(text: str) -> list[list[str]]:
    text = text[text.index("sdp_dal_version(void)") - 40 :]
    found = re.findall(r"(?:^|\n)((?:const )?\w+ \*?)(sdp_dal_\w+)\(([^;]*?)\);", text, flags=re.DOTALL)
    if len(found) != len(re.findall(r"\bsdp_dal_\w+\([^;]*?\);", text)):
        raise ValueError("a function of the header was not understood")
    return [function(*one) for one in found]


def interface(header: str) -> str:
    """The module sdp_dal_c."""
    text = plain(header)
    constants, functions_of = enumerators(text), functions(text)
    lines = [HEAD + INTERFACE_HEAD + "module sdp_dal_c"]
    lines += ["  use, intrinsic :: iso_c_binding", "  implicit none", "  public", ""]
    for name, value in constants:
        lines.append(f"  integer(c_int32_t), parameter :: {name.lower()} = {value}")
    for struct in structs(text):
        lines += ["", *struct.lines()]
    lines += ["", "  interface"]
    for one in functions_of:
        lines += one
    lines += ["  end interface", "end module sdp_dal_c"]
    # Fortran does not distinguish upper case from lower case.
    names = [name.lower() for name, _ in constants] + [struct.name.lower() for struct in structs(text)]
    names += [re.search(r"(?:function|subroutine) (\w+)", one[0]).group(1) for one in functions_of]
    twice = {name for name in names if names.count(name) > 1}
    if twice or max(map(len, names)) > 63:
        raise ValueError(f"names that Fortran cannot tell apart, or that are too long: {sorted(twice)}")
    return "\n".join(lines) + "\n"


ARRAYS_HEAD = """
!> Fortran arrays as tensors, and tensors as Fortran arrays. Nothing is copied.
!>
!> A Fortran array has its first index vary fastest, which is F order: an array vis(row, chan) is a tensor [row,chan]
!> in F order, and the same memory is a tensor [chan,row] in C order. An array is described in the second way with
!> reversed=.true.
module sdp_dal_arrays
  use, intrinsic :: iso_fortran_env, only: error_unit
  use sdp_dal_c
  implicit none
  private
  public :: sdp_dal_array, sdp_dal_point, sdp_dal_stop

  !> A tensor in memory. It owns nothing: the memory belongs to the variable, or to the handle, from which it was
  !> made.
  type :: sdp_dal_array
    !> The element whose indices are all 0.
    type(c_ptr) :: data = c_null_ptr
    !> The element type, sdp_dal_float64 for instance, and the number of dimensions.
    integer(c_int32_t) :: dtype = 0, ndim = 0
    !> Sizes, and distances in bytes, of the dimensions in the order of the signature.
    integer(c_int64_t) :: shape(sdp_dal_max_dims) = 0, strides(sdp_dal_max_dims) = 0
    !> Whether a Fortran array of it has its dimensions in reversed order.
    logical :: reversed = .false.
  end type

  !> sdp_dal_array(elements, reversed, unsigned): describes a Fortran array, which is a target or a pointer, or a
  !> section of one. reversed: the dimensions of the tensor are those of the array in reversed order. unsigned, for
  !> integers: the bits are those of unsigned integers.
  interface sdp_dal_array
    module procedure {of}
  end interface

  !> sdp_dal_point(elements, tensor): lets a pointer to an array point to the elements of a tensor. Type and rank must
  !> be right, and the elements must lie in the order that the array needs; if not, the program stops with a sentence.
  !> Pointers to integers may point to unsigned ones. It is null if there is no tensor.
  interface sdp_dal_point
    module procedure {point}
  end interface

  integer(c_int64_t), target, save :: nothing(2) = 0

contains

  !> Prints a sentence, leaves the stores, and stops the program.
  subroutine sdp_dal_stop(text)
    character(len=*), intent(in) :: text
    integer(c_int32_t) :: status
    write (error_unit, '(a)') text
    status = sdp_dal_stores_leave()
    error stop 1
  end subroutine

  !> The distance between two elements in bytes.
  integer(c_int64_t) function distance(from, to)
    type(c_ptr), intent(in) :: from, to
    distance = transfer(to, 0_c_intptr_t) - transfer(from, 0_c_intptr_t)
  end function

  !> Gives strides to the dimensions in which there is no second element, and reverses all if that is asked for.
  subroutine finish(array, size, reversed)
    type(sdp_dal_array), intent(inout) :: array
    integer, intent(in) :: size
    logical, intent(in), optional :: reversed
    integer(c_int64_t) :: below
    integer :: i, n
    n = array%ndim
    below = size
    do i = 1, n
      if (array%shape(i) < 2 .or. .not. c_associated(array%data)) array%strides(i) = below
      below = array%strides(i) * max(array%shape(i), 1_c_int64_t)
    end do
    if (.not. present(reversed)) return
    array%reversed = reversed
    if (.not. reversed) return
    array%shape(:n) = array%shape(n:1:-1)
    array%strides(:n) = array%strides(n:1:-1)
  end subroutine

  !> How a tensor lies in an array of Fortran: its sizes, the sizes of the array of which it is a section, and the
  !> step of its first index.
  subroutine lay(array, rank, size, codes, data, n, whole, step)
    type(sdp_dal_array), intent(in) :: array
    integer, intent(in) :: rank, size
    integer(c_int32_t), intent(in) :: codes(:)
    type(c_ptr), intent(out) :: data
    integer(c_int64_t), intent(out) :: n(rank), whole(rank), step
    integer(c_int64_t) :: strides(rank), below
    integer :: i
    data = array%data
    ! An array without elements needs an address, too.
    if (.not. c_associated(data)) data = c_loc(nothing)
    if (all(codes /= array%dtype) .or. array%ndim /= rank) call wrong_type(array, rank, codes(1))
    n = array%shape(:rank)
    strides = array%strides(:rank)
    if (array%reversed) then
      n = n(rank:1:-1)
      strides = strides(rank:1:-1)
    end if
    whole = n
    step = 1
    if (any(n == 0)) return
    ! An index that has one value only has no stride that matters.
    below = size
    do i = 1, rank
      if (n(i) == 1) strides(i) = below
      below = strides(i) * n(i)
    end do
    if (rank == 0) return
    if (any(strides < size) .or. mod(strides(1), int(size, c_int64_t)) /= 0) call wrong_order(array)
    step = strides(1) / size
    below = size
    do i = 1, rank - 1
      if (mod(strides(i + 1), below) /= 0) call wrong_order(array)
      whole(i) = strides(i + 1) / below
      if (whole(i) < n(i) .or. (i == 1 .and. whole(i) < (n(i) - 1) * step + 1)) call wrong_order(array)
      below = strides(i + 1)
    end do
    if (rank == 1) whole(1) = (n(1) - 1) * step + 1
  end subroutine

  subroutine wrong_type(array, rank, code)
    type(sdp_dal_array), intent(in) :: array
    integer, intent(in) :: rank
    integer(c_int32_t), intent(in) :: code
    character(len=200) :: text
    write (text, '(a, i0, 3a, i0, 3a)') 'sdp_dal_point: a pointer to an array of rank ', rank, ' and type ', &
        trim(name_of(code)), ' cannot point to a tensor with ', array%ndim, ' dimensions and elements of type ', &
        trim(name_of(array%dtype)), ': declare the pointer as the signature says'
    call sdp_dal_stop(trim(text))
  end subroutine

  subroutine wrong_order(array)
    type(sdp_dal_array), intent(in) :: array
    if (array%reversed) then
      call sdp_dal_stop('sdp_dal_point: the last index of the tensor does not vary fastest, so a Fortran array' // &
          ' with reversed dimensions cannot be made of it without a copy: ask for sdp_dal_order_f')
    else
      call sdp_dal_stop('sdp_dal_point: the first index of the tensor does not vary fastest, so a Fortran array' // &
          ' cannot be made of it without a copy: ask for sdp_dal_order_c, which gives the dimensions in reversed order')
    end if
  end subroutine

  function name_of(code) result(name)
    integer(c_int32_t), intent(in) :: code
    character(len=10) :: name
    select case (code)
{names}
    case default
      name = 'unknown'
    end select
  end function
"""


def arrays(header: str) -> str:
    """The module sdp_dal_arrays."""
    dtypes = [
        name for name, _ in enumerators(re.search(r"typedef enum \{[^}]*\} sdp_dal_dtype;", plain(header)).group())
    ]
    names = "\n".join(f"    case ({name.lower()})\n      name = '{name[8:].lower()}'" for name in dtypes)
    both = [(*element, rank) for element in ELEMENTS for rank in range(MAX_DIMS + 1)]

    def listed(verb: str) -> str:
        every = ", ".join(f"{verb}_{name}_{rank}" for name, _, _, _, rank in both)
        return wrapped(f"    module procedure {every}", "    ").lstrip().removeprefix("module procedure ")

    made = HEAD + ARRAYS_HEAD
    for place, text in {"of": listed("of"), "point": listed("point"), "names": names}.items():
        made = made.replace("{" + place + "}", text)
    for element in both:
        made += of(*element) + point(*element)
    return made + "end module sdp_dal_arrays\n"


def of(name: str, kind: str, codes: list[str], size: int, rank: int) -> str:
    """Describes an array of Fortran."""
    colons = f"({', '.join(':' * rank)})" if rank else ""
    more = ", unsigned" if len(codes) > 1 else ""
    first = [f"b({i + 1})" for i in range(rank)]
    lines = [
        f"  function of_{name}_{rank}(elements, reversed{more}) result(array)",
        f"    {kind}, pointer, intent(in) :: elements{colons}",
        f"    logical, intent(in), optional :: reversed{more}",
        "    type(sdp_dal_array) :: array",
    ]
    if rank:
        lines.append(f"    integer(c_int64_t) :: b({rank})")
    lines.append(f"    array%dtype = sdp_dal_{codes[0]}")
    if more:
        lines.append("    if (present(unsigned)) array%dtype = array%dtype + merge(4, 0, unsigned)")
    if rank:
        lines += [
            f"    array%ndim = {rank}",
            f"    array%shape(:{rank}) = shape(elements, c_int64_t)",
            "    b = lbound(elements)",
            "    if (size(elements) > 0) then",
            f"      array%data = c_loc(elements({', '.join(first)}))",
        ]
        for i in range(rank):
            next_one = [f"{place} + 1" if i == j else place for j, place in enumerate(first)]
            at = f"      if (array%shape({i + 1}) > 1) array%strides({i + 1}) = "
            far = f"distance(array%data, c_loc(elements({', '.join(next_one)})))"
            lines.append(at + "&\n          " + far)
        lines.append("    end if")
    else:
        lines.append("    array%data = c_loc(elements)")
    lines += [f"    call finish(array, {size}, reversed)", "  end function"]
    return "\n" + "\n".join(lines) + "\n"


def point(name: str, kind: str, codes: list[str], size: int, rank: int) -> str:
    """Points to a tensor."""
    colons = f"({', '.join(':' * rank)})" if rank else ""
    accepted = ", ".join(f"sdp_dal_{code}" for code in codes)
    lines = [
        f"  subroutine point_{name}_{rank}(elements, tensor)",
        f"    {kind}, pointer, intent(out) :: elements{colons}",
        "    type(sdp_dal_array), intent(in) :: tensor",
    ]
    if rank:
        lines.append(f"    {kind}, pointer :: all{colons}")
    lines += [
        "    type(c_ptr) :: data",
        f"    integer(c_int64_t) :: n({rank}), whole({rank}), step",
        "    nullify (elements)",
        "    if (tensor%dtype == 0) return",
        f"    call lay(tensor, {rank}, {size}, [{accepted}], data, n, whole, step)",
    ]
    if rank:
        section = ", ".join(["1:1 + (n(1) - 1) * step:step", *(f"1:n({i + 1})" for i in range(1, rank))])
        lines.append("    call c_f_pointer(data, all, whole)")
        lines.append(wrapped(f"    elements => all({section})", "    "))
    else:
        lines.append("    call c_f_pointer(data, elements)")
    return "\n" + "\n".join([*lines, "  end subroutine"]) + "\n"


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    header = Path(sys.argv[1]).read_text(encoding="utf-8")
    folder = Path(sys.argv[2])
    (folder / "fortran_c.inc").write_text(interface(header), encoding="utf-8")
    (folder / "fortran_arrays.inc").write_text(arrays(header), encoding="utf-8")


if __name__ == "__main__":
    main()
