"""Text to nodes: what the notations mean, what is refused and in which words, and that no text does harm."""

import ast
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refused import refused
from tensorjac.errors import NotationError
from tensorjac.notation import is_index_notation, parse_index, parse_numpy
from tensorjac.notation.syntax import (
    Apply,
    Attribute,
    Bound,
    Call,
    Chain,
    Compare,
    Constant,
    Delta,
    Indexed,
    Keyword,
    Name,
    Node,
    Number,
    Power,
    Sequence,
    SizeOf,
    Slice,
    String,
    Subscript,
    SumOver,
    Target,
    Unary,
    Whole,
)
from tensorjac.notation.tokens import MAX_DEPTH, MAX_LEVELS


def written(node: Node | None) -> str:
    """A node with every pair of brackets written out: ``((a / b) * c)``."""
    match node:
        case None:
            return ""
        case Number(value) | Constant(value) | String(value):
            return "..." if value is ... else repr(value)
        case Name(name):
            return name
        case Unary(operator, operand):
            return f"({operator}{written(operand)})"
        case Power(base, exponent):
            return f"({written(base)} ** {written(exponent)})"
        case Chain(operands, operators):
            text = written(operands[0])
            for operator, operand in zip(operators, operands[1:], strict=True):
                text = f"({text} {operator} {written(operand)})"
            return text
        case Compare(operator, left, right):
            return f"({written(left)} {operator} {written(right)})"
        case Bound(letter, size):
            return f"{letter}:{written(size)}" if size else letter
        case Indexed(name, slots):
            return f"{name}{listed(slots)}"
        case Delta(left, right):
            return f"δ[{written(left)} = {written(right)}]"
        case SizeOf(letter):
            return f"|{letter}|"
        case SumOver(bound, body):
            return f"Σ{listed(bound)}({written(body)})"
        case Apply(name, bound, arguments, slots):
            letters = listed(bound) if bound else ""
            return f"{name}{letters}({listed(arguments)[1:-1]}){'' if slots is None else listed(slots)}"
        case Whole(call, slots):
            return f"{written(call)}{listed(slots)}"
        case Target(name, axes):
            return name + "[" + "".join(f"({' '.join(map(written, axis.letters))})" for axis in axes) + "]"
        case Attribute(value, name):
            return f"{written(value)}.{name}"
        case Keyword(name, value):
            return f"{name}={written(value)}"
        case Call(function, arguments, keywords):
            return f"{written(function)}({listed((*arguments, *keywords))[1:-1]})"
        case Slice(start, stop, step):
            return f"{written(start)}:{written(stop)}:{written(step)}"
        case Subscript(value, items):
            return f"{written(value)}{listed(items)}"
        case Sequence(items, kind):
            return ("(%s)" if kind == "tuple" else "[%s]") % listed(items)[1:-1]
    raise AssertionError(node)


def listed(nodes: tuple[Node, ...]) -> str:
    return f"[{', '.join(map(written, nodes))}]"


def right(text: str) -> str:
    """The right side of an index equation, every pair of brackets written out."""
    return written(parse_index(f"Y[ij] = {text}").equations[0].right)


def value(text: str) -> str:
    """One NumPy expression, every pair of brackets written out."""
    (statement,) = parse_numpy(text).statements
    return written(statement.value)


