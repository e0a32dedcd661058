"""Last attentions of the CLIP-based methods, token by token from their formulas, in float64 numpy."""

import numpy as np


def softmax(logits):
    weights = np.exp(logits - np.max(logits))
    return weights / weights.sum()


def norm(x, weight, bias, eps):
    return np.stack([(r - r.mean()) / np.sqrt(r.var() + eps) * weight + bias for r in x])


class LastBlock:
    """The weights of one block, by our names, and what every method needs of them."""

    def __init__(self, state, heads, eps=1e-5):
        self.w = {k: v.double().numpy() for k, v in state.items()}
        self.heads, self.eps = heads, eps

    def qkv(self, x):
        normed = norm(x, self.w["norm1.weight"], self.w["norm1.bias"], self.eps)
        joint = normed @ self.w["attention.qkv.weight"].T + self.w["attention.qkv.bias"]
        return np.split(joint, 3, axis=1)

    def out(self, heads):
        joined = np.concatenate(heads, axis=1)
        return joined @ self.w["attention.out.weight"].T + self.w["attention.out.bias"]

    def part(self, matrix, head):
        size = matrix.shape[1] // self.heads
        return matrix[:, head * size : (head + 1) * size]

    def attend(self, a, b, v, omega=0.0):
        """Per head softmax(a bᵀ/√d + ω) v."""
        result = []
        for h in range(self.heads):
            left, right, values = (self.part(m, h) for m in (a, b, v))
            logits = left @ right.T / np.sqrt(left.shape[1]) + omega
            result.append(np.stack([softmax(row) @ values for row in logits]))
        return result

    def mlp(self, x):
        normed = norm(x, self.w["norm2.weight"], self.w["norm2.bias"], self.eps)
        hidden = normed @ self.w["mlp.up.weight"].T + self.w["mlp.up.bias"]
        hidden = hidden / (1 + np.exp(-1.702 * hidden))
        return hidden @ self.w["mlp.down.weight"].T + self.w["mlp.down.bias"]


def maskclip(block, x):
    _, _, v = block.qkv(x)
    return block.out([block.part(v, h) for h in range(block.heads)])


def sclip(block, x):
    q, k, v = block.qkv(x)
    both = [a + b for a, b in zip(block.attend(q, q, v), block.attend(k, k, v), strict=True)]
    y = x + block.out(both)
    return y + block.mlp(y)


def clearclip(block, x):
    q, _, v = block.qkv(x)
    return block.out(block.attend(q, q, v))


def omega(rows, columns, sigma):
    cells = [(i, j) for i in range(rows) for j in range(columns)]
    inner = [[np.exp(-((a - c) ** 2 + (b - d) ** 2) / (2 * sigma**2)) for c, d in cells] for a, b in cells]
    return np.pad(np.array(inner), ((1, 0), (1, 0)))


def naclip(block, x, rows, columns, sigma):
    _, k, v = block.qkv(x)
    return block.out(block.attend(k, k, v, omega(rows, columns, sigma)))


def proxy_weights(features, gamma, beta):
    """ProxyCLIP: γ(cos − β·mean cos), negatives out, softmax."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    scores = gamma * (unit @ unit.T - beta * (unit @ unit.T).mean())
    return np.stack([softmax(np.where(row < 0, -np.inf, row)) for row in scores])


def proxyclip(block, x, features, resize, gamma=3.0, beta=1.2):
    """Values per head, CLS dropped, brought to the features' grid by `resize`, mixed, projected."""
    _, _, v = block.qkv(x)
    weights = proxy_weights(features, gamma, beta)
    return block.out([weights @ resize(block.part(v, h)[1:]) for h in range(block.heads)])
