/// One test for each mistake found in review, so that it stays mended.
module RegressionTests

open System
open Xunit
open Diff
open Diff.Testing.Generators

let private values (x: Expr) = (eval x).ToArray<float>()

[<Fact>]
let ``a long float32 sum keeps its digits`` () =
    let n = 1_000_000
    let x = constant (NDArray.Create(Array.create n 0.1f, Shape [| n |]))
    Assert.InRange(item (mean x), 0.0999999, 0.1000001)
    Assert.Equal(float n, item (sum (onesLike x * 1.0 + 0.0 * x)))

[<Fact>]
let ``no infinity passes through a branch that a kink shuts`` () =
    let x = variable "x" -1.0
    Assert.Equal(0.0, item (grad (sqrt (relu x)) x))
    Assert.Equal(0.0, item (grad (sqrt (maximum x (scalar 0.0))) x))
    Assert.Equal(0.0, item (grad (sqrt (minimum (-x) (scalar 0.0))) x))

[<Fact>]
let ``equal extremes share an infinite cotangent`` () =
    let x = tensor "x" [ 2 ] [| 0.0; 0.0 |]
    Assert.Equal<float[]>([| infinity; infinity |], values (grad (log (reduceMax x)) x))

[<Theory>]
[<InlineData(0.0, 2, 0.0)>]
[<InlineData(1.0, 3, 0.0)>]
[<InlineData(2.0, 2, 2.0)>]
[<InlineData(2.0, 4, 0.0)>]
[<InlineData(3.0, 3, 6.0)>]
let ``powers with a variable exponent have their derivatives at 0`` exponent order expected =
    let x, y = variable "x" 0.0, variable "y" exponent
    Assert.Equal(expected, item (nthDerivative order (Expr.Pow(x, y)) x))

[<Fact>]
let ``simplified nodes keep the scope of those they replace`` () =
    let x, y = variable "x" 1.0, variable "y" 2.0
    let z =
        use _ = Scope.Enter "layer"
        sin (x + -y) + 0.0
    let scopes =
        Graph.topological [ simplify z ]
        |> Array.filter (fun e -> e.Args.Length > 0)
        |> Array.map (fun e -> string e.Scope)
    Assert.All(scopes, fun scope -> Assert.Equal("layer", scope))

[<Fact>]
let ``tangents of nodes that are given twice or depend on each other add`` () =
    let x = variable "x" 3.0
    Assert.Equal(12.0, item (jvp (x * x) [ x; x ] [ scalar 1.0; scalar 1.0 ]))
    let h = x * x
    let y = sin h
    // The pairing with vjp: each node gets its total derivative.
    let adjoint = grads y [ x; h ] |> List.sumBy item
    Assert.Equal(adjoint, item (jvp y [ x; h ] [ scalar 1.0; scalar 1.0 ]), 1e-12)

[<Fact>]
let ``a checkpoint of nothing but captured variables still recomputes`` () =
    let w = variable "w" 0.5
    let y = checkpoint (fun _ -> exp (sin w)) []
    Assert.Equal(Math.Exp(Math.Sin 0.5), item y)
    Assert.Equal(Math.Exp(Math.Sin 0.5) * Math.Cos 0.5, item (grad y w), 1e-15)
    Assert.Contains(Graph.topological [ grad y w ], fun e -> e.Op.IsBarrier)

[<Fact>]
let ``an extent for a label that nobody names is refused`` () =
    let x = tensor "x" [ 2 ] [| 1.0; 2.0 |]
    let error =
        Assert.Throws<ShapeException>(fun () -> einsumWith "i->ij" [ 'j', 2; 'z', 7 ] [ x ] |> ignore)
    Assert.Equal(
        "einsum \"i->ij\": an extent is given for axis 'z', which the notation does not name",
        withoutLine error
    )

[<Fact>]
let ``derivatives with respect to a constant are refused`` () =
    let c = full [] DType.Float64 2.0
    let error =
        Assert.Throws<InvalidOperationException>(fun () -> grad (c * c) c |> ignore)
    Assert.Equal(
        "grad: 2 is a constant, and nothing can be differentiated with respect to it; make it a variable",
        withoutLine error
    )

