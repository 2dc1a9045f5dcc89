"""Transforms called on arrays: traced like any function, compiled, and kept for the next call where that is sound.

A trace is kept under two keys. Under the sizes of its arguments, what is kept is ready to run. Under the pattern of
these sizes (which are equal, which are 0 or 1) it is an expression with symbolic sizes, from which calls at new sizes
are made ready. A function that asks for the number of a size is traced at each size anew.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

import numpy as np

from ..dims import Dim, bind_sizes
from ..errors import TensorjacError, TraceError
from ..function import Expression, Function, Parts
from ..terms import Constant, Tensor, topological
from ..trace import Tracer, Traced
from ..trace import trace as trace_function
from ..trace.operands import of_input
from ..trace.record import running
from ..trace.sizes import SizeNumber
from . import rules
from .environment import Environment, Recent, Unreadable, array_key
from .rules import Transform, argument_names, not_real
from .trees import Tree, flatten, identifier, paths, unflatten
