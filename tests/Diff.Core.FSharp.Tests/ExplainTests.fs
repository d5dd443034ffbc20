/// Plans in words: every step occurs, the numbers are right, and timing changes nothing.
module ExplainTests

open System
open Xunit
open Diff
open Diff.Kernels

let private matrix name rows cols =
    tensor name [ rows; cols ] (Array.init (rows * cols) (fun i -> sin (float i)))

/// The lines of the steps: those that begin with s1, s2 …
let private stepLines (text: string) =
    text.Split '\n'
    |> Array.filter (fun l -> l.Length > 1 && l[0] = 's' && Char.IsDigit l[1])

let private network () =
    let x, w, b = matrix "x" 64 128, matrix "w" 128 32, matrix "b" 1 32
    sum (tanh (matmul x w + b) * 2.0), [ x; w; b ]

/// The steps of a plan as they are described, and the plan.
let private described (inputs: Expr list) (roots: Expr list) =
    let plan =
        Planner.make (EngineOptions.Default.WithThreads 1) (Array.ofList inputs) (Array.ofList roots)
    plan, Explain.text "value" (EngineOptions.Default.WithThreads 1) plan None

[<Fact>]
let ``every step is a line with its number, kind and sizes`` () =
    let y, xs = network ()
    let plan, text = described [] [ y; grad y xs[1]; grad y xs[2] ]
    let lines = stepLines text
    Assert.Equal(plan.Data.Steps.Length, lines.Length)
    for k in 0 .. lines.Length - 1 do
        Assert.StartsWith($"s{k + 1} ", lines[k])
        Assert.Contains(plan.Data.Steps[k].Kind, lines[k])
    for result in 0..2 do
        Assert.Contains($"→ result {result}", text)

[<Fact>]
let ``the summary counts steps, operations, bytes and memory`` () =
    let y, _ = network ()
    let plan, text = described [] [ y ]
    let lines = text.Split '\n'
    // The product: 2·64·32·128; the loop: an addition, tanh, a product and the sum for each of 64·32 elements.
    Assert.Equal(
        float (2 * 64 * 32 * 128 + 4 * 64 * 32),
        plan.Data.Steps |> Array.sumBy (fun (step: Step) -> step.Flops)
    )
    Assert.Equal("value: 2 steps (1 product, 1 loop), 532 kflop, 131 kB moved", lines[0])
    Assert.StartsWith("memory: 16.4 kB for values between steps, 0 B of constants; 1 thread, tier ", lines[1])

[<Fact>]
let ``a product has rows, columns, depth and the operations of all its terms`` () =
    let y, _ = network ()
    let _, text = described [] [ y ]
    Assert.Matches(
        "^s1  product  64×32×128 +524 kflop +115 kB  x @ w : float64\\[64,32\\]$",
        (stepLines text)[0]
    )
    let batch name rows cols =
        tensor name [ 8; rows; cols ] (Array.init (8 * rows * cols) float)
    let _, text =
        described [] [ einsum "bij,bjk->bik" [ batch "p" 16 32; batch "q" 32 24 ] ]
    Assert.Contains("product  16×24×32×8", text)
    Assert.Contains("197 kflop", text)

[<Fact>]
let ``a loop has its members, its formula in terms of other steps, shapes and scope`` () =
    let x, w = matrix "x" 64 128, matrix "w" 128 32
    let y =
        use _ = Scope.Enter "net"
        use _ = Scope.Enter "head"
        sum (tanh (matmul x w) * 2.0)
    let _, text = described [] [ y ]
    Assert.Matches(
        "^s2  loop +[0-9]+×[0-9]+ .* sum\\(tanh\\(s1\\) \\* 2\\) : float64\\[\\] → result 0  \\[tanh, mul, einsum .*; (interpreted|compiled)\\]  ; net/head$",
        (stepLines text)[1]
    )

[<Fact>]
let ``scalar code has its instructions, and inputs their names`` () =
    let x, y = variable "x" 3.0, variable "y" 4.0
    let plan, text = described [] [ x * y + exp x ]
    let count =
        match plan.Data.Steps[0].Action with
        | OnMemory(:? ScalarMemoryStep as step) -> step.Function.Count
        | _ -> 0
    Assert.InRange(count, 3, 10)
    Assert.Contains($"x * y + exp(x) : float64[] → result 0  [{count} instructions; ", text)

[<Fact>]
let ``copies and added products are described too`` () =
    let x = matrix "x" 40 50
    let roots =
        [ transpose x
          x
          sum (
              matmul x (transpose x)
              + matmul x (transpose (x * x))
              + x[Slice.All, Slice.Of(Index 0, Index 40, 1)]
          ) ]
    let plan, text = described [] roots
    Assert.Equal(plan.Data.Steps.Length, (stepLines text).Length)
    Assert.Contains("copy of x : float64[40,50] → result 1", text)
    Assert.Contains("[added to its sum]", text)

[<Fact>]
let ``a compiled function explains its value, and its gradient if it has one`` () =
    let a = NDArray.op_Implicit (Array.init 5000 float)
    let f = new CompiledFunction(fun xs -> [| sum (exp (-xs[0])) |])
    let both = f.Explain a
    Assert.StartsWith("value: ", both)
    Assert.Contains("\n\nvalue and gradient: ", both)
    let g = new CompiledFunction(fun xs -> [| exp xs[0] |])
    Assert.DoesNotContain("gradient", g.Explain a)

[<Fact>]
let ``timed steps have a time, a share and a rate`` () =
    let y, _ = network ()
    let text = profile y
    for line in stepLines text do
        Assert.Matches(" (µs|ms|s)  +[0-9]+ %  +[0-9.]+ [kMGT]?(flop/s|B/s)  ", line)
    Assert.Matches("\ntotal [0-9.]+ (µs|ms|s)$", text)
    Assert.DoesNotContain("total", explain y)

[<Fact>]
let ``timing a step of training leaves parameters and state unchanged, also when it fails`` () =
    let x, w = matrix "x" 64 128, matrix "w" 128 32
    let batch = eval x
    let step fails =
        let loss (inputs: Expr[]) =
            let y = mean (square (matmul inputs[0] w))
            if fails then
                y
                * scalarOp "fails" (fun _ -> invalidOp "no") (fun _ _ -> Expr.op_Implicit 0.0) y
            else
                y
        new TrainingPlan([| w |], Func<_, _> loss, Optimize.adam 0.1)
    let values (plan: TrainingPlan) =
        Array.append [| w |] plan.State
        |> Array.map (fun e -> (eval e).ToArray<float>())
    let plan = step false
    plan.Run batch |> ignore
    let before = values plan
    let text = plan.Profile batch
    Assert.Contains("training step: ", text)
    Assert.Contains("→ w", text)
    Assert.Equal<float[][]>(before, values plan)
    Assert.Equal(stepLines(plan.Explain batch).Length, stepLines(text).Length)
    let failing = step true
    Assert.ThrowsAny<Exception>(fun () -> failing.Profile batch |> ignore) |> ignore
    Assert.Equal<float[]>(before[0], (eval w).ToArray<float>())

[<Fact>]
let ``a variable without a value is an error only where values are needed`` () =
    let x = Leaf.input "x" (Shape [| 100; 100 |]) DType.Float64
    Assert.Contains("exp(x)", explain (exp x))
    let e =
        Assert.Throws<InvalidOperationException>(fun () -> profile (exp x) |> ignore)
    Assert.Contains("the input \"x\" of shape (100, 100), float64, has no value", e.Message)
