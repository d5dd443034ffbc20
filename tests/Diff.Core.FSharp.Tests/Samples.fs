/// The operation table: for every word of the vocabulary, graphs that use it and points to differentiate them at.
module Diff.Testing.Samples

open System
open System.Reflection
open FSharp.Reflection
open Diff
open Diff.Testing.Generators

/// A function of arrays that is smooth around its points.
type Sample =
    {
        Name: string
        Points: NDArray list
        Build: Expr list -> Expr
        /// How many digits its derivatives must have.
        Digits: float
    }

    override s.ToString() = s.Name

let private sample name points build =
    { Name = name
      Points = points
      Build = build
      Digits = 9.0 }
let private any = -2.0, 2.0
let private some = spread 1 any
let private more = spread 2 any
let private raw op (args: Expr list) (shape: int list) =
    Expr(op, Array.ofList args, Shape(Array.ofList shape), args.Head.DType)
let private map fn (args: Expr list) = Expr.Map(fn, Array.ofList args)
let private ints (values: int list) (shape: int list) =
    NDArray.Create(Array.ofList values, Shape(Array.ofList shape))

let private shapesOfOne =
    [ []; [ 1 ]; [ 0 ]; [ 3 ]; [ 2; 3 ]; [ 2; 1; 2 ]; [ 2; 1; 2; 2 ]; [ 17 ] ]

let private shapesOfTwo =
    [ [], []
      [ 3 ], []
      [], [ 2; 3 ]
      [ 2; 1 ], [ 1; 3 ]
      [ 2; 3 ], [ 3 ]
      [ 1 ], [ 4 ]
      [ 0 ], [ 1 ]
      [ 2; 2; 2 ], [ 2; 1; 2 ]
      [ 2; 1; 2; 1 ], [ 3; 1; 2 ] ]

// ---- Scalar functions ----------------------------------------------------------------------------------------------

let private ofUnary fn domain =
    [ for shape in shapesOfOne do
          sample $"{shape}" [ spread 3 domain shape ] (fun xs -> map fn xs)
      sample "of a transpose" [ spread 4 domain [ 2; 3 ] ] (fun xs -> map fn [ transpose xs[0] ])
      sample "of a slice" [ spread 5 domain [ 7 ] ] (fun xs -> map fn [ slice 0 None None -2 xs[0] ])
      sample "used twice" [ spread 6 domain [ 3 ] ] (fun xs -> map fn xs * map fn xs + xs[0] * map fn xs) ]

let private ofBinary fn first second =
    [ for a, b in shapesOfTwo do
          sample $"{a} and {b}" [ spread 3 first a; spread 4 second b ] (fun xs -> map fn xs)
      let low, high = max (fst first) (fst second), min (snd first) (snd second)
      if low < high && fn <> Fn.Max && fn <> Fn.Min then
          sample "an operand twice" [ spread 5 (low, high) [ 2; 3 ] ] (fun xs -> map fn [ xs[0]; xs[0] ])
      sample "with a transpose" [ spread 6 first [ 2; 3 ]; spread 7 second [ 3; 2 ] ] (fun xs ->
          map fn [ transpose xs[0]; xs[1] ])
      sample "with a constant" [ spread 8 first [ 3 ] ] (fun xs ->
          map fn [ xs[0]; Expr.op_Implicit ((fst second + snd second) / 3.0) ])
      sample "of a constant" [ spread 9 second [ 3 ] ] (fun xs ->
          map fn [ Expr.op_Implicit ((fst first + snd first) / 3.0 + 0.7); xs[0] ]) ]

/// x where a condition holds, else a function of x: what a bool is good for.
let private chosenBy (condition: Expr list -> Expr) (xs: Expr list) =
    where (condition xs) (square xs[0]) (sin xs[1])

