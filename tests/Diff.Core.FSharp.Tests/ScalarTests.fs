/// Straight-line code of scalar and tiny graphs: interpreted, compiled and reference evaluation agree.
module ScalarTests

#nowarn "9" // pointers to arrays

open System
open System.Runtime.InteropServices
open System.Threading.Tasks
open FSharp.NativeInterop
open Xunit
open Diff
open Diff.Kernels
open Diff.Testing
open Diff.Testing.Samples

// ---- Running ------------------------------------------------------------------------------------------------------

/// Copies of arrays in pinned memory, and a table of pointers to them.
type private Pinned(arrays: NDArray[]) =
    let bytes =
        arrays
        |> Array.map (fun a -> GC.AllocateArray<byte>((Generators.bytesOf a).Length + 8, pinned = true))
    let table = GC.AllocateArray<nativeint>(arrays.Length + 1, pinned = true)
    do
        for i in 0 .. arrays.Length - 1 do
            (Generators.bytesOf arrays[i]).CopyTo(Span bytes[i])
            table[i] <- Marshal.UnsafeAddrOfPinnedArrayElement(bytes[i], 0)
    member _.Table: nativeptr<nativeint> =
        NativePtr.ofNativeInt (Marshal.UnsafeAddrOfPinnedArrayElement(table, 0))
    member _.Item
        with get i = table[i]
        and set i (address: nativeint) = table[i] <- address
    member _.Read() : NDArray[] =
        for i in 0 .. arrays.Length - 1 do
            let whole = Generators.bytesOf arrays[i]
            bytes[i].AsSpan(0, whole.Length).CopyTo whole
        arrays

let private variablesOf (roots: Expr[]) =
    Graph.topological roots
    |> Array.filter (fun e ->
        match e.Op with
        | Op.Variable _ -> true
        | _ -> false)

let private valueOf (e: Expr) =
    match e.Op with
    | Op.Variable v -> Variable.valueOf v
    | _ -> invalidOp "not a variable"

type private How =
    | Interpreted
    | Compiled

let private outputsOf (roots: Expr[]) =
    Pinned(roots |> Array.map (fun r -> NDArray.Zeros(r.DType, r.Shape)))

let private runWith how (f: ScalarFunction) (inputs: Pinned) (outputs: Pinned) =
    match how with
    | Interpreted -> f.Interpret(inputs.Table, outputs.Table)
    | Compiled ->
        f.Compile()
        Assert.True f.IsCompiled
        f.Run(inputs.Table, outputs.Table)
    // Only addresses of them are left in use during the run.
    GC.KeepAlive inputs
    GC.KeepAlive outputs

let private codeOf limit (roots: Expr[]) =
    Scalarize.tryCode limit (variablesOf roots) roots

let private evaluate how part (roots: Expr[]) (code: ScalarCode) : NDArray[] =
    let outputs = outputsOf roots
    runWith how (ScalarFunction(code, part)) (Pinned(variablesOf roots |> Array.map valueOf)) outputs
    outputs.Read()

// ---- Comparing ----------------------------------------------------------------------------------------------------

/// Equal bits, but that NaN is NaN: its bits are not part of the value.
let private sameBits (a: float) (b: float) =
    BitConverter.DoubleToInt64Bits a = BitConverter.DoubleToInt64Bits b
    || (Double.IsNaN a && Double.IsNaN b)

/// The same, but that zeros have no sign: x + 0 is taken for x.
let private identical (a: float) (b: float) = a = b || sameBits a b

let private floats (x: NDArray) = Array.init x.Length x.Float

let private text (x: NDArray) =
    $"""{DType.name x.DType}{x.Shape}[{String.Join(" ", floats x |> Array.truncate 12)}]"""

let private compare what (near: float -> float -> bool) (expected: NDArray[]) (actual: NDArray[]) =
    for e, a in Array.zip expected actual do
        let same =
            e.DType = a.DType
            && e.Shape.Equals a.Shape
            && Array.forall2 near (floats e) (floats a)
        Assert.True(same, $"{what}: expected {text e}, got {text a}")

