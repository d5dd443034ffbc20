/// Tests of the tester: derivatives that are slightly wrong are caught, and what cannot be compared is said.
module CheckTests

open System
open Xunit
open Diff
open Diff.Testing.Generators
open Diff.Testing.Samples

let private vector (values: float list) =
    NDArray.Create(Array.ofList values, Shape [| values.Length |])

/// A sample as an operation of its own, with cotangents twisted: from an argument and its cotangent, another cotangent.
let private twisted (twist: Expr -> Expr -> Expr) (s: Sample) (xs: Expr list) : Expr =
    let backward (xs: Expr[]) (_: Expr) (g: Expr) : (Expr | null)[] =
        let wanted = xs |> Array.filter (fun x -> DType.isFloat x.DType) |> List.ofArray
        let mutable cotangents = vjp (s.Build(List.ofArray xs)) g wanted
        xs
        |> Array.map (fun x ->
            if DType.isFloat x.DType then
                let c = cotangents.Head
                cotangents <- cotangents.Tail
                twist x c
            else
                null)
    let result (xs: Expr[]) =
        let y = s.Build(List.ofArray xs)
        y.Shape, y.DType
    let forward (xs: NDArray[]) =
        eval (s.Build [ for x in xs -> variableOf "x" x ])
    Custom.apply (CustomOp("twisted", result, forward, backward)) (Array.ofList xs)

let private report (s: Sample) build =
    Check.Gradients(Func<Expr[], Expr>(List.ofArray >> build), Array.ofList s.Points)

/// Samples of a word whose gradients are not all 0.
let private sensitive case =
    [ for s in table |> List.find (fst >> (=) case) |> snd |> Option.defaultValue [] do
          let xs = s.Points |> List.map (variableOf "x")
          let gradients =
              grads (s.Build xs) (xs |> List.filter (fun x -> DType.isFloat x.DType))
          if
              s.Digits >= 9.0
              && gradients |> List.exists (fun g -> floats (eval g) |> Array.exists ((<>) 0.0))
          then
              s ]

let words: TheoryData<string> = TheoryData<string>(table |> Seq.map fst)

let private worst order (r: CheckReport) =
    r.Comparisons
    |> Seq.filter (fun c -> c.Order = order)
    |> Seq.map _.Digits
    |> Seq.fold min 16.0

[<Theory; MemberData(nameof words)>]
let ``a rule wrong by 0.05 % is caught, whatever the operation`` (case: string) =
    for s in sensitive case do
        let r = report s (twisted (fun _ c -> c * 1.0005) s)
        Assert.True(worst 1 r < 5.0, $"{s.Name}\n{r}")
        Assert.ThrowsAny<DerivativeException>(fun () -> r.ThrowIfWorseThan 8.0)
        |> ignore

[<Theory; MemberData(nameof words)>]
let ``a rule wrong by 0.05 % only in its own derivative is caught, whatever the operation`` (case: string) =
    for s in sensitive case do
        // The factor is 1, its derivative is not 0.
        let r = report s (twisted (fun x c -> c * (1.0 + 0.0005 * (x - stopGradient x))) s)
        Assert.True(worst 1 r >= 9.0, $"{s.Name}, first order\n{r}")
        Assert.True(worst 2 r < 5.0, $"{s.Name}, second order\n{r}")

[<Fact>]
let ``a rule wrong for one element of many is caught`` () =
    let n = 1000
    let wrong =
        NDArray.Create(Array.init n (fun i -> if i = 777 then 1.0005 else 1.0), Shape [| n |])
    let s =
        { Name = ""
          Points = [ spread 1 (-2.0, 2.0) [ n ] ]
          Build = (fun xs -> sin xs.Head)
          Digits = 9.0 }
    let r = report s (twisted (fun _ c -> c * constant wrong) s)
    Assert.True(r.Digits < 8.0, string r)
    Assert.True((report s s.Build).Digits >= 9.0, string (report s s.Build))

