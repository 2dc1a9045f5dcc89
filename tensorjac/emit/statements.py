"""Statements: what is used again gets a name, large arrays take over memory that is free, the rest is inline."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from ..arrays import ATOM, FREE, Value, Walk, Write
from ..plan import Program, computed
from .blocks import Blocks
from .names import HINTS
from .passes import Pass
from .squares import Square
from .texts import Texts, is_elementwise, is_view, ordered, owner, owns_memory

# Longer right-hand sides than this are split into named intermediates.
WIDTH = 72
EQUAL = "({0} == {1})"
SIGMOID = "1 / (1 + np.exp({0}))"
# From this many elements on, memory that is reused is worth a statement of its own.
IN_PLACE = 256
# From this many elements on, a copy of an array is avoided at the price of a longer line.
LARGE = 2**14


class Statements(Texts):
    """The lines of a function's body.

    A text stands for its value until it is written in some line. ``left`` says how often the name of a value is still
    to be written: where it is written for the last time, its memory is free.
    """

    def __init__(self, program: Program, taken: set[str]) -> None:
        super().__init__(program.costs)
        self.taken = taken
        # the last number that each kind of name has been given
        self.numbers: defaultdict[str, int] = defaultdict(lambda: 1)
        self.lines: list[str] = []
        self.results = program.outputs
        # where the last block without warnings ends
        self.quiet = -1
        self.returned = {id(value) for value in program.outputs}
        self.order = computed(program.outputs)
        self.in_order = ordered(self.order)
        # what is returned, or written into part of an array, is not split: that would make a copy
        self.kept = self.returned.union(id(arg) for value in self.order if value.kind == "filled" for arg in value.args)
        # nor what is scaled then, with which the scalar is multiplied before
        self.kept |= {id(v.args[0]) for v in self.order if v.kind == "scale" and id(v) in self.kept}
        self.left = self._uses(program.outputs)
        # which values each text holds the names of, and how often
        self.names: dict[int, Counter[int]] = {}
        # what is compared with a maximum of it: however it is written, it must be rounded alike
        equalities = [value for value in self.order if value.kind == "call" and value.detail[0] == EQUAL]
        self.compared = {id(value) for value in computed(equalities)}
        # what the sums of a pass are called
        self.passes: dict[int, list[str]] = {}
        # what views with a name of their own look into
        self.viewed: set[int] = set()
        for value in self.order:
            self._write(value)

    def _uses(self, outputs: Sequence[Value]) -> Counter[int]:
        """How often each value is used, views passing their uses on."""
        uses = Counter(map(id, outputs))
        for value in reversed(self.order):
            share = uses[id(value)] if value.kind in FREE else 1
            for arg in value.args:
                uses[id(arg)] += share
        return uses

    def fresh(self, hint: str) -> str:
        base = HINTS.get(hint, hint or "t")
        name = base
        while name in self.taken:
            self.numbers[base] += 1
            name = f"{base}{self.numbers[base]}"
        self.taken.add(name)
        return name

    def _write(self, value: Value) -> None:
        """Note the text of one value, naming it where it is used again or has become long."""
        self.names[id(value)] = self._named_in(value.args)
        stays = id(value) in self.kept and self._stored(value, "") is not None
        if self.costs.tuned and not stays and self._took_over(value):
            return
        if value.kind == "filled":
            self._filled(value)
            return
        if value.kind == "cleared":
            self._cleared(value)
            return
        if value.kind == "passed":
            self.texts[id(value)] = (self.passes[id(value.args[0])][value.detail], ATOM)
            self.names[id(value)] = Counter((id(value),))
            return
        if value.kind in ("blocks", "pass"):
            for arg in value.args:
                made = owner(arg) if arg.kind in FREE else arg
                if made.kind not in FREE and not self.names[id(made)][id(made)]:
                    self._assign(arg)
            self.names[id(value)] = self._named_in(value.args)
            if value.kind == "pass":
                self._passed(value)
            return
        self.texts[id(value)] = self.text(value)
        if value.kind in FREE:
            return
        text, _ = self.texts[id(value)]
        if value.kind == "call" and value.detail[0] == SIGMOID and not value.weak:
            # exp overflows to inf where the result is 0, as it should be: no warning
            if self.quiet != len(self.lines):
                self.lines.append('with np.errstate(over="ignore"):')
            self._assign(value)
            self.lines[-1] = f"    {self.lines[-1]}"
            self.quiet = len(self.lines)
        elif (self.left[id(value)] > 1 and not value.weak) or (len(text) > WIDTH and id(value) not in self.kept):
            self._assign(value)

    def _named_in(self, values: Sequence[Value]) -> Counter[int]:
        """Which names the texts of these values hold, and how often."""
        return sum((self.names[id(value)] for value in values), Counter())

    def _assign(self, value: Value, hint: str = "") -> None:
        """Assign the value to a new name."""
        text, _ = self.texts[id(value)]
        name = self.fresh(hint or value.hint)
        self._line(f"{name} = {text}", value, name)
        if is_view(value):
            self.viewed.add(id(owner(value)))

    def _line(self, line: str, value: Value, name: str) -> None:
        """Write a line, after which the value goes by the name."""
        self.lines.append(line)
        self.left.subtract(self.names[id(value)])
        self.texts[id(value)] = (name, ATOM)
        self.names[id(value)] = Counter((id(value),))

    def _filled(self, value: Value) -> None:
        dims, base, writes = value.detail
        name = self.fresh("out" if base == "empty" else value.hint or "out")
        rest = list(zip(writes, value.args, strict=True))
        if rest and self._begins(value, *rest[0]):
            _, inner = rest.pop(0)
            self.lines.append(f"{name} = {self.texts[id(inner)][0]}")
        else:
            shape = ", ".join(str(dim) for dim in dims) + ("," if len(dims) == 1 else "")
            self.lines.append(f"{name} = np.{base}(({shape}), dtype=dtype)")
        for write, inner in rest:
            if write.walk is not None:
                self._walked(name, write, write.walk, inner)
                self.names[id(value)] = self._named_in(value.args)
                continue
            if inner.kind == "blocks":
                target = name if write.target == "{out}[...]" and inner.rank == len(dims) else ""
                self._in_blocks(target, write.target.replace("{out}", name), write.adds, inner)
                continue
            text, _ = self.texts[id(inner)]
            if write.target.startswith("{add}"):
                self.lines.append(f"np.add.at({name}, {write.target[5:]}, {text})")
                continue
            target = self._by_strides(name, value, write.diagonal) or write.target.replace("{out}", name)
            stored = None if write.adds else self._stored(inner, f"out={target}")
            self.lines.append(stored or f"{target} {'+=' if write.adds else '='} {text}")
        self.left.subtract(self.names[id(value)])
        self.texts[id(value)] = (name, ATOM)
        self.names[id(value)] = Counter((id(value),))

    def _begins(self, value: Value, write: Write, inner: Value) -> bool:
        """Whether what is written first is a whole new array that nobody else reads: the rest is written into that."""
        whole = write.target == "{out}[...]" and not write.adds and inner.shape == value.shape
        free = self.left[id(inner)] == 1 and id(inner) not in self.returned | self.viewed
        new = id(inner) in self.in_order and inner.kind != "blocks" and not inner.mask and not inner.weak
        return self.costs.tuned and whole and free and new

    def _by_strides(self, name: str, value: Value, diagonal: Sequence[Sequence[int]] | None) -> str | None:
        """A diagonal of a small array as a view with strides of its own: half the time that einsum takes for it."""
        if diagonal is None or not self.costs.tuned or self.costs.elements(value.shape) >= LARGE:
            return None
        steps = [self.fresh("s") for _ in value.shape]
        self.lines.append(f"{', '.join(steps)} = {name}.strides")
        sizes = ", ".join(str(value.shape[axes[0]]) for axes in diagonal)
        strides = ", ".join(" + ".join(steps[k] for k in axes) for axes in diagonal)
        comma = "," if len(diagonal) == 1 else ""
        return f"np.ndarray(({sizes}{comma}), dtype, {name}, 0, ({strides}{comma}))[...]"

    def _walked(self, name: str, write: Write, walk: Walk, value: Value) -> None:
        """One assignment at each step of nested loops."""
        if walk.reads and not self.texts[id(value)][0].isidentifier():
            self._assign(value)
        called = {"{out}": name}
        depth = 0
        for variable, size in walk.loops:
            called[variable] = self.fresh("k")
            self.lines.append(f"{'    ' * depth}for {called[variable]} in range({size}):")
            depth += 1

        def put(line: str) -> None:
            for mark, text in called.items():
                line = line.replace(mark, text)
            self.lines.append(f"{'    ' * depth}{line}")

        for n, (start, extent, size) in enumerate(walk.cuts):
            called.update({f"{{{word}{n}}}": self.fresh(word) for word in ("start", "first", "last")})
            put(f"{{start{n}}} = {start}")
            put(f"{{first{n}}} = max(-{{start{n}}}, 0)")
            put(f"{{last{n}}} = max({{first{n}}}, min({extent}, {size} - {{start{n}}}))")
        put(f"{write.target} {'+=' if write.adds else '='} {self.held(value, ATOM)}{walk.reads}")

    def _passed(self, value: Value) -> None:
        """Sums computed block by block, each written where its axis is cut, or else added up."""
        done: Pass = value.detail
        names = []
        for total, axis in done.sums:
            names.append(self.fresh(total.hint))
            shape = ", ".join(map(str, total.shape))
            shape = shape if total.rank == 1 else f"({shape})"
            made = f"np.{'zeros' if axis is None else 'empty'}({shape}, dtype=dtype)" if total.rank else "0"
            self.lines.append(f"{names[-1]} = {made}")
        step = self.fresh("k")
        rows = f"{step}:{step} + {done.step}"
        texts = {id(before): self.held(arg, ATOM) for before, arg in zip(done.reads, value.args, strict=True)}
        inner = Statements(Program(done.blocks(texts, rows), self.costs), self.taken)
        self.lines.append(f"for {step} in range(0, {done.dim}, {done.step}):")
        self.lines += [f"    {line}" for line in inner.lines]
        for name, (_, axis), block in zip(names, done.sums, inner.results, strict=True):
            text, _ = inner.texts[id(block)]
            place = name if axis is None else f"{name}[{':, ' * axis}{rows}]"
            self.lines.append(f"    {place} {'+=' if axis is None else '='} {text}")
        self.left.subtract(self.names[id(value)])
        self.passes[id(value)] = names

    def _in_blocks(self, whole: str, target: str, adds: bool, value: Value) -> None:
        """The value assigned, or added, block by block, to an array or to what its axes are the last axes of."""
        blocks: Blocks | Square = value.detail
        step = self.fresh("k")
        if isinstance(blocks, Square):
            array, weight = (self.held(arg, ATOM) for arg in value.args)
            self.lines += blocks.lines(step, whole, array, weight, str(value.shape[0]))
            return
        rows = f"{step}:{step} + {blocks.step}"
        block = blocks.block({id(arg): self.held(arg, ATOM) for arg in value.args}, rows)
        inner = Statements(Program([block], self.costs), self.taken)
        behind = [", :"] * (value.rank - blocks.axis - 1)
        place = f"{target.removesuffix('[...]')}[..., {rows}{''.join(behind)}]"
        if whole:
            place = f"{whole}[{':, ' * blocks.axis}{rows}]"
        size = value.shape[blocks.axis]
        self.lines.append(f"for {step} in range({size if blocks.step == 1 else f'0, {size}, {blocks.step}'}):")
        self.lines += [f"    {line}" for line in inner.lines]
        if whole and not adds and block.kind == "matmul" and block.rank == 2:
            left, right = (inner.texts[id(arg)][0] for arg in block.args)
            self.lines.append(f"    np.matmul({left}, {right}, out={place})")
            return
        text, _ = inner.texts[id(block)]
        self.lines.append(f"    {place} {'+=' if adds else '='} {text}")

    def _cleared(self, value: Value) -> None:
        (arg,) = value.args
        named, (text, _) = self.names[id(arg)][id(arg)], self.texts[id(arg)]
        alone = owns_memory(arg) and self.left[id(arg)] == 1 and id(arg) not in self.returned | self.viewed
        if named and alone:
            name = text
        else:
            name = self.fresh(value.hint or "out")
            self.lines.append(f"{name} = {text if alone else self.held(arg, ATOM) + '.copy()'}")
        along, axis, part = value.detail
        step = self.fresh("k")
        items = [":"] * along + [step] + [":"] * (axis - along - 1) + [part.replace("{k}", step)]
        self.lines.append(f"for {step} in range({value.shape[along]}):")
        self.lines.append(f"    {name}[{', '.join(items)}] = 0")
        self.left.subtract(self.names[id(value)])
        self.texts[id(value)] = (name, ATOM)
        self.names[id(value)] = Counter((id(value),))

    # Memory

    def copied(self, text: str) -> str:
        """An array of its own."""
        return f"{text}.copy()"

    def ordered(self, text: str) -> str:
        """The array in C order."""
        return f"np.ascontiguousarray({text})"

    def _stored(self, value: Value, where: str) -> str | None:
        """A large value that has no name yet, stored where it belongs without a copy."""
        made = value.args[0] if value.kind == "scale" else value
        if not self.costs.tuned or self.costs.elements(value.shape) < LARGE or id(made) in self.names[id(made)]:
            return None
        return self.stored(value, where)

    def result(self, value: Value) -> str | None:
        """A large product of smaller arrays in C order, which NumPy would leave to the order of its operands."""
        return self._stored(value, 'order="C"') if value.rank > 2 else None

    def _took_over(self, value: Value) -> bool:
        """Whether an elementwise operation could be written into the memory of an operand that nobody reads again."""
        place = self._free_operand(value)
        if place is None:
            return False
        arg = value.args[place]
        if not self.names[id(arg)][id(arg)]:
            # it is called by what it becomes
            self._assign(arg, value.hint)
        name, _ = self.texts[id(arg)]
        self.names[id(value)] = self._named_in(value.args)
        self._line(self.into(value, place, name), value, name)
        return True

    def _free_operand(self, value: Value) -> int | None:
        if not is_elementwise(value) or self.costs.elements(value.shape) < IN_PLACE:
            return None
        if value.kind == "scale" and id(value) in self.compared and value.detail.halves()[1]:
            # x *= 1 / 3 is rounded twice, x / 3 once
            return None
        named = self._named_in(value.args)
        for place, arg in enumerate(value.args):
            fits = arg.shape == value.shape and owns_memory(arg) and not arg.mask
            held = id(arg) in self.returned or id(arg) in self.viewed
            if fits and not held and self.left[id(arg)] == max(named[id(arg)], 1):
                return place
        return None