/// Samples beside those that follow from the row of a scalar function: other sides of a kink, other domains.
let private extra fn =
    let two name condition points = sample name points (chosenBy condition)
    match fn with
    | Fn.Abs
    | Fn.Relu
    | Fn.Sign -> [ sample "left of 0" [ spread 3 (-2.0, -0.1) [ 5 ] ] (fun xs -> map fn xs * xs[0]) ]
    | Fn.Div -> [ sample "below 0" [ some [ 4 ]; spread 3 (-2.0, -0.3) [ 4 ] ] (fun xs -> map fn xs) ]
    | Fn.Pow ->
        [ for n in [ -2.0; -1.0; 0.0; 1.0; 2.0; 3.0; 0.5; 2.5 ] do
              sample $"to {n}" [ spread 3 (0.3, 2.0) [ 3 ] ] (fun xs -> map fn [ xs[0]; Expr.op_Implicit n ])
          for n in [ -1.0; 2.0; 3.0 ] do
              sample $"of numbers below 0 to {n}" [ spread 3 (-2.0, -0.3) [ 3 ] ] (fun xs ->
                  map fn [ xs[0]; Expr.op_Implicit n ]) ]
    | Fn.Max
    | Fn.Min ->
        [ sample "either wins" [ spread 3 any [ 9 ] ] (fun xs ->
              map fn [ slice 0 (Some 1) None 1 xs[0]; slice 0 None (Some -1) 1 xs[0] ]) ]
    | Fn.Not ->
        [ sample "of bools" [ some [ 4 ]; booleans 5 [ 4 ] ] (fun xs ->
              where (map fn [ xs[1] ]) xs[0] (exp xs[0])) ]
    | Fn.And
    | Fn.Or ->
        [ for a, b in [ [ 4 ], [ 4 ]; [ 2; 3 ], [ 3 ]; [], [ 3 ] ] do
              sample $"of bools {a} and {b}" [ some [ 2; 3; 4 ]; booleans 5 a; booleans 6 b ] (fun xs ->
                  let condition = map fn xs.Tail
                  let condition =
                      if condition.Rank = 1 && condition.Shape[0] = 3 then
                          expandDims 1 condition
                      elif condition.Rank = 2 then
                          expandDims 2 condition
                      else
                          condition
                  where condition xs[0] (exp xs[0])) ]
    | Fn.Equal
    | Fn.NotEqual
    | Fn.Less
    | Fn.LessEqual
    | Fn.Greater
    | Fn.GreaterEqual ->
        [ two "of floats" (map fn) [ some [ 2; 3 ]; more [ 2; 3 ] ]
          two "of floats, broadcast" (map fn) [ some [ 2; 1 ]; more [ 3 ] ]
          sample "of integers" [ some [ 5 ]; ints [ 1; 2; 3; 4; 5 ] [ 5 ]; ints [ 3 ] [] ] (fun xs ->
              where (map fn xs.Tail) xs[0] (exp xs[0])) ]
    | Fn.Where ->
        [ for c, a, b in
              [ [ 2; 3 ], [ 2; 3 ], [ 2; 3 ]
                [], [ 3 ], [ 2; 3 ]
                [ 3 ], [ 2; 1 ], []
                [ 2; 1 ], [ 1; 3 ], [ 3 ]
                [ 0 ], [], [ 0 ] ] do
              sample $"{c} of {a} and {b}" [ booleans 3 c; some a; more b ] (fun xs -> map fn xs)
          sample "of one" [ booleans 3 [ 4 ]; some [ 4 ] ] (fun xs -> map fn [ xs[0]; xs[1]; xs[1] ]) ]
    // Differences take steps of a quarter of the operands, and the quotient stays between two integers.
    | Fn.Fmod ->
        [ for a, b in [ [], []; [ 2; 3 ], [ 3 ]; [ 2; 1 ], [ 1; 3 ]; [ 4 ], [] ] do
              for sign in [ 1.0; -1.0 ] do
                  sample
                      $"{a} and {b} of sign {sign}"
                      [ spread 3 (1.4, 1.45) a; spread 4 (1.0, 1.03) b ]
                      (fun xs -> map fn [ sign * xs[0]; xs[1] ])
          sample "with a constant" [ spread 3 (1.4, 1.45) [ 3 ] ] (fun xs ->
              map fn [ xs[0]; Expr.op_Implicit 1.0 ])
          sample "of a constant" [ spread 3 (1.0, 1.03) [ 3 ] ] (fun xs ->
              map fn [ Expr.op_Implicit 1.42; xs[0] ]) ]
    // The orders of derivatives are constants.
    | Fn.SincDerivative
    | Fn.ErfcxDerivative
    | Fn.Polygamma ->
        let domain = if fn = Fn.Polygamma then 0.5, 3.0 else any
        [ for n in [ 0.0; 1.0; 2.0; 5.0 ] do
              sample $"of order {n}" [ spread 3 domain [ 2; 3 ] ] (fun xs ->
                  map fn [ Expr.op_Implicit n; xs[0] ]) ]
    | Fn.GammaincDerivative ->
        [ for n in [ 1.0; 2.0 ] do
              for name, domain in [ "by the series", (0.2, 0.9); "by the fraction", (2.5, 4.0) ] do
                  sample
                      $"of order {n}, {name}"
                      [ spread 3 (0.5, 1.4) [ 3 ]; spread 4 domain [ 3 ] ]
                      (fun xs -> map fn [ Expr.op_Implicit n; xs[0]; xs[1] ]) ]
    | Fn.BetaincDerivative ->
        [ for i, j in [ 1.0, 0.0; 0.0, 1.0; 1.0, 1.0; 2.0, 1.0 ] do
              sample
                  $"of orders {i} and {j}"
                  [ spread 3 (0.6, 2.0) [ 3 ]
                    spread 4 (0.6, 2.0) [ 3 ]
                    spread 5 (0.1, 0.9) [ 3 ] ]
                  (fun xs -> map fn (Expr.op_Implicit i :: Expr.op_Implicit j :: xs)) ]
    | Fn.Betainc
    | Fn.BetaDensity ->
        [ for a, b, x in [ [ 3 ], [ 3 ], [ 3 ]; [], [ 2; 1 ], [ 3 ]; [ 2; 2 ], [], [] ] do
              sample
                  $"{a}, {b} and {x}"
                  [ spread 3 (0.6, 2.0) a; spread 4 (0.6, 2.0) b; spread 5 (0.1, 0.9) x ]
                  (map fn) ]
    | _ -> []

