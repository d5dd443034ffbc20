/// Rows of the table for matrices, for what runs along an axis, and for random numbers.
module Diff.Fuzz.WiderOperations

open System
open Diff
open Diff.Fuzz.Arrays
open Diff.Fuzz.Operations

// ---- Matrices -------------------------------------------------------------------------------------------------------------

let private matrices (x: Node) =
    x.IsFloat
    && (x.Rank = 2 || x.Rank = 3)
    && x.Dims[x.Rank - 2] >= 1
    && x.Dims[x.Rank - 2] <= 5
    && x.Value.Length > 0

/// x·xᵀ/n + diag(1, 1.75, 2.5 …): symmetric and positive definite, with eigenvalues apart.
let private definite (g: Grower) (x: Node) : Node =
    let m, n = x.Dims[x.Rank - 2], x.Dims[x.Rank - 1]
    let spec = if x.Rank = 2 then "ab,cb->ac" else "xab,xcb->xac"
    let product =
        g.Step("einsum", [ x; x ], [ "spec", Text spec ]) |> scaled g (1.0 / float n)
    let diagonal =
        Array.init (m * m) (fun i -> if i % (m + 1) = 0 then 1.0 + 0.75 * float (i / m) else 0.0)
    let added = g.LeafOf(Arrays.ofFloats x.DType (shapeOf [ m; m ]) diagonal)
    g.Step("add", [ product; added ], [])

let private ofDefinite name weight (more: Grower -> Node -> Node list) attrs (f: Attrs -> Expr list -> Expr) =
    row
        name
        weight
        matrices
        (fun g x ->
            let a = definite g x
            g.Step(name, a :: more g a, attrs g))
        f

let private none _ _ : Node list = []
let private plain (_: Grower) : (string * Attr) list = []
let private rightSides (g: Grower) (a: Node) : Node list =
    let n = List.last a.Dims
    [ g.Leaf(List.truncate (a.Rank - 2) a.Dims @ [ n; g.Random.Between(1, 3) ], a.DType) ]

let private linearAlgebra =
    [ ofDefinite "cholesky" 0.5 none plain (fun _ xs -> cholesky xs[0])
      ofDefinite "solve" 0.5 rightSides plain (fun _ xs -> solve xs[0] xs[1])
      ofDefinite
          "triangular_solve"
          0.4
          rightSides
          (fun g -> [ flag "lower" (g.Random.Chance 0.5) ])
          (fun a xs -> triangularSolve (a.Flag "lower") xs[0] xs[1])
      ofDefinite "inv" 0.4 none plain (fun _ xs -> inverse xs[0])
      ofDefinite "det" 0.4 none plain (fun _ xs -> det xs[0])
      ofDefinite "logdet" 0.4 none plain (fun _ xs -> logdet xs[0])
      ofDefinite "lu_u" 0.3 none plain (fun _ xs -> let _, _, u = lu xs[0] in u)
      ofDefinite "qr_q" 0.3 none plain (fun _ xs -> fst (qr xs[0]))
      ofDefinite "qr_r" 0.3 none plain (fun _ xs -> snd (qr xs[0]))
      ofDefinite "eigvalsh" 0.4 none plain (fun _ xs -> eigvalsh xs[0])
      ofDefinite "svdvals" 0.4 none plain (fun _ xs -> svdvals xs[0])
      ofDefinite "pinv" 0.3 none plain (fun _ xs -> pinv xs[0])
      ofDefinite "expm" 0.3 none plain (fun _ xs -> expm (0.25 * xs[0]))
      ofDefinite "symmetric_power" 0.3 none plain (fun _ xs -> symmetricPower 0.5 xs[0])
      ofDefinite "symmetric_log" 0.3 none plain (fun _ xs -> symmetricLog xs[0]) ]

// ---- Along an axis ----------------------------------------------------------------------------------------------------------

let private someAlong = both (both ofFloats withAxes) filled

let private drawAlong name (g: Grower) (x: Node) : Node =
    let struct (_, shown) = axisOf g x
    g.Step(name, [ x ], [ whole "axis" shown ])

let private along name weight (f: int -> Expr -> Expr) =
    row name weight someAlong (drawAlong name) (fun a xs -> f (a.Int "axis") xs[0])

/// Indices for each line along an axis, negative ones too.
let private lineIndices (g: Grower) (x: Node) (axis: int) (count: int) : Node =
    let n = x.Dims[axis]
    let shape = shapeOf (replace axis count x.Dims)
    let dtype = g.Random.Pick [| DType.Int32; DType.Int64 |]
    g.LeafOf(
        Arrays.ofFloats dtype shape (Array.init shape.Length (fun _ -> float (g.Random.Between(-n, n - 1))))
    )

