/// Order along an axis against sorting of lists.
module SortingTests

open System
open Xunit
open Diff
open Diff.Testing.Generators

let private same (expected: float seq) (actual: Expr) =
    Assert.Equal<float>(Array.ofSeq expected, floats (eval actual))

/// The places of a line in order: stable, NaN last.
let private orderOf descending (line: float[]) =
    let compareNumbers (a: float) (b: float) =
        match Double.IsNaN a, Double.IsNaN b with
        | true, true -> 0
        | true, false -> 1
        | false, true -> -1
        | _ when a = b -> 0
        | _ -> if (a < b) <> descending then -1 else 1
    [ 0 .. line.Length - 1 ]
    |> List.sortWith (fun i j -> compareNumbers line[i] line[j]) // List.sortWith is stable
    |> Array.ofList

let private odd =
    [| nan
       -infinity
       infinity
       0.0
       -0.0
       1.0
       -1.0
       1e-320
       -1e-320
       Double.MaxValue
       2.0
       2.0 |]

[<Fact>]
let ``places in order are stable, with NaN last, of lines of every kind`` () =
    let source = Random 5
    for n in [ 0; 1; 2; 3; 16; 17; 100; 511; 512; 1000; 5000 ] do
        let line = Array.init n (fun _ -> odd[source.Next odd.Length])
        let x = variableOf "x" (NDArray.op_Implicit line)
        same (orderOf false line |> Seq.map float) (argsort 0 x)
        same (orderOf true line |> Seq.map float) (argsortDescending 0 x)
        let single = line |> Array.map float32
        let ofSingle = variableOf "x" (NDArray.op_Implicit single)
        same (orderOf false (Array.map float single) |> Seq.map float) (argsort 0 ofSingle)
        let ints =
            Array.init n (fun _ ->
                if source.Next 4 = 0 then
                    Int32.MinValue
                else
                    source.Next(-3, 3))
        same
            (orderOf true (Array.map float ints) |> Seq.map float)
            (argsortDescending 0 (constant (NDArray.op_Implicit ints)))
    let distinct = floats (spread 9 (-1e9, 1e9) [ 3000 ])
    same (Array.sort distinct) (sort 0 (variableOf "x" (NDArray.op_Implicit distinct)))
    same (Array.sortDescending distinct) (sortDescending 0 (variableOf "x" (NDArray.op_Implicit distinct)))
    let longs = [| Int64.MaxValue; Int64.MinValue; 0L; Int64.MaxValue - 1L |]
    same [ 1.0; 2.0; 3.0; 0.0 ] (argsort 0 (constant (NDArray.op_Implicit longs)))

