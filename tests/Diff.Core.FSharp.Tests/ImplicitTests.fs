/// Derivatives of solutions against closed forms, to second order, in both modes, with a factored Jacobian and without a matrix.
module ImplicitTests

open System
open Xunit
open Diff

let private tight = RootOptions(ResidualTolerance = 1e-14, StepTolerance = 1e-15)

let private close (tolerance: float) (expected: float[]) (actual: Expr) =
    let actual = (eval actual).ToArray<float>()
    Assert.Equal(expected.Length, actual.Length)
    Array.iter2
        (fun (e: float) (a: float) ->
            Assert.True(abs (e - a) <= tolerance * (1.0 + abs e), $"expected {e}, got {a}"))
        expected
        actual

let private numbers (x: Expr) = (eval x).ToArray<float>()

/// Both ways to solve with the Jacobian: factored, and by iteration.
let private ways = [ Implicit.denseSize; 0 ]

/// y and a graph of the same value in closed form: value, gradient, second derivatives, both modes.
let private same (tolerance: float) (y: Expr) (closed: Expr) (theta: Expr) =
    close tolerance (numbers closed) y
    let w =
        constant (NDArray.Create(Array.init y.Shape.Length (fun i -> cos (float i)), y.Shape))
    let s, t = sum (w * y), sum (w * closed)
    close tolerance (numbers (grad t theta)) (grad s theta)
    let v =
        constant (NDArray.Create(Array.init theta.Shape.Length (fun i -> 1.0 / float (i + 1)), theta.Shape))
    close tolerance (numbers (jvp t [ theta ] [ v ])) (jvp s [ theta ] [ v ])
    close (10.0 * tolerance) (numbers (hvp t [ theta ] [ v ]).Head) (hvp s [ theta ] [ v ]).Head
    close (10.0 * tolerance) (numbers (hessian t theta)) (hessian s theta)

[<Fact>]
let ``a root has the derivatives of its closed form`` () =
    for dense in ways do
        let theta = variable "theta" 2.0
        let root = Implicit.rootWith dense tight (fun x -> x * x - theta) (scalar 1.0)
        same 1e-9 root (sqrt theta) theta
        close 1e-8 [| 3.0 / (8.0 * 2.0 ** 2.5) |] (nthDerivative 3 root theta)
        // Several unknowns, of any shape, with what is computed of the parameters outside.
        let p = tensor "p" [ 2; 2 ] [| 2.0; 3.0; 5.0; 7.0 |]
        let q = exp (0.1 * p)
        let roots =
            Implicit.rootWith dense tight (fun x -> x ** 3.0 - q) (full [ 2; 2 ] DType.Float64 1.0)
        same 1e-9 roots (q ** (1.0 / 3.0)) p

[<Fact>]
let ``Lambert's function by its equation`` () =
    let z = tensor "z" [ 3 ] [| 0.5; 1.0; 3.0 |]
    let w = Implicit.root tight (fun w -> w * exp w - z) (zerosLike z)
    let value = numbers w
    close 1e-12 [| 0.35173371124919584; 0.5671432904097838; 1.0499088949640398 |] w
    // W′ = W / (z·(1 + W)), and its derivative.
    let first = Array.map2 (fun z w -> w / (z * (1.0 + w))) [| 0.5; 1.0; 3.0 |] value
    close 1e-11 first (grad (sum w) z)
    let second =
        value |> Array.map (fun w -> -exp(-2.0 * w) * (w + 2.0) / (1.0 + w) ** 3.0)
    close 1e-10 second (grad (sum (grad (sum w) z)) z)

[<Fact>]
let ``a fixed point has the derivatives of the geometric series`` () =
    for dense in ways do
        let a = tensor "a" [ 2; 2 ] [| 0.3; 0.1; -0.2; 0.4 |]
        let b = constant (NDArray.op_Implicit [| 1.0; 2.0 |])
        let options = FixedPointOptions(Tolerance = 1e-15)
        let x =
            Implicit.fixedPointWith dense options (fun x -> matmul a x + b) (zerosLike b)
        same 1e-9 x (LinearAlgebra.solve (eye 2 DType.Float64 - a) b) a

