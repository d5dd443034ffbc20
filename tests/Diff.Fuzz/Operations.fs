/// The table of operations: what each is called in programs, what it means, and how to draw it.
module Diff.Fuzz.Operations

open System
open System.Collections.Generic
open Diff
open Diff.Fuzz.Arrays

/// A row of the table.
type Operation =
    {
        Name: string
        /// How often it is drawn, compared with others.
        Weight: float
        Fits: Node -> bool
        Draw: Grower -> Node -> Node
        Build: Attrs -> Expr list -> Expr
    }

let internal row name weight fits draw build =
    { Name = name
      Weight = weight
      Fits = fits
      Draw = draw
      Build = build }

// ---- Which operands suit ----------------------------------------------------------------------------------------------

let internal any (_: Node) = true
let internal ofFloats (x: Node) = x.IsFloat
let internal ofNumbers (x: Node) = x.DType <> DType.Bool
let internal withAxes (x: Node) = x.Rank > 0
let internal both f g (x: Node) = f x && g x
let internal filled (x: Node) = x.Value.Length > 0
let internal upToRank n (x: Node) = x.Rank <= n

// ---- Attributes ---------------------------------------------------------------------------------------------------------

let internal ints name (values: int list) = name, Ints values
let internal whole name (value: int) : string * Attr = name, Int value
let internal flag name (value: bool) = name, Flag value

/// An axis, counted from either end.
let internal axisOf (g: Grower) (x: Node) =
    let axis = g.Random.Below x.Rank
    struct (axis, (if g.Random.Chance 0.3 then axis - x.Rank else axis))

/// Some axes, now and then all, counted from either end; none means all.
let internal someAxes (g: Grower) (x: Node) : int list =
    if g.Random.Chance 0.3 then
        []
    else
        [ for axis in g.Random.Some [| 0 .. x.Rank - 1 |] ->
              if g.Random.Chance 0.2 then axis - x.Rank else axis ]

let private axesAttr (axes: int list) : Attr =
    match axes with
    | [] -> All
    | [ axis ] -> Int axis
    | axes -> Ints axes

let private reducedBy (axes: int list) (x: Node) =
    let axes = axes |> List.map (fun a -> if a < 0 then a + x.Rank else a)
    let axes = if axes.IsEmpty then [ 0 .. x.Rank - 1 ] else axes
    axes |> List.fold (fun n axis -> n * x.Dims[axis]) 1

let internal replace i value (dims: int list) = List.updateAt i value dims
let internal scaled (g: Grower) (factor: float) (x: Node) =
    let factor = float (float32 factor)
    g.Step("mul", [ x; g.Const(factor, x.DType, []) ], [])

// ---- Scalar functions: all there are, each within the interval that its rule names ---------------------------------------

let private shortNames =
    dict
        [ Fn.Less, "lt"
          Fn.LessEqual, "le"
          Fn.Greater, "gt"
          Fn.GreaterEqual, "ge"
          Fn.Equal, "eq"
          Fn.NotEqual, "ne" ]

let private nameOfFn fn =
    match shortNames.TryGetValue fn with
    | true, name -> name
    | _ -> Fn.name fn

/// Where nothing but a kink bounds the interval of the rule: what is near the kink is refused anyway.
let private isKinked fn =
    match fn with
    | Fn.Abs
    | Fn.Sign
    | Fn.Relu
    | Fn.Max
    | Fn.Min
    | Fn.Floor
    | Fn.Ceil
    | Fn.Round
    | Fn.Trunc -> true
    | _ -> false

/// Operands at the beginning that are whole constants: which derivative is meant.
let private ordersOf fn =
    match fn with
    | Fn.SincDerivative
    | Fn.ErfcxDerivative
    | Fn.Polygamma
    | Fn.GammaincDerivative -> 1
    | Fn.BetaincDerivative -> 2
    | _ -> 0

