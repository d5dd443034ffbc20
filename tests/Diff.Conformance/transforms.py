"""Writes transforms.json: cases of loops, branches, transforms of functions and solutions of equations.

    python3 transforms.py > transforms.json

Each program stands beside a plain function of decimal numbers that computes the same by other means: loops are loops of Python, derivatives within a
program are written out by hand or are differences, solutions come from closed forms or Newton's method. The gradient and the Hessian-vector product are
differences of that function with 120 digits, of which at least 45 are right. Needs nothing but Python's standard library.
"""
import json
import itertools
from decimal import Decimal as D, getcontext

getcontext().prec = 120
STEP = D(10) ** -35

# ---- Functions of decimals ------------------------------------------------------------------------------------------


def exp(x): return D(x).exp()
def log(x): return D(x).ln()
def sqrt(x): return D(x).sqrt()


def sin(x):
    x = D(x)
    n = 0
    while abs(x) > D("0.01"):
        x /= 3
        n += 1
    term = total = x
    k = 1
    while abs(term) > D(10) ** -125:
        term *= -x * x / ((k + 1) * (k + 2))
        total += term
        k += 2
    for _ in range(n):
        total = 3 * total - 4 * total ** 3
    return total


PI = D("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798214808651328230664709384460955")


def cos(x): return sin(D(x) + PI / 2)


def tanh(x):
    e = exp(2 * D(x))
    return (e - 1) / (e + 1)


def sigmoid(x): return 1 / (1 + exp(-D(x)))
def dot(a, b): return sum((x * y for x, y in zip(a, b)), D(0))
def matrix(flat, columns): return [flat[i:i + columns] for i in range(0, len(flat), columns)]
def times(m, v): return [dot(row, v) for row in m]
def flat(m): return [x for row in m for x in row]


def solve(a, b):
    """Gauss with pivots; b a vector."""
    n = len(b)
    rows = [list(r) + [x] for r, x in zip(a, b)]
    for k in range(n):
        p = max(range(k, n), key=lambda i: abs(rows[i][k]))
        rows[k], rows[p] = rows[p], rows[k]
        for i in range(k + 1, n):
            f = rows[i][k] / rows[k][k]
            rows[i] = [x - f * y for x, y in zip(rows[i], rows[k])]
    x = [D(0)] * n
    for i in reversed(range(n)):
        x[i] = (rows[i][n] - dot(rows[i][i + 1:n], x[i + 1:])) / rows[i][i]
    return x


def newton(f, x, count=12):
    """A root of f: R^n -> R^n from a good start; Jacobians by differences."""
    for _ in range(count):
        y = f(x)
        columns = []
        for j in range(len(x)):
            up = list(x)
            up[j] += STEP
            columns.append([(p - q) / STEP for p, q in zip(f(up), y)])
        step = solve([list(r) for r in zip(*columns)], y)
        x = [a - b for a, b in zip(x, step)]
    return x


def shifted(x, i, h):
    x = list(x)
    x[i] += h
    return x


def gradient(f, x):
    return [(f(shifted(x, i, STEP)) - f(shifted(x, i, -STEP))) / (2 * STEP) for i in range(len(x))]


def hessian(f, x):
    h = D(10) ** -25
    return [[(f(shifted(shifted(x, i, h), j, h)) - f(shifted(shifted(x, i, h), j, -h)) - f(shifted(shifted(x, i, -h), j, h))
              + f(shifted(shifted(x, i, -h), j, -h))) / (4 * h * h) for j in range(len(x))] for i in range(len(x))]


def series_product(a, b): return [sum((a[i] * b[k - i] for i in range(k + 1)), D(0)) for k in range(len(a))]


def series_exp(a):
    y = [exp(a[0])]
    for k in range(1, len(a)):
        y.append(sum((i * a[i] * y[k - i] for i in range(1, k + 1)), D(0)) / k)
    return y


def series_sin_cos(a):
    s, c = [sin(a[0])], [cos(a[0])]
    for k in range(1, len(a)):
        s.append(sum((i * a[i] * c[k - i] for i in range(1, k + 1)), D(0)) / k)
        c.append(-sum((i * a[i] * s[k - i] for i in range(1, k + 1)), D(0)) / k)
    return s, c


def series_tanh(a):
    y = [tanh(a[0])]
    for k in range(1, len(a)):
        u = [(1 if i == 0 else 0) - sum((y[j] * y[i - j] for j in range(i + 1)), D(0)) for i in range(k)]
        y.append(sum((i * a[i] * u[k - i] for i in range(1, k + 1)), D(0)) / k)
    return y


# ---- Programs -------------------------------------------------------------------------------------------------------

fresh = itertools.count()


def number(x):
    x = float(x)
    return int(x) if x == int(x) and abs(x) < 1e15 else x


def tensor(data, shape): return {"shape": list(shape), "data": [number(x) for x in data]}


class Program:
    """p.mul("x", 2.0) adds a step and gives the name of its result; p.scan(…, outs=2) gives several."""

    def __init__(self): self.steps = []

    def const(self, data, shape=()):
        out = f"v{next(fresh)}"
        self.steps.append({"out": out, "op": "const", "args": [], "attrs": {"value": {"shape": list(shape), "data": data}}})
        return out

    def __getattr__(self, op):
        op = op.rstrip("_")

        def step(*args, outs=None, **attrs):
            args = [a if isinstance(a, str) else self.const([a]) for a in args]
            names = [f"v{next(fresh)}" for _ in range(outs or 1)]
            self.steps.append({"out": names[0] if outs is None else names, "op": op, "args": args, "attrs": attrs})
            return names[0] if outs is None else names
        return step


def body(inputs, f):
    p = Program()
    outs = f(p, *inputs)
    return {"inputs": list(inputs), "program": p.steps, "outputs": [outs] if isinstance(outs, str) else list(outs)}


cases = []


def inputs_of(inputs, dtype, constant):
    return [{"name": n, "dtype": dtype, "differentiable": n not in constant, **tensor(d, s)} for n, (d, s) in inputs.items()]


def case(id, inputs, build, f, shape=(), area="loops", cotangent=None, hvp=True, rtol=1e-11, atol=1e-13, constant=(), dtype="float64",
         policy="exact", note="", grads=None):
    """A case: its program by `build`, and `f` from the inputs (lists of decimals) to the value (one decimal or a list)."""
    fresh_names()
    p = Program()
    output = build(p, *inputs)
    cases.append(lambda: expected(id, inputs, p.steps, output, f, shape, area, cotangent, hvp, rtol, atol, constant, dtype, policy, note, grads))


def expected(id, inputs, steps, output, f, shape, area, cotangent, hvp, rtol, atol, constant, dtype, policy, note, grads):
    """What `case` promises, once all functions are defined."""
    exact = {n: [D(x) for x in d] for n, (d, _) in inputs.items()}

    def value(x):
        y = f(*x.values())
        return list(y) if isinstance(y, (list, tuple)) else [y]
    y = value(exact)
    size = 1
    for extent in shape:
        size *= extent
    assert len(y) == size, (id, len(y), shape)
    if cotangent is None and len(y) > 1:
        cotangent = [[0.5, -1.25, 2.0, 0.75, -0.375, 1.5][k % 6] for k in range(len(y))]
    weights = [D(w) for w in cotangent] if cotangent else [D(1)] * len(y)

    def total(x): return dot(weights, value(x))

    def slope(x, name):
        def at(i, h): return total({**x, name: shifted(x[name], i, h)})
        return [(at(i, STEP) - at(i, -STEP)) / (2 * STEP) for i in range(len(x[name]))]
    differentiable = [n for n in inputs if n not in constant]
    expected_grad = None if grads is False else [
        {"input": n, **tensor((grads or {}).get(n) or slope(exact, n), inputs[n][1])} for n in differentiable]
    expected_hvp = None
    if hvp:
        name = differentiable[0] if hvp is True else hvp
        direction = [[0.75, -0.5, 1.25, 1.0, -0.25][k % 5] for k in range(len(exact[name]))]
        h = D(10) ** -30

        def moved(h): return {**exact, name: [x + h * D(d) for x, d in zip(exact[name], direction)]}
        up, down = slope(moved(h), name), slope(moved(-h), name)
        expected_hvp = {"input": name, "direction": tensor(direction, inputs[name][1]),
                        "expected": tensor([(a - b) / (2 * h) for a, b in zip(up, down)], inputs[name][1])}
    return {
        "id": id, "kind": "eval", "area": area, "dtype": dtype, "inputs": inputs_of(inputs, dtype, constant), "program": steps, "output": output,
        "cotangent": tensor(cotangent, shape) if cotangent else None, "expected_value": tensor(y, shape), "expected_grad": expected_grad,
        "expected_hvp": expected_hvp, "accept_value": [], "accept_grad": [], "rtol": rtol, "atol": atol, "sign_of_zero_matters": False,
        "policy": policy, "note": note}


def error(id, inputs, build, category, *words, area="errors", note=""):
    fresh_names()
    p = Program()
    output = build(p, *inputs)
    cases.append(lambda: {
        "id": id, "kind": "error", "area": area, "dtype": "float64", "inputs": inputs_of(inputs, "float64", ()), "program": p.steps, "output": output,
        "rtol": 0, "atol": 0, "sign_of_zero_matters": False,
        "expected_error": {"category": category, "message_mentions": list(words)}, "note": note})