/// Functions of two numbers whose samples are all among the extra ones.
let private isApart fn =
    match fn with
    | Fn.SincDerivative
    | Fn.ErfcxDerivative
    | Fn.Polygamma
    | Fn.Fmod -> true
    | _ -> false

let private ofFn (fn: Fn) : Sample list =
    let row = Elementwise.rule fn
    let fromRow =
        match row.Derivative, row.Domain with
        | _ when isApart fn -> []
        | Zero, [| domain |] ->
            [ sample "beside its operand" [ spread 3 domain [ 3 ] ] (fun xs -> map fn xs * xs[0]) ]
        | Zero, _ -> []
        | _, [| domain |] -> ofUnary fn domain
        | _, [| first; second |] -> ofBinary fn first second
        | _ -> []
    [ for s in fromRow @ extra fn ->
          { s with
              Name = $"{Fn.name fn} {s.Name}" } ]

// ---- Operations ----------------------------------------------------------------------------------------------------

let private einsums =
    [ "ij,jk->ik", [ [ 2; 3 ]; [ 3; 4 ] ]
      "ij,jk,kl->il", [ [ 2; 3 ]; [ 3; 2 ]; [ 2; 2 ] ]
      "ij,ij,ij->", [ [ 2; 3 ]; [ 2; 3 ]; [ 2; 3 ] ]
      "ii->", [ [ 3; 3 ] ]
      "ii->i", [ [ 3; 3 ] ]
      "bij,bjk->bik", [ [ 2; 2; 3 ]; [ 2; 3; 2 ] ]
      "...ij,...jk->...ik", [ [ 2; 1; 2; 3 ]; [ 3; 3; 2 ] ]
      "...i,...i->...", [ [ 1; 3 ]; [ 4; 3 ] ]
      "i...j,j->...i", [ [ 2; 1; 2; 3 ]; [ 3 ] ]
      "i,j->ij", [ [ 2 ]; [ 3 ] ]
      "i,j->", [ [ 2 ]; [ 3 ] ]
      ",->", [ []; [] ]
      ",i->i", [ []; [ 3 ] ]
      "ij->ji", [ [ 2; 3 ] ]
      "ijk->kj", [ [ 2; 3; 2 ] ]
      "ij->", [ [ 2; 3 ] ]
      "ij,j->ij", [ [ 2; 3 ]; [ 3 ] ]
      "ij,jk", [ [ 1; 1 ]; [ 1; 5 ] ]
      "ij,jk->ik", [ [ 2; 0 ]; [ 0; 3 ] ]
      "i,i,i,i->i", [ [ 2 ]; [ 2 ]; [ 2 ]; [ 2 ] ]
      "aab,bc,ddc->da", [ [ 2; 2; 3 ]; [ 3; 2 ]; [ 2; 2; 2 ] ] ]