/// Sums may be made in another order.
let private hasSums (roots: Expr[]) =
    Graph.topological roots
    |> Array.exists (fun n ->
        match n.Op with
        | Op.Einsum _ -> true
        | _ -> false)

let private close tolerance (expected: NDArray[]) =
    let scale =
        expected
        |> Seq.collect floats
        |> Seq.filter Double.IsFinite
        |> Seq.fold (fun m v -> max m (abs v)) 1.0
    fun x y ->
        identical x y
        || (Double.IsFinite x && Double.IsFinite y && abs (x - y) <= tolerance * scale)

/// All ways to run agree: the interpreter and methods of any size bit for bit, and these with the reference evaluation.
let private agree what tolerance (roots: Expr[]) (code: ScalarCode) =
    let interpreted = evaluate Interpreted 300 roots code
    for part in [ 7; 50; 400; 4000 ] do
        compare $"{what}, parts of {part}" sameBits interpreted (evaluate Compiled part roots code)
    let expected = Reference.evaluate roots
    let near =
        if hasSums roots then
            close tolerance expected
        else
            identical
    compare $"{what}, reference" near expected interpreted

// ---- Every operation ----------------------------------------------------------------------------------------------

let private roundingOf (s: Sample) = if s.Digits < 9.0 then 1e-5 else 1e-13

/// The values of a sample and of its derivatives.
let private rootsOf (s: Sample) =
    let xs = s.Points |> List.map (variableOf "x")
    let y = s.Build xs
    let wanted = xs |> List.filter (fun x -> DType.isFloat x.DType)
    y :: grads y wanted |> Array.ofList |> Planner.prepare

// Factorisations of matrices are loops, never straight-line code.
let private samples =
    table
    |> List.filter (fst >> (<>) "Op.Linalg")
    |> List.collect (snd >> Option.defaultValue [])

/// How many of the samples become code; all that do agree.
let private overSamples (change: Sample -> Sample) =
    let mutable taken = 0
    for s in samples do
        let roots =
            try
                rootsOf (change s)
            with :? DTypeException ->
                [||] // it does not take this element type
        if roots.Length > 0 then
            match codeOf 4000 roots with
            | ValueSome code ->
                taken <- taken + 1
                agree s.Name (roundingOf s) roots code
            | ValueNone -> ()
    taken

[<Fact>]
let ``samples of every operation and their derivatives give the reference's numbers`` () =
    Assert.InRange(overSamples id, samples.Length * 8 / 10, samples.Length)

[<Fact>]
let ``samples in float32 give the reference's numbers`` () =
    let single (a: NDArray) =
        if a.DType = DType.Float64 then
            NDArray.Create(Array.map float32 (floats a), a.Shape)
        else
            a
    let taken =
        overSamples (fun s ->
            { s with
                Points = List.map single s.Points
                Digits = 4.0 })
    Assert.InRange(taken, samples.Length * 6 / 10, samples.Length)

/// Numbers near which functions go wrong.
let private special =
    [| nan
       infinity
       -infinity
       0.0
       -0.0
       1.0
       -1.0
       0.5
       1e-9
       -1e-9
       5e-324
       1e-42
       1.7e308
       -1e308
       88.8
       -745.2
       3e38
       1e-20 |]

[<Fact>]
let ``scalar functions of special numbers give the reference's bits`` () =
    let n = special.Length
    let ofType dtype =
        let pairs = Array.init (n * n) (fun i -> special[i / n], special[i % n])
        let leaf pick =
            variableOf "x" (NDArray.Create(Array.map pick pairs, Shape [| n * n |]))
            |> cast dtype
        leaf fst, leaf snd
    for dtype in [ DType.Float64; DType.Float32 ] do
        let x, y = ofType dtype
        for fn in Fn.all do
            let args =
                match fn with
                | Fn.Where -> [| less x y; x; y |]
                | Fn.Not -> [| less x y |]
                | Fn.And
                | Fn.Or -> [| less x y; lessEqual y x |]
                | Fn.SincDerivative
                | Fn.ErfcxDerivative
                | Fn.Polygamma -> [| Expr.op_Implicit 2.0; x |]
                | Fn.GammaincDerivative -> [| Expr.op_Implicit 2.0; x; y |]
                | Fn.BetaincDerivative -> [| Expr.op_Implicit 1.0; Expr.op_Implicit 1.0; x; y; x |]
                | fn when Fn.isComparison fn -> [| x; y |]
                | fn -> Array.truncate (Elementwise.rule fn).Domain.Length [| x; y; x |]
            let roots = [| Expr.Map(fn, args) |]
            match codeOf 8000 roots with
            | ValueSome code -> agree $"{Fn.name fn} {DType.name dtype}" 0.0 roots code
            // Of five operands.
            | ValueNone -> Assert.True(fn.IsBetaincDerivative, $"{Fn.name fn} was refused")

