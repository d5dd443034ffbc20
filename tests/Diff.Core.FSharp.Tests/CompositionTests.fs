/// What holds of every public function that makes expressions of expressions. They are found by reflection, so that a new one has a row
/// in Compositions.fs, or a reason for none, or the tests fail.
module CompositionTests

open System
open System.Reflection
open Diff
open Diff.Testing
open Diff.Testing.Compositions
open Diff.Testing.Generators
open Xunit

/// Whether a type is made of expressions: one, several, or lists.
let rec private isOfExpressions (t: Type) =
    t = typeof<Expr>
    || (t.IsGenericType
        && (t.Name.StartsWith "Tuple`" || t.GetGenericTypeDefinition() = typedefof<_ list>)
        && Array.forall isOfExpressions (t.GetGenericArguments()))

/// The public functions of the modules that F# users call: those of Rng under its name.
let private functions =
    [ for t in typeof<Expr>.Assembly.GetExportedTypes() do
          let isOpened = t.IsDefined(typeof<AutoOpenAttribute>, false)
          if isOpened || t.FullName = "Diff.Rng" then
              for m in t.GetMethods(BindingFlags.Public ||| BindingFlags.Static) do
                  if isOfExpressions m.ReturnType then
                      if isOpened then m.Name else "Rng." + m.Name ]
    |> set

let private none (problems: string list) =
    Assert.True(
        problems.IsEmpty,
        String.Join("\n", List.truncate 30 problems) + $"\n{problems.Length} problems"
    )

[<Fact>]
let ``every public function has a row, and every row is a public function's`` () =
    let rows = table |> List.map _.Function
    let known = set rows
    none
        [ for name in functions - known do
              $"{name} has no row: write one in Compositions.fs, or why there is none"
          for name in known - functions do
              $"{name} is no public function"
          for name, times in List.countBy id rows do
              if times > 1 then
                  $"{name} has {times} rows"
          for row in table do
              if row.Reason = "" && row.Inside.IsEmpty then
                  $"{row.Function} has neither samples nor a reason" ]
    Assert.True((table |> List.filter (fun row -> row.Reason = "")).Length >= 220)

let rows: TheoryData<string> =
    TheoryData<string>(table |> List.filter (fun row -> row.Reason = "") |> List.map _.Function)

let private rowOf name =
    table |> List.find (fun row -> row.Function = name)

let private leaves (points: NDArray list) =
    points |> List.mapi (fun i p -> variableOf $"x{i}" p)

/// Equal, or both undefined, or near each other beside the largest.
let private differs (tolerance: float) (expected: float[]) (found: float[]) =
    let scale =
        expected
        |> Array.filter Double.IsFinite
        |> Array.fold (fun m v -> max m (abs v)) 1.0
    expected.Length <> found.Length
    || Array.exists2
        (fun (a: float) (b: float) -> not (a.Equals b || a = b || abs (a - b) <= tolerance * scale))
        expected
        found

let private text (values: float[]) = String.Join(" ", values)

[<Theory; MemberData(nameof rows)>]
let ``derivatives of both orders agree with differences, and both modes with each other`` (name: string) =
    none
        [ for k, (points, build) in List.indexed (rowOf name).Inside do
              let report =
                  Check.Gradients(Func<Expr[], Expr>(List.ofArray >> build), Array.ofList points)
              for c in report.Comparisons do
                  let digits =
                      if c.Subject = "jvp against vjp" then 12.0
                      elif c.Order = 1 then 9.0
                      else 8.0
                  if c.Digits < digits then
                      $"sample {k}: {c}"
              for note in report.Notes do
                  if note.Contains "kink" || note.Contains "jump" || note.Contains "finite" then
                      $"sample {k}: {note}"
              if report.Comparisons.Count = 0 then
                  $"sample {k}: nothing was compared" ]

[<Theory; MemberData(nameof rows)>]
let ``values and derivatives of float32 are those of float64, rounded, and plans give what graphs give``
    (name: string)
    =
    none
        [ for k, (points, build) in List.indexed (rowOf name).Inside do
              // The numbers of both are the same.
              let narrow = points |> List.map (fun p -> eval (cast DType.Float32 (constant p)))
              let wide = narrow |> List.map (fun p -> eval (cast DType.Float64 (constant p)))
              let graphs points =
                  let xs = leaves points
                  let y = build xs
                  Array.ofList (y :: grads (sum y) xs)
              let expected = graphs wide
              let values = Reference.evaluate expected |> Array.map floats
              for a, b in Array.zip values (Evaluate.many expected |> Array.map floats) do
                  if differs 1e-12 a b then
                      $"sample {k}, planned: {text b} instead of {text a}"
              for a, (g: Expr) in Array.zip values (graphs narrow) do
                  if g.DType <> DType.Float32 then
                      $"sample {k}: {DType.name g.DType} of float32"
                  let b = floats (eval g)
                  if differs 1e-5 a b then
                      $"sample {k}, float32: {text b} instead of {text a}" ]

[<Theory; MemberData(nameof rows)>]
let ``at kinks the derivative is the convention's, in both modes`` (name: string) =
    none
        [ for kink in (rowOf name).Kinks do
              let xs = leaves kink.At
              let y = sum (kink.Of xs)
              let found = grads y xs
              for i, (g, expected) in List.indexed (List.zip found kink.Gradients) do
                  let g = floats (eval g)
                  if differs 1e-7 (Array.ofList expected) g then
                      $"{kink.Where}, operand {i}: {text g} instead of {text (Array.ofList expected)}"
                  for k in 0 .. g.Length - 1 do
                      let direction = NDArray.Zeros(DType.Float64, xs[i].Shape)
                      direction.Span<float>()[k] <- 1.0
                      let along = (eval (jvp y [ xs[i] ] [ constant direction ])).Float 0
                      if differs 1e-7 [| expected[k] |] [| along |] then
                          $"{kink.Where}, operand {i}, forwards at {k}: {along} instead of {expected[k]}" ]

[<Theory; MemberData(nameof rows)>]
let ``what is refused is named: the operation, and what is wrong`` (name: string) =
    none
        [ for refusal in (rowOf name).Refused do
              try
                  refusal.Asked() |> ignore
                  $"""nothing was refused; "{String.Join('"', refusal.Words)}" was expected"""
              with
              | :? ArgumentException as e ->
                  for word in refusal.Words do
                      if not (e.Message.Contains(word, StringComparison.Ordinal)) then
                          $"\"{word}\" is not in: {e.Message}"
              | e -> $"{e.GetType().Name}: {e.Message}" ]