[<Fact>]
let ``a rule that forgets an operand, or has the wrong sign, agrees in no digit`` () =
    let s =
        { Name = ""
          Points = [ spread 1 (0.5, 2.0) [ 3 ] ]
          Build = (fun xs -> log xs.Head)
          Digits = 9.0 }
    Assert.Equal(0.0, (report s (twisted (fun _ c -> -c) s)).DigitsOf(0, 1))
    Assert.Equal(0.0, (report s (twisted (fun x _ -> zerosLike x) s)).DigitsOf(0, 1))

[<Fact>]
let ``a right rule passes, and the report says what was compared`` () =
    let r =
        Check.Gradients(
            Func<Expr, Expr, Expr>(fun x y -> exp x * sin y),
            vector [ 0.3; -0.2 ],
            vector [ 0.7 ]
        )
    r.ThrowIfWorseThan 9.0
    Assert.Empty r.Notes
    let subjects = [ for c in r.Comparisons -> c.Argument, c.Order, c.Subject ]
    let expected =
        [ for k in [ 0; 1 ] do
              for subject in [ "vjp against differences"; "jvp against differences"; "jvp against vjp" ] do
                  k, 1, subject
          for k in [ 0; 1 ] do
              k, 2, "vjp of vjp against differences of vjp"
              k, 2, "jvp of vjp against differences of vjp"
              k, 2, "vjp of vjp against second differences" ]
    Assert.Equal<(int * int * string) list>(expected, subjects)
    Assert.Equal(
        r.Digits,
        Seq.min
            [ for k in [ 0; 1 ] do
                  for order in [ 1; 2 ] -> r.DigitsOf(k, order) ]
    )
    Assert.True(Double.IsNaN(r.DigitsOf(2, 1)))
    Assert.Equal(
        string r,
        string (
            Check.Gradients(
                Func<Expr, Expr, Expr>(fun x y -> exp x * sin y),
                vector [ 0.3; -0.2 ],
                vector [ 0.7 ]
            )
        )
    )

[<Fact>]
let ``first order alone can be asked for`` () =
    let twice =
        scalarOp "twice" (fun x -> 2.0 * x * x) (fun x _ -> 4.0 * stopGradient x)
    Check.Gradients(Func<Expr, Expr>(twice), vector [ 0.3; -0.2 ], 1).ThrowIfWorseThan 9.0
    let all = Check.Gradients(Func<Expr, Expr>(twice), vector [ 0.3; -0.2 ])
    Assert.Equal(0.0, all.DigitsOf(0, 2))
    let e =
        Assert.Throws<ArgumentOutOfRangeException>(fun () ->
            Check.Gradients(Func<Expr, Expr>(twice), vector [ 0.3 ], 3) |> ignore)
    Assert.StartsWith("check: expected order 1 or 2, got 3", e.Message)

[<Fact>]
let ``the message names argument, index and both numbers`` () =
    let wrong =
        scalarOp "wrong" (fun x -> x * x) (fun x _ -> 2.0 * x * where (greater x 1.0) 1.5 (onesLike x))
    let r = checkGradients (fun xs -> sum (wrong xs.Head)) [ vector [ 0.5; 2.0; 0.25 ] ]
    let worst = r.Comparisons[0]
    Assert.Equal<int seq>([ 1 ], worst.Index)
    Assert.Equal(1.5, worst.Analytic / worst.Numeric, 9)
    let e = Assert.Throws<DerivativeException>(fun () -> r.ThrowIfWorseThan 8.0)
    Assert.StartsWith("check: expected 8 digits, got 0", e.Message)
    Assert.Matches(
        @"argument 0, order 1: 0\.\d digits, vjp against differences: -?[\d.]+ against -?[\d.]+ at \(1\)",
        e.Message
    )

[<Fact>]
let ``a kink is said, and its rule has to lie between the slopes`` () =
    let r = checkGradients (fun xs -> relu xs.Head) [ vector [ 0.3; 0.0; -0.2 ] ]
    Assert.True(r.Digits >= 9.0, string r)
    let notes = String.Join("\n", r.Notes)
    Assert.Contains(
        "argument 0, order 1, vjp against differences: at (1) the function has a kink, of slope ",
        notes
    )
    Assert.Contains(
        "argument 0, order 2, vjp of vjp against differences of vjp: at (1) its first derivative jumps",
        notes
    )
    let steep =
        scalarOp "steep" (fun x -> max x 0.0) (fun x _ ->
            where (greater x 0.0) 1.0 (where (less x 0.0) 0.0 (3.0 * onesLike x)))
    Assert.True((checkGradients (fun xs -> steep xs.Head) [ vector [ 0.3; 0.0; -0.2 ] ]).Digits < 1.0)

