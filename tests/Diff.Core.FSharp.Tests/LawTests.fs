/// What holds of every operation. The operations are found by reflection, so a new one is tested, or missed, at once.
module LawTests

open System
open System.Collections.Generic
open Xunit
open FsCheck
open FsCheck.FSharp
open Diff
open Diff.Testing
open Diff.Testing.Generators
open Diff.Testing.Samples

// ---- Ways to evaluate and to compare --------------------------------------------------------------------------------

let private dims (e: Expr) = List.ofArray (e.Shape.ToArray())
let private leaves (points: NDArray list) =
    points |> List.map (fun p -> variableOf "x" p)
let private ofFloats (xs: Expr list) =
    xs |> List.filter (fun x -> DType.isFloat x.DType)
let private isFloat (e: Expr) = DType.isFloat e.DType
let private count (roots: Expr[]) = (Graph.topological roots).Length

/// Equal bits, but that zeros have no sign and NaN is NaN.
let private identical (a: float) (b: float) =
    a = b || (Double.IsNaN a && Double.IsNaN b)

/// Infinite and undefined at the same indices, and elsewhere equal up to a fraction of the largest magnitude.
let private near (tolerance: float) (a: NDArray) (b: NDArray) =
    let finite = Array.append (floats a) (floats b) |> Array.filter Double.IsFinite
    let scale = finite |> Array.fold (fun m v -> max m (abs v)) 0.0
    let close x y =
        identical x y
        || (Double.IsFinite x && Double.IsFinite y && abs (x - y) <= tolerance * scale)
    a.Shape.Equals b.Shape
    && a.DType = b.DType
    && Array.forall2 close (floats a) (floats b)

let private text (x: NDArray) =
    $"""{x.Shape}[{String.Join(" ", floats x |> Array.truncate 12)}]"""

let private reorders (roots: Expr[]) =
    Graph.topological roots
    |> Array.exists (fun n ->
        match n.Op with
        | Op.Einsum _
        | Op.Fold _ -> true
        | _ -> false)

let private roundingOf (s: Sample) = if s.Digits < 9.0 then 1e-6 else 1e-12

/// What differs between two evaluations of several values, one line each.
let private differences what tolerance (expected: NDArray[]) (actual: NDArray[]) =
    [ for e, a in Array.zip expected actual do
          if not (near tolerance e a) then
              $"{what}: expected {text e}, got {text a}" ]

let private none (problems: string list) =
    Assert.True(
        problems.IsEmpty,
        String.Join("\n", List.truncate 20 problems) + $"\n{problems.Length} problems"
    )

/// The value as it is, and inside other functions, so that the cotangents are not ones.
let private wrapped (s: Sample) =
    [ s
      { s with
          Name = s.Name + ", exp of it"
          Build = fun xs -> exp (0.25 * s.Build xs) }
      { s with
          Name = s.Name + ", sum of squares"
          Build = fun xs -> let y = s.Build xs in sum (y * y) } ]

let private weights (y: Expr) =
    constant (spread 11 (-1.5, 1.5) (dims y))

/// The value and first and second derivatives of a sample, as the rules give them, not simplified.
let private derivatives (s: Sample) (xs: Expr list) : Expr[] =
    let y = s.Build xs
    let xs = xs |> ofFloats |> Array.ofList
    let first = Gradient.vjp Unconnected.Zeros y (weights y) xs
    let pairing =
        Array.map2 (fun g x -> sum (g * weights x)) first xs
        |> Array.fold (+) (Expr.op_Implicit 0.0)
    Array.concat [ [| y |]; first; Gradient.grad Unconnected.Zeros pairing xs ]

let private samplesOf case =
    table |> List.find (fst >> (=) case) |> snd |> Option.defaultValue []

let words: TheoryData<string> = TheoryData<string>(table |> Seq.map fst)

/// A law over all samples of each word of the vocabulary: the problems that it finds.
let private overSamples case (law: Sample -> string list) =
    none
        [ for s in samplesOf case do
              yield! law s |> List.map (fun problem -> $"{s.Name}: {problem}") ]

// ---- Every operation has samples, and every sample is about its operation -----------------------------------------------

[<Fact>]
let ``every word of the vocabulary has samples that use it`` () =
    none
        [ for word, samples in table do
              match samples with
              | None
              | Some [] -> $"{word} has no samples: write some in Samples.fs"
              | Some samples ->
                  for s in samples do
                      let used =
                          Graph.topological [ s.Build(leaves s.Points) ] |> Seq.collect wordsOf |> Set
                      if not (used.Contains word) then
                          $"{word}: the sample {s.Name} does not use it" ]

[<Fact>]
let ``every scalar function that has a derivative has an interval for each operand`` () =
    none
        [ for word, _ in table do
              if word.StartsWith "Fn." then
                  for s in samplesOf word do
                      if not (s.Points |> List.exists (fun p -> DType.isFloat p.DType)) then
                          $"{s.Name} has nothing to differentiate" ]