def fresh_names():
    global fresh
    fresh = itertools.count()


def s(x): return ([x], ())
def v(*xs): return (list(xs), (len(xs),))
def m(rows): return ([x for r in rows for x in r], (len(rows), len(rows[0])))


# ---- scan, for ------------------------------------------------------------------------------------------------------

def rnn(w, u, xs, h=D(0)):
    for x in xs:
        h = tanh(w * h + u * x)
    return h


case("scan-rnn", {"w": s(0.75), "u": s(-1.25), "xs": v(0.5, -1.0, 2.0, 0.25)},
     lambda p, w, u, xs: p.scan(p.const([0.0]), xs, states=1, outs=1, body=body(
         ["h", "x"], lambda q, h, x: q.tanh(q.add(q.mul(w, h), q.mul(u, x)))))[0],
     lambda w, u, xs: rnn(w[0], u[0], xs))


def matrix_scan(w, h, xs):
    w, ys = matrix(w, 2), []
    for x in matrix(xs, 2):
        h = [tanh(a + b) for a, b in zip(times(w, h), x)]
        ys.append(h)
    return flat(ys)


def cell(w):
    def f(q, h, x):
        n = q.tanh(q.add(q.matmul(w, h), x))
        return n, n
    return body(["h", "x"], f)


MATRIX = {"w": m([[0.5, -0.75], [0.25, 1.0]]), "h": v(0.5, -0.25), "xs": m([[0.125, 1.0], [-0.5, 0.75], [1.5, -1.0]])}
case("scan-matrix-stacked", MATRIX, lambda p, w, h, xs: p.scan(h, xs, states=1, outs=2, body=cell(w))[1], matrix_scan, (3, 2))
case("scan-matrix-hvp-of-slices", MATRIX, lambda p, w, h, xs: p.scan(h, xs, states=1, outs=2, body=cell(w))[1], matrix_scan, (3, 2), hvp="xs")
case("scan-matrix-hvp-of-start", MATRIX, lambda p, w, h, xs: p.scan(h, xs, states=1, outs=2, body=cell(w))[0],
     lambda w, h, xs: matrix_scan(w, h, xs)[4:], (2,), hvp="h")
case("scan-matrix-columns", {"w": m([[0.5, -0.75], [0.25, 1.0]]), "h": m([[0.5, -0.25, 1.0], [0.125, 0.75, -1.0]])},
     lambda p, w, h: p.scan(h, states=1, outs=1, length=4, body=body(["h"], lambda q, h: q.sin(q.matmul(w, h))))[0],
     lambda w, h: flat(zip(*[four_sines(matrix(w, 2), c) for c in zip(*matrix(h, 3))])), (2, 3))


def four_sines(w, h):
    for _ in range(4):
        h = [sin(x) for x in times(w, h)]
    return h


case("scan-reverse", {"a": s(0.875), "xs": v(1.5, -0.5, 0.25, 2.0)},
     lambda p, a, xs: p.scan(p.const([1.0]), xs, states=1, outs=2, reverse=True, body=body(
         ["s", "x"], lambda q, t, x: (lambda n: (n, n))(q.add(q.mul(a, t), q.mul(t, q.square(x))))))[1],
     lambda a, xs: reverse_scan(a[0], xs), (4,))


def reverse_scan(a, xs):
    t, ys = D(1), []
    for x in reversed(xs):
        t = a * t + t * x * x
        ys.insert(0, t)
    return ys


case("scan-no-slices", {"h": v(0.5, -2.0), "xs": ([], (0, 2))},
     lambda p, h, xs: p.scan(h, xs, states=1, outs=1, body=body(["h", "x"], lambda q, h, x: q.exp(q.add(h, x))))[0],
     lambda h, xs: h, (2,), note="no iteration: the first state, with derivative 1")
case("scan-no-slices-stacked", {"h": v(0.5, -2.0), "xs": ([], (0, 2))},
     lambda p, h, xs: p.sum(p.scan(h, xs, states=1, outs=2, body=body(["h", "x"], lambda q, h, x: (h, q.exp(q.add(h, x)))))[1], axis=None),
     lambda h, xs: D(0))
case("scan-one-slice", {"h": s(0.5), "xs": v(1.25)},
     lambda p, h, xs: p.scan(h, xs, states=1, outs=1, body=body(["h", "x"], lambda q, h, x: q.mul(q.exp(h), q.sin(x))))[0],
     lambda h, xs: exp(h[0]) * sin(xs[0]))
case("scan-swap", {"a": s(1.0), "b": s(1.0)},
     lambda p, a, b: p.scan(a, b, states=2, outs=2, length=20, body=body(["a", "b"], lambda q, a, b: (b, q.add(a, b))))[1],
     lambda a, b: 6765 * a[0] + 10946 * b[0], rtol=0, atol=0, note="Fibonacci's numbers: all is exact")
case("scan-unused-slice", {"h": s(2.0), "xs": v(1.0, 2.0, 3.0)},
     lambda p, h, xs: p.scan(h, xs, states=1, outs=1, body=body(["h", "x"], lambda q, h, x: q.square(h)))[0],
     lambda h, xs: h[0] ** 8, rtol=1e-14)
case("scan-unchanged-state", {"h": s(0.75), "xs": v(1.0, 2.0, 3.0)},
     lambda p, h, xs: p.scan(h, xs, states=1, outs=2, body=body(["h", "x"], lambda q, h, x: (h, q.pow(x, h))))[1],
     lambda h, xs: [exp(h[0] * log(x)) for x in xs], (3,))
case("scan-slice-and-captured", {"xs": v(0.5, -1.5, 1.0)},
     lambda p, xs: p.scan(p.const([0.25]), xs, states=1, outs=1, body=body(
         ["h", "x"], lambda q, h, x: q.sin(q.add(q.mul(h, q.sum(q.mul(xs, x), axis=None)), x))))[0],
     lambda xs: captured_scan(xs), note="the same array is sliced and captured")


def captured_scan(xs):
    h = D("0.25")
    for x in xs:
        h = sin(h * sum(xs) * x + x)
    return h


case("scan-leapfrog", {"q": s(1.25), "g": s(9.75)},
     lambda p, q0, g: p.scan(q0, p.const([0.0]), states=2, outs=2, length=25, body=body(
         ["q", "r"], lambda b, q, r: (lambda r1: (b.add(q, b.mul(0.0625, r1)), r1))(b.sub(r, b.mul(0.0625, b.mul(g, b.sin(q)))))))[0],
     lambda q, g: leapfrog(q[0], g[0]), note="a pendulum by symplectic Euler steps", rtol=1e-10)


def leapfrog(q, g):
    r = D(0)
    for _ in range(25):
        r -= D("0.0625") * g * sin(q)
        q += D("0.0625") * r
    return q


def logistic(a, x, n):
    for _ in range(n):
        x = a * x * (1 - x)
    return x


for name, limit in [("scan-logistic-recorded", None), ("scan-logistic-recomputed", 0), ("scan-logistic-segments", 64)]:
    case(name, {"a": s(2.75), "x": s(0.375)},
         lambda p, a, x: p.scan(x, states=1, outs=1, length=40, **({} if limit is None else {"max_record_bytes": limit}), body=body(
             ["x"], lambda q, x: q.mul(a, q.mul(x, q.sub(1.0, x)))))[0],
         lambda a, x: logistic(a[0], x[0], 40), note="" if limit is None else "states are computed again: there is no room for them")
case("scan-thousand", {"k": s(0.5)},
     lambda p, k: p.scan(p.const([1.0]), states=1, outs=1, length=1000, body=body(
         ["x"], lambda q, x: q.sub(x, q.mul(0.0078125, q.mul(k, q.sin(x))))))[0],
     lambda k: thousand(k[0]), rtol=1e-10)


def thousand(k):
    x = D(1)
    for _ in range(1000):
        x -= D("0.0078125") * k * sin(x)
    return x


case("scan-float32", {"w": s(0.75), "u": s(-1.25), "xs": v(0.5, -1.0, 2.0, 0.25)},
     lambda p, w, u, xs: p.scan(p.const([0.0]), xs, states=1, outs=1, body=body(
         ["h", "x"], lambda q, h, x: q.tanh(q.add(q.mul(w, h), q.mul(u, x)))))[0],
     lambda w, u, xs: rnn(w[0], u[0], xs), dtype="float32", rtol=2e-5, atol=1e-6)
case("scan-in-scan", {"a": s(0.5), "xs": m([[0.5, -1.0, 0.75], [1.25, 0.25, -0.5]])},
     lambda p, a, xs: p.scan(p.const([1.0]), xs, states=1, outs=1, body=body(
         ["s", "row"], lambda q, t, row: q.scan(t, row, states=1, outs=1, body=body(
             ["u", "x"], lambda r, u, x: r.add(r.mul(a, r.sin(u)), r.mul(t, x))))[0]))[0],
     lambda a, xs: scan_in_scan(a[0], matrix(xs, 3)), note="the inner body reads the outer state")


def scan_in_scan(a, rows):
    t = D(1)
    for row in rows:
        u = t
        for x in row:
            u = a * sin(u) + t * x
        t = u
    return t


