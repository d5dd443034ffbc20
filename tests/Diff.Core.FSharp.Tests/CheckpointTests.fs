/// Checkpoints that keep some values, and plans within a budget of memory.
module CheckpointTests

open System
open Xunit
open Diff
open Diff.Testing.Generators

let private leaf seed shape =
    variableOf $"x{seed}" (spread seed (-1.0, 1.0) shape)

let private close (a: Expr) (b: Expr) =
    let a, b = eval a, eval b
    Assert.Equal(a.Shape, b.Shape)
    for x, y in Array.zip (floats a) (floats b) do
        Assert.True(abs (x - y) <= 1e-10 * (1.0 + abs x), $"{x} and {y}")

/// How many nodes of a plan's graph have an operation.
let private count test (roots: Expr list) =
    roots
    |> Array.ofList
    |> Control.inlineAll
    |> Simplify.run
    |> Graph.topological
    |> Array.filter test
    |> Array.length

let private isFn fn (e: Expr) = e.Op = Op.ofFn fn

let private isProduct (e: Expr) =
    match e.Op with
    | Op.Einsum spec -> spec.Inputs.Length = 2
    | _ -> false

let private w1, w2, x = leaf 1 [ 4; 4 ], leaf 2 [ 4; 4 ], leaf 3 [ 5; 4 ]

let private net (xs: Expr list) =
    let h = saveAs "hidden" (tanh (matmul xs[0] xs[1]))
    sum (square (sin (matmul h xs[2])))

let private with' policy =
    let y = checkpointWith policy net [ x; w1; w2 ]
    y, grads y [ w1; w2 ]

let private policies =
    [ CheckpointPolicy.SaveNothing
      CheckpointPolicy.SaveContractions
      CheckpointPolicy.SaveNamed "hidden"
      CheckpointPolicy.SaveNamed("hidden").Or CheckpointPolicy.SaveContractions
      CheckpointPolicy.Save(fun e -> e.Rank = 2) ]

[<Fact>]
let ``policies change what is computed again, not the derivative`` () =
    let plain = net [ x; w1; w2 ]
    for policy in policies do
        let y, gs = with' policy
        close plain y
        for a, b in List.zip (grads plain [ w1; w2 ]) gs do
            close a b
    let products policy =
        let y, gs = with' policy in count isProduct (y :: gs)
    let tanhs policy =
        let y, gs = with' policy in count (isFn Fn.Tanh) (y :: gs)
    let kept = count isProduct (plain :: grads plain [ w1; w2 ])
    Assert.Equal(kept + 2, products CheckpointPolicy.SaveNothing)
    Assert.Equal(kept, products CheckpointPolicy.SaveContractions)
    Assert.Equal(2, tanhs CheckpointPolicy.SaveNothing)
    Assert.Equal(2, tanhs CheckpointPolicy.SaveContractions)
    Assert.Equal(1, tanhs (CheckpointPolicy.SaveNamed "hidden"))
    Assert.Equal(kept + 1, products (CheckpointPolicy.SaveNamed "hidden"))

[<Fact>]
let ``checkpoints with policies have derivatives of second order, and compose`` () =
    for policy in policies do
        let f (xs: Expr[]) =
            checkpointWith policy net [ x; xs[0]; xs[1] ]
        let report =
            Check.Gradients(
                Func<Expr[], Expr> f,
                [| spread 1 (-1.0, 1.0) [ 4; 4 ]; spread 2 (-1.0, 1.0) [ 4; 4 ] |]
            )
        Assert.NotEmpty report.Comparisons
        for c in report.Comparisons do
            Assert.True(c.Digits >= 8.0, string c)
        let rows = leaf 7 [ 3; 4 ]
        let each row =
            checkpointWith policy net [ expandDims 0 row; w1; w2 ]
        close (vmap (fun r -> net [ expandDims 0 r; w1; w2 ]) rows) (vmap each rows)
        close
            (vmap (fun r -> grad (net [ expandDims 0 r; w1; w2 ]) r) rows)
            (vmap (fun r -> grad (each r) r) rows)
        close
            (grad (sum (vmap (fun r -> net [ expandDims 0 r; w1; w2 ]) rows)) w1)
            (grad (sum (vmap each rows)) w1)
        let y = checkpointWith policy net [ x; w1; w2 ]
        let v = leaf 9 [ 4; 4 ]
        close (jvp (net [ x; w1; w2 ]) [ w1 ] [ v ]) (jvp y [ w1 ] [ v ])
        // One inside the other.
        let twice =
            checkpointWith
                policy
                (fun xs -> checkpointWith policy net [ x; xs[0]; xs[1] ] * sum xs[0])
                [ w1; w2 ]
        close (grad (net [ x; w1; w2 ] * sum w1) w1) (grad twice w1)