let private scalarFunction (fn: Fn) : Operation =
    let name = nameOfFn fn
    let orders = ordersOf fn
    let domain =
        match fn with
        | Fn.Not -> [| -2.0, 2.0 |]
        | Fn.And
        | Fn.Or -> Array.create 2 (-2.0, 2.0)
        | fn -> (Elementwise.rule fn).Domain
    let takes (x: Node) = (Fn.refuses fn x.DType).IsNone
    let guarded (g: Grower) i (x: Node) =
        let low, high = domain[i]
        if not x.IsFloat || isKinked fn || Fn.isComparison fn || fn = Fn.Where then
            x
        elif low <= -2.0 && high >= 2.0 then
            // Sums and products take any number; other functions grow fast beyond 4.
            match fn with
            | Fn.Neg
            | Fn.Add
            | Fn.Sub
            | Fn.Mul -> x
            | _ -> g.Inside(-4.0, 4.0, x)
        else
            g.Inside(low, high, x)
    let draw (g: Grower) (x: Node) =
        match fn, domain.Length with
        | Fn.Where, _ ->
            let y = g.Partner x
            let shape = tryBroadcast x.Value.Shape y.Value.Shape
            match shape with
            | ValueSome shape -> g.Step(name, [ g.Condition(dimsOf shape, x); x; y ], [])
            | ValueNone -> raise Refused
        | _, 1 -> g.Step(name, [ guarded g 0 x ], [])
        | (Fn.Div | Fn.Fmod), _ when not x.IsFloat ->
            let divisor = g.Const(float (g.Random.Pick [| 2; 3; -2 |]), x.DType, [])
            g.Step(name, [ x; divisor ], [])
        | _ ->
            let known =
                [ for _ in 1..orders -> g.Const(float (g.Random.Between(1, 2)), x.DType, []) ]
            let others = [ for _ in orders + 2 .. domain.Length -> g.Partner x ]
            let rest = g.Random.Shuffle(Array.ofList (x :: others)) |> List.ofArray
            // Operands that broadcast with x need not broadcast with each other.
            let fits (a: Node) (b: Node) =
                (tryBroadcast a.Value.Shape b.Value.Shape).IsSome
            if not (List.forall (fun a -> List.forall (fits a) rest) rest) then
                raise Refused
            g.Step(name, known @ List.mapi (fun i y -> guarded g (orders + i) y) rest, [])
    let weight =
        match fn with
        | Fn.Add
        | Fn.Sub
        | Fn.Mul -> 4.0
        | Fn.Div
        | Fn.Where
        | Fn.Max
        | Fn.Min -> 2.0
        | Fn.Not
        | Fn.And
        | Fn.Or -> 5.0
        // There are many of them, and each is a loop like any other.
        | fn when Fn.tag fn >= Fn.tag Fn.Cbrt -> 0.25
        | _ -> 1.0
    row name weight takes draw (fun _ xs -> Expr.Map(fn, Array.ofList xs))

// ---- Leaves ---------------------------------------------------------------------------------------------------------------

let private leaves =
    [ row
          "const"
          0.3
          ofFloats
          (fun g x ->
              let c = g.Const(float (float32 (g.Number())), x.DType, g.PartOf x.Dims)
              g.Step("add", [ x; c ], []))
          (fun a _ -> let dims, value = a.Filled "value" in full dims (a.DType "dtype") value)
      row
          "iota"
          0.6
          (both ofFloats withAxes)
          (fun g x ->
              let struct (axis, shown) = axisOf g x
              let dtype = g.Random.Pick [| x.DType; DType.Int32; DType.Int64 |]
              let i =
                  g.Step(
                      "iota",
                      [],
                      [ ints "shape" x.Dims; whole "axis" shown; "dtype", Text(nameOf dtype) ]
                  )
              if dtype = x.DType then
                  let factor = 1.0 / float (max 1 x.Dims[axis])
                  g.Step("mul", [ x; scaled g factor i ], [])
              else
                  let bound =
                      g.Step(
                          "const",
                          [],
                          [ "value", Filled([], float (g.Random.Below 4)); "dtype", Text(nameOf dtype) ]
                      )
                  let chosen = g.Step(g.Random.Pick [| "lt"; "ge"; "eq" |], [ i; bound ], [])
                  g.Step("where", [ chosen; x; g.Const(0.0, x.DType, []) ], []))
          (fun a _ -> iota (a.Ints "shape") (a.Int "axis") (a.DType "dtype")) ]

// ---- Types, and what only derivatives see -----------------------------------------------------------------------------------