case("scan-of-gradient-steps", {"rate": s(0.125), "x": v(1.0, -0.5)},
     lambda p, rate, x: p.sum(p.square(p.scan(x, states=1, outs=1, length=5, body=body(
         ["x"], lambda q, x: q.sub(x, q.mul(rate, q.grad(x, outs=1, body=body(["z"], lambda r, z: r.add(
             r.mul(0.25, r.sum(r.pow(z, 4.0), axis=None)), r.prod(z, axis=None))))[0]))))[0]), axis=None),
     lambda rate, x: gradient_steps(rate[0], x), note="the derivative of training with respect to its rate")


def gradient_steps(rate, x):
    for _ in range(5):
        x = [x[0] - rate * (x[0] ** 3 + x[1]), x[1] - rate * (x[1] ** 3 + x[0])]
    return x[0] ** 2 + x[1] ** 2


case("for-power", {"x": s(1.5)}, lambda p, x: p.for_(x, count=6, body=body(["i", "s"], lambda q, i, t: q.mul(t, x))), lambda x: x[0] ** 7, rtol=1e-14)
case("for-index", {"x": s(0.5)},
     lambda p, x: p.for_(p.const([0.0]), count=5, body=body(["i", "s"], lambda q, i, t: q.add(q.mul(t, x), q.cast(i)))),
     lambda x: sum(D(i) * x[0] ** (4 - i) for i in range(5)), rtol=1e-14)
case("for-none", {"x": s(0.5)}, lambda p, x: p.for_(x, count=0, body=body(["i", "s"], lambda q, i, t: q.exp(t))), lambda x: x[0], rtol=0, atol=0)
case("for-gather", {"xs": v(0.5, 2.0, -1.5)},
     lambda p, xs: p.for_(p.const([1.0]), count=3, body=body(["i", "s"], lambda q, i, t: q.sin(q.add(t, q.sum(
         q.mul(xs, q.where(q.eq(q.const([0, 1, 2], (3,)), q.cast(i)), 1.0, 0.0)), axis=None))))),
     lambda xs: sin(sin(sin(1 + xs[0]) + xs[1]) + xs[2]))

# ---- while ----------------------------------------------------------------------------------------------------------


def heron(a):
    x = a
    while abs(x * x - a) > D("0.0001"):
        x = (x + a / x) / 2
    return x


def heron_loop(p, a, **attrs):
    return p.while_(a, outs=2, **attrs, condition=body(["x"], lambda q, x: q.gt(q.abs(q.sub(q.square(x), a)), 0.0001)),
                    body=body(["x"], lambda q, x: q.mul(0.5, q.add(x, q.div(a, x)))))


case("while-heron", {"a": s(7.0)}, lambda p, a: heron_loop(p, a)[0], lambda a: heron(a[0]))
case("while-heron-recomputed", {"a": s(7.0)}, lambda p, a: heron_loop(p, a, max_record_bytes=0)[0], lambda a: heron(a[0]))
case("while-heron-count", {"a": s(7.0)}, lambda p, a: p.cast(heron_loop(p, a)[1]), lambda a: D(4), note="the number of iterations is constant")
case("while-limit-reached-exactly", {"a": s(7.0)}, lambda p, a: heron_loop(p, a, limit=4)[0], lambda a: heron(a[0]))
case("while-none", {"x": s(1.5)},
     lambda p, x: p.while_(x, outs=2, condition=body(["x"], lambda q, x: q.lt(x, 0.0)), body=body(["x"], lambda q, x: q.exp(x)))[0],
     lambda x: x[0], rtol=0, atol=0)


def agm(a, b):
    while abs(a - b) > D("0.001"):
        a, b = (a + b) / 2, sqrt(a * b)
    return a


case("while-agm", {"a": s(24.0), "b": s(6.0)},
     lambda p, a, b: p.while_(a, b, outs=3, condition=body(["a", "b"], lambda q, a, b: q.gt(q.abs(q.sub(a, b)), 0.001)),
                              body=body(["a", "b"], lambda q, a, b: (q.mul(0.5, q.add(a, b)), q.sqrt(q.mul(a, b)))))[0],
     lambda a, b: agm(a[0], b[0]))


def halved(x):
    while x > 1:
        x = x / 2 + x * x / 64
    return x


def halving(p, x):
    return p.while_(x, outs=2, condition=body(["x"], lambda q, x: q.gt(x, 1.0)),
                    body=body(["x"], lambda q, x: q.add(q.mul(0.5, x), q.div(q.square(x), 64.0))))[0]


case("while-vmap", {"xs": v(0.5, 3.0, 20.0, 0.75)}, lambda p, xs: p.vmap(xs, outs=1, body=body(["x"], halving))[0],
     lambda xs: [halved(x) for x in xs], (4,), note="each slice ends after iterations of its own")
case("while-in-scan", {"xs": v(3.0, 10.0, 1.5)},
     lambda p, xs: p.scan(p.const([1.0]), xs, states=1, outs=1, body=body(["s", "x"], lambda q, t, x: halving(q, q.mul(t, x))))[0],
     lambda xs: halved(halved(halved(xs[0]) * xs[1]) * xs[2]))
case("while-power-iteration", {"a": m([[2.0, 0.5], [0.5, 1.0]])},
     lambda p, a: p.while_(p.const([1.0, 0.5], (2,)), p.const([0.0]), outs=3,
                           condition=body(["x", "k"], lambda q, x, k: q.lt(k, 6.0)),
                           body=body(["x", "k"], lambda q, x, k: ((lambda y: q.div(y, q.norm2(y, axis=None)))(q.matmul(a, x)), q.add(k, 1.0))))[0],
     lambda a: power(matrix(a, 2)), (2,))


def power(a):
    x = [D(1), D("0.5")]
    for _ in range(6):
        x = times(a, x)
        n = sqrt(dot(x, x))
        x = [c / n for c in x]
    return x


case("while-jacobian", {"x": v(3.0, 9.0)},
     lambda p, x: p.jacobian(x, body=body(["x"], lambda q, x: q.while_(
         x, outs=2, condition=body(["x"], lambda r, x: r.gt(r.sum(x, axis=None), 1.0)),
         body=body(["x"], lambda r, x: r.mul(0.5, r.sin(r.add(x, r.mul(0.25, r.sum(x, axis=None)))))))[0])),
     lambda x: while_jacobian(x), (2, 2), rtol=1e-10, area="transforms")


def while_rows(x):
    x = list(x)
    while sum(x) > 1:
        t = sum(x)
        x = [sin(c + t / 4) / 2 for c in x]
    return x


def while_jacobian(x):
    h = D(10) ** -25
    return [(while_rows(shifted(x, j, h))[i] - while_rows(shifted(x, j, -h))[i]) / (2 * h) for i in range(2) for j in range(2)]


# ---- cond -----------------------------------------------------------------------------------------------------------

def choice(p, x, limit):
    return p.cond(p.gt(x, limit), x, outs=1, when_true=body(["x"], lambda q, x: q.sin(q.square(x))),
                  when_false=body(["x"], lambda q, x: q.mul(x, q.exp(x))))[0]


case("cond-true", {"x": s(1.5)}, lambda p, x: choice(p, x, 1.0), lambda x: sin(x[0] ** 2), area="branches")
case("cond-false", {"x": s(0.5)}, lambda p, x: choice(p, x, 1.0), lambda x: x[0] * exp(x[0]), area="branches")
case("cond-branch-not-taken-is-nan", {"x": s(-2.0)},
     lambda p, x: p.cond(p.gt(x, 0.0), x, outs=1, when_true=body(["x"], lambda q, x: q.mul(q.sqrt(x), q.log(x))),
                         when_false=body(["x"], lambda q, x: q.mul(x, q.square(x))))[0],
     lambda x: x[0] ** 3, area="branches", rtol=1e-14)
case("cond-captured", {"a": s(0.5), "b": s(-1.25), "x": s(2.0)},
     lambda p, a, b, x: p.cond(p.gt(a, b), x, outs=1, when_true=body(["x"], lambda q, x: q.sin(q.mul(a, x))),
                               when_false=body(["x"], lambda q, x: q.exp(q.mul(b, x))))[0],
     lambda a, b, x: sin(a[0] * x[0]), area="branches", note="b has derivative 0")
case("cond-two-results", {"x": v(0.5, -1.5), "y": s(0.25)},
     lambda p, x, y: (lambda r: p.mul(r[0], r[1]))(p.cond(p.lt(y, 1.0), x, y, outs=2, when_true=body(
         ["x", "y"], lambda q, x, y: (q.sin(q.mul(x, y)), q.sum(x, axis=None))), when_false=body(["x", "y"], lambda q, x, y: (x, y)))),
     lambda x, y: [sin(c * y[0]) * sum(x) for c in x], (2,), area="branches")
case("cond-nested", {"x": s(0.75)},
     lambda p, x: p.cond(p.gt(x, 0.0), x, outs=1, when_true=body(["x"], lambda q, x: choice(q, x, 1.0)), when_false=body(["x"], lambda q, x: x))[0],
     lambda x: x[0] * exp(x[0]), area="branches")
case("cond-vmap", {"xs": v(-1.0, 0.5, 1.25, 2.0)}, lambda p, xs: p.vmap(xs, outs=1, body=body(["x"], lambda q, x: choice(q, x, 1.0)))[0],
     lambda xs: [sin(x * x) if x > 1 else x * exp(x) for x in xs], (4,), area="branches")
