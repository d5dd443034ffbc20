/// What vmap does for every operation: the same as a loop over slices, and derivatives go through it.
module BatchTests

open System
open Xunit
open Diff
open Diff.Testing
open Diff.Testing.Generators
open Diff.Testing.Samples

/// How many slices there are.
let count = 3

/// Variants of a point: the point itself, and others near it. Integers and bools stay, or move along their own axes.
let variants (seed: int) (point: NDArray) : NDArray[] =
    Array.init count (fun k ->
        if k = 0 then
            point
        elif DType.isFloat point.DType then
            let factor = if k = 1 then 0.75 else 0.875
            let x = variableOf "x" point
            eval (x * full [] point.DType (factor + 0.01 * float seed))
        elif point.Shape.Rank > 0 && point.Shape[0] > 1 then
            eval (slice 0 None None -1 (variableOf "x" point))
        else
            point)

let stacked (arrays: NDArray[]) : NDArray =
    eval (stack 0 [ for a in arrays -> constant a ])

let difference (a: NDArray) (b: NDArray) =
    if not (a.Shape.Equals b.Shape) then
        infinity
    else
        let pairs = Array.zip (floats a) (floats b)
        let scale = pairs |> Array.fold (fun m (x, _) -> max m (abs x)) 1.0
        pairs
        |> Array.fold
            (fun m (x, y) ->
                if x = y || (Double.IsNaN x && Double.IsNaN y) then
                    m
                else
                    max m (abs (x - y) / scale))
            0.0

/// All operands mapped, and each alone.
let private masks count =
    [ Array.create count true
      if count > 1 then
          for i in 0 .. count - 1 do
              Array.init count ((=) i) ]

let private tolerance (s: Sample) = if s.Digits < 9.0 then 1e-5 else 1e-11

let private problems (s: Sample) : string list =
    [ for mask in masks s.Points.Length do
          let sets = s.Points |> List.mapi variants
          let inputs =
              List.mapi2
                  (fun i (p: NDArray) all -> variableOf $"x{i}" (if mask[i] then stacked all else p))
                  s.Points
                  sets
          let axes = [ for m in mask -> if m then Some 0 else None ]
          // The function, and its derivatives along weights, for all slices at once.
          let f (xs: Expr list) =
              let y = s.Build xs
              let targets = xs |> List.filter (fun x -> DType.isFloat x.DType)
              let inner =
                  if targets.IsEmpty || not (DType.isFloat y.DType) then
                      []
                  else
                      List.ofArray (Gradient.grad Unconnected.Zeros (sum (y * y)) (Array.ofList targets))
              y :: inner
          let all = vmapWith axes 0 f inputs |> Array.ofList
          let one k =
              let point =
                  List.mapi2 (fun i (p: NDArray) (v: NDArray[]) -> if mask[i] then v[k] else p) s.Points sets
              f (point |> List.map (variableOf "x")) |> Array.ofList |> Evaluate.many
          let expected = Array.init count one
          let actual = Evaluate.many all
          for r in 0 .. actual.Length - 1 do
              let error = difference (stacked (expected |> Array.map (fun e -> e[r]))) actual[r]
              if not (error <= tolerance s) then
                  $"{s.Name}, {mask}, result {r}: off by {error}" ]

let words: TheoryData<string> = TheoryData<string>(table |> Seq.map fst)

[<Theory; MemberData(nameof words)>]
let ``vmap of each operation and of its derivative is the loop over slices`` (word: string) =
    let found =
        table
        |> List.find (fst >> (=) word)
        |> snd
        |> Option.defaultValue []
        |> List.collect problems
    Assert.True(found.IsEmpty, String.Join("\n", List.truncate 20 found))

let private same (a: Expr) (b: Expr) =
    let error = difference (eval a) (eval b)
    Assert.True(error <= 1e-12, $"off by {error}")

let private x = variableOf "x" (spread 1 (-1.0, 1.0) [ 4; 3 ])
let private w = variableOf "w" (spread 2 (-1.0, 1.0) [ 3; 3 ])

[<Fact>]
let ``the derivative of a vmap is the vmap of the derivative`` () =
    let f v = sum (tanh (matmul w v) * v)
    same (grad (sum (vmap f x)) x) (vmap (fun v -> grad (f v) v) x)
    same (grad (sum (vmap f x)) w) (sumOver [ 0 ] (vmap (fun v -> grad (f v) w) x))

[<Fact>]
let ``vmap nests, and sees what the outer one maps`` () =
    let product = vmap (fun a -> vmap (fun b -> sum (a * b)) x) x
    same product (einsum "ik,jk->ij" [ x; x ])

[<Fact>]
let ``slices lie along any axis, and results are stacked along any`` () =
    let f (xs: Expr list) = [ xs[0] * xs[1] + xs[2] ]
    let v = variableOf "v" (spread 3 (-1.0, 1.0) [ 4 ])
    let y = vmapWith [ Some -1; Some 0; None ] 1 f [ x; transpose x; v ] |> List.head
    same y (x * x + reshape [ 4; 1 ] v)
    Assert.Equal("(4, 3)", string y.Shape)

[<Fact>]
let ``a result that depends on no slice is repeated`` () =
    same (vmap (fun _ -> sum w) x) (broadcastTo [ 4 ] (sum w))

[<Fact>]
let ``an index outside of one set is an error, not the next set's`` () =
    let indices = variableOf "i" (NDArray.Create([| 0; 3; 1; 2 |], Shape [| 2; 2 |]))
    let sets = variableOf "s" (spread 4 (-1.0, 1.0) [ 2; 3 ])
    let picked = vmap2 (fun s i -> gather 0 i s) sets indices
    Assert.Throws<IndexOutOfRangeException>(fun () -> eval picked |> ignore)
    |> ignore

let private says<'E when 'E :> exn> (part: string) (f: unit -> Expr list) =
    Assert.Contains(part, Assert.Throws<'E>(fun () -> f () |> ignore).Message)

[<Fact>]
let ``wrong arguments are refused`` () =
    says<ShapeException> "have (4, 3) slices" (fun () ->
        vmapWith [ Some 0; Some 0 ] 0 (fun xs -> [ xs[0] ]) [ x; w ])
    says<ArgumentException> "need as many axes" (fun () -> vmapWith [ Some 0 ] 0 id [ x; w ])
    says<ArgumentException> "at least one argument" (fun () -> vmapWith [ None ] 0 id [ x ])
    says<ShapeException> "axis 5" (fun () -> vmapWith [ Some 0 ] 5 id [ x ])

[<Fact>]
let ``a jacobian by rows is the one by columns, and has few nodes`` () =
    let v = variableOf "v" (spread 5 (-1.0, 1.0) [ 60 ])
    let y = sin (concat 0 [ v * v; slice 0 None None -1 v ])
    let rows = jacobianBy JacobianMode.Rows y v
    same rows (jacobianBy JacobianMode.Columns y v)
    Assert.True((Graph.topological [ rows ]).Length < 40)
