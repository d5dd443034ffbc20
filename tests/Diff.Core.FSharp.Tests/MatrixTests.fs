/// Every operation under every transform: each cell of the matrix compares two ways to one value.
module MatrixTests

open System
open Xunit
open Diff
open Diff.Kernels
open Diff.Testing
open Diff.Testing.Generators
open Diff.Testing.Samples
open BatchTests

let private isFloat (e: Expr) = DType.isFloat e.DType
let private dims (e: Expr) = List.ofArray (e.Shape.ToArray())
let private weights seed (e: Expr) =
    constant (spread seed (-1.5, 1.5) (dims e))

/// A scalar that depends on every element of a sample's value.
let private scalar (s: Sample) (xs: Expr list) : Expr =
    let y = s.Build xs
    sum (weights 11 y * y)

let private floatsOf (xs: Expr list) = xs |> List.filter isFloat

/// The inner product of lists of arrays.
let private dot (xs: Expr list) (ys: Expr list) : Expr =
    List.map2 (fun x y -> sum (x * y)) xs ys |> List.fold (+) (Expr.op_Implicit 0.0)

let private directions (xs: Expr list) =
    floatsOf xs |> List.mapi (fun i x -> weights (20 + i) x)

let private leaves (points: NDArray list) =
    points |> List.mapi (fun i p -> variableOf $"x{i}" p)

/// What one cell found: two lists of values that have to agree.
let private agree (s: Sample) (digits: float) (expected: Expr list) (actual: Expr list) : string list =
    let expected = Evaluate.many (Array.ofList expected)
    let actual = Evaluate.many (Array.ofList actual)
    [ for k in 0 .. expected.Length - 1 do
          let error = difference expected[k] actual[k]
          if not (error <= 10.0 ** -(min digits s.Digits)) then
              $"{s.Name}, value {k}: off by {error}" ]

/// The slices of a function of all float arguments stacked, and the function of each slice alone.
let private sets (s: Sample) = s.Points |> List.mapi variants
let private slice k (sets: NDArray[] list) = sets |> List.map (fun all -> all[k])
let private stackedInputs (s: Sample) =
    sets s |> List.mapi (fun i all -> variableOf $"x{i}" (stacked all))
let private all (s: Sample) = s.Points |> List.map (fun _ -> Some 0)

/// The values of lists for each slice, stacked.
let private each (s: Sample) (f: Expr list -> Expr list) : Expr list =
    let results = [ for k in 0 .. count - 1 -> f (leaves (slice k (sets s))) ]
    results |> List.transpose |> List.map (stack 0)

let private grad' (s: Sample) (xs: Expr list) = grads (scalar s xs) (floatsOf xs)

