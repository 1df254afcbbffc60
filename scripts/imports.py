#!/usr/bin/env python3
"""Shows which file imports which in the modules of this tree, and reports circles.

    scripts/imports.py            print the levels of each module: a unit stands above all that it imports
    scripts/imports.py --write    write the table and graph of src/dal into docs/architecture.md
    scripts/imports.py --check    exit with status 1 if imports run in a circle, or if that graph is out of date

A unit is a file, or a folder with the file that has its name. Test modules and faces are left out. A face is a `mod.rs`
or an `__init__.py` that only names its modules and re-exports what they have. What is imported from a face counts as
imported from the file that defines it. An import counts wherever it stands: inside a function, for a type checker only, as
a path in an expression. A method that another file adds to a type is no import.
"""

import ast
import pathlib
import re
import sys
from typing import Dict, Iterable, Iterator, List, NamedTuple, Set, Tuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUST = ["src/sync", "src/wire", "src/dal", "src/capi", "cli/src"]
PYTHON = ["python/src/ska_sdp_dal", "python/src/ska_sdp_dal/plasma"]
DRAWN = "src/dal"
DOCUMENT = ROOT / "docs" / "architecture.md"
BEGIN = "<!-- Written by scripts/imports.py --write -->"
END = "<!-- Written until here -->"
# Made when the package is built.
GENERATED = ["_ffi"]

Names = Tuple[str, ...]
# For each unit: what it imports from which other unit.
Graph = Dict[str, Dict[str, Set[str]]]


def add(graph: Graph, importer: str, imported: str, name: str) -> None:
    if importer != imported:
        graph[importer].setdefault(imported, set()).add(name)


# ---- Rust -----------------------------------------------------------------------------------------------------------

TOKEN = re.compile(
    r"""//[^\n]* | /\*.*?\*/                                       # comments
      | [bc]?r(\#*)".*?"\1 | [bc]?"(?:\\.|[^"\\])*"                # texts
      | b?'(?:\\[^\n']+|[^\\\n]|\\')'                              # characters
      | (?P<token> '?\w+ | :: | [^\s\w] )""",
    re.VERBOSE | re.DOTALL,
)
FOR_TESTS = re.compile(r"#!?\[cfg\((test|all\((.*,)?test(,.*)?\))\)\]")
OPEN, CLOSE = "([{", ")]}"


class Module(NamedTuple):
    """What a file says about others."""

    # The modules that it names.
    children: List[Names]
    # Paths from the crate's root; and those that begin with some name, which may be that of a child.
    paths: List[Names]
    # What `use` names here, by the name that it has from then on.
    used: Dict[str, Names]
    # Whether it does nothing but name modules and hand on.
    is_face: bool


def after_group(tokens: List[str], at: int) -> int:
    """The place behind the bracket that closes the one at this place."""
    depth = 0
    while at < len(tokens):
        depth += (tokens[at] in OPEN) - (tokens[at] in CLOSE)
        at += 1
        if depth == 0:
            break
    return at


def after_item(tokens: List[str], at: int) -> int:
    """The place behind the item, field or statement that begins here."""
    while tokens[at] == "#":
        at = after_group(tokens, at + 1)
    if tokens[at] == "pub":
        at = after_group(tokens, at + 1) if tokens[at + 1] == "(" else at + 1
    words = tokens[at : at + 2]
    until_semicolon = words[0] in ("use", "static", "let", "type") or (words[0] == "const" and words[1] != "fn")
    is_item = until_semicolon or words[0] in (
        "mod", "fn", "const", "impl", "struct", "enum", "trait", "unsafe", "extern", "macro_rules",
    )  # fmt: skip
    while at < len(tokens) and tokens[at] not in CLOSE:
        if tokens[at] == ";" or (tokens[at] == "," and not is_item):
            return at + 1
        if tokens[at] in OPEN:
            ends = tokens[at] == "{" and not until_semicolon
            at = after_group(tokens, at)
            if ends:
                return at
        else:
            at += 1
    return at


def use_tree(tokens: List[str], at: int, before: Names) -> Iterator[Tuple[Names, str]]:
    """The paths that a `use` names, each with the name that it gets."""
    path = before
    while tokens[at] not in (",", "}", ";"):
        if tokens[at] == "{":
            end = after_group(tokens, at) - 1
            at += 1
            while at < end:
                yield from use_tree(tokens, at, path)
                while at < end and tokens[at] != ",":
                    at = after_group(tokens, at)
                at += 1
            return
        if tokens[at] == "as":
            yield path, tokens[at + 1]
            return
        if tokens[at] != "::" and not (tokens[at] == "self" and path):
            path += (tokens[at],)
        at += 1
    yield path, path[-1]


def absolute(path: Names, scope: Names) -> Names:
    """A path from the crate's root."""
    if path[0] == "crate":
        return path[1:]
    while path[:1] in (("self",), ("super",)):
        scope = scope[:-1] if path[0] == "super" else scope
        path = path[1:]
    return scope + path