let private types =
    [ row
          "cast"
          1.0
          any
          (fun g x ->
              let types =
                  if x.IsFloat then
                      [| DType.Float64; DType.Float32; DType.Int32; DType.Int64; DType.Bool |]
                  else
                      [| g.AnyType(); g.AnyType(); DType.Int64 |]
              // Both float types only where the graph has both.
              let types =
                  types
                  |> Array.filter (fun t ->
                      t <> x.DType && (not (isFloat t) || Array.contains t g.Setting.Types))
              if types.Length = 0 then
                  raise Refused
              g.Step("cast", [ x ], [ "dtype", Text(nameOf (g.Random.Pick types)) ]))
          (fun a xs -> cast (a.DType "dtype") xs[0])
      row "stop_gradient" 0.4 ofFloats (fun g x -> g.Step("stop_gradient", [ x ], [])) (fun _ xs ->
          stopGradient xs[0])
      row "barrier" 0.4 ofFloats (fun g x -> g.Step("barrier", [ x; g.Partner x ], [])) (fun _ xs ->
          Expr(Op.Barrier, Array.ofList xs, xs[0].Shape, xs[0].DType)) ]

// ---- Contractions -----------------------------------------------------------------------------------------------------------

/// Labels for the axes of an operand; axes of one extent now and then share theirs.
let private labelled (g: Grower) (sizes: Dictionary<char, int>) (dims: int list) =
    String(
        [| for d in dims ->
               let known =
                   [| for pair in sizes do
                          if pair.Value = d then
                              pair.Key |]
               if known.Length > 0 && g.Random.Chance 0.4 then
                   g.Random.Pick known
               else
                   let fresh = char (int 'a' + sizes.Count)
                   sizes[fresh] <- d
                   fresh |]
    )

let private drawEinsum (g: Grower) (x: Node) : Node =
    let sizes = Dictionary<char, int>()
    let first = labelled g sizes x.Dims
    let count = g.Random.Weighted [| 2.0, 0; 5.0, 1; 2.0, 2; 0.5, 3 |]
    let operand () =
        let known =
            g.Nodes |> Seq.filter (fun n -> n.DType = x.DType && n.Rank <= 4) |> Array.ofSeq
        if g.Random.Chance 0.35 then
            let y = if g.Random.Chance 0.2 then x else g.Random.Pick known
            labelled g sizes y.Dims, y
        else
            // Labels that are known, and now and then one of its own.
            let own =
                g.Random.Shuffle(g.Random.Some(Array.ofSeq sizes.Keys)) |> Array.truncate 3
            let own =
                if g.Random.Chance 0.4 && sizes.Count < 7 then
                    let fresh = char (int 'a' + sizes.Count)
                    sizes[fresh] <- g.Random.Pick [| 1; 2; 3; 5 |]
                    Array.append own [| fresh |]
                else
                    own
            let dims = [ for c in own -> sizes[c] ]
            if countOf dims > int64 g.Setting.MostElements then
                raise Refused
            // Ones are what a sum over a label that nothing else has counts with.
            if x.IsFloat && g.Random.Chance 0.15 then
                String own, g.Const(g.Random.Pick [| 1.0; 1.0; 0.5; 0.0 |], x.DType, dims)
            else
                String own, g.Leaf(dims, x.DType)
    let operands = (first, x) :: [ for _ in 1..count -> operand () ]
    if
        sizes.Count > 12
        || countOf (List.ofSeq sizes.Values) > int64 (20 * max 100 g.Setting.MostElements)
    then
        raise Refused
    let output =
        g.Random.Shuffle(g.Random.Some(Array.ofSeq sizes.Keys)) |> Array.truncate 5
    let summed =
        sizes
        |> Seq.filter (fun pair -> not (Array.contains pair.Key output))
        |> Seq.fold (fun n pair -> n * float (max 1 pair.Value)) 1.0
    // A label that stands only in the output repeats the value.
    let extra = g.Random.Chance 0.12 && output.Length < 5
    let output =
        if extra then
            Array.insertAt (g.Random.Below(output.Length + 1)) 'z' output
        else
            output
    // A label that stands there twice puts the value on a diagonal.
    let diagonal =
        if output.Length > 0 && output.Length < 4 && g.Random.Chance 0.05 then
            Array.append output [| g.Random.Pick output |]
        else
            output
    let notation = String.Join(",", List.map fst operands) + "->" + String diagonal
    let extents = if extra then [ whole "z" (g.Random.Between(1, 3)) ] else []
    let word =
        if extra || diagonal.Length > output.Length then
            "expanded_einsum"
        else
            "einsum"
    let y = g.Step(word, List.map snd operands, ("spec", Text notation) :: extents)
    if y.IsFloat && summed > 4.0 then
        scaled g (1.0 / Math.Sqrt summed) y
    else
        y

