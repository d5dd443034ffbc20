/// A derivative that does not exist is reported: whether the argument is used, at which operation its influence ends, why, and where in the code.
module DisconnectionTests

open System
open Xunit
open Diff

let private x = tensor "x" [ 3 ] [| 0.5; 1.5; -2.0 |]
let private w = tensor "w" [ 3 ] [| 1.0; 2.0; 3.0 |]
let private asFloat e = cast DType.Float64 e

let private stopped, flat, notFloat, noRule =
    DerivativeEndReason.Stopped,
    DerivativeEndReason.Flat,
    DerivativeEndReason.NotFloat,
    DerivativeEndReason.NoRule

let private noGradient =
    customOp "no_gradient" (fun xs -> xs[0].Shape) (fun xs -> xs[0].Clone()) (fun xs _ _ ->
        [ zerosLike xs[0]; Unchecked.defaultof<Expr> ])

/// Values that depend on x without a derivative, and where its influence ends.
let private severed: (string * (Expr -> Expr) * (string * DerivativeEndReason) list) list =
    [ "stopped", (fun x -> stopGradient (x * x)), [ "stop_gradient", stopped ]
      "rounded", (fun x -> round (2.0 * x)), [ "round", flat ]
      "steps of several kinds",
      (fun x -> floor x + ceil x * signum x),
      [ "floor", flat; "ceil", flat; "sign", flat ]
      "a condition", (fun x -> where (greater x w) w (2.0 * w)), [ "greater", notFloat ]
      "a place", (fun x -> asFloat (argmax 0 x)), [ "argmax", notFloat ]
      "an order", (fun x -> gather 0 (argsort 0 x) w), [ "argsort", notFloat ]
      "a cast to integers", (fun x -> asFloat (cast DType.Int32 x) * w), [ "cast", notFloat ]
      "integers as indices", (fun x -> gather 0 (cast DType.Int64 (abs x)) w), [ "cast", notFloat ]
      "behind others", (fun x -> sum (exp (stopGradient (sin x)) * w)), [ "stop_gradient", stopped ]
      "an operation of one's own", (fun x -> 2.0 * noGradient [ w; x ]), [ "no_gradient", noRule ]
      "within a checkpoint",
      (fun x -> checkpoint (fun xs -> sum (xs[0] * round xs[1])) [ w; sin x ]),
      [ "round", flat ]
      "within checkpoints",
      (fun x ->
          checkpoint (fun xs -> checkpoint (fun ys -> stopGradient ys[0] * ys[1]) [ xs[0]; w ]) [ x ]
          * w),
      [ "stop_gradient", stopped ]
      "within a branch",
      (fun x ->
          cond
              (greater (sum w) (scalar 0.0))
              (fun xs -> [ w * floor xs[0] ])
              (fun xs -> [ stopGradient xs[0] ])
              [ x ]
          |> List.head),
      [ "floor", flat; "stop_gradient", stopped ]
      "in a loop",
      (fun x ->
          let last, ys =
              scan (fun s v -> [ s[0] * 2.0 + signum v[0] ], [ round v[0] * w ]) [ scalar 0.0 ] [ x ]
          last[0] + sum ys[0]),
      [ "sign", flat; "round", flat ]
      "an integer that a loop counts with",
      (fun x ->
          let last, _ =
              scan (fun s _ -> [ s[0] * 2.0 ], []) [ cast DType.Float64 (cast DType.Int32 (sum x)) ] [ w ]
          last[0]),
      [ "cast", notFloat ] ]

let cases = TheoryData<string>(severed |> List.map (fun (name, _, _) -> name))

[<Theory; MemberData(nameof cases)>]
let ``the operations at which a derivative ends are named with their reasons and lines`` (name: string) =
    let _, f, expected = severed |> List.find (fun (other, _, _) -> other = name)
    use _ = SourceLines.Record()
    use _ = Scope.Enter "model"
    let y = f x
    let found = disconnected y [ x ] |> List.exactlyOne
    Assert.Same(x, found.Argument)
    Assert.Same(y, found.Value)
    Assert.True found.IsUsed
    let word (e: DerivativeEnd) =
        (e.Operation.Split [| ' '; '('; '[' |])[0]
    Assert.Equal<string * DerivativeEndReason>(expected, found.Ends |> Seq.map (fun e -> word e, e.Reason))
    for e in found.Ends do
        Assert.StartsWith("DisconnectionTests.fs:", e.Line)
        Assert.Equal("model", e.Scope)
        Assert.Contains(string e, string found)
    Assert.Contains("depends on \"x\" only through operations without a derivative: ", string found)
    let error =
        Assert.Throws<InvalidOperationException>(fun () -> gradsWith Unconnected.Error y [ x ] |> ignore)
    Assert.Contains(string found, error.Message)
    Assert.Equal<float>([| 0.0; 0.0; 0.0 |], (eval (grad y x)).ToArray<float>())

