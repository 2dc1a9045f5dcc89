"""The error family, and where its carets stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorjac import errors
from tensorjac.errors import caret

FAMILY = {
    "NotationError": ValueError,
    "ShapeError": ValueError,
    "TraceError": TypeError,
    "UnsupportedError": NotImplementedError,
    "DerivationError": AssertionError,
}


@pytest.mark.parametrize("name", FAMILY)
def test_each_error_belongs_to_the_family_and_to_python(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, errors.TensorjacError)
    assert issubclass(error, FAMILY[name])
    assert str(error("why")) == "why"


def test_the_family_is_complete() -> None:
    raised = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert raised == {"TensorjacError", *FAMILY}


@pytest.mark.parametrize(
    ("text", "span", "drawn"),
    [
        ("Y = X @@ A", (6, 8), "  Y = X @@ A\n        ^^"),
        ("b m!", (3, None), "  b m!\n     ^"),
        ("b m", (0, 3), "  b m\n  ^^^"),
        ("Y = X @", (7, None), "  Y = X @\n         ^"),
        ("Y = X @", (7, 7), "  Y = X @\n         ^"),
        ("", (0, None), "  \n  ^"),
        ("one\ntwo three\nfour", (8, 13), "  two three\n      ^^^^^"),
        ("one\ntwo three\nfour", (8, 17), "  two three\n      ^^^^^"),
        ("one\r\ntwo", (1, 2), "  one\n   ^"),
        ("a\tb", (2, None), "  a b\n    ^"),
        ("∂Y[ij]/∂A[kl] = δ[jl]", (16, 21), "  ∂Y[ij]/∂A[kl] = δ[jl]\n                  ^^^^^"),
        ("x\u0302 + y", (5, 6), "  x\u0302 + y\n      ^"),
        ("x\u0302 + y", (0, 2), "  x\u0302 + y\n  ^"),
        ("幅 + y", (4, 5), "  幅 + y\n       ^"),
    ],
)
def test_caret(text: str, span: tuple[int, int | None], drawn: str) -> None:
    assert caret(text, *span) == drawn


@given(st.text("abc +\n", max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_carets_stand_under_the_span(text: str, start: int, length: int) -> None:
    start = min(start, len(text))
    line, marks = caret(text, start, start + length).split("\n")
    first = text.rfind("\n", 0, start) + 1
    whole = text[first:].split("\n")[0]
    assert line == ("  " + whole).rstrip() or line == "  "
    assert len(marks) - len(marks.lstrip()) == 2 + start - first
    assert set(marks.strip()) == {"^"}
    assert len(marks.strip()) == max(1, min(length, len(whole) - (start - first)))