[<Fact>]
let ``steps as large as an int, absolute values and casts at the end of the range`` () =
    let x = constant (NDArray.Create([| 1.0; 2.0; 3.0 |], Shape [| 3 |]))
    Assert.Equal<float[]>([| 1.0 |], values (x[Slice.Every Int32.MaxValue]))
    Assert.Equal<float[]>([| 1.0 |], values (slice 0 None None Int32.MaxValue x))
    let least = constant (NDArray.Create([| Int64.MinValue |], Shape [| 1 |]))
    Assert.Equal<int64[]>([| Int64.MinValue |], (eval (abs least)).ToArray<int64>())
    let big = constant (NDArray.Create([| 3e9; -3e9; nan; 1.9; -1.9 |], Shape [| 5 |]))
    Assert.Equal<int[]>(
        [| Int32.MaxValue; Int32.MinValue; 0; 1; -1 |],
        (eval (cast DType.Int32 big)).ToArray<int>()
    )

[<Fact>]
let ``reductions over chosen axes, kept or not`` () =
    let x = tensor "x" [ 2; 3 ] [| 1.0; 2.0; 3.0; 4.0; 5.0; 6.0 |]
    Assert.Equal<float[]>([| 6.0; 120.0 |], values (prodOver [ 1 ] x))
    Assert.Equal(Shape [| 2; 1 |], (reduceMaxKeeping [ -1 ] x).Shape)
    Assert.Equal<float[]>([| 1.0; 2.0; 3.0 |], values (reduceMinOver [ 0 ] x))
    Assert.Equal(Shape [| 1; 3 |], (logsumexpKeeping [ 0 ] x).Shape)
    Assert.Equal<float[]>([| 5.0; 7.0; 9.0 |], values (sumKeeping [ 0 ] x))
    Assert.Equal<float[]>([| 2.5; 3.5; 4.5 |], values (meanOver [ 0 ] x))
    Assert.Equal(21.0, item (sumOver [ 0; 1 ] x))

[<Fact>]
let ``an unconnected gradient is zeros or an error, by choice`` () =
    let x, y = variable "x" 1.0, variable "y" 1.0
    Assert.Equal(0.0, item (grad (x * x) y))
    Assert.Throws<InvalidOperationException>(fun () -> gradsWith Unconnected.Error (x * x) [ y ] |> ignore)
    |> ignore

[<Fact>]
let ``a diagonal of indices counts along both of its axes`` () =
    for axis in [ 0; 1 ] do
        let n = 3000
        let diagonal = einsum "ii->i" [ iota [ n; n ] axis DType.Float32 ]
        let values =
            eval (diagonal + exp (variableOf "z" (NDArray.Zeros(DType.Float32, Shape [| n |]))))
        for i in [ 0; 1; 2; n - 1 ] do
            Assert.Equal(float i + 1.0, values.Float i)

[<Fact>]
let ``a checkpoint that gives a variable back is that variable`` () =
    let w, x = variable "w" 0.5, variable "x" 2.0
    Assert.Equal(3.0, item (grad (3.0 * checkpoint (fun _ -> w) [ x ]) w))
    Assert.Equal(3.0, item (grad (3.0 * checkpoint (fun xs -> xs[0]) [ x ]) x))

[<Fact>]
let ``the derivative of a power with respect to its base changes with an exponent of 0`` () =
    let x, y = variable "x" 0.5, variable "y" 0.0
    let slope = grad (x ** y) x
    Assert.Equal(0.0, item slope)
    // d/dy of y·x^(y−1) is x^(y−1) + …
    Assert.Equal(2.0, item (grad slope y))
    Assert.Equal(2.0, item (grad (grad (x ** y) y) x))
    // Where there is no 1/x the convention stays, and no NaN.
    for point in [ 0.0; -0.0; 1e-310; nan ] do
        assign x (NDArray.op_Implicit point)
        Assert.Equal(0.0, item slope)

[<Fact>]
let ``log1p of minus infinity is no number, in the reference and in every plan`` () =
    let x = tensor "x" [ 2 ] [| -infinity; infinity |]
    for values in [ Reference.evaluate [| log1p x |] |> Array.head; eval (log1p x) ] do
        Assert.True(Double.IsNaN(values.Float 0))
        Assert.Equal(infinity, values.Float 1)
    assign x (NDArray.Create([| -2.0; -1.0 |], Shape [| 2 |]))
    Assert.Equal(-infinity, (eval (log1p x)).Float 1)