# Index notation.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X[ik] A[kj]", "(X[i, k] * A[k, j])"),
        ("a / b c", "((a / b) * c)"),
        ("1/2 a", "((1 / 2) * a)"),
        ("1/n (a + b)", "((1 / n) * (a + b))"),
        ("a - b - c + d", "(((a - b) - c) + d)"),
        ("a - (b - c)", "(a - (b - c))"),
        ("a * b c // 2", "(((a * b) * c) // 2)"),
        ("a b^2", "(a * (b ** 2))"),
        ("-a^2 b", "((-(a ** 2)) * b)"),
        ("2 * -a", "(2 * (-a))"),
        ("--a", "(-(-a))"),
        ("+a", "a"),
        ("a − b", "(a - b)"),
        ("a · b × c", "((a * b) * c)"),
        ("x[i]^-2 / n", "((x[i] ** (-2)) / n)"),
        ("a^b^c", "(a ** (b ** c))"),
        ("a^-b^c", "(a ** (-(b ** c)))"),
        ("x[i]**(1/2)", "(x[i] ** (1 / 2))"),
        ("a^x[i] b", "((a ** x[i]) * b)"),
        ("2 3 a", "((2 * 3) * a)"),
        ("1e-3 + 2. + .5 + 2", "(((0.001 + 2.0) + 0.5) + 2)"),
        ("a Σ_k b c + d", "((a * Σ[k]((b * c))) + d)"),
        ("a / Σ_k b c - d", "((a / Σ[k]((b * c))) - d)"),
        ("-Σ_k b", "(-Σ[k](b))"),
        ("Σ_k -b", "Σ[k]((-b))"),
        ("Σ_k (a + b) c", "Σ[k](((a + b) * c))"),
        ("Σ_k(a + b) c", "Σ[k](((a + b) * c))"),
        ("Σ_k a Σ_l b", "Σ[k]((a * Σ[l](b)))"),
        ("Σ_kl a", "Σ[k, l](a)"),
        ("∑_{k,l} a", "Σ[k, l](a)"),
        ("Σ_{kl} a", "Σ[k, l](a)"),
        ("Σ_{k:n-1, l} a", "Σ[k:(n - 1), l](a)"),
        ("sum_k x[k]", "Σ[k](x[k])"),
        ("sum_{k} x[k]", "Σ[k](x[k])"),
        ("sum_k[i] Σ[i]", "(sum_k[i] * Σ[i])"),
        ("exp(Σ_k x[k] y[k] + 1)", "exp((Σ[k]((x[k] * y[k])) + 1))"),
        ("δ[ij] delta[i,j] δ[i j]", "((δ[i = j] * δ[i = j]) * δ[i = j])"),
        ("δ[i = 2*k + 1]", "δ[i = ((2 * k) + 1)]"),
        ("δ[2i, k-1]", "δ[(2 * i) = (k - 1)]"),
        ("X[i j] X[ij,k] X[]", "((X[i, j] * X[i, j, k]) * X[])"),
        ("X[ii]", "X[i, i]"),
        ("x[2*i+1, k]", "x[((2 * i) + 1), k]"),
        ("x[2i+1,k]", "x[((2 * i) + 1), k]"),
        ("x[2e+1]", "x[((2 * e) + 1)]"),
        ("x[n - 1 - i]", "x[((n - 1) - i)]"),
        ("x[batch - 1, 0]", "x[(batch - 1), 0]"),
        ("E[t[i,j], k]", "E[t[i, j], k]"),
        ("W[αβ]", "W[α, β]"),
        ("1/|i||j| |k|", "(((1 / |i|) * |j|) * |k|)"),
        ("exp(X[ij]) maximum(X[ij], 0)", "(exp(X[i, j]) * maximum(X[i, j], 0))"),
        ("inv(S)[ij]", "inv(S)[i, j]"),
        ("inv(X.T @ X + 1e-3 * tj.eye(n))[ij]", "inv(((X.T @ X) + (0.001 * tj.eye(n))))[i, j]"),
        ("norm(x, ord=2)[] / det(S)[]", "(norm(x, ord=2)[] / det(S)[])"),
        ("log_softmax(X)[ij]", "log_softmax(X)[i, j]"),
        ("max_k(X[ik])", "max[k](X[i, k])"),
        ("max_{k:n, l}(X[ikl])", "max[k:n, l](X[i, k, l])"),
        ("inv_kl(S[kl] + X[kl])[ij]", "inv[k, l]((S[k, l] + X[k, l]))[i, j]"),
        ("solve_{kl}(S[kl], x[k])[i]", "solve[k, l](S[k, l], x[k])[i]"),
        ("n (x[i] + 1)", "(n * (x[i] + 1))"),
        ("where(greater(x[i], 0), x[i], 0)", "where(greater(x[i], 0), x[i], 0)"),
        ("X [ij] # a comment", "X[i, j]"),
        ("(a\n b)", "(a * b)"),
        ("a +\n b", "(a + b)"),
        ("a\n + b", "(a + b)"),
    ],
)
def test_right_sides(text: str, expected: str) -> None:
    assert right(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Y[ij] = 0", "Y[(i)(j)]"),
        ("Y[i, j] = 0", "Y[(i)(j)]"),
        ("L[] = 0", "L[]"),
        ("Y[(ik)(jl)] = 0", "Y[(i k)(j l)]"),
        ("Y[(i k), j ()] = 0", "Y[(i k)(j)()]"),
        ("dX[i:b, j:m] = 0", "dX[(i:b)(j:m)]"),
        ("Y[(i:2*b, k), j] = 0", "Y[(i:(2 * b) k)(j)]"),
        ("∂Y[ij]/∂A[kl] = 0", "Y[(i)(j)] / A[(k)(l)]"),
        ("dY[ij]/dA[kl] = 0", "Y[(i)(j)] / A[(k)(l)]"),
        ("∂dA[ij] / ∂A[kl] = 0", "dA[(i)(j)] / A[(k)(l)]"),
        ("ddA[ij] / dA[kl] = 0", "dA[(i)(j)] / A[(k)(l)]"),
        ("∂²L[]/∂A[ij]∂B[k] = 0", "L[] / A[(i)(j)] / B[(k)]"),
        ("d2L[]/dA[ij] dB[k] = 0", "L[] / A[(i)(j)] / B[(k)]"),
    ],
)
def test_left_sides(text: str, expected: str) -> None:
    (equation,) = parse_index(text).equations
    assert " / ".join(map(written, (equation.target, *equation.wrt))) == expected


