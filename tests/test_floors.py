"""The floors of the package: who may import whom, read from the source of every module."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tensorjac"

# Lowest floor first. A module may import what stands on a lower floor, or before it on its own. A subpackage
# (check, compare, layers) is one entry; its files may import each other.
FLOORS = (
    ("errors", "dims"),
    ("terms",),
    ("notation",),
    ("interop", "primitives", "rewrites"),
    ("normal", "calculus", "trace"),
    ("arrays", "plan", "emit", "einsum", "matrix", "latex", "structure"),
    ("recalling", "calls", "sparing", "composition", "remaking", "structured", "linear_map", "explain", "written"),
    ("function", "reading"),
    ("transforms", "uncertainty", "check", "testing", "compare", "layers"),
    ("cli",),
    ("__init__", "__main__"),
)
RANK = {name: rank for rank, name in enumerate(name for floor in FLOORS for name in floor)}

# Imported by interop.py only, inside functions.
OPTIONAL = {
    "array_api_compat",
    "cotengra",
    "cupy",
    "cupyx",
    "dask",
    "distributed",
    "hypothesis",
    "jax",
    "matplotlib",
    "scipy",
    "torch",
}
ONLY_IN = {"opt_einsum": "plan.paths"}
WITHOUT_NUMPY = {"terms"}


def modules() -> list[str]:
    """Every module as a dotted name below the package: 'terms', 'check.oracle', '__init__'."""
    paths = (path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return sorted(".".join(path.parts) for path in paths)


def entry(module: str) -> str:
    """The name that stands in the table: 'check' for 'check.oracle'."""
    return module.split(".")[0]


Import = ast.Import | ast.ImportFrom


def imports(node: ast.AST, hidden: bool = False, typing: bool = False) -> Iterator[tuple[Import, bool, bool]]:
    """All imports below node: (statement, is it inside a function, is it for type checkers only)."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Import):
            yield child, hidden, typing
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(child, True, typing)
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from imports(child, hidden, True)
        else:
            yield from imports(child, hidden, typing)


def targets(statement: Import, module: str) -> list[str]:
    """What a statement imports, as absolute dotted names, one per imported name."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    base = statement.module or ""
    if statement.level:
        package = ["tensorjac", *module.split(".")][: -statement.level]
        base = ".".join([*package, base] if base else package)
    return [f"{base}.{alias.name}" for alias in statement.names]


def fault(target: str, module: str, hidden: bool, typing: bool) -> str | None:
    """Why `module` may not import `target`, or None if it may."""
    library, *rest = target.split(".")
    own = entry(module)
    if library == "tensorjac":
        other = rest[0] if rest and rest[0] in RANK else "__init__"
        if other == "__init__":
            return "public names are for users: import from the defining module"
        if hidden:
            return "an import stands at the top of its file"
        if other != own and RANK[other] > RANK[own]:
            return f"{other} stands above {own}"
    elif library in OPTIONAL:
        if own != "interop":
            return f"{library} is optional: ask interop for it"
        if not hidden and not typing:
            return f"{library} is optional: import it inside the function that needs it"
    elif hidden:
        return "an import stands at the top of its file"
    elif library in ONLY_IN and ONLY_IN[library] != module:
        return f"{library} is imported in {ONLY_IN[library]} only"
    elif library == "numpy" and own in WITHOUT_NUMPY:
        return f"{own} does without NumPy"
    elif library not in {"numpy", *ONLY_IN, *sys.stdlib_module_names}:
        return f"{library} is not a dependency"
    return None


def violations(source: str, module: str) -> list[str]:
    """Every import in the source that breaks a rule: 'line 3: tensorjac.cli: cli stands above terms'."""
    return [
        f"line {statement.lineno}: {target}: {why}"
        for statement, hidden, typing in imports(ast.parse(source))
        for target in targets(statement, module)
        if (why := fault(target, module, hidden, typing))
    ]


@pytest.mark.parametrize("module", modules())
def test_imports_go_down(module: str) -> None:
    assert entry(module) in RANK, f"{entry(module)} is new: add it to FLOORS in this file"
    source = PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
    assert violations(source, module) == []


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("terms", "from tensorjac.cli import main", "line 1: tensorjac.cli.main: cli stands above terms"),
        ("terms", "from .cli import main", "line 1: tensorjac.cli.main: cli stands above terms"),
        ("terms", "from . import cli", "line 1: tensorjac.cli: cli stands above terms"),
        ("terms", "import tensorjac.cli", "line 1: tensorjac.cli: cli stands above terms"),
        ("errors", "\nfrom .dims import Size", "line 2: tensorjac.dims.Size: dims stands above errors"),
        (
            "check.oracle",
            "from ..compare.table import Table",
            "line 1: tensorjac.compare.table.Table: compare stands above check",
        ),
        (
            "terms",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .trace import Tracer",
            "line 3: tensorjac.trace.Tracer: trace stands above terms",
        ),
        (
            "cli",
            "from tensorjac import trace, Function",
            "line 1: tensorjac.Function: public names are for users: import from the defining module",
        ),
        (
            "emit",
            "def f():\n    from .terms import Term",
            "line 2: tensorjac.terms.Term: an import stands at the top of its file",
        ),
        (
            "emit",
            "class C:\n    def f(self):\n        import ast",
            "line 3: ast: an import stands at the top of its file",
        ),
        ("emit", "import opt_einsum", "line 1: opt_einsum: opt_einsum is imported in plan.paths only"),
        ("plan.sums", "import opt_einsum", "line 1: opt_einsum: opt_einsum is imported in plan.paths only"),
        ("terms", "import numpy as np", "line 1: numpy: terms does without NumPy"),
        (
            "function",
            "def f():\n    import scipy.sparse",
            "line 2: scipy.sparse: scipy is optional: ask interop for it",
        ),
        (
            "interop",
            "try:\n    import scipy\nexcept ImportError:\n    pass",
            "line 2: scipy: scipy is optional: import it inside the function that needs it",
        ),
        ("plan", "import networkx", "line 1: networkx: networkx is not a dependency"),
    ],
)
def test_a_violation_is_caught(module: str, source: str, expected: str) -> None:
    assert violations(source, module) == [expected]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dims", "from .errors import ShapeError"),
        ("trace", "from tensorjac import calculus, terms"),
        ("plan.paths", "import numpy as np\nimport opt_einsum"),
        ("check.steps", "from . import oracle\nfrom .oracle import exact\nfrom ..function import Function"),
        ("check.__init__", "from .oracle import exact\nfrom tensorjac.check.steps import check_steps"),
        ("interop", "def f():\n    import scipy.sparse"),
        ("interop", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import scipy"),
        ("__init__", "from .cli import main\nfrom .function import Function"),
    ],
)
def test_what_is_allowed(module: str, source: str) -> None:
    assert violations(source, module) == []


def test_import_needs_numpy_and_opt_einsum_only() -> None:
    script = "import sys, tensorjac as tj; [getattr(tj, name) for name in tj.__all__]; print(*sys.modules)"
    command = [sys.executable, "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "tensorjac" in loaded
    assert OPTIONAL.intersection(loaded) == set()