let private drawMatmul (g: Grower) (x: Node) : Node =
    let inner = List.last x.Dims
    let columns = g.Random.Pick [| 1; 2; 3; 4; 5; 8; 17 |]
    let batch =
        if x.Rank > 2 && g.Random.Chance 0.5 then
            List.take (x.Rank - 2) x.Dims
        else
            []
    let dims =
        if x.Rank = 1 || g.Random.Chance 0.2 then
            [ inner ]
        else
            batch @ [ inner; columns ]
    let y = g.Step("matmul", [ x; g.Leaf(dims, x.DType) ], [])
    scaled g (1.0 / Math.Sqrt(float (max 1 inner))) y

let private contractions =
    [ row "einsum" 5.0 (both ofNumbers (upToRank 4)) drawEinsum (fun a xs ->
          Einsum.make (a.Text "spec") (Dictionary()) (Array.ofList xs))
      // Labels that no operand has, or that the output has twice; it is drawn by the one before.
      row "expanded_einsum" 0.0 any (fun _ _ -> raise Refused) (fun a xs ->
          let extents =
              if (a.Text "spec").Contains 'z' then
                  dict [ 'z', a.Int "z" ]
              else
                  dict []
          Einsum.make (a.Text "spec") (Dictionary extents) (Array.ofList xs))
      row "matmul" 2.0 (both ofFloats withAxes) drawMatmul (fun _ xs -> matmul xs[0] xs[1]) ]

// ---- The same numbers elsewhere -----------------------------------------------------------------------------------------------

let private drawReshape (g: Grower) (x: Node) : Node =
    let dims = x.Dims
    let target =
        match g.Random.Below 5 with
        | 0 -> [ x.Value.Length ]
        | 1 when x.Rank > 1 ->
            let axis = g.Random.Below(x.Rank - 1)
            dims[.. axis - 1] @ [ dims[axis] * dims[axis + 1] ] @ dims[axis + 2 ..]
        | 2 when x.Rank > 0 && x.Rank < 5 ->
            let axis = g.Random.Below x.Rank
            let divisors = [| 1; 2; 3; 5; 8 |] |> Array.filter (fun k -> dims[axis] % k = 0)
            let k = g.Random.Pick divisors
            let pair =
                if g.Random.Chance 0.5 then
                    [ k; dims[axis] / k ]
                else
                    [ dims[axis] / k; k ]
            dims[.. axis - 1] @ pair @ dims[axis + 1 ..]
        | 3 when x.Rank > 1 ->
            // As many axes as before, of other extents.
            let axis = g.Random.Below(x.Rank - 1)
            let a, b = dims[axis], dims[axis + 1]
            let k =
                g.Random.Pick([| 2; 3; 5; 7; 8; a |] |> Array.filter (fun k -> k > 0 && a % k = 0))
            dims[.. axis - 1] @ [ a / k; b * k ] @ dims[axis + 2 ..]
        | _ when x.Rank < 5 -> List.insertAt (g.Random.Below(x.Rank + 1)) 1 dims
        | _ -> [ x.Value.Length ]
    g.Step("reshape", [ x ], [ ints "shape" target ])

let private drawTranspose (g: Grower) (x: Node) : Node =
    let axes = [| 0 .. x.Rank - 1 |]
    let order =
        // Turning round three axes or more is not its own inverse.
        if x.Rank > 2 && g.Random.Chance 0.6 then
            let by = g.Random.Between(1, x.Rank - 1)
            Array.append axes[by..] axes[.. by - 1]
        else
            g.Random.Shuffle axes
    g.Step("transpose", [ x ], [ ints "perm" (List.ofArray order) ])