case("cond-vmap-nan-beside", {"xs": v(-1.0, 0.5, 4.0)},
     lambda p, xs: p.vmap(xs, outs=1, body=body(["x"], lambda q, x: q.cond(
         q.gt(x, 0.0), x, outs=1, when_true=body(["x"], lambda r, x: r.mul(x, r.log(x))), when_false=body(["x"], lambda r, x: r.square(x)))[0]))[0],
     lambda xs: [x * log(x) if x > 0 else x * x for x in xs], (3,), area="branches",
     note="stacked, both sides are computed; what is not taken is NaN and must not reach the gradient")
case("cond-in-scan", {"a": s(0.75), "xs": v(0.5, -1.0, 2.0, -0.25)},
     lambda p, a, xs: p.scan(p.const([0.5]), xs, states=1, outs=1, body=body(["h", "x"], lambda q, h, x: q.cond(
         q.gt(x, 0.0), h, x, outs=1, when_true=body(["h", "x"], lambda r, h, x: r.tanh(r.mul(a, r.add(h, x)))),
         when_false=body(["h", "x"], lambda r, h, x: r.mul(r.mul(a, h), r.exp(x))))[0]))[0],
     lambda a, xs: cond_scan(a[0], xs), area="branches")


def cond_scan(a, xs):
    h = D("0.5")
    for x in xs:
        h = tanh(a * (h + x)) if x > 0 else a * h * exp(x)
    return h


# ---- Taylor mode ----------------------------------------------------------------------------------------------------

def taylor(order, f):
    return lambda p, x, *rest: p.concat(*[p.reshape(c, shape=[1]) for c in p.taylor(x, order=order, outs=order + 1, body=body(["x"], f))], axis=0)


TAYLOR = dict(area="Taylor mode", rtol=1e-10)
case("taylor-tanh", {"x": s(0.625)}, taylor(8, lambda q, x: q.tanh(x)), lambda x: series_tanh([x[0], D(1)] + [D(0)] * 7), (9,), **TAYLOR)
case("taylor-exp-sin", {"x": s(0.5)}, taylor(7, lambda q, x: q.exp(q.sin(x))),
     lambda x: series_exp(series_sin_cos([x[0], D(1)] + [D(0)] * 6)[0]), (8,), **TAYLOR)
case("taylor-log1p-at-0", {"x": s(0.0)}, taylor(6, lambda q, x: q.log1p(x)),
     lambda x: [log(1 + x[0])] + [-(-1 / (1 + x[0])) ** k / k for k in range(1, 7)], (7,), **TAYLOR)
case("taylor-sqrt", {"x": s(2.0)}, taylor(5, lambda q, x: q.sqrt(x)),
     lambda x: [sqrt(x[0]) * c / x[0] ** k for k, c in enumerate(map(D, ["1", "0.5", "-0.125", "0.0625", "-0.0390625", "0.02734375"]))], (6,), **TAYLOR)
case("taylor-polynomial", {"x": s(0.0)}, taylor(5, lambda q, x: q.mul(x, q.square(x))),
     lambda x: [x[0] ** 3, 3 * x[0] ** 2, 3 * x[0], D(1), D(0), D(0)], (6,), area="Taylor mode", rtol=0, atol=0, note="x³ at 0: nothing is divided by x")
case("taylor-quotient", {"x": s(0.5)}, taylor(6, lambda q, x: q.div(q.sin(x), q.add(1.0, q.square(x)))),
     lambda x: series_quotient(x[0]), (7,), **TAYLOR)


def series_quotient(x):
    t = [x, D(1)] + [D(0)] * 5
    a = series_sin_cos(t)[0]
    b = series_product(t, t)
    b[0] += 1
    y = []
    for k in range(7):
        y.append((a[k] - sum((b[i] * y[k - i] for i in range(1, k + 1)), D(0))) / b[0])
    return y


case("taylor-scan", {"x": s(0.5)}, taylor(4, lambda q, x: q.scan(x, states=1, outs=1, length=3, body=body(
    ["s"], lambda r, t: r.sin(r.mul(x, t))))[0]),
    lambda x: series_of_loop(x[0]), (5,), **TAYLOR, note="Taylor mode through a loop")


def series_of_loop(x):
    t = x = [x, D(1), D(0), D(0), D(0)]
    for _ in range(3):
        t = series_sin_cos(series_product(x, t))[0]
    return t


case("jet-curve", {"x": s(1.25), "c": s(-0.5), "d": s(2.0)},
     lambda p, x, c, d: p.concat(*[p.reshape(k, shape=[1]) for k in p.jet(x, c, d, order=4, outs=5, body=body(["x"], lambda q, x: q.exp(q.square(x))))], axis=0),
     lambda x, c, d: (lambda t: series_exp(series_product(t, t)))([x[0], c[0], d[0], D(0), D(0)]), (5,), hvp="c", **TAYLOR)
case("jet-inverse", {"a": m([[2.0, 0.5], [-0.25, 1.0]]), "b": m([[0.5, -1.0], [0.75, 0.25]])},
     lambda p, a, b: p.jet(a, b, order=2, outs=3, body=body(["a"], lambda q, a: q.inv(a)))[2],
     lambda a, b: jet_inverse(matrix(a, 2), matrix(b, 2)), (2, 2), **TAYLOR)


def product(a, b): return [[dot(r, c) for c in zip(*b)] for r in a]


def inverse(a): return [list(r) for r in zip(*[solve(a, [D(int(i == k)) for i in range(len(a))]) for k in range(len(a))])]


def jet_inverse(a, b):
    i = inverse(a)
    return flat(product(product(product(product(i, b), i), b), i))


# ---- Transforms of functions ----------------------------------------------------------------------------------------

def pair(q, x):
    """[sin(x0 x1), x1 exp(x2) + x0^2] of a vector of three."""
    def at(i): return q.gather(x, indices=[i], axis=0)
    return q.concat(q.sin(q.mul(at(0), at(1))), q.add(q.mul(at(1), q.exp(at(2))), q.square(at(0))), axis=0)


def pair_rows(x):
    a, b, c = x
    return [[b * cos(a * b), a * cos(a * b), D(0)], [2 * a, exp(c), b * exp(c)]]


THREE = {"x": v(0.5, -1.25, 0.75)}
for mode in ["Rows", "Columns"]:
    case(f"jacobian-{mode.lower()}", THREE, lambda p, x: p.jacobian(x, mode=mode, body=body(["x"], pair)), lambda x: flat(pair_rows(x)), (2, 3),
         area="transforms")
case("vjp-pair", {**THREE, "g": v(1.5, -0.5)}, lambda p, x, g: p.vjp(x, g, outs=1, body=body(["x"], pair))[0],
     lambda x, g: [dot(g, c) for c in zip(*pair_rows(x))], (3,), area="transforms")
for word in ["jvp", "linearize"]:
    case(f"{word}-pair", {**THREE, "t": v(1.0, 0.25, -2.0)}, lambda p, x, t: getattr(p, word)(x, t, body=body(["x"], pair)),
         lambda x, t: times(pair_rows(x), t), (2,), area="transforms")


def rosenbrock(q, x):
    def at(i): return q.reshape(q.gather(x, indices=[i], axis=0), shape=[])
    return q.add(q.mul(100.0, q.square(q.sub(at(1), q.square(at(0))))), q.square(q.sub(1.0, at(0))))


def rosenbrock_rows(a, b): return [[1200 * a * a - 400 * b + 2, -400 * a], [-400 * a, D(200)]]


case("grad-rosenbrock", {"x": v(-1.25, 0.5)}, lambda p, x: p.grad(x, outs=1, body=body(["x"], rosenbrock))[0],
     lambda x: [-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)], (2,), area="transforms")
case("hessian-of-rosenbrock", {"x": v(-1.25, 0.5)}, lambda p, x: p.hessian(x, body=body(["x"], rosenbrock)),
     lambda x: flat(rosenbrock_rows(*x)), (2, 2), area="transforms", note="the Hessian-vector product is a fourth derivative")
case("hvp-rosenbrock", {"x": v(-1.25, 0.5), "t": v(0.75, 2.0)}, lambda p, x, t: p.hvp(x, t, body=body(["x"], rosenbrock)),
     lambda x, t: times(rosenbrock_rows(*x), t), (2,), area="transforms")
case("value-and-grad", {"x": v(-1.25, 0.5)},
     lambda p, x: (lambda r: p.mul(r[0], r[1]))(p.value_and_grad(x, outs=2, body=body(["x"], lambda q, x: q.sum(q.exp(x), axis=None)))),
     lambda x: [sum(map(exp, x)) * exp(c) for c in x], (2,), area="transforms")
case("gauss-newton", {"x": v(0.5, -0.25), "t": v(1.0, 0.5)},
     lambda p, x, t: p.gauss_newton(x, t, outs=1, model=body(["x"], lambda q, x: q.matmul(q.const([1.0, 2.0, -1.0, 0.5], (2, 2)), q.sin(x))),
                                    loss=body(["y"], lambda q, y: q.sum(q.exp(y), axis=None)))[0],
     lambda x, t: gauss_newton(x, t), (2,), area="transforms")