def read_module(text: str, scope: Names) -> Module:
    found = (match["token"] for match in TOKEN.finditer(text))
    tokens = [token for token in found if token]
    module = Module([], [], {}, True)
    is_face, depth, at = True, 0, 0
    # The modules around this place, and how deep each began.
    around = [(scope, -1)]
    while at < len(tokens):
        token, scope = tokens[at], around[-1][0]
        following = tokens[at + 1] if at + 1 < len(tokens) else ""
        before = tokens[at - 1] if at else ""
        if token == "#" and following in ("[", "!"):
            end = after_group(tokens, at + 1 + (following == "!"))
            is_for_tests = FOR_TESTS.fullmatch("".join(tokens[at:end]))
            at = after_item(tokens, end) if is_for_tests else end
        elif token == "mod" and tokens[at + 2] == ";":
            module.children.append((*scope, following))
            at += 3
        elif token == "mod" and tokens[at + 2] == "{":
            around.append(((*scope, following), depth))
            depth, at, is_face = depth + 1, at + 3, False
        elif token == "use" and following != "<":
            for path, name in use_tree(tokens, at + 1, ()):
                module.paths.append(absolute(path, scope))
                module.used[name] = absolute(path, scope)
            at = tokens.index(";", at) + 1
        elif token == "pub":
            at = after_group(tokens, at + 1) if following == "(" else at + 1
        elif following == "::" and before != "::" and re.match(r"[a-z_]", token):
            path, is_face = (token,), False
            while tokens[at + 1] == "::" and re.match(r"\w", tokens[at + 2]):
                path += (tokens[at + 2],)
                at += 2
            module.paths.append(absolute(path, scope))
            at += 1
        else:
            depth += (token in OPEN) - (token in CLOSE)
            if token == "}" and depth == around[-1][1]:
                around.pop()
            is_face, at = False, at + 1
    return module._replace(is_face=is_face)


def rust_graph(folder: str) -> Graph:
    """The imports of a module: a folder of this crate, or the whole of another crate."""
    base: Names = tuple(folder.split("/")[1:]) if folder.startswith("src/") else ()
    face = next(path for path in ((ROOT / folder) / name for name in ("mod.rs", "lib.rs", "main.rs")) if path.exists())
    modules = {base: read_module(face.read_text(encoding="utf-8"), base)}
    missing = list(modules[base].children)
    while missing:
        name = missing.pop()
        place = (ROOT / folder).joinpath(*name[len(base) :])
        place = place / "mod.rs" if (place / "mod.rs").exists() else place.with_suffix(".rs")
        modules[name] = read_module(place.read_text(encoding="utf-8"), name)
        missing += modules[name].children

    def unit(name: Names) -> str:
        top = name[: len(base) + 1]
        if top == base:
            return face.stem
        return top[-1] + "/" * any(module[:-1] == top for module in modules)

    def origin(path: Names) -> Tuple[str, str]:
        """The unit that a path leads to, and what it names there; nothing if it leads out of the module."""
        if path[: len(base)] != base or len(path) == len(base):
            return "", ""
        first = path[len(base)]
        if (*base, first) in modules:
            return unit((*base, first)), (*path[len(base) + 1 :], first)[0]
        handed_on = modules[base].used.get(first)
        if handed_on:
            return origin(handed_on)[0], first
        if first != "*" and not modules[base].is_face:
            return unit(base), first
        return sys.exit(f"imports.py: {folder}: what is {'::'.join(path)}? Name it by the file that it is in")

    graph: Graph = {unit(name): {} for name in modules if name != base or not modules[base].is_face}
    for name, module in modules.items():
        if unit(name) not in graph:
            continue
        for path in module.paths:
            # A path that begins with some name leads to a child, or out of the crate.
            inside = path[: len(name)] != name or path[: len(name) + 1] in modules
            imported, what = origin(path) if inside else ("", "")
            if imported:
                add(graph, unit(name), imported, what)
    return graph


# ---- Python ---------------------------------------------------------------------------------------------------------