let rec private drawSlice (g: Grower) (x: Node) : Node =
    let struct (axis, shown) = axisOf g x
    let n = x.Dims[axis]
    let bound () =
        if g.Random.Chance 0.35 then
            None
        else
            Some(g.Random.Between(-n - 1, n + 1))
    let step = g.Random.Pick [| 1; 1; 2; 3; -1; -1; -2 |]
    let own = bound (), bound (), step
    let before = List.replicate axis (None, None, 1)
    let part = g.Step("slice", [ x ], [ "slices", Bounds(before @ [ own ]) ])
    // A slice of a slice is one slice.
    if part.Dims[axis] > 1 && g.Random.Chance 0.25 then
        drawSlice g part
    else
        part

let private drawEmbed (g: Grower) (x: Node) : Node =
    let parts =
        [ for d in x.Dims do
              let step = g.Random.Pick [| 1; 1; 1; 2; 3 |]
              let span = if d = 0 then 0 else (d - 1) * step + 1
              let before = g.Random.Below 3
              let extent = span + before + g.Random.Below 3
              // Backwards now and then.
              if d > 0 && g.Random.Chance 0.2 then
                  extent, before + span - 1, -step
              else
                  extent, before, step ]
    if countOf [ for extent, _, _ in parts -> extent ] > int64 g.Setting.MostElements then
        raise Refused
    g.Step(
        "embed",
        [ x ],
        [ ints "shape" [ for extent, _, _ in parts -> extent ]
          ints "starts" [ for _, start, _ in parts -> start ]
          ints "steps" [ for _, _, step in parts -> step ] ]
    )

let private drawUnfold (g: Grower) (x: Node) : Node =
    let struct (axis, shown) = axisOf g x
    let dilation = g.Random.Between(1, 2)
    if x.Dims[axis] < 1 then
        raise Refused
    let most = (x.Dims[axis] - 1) / dilation + 1
    let size = g.Random.Between(1, min 4 most)
    g.Step(
        "unfold",
        [ x ],
        [ whole "axis" shown
          whole "size" size
          whole "step" (g.Random.Between(1, 3))
          whole "dilation" dilation ]
    )

let private drawFold (g: Grower) (x: Node) : Node =
    let axis = g.Random.Below(x.Rank - 1)
    let positions, size = x.Dims[axis], x.Dims[axis + 1]
    if positions < 1 || size < 1 then
        raise Refused
    let step, dilation = g.Random.Between(1, 3), g.Random.Between(1, 2)
    // As many elements as the windows need, and less than a step more.
    let extent =
        (positions - 1) * step + (size - 1) * dilation + 1 + g.Random.Below step
    g.Step(
        "fold",
        [ x ],
        [ whole "axis" axis
          whole "extent" extent
          whole "step" step
          whole "dilation" dilation ]
    )

let private drawConcat (g: Grower) (x: Node) : Node =
    let struct (axis, shown) = axisOf g x
    let others =
        [ for _ in 1 .. g.Random.Weighted [| 5.0, 1; 3.0, 2; 1.0, 4 |] do
              let fits (y: Node) =
                  y.DType = x.DType
                  && y.Rank = x.Rank
                  && replace axis 0 y.Dims = replace axis 0 x.Dims
              match (if g.Random.Chance 0.5 then g.Recent fits else ValueNone) with
              | ValueSome y -> y
              | ValueNone -> g.Leaf(replace axis (g.Random.Pick [| 0; 1; 1; 2; 3; 4 |]) x.Dims, x.DType) ]
    let operands = g.Random.Shuffle(Array.ofList (x :: others)) |> List.ofArray
    g.Step("concat", operands, [ whole "axis" shown ])

let private drawGather (g: Grower) (x: Node) : Node =
    let struct (axis, shown) = axisOf g x
    let n = x.Dims[axis]
    if n = 0 then
        raise Refused
    let dims =
        List.truncate (g.Random.Below 3) [ g.Random.Between(0, 6); g.Random.Between(1, 3) ]
    if x.Rank - 1 + dims.Length > 6 then
        raise Refused
    let found =
        // Where the largest is, or numbers of their own; negative ones count from the end.
        if x.IsFloat && g.Random.Chance 0.15 then
            g.Step("argmax", [ x ], [ whole "axis" axis ])
        elif g.Random.Chance 0.3 then
            let positive = g.Indices(dims, n)
            let bound =
                g.Step("const", [], [ "value", Filled([], float n); "dtype", Text(nameOf positive.DType) ])
            g.Step("sub", [ positive; bound ], [])
        else
            g.Indices(dims, n)
    if countOf (x.Dims[.. axis - 1] @ found.Dims @ x.Dims[axis + 1 ..]) > int64 g.Setting.MostElements then
        raise Refused
    g.Step("gather", [ x; found ], [ whole "axis" shown ])