/// The second derivative along directions, backwards over backwards.
let private curvature (s: Sample) (xs: Expr list) =
    grads (dot (grad' s xs) (directions xs)) (floatsOf xs)

let private ofTier tier (s: Sample) (roots: Expr list) : string list =
    let roots = Array.ofList roots
    let expected = Reference.evaluate roots
    let actual = (Planner.make (EngineOptions(1, tier)) [||] roots).Run [||]
    [ for k in 0 .. expected.Length - 1 do
          let error = difference expected[k] actual[k]
          if not (error <= 1e-11) then
              $"{s.Name}, value {k}: off by {error}" ]

/// The columns: what each transform has to agree with. All but the last three ask for a derivative.
let private transforms: (string * (Sample -> Expr list -> string list)) list =
    [ "grad",
      fun s xs ->
          // Central differences, extrapolated once.
          let along (h: float) =
              let moved sign =
                  let mutable k = 0
                  xs
                  |> List.map (fun x ->
                      if isFloat x then
                          k <- k + 1
                          x + sign * h * weights (19 + k) x
                      else
                          x)
              (scalar s (moved 1.0) - scalar s (moved -1.0)) / (2.0 * h)
          let slope = (4.0 * along 1e-4 - along 2e-4) / 3.0
          // Rounding to float32 is a flight of steps.
          let digits = if s.Digits < 9.0 then 2.0 else 6.0
          agree s digits [ slope ] [ dot (grad' s xs) (directions xs) ]
      "jvp",
      fun s xs ->
          agree
              s
              11.0
              [ dot (grad' s xs) (directions xs) ]
              [ jvp (scalar s xs) (floatsOf xs) (directions xs) ]
      "vmap∘grad", fun s _ -> agree s 11.0 (each s (grad' s)) (vmapWith (all s) 0 (grad' s) (stackedInputs s))
      "grad∘vmap",
      fun s _ ->
          let inputs = stackedInputs s
          let total =
              vmapWith (all s) 0 (fun xs -> [ scalar s xs ]) inputs |> List.head |> sum
          agree s 11.0 (each s (grad' s)) (grads total (floatsOf inputs))
      "jvp∘grad", fun s xs -> agree s 10.0 (curvature s xs) (hvp (scalar s xs) (floatsOf xs) (directions xs))
      "hessian",
      fun s xs ->
          match floatsOf xs with
          | x :: _ when x.Shape.Length > 0 && x.Shape.Length <= 12 ->
              let n = x.Shape.Length
              let v = weights 20 x
              let curved = grad (sum (grad (scalar s xs) x * v)) x
              let product = matmul (reshape [ n; n ] (hessian (scalar s xs) x)) (reshape [ n ] v)
              agree s 10.0 [ reshape [ n ] curved ] [ product ]
          | _ -> []
      "checkpoint",
      fun s xs ->
          let inside = { s with Build = checkpoint s.Build }
          agree s 11.0 (grad' s xs @ curvature s xs) (grad' inside xs @ curvature inside xs)
      "jet",
      fun s xs ->
          // The curves x + v·t: the first coefficient is the slope along v, the second half of the curvature.
          let y, targets, along = scalar s xs, floatsOf xs, directions xs
          let coefficients = jet 2 y targets (along |> List.map List.singleton)
          let curved = dot (hvp y targets along) along
          agree s 9.0 [ y; dot (grad' s xs) along; 0.5 * curved ] coefficients
      "scan",
      fun s _ ->
          let inputs = stackedInputs s
          // The body's value is summed in the state; its gradient comes back through all iterations.
          let total, values =
              scan
                  (fun state slices -> [ state.Head + scalar s slices ], [ s.Build slices ])
                  [ Expr.op_Implicit 0.0 ]
                  inputs
          agree
              s
              11.0
              (each s (fun xs -> [ s.Build xs ]) @ each s (grad' s))
              (values @ grads total.Head (floatsOf inputs))
      "vmap",
      fun s _ ->
          agree
              s
              11.0
              (each s (fun xs -> [ s.Build xs ]))
              (vmapWith (all s) 0 (fun xs -> [ s.Build xs ]) (stackedInputs s))
      "compiled", fun s xs -> ofTier Tier.Compiled s [ s.Build xs ]
      "tiles", fun s xs -> ofTier Tier.Tiles s [ s.Build xs ] ]

let private ofValues = set [ "vmap"; "compiled"; "tiles" ]

let cells: TheoryData<string, string> =
    let cells = TheoryData<string, string>()
    for word, _ in table do
        for transform, _ in transforms do
            cells.Add(word, transform)
    cells

[<Theory; MemberData(nameof cells)>]
let ``every operation under every transform`` (word: string, transform: string) =
    let law = transforms |> List.find (fst >> (=) transform) |> snd
    let samples = table |> List.find (fst >> (=) word) |> snd |> Option.defaultValue []
    let problems =
        [ for s in samples do
              let xs = leaves s.Points
              let hasDerivative = isFloat (s.Build xs) && not (floatsOf xs).IsEmpty
              if hasDerivative || ofValues.Contains transform then
                  yield! law s xs ]
    Assert.True(problems.IsEmpty, String.Join("\n", List.truncate 20 problems))
