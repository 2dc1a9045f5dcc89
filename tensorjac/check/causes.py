"""The causes of wrong gradients, by stable identifiers, and the registry of the detectors that name them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from .cases import Case
from .trials import Trial

Array = np.ndarray[Any, Any]
Stage = Literal["shape", "value", "structure"]

CAUSES: Mapping[str, str] = MappingProxyType(
    {
        # the function itself
        "upstream": "The gradient does not depend on the cotangent linearly: it is ignored, or added.",
        "in-place": "The function changes its arguments or its cache, so that a second call gives another answer.",
        "not-repeatable": "Two calls with the same arguments give different gradients.",
        "raises": "The function raises an error at arguments that the forward function takes.",
        # shape
        "shape": "The gradient has not the shape of the input.",
        "not-summed": "The input was broadcast, and the gradient is not summed over the axes along which it was.",
        "over-summed": "The gradient is summed, or averaged, over an axis that the input has.",
        "padding": "The gradient still holds the border of a padding, or lacks one.",
        # value
        "zero": "The gradient is zero everywhere, and the true one is not.",
        "not-finite": "The gradient is infinite or not a number where the true one is finite.",
        "division-at-zero": "The gradient divides by an input, and is not finite where that is 0.",
        "sign": "The gradient has the wrong sign.",
        "factor-two": "The gradient is twice the true one, or half of it.",
        "size-factor": "The gradient is off by a size: an average over the batch is missing, or taken twice.",
        "inner-scale": "The scale inside a function (a temperature, 1/√d) is not chained, or chained twice.",
        "wrong-count": "A mean or a variance divides by another count, such as n-1 for n.",
        "factor": "The gradient is off by a number.",
        "clipped": "The gradient is clipped: all of it is scaled so that its norm is a round number.",
        "transposed": "The gradient is transposed.",
        "copied": "The gradient is that of another input.",
        "layout": "The Jacobian is right, in the other layout: input axes first, or vectorised by columns.",
        "time-shift": "The gradient is shifted along an axis, wrapped round, or reversed.",
        "symmetric-convention": "The gradient follows another convention for symmetric matrices.",
        "dtype": "The gradient holds truth values or whole numbers: an operator binds otherwise than it was meant.",
        # structure
        "jacobian-transposed": "The Jacobian is used transposed, as G W for G Wᵀ.",
        "product-order": "The factors of a product stand in another order, or one of them is transposed.",
        "wrong-axis": "A sum or a mean runs over another axis, so that samples leak into each other.",
        "term-sign": "One term of the gradient has the wrong sign.",
        "missing-term": "One term of the gradient is missing.",
        "extra-term": "One term is too many.",
        "doubled-term": "One term of the gradient is counted twice.",
        "penalty": "The gradient of a penalty is missing, or is that of another variable.",
        "elementwise-jacobian": "Only the diagonal of the Jacobian is used, as if the function were elementwise.",
        "softmax-projection": "The second term of the softmax gradient, -s Σ s g, is missing.",
        "rank-one-vector": "A term that is an outer product holds a wrong vector.",
        "normalisation-path": "The path through the mean or the variance of a normalisation is missing.",
        "scale-parameter": "A scale parameter is dropped from the gradient, or stands in it squared.",
        "post-activation": "The derivative of an activation is taken at its output instead of its input.",
        "function-for-derivative": "A function stands where its derivative should stand.",
        "activation": "The derivative of an elementwise function is missing, or stands in the gradient twice.",
        "recurrent-path": "The path through earlier steps is lost.",
        "repeated-index": "Where an index occurs more than once, gradients overwrite each other instead of adding up.",
        "shared-weight": "An input is used several times, and one of its uses is missing or counted twice.",
        "wrong-operand": "Another array stands where it should not.",
        "wrong-number": "A number in the code is another one.",
        "kink": "The function has a kink at this point, or two arguments tie: the derivative is a convention.",
        "pooling": "In each block of a pooling or a repetition only one entry gets a gradient.",
        "mask": "A mask is not applied: there are entries where the true gradient is 0.",
        "second-order-path": "The Hessian lacks the second derivative of an inner function.",
        "another-loss": "The gradient is right for a neighbour of this loss, such as logits for probabilities.",
        "option": "An option or an input is ignored: the gradient is right only at one value of it.",
        "exponent": "A factor has another exponent, or stands along another axis.",
        "stabiliser": "A small constant of the function, as in log(y + 1e-7), is left out of the gradient.",
        "row-sum": "The gradient is right only where the rows of an input sum to 1, as labels and probabilities do.",
        "zero-term": "A term of the claim is identically zero: it is right, and may be left out.",
        "step": "A line of a derivation does not follow from the one before.",
    }
)
"""Identifier → what it means. Identifiers are stable; meanings may be worded better."""


@dataclass(frozen=True)
class Hypothesis:
    """A mistake that would give ``value`` at each trial; it is confirmed where the claim is that, up to a factor.

    ``message`` says what is wrong and what to write instead; ``exact`` refuses a further factor.
    """

    cause: str
    message: str | Callable[[], str]
    value: Callable[[Trial], Array | None]
    evidence: tuple[str, ...] = ()
    exact: bool = False

    @property
    def said(self) -> str:
        """The message; one that takes time is made only now."""
        return self.message if isinstance(self.message, str) else self.message()


Find = Callable[[Case], Iterator[Hypothesis]]


@dataclass(frozen=True)
class Detector:
    """A search for causes: which ones it can name, at which stage, and the hypotheses that it offers."""

    causes: tuple[str, ...]
    stage: Stage
    find: Find


DETECTORS: list[Detector] = []


def detector(*causes: str, stage: Stage) -> Callable[[Find], Find]:
    """Enter a search for these causes; they are tried in the order in which they are entered."""
    unknown = [cause for cause in causes if cause not in CAUSES]
    assert not unknown, f"{unknown} are not in CAUSES"

    def enter(find: Find) -> Find:
        DETECTORS.append(Detector(causes, stage, find))
        return find

    return enter
