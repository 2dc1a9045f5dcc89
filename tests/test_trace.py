"""Tracing: each row is a NumPy expression, calculated by NumPy and by evaluating what its trace is."""

from __future__ import annotations

import linecache
import math
import re
from pathlib import Path

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from evaluate import evaluate
from oracles import draw
from tensorjac.dims import bind_sizes, parse_shape
from tensorjac.errors import ShapeError, TensorjacError
from tensorjac.notation import parse_numpy
from tensorjac.trace import creation as tj
from tensorjac.trace import numpy_namespace, trace, trace_text

SIZES = {"b": 2, "n": 5, "k": 3, "m": 4}
SHAPES = {
    **{"X": "b n", "Z": "b n", "A": "n k", "B": "k m", "S": "n n", "T": "b n k", "U": "b n n", "V": "b k n"},
    **{"x": "n", "y": "n", "u": "b", "v": "k", "a": "", "c": "", "w": "b n", "R": "1 n", "Q": "b 1", "D": "n b n"},
    **{"F": "3 4", "f": "6", "g": "4", "H": "2 6", "E": "7 2", "O": "3 3", "K": "b 12", "L": "2*n k", "I": "n n"},
}
DOMAINS = {"w": "positive", "a": "positive", "I": "invertible", "g": "positive", "U": "any"}
FIXED = np.array([[1.0, -2.0, 0.5, 3.0], [0.25, 4.0, -1.0, 2.0], [1.5, 0.0, 2.5, -0.5]])
NAMESPACE = {"np": np, "tj": tj, "math": math, "special": special, "FIXED": FIXED, "ROWS": np.array([2, 0, 2, 1])}
NAMESPACE |= {"NEGATIVE": np.array([-1, 0, 1]), "PICK": np.array([True, False, True]), "GRID": np.array([[0, 2], [1, 1]])}