let private drawScatter (g: Grower) (x: Node) : Node =
    let struct (axis, _) = axisOf g x
    let n = x.Dims[axis]
    let extent = g.Random.Between(1, 6)
    let found = g.Indices([ n ], extent)
    let zeros = g.Const(0.0, x.DType, replace axis extent x.Dims)
    g.Step("scatter_add", [ zeros; x; found ], [ whole "axis" axis ])

let private moves =
    [ row "reshape" 2.0 any drawReshape (fun a xs -> reshape (a.Ints "shape") xs[0])
      row "transpose" 2.5 (fun x -> x.Rank > 1) drawTranspose (fun a xs -> permute (a.Ints "perm") xs[0])
      row
          "broadcast_to"
          1.0
          any
          (fun g x ->
              let wider =
                  x.Dims
                  |> List.map (fun d ->
                      if d = 1 && g.Random.Chance 0.6 then
                          g.Random.Between(1, 4)
                      else
                          d)
              let wider =
                  if x.Rank < 5 && g.Random.Chance 0.5 then
                      g.Random.Between(1, 4) :: wider
                  else
                      wider
              g.Step("broadcast_to", [ x ], [ ints "shape" wider ]))
          (fun a xs -> broadcastTo (a.Ints "shape") xs[0])
      row "slice" 2.5 withAxes drawSlice (fun a xs ->
          let along x (axis, bounds) =
              match bounds with
              | None, None, 1 -> x
              | start, stop, step -> slice axis start stop step x
          a.Bounds "slices" |> List.indexed |> List.fold along xs[0])
      row "embed" 1.5 withAxes drawEmbed (fun a xs ->
          let starts, steps = Array.ofList (a.Ints "starts"), Array.ofList (a.Ints "steps")
          let shape = shapeOf (a.Ints "shape")
          // Rules alone make embeds, so the graph itself does not ask.
          for axis in 0 .. starts.Length - 1 do
              let last = starts[axis] + steps[axis] * (xs[0].Shape[axis] - 1)
              if
                  xs[0].Shape[axis] > 0
                  && (min starts[axis] last < 0 || max starts[axis] last >= shape[axis])
              then
                  invalidArg
                      "starts"
                      $"embed: places {starts[axis]} to {last} are not all along axis {axis} of {shape}"
          Window.embed starts steps shape xs[0])
      row "unfold" 1.5 (both withAxes (upToRank 4)) drawUnfold (fun a xs ->
          unfold (a.Int "axis") (a.Int "size") (a.Int "step") (a.Int "dilation") xs[0])
      row "fold" 2.0 (both ofNumbers (fun x -> x.Rank > 1)) drawFold (fun a xs ->
          fold (a.Int "axis") (a.Int "extent") (a.Int "step") (a.Int "dilation") xs[0])
      row "concat" 2.0 withAxes drawConcat (fun a xs -> concat (a.Int "axis") xs)
      row "gather" 2.0 withAxes drawGather (fun a xs -> gather (a.Int "axis") xs[1] xs[0])
      row "scatter_add" 1.5 (both ofNumbers withAxes) drawScatter (fun a xs ->
          xs[0] + scatterAdd (a.Int "axis") (dimsOf xs[0].Shape) xs[2] xs[1]) ]

// ---- Reductions ---------------------------------------------------------------------------------------------------------------

let private reduction name weight fits (normal: float -> float) (f: bool -> int[] -> Expr -> Expr) =
    row
        name
        weight
        fits
        (fun g x ->
            let axes = someAxes g x
            let y =
                g.Step(name, [ x ], [ "axis", axesAttr axes; flag "keepdims" (g.Random.Chance 0.4) ])
            let factor = normal (float (max 1 (reducedBy axes x)))
            if factor <> 1.0 && y.IsFloat then scaled g factor y else y)
        (fun a xs -> f (a.Flag "keepdims") (a.Axes "axis") xs[0])

