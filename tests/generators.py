"""Hypothesis strategies: random einsums with δ, affine conditions, and chains of views.

The arrays hold ± powers of two, so that every product and every small sum of them is exact: results are
compared bit by bit, and no tolerance can hide a wrong entry.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from tensorjac.calls import Parts
from tensorjac.dims import Dim
from tensorjac.function import Function
from tensorjac.terms import Delta, Index, Input, Sum, combine, contraction, delta, product, shared, zero_of

SIZES = {"n": 3, "m": 2, "p": 5}
"""All differ: no transpose can hide."""

LETTERS = {"n": "ijkl", "m": "abcd", "p": "xyz"}
"""The letters that stand for an index of each size."""

SIZE_OF = {letter: size for size, letters in LETTERS.items() for letter in letters}

TENSORS = {
    "s": "",
    "u": "n",
    "v": "m",
    "w": "p",
    "A": "nm",
    "B": "nn",
    "C": "mp",
    "D": "pnm",
    "E": "mnn",
}
"""Inputs by name: one size name per axis."""

COEFFICIENTS = (1, 1, -1, 2, -3, Fraction(1, 2), Fraction(-3, 4), 0.5, -1.25)


def dims(names):
    """One size for each name.

    >>> dims("nm")
    (n, m)
    """
    return tuple(Dim.of(name) for name in names)


def inputs():
    """The shapes of all inputs."""
    return {name: dims(axes) for name, axes in TENSORS.items()}


def arrays(seed=0):
    """One array for each input; every entry is ± a power of two."""
    rng = np.random.default_rng(seed)
    result = {}
    for name, axes in TENSORS.items():
        shape = tuple(SIZES[size] for size in axes)
        signs, sizes = rng.choice([-1.0, 1.0], shape), rng.choice([0.5, 1.0, 2.0, 4.0], shape)
        result[name] = np.asarray(signs * sizes)
    return result


def function(axes, body):
    """A sum over `axes` as a function of all inputs."""
    return Function(Parts(inputs(), {"Y": (tuple(axes), body)}))


# Einsums ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Einsum:
    """coefficient × Π input[letters]^power × Π δ[tie], over the letters `out`, summed over `summed`."""

    coefficient: int | Fraction | float
    factors: tuple[tuple[str, str, int], ...]
    ties: tuple[str, ...]
    out: str
    summed: str

    def indices(self):
        """A fresh index for each letter."""
        return {letter: Index.fresh(Dim.of(SIZE_OF[letter])) for letter in (*self.out, *self.summed)}

    def term(self, indices, order=None):
        """The product as a term, nothing simplified; `order` permutes the factors, and flips δ when negative."""
        factors = [
            Input(name, dims(TENSORS[name]))(*(indices[letter] for letter in letters), power=power)
            for name, letters, power in self.factors
        ]
        factors += [delta(indices[left], indices[right]) for left, right in self.ties]
        if order is not None:
            factors = [factors[k] for k in order]
        return product(self.coefficient, factors, tuple(indices[letter] for letter in self.summed))

    def axes(self, indices):
        return tuple(indices[letter] for letter in self.out)

    def dense(self, values):
        """The value, by `np.einsum` with identities and ones written out."""
        operands, subscripts = [np.array(float(self.coefficient))], [""]
        for name, letters, power in self.factors:
            operands.append(values[name] ** power)
            subscripts.append(letters)
        for tie in self.ties:
            operands.append(np.eye(SIZES[SIZE_OF[tie[0]]]))
            subscripts.append(tie)
        for letter in {*self.out, *self.summed} - set("".join(subscripts)):
            operands.append(np.ones(SIZES[SIZE_OF[letter]]))
            subscripts.append(letter)
        return np.einsum(f"{','.join(subscripts)}->{self.out}", *operands)

    def classes(self):
        """The sets of letters that δ tie together, lone letters included."""
        parts = [{letter} for letter in (*self.out, *self.summed)]
        for tie in self.ties:
            joined = [part for part in parts if part & set(tie)]
            parts = [part for part in parts if not part & set(tie)] + [set().union(*joined)]
        return parts


@st.composite
def einsums(draw, ties=0, powers=(1,), letters=3, least=0):
    """Random products: repeated letters, traces, hyperedges, letters that nothing carries, empty products."""
    pool = {size: names[: draw(st.integers(1, letters))] for size, names in LETTERS.items()}
    factors = []
    for name in draw(st.lists(st.sampled_from(list(TENSORS)), min_size=least, max_size=4)):
        read = "".join(draw(st.sampled_from(pool[size])) for size in TENSORS[name])
        factors.append((name, read, draw(st.sampled_from(powers))))
    pairs = []
    for _ in range(draw(st.integers(0, ties))):
        size = draw(st.sampled_from(list(pool)))
        pairs.append("".join(draw(st.sampled_from(LETTERS[size])) for _ in range(2)))
    used = {letter for _, read, _ in factors for letter in read} | set("".join(pairs))
    unused = draw(st.sets(st.sampled_from([x for names in pool.values() for x in names]), max_size=1))
    everything = sorted(used | unused)
    out = [letter for letter in everything if draw(st.booleans())][:5]
    summed = [letter for letter in everything if letter not in out]
    coefficient = draw(st.sampled_from(COEFFICIENTS))
    shuffled = draw(st.permutations(out))
    return Einsum(coefficient, tuple(factors), tuple(pairs), "".join(shuffled), "".join(summed))


@st.composite
def sums_of_einsums(draw, **kwargs):
    """Two or three products over the same letters."""
    parts = draw(st.lists(einsums(**kwargs), min_size=2, max_size=3))
    out = parts[0].out
    aligned = []
    for part in parts:
        everything = sorted({*part.out, *part.summed, *out})
        summed = "".join(letter for letter in everything if letter not in out)
        aligned.append(Einsum(part.coefficient, part.factors, part.ties, out, summed))
    return aligned


def shuffled(items, seed):
    """The items in another order, which depends on the seed only.

    >>> sorted(shuffled([3, 1, 2], 0))
    [1, 2, 3]
    """
    items = list(items)
    random.Random(seed).shuffle(items)
    return items


# Affine conditions --------------------------------------------------------------------------------


@st.composite
def conditioned(draw):
    """A term whose δ hold affine forms of its letters, its axes, and nothing simplified.

    The inputs are read at bare letters, so that every slot is in range whatever the δ say.
    """
    base = draw(einsums(letters=2, least=1))
    indices = base.indices()
    labels = sorted(indices)
    term = base.term(indices)
    conditions = []
    for _ in range(draw(st.integers(1, 3))):
        chosen = draw(st.lists(st.sampled_from(labels), max_size=3, unique=True)) if labels else []
        weights = [draw(st.sampled_from([1, -1, 1, -1, 2, -2, 3, "m", "n"])) for _ in chosen]
        offset = draw(st.sampled_from([0, 0, 1, -1, 2, -3, "m", "-n"]))
        constant = -Dim.of(offset[1:]) if str(offset).startswith("-n") else Dim.of(offset)
        form = combine(
            ((Dim.of(weight), indices[letter]) for weight, letter in zip(weights, chosen, strict=True)),
            constant,
        )
        conditions.append(zero_of(form))
    return base.axes(indices), product(term.coefficient, [*term.factors, *conditions], term.summed)


# Products with sums in them ----------------------------------------------------------------------


@st.composite
def nestings(draw):
    """A term with δ, in which part of the product is a contraction or a sum of its own; and its axes."""
    base = draw(einsums(ties=2, powers=(1, 1, 2), letters=2, least=1))
    indices = base.indices()
    term = base.term(indices)
    factors = list(term.factors)
    held = [factor for factor in factors if not isinstance(factor.tensor, Delta)]
    if held and draw(st.booleans()):
        inside = draw(st.lists(st.sampled_from(held), min_size=1, max_size=2, unique=True))
        outside = [factor for factor in factors if factor not in inside]
        elsewhere = {label for factor in outside for label in factor.labels}
        own = [x for x in term.summed if x not in elsewhere and any(x in f.labels for f in inside)]
        if own:
            factors = [*outside, contraction(inside, own)]
    summed = tuple(x for x in term.summed if x not in {y for f in term.factors for y in f.labels}) + tuple(
        x for x in term.summed if any(x in f.labels for f in factors)
    )
    for _ in range(draw(st.integers(0, 2))):
        labels = sorted(indices)
        if not labels:
            break
        first, second = draw(st.sampled_from(labels)), draw(st.sampled_from(labels))
        vectors = {"n": "u", "m": "v", "p": "w"}
        names = [vectors[SIZE_OF[letter]] for letter in (first, second)]
        left = product(draw(st.sampled_from((1, -1, 2))), [Input(names[0], dims(TENSORS[names[0]]))(indices[first])])
        right = product(draw(st.sampled_from((1, -1))), [Input(names[1], dims(TENSORS[names[1]]))(indices[second])])
        if draw(st.booleans()):
            right = product(draw(st.sampled_from((1, -3))), [])
        body = Sum([left, right])
        reached = {x for x in (indices[first], indices[second]) if x in body.labels}
        # an index that a contraction has closed is summed no more
        if len(body.terms) > 1 and reached <= {*base.axes(indices), *summed}:
            factors.append(shared(body))
    return base.axes(indices), product(term.coefficient, factors, tuple(dict.fromkeys(summed)))


# Chains of views ----------------------------------------------------------------------------------


def _sliced(start, stop, step):
    return lambda X: X[start:stop:step]


def _sliced_last(start, stop, step):
    return lambda X: X[..., start:stop:step]


STEPS = {
    "X[1:]": _sliced(1, None, 1),
    "X[:-1]": _sliced(None, -1, 1),
    "X[::2]": _sliced(None, None, 2),
    "X[1::2]": _sliced(1, None, 2),
    "X[::-1]": _sliced(None, None, -1),
    "X[..., :0:-1]": _sliced_last(None, 0, -1),
    "X[..., ::3]": _sliced_last(None, None, 3),
    "X[..., -2:]": _sliced_last(-2, None, 1),
    "transpose": lambda X: X.T,
    "flip": lambda X: np.flip(X, axis=-1),
    "roll": lambda X: np.roll(X, 1, axis=0),
    "pad": lambda X: np.pad(X, [(1, 0)] * (X.ndim - 1) + [(0, 2)]),
    "pad first": lambda X: np.pad(X, [(2, 1)] + [(0, 0)] * (X.ndim - 1)),
    "concatenate": lambda X: np.concatenate([X, X], axis=-1),
    "concatenate reversed": lambda X: np.concatenate([X, X[::-1]], axis=0),
    "merge": lambda X: X.reshape(-1),
    "merge first": lambda X: X.reshape(-1, X.shape[-1]),
    "repeat": lambda X: np.repeat(X, 2, axis=0),
    "tile": lambda X: np.tile(X, 2),
    "outer": lambda X: X[..., None] * np.ones(2) if X.ndim < 3 else X,
    "cumulative": lambda X: np.tril(X) if X.ndim == 2 else X,
    "sum": lambda X: X.sum(axis=0) if X.ndim > 1 else X,
    "two and a rest": lambda X: np.concatenate([X, X]).reshape(2, *X.shape),
    "windows": lambda X: X[1:] - X[:-1],
}
"""Linear steps of NumPy by name. Each takes an array of one to three axes and gives one of these."""


def chains(longest=4):
    """Names of steps, to be done one after the other."""
    return st.lists(st.sampled_from(list(STEPS)), min_size=1, max_size=longest).map(tuple)


def chained(names):
    """The function that does the steps."""

    def fun(X):
        for name in names:
            X = STEPS[name](X)
        return X

    return fun


# Programs -----------------------------------------------------------------------------------------

UNARY = {
    "tanh": np.tanh,
    "sin": np.sin,
    "exp": np.exp,
    "arctan": np.arctan,
    "square": lambda x: x**2,
    "cubic": lambda x: x**3 - x,
    "negated": lambda x: -x,
    "third": lambda x: x / 3,
    "reciprocal": lambda x: 1 / (2 + np.cos(x)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "root": lambda x: np.sqrt(x**2 + 1),
    "log1p": lambda x: np.log1p(x**2),
    "absolute": lambda x: np.abs(x),
    "relu": lambda x: np.maximum(x, 0.1),
    "leaky": lambda x: np.where(x > 0, x, 0.1 * x),
    "shifted": lambda x: np.exp(x - x.max()),
    "centred": lambda x: x - x.mean(axis=-1, keepdims=True),
    "normed": lambda x: x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-3),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
    "times its sum": lambda x: x * x.sum(),
    "plus its sum": lambda x: x + x.sum(),
    "times its norm": lambda x: np.linalg.norm(1 + x**2) * x,
    "plus its variance": lambda x: x + x.var(axis=0),
    "plus its product": lambda x: x + x.prod(axis=-1, keepdims=True),
    "from its maximum": lambda x: x.max(axis=0) - x,
    "reversed": lambda x: x[::-1],
    "rolled": lambda x: np.roll(x, 1, axis=0),
    "rotated": lambda x: np.concatenate([x[1:], x[:1]]),
    "cumulative": lambda x: np.cumsum(x, axis=0),
    "there and back": lambda x: x.reshape(-1).reshape(x.shape),
    "gram": lambda x: x @ x.T @ x / 10,
    "padded and cut": lambda x: np.pad(x, [(1, 2), (0, 0)])[: x.shape[0]],
    "columns reversed": lambda x: np.flip(x, axis=-1),
    "rows and columns reversed": lambda x: np.tanh(x)[::-1, ::-1],
    "columns rotated": lambda x: np.concatenate([x[:, -1:], x[:, :-1]], axis=1),
    "every other twice": lambda x: np.stack([np.sin(x), x])[::2].sum(axis=0),
    "stacked and summed": lambda x: np.stack([x, np.tanh(x), x[::-1]], axis=-1).mean(axis=-1),
    "differences": lambda x: np.concatenate([x[:1], np.diff(x, axis=0)]),
    "two halves of one": lambda x: np.exp(np.concatenate([x, -x])).reshape(2, *x.shape)[1],
    "outer": lambda x: np.kron(x[:, :1], x[:1]),
    "positive part": lambda x: x * (x > 0),
    "clipped": lambda x: np.clip(x, -0.5, 0.8),
    "signed root": lambda x: np.sign(x) * np.sqrt(np.abs(x) + 0.1),
    "larger of two rows": lambda x: np.maximum(x, x[::-1]),
    "symmetric maximum": lambda x: np.minimum(x @ x.T, (x @ x.T).T + 0.1) @ x / 5,
    "traces": lambda x: x * np.einsum("ii->", x.T @ x) / 9,
    "diagonal": lambda x: x + np.einsum("ii->i", x.T @ x),
    "squares by einsum": lambda x: np.einsum("ij,ij,kj->kj", x, x, x) / 3,
    "by its first row": lambda x: x - x[0],
    "by its last column": lambda x: x * x[:, -1:],
    "captured": lambda x: x * np.array([[0.5]], dtype=np.float32) + np.array(0.75, dtype=np.float32),
    "by sizes": lambda x: x / np.sqrt(x.shape[0]) + x.shape[1] / 7,
    "frobenius": lambda x: x / (1 + np.linalg.norm(x)),
    "row norms": lambda x: x / np.sqrt(1 + np.linalg.norm(x, axis=1, keepdims=True) ** 2),
    "log-softmax": lambda x: x - np.log(np.exp(x - x.max(axis=-1, keepdims=True)).sum(axis=-1, keepdims=True)),
    "by its determinant": lambda x: x * np.linalg.slogdet(x.T @ x)[1],
    "product of all": lambda x: x + np.tanh(x).prod(),
    "lagged gram": lambda x: np.concatenate([x[:1], x[1:] @ x[:-1].T @ x[:-1] / 10]),
    "lower triangle of a gram": lambda x: np.tril(x @ x.T, -1) @ x / 5,
    "read backward": lambda x: x.reshape(-1)[::-1].reshape(x.shape),
    "transposed and reshaped": lambda x: x.T.reshape(x.shape),
    "cumulative from the end": lambda x: np.cumsum(x[::-1], axis=0)[::-1],
}
"""Functions of a matrix that keep its shape; none has a pole that a program could meet."""

BINARY = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / (1 + y**2),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "logaddexp": np.logaddexp,
    "hypot": lambda x, y: np.hypot(x, 1 + y**2),
    "arctan2": lambda x, y: np.arctan2(x, np.exp(y)),
    "where": lambda x, y: np.where(x > y, x, 2 * y),
    "mixed rows": lambda x, y: np.concatenate([x[1:], y[:1]]) * x,
    "interleaved": lambda x, y: np.stack([x, y], axis=1).reshape(-1, x.shape[1])[: x.shape[0]],
    "squared distances": lambda x, y: x * ((x[:, None] - y[None]) ** 2).sum(axis=-1).mean(axis=1)[:, None],
    "attended": lambda x, y: np.exp(x @ y.T / 9) @ x / np.exp(x @ y.T / 9).sum(axis=1, keepdims=True),
    "triangle": lambda x, y: np.tril(x @ y.T) @ y / 4,
    "first of the other": lambda x, y: x + np.tanh(y[0]),
}

WITH_MATRIX = {
    "@ A": lambda x, A: x @ A,
    "@ A.T": lambda x, A: np.tanh(x @ A.T),
    "@ inv(A)": lambda x, A: x @ np.linalg.inv(A),
    "solve": lambda x, A: np.linalg.solve(A, x.T).T,
    "determinant": lambda x, A: x * np.linalg.det(A),
    "log-determinant": lambda x, A: x + np.linalg.slogdet(A)[1],
    "by its diagonal": lambda x, A: x * np.diagonal(A) + np.trace(A),
    "squared": lambda x, A: x @ A @ A,
    "symmetric": lambda x, A: x @ np.linalg.inv(A @ A.T),
    "quadratic": lambda x, A: x * np.einsum("ij,jk,ik->i", x, A, x)[:, None] / 5,
}

LAST = {
    "all": lambda x: x,
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(axis=0),
    "norm": lambda x: np.linalg.norm(1 + x**2),
    "max": lambda x: x.max(axis=-1),
    "squares": lambda x: (x**2).sum(axis=-1),
    "log-sum-exp": lambda x: np.log(np.exp(x).sum(axis=-1)),
    "transposed": lambda x: x.T,
    "first": lambda x: x[0],
    "flat": lambda x: x.reshape(-1),
    "stacked": lambda x: np.stack([x, x * 2]),
    "columns backward": lambda x: x[:, ::-2],
    "ends": lambda x: np.concatenate([x[0], x[-1]]),
    "product": lambda x: np.tanh(x).prod(axis=1),
    "windows": lambda x: x[1:] * x[:-1],
    "merged": lambda x: np.stack([x, -x], axis=1).reshape(-1, x.shape[1]),
    "determinant": lambda x: np.linalg.det(x.T @ x),
    "outer": lambda x: np.outer(x[0], x[:, 0]),
    "one entry": lambda x: x[-1, 0],
    "padded": lambda x: np.pad(x, 1),
}

SEVERAL = {
    "sum and all": lambda x: (x.sum(), x),
    "rows": lambda x: {"first": x[0], "others": np.tanh(x[1:])},
}
"""What else may be done last: several outputs."""

PROGRAM = {"X": "b n", "A": "n n", "Z": "b n"}
"""The inputs of a program."""

NUMBERED = {"X": "4 3", "A": "3 3", "Z": "4 3"}
"""The same with numbers for sizes."""


@st.composite
def programs(draw, last=tuple(LAST)):
    """Statements of a small program, each with the earlier values that it works on; and what is done last."""
    names = [*UNARY, *BINARY, *WITH_MATRIX]
    count = draw(st.integers(1, 5))
    steps = []
    for k in range(count):
        earlier = st.integers(0, k + 1)
        # the last value most of the time, so that programs are deep
        first = draw(st.one_of(st.just(k + 1), st.just(k + 1), earlier))
        steps.append((draw(st.sampled_from(names)), first, draw(earlier)))
    return (*steps, draw(st.sampled_from(last)))


def program(steps):
    """The function of X, A and Z that runs the statements."""

    def fun(X, A, Z):
        values = [Z, X]
        for name, first, second in steps[:-1]:
            if name in UNARY:
                values.append(UNARY[name](values[first]))
            elif name in BINARY:
                values.append(BINARY[name](values[first], values[second]))
            else:
                values.append(WITH_MATRIX[name](values[first], A))
        return {**LAST, **SEVERAL}[steps[-1]](values[-1])

    return fun
