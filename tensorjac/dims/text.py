"""How sizes are printed."""

import re
from fractions import Fraction
from math import lcm

from ..errors import caret
from .atoms import FloorDiv, Monomial, Terms, atom_key, wrap
from .polynomial import Polynomial, canonical, is_whole


def written(terms: Terms, whole: bool) -> str:
    """The text of a polynomial; `whole` says whether its values are."""
    common = lcm(*(c.denominator for _, c in terms))
    if common != 1:
        return f"{_operand({m: c * common for m, c in terms})}{'//' if whole else '/'}{common}"
    terms, quotients = _absorbed(terms)
    if terms and terms[0][1] < 0:
        # 3 - n reads better than -n + 3.
        terms = tuple(sorted(terms, key=lambda term: term[1] < 0))
    text = ""
    for monomial, coefficient in terms:
        text += (" - " if coefficient < 0 else " + ") if text else "-" if coefficient < 0 else ""
        bare = len(monomial) == 1 and abs(coefficient) == 1 and text != "-"
        factors = [] if abs(coefficient) == 1 and monomial else [str(abs(coefficient))]
        for atom, power in monomial:
            loose = isinstance(atom, FloorDiv) and not (bare and power == 1)
            factor = quotients.get(monomial, atom_key(atom))
            factor = f"({factor})" if loose else factor
            factors.append(factor if power == 1 else f"{factor}**{power}")
        text += "*".join(factors)
    return text or "0"


def _absorbed(terms: Terms) -> tuple[Terms, dict[Monomial, str]]:
    """Terms to print, and the texts of quotients that took others in: (k + n)//2 - k prints as (n - k)//2."""
    left, texts = dict(terms), {}
    for monomial, scale in terms:
        atom = monomial[0][0] if len(monomial) == 1 and monomial[0][1] == 1 else None
        if monomial not in left or not isinstance(atom, FloorDiv) or atom.divisor.value is None:
            continue
        dividend = dict(atom.dividend.terms)
        for own in tuple(dividend):
            times = Fraction(left.get(own, 0)) / scale
            leads = any(c > 0 for m, c in dividend.items() if m and m != own)
            if leads and times == -1 if own else times < 0 and times.denominator == 1:
                dividend[own] += atom.divisor.value * times
                del left[own]
        texts[monomial] = f"{_operand(dividend)}//{atom.divisor}"
    return tuple(left.items()), texts


def _operand(polynomial: Polynomial) -> str:
    terms = canonical(polynomial)
    return wrap(terms, written(terms, is_whole(terms)))


def point_name(text: str, name: str) -> str:
    found = re.search(rf"\b{re.escape(name)}\b", text)
    return caret(text, *found.span()) if found else caret(text, 0, len(text))