[<Fact>]
let ``a minimum has the derivatives of ridge regression's closed form`` () =
    let rows =
        constant (
            NDArray.Create(
                [| 1.0; 2.0; 3.0; -1.0; 0.5; 1.5; 2.0; 0.0; 1.0; 1.0; -1.0; 2.0 |],
                Shape [| 4; 3 |]
            )
        )
    let y = constant (NDArray.op_Implicit [| 1.0; -1.0; 2.0; 0.5 |])
    for dense in ways do
        let lambda = variable "lambda" 0.7
        let loss (x: Expr) =
            sum (square (matmul rows x - y)) + lambda * sum (x * x)
        let options = MinimizeOptions(GradientTolerance = 1e-14)
        let x = Implicit.argminWith dense options loss (full [ 3 ] DType.Float64 0.0)
        let normal = matmul (transpose rows) rows + lambda * eye 3 DType.Float64
        same 1e-8 x (LinearAlgebra.solve normal (matmul (transpose rows) y)) lambda

[<Fact>]
let ``a linear operator solved by iteration has the derivatives of elimination`` () =
    let m = [| 4.0; 1.0; 0.5; 1.0; 3.0; 0.2; 0.5; 0.2; 2.0 |]
    let options = LinearOptions(Tolerance = 1e-14)
    for isSymmetric in [ true; false ] do
        let values =
            if isSymmetric then
                m
            else
                Array.mapi (fun i v -> if i = 2 then -1.0 else v) m
        let a = tensor "a" [ 3; 3 ] values
        let b = tensor "b" [ 3 ] [| 1.0; -2.0; 0.5 |]
        let used = if isSymmetric then (a + transpose a) / 2.0 else a
        let x = Implicit.linearSolve options isSymmetric (fun v -> matmul used v) b
        let closed = LinearAlgebra.solve used b
        same 1e-9 x closed a
        same 1e-9 x closed b

[<Fact>]
let ``a large system is solved and differentiated without its matrix`` () =
    let n = 700
    let theta = variable "theta" 0.3
    let b = constant (NDArray.op_Implicit (Array.init n (fun i -> 1.0 + float (i % 3))))
    // 2x + θ·(x of the neighbours) + x³ = b.
    let f (x: Expr) =
        let padded = pad [ (1, 1) ] x
        2.0 * x
        + theta * (slice 0 None (Some n) 1 padded + slice 0 (Some 2) None 1 padded)
        + x * x * x
        - b
    let x = Implicit.root (RootOptions(ResidualTolerance = 1e-13)) f (zerosLike b)
    let s = sum (x * x)
    let at value =
        assign theta (NDArray.op_Implicit (value: float))
        item s
    let h = 1e-4
    let first, second =
        (at (0.3 + h) - at (0.3 - h)) / (2.0 * h), (at (0.3 + h) - 2.0 * at 0.3 + at (0.3 - h)) / (h * h)
    assign theta (NDArray.op_Implicit 0.3)
    close 1e-6 [| first |] (grad s theta)
    close 1e-4 [| second |] (nthDerivative 2 s theta)

[<Fact>]
let ``derivatives agree with differences by the checker`` () =
    let f (xs: Expr list) : Expr =
        let a, b = xs[0], xs[1]
        let x = Implicit.root tight (fun x -> x + 0.3 * sin (a * x) - b) (stopGradient b)
        sum (x * x)
    let a = tensor "a" [ 2 ] [| 0.7; 1.3 |]
    let b = tensor "b" [ 2 ] [| 1.0; 2.0 |]
    let y = f [ a; b ]
    let step (x: Expr) i h =
        let values = (eval x).ToArray<float>()
        let moved = Array.updateAt i (values[i] + h) values
        assign x (NDArray.op_Implicit moved)
        let value = item y
        assign x (NDArray.op_Implicit values)
        value
    for x in [ a; b ] do
        let gradient = numbers (grad y x)
        for i in 0..1 do
            let h = 1e-5
            Assert.Equal((step x i h - step x i -h) / (2.0 * h), gradient[i], 8)