// ---- Derivatives --------------------------------------------------------------------------------------------------------

let private reports = Dictionary<string, (Sample * CheckReport) list>()

let private checked' case =
    lock reports (fun () ->
        match reports.TryGetValue case with
        | true, known -> known
        | _ ->
            let found =
                [ for s in samplesOf case |> List.collect wrapped do
                      s,
                      Diff.Check.Gradients(
                          Func<Expr[], Expr>(List.ofArray >> s.Build),
                          Array.ofList s.Points
                      ) ]
            reports[case] <- found
            found)

/// Where one mode is compared with the other, only rounding may differ.
let private digitsAsked (s: Sample) (c: DerivativeComparison) =
    if c.Subject = "jvp against vjp" then
        (if s.Digits < 9.0 then s.Digits else 12.0)
    elif c.Order = 1 then
        s.Digits
    else
        s.Digits - 1.0

[<Theory; MemberData(nameof words)>]
let ``derivatives of both orders agree with differences, and both modes with each other`` (case: string) =
    none
        [ for s, report in checked' case do
              for c in report.Comparisons do
                  if c.Digits < digitsAsked s c then
                      $"{s.Name}: {c}"
              for n in report.Notes do
                  // Rounding to float32 is a flight of steps.
                  if
                      s.Digits >= 9.0
                      && (n.Contains "kink" || n.Contains "jump" || n.Contains "finite")
                  then
                      $"{s.Name}: {n}"
              if
                  report.Comparisons.Count = 0
                  && s.Points |> List.exists (fun p -> DType.isFloat p.DType && p.Length > 0)
              then
                  $"{s.Name}: nothing was compared" ]

/// Comparisons with differences at so many digits, and of one mode with the other, by order.
let private comparisons order digits =
    [ for case, _ in table do
          for _, report in checked' case do
              for c in report.Comparisons do
                  if c.Order = order && c.Digits >= digits then
                      c ]

[<Fact>]
let ``there are thousands of comparisons of derivatives of each order, at nine digits and at eight`` () =
    let differences (cs: DerivativeComparison list) =
        cs |> List.filter (fun c -> c.Subject <> "jvp against vjp") |> List.length
    let first, second = comparisons 1 9.0, comparisons 2 8.0
    let modes = first.Length - differences first
    Assert.True(
        differences first >= 2000,
        $"only {differences first} first derivatives agree with differences to 9 digits"
    )
    Assert.True(
        differences second >= 1500,
        $"only {differences second} second derivatives agree with differences to 8 digits"
    )
    Assert.True(modes >= 1000, $"only {modes} comparisons of one mode with the other")
    let all = comparisons 1 0.0 @ comparisons 2 0.0
    Assert.True(all.Length >= 9000, $"only {all.Length} comparisons of derivatives")

// ---- Evaluation -----------------------------------------------------------------------------------------------------------

[<Theory; MemberData(nameof words)>]
let ``the simplified graph and the compiled plan have the values of the graph`` (case: string) =
    overSamples case (fun s ->
        [ for s in wrapped s do
              let roots = derivatives s (leaves s.Points)
              let expected = Reference.evaluate roots
              let tolerance = if reorders (Control.inlineAll roots) then 1e-12 else 0.0
              yield!
                  differences
                      (s.Name + ", simplified")
                      tolerance
                      expected
                      (Reference.evaluate (Simplify.run roots))
              yield! differences (s.Name + ", planned") tolerance expected (Evaluate.many roots) ])

[<Theory; MemberData(nameof words)>]
let ``simplification is done after one pass, and makes no graph larger`` (case: string) =
    overSamples case (fun s ->
        [ let roots = derivatives s (leaves s.Points) |> Control.inlineAll
          let once = Simplify.run roots
          let twice = Simplify.run once
          if count once > count roots then
              $"{count roots} nodes became {count once}"
          if count twice <> count once || Array.map string twice <> Array.map string once then
              $"{Array.map string once} became {Array.map string twice}" ])

/// NaN, infinities and zeros of both signs in place of some numbers.
let private strange (seed: int) (x: NDArray) =
    if not (DType.isFloat x.DType) then
        x
    else
        let source = Random seed
        let odd = [| nan; infinity; -infinity; 0.0; -0.0; 1.0; -1.0; 1e200; -1e200 |]
        NDArray.Create(
            floats x
            |> Array.map (fun v -> if source.Next 3 = 0 then v else odd[source.Next odd.Length]),
            x.Shape
        )

[<Theory; MemberData(nameof words)>]
let ``simplification keeps NaN and infinity where they are`` (case: string) =
    let isContraction =
        function
        | Op.Einsum spec -> spec.Inputs.Length > 1 // a sum of products may be summed in any order
        | _ -> false
    overSamples case (fun s ->
        [ for seed in 1..6 do
              let roots =
                  derivatives s (leaves (s.Points |> List.mapi (fun k p -> strange (10 * seed + k) p)))
              if
                  not (
                      Graph.topological (Control.inlineAll roots)
                      |> Array.exists (fun n -> isContraction n.Op)
                  )
              then
                  let expected = Reference.evaluate roots
                  yield!
                      differences
                          $"simplified, seed {seed}"
                          1e-12
                          expected
                          (Reference.evaluate (Simplify.run roots))
                  yield! differences $"planned, seed {seed}" 1e-12 expected (Evaluate.many roots) ])

