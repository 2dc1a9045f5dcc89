"""The registry of strategies: ways to order and carry out one and the same contraction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .problem import Problem, Routine


@dataclass(frozen=True)
class Foreign:
    """What another library computes: a function of the arguments, and the bytes that it takes besides them, at most.

    ``pullbacks`` is as many compiled vector-Jacobian products as a call takes about as long as.
    """

    run: Callable[..., Any]
    needs: float
    pullbacks: int = 1

    def __call__(self, *values: Any) -> Any:
        return self.run(*values)


# A routine in NumPy's own functions, or a function of the arguments in the problem's order.
Way = Routine | Foreign | Callable[..., Any]


@dataclass(frozen=True)
class Strategy:
    """A way to compute ∂L/∂Y · ∂Y/∂A; ``make`` raises UnsupportedError, with the reason, where it does not apply.

    ``library`` is that which computes it where it is no routine, whose operations can be counted.
    """

    name: str
    meaning: str
    make: Callable[[Problem], Way]
    library: str = ""


STRATEGIES: dict[str, Strategy] = {}


def strategy(
    name: str, meaning: str, library: str = ""
) -> Callable[[Callable[[Problem], Way]], Callable[[Problem], Way]]:
    """Register the function below under this name."""

    def register(make: Callable[[Problem], Way]) -> Callable[[Problem], Way]:
        STRATEGIES[name] = Strategy(name, meaning, make, library)
        return make

    return register
