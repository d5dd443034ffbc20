/// Taylor mode against nested derivatives, for every word of the vocabulary.
module JetTests

open System
open Xunit
open Diff
open Diff.Testing.Generators
open Diff.Testing.Samples

let private factorial n =
    Seq.fold (*) 1.0 (Seq.map float (seq { 1..n }))

/// The coefficients of t^k by nested forward mode.
let private nested order (f: Expr -> Expr) : Expr list =
    let t = variable "t" 0.0
    let series = List.scan (fun y _ -> jvp y [ t ] [ scalar 1.0 ]) (f t) [ 1..order ]
    series |> List.mapi (fun k d -> (1.0 / factorial k) * d)

let private bend seed (point: NDArray) scale =
    let dims = List.ofArray (point.Shape.ToArray())
    eval (cast point.DType (constant (spread seed (-scale, scale) dims)))

/// Differences between jets of a sample along a curved line through its point and nested derivatives along the same line.
let private problems order tolerance (s: Sample) =
    let isFloat (p: NDArray) = DType.isFloat p.DType
    let xs = s.Points |> List.map (variableOf "x")
    let y = s.Build xs
    if not (DType.isFloat y.DType && List.exists isFloat s.Points) then
        []
    else
        let bends =
            s.Points
            |> List.mapi (fun i p ->
                if isFloat p then
                    [ for k in 1..2 -> constant (bend (20 * i + k) p 0.5) ]
                else
                    [])
        let moving = List.zip3 xs s.Points bends |> List.filter (fun (_, p, _) -> isFloat p)
        let found =
            jet order y [ for x, _, _ in moving -> x ] [ for _, _, b in moving -> b ]
        let along (t: Expr) =
            List.map2
                (fun (x: Expr) (b: Expr list) ->
                    if b.IsEmpty then
                        x
                    else
                        let t = cast x.DType t
                        x + t * b[0] + t * t * b[1])
                xs
                bends
            |> s.Build
        let expected = nested order along
        let values = Evaluate.many (Array.ofList (found @ expected))
        [ for k in 0..order do
              let a, e = floats values[k], floats values[order + 1 + k]
              let scale =
                  e |> Array.fold (fun m v -> if Double.IsFinite v then max m (abs v) else m) 1.0
              if values[k].DType <> y.DType || not (values[k].Shape.Equals y.Shape) then
                  $"{s.Name}: order {k} has shape {values[k].Shape}, {DType.name values[k].DType}"
              for i in 0 .. a.Length - 1 do
                  let same = a[i] = e[i] || Double.IsNaN a[i] && Double.IsNaN e[i]
                  if not (same || abs (a[i] - e[i]) <= tolerance * scale) then
                      $"{s.Name}: order {k}: {a[i]} instead of {e[i]}" ]

let words: TheoryData<string> = TheoryData<string>(table |> Seq.map fst)
let functions: TheoryData<string> =
    TheoryData<string>(table |> Seq.map fst |> Seq.filter (fun w -> w.StartsWith "Fn."))

let private samplesOf case =
    table |> List.find (fst >> (=) case) |> snd |> Option.defaultValue []

let private none (problems: string list) =
    Assert.True(
        problems.IsEmpty,
        String.Join("\n", List.truncate 12 problems) + $"\n{problems.Length} problems"
    )

[<Theory; MemberData(nameof words)>]
let ``coefficients of every operation are those of nested derivatives, to third order`` (case: string) =
    none (samplesOf case |> List.truncate 10 |> List.collect (problems 3 1e-8))

[<Theory; MemberData(nameof words)>]
let ``so are those of float32`` (case: string) =
    let single (p: NDArray) =
        if p.DType = DType.Float64 then
            eval (cast DType.Float32 (constant p))
        else
            p
    none (
        samplesOf case
        |> List.truncate 2
        |> List.filter (fun s -> s.Points |> List.forall (fun p -> not (DType.isHalf p.DType)))
        |> List.map (fun s ->
            { s with
                Points = List.map single s.Points })
        |> List.filter (fun s ->
            // Some samples have constants of float64.
            try
                s.Build(List.map (variableOf "x") s.Points) |> ignore
                true
            with :? DTypeException ->
                false)
        |> List.collect (problems 2 2e-3)
    )

[<Theory; MemberData(nameof functions)>]
let ``coefficients of scalar functions are right to the sixth order`` (case: string) =
    let s = samplesOf case |> List.truncate 1
    let short =
        case.Contains "Density"
        || case.Contains "inc" && case <> "Fn.Sinc"
        || case.Contains "LogNdtr"
    none (s |> List.collect (problems (if short then 4 else 6) 1e-7))

let private close (a: Expr) (b: Expr) =
    let a, b = eval a, eval b
    Assert.Equal(a.Shape, b.Shape)
    for x, y in Array.zip (floats a) (floats b) do
        Assert.True(abs (x - y) <= 1e-9 * (1.0 + abs x), $"{x} and {y}")

let private count (roots: Expr list) = (Graph.topological roots).Length

