"""Sizes agree with the numbers they stand for, and the prover never claims what is false."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from threading import Thread

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from refused import refused
from tensorjac.dims import (
    Dim,
    FloorDiv,
    Positive,
    Requirement,
    bind_sizes,
    divide,
    equal,
    nonnegative,
    parse_shape,
    positive,
)
from tensorjac.errors import NotationError, ShapeError

NAMES = "abn"
b, d, h, k, m, n = map(Dim.of, "bdhkmn")

Pair = tuple[Dim, str]


def at_least(size: Dim, reason: str = "") -> Requirement:
    return Requirement(size, ">=", reason)


def zero(size: Dim, reason: str = "") -> Requirement:
    return Requirement(size, "==", reason)


def _quotient(x: Pair, by: Pair) -> Pair:
    return x[0] // (positive(by[0]) + 1), f"({x[1]}//(max({by[1]}, 0) + 1))"


def _grown(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    """A size made of others, and the same as Python text that nothing has simplified."""
    ks = st.sampled_from([-3, -2, 2, 3, 4, 6])
    return st.one_of(
        st.builds(lambda x, y: (x[0] + y[0], f"({x[1]} + {y[1]})"), inner, inner),
        st.builds(lambda x, y: (x[0] - y[0], f"({x[1]} - {y[1]})"), inner, inner),
        st.builds(lambda x, y: (x[0] * y[0], f"({x[1]}*{y[1]})"), inner, inner),
        st.builds(lambda x, c: (x[0] // c, f"({x[1]}//({c}))"), inner, ks),
        st.builds(_quotient, inner, inner),
        st.builds(lambda x: (positive(x[0]), f"max({x[1]}, 0)"), inner),
    )


_literals = st.integers(-4, 6).map(lambda c: (Dim.of(c), f"({c})"))
_names = st.sampled_from(NAMES).map(lambda c: (Dim.of(c), c))
pairs = st.recursive(st.one_of(_literals, _names), _grown, max_leaves=5)
dims = pairs.map(lambda pair: pair[0])
envs = st.fixed_dictionaries({name: st.integers(1, 30) for name in NAMES})
many_envs = st.lists(envs, min_size=8, max_size=8)


# Arithmetic


@given(pairs, envs)
def test_arithmetic_agrees_with_python(pair: Pair, env: dict[str, int]) -> None:
    size, text = pair
    assert size.evaluate(env) == eval(text, {}, env)


@given(dims, envs)
def test_the_text_is_python_of_the_same_number(size: Dim, env: dict[str, int]) -> None:
    assert eval(str(size), {}, env) == size.evaluate(env)


@given(dims)
def test_the_text_reads_back_as_the_same_object(size: Dim) -> None:
    assume(size.value is None or size.value >= 0)
    assert parse_shape((str(size),), "X") == (size,)
    assert parse_shape(str(size).replace(" ", ""), "X") == (size,)


@given(dims, dims, dims)
def test_equal_polynomials_are_one_object(x: Dim, y: Dim, z: Dim) -> None:
    assert x + y is y + x
    assert x * (y + z) is z * x + y * x
    assert x - y is -(y - x)
    assert (x + y) ** 2 is x**2 + 2 * x * y + y * y
    assert x - x is Dim.of(0)
    assert x**0 is Dim.of(1)


@given(dims, dims)
def test_the_exact_quotient_multiplies_back(x: Dim, y: Dim) -> None:
    assume(y.terms)
    assert divide(x * y, y) is x
    assert divide(x, 0) is None
    assert x * y // y is x
    quotient = divide(x, y)
    assert quotient is None or quotient * y is x


@given(dims, dims, envs)
def test_substituting_is_evaluating_in_steps(x: Dim, y: Dim, env: dict[str, int]) -> None:
    inner = positive(y) + 1
    assert x.substitute({"n": inner}).evaluate(env) == x.evaluate({**env, "n": inner.evaluate(env)})


@given(dims)
def test_a_size_survives_pickling_and_copying(size: Dim) -> None:
    assert pickle.loads(pickle.dumps(size)) is size
    assert copy.deepcopy(size) is size
    assert copy.copy(size) is size


@given(st.lists(dims, min_size=2, max_size=8))
def test_keys_order_all_sizes(sizes: list[Dim]) -> None:
    assert len({size.key for size in sizes}) == len(set(sizes))
    by_key = sorted(sizes, key=lambda size: size.key)
    sizes.reverse()
    assert by_key == sorted(sizes, key=lambda size: size.key)


@given(dims)
def test_monomials_add_up_to_the_size(size: Dim) -> None:
    total = Dim.of(0)
    for coefficient, monomial in size.monomials:
        assert type(coefficient) is Fraction
        term = Dim.of(coefficient)
        for atom, power in monomial:
            term = term * (Dim.of(atom) if isinstance(atom, str) else atom.dim) ** power
        total = total + term
    assert total is size


def test_keys_and_monomials_do_not_depend_on_what_was_made_before() -> None:
    code = "from tensorjac.dims import *; {}; x = {}; print(x.key, x.monomials)"
    sizes = "(Dim.of('n') + 1) * Dim.of('b') + positive(Dim.of('n') - Dim.of('b')) + (Dim.of('b') - 1) // 2"
    before = "positive(Dim.of('b') - Dim.of('n')), Dim.of('z'), Dim.of('b') * Dim.of('n')"
    said = {
        subprocess.run(
            [sys.executable, "-c", code.format(first, sizes)], capture_output=True, text=True, check=True
        ).stdout
        for first in ("pass", before, sizes)
    }
    assert len(said) == 1


def test_threads_make_one_object() -> None:
    found: list[Dim] = []

    def make() -> None:
        found.extend(Dim.of("thread") * i + Dim.of("n") // 7 for i in range(200))

    threads = [Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(size) for size in found}) == 200


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (n, "n"),
        (n * b, "b*n"),
        (2 * n + 1, "2*n + 1"),
        (n - 3, "n - 3"),
        (3 - n, "3 - n"),
        (-n, "-n"),
        (n * n, "n**2"),
        (b - n * n, "b - n**2"),
        (Dim.of(-2), "-2"),
        (n - n, "0"),
        (n // 2, "n//2"),
        ((n + 1) // 2, "(n + 1)//2"),
        ((2 * n + 5) // 2, "n + 2"),
        (6 * n // 4, "n + n//2"),
        (2 * n // 6, "n//3"),
        ((n - 3) // 2 + 1, "(n - 1)//2"),
        ((n - k) // 2 + 1, "(n - k)//2 + 1"),
        ((n + 2 * b - k) // 3, "(2*b - k + n)//3"),
        (n // 2 // 3, "n//6"),
        ((n + 3) // -2 // -2, "(n - (n + 1)//2)//2 + 1"),
        ((n // 2 + 1) // 3, "(n + 2)//6"),
        (n // -2, "n//2 - n"),
        (b * (n // 2), "b*(n//2)"),
        ((n // 2) ** 2, "(n//2)**2"),
        (-(n // 2), "-(n//2)"),
        (3 * (n // 2), "3*(n//2)"),
        (1 - n // 2, "1 - n//2"),
        (b * n // 2, "(b*n)//2"),
        (b * n // m, "(b*n)//m"),
        (b * n // (b * m), "n//m"),
        (n // (2 * m), "n//(2*m)"),
        ((b * n + b) // b, "n + 1"),
        (n // (n + 1), "0"),
        (-1 // (n + 1), "-1"),
        (7 // n, "7//n"),
        (n * (n + 1) // 2, "(n**2 + n)//2"),
        (n * Fraction(1, 2), "n/2"),
        ((n + 1) * Fraction(1, 2), "(n + 1)/2"),
        (positive(n - 3), "max(n - 3, 0)"),
        (positive(b * n - 3 * b), "b*max(n - 3, 0)"),
        (positive(3 - n), "max(n - 3, 0) - n + 3"),
        (positive(n), "n"),
        (positive(-n), "0"),
        (positive(n - k, (at_least(n - k),)), "n - k"),
        (positive(k - n, (at_least(n - k),)), "0"),
        (positive(b * (n // 12) - b * (n // 6)), "0"),
        (positive(n * (n - 3) // 2), "max((n**2 - 3*n)//2, 0)"),
    ],
)
def test_canonical_text(size: Dim, text: str) -> None:
    assert (str(size), repr(size), size.key) == (text, text, text)


def test_a_divisor_may_be_negative() -> None:
    # Dividing -3 and 4*(b - n) by 4 would round on the wrong side.
    assert (-3 // (4 * (b - n))).evaluate({"b": 1, "n": 2}) == 0
    assert (-3 // (4 * (b - n))).evaluate({"b": 2, "n": 1}) == -1
    assert ((4 * n + 4) // (4 * (b - n))).key == "(n + 1)//(b - n)"


def test_attributes() -> None:
    assert (Dim.of(3).value, Dim.of(3).name, n.value, n.name, (2 * n).name) == (3, None, None, "n", None)
    assert Dim.of(n) is n
    assert (b * (n // m) + positive(k - h)).names == {"b", "n", "m", "k", "h"}
    assert n.whole and (n * (n + 1) // 2).whole and not (n * Fraction(1, 2)).whole
    ((one, ((quotient, power),)),) = (n // 2).monomials
    assert isinstance(quotient, FloorDiv) and one == power == 1
    assert (quotient.dividend, quotient.divisor, quotient.dim, repr(quotient)) == (
        n,
        Dim.of(2),
        n // 2,
        "n//2",
    )
    (((positive_part, _),),) = [monomial for _, monomial in positive(n - 3).monomials]
    assert isinstance(positive_part, Positive)
    assert (positive_part.inner, positive_part.dim, repr(positive_part)) == (
        n - 3,
        positive(n - 3),
        "max(n - 3, 0)",
    )


def test_polynomials_of_many_atoms_are_whole_only_where_that_is_cheap_to_see() -> None:
    size = Dim.of(1)
    for letter in "abcdefghi":
        size = size * Dim.of(letter)
    assert not (size * Fraction(1, 2)).whole


def test_a_size_can_be_no_operand_of_a_float_or_a_text() -> None:
    for other in (2.5, "n"):
        with pytest.raises(TypeError):
            n * other  # type: ignore[operator]


def test_substituting_reaches_into_atoms() -> None:
    size = b * positive(n - 3) + n // 2
    assert size.substitute({"n": 2 * m + 3}) is 2 * b * m + m + 1
    assert size.substitute({"m": n}) is size
    assert size.substitute({"b": Dim.of(0), "n": k}) is k // 2


def test_atoms_are_copied_as_what_they_are() -> None:
    size = positive(n - 3) * (n // 2)
    assert pickle.loads(pickle.dumps(size)) is size


def test_names_are_read_as_python_reads_them() -> None:
    assert Dim.of("ﬁ") is Dim.of("fi")


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: n // 0,
            "a size cannot be divided by 0:\n  n//0\n     ^\ndivide by a size of at least 1.",
        ),
        (
            lambda: (n + 1) ** -2,
            "the power of a size is a whole number of at least 0, and this one is -2:\n"
            "  (n + 1)**-2\n           ^^\nuse //, or a power of at least 0.",
        ),
        (
            lambda: (n * Fraction(1, 2)).evaluate({"n": 3}),
            "a size is a whole number, and this one is 3/2:\n  n/2\n  ^^^\nn is 3; give sizes at which it is whole.",
        ),
        (
            lambda: (n + b * n).evaluate({"b": 3}),
            "a size needs a number for each of its names, and n has none:\n  b*n + n\n    ^\nb is 3; give n a number.",
        ),
        (
            lambda: n.evaluate({}),
            "a size needs a number for each of its names, and n has none:\n  n\n  ^\ngive n a number.",
        ),
        (
            lambda: (n // (b - 2)).evaluate({"n": 7, "b": 2}),
            "a size cannot be divided by 0, and b - 2 is 0:\n"
            "  n//(b - 2)\n     ^^^^^^^\nb is 2; give sizes at which it is not 0.",
        ),
    ],
)
def test_messages_of_arithmetic(act: Callable[[], object], message: str) -> None:
    with pytest.raises(ShapeError) as error:
        act()
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "a b",
            "the name of a size is a Python identifier, and 'a b' is none:\n  a b\n  ^^^\nuse a name such as n.",
        ),
        (
            "",
            "the name of a size is a Python identifier, and '' is none:\n  \n  ^\nuse a name such as n.",
        ),
        (
            "in",
            "no size is named in, which Python reads in its own way:\n  in\n  ^^\nuse a name such as in_.",
        ),
    ],
)
def test_messages_of_names(name: str, message: str) -> None:
    with pytest.raises(NotationError) as error:
        Dim.of(name)
    assert str(error.value) == message


# The prover


@given(dims, many_envs)
def test_what_is_proved_without_requirements_is_true(size: Dim, sizes: list[dict[str, int]]) -> None:
    if nonnegative(size):
        assert all(size.evaluate(env) >= 0 for env in sizes)


@given(dims, st.lists(st.tuples(dims, st.sampled_from([">=", "=="])), max_size=2), many_envs)
def test_what_is_proved_from_requirements_is_true(
    size: Dim, facts: list[tuple[Dim, str]], sizes: list[dict[str, int]]
) -> None:
    requirements = tuple(zero(r) if relation == "==" else at_least(r) for r, relation in facts)
    proved = nonnegative(size, requirements)
    for env in sizes:
        numbers = [r.dim.evaluate(env) for r in requirements]
        if all(x == 0 if r.relation == "==" else x >= 0 for r, x in zip(requirements, numbers, strict=True)):
            assert not proved or size.evaluate(env) >= 0


@given(dims, st.sampled_from(NAMES), dims, many_envs)
def test_what_is_proved_from_a_known_size_is_true(
    size: Dim, name: str, known: Dim, sizes: list[dict[str, int]]
) -> None:
    requirements = (zero(Dim.of(name) - known),)
    proved = nonnegative(size, requirements)
    for env in sizes:
        number = known.evaluate(env)
        if number >= 1 and known.evaluate({**env, name: number}) == number:
            assert not proved or size.evaluate({**env, name: number}) >= 0


@given(dims, dims, many_envs)
def test_what_is_proved_equal_is_equal(x: Dim, y: Dim, sizes: list[dict[str, int]]) -> None:
    if equal(x, y):
        assert all(x.evaluate(env) == y.evaluate(env) for env in sizes)


EIGHT = zero(8 * (d // 8) - d)
FITS = at_least(n - k)


@pytest.mark.parametrize(
    ("size", "requirements"),
    [
        (Dim.of(0), ()),
        (n, ()),
        (n - 1, ()),
        (n * n - n, ()),
        (n * m - n - m + 1, ()),
        (n // 2, ()),
        (n - 2 * (n // 2), ()),
        (2 * (n // 2) + 1 - n, ()),
        (n - m * (n // m), ()),
        (m - 1 - n + m * (n // m), ()),
        (n - n // 2 - (n + 1) // 2, ()),
        ((n + 1) // 2 + n // 2 - n, ()),
        (positive(n - 3), ()),
        (n - positive(n - 3), ()),
        (positive(n - 3) - n + 3, ()),
        (positive(n - m) - positive(m - n) + m - n, ()),
        (n - 3, (at_least(n - 5),)),
        (2 * n - 7, (at_least(2 * n - 7),)),
        (n - 4, (at_least(2 * n - 7),)),
        ((n - 3) // 2, (at_least(n - 3),)),
        (b * n - 3 * b, (at_least(n - 3),)),
        ((n - 3) * (m - 2), (at_least(n - 3), at_least(m - 2))),
        (n - k, (FITS,)),
        (b * (n - k), (FITS,)),
        (n - 1 - 2 * ((n - k) // 2) - (k - 1), (FITS,)),
        (positive(n - k) - n + k, (FITS,)),
        (n - positive(n - k) - k, (FITS,)),
        (n - m, (FITS, at_least(k - m))),
        (n - 3 - positive(n - 3), (at_least(n - 5),)),
        (n - positive(n - k) + positive(m - h) - k, (FITS, at_least(h - m))),
        (n - b * positive(m - h) - 1, (at_least(h - m),)),
        (n + n // m - positive(h - k), (at_least(n - h),)),
        (d * h - 8 * (d // 8) * h, (EIGHT,)),
        (b * n * n - b * m * m, (zero(n - m),)),
        ((n * h) // 2 - m * h, (zero(n - 2 * m),)),
        (n // (m - 2), (at_least(m - 3),)),
    ],
)
def test_what_should_be_proved_is(size: Dim, requirements: tuple[Requirement, ...]) -> None:
    assert nonnegative(size, requirements)


@pytest.mark.parametrize(
    ("size", "requirements"),
    [
        (Dim.of(-1), ()),
        (n - 2, ()),
        (n - m, ()),
        (1 - n, ()),
        ((n - 3) // 2, ()),
        (n // 2 - 1, ()),
        (n // (m - 2), ()),
        (n - k - 1, (FITS,)),
        (n - 2, (zero(n // (m - 1)), zero(m - 1))),
    ],
)
def test_what_is_not_so_is_not_proved(size: Dim, requirements: tuple[Requirement, ...]) -> None:
    assert not nonnegative(size, requirements)


def test_a_hard_question_is_given_up_soon() -> None:
    facts = tuple(at_least(Dim.of(x) * 3 - Dim.of(y) // 2 - m) for x in "abcdef" for y in "uvwxyz")
    assert not nonnegative(n // 5 + b // 7 - m // 3 - h, facts)


@pytest.mark.parametrize(
    ("x", "y", "requirements"),
    [
        (n + 1, 1 + n, ()),
        (n - n // 2, (n + 1) // 2, ()),
        (8 * (d // 8), d, (EIGHT,)),
        ((d // 8) * b * 8, d * b, (EIGHT,)),
        (d // 2, m, (zero(d - 2 * m),)),
        (b * n, b * m, (zero(n - m),)),
    ],
)
def test_equal(x: Dim, y: Dim, requirements: tuple[Requirement, ...]) -> None:
    assert equal(x, y, requirements)
    assert equal(x, y) is (not requirements)


# Shapes


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ("b m", (b, m)),
        (" b,m ", (b, m)),
        ("b , m,", (b, m)),
        ("batch d", (Dim.of("batch"), d)),
        ("", ()),
        ("3 m", (Dim.of(3), m)),
        ("0", (Dim.of(0),)),
        ("b*n n**2 -1+n", (b * n, n * n, n - 1)),
        ("(n + 1)//2, max(n - 3, 0) max(n,m)", ((n + 1) // 2, positive(n - 3), m + positive(n - m))),
        ("--n", (n,)),
        (3, (Dim.of(3),)),
        (n + 1, (n + 1,)),
        ((), ()),
        ([2, "m", n], (Dim.of(2), m, n)),
        (("b", " n - 2 "), (b, n - 2)),
    ],
)
def test_parse_shape(shape: object, sizes: tuple[Dim, ...]) -> None:
    assert parse_shape(shape, "X") == sizes  # type: ignore[arg-type]


TEXTS = [(text, message) for kind, text, message in refused("faults.txt") if kind == "shape"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        *TEXTS,
        (
            ("b", "m!"),
            "a size is a name, a whole number, or a sum or product of these; 'm!' in the shape of X is not:\n"
            "  m!\n   ^\nwrite a shape as names and numbers, such as 'b m' or '3 m'.",
        ),
        (
            (-1, "m"),
            "a size is at least 0, and entry 0 of the shape of X is -1:\n  (-1, 'm')\n   ^^\n"
            "write a size of at least 0, or a name for a size that is known only later.",
        ),
        (
            ("b", "m", -2),
            "a size is at least 0, and entry 2 of the shape of X is -2:\n  ('b', 'm', -2)\n             ^^\n"
            "write a size of at least 0, or a name for a size that is known only later.",
        ),
        (
            ("b", 2.5),
            "a size is a name or a whole number, and entry 1 of the shape of X is 2.5:\n"
            "  ('b', 2.5)\n        ^^^\nwrite a shape as names and numbers, such as 'b m' or (3, 'm').",
        ),
        (
            (True, 2),
            "a size is a name or a whole number, and entry 0 of the shape of X is True:\n"
            "  (True, 2)\n   ^^^^\nwrite a shape as names and numbers, such as 'b m' or (3, 'm').",
        ),
        (
            None,
            "a size is a name or a whole number, and entry 0 of the shape of X is None:\n"
            "  (None,)\n   ^^^^\nwrite a shape as names and numbers, such as 'b m' or (3, 'm').",
        ),
        (
            ("b", " "),
            "a size is a name or a whole number, and entry 1 of the shape of X is ' ':\n"
            "  ('b', ' ')\n        ^^^\nwrite a shape as names and numbers, such as 'b m' or (3, 'm').",
        ),
    ],
)
def test_messages_of_shapes(shape: object, message: str) -> None:
    with pytest.raises(NotationError) as error:
        parse_shape(shape, "X")  # type: ignore[arg-type]
    assert str(error.value) == message


@given(st.text("bn m,*/+-()2!^. max", max_size=15))
def test_any_text_is_a_shape_or_a_notation_error(text: str) -> None:
    try:
        sizes = parse_shape(text, "X")
    except NotationError as error:
        assert "^" in str(error)
    else:
        assert parse_shape(tuple(str(size) for size in sizes), "X") == sizes


# Binding


def bind(
    shapes: dict[str, str], *actual: tuple[int, ...], requirements: tuple[Requirement, ...] = ()
) -> dict[str, int]:
    read = {name: parse_shape(shape, name) for name, shape in shapes.items()}
    return bind_sizes(read, dict(zip(shapes, actual, strict=True)), requirements)


def test_bind_sizes() -> None:
    assert bind({"X": "b m", "A": "m n"}, (2, 3), (3, 5)) == {"b": 2, "m": 3, "n": 5}
    assert bind({"X": "", "A": "3 m m"}, (), (3, 5, 5)) == {"m": 5}
    assert bind({"X": "b*n (n+1)//2", "A": "b n"}, (6, 2), (2, 3)) == {"b": 2, "n": 3}
    assert bind({"X": "b*n 2*b+1"}, (6, 5)) == {"b": 2, "n": 3}
    assert bind({"X": "n"}, (7,), requirements=(at_least(n - 3), zero(7 - n))) == {"n": 7}
    assert bind({"X": "n"}, (0,)) == {"n": 0}
    assert bind({"X": "n (n**2+n)//2"}, (3, 6)) == {"n": 3}


@given(st.lists(dims, min_size=1, max_size=4), envs)
def test_sizes_are_found_again(shape: list[Dim], env: dict[str, int]) -> None:
    shapes = {"X": tuple(shape), "A": tuple(map(Dim.of, NAMES))}
    actual = {name: tuple(size.evaluate(env) for size in sizes) for name, sizes in shapes.items()}
    assert bind_sizes(shapes, actual) == env


@pytest.mark.parametrize(
    ("shapes", "actual", "requirements", "message"),
    [
        (
            {"X": "b m"},
            [(2, 3, 4)],
            (),
            "X has 3 axes, its shape 'b m' has 2:\n  X: b m\n     ^^^\n"
            "X.shape is (2, 3, 4); give an array with 2 axes.",
        ),
        (
            {"X": "n"},
            [()],
            (),
            "X has 0 axes, its shape 'n' has 1:\n  X: n\n     ^\nX.shape is (); give an array with 1 axis.",
        ),
        (
            {"X": ""},
            [(2,)],
            (),
            "X has 1 axis, its shape '' has 0:\n  X:\n     ^\nX.shape is (2,); give an array with 0 axes.",
        ),
        (
            {"X": "b m", "A": "m n"},
            [(2, 3), (4, 5)],
            (),
            "size m is 3 in X (axis 1 of 'b m') and 4 in A (axis 0 of 'm n'):\n"
            "  X: b m\n       ^\n  A: m n\n     ^\nX.shape is (2, 3), A.shape is (4, 5); "
            "give arrays whose sizes agree, or name the two sizes differently.",
        ),
        (
            {"X": "m m m"},
            [(2, 2, 3)],
            (),
            "size m is 2 in X (axis 0 of 'm m m') and 3 in X (axis 2 of 'm m m'):\n"
            "  X: m m m\n     ^\n  X: m m m\n         ^\nX.shape is (2, 2, 3); "
            "give arrays whose sizes agree, or name the two sizes differently.",
        ),
        (
            {"X": "2 3 m"},
            [(2, 5, 3)],
            (),
            "axis 1 of X has size 5, and its shape '2 3 m' says 3:\n  X: 2 3 m\n       ^\n"
            "X.shape is (2, 5, 3); give an array of that size, or a name there lets the size vary.",
        ),
        (
            {"X": "b n", "A": "b*n n+1"},
            [(2, 3), (6, 5)],
            (),
            "axis 1 of A has size 5, and its shape 'b*n n+1' says n + 1, which is 4:\n"
            "  A: b*n n+1\n         ^^^\nn is 3; A.shape is (6, 5); "
            "give an array of that size, or other sizes for its names.",
        ),
        (
            {"X": "b*n b"},
            [(7, 2)],
            (),
            "axis 0 of X has size 7, and no size n makes b*n that:\n  X: b*n b\n     ^^^\n"
            "b is 2; X.shape is (7, 2); give an array whose size is b*n.",
        ),
        (
            {"X": "n+4"},
            [(2,)],
            (),
            "axis 0 of X has size 2, and no size n makes n + 4 that:\n  X: n+4\n     ^^^\n"
            "X.shape is (2,); give an array whose size is n + 4.",
        ),
        (
            {"X": "3 b*n"},
            [(3, 7)],
            (),
            "each size is read from some axis, and b cannot be: it stands only in b*n (axis 1 of X).\n"
            "  X: 3 b*n\n       ^^^\nX.shape is (3, 7); give b an axis of its own.",
        ),
        (
            {"X": "n//2"},
            [(7,)],
            (),
            "each size is read from some axis, and n cannot be: it stands only in n//2 (axis 0 of X).\n"
            "  X: n//2\n     ^^^^\nX.shape is (7,); give n an axis of its own.",
        ),
        (
            {"X": "b b*n"},
            [(0, 0)],
            (),
            "each size is read from some axis, and n cannot be: it stands only in b*n (axis 1 of X).\n"
            "  X: b b*n\n       ^^^\nX.shape is (0, 0); give n an axis of its own.",
        ),
        (
            {"X": "b n"},
            [(3, 2)],
            (at_least(n - 3, "a window of 3"),),
            "the sizes must satisfy n - 3 >= 0 (a window of 3), and n - 3 is -1:\n  n - 3 >= 0\n  ^^^^^\n"
            "n is 2 in X (axis 1 of 'b n'); give arrays whose sizes satisfy it, or fix n at 2 in the shapes, "
            "if NumPy takes such arrays.",
        ),
        (
            {"X": "b+1 2*b*n"},
            [(2, 14)],
            (zero(8 * (n // 8) - n * b, "8 heads"),),
            "the sizes must satisfy 8*(n//8) - b*n == 0 (8 heads), and 8*(n//8) - b*n is -7:\n"
            "  8*(n//8) - b*n == 0\n  ^^^^^^^^^^^^^^\nb is 1, n is 7; give arrays whose sizes satisfy it, "
            "or fix b at 1 and n at 7 in the shapes, if NumPy takes such arrays.",
        ),
    ],
)
def test_messages_of_binding(
    shapes: dict[str, str],
    actual: list[tuple[int, ...]],
    requirements: tuple[Requirement, ...],
    message: str,
) -> None:
    with pytest.raises(ShapeError) as error:
        bind(shapes, *actual, requirements=requirements)
    assert str(error.value) == message