@pytest.mark.parametrize(
    ("text", "equations", "definitions"),
    [
        ("Y[i] = a; Z[] = b", ["Y", "Z"], []),
        ("\n\nY[i] = a\n\nZ[] = b\n", ["Y", "Z"], []),
        ("Y[i] = E[i] where E[i] = exp(z[]), z[] = 2", ["Y"], ["E", "z"]),
        ("Y[i] = E[i]\n  where E[i] = exp(x[i]),\n        z[] = 2\nZ[] = z[]", ["Y", "Z"], ["E", "z"]),
        ("Y[i] = E[i] where E[i] = 1; Z[] = z[] where z[] = 2", ["Y", "Z"], ["E", "z"]),
    ],
)
def test_statements(text: str, equations: list[str], definitions: list[str]) -> None:
    parsed = parse_index(text)
    assert [equation.target.name for equation in parsed.equations] == equations
    assert [equation.target.name for equation in parsed.definitions] == definitions


def test_known_functions_keep_their_names() -> None:
    def read(text: str) -> str:
        return written(parse_index(f"Y[i] = {text}", {"log_cosh", "exp"}).equations[0].right)

    assert read("log_cosh(x[i])") == "log_cosh(x[i])"
    assert read("exp (x[i]) n (x[i])") == "((exp(x[i]) * n) * x[i])"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Y[ij] = X[ik] A[kj]", True),
        ("L[] = 0", True),
        ("\n; Y [i] = 0", True),
        ("∂Y[ij]/∂A[kl] = 0", True),
        ("∂L/∂A = G", True),
        ("dL/dA = G", True),
        ("# Y = 2\nY[i] = 2", True),
        ("Y[i = 2", False),
        ("Y = X @ A", False),
        ("X @ A", False),
        ("X[0] + 1", False),
        ("X[0] == 1", False),
        ("f(X, axis=1)", False),
        ("Y = X[0]", False),
        ("[a, b] = f(X)", False),
        ("a = 2\nY[i] = a", False),
        ("X / Y\nY[i] = a", False),
        ("$[i] = 2", False),
        ("", False),
    ],
)
def test_is_index_notation(text: str, expected: bool) -> None:
    assert is_index_notation(text) is expected