let private sequences =
    [ along "cumsum" 0.7 cumsum
      along "cumprod" 0.5 cumprod
      along "cumlogsumexp" 0.5 cumlogsumexp
      along "cummax" 0.5 cummax
      along "cummin" 0.4 cummin
      along "sort" 0.6 sort
      along "sort_descending" 0.4 sortDescending
      row
          "argsort"
          0.4
          someAlong
          (fun g x ->
              let places = drawAlong "argsort" g x
              let values = g.Step("cast", [ places ], [ "dtype", Text(nameOf x.DType) ])
              g.Step("mul", [ x; scaled g (1.0 / float x.Value.Length) values ], []))
          (fun a xs -> argsort (a.Int "axis") xs[0])
      row
          "recurrence"
          0.8
          someAlong
          (fun g x ->
              let struct (_, shown) = axisOf g x
              let factors = g.Inside(-0.9, 0.9, g.Leaf(x.Dims, x.DType))
              g.Step(
                  "recurrence",
                  [ factors; x ],
                  [ whole "axis" shown; flag "reverse" (g.Random.Chance 0.4) ]
              ))
          (fun a xs -> linearRecurrenceWith (a.Int "axis") (a.Flag "reverse") xs[0] xs[1])
      row
          "search_sorted"
          0.4
          someAlong
          (fun g x ->
              let known =
                  g.Step("sort", [ g.Leaf([ g.Random.Between(1, 4) ], x.DType) ], [ whole "axis" 0 ])
              let places =
                  g.Step("search_sorted", [ known; x ], [ flag "right" (g.Random.Chance 0.5) ])
              let values = g.Step("cast", [ places ], [ "dtype", Text(nameOf x.DType) ])
              g.Step("mul", [ x; scaled g 0.25 values ], []))
          (fun a xs -> searchSorted (a.Flag "right") xs[0] xs[1])
      row
          "take_along"
          0.6
          someAlong
          (fun g x ->
              let struct (axis, shown) = axisOf g x
              g.Step(
                  "take_along",
                  [ x; lineIndices g x axis (g.Random.Between(1, 4)) ],
                  [ whole "axis" shown ]
              ))
          (fun a xs -> takeAlong (a.Int "axis") xs[1] xs[0])
      row
          "add_along"
          0.6
          someAlong
          (fun g x ->
              let struct (axis, shown) = axisOf g x
              let count = g.Random.Between(1, 4)
              let values = g.Leaf(replace axis count x.Dims, x.DType)
              g.Step("add_along", [ x; lineIndices g x axis count; values ], [ whole "axis" shown ]))
          (fun a xs -> addAlong (a.Int "axis") xs[1] xs[2] xs[0])
      row
          "fft"
          0.6
          (both someAlong (upToRank 4))
          (fun g x ->
              let imaginary = g.Leaf(x.Dims, x.DType)
              let y = g.Step("fft", [ x; imaginary ], [ flag "inverse" (g.Random.Chance 0.4) ])
              scaled g (1.0 / Math.Sqrt(float (List.last x.Dims))) y)
          (fun a xs ->
              let z = complexOf xs[0] xs[1]
              if a.Flag "inverse" then ifft z else fft z)
      row
          "rfft"
          0.4
          (both someAlong (upToRank 4))
          (fun g x -> scaled g (1.0 / Math.Sqrt(float (List.last x.Dims))) (g.Step("rfft", [ x ], [])))
          (fun _ xs -> rfft xs[0]) ]

// ---- Random numbers -----------------------------------------------------------------------------------------------------------

/// What is drawn in float64 and then takes the type of the other operand: a float32 graph and its float64 copy see the same numbers.
let private draws: (string * (int list -> Expr -> Expr)) list =
    [ "uniform", Rng.uniform DType.Float64
      "normal", Rng.normal DType.Float64
      "exponential", Rng.exponential DType.Float64
      "laplace", Rng.laplace DType.Float64
      "gumbel", Rng.gumbel DType.Float64
      "logistic", Rng.logistic DType.Float64
      "integers", (fun shape key -> cast DType.Float64 (Rng.integers -3L 4L DType.Int32 shape key)) ]

let private random =
    let keyOf (a: Attrs) = Rng.key (int64 (a.Int "key"))
    let key (g: Grower) = whole "key" (g.Random.Below 1000)
    [ row
          "random"
          0.6
          ofFloats
          (fun g x ->
              let drawn =
                  g.Step(
                      "random",
                      [],
                      [ "of", Text(fst (g.Random.Pick(Array.ofList draws)))
                        key g
                        ints "shape" x.Dims
                        "dtype", Text(nameOf x.DType) ]
                  )
              g.Step("mul", [ x; drawn ], []))
          (fun a _ ->
              let draw = draws |> List.find (fst >> (=) (a.Text "of")) |> snd
              cast (a.DType "dtype") (draw (a.Ints "shape") (Rng.foldIn (Expr.op_Implicit 7) (keyOf a))))
      row
          "shuffle"
          0.4
          (both ofFloats withAxes)
          (fun g x ->
              let struct (_, shown) = axisOf g x
              g.Step("shuffle", [ x ], [ whole "axis" shown; key g ]))
          (fun a xs -> Rng.shuffle (a.Int "axis") xs[0] (keyOf a))
      row "dropout" 0.4 ofFloats (fun g x -> g.Step("dropout", [ x ], [ key g ])) (fun a xs ->
          Rng.dropout 0.3 xs[0] (keyOf a)) ]

/// The rows.
let all: Operation[] = Array.ofList (linearAlgebra @ sequences @ random)
