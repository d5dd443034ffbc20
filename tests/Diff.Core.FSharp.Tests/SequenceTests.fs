/// Running sums, products and extremes against loops that say what they mean.
module SequenceTests

open System
open System.Numerics
open Xunit
open Diff
open Diff.Testing.Generators

let private cases =
    [ for dims in
          [ [ 5 ]
            [ 1 ]
            [ 0 ]
            [ 3; 4 ]
            [ 4; 3; 2 ]
            [ 2; 0; 3 ]
            [ 300; 2 ]
            [ 2; 3; 301 ] ] do
          for axis in 0 .. dims.Length - 1 do
              dims, axis ]

/// A function of lines along an axis, applied line by line.
let private byLines (axis: int) (f: float[] -> float[]) (x: NDArray) : float[] =
    let dims = x.Shape.ToArray()
    let n = dims[axis]
    let width = dims[axis + 1 ..] |> Array.fold (*) 1
    let values, result = floats x, Array.zeroCreate x.Length
    if x.Length > 0 then
        for start in 0 .. x.Length / n - 1 do
            let first = start / width * n * width + start % width
            let line = f (Array.init n (fun t -> values[first + t * width]))
            Array.iteri (fun t v -> result[first + t * width] <- v) line
    result

let private close (tolerance: float) (expected: float[]) (actual: Expr) =
    let actual = floats (eval actual)
    Assert.Equal(expected.Length, actual.Length)
    Array.iter2
        (fun (e: float) (a: float) ->
            Assert.True(
                e = a
                || (Double.IsNaN e && Double.IsNaN a)
                || abs (e - a) <= tolerance * (1.0 + abs e),
                $"expected {e}, got {a}"
            ))
        expected
        actual

let private turned reverse f =
    if reverse then Array.rev >> f >> Array.rev else f
let private before first (f: float[] -> float[]) (line: float[]) =
    if line.Length = 0 then
        line
    else
        Array.append [| first |] (f line[.. line.Length - 2])

[<Fact>]
let ``sums, products and logarithms of sums so far, either way, with and without the element itself`` () =
    for dims, axis in cases do
        let array = spread 3 (-1.4, 1.4) dims
        let x = variableOf "x" array
        for reverse in [ false; true ] do
            for exclusive in [ false; true ] do
                let check tolerance identity (scan: float[] -> float[]) f =
                    let scan = if exclusive then before identity scan else scan
                    close tolerance (byLines axis (turned reverse scan) array) (f axis reverse exclusive x)
                let scan op (line: float[]) =
                    if line.Length = 0 then
                        line
                    else
                        Array.scan op line[0] line[1..]
                check 1e-13 0.0 (scan (+)) cumsumWith
                check 1e-13 1.0 (scan (*)) cumprodWith
                check 1e-13 -infinity (scan (fun a b -> log (exp a + exp b))) cumlogsumexpWith

[<Fact>]
let ``the linear recurrence is its loop, in every element type`` () =
    for dims, axis in cases do
        let a, b = spread 4 (-1.1, 1.1) dims, spread 5 (-2.0, 2.0) dims
        // One array of pairs, so that a line has both.
        let both = Array.map2 (fun x y -> Complex(x, y)) (floats a) (floats b)
        let index = NDArray.Create(Array.init both.Length float, Shape(Array.ofList dims))
        for reverse in [ false; true ] do
            let line (places: float[]) =
                if places.Length = 0 then
                    places
                else
                    let pair k = both[int places[k]]
                    Seq.scan
                        (fun h k -> (pair k).Real * h + (pair k).Imaginary)
                        (pair 0).Imaginary
                        (seq { 1 .. places.Length - 1 })
                    |> Array.ofSeq
            let expected = byLines axis (turned reverse line) index
            let a, b = variableOf "a" a, variableOf "b" b
            close 1e-13 expected (linearRecurrenceWith axis reverse a b)
            let single =
                linearRecurrenceWith axis reverse (cast DType.Float32 a) (cast DType.Float32 b)
            Assert.Equal(DType.Float32, single.DType)
            close 2e-6 expected single
    let factors, terms =
        constant (NDArray.op_Implicit [| 9L; 3L; -2L |]),
        constant (NDArray.op_Implicit [| 1L; 4L; 1L <<< 62 |])
    Assert.Equal<int64>(
        [| 1L; 7L; (1L <<< 62) - 14L |],
        (eval (linearRecurrence 0 factors terms)).ToArray<int64>()
    )
    let ints = constant (NDArray.op_Implicit [| Int32.MaxValue; 1; 5 |])
    Assert.Equal<int>(
        [| Int32.MaxValue; Int32.MinValue; Int32.MinValue + 5 |],
        (eval (cumsum 0 ints)).ToArray<int>()
    )
    let bools = constant (NDArray.op_Implicit [| true; false; true |])
    Assert.Equal<int64>([| 1L; 1L; 2L |], (eval (cumsum 0 bools)).ToArray<int64>())