/// The same in float32: literals and casts to float64 too.
let private inSingle (roots: Expr[]) : Expr[] =
    let single (x: NDArray) =
        NDArray.Create(floats x |> Array.map float32, x.Shape)
    roots
    |> Graph.map (fun node ->
        if node.DType <> DType.Float64 then
            node
        else
            match node.Op with
            | Op.Variable v -> variableOf v.Name (single (Variable.valueOf v))
            | Op.Literal value -> constant (single value)
            | Op.Const value -> Expr.Const(Scalar.cast DType.Float32 value, node.Shape)
            | Op.Cast when node.Args[0].DType = DType.Float32 -> node.Args[0]
            | op -> Expr(op, node.Args, node.Shape, DType.Float32))

[<Theory; MemberData(nameof words)>]
let ``float32 is float64 to 5 digits`` (case: string) =
    if case <> "Op.Custom" then // they are written for float64
        overSamples case (fun s ->
            let roots = derivatives s (leaves s.Points) |> Control.inlineAll
            let float64 (x: NDArray) = NDArray.Create(floats x, x.Shape)
            // Graphs within the graph are built for the type of what is given to them.
            let built (xs: Expr list) =
                xs
                |> List.map (fun x -> if isFloat x then cast DType.Float32 x else x)
                |> s.Build
                |> cast DType.Float64
            let actual =
                if case = "Op.Loop" || case = "Op.Branch" then
                    derivatives { s with Build = built } (leaves s.Points)
                    |> Array.map (cast DType.Float32)
                else
                    inSingle roots
            [ yield!
                  differences
                      "planned"
                      1e-5
                      (Reference.evaluate roots)
                      (Evaluate.many actual |> Array.map float64)
              if actual |> Array.exists (fun e -> e.DType <> DType.Float32) then
                  "a derivative of float32 is not float32" ])

// ---- Algebra of derivatives -------------------------------------------------------------------------------------------------

let private same what tolerance (expected: Expr list) (actual: Expr list) =
    differences what tolerance (Evaluate.many (Array.ofList expected)) (Evaluate.many (Array.ofList actual))

[<Theory; MemberData(nameof words)>]
let ``gradients are linear in the cotangent, which seeds the pass, and two uses count twice`` (case: string) =
    overSamples case (fun s ->
        let xs = leaves s.Points
        let y = s.Build xs
        let xs = ofFloats xs
        let g, h = weights y, constant (spread 12 (-1.0, 2.0) (dims y))
        let back g = vjp y g xs
        let combined = List.map2 (fun a b -> 2.0 * a - 3.0 * b) (back g) (back h)
        let doubled = grads (y + y) xs
        [ yield! same "linear" (roundingOf s) combined (back (2.0 * g - 3.0 * h))
          yield! same "seed" (roundingOf s) (grads (sum (y * g)) xs) (back g)
          // Doubling is exact, but a contraction may then sum in another order.
          yield!
              same
                  "twice"
                  (if reorders [| y |] then 1e-14 else 0.0)
                  (grads y xs |> List.map (fun g -> 2.0 * g))
                  doubled
          for d, x in List.zip doubled xs do
              if not (d.Shape.Equals x.Shape) || d.DType <> x.DType then
                  $"the gradient is {d.DType}{d.Shape}, the argument {x.DType}{x.Shape}" ])

[<Theory; MemberData(nameof words)>]
let ``second derivatives are symmetric, and the columns of the jacobian are jvps`` (case: string) =
    overSamples case (fun s ->
        let xs = leaves s.Points
        let y = s.Build xs
        let total = sum (y * weights y * y)
        [ for x in ofFloats xs do
              if x.Shape.Length > 0 && x.Shape.Length < 8 then
                  let n = x.Shape.Length
                  let h = reshape [ n; n ] (hessian total x)
                  yield! same "hessian" (roundingOf s) [ h ] [ transpose h ]
                  let v = weights x
                  let column = reshape [ -1 ] (jvp y [ x ] [ v ])
                  let j = jacobian y x
                  if y.Shape.Length > 0 then
                      yield!
                          same
                              "jacobian"
                              (roundingOf s)
                              [ column ]
                              [ einsum "ij,j->i" [ reshape [ y.Shape.Length; n ] j; reshape [ n ] v ] ] ])

