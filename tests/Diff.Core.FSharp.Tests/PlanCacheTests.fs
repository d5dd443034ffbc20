/// Plans found by structure: what shares one, what does not, and that the values are those of the graph at hand.
module PlanCacheTests

open System
open System.Threading
open System.Threading.Tasks
open Xunit
open Diff

let private cache () =
    PlanCache(EngineOptions.Default.WithThreads 1, 8, 1L <<< 20)

let private run (cache: PlanCache) (e: Expr) =
    ((cache.Find [| e |]).Run()[0]).ToArray<float>()

let private vector name (values: float list) =
    tensor name [ values.Length ] (Array.ofList values)

/// Runs graphs one after the other, checks each against the reference, and gives the number of plans made.
let private plansFor (graphs: Expr list) =
    let cache = cache ()
    for e in graphs do
        let expected = (Reference.evaluate [| e |])[0]
        let actual = ((cache.Find [| e |]).Run())[0]
        Assert.Equal(expected.Shape, actual.Shape)
        Assert.Equal(expected.DType, actual.DType)
        for i in 0 .. expected.Length - 1 do
            let e, a = expected.Float i, actual.Float i
            Assert.True(e.Equals a || abs (e - a) <= 1e-13 * abs e, $"expected {e}, got {a}")
    cache.Made

let private one (graphs: Expr list) = Assert.Equal(1, plansFor graphs)
let private each (graphs: Expr list) =
    Assert.Equal(graphs.Length, plansFor graphs)

let private many name n =
    tensor name [ n ] (Array.init n (fun i -> sin (float i)))

// ---- What shares a plan -------------------------------------------------------------------------------------------------

[<Fact>]
let ``the same graph made again shares its plan`` () =
    let x, y = many "x" 100, many "y" 100
    one [ for _ in 1..5 -> sum (exp (-x) * y + 2.0) ]

[<Fact>]
let ``graphs of one structure share a plan whatever their leaves are`` () =
    one [ for n in 1..5 -> sum (exp (-(many $"x{n}" 100)) * (many "y" 100 + vector "one" [ float n ])) ]
    one [ for n in 1..5 -> variable "x" (float n) * variable "y" 2.0 + 1.0 ]

[<Fact>]
let ``literals of floats are leaves`` () =
    let literal (values: float[]) =
        Leaf.literal (NDArray.op_Implicit values)
    one [ for n in 1..3 -> literal [| float n; 2.0 |] * variable "x" 3.0 ]
    one [ for n in 1..3 -> sum (literal (Array.init 1000 (fun i -> float (i * n)))) ]

[<Fact>]
let ``a checkpoint made again shares its plan`` () =
    let x = many "x" 100
    one
        [ for _ in 1..3 ->
              let f = checkpoint (fun xs -> tanh (List.head xs * 2.0)) [ x ]
              grad (sum f) x ]

[<Fact>]
let ``values are those at the time of the run`` () =
    let cache = cache ()
    let x = many "x" 50
    let build () = sum (x * x)
    let before = run cache (build ())
    assign x (NDArray.op_Implicit (Array.create 50 3.0))
    Assert.Equal<float[]>([| 450.0 |], run cache (build ()))
    Assert.NotEqual<float[]>(before, run cache (build ()))
    Assert.Equal(1, cache.Made)

[<Fact>]
let ``an expression evaluated again and again sees what its variables hold then`` () =
    let x, small = vector "x" [ 1.0; 2.0 ], variable "s" 2.0
    let sums = [ sum (x * small); sum (many "z" 500 * small) / small ]
    let rest = item (Leaf.literal (Array.head (Reference.evaluate [| sums[1] |])))
    for n in 1..5 do
        assign small (NDArray.op_Implicit (float n))
        Assert.Equal(3.0 * float n, item sums[0])
        Assert.Equal(rest, item sums[1], 1e-9)

// ---- What does not ------------------------------------------------------------------------------------------------------