# NumPy text.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-x**2", "(-(x ** 2))"),
        ("a**-b", "(a ** (-b))"),
        ("a**-b**c", "(a ** (-(b ** c)))"),
        ("a @ b * c", "((a @ b) * c)"),
        ("a / b // c", "((a / b) // c)"),
        ("a - b + -c", "((a - b) + (-c))"),
        ("~a & b | c == d + e", "((((~a) & b) | c) == (d + e))"),
        ("a * (b + c)", "(a * (b + c))"),
        ("X.T[0]**2", "(X.T[0] ** 2)"),
        ("(a + b).sum(axis=1)", "(a + b).sum(axis=1)"),
        ("X[:, 0, None, ::2, ..., 1:-1]", "X[::, 0, None, ::2, ..., 1:(-1):]"),
        ("X[(0, 1)]", "X[(0, 1)]"),
        ("X[0,]", "X[0]"),
        ("np.einsum('ij,jk->ik', X, A)", "np.einsum('ij,jk->ik', X, A)"),
        ("f(a, k=[1, 2.5,], c=(1,), d=(), e=True,)", "f(a, k=[1, 2.5], c=(1), d=(), e=True)"),
        ("f()(g)(h)[0]", "f()(g)(h)[0]"),
        ("a, b", "(a, b)"),
        ("(a,\n b)", "(a, b)"),
        ("1e-5 + 10 + 1. # eps", "((1e-05 + 10) + 1.0)"),
        ("x − y", "(x - y)"),
    ],
)
def test_numpy_values(text: str, expected: str) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "targets", "unpacks"),
    [
        ("X @ A", [[]], [False]),
        ("Y = X @ A", [["Y"]], [False]),
        ("s = X @ A\nY = np.exp(s); Y", [["s"], ["Y"], []], [False, False, False]),
        ("a, b = f(X)", [["a", "b"]], [True]),
        ("(a, b) = f(X)", [["a", "b"]], [True]),
        ("a, = f(X)", [["a"]], [True]),
    ],
)
def test_numpy_statements(text: str, targets: list[list[str]], unpacks: list[bool]) -> None:
    statements = parse_numpy(text).statements
    assert [[name.name for name in statement.targets] for statement in statements] == targets
    assert [statement.unpacks for statement in statements] == unpacks


def python(node: ast.expr) -> str:
    """Python's own reading of an expression, every pair of brackets written out."""
    signs: dict[type, str] = {
        ast.USub: "-",
        ast.UAdd: "+",
        ast.Invert: "~",
        ast.Add: "+",
        ast.Sub: "-",
        ast.Mult: "*",
    }
    signs |= {
        ast.MatMult: "@",
        ast.Div: "/",
        ast.FloorDiv: "//",
        ast.Pow: "**",
        ast.BitAnd: "&",
        ast.BitOr: "|",
    }
    signs |= {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
    match node:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=constant):
            return repr(constant)
        case ast.UnaryOp(op=op, operand=operand):
            return f"({signs[type(op)]}{python(operand)})"
        case ast.BinOp(left=one, op=op, right=other):
            return f"({python(one)} {signs[type(op)]} {python(other)})"
        case ast.Compare(left=one, ops=[op], comparators=[other]):
            return f"({python(one)} {signs[type(op)]} {python(other)})"
        case ast.Call(func=function, args=arguments):
            return f"{python(function)}({', '.join(map(python, arguments))})"
        case ast.Attribute(value=inner, attr=name):
            return f"{python(inner)}.{name}"
        case ast.Subscript(value=inner, slice=ast.Name(id=name)):
            return f"{python(inner)}[{name}]"
    raise AssertionError(ast.dump(node))


ATOMS = st.sampled_from(["a", "b", "2", "1.5", "X.T", "f(a, b)", "X[a]", "f(-a).g"])
SIGNED = st.tuples(st.sampled_from(["", "", "-", "+", "~", "--"]), ATOMS).map("".join)


def joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "-", "*", "/", "//", "@", "**", "**", "&", "|"])
    tail = st.lists(st.tuples(operators, parts).map(" ".join), max_size=5)
    flat = st.tuples(parts, tail).map(lambda pair: " ".join((pair[0], *pair[1])))
    return flat | st.tuples(st.sampled_from(["(", "-(", "f("]), flat).map(lambda pair: f"{''.join(pair)})")