[<Theory; MemberData(nameof words)>]
let ``gradients asked for together are those asked for one by one, and of nodes in between`` (case: string) =
    overSamples case (fun s ->
        let leaves = leaves s.Points
        // The sample's arguments are themselves nodes, of which two are equal.
        let xs = leaves |> List.map (fun x -> if isFloat x then -(-x * 1.0) else x)
        let y = exp (0.25 * s.Build xs)
        let between, ends = ofFloats xs, ofFloats leaves
        let one = between |> List.map (fun x -> grad y x)
        let pairing gs =
            gs |> List.map (fun g -> sum (g * g)) |> List.reduce (+)
        let direct = grads (exp (0.25 * s.Build leaves)) ends
        let equalToDirect =
            List.map2
                (fun (g: Expr) (d: Expr) -> if g.Shape.Equals d.Shape then [] else [ "shape" ])
                one
                direct
        [ yield! same "together" 0.0 one (grads y between)
          yield! same "through a node" 1e-12 direct one
          yield! List.concat equalToDirect
          yield! same "of second order" 1e-12 (grads (pairing direct) ends) (grads (pairing one) between) ])

// ---- Contractions, windows, broadcasting: against loops ---------------------------------------------------------------------

let private random (dims: int list) seed = spread seed (-2.0, 2.0) dims

/// Row-major position of an index.
let private position (dims: int list) (index: int list) =
    List.fold2 (fun p d i -> p * d + i) 0 dims index

/// All indices of a shape, in row-major order.
let private indices (dims: int list) : int list list =
    List.foldBack
        (fun d rest ->
            [ for i in 0 .. d - 1 do
                  for r in rest -> i :: r ])
        dims
        [ [] ]

/// The sum of products by its definition: one loop over everything that has a name. Also the largest sum of magnitudes.
let private byLoops (c: Contraction) (xs: NDArray list) : int list * float[] * float =
    let most =
        c.Operands
        |> List.map (fun (_, h) -> h |> Option.map List.length |> Option.defaultValue 0)
        |> List.max
    let hidden (h: int list) =
        [ for j in 0 .. h.Length - 1 -> $"{most - h.Length + j}" ]
    let names =
        [ for labels, h in c.Operands -> hidden (Option.defaultValue [] h) @ [ for l in labels -> string l ] ]
    let letters (s: string) = [ for l in s -> string l ]
    let output =
        match c.Ellipsis with
        | None -> letters c.Output
        | Some at ->
            letters c.Output[.. at - 1]
            @ [ for j in 0 .. most - 1 -> $"{j}" ]
            @ letters c.Output[at..]
    let extents = Dictionary<string, int>()
    for l in Seq.append c.Output (List.map fst c.Operands |> String.concat "") do
        extents[string l] <- c.Sizes[l]
    for ns, dims in List.zip names c.Shapes do
        for n, d in List.zip ns dims do
            extents[n] <- if extents.ContainsKey n && d = 1 then extents[n] else d
    let all = List.ofSeq extents.Keys
    let dims = output |> List.map (fun n -> extents[n])
    let result: float[] = Array.zeroCreate (List.fold (*) 1 dims)
    let magnitudes: float[] = Array.zeroCreate result.Length
    for index in indices (all |> List.map (fun n -> extents[n])) do
        let at = Map(List.zip all index)
        let element (ns: string list) (dims: int list) (x: NDArray) =
            x.Float(position dims (List.map2 (fun n d -> if d = 1 then 0 else at[n]) ns dims))
        let product = List.map3 element names c.Shapes xs |> List.fold (*) 1.0
        let p = position dims (output |> List.map (fun n -> at[n]))
        result[p] <- result[p] + product
        magnitudes[p] <- magnitudes[p] + abs product
    dims, result, Array.fold max 0.0 magnitudes

// Also with labels that repeat in the output, which a notation from outside may not have.
let private contraction (notation: string) (extents: (char * int) list) (xs: Expr list) =
    Einsum.make notation (Dictionary(dict extents)) (Array.ofList xs)

let private contract (c: Contraction) (xs: Expr list) = contraction c.Notation c.Extents xs

let private operands (c: Contraction) =
    c.Shapes |> List.mapi (fun k dims -> random dims (k + 1))

let private agrees what tolerance (expectedDims: int list) (expected: float[]) (actual: NDArray) =
    let expected = NDArray.Create(expected, Shape(Array.ofList expectedDims))
    none (differences what tolerance [| expected |] [| actual |])

/// Sums of terms of a magnitude, in any order, differ by that, though the sums themselves may be small.
let private roundingOfSums (magnitude: float) (sums: float[]) =
    let largest = sums |> Array.fold (fun m v -> max m (abs v)) 0.0
    if largest > 0.0 then 1e-14 * magnitude / largest else 0.0

[<Property(MaxTest = 1500)>]
let ``einsum is the sum of products, as written and compiled`` () =
    Prop.forAll contractions (fun c ->
        let xs = operands c
        let dims, expected, magnitude = byLoops c xs
        let y = contract c (leaves xs)
        let rounding = roundingOfSums magnitude expected
        agrees "reference" rounding dims expected (Reference.evaluate [| y |] |> Array.head)
        agrees "plan" rounding dims expected (eval y))