def python_imports(tree: ast.Module, package: str, depth: int = 1) -> Iterator[Tuple[str, str, str]]:
    """What a module imports of a package: module or "", name, and how it is called from then on. The module is so many
    levels below the package's folder."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            whole = node.module or ""
            if node.level != depth and (node.level or whole.split(".")[0] != package):
                continue
            module = whole if node.level else whole[len(package) + 1 :]
            for alias in node.names:
                yield module, alias.name, alias.asname or alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith(package + "."):
                    yield alias.name[len(package) + 1 :], "", ""


def is_python_face(tree: ast.Module) -> bool:
    """Whether a module only imports, and says what it is."""

    def is_plain(node: ast.stmt) -> bool:
        targets = node.targets if isinstance(node, ast.Assign) else []
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        return isinstance(node, (ast.Import, ast.ImportFrom)) or is_text or names in (["__all__"], ["__version__"])

    return all(is_plain(node) for node in tree.body)


def parsed(paths: Iterable[pathlib.Path]) -> Dict[str, ast.Module]:
    return {
        path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(paths) if path.stem not in GENERATED
    }


def python_graph(folder: str) -> Graph:
    place = ROOT / folder
    trees = parsed(place.glob("*.py"))
    parts = {path.parent.name: parsed(path.parent.glob("*.py")) for path in place.glob("*/__init__.py")}
    face = trees["__init__"]
    handed_on = {called: module or name for module, name, called in python_imports(face, place.name)}
    graph: Graph = {name: {} for name, tree in trees.items() if name != "__init__" or not is_python_face(tree)}
    importers = [(name, trees[name], 1) for name in graph]
    graph.update({f"{name}/": {} for name in parts})
    importers += [(f"{name}/", tree, 2) for name, inside in parts.items() for tree in inside.values()]
    for importer, tree, depth in importers:
        for module, name, _ in python_imports(tree, place.name, depth):
            imported = module or (name if name in trees or name in parts else handed_on.get(name, "__init__"))
            top = imported.split(".")[0]
            imported = f"{top}/" if top in parts else imported
            if imported in graph:
                add(graph, importer, imported, name or module)
            elif imported not in GENERATED:
                sys.exit(f"imports.py: {folder}/{importer}: what is {module}.{name}?")
    return graph


# ---- circles and levels ---------------------------------------------------------------------------------------------


def reached(graph: Graph) -> Dict[str, Set[str]]:
    """For each unit, all that it imports, directly or through others."""
    result = {}
    for unit in graph:
        found: Set[str] = set()
        ahead = list(graph[unit])
        while ahead:
            imported = ahead.pop()
            if imported not in found:
                found.add(imported)
                ahead += graph[imported]
        result[unit] = found
    return result


def circles(graph: Graph) -> List[List[str]]:
    """Groups of units that reach each other."""
    reach = reached(graph)
    groups = {tuple(sorted(b for b in reach[a] if a in reach[b])) for a in graph if a in reach[a]}
    return [list(group) for group in sorted(groups)]


def levels(graph: Graph) -> List[List[str]]:
    """The units by level; those of a circle are on the same level."""
    reach = reached(graph)

    def below(unit: str) -> Set[str]:
        return {imported for imported in reach[unit] if unit not in reach[imported]}

    result: List[List[str]] = []
    left = set(graph)
    while left:
        result.append(sorted(unit for unit in left if not below(unit) & left))
        left -= set(result[-1])
    return result


def drawn(graph: Graph, unit: str) -> List[str]:
    """What a unit imports, without imports that follow from others."""
    reach = reached(graph)
    return sorted(imported for imported in graph[unit] if not any(imported in reach[other] for other in graph[unit]))


# ---- output ---------------------------------------------------------------------------------------------------------


def picture(graph: Graph) -> str:
    """The levels as a table, and the imports as a graph."""

    def shown(unit: str) -> str:
        # Not the bare name: `call` is a keyword of mermaid.
        return unit if unit.endswith("/") else f"{unit}.rs"

    table, lines = ["| level | files |", "| --- | --- |"], ["```mermaid", "graph TD"]
    for number, level in reversed(list(enumerate(levels(graph)))):
        table.append(f"| {number} | {', '.join(f'`{shown(unit)}`' for unit in level)} |")
        for unit in level:
            imported = " & ".join(shown(other) for other in drawn(graph, unit))
            lines += [f"    {shown(unit)} --> {imported}"] if imported else []
    return "\n".join([*table, "", *lines, "```"])


def with_picture(document: str, graph: Graph) -> str:
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        sys.exit(f"imports.py: {DOCUMENT.name} lacks the two lines around the graph: {BEGIN} {END}")
    return f"{head}{begin}\n\n{picture(graph)}\n\n{end}{tail}"


def show(name: str, graph: Graph) -> None:
    print(name)
    for number, level in reversed(list(enumerate(levels(graph)))):
        print(f"{number:4}  {' '.join(level)}")
    print()


def tell_circles(name: str, graph: Graph) -> bool:
    found = circles(graph)
    for circle in found:
        print(f"imports.py: {name}: imports run in a circle: {', '.join(circle)}", file=sys.stderr)
        for unit in circle:
            for imported in sorted(set(graph[unit]) & set(circle)):
                print(f"    {unit} imports {imported}: {', '.join(sorted(graph[unit][imported]))}", file=sys.stderr)
    return bool(found)


def main() -> None:
    if sys.argv[1:] not in ([], ["--write"], ["--check"]):
        sys.exit(__doc__)
    graphs = {name: rust_graph(name) for name in RUST} | {name: python_graph(name) for name in PYTHON}
    if not sys.argv[1:]:
        for name, graph in graphs.items():
            show(name, graph)
        return
    document = DOCUMENT.read_text(encoding="utf-8")
    text = with_picture(document, graphs[DRAWN])
    if sys.argv[1] == "--write":
        DOCUMENT.write_text(text, encoding="utf-8")
        return
    told = [tell_circles(name, graph) for name, graph in graphs.items()]
    if text != document:
        sys.exit(
            f"imports.py: the graph in {DOCUMENT.name} is out of date: run scripts/imports.py --write, and commit the result"
        )
    sys.exit(any(told))


if __name__ == "__main__":
    main()