EXPRESSIONS = """
X + Z; X + x; x + X; X - 2; 2 - X; X * R; Q * X; Q + R; R + x; a * X; X / w; 1 / w; X / 3; X / 0.3; -X; +X; abs(X)
X**2; X**3; w**0.5; w**-1; w**-0.5; w**2.5; w**0.3; 2**X; 2.5**X; w**X; a**2; w**a; X**0; X**1; w ** (1 / 3)
X @ A; A.T @ x; x @ A; x @ y; x @ S @ y; X @ S @ X.T; T.mT @ X[:, :, None]; U @ U; U @ A; X @ U; U @ x; S @ T; x @ T
T @ V; T.swapaxes(1, 2) @ T; V[:, None] @ T[None]; (X @ A) @ B; np.matmul(X, A); np.matmul(X, A, dtype=float)
np.dot(X, A); np.dot(T, B); np.dot(x, y); np.dot(2, X); np.dot(T, V.mT[0].T); X.dot(A); np.dot(X, x); np.dot(x, A)
np.inner(X, Z); np.inner(x, y); np.inner(2.0, X); np.inner(T, B.T); np.outer(x, y); np.outer(X, y); np.vdot(X, Z)
np.vdot(x[:, None], y); np.vdot(X, Z.reshape(Z.shape[1], Z.shape[0])); np.vecdot(X, Z); np.vecdot(X, x); np.linalg.vecdot(X, Z, axis=0)
np.matvec(S, x); np.matvec(U, X); np.vecmat(x, S); np.vecmat(X, U); np.linalg.outer(x, y); np.linalg.matmul(X, A)
np.tensordot(X, A, 1); np.tensordot(X, Z); np.tensordot(X, A, 0); np.tensordot(T, X, ([0, 1], [0, 1])); np.tensordot(T, v, (2, 0))
np.tensordot(T, T, ((2, 0), (2, 0))); np.linalg.tensordot(X, A, axes=1); np.add.outer(x, y); np.multiply.outer(X, x)
np.kron(X, A); np.kron(x, y); np.kron(X, x); np.kron(x, X); np.kron(a, X); np.kron(R, Q); np.kron(tj.eye(2), X)
np.einsum("ij,jk->ik", X, A); np.einsum("ij,jk", X, A); np.einsum("ji", X); np.einsum("ij->", X); np.einsum("ij->ji", X)
np.einsum("ii->i", S); np.einsum("ii", S); np.einsum("ii->", S); np.einsum("ij,ij->i", X, Z); np.einsum("i,j->ij", x, y)
np.einsum("...ij,...jk->...ik", T, V); np.einsum("...ij,jk", T, B); np.einsum("...i->...", T); np.einsum("b...,b->...", T, u)
np.einsum("...ij,...jk", U, T); np.einsum("ij,jk,kl->il", X, A, B); np.einsum("i,i,i->", x, y, x); np.einsum("bij,bij->b", U, U)
np.einsum("ij,ij->ij", X, R); np.einsum("ij,i->i", X, Q[:, 0]); np.einsum("bb,b->b", S[:2, :2], Z[:, 0]) if False else X; np.einsum("ij, jk -> ik", X, A)
np.einsum(X, [0, 1], A, [1, 2], [0, 2]); np.einsum(X, [0, 1], A, [1, 2]); np.einsum(T, [..., 2], [2, ...]); np.einsum("ij,ij->j", X, Q)
np.einsum("ij,jk->ik", X, A, optimize=True); np.einsum("->", a); np.einsum(",->", a, c); np.einsum(",ij->ij", a, X); np.einsum("ijj->i", U)
np.trace(S); S.trace(); np.trace(S, 1); np.trace(S, -2); np.trace(U, axis1=1, axis2=2); np.trace(D, 0, 0, 2); np.linalg.trace(U)
np.diagonal(S); S.diagonal(1); np.diagonal(S, -1); np.diagonal(U, 0, 1, 2); np.diagonal(F, 1); np.diagonal(F, -1); np.linalg.diagonal(U, offset=2)
np.diag(x); np.diag(x, 1); np.diag(x, -2); np.diag(S); np.diag(S, 1); np.diag(S @ S); np.diag(np.diag(S)); np.diag(x) @ S; np.diagonal(F.T)
X.T; T.T; T.mT; np.transpose(X); np.transpose(T, (2, 0, 1)); T.transpose(1, 2, 0); T.transpose((1, 0, 2)); T.transpose(-1, 0, 1)
np.swapaxes(T, 0, 2); T.swapaxes(-1, 0); np.moveaxis(T, 0, -1); np.moveaxis(T, [0, 1], [-1, 0]); np.rollaxis(T, 2); np.rollaxis(T, 0, 3)
np.permute_dims(T, (1, 0, 2)); np.matrix_transpose(T); np.linalg.matrix_transpose(T); S + S.T; S * S.T - S @ S.T; (S.T + S).T * S
x[:, None] * x[None, :]; x[:, None] * y - x; x[:, None, None] * S; np.expand_dims(x, 0); np.expand_dims(X, (0, 2)); np.expand_dims(X, -1)
np.squeeze(R); R.squeeze(0); R.squeeze(); np.squeeze(Q, -1); np.squeeze(R[:, None], (0, 1)); np.squeeze(X[:1, :1])
np.broadcast_to(x, X.shape); np.broadcast_to(Q, (3, *X.shape)); np.broadcast_to(a, X.shape); np.broadcast_to(R, (4, X.shape[1])); np.broadcast_arrays(X, x)[1]
np.atleast_1d(a); np.atleast_2d(x); np.atleast_3d(x); np.atleast_3d(X); np.atleast_3d(a); np.atleast_2d(x, X)[0]; np.atleast_1d(X)
X.reshape(-1); X.ravel(); X.flatten(); np.ravel(X); np.reshape(X, -1); X.reshape(X.shape[0] * X.shape[1]); T.reshape(T.shape[0], -1)
T.reshape(-1, T.shape[2]); T.reshape(T.shape[0] * T.shape[1], T.shape[2]); T.reshape((-1,)); X.reshape(X.shape); X.reshape(X.shape[0], 1, -1)
X.reshape(-1)[0]; X.ravel()[:-1]; T.reshape(T.shape[0], -1).reshape(T.shape); X.ravel().reshape(X.shape); f.reshape(2, 3); f.reshape(3, 2); f.reshape(-1, 2)
F.reshape(4, 3); F.reshape(2, 6); F.reshape(12); F.reshape(2, 2, 3); F.reshape(1, 12, 1); H.reshape(3, 4); H.reshape(2, 2, 3); H.reshape(4, 3); H.reshape(-1, 4, 1)
K.reshape(K.shape[0], 3, 4); K.reshape(K.shape[0], 3, 4).sum(1); K.reshape(-1, 6); K.reshape(K.shape[0] * 2, 6); K.reshape(2, K.shape[0], 6); K.reshape(-1, 4)
L.reshape(2, -1, L.shape[1]); L.reshape(-1, 2, L.shape[1]); L.reshape(L.shape[0] // 2, 2 * L.shape[1]); L.reshape(-1, 2 * L.shape[1])
X.reshape(-1, order="F"); X.ravel(order="F"); X.flatten("F"); F.reshape(2, 6, order="F"); np.reshape(T, (-1, T.shape[2]), order="F"); a.reshape(1, 1); a.reshape(-1)
R.reshape(-1); Q.reshape(-1); R.reshape(R.shape[1], 1) * X.T; X.reshape(1, *X.shape); np.reshape(X, (X.shape[1], X.shape[0])); T.reshape(T.shape[1], -1)
(X[:, :, None] * A).reshape(X.shape[0], -1); (x[:, None] * y).ravel(); np.ones_like(X).reshape(-1); (X + x).ravel() * 2; Q.reshape(1, -1) * A[0, 0]
X.sum(); X.sum(0); X.sum(axis=1); X.sum(axis=(0, 1)); X.sum(-1, keepdims=True); np.sum(T, (0, 2)); np.sum(T, axis=(), keepdims=True); np.sum(X, initial=2)
np.sum(X, axis=0, keepdims=False); np.sum(a); np.sum(3 * tj.ones((2, 3)), 0); np.sum(X, dtype=float); np.add.reduce(X); np.add.reduce(X, axis=1); np.add.reduce(T, axis=(0, 2))
X.mean(); X.mean(0); np.mean(T, (0, 1)); X.mean(axis=1, keepdims=True); np.mean(R, 0); np.mean(np.ones_like(X), 0); (X > 0).mean(0)
X.var(); X.var(0); np.var(X, 1, ddof=1); np.var(T, (1, 2), keepdims=True); X.std(1); np.std(T, axis=0, ddof=1); np.var(X, axis=1, correction=1); np.var(X, 1, ddof=0.5)
np.var(X, axis=1, mean=X.mean(1, keepdims=True)); X.var(axis=1) * X.std(); np.average(X); np.average(X, 0); np.average(X, axis=1, weights=a * y**2); np.average(X, weights=w)
np.average(X, axis=0, weights=w); np.average(X, 0, u**2, True)[1]; np.average(X, axis=1, weights=y**2, keepdims=True); np.average(T, axis=1, weights=y**2)
X.prod(); X.prod(0); np.prod(T, (0, 2)); X.prod(axis=1, keepdims=True); np.multiply.reduce(X); np.prod(X, initial=3); (X * 0 + 2).prod(1); tj.full((2, 3), a).prod(1)
X.max(); X.max(0); np.max(X, 1, keepdims=True); T.min((0, 2)); np.amax(X); np.amin(X, 1); np.ptp(X, 1); np.maximum.reduce(X); np.minimum.reduce(T, axis=(0, 1)); np.max(np.broadcast_to(x, (3, x.shape[0])), 0)
X.cumsum(0); X.cumsum(1); np.cumsum(X); np.cumsum(x) * x; np.add.accumulate(X); np.add.accumulate(X, axis=1); np.cumsum(tj.ones(4)); np.count_nonzero(X > 0, axis=1); np.count_nonzero(X)
np.linalg.norm(X); np.linalg.norm(x); np.linalg.norm(X, axis=0); np.linalg.norm(X, "fro"); np.linalg.norm(X, axis=(0, 1)); np.linalg.norm(x, 1); np.linalg.norm(x, np.inf)
np.linalg.norm(x, -np.inf); np.linalg.norm(x, 3); np.linalg.norm(x, 2.5); np.linalg.norm(X, 1); np.linalg.norm(X, np.inf); np.linalg.norm(X, -1); np.linalg.norm(X, -np.inf, keepdims=True)
np.linalg.norm(T); np.linalg.norm(T, axis=(1, 2), keepdims=True); np.linalg.norm(X, 2, axis=1); np.linalg.vector_norm(X, axis=1, keepdims=True); np.linalg.matrix_norm(T); np.linalg.vector_norm(X, ord=1); np.linalg.norm(X, 1, axis=1)
np.linalg.inv(I); np.linalg.inv(I) @ x; np.linalg.solve(I, x); np.linalg.solve(I, A); np.linalg.solve(I[None] + np.zeros((2, 1, 1)), np.stack([A, A])); np.linalg.solve(np.stack([I, 2 * I]), A); np.linalg.inv(I).T
np.linalg.det(I); np.linalg.slogdet(I)[1]; np.linalg.slogdet(I).sign; np.linalg.slogdet(I).logabsdet; np.linalg.det(np.stack([I, I.T])); np.linalg.pinv(A); np.linalg.pinv(T)
np.linalg.cholesky(I @ I.T); np.linalg.cholesky(I @ I.T, upper=True); np.linalg.matrix_power(S, 0); np.linalg.matrix_power(S, 1); np.linalg.matrix_power(S, 5); np.linalg.matrix_power(I, -3); np.linalg.matrix_power(U, 2)
np.linalg.matrix_power(np.broadcast_to(S, (2, *S.shape)), 0) + S; np.linalg.matrix_power(U, 0) + U; np.linalg.multi_dot([X, A, B]); np.linalg.multi_dot([x, S, y]); np.linalg.multi_dot([X, S, S, x]); np.linalg.solve(I, np.linalg.inv(I))
np.exp(X); np.log(w); np.sqrt(w); np.square(X); np.cbrt(X); np.sin(X) * np.cos(X); np.tan(X); np.tanh(X); np.arctan2(X, Z); np.hypot(X, Z); np.logaddexp(X, x); np.exp2(X); np.reciprocal(w); np.asin(a / 9)
np.sign(X); np.negative(X); np.positive(X); np.absolute(X); np.fabs(X); np.conj(X); X.conj(); np.real(X); X.real; np.power(w, 3); np.float_power(w, 2); np.heaviside(X, 0.5); np.heaviside(X - X, 0.3); np.true_divide(X, w); np.pow(w, x)
np.log2(w) + np.log10(w); np.log1p(w) * np.expm1(X); np.sinh(X) - np.cosh(X); np.arcsin(X / 2) + np.arccos(X / 2); np.arctan(X); np.arcsinh(X); np.arccosh(w + 1); np.arctanh(X / 2)
np.acos(X / 2) + np.atan(X); np.asinh(X); np.acosh(w + 1); np.atanh(X / 2); np.atan2(X, Z); np.fmin(X, x); np.radians(X) - np.degrees(x); np.tril(x); np.triu(x, 1); tj.identity(3) * 2
special.softplus(X); special.expm1(X); special.log1p(w); X.sum().max(axis=0); X.sum().sum(-1, keepdims=True); special.cbrt(X); special.exp2(X); special.xlog1py(w, w); special.expit(X); special.logit(w / 9); special.erf(X); special.erfc(X); special.xlogy(w, w); special.ndtr(X); special.entr(w); special.rel_entr(w, w + 1); special.kl_div(w, w * 2); special.exp10(X); special.log_expit(X)
X > 0; X >= Z; (X < 0) * X; (X <= Z) * 1.0; X == Z; X != X; (X > 0) & (Z > 0); (X > 0) | (Z > 0); (X > 0) ^ (Z > 0); ~(X > 0); (X > 0) + (Z > 0); (X > 0) * (Z > 0); np.logical_and(X, Z > 0); np.logical_or(X > 0, X); np.logical_not(X); np.logical_xor(X > 0, Z)
np.where(X > 0, X, Z); np.where(X > 0, 1, x); np.where(X > 0, X, -np.inf) > -9; np.where(X, 1.0, 2.0); np.where(FIXED > 0, F, 0); np.select([X > 1, X > 0], [X, Z], 7); (X > 0).sum(0) / 2; (X > 0).astype(float) * X; X.astype(np.float64); (X > 0).astype(int).sum(); (X > 0).max(0)
np.clip(X, -1, 1); X.clip(0); np.clip(X, None, Z); np.clip(X, min=0.5); X.clip(max=0.2); np.maximum(X, 0); np.minimum(X, x); np.fmax(X, Z); np.maximum(X > 0, Z > 0); abs(X > 0); np.abs(X).astype("float64"); 1 - (X > 0)
X[0]; X[-1]; X[:, 0]; X[1, 2]; X[-1, -2]; X[0, ...]; X[..., -1]; X[None]; X[:, None, :]; X[..., None]; X[()]; X[...]; T[0, :, 1]; T[..., 0]; T[:, -1, None]; X[np.int64(1)]; X[np.array(1)]
X[:, 1:]; X[:, :-1]; X[:, 1:-1]; X[:, ::2]; X[:, 1::2]; X[:, ::-1]; X[::-1, ::-1]; X[:, ::-2]; X[:, -2::-1]; X[:, :0]; X[:, 3:1]; X[:, 1:3]; X[:, -3:]; X[:, :-3:-1]; X[:, -1:]; X[:, :1]; X[:, -3:-1]; X[:, 4:0:-2]; X[1:, None, ::3]
f[10:]; f[:10]; f[-10:]; f[-10:3]; f[10::-1]; f[:-10:-1]; f[::4]; f[5:1:-3]; f[-2:1:-1]; f[2:2]; f[::-1][::2]; f[1:][1:][:-1]; f[::2][::-1]; F[1:, ::2][::-1, 0]; f[True:] if False else f; F[2, 3] * F[0, -4]
X[:, : X.shape[1]]; X[:, X.shape[1] - 2]; X[:, X.shape[1] // 2 :]; X[:, : X.shape[1] // 2]; X[:, X.shape[1] - 1 :: -1]; X[:, : X.shape[1] + 3]; L[: L.shape[0] // 2]; L[L.shape[0] // 2 :] - L[: L.shape[0] // 2]; (X + 1)[:, ::2] * 2; (X @ A)[0, 1:]; (X @ A)[::-1]
S[0] @ S[:, 0]; X[:, ::2].mean(); X[:, 1:].mean(1); X[:, ::2].sum() / X[:, ::2].size; x[::-1] + x; np.exp(X)[:, 0]; X.max(0)[1:]; S[1:, :-1].T; S[::-1].trace(); S[:, ::-1].diagonal()
E[[1, 1, 6]]; E[ROWS]; E[ROWS, 0]; E[ROWS][:, ::-1]; F[[0, 2], [1, 3]]; F[[0, 2]][:, [1, 3]]; F[:, ROWS]; S[ROWS, ROWS]; S[ROWS] @ x; X[:, NEGATIVE]; S[NEGATIVE, 1:4]; F[PICK]; F[PICK, 1]; O[..., PICK]; O[PICK, None]; F[FIXED > 0]; F[FIXED > 0] * 2; O[None, PICK, PICK]; np.stack([F, F])[:, FIXED > 0]; F[np.arange(3), [3, 0, 0]]; T[:, ROWS, 0]; T[0, ROWS]; T[ROWS // 2, :, 0]
F[GRID]; F[GRID, [[0, 1]]]; F[GRID, [3, 0]]; x[[2]]; f[[0, 2, 4]]; f[[5, 4, 3]]; f[np.array([], dtype=int)]; np.take(X, ROWS, axis=1); np.take(f, [0, 0]); np.take(F, 5); X.take([0], axis=0); E[ROWS] ** 2; X[tj.arange(X.shape[0]), 0]; S[tj.arange(S.shape[0]), tj.arange(S.shape[0])]; X[:, tj.arange(2) + 1]
np.stack([X, Z]); np.stack([X, Z], 1); np.stack((x, y), axis=-1); np.stack([a, c]); np.stack([X]); np.stack([x, np.ones_like(x), 2 * y]); np.stack(list(F)); np.stack([a, 1.0, c]); np.concatenate([X, Z]); np.concatenate([X, X @ S, Z], 1); np.concatenate([x, y, v]); np.concatenate([X, Q], axis=-1)
np.concatenate([X, Z], axis=None); np.concatenate([x, [1.0, 2.0]]); np.concatenate([np.ones_like(X), X]); np.concat([X, Z]); np.vstack([x, X]); np.vstack([x, y]); np.hstack([x, y]); np.hstack([X, Q]); np.dstack([X, Z]); np.column_stack([x, y]); np.column_stack([X, X @ A]); np.append(X, Z); np.append(X, Z, 0); np.hstack([a, c]); np.column_stack([u, X])
np.block([[X, Q], [R, tj.ones((1, 1))]]); np.block([x, y]); np.split(f, 3)[1]; np.split(K, 3, axis=1)[2]; np.split(x, [1, 3])[1]; np.split(L, 2)[1]; np.hsplit(K, 2)[0]; np.vsplit(F, 3)[0]; np.unstack(F)[1]; np.hsplit(f, 2)[1]; np.split(S, [2], axis=1)[1]
np.flip(X); np.flip(X, 0); np.flip(T, (0, 2)); np.flipud(X); np.fliplr(X); np.rot90(X); np.rot90(X, 2); np.rot90(X, 3); np.rot90(X, -1); np.rot90(X, 4); np.roll(x, 1); np.roll(x, -2); np.roll(X, 1, axis=1); np.roll(X, (1, 2), (0, 1)); np.roll(X, 1); np.roll(f, 8); np.roll(f, -7); np.roll(f, 0); np.roll(X, (1, 1), 1); np.diff(x); np.diff(X, axis=0); np.diff(x, 2)
np.pad(x, 1); np.pad(X, ((0, 1), (2, 0))); np.pad(X, (1, 2)); np.pad(X, ((1, 2),)); np.pad(x, 2, constant_values=7.0); np.pad(x, (0, x.shape[0])); np.pad(T, ((0, 0), (1, 1), (0, 2)), "constant"); np.repeat(x, 2); np.repeat(X, 3, 1); np.repeat(X, 2, axis=0); np.repeat(X, 2); np.tile(x, 3); np.tile(X, (2, 3)); np.tile(x, (2, 2)); np.tile(X, 2); np.tile(a, 3); X.repeat(2, 1)
np.tril(S); np.triu(S); np.tril(X); np.triu(X); np.tril(S, 1); np.tril(S, -1); np.triu(S, 1); np.triu(S, -2); np.tril(U); np.tril(F, 2); np.triu(F, -1); np.tril(F, -2); np.triu(F, 3); np.tril(F, -5); np.triu(tj.ones((3, 3))); np.tril(np.ones_like(S)); np.tril(S @ S.T) + np.triu(S)
np.convolve(x, v); np.convolve(f, [1.0, 2.0, 3.0]); np.convolve(f, g, "valid"); np.convolve(g, f, "same"); np.convolve(f, g, "same"); np.correlate(f, [1.0, 2.0]); np.correlate(f, g, "full"); np.lib.stride_tricks.sliding_window_view(x, 2); np.lib.stride_tricks.sliding_window_view(F, (2, 3)); np.lib.stride_tricks.sliding_window_view(X, 3, axis=1) @ v[:3] if False else x
np.lib.stride_tricks.sliding_window_view(X, 3, axis=1).sum(-1); np.cross(O, O[::-1]); np.linalg.cross(O, O.T); np.cross(O, O, axis=0); np.ones_like(X) + X; np.zeros_like(X); np.full_like(X, 3); np.ones_like(X, shape=(2,)); np.full_like(X, a); np.copy(X); X.copy() + X; np.deg2rad(X) + np.rad2deg(x); np.logaddexp2(X, Z)
X.shape[0] * X; X / X.shape[0]; X.size * X; X * np.sqrt(X.shape[-1]); X / np.sqrt(X.shape[1]); X.shape[1] ** 2 * X; X.shape[1] ** 0.5 * x; 2 ** X.shape[0] * X; X ** X.shape[0]; (X.shape[1] - 1) * X; X / (X.shape[1] - 1); X / (X.shape[1] // 2); X * (X.shape[1] % 2); X + X.shape[0] / X.shape[1]; X.ndim * X; np.log(X.shape[1]) * X; 1 / X.shape[0] + X; np.prod(X.shape) * x; np.sum(X.shape[0] * x); X * (1 / np.array(2.0)); -X.shape[0] + X; X.shape[0] - x; np.size(X) * x; np.size(X, 1) * x; np.ndim(X) * x; np.shape(X)[1] * x; np.maximum(X.shape[0], 3) * x; np.float64(2) * X; np.array([1.0, 2, 3, 4]) * F; F * [1, 2, 3, 4]; (1, 2, 3, 4) + F; FIXED * F; F @ FIXED.T; FIXED.T @ F; FIXED + F; FIXED[:, 0] @ F; True * X; X + np.True_; np.multiply(FIXED, F); X * np.float32(0.5)
tj.eye(X.shape[1]) @ x; tj.eye(3); tj.eye(2, 4); tj.eye(3, k=1); tj.eye(X.shape[0], X.shape[1]); tj.ones(X.shape) * X; tj.zeros((2, X.shape[0])); tj.full((2, 3), 7.0); tj.full(X.shape, a); tj.arange(X.shape[1]) * x; tj.arange(3); tj.arange(2, X.shape[1]); tj.arange(0, X.shape[1], 2); tj.arange(X.shape[1], 0, -1); tj.arange(X.shape[1])[::-1] + X; S * (tj.arange(S.shape[0])[:, None] >= tj.arange(S.shape[0])); tj.ones(2) + tj.zeros(2); tj.arange(6).reshape(2, 3)
""".replace("\n", ";").split(";")
EXPRESSIONS = [text.strip() for text in EXPRESSIONS if text.strip() and " if False else " not in text]