def gauss_newton(x, t):
    w = [[D(1), D(2)], [D(-1), D("0.5")]]
    y = times(w, [sin(c) for c in x])
    j = [[w[i][k] * cos(x[k]) for k in range(2)] for i in range(2)]
    u = [exp(a) * b for a, b in zip(y, times(j, t))]
    return [dot(u, c) for c in zip(*j)]


case("nth-derivative", {"x": s(0.75)}, lambda p, x: p.nth_derivative(x, order=4, body=body(["x"], lambda q, x: q.sin(q.square(x)))),
     lambda x: (16 * x[0] ** 4 - 12) * sin(x[0] ** 2) - 48 * x[0] ** 2 * cos(x[0] ** 2), area="transforms", rtol=1e-10)
case("jacobian-of-scan", {"h": v(0.5, -0.25)},
     lambda p, h: p.jacobian(h, body=body(["h"], lambda q, h: q.scan(h, states=1, outs=1, length=3, body=body(
         ["h"], lambda r, h: r.sin(r.matmul(r.const([1.0, 0.5, -0.75, 0.25], (2, 2)), h))))[0])),
     lambda h: sine_rows(h), (2, 2), area="transforms")


def sine_rows(h):
    w, j = [[D(1), D("0.5")], [D("-0.75"), D("0.25")]], [[D(1), D(0)], [D(0), D(1)]]
    for _ in range(3):
        z = times(w, h)
        j = product([[cos(z[i]) * c for c in w[i]] for i in range(2)], j)
        h = [sin(c) for c in z]
    return flat(j)


case("hessian-of-scan", {"x": v(0.5, 1.25)},
     lambda p, x: p.hessian(x, body=body(["x"], lambda q, x: q.scan(q.const([1.0]), x, states=1, outs=1, body=body(
         ["s", "x"], lambda r, t, x: r.sin(r.mul(t, r.square(x)))))[0])),
     lambda x: flat(hessian(lambda z: sin(sin(z[0] ** 2) * z[1] ** 2), x)), (2, 2), hvp=False, area="transforms")
case("grad-of-cond-in-vmap", {"xs": v(0.5, 2.0)},
     lambda p, xs: p.vmap(xs, outs=1, body=body(["x"], lambda q, x: q.grad(x, outs=1, body=body(["x"], lambda r, x: choice(r, x, 1.0)))[0]))[0],
     lambda xs: [(1 + xs[0]) * exp(xs[0]), 2 * xs[1] * cos(xs[1] ** 2)], (2,), area="transforms")
case("vmap-of-grad", {"w": v(0.5, -1.0), "xs": m([[1.0, 2.0], [0.25, -0.5], [-1.5, 0.75]])},
     lambda p, w, xs: p.vmap(xs, outs=1, body=body(["x"], lambda q, x: q.grad(w, outs=1, body=body(
         ["w"], lambda r, w: r.tanh(r.matmul(w, x))))[0]))[0],
     lambda w, xs: flat([[(1 - tanh(dot(w, x)) ** 2) * c for c in x] for x in matrix(xs, 2)]), (3, 2), area="transforms", note="a gradient for each example")
case("grad-of-vmap", {"w": v(0.5, -1.0), "xs": m([[1.0, 2.0], [0.25, -0.5], [-1.5, 0.75]])},
     lambda p, w, xs: p.grad(w, outs=1, body=body(["w"], lambda q, w: q.sum(q.vmap(xs, outs=1, body=body(
         ["x"], lambda r, x: r.tanh(r.matmul(w, x))))[0], axis=None)))[0],
     lambda w, xs: [sum((1 - tanh(dot(w, x)) ** 2) * x[k] for x in matrix(xs, 2)) for k in range(2)], (2,), area="transforms")