let private ofEinsum =
    [ for notation, shapes in einsums do
          sample $"{notation} of {shapes}" (shapes |> List.mapi (fun k s -> spread (k + 1) any s)) (fun xs ->
              einsum notation xs)
      sample "an operand twice" [ some [ 3; 3 ] ] (fun xs -> einsum "ij,jk->ik" [ xs[0]; xs[0] ])
      sample "an operand twice, to a scalar" [ some [ 2; 3 ] ] (fun xs -> einsum "ij,ij->" [ xs[0]; xs[0] ])
      sample "labels only in the output" [ some [ 2 ] ] (fun xs -> einsumWith "i->jik" [ 'j', 3; 'k', 2 ] xs)
      // Derivatives of diagonals repeat labels in the output; notations may not.
      for inputs, output, shapes, extents in
          [ [ "i" ], "ii", [ [ 3 ] ], [ 3; 3 ]
            [ "iij"; "jk" ], "ikk", [ [ 2; 2; 3 ]; [ 3; 2 ] ], [ 2; 2; 2 ]
            [ "i" ], "jij", [ [ 2 ] ], [ 3; 2; 3 ] ] do
          sample
              $"repeated labels {inputs} to {output}"
              (shapes |> List.mapi (fun k s -> spread (k + 1) any s))
              (fun xs ->
                  Expr.Contract(
                      { Inputs = Array.ofList inputs
                        Output = output },
                      Array.ofList xs,
                      Shape(Array.ofList extents)
                  ))
      sample "a product of a product" [ some [ 2; 3 ]; more [ 3; 2 ]; some [ 2; 2 ] ] (fun xs ->
          einsum "ij,jk->ki" [ einsum "ij,jk->ik" [ xs[0]; xs[1] ]; transpose xs[2] ])
      sample "sums of sums" [ some [ 2; 3; 2 ] ] (fun xs -> sumOver [ 0 ] (sumOver [ 1 ] xs[0]))
      sample "broadcast sums" [ some [ 2; 3 ] ] (fun xs -> broadcastTo [ 4; 2 ] (sumOver [ 1 ] xs[0]))
      sample "with integers cast" [ some [ 2; 3 ]; integers 3 (-3, 4) [ 3 ] ] (fun xs ->
          einsum "ij,j->i" [ xs[0]; cast DType.Float64 xs[1] ]) ]

let private ofReduce extreme =
    [ for shape, axes in
          [ [ 5 ], []
            [ 2; 3 ], []
            [ 2; 3 ], [ 0 ]
            [ 2; 3 ], [ 1 ]
            [ 2; 3; 2 ], [ 0; 2 ]
            [ 1; 3 ], [ 0 ]
            [ 0; 3 ], [ 1 ]
            [ 2; 2; 2; 2 ], [ 1; 3 ] ] do
          sample $"{extreme} of {shape} along {axes}" [ some shape ] (fun xs ->
              extremeAxes extreme (axes.Length = 1) (Array.ofList axes) xs[0])
      sample $"{extreme} of squares" [ some [ 2; 4 ] ] (fun xs ->
          extremeAxes extreme false [| 1 |] (square xs[0] * xs[0])) ]

let private cube =
    Custom.scalar "cube" (fun x -> x * x * x) (fun x _ -> 3.0 * x * x)

/// x·y summed over all, and its vjp as a graph.
let private dotOp =
    customOp
        "dot"
        (fun _ -> Shape.Scalar)
        (fun xs ->
            NDArray.Create(
                [| Seq.fold2 (fun s a b -> s + a * b) 0.0 (floats xs[0]) (floats xs[1]) |],
                Shape.Scalar
            ))
        (fun xs _ g -> [ g * xs[1]; g * xs[0] ])