class OutsideATrace:
    """What `tj` is to NumPy in the rows above: NumPy's own functions."""

    eye, ones, zeros, full, arange = map(staticmethod, (np.eye, np.ones, np.zeros, np.full, np.arange))
    identity = staticmethod(np.identity)


def names_in(text):
    """The arguments that a row uses, in order of the table."""
    words = set(re.findall(r"(?<![.\w\"'])[A-Za-z]\w*", re.sub(r"\"[^\"]*\"", "", text)))
    return [name for name in SHAPES if name in words]


def inputs(names, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {name: parse_shape(SHAPES[name], name) for name in names}
    arrays = {}
    for part, (name, dims) in enumerate(shapes.items()):
        shape = tuple(dim.evaluate(SIZES) for dim in dims)
        arrays[name] = draw(shape, rng, DOMAINS.get(name, "any"), part, len(shapes))
    return shapes, arrays


def assert_same(traced, arrays, expected):
    sizes = bind_sizes(traced.inputs, {name: np.shape(array) for name, array in arrays.items()}, traced.requirements)
    (axes, body), *rest = traced.outputs.values()
    assert not rest
    actual = evaluate(body, axes, arrays, sizes)
    assert actual.shape == np.shape(expected)
    np.testing.assert_allclose(actual, np.asarray(expected, dtype=float), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expression(text):
    """The trace of the expression, evaluated, is what NumPy calculates; so is what its text means."""
    names = names_in(text)
    shapes, arrays = inputs(names)
    source = f"lambda {', '.join(names)}: {text}"
    expected = eval(source, {**NAMESPACE, "tj": OutsideATrace})(**arrays)
    assert_same(trace(eval(source, NAMESPACE), shapes), arrays, expected)


NOT_IN_TEXT = re.compile(
    r"\*[A-Z]|%|\^|np\.(u?int|float|array|bool|True|prod\(X)|dtype=|astype|FIXED|ROWS|NEGATIVE|PICK|GRID"
    r"|\.reduce|\.accumulate|\.outer\(|list\(|shape=|lib\.|np\.(ndim|size|shape)\(|np\.zeros\(\(2"
)


@pytest.mark.parametrize("text", [text for text in EXPRESSIONS if not NOT_IN_TEXT.search(text)])
def test_text(text):
    """A row as NumPy text means what it means to Python."""
    names = names_in(text)
    shapes, arrays = inputs(names)
    expected = eval(f"lambda {', '.join(names)}: {text}", {**NAMESPACE, "tj": OutsideATrace})(**arrays)
    assert_same(trace_text(parse_numpy(text), text, shapes), arrays, expected)


# SciPy has these as functions of its own, which ask for the entries of an array.
IN_TEXT = [
    *("special.logsumexp(X)", "special.logsumexp(X, axis=1)", "special.logsumexp(X, 1, w, True)", "linalg.inv(I)"),
    *("special.softmax(X, axis=1)", "special.softmax(X)", "special.log_softmax(X, axis=0)", "inv(I) @ x", "exp(X) * pi"),
    *("Y = X @ A; Y", "P = X @ A; P.T", "P, q = X @ A, x; P * q[0]", "t = x; t = t + y; t", "numpy.exp(X)", "norm(x)"),
    *("p, q, r = F; p * q + r", "s, d = np.linalg.slogdet(I); s * d", "x / n", "X.sum() / (b * n)", "softplus(X)"),
    *("-X**2 + +X", "np.where((X > 0) & ~(Z > 0), X, -1e3)", "scipy.special.erf(X) + np.e", "np.inf > X", "x[n - 1] * x[-n]"),
]


@pytest.mark.parametrize("text", IN_TEXT)
def test_text_of_its_own(text):
    shapes, arrays = inputs(names_in(text))
    spoken = {"linalg": np.linalg, "inv": np.linalg.inv, "norm": np.linalg.norm, "exp": np.exp, "numpy": np, "scipy": scipy}
    spoken |= {"softplus": lambda x: np.logaddexp(x, 0), "pi": np.pi, **SIZES, **NAMESPACE, **arrays}
    *statements, last = text.split("; ")
    for statement in statements:
        exec(statement, spoken)
    assert_same(trace_text(parse_numpy(text), text, shapes), arrays, eval(last.removeprefix("Y = "), spoken))


@pytest.mark.parametrize(
    ("text", "names", "nesting"),
    [
        ("X @ A", ["Y"], "single"),
        ("loss = X.sum()", ["loss"], "single"),
        ("S = X @ X.T; Y = S @ X; loss = S.sum()", ["Y", "loss"], "tuple"),
        ("X, X @ A", ["Y1", "Y2"], "tuple"),
        ("X; X @ A", ["Y1", "Y2"], "tuple"),
        ("P, q = X, A", ["P", "q"], "tuple"),
        ("P = X; X @ A", ["P", "Y"], "tuple"),
        ("P = X; P = P + 1", ["P"], "single"),
        ("slogdet(X @ X.T)", ["Y1", "Y2"], "tuple"),
    ],
)
def test_outputs_of_a_text(text, names, nesting):
    traced = trace_text(parse_numpy(text), text, shapes_of(X="b n", A="n k"))
    assert (list(traced.outputs), traced.nesting) == (names, nesting)


# What is refused ---------------------------------------------------------------------------------------------------


def function(body, names):
    """A function with this body; its last line is returned if it is an expression."""
    lines = body.splitlines()
    if not re.match(r"\s|return|raise|pass|del ", lines[-1]):
        lines[-1] = f"return {lines[-1]}"
    source = f"def f({', '.join(names)}):\n" + "".join(f"    {line}\n" for line in lines)
    linecache.cache["row.py"] = (len(source), None, source.splitlines(keepends=True), "row.py")
    namespace = {**NAMESPACE, "__name__": "row"}
    exec(compile(source, "row.py", "exec"), namespace)
    return namespace["f"]


def refusal(body):
    """What tracing says to the body of a function."""
    names = names_in(body)
    return said(lambda: trace(function(body, names), inputs(names)[0]))


def said(action):
    """The error of an action, by type and whole message."""
    try:
        action()
    except TensorjacError as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("nothing was refused")


def refusals():
    """The rows of refusals.txt: body or text, and message."""
    text = Path(__file__).with_name("refusals.txt").read_text(encoding="utf-8")
    for row in text.split("\n\n")[1:]:
        lines = row.rstrip("\n").split("\n")
        count = 1 + sum(line.startswith("... ") for line in lines)
        body = "\n".join(line[line.index(" ") + 1 :] for line in lines[:count])
        yield pytest.param(lines[0].startswith("text"), body, "\n".join(lines[count:]), id=body)


@pytest.mark.parametrize(("is_text", "body", "message"), list(refusals()))
def test_refusal(is_text, body, message):
    if is_text:
        shapes, _ = inputs(names_in(body))
        assert said(lambda: trace_text(parse_numpy(body), body, shapes)) == message
    else:
        assert refusal(body) == message


def shapes_of(**shapes):
    return {name: parse_shape(shape, name) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("fun", "shapes", "message"),
    [
        (
            lambda X, A: X @ A,
            {"X": "b m"},
            "TraceError: each parameter of the function gets a shape: A has no shape:\n"
            "  <lambda>(X, A)\n  ^^^^^^^^^^^^^^\n"
            "give a shape to each parameter by its own name.",
        ),
        (
            lambda inputs, A, c: inputs,
            {"input": "b m", "W": "m"},
            "TraceError: each parameter of the function gets a shape: inputs, A and c have no shape and input and W are "
            "no parameter:\n  <lambda>(inputs, A, c)\n  ^^^^^^^^^^^^^^^^^^^^^^\n"
            "did you mean inputs?",
        ),
        (
            lambda x: x,
            {"x": "n", "z": "n"},
            "TraceError: each parameter of the function gets a shape: z is no parameter:\n"
            "  <lambda>(x)\n  ^^^^^^^^^^^\n"
            "give a shape to each parameter by its own name.",
        ),
        (
            lambda b, X: X * b,
            {"b": "", "X": "b n"},
            "ShapeError: a scalar and a size have different names, and b is a scalar argument and a size of X (axis 0):\n"
            "  X: b n\n     ^\n"
            "rename one of the two.",
        ),
    ],
)
def test_wrong_parameters(fun, shapes, message):
    assert said(lambda: trace(fun, shapes_of(**shapes))) == message


def test_an_array_of_another_run_is_refused():
    kept = []
    trace(lambda x: kept.append(x) or x, shapes_of(x="n"))
    assert said(lambda: trace(function("kept[0] + x", ["x", "kept"]), shapes_of(x="n") | {"kept": ()})) != ""
    namespace = {"kept": kept}
    message = said(lambda: trace(lambda x: namespace["kept"][0] + x, shapes_of(x="n")))
    assert message.startswith("TraceError: x of shape (n,) belongs to another run of a traced function (line ")
    assert message.endswith("\npass it to the function as an argument; keep no arrays from one run for the next.")


def test_what_numpy_hides_is_revealed():
    """NumPy answers some conversions that fail with words of its own; an error of the function's own stays."""
    message = refusal("np.empty((X.shape[0], 2))")
    assert message.startswith("TraceError: the size b is symbolic, and a whole number is demanded of it (line 2 of row.py):")
    with pytest.raises(TypeError, match="^mine$"):
        trace(function("try:\n    int(X.shape[0])\nexcept TypeError:\n    pass\nraise TypeError('mine')", ["X"]), shapes_of(X="n"))


def test_an_unknown_attribute_is_none():
    """`hasattr` must work, as libraries ask it of whatever they are given."""
    assert trace(lambda x: x if hasattr(x, "no_such_thing") else 2 * x, shapes_of(x="n")).outputs["Y"][1].terms[0].coefficient == 2
    assert trace(lambda x: x * (not hasattr(x, "__array_interface__")), shapes_of(x="n"))


# Statements, in place and views ----------------------------------------------------------------------------------------

BODIES = """
Y = X * 2
Y += x
Y *= Y
Y -= Y.mean(axis=0)
Y /= 3
Y **= 2
Y

Y = X @ A
Z = Y
Y += 1
Z

a += 1
b = a
b *= 2
a + b

s = X.sum()
t = s
s += 1
s * t

Y = (X @ A).T
Y += 1
Y

Y = (X @ A).reshape(-1)
Y *= 2
Y

Y = X.copy()
Y += Y[0]
Y -= Y[::-1]
Y

Y = X.flatten()
Y += 1
Y

Y = X * 1
Y @= S
Y

Y = X > 0
Y &= Z > 0
Y |= X > 1
Y ^= X > 2
Y * X

r = x[0]
r += 1
r * x

H = X
for k in range(3):
    H = H + k
    H += Z
H

n = X.shape[0]
n += 1
n *= 2
n * x

total = 0
for row in F:
    total = total + row**2
total

p, q, r = F
p * q - r

Y = np.roll(x, 0)
Y += 1
Y * x

Y = X.astype(float)
Y += 1
Y * X

Y = X + 0
d = np.einsum("ij->ji", Y)
Y = Y * 2
d

Y = X * 2
V = np.atleast_2d(Y.real).conj()
V += 1
Y

Y = X * 2
V = np.real(Y.astype(float, copy=False))
Y += 1
V

def g(u, scale=2.0):
    return scale * u
g(X) + g(Z, scale=3)

from functools import reduce
reduce(lambda p, q: p * q, [X, Z, X])

sum(F[k] for k in range(3)) + max(3, 2)

[X * k for k in range(3)][2]

W = {"p": X, "q": Z}
W["p"] * W["q"]

Y = x
Y = Y if Y.shape[0] >= 1 else -Y
Y if X.shape[0] is not None and x.ndim == 1 and x.shape == y.shape else None
"""


@pytest.mark.parametrize("body", [body.strip("\n") for body in BODIES.split("\n\n")])
def test_statements(body):
    names = names_in(body)
    shapes, arrays = inputs(names)
    fun = function(body, names)
    copies = {name: array.copy() if array.ndim else float(array) for name, array in arrays.items()}
    assert_same(trace(fun, shapes), arrays, fun(**copies))


VIEWS = """
Y.T; Y.mT; Y[0]; Y[:, ::2]; Y[None]; Y[...]; Y[..., 0]; Y.reshape(-1); Y.ravel(); Y.swapaxes(0, 1); np.moveaxis(Y, 0, 1); np.transpose(Y)
np.matrix_transpose(Y); np.rollaxis(Y, 1); np.flip(Y); np.fliplr(Y); np.rot90(Y); np.expand_dims(Y, 0); np.squeeze(Y); np.squeeze(Y[:1])
np.atleast_3d(Y); np.split(Y, [1])[1]; np.hsplit(Y, [1])[0]; np.unstack(Y)[0]; np.einsum("ij->ji", Y); np.einsum("...->...", Y)
np.einsum("ii->i", Y[:, :3]); np.broadcast_to(Y, (2, 3, 4)); np.diagonal(Y); np.lib.stride_tricks.sliding_window_view(Y, 2, axis=0)
"""


@pytest.mark.parametrize("view", [view.strip() for view in VIEWS.replace("\n", ";").split(";") if view.strip()])
def test_writes_that_another_array_sees_are_refused(view):
    """What shares memory in NumPy shares it here: neither of the two is changed without the other."""
    array = np.ones((3, 4))
    assert np.may_share_memory(array, eval(view, {"np": np, "Y": array}))
    assert refusal(f"Y = F * 2\nV = {view}\nV += 1\nY").startswith("TraceError: an operation in place would write ")
    assert "shares memory with an array that was changed in place" in refusal(f"Y = F * 2\nV = {view}\nY += 1\nV * 1")
    assert refusal(f"V = {view.replace('Y', 'F')}\nV += 1\nF") != "TraceError: an operation in place would write "


# Inputs and outputs ------------------------------------------------------------------------------------------------


def test_names_and_nesting_of_outputs():
    shapes = shapes_of(X="b n")
    alone, several, listed = (trace(fun, shapes) for fun in (lambda X: X, lambda X: (X, 1.0), lambda X: [X, X.sum()]))
    assert (list(alone.outputs), alone.nesting) == (["Y"], "single")
    assert (list(several.outputs), several.nesting) == (["Y1", "Y2"], "tuple")
    assert (list(listed.outputs), listed.nesting) == (["Y1", "Y2"], "tuple")
    assert trace(lambda X: (X,), shapes).nesting == "tuple"
    by_name = trace(lambda X: {"loss": X.sum(), "X": X}, shapes)
    assert (list(by_name.outputs), by_name.nesting) == (["loss", "X"], "dict")
    both = trace(lambda X: np.linalg.slogdet(X @ X.T), shapes)
    assert (list(both.outputs), both.nesting) == (["Y1", "Y2"], "tuple")


def test_parameters():
    def fun(A, /, X, *, scale=2.0, c=1.0):
        return scale * (X @ A) + c

    traced = trace(fun, shapes_of(c="n", X="b m", A="m n"))
    assert list(traced.inputs) == ["A", "X", "c"]
    rng = np.random.default_rng(0)
    arrays = {"A": rng.normal(size=(3, 2)), "X": rng.normal(size=(4, 3)), "c": rng.normal(size=2)}
    assert_same(traced, arrays, 2 * arrays["X"] @ arrays["A"] + arrays["c"])
    assert list(trace(lambda **arrays: arrays["p"] + arrays["q"], shapes_of(p="n", q="n")).inputs) == ["p", "q"]
    assert list(trace(np.exp, shapes_of(x="n")).inputs) == ["x"]
    assert list(trace(special.erf, shapes_of(x="n")).inputs) == ["x"]


def test_constants_are_copied_and_named():
    weights, mask = np.array([1.0, 2.0]), np.array([True, False])

    def fun(X, C1):
        return X * weights + C1, X[mask[0] * 1], np.where(mask, X, weights), X * np.array([1.0, 2.0])

    traced = trace(fun, shapes_of(X="b 2", C1="2"))
    assert list(traced.constants) == ["C1_", "C2"]
    weights[0] = 7.0
    assert traced.constants["C1_"].tolist() == [1.0, 2.0]
    assert traced.constants["C2"].tolist() == [1.0, 0.0]
    assert not traced.constants["C1_"].flags.writeable
    assert trace(lambda x: (np.ones(3) * 2, x)[1], shapes_of(x="n")).constants == {}
    assert trace(lambda x: (x * np.ones(1), x)[1], shapes_of(x="n")).constants == {}


def test_constants_of_a_text_keep_their_names():
    text = "X * weights + weights"
    traced = trace_text(parse_numpy(text), text, shapes_of(X="b 2"), {"weights": np.array([1.0, 2.0])})
    assert list(traced.constants) == ["weights"]
    assert list(traced.inputs) == ["X"]


@pytest.mark.parametrize(
    ("fun", "requirements"),
    [
        (lambda x: x[:3], ["n - 3 >= 0 (the slice [:3] of an axis of size n)"]),
        (lambda x: x[-3:], ["n - 3 >= 0 (the slice [-3:] of an axis of size n)"]),
        (lambda x: x[2], ["n - 3 >= 0 (index 2 of an axis of size n)"]),
        (lambda x: x[-2], ["n - 2 >= 0 (index -2 of an axis of size n)"]),
        (lambda x: x[0] + x[-1] + x[::-1][0], []),
        (lambda x: x[1:] - x[:-1], []),
        (lambda x: x[2] + x[:3] + x[1], ["n - 3 >= 0 (index 2 of an axis of size n)"]),
        (lambda x: x.reshape(-1, 4), ["4*(n//4) - n == 0"]),
        (lambda x: x.reshape(4, x.shape[0] // 4), ["4*(n//4) - n == 0"]),
        (lambda x: np.split(x, 2)[0], ["2*(n//2) - n == 0 (np.split into 2 parts of an axis of size n)"]),
        (lambda x: x[[0, 4, 1]], ["n - 5 >= 0 (an array of positions along an axis of size n)"]),
        (lambda x: np.diagonal(x[:, None] * x, 2), ["n - 2 >= 0 (diagonal 2 of an array of shape (n, n))"]),
        (lambda x: np.roll(x, 2), ["n - 2 >= 0 (the slice [n - 2:] of an axis of size n)"]),
        (lambda x: np.lib.stride_tricks.sliding_window_view(x, 3), ["n - 3 >= 0 (windows of width 3 along an axis of size n)"]),
        (lambda x: np.convolve(x, [1.0, 2.0], "valid"), ["n - 2 >= 0 (np.convolve of x of shape (n,) with the longer an array of shape (2,))"]),
        (lambda x: tj.arange(3, x.shape[0]), ["n - 3 >= 0 (tj.arange(3, n, 1))"]),
    ],
)
def test_requirements(fun, requirements):
    found = [f"{dim} {relation} 0 ({reason})" for dim, relation, reason in trace(fun, shapes_of(x="n")).requirements]
    assert len(found) == len(requirements)
    assert all(text.startswith(wanted) or text.replace("n - 4*(n//4)", "4*(n//4) - n").startswith(wanted) for text, wanted in zip(found, requirements, strict=True)), found


def test_a_split_axis_under_a_requirement():
    traced = trace(lambda X: X.reshape(X.shape[0], 2, -1).transpose(1, 0, 2), shapes_of(X="b n"))
    X = np.arange(24.0).reshape(4, 6)
    assert_same(traced, {"X": X}, X.reshape(4, 2, 3).transpose(1, 0, 2))


def test_attributes():
    def fun(X, F):
        assert (str(X.shape), X.ndim, str(X.size), X.dtype) == ("(b, n)", 2, "b*n", np.float64)
        assert (F.shape, F.size, len(F), (F > 0).dtype, tj.arange(3).dtype) == ((3, 4), 12, 3, np.bool_, np.int64)
        assert repr(X) == "Tracer(shape=(b, n))" and repr(X.shape[0]) == "b"
        return X.sum()

    trace(fun, shapes_of(X="b n", F="3 4"))


def test_size_arithmetic():
    def fun(X):
        b, n = X.shape
        assert str((b + 1, 2 * b - 1, n // 2, b * n, -b + n, b**2, divmod(n, 2)[0])) == (
            "(b + 1, 2*b - 1, n//2, b*n, n - b, b**2, n//2)"
        )
        assert b == b and n == n and not b != b and hash(b) == hash(X.shape[0])
        assert b > 0 and b >= 1 and not b < 1 and not b <= 0 and b + 1 > b and b > 0.5 and not b < 0.5 and b != 0 and b
        assert not b == 0.5 and not b == "b" and b < math.inf and not b > math.inf and not b < math.nan
        assert 2 * b // 2 == b and (b * n) // n == b and 7 - b == 7 - b and round(b) == b and abs(b) == b and +b == b
        assert np.square(b) == b * b and np.add(b, 1) == b + 1 and np.negative(b) == -b
        assert 7 // X.shape[0] == 7 // b and 7 % b == 7 - b * (7 // b) and divmod(7, b)[0] == 7 // b
        assert {b: 1}[X.shape[0]] == 1 and X.shape == X.shape and X.shape[0] in X.shape
        return X

    trace(fun, shapes_of(X="b n"))


def test_constructors_are_numpys_outside_a_trace():
    assert np.array_equal(tj.eye(2, 3, 1), np.eye(2, 3, 1)) and tj.eye(2).dtype == float
    assert np.array_equal(tj.ones((2, 3)), np.ones((2, 3))) and np.array_equal(tj.zeros(2), np.zeros(2))
    assert np.array_equal(tj.arange(1, 7, 2), np.arange(1, 7, 2)) and np.array_equal(tj.arange(3), np.arange(3))
    assert np.array_equal(tj.full((2,), 3), np.full((2,), 3)) and np.array_equal(tj.identity(2), np.eye(2))


def test_every_function_has_a_row():
    """A function that is registered is tested by some row above, under its own name or as an operator."""
    operators = "add subtract multiply divide negative positive power matmul absolute getitem greater greater_equal less"
    operators += " less_equal equal not_equal invert bitwise_and bitwise_or bitwise_xor copy astype"
    aliases = "bitwise_not bitwise_invert conjugate"
    rows = " ".join([*EXPRESSIONS, *IN_TEXT, BODIES])
    known = {*operators.split(), *aliases.split()}
    assert [name for name in numpy_namespace if name not in known and f"{name}(" not in rows] == []


# Random chains -----------------------------------------------------------------------------------------------------

STEPS = """
v.T; v[::-1]; v[1:]; v[:-1]; v[..., ::2]; v[..., 1::2]; v[..., ::-2]; v[0]; v[..., -1]; v[None]; v[..., None]; np.flip(v); v[-2::-1]
np.roll(v, 1, axis=0); np.roll(v, -1, axis=-1); v.reshape(-1); v.reshape(v.shape[0], -1); v.reshape(-1, v.shape[-1])
v.reshape(v.shape[::-1]); v.reshape(v.shape[1], -1); v.sum(axis=0); v.sum(axis=-1, keepdims=True); v.mean(axis=0, keepdims=True)
np.stack([v, 2 * v], axis=-1); np.stack([v, v * v]); np.concatenate([v, v * v], axis=0); np.concatenate([2 * v, v], axis=-1)
np.pad(v, 1); np.pad(v, (0, 2)); np.repeat(v, 2, axis=0); np.repeat(v, 2, axis=-1); np.tile(v, 2); np.diag(v, 1); np.diag(v)
np.diagonal(v, 0, -2, -1); np.diagonal(v, -1, -2, -1); np.tril(v); np.triu(v, 1); np.cumsum(v, 0); v * v; v - v[::-1]; v[:, None] * v
v @ v.mT; v.mT @ v; v[[1, 0, 1]]; v[..., [0, 1, -1, 0]]; v.max(axis=0); np.where(v > 0.1, v, 0.5); np.einsum("...ii->...i", v)
np.einsum("...ii->...", v); np.swapaxes(v, 0, -1); np.exp(-v * v); np.lib.stride_tricks.sliding_window_view(v, 2, axis=-1)
""".replace("\n", ";").split(";")
STEPS = [step.strip() for step in STEPS if step.strip()]


@given(
    st.sampled_from(["n", "b n", "n n", "b n k", "2 3", "4", "3 3", "2 3 4", "1 n", "b 1", "2*n", "n b n"]),
    st.lists(st.sampled_from(STEPS), min_size=1, max_size=8),
)
def test_chains(shape, steps):
    """Any steps in a row: those that NumPy refuses are left out; what tracing refuses is a fact about sizes."""
    dims = parse_shape(shape, "X")
    array = np.random.default_rng(0).normal(size=tuple(dim.evaluate(SIZES) for dim in dims))
    value, kept = array, []
    for step in steps:
        try:
            following = eval(step, {"np": np, "v": value})
        except (ValueError, IndexError):
            continue
        if 0 < following.size <= 2000 and np.max(np.abs(following)) < 1e6:
            value = following
            kept.append(step)

    def fun(X):
        v = X
        for step in kept:
            v = eval(step, {"np": np, "v": v})
        return v

    try:
        traced = trace(fun, {"X": dims})
        bind_sizes(traced.inputs, {"X": array.shape}, traced.requirements)
    except ShapeError as error:
        assert re.search("depends on the sizes|has size", str(error)), error
        return
    assert_same(traced, {"X": array}, value)
