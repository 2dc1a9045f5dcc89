"""The public names: complete, loaded when asked for, and not hidden by parts of the package of the same name."""

import ast
import importlib
import inspect
import subprocess
import sys

import pytest

import tensorjac as tj


def test_every_public_name_has_one_home():
    assert sorted(name for names in tj._HOMES.values() for name in names) == sorted(tj.__all__)


def test_type_checkers_see_the_same_names():
    tree = ast.parse(inspect.getsource(tj))
    (block,) = [part for part in tree.body if isinstance(part, ast.If)]
    seen = [alias.name for statement in block.body for alias in statement.names]
    assert sorted(seen) == sorted(tj.__all__)


@pytest.mark.parametrize("name", tj.__all__)
def test_a_public_name_is_what_its_home_defines(name):
    assert getattr(tj, name) is getattr(importlib.import_module(f"tensorjac.{tj._HOME[name]}"), name)
    assert name in dir(tj)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match=r"^module 'tensorjac' has no attribute 'derive'$"):
        tj.derive  # noqa: B018


def test_nothing_is_loaded_before_it_is_asked_for():
    """And a part of the package that is loaded first does not take the place of the public name."""
    script = (
        "import sys, tensorjac as tj; assert 'tensorjac.function' not in sys.modules\n"
        "import tensorjac.trace.record; assert callable(tj.trace)\n"
        "tj.parse('Y = X @ A', X='b m', A='m n'); assert 'tensorjac.check' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