[<Property(MaxTest = 150)>]
let ``einsum has the derivatives of the sum of products`` () =
    Prop.forAll contractions (fun c ->
        let report =
            Diff.Check.Gradients(Func<Expr[], Expr>(List.ofArray >> contract c), Array.ofList (operands c))
        for comparison in report.Comparisons do
            // A sum that is 0 but for rounding has no digits.
            let isRounding = abs (comparison.Analytic - comparison.Numeric) < 1e-12
            Assert.True(
                isRounding || comparison.Digits >= (if comparison.Order = 1 then 9.0 else 8.0),
                string comparison
            ))

[<Property(MaxTest = 1500)>]
let ``contractions of contractions become one without changing a bit, and so do their gradients`` () =
    Prop.forAll chains (fun c ->
        // Small whole numbers: every order of summation gives the same.
        let whole dims seed =
            variableOf "x" (NDArray.Create(floats (integers seed (-2, 3) dims), Shape(Array.ofList dims)))
        let xs = c.Inner.Shapes |> List.mapi (fun k dims -> whole dims (k + 1))
        let y = contract c.Inner xs
        let extents = Map(Seq.zip c.Axes (dims y)).Add('z', 2)
        let others =
            c.Other
            |> Option.map (fun labels -> whole [ for l in labels -> extents[l] ] 9)
            |> Option.toList
        let notation =
            c.Axes
            + (c.Other |> Option.map (fun o -> "," + o) |> Option.defaultValue "")
            + "->"
            + c.Kept
        let z =
            contraction notation (if c.Kept.Contains 'z' then [ 'z', 2 ] else []) (y :: others)
        let roots =
            Array.append [| z; y |] (Gradient.grad Unconnected.Zeros z (Array.ofList (xs @ others)))
        let expected = Reference.evaluate roots
        for only in [ roots; [| z |] ] do
            none (
                differences
                    "simplified"
                    0.0
                    (Array.truncate only.Length expected)
                    (Reference.evaluate (Simplify.run only))
            )
            none (differences "planned" 0.0 (Array.truncate only.Length expected) (Evaluate.many only)))

[<Property(MaxTest = 500)>]
let ``einsum: swapping the output with an operand twice changes nothing`` () =
    Prop.forAll contractions (fun c ->
        let spec =
            EinsumSpec.parse
                c.Notation
                (c.Shapes |> List.map (fun d -> Shape(Array.ofList d)) |> Array.ofList)
        for i in 0 .. spec.Inputs.Length - 1 do
            Assert.Equal(string spec, spec |> EinsumSpec.swap i |> EinsumSpec.swap i |> string))

[<Property(MaxTest = 500)>]
let ``slices of slices pick what Python's do, and pass cotangents back to where it was`` () =
    Prop.forAll windows (fun w ->
        let x = leaves [ random w.Dims 1 ] |> List.head
        let slices e =
            w.Bounds
            |> List.indexed
            |> List.fold (fun e (axis, (a, b, s)) -> slice axis a b s e) e
        let y = slices (slices x)
        let first = List.map2 pythonIndices w.Dims w.Bounds
        let second =
            List.map2 (fun (picked: int list) -> pythonIndices picked.Length) first w.Bounds
        let picked =
            List.map2 (fun (picked: int list) -> List.map (fun i -> picked[i])) first second
        let dims = picked |> List.map List.length
        let sources =
            [| for i in indices dims -> position w.Dims (List.map2 List.item i picked) |]
        let values = floats (random w.Dims 1)
        agrees "values" 0.0 dims (sources |> Array.map (fun p -> values[p])) (eval y)
        let g = spread 2 (1.0, 2.0) dims
        let expected = Array.zeroCreate values.Length
        Array.iter2 (fun p v -> expected[p] <- expected[p] + v) sources (floats g)
        agrees "cotangents" 0.0 w.Dims expected (eval (vjp y (constant g) [ x ] |> List.head)))