let private along name weight fits (f: int -> Expr -> Expr) =
    row
        name
        weight
        fits
        (fun g x ->
            let struct (_, shown) = axisOf g x
            g.Step(name, [ x ], [ whole "axis" shown ]))
        (fun a xs -> f (a.Int "axis") xs[0])

/// A position becomes a number again, so that the graph goes on from it.
let private drawArg name (g: Grower) (x: Node) : Node =
    let struct (_, shown) = axisOf g x
    let at = g.Step(name, [ x ], [ whole "axis" shown ])
    if g.Random.Chance 0.5 then
        g.Step("cast", [ at ], [ "dtype", Text(nameOf x.DType) ])
    else
        at

let private reductions =
    let one (_: float) = 1.0
    let ofFilled = both ofFloats filled
    [ reduction "sum" 3.0 ofNumbers (fun n -> 1.0 / Math.Sqrt n) sumAxes
      reduction "mean" 1.0 ofFilled one meanAxes
      reduction "prod" 1.0 (both ofFloats (fun x -> x.Value.Length < 100)) one prodAxes
      reduction "reduce_max" 2.0 (both ofNumbers filled) one (extremeAxes Extreme.Max)
      reduction "reduce_min" 2.0 (both ofNumbers filled) one (extremeAxes Extreme.Min)
      reduction "logsumexp" 1.0 ofFilled one logsumexpAxes
      along "softmax" 1.5 (both ofFilled withAxes) softmax
      along "log_softmax" 1.0 (both ofFilled withAxes) logSoftmax
      row "argmax" 0.5 (both ofFilled withAxes) (drawArg "argmax") (fun a xs -> argmax (a.Int "axis") xs[0])
      row "argmin" 0.5 (both ofFilled withAxes) (drawArg "argmin") (fun a xs -> argmin (a.Int "axis") xs[0]) ]

// ---- What is made of several ----------------------------------------------------------------------------------------------------

let private drawConv (g: Grower) (x: Node) : Node =
    let spatial = x.Dims[2..]
    let channels = x.Dims[1]
    let dilation = [ for _ in spatial -> g.Random.Between(1, 2) ]
    let size =
        List.map2 (fun n d -> g.Random.Between(1, max 1 (min 3 ((n - 1) / d + 1)))) spatial dilation
    if
        List.exists2 (fun n (s, d) -> n < (s - 1) * d + 1) spatial (List.zip size dilation)
        || channels = 0
    then
        raise Refused
    let w = g.Leaf(g.Random.Between(1, 3) :: channels :: size, x.DType)
    let y =
        g.Step(
            "conv",
            [ x; w ],
            [ ints "stride" [ for _ in spatial -> g.Random.Between(1, 2) ]
              ints "dilation" dilation
              flag "same" (g.Random.Chance 0.3) ]
        )
    scaled g (1.0 / Math.Sqrt(float (max 1 (channels * List.fold (*) 1 size)))) y

let private drawPool name (g: Grower) (x: Node) : Node =
    let size = [ for n in x.Dims[2..] -> g.Random.Between(1, max 1 (min 3 n)) ]
    if List.contains 0 x.Dims then
        raise Refused
    g.Step(name, [ x ], [ ints "size" size; ints "stride" [ for _ in size -> g.Random.Between(1, 2) ] ])

let private images (x: Node) = x.IsFloat && x.Rank >= 3 && x.Rank <= 4