[<Fact>]
let ``products so far have exact derivatives with zeros, to second order`` () =
    for values in
        [ [| 2.0; 0.0; 3.0; 4.0 |]
          [| 0.0; 2.0; 0.0; 5.0 |]
          [| 0.0; 0.0; 0.0; 0.0 |]
          [| 3.0; 2.0; 5.0; 0.0 |] ] do
        let x = variableOf "x" (NDArray.op_Implicit (Array.copy values))
        let weights = [| 1.0; 2.0; 3.0; 4.0 |]
        let y = sum (constant (NDArray.op_Implicit weights) * cumprod 0 x)
        // The derivative of Σ w_t Π_{s≤t} x_s by any factors: those products that have all of them, without them.
        let without (gone: int list) =
            Seq.sum (
                seq {
                    for t in List.max gone .. 3 do
                        weights[t]
                        * Seq.fold
                            (*)
                            1.0
                            (seq {
                                for s in 0..t do
                                    if not (List.contains s gone) then
                                        values[s]
                            })
                }
            )
        close 0.0 (Array.init 4 (fun i -> without [ i ])) (grad y x)
        let second =
            Array.init 16 (fun k -> if k / 4 = k % 4 then 0.0 else without [ k / 4; k % 4 ])
        close 0.0 second (reshape [ 16 ] (hessian y x))

[<Fact>]
let ``the first factor is not read: NaN and infinity there reach nothing`` () =
    for strange in [ nan; infinity; -infinity ] do
        let a, b =
            variableOf "a" (NDArray.op_Implicit [| strange; 2.0; 0.5 |]),
            variableOf "b" (NDArray.op_Implicit [| 1.0; 3.0; -1.0 |])
        let h = linearRecurrence 0 a b
        close 0.0 [| 1.0; 5.0; 1.5 |] h
        let byA, byB = grad (sum h) a, grad (sum h) b
        close 0.0 [| 0.0; 1.5; 5.0 |] byA
        close 0.0 [| 4.0; 1.5; 1.0 |] byB
        close 0.0 [| 0.0; 1.5; 3.0 |] (grad (sum byB) a)

[<Fact>]
let ``logarithms of sums so far neither overflow nor lose what is small`` () =
    let of' (values: float[]) =
        let x = variableOf "x" (NDArray.op_Implicit values)
        let y = cumlogsumexp 0 x
        y, grad (at 0 -1 y) x
    let y, g = of' [| 1e4; 1e4; -1e4 |]
    close 1e-15 [| 1e4; 1e4 + log 2.0; 1e4 + log 2.0 |] y
    close 1e-12 [| 0.5; 0.5; 0.0 |] g
    let y, g = of' [| -infinity; -infinity; -1000.0; -1000.0 |]
    close 1e-15 [| -infinity; -infinity; -1000.0; -1000.0 + log 2.0 |] y
    close 1e-12 [| 0.0; 0.0; 0.5; 0.5 |] g
    let y, g = of' [| -infinity; -infinity |]
    close 0.0 [| -infinity; -infinity |] y
    close 0.0 [| 0.0; 0.0 |] g
    let y, _ = of' [| -3.0; infinity; 2.0 |]
    close 0.0 [| -3.0; infinity; infinity |] y
    let y, _ = of' [| 1.0; nan; 2.0 |]
    close 0.0 [| 1.0; nan; nan |] y
    // Descending: each element is far below the largest so far.
    let y, _ = of' [| 700.0; 0.0; -700.0 |]
    close 1e-15 [| 700.0; 700.0; 700.0 |] y

[<Fact>]
let ``the extreme so far goes to the first that holds it, and NaN stays`` () =
    let x = variableOf "x" (NDArray.op_Implicit [| 1.0; 3.0; 3.0; 2.0; nan; 5.0 |])
    close 0.0 [| 1.0; 3.0; 3.0; 3.0; nan; nan |] (cummax 0 x)
    close 0.0 [| 1.0; 1.0; 1.0; 1.0; nan; nan |] (cummin 0 x)
    close 0.0 [| 1.0; 3.0; 0.0; 0.0; 2.0; 0.0 |] (grad (sum (cummax 0 x)) x)
    for dims, axis in cases do
        let array = spread 6 (-1.0, 1.0) dims
        let scan op (line: float[]) =
            if line.Length = 0 then
                line
            else
                Array.scan op line[0] line[1..]
        close 0.0 (byLines axis (scan max) array) (cummax axis (variableOf "x" array))
        close 0.0 (byLines axis (scan min) array) (cummin axis (variableOf "x" array))