[<Fact>]
let ``what is not used is told from what is stopped, and what has a derivative is not named`` () =
    let b = tensor "b" [ 3 ] [| 1.0; 1.0; 1.0 |]
    let y = sum (x * w + round b)
    Assert.Empty(disconnected y [ x; w ])
    // One way with a derivative is enough, and a derivative that happens to be 0 is one.
    Assert.Empty(disconnected (stopGradient x * x) [ x ])
    Assert.Empty(disconnected (0.0 * x) [ x ])
    let other = variable "other" 1.0
    match disconnected y [ other; x; b ] with
    | [ unused; rounded ] ->
        Assert.Same(other, unused.Argument)
        Assert.False unused.IsUsed
        Assert.Empty unused.Ends
        Assert.Equal("the value (sum of shape ()) does not depend on \"other\"", string unused)
        Assert.Same(b, rounded.Argument)
        Assert.EndsWith("without a derivative: round (0 everywhere)", string rounded)
    | found -> failwith $"{found.Length} were found"

[<Fact>]
let ``intermediate values, younger ones too`` () =
    let u = sin x
    let v = exp u
    Assert.Empty(disconnected v [ u ])
    Assert.False((disconnected u [ v ] |> List.exactlyOne).IsUsed)
    Assert.Equal(1, (disconnected (sum (floor v)) [ u ] |> List.exactlyOne).Ends.Count)

[<Fact>]
let ``of many ends three are shown and all are listed`` () =
    let y = List.fold (fun y (k: int) -> y + round (float k * x)) w [ 1..5 ]
    let found = disconnected y [ x ] |> List.exactlyOne
    Assert.Equal(5, found.Ends.Count)
    Assert.EndsWith("and 2 more", string found)

[<Fact>]
let ``integers and constants are refused as for a gradient`` () =
    let n = tensor "n" [ 2 ] [| 1; 2 |]
    Assert.Throws<DTypeException>(fun () -> disconnected (sum x) [ n ] |> ignore)
    |> ignore
    Assert.Throws<DTypeException>(fun () -> disconnected (sum n) [ x ] |> ignore)
    |> ignore
    Assert.Throws<InvalidOperationException>(fun () -> disconnected (sum x) [ scalar 1.0 ] |> ignore)
    |> ignore

[<Fact>]
let ``a long history is walked without recursion`` () =
    let mutable y = x
    for _ in 1..100_000 do
        y <- y + 1.0
    Assert.Equal("stop_gradient", (disconnected (stopGradient y) [ x ] |> List.exactlyOne).Ends[0].Operation)

[<Fact>]
let ``the plan of a compiled function says which gradients are zeros and why`` () =
    let f (xs: Expr[]) = [| sum (xs[0] * round xs[1]) |]
    use compiled = new CompiledFunction(Func<Expr[], Expr[]> f)
    let numbers = NDArray.op_Implicit [| 1.0; 2.0 |]
    let text = compiled.Explain(numbers, numbers, numbers)
    let lines =
        text.Split '\n' |> Array.filter (fun l -> l.StartsWith "zeros as a gradient: ")
    Assert.Equal(2, lines.Length)
    Assert.Matches(
        "\"arg1\" only through .*: round \\(0 everywhere, at DisconnectionTests.fs:\\d+\\)$",
        lines[0]
    )
    Assert.EndsWith("does not depend on \"arg2\"", lines[1])
    Assert.DoesNotContain(
        "zeros",
        (let one (xs: Expr[]) = [| sum (sin xs[0]) |]
         use compiled = new CompiledFunction(Func<Expr[], Expr[]> one)
         compiled.Explain numbers)
    )