[<Property(MaxTest = 300)>]
let ``permuting axes moves every element, and back`` () =
    Prop.forAll permutations (fun (dims, order) ->
        let values = random dims 1
        let x = leaves [ values ] |> List.head
        let y = permute order x
        let dims' = order |> List.map (fun a -> dims[a])
        let back index =
            [ for a in 0 .. dims.Length - 1 -> List.item (List.findIndex ((=) a) order) index ]
        agrees
            "values"
            0.0
            dims'
            [| for i in indices dims' -> values.Float(position dims (back i)) |]
            (eval y)
        let g = vjp y (permute order x) [ x ] |> List.head
        agrees "cotangents" 0.0 dims (floats values) (eval g))

[<Property(MaxTest = 300)>]
let ``sums and extremes over axes are those of the groups`` () =
    Prop.forAll axes (fun (dims, axes) ->
        let axes' =
            if axes.IsEmpty then
                [ 0 .. dims.Length - 1 ]
            else
                axes |> List.map (fun a -> if a < 0 then a + dims.Length else a)
        let values = random dims 1
        let kept = dims |> List.mapi (fun i d -> if List.contains i axes' then 1 else d)
        let groups = Array.init (List.fold (*) 1 kept) (fun _ -> List<float>())
        for i in indices dims do
            let group = i |> List.mapi (fun a n -> if List.contains a axes' then 0 else n)
            groups[position kept group].Add(values.Float(position dims i))
        let x = leaves [ values ] |> List.head
        let axes = Array.ofList axes
        let sums = groups |> Array.map Seq.sum
        agrees
            "sum"
            (roundingOfSums (floats values |> Array.sumBy abs) sums)
            kept
            sums
            (eval (sumAxes true axes x))
        if axes' |> List.forall (fun a -> dims[a] > 0) then
            agrees "max" 0.0 kept (groups |> Array.map Seq.max) (eval (extremeAxes Extreme.Max true axes x))
            agrees "min" 0.0 kept (groups |> Array.map Seq.min) (eval (extremeAxes Extreme.Min true axes x)))

[<Property(MaxTest = 100)>]
let ``functions of any shape have the derivatives that differences give`` () =
    Prop.forAll shapes (fun dims ->
        let f (x: Expr) =
            sum (exp (0.3 * x) * sin x)
            + (if dims.IsEmpty then x else sum (square (sumOver [ -1 ] x)))
        let report = Diff.Check.Gradients(Func<Expr, Expr>(f), random dims 1)
        for c in report.Comparisons do
            Assert.True(c.Digits >= 8.0, string c))

[<Fact>]
let ``broadcasting, of every pair of ranks: gradients have the operands' shapes and are the summed cotangents``
    ()
    =
    for a in 0..4 do
        for b in 0..4 do
            for dimsA, dimsB in Gen.sampleWithSeed (Rnd(uint64 (7 * a + b), 1UL)) 30 8 (pairOfRanks a b) do
                let va, vb = random dimsA 1, random dimsB 2
                let xa, xb = variableOf "a" va, variableOf "b" vb
                let product = xa * xb
                let out = dims product
                let g = spread 3 (-1.0, 1.0) out
                // The element of an operand at an index of the result.
                let at (ds: int list) (index: int list) =
                    position
                        ds
                        (List.map2
                            (fun d i -> if d = 1 then 0 else i)
                            ds
                            (List.skip (out.Length - ds.Length) index))
                let expectedA, expectedB = Array.zeroCreate va.Length, Array.zeroCreate vb.Length
                let values =
                    [| for k, index in List.indexed (indices out) do
                           let i, j = at dimsA index, at dimsB index
                           expectedA[i] <- expectedA[i] + g.Float k * vb.Float j
                           expectedB[j] <- expectedB[j] + g.Float k * va.Float i
                           va.Float i * vb.Float j |]
                let what = $"{dimsA} with {dimsB}"
                agrees what 0.0 out values (eval product)
                match vjp product (constant g) [ xa; xb ] with
                | [ ga; gb ] ->
                    agrees (what + ", first") 1e-13 dimsA expectedA (eval ga)
                    agrees (what + ", second") 1e-13 dimsB expectedB (eval gb)
                | _ -> Assert.Fail "two gradients"
                let chosen = where (less xa xb) xa (2.0 * xb)
                let expected =
                    [| for index in indices out do
                           let x, y = va.Float(at dimsA index), vb.Float(at dimsB index)
                           if x < y then x else 2.0 * y |]
                agrees (what + ", where") 0.0 out expected (eval chosen)

// ---- Integers and bools -------------------------------------------------------------------------------------------------------

[<Theory; MemberData(nameof words)>]
let ``integers and bools have the same values simplified and compiled`` (case: string) =
    let fns =
        System.Reflection.BindingFlags.NonPublic
        ||| System.Reflection.BindingFlags.Public
    for c in FSharp.Reflection.FSharpType.GetUnionCases(typeof<Fn>, fns) do
        if case = $"Fn.{c.Name}" then
            let fn = FSharp.Reflection.FSharpValue.MakeUnion(c, [||], fns) |> unbox<Fn>
            let arity =
                match fn with
                | Fn.Not -> 1
                | Fn.And
                | Fn.Or -> 2
                | fn -> (Elementwise.rule fn).Domain.Length
            for dtype in [ DType.Int32; DType.Int64; DType.Bool ] do
                if (Fn.refuses fn dtype).IsNone then
                    let ofType (x: Expr) = cast dtype x
                    let leaf = variableOf "i" (integers 3 (-3, 4) [ 7 ]) |> ofType
                    let other = variableOf "j" (integers 4 (-3, 4) [ 7 ]) |> ofType
                    let constants =
                        [ for v in [ 0.0; 1.0; -1.0; 2.0 ] do
                              if dtype <> DType.Bool || v = 0.0 || v = 1.0 then
                                  full [ 7 ] dtype v ]
                    let arguments = leaf :: other :: constants
                    let negated =
                        if (Fn.refuses Fn.Neg dtype).IsNone then
                            List.map (~-) [ leaf; other ]
                        else
                            []
                    let conditions =
                        [ cast DType.Bool leaf; full [ 7 ] DType.Bool 1.0; full [ 7 ] DType.Bool 0.0 ]
                    let values = arguments @ negated
                    let of2 = List.allPairs values values |> List.map (fun (x, y) -> [ x; y ])
                    // Integers are not divided by zero: odd ones never are.
                    let divisor (x: Expr) =
                        if fn = Fn.Div || fn = Fn.Fmod then 2.0 * x + 1.0 else x
                    let operands =
                        match arity with
                        | 1 -> values |> List.map (fun x -> [ Expr.Map(fn, [| x |]) ])
                        | 2 -> of2 |> List.map (fun xs -> [ xs[0]; divisor xs[1] ])
                        | _ -> List.allPairs conditions of2 |> List.map (fun (c, xy) -> c :: xy)
                    let roots = [| for xs in operands -> Expr.Map(fn, Array.ofList xs) |]
                    let expected = Reference.evaluate roots
                    none (
                        differences
                            $"{case} {dtype}, simplified"
                            0.0
                            expected
                            (Reference.evaluate (Simplify.run roots))
                    )
                    none (differences $"{case} {dtype}, planned" 0.0 expected (Evaluate.many roots))

[<Fact>]
let ``integer sums of constants wrap around, simplified or not`` () =
    let roots =
        [| einsum "i->" [ full [ 4 ] DType.Int32 1073741825.0 ]
           einsum "i->" [ full [ 3 ] DType.Int64 4611686018427387904.0 ] |]
    none (differences "simplified" 0.0 (Reference.evaluate roots) (Reference.evaluate (Simplify.run roots)))

// ---- Checkpoints ----------------------------------------------------------------------------------------------------------------

/// sin, and how often it has been computed.
let private counting () =
    let count = ref 0
    let forward (xs: NDArray list) =
        count.Value <- count.Value + 1
        NDArray.Create(floats xs.Head |> Array.map sin, xs.Head.Shape)
    let op =
        customOp "counted" (fun xs -> xs.Head.Shape) forward (fun xs _ g -> [ g * cos xs.Head ])
    op, count

let private layers (w: Expr) (v: Expr) (x: Expr) =
    softplus (einsum "ij,j->i" [ v; tanh (einsum "ij,j->i" [ w; x ]) ])

[<Fact>]
let ``checkpoint: values and gradients are the same to the bit, of captured variables too`` () =
    let w, v, x =
        variableOf "w" (random [ 5; 4 ] 1),
        variableOf "v" (random [ 3; 5 ] 2),
        variableOf "x" (random [ 4 ] 3)
    let results (wrap: (Expr list -> Expr) -> Expr list -> Expr) =
        let y = sum (square (wrap (fun xs -> layers w v xs.Head) [ exp x ]))
        Evaluate.many (Array.ofList (y :: grads y [ w; v; x ]))
    none (differences "checkpoint" 0.0 (results (fun f -> f)) (results checkpoint))

[<Fact>]
let ``checkpoint: the inside is computed once more for the gradient, and only once`` () =
    let evaluations wrap =
        let counted, count = counting ()
        let x, z = variableOf "x" (random [ 4 ] 1), variableOf "z" (random [ 4 ] 2)
        let y =
            sum (square (wrap (fun (xs: Expr list) -> exp (counted [ xs[0] * xs[1] ]) * xs[1]) [ x; z ]))
        Evaluate.many (Array.ofList (y :: grads y [ x; z ])) |> ignore
        count.Value
    Assert.Equal(1, evaluations (fun f -> f))
    Assert.Equal(2, evaluations checkpoint)
    // For the value alone nothing is computed again; a nested one is computed once more at each level.
    let counted, count = counting ()
    let x = variableOf "x" (random [ 4 ] 1)
    let nested =
        checkpoint (fun ys -> exp (checkpoint (fun zs -> counted [ square zs.Head ]) [ sin ys.Head ])) [ x ]
    eval nested |> ignore
    Assert.Equal(1, count.Value)
    count.Value <- 0
    Evaluate.many [| nested; grad nested x |] |> ignore
    Assert.InRange(count.Value, 2, 3)

[<Fact>]
let ``checkpoint: derivatives of second order are those without it, nested too`` () =
    let w, v, x =
        variableOf "w" (random [ 5; 4 ] 1),
        variableOf "v" (random [ 3; 5 ] 2),
        variableOf "x" (random [ 4 ] 3)
    let results (wrap: (Expr list -> Expr) -> Expr list -> Expr) =
        let inner y =
            wrap (fun ys -> layers w v ys.Head) [ y ]
        let y =
            sum (square (wrap (fun xs -> inner (sin xs.Head) * sum (inner xs.Head)) [ x ]))
        let penalty = grads y [ w; v; x ] |> List.map (square >> sum) |> List.reduce (+)
        let directions =
            [ constant (random [ 5; 4 ] 4)
              constant (random [ 3; 5 ] 5)
              constant (random [ 4 ] 6) ]
        Evaluate.many (Array.ofList (y :: grads penalty [ w; v; x ] @ hvp y [ w; v; x ] directions))
    none (differences "nested" 1e-12 (results (fun f -> f)) (results checkpoint))

// ---- Nodes in between, orders, sizes --------------------------------------------------------------------------------------------

/// Nodes that a rule of simplification could look into, as functions of an array of shape (3, 3).
let private between: (string * (Expr -> Expr)) list =
    [ "negation", (~-)
      "twice negation", (fun x -> -(-x))
      "difference", (fun x -> x - 0.5)
      "difference from a constant", (fun x -> 0.0 - x)
      "square", (fun x -> x ** 2.0)
      "transpose", transpose
      "diagonal", (fun x -> einsum "ii->i" [ x ])
      "sum", sumOver [ 0 ]
      "broadcast", broadcastTo [ 2; 3; 3 ]
      "reshape", reshape [ 9 ]
      "slice", slice 0 None None -1
      "embed", pad [ 1, 0; 0, 1 ]
      "product", (fun x -> einsum "ij,kj->ik" [ x; x ])
      "quotient", (fun x -> -x / (2.0 + square x)) ]

let namesOfBetween = TheoryData<string>(between |> Seq.map fst)

[<Theory; MemberData(nameof namesOfBetween)>]
let ``derivatives with respect to a node in between see it whole, in every order`` (name: string) =
    let f = between |> List.find (fst >> (=) name) |> snd
    let x = variableOf "x" (random [ 3; 3 ] 1)
    let uses (z: Expr) =
        let permuted = transpose z
        sum (square z * z * -z)
        + sum (sin -z)
        + sum (exp (0.3 * permuted) * permuted)
        + sum (square (reshape [ -1 ] z))
        + sum (square (1.0 - z))
    let z = f x
    let free = variableOf "z" (eval z)
    let rec orders n (y: Expr) (z: Expr) =
        if n = 0 then
            []
        else
            let g = grad y z in g :: orders (n - 1) (sum (square g)) z
    none (
        differences
            name
            1e-12
            (Evaluate.many (Array.ofList (orders 3 (uses free) free)))
            (Evaluate.many (Array.ofList (orders 3 (uses z) z)))
    )
    none
        [ for g in orders 1 (uses z) z do
              for h in orders 1 (jvp (uses z) [ z ] [ constant (random (dims z) 3) ]) z do
                  if not (h.Shape.Equals g.Shape) then
                      "shape" ]

[<Fact>]
let ``of two equal nodes each has its own derivative, in every order`` () =
    let x = variableOf "x" (random [ 3 ] 1)
    let a, b = exp x, exp x
    let y = sum (a * b * b)
    let mixed = grads (sum (grad y b)) [ a; b ]
    let expected = grads (sum (2.0 * a * b)) [ a; b ]
    none (same "mixed" 1e-14 expected mixed)

[<Fact>]
let ``the sixth derivative of tanh has fewer than 200 nodes, and is right`` () =
    let x = variable "x" 0.3
    let sixth = nthDerivative 6 (tanh x) x
    Assert.True(count [| sixth |] < 200, $"{count [| sixth |]} nodes")
    // d⁶/dx⁶ tanh as a polynomial of t = tanh x: each derivative is p ↦ p′·(1 − t²).
    let derive (p: float[]) =
        let d = Array.init (p.Length - 1) (fun i -> float (i + 1) * p[i + 1])
        Array.init (p.Length + 1) (fun i ->
            (if i < d.Length then d[i] else 0.0) - (if i >= 2 then d[i - 2] else 0.0))
    let p = Seq.fold (fun p _ -> derive p) [| 0.0; 1.0 |] (seq { 1..6 })
    let t = tanh 0.3
    Assert.Equal(Array.foldBack (fun c s -> s * t + c) p 0.0, item sixth, 1e-10)

[<Fact>]
let ``a product that two sums share stays one product`` () =
    let x, y = variableOf "x" (random [ 5; 6 ] 1), variableOf "y" (random [ 6; 7 ] 2)
    let product = einsum "ij,jk->ik" [ x * 1.0; y + 0.0 ]
    let roots = Simplify.run [| sumOver [ 0 ] product; sumOver [ 1 ] product |]
    let products = Graph.topological roots |> Array.filter (fun n -> n.Args.Length = 2)
    Assert.Single products |> ignore

[<Fact>]
let ``custom operations have derivatives of every order`` () =
    let mySin = scalarOp "my_sin" sin (fun x _ -> cos x)
    let x = variableOf "x" (random [ 4 ] 1)
    let rec orders n (f: Expr) =
        if n = 0 then
            []
        else
            let g = grad f x in g :: orders (n - 1) g
    none (same "sin" 1e-13 (orders 5 (exp (sin x))) (orders 5 (exp (mySin x))))