[<Fact>]
let ``lines are sorted along any axis, and derivatives follow the elements`` () =
    let array = spread 3 (-1.0, 1.0) [ 3; 4; 2 ]
    let x = variableOf "x" array
    let weights = spread 4 (-1.0, 1.0) [ 3; 4; 2 ]
    for axis in 0..2 do
        let dims = [| 3; 4; 2 |]
        let n = dims[axis]
        let at' (values: float[]) (index: int[]) =
            values[(index[0] * 4 + index[1]) * 2 + index[2]]
        let numbers, ws = floats array, floats weights
        let expected, gradient = Array.zeroCreate 24, Array.zeroCreate 24
        for k in 0..23 do
            let index = [| k / 8; k / 2 % 4; k % 2 |]
            let line = Array.init n (fun t -> at' numbers (Array.updateAt axis t index))
            let from = Array.updateAt axis (orderOf true line).[index[axis]] index
            expected[k] <- at' numbers from
            let goal = (from[0] * 4 + from[1]) * 2 + from[2]
            gradient[goal] <- gradient[goal] + ws[k]
        let y = sortDescending axis x
        same expected y
        same gradient (grad (sum (y * constant weights)) x)

[<Fact>]
let ``the largest and smallest with their places`` () =
    let x =
        variableOf "x" (NDArray.Create([| 3.0; 1.0; 2.0; nan; 5.0; 5.0 |], Shape [| 2; 3 |]))
    let values, places = topK 2 1 x
    same [ 3.0; 2.0; 5.0; 5.0 ] values
    same [ 0.0; 2.0; 1.0; 2.0 ] places
    let values, places = bottomK 1 -1 x
    same [ 1.0; 5.0 ] values
    same [ 1.0; 1.0 ] places
    same [ 0.0; 1.0; 0.0; 0.0; 1.0; 0.0 ] (grad (sum values) x)
    let none, _ = topK 0 1 x
    Assert.Equal(Shape [| 2; 0 |], none.Shape)

[<Fact>]
let ``quantiles are on straight lines between neighbours`` () =
    let x = variableOf "x" (NDArray.op_Implicit [| 4.0; 1.0; 16.0; 2.0 |])
    same [ 1.0; 1.75; 3.0; 7.0; 16.0 ] (quantiles [ 0.0; 0.25; 0.5; 0.75; 1.0 ] 0 x)
    same [ 0.75; 0.0; 0.25; 0.0 ] (grad (quantile 0.75 0 x) x)
    same [ 3.0 ] (median 0 x)
    same [ 2.0 ] (median 0 (slice 0 None None 1 (constant (NDArray.op_Implicit [| 9.0; 1.0; 2.0 |]))))
    same [ nan ] (median 0 (constant (NDArray.op_Implicit [| 9.0; nan; 2.0 |])))
    same
        [ infinity ]
        (quantile 0.9 0 (constant (NDArray.op_Implicit [| infinity; infinity; 1.0; infinity |])))
    let lines = variableOf "x" (spread 3 (0.0, 1.0) [ 3; 5; 2 ])
    Assert.Equal(Shape [| 3; 2 |], (median 1 lines).Shape)
    Assert.Equal(Shape [| 2; 3; 2 |], (quantiles [ 0.1; 0.2 ] 1 lines).Shape)

[<Fact>]
let ``places that keep an ascending line ascending`` () =
    let source = Random 3
    for n in [ 0; 1; 2; 7; 100 ] do
        let line = Array.init n (fun _ -> float (source.Next(-4, 5))) |> Array.sort
        let values = Array.init 30 (fun _ -> float (source.Next(-10, 11)) / 2.0)
        let count test =
            values |> Seq.map (fun v -> float (line |> Seq.filter (test v) |> Seq.length))
        let numbers, xs =
            constant (NDArray.op_Implicit line), variableOf "x" (NDArray.op_Implicit values)
        same (count (fun v a -> a < v)) (searchSorted false numbers xs)
        same (count (fun v a -> a <= v)) (searchSorted true numbers xs)
    let numbers =
        constant (NDArray.Create([| 1.0; 2.0; 3.0; 10.0; 20.0; nan |], Shape [| 2; 3 |]))
    let xs =
        variableOf "x" (NDArray.Create([| 2.5; 15.0; nan; nan |], Shape [| 2; 2 |]))
    same [ 2.0; 3.0; 2.0; 2.0 ] (searchSorted false numbers xs)

[<Fact>]
let ``elements are taken and added line by line`` () =
    let x =
        variableOf "x" (NDArray.Create([| 1.0; 2.0; 3.0; 4.0; 5.0; 6.0 |], Shape [| 2; 3 |]))
    let index = constant (NDArray.Create([| 2; -3; 0; 1 |], Shape [| 2; 2 |]))
    same [ 3.0; 1.0; 4.0; 5.0 ] (takeAlong 1 index x)
    same [ 1.0; 0.0; 1.0; 1.0; 1.0; 0.0 ] (grad (sum (takeAlong 1 index x)) x)
    let same' = constant (NDArray.Create([| 1L |], Shape [| 1; 1 |]))
    same [ 2.0; 5.0 ] (takeAlong 1 same' x)
    same [ 4.0; 5.0; 6.0 ] (takeAlong 0 same' x)
    let twice = constant (NDArray.Create([| 0; 0; 2; 2 |], Shape [| 2; 2 |]))
    same [ 21.0; 2.0; 3.0; 4.0; 5.0; 26.0 ] (addAlong 1 twice (scalar 10.0) x)

[<Fact>]
let ``errors name the operation and what was given`` () =
    let x = variableOf "x" (spread 1 (0.0, 1.0) [ 2; 3 ])
    let index (values: int[]) (dims: int[]) =
        constant (NDArray.Create(values, Shape dims))
    let fails (fragments: string list) (f: unit -> Expr) =
        let e = Assert.ThrowsAny<Exception>(fun () -> eval (f ()) |> ignore)
        for fragment in fragments do
            Assert.Contains(fragment, e.Message)
        e
    fails [ "take_along"; "index 3"; "axis 1"; "extent 3" ] (fun () ->
        takeAlong 1 (index [| 3; 0 |] [| 2; 1 |]) x)
    |> Assert.IsType<IndexOutOfRangeException>
    |> ignore
    fails [ "scatter_add_along"; "index -3"; "axis 0"; "extent 2" ] (fun () ->
        addAlong 0 (index [| -3; 0; 0 |] [| 1; 3 |]) (scalar 1.0) x)
    |> ignore
    fails [ "take_along"; "(2, 3)"; "(5, 1)" ] (fun () ->
        takeAlong 1 (index [| 0; 0; 0; 0; 0 |] [| 5; 1 |]) x)
    |> ignore
    fails [ "take_along"; "float64" ] (fun () -> takeAlong 1 x x) |> ignore
    fails [ "top_k"; "4"; "axis 1" ] (fun () -> let v, _ = topK 4 1 x in v)
    |> ignore
    fails [ "quantile"; "1.5" ] (fun () -> quantile 1.5 0 x) |> ignore
    fails [ "median"; "int64" ] (fun () -> median 0 (cast DType.Int64 x)) |> ignore
    fails [ "median"; "axis 0" ] (fun () -> median 0 (slice 0 (Some 2) None 1 x))
    |> ignore
    fails [ "searchsorted"; "(2, 3)"; "(3)" ] (fun () ->
        searchSorted false x (reshape [ 3 ] (slice 0 (Some 1) None 1 x)))
    |> ignore
