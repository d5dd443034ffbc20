/// Elements turned, moved, repeated and replaced; grids, triangles, products: index by index.
module MovingTests

open System
open Xunit
open Diff
open Diff.Testing.Generators

let private same (expected: float seq) (actual: Expr) =
    Assert.Equal<float>(Array.ofSeq expected, floats (eval actual))

/// The array of a shape whose element at an index is f of it.
let private ofIndex (dims: int list) (f: int list -> float) : float[] =
    let rec all dims : int list list =
        match dims with
        | [] -> [ [] ]
        | n :: rest ->
            [ for i in 0 .. n - 1 do
                  for more in all rest -> i :: more ]
    all dims |> List.map f |> Array.ofList

let private is (dims: int list) (f: int list -> float) (actual: Expr) =
    Assert.Equal<int list>(dims, List.ofArray (actual.Shape.ToArray()))
    same (ofIndex dims f) actual

let private ramp (dims: int list) =
    let n = List.fold (*) 1 dims
    NDArray.Create(Array.init n float, Shape(Array.ofList dims))
let private matrix = variableOf "x" (ramp [ 3; 4 ])
let private at' i j = float (4 * i + j)

[<Fact>]
let ``turned and moved round`` () =
    matrix |> flip [ 0 ] |> is [ 3; 4 ] (fun i -> at' (2 - i[0]) i[1])
    matrix |> flip [] |> is [ 3; 4 ] (fun i -> at' (2 - i[0]) (3 - i[1]))
    for shift in [ -9; -1; 0; 1; 4; 6 ] do
        matrix
        |> roll shift 1
        |> is [ 3; 4 ] (fun i -> at' i[0] (((i[1] - shift) % 4 + 4) % 4))
    variableOf "e" (ramp [ 0; 2 ]) |> roll 1 0 |> is [ 0; 2 ] (fun _ -> 0.0)
    let g = grad (sum (roll 1 0 matrix * constant (ramp [ 3; 4 ]))) matrix
    g |> is [ 3; 4 ] (fun i -> at' ((i[0] + 1) % 3) i[1])

[<Fact>]
let ``repeated`` () =
    matrix |> tile [ 2 ] |> is [ 3; 8 ] (fun i -> at' i[0] (i[1] % 4))
    matrix |> tile [ 2; 3; 1 ] |> is [ 2; 9; 4 ] (fun i -> at' (i[1] % 3) i[2])
    matrix |> tile [ 0; 1 ] |> is [ 0; 4 ] (fun _ -> 0.0)
    matrix |> repeatElements 3 0 |> is [ 9; 4 ] (fun i -> at' (i[0] / 3) i[1])
    matrix |> repeatElements 2 -1 |> is [ 3; 8 ] (fun i -> at' i[0] (i[1] / 2))
    grad (sum (tile [ 2; 2 ] matrix)) matrix |> is [ 3; 4 ] (fun _ -> 4.0)

[<Fact>]
let ``axes moved, exchanged, dropped and joined`` () =
    let x = variableOf "x" (ramp [ 2; 3; 4 ])
    let value i j k = float ((i * 3 + j) * 4 + k)
    x |> moveAxis 0 -1 |> is [ 3; 4; 2 ] (fun i -> value i[2] i[0] i[1])
    x |> moveAxis 2 0 |> is [ 4; 2; 3 ] (fun i -> value i[1] i[2] i[0])
    x |> swapAxes 0 2 |> is [ 4; 3; 2 ] (fun i -> value i[2] i[1] i[0])
    let thin = reshape [ 1; 2; 1; 3 ] (variableOf "y" (ramp [ 2; 3 ]))
    Assert.Equal(Shape [| 2; 3 |], (squeeze [] thin).Shape)
    Assert.Equal(Shape [| 1; 2; 3 |], (squeeze [ 2 ] thin).Shape)
    Assert.Equal(Shape [| 6; 4 |], (flatten 0 1 x).Shape)
    Assert.Equal(Shape [| 24 |], (flatten 0 -1 x).Shape)
    Assert.Equal(Shape [| 1 |], (flatten 0 -1 (variable "s" 1.0)).Shape)

[<Fact>]
let ``continued beyond the edges`` () =
    let x = variableOf "x" (NDArray.op_Implicit [| 1.0; 2.0; 3.0 |])
    x |> padBy PadMode.Edge [ 2, 1 ] |> same [ 1.0; 1.0; 1.0; 2.0; 3.0; 3.0 ]
    x
    |> padBy PadMode.Wrap [ 4, 1 ]
    |> same [ 3.0; 1.0; 2.0; 3.0; 1.0; 2.0; 3.0; 1.0 ]
    x
    |> padBy PadMode.Reflect [ 3, 4 ]
    |> same [ 2.0; 3.0; 2.0; 1.0; 2.0; 3.0; 2.0; 1.0; 2.0; 3.0 ]
    x
    |> padBy PadMode.Symmetric [ 4, 2 ]
    |> same [ 3.0; 3.0; 2.0; 1.0; 1.0; 2.0; 3.0; 3.0; 2.0 ]
    x
    |> slice 0 None (Some 1) 1
    |> padBy PadMode.Reflect [ 2, 1 ]
    |> same [ 1.0; 1.0; 1.0; 1.0 ]
    matrix
    |> padBy PadMode.Wrap [ 1, 0; 0, 2 ]
    |> is [ 4; 6 ] (fun i -> at' ((i[0] + 2) % 3) (i[1] % 4))
    grad (sum (padBy PadMode.Edge [ 2, 1 ] x)) x |> same [ 3.0; 1.0; 2.0 ]

[<Fact>]
let ``parts replaced, added to and changed, without touching the array`` () =
    let part: Slice list =
        [ Slice.op_Implicit 1; Slice.Of(Index.FromStart 0, Index.FromStart 4, 2) ]
    let inPart (i: int list) = i[0] = 1 && i[1] % 2 = 0
    matrix
    |> setAt part (scalar -1.0)
    |> is [ 3; 4 ] (fun i -> if inPart i then -1.0 else at' i[0] i[1])
    matrix
    |> addAt part (scalar 10.0)
    |> is [ 3; 4 ] (fun i -> at' i[0] i[1] + (if inPart i then 10.0 else 0.0))
    matrix
    |> updateAt part (fun p -> p * p)
    |> is [ 3; 4 ] (fun i -> let v = at' i[0] i[1] in if inPart i then v * v else v)
    matrix |> is [ 3; 4 ] (fun i -> at' i[0] i[1])
    let value = variableOf "v" (NDArray.op_Implicit [| 5.0; 7.0 |])
    let y = setAt part value matrix
    let weighted = sum (y * constant (ramp [ 3; 4 ]))
    grad weighted matrix
    |> is [ 3; 4 ] (fun i -> if inPart i then 0.0 else at' i[0] i[1])
    grad weighted value |> same [ 4.0; 6.0 ]
    // What is replaced does not matter, even where it is no number.
    let odd = variableOf "x" (NDArray.op_Implicit [| nan; infinity; 1.0 |])
    setAt [ Slice.op_Implicit (Range(Index.FromStart 0, Index.FromStart 2)) ] (scalar 0.0) odd
    |> same [ 0.0; 0.0; 1.0 ]
    let single = variableOf "x" (NDArray.op_Implicit [| 1.0f; 2.0f |])
    Assert.Equal(DType.Float32, (setAt [ Slice.op_Implicit 0 ] (scalar 3.0) single).DType)

[<Fact>]
let ``numbers in a row and grids`` () =
    linspace 0.0 1.0 5 DType.Float64 |> same [ 0.0; 0.25; 0.5; 0.75; 1.0 ]
    linspace 3.0 -3.0 2 DType.Float32 |> same [ 3.0; -3.0 ]
    linspace 7.0 9.0 1 DType.Float64 |> same [ 7.0 ]
    linspace 7.0 9.0 0 DType.Float64 |> same []
    Assert.Equal(0.1, (eval (linspace -0.7 0.1 9 DType.Float64)).Float 8)
    arange 0.0 1.0 0.25 DType.Float64 |> same [ 0.0; 0.25; 0.5; 0.75 ]
    arange 5.0 -1.0 -2.0 DType.Int32 |> same [ 5.0; 3.0; 1.0 ]
    arange 1.0 1.0 1.0 DType.Int64 |> same []
    let xs, ys = arange 0.0 2.0 1.0 DType.Float64, arange 5.0 8.0 1.0 DType.Float64
    match meshgrid [ xs; ys ] with
    | [ a; b ] ->
        a |> is [ 2; 3 ] (fun i -> float i[0])
        b |> is [ 2; 3 ] (fun i -> 5.0 + float i[1])
    | other -> failwith $"{other.Length} arrays"

[<Fact>]
let ``triangles and diagonals`` () =
    for k in [ -3; -1; 0; 2; 5 ] do
        matrix
        |> tril k
        |> is [ 3; 4 ] (fun i -> if i[1] - i[0] <= k then at' i[0] i[1] else 0.0)
        matrix
        |> triu k
        |> is [ 3; 4 ] (fun i -> if i[1] - i[0] >= k then at' i[0] i[1] else 0.0)
        let length = max 0 (min (3 - max 0 -k) (4 - max 0 k))
        matrix
        |> diagonal k
        |> is [ length ] (fun i -> at' (i[0] + max 0 -k) (i[0] + max 0 k))
        let lines = variableOf "x" (ramp [ 2; 3 ])
        let n = 3 + abs k
        lines
        |> diagonalEmbed k
        |> is [ 2; n; n ] (fun i ->
            if i[2] - i[1] = k then
                float (i[0] * 3 + min i[1] i[2])
            else
                0.0)
        lines
        |> diagonalEmbed k
        |> diagonal k
        |> is [ 2; 3 ] (fun i -> float (i[0] * 3 + i[1]))
    eye 3 DType.Int32 |> is [ 3; 3 ] (fun i -> if i[0] = i[1] then 1.0 else 0.0)
    trace matrix |> same [ 0.0 + 5.0 + 10.0 ]
    grad (trace matrix) matrix
    |> is [ 3; 4 ] (fun i -> if i[0] = i[1] then 1.0 else 0.0)
    // Masked, not multiplied: infinity beyond the triangle stays out.
    variableOf "x" (NDArray.Create([| 1.0; infinity; nan; 2.0 |], Shape [| 2; 2 |]))
    |> fun x -> triu 0 (tril 0 x) |> same [ 1.0; 0.0; 0.0; 2.0 ]

[<Fact>]
let ``products of arrays`` () =
    let a, b = variableOf "a" (ramp [ 2; 3 ]), variableOf "b" (ramp [ 4; 2 ])
    let value columns i j = float (columns * i + j)
    outer a b |> is [ 2; 3; 4; 2 ] (fun i -> value 3 i[0] i[1] * value 2 i[2] i[3])
    kron a b
    |> is [ 8; 6 ] (fun i -> value 3 (i[0] / 4) (i[1] / 2) * value 2 (i[0] % 4) (i[1] % 2))
    kron (at 0 1 a) b
    |> is [ 4; 6 ] (fun i -> value 3 1 (i[1] / 2) * value 2 i[0] (i[1] % 2))
    let c, d = variableOf "c" (ramp [ 2; 3; 4 ]), variableOf "d" (ramp [ 4; 5; 2 ])
    let ofC i j k = float ((i * 3 + j) * 4 + k)
    let ofD i j k = float ((i * 5 + j) * 2 + k)
    tensordot [ 2; 0 ] [ 0; -1 ] c d
    |> is [ 3; 5 ] (fun i ->
        Seq.sum (
            seq {
                for k in 0..3 do
                    for l in 0..1 -> ofC l i[0] k * ofD k i[1] l
            }
        ))
    tensordot [] [] a b
    |> is [ 2; 3; 4; 2 ] (fun i -> value 3 i[0] i[1] * value 2 i[2] i[3])

[<Fact>]
let ``errors name the operation and what was given`` () =
    let fails (fragments: string list) (f: unit -> Expr) =
        let e = Assert.ThrowsAny<ArgumentException>(fun () -> f () |> ignore)
        for fragment in fragments do
            Assert.Contains(fragment, e.Message)
    fails [ "flip"; "axis 2"; "(3, 4)" ] (fun () -> flip [ 2 ] matrix)
    fails [ "tile"; "-1" ] (fun () -> tile [ -1 ] matrix)
    fails [ "squeeze"; "axis 1"; "extent 4" ] (fun () -> squeeze [ 1 ] matrix)
    fails [ "flatten"; "1 and 0" ] (fun () -> flatten 1 0 matrix)
    fails [ "pad"; "2 pairs" ] (fun () -> padBy PadMode.Edge [ 1, 1 ] matrix)
    fails [ "pad"; "nothing" ] (fun () -> padBy PadMode.Edge [ 1, 1 ] (variableOf "e" (ramp [ 0 ])))
    fails [ "set_at"; "(4)"; "(2)" ] (fun () ->
        setAt [ Slice.op_Implicit 0 ] (variableOf "v" (ramp [ 2 ])) matrix)
    fails [ "add_at"; "float32" ] (fun () -> addAt [] (cast DType.Float32 matrix) matrix)
    fails [ "linspace"; "int32" ] (fun () -> linspace 0.0 1.0 3 DType.Int32)
    fails [ "arange"; "step" ] (fun () -> arange 0.0 1.0 0.0 DType.Float64)
    fails [ "tril"; "(4)" ] (fun () -> tril 0 (variableOf "v" (ramp [ 4 ])))
    fails [ "tensordot"; "axis 1"; "axis 0" ] (fun () -> tensordot [ 1 ] [ 0 ] matrix matrix)
    fails [ "meshgrid"; "(3, 4)" ] (fun () -> (meshgrid [ matrix ])[0])

/// Functions of one array of shape (3, 4), with which none is at a kink.
let private compositions: (string * (Expr -> Expr)) list =
    [ "flip", flip [ 1 ]
      "roll", roll 3 1
      "tile", tile [ 2; 1; 2 ]
      "repeat", repeatElements 2 0
      "move_axis", moveAxis 0 1
      "reflect", padBy PadMode.Reflect [ 1, 2; 5, 0 ]
      "wrap", padBy PadMode.Wrap [ 0, 4; 1, 1 ]
      "set_at", (fun x -> setAt [ Slice.op_Implicit 1 ] (square (at 0 0 x)) x)
      "add_at", (fun x -> addAt [ Slice.Every -2 ] (sumKeeping [ 0 ] x) x)
      "tril", tril 1
      "diagonal", diagonal 1
      "diagonal_embed", diagonalEmbed -1
      "trace", trace
      "outer", (fun x -> outer (at 0 0 x) x)
      "kron", (fun x -> kron x (slice 0 None (Some 2) 1 x))
      "tensordot", (fun x -> tensordot [ 1 ] [ 0 ] x (sin (transpose x)))
      "rearrange", rearrange "a (b c) -> (c a) b" [ "c", 2 ]
      "reduce", reduceTo Aggregate.LogSumExp "a (b 2) -> b a" []
      "repeat by pattern", repeatTo "a b -> b (a n)" [ "n", 2 ]
      "median", median 1
      "quantile", quantile 0.3 0
      "cumprod", cumprodWith 1 true true
      "cumlogsumexp", cumlogsumexpWith 0 true false
      "cummax", cummax 1
      "differences", differences 2 1
      "moving average", exponentialMovingAverage 1 0.9
      "rfft", rfft
      "spectrum", (fun x -> squaredMagnitude (rfft x))
      "product of spectra", (fun x -> irfft 4 (complexMultiply (rfft x) (conjugate (rfft (flip [ 0 ] x)))))
      "convolution", (fun x -> fftConvolve (slice 1 None (Some 2) 1 x) x)
      "names",
      (fun x ->
          let named = Named.ofExpr [ "a"; "b" ] x
          (Named.contract [ "b" ] [ named; Named.rename "a" "c" named ] * named).Expr) ]

[<Fact>]
let ``derivatives of what is composed agree with differences, to second order`` () =
    for name, f in compositions do
        let report =
            Diff.Check.Gradients(Func<Expr, Expr>(fun x -> sin (0.3 * f x)), spread 8 (-1.5, 1.5) [ 3; 4 ])
        Assert.True(report.Comparisons.Count > 0, name)
        for c in report.Comparisons do
            Assert.True(c.Digits >= (if c.Order = 1 then 9.0 else 8.0), $"{name}: {c}")

[<Fact>]
let ``float32 stays float32, with the same digits, in values and derivatives`` () =
    let array = spread 8 (-1.5, 1.5) [ 3; 4 ]
    let x = variableOf "x" array
    let single =
        variableOf "x" (NDArray.Create(floats array |> Array.map float32, array.Shape))
    for name, f in compositions do
        let pair (x: Expr) = [ f x; grad (sum (sin (f x))) x ]
        for expected, actual in List.zip (pair x) (pair single) do
            Assert.True((actual.DType = DType.Float32), name)
            let expected, actual = floats (eval expected), floats (eval actual)
            Array.iter2
                (fun (e: float) (a: float) ->
                    Assert.True(
                        e = a
                        || (Double.IsNaN e && Double.IsNaN a)
                        || abs (e - a) < 1e-4 * (1.0 + abs e),
                        $"{name}: {e} and {a}"
                    ))
                expected
                actual

[<Fact>]
let ``arrays without elements stay so`` () =
    for dims in [ [ 0; 4 ]; [ 3; 0 ]; [ 0; 0 ] ] do
        let x = variableOf "x" (ramp dims)
        let n, m = dims[0], dims[1]
        for f, expected in
            [ flip [], dims
              roll 2 1, dims
              tile [ 2; 1 ], [ 2 * n; m ]
              sort 1, dims
              sortDescending 0, dims
              cumprod 0, dims
              cumlogsumexp 1, dims
              cummin 1, dims
              tril 0, dims
              diagonal 0, [ min n m ]
              diagonalEmbed 1, [ n; m + 1; m + 1 ]
              outer x, dims @ dims
              kron x, [ n * n; m * m ]
              tensordot [ 1 ] [ 1 ] x, [ n; n ]
              rearrange "a b -> (b a)" [], [ n * m ]
              repeatTo "a b -> a (b 2)" [], [ n; 2 * m ]
              reduceTo Aggregate.Sum "a b -> a" [], [ n ]
              setAt [] (scalar 1.0), dims
              takeAlong 1 (constant (NDArray.Create(Array.empty<int>, Shape [| n; 0 |]))), [ n; 0 ] ] do
            let y = f x
            Assert.Equal<int list>(expected, List.ofArray (y.Shape.ToArray()))
            Assert.Equal(y.Shape.Length, (eval y).Length)
            Assert.Equal(x.Shape, (eval (grad (sum y) x)).Shape)

[<Fact>]
let ``slabs at known places, trees and matrices of elements, of nothing too`` () =
    gatherAt 0 [ 2; 0; -1 ] matrix
    |> is [ 3; 4 ] (fun i -> at' [ 2; 0; 2 ].[i[0]] i[1])
    gatherAt 1 [] matrix |> is [ 3; 0 ] (fun _ -> 0.0)
    for outside in [ 3; -4 ] do
        let e =
            Assert.Throws<IndexOutOfRangeException>(fun () -> gatherAt 0 [ outside ] matrix |> ignore)
        Assert.Contains($"gather: index {outside} is outside axis 0 of extent 3", e.Message)
    let empty = slice 0 (Some 0) (Some 0) 1 matrix
    scanTree [] (+) empty |> is [ 0; 4 ] (fun _ -> 0.0)
    matrixOf [ [ empty; 1.0; empty ] ] |> is [ 0; 4; 1; 3 ] (fun _ -> 0.0)
    // 0 and 3 are roots; 1 is below 2, which is below 0.
    let x = variableOf "x" (NDArray.op_Implicit [| 1.0; 20.0; 300.0; 4000.0 |])
    scanTree [ -1; 2; 0; -1 ] (+) x |> same [ 1.0; 321.0; 301.0; 4000.0 ]
    let long = 3000
    scanTree [ -1 .. long - 2 ] (+) (full [ long ] DType.Int64 1.0)
    |> same [ for i in 1..long -> float i ]
    matrixOf
        [ [ scalar 1.0; scalar 2.0 ]
          [ scalar 3.0; scalar 4.0 ]
          [ scalar 5.0; scalar 6.0 ] ]
    |> is [ 3; 2 ] (fun i -> float (2 * i[0] + i[1] + 1))
    let single = variableOf "x" (NDArray.op_Implicit [| 1.0f; 2.0f |])
    Assert.Equal(DType.Float32, (matrixOf [ [ single; 1.0 ] ]).DType)