@given(st.recursive(SIGNED, joined, max_leaves=12), st.sampled_from(["", " < a", " == -a"]))
def test_numpy_text_is_read_as_python_reads_it(text: str, compared: str) -> None:
    text += compared
    assert value(text) == python(ast.parse(text, mode="eval").body)


# What is refused.

PARSERS = {"index": parse_index, "numpy": parse_numpy}
FAULTS = [(PARSERS[kind], text, said) for kind, text, said in refused("faults.txt") if kind in PARSERS]
ODD_FAULTS = [
    (
        parse_index,
        "",
        'a text says something, and this one is empty:\n  \n  ^\nwrite an equation such as "Y[ij] = X[ik] A[kj]".',
    ),
    (
        parse_numpy,
        "",
        'a text says something, and this one is empty:\n  \n  ^\nwrite an expression such as "X @ A".',
    ),
    (
        parse_index,
        "Y[i] = \0",
        "a text consists of names, numbers and operators, and U+0000 is none of these:\n"
        "  Y[i] =\n         ^\ntake it out.",
    ),
    (
        parse_numpy,
        "9" * 1001,
        f"a number has at most 1000 digits, and this one has 1001:\n"
        f"  {'9' * 1001}\n  {'^' * 1001}\nwrite a shorter one.",
    ),
    (
        parse_numpy,
        "(" * 101 + ")" * 101,
        f"brackets and sums are nested at most 100 deep, and here they go deeper:\n  {'(' * 101}{')' * 101}\n"
        f"  {' ' * 100}^\nname an inner part and use the name.",
    ),
    (
        parse_numpy,
        "-" * 201 + "x",
        f"operations are nested at most 200 deep, and here they go deeper:\n  {'-' * 201}x\n"
        f"  {' ' * 200}^^\nname an inner part and use the name.",
    ),
]