[<Fact>]
let ``constants, shapes, element types and parameters of operations tell graphs apart`` () =
    let x = many "x" 60
    let m = tensor "m" [ 6; 10 ] (Array.init 60 float)
    each [ x + 1.0; x + 2.0; x - 1.0; x * 1.0 + 1.0 ]
    each [ x + 0.0; x * 0.0; x + Double.NaN; x + Double.PositiveInfinity ]
    each [ 1.0 / (x * 0.0); 1.0 / (x * -0.0) ]
    each [ sum (many "a" 60); sum (many "b" 61); sum m ]
    each [ exp x; cast DType.Float64 (exp (cast DType.Float32 x)); cast DType.Float32 x ]
    each
        [ x[Slice.Of(Index 0, Index 5, 1)]
          x[Slice.Of(Index 1, Index 6, 1)]
          x[Slice.Of(Index 0, Index 10, 2)]
          x[Slice.Of(Index 0, Index 6, 1)] ]
    each
        [ einsum "ij->i" [ m ]
          einsum "ij->j" [ m ]
          einsum "ij->ji" [ m ]
          einsum "ij->" [ m ] ]
    each
        [ Reduce.make Extreme.Max [| 0 |] m
          Reduce.make Extreme.Min [| 0 |] m
          Reduce.make Extreme.Max [| 1 |] m ]
    each
        [ Leaf.iota (Shape [| 4; 4 |]) 0 DType.Float64
          Leaf.iota (Shape [| 4; 4 |]) 1 DType.Float64 ]

[<Fact>]
let ``indices are part of the structure, and a copy of them`` () =
    let x = vector "x" [ 1.0; 2.0; 3.0; 4.0 ]
    let indices (values: int[]) =
        Leaf.literal (NDArray.op_Implicit values)
    let pick (values: int[]) = gather 0 (indices values) x
    each [ pick [| 0; 1 |]; pick [| 0; 2 |]; pick [| 3 |] ]
    one [ pick [| 0; 1 |]; pick [| 0; 1 |] ]
    let cache = cache ()
    let own = [| 0; 1 |]
    let first = pick own
    Assert.Equal<float[]>([| 1.0; 2.0 |], run cache first)
    own[0] <- 3
    Assert.Equal<float[]>([| 1.0; 2.0 |], run cache (pick [| 0; 1 |]))

[<Fact>]
let ``which leaves are the same tells graphs apart`` () =
    let x, y = many "x" 100, many "y" 100
    each [ x + x; x + y ]
    one [ x + y; many "v" 100 + many "w" 100 ]
    each [ x * y + x; x * y + y ]
    // The same variable in two nodes is one leaf.
    match x.Op with
    | Op.Variable v ->
        let again = Expr(Op.Variable v, [||], x.Shape, x.DType)
        each [ x - again; x - y ]
    | _ -> ()

[<Fact>]
let ``which roots, how many and in which order tells graphs apart`` () =
    let cache = cache ()
    let x = many "x" 10
    let a, b = exp x, x * 2.0
    for roots in [ [| a |]; [| b |]; [| a; b |]; [| b; a |]; [| a; a |] ] do
        let expected = Reference.evaluate roots
        let actual = (cache.Find roots).Run()
        Assert.Equal(expected.Length, actual.Length)
        for e, v in Array.zip expected actual do
            Assert.Equal(e.Float 3, v.Float 3, 1e-14)
    Assert.Equal(5, cache.Made)

[<Fact>]
let ``operations supplied from outside compare by identity`` () =
    let x = many "x" 10
    let scaled factor =
        scalarOp "scale" (fun v -> factor * v) (fun _ _ -> Expr.op_Implicit factor)
    let two, three = scaled 2.0, scaled 3.0
    each [ two x; three x ]
    one [ two x; two x ]

[<Fact>]
let ``equal numbers are not enough where hashes agree`` () =
    // The comparison is of all numbers: these differ in one of them.
    let structure (e: Expr) =
        use writer = new StructureWriter([| e |])
        writer.Structure.Copy()
    let x = many "x" 10
    let a, b, c = structure (x + 1.0), structure (x + 1.0), structure (x + 2.0)
    Assert.True(a.Equals b)
    Assert.Equal(a.GetHashCode(), b.GetHashCode())
    Assert.False(a.Equals c)
    Assert.False(a.Equals "a")

// ---- Bounds -------------------------------------------------------------------------------------------------------------

[<Fact>]
let ``the least recently used plan leaves first`` () =
    let cache = cache ()
    let x = variable "x" 1.0
    let use' n = run cache (x * float n) |> ignore
    for n in 1..8 do
        use' n
    Assert.Equal(8, cache.Count)
    use' 1
    use' 9 // in the place of 2
    Assert.Equal(8, cache.Count)
    Assert.Equal(9, cache.Made)
    use' 1
    Assert.Equal(9, cache.Made)
    use' 2
    Assert.Equal(10, cache.Made)

