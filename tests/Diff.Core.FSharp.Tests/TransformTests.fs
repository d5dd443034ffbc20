/// Linearization, products with second derivatives, derivatives of one's own.
module TransformTests

open System
open Xunit
open Diff
open Diff.Testing.Generators

let private leaf seed shape =
    variableOf "x" (spread seed (-1.0, 1.0) shape)

let private close (a: Expr) (b: Expr) =
    let a, b = eval a, eval b
    Assert.Equal(a.Shape, b.Shape)
    for x, y in Array.zip (floats a) (floats b) do
        Assert.True(abs (x - y) <= 1e-10 * (1.0 + abs x), $"{x} and {y}")

let private net (w: Expr, b: Expr) = tanh (matmul (sin w) w + b)

[<Fact>]
let ``a linearization shares the nodes of the value`` () =
    let w, b = leaf 1 [ 3; 3 ], leaf 2 [ 3 ]
    let v, u = leaf 3 [ 3; 3 ], leaf 4 [ 3 ]
    let value, derivative = linearizeOf net (w, b)
    let tangent = derivative (v, u)
    close (jvp (net (w, b)) [ w; b ] [ v; u ]) tangent
    close (2.0 * tangent) (derivative (2.0 * v, 2.0 * u))
    let valueNodes = Graph.topological [ value ]
    let tanhs (roots: Expr list) =
        Graph.topological roots
        |> Array.filter (fun e -> e.Op = Op.ofFn Fn.Tanh)
        |> Array.length
    Assert.Equal(1, tanhs [ value; tangent; derivative (u + v, u) ])
    Assert.True(valueNodes |> Array.forall (fun e -> e.Id <= value.Id))
    // It is a graph like any other: the derivative of the derivative.
    close
        (hvp (sum (net (w, b))) [ w ] [ v ]).Head
        (grad (sum (snd (linearizeOf net (w, b)) (v, zerosLike b))) w)

[<Fact>]
let ``a pullback shares the nodes of the value`` () =
    let w, b = leaf 1 [ 3; 3 ], leaf 2 [ 3 ]
    let value, pullback = vjpOf net (w, b)
    let gw, gb = pullback (cos value)
    let expected = vjp (net (w, b)) (cos (net (w, b))) [ w; b ]
    close expected[0] gw
    close expected[1] gb
    let tanhs =
        Graph.topological [ value; gw; gb ]
        |> Array.filter (fun e -> e.Op = Op.ofFn Fn.Tanh)
    Assert.Equal(1, tanhs.Length)

[<Fact>]
let ``compiled linearizations store what they need and compute the rest`` () =
    let w, b = spread 1 (-1.0, 1.0) [ 4; 4 ], spread 2 (-1.0, 1.0) [ 4 ]
    let v, u = spread 3 (-1.0, 1.0) [ 4; 4 ], spread 4 (-1.0, 1.0) [ 4 ]
    let forward: NDArray * NDArray -> NDArray * (NDArray * NDArray -> NDArray) =
        compileLinearize net
    let value, apply = forward (w, b)
    let cw, cb = variableOf "w" w, variableOf "b" b
    close (net (cw, cb)) (constant value)
    let expected v u =
        jvp (net (cw, cb)) [ cw; cb ] [ constant v; constant u ]
    close (expected v u) (constant (apply (v, u)))
    close (expected w b) (constant (apply (w, b)))
    let reverse: NDArray * NDArray -> NDArray * (NDArray -> NDArray * NDArray) =
        compileVjp net
    let _, pullback = reverse (w, b)
    let gw, gb = pullback v
    let back = vjp (net (cw, cb)) (constant v) [ cw; cb ]
    close back[0] (constant gw)
    close back[1] (constant gb)

[<Fact>]
let ``the linear part of a partial evaluation has no function of the value's`` () =
    let x, v = leaf 1 [ 5 ], Leaf.input "v" (Shape [| 5 |]) DType.Float64
    let y = exp (sin x) * tanh x
    let residuals, places, roots =
        Partial.split [| v |] [| y |] [| Gradient.jvp y [| x |] [| v |] |]
    Assert.NotEmpty residuals
    Assert.Equal(residuals.Length, places.Length)
    for e in Graph.topological roots do
        match e.Op with
        | Op.Elementwise(Fn.Exp | Fn.Sin | Fn.Cos | Fn.Tanh) ->
            failwith $"{Formula.opText e.Op} is computed again"
        | _ -> ()

[<Fact>]
let ``many directions at once, and the Gauss-Newton product`` () =
    let x = leaf 1 [ 4 ]
    let a = constant (spread 2 (-1.0, 1.0) [ 6; 4 ])
    let y = sin (matmul a x)
    let loss = sum (exp y)
    let directions = constant (spread 3 (-1.0, 1.0) [ 3; 4 ])
    let all = (hvpMany loss [ x ] [ directions ]).Head
    for i in 0..2 do
        let v = reshape [ 4 ] (slice 0 (Some i) (Some(i + 1)) 1 directions)
        close (hvp loss [ x ] [ v ]).Head (reshape [ 4 ] (slice 0 (Some i) (Some(i + 1)) 1 all))
    let v = leaf 5 [ 4 ]
    let j = jacobian y x
    let expected = matmul (transpose j) (exp y * matmul j v)
    close expected (gaussNewtonProduct loss [ y ] [ x ] [ v ]).Head
    // Where the outputs are linear it is the product with the Hessian.
    let z = matmul a x
    let l = sum (exp z)
    close (hvp l [ x ] [ v ]).Head (gaussNewtonProduct l [ z ] [ x ] [ v ]).Head
    let error =
        Assert.Throws<ShapeException>(fun () -> hvpMany loss [ x ] [ v ] |> ignore)
    Assert.Contains("stacked", error.Message)

