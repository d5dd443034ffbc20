/// Where NaN comes from, seen from F#.
module AnomalyTests

open System
open Xunit
open Diff

let private found x =
    match findAnomaly x with
    | Some anomaly -> anomaly
    | None -> failwith "nothing was found"

[<Fact>]
let ``a derivative of infinite slope times zero is found behind the function that made it`` () =
    let x = tensor "x" [ 3 ] [| 1.0; 0.0; 4.0 |]
    let f (x: Expr) =
        use _ = Scope.Enter "norms"
        sum (scalar 0.0 * sqrt x)
    use _ = SourceLines.Record()
    let dx = Gradient.grad Unconnected.Zeros (f x) [| x |] |> Array.head
    let anomaly = found dx
    Assert.Equal("backward", anomaly.Pass)
    Assert.Equal("grad/norms", anomaly.Scope)
    Assert.Equal<int seq>([ 1 ], anomaly.Index)
    Assert.StartsWith("AnomalyTests.fs:", anomaly.Line)
    match anomaly.Cause with
    | null -> failwith "the infinity has no cause"
    | cause -> Assert.Equal("div", cause.Operation)

[<Fact>]
let ``the first of several is found, whatever the order of the roots' arguments`` () =
    let x = tensor "x" [ 2 ] [| -1.0; 1.0 |]
    let first = log x
    let second = sqrt x
    Assert.Same(first, (found (second * 2.0 + first)).Node)
    Assert.Same(second, (found (second * 2.0)).Node)

[<Fact>]
let ``inside a checkpoint, in float32, among integers`` () =
    let x = tensor "x" [ 2; 2 ] [| 1f; 2f; -3f; -4f |]
    let y =
        checkpoint (fun xs -> sum (log (gather 0 (constant (NDArray.op_Implicit [| 1; 0 |])) xs[0]))) [ x ]
    let anomaly = found y
    Assert.Equal("log", anomaly.Operation)
    Assert.Equal(2, anomaly.Count)
    Assert.Equal<int seq>([ 0; 0 ], anomaly.Index)
    Assert.Equal(-4.0, anomaly.Operands[0].Min)

[<Fact>]
let ``a chain of a hundred thousand nodes needs no stack and keeps no values`` () =
    let x = variable "x" 1.0
    let mutable y = x
    for _ in 1..100_000 do
        y <- y + 1.0
    Assert.Equal("log", (found (log (-y) + y)).Operation)

[<Fact>]
let ``lines are recorded only inside, and each thread of control by itself`` () =
    let line (e: Expr) =
        match e.Scope with
        | null -> null
        | scope -> scope.Line
    let x = variable "x" 1.0
    let elsewhere = ref "nothing"
    using (SourceLines.Record()) (fun _ -> Assert.StartsWith("AnomalyTests.fs:", line (x + 1.0)))
    let inside = SourceLines.Record()
    let other = Threading.Thread(fun () -> elsewhere.Value <- string (line (x + 1.0)))
    other.UnsafeStart() // without the caller's context
    other.Join()
    inside.Dispose()
    Assert.Equal("", elsewhere.Value)
    Assert.Null(line (x + 1.0))