@pytest.mark.parametrize(("parse", "text", "message"), FAULTS + ODD_FAULTS)
def test_faults(parse: Callable[[str], Node], text: str, message: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse(text)
    assert str(caught.value) == message


# What no text can do.

SEEDS = [
    "Y[ij] = X[ik] A[kj]",
    "L[] = -1/2 X[ij]^-2 / n",
    "∂Y[ij]/∂A[kl] = X[ik] δ[jl]",
    "d2L[]/dA[i]dA[j] = 1e-3; Z[i] = 2",
    "Y[ij] = E[ij] / z[i] where E[ij] = exp(X[ij]), z[i] = Σ_k E[ik] Y[k] + 1",
    "y[i] = a Σ_{k:n,l} sum_m x[2i+1] b / Σ_k 2 E[t[i,j], k] − 3",
    "y[i] = δ[i = 2*k + 1] x[n - 1 - i]/|i||j|",
    "dX[i:b, j:m*2] = G[]\nY[(ik)(jl)()] = A[ij] B[kl]",
    "Y[ij] = max_k(X[ik]) inv_kl(S[kl])[ij] inv(X.T @ X)[ij] max_{k,l:n}(X[ikl]) x[2e+1]",
    "Y[i] = 2 (X[i] + 1) where(X[i], 2) a^b^-(c) where z[] = 2",
    "Y = X @ A",
    'np.einsum("ij,jk->ik", X[:, 0, None, ::2], axis=(0, 1), k=[1, 2.5])',
    "a, b = f(x)[...]; a < b | ~c & -d**-e",
    "s = np.exp(X - X.max(axis=1, keepdims=True))\nY = s / s.sum(1)[:, None]",
]
PIECES = [*"ijkXYΣδ∂²_dsum[](){},:;=+-*/^|@.<>~&!\"'# \n\t012e9\0\ud800ﬁ∑·−\u0301é³µ"]
PIECES += [
    "Σ_",
    "sum_k ",
    "where ",
    "δ[",
    "**",
    "//",
    "inv(",
    "[ij]",
    "1e999",
    "if ",
    "==",
    "...",
    "d2L",
    "max_",
    "[[",
]


def mutated(draw: random.Random) -> str:
    """One of the seeds with a few characters cut, repeated, exchanged or put in."""
    text = draw.choice(SEEDS)
    for _ in range(draw.choice([1, 1, 2, 3, 8])):
        place, width = draw.randrange(len(text) + 1), draw.randrange(12)
        piece = draw.choice([draw.choice(PIECES), draw.choice(PIECES), text[place : place + width], draw.choice(SEEDS)])
        text = text[:place] + draw.choice(["", piece, piece]) + text[place + draw.choice([0, 0, 1, width]) :]
    return text


def harmless(text: str) -> None:
    """Either nodes whose spans lie within each other, or a NotationError of four lines."""
    assert is_index_notation(text) in (True, False)
    for parse in (parse_index, parse_numpy):
        try:
            parsed: Any = parse(text)
        except NotationError as error:
            assert str(error).count("\n") == 3
            continue
        assert repr(parsed)
        assert parse(text) == parsed
        waiting: list[tuple[Node, tuple[int, int]]] = [(parsed, (0, len(text)))]
        while waiting:
            node, (start, end) = waiting.pop()
            assert start <= node.span[0] <= node.span[1] <= end
            waiting += [(child, node.span) for child in node.children]


@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_harmless(text: str) -> None:
    harmless(text)


@given(st.randoms(use_true_random=False))
def test_mutated_texts_are_harmless(draw: random.Random) -> None:
    harmless(mutated(draw))


@given(st.integers(0, 2**64))
def test_many_mutated_texts_are_harmless(seed: int) -> None:
    """Forty texts per example: 1200 in a quick run, 40 000 in a long one."""
    draw = random.Random(seed)
    for _ in range(40):
        harmless(mutated(draw))


LONG = 2000


@pytest.mark.parametrize(
    "text",
    [
        "Y[i] = " + "X[i] + " * LONG + "2",
        "Y[i] = " + "X[i] " * LONG,
        "Y[i] = " + "(" * LONG,
        "Y[i] = " + "(" * LONG + ")" * LONG,
        "Y[i] = " + "Σ_k " * LONG,
        "Y[i] = " + "-" * LONG + "2",
        "Y[i] = 2" + "^2" * LONG,
        "Y[i] = x[" + "i " * LONG + "+1]",
        "Y[i] = 2 where " + "E[i] = 2, " * LONG,
        "Y[i] = 2;" * LONG,
        "Y[i] = " + "f_k(" * 50 + "X[k] " * LONG + ")[i]" * 50,
        "Y[i] = " + "t[" * LONG + "]" * LONG,
        "X" + ".T" * LONG,
        "X" + "[0]" * LONG,
        "X" + "|X" * LONG,
        "f([" * LONG + "])" * LONG,
        "a³" * LONG,
        "'" * LONG,
        "\n" * LONG,
        "é" * LONG,
    ],
)
def test_long_texts_take_little_time(text: str) -> None:
    begin = time.perf_counter()
    harmless(text)
    assert time.perf_counter() - begin < 5


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("(", ")"),
        ("f(", ")"),
        ("x[", "]"),
        ("f_k(k[k] ", ")[i]"),
        ("Σ_k ", ""),
        ("-f(1+2*", ")"),
        ("f(1, x[", "])"),
    ],
)
def test_the_deepest_texts_can_be_walked(opening: str, closing: str) -> None:
    def nested(depth: int) -> str:
        return f"Y[i] = {opening * depth}2{closing * depth}"

    step = 5
    depths = [depth for depth in range(1, MAX_LEVELS, step) if parses(nested(depth))]
    assert depths == list(range(1, depths[-1] + 1, step))
    last = max(depth for depth in range(depths[-1], depths[-1] + step) if parses(nested(depth)))
    assert last >= MAX_DEPTH // 5
    deepest = nested(last)
    assert repr(parse_index(deepest)) == repr(parse_index(deepest))
    assert parse_index(deepest) == parse_index(deepest)


def parses(text: str) -> bool:
    try:
        return bool(parse_index(text))
    except NotationError:
        return False