[<Fact>]
let ``the Taylor series of known functions`` () =
    let x = variableOf "x" (spread 1 (0.5, 1.5) [ 4 ])
    for k, c in List.indexed (taylor 12 (exp x) x) do
        close (exp x / factorial k) c
    for k, c in List.indexed (taylor 8 (1.0 / x) x) do
        close ((if k % 2 = 0 then 1.0 else -1.0) / Expr.Pow(x, float (k + 1))) c
    let y = sin (x * x) * log x + tanh (sqrt x)
    for k, c in List.indexed (taylor 6 y x) do
        close (nthDerivative k y x / factorial k) c
    // Powers at 0, where a recurrence that divides by x would fail.
    let z = variable "z" 0.0
    let powers = taylor 5 (Expr.Pow(z, 3.0) + z * z) z |> List.map item
    Assert.Equal<float list>([ 0.0; 0.0; 1.0; 1.0; 0.0; 0.0 ], powers)

[<Fact>]
let ``the number of nodes grows with the square of the order`` () =
    for name, f in
        [ "tanh", tanh
          "exp", exp
          "sin", sin
          "sigmoid", sigmoid
          "log", log
          "softplus", softplus
          "atan", atan
          "composed", (fun x -> tanh (sin x * exp x) / (1.0 + x * x)) ] do
        let x = variableOf "x" (spread 1 (0.5, 0.9) [ 4 ])
        let nodes n = count (taylor n (f x) x)
        let few, many = nodes 8, nodes 16
        Assert.True(float many <= 5.0 * float few, $"{name}: {few} nodes at order 8, {many} at order 16")
        Assert.True(few < 60 * 8 * 8, $"{name}: {few} nodes")

[<Fact>]
let ``Taylor mode composes with other transforms`` () =
    let w = variableOf "w" (spread 1 (-1.0, 1.0) [ 3; 3 ])
    let x, v =
        variableOf "x" (spread 2 (-1.0, 1.0) [ 3 ]), constant (spread 3 (-1.0, 1.0) [ 3 ])
    let f (x: Expr) = sum (tanh (matmul w (sin x)))
    // jet of grad: coefficient 1 is the product with the Hessian.
    let ofGrad = jetOf 2 (gradOf f) x [ v ]
    close (hvp (f x) [ x ] [ v ]).Head ofGrad[1]
    // grad of jet: vᵀ·H·v/2 differentiated is coefficient 2 of the gradient.
    let second x = jetOf 2 f x [ v ] |> List.item 2
    close ofGrad[2] (gradOf second x)
    // Inside and outside of a checkpoint and of vmap.
    for k, c in List.indexed (jetOf 3 (checkpointOf f) x [ v ]) do
        close (List.item k (jetOf 3 f x [ v ])) c
    close (gradOf second x) (gradOf (checkpointOf second) x)
    let xs = variableOf "xs" (spread 4 (-1.0, 1.0) [ 4; 3 ])
    let vs = constant (spread 5 (-1.0, 1.0) [ 4; 3 ])
    let mapped = vmapOf (fun (x, v) -> jetOf 3 f x [ v ] |> List.item 3) (xs, vs)
    close mapped (jetOf 3 (vmapOf f) xs [ vs ] |> List.item 3)
    // Several arguments, several results.
    let both =
        jetOf 2 (fun (a, b) -> {| P = a * b; Q = a / b |}) (x, x + 2.0) [ v, v; x, v ]
    close (v * (2.0 * x + 2.0)) both[1].P
    close (v * v + x * (x + 2.0) + x * v) both[2].P

[<Fact>]
let ``derivatives of coefficients agree with differences`` () =
    let f (xs: Expr[]) =
        let c = jetOf 3 (fun (x: Expr) -> exp (sin x) * x) xs[0] [ xs[1]; xs[0] * xs[1] ]
        sum (c[2] * c[3])
    let report =
        Check.Gradients(Func<Expr[], Expr> f, [| spread 1 (0.2, 0.8) [ 3 ]; spread 2 (-0.5, 0.5) [ 3 ] |])
    Assert.NotEmpty report.Comparisons
    for c in report.Comparisons do
        Assert.True(c.Digits >= 7.0, string c)

[<Fact>]
let ``what does not fit is refused`` () =
    let x = variableOf "x" (spread 1 (-1.0, 1.0) [ 3 ])
    Assert.Contains("order", Assert.Throws<ArgumentException>(fun () -> taylor -1 x x |> ignore).Message)
    Assert.Contains("curves", Assert.Throws<ArgumentException>(fun () -> jet 1 x [ x ] [] |> ignore).Message)
    Assert.Contains(
        "coefficient",
        Assert.Throws<ShapeException>(fun () -> jet 1 x [ x ] [ [ scalar 1.0 ] ] |> ignore).Message
    )
    let n = constant (NDArray.Create([| 1; 2 |], Shape [| 2 |]))
    Assert.Contains("int32", Assert.Throws<DTypeException>(fun () -> jet 1 x [ n ] [ [] ] |> ignore).Message)