// ---- Derivatives of one's own ------------------------------------------------------------------------------------------

/// |x|² + x·y with the right rules, and one whose rule is twice the derivative.
let private product (factor: float) =
    customGrad (fun (x: Expr, y: Expr) -> x * x + x * y) (fun (x, y) _ g ->
        factor * (2.0 * x + y) * g, factor * x * g)

let private productByTangent (factor: float) =
    customJvp (fun (x: Expr, y: Expr) -> x * x + x * y) (fun (x, y) _ (v, u) ->
        factor * ((2.0 * x + y) * v + x * u))

let private customs = [ "customGrad", product; "customJvp", productByTangent ]

[<Fact>]
let ``the rule given is the derivative, in both modes and every order`` () =
    for name, make in customs do
        let x, y = leaf 1 [ 3 ], leaf 2 [ 3 ]
        let f = make 2.0
        let value = f (x, y)
        close (x * x + x * y) value
        close (2.0 * (2.0 * x + y)) (grad value x)
        close (2.0 * x) (grad value y)
        close (2.0 * (2.0 * x + y)) (jvp value [ x ] [ onesLike x ])
        // The rule is differentiated, not the function.
        close (full [ 3 ] DType.Float64 4.0) (grad (grad value x) x)
        close (full [ 3 ] DType.Float64 2.0) (grad (jvp value [ x ] [ onesLike x ]) y)
        Assert.True(name <> "")

[<Fact>]
let ``right rules agree with differences to second order, composed`` () =
    for _, make in customs do
        let f = make 1.0
        let check (g: Expr[] -> Expr) =
            let points = [| spread 1 (0.5, 1.5) [ 2; 3 ]; spread 2 (0.5, 1.5) [ 2; 3 ] |]
            let report = Check.Gradients(Func<Expr[], Expr> g, points)
            Assert.NotEmpty report.Comparisons
            for c in report.Comparisons do
                Assert.True(c.Digits >= 8.0, string c)
        check (fun xs -> exp (f (sin xs[0], xs[1])))
        check (fun xs -> vmap2 (fun a b -> f (a, sin b)) xs[0] xs[1])
        check (fun xs -> checkpoint (fun ys -> f (ys[0] * ys[1], ys[1])) [ xs[0]; xs[1] ])

[<Fact>]
let ``rules are mapped over slices, and shared arguments get sums`` () =
    for _, make in customs do
        let xs, w = leaf 1 [ 4; 3 ], leaf 2 [ 3 ]
        let f = make 1.0
        let all = sum (vmap (fun x -> f (x, w)) xs)
        let plain = sum (xs * xs + xs * w)
        close (grad plain w) (grad all w)
        close (grad plain xs) (grad all xs)
        let v = leaf 3 [ 3 ]
        close (jvp plain [ w ] [ v ]) (jvp all [ w ] [ v ])
        close (hessian plain w) (hessian all w)
        // Mapped derivatives.
        close (grad plain xs) (vmap (fun x -> grad (sum (f (x, w))) x) xs)

[<Fact>]
let ``captured values need an argument or stopGradient`` () =
    let x, w = leaf 1 [ 3 ], variableOf "weights" (spread 2 (0.0, 1.0) [ 3 ])
    let error =
        Assert.Throws<InvalidOperationException>(fun () ->
            customGrad (fun (x: Expr) -> x * w) (fun _ _ g -> g) x |> ignore)
    Assert.Contains("\"weights\"", error.Message)
    let f =
        customGrad (fun (x: Expr) -> x * stopGradient w) (fun _ _ g -> g * stopGradient w)
    close (w * w) (grad (f x) x * w)
    Assert.All(
        floats (eval (grad (sum (f (x * w))) w)) |> Array.zip (floats (eval (x * w))),
        fun (a, b) -> Assert.Equal(a, b, 12)
    )
    // Also where what is captured is a slice.
    let ws = leaf 3 [ 2; 3 ]
    let mapped =
        vmap (fun s -> customGrad (fun (x: Expr) -> x * stopGradient s) (fun _ _ g -> 2.0 * g) x) ws
    close (x * ws) mapped
    close (full [ 3 ] DType.Float64 4.0) (grad (sum mapped) x)

[<Fact>]
let ``rules of another shape or structure are errors`` () =
    let x = leaf 1 [ 3 ]
    let bad = customGrad (fun (x: Expr) -> sum x) (fun _ _ g -> g) x
    Assert.Contains("shape ()", (Assert.Throws<ShapeException>(fun () -> grad bad x |> ignore)).Message)
    let count =
        customGrad (fun (xs: Expr list) -> xs.Head) (fun _ _ g -> [ g; g ]) [ x ]
    Assert.Contains(
        "structure",
        (Assert.Throws<InvalidOperationException>(fun () -> grad count x |> ignore)).Message
    )
    let quadratic = customJvp (fun (x: Expr) -> x) (fun _ _ v -> v * v) x
    Assert.Contains(
        "not linear",
        (Assert.Throws<InvalidOperationException>(fun () -> grad quadratic x |> ignore)).Message
    )