/// sin, with a cotangent that goes through a checkpoint: to turn that rule into forward mode, it is transposed itself.
let private sinOp =
    let forward (xs: NDArray list) =
        NDArray.Create(floats xs.Head |> Array.map sin, xs.Head.Shape)
    customOp "sin" (fun xs -> xs.Head.Shape) forward (fun xs _ g ->
        [ checkpoint (fun ys -> ys[0] * cos ys[1]) [ g; xs.Head ] ])

/// The samples of an operation of which the case has this name; None where nobody has written any.
let ofOp (case: string) : Sample list option =
    let found =
        match case with
        | "Variable" ->
            Some
                [ for shape in shapesOfOne do
                      sample $"{shape}" [ some shape ] List.head ]
        | "Const" ->
            Some
                [ for shape in shapesOfOne do
                      sample $"{shape}" [ some shape ] (fun xs -> xs[0] * full shape DType.Float64 1.5)
                  sample "alone" [ some [ 2 ] ] (fun _ -> full [ 3 ] DType.Float64 1.5) ]
        | "Literal" ->
            Some
                [ for shape in shapesOfOne do
                      sample $"{shape}" [ some shape ] (fun xs -> xs[0] * constant (more shape)) ]
        | "Iota" ->
            Some
                [ sample "floats" [ some [ 2; 3 ] ] (fun xs -> xs[0] * iota [ 2; 3 ] 1 DType.Float64)
                  sample "integers" [ some [ 3; 2 ] ] (fun xs ->
                      xs[0] * cast DType.Float64 (iota [ 3; 2 ] 0 DType.Int32)) ]
        | "Elementwise" -> Some [ sample "all of them, below" [ some [ 2 ] ] (fun xs -> exp xs[0]) ]
        | "Cast" ->
            let halves = NDArray.Create([| 0.5; -0.25; 0.75; 1.0 |], Shape [| 2; 2 |])
            Some
                [ { sample "through float32" [ halves ] (fun xs ->
                        cast DType.Float64 (cast DType.Float32 xs[0])) with
                      Digits = 5.0 }
                  sample "of integers" [ some [ 2; 3 ]; integers 3 (-3, 4) [ 3 ] ] (fun xs ->
                      xs[0] * cast DType.Float64 xs[1])
                  sample "of bools" [ some [ 2; 3 ]; booleans 3 [ 3 ] ] (fun xs ->
                      xs[0] * cast DType.Float64 xs[1])
                  sample "to integers" [ spread 3 (-0.4, 0.4) [ 8 ] ] (fun xs ->
                      xs[0] * cast DType.Float64 (cast DType.Int64 (10.5 + xs[0]))) ]
        | "StopGradient" ->
            Some
                [ sample "of a constant" [ some [ 3 ] ] (fun xs ->
                      xs[0] * stopGradient (constant (more [ 3 ]))) ]
        | "Barrier" ->
            Some
                [ sample "after another" [ some [ 2; 3 ]; more [ 3 ] ] (fun xs ->
                      raw Op.Barrier [ exp xs[0]; sin xs[1] ] [ 2; 3 ]) ]
        | "Einsum" -> Some ofEinsum
        | "Reshape" ->
            Some
                [ for before, after in
                      [ [ 2; 3 ], [ 3; 2 ]
                        [ 6 ], [ 1; 2; 1; 3 ]
                        [ 1; 1 ], []
                        [], [ 1 ]
                        [ 0; 3 ], [ 2; 0 ] ] do
                      sample $"{before} to {after}" [ some before ] (fun xs -> reshape after xs[0])
                  sample "of a transpose" [ some [ 2; 3 ] ] (fun xs -> reshape [ 6 ] (transpose xs[0])) ]
        | "Slice" ->
            Some
                [ for start, stop, step in
                      [ Some 1, Some 4, 1
                        None, None, 2
                        None, None, -1
                        Some -1, Some 0, -2
                        Some 3, Some 3, 1
                        Some 2, Some 3, 1 ] do
                      sample $"{start} {stop} {step}" [ some [ 5; 2 ] ] (fun xs ->
                          slice 0 start stop step xs[0])
                  sample "of a slice" [ some [ 3; 7 ] ] (fun xs ->
                      slice 1 None None 2 (slice 1 None None -1 xs[0]))
                  sample "of two axes" [ some [ 4; 5 ] ] (fun xs ->
                      Window.slice [| 3; 1 |] [| -2; 3 |] (Shape [| 2; 2 |]) xs[0])
                  sample "overlapping" [ some [ 5 ] ] (fun xs ->
                      slice 0 None (Some -1) 1 xs[0] * slice 0 (Some 1) None 1 xs[0])
                  sample "of an empty array" [ some [ 0; 2 ] ] (fun xs -> slice 0 None None -1 xs[0]) ]
        | "Embed" ->
            Some
                [ sample "with steps" [ some [ 2; 3 ] ] (fun xs ->
                      Window.embed [| 1; 5 |] [| 2; -2 |] (Shape [| 4; 6 |]) xs[0])
                  sample "pad" [ some [ 2; 3 ] ] (fun xs -> padWith 1.0 [ 1, 0; 2, 1 ] xs[0])
                  sample "of a slice" [ some [ 5 ] ] (fun xs ->
                      Window.embed [| 1 |] [| 1 |] (Shape [| 4 |]) (slice 0 (Some 1) (Some 3) 1 xs[0]))
                  sample "nothing" [ some [ 0 ] ] (fun xs ->
                      Window.embed [| 0 |] [| 1 |] (Shape [| 3 |]) xs[0]) ]
        | "Unfold" ->
            Some
                [ for name, dims, axis, size, step, dilation in
                      [ "overlapping", [ 6 ], 0, 3, 1, 1
                        "with steps", [ 2; 8 ], 1, 3, 2, 1
                        "apart", [ 7; 2 ], 0, 2, 3, 1
                        "dilated", [ 2; 7; 2 ], -2, 3, 1, 2
                        "with a rest", [ 2; 5 ], 1, 2, 2, 1
                        "one window", [ 5 ], 0, 3, 4, 2
                        "of one element", [ 5 ], 0, 1, 2, 1
                        "of nothing", [ 4; 0 ], 0, 2, 1, 1 ] do
                      sample name [ some dims ] (fun xs -> unfold axis size step dilation xs[0])
                  sample "of two axes" [ some [ 4; 5 ] ] (fun xs -> unfold 2 2 1 2 (unfold 0 3 1 1 xs[0]))
                  sample "a convolution" [ some [ 2; 2; 5 ]; more [ 3; 2; 3 ] ] (fun xs -> conv xs[1] xs[0])
                  sample "a convolution of two axes" [ some [ 1; 2; 5; 6 ]; more [ 2; 2; 3; 2 ] ] (fun xs ->
                      convWith [ 2; 1 ] (Padding.Around 1) [ 1; 2 ] 1 xs[1] xs[0])
                  sample "a convolution in groups" [ some [ 1; 4; 4 ]; more [ 2; 2; 2 ] ] (fun xs ->
                      convWith [] Padding.Same [] 2 xs[1] xs[0])
                  sample "maxima" [ some [ 1; 2; 5; 4 ] ] (fun xs ->
                      maxPoolWith [ 3; 2 ] [ 1 ] (Padding.Around 1) [] xs[0])
                  sample "means" [ some [ 1; 1; 5; 4 ] ] (fun xs ->
                      avgPoolWith [ 3 ] [ 1 ] Padding.Same xs[0]) ]
        | "Fold" ->
            Some
                [ for name, dims, axis, extent, step, dilation in
                      [ "overlapping", [ 4; 3 ], 0, 6, 1, 1
                        "with steps", [ 2; 3; 3 ], 1, 8, 2, 1
                        "apart", [ 2; 2; 2 ], 0, 6, 3, 1
                        "dilated", [ 2; 3; 3; 2 ], -3, 7, 1, 2
                        "of nothing", [ 3; 2; 0 ], 0, 4, 1, 1 ] do
                      sample name [ some dims ] (fun xs -> fold axis extent step dilation xs[0])
                  sample "of two axes" [ some [ 2; 3; 4; 2 ] ] (fun xs -> fold 0 5 2 1 (fold 2 6 1 2 xs[0]))
                  sample "of a product" [ some [ 2; 4 ]; more [ 2; 3 ] ] (fun xs ->
                      fold 0 6 1 1 (einsum "cp,ck->pk" xs))
                  sample "of a product, with steps" [ some [ 2; 3 ]; more [ 3; 2 ] ] (fun xs ->
                      fold 1 8 2 1 (einsum "cp,kc->cpk" xs))
                  sample "of a product, with steps and dilation" [ some [ 3 ]; more [ 3 ] ] (fun xs ->
                      fold 0 11 2 3 (einsum "p,k->pk" xs))
                  sample "a transposed convolution" [ some [ 1; 2; 2; 3 ]; more [ 2; 2; 3; 2 ] ] (fun xs ->
                      convTransposeWith [ 2; 1 ] (Padding.Around 1) [ 1; 0 ] [ 1; 2 ] 2 xs[1] xs[0]) ]
        | "Concat" ->
            Some
                [ sample "axis 0" [ some [ 2; 3 ]; more [ 1; 3 ] ] (fun xs -> concat 0 xs)
                  sample "axis 1" [ some [ 2; 3 ]; more [ 2; 2 ]; some [ 2; 1 ] ] (fun xs -> concat 1 xs)
                  sample "an array twice" [ some [ 2; 3 ] ] (fun xs -> concat -1 [ xs[0]; sin xs[0]; xs[0] ])
                  sample "with an empty one" [ some [ 2; 3 ]; more [ 2; 0 ] ] (fun xs ->
                      concat 1 [ xs[1]; xs[0] ])
                  sample "stack" [ some [ 2; 3 ]; more [ 2; 3 ] ] (fun xs -> stack 1 xs) ]
        | "Gather" ->
            Some
                [ for name, axis, indices in
                      [ "rows", 0, ints [ 2; 0; 2; -1 ] [ 4 ]
                        "columns", 1, ints [ 1; 0; 1; 1 ] [ 2; 2 ]
                        "one", 1, ints [ -2 ] []
                        "none", 0, ints [] [ 0 ]
                        "by int64", -1, NDArray.Create([| 1L; 1L |], Shape [| 2 |]) ] do
                      sample name [ some [ 3; 2 ]; indices ] (fun xs -> gather axis xs[1] xs[0]) ]
        | "ScatterAdd" ->
            Some
                [ sample "rows" [ some [ 4; 2 ]; ints [ 2; 0; 2; -1 ] [ 4 ] ] (fun xs ->
                      scatterAdd 0 [ 3; 2 ] xs[1] xs[0])
                  sample "columns" [ some [ 3; 2; 2 ]; ints [ 1; 0; 1; 1 ] [ 2; 2 ] ] (fun xs ->
                      scatterAdd 1 [ 3; 4 ] xs[1] xs[0])
                  sample "one" [ some [ 3 ]; ints [ 1 ] [] ] (fun xs -> scatterAdd 1 [ 3; 2 ] xs[1] xs[0])
                  sample "none" [ some [ 0; 2 ]; ints [] [ 0 ] ] (fun xs -> scatterAdd 0 [ 3; 2 ] xs[1] xs[0]) ]
        | "ClassIndices" ->
            Some
                [ sample "int32" [ some [ 4; 2 ]; ints [ 2; 0; 2; 1 ] [ 4 ] ] (fun xs ->
                      gather 0 (Index.classIndices 3 xs[1]) (square xs[0]))
                  sample
                      "cross-entropy"
                      [ some [ 2; 3 ]; NDArray.Create([| 2L; 0L |], Shape [| 2 |]) ]
                      (fun xs -> crossEntropyOfClasses xs[0] xs[1]) ]
        | "Reduce" -> Some(ofReduce Extreme.Max @ ofReduce Extreme.Min)
        | "ArgReduce" ->
            Some
                [ sample "picks" [ some [ 3; 4 ] ] (fun xs ->
                      gather 0 (argmax 1 xs[0]) (square (transpose xs[0])))
                  sample "beside its operand" [ some [ 3; 4 ] ] (fun xs ->
                      cast DType.Float64 (argmin 0 xs[0]) * xs[0]) ]
        | "Linalg" -> Some [ for name, points, build in LinearAlgebraSamples.all -> sample name points build ]
        | "Random" ->
            Some
                [ for name, points, build in RandomSamples.all ->
                      sample
                          name
                          (points |> List.mapi (fun i (domain, shape) -> spread (i + 1) domain shape))
                          build ]
        | "Call" ->
            Some
                [ sample "of one" [ some [ 2; 3 ] ] (fun xs -> checkpoint (fun ys -> exp (sin ys[0])) xs)
                  sample "of two" [ some [ 2; 3 ]; more [ 3 ] ] (fun xs ->
                      checkpoint (fun ys -> tanh (ys[0] * ys[1])) xs)
                  sample "with captured values" [ some [ 3 ]; more [ 3 ] ] (fun xs ->
                      checkpoint (fun ys -> sin (ys[0] * xs[1])) [ xs[0] ])
                  sample "an argument twice" [ some [ 3 ] ] (fun xs ->
                      checkpoint (fun ys -> ys[0] * exp ys[1]) [ xs[0]; xs[0] ])
                  sample "within another" [ some [ 3 ] ] (fun xs ->
                      checkpoint
                          (fun ys -> exp (checkpoint (fun zs -> sin zs[0] * ys[0]) [ square ys[0] ]))
                          xs)
                  sample "after another" [ some [ 3 ] ] (fun xs ->
                      checkpoint (fun ys -> sin ys[0]) [ checkpoint (fun ys -> exp ys[0]) xs ])
                  sample "with integers" [ some [ 3; 2 ]; ints [ 2; 0 ] [ 2 ] ] (fun xs ->
                      checkpoint (fun ys -> exp (gather 0 ys[1] ys[0])) xs) ]
        | "Custom" ->
            Some
                [ for shape in shapesOfOne do
                      sample $"scalar {shape}" [ some shape ] (fun xs -> Custom.apply cube [| xs[0] |])
                  sample "dot" [ some [ 2; 3 ]; more [ 2; 3 ] ] dotOp
                  sample "with a checkpoint in its rule" [ some [ 3 ] ] sinOp
                  sample "dot with itself" [ some [ 4 ] ] (fun xs -> dotOp [ xs[0]; sin xs[0] ]) ]
        | "Loop"
        | "Branch" ->
            Some
                [ for name, points, build in
                      (if case = "Loop" then
                           ControlFlowSamples.loops
                       else
                           ControlFlowSamples.branches) do
                      sample name points build ]
        | "Recurrence"
        | "ArgRunning"
        | "ArgSort"
        | "SearchSorted"
        | "TakeAlong"
        | "AddAlong"
        | "Fourier" ->
            Some
                [ for name, points, build in ArraySamples.ofOp case do
                      sample name points build ]
        | _ -> None
    found |> Option.map (List.map (fun s -> { s with Name = $"{case} {s.Name}" }))

let private cases<'Union> () =
    FSharpType.GetUnionCases(typeof<'Union>, BindingFlags.NonPublic ||| BindingFlags.Public)

/// Every word of the vocabulary, by reflection, with its samples.
let table: (string * Sample list option) list =
    [ for case in cases<Op>() -> $"Op.{case.Name}", ofOp case.Name
      for case in cases<Fn>() ->
          let fn =
              FSharpValue.MakeUnion(case, [||], BindingFlags.NonPublic ||| BindingFlags.Public)
              |> unbox<Fn>
          $"Fn.{case.Name}", Some(ofFn fn) ]

/// The name in the table of the operation of a node.
let wordsOf (e: Expr) : string list =
    let name (x: obj) (t: Type) =
        (FSharpValue.GetUnionFields(x, t, BindingFlags.NonPublic ||| BindingFlags.Public)
         |> fst)
            .Name
    let op = "Op." + name e.Op typeof<Op>
    match e.Op with
    | Op.Elementwise fn -> [ op; "Fn." + name fn typeof<Fn> ]
    | _ -> [ op ]