case("vmap-axes", {"a": m([[0.5, 1.0], [-0.25, 2.0], [1.5, 0.75]]), "b": v(1.0, -1.0, 0.5)},
     lambda p, a, b: p.vmap(a, b, in_axes=[1, None], out_axis=1, outs=1, body=body(["a", "b"], lambda q, a, b: q.exp(q.mul(a, b))))[0],
     lambda a, b: [exp(x * b[i // 2]) for i, x in enumerate(a)], (3, 2), area="transforms")
case("vmap-of-vmap", {"a": v(0.5, -1.0), "b": v(2.0, 0.25, 1.0)},
     lambda p, a, b: p.vmap(a, outs=1, body=body(["x"], lambda q, x: q.vmap(b, outs=1, body=body(["y"], lambda r, y: r.sin(r.mul(x, y))))[0]))[0],
     lambda a, b: [sin(x * y) for x in a for y in b], (2, 3), area="transforms")
case("vmap-of-hessian", {"xs": m([[0.5, 1.0], [-0.25, 0.75]])},
     lambda p, xs: p.vmap(xs, outs=1, body=body(["x"], lambda q, x: q.hessian(x, body=body(["z"], lambda r, z: r.exp(r.prod(z, axis=None))))))[0],
     lambda xs: flat([exp(a * b) * c for c in (b * b, 1 + a * b, 1 + a * b, a * a)] for a, b in matrix(xs, 2)), (2, 2, 2), area="transforms")
case("vmap-of-scan", {"w": v(0.5, -1.0, 1.5), "xs": v(1.0, 0.25)},
     lambda p, w, xs: p.vmap(w, outs=1, body=body(["w"], lambda q, w: q.scan(w, xs, states=1, outs=1, body=body(
         ["s", "x"], lambda r, t, x: r.sin(r.add(r.mul(w, t), x))))[0]))[0],
     lambda w, xs: [sin(c * sin(c * c + xs[0]) + xs[1]) for c in w], (3,), area="transforms")
case("scan-of-vmap", {"w": v(0.5, -1.0), "xs": v(1.0, 0.25)},
     lambda p, w, xs: p.scan(w, xs, states=1, outs=1, body=body(["s", "x"], lambda q, t, x: q.vmap(t, outs=1, body=body(
         ["u"], lambda r, u: r.sin(r.mul(u, x))))[0]))[0],
     lambda w, xs: [sin(sin(c * xs[0]) * xs[1]) for c in w], (2,), area="transforms")
case("checkpoint", {"x": v(0.5, -1.0)}, lambda p, x: p.checkpoint(x, body=body(["x"], lambda q, x: q.exp(q.sin(q.mul(x, q.sum(x, axis=None)))))),
     lambda x: [exp(sin(c * sum(x))) for c in x], (2,), area="transforms")
case("checkpoint-in-scan", {"w": s(0.75), "xs": v(0.5, -1.0, 2.0)},
     lambda p, w, xs: p.scan(p.const([0.25]), xs, states=1, outs=1, body=body(["h", "x"], lambda q, h, x: q.checkpoint(
         h, x, body=body(["h", "x"], lambda r, h, x: r.tanh(r.add(r.mul(w, h), r.sin(x)))))))[0],
     lambda w, xs: rnn(w[0], D(1), [sin(x) for x in xs], D("0.25")), area="transforms")
case("custom-grad", {"x": s(1.5)},
     lambda p, x: p.custom_grad(x, body=body(["x"], lambda q, x: q.log(q.add(1.0, q.exp(x)))),
                                backward=body(["x", "y", "g"], lambda q, x, y, g: q.mul(g, q.sigmoid(x)))),
     lambda x: log(1 + exp(x[0])), area="transforms")
case("custom-grad-is-taken", {"x": s(1.5)},
     lambda p, x: p.custom_grad(x, body=body(["x"], lambda q, x: q.square(x)), backward=body(["x", "y", "g"], lambda q, x, y, g: q.mul(g, 7.0))),
     lambda x: x[0] ** 2, area="transforms", hvp=False, grads={"x": [D(7)]}, policy="convention", note="the rule counts, not the function")
case("custom-grad-in-scan", {"x": s(1.5)},
     lambda p, x: p.scan(x, states=1, outs=1, length=3, body=body(["s"], lambda r, t: r.custom_grad(
         t, body=body(["x"], lambda q, x: q.log(q.add(1.0, q.exp(x)))), backward=body(["x", "y", "g"], lambda q, x, y, g: q.mul(g, q.sigmoid(x))))))[0],
     lambda x: log(2 + log_free(x[0])), area="transforms")


def log_free(x): return 1 + exp(x)


case("custom-jvp", {"x": s(0.5), "y": s(2.0)},
     lambda p, x, y: p.custom_jvp(x, y, body=body(["x", "y"], lambda q, x, y: q.mul(q.sin(x), y)),
                                  forward=body(["x", "y", "z", "s", "t"], lambda q, x, y, z, a, b: q.add(q.mul(q.mul(q.cos(x), y), a), q.mul(q.sin(x), b)))),
     lambda x, y: sin(x[0]) * y[0], area="transforms")


def neighbours(q, x):
    a, b = q.slice(x, slices=[[0, -1, 1]]), q.slice(x, slices=[[1, None, 1]])
    return q.mul(q.sin(a), q.square(b))


FIVE = {"x": v(0.5, -1.0, 1.25, 0.75, 2.0)}
case("sparse-jacobian", FIVE, lambda p, x: p.sparse_jacobian(x, body=body(["x"], neighbours)), lambda x: flat(
    [[cos(x[i]) * x[i + 1] ** 2 if j == i else 2 * sin(x[i]) * x[i + 1] if j == i + 1 else D(0) for j in range(5)] for i in range(4)]), (4, 5), area="transforms")
case("sparse-hessian", FIVE, lambda p, x: p.sparse_hessian(x, body=body(["x"], lambda q, x: q.sum(neighbours(q, x), axis=None))),
     lambda x: flat(hessian(lambda z: sum(sin(z[i]) * z[i + 1] ** 2 for i in range(4)), x)), (5, 5), hvp=False, area="transforms")
case("sparse-jacobian-of-scan", FIVE,
     lambda p, x: p.sparse_jacobian(x, body=body(["x"], lambda q, x: q.scan(x, states=1, outs=1, length=2, body=body(
         ["x"], lambda r, x: r.sin(r.square(x))))[0])),
     lambda x: flat([[chain(c) if i == j else D(0) for j in range(5)] for i, c in enumerate(x)]), (5, 5), area="transforms")


def chain(c):
    y = sin(c * c)
    return cos(y * y) * 2 * y * cos(c * c) * 2 * c


# ---- Solutions of equations -----------------------------------------------------------------------------------------

SOLVED = dict(area="implicit", rtol=1e-9, atol=1e-11)
case("root-cubic", {"a": s(2.0), "b": s(5.0)},
     lambda p, a, b: p.root(p.const([1.0]), body=body(["x"], lambda q, x: q.sub(q.add(q.mul(x, q.square(x)), q.mul(a, x)), b))),
     lambda a, b: newton(lambda x: [x[0] ** 3 + a[0] * x[0] - b[0]], [D("1.3")])[0], **SOLVED)
case("root-system", {"a": v(2.0, 0.5)},
     lambda p, a: p.root(p.const([1.0, 1.0], (2,)), body=body(["x"], lambda q, x: q.sub(q.add(
         q.mul(x, q.sum(q.square(x), axis=None)), q.sin(x)), a))),
     lambda a: newton(lambda x: [c * dot(x, x) + sin(c) - d for c, d in zip(x, a)], [D("0.9"), D("0.3")]), (2,), **SOLVED)
case("root-in-vmap", {"b": v(5.0, 1.0, -3.0)},
     lambda p, b: p.vmap(b, outs=1, body=body(["b"], lambda q, b: q.root(
         q.const([1.0]), body=body(["x"], lambda r, x: r.sub(r.add(r.mul(x, r.square(x)), x), b)))))[0],
     lambda b: [newton(lambda x: [x[0] ** 3 + x[0] - c], [D("0.9") if c > 0 else D("-1.2")])[0] for c in b], (3,), **SOLVED)
case("root-in-scan", {"k": s(1.5)},
     lambda p, k: p.scan(p.const([1.0]), states=1, outs=1, length=4, body=body(["y"], lambda q, y: q.root(
         y, body=body(["z"], lambda r, z: r.add(r.sub(z, y), r.mul(0.25, r.mul(k, r.mul(z, r.square(z)))))))))[0],
     lambda k: implicit_euler(k[0]), **SOLVED, note="implicit Euler steps")


def implicit_euler(k):
    y = D(1)
    for _ in range(4):
        y = newton(lambda z: [z[0] - y + D("0.25") * k * z[0] ** 3], [y])[0]
    return y


case("hessian-of-root", {"a": v(2.0, 5.0)},
     lambda p, a: p.hessian(a, body=body(["a"], lambda r, a: r.root(r.const([1.0]), body=body(["x"], lambda q, x: q.sub(q.add(
         q.mul(x, q.square(x)), q.mul(q.reshape(q.gather(a, indices=[0], axis=0), shape=[]), x)), q.reshape(q.gather(a, indices=[1], axis=0), shape=[])))))),
     lambda a: flat(hessian(lambda z: newton(lambda x: [x[0] ** 3 + z[0] * x[0] - z[1]], [D("1.3")])[0], a)), (2, 2), hvp=False,
     area="implicit", rtol=1e-8, atol=1e-10)
case("fixed-point-cosine", {"a": s(0.75)},
     lambda p, a: p.fixed_point(p.const([0.5]), body=body(["x"], lambda q, x: q.cos(q.mul(a, x)))),
     lambda a: newton(lambda x: [x[0] - cos(a[0] * x[0])], [D("0.8")])[0], area="implicit", rtol=1e-8, atol=1e-10)
case("fixed-point-vector", {"w": m([[0.25, -0.5], [0.375, 0.125]]), "b": v(0.5, -0.75)},
     lambda p, w, b: p.fixed_point(p.const([0.0, 0.0], (2,)), body=body(["x"], lambda q, x: q.tanh(q.add(q.matmul(w, x), b)))),
     lambda w, b: newton(lambda x: [c - tanh(d + e) for c, d, e in zip(x, times(matrix(w, 2), x), b)], [D("0.6"), D("-0.5")]), (2,),
     area="implicit", rtol=1e-8, atol=1e-10)
case("argmin-quartic", {"a": s(1.5)},
     lambda p, a: p.minimizer(p.const([0.5]), body=body(["x"], lambda q, x: q.sub(q.add(
         q.mul(0.25, q.square(q.square(x))), q.mul(0.5, q.square(x))), q.mul(a, x)))),
     lambda a: newton(lambda x: [x[0] ** 3 + x[0] - a[0]], [D("0.86")])[0], area="implicit", rtol=1e-8, atol=1e-9)
case("argmin-ridge", {"l": s(0.5), "y": v(1.0, -0.5, 2.0)},
     lambda p, l, y: p.minimizer(p.const([0.0, 0.0], (2,)), body=body(["w"], lambda q, w: q.add(
         q.sum(q.square(q.sub(q.matmul(q.const([1.0, 2.0, 0.5, -1.0, 1.5, 0.25], (3, 2)), w), y)), axis=None), q.mul(l, q.sum(q.square(w), axis=None))))),
     lambda l, y: ridge(l[0], y), (2,), area="implicit", rtol=1e-8, atol=1e-9)


def ridge(l, y):
    x = [[D(1), D(2)], [D("0.5"), D(-1)], [D("1.5"), D("0.25")]]
    g = [[sum(r[i] * r[j] for r in x) + (l if i == j else 0) for j in range(2)] for i in range(2)]
    return solve(g, [sum(r[i] * c for r, c in zip(x, y)) for i in range(2)])


case("linear-solve-symmetric", {"d": v(2.0, 3.0, 1.5), "b": v(1.0, -2.0, 0.5)},
     lambda p, d, b: p.linear_solve(b, symmetric=True, body=body(["x"], lambda q, x: q.add(q.mul(q.square(d), x), q.sum(x, axis=None)))),
     lambda d, b: solve([[1 + (d[i] ** 2 if i == j else 0) for j in range(3)] for i in range(3)], b), (3,), **SOLVED)
case("linear-solve-general", {"a": m([[2.0, 0.5, -1.0], [0.25, 1.5, 0.75], [-0.5, 1.0, 3.0]]), "b": v(1.0, -2.0, 0.5)},
     lambda p, a, b: p.linear_solve(b, body=body(["x"], lambda q, x: q.matmul(a, x))),
     lambda a, b: solve(matrix(a, 3), b), (3,), **SOLVED)

# ---- Interpolation --------------------------------------------------------------------------------------------------

KNOTS = {"ys": v(1.0, -0.5, 0.75, 2.0, 1.25), "xs": v(-1.0, 0.0, 0.5, 2.0, 3.0), "q": v(-0.25, 1.25, 2.75, 3.5, -1.5)}


def piece(xs, q): return max(0, min(len(xs) - 2, sum(1 for x in xs if x <= q) - 1))


def linear(ys, xs, qs):
    out = []
    for q in qs:
        i = piece(xs, q)
        out.append(ys[i] + (ys[i + 1] - ys[i]) * (q - xs[i]) / (xs[i + 1] - xs[i]))
    return out


def spline(natural):
    def f(ys, xs, qs):
        """Coefficients of each piece from all conditions at once."""
        n = len(xs)
        rows, right = [], []

        def row(right_side, *terms):
            r = [D(0)] * (4 * (n - 1))
            for i, k, value in terms:
                r[4 * i + k] += value
            rows.append(r)
            right.append(right_side)
        for i in range(n - 1):
            h = xs[i + 1] - xs[i]
            row(ys[i], (i, 0, D(1)))
            row(ys[i + 1], (i, 0, D(1)), (i, 1, h), (i, 2, h ** 2), (i, 3, h ** 3))
            if i < n - 2:
                row(D(0), (i, 1, D(1)), (i, 2, 2 * h), (i, 3, 3 * h ** 2), (i + 1, 1, D(-1)))
                row(D(0), (i, 2, D(2)), (i, 3, 6 * h), (i + 1, 2, D(-2)))
        if natural:
            row(D(0), (0, 2, D(1)))
            row(D(0), (n - 2, 2, D(2)), (n - 2, 3, 6 * (xs[-1] - xs[-2])))
        else:
            row(D(0), (0, 3, D(1)), (1, 3, D(-1)))
            row(D(0), (n - 3, 3, D(1)), (n - 2, 3, D(-1)))
        c = solve(rows, right)
        return [sum(c[4 * i + k] * (q - xs[i]) ** k for k in range(4)) for q in qs for i in [piece(xs, q)]]
    return f


def pchip(ys, xs, qs):
    n = len(xs)
    h = [b - a for a, b in zip(xs, xs[1:])]
    r = [(b - a) / d for a, b, d in zip(ys, ys[1:], h)]

    def end(h0, h1, r0, r1):
        d = ((2 * h0 + h1) * r0 - h0 * r1) / (h0 + h1)
        return D(0) if d * r0 <= 0 else 3 * r0 if r0 * r1 <= 0 and abs(d) > abs(3 * r0) else d
    d = [end(h[0], h[1], r[0], r[1])]
    for i in range(1, n - 1):
        a, b = 2 * h[i] + h[i - 1], h[i] + 2 * h[i - 1]
        d.append(D(0) if r[i - 1] * r[i] <= 0 else (a + b) / (a / r[i - 1] + b / r[i]))
    d.append(end(h[-1], h[-2], r[-1], r[-2]))
    out = []
    for q in qs:
        i = piece(xs, q)
        t = (q - xs[i]) / h[i]
        out.append((1 + 2 * t) * (1 - t) ** 2 * ys[i] + t * (1 - t) ** 2 * h[i] * d[i] + t * t * (3 - 2 * t) * ys[i + 1] + t * t * (t - 1) * h[i] * d[i + 1])
    return out


for name, f, attrs in [("linear", linear, {}), ("pchip", pchip, {}), ("spline", spline(True), {"ends": "Natural"}), ("spline", spline(False), {"ends": "NotAKnot"})]:
    for of in ["ys", "xs", "q"]:
        case(f"interpolate-{name}{'-' + attrs['ends'].lower() if attrs else ''}-{of}", KNOTS,
             lambda p, ys, xs, q: getattr(p, f"interpolate_{name}")(xs, ys, q, **attrs), f, (5,), hvp=of, area="interpolation", rtol=1e-10, atol=1e-12,
             note="queries within, and beyond both ends")

# ---- Differential equations -----------------------------------------------------------------------------------------


def runge_kutta(f, t, y, h):
    def at(c, k): return [a + c * b for a, b in zip(y, k)]
    k1 = f(t, y)
    k2 = f(t + h / 2, at(h / 2, k1))
    k3 = f(t + h / 2, at(h / 2, k2))
    k4 = f(t + h, at(h, k3))
    return [a + h / 6 * (b + 2 * c + 2 * d + e) for a, b, c, d, e in zip(y, k1, k2, k3, k4)]


DORMAND_PRINCE = [[], [(1, 5)], [(3, 40), (9, 40)], [(44, 45), (-56, 15), (32, 9)], [(19372, 6561), (-25360, 2187), (64448, 6561), (-212, 729)],
                  [(9017, 3168), (-355, 33), (46732, 5247), (49, 176), (-5103, 18656)], [(35, 384), (0, 1), (500, 1113), (125, 192), (-2187, 6784), (11, 84)]]


def dormand_prince(f, t, y, h):
    ks = []
    for row in DORMAND_PRINCE:
        z = [a + h * sum((D(n) / d * k[i] for (n, d), k in zip(row, ks)), D(0)) for i, a in enumerate(y)]
        c = sum((D(n) / d for n, d in row), D(0))
        if len(ks) == 6:
            return z
        ks.append(f(t + c * h, z))


def fixed(step, f, y, ts, steps):
    out = [y]
    for a, b in zip(ts, ts[1:]):
        h = (b - a) / steps
        for i in range(steps):
            y = step(f, a + i * h, y, h)
        out.append(y)
    return flat(out)


for method, step in [("RungeKutta4", runge_kutta), ("DormandPrince", dormand_prince)]:
    case(f"ode-fixed-{method.lower()}", {"k": s(1.5), "y": v(0.5, -0.25), "ts": v(0.0, 0.5, 1.25)},
         lambda p, k, y, ts: p.ode_fixed(y, ts, method=method, steps=2, body=body(
             ["t", "y"], lambda q, t, y: q.sub(q.sin(q.mul(k, q.add(y, t))), q.sum(q.square(y), axis=None)))),
         lambda k, y, ts, step=step: fixed(step, lambda t, y: [sin(k[0] * (c + t)) - dot(y, y) for c in y], y, ts, 2), (3, 2), area="differential equations",
         note="the steps themselves, to the last digit")


def growth(r, y, t): return y * exp(r * t) / (1 + y * (exp(r * t) - 1))


EQUATIONS = dict(area="differential equations", rtol=1e-7, atol=1e-8)
for word in ["ode_adaptive", "ode_adjoint"]:
    name = word.replace("_", "-")
    case(f"{name}-growth", {"r": s(1.5), "y": s(0.125), "ts": v(0.0, 0.5, 1.0, 2.0)},
         lambda p, r, y, ts: getattr(p, word)(y, ts, tolerance=1e-11, body=body(["t", "y"], lambda q, t, y: q.mul(r, q.mul(y, q.sub(1.0, y))))),
         lambda r, y, ts: [growth(r[0], y[0], t - ts[0]) for t in ts], (4,), **EQUATIONS)
    case(f"{name}-oscillator", {"w": s(2.0), "y": v(1.0, -0.5)},
         lambda p, w, y: p.slice(getattr(p, word)(y, p.const([0.0, 1.5], (2,)), tolerance=1e-11, body=body(
             ["t", "y"], lambda q, t, y: q.mul(w, q.matmul(q.const([0.0, 1.0, -1.0, 0.0], (2, 2)), y)))), slices=[[1, None, 1]]),
         lambda w, y: [y[0] * cos(w[0] * D("1.5")) + y[1] * sin(w[0] * D("1.5")), y[1] * cos(w[0] * D("1.5")) - y[0] * sin(w[0] * D("1.5"))], (1, 2), **EQUATIONS)
case("ode-backwards", {"y": s(0.5)},
     lambda p, y: p.slice(p.ode_adaptive(y, p.const([1.0, -1.0], (2,)), tolerance=1e-11, body=body(["t", "y"], lambda q, t, y: q.mul(t, q.square(y)))),
                          slices=[[1, None, 1]]),
     lambda y: [y[0]], (1,), **EQUATIONS, note="y' = t·y² is even in t")
case("ode-in-vmap", {"ys": v(0.125, 0.5)},
     lambda p, ys: p.vmap(ys, outs=1, body=body(["y"], lambda q, y: q.slice(q.ode_adaptive(
         y, q.const([0.0, 1.0], (2,)), tolerance=1e-11, body=body(["t", "y"], lambda r, t, y: r.mul(y, r.sub(1.0, y)))), slices=[[1, None, 1]])))[0],
     lambda ys: [growth(D(1), y, D(1)) for y in ys], (2, 1), **EQUATIONS)

# ---- What must fail -------------------------------------------------------------------------------------------------

X, V2, V3 = {"x": s(1.5)}, {"x": v(1.0, 2.0)}, {"x": v(1.0, 2.0, 3.0)}
M23 = {"x": m([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])}


def stays(q, t, *rest): return t


error("error-scan-shape", V3, lambda p, x: p.scan(x, states=1, outs=1, length=2, body=body(["s"], lambda q, t: q.sum(t, axis=None)))[0],
      "shape", "scan", "(3)", "()")
error("error-scan-type", X, lambda p, x: p.scan(x, states=1, outs=1, length=2, body=body(["s"], lambda q, t: q.cast(t, dtype="int64")))[0],
      "argument", "scan", "float64", "int64")
error("error-scan-parts", X, lambda p, x: p.scan(x, states=1, next=2, outs=2, length=2, body=body(["s"], lambda q, t: (t, t)))[0], "argument", "scan", "1", "2")
error("error-scan-slices", {"x": v(1.0, 2.0), "y": v(1.0, 2.0, 3.0)},
      lambda p, x, y: p.scan(p.const([0.0]), x, y, states=1, outs=1, body=body(["s", "a", "b"], stays))[0], "shape", "scan", "2", "3")
error("error-scan-scalar-slices", X, lambda p, x: p.scan(x, x, states=1, outs=1, body=body(["s", "a"], stays))[0], "shape", "scan", "scalar")
error("error-scan-length", V3, lambda p, x: p.scan(p.const([0.0]), x, states=1, outs=1, length=4, body=body(["s", "a"], stays))[0], "argument", "scan", "4", "3")
error("error-scan-no-length", X, lambda p, x: p.scan(x, states=1, outs=1, body=body(["s"], stays))[0], "argument", "scan", "length")
error("error-while-condition-type", X, lambda p, x: p.while_(x, outs=2, condition=body(["x"], stays), body=body(["x"], stays))[0], "argument", "while", "bool", "float64")
error("error-while-condition-shape", V2, lambda p, x: p.while_(x, outs=2, condition=body(["x"], lambda q, x: q.gt(x, 0.0)), body=body(["x"], stays))[0],
      "argument", "while", "scalar", "(2)")
error("error-while-shape", V2, lambda p, x: p.while_(x, outs=2, condition=body(["x"], lambda q, x: q.gt(q.sum(x, axis=None), 0.0)),
                                                    body=body(["x"], lambda q, x: q.concat(x, x, axis=0)))[0], "shape", "while", "(2)", "(4)")
error("error-while-does-not-end", X, lambda p, x: p.while_(x, outs=2, limit=100, condition=body(["x"], lambda q, x: q.gt(x, 0.0)),
                                                          body=body(["x"], lambda q, x: q.mul(x, 2.0)))[0], "numeric", "while", "100", "limit")
error("error-gradient-of-while-that-does-not-end", X, lambda p, x: p.grad(x, outs=1, body=body(["z"], lambda r, z: r.while_(
    z, outs=2, limit=100, condition=body(["x"], lambda q, x: q.gt(x, 0.0)), body=body(["x"], lambda q, x: q.sqrt(x)))[0]))[0], "numeric", "while", "100", "limit")
error("error-while-length", X, lambda p, x: p.while_(x, outs=2, length=3, condition=body(["x"], lambda q, x: q.gt(x, 0.0)), body=body(["x"], stays))[0],
      "argument", "while", "scan")
error("error-cond-predicate", X, lambda p, x: p.cond(x, x, outs=1, when_true=body(["x"], stays), when_false=body(["x"], stays))[0], "argument", "cond", "bool", "float64")
error("error-cond-predicate-shape", V2, lambda p, x: p.cond(p.gt(x, 0.0), x, outs=1, when_true=body(["x"], stays), when_false=body(["x"], stays))[0],
      "argument", "cond", "scalar", "where")
error("error-cond-shapes", V2, lambda p, x: p.cond(p.const([True]), x, outs=1, when_true=body(["x"], stays),
                                                  when_false=body(["x"], lambda q, x: q.sum(x, axis=None)))[0], "shape", "cond", "(2)", "()")
error("error-cond-counts", V2, lambda p, x: p.cond(p.const([True]), x, outs=1, when_true=body(["x"], stays),
                                                  when_false=body(["x"], lambda q, x: (x, x)))[0], "argument", "cond", "1", "2")
error("error-vmap-lengths", {"x": v(1.0, 2.0), "y": v(1.0, 2.0, 3.0)},
      lambda p, x, y: p.vmap(x, y, outs=1, body=body(["x", "y"], lambda q, x, y: q.mul(x, y)))[0], "shape", "vmap", "2", "3")
error("error-vmap-axis", V2, lambda p, x: p.vmap(x, outs=1, in_axes=[1], body=body(["x"], stays))[0], "argument", "vmap", "axis", "1")
error("error-vmap-out-axis", V2, lambda p, x: p.vmap(x, outs=1, out_axis=3, body=body(["x"], stays))[0], "argument", "vmap", "axis", "3")
error("error-vmap-scalar", X, lambda p, x: p.vmap(x, outs=1, body=body(["x"], stays))[0], "argument", "vmap", "axis")
error("error-hessian-of-vector", V2, lambda p, x: p.hessian(x, body=body(["x"], lambda q, x: q.sin(x))), "shape", "hessian", "scalar", "(2)")
error("error-grad-of-int", X, lambda p, x: p.grad(p.cast(x, dtype="int64"), outs=1, body=body(["x"], lambda q, x: q.cast(x)))[0], "argument", "int64")
error("error-jvp-direction", {"x": v(1.0, 2.0), "t": v(1.0, 2.0, 3.0)}, lambda p, x, t: p.jvp(x, t, body=body(["x"], lambda q, x: q.sin(x))), "shape", "(2)", "(3)")
error("error-vjp-cotangent", {"x": v(1.0, 2.0), "t": v(1.0, 2.0, 3.0)}, lambda p, x, t: p.vjp(x, t, outs=1, body=body(["x"], lambda q, x: q.sin(x)))[0], "shape", "(2)", "(3)")
error("error-hvp-direction", {"x": v(1.0, 2.0), "t": v(1.0, 2.0, 3.0)},
      lambda p, x, t: p.hvp(x, t, body=body(["x"], lambda q, x: q.sum(q.sin(x), axis=None))), "shape", "(2)", "(3)")
error("error-jet-order", X, lambda p, x: p.taylor(x, order=-1, outs=1, body=body(["x"], lambda q, x: q.sin(x)))[0], "argument", "order", "-1")
error("error-jet-curve", {"x": v(1.0, 2.0), "t": v(1.0, 2.0, 3.0)}, lambda p, x, t: p.jet(x, t, order=2, outs=3, body=body(["x"], lambda q, x: q.sin(x)))[0],
      "shape", "jet", "(2)", "(3)")
error("error-custom-grad-captures", {"x": s(1.0), "w": s(2.0)},
      lambda p, x, w: p.grad(x, outs=1, body=body(["z"], lambda r, z: r.custom_grad(z, body=body(["y"], lambda q, y: q.mul(y, w)), backward=body(
          ["x", "y", "g"], lambda q, x, y, g: q.mul(g, 3.0)))))[0], "state", "captur")
error("error-root-shape", V2, lambda p, x: p.root(x, body=body(["x"], lambda q, x: q.sum(x, axis=None))), "shape", "root", "1 values", "2 unknowns")
error("error-root-none", X, lambda p, x: p.root(x, body=body(["x"], lambda q, x: q.add(q.square(x), 1.0))), "numeric", "root")
error("error-fixed-point-none", X, lambda p, x: p.fixed_point(x, body=body(["x"], lambda q, x: q.add(q.exp(x), 1.0))), "numeric", "fixed")
error("error-argmin-vector", V2, lambda p, x: p.minimizer(x, body=body(["x"], lambda q, x: q.square(x))), "shape", "argmin", "scalar")
error("error-argmin-none", X, lambda p, x: p.minimizer(x, body=body(["x"], lambda q, x: q.neg(q.square(x)))), "numeric", "argmin")
error("error-linear-solve-shape", V2, lambda p, x: p.linear_solve(x, body=body(["x"], lambda q, x: q.sum(x, axis=None))), "shape", "linearSolve", "(2)")
error("error-interpolate-lengths", {"xs": v(0.0, 1.0, 2.0), "ys": v(1.0, 2.0)}, lambda p, xs, ys: p.interpolate_linear(xs, ys, 0.5), "shape", "interpolateLinear", "(3)", "(2)")
error("error-interpolate-few", {"xs": v(0.0, 1.0, 2.0), "ys": v(1.0, 2.0, 4.0)}, lambda p, xs, ys: p.interpolate_spline(xs, ys, 0.5), "shape", "interpolateSpline", "4", "(3)")
error("error-ode-shape", V2, lambda p, x: p.ode_adaptive(x, p.const([0.0, 1.0], (2,)), body=body(["t", "y"], lambda q, t, y: t)), "shape", "adaptive", "(2)", "()")
error("error-ode-times", V2, lambda p, x: p.ode_adaptive(x, 1.0, body=body(["t", "y"], lambda q, t, y: y)), "shape", "adaptive", "vector", "()")
error("error-ode-steps", X, lambda p, x: p.ode_adaptive(x, p.const([0.0, 1.0], (2,)), tolerance=1e-12, max_steps=3, body=body(
    ["t", "y"], lambda q, t, y: q.sin(q.mul(40.0, q.add(y, t))))), "numeric", "3", "limit")

cases = [make() for make in cases]
HEADER = {
    "format": "diff-conformance/2",
    "about": "Cases of loops, branches, transforms of functions and solutions of equations, in the format of cases.json (diff-conformance/1) with "
             "functions in programs. Written by transforms.py.",
    "function": "An attribute {inputs, program, outputs}: a program from inputs to outputs, which also sees the names of the programs around it. "
                "`out` of a step with several results is a list of names.",
    "ops": {
        "scan": "args states first, xs …; attrs states (how many), body (states, slices to new states, ys), length, reverse, max_record_bytes; gives states, stacked ys",
        "for": "arg state; attrs count, body (i, state to state)",
        "while": "args states; attrs condition, body, limit, max_record_bytes; gives states, number of iterations",
        "cond": "args predicate, x …; attrs when_true, when_false",
        "grad value_and_grad jacobian(mode) hessian nth_derivative(order) taylor(order) sparse_jacobian(mode) sparse_hessian checkpoint": "attr body",
        "vjp jvp linearize hvp": "the last argument is the cotangent or direction; attr body",
        "gauss_newton": "args x, direction; attrs model, loss",
        "jet": "args x, coefficients of its curve from the first on; attrs order, body",
        "vmap": "attrs body, in_axes (null for the same), out_axis",
        "custom_grad custom_jvp": "attrs body, backward (args, value, cotangent) or forward (args, value, tangents)",
        "root fixed_point minimizer": "arg start; attr body", "linear_solve": "arg b; attrs body (the operator), symmetric",
        "interpolate_linear interpolate_pchip interpolate_spline": "args knots, values, queries; attr ends (Natural, NotAKnot)",
        "ode_fixed ode_adaptive ode_adjoint": "args start, times; attrs body (t, y to the derivative), method, steps, tolerance, max_steps"},
    "error": "The program is made and evaluated; one of the two must fail.",
    "checked": "Every eval case also for three equal sets of inputs stacked by vmap, as a checkpoint, and with the second derivative by reverse over reverse mode.",
    "counts": {"total": len(cases)},
}
assert len({c["id"] for c in cases}) == len(cases)
print(json.dumps(HEADER, ensure_ascii=False, indent=1)[:-2] + ',\n "cases": [')
print(",\n".join("  " + json.dumps(c, ensure_ascii=False) for c in cases))
print(" ]\n}")