[<Fact>]
let ``it nests, compiles and is mapped over slices`` () =
    let sqrtBy (theta: Expr) =
        Implicit.root tight (fun x -> x * x - theta) (onesLike theta)
    let theta = tensor "theta" [ 3 ] [| 2.0; 3.0; 5.0 |]
    close 1e-12 [| sqrt 2.0; sqrt 3.0; sqrt 5.0 |] (vmap sqrtBy theta)
    same 1e-9 (vmap sqrtBy theta) (sqrt theta) theta
    // A root within a root: x² = √θ.
    let quarter = Implicit.root tight (fun x -> x * x - sqrtBy theta) (onesLike theta)
    same 1e-8 quarter (theta ** 0.25) theta
    let compiled = new CompiledFunction(fun xs -> [| sum (sqrtBy xs[0]) |])
    let struct (value, gradients) =
        compiled.ValueAndGradient(NDArray.op_Implicit [| 4.0; 9.0 |])
    Assert.Equal(5.0, value.Float 0, 12)
    match gradients[0] with
    | null -> failwith "a gradient"
    | g ->
        Assert.Equal(0.25, g.Float 0, 12)
        Assert.Equal(1.0 / 6.0, g.Float 1, 12)

[<Fact>]
let ``a function of single precision is solved in double`` () =
    let theta = variableOf "theta" (NDArray.op_Implicit [| 2.0f |])
    let x =
        Implicit.root tight (fun x -> x * x - cast DType.Float64 theta) (full [ 1 ] DType.Float64 1.0)
    let g = eval (grad (sum x) theta)
    Assert.Equal(DType.Float32, g.DType)
    Assert.Equal(0.35355338, g.Float 0, 6)

[<Fact>]
let ``what has no solution says so when evaluated`` () =
    let theta = variable "theta" -1.0
    let root = Implicit.root (RootOptions()) (fun x -> x * x - theta) (scalar 0.0)
    let e = Assert.Throws<SolverException>(fun () -> eval root |> ignore)
    Assert.Contains("implicit root: no root was found", e.Message)
    let never =
        Implicit.fixedPoint (FixedPointOptions(MaxIterations = 20)) (fun x -> x + theta) (scalar 0.0)
    Assert.Contains(
        "no fixed point was found",
        Assert.Throws<SolverException>(fun () -> eval never |> ignore).Message
    )
    let unbounded =
        Implicit.argmin
            (MinimizeOptions(MaxIterations = 5))
            (fun x -> theta * sum (x * x) + sum x)
            (scalar 1.0)
    Assert.Contains(
        "no minimum was found",
        Assert.Throws<SolverException>(fun () -> eval unbounded |> ignore).Message
    )
    Assert.Contains(
        "does not depend on its argument",
        Assert
            .Throws<ArgumentException>(fun () ->
                Implicit.root (RootOptions()) (fun _ -> theta) (scalar 1.0) |> ignore)
            .Message
    )
    Assert.Contains(
        "2 values of 1 unknowns",
        Assert
            .Throws<ShapeException>(fun () ->
                Implicit.root (RootOptions()) (fun x -> concat 0 [ x; x ]) (full [ 1 ] DType.Float64 1.0)
                |> ignore)
            .Message
    )

[<Fact>]
let ``a function without a minimum has none, however large its values become`` () =
    let start = variable "x" 1.5
    let fails f =
        Assert.Throws<SolverException>(fun () -> eval (Implicit.argmin (MinimizeOptions()) f start) |> ignore)
        |> ignore
    fails (fun x -> -(square x))
    fails (fun x -> 3.0 * x - square (square x))
    // One that is large at its minimum is one.
    let least =
        Implicit.argmin (MinimizeOptions()) (fun x -> square (x - 2e4) - 1e9) start
    Assert.Equal(2e4, item least, 1e-3)
