"""Forward passes of common layers in plain NumPy. Nothing here knows about tensorjac.

Try: tensorjac derive examples/layers.py:attention Q=s,d K=t,d V=t,e
"""

import numpy as np


def linear(X: np.ndarray, A: np.ndarray, c: np.ndarray) -> np.ndarray:
    """A fully connected layer; X: (b, m), A: (m, n), c: (n,)."""
    return X @ A + c


def softmax_cross_entropy(Z: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Mean over the batch of -Σ T log softmax(Z); logits Z and targets T: (b, n)."""
    shifted = Z - Z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -(T * log_p).sum(axis=1).mean()


def layer_norm(X: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Rows to mean 0 and variance 1, then scaled and shifted; X: (b, n), gamma and beta: (n,)."""
    centred = X - X.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1, keepdims=True)
    return gamma * centred / np.sqrt(variance + 1e-5) + beta


def attention(Q: np.ndarray, K: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Scaled dot-product attention; queries Q: (s, d), keys K: (t, d), values V: (t, e)."""
    scores = Q @ K.T / np.sqrt(Q.shape[-1])
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ V
