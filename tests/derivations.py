"""Derivations as people write them, all of them right: the worked examples and the table of identities."""

DERIVATIONS = {
    "linear layer, by differentials": """
        X: b m, A: m n, G: b n
        Y = X A
        dY = dX A + X dA
        dL = tr(Gᵀ dY)                              # G is ∂L/∂Y
           = tr(Gᵀ dX A) + tr(Gᵀ X dA)
           = tr(A Gᵀ dX) + tr(Gᵀ X dA)              # cyclic
           = tr((G Aᵀ)ᵀ dX) + tr((Xᵀ G)ᵀ dA)
        so ∂L/∂X = G Aᵀ and ∂L/∂A = Xᵀ G
        """,
    "linear layer, by indices": """
        X: b m, A: m n, G: b n
        Y[ij] = X[ik] A[kj]
        ∂L/∂Y = G
        ∂Y[ij]/∂A[kl] = X[ik] δ[jl]
        ∂L/∂A[kl] = Σ_ij G[ij] ∂Y[ij]/∂A[kl]
                  = Σ_ij G[ij] X[ik] δ[jl]
                  = Σ_i G[il] X[ik]
        ∂L/∂A = Xᵀ G = X.T @ G
        ∂Y[ij]/∂X[kl] = δ[ik] A[lj]
        ∂L/∂X = G Aᵀ
        """,
    "matrix times vector": """
        A: m n, x: n, g: m
        y = A x
        ∂y/∂x = A
        ∂y[i]/∂A[jk] = δ[ij] x[k]
        ∂L/∂y = g
        ∂L/∂x = Aᵀ g
        ∂L/∂A = g xᵀ
        """,
    "linear form": """
        a: n, x: n
        f = aᵀx
        df = aᵀ dx
        ∂f/∂x = a
        """,
    "quadratic form": """
        A: n n, x: n
        f = xᵀAx
        df = dxᵀ A x + xᵀ A dx
           = xᵀ Aᵀ dx + xᵀ A dx
           = xᵀ(A + Aᵀ) dx
        ∇_x f = (A + Aᵀ)x
        ∂²f/∂x∂xᵀ = A + Aᵀ
        """,
    "quadratic form of a symmetric matrix": """
        S: n n symmetric, x: n
        f = ½ xᵀ S x
        df = xᵀ S dx
        ∂f/∂x = S x
        """,
    "least squares": """
        X: n d, w: d, y: n
        r = Xw − y
        L = ½ ‖r‖²
        dr = X dw
        dL = rᵀ dr = rᵀ X dw
        ∂L/∂w = Xᵀ r = Xᵀ(Xw − y) = XᵀXw − Xᵀy
        ∂²L/∂w∂wᵀ = XᵀX
        """,
    "normal equations": """
        X: n d, y: n
        ŵ = (XᵀX)⁻¹ Xᵀ y
        XᵀX ŵ − Xᵀ y = XᵀX (XᵀX)⁻¹ Xᵀ y − Xᵀ y = 0
        """,
    "ridge regression": """
        X: n d, w: d, y: n, λ: scalar
        L = 1/(2n) ‖X w − y‖² + λ/2 wᵀw
        dL = 1/n (X w − y)ᵀ X dw + λ wᵀ dw
        ∂L/∂w = (1/n) Xᵀ(X w − y) + λ w
        ∂²L/∂w² = XᵀX/n + λ I
        """,
    "norm": """
        x: n
        f = ‖x‖ = √(xᵀx)
        df = d(xᵀx) / (2 √(xᵀx)) = xᵀ dx / ‖x‖
        ∂f/∂x = x/‖x‖
        """,
    "Frobenius norm": """
        X: m n
        f = ‖X‖_F² = tr(XᵀX)
        df = 2 tr(Xᵀ dX)
        ∂f/∂X = 2X
        """,
    "trace of a product": """
        A: k m, X: m n, B: n k
        f = tr(A X B)
        df = tr(A dX B) = tr(B A dX)
        ∂f/∂X = AᵀBᵀ
        """,
    "trace with two occurrences": """
        A: k m, X: m n, B: n n, C: m k
        f = tr(A X B Xᵀ C)
        df = tr(A dX B Xᵀ C) + tr(A X B dXᵀ C)
           = tr(B Xᵀ C A dX) + tr(C A X B dXᵀ)
           = tr(B Xᵀ C A dX) + tr(dX Bᵀ Xᵀ Aᵀ Cᵀ)
        ∂f/∂X = Aᵀ Cᵀ X Bᵀ + C A X B
        """,
    "least squares with two factors": """
        A: k m, X: m n, B: n l, C: k l
        R = A X B + C
        f = ‖R‖²
        dR = A dX B
        df = 2 ⟨R, dR⟩ = 2 ⟨R, A dX B⟩ = 2 ⟨Aᵀ R Bᵀ, dX⟩
        ∂f/∂X = 2 Aᵀ(A X B + C)Bᵀ
        """,
    "determinant": """
        X: n n
        f = det X
        df = det(X) tr(X⁻¹ dX)
        ∂f/∂X = det(X) X⁻ᵀ
        """,
    "log-determinant": """
        X: n n
        f = log det X
        df = tr(X⁻¹ dX)
        ∂f/∂X = X⁻ᵀ
        """,
    "inverse": """
        X: n n, G: n n
        Y = X⁻¹
        dY = −X⁻¹ dX X⁻¹ = −Y dX Y
        dL = tr(Gᵀ dY) = −tr(Gᵀ X⁻¹ dX X⁻¹) = −tr(X⁻¹ Gᵀ X⁻¹ dX)
        ∂L/∂X = −X⁻ᵀ G X⁻ᵀ
        """,
    "inverse from X X⁻¹ = I": """
        X: n n
        X X⁻¹ = I
        d(X X⁻¹) = dX X⁻¹ + X dX⁻¹ = 0
        dX⁻¹ = −X⁻¹ dX X⁻¹
        """,
    "quadratic form of an inverse": """
        X: n n, a: n, b: n
        f = aᵀ X⁻¹ b
        df = −aᵀ X⁻¹ dX X⁻¹ b = −tr(X⁻¹ b aᵀ X⁻¹ dX)
        ∂f/∂X = −X⁻ᵀ a bᵀ X⁻ᵀ
        """,
    "Mahalanobis distance": """
        x: n, μ: n, S: n n positive definite
        r = x − μ
        f = ½ rᵀ S⁻¹ r
        ∂f/∂x = S⁻¹(x − μ)
        ∂f/∂μ = −S⁻¹(x − μ)
        """,
    "Gaussian log-likelihood by the precision": """
        P: n n positive definite, x: n
        f = ½ log det P − ½ xᵀ P x
        df = ½ tr(P⁻¹ dP) − ½ xᵀ dP x = ½ tr((P⁻¹ − x xᵀ) dP)
        ∂f/∂P = ½ (P⁻¹ − x xᵀ)
        """,
    "bilinear form": """
        a: m, X: m n, b: n
        f = aᵀ X b = tr(aᵀ X b) = tr(b aᵀ X)
        df = tr(b aᵀ dX)
        ∂f/∂X = a bᵀ
        """,
    "Gram form": """
        b: n, c: n, X: m n
        f = bᵀ Xᵀ X c
        df = bᵀ dXᵀ X c + bᵀ Xᵀ dX c
           = tr(X c bᵀ dXᵀ) + tr(c bᵀ Xᵀ dX)
           = tr(b cᵀ Xᵀ dX) + tr(c bᵀ Xᵀ dX)
        ∂f/∂X = X(b cᵀ + c bᵀ)
        """,
    "Gram matrix": """
        X: m n, G: n n
        Y = XᵀX
        dY = dXᵀ X + Xᵀ dX
        ∂Y[ij]/∂X[kl] = δ[il] X[kj] + X[ki] δ[jl]
        dL = tr(Gᵀ dY) = tr(Gᵀ dXᵀ X) + tr(Gᵀ Xᵀ dX) = tr(G Xᵀ dX) + tr(Gᵀ Xᵀ dX)
        ∂L/∂X = X(G + Gᵀ)
        """,
    "square": """
        X: n n, G: n n
        Y = X²
        dY = dX X + X dX
        ∂Y[ij]/∂X[kl] = δ[ik] X[lj] + X[ik] δ[jl]
        dL = tr(Gᵀ dY)
        ∂L/∂X = G Xᵀ + Xᵀ G
        """,
    "a power under a trace": """
        X: n n
        f = tr(X³)
        df = tr(dX X X) + tr(X dX X) + tr(X X dX) = 3 tr(X² dX)
        ∂f/∂X = 3 (X²)ᵀ
        """,
    "elementwise function": """
        A: k m, X: m n, B: n l, a: k, b: l
        f = aᵀ sin(A X B) b
        df = aᵀ (cos(A X B) ∘ (A dX B)) b
           = tr((a bᵀ ∘ cos(A X B))ᵀ A dX B)
        ∂f/∂X = Aᵀ(a bᵀ ∘ cos(A X B))Bᵀ
        """,
    "weighted factorisation": """
        Ω: m n, T: m n, U: m k, V: n k
        R = Ω∘(T − UVᵀ)
        f = ‖R‖²
        dR = −Ω∘(dU Vᵀ)
        df = 2⟨R, dR⟩ = −2⟨Ω∘Ω∘(T − UVᵀ), dU Vᵀ⟩ = −2⟨(Ω∘Ω∘(T − UVᵀ))V, dU⟩
        ∂f/∂U = −2(Ω∘Ω∘(T − UVᵀ))V
        """,
    "logistic regression": """
        X: n d, w: d, y: n
        z = X w
        p = σ(z)
        dp = p∘(1 − p)∘dz
        L = −Σ_i (y_i log p_i + (1 − y_i) log(1 − p_i))
        ∂L/∂w = Xᵀ(p − y)
        ∂²L/∂w∂wᵀ = Xᵀ diag(p∘(1 − p)) X
        """,
    "logistic loss with signs": """
        X: n d, w: d, y: n
        m = y∘(Xw)
        L = Σ_i log(1 + exp(−m_i))
        s = σ(−m)
        dL = −sᵀ dm = −sᵀ(y∘(X dw)) = −(y∘s)ᵀ X dw
        ∂L/∂w = −Xᵀ(y∘σ(−y∘Xw))
        """,
    "softmax": """
        x: n, g: n
        e = exp(x)
        z = 1ᵀ e
        p = e / z
        dz = eᵀ dx
        dp = e∘dx/z − e dz/z² = p∘dx − p pᵀ dx = (diag(p) − p pᵀ) dx
        ∂p/∂x = diag(p) − p pᵀ
        ∂L/∂p = g
        ∂L/∂x = p∘g − p pᵀ g = p∘(g − (pᵀg) 1)
        """,
    "log-sum-exp": """
        x: n
        f = log(1ᵀ exp(x))
        p = exp(x)/(1ᵀ exp(x))
        ∂f/∂x = p
        ∂²f/∂x∂xᵀ = diag(p) − p pᵀ
        """,
    "softmax cross-entropy": """
        z: n, y: n
        p = softmax(z)
        L = −Σ_i y_i log p_i
        dL = −(y ⊘ p)ᵀ dp
        ∂L/∂z = (1ᵀy) p − y
        """,
    "cross-entropy of rows": """
        Z: N n, T: N n
        S = softmax(Z)
        L = −(1/N) Σ_ij T_ij log S_ij
        ∂L[]/∂Z[ij] = 1/N (Σ_k T[ik]) S[ij] − 1/N T[ij]
        """,
    "bias": """
        X: b m, W: m n, β: n, G: b n
        Y = X W + 1 βᵀ
        dY = X dW + 1 dβᵀ
        dL = tr(Gᵀ dY) = tr(Gᵀ X dW) + tr(Gᵀ 1 dβᵀ)
        ∂L/∂β = Gᵀ 1
        ∂L/∂W = Xᵀ G
        """,
    "two layers": """
        X: b k, W1: k m, W2: m n, G: b n
        Z = X W1
        H = tanh(Z)
        Y = H W2
        ∂L/∂Y = G
        ∂L/∂W2 = Hᵀ G
        ∂L/∂H = G W2ᵀ
        ∂L/∂Z = ∂L/∂H ∘ (1 − H∘H) = (G W2ᵀ) ∘ tanh'(Z)
        ∂L/∂W1 = Xᵀ ∂L/∂Z
        ∂L/∂X = ∂L/∂Z W1ᵀ
        """,
    "chain of small layers": """
        x: 1, A: 2 1, B: 2 2, C: 1 2
        u = A x
        v = B u
        y = C v
        ∂u/∂x = A
        ∂v/∂u = B
        ∂y/∂x = C B A
        """,
    "attention": """
        Q: s d, K: t d, V: t e, G: s e
        S = Q Kᵀ / √d
        P = softmax(S)
        Y = P V
        ∂L/∂Y = G
        ∂L/∂V = Pᵀ G
        ∂L/∂P = G Vᵀ
        ∂L/∂S = P∘(G Vᵀ − rowsum(P∘(G Vᵀ)))
        ∂L/∂Q = ∂L/∂S K / √d
        ∂L/∂K = (∂L/∂S)ᵀ Q / √d
        """,
    "layer norm of a vector": """
        x: n, g: n
        μ = 1ᵀx / n
        c = x − μ 1
        v = cᵀc / n
        y = c / √v
        ∂L/∂y = g
        dμ = 1ᵀ dx / n
        dc = dx − dμ 1
        dv = 2 cᵀ dc / n = 2 cᵀ dx / n
        ∂L/∂x = (g − 1 (1ᵀg)/n − y (yᵀg)/n) / √v
        """,
    "a step of a recurrent network": """
        h0: n, x: m, W: n n, U: n m, g: n
        a = W h0 + U x
        h = tanh(a)
        ∂L/∂h = g
        ∂L/∂a = (1 − h∘h) ∘ g
        ∂L/∂W = ∂L/∂a h0ᵀ
        ∂L/∂U = ((1 − h∘h) ∘ g) xᵀ
        ∂L/∂h0 = Wᵀ ∂L/∂a
        """,
    "Rayleigh quotient": """
        S: n n symmetric, x: n
        q = xᵀSx / (xᵀx)
        dq = (2 xᵀ S dx) / (xᵀx) − (xᵀSx)(2 xᵀ dx) / (xᵀx)²
        ∂q/∂x = 2 (S x − q x) / (xᵀx)
        """,
    "objective of principal components": """
        X: n d, w: d
        f = ‖X w‖² / n = wᵀ Xᵀ X w / n
        C = XᵀX / n
        ∂f/∂w = 2 C w
        """,
    "column-major vec": """
        A: k m, X: m n, B: n l
        Y = A X B
        vec(Y) = (Bᵀ ⊗ A) vec(X)
        """,
    "outer product": """
        x: n
        y = x xᵀ x
        ∂y/∂x = (xᵀx) I + 2 x xᵀ
        """,
    "in the words of NumPy": """
        X: b m, A: m n, T: b n
        Y = X @ A
        L = np.sum((Y - T)**2) / 2
        ∂L/∂A = X.T @ (X @ A - T)
        dL = np.sum((Y - T) * (X @ dA))
        """,
    "an embedding": """
        E: v d, T: n v, G: n d
        Y[ij] = Σ_k T[ik] E[kj]
        ∂L/∂Y = G
        ∂L/∂E[kj] = Σ_i T[ik] G[ij]
        """,
    "a layer of NumPy, backward": """
        W1: d h; b1: h; W2: h k; b2: k; x: n d; dY: n k
        h = x @ W1 + b1
        a = np.maximum(h, 0)
        Y = a @ W2 + b2
        dW2 = a.T @ dY
        db2 = dY.sum(0)
        da = dY @ W2.T
        dh = da * (h > 0)
        dW1 = x.T @ dh
        db1 = dh.sum(axis=0)
        dx = dh @ W1.T
        """,
    "layer norm of NumPy, backward": """
        x: b n; g: n; dy: b n
        mu = x.mean(axis=1, keepdims=True)
        xc = x - mu
        var = (xc**2).mean(axis=1, keepdims=True)
        xhat = xc / np.sqrt(var)
        y = xhat * g
        dg = (dy * xhat).sum(axis=0)
        dxhat = dy * g
        means = dxhat.mean(axis=1, keepdims=True) + xhat * (dxhat * xhat).mean(axis=1, keepdims=True)
        dx = (dxhat - means) / np.sqrt(var)
        """,
    "batched attention of NumPy, backward": """
        Q: b s d; K: b t d; V: b t e; dO: b s e
        S = Q @ K.transpose(0, 2, 1) / np.sqrt(d)
        P = np.exp(S) / np.exp(S).sum(-1, keepdims=True)
        O = P @ V
        dV = P.transpose(0, 2, 1) @ dO
        dP = dO @ V.transpose(0, 2, 1)
        dS = P * (dP - (dP * P).sum(-1, keepdims=True))
        dQ = dS @ K / np.sqrt(d)
        """,
    "a convolution": """
        x: n, w: k, g: n-k+1
        y[i] = Σ_j w[j] x[i+j]
        ∂L/∂y = g
        ∂L/∂w[j] = Σ_i g[i] x[i+j]
        """,
    "a trilinear form": """
        T: i j k, u: i, v: j, w: k
        f = Σ_ijk T[ijk] u[i] v[j] w[k]
        ∂f/∂T[ijk] = u[i] v[j] w[k]
        ∂f/∂u[i] = T[ijk] v[j] w[k]
        """,
    "second differentials": """
        A: n n, x: n
        f = xᵀAx
        df = xᵀ(A + Aᵀ) dx
        d(df) = dxᵀ(A + Aᵀ)dx
        d²f = dxᵀ(A + Aᵀ)dx
        """,
    "a singular value decomposition": """
        U: m k, s: k, V: n k
        X = U diag(s) Vᵀ
        ‖X‖² = tr(V diag(s) UᵀU diag(s) Vᵀ)
        dX = dU diag(s) Vᵀ + U diag(ds) Vᵀ + U diag(s) dVᵀ
        """,
    "a Fisher matrix": """
        θ: n, A: m n
        p = softmax(A θ)
        L = log(1ᵀ exp(Aθ))
        ∂L/∂θ = Aᵀ p
        ∂²L/∂θ∂θᵀ = Aᵀ(diag(p) − ppᵀ)A
        """,
    "marginal likelihood of a Gaussian process": """
        K: n n positive definite, y: n
        α = K⁻¹y
        L = −½ yᵀα − ½ log|K|
        dL = ½ αᵀ dK α − ½ tr(K⁻¹ dK) = ½ tr((α αᵀ − K⁻¹) dK)
        """,
    "cosine similarity": """
        x: n, y: n
        s = xᵀy/(‖x‖‖y‖)
        ∂s/∂x = y/(‖x‖‖y‖) − (xᵀy) x/(‖x‖³‖y‖) = (y/‖y‖ − s x/‖x‖)/‖x‖
        """,
    "back-propagation by entries": """
        w: k j, a: j, b: k, y: k
        z_k = Σ_j w_kj a_j + b_k
        o_k = σ(z_k)
        C = ½ Σ_k (y_k − o_k)²
        ∂C/∂z_k = (o_k − y_k) o_k (1 − o_k)
        ∂C/∂w_kj = (o_k − y_k) o_k (1 − o_k) a_j
        """,
    "relative entropy": """
        p: n positive, q: n positive
        D = Σ_i p_i log(p_i/q_i)
        ∂D/∂q = −p ⊘ q
        ∂D/∂p = log(p ⊘ q) + 1
        """,
    "a Lagrangian": """
        x: n, A: m n, b: m, λ: m
        L = ½ xᵀx + λᵀ(Ax − b)
        ∂L/∂x = x + Aᵀλ
        ∂L/∂λ = Ax − b
        """,
    "completing the square": """
        A: n n positive definite, x: n, b: n
        ½xᵀAx − bᵀx = ½(x − A⁻¹b)ᵀA(x − A⁻¹b) − ½bᵀA⁻¹b
        """,
    "a Kalman gain": """
        P: n n symmetric, H: m n, R: m m symmetric, K: n m
        Pp = (I - K H) P (I - K H)^T + K R K^T
           = P - K H P - P H^T K^T + K (H P H^T + R) K^T
        ∂tr(Pp)/∂K = -2 P H^T + 2 K (H P H^T + R)
        """,
    "two layers of vectors": """
        W1: h d, b1: h, W2: k h, b2: k, x: d, y: k
        z1 = W1 x + b1
        a1 = relu(z1)
        yhat = W2 a1 + b2
        L = 1/2 ||yhat - y||^2
        δ2 = yhat - y
        ∂L/∂W2 = δ2 a1^T
        ∂L/∂b2 = δ2
        δ1 = (W2^T δ2) ⊙ relu'(z1)
        ∂L/∂W1 = δ1 x^T
        """,
    "the push-through identity": """
        X: n d, λ: positive
        (XᵀX + λ I)⁻¹Xᵀ = Xᵀ(XXᵀ + λ I)⁻¹
        """,
    "in words": """
        Let X ∈ R^{m×n}, A ∈ R^{m×m}.
        f(X) = tr(X^T A X)
        Then df = tr(dX^T A X) + tr(X^T A dX)
                = tr(X^T A^T dX + X^T A dX)
        Therefore ∂f/∂X = (A + A^T) X.
        """,
    "the covariance of a Gaussian": """
        Σ: n n positive definite, x: n, μ: n
        L = -1/2 log det Σ - 1/2 (x-μ)^T Σ^{-1} (x-μ)
        dL = -1/2 tr(Σ^{-1} dΣ) + 1/2 (x-μ)^T Σ^{-1} dΣ Σ^{-1} (x-μ) + (x-μ)^T Σ^{-1} dμ
        ∂L/∂μ = Σ^{-1}(x-μ)
        """,
    "residual sum of squares": """
        X: n×p, y: n, β: p
        RSS(β) = (y - Xβ)'(y - Xβ)
               = y'y - 2β'X'y + β'X'Xβ
        ∂RSS/∂β = -2X'y + 2X'Xβ
        """,
    "least squares, as typed": """
        X: n d, w: d, y: n
        L = (y - X w)'(y - X w)
          = y'y - 2 w'X'y + w'X'X w
        dL/dw = -2 X^T y + 2 X^T X w
        d^2 L/dw^2 = 2 X^{T} X
        """,
    "least squares, in LaTeX": r"""
        X: n d, w: d, y: n, \lambda: scalar
        $L = \frac{1}{2n} \|X w - y\|^2 + \frac\lambda2 \mathbf{w}^\top w$ \\
        $\nabla_w L &= \frac{1}{n} X^{\top} \left(X w - y\right) + \lambda w$ \\
        $\frac{\partial^2 L}{\partial w \partial w^\top} = \frac1n X^\top X + \lambda I$
        """,
    "softmax by entries, as typed": """
        z: n
        p_i = exp(z_i) / sum_k exp(z_k)
        dp_i/dz_j = p_i (delta_ij - p_j)
        """,
    "softmax in index notation, as typed": """
        z: n
        p[i] = exp(z[i]) / sum_k exp(z[k])
        dp[i]/dz[j] = p[i] (delta[ij] - p[j])
        """,
    "relu layer": """
        X: b m, A: m n, G: b n
        Z = X A
        Y = relu(Z)
        ∂L/∂Y = G
        dL/dZ = G ∘ (Z > 0)
        dL/dA = X' (G .* (Z > 0))
        """,
    "Frobenius product": """
        X: m n, S: m m sym
        f = tr(X^T S X)
        df = 2 S X : dX
           = dX : 2 S X
        df/dX == 2 S X
        """,
    "sum of logistic losses": """
        x: n
        f = Σ_{i=1}^{n} log(1 + e^{x_i})
        df/dx = 1 - 1 ./ (1 + e^x)
        """,
    "curvature": """
        A: d d, x: d
        f = x' A x
        d²f/dx² = A + A'
        ∂²f/∂x∂x' = A + A'
        """,
}