[<Fact>]
let ``a million float32 are summed in float64, and differentiated in one pass`` () =
    let n = 1_000_000
    let x = variableOf "x" (NDArray.Create(Array.create n 0.1f, Shape [| n |]))
    let y = cumsum 0 x
    Assert.Equal(float (float32 (float 0.1f * float n)), (eval y).Float(n - 1), 1.0 / 64.0)
    let g = eval (grad (sum y) x)
    Assert.Equal(float n, g.Float 0)
    Assert.Equal(1.0, g.Float(n - 1))
    let decay =
        grad (at 0 -1 (linearRecurrence 0 (Expr.Full(0.5, x.Shape, DType.Float32)) x)) x
    Assert.Equal(0.25, (eval decay).Float(n - 3))

[<Fact>]
let ``moving averages, initial states and differences`` () =
    let x = variableOf "x" (NDArray.op_Implicit [| 1.0; 2.0; 4.0; 8.0 |])
    close 1e-15 [| 1.0; 1.25; 1.9375; 3.453125 |] (exponentialMovingAverage 0 0.75 x)
    let a, h =
        variableOf "a" (NDArray.op_Implicit [| 2.0; 3.0; 1.0; 0.5 |]), variable "h" 5.0
    let y = linearRecurrenceFrom 0 (reshape [] h) a x
    close 0.0 [| 11.0; 35.0; 39.0; 27.5 |] y
    close 0.0 [| 2.0 + 6.0 + 6.0 + 3.0 |] (grad (sum y) h)
    let matrix =
        variableOf "m" (NDArray.Create([| 1.0f; 2.0f; 3.0f; 4.0f |], Shape [| 2; 2 |]))
    close 0.0 [| 6.0; 5.0; 8.0; 8.0 |] (linearRecurrenceFrom 1 (scalar 10.0) (scalar 0.5) matrix)
    close 0.0 [| 1.0; 2.0; 3.5; 5.0 |] (linearRecurrence 0 (scalar 0.5) matrix)
    close 0.0 [| 1.0; 2.0 |] (differences 2 0 x)
    close 0.0 [||] (differences 4 0 x)

[<Fact>]
let ``errors name the operation and what was given`` () =
    let fails (fragments: string list) (f: unit -> Expr) =
        let e = Assert.ThrowsAny<ArgumentException>(fun () -> f () |> ignore)
        for fragment in fragments do
            Assert.Contains(fragment, e.Message)
    let x = variableOf "x" (spread 1 (0.0, 1.0) [ 2; 3 ])
    fails [ "cumsum"; "axis 2"; "(2, 3)" ] (fun () -> cumsum 2 x)
    fails [ "cumprod"; "axis -3" ] (fun () -> cumprod -3 x)
    fails [ "cummax"; "axis 5" ] (fun () -> cummax 5 x)
    fails [ "linear_recurrence"; "(2, 3)"; "(2)" ] (fun () ->
        linearRecurrence 0 (variableOf "a" (spread 1 (0.0, 1.0) [ 2 ])) x)
    fails [ "cumlogsumexp"; "int32" ] (fun () -> cumlogsumexp 0 (cast DType.Int32 x))
    fails [ "decay"; "1.5" ] (fun () -> exponentialMovingAverage 0 1.5 x)
    fails [ "differences"; "4" ] (fun () -> differences 4 1 x)

[<Fact>]
let ``operations along axes have names in text and LaTeX`` () =
    let a, b =
        variableOf "a" (spread 1 (0.0, 1.0) [ 2; 2 ]), variableOf "b" (spread 2 (0.0, 1.0) [ 2; 2 ])
    let texts =
        [ linearRecurrence 1 a b, "recurrence(a, b, 1)", "recurrence"
          cumsumWith 0 true false b, "recurrence_reversed(1, b, 0)", "recurrence"
          sort 0 a, "take_along(a, argsort(a, 0), 0)", "argsort"
          sortDescending 0 a, "take_along(a, argsort_descending(a, 0), 0)", "take"
          cummax 1 a, "take_along(a, argcummax(a, 1), 1)", "argcummax"
          searchSorted true (at 0 0 a) b, "searchsorted_right(a[0, :], b)", "searchsorted"
          fft a, "fft(a)", "fft"
          ifft a, "ifft(a)", "ifft" ]
    for e, text, part in texts do
        Assert.Equal(text, string e)
        Assert.Contains(part, Print.Latex(e).Replace("\\_", "_"))
    Assert.Contains("scatter_add_along", string (grad (sum (sort 0 a)) a))