// ---- Random graphs --------------------------------------------------------------------------------------------------

/// A graph of arrays of the given number of nodes, of float64, float32, int32 and bool leaves; some of its nodes are roots.
let private randomGraph (source: Random) size : Expr[] =
    let pick (list: 'T list) = list[source.Next list.Length]
    let shapes = [ []; []; [ 1 ]; [ 3 ]; [ 2; 3 ]; [ 0 ]; [ 2; 1 ] ]
    let known = ResizeArray<Expr>()
    let number () = source.NextDouble() * 4.0 - 2.0
    let leaf () =
        let shape = Shape(Array.ofList (pick shapes))
        let values = Array.init shape.Length (fun _ -> number ())
        match source.Next 5 with
        | 0 -> variableOf "f" (NDArray.Create(Array.map float32 values, shape))
        | 1 -> variableOf "i" (NDArray.Create(Array.map int values, shape))
        | 2 -> variableOf "b" (NDArray.Create(Array.map (fun v -> v > 0.0) values, shape))
        | _ -> variableOf "d" (NDArray.Create(values, shape))
    for _ in 1..4 do
        known.Add(leaf ())
    let next () =
        let x, y, z =
            known[source.Next known.Count], known[source.Next known.Count], known[source.Next known.Count]
        match source.Next 14 with
        | 0 -> leaf ()
        | 1 -> cast (pick [ DType.Float32; DType.Float64; DType.Bool ]) x
        | 2 -> sum x
        | 3 -> einsum "...,...->..." [ x; y ]
        | 4 -> reduceMax x
        | 5 when x.Rank > 0 -> slice 0 None None -1 x
        | 6 when x.Rank > 0 -> concat 0 [ x; x ]
        | 7 -> transpose x
        | 8 -> where (less x y) x y
        | 9 -> where (cast DType.Bool z) x y
        | 10
        | 11 -> Expr.Map(pick [ Fn.Add; Fn.Sub; Fn.Mul; Fn.Div; Fn.Max; Fn.Min ], [| x; y |])
        | _ ->
            Expr.Map(
                pick
                    [ Fn.Neg
                      Fn.Abs
                      Fn.Sin
                      Fn.Tanh
                      Fn.Sigmoid
                      Fn.Softplus
                      Fn.Relu
                      Fn.Log1p
                      Fn.Sign ],
                [| x |]
            )
    while known.Count < size do
        try
            let made = next ()
            if made.Shape.Length < 40 then
                known.Add made
        with
        | :? ShapeException
        | :? DTypeException -> ()
    known
    |> Seq.filter (fun _ -> source.Next 4 = 0)
    |> Seq.append [ known[known.Count - 1] ]
    |> Array.ofSeq

[<Property(MaxTest = 60)>]
let ``random graphs give the reference's numbers`` (seed: int) =
    let source = Random seed
    let roots = randomGraph source (source.Next(5, 60))
    match codeOf 100_000 roots with
    | ValueSome code -> agree $"seed {seed}" 1e-5 roots code
    | ValueNone ->
        // Arithmetic on integers has no place in the code.
        let hasIntegers =
            Graph.topological roots
            |> Array.exists (fun e -> DType.isInteger e.DType && e.Args.Length > 0)
        Assert.True(hasIntegers, $"seed {seed} was refused")

[<Fact>]
let ``deep graphs compile without recursion on their depth`` () =
    let x = variable "x" 0.5
    let chain = Seq.fold (fun y _ -> sin y) x (seq { 1..3900 })
    let right = Seq.fold (fun y i -> x * float i - y) x (seq { 1..1200 })
    for roots in [ [| chain |]; [| right |] ] do
        match codeOf 4000 roots with
        | ValueSome code -> agree "deep" 0.0 roots code
        | ValueNone -> Assert.Fail "refused"

// ---- What is refused --------------------------------------------------------------------------------------------------

[<Fact>]
let ``what cannot be unrolled is refused`` () =
    let x = variableOf "x" (NDArray.Create([| 1.0; 2.0; 3.0 |], Shape [| 3 |]))
    let i = variableOf "i" (NDArray.Create([| 0; 2 |], Shape [| 2 |]))
    let long = variableOf "l" (NDArray.Create([| 1L |], Shape [| 1 |]))
    let refused what (limit: int) (e: Expr) =
        Assert.True((codeOf limit [| e |]).IsNone, $"{what} was not refused")
    refused "an index that varies" 4000 (gather 0 i x)
    refused "a place that varies" 4000 (scatterAdd 0 [ 3 ] i (slice 0 (Some 1) None 1 x))
    refused "a position" 4000 (argmax 0 x)
    refused "an int64 variable" 4000 (cast DType.Float64 long)
    refused "integer arithmetic" 4000 (i + i)
    refused "a sum of integers" 4000 (sum i)
    refused "cutting off" 4000 (cast DType.Int32 x)
    refused
        "a long literal"
        4000
        (sum (constant (NDArray.Create(Array.zeroCreate<float> 65, Shape [| 65 |]))))
    refused "an index out of range" 4000 (gather 0 (constant (NDArray.Create([| 3 |], Shape [| 1 |]))) x)
    refused "a large integer" 4000 (cast DType.Float64 (Expr.op_Implicit ((1L <<< 60) + 1L)))
    refused "too many instructions" 8 (exp x * sin x * cos x)
    refused "a large array" 4000 (sum (full [ 1000; 1000; 1000 ] DType.Float64 1.0 * at 0 0 x))
    refused
        "a long sum"
        4000
        (einsum "i,j,k->" [ iota [ 1000 ] 0 DType.Float64; x; full [ 1000 ] DType.Float64 2.0 ])
    Assert.True((Scalarize.tryCode 4000 [||] [| x |]).IsNone, "a variable that is not given")

// ---- Calls ------------------------------------------------------------------------------------------------------------

let private rosenbrock n =
    let x =
        variableOf "x" (NDArray.Create(Array.init n (fun i -> 0.5 + 0.01 * float i), Shape [| n |]))
    let a, b = slice 0 None (Some -1) 1 x, slice 0 (Some 1) None 1 x
    let y = sum (100.0 * square (b - square a) + square (1.0 - a))
    x, [| y; grad y x |]

let private require (code: ScalarCode voption) =
    match code with
    | ValueSome code -> code
    | ValueNone -> failwith "refused"

[<Fact>]
let ``an output may be the memory of an input`` () =
    let n = 40
    let x, roots = rosenbrock n
    let roots = Planner.prepare [| x - 0.001 * roots[1]; roots[0] |]
    let code = require (Scalarize.tryCode 4000 [| x |] roots)
    let expected = Reference.evaluate roots
    for how in [ Interpreted; Compiled ] do
        for part in [ 50; 4000 ] do
            let inputs = Pinned [| (valueOf x).Clone() |]
            let outputs = outputsOf roots
            outputs[0] <- inputs[0]
            runWith how (ScalarFunction(code, part)) inputs outputs
            compare
                $"{how} {part}"
                (close 1e-13 expected)
                expected
                [| (inputs.Read())[0]; (outputs.Read())[1] |]

[<Fact>]
let ``two inputs may change places`` () =
    let a, b = variable "a" 3.0, variable "b" 4.0
    let roots = [| b; a; a * b |]
    for how in [ Interpreted; Compiled ] do
        for part in [ 1; 4000 ] do
            let inputs = Pinned [| (valueOf a).Clone(); (valueOf b).Clone() |]
            let outputs = outputsOf roots
            outputs[0] <- inputs[0]
            outputs[1] <- inputs[1]
            runWith how (ScalarFunction(require (codeOf 100 roots), part)) inputs outputs
            let swapped = inputs.Read()
            Assert.Equal((4.0, 3.0), (swapped[0].Float 0, swapped[1].Float 0))
            Assert.Equal(12.0, (outputs.Read()[2]).Float 0)

[<Fact>]
let ``results that are constants or inputs moved are written like others`` () =
    let x = variableOf "x" (NDArray.Create(Array.init 60 float, Shape [| 60 |]))
    let roots =
        [| slice 0 None None -1 x
           full [ 40 ] DType.Float32 2.5
           concat 0 [ x; exp x ]
           full [] DType.Bool 1.0 |]
    let expected = Reference.evaluate roots
    for how in [ Interpreted; Compiled ] do
        for part in [ 16; 4000 ] do
            let inputs = Pinned [| (valueOf x).Clone() |]
            let outputs = outputsOf roots
            outputs[0] <- inputs[0]
            runWith how (ScalarFunction(require (codeOf 4000 roots), part)) inputs outputs
            let actual = outputs.Read()
            actual[0] <- (inputs.Read())[0]
            compare $"{how} {part}" sameBits expected actual

let private point () =
    let a, b = variable "a" 230.3, variable "b" 33.2
    let y = (a / b - a) * (b / a + a + b) * (a - b)
    [| a; b |], Planner.prepare [| y; grad y a; grad y b |]

[<Fact>]
let ``a function of single numbers takes them side by side`` () =
    let inputs, roots = point ()
    let expected = Reference.evaluate roots |> Array.map (fun r -> r.Float 0)
    let code = require (Scalarize.tryCode 4000 inputs roots)
    for part in [ 5; 4000 ] do
        let f = ScalarFunction(code, part)
        Assert.True f.IsFlat
        let results = Array.zeroCreate 3
        for _ in 1..2 do // interpreted, then compiled
            Array.Clear results
            f.Run(ReadOnlySpan [| 230.3; 33.2 |], Span results)
            Assert.Equal<float[]>(expected, results)
            f.Compile()
        let inPlace = [| 230.3; 33.2; 0.0 |]
        f.Run(ReadOnlySpan inPlace, Span inPlace)
        Assert.Equal<float[]>(expected, inPlace)

[<Fact>]
let ``a function is compiled when it has run often; calls from several threads agree all the while`` () =
    let x, roots = rosenbrock 30
    let f =
        ScalarFunction(require (Scalarize.tryCode 4000 [| x |] (Planner.prepare roots)), 100)
    let expected = Reference.evaluate roots
    let near = close 1e-13 expected
    let work _ =
        let inputs, outputs = Pinned [| valueOf x |], outputsOf roots
        for i in 1..1500 do
            f.Run(inputs.Table, outputs.Table)
            if i % 100 = 0 then
                compare "run" near expected (outputs.Read())
    Assert.False f.IsCompiled
    Parallel.For(0, 4, work) |> ignore
    Assert.True f.IsCompiled

[<Fact>]
let ``a run allocates nothing`` () =
    let inputs, roots = point ()
    let x, long = rosenbrock 100
    let longInputs, longOutputs = Pinned [| valueOf x |], outputsOf long
    let number = ScalarFunction(require (Scalarize.tryCode 4000 inputs roots))
    let f =
        ScalarFunction(require (Scalarize.tryCode 4000 [| x |] (Planner.prepare long)))
    let from, into = [| 230.3; 33.2 |], Array.zeroCreate 3
    let runs () =
        for _ in 1..100 do
            number.Run(ReadOnlySpan from, Span into)
            f.Run(longInputs.Table, longOutputs.Table)
    for _ in 1..2 do
        runs ()
        let before = GC.GetAllocatedBytesForCurrentThread()
        runs ()
        Assert.Equal(0L, GC.GetAllocatedBytesForCurrentThread() - before)
        number.Compile()
        f.Compile()