// ---- A budget of memory ---------------------------------------------------------------------------------------------

/// Value and gradient of a deep network of tanh layers.
let private deep depth (xs: Expr[]) : Expr[] =
    let mutable h = xs[0]
    for _ in 1..depth do
        h <- tanh (matmul (sin h) xs[1]) + 0.5 * h
    let y = sum (square h)
    Array.append [| y |] (Gradient.grad Unconnected.Error y [| xs[1] |])

let private inputs =
    [| Leaf.input "x" (Shape [| 64; 32 |]) DType.Float64
       Leaf.input "w" (Shape [| 32; 32 |]) DType.Float64 |]
let private points =
    [| spread 1 (-1.0, 1.0) [ 64; 32 ]; spread 2 (-0.3, 0.3) [ 32; 32 ] |]
let private roots = deep 12 inputs

let private planned (options: EngineOptions) = Planner.make options inputs roots

[<Fact>]
let ``plans stay under the budget and compute the same`` () =
    let free = planned EngineOptions.Default
    let expected = free.Run points
    for part in [ 0.9; 0.8; 0.65 ] do
        let budget = int64 (part * float free.Data.ArenaBytes)
        let plan = planned (EngineOptions.Default.WithMemoryBudget budget)
        Assert.True(plan.Data.ArenaBytes <= budget, $"{plan.Data.ArenaBytes} of {budget}")
        Assert.NotEmpty plan.Data.Recomputed
        for e, a in Array.zip expected (plan.Run points) do
            for x, y in Array.zip (floats e) (floats a) do
                Assert.True(abs (x - y) <= 1e-12 * (1.0 + abs x), $"{x} and {y}")

[<Fact>]
let ``a budget that is large enough changes nothing, one that cannot be met says what can`` () =
    let free = planned EngineOptions.Default
    let same = planned (EngineOptions.Default.WithMemoryBudget free.Data.ArenaBytes)
    Assert.Empty same.Data.Recomputed
    let error =
        Assert.Throws<InvalidOperationException>(fun () ->
            planned (EngineOptions.Default.WithMemoryBudget 1000L) |> ignore)
    let least =
        Text.RegularExpressions.Regex.Match(error.Message, @"\((\d+) bytes\)").Groups[1].Value
        |> int64
    Assert.True(least > 1000L && least < free.Data.ArenaBytes)
    // What it says it can do, it does.
    let plan = planned (EngineOptions.Default.WithMemoryBudget least)
    Assert.True(plan.Data.ArenaBytes <= least)
    Assert.Contains(
        "at least 0",
        Assert
            .Throws<ArgumentException>(fun () -> EngineOptions.Default.WithMemoryBudget -1L |> ignore)
            .Message
    )

[<Fact>]
let ``explanations say what is computed again`` () =
    let f (xs: Expr[]) = deep 8 xs
    let free = new CompiledFunction(Func<Expr[], Expr[]> f, EngineOptions.Default)
    Assert.DoesNotContain("computed again", free.Explain points)
    let enough =
        (Planner.make EngineOptions.Default inputs (f inputs)).Data.ArenaBytes * 7L
        / 10L
    let tight =
        new CompiledFunction(Func<Expr[], Expr[]> f, EngineOptions.Default.WithMemoryBudget enough)
    Assert.Contains("computed again to save memory", tight.Explain points)
    for e, a in Array.zip (free.Call points) (tight.Call points) do
        for x, y in Array.zip (floats e) (floats a) do
            Assert.True(abs (x - y) <= 1e-12 * (1.0 + abs x), $"{x} and {y}")