[<Fact>]
let ``memory is bounded, and a plan that needs more alone is not kept`` () =
    let cache = PlanCache(EngineOptions.Default.WithThreads 1, 100, 300_000L)
    // Each needs a product of 100 × 100 float64 numbers between its steps: 80 kB.
    let m = tensor "m" [ 100; 100 ] (Array.init 10000 float)
    let product n =
        sum (exp (matmul m m * (1e-20 * float n)))
    for n in 1..6 do
        run cache (product n) |> ignore
    Assert.InRange(cache.Count, 1, 3)
    let big = tensor "big" [ 300; 300 ] (Array.init 90000 float)
    let count = cache.Count
    run cache (sum (exp (matmul big big * 1e-20))) |> ignore
    Assert.Equal(count, cache.Count)

// ---- Threads and errors -------------------------------------------------------------------------------------------------

[<Fact>]
let ``threads may look for the same and for other plans at once`` () =
    let cache = cache ()
    let work n =
        let x, k = variable "x" (float n), n % 20
        let y = Seq.fold (fun y _ -> y * 0.5 + x) x (seq { 1..k })
        (run cache y)[0], Seq.fold (fun y _ -> y * 0.5 + float n) (float n) (seq { 1..k })
    let results = Array.zeroCreate 2000
    Parallel.For(
        0,
        results.Length,
        ParallelOptions(MaxDegreeOfParallelism = 8),
        (fun i -> results[i] <- work i)
    )
    |> ignore
    for actual, expected in results do
        Assert.Equal(expected, actual, 1e-9)
    Assert.InRange(cache.Count, 1, 8)

[<Fact>]
let ``a variable without a value is named, if the graph needs it`` () =
    let cache = cache ()
    let x = vector "x" [ 1.0; 2.0 ]
    let build (y: Expr) = sum (x * y)
    let empty = Leaf.input "y" (Shape [| 2 |]) DType.Float64
    Assert.Equal<float[]>([| 5.0 |], run cache (build (vector "y" [ 1.0; 2.0 ])))
    let e =
        Assert.Throws<InvalidOperationException>(fun () -> run cache (build empty) |> ignore)
    Assert.Equal(
        "evaluate: the input \"y\" of shape (2), float64, has no value; assign one, or pass it to a compiled function",
        e.Message
    )
    Assert.Equal(1, cache.Made)
    Assert.Equal<float[]>([| 1.0; 1.0 |], run cache (Expr.Pow(empty, 0.0)))

[<Fact>]
let ``the result is an array of its own`` () =
    let cache = cache ()
    let x = vector "x" [ 1.0; 2.0 ]
    let value = (cache.Find [| x |]).Run()[0]
    value.Span<float>()[0] <- 7.0
    Assert.Equal<float[]>([| 1.0; 2.0 |], run cache x)
    Assert.Equal<float[]>([| 1.0; 2.0 |], (eval x).ToArray<float>())

[<Fact>]
let ``a chain of a hundred thousand nodes has a structure`` () =
    let x = variable "x" 1.0
    let mutable y = x
    for _ in 1..100_000 do
        y <- y + 1.0
    use writer = new StructureWriter([| y |])
    Assert.InRange(writer.Structure.Length, 400_000, 2_000_000)

[<Fact>]
let ``a step in the imperative style made again makes no plan`` () =
    let cache = cache ()
    let x = tensor "x" [ 4; 2 ] (Array.init 8 float)
    let w, b =
        tensor "w" [ 2; 3 ] (Array.init 6 (fun i -> 0.1 * float i)), vector "b" [ 0.1; 0.2; 0.3 ]
    for step in 1..20 do
        let loss = mean (square (tanh (matmul x w + b)))
        let gradients = Gradient.grad Unconnected.Zeros loss [| w; b |]
        let values = (cache.Find gradients).Run()
        let expected = Reference.evaluate gradients
        Assert.Equal(expected[0].Float 5, values[0].Float 5, 1e-12)
        assign w (eval (w - 0.1 * Leaf.literal values[0]))
        assign b (eval (b - 0.1 * Leaf.literal values[1]))
    Assert.Equal(1, cache.Made)