let private composites =
    [ row
          "layer_norm"
          1.0
          (both ofFloats (both withAxes filled))
          (fun g x -> g.Step("layer_norm", [ x ], [ "eps", Real 0.125 ]))
          (fun a xs -> layerNorm (a.Number "eps") xs[0])
      row
          "clip"
          0.7
          ofFloats
          (fun g x ->
              let low = float (float32 (g.Random.Within(-1.0, 0.0)))
              g.Step("clip", [ x ], [ "lo", Real low; "hi", Real(low + 1.0) ]))
          (fun a xs -> clip (a.Number "lo") (a.Number "hi") xs[0])
      row
          "cross_entropies"
          1.0
          (both ofFloats (fun x -> x.Rank > 0 && List.last x.Dims > 0))
          (fun g x ->
              let classes = List.last x.Dims
              g.Step("cross_entropies", [ x; g.Indices(List.take (x.Rank - 1) x.Dims, classes) ], []))
          (fun _ xs -> crossEntropyOfClasses xs[0] xs[1])
      row
          "soft_cross_entropies"
          0.5
          (both ofFloats (fun x -> x.Rank > 0 && List.last x.Dims > 0))
          (fun g x -> g.Step("soft_cross_entropies", [ x; g.Leaf(x.Dims, x.DType) ], []))
          (fun _ xs -> crossEntropyOfDistributions xs[0] xs[1])
      row "norm2" 0.7 (both ofFloats filled) (fun g x -> g.Step("norm2", [ x ], [])) (fun _ xs ->
          frobeniusNorm xs)
      row "conv" 2.0 images drawConv (fun a xs ->
          let padding = if a.Flag "same" then Padding.Same else Padding.Valid
          convWith (a.Ints "stride") padding (a.Ints "dilation") 1 xs[1] xs[0])
      row "max_pool" 1.0 images (drawPool "max_pool") (fun a xs ->
          maxPoolWith (a.Ints "size") (a.Ints "stride") Padding.Valid [] xs[0])
      row "avg_pool" 1.0 images (drawPool "avg_pool") (fun a xs ->
          avgPoolWith (a.Ints "size") (a.Ints "stride") Padding.Same xs[0]) ]

// ---- Graphs within the graph, operations of one's own ------------------------------------------------------------------------------

let private bodies: (string * (Expr list -> Expr)) list =
    [ "product", (fun xs -> sin xs[0] * xs[0] + tanh xs[1])
      "sum", (fun xs -> let s = sum (square xs[0]) in tanh s + xs[0] * sigmoid xs[1])
      "nested", (fun xs -> exp (-square(checkpoint (fun ys -> sin ys[0] * xs[1]) [ xs[0] ]))) ]

let private cube = scalarOp "cube" (fun x -> x * x * x) (fun x _ -> 3.0 * x * x)

let private extensions =
    [ row
          "sine_checkpoint"
          1.2
          ofFloats
          (fun g x ->
              let y = g.Inside(-4.0, 4.0, g.Partner x)
              let x = g.Inside(-4.0, 4.0, x)
              g.Step("sine_checkpoint", [ x; y ], [ "body", Text(fst (g.Random.Pick(Array.ofList bodies))) ]))
          (fun a xs -> checkpoint (bodies |> List.find (fst >> (=) (a.Text "body")) |> snd) xs)
      row
          "tanh_scan"
          1.0
          ofFloats
          (fun g x ->
              let y = g.Inside(-4.0, 4.0, g.Partner x)
              let x = g.Inside(-4.0, 4.0, x)
              g.Step(
                  "tanh_scan",
                  [ x; y ],
                  [ flag "reverse" (g.Random.Chance 0.5)
                    whole "length" (g.Random.Between(0, 3)) ]
              ))
          (fun a xs ->
              let options =
                  let forwards = LoopOptions.Default.WithLength(a.Int "length")
                  if a.Flag "reverse" then forwards.Reversed() else forwards
              let shift = tanh (sum xs[1])
              let states, ys =
                  scanWith
                      options
                      (fun s _ -> [ tanh (s[0] + shift) + 0.5 * s[0] ], [ sin s[0] ])
                      [ xs[0] ]
                      []
              states.Head + sumOver [ 0 ] ys.Head)
      row
          "sine_cond"
          1.0
          ofFloats
          (fun g x ->
              let y = g.Inside(-4.0, 4.0, g.Partner x)
              let x = g.Inside(-4.0, 4.0, x)
              g.Step("sine_cond", [ x; y ], [ flag "side" (g.Random.Chance 0.5) ]))
          (fun a xs ->
              let side = Expr.op_Implicit (a.Flag "side")
              cond side (fun ys -> [ sin ys[0] * ys[1] ]) (fun ys -> [ ys[0] - tanh ys[1] ]) xs
              |> List.head)
      // It is written for float64.
      row "cube" 0.5 (fun x -> x.DType = DType.Float64) (fun g x -> g.Step("cube", [ x ], [])) (fun _ xs ->
          cube xs[0]) ]

/// The operations on the graph's own words, but for matrices, sequences and random numbers.
let basic: Operation[] =
    Array.concat
        [ Fn.all |> Array.map scalarFunction
          [| yield! leaves
             yield! types
             yield! contractions
             yield! moves
             yield! reductions
             yield! composites
             yield! extensions |] ]