[<Fact>]
let ``at nothing but a kink there is nothing to compare`` () =
    let r = checkGradients (fun xs -> sum (abs xs.Head)) [ vector [ 0.0 ] ]
    Assert.Contains("has a kink, of slope", string r)
    let integer =
        checkGradients (fun xs -> cast DType.Float64 xs.Head) [ NDArray.Create([| 1; 2 |], Shape [| 2 |]) ]
    Assert.True(Double.IsNaN integer.Digits)
    let e = Assert.Throws<DerivativeException>(fun () -> integer.ThrowIfWorseThan 1.0)
    Assert.Equal(
        "check: no derivative could be compared\nargument 0 is int32: it has no derivative and keeps its value",
        e.Message
    )

[<Fact>]
let ``what has no derivative is said`` () =
    let notes build points =
        String.Join("\n", (checkGradients build points).Notes)
    Assert.Equal(
        "argument 1 is int64: it has no derivative and keeps its value",
        notes
            (fun xs -> gather 0 xs[1] xs[0])
            [ vector [ 0.3; 0.5 ]; NDArray.Create([| 1L |], Shape [| 1 |]) ]
    )
    Assert.Equal(
        "the value is bool: it has no derivative",
        notes (fun xs -> greater xs[0] 0.0) [ vector [ 0.3 ] ]
    )
    Assert.Equal(
        "the value is not finite at this point",
        notes (fun xs -> log xs[0]) [ vector [ 0.3; -1.0 ] ]
    )
    Assert.Equal("argument 0 of shape (0) has no elements", notes (fun xs -> exp xs[0]) [ vector [] ])
    Assert.Contains(
        "at (0) the function is not finite on both sides",
        notes (fun xs -> sqrt xs[0]) [ vector [ 0.0 ] ]
    )
    Assert.Contains("at (0) the function jumps", notes (fun xs -> signum xs[0]) [ vector [ 0.0 ] ])
    Assert.Contains(
        "argument 0 has 60 elements: 48 of them were moved alone, and all in one direction",
        notes (fun xs -> exp xs[0]) [ spread 1 (0.0, 1.0) [ 60 ] ]
    )

[<Fact>]
let ``float32 arguments are checked in float64`` () =
    let r =
        checkGradients (fun xs -> exp xs.Head) [ NDArray.Create([| 0.5f; -1.25f |], Shape [| 2 |]) ]
    Assert.Equal<string seq>(
        [ "argument 0 is float32: checked as float64, where differences have enough digits" ],
        r.Notes
    )
    r.ThrowIfWorseThan 9.0

[<Fact>]
let ``points close to a pole, large and tiny ones, have their digits too`` () =
    for x in [ 1e-9; 1e-4; 0.02; 3.0; 1e3; 1e8 ] do
        (checkGradients (fun xs -> log xs.Head) [ vector [ x ] ]).ThrowIfWorseThan 8.0
        (checkGradients (fun xs -> 1.0 / xs.Head) [ vector [ x ] ]).ThrowIfWorseThan 8.0
        (checkGradients (fun xs -> sqrt xs.Head * xs.Head) [ vector [ x ] ]).ThrowIfWorseThan 8.0

[<Fact>]
let ``a derivative of 0 of a large value is no disagreement`` () =
    (checkGradients (fun xs -> 1e6 + sum (softmax 0 xs.Head)) [ vector [ 0.1; 1.0; -2.0 ] ]).ThrowIfWorseThan
        9.0

[<Fact>]
let ``stopping a gradient on purpose is seen as a disagreement`` () =
    let r =
        checkGradients (fun xs -> xs.Head * stopGradient xs.Head) [ vector [ 0.5; 2.0 ] ]
    Assert.True(r.Digits < 1.0)
