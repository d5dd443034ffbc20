/// Numbers of half precision: rounding, moves, files, derivatives through casts, and what is refused.
module HalfTests

open System
open System.IO
open Xunit
open Diff
open Diff.Testing.Generators

let private every = Array.init 65536 uint16
let private halves = every |> Array.map BitConverter.UInt16BitsToHalf
let private brains = every |> Array.map BFloat16.OfBits

let private array (values: 'T[]) =
    NDArray.Create(values, Shape [| values.Length |])

let private bitsOf (x: NDArray) =
    if x.DType = DType.Float16 then
        x.ToArray<Half>() |> Array.map BitConverter.HalfToUInt16Bits
    else
        x.ToArray<BFloat16>() |> Array.map _.ToBits()

let private both = [ DType.Float16, array halves; DType.BFloat16, array brains ]

/// By the reference and by the engine, which have to agree.
let private evalBoth (x: Expr) =
    let expected = (Reference.evaluate [| x |])[0]
    let actual = eval x
    Assert.True((bytesOf expected).SequenceEqual(bytesOf actual), $"{x}")
    actual

let private castTo dtype (x: NDArray) =
    evalBoth (cast dtype (variableOf "x" x))

// ---- Rounding -----------------------------------------------------------------------------------------------------------

[<Fact>]
let ``every number of 16 bits is the same number in 32 and 64, and comes back`` () =
    for dtype, all in both do
        for wide in [ DType.Float32; DType.Float64 ] do
            let values = castTo wide all
            let back = castTo dtype values
            let backBits = bitsOf back
            for i in 0..65535 do
                let exponentBits = if dtype = DType.Float16 then 0x7C00us else 0x7F80us
                let isNaN = every[i] &&& 0x7FFFus > exponentBits
                Assert.Equal(isNaN, Double.IsNaN(values.Float i))
                if isNaN then
                    Assert.True(Double.IsNaN(back.Float i))
                else
                    Assert.Equal(every[i], backBits[i])
        // What the formats say, read bit by bit.
        let significand, bias = if dtype = DType.Float16 then 10, 15 else 7, 127
        for i in
            [ 0x0001us
              0x0042us
              0x03FFus
              0x1234us
              0x3C00us
              0x3555us
              0x7BFFus
              0x7F00us ] do
            let e, m = int (i >>> significand), float (i &&& ((1us <<< significand) - 1us))
            let scale = 2.0 ** float (-significand)
            let isFinite = e < (if dtype = DType.Float16 then 31 else 255)
            if isFinite then
                let expected =
                    if e = 0 then
                        m * scale * 2.0 ** float (1 - bias)
                    else
                        (1.0 + m * scale) * 2.0 ** float (e - bias)
                Assert.Equal(expected, all.Float(int i))

/// Bits from a float as they should be: the nearest of all, found by comparison.
[<Fact>]
let ``numbers between two are rounded to the nearer, those in the middle to the even one`` () =
    for dtype, all in both do
        let last = if dtype = DType.Float16 then 0x7BFF else 0x7F7F
        // Neighbours from the smallest denormal to the largest number; further than float64 needs none be apart.
        let step = 7
        let lows = [| for i in 0..step .. last - 1 -> i |]
        let middles = lows |> Array.map (fun i -> 0.5 * (all.Float i + all.Float(i + 1)))
        let rounded (values: float[]) = bitsOf (castTo dtype (array values))
        let even = lows |> Array.map (fun i -> uint16 (if i % 2 = 0 then i else i + 1))
        Assert.Equal<uint16[]>(even, rounded middles)
        Assert.Equal<uint16[]>(Array.map uint16 lows, rounded (middles |> Array.map Math.BitDecrement))
        Assert.Equal<uint16[]>(
            lows |> Array.map (fun i -> uint16 (i + 1)),
            rounded (middles |> Array.map Math.BitIncrement)
        )
        Assert.Equal<uint16[]>(
            even |> Array.map (fun b -> b ||| 0x8000us),
            rounded (middles |> Array.map (~-))
        )
        // From float32, which holds all these middles, and their neighbours.
        let single (values: float32[]) = bitsOf (castTo dtype (array values))
        let middles = middles |> Array.map float32
        Assert.Equal<uint16[]>(even[1..], (single middles)[1..])
        Assert.Equal<uint16[]>(
            Array.map uint16 lows[1..],
            (single (middles |> Array.map MathF.BitDecrement))[1..]
        )
        Assert.Equal<uint16[]>(
            lows[1..] |> Array.map (fun i -> uint16 (i + 1)),
            (single (middles |> Array.map MathF.BitIncrement))[1..]
        )

[<Fact>]
let ``what is too large becomes infinite, what is too small zero, signs stay`` () =
    let half (x: float) =
        (castTo DType.Float16 (array [| x; -x |])).ToArray<Half>() |> Array.map float
    let brain (x: float) =
        (castTo DType.BFloat16 (array [| x; -x |])).ToArray<BFloat16>()
        |> Array.map _.ToDouble()
    Assert.Equal<float[]>([| 65504.0; -65504.0 |], half 65519.99)
    Assert.Equal<float[]>([| infinity; -infinity |], half 65520.0)
    Assert.Equal<float[]>([| infinity; -infinity |], half 1e300)
    Assert.Equal<float[]>([| infinity; -infinity |], brain 1e300)
    Assert.Equal<float[]>([| infinity; -infinity |], brain 3.4e38)
    Assert.Equal<float[]>([| 3.3895313892515355e38; -3.3895313892515355e38 |], brain 3.39e38)
    for tiny in [ half 1e-9; brain 1e-300 ] do
        Assert.Equal<float[]>([| 0.0; 0.0 |], tiny)
        Assert.True(Double.IsNegative tiny[1] && not (Double.IsNegative tiny[0]))

[<Fact>]
let ``float64 is rounded once`` () =
    // By way of float32 these would land in the middle, and go to the even side.
    let half = 1.0 + 2.0 ** -11.0 + 2.0 ** -40.0
    Assert.Equal(1.0 + 2.0 ** -10.0, (castTo DType.Float16 (array [| half |])).Float 0)
    let brain = 1.0 + 2.0 ** -8.0 + 2.0 ** -40.0
    Assert.Equal(1.0 + 2.0 ** -7.0, (castTo DType.BFloat16 (array [| brain |])).Float 0)
    Assert.Equal(1.0, (castTo DType.BFloat16 (array [| 1.0 + 2.0 ** -8.0 - 2.0 ** -40.0 |])).Float 0)

[<Fact>]
let ``constants of half precision are rounded as casts are, also when they are folded`` () =
    for dtype, _ in both do
        for value in [ 0.1; 1e-7; 65519.0; 1e-40 ] do
            let expected = (castTo dtype (array [| value |])).Float 0
            Assert.Equal(expected, (eval (full [ 2 ] dtype value)).Float 1)
            Assert.Equal(expected, (eval (cast dtype (full [ 2 ] DType.Float64 value))).Float 1)
            Assert.Equal(expected, (eval (cast DType.Float64 (full [ 2 ] dtype value))).Float 1)

// ---- Moves --------------------------------------------------------------------------------------------------------------

let private moves: (string * (Expr -> Expr)) list =
    let rows = constant (NDArray.Create([| 2; 0; -1; 2 |], Shape [| 4 |]))
    [ "reshape", reshape [ 6; 20 ]
      "transpose", transpose
      "broadcast", broadcastTo [ 3; 5; 4; 6 ]
      "slice", slice 0 (Some 1) None 2
      "slice backwards", slice 2 None None -1
      "at", at 1 2
      "concat", (fun x -> concat 2 [ x; slice 2 None None -1 x; x ])
      "stack", (fun x -> stack 1 [ x; x ])
      "gather rows", gather 0 rows
      "gather columns", gather 2 rows
      "pad", pad [ 1, 0; 0, 2; 1, 1 ]
      "pad with ones", padWith 1.0 [ 1, 0; 0, 2; 1, 1 ]
      "unfold", unfold 2 3 2 1
      "where", (fun x -> where (constant (booleans 3 [ 5; 4; 6 ])) x (transpose (reshape [ 6; 4; 5 ] x)))
      "where with a number", (fun x -> where (constant (booleans 3 [ 4; 1 ])) x (Expr.op_Implicit 0.5))
      "stop gradient", stopGradient
      "checkpoint", (fun x -> checkpoint (fun ys -> slice 0 (Some 1) None 1 ys[0]) [ x ])
      "shuffle", (fun x -> Rng.shuffle 0 x (Rng.key 1L)) ]

let namesOfMoves = TheoryData<string>(moves |> List.map fst)

[<Theory; MemberData(nameof namesOfMoves)>]
let ``moves of half precision move the bits, and derivatives come back in float32`` (name: string) =
    let move = moves |> List.find (fst >> (=) name) |> snd
    for dtype, all in both do
        // 120 neighbouring numbers around 1.
        let first = if dtype = DType.Float16 then 0x3C00 else 0x3F80
        let part =
            if dtype = DType.Float16 then
                NDArray.Create(halves[first .. first + 119], Shape [| 5; 4; 6 |])
            else
                NDArray.Create(brains[first .. first + 119], Shape [| 5; 4; 6 |])
        Assert.Equal(all.Float first, part.Float 0)
        let x = variableOf "x" part
        let wide = variableOf "wide" (castTo DType.Float32 part)
        let moved = move x
        Assert.Equal(dtype, moved.DType)
        let expected = evalBoth (move wide)
        Assert.Equal<float[]>(floats expected, floats (castTo DType.Float32 (evalBoth moved)))
        let loss (y: Expr) = sum (square y * y)
        let value, expected = loss (cast DType.Float32 moved), loss (move wide)
        let g, e = grad value x, grad expected wide
        Assert.Equal(DType.Float32, g.DType)
        Assert.Equal<float[]>(floats (eval e), floats (eval g))
        let v =
            constant (NDArray.Create(Array.init 120 (fun i -> float32 (i % 7)), Shape [| 5; 4; 6 |]))
        // Here sums may be added up in another order.
        let near (a: Expr) (b: Expr) =
            Array.iter2
                (fun (x: float) y -> Assert.True(abs (x - y) <= 1e-6 * abs x, $"{x} and {y}"))
                (floats (eval a))
                (floats (eval b))
        near (jvp expected [ wide ] [ v ]) (jvp value [ x ] [ v ])
        List.iter2 near (hvp expected [ wide ] [ v ]) (hvp value [ x ] [ v ])

[<Fact>]
let ``large arrays are moved and cast in parts as a whole`` () =
    let values = Array.init (1 <<< 19) (fun i -> halves[i % 31744])
    let x = variableOf "x" (NDArray.Create(values, Shape [| 512; 1024 |]))
    let moved = concat 0 [ transpose x; reshape [ 1024; 512 ] x ]
    let wide = cast DType.Float32 (gather 1 (iota [ 512 ] 0 DType.Int64) moved)
    let expected = (Reference.evaluate [| wide |])[0]
    Assert.True((bytesOf expected).SequenceEqual(bytesOf (eval wide)))

[<Fact>]
let ``small literals of half precision are not taken for one another`` () =
    let value (x: float) =
        let literal =
            constant (NDArray.Create([| (Half.op_Explicit x: Half) |], Shape [| 1 |]))
        (eval (cast DType.Float64 literal)).Float 0
    Assert.Equal(0.25, value 0.25)
    Assert.Equal(0.5, value 0.5)

// ---- Derivatives ----------------------------------------------------------------------------------------------------------

[<Fact>]
let ``derivatives with respect to what is stored in half precision are of float32`` () =
    for dtype, _ in both do
        let w = variableOf "w" (castTo dtype (array [| 0.5; 2.0; -3.0 |]))
        let x, y = cast DType.Float32 w, cast DType.Float64 w
        let loss = cast DType.Float64 (sum (x * x)) + sum (y * y * y)
        let g = grad loss w
        Assert.Equal(DType.Float32, g.DType)
        Assert.Equal<float[]>([| 1.75; 16.0; 21.0 |], floats (eval g))
        let second = grad g w
        Assert.Equal<float[]>([| 5.0; 14.0; -16.0 |], floats (eval second))
        Assert.Equal<float[]>([| 0.0; 0.0; 0.0 |], floats (eval (grad (sum (square (variable "z" 1.0))) w)))
        Assert.Equal(DType.Float32, (grad (sum (square (variable "z" 1.0))) w).DType)
        // Through numbers rounded on the way it passes unchanged.
        let z = variableOf "z" (array [| 0.1f; 0.7f |])
        let rounded = cast DType.Float32 (cast dtype z)
        Assert.Equal<float[]>([| 3.0; 3.0 |], floats (eval (grad (sum (3.0 * rounded)) z)))
        let v = constant (array [| 1.0f; 2.0f |])
        Assert.Equal<float[]>([| 1.0; 2.0 |], floats (eval (jvp rounded [ z ] [ v ])))

[<Fact>]
let ``compiled functions give gradients of float32 for arguments of half precision`` () =
    let f =
        new CompiledFunction(
            (fun (xs: Expr[]) -> [| sum (square (cast DType.Float32 xs[0])) |]),
            EngineOptions.Default
        )
    for dtype, _ in both do
        let struct (value, gradients) =
            f.ValueAndGradient(castTo dtype (array [| 1.0; -2.0 |]))
        Assert.Equal(5.0, value.Float 0)
        Assert.Equal<float[]>([| 2.0; -4.0 |], floats (nonNull gradients[0]))

// ---- Files ------------------------------------------------------------------------------------------------------------------

[<Fact>]
let ``files keep numbers of half precision bit by bit, or give them as float32`` () =
    let folder = Directory.CreateTempSubdirectory "diff-half"
    try
        let path = Path.Combine(folder.FullName, "half.safetensors")
        let tensors = dict [ for dtype, all in both -> DType.name dtype, all ]
        Safetensors.Save(path, Collections.Generic.Dictionary(tensors))
        let kept, wide = Safetensors.Load(path, true), Safetensors.Load path
        for dtype, all in both do
            let name = DType.name dtype
            Assert.Equal(dtype, kept.Tensors[name].DType)
            Assert.Equal<uint16[]>(every, bitsOf kept.Tensors[name])
            Assert.Equal(DType.Float32, wide.Tensors[name].DType)
            Assert.Equal<float[]>(
                floats (castTo DType.Float32 all) |> Array.filter (Double.IsNaN >> not),
                floats wide.Tensors[name] |> Array.filter (Double.IsNaN >> not)
            )
    finally
        folder.Delete true

[<Fact>]
let ``arrays of half precision are made, copied and shown like others`` () =
    let x: NDArray = NDArray.op_Implicit halves[0x3C00..0x3C02]
    Assert.Equal("float16(3) [1, 1.001, 1.002]", string x)
    Assert.Equal("bfloat16(2) [1, 1.0078125]", string (NDArray.op_Implicit brains[0x3F80..0x3F81]: NDArray))
    Assert.Equal<uint16[]>([| 0x3C00us; 0x3C01us; 0x3C02us |], bitsOf (x.Clone()))
    Assert.Equal(2, DType.size x.DType)
    Assert.Equal<Half[]>(
        [| Half.Zero; Half.Zero |],
        NDArray.Zeros(DType.Float16, Shape [| 2 |]).ToArray<Half>()
    )
    Assert.Contains("float32", Assert.Throws<DTypeException>(fun () -> x.Memory<float32>() |> ignore).Message)
    Assert.Equal(BFloat16.OfBits 0x3F80us, BFloat16.OfSingle 1.0f)
    Assert.Equal(1.0f, BFloat16.op_Implicit (BFloat16.OfBits 0x3F80us))

// ---- What is refused ---------------------------------------------------------------------------------------------------------

[<Fact>]
let ``arithmetic is refused, and says what to cast to`` () =
    for dtype, _ in both do
        let x = variableOf "x" (castTo dtype (array [| 1.0; 2.0; 3.0; 4.0 |]))
        let m = reshape [ 2; 2 ] x
        let refused: (unit -> Expr) list =
            [ (fun () -> x + x)
              (fun () -> x * 2.0)
              (fun () -> -x)
              (fun () -> exp x)
              (fun () -> maximum x x)
              (fun () -> less x x)
              (fun () -> equal x x)
              (fun () -> sum x)
              (fun () -> sumOver [ 0 ] m)
              (fun () -> prod x)
              (fun () -> reduceMax x)
              (fun () -> argmax 0 x)
              (fun () -> matmul m m)
              (fun () -> einsum "ii->" [ m ])
              (fun () -> softmax 0 x)
              (fun () -> scatterAdd 0 [ 3 ] (constant (NDArray.Create([| 0; 1; 2; 2 |], Shape [| 4 |]))) x)
              (fun () -> fold 0 3 1 1 m)
              (fun () -> cast DType.Int32 x)
              (fun () -> cast dtype (iota [ 2 ] 0 DType.Int64)) ]
        refused
        |> List.iteri (fun i f ->
            let e = Assert.Throws<DTypeException>(fun () -> f () |> ignore)
            Assert.True(
                e.Message.Contains "float32" && e.Message.Contains(DType.name dtype),
                $"{i}: {e.Message}"
            ))
        for f in
            [ (fun () -> mean x)
              (fun () -> iota [ 2 ] 0 dtype)
              (fun () -> grad x x)
              (fun () -> Rng.normal dtype [ 2 ] (Rng.key 1L)) ] do
            let e = Assert.Throws<DTypeException>(fun () -> f () |> ignore)
            Assert.Contains(DType.name dtype, e.Message)

let words: TheoryData<string> =
    TheoryData<string>(Diff.Testing.Samples.table |> List.map fst)

/// A word that takes numbers of half precision must compute with them.
[<Theory; MemberData(nameof words)>]
let ``a word refuses numbers of half precision when its node is made, or has a value`` (word: string) =
    let _, samples = Diff.Testing.Samples.table |> List.find (fst >> (=) word)
    // What an operation from outside computes with is its own affair; some samples make nodes as only derivatives do.
    let isOwn (s: Diff.Testing.Samples.Sample) =
        word = "Op.Custom"
        || s.Name.Contains("repeated labels", StringComparison.Ordinal)
    for s in Option.defaultValue [] samples |> List.filter (isOwn >> not) do
        for dtype in [ DType.Float16; DType.BFloat16 ] do
            let half (point: NDArray) =
                if DType.isFloat point.DType then
                    variableOf "x" (eval (cast dtype (constant point)))
                else
                    variableOf "x" point
            let built =
                try
                    ValueSome(s.Build(List.map half s.Points))
                with :? DTypeException ->
                    ValueNone
            match built with
            | ValueSome y -> Assert.Equal(y.Shape, (evalBoth y).Shape)
            | ValueNone -> ()
