/// The second operation table: for every public function that makes expressions of expressions, points inside its domain, points where its
/// derivative is a convention, and operands that it refuses. Samples.fs has the table of the vocabulary.
module Diff.Testing.Compositions

open System
open Diff
open Diff.Testing.Generators

/// A point at which the derivative is a convention, and the gradients of the sum there.
type Kink =
    { Where: string
      At: NDArray list
      Of: Expr list -> Expr
      Gradients: float list list }

/// Operands that are refused, and words of the message: the operation, and what is wrong with them.
type Refusal =
    { Asked: unit -> Expr
      Words: string list }

type Row =
    {
        Function: string
        /// Points within the domain, and the function there.
        Inside: (NDArray list * (Expr list -> Expr)) list
        Kinks: Kink list
        Refused: Refusal list
        /// Why there is none of these.
        Reason: string
    }

let private any = -2.0, 2.0
let private vector (values: float list) =
    NDArray.op_Implicit (Array.ofList values)
let private matrix (rows: float list list) =
    NDArray.Create(rows |> List.concat |> Array.ofList, Shape [| rows.Length; rows.Head.Length |])
let private ints (values: int64 list) =
    constant (NDArray.op_Implicit (Array.ofList values))
let private array dims = constant (spread 1 any dims)
let private range (start: int) (stop: int) : Slice =
    Slice.op_Implicit (Range(Index.FromStart start, Index.FromStart stop))
let private whole dims = constant (integers 2 (0, 3) dims)

/// Points of these shapes within an interval.
let private within (interval: float * float) (shapes: int list list) (f: Expr list -> Expr) =
    shapes |> List.mapi (fun i shape -> spread (31 + i) interval shape), f
let private on shapes f = within any shapes f
let private ofOne dims f = on [ dims ] (fun xs -> f xs[0])
let private ofTwo a b f = on [ a; b ] (fun xs -> f xs[0] xs[1])

let private kink name at f gradients =
    { Where = name
      At = List.map vector at
      Of = f
      Gradients = gradients }
let private kink1 name at f gradient =
    kink name [ at ] (fun xs -> f (List.head xs)) [ gradient ]
let private refused words (f: unit -> Expr) = { Asked = f; Words = words }

let private row name inside kinks errors =
    { Function = name
      Inside = inside
      Kinks = kinks
      Refused = errors
      Reason = "" }

let private without reason names =
    [ for name in names ->
          { Function = name
            Inside = []
            Kinks = []
            Refused = []
            Reason = reason } ]

// ---- Index by index -------------------------------------------------------------------------------------------------

/// Functions of one array of floats: the operation in messages, the interval, kinks.
let private unary =
    [ for name, f, interval, operation in
          [ "signum", signum, (0.3, 2.0), "sign"
            "log1p", log1p, (-0.7, 2.0), "log1p"
            "expm1", expm1, any, "expm1"
            "sigmoid", sigmoid, any, "sigmoid"
            "softplus", softplus, any, "softplus"
            "square", square, any, ""
            "reciprocal", reciprocal, (0.4, 2.0), ""
            "cbrt", cbrt, (0.3, 2.0), "cbrt"
            "rsqrt", rsqrt, (0.4, 2.0), "rsqrt: "
            "log2", log2, (0.3, 2.0), "log2"
            "exp2", exp2, any, "exp2"
            "asinh", asinh, any, "asinh"
            "acosh", acosh, (1.5, 3.0), "acosh"
            "atanh", atanh, (-0.7, 0.7), "atanh"
            "logSigmoid", logSigmoid, any, "log_sigmoid: "
            "silu", silu, any, "silu: "
            "gelu", gelu, any, "gelu: "
            "sinc", sinc, any, "sinc"
            "erf", erf, any, "erf"
            "erfc", erfc, any, "erfc"
            "erfcx", erfcx, any, "erfcx"
            "erfinv", erfinv, (-0.7, 0.7), "erfinv"
            "ndtr", ndtr, any, "ndtr"
            "logNdtr", logNdtr, any, "log_ndtr"
            "lgamma", lgamma, (0.4, 3.0), "lgamma"
            "digamma", digamma, (0.4, 3.0), "digamma"
            "polygamma", polygamma 1, (0.6, 3.0), "polygamma" ] do
          let values dims =
              within interval [ dims ] (fun xs -> f xs[0])
          let kinks =
              match name with
              | "signum" -> [ kink1 "0" [ 0.0; -0.0 ] f [ 0; 0 ] ]
              | "sinc" -> [ kink1 "0" [ 0.0 ] f [ 0 ] ]
              | "logNdtr" -> [ kink1 "far below" [ -40.0 ] f [ 40.0249688 ] ]
              | "softplus" -> [ kink1 "no overflow" [ 1000.0; -1000.0 ] f [ 1; 0 ] ]
              | "sigmoid"
              | "logSigmoid" -> [ kink1 "no overflow" [ 1000.0 ] f [ 0 ] ]
              | _ -> []
          let errors =
              match operation with
              | "" -> [ refused [ "bool" ] (fun () -> f (constant (NDArray.op_Implicit [| true |]))) ]
              | "sign" ->
                  [ refused [ "sign"; "numbers"; "bool" ] (fun () ->
                        f (constant (NDArray.op_Implicit [| true |]))) ]
              | operation ->
                  [ refused [ operation; "float32 or float64"; "int32" ] (fun () -> f (whole [ 2 ])) ]
          row name [ values []; values [ 2; 3 ]; values [ 2; 1; 2 ] ] kinks errors ]

let private binary =
    [ for name, (f: Expr -> Expr -> Expr), first, second, operation in
          [ "maximum", maximum, (1.2, 2.0), (-1.0, 1.0), "max"
            "minimum", minimum, (1.2, 2.0), (-1.0, 1.0), "min"
            "hypot", hypot, (0.3, 2.0), any, "hypot"
            "logaddexp", logaddexp, any, any, "logaddexp"
            "xlogy", xlogy, any, (0.4, 2.0), "log"
            "xlog1py", xlog1py, any, (-0.5, 2.0), "log1p"
            "fmod", fmod, (3.2, 3.8), (1.3, 1.5), "fmod"
            "remainder", remainder, (3.2, 3.8), (1.3, 1.5), "fmod"
            "lbeta", lbeta, (0.5, 3.0), (0.5, 3.0), "lbeta"
            "beta", beta, (0.5, 3.0), (0.5, 3.0), "lbeta"
            "gammainc", gammainc, (0.5, 3.0), (0.4, 3.0), "gammainc"
            "gammaincc", gammaincc, (0.5, 3.0), (0.4, 3.0), "gammaincc" ] do
          let at a b =
              [ spread 41 first a; spread 42 second b ], (fun (xs: Expr list) -> f xs[0] xs[1])
          let two a b da db =
              kink "" [ [ a ]; [ b ] ] (fun xs -> f xs[0] xs[1]) [ [ da ]; [ db ] ]
          let kinks =
              match name with
              | "maximum" -> [ two 1.0 1.0 0.5 0.5; two infinity 1.0 1 0 ]
              | "minimum" -> [ two 1.0 1.0 0.5 0.5 ]
              | "hypot" -> [ two 0.0 0.0 0 0; two 3e200 4e200 0.6 0.8 ]
              | "logaddexp" -> [ two 1000.0 0.0 1 0; two -infinity 0.0 0 1 ]
              | "xlogy" -> [ two 0.0 2.0 (log 2.0) 0 ]
              | "xlog1py" -> [ two 0.0 1.0 (log 2.0) 0 ]
              | _ -> []
          row
              name
              [ at [ 3 ] [ 3 ]; at [ 2; 1 ] [ 3 ]; at [] [ 2 ] ]
              kinks
              [ refused [ "(2)"; "(3)" ] (fun () ->
                    f (constant (spread 1 first [ 2 ])) (constant (spread 2 second [ 3 ])))
                refused [ "float64"; "float32" ] (fun () ->
                    f (array [ 2 ]) (cast DType.Float32 (array [ 2 ]))) ] ]

/// Comparisons and tests: their derivative is 0, so that a product with one has that of the other factor.
let private tests =
    [ for name, f in
          [ "equal", equal
            "notEqual", notEqual
            "less", less
            "lessEqual", lessEqual
            "greater", greater
            "greaterEqual", greaterEqual ] do
          row
              name
              [ ofTwo [ 3 ] [ 3 ] (fun x y -> x * cast x.DType (f x y)) ]
              []
              [ refused [ "(2)"; "(3)" ] (fun () -> f (array [ 2 ]) (array [ 3 ])) ]
      for name, f in [ "isNaN", isNaN; "isInfinite", isInfinite; "isFinite", isFinite ] do
          row
              name
              [ ofOne [ 3 ] (fun x -> where (f x) (2.0 * x) x) ]
              [ kink1
                    "the branch not taken"
                    [ 1.0; nan; infinity ]
                    (fun x -> where (isFinite x) x (zerosLike x))
                    [ 1; 0; 0 ] ]
              (if name = "isInfinite" then
                   [ refused [ "bool" ] (fun () -> f (constant (NDArray.op_Implicit [| true |]))) ]
               else
                   [ refused [ "float16" ] (fun () -> f (cast DType.Float16 (array [ 2 ]))) ])
      for name, f in [ "logicalAnd", logicalAnd; "logicalOr", logicalOr ] do
          row
              name
              [ ofTwo [ 3 ] [ 3 ] (fun x y -> x * cast x.DType (f (less x y) (less y 1.0))) ]
              []
              [ refused [ "bool"; "float64" ] (fun () -> f (array [ 2 ]) (array [ 2 ])) ]
      row
          "logicalNot"
          [ ofOne [ 3 ] (fun x -> x * cast x.DType (logicalNot (less x 0.0))) ]
          []
          [ refused [ "not"; "bool"; "float64" ] (fun () -> logicalNot (array [ 2 ])) ] ]

let private choices =
    [ row
          "relu"
          [ within (0.2, 2.0) [ [ 3 ] ] (fun xs -> relu xs[0])
            within (-2.0, -0.2) [ [ 3 ] ] (fun xs -> relu xs[0] + xs[0]) ]
          [ kink1 "0" [ 0.0; -1.0; 1.0 ] relu [ 0; 0; 1 ] ]
          [ refused [ "relu"; "int32" ] (fun () -> relu (whole [ 2 ])) ]
      row
          "clip"
          [ within (0.2, 0.8) [ [ 3 ] ] (fun xs -> clip 0.0 1.0 xs[0])
            within (1.2, 2.0) [ [ 3 ] ] (fun xs -> xs[0] * clip 0.0 1.0 xs[0]) ]
          [ kink1 "at the bounds and beyond" [ 0.0; 1.0; -1.0; 2.0 ] (clip 0.0 1.0) [ 1; 1; 0; 0 ] ]
          [ refused [ "clip"; "2"; "1" ] (fun () -> clip 2.0 1.0 (array [ 2 ])) ]
      row
          "where"
          [ ofTwo [ 2; 3 ] [ 3 ] (fun x y -> where (less x 0.0) x y) ]
          [ kink1 "the branch not taken" [ 0.0; 4.0 ] (fun x -> where (greater x 0.0) (sqrt x) x) [ 1; 0.25 ] ]
          [ refused [ "where"; "bool"; "float64" ] (fun () -> where (array [ 2 ]) (array [ 2 ]) (array [ 2 ]))
            refused [ "(2)"; "(3)" ] (fun () -> where (less (array [ 2 ]) 0.0) (array [ 3 ]) (array [ 3 ])) ]
      row
          "cast"
          [ ofOne [ 3 ] (fun x -> cast x.DType (cast DType.Float64 x * 2.0)) ]
          [ kink1 "through integers" [ 1.5 ] (fun x -> x * cast x.DType (cast DType.Int64 x)) [ 1 ] ]
          [ refused [ "cast"; "float16"; "int32" ] (fun () -> cast DType.Float16 (whole [ 2 ])) ]
      row
          "stopGradient"
          [ ofOne [ 3 ] (fun x -> x * stopGradient (onesLike x)) ]
          [ kink1 "" [ 3.0 ] (fun x -> x * stopGradient x) [ 3 ] ]
          []
      row "zerosLike" [ ofOne [ 3 ] (fun x -> x + zerosLike x) ] [] []
      row "onesLike" [ ofOne [ 3 ] (fun x -> x * onesLike x) ] [] []
      row
          "betainc"
          [ [ spread 1 (0.5, 3.0) [ 3 ]
              spread 2 (0.5, 3.0) [ 3 ]
              spread 3 (0.2, 0.8) [ 3 ] ],
            (fun xs -> betainc xs[0] xs[1] xs[2]) ]
          []
          [ refused [ "betainc"; "int32" ] (fun () -> betainc (whole [ 2 ]) (whole [ 2 ]) (whole [ 2 ])) ] ]

// ---- Reductions -----------------------------------------------------------------------------------------------------

let private reductions =
    [ for name, operation, all, over, keeping, (kinks: (float list * float list) list) in
          [ "sum", "sum", sum, sumOver, sumKeeping, []
            "mean", "mean", mean, meanOver, meanKeeping, []
            "prod",
            "prod",
            prod,
            prodOver,
            prodKeeping,
            [ [ 0.0; 2.0; 3.0 ], [ 6.0; 0.0; 0.0 ]; [ 0.0; 0.0; 3.0 ], [ 0.0; 0.0; 0.0 ] ]
            "reduceMax",
            "reduce_max",
            reduceMax,
            reduceMaxOver,
            reduceMaxKeeping,
            [ [ 2.0; 1.0; 2.0 ], [ 0.5; 0.0; 0.5 ] ]
            "reduceMin",
            "reduce_min",
            reduceMin,
            reduceMinOver,
            reduceMinKeeping,
            [ [ 2.0; 1.0; 1.0 ], [ 0.0; 0.5; 0.5 ] ]
            "logsumexp",
            "logsumexp",
            logsumexp,
            logsumexpOver,
            logsumexpKeeping,
            [ [ -infinity; -infinity ], [ 0.0; 0.0 ]
              [ 1000.0; 0.0 ], [ 1.0; 0.0 ]
              [ -infinity; 1.0 ], [ 0.0; 1.0 ] ]
            "norm",
            "norm",
            norm,
            normOver,
            normKeeping,
            [ [ 0.0; 0.0 ], [ 0.0; 0.0 ]; [ 3e200; 4e200 ], [ 0.6; 0.8 ] ]
            "std", "std", std 0, stdOver 0, stdKeeping 0, [ [ 2.0; 2.0 ], [ 0.0; 0.0 ] ]
            "var", "var", var 1, varOver 1, varKeeping 1, [ [ 2.0; 2.0 ], [ 0.0; 0.0 ] ]
            "pNorm", "norm", pNorm 3.0, pNormOver 3.0, pNormKeeping 3.0, [ [ 0.0; 0.0 ], [ 0.0; 0.0 ] ] ] do
          let kinks f =
              kinks |> List.map (fun (at, gradient) -> kink1 "" at f gradient)
          let axis f =
              refused [ operation; "axis"; "(2, 3)" ] (fun () -> f [ 2 ] (array [ 2; 3 ]))
          row
              name
              [ ofOne [ 4 ] all; ofOne [ 2; 3 ] all ]
              (kinks all)
              [ refused [ operation; "float16" ] (fun () -> all (cast DType.Float16 (array [ 2 ]))) ]
          row
              (name + "Over")
              [ ofOne [ 2; 3 ] (over [ 1 ]); ofOne [ 2; 3; 2 ] (over [ 0; -1 ]) ]
              (kinks (over [ 0 ]))
              [ axis over ]
          row
              (name + "Keeping")
              [ ofOne [ 2; 3 ] (keeping [ 1 ])
                ofOne [ 2; 3; 2 ] (fun x -> x * keeping [ 0; -1 ] x) ]
              (kinks (keeping [ 0 ]))
              [ axis keeping ]
      for name, f in [ "argmax", argmax; "argmin", argmin ] do
          row
              name
              [ ofOne [ 2; 3 ] (fun x -> x * cast x.DType (expandDims 1 (f 1 x))) ]
              []
              [ refused [ name; "axis 2"; "(2, 3)" ] (fun () -> f 2 (array [ 2; 3 ])) ]
      row
          "softmax"
          [ ofOne [ 2; 3 ] (softmax 1); ofOne [ 2; 3 ] (softmax 0) ]
          [ kink1 "an infinite logit" [ -infinity; 0.0 ] (fun x -> at 0 1 (softmax 0 x)) [ 0; 0 ]
            kink1 "no overflow" [ 1000.0; 0.0 ] (fun x -> at 0 0 (softmax 0 x)) [ 0; 0 ] ]
          [ refused [ "softmax"; "axis 2"; "(2, 3)" ] (fun () -> softmax 2 (array [ 2; 3 ])) ]
      row
          "logSoftmax"
          [ ofOne [ 2; 3 ] (logSoftmax 1) ]
          [ kink1 "no overflow" [ 1000.0; 0.0 ] (fun x -> at 0 1 (logSoftmax 0 x)) [ -1; 1 ] ]
          [ refused [ "log_softmax"; "axis 2"; "(2, 3)" ] (fun () -> logSoftmax 2 (array [ 2; 3 ])) ]
      row
          "standardize"
          [ ofOne [ 2; 4 ] (standardize 0 [ 1 ]) ]
          []
          [ refused [ "standardize"; "axis 5" ] (fun () -> standardize 0 [ 5 ] (array [ 2; 4 ])) ]
      row
          "layerNorm"
          [ ofOne [ 2; 4 ] (layerNorm 1e-5) ]
          [ kink1 "equal numbers" [ 1.0; 1.0 ] (fun x -> at 0 0 (layerNorm 0.25 x)) [ 1; -1 ] ]
          [ refused [ "layer_norm"; "scalar" ] (fun () -> layerNorm 1e-5 (array [])) ]
      row
          "covariance"
          [ ofOne [ 5; 3 ] (covariance 1) ]
          []
          [ refused [ "covariance"; "(3)" ] (fun () -> covariance 1 (array [ 3 ])) ]
      row
          "einsum"
          [ ofTwo [ 2; 3 ] [ 3; 2 ] (fun x y -> einsum "ij,jk->ik" [ x; y ]) ]
          []
          [ refused [ "einsum"; "'j'"; "3"; "2" ] (fun () ->
                einsum "ij,jk->ik" [ array [ 2; 3 ]; array [ 2; 2 ] ]) ]
      row
          "einsumWith"
          [ ofOne [ 2 ] (fun x -> einsumWith "i->ij" [ 'j', 3 ] [ x ]) ]
          []
          [ refused [ "einsum"; "'j'"; "extent" ] (fun () -> einsumWith "i->ij" [] [ array [ 2 ] ]) ]
      row
          "matmul"
          [ ofTwo [ 2; 3 ] [ 3; 2 ] matmul
            ofTwo [ 2; 2; 3 ] [ 3 ] matmul
            ofTwo [ 3 ] [ 3 ] matmul ]
          []
          [ refused [ "matmul"; "(2, 3)"; "(2, 2)" ] (fun () -> matmul (array [ 2; 3 ]) (array [ 2; 2 ]))
            refused [ "matmul: "; "float16" ] (fun () ->
                let x = cast DType.Float16 (array [ 2 ]) in matmul x x)
            refused [ "matmul: "; "float64 and float32" ] (fun () ->
                matmul (array [ 2 ]) (cast DType.Float32 (array [ 2 ]))) ]
      row
          "broadcastTo"
          [ ofOne [ 2; 1 ] (broadcastTo [ 3; 2; 2 ]) ]
          []
          [ refused [ "broadcast"; "(2)"; "(3)" ] (fun () -> broadcastTo [ 3 ] (array [ 2 ])) ] ]

// ---- Numbers elsewhere ----------------------------------------------------------------------------------------------

let private arrangement =
    [ row
          "reshape"
          [ ofOne [ 2; 3 ] (reshape [ 3; -1 ]) ]
          []
          [ refused [ "reshape"; "(2, 3)"; "4" ] (fun () -> reshape [ 4 ] (array [ 2; 3 ])) ]
      row
          "permute"
          [ ofOne [ 2; 3; 1 ] (permute [ 2; 0; 1 ]) ]
          []
          [ refused [ "every axis"; "(2, 3)" ] (fun () -> permute [ 0; 0 ] (array [ 2; 3 ])) ]
      row "transpose" [ ofOne [ 2; 3 ] transpose ] [] []
      row
          "expandDims"
          [ ofOne [ 2; 3 ] (expandDims 1) ]
          []
          [ refused [ "expand_dims"; "axis 5" ] (fun () -> expandDims 5 (array [ 2; 3 ])) ]
      row
          "slice"
          [ ofOne [ 5; 2 ] (slice 0 (Some 1) None 2) ]
          []
          [ refused [ "slice"; "step" ] (fun () -> slice 0 None None 0 (array [ 3 ])) ]
      row "at" [ ofOne [ 3; 2 ] (at 0 -1) ] [] [ refused [ "3"; "(3)" ] (fun () -> at 0 3 (array [ 3 ])) ]
      row
          "concat"
          [ ofTwo [ 2; 1 ] [ 2; 3 ] (fun x y -> concat 1 [ x; y ]) ]
          []
          [ refused [ "concat"; "(2, 3)"; "(3, 3)" ] (fun () -> concat 1 [ array [ 2; 3 ]; array [ 3; 3 ] ]) ]
      row
          "stack"
          [ ofTwo [ 2 ] [ 2 ] (fun x y -> stack 1 [ x; y; x ]) ]
          []
          [ refused [ "stack"; "(2)"; "(3)" ] (fun () -> stack 0 [ array [ 2 ]; array [ 3 ] ]) ]
      row
          "split"
          [ ofOne [ 5 ] (fun x -> let parts = split 0 [ 2; 3 ] x in parts[1] * sum parts[0]) ]
          []
          [ refused [ "split"; "5" ] (fun () -> (split 0 [ 2; 2 ] (array [ 5 ])).Head) ]
      row
          "pad"
          [ ofOne [ 2; 2 ] (pad [ 1, 0; 0, 2 ]) ]
          []
          [ refused [ "pad"; "(2, 2)" ] (fun () -> pad [ 1, 0 ] (array [ 2; 2 ])) ]
      row
          "padWith"
          [ ofOne [ 2; 2 ] (padWith 3.0 [ 1, 0; 0, 2 ]) ]
          []
          [ refused [ "pad"; "-1" ] (fun () -> padWith 1.0 [ -1, 0; 0, 0 ] (array [ 2; 2 ])) ]
      row
          "unfold"
          [ ofOne [ 6; 2 ] (unfold 0 3 2 1) ]
          []
          [ refused [ "unfold"; "axis 0"; "(3)" ] (fun () -> unfold 0 5 1 1 (array [ 3 ])) ]
      row
          "fold"
          [ ofOne [ 3; 2; 2 ] (fold 0 7 2 1) ]
          []
          [ refused [ "fold"; "(3, 2)" ] (fun () -> fold 1 4 1 1 (array [ 3; 2 ])) ]
      row
          "gather"
          [ ofOne [ 3; 2 ] (gather 0 (ints [ 2; 0; 2; -1 ])) ]
          []
          [ refused [ "gather"; "int32 or int64"; "float64" ] (fun () -> gather 0 (array [ 2 ]) (array [ 3 ])) ]
      row "gatherAt" [ ofOne [ 2; 3 ] (gatherAt 1 [ 2; 0; 2; -1 ]); ofOne [ 3 ] (gatherAt 0 []) ] [] []
      row
          "scanTree"
          [ ofOne [ 5; 2; 2 ] (scanTree [ 4; 0; -1; 0; 2 ] matmul)
            ofOne [ 3 ] (scanTree [ -1; -1; -1 ] (fun _ _ -> failwith "roots only"))
            ofOne [ 4 ] (scanTree [ -1; 0; 1; 2 ] (fun above own -> own * above + 0.5 * above)) ]
          []
          [ refused [ "scan_tree"; "2"; "(3)" ] (fun () -> scanTree [ -1; 0 ] (+) (array [ 3 ]))
            refused [ "scan_tree"; "-1"; "1"; "2" ] (fun () -> scanTree [ -1; 2 ] (+) (array [ 2 ]))
            refused [ "scan_tree"; "below itself" ] (fun () -> scanTree [ -1; 2; 1 ] (+) (array [ 3 ]))
            refused [ "scan_tree"; "(1, 2)"; "(1)" ] (fun () ->
                scanTree [ -1; 0 ] (fun above own -> sumOver [ 1 ] (above + own)) (array [ 2; 2 ])) ]
      row
          "scatterAdd"
          [ ofOne [ 3; 2 ] (scatterAdd 0 [ 4; 2 ] (ints [ 3; 0; 3 ])) ]
          []
          [ refused [ "scatter_add"; "(2, 2)" ] (fun () ->
                scatterAdd 0 [ 4; 2 ] (ints [ 3; 0; 3 ]) (array [ 2; 2 ])) ]
      row
          "oneHot"
          [ ofOne [ 3; 4 ] (fun x -> x * oneHot 4 x.DType (ints [ 0; 3; 1 ])) ]
          []
          [ refused [ "one_hot"; "float64" ] (fun () -> oneHot 4 DType.Float64 (array [ 2 ])) ]
      row
          "flip"
          [ ofOne [ 3; 2 ] (flip [ 0 ]) ]
          []
          [ refused [ "flip"; "axis 4" ] (fun () -> flip [ 4 ] (array [ 2 ])) ]
      row
          "roll"
          [ ofOne [ 5; 2 ] (roll 2 0); ofOne [ 5 ] (roll -7 0) ]
          []
          [ refused [ "roll"; "axis 4" ] (fun () -> roll 1 4 (array [ 2 ])) ]
      row
          "tile"
          [ ofOne [ 2; 3 ] (tile [ 2; 2 ]) ]
          []
          [ refused [ "tile"; "-1" ] (fun () -> tile [ -1 ] (array [ 2 ])) ]
      row
          "repeatElements"
          [ ofOne [ 2; 3 ] (repeatElements 2 1) ]
          []
          [ refused [ "repeat"; "-1" ] (fun () -> repeatElements -1 0 (array [ 2 ])) ]
      row
          "moveAxis"
          [ ofOne [ 2; 3; 1 ] (moveAxis 0 2) ]
          []
          [ refused [ "axis 4" ] (fun () -> moveAxis 4 0 (array [ 2 ])) ]
      row
          "swapAxes"
          [ ofOne [ 2; 3; 1 ] (swapAxes 0 1) ]
          []
          [ refused [ "axis 4" ] (fun () -> swapAxes 4 0 (array [ 2 ])) ]
      row
          "squeeze"
          [ ofOne [ 2; 1 ] (squeeze [ 1 ]) ]
          []
          [ refused [ "squeeze"; "(2, 1)" ] (fun () -> squeeze [ 0 ] (array [ 2; 1 ])) ]
      row
          "flatten"
          [ ofOne [ 2; 3; 2 ] (flatten 0 1) ]
          []
          [ refused [ "flatten"; "axis 7" ] (fun () -> flatten 0 7 (array [ 2 ])) ]
      row
          "padBy"
          [ for mode in Enum.GetValues<PadMode>() -> ofOne [ 3; 2 ] (padBy mode [ 2, 1; 0, 1 ]) ]
          []
          [ refused [ "pad"; "(2)" ] (fun () -> padBy PadMode.Edge [ 1, 0; 0, 0 ] (array [ 2 ])) ]
      row
          "setAt"
          [ ofTwo [ 4 ] [ 2 ] (fun x v -> setAt [ range 1 3 ] v x) ]
          [ kink1
                "what was there"
                [ nan; 2.0 ]
                (fun x -> setAt [ Slice.op_Implicit 0 ] (scalar 1.0) x)
                [ 0; 1 ] ]
          [ refused [ "(3)"; "(2)" ] (fun () -> setAt [ range 0 2 ] (array [ 3 ]) (array [ 4 ])) ]
      row
          "addAt"
          [ ofTwo [ 4 ] [ 2 ] (fun x v -> addAt [ range 1 3 ] v x) ]
          []
          [ refused [ "(3)"; "(2)" ] (fun () -> addAt [ range 0 2 ] (array [ 3 ]) (array [ 4 ])) ]
      row
          "updateAt"
          [ ofOne [ 4 ] (updateAt [ range 1 3 ] exp) ]
          []
          [ refused [ "(3)"; "(2)" ] (fun () -> updateAt [ range 0 2 ] (fun _ -> array [ 3 ]) (array [ 4 ])) ]
      row
          "rearrange"
          [ ofOne [ 4; 2; 3 ] (rearrange "b c (h) -> h (b c)" []) ]
          []
          [ refused [ "rearrange"; "(2, 3)" ] (fun () -> rearrange "a b c -> c" [] (array [ 2; 3 ])) ]
      row
          "reduceTo"
          [ for aggregate in Enum.GetValues<Aggregate>() ->
                ofOne [ 2; 3; 2 ] (reduceTo aggregate "a b c -> a c" []) ]
          [ kink1 "equal extremes" [ 1.0; 1.0 ] (reduceTo Aggregate.Max "a ->" []) [ 0.5; 0.5 ] ]
          [ refused [ "reduce"; "(2)" ] (fun () -> reduceTo Aggregate.Sum "a b -> a" [] (array [ 2 ])) ]
      row
          "repeatTo"
          [ ofOne [ 2; 3 ] (repeatTo "a b -> a c b" [ "c", 2 ]) ]
          []
          [ refused [ "repeat"; "c" ] (fun () -> repeatTo "a -> a c" [] (array [ 2 ])) ] ]

// ---- Along an axis --------------------------------------------------------------------------------------------------

let private sequences =
    [ for name, f in
          [ "cumsum", cumsum
            "cumprod", cumprod
            "cummax", cummax
            "cummin", cummin
            "cumlogsumexp", cumlogsumexp ] do
          let kinks =
              match name with
              | "cumprod" -> [ kink1 "zeros" [ 0.0; 0.0; 2.0 ] (fun x -> at 0 2 (f 0 x)) [ 0; 0; 0 ] ]
              | "cummax"
              | "cummin" -> [ kink1 "ties" [ 1.0; 1.0 ] (f 0) [ 2; 0 ] ]
              | "cumlogsumexp" ->
                  [ kink1 "nothing yet" [ -infinity; 1.0 ] (fun x -> at 0 1 (f 0 x)) [ 0; 1 ] ]
              | _ -> []
          row
              name
              [ ofOne [ 2; 3 ] (f 1); ofOne [ 4 ] (f 0) ]
              kinks
              [ refused [ name; "axis 3" ] (fun () -> f 3 (array [ 2 ])) ]
      for name, f in
          [ "cumsumWith", cumsumWith
            "cumprodWith", cumprodWith
            "cumlogsumexpWith", cumlogsumexpWith ] do
          row
              name
              [ ofOne [ 2; 3 ] (f 1 true false) ]
              []
              [ refused [ name.Replace("With", ""); "axis 3" ] (fun () -> f 3 true true (array [ 2 ])) ]
      row
          "linearRecurrence"
          [ ofTwo [ 4 ] [ 4 ] (linearRecurrence 0) ]
          [ kink
                "the first factor is not read"
                [ [ nan; 0.0 ]; [ 1.0; 2.0 ] ]
                (fun xs -> at 0 1 (linearRecurrence 0 xs[0] xs[1]))
                [ [ 0; 1 ]; [ 0; 1 ] ] ]
          [ refused [ "recurrence"; "axis 3" ] (fun () -> linearRecurrence 3 (array [ 2 ]) (array [ 2 ])) ]
      row
          "linearRecurrenceWith"
          [ ofTwo [ 4 ] [ 4 ] (linearRecurrenceWith 0 true) ]
          []
          [ refused [ "recurrence"; "(2)"; "(3)" ] (fun () ->
                linearRecurrenceWith 0 true (array [ 2 ]) (array [ 3 ])) ]
      row
          "linearRecurrenceFrom"
          [ on [ [ 2 ]; [ 3; 2 ]; [ 3; 2 ] ] (fun xs -> linearRecurrenceFrom 0 xs[0] xs[1] xs[2]) ]
          []
          [ refused [ "recurrence"; "axis 3" ] (fun () ->
                linearRecurrenceFrom 3 (array []) (array [ 2 ]) (array [ 2 ])) ]
      row
          "exponentialMovingAverage"
          [ ofOne [ 4; 2 ] (exponentialMovingAverage 0 0.8) ]
          []
          [ refused [ "axis 3" ] (fun () -> exponentialMovingAverage 3 0.5 (array [ 2 ])) ]
      row
          "differences"
          [ ofOne [ 5; 2 ] (differences 2 0) ]
          []
          [ refused [ "differences"; "-1" ] (fun () -> differences -1 0 (array [ 2 ])) ]
      for name, f in [ "sort", sort; "sortDescending", sortDescending ] do
          row
              name
              [ ofOne [ 2; 4 ] (f 1) ]
              [ kink1
                    "ties keep their order"
                    [ 1.0; 1.0 ]
                    (fun x -> f 0 x * constant (vector [ 2; 3 ]))
                    [ 2; 3 ] ]
              [ refused [ "sort: "; "bool" ] (fun () -> f 0 (less (array [ 2 ]) 0.0))
                refused [ "sort: "; "float16" ] (fun () -> f 0 (cast DType.Float16 (array [ 2 ])))
                refused [ "sort: "; "axis 4" ] (fun () -> f 4 (array [ 2 ])) ]
      for name, f in [ "argsort", argsort; "argsortDescending", argsortDescending ] do
          row
              name
              [ ofOne [ 4 ] (fun x -> x * cast x.DType (f 0 x)) ]
              []
              [ refused [ "argsort: "; "bool" ] (fun () -> f 0 (less (array [ 2 ]) 0.0)) ]
      for name, f in [ "topK", topK; "bottomK", bottomK ] do
          row
              name
              [ ofOne [ 2; 4 ] (fun x -> fst (f 2 1 x)) ]
              []
              [ refused [ "top_k"; "5"; "(4)" ] (fun () -> fst (f 5 0 (array [ 4 ])))
                refused [ "top_k: "; "bool" ] (fun () -> fst (f 1 0 (less (array [ 2 ]) 0.0))) ]
      row
          "takeAlong"
          [ ofOne [ 2; 3 ] (takeAlong 1 (constant (NDArray.Create([| 2L; 0L; -1L; 1L |], Shape [| 2; 2 |])))) ]
          []
          [ refused [ "take_along"; "(2, 3)"; "(2)" ] (fun () -> takeAlong 1 (ints [ 1; 2 ]) (array [ 2; 3 ])) ]
      row
          "addAlong"
          [ ofTwo [ 2; 3 ] [ 2; 2 ] (fun x v ->
                addAlong 1 (constant (NDArray.Create([| 2L; 2L; -1L; 1L |], Shape [| 2; 2 |]))) v x) ]
          []
          [ refused [ "scatter_add_along"; "axis 5" ] (fun () ->
                addAlong 5 (ints [ 1; 2 ]) (array [ 2 ]) (array [ 2 ])) ]
      row
          "median"
          [ ofOne [ 2; 4 ] (median 1); ofOne [ 3 ] (median 0) ]
          [ kink1 "ties" [ 1.0; 1.0; 1.0 ] (median 0) [ 0; 1; 0 ] ]
          [ refused [ "median"; "int32" ] (fun () -> median 0 (whole [ 3 ])) ]
      row
          "quantile"
          [ ofOne [ 2; 4 ] (quantile 0.3 1) ]
          []
          [ refused [ "quantile"; "1.5" ] (fun () -> quantile 1.5 0 (array [ 3 ])) ]
      row
          "quantiles"
          [ ofOne [ 2; 4 ] (quantiles [ 0.0; 0.4; 1.0 ] 1) ]
          []
          [ refused [ "quantile"; "no elements" ] (fun () -> quantiles [ 0.5 ] 0 (array [ 0 ])) ]
      row
          "searchSorted"
          [ ofTwo [ 3 ] [ 2 ] (fun x y -> y * cast y.DType (searchSorted false x y)) ]
          []
          [ refused [ "searchsorted"; "float64"; "float32" ] (fun () ->
                searchSorted true (array [ 3 ]) (cast DType.Float32 (array [ 2 ]))) ] ]

// ---- Matrices and transforms ----------------------------------------------------------------------------------------

/// A well-conditioned matrix of points: dominated by its diagonal.
let private regular seed dims (f: Expr -> Expr) =
    let n = List.last dims
    [ spread seed (-0.5, 0.5) dims ], (fun (xs: Expr list) -> f (xs[0] + 2.0 * eye n xs[0].DType))

let private oblong = array [ 2; 3 ]

let private matrices =
    [ row "lowerTriangle" [ ofOne [ 3; 2 ] (fun x -> x * cast x.DType (lowerTriangle 3 2 0)) ] [] []
      row
          "tril"
          [ ofOne [ 2; 3; 3 ] (tril 1) ]
          []
          [ refused [ "tril"; "(3)" ] (fun () -> tril 0 (array [ 3 ])) ]
      row
          "triu"
          [ ofOne [ 2; 3; 3 ] (triu -1) ]
          []
          [ refused [ "triu"; "(3)" ] (fun () -> triu 0 (array [ 3 ])) ]
      row
          "diagonal"
          [ ofOne [ 2; 3; 3 ] (diagonal 1) ]
          []
          [ refused [ "diagonal"; "(3)" ] (fun () -> diagonal 0 (array [ 3 ])) ]
      row
          "diagonalEmbed"
          [ ofOne [ 2; 3 ] (diagonalEmbed -1) ]
          []
          [ refused [ "diagonal_embed"; "scalar" ] (fun () -> diagonalEmbed 0 (array [])) ]
      row "diag" [ ofOne [ 2; 3 ] diag ] [] [ refused [ "diag"; "scalar" ] (fun () -> diag (array [])) ]
      row
          "trace"
          [ ofOne [ 2; 3; 3 ] trace ]
          []
          [ refused [ "trace"; "(3)" ] (fun () -> trace (array [ 3 ])) ]
      row
          "outer"
          [ ofTwo [ 2; 2 ] [ 3 ] outer ]
          []
          [ refused [ "float64"; "float32" ] (fun () ->
                outer (array [ 2 ]) (cast DType.Float32 (array [ 3 ]))) ]
      row
          "matrixOf"
          [ ofTwo [ 2; 1 ] [ 3 ] (fun x y -> matrixOf [ [ x; y; 0.0 ]; [ x * y; 1.0; -x ] ])
            ofOne [] (fun t -> matrixOf [ [ cos t; -(sin t) ]; [ sin t; cos t ] ]) ]
          []
          [ refused [ "matrix_of"; "2"; "1" ] (fun () -> matrixOf [ [ array []; array [] ]; [ array [] ] ])
            refused [ "matrix_of" ] (fun () -> matrixOf [])
            refused [ "matrix_of" ] (fun () -> matrixOf [ []; [] ])
            refused [ "matrix_of"; "(2)"; "(3)" ] (fun () -> matrixOf [ [ array [ 3 ]; array [ 2 ] ] ])
            refused [ "matrix_of"; "float64"; "float32" ] (fun () ->
                matrixOf [ [ array [ 2 ]; cast DType.Float32 (array [ 2 ]) ] ]) ]
      row
          "rotationMatrix"
          [ within (-0.4, 0.4) [ [ 2; 3 ] ] (fun xs -> rotationMatrix xs[0])
            within (1.0, 3.0) [ [ 2; 1; 3 ] ] (fun xs -> rotationMatrix xs[0])
            within (-1e-9, 1e-9) [ [ 3 ] ] (fun xs -> rotationMatrix xs[0])
            [ NDArray.op_Implicit [| 0.0; 0.0; 0.0 |] ], (fun xs -> rotationMatrix xs[0]) ]
          []
          [ refused [ "rotation_matrix"; "(3, 2)" ] (fun () -> rotationMatrix (array [ 3; 2 ]))
            refused [ "rotation_matrix"; "()" ] (fun () -> rotationMatrix (array []))
            refused [ "rotation_matrix"; "int64" ] (fun () -> rotationMatrix (ints [ 1; 2; 3 ])) ]
      row
          "kron"
          [ ofTwo [ 2; 3 ] [ 3; 2 ] kron
            ofTwo [ 2; 1; 2 ] [ 2; 2; 1 ] kron
            ofTwo [ 2 ] [ 2; 3 ] kron ]
          []
          [ refused [ "float64"; "float32" ] (fun () -> kron (array [ 2 ]) (cast DType.Float32 (array [ 3 ]))) ]
      row
          "tensordot"
          [ ofTwo [ 2; 3 ] [ 3; 2 ] (tensordot [ 1; 0 ] [ 0; 1 ])
            ofTwo [ 2; 3 ] [ 4; 3 ] (tensordot [ 1 ] [ 1 ]) ]
          []
          [ refused [ "tensordot"; "axis 0"; "(2, 3)"; "axis 1" ] (fun () ->
                tensordot [ 0 ] [ 1 ] oblong oblong) ]
      row
          "meshgrid"
          [ ofTwo [ 2 ] [ 3 ] (fun x y -> let grid = meshgrid [ x; y ] in grid[0] * grid[1]) ]
          []
          [ refused [ "meshgrid"; "(2, 3)" ] (fun () -> (meshgrid [ oblong ]).Head) ]
      row
          "solve"
          [ [ spread 51 (-0.5, 0.5) [ 3; 3 ]; spread 52 any [ 3; 2 ] ],
            (fun xs -> solve (xs[0] + 2.0 * eye 3 xs[0].DType) xs[1]) ]
          []
          [ refused [ "solve"; "(2, 3)" ] (fun () -> solve oblong oblong) ]
      row
          "triangularSolve"
          [ [ spread 53 (-0.5, 0.5) [ 3; 3 ]; spread 54 any [ 3 ] ],
            (fun xs -> triangularSolve true (xs[0] + 2.0 * eye 3 xs[0].DType) xs[1]) ]
          []
          [ refused [ "triangular_solve"; "(2, 3)" ] (fun () -> triangularSolve true oblong oblong) ]
      row
          "choleskySolve"
          [ [ spread 55 (-0.5, 0.5) [ 3; 3 ]; spread 56 any [ 3 ] ],
            (fun xs -> choleskySolve (tril 0 xs[0] + 2.0 * eye 3 xs[0].DType) xs[1]) ]
          []
          [ refused [ "cholesky_solve"; "(2, 3)" ] (fun () -> choleskySolve oblong oblong) ]
      row
          "lstsq"
          [ ofTwo [ 4; 2 ] [ 4 ] lstsq ]
          []
          [ refused [ "lstsq"; "(2, 3)"; "(3)" ] (fun () -> lstsq oblong (array [ 3 ])) ]
      for name, (f: Expr -> Expr), (kinks: (NDArray * float list) list) in
          [ "inverse", inverse, []
            "expm", expm, [ matrix [ [ 0.0; 0.0 ]; [ 0.0; 0.0 ] ], [ 1.0; 1.0; 1.0; 1.0 ] ]
            "matrixPower", matrixPower 3, [ matrix [ [ 0.0; 0.0 ]; [ 0.0; 0.0 ] ], [ 0.0; 0.0; 0.0; 0.0 ] ]
            "symmetricPower",
            symmetricPower 0.5,
            [ matrix [ [ 4.0; 0.0 ]; [ 0.0; 4.0 ] ], [ 0.25; 0.25; 0.25; 0.25 ] ]
            "symmetricLog", symmetricLog, [ matrix [ [ 2.0; 0.0 ]; [ 0.0; 2.0 ] ], [ 0.5; 0.5; 0.5; 0.5 ] ]
            "cholesky", cholesky, []
            "eigvalsh", eigvalsh, [ matrix [ [ 2.0; 0.0 ]; [ 0.0; 2.0 ] ], [ 1.0; 0.0; 0.0; 1.0 ] ]
            "det",
            det,
            [ matrix [ [ 1.0; 2.0 ]; [ 2.0; 4.0 ] ], [ 4.0; -2.0; -2.0; 1.0 ]
              matrix [ [ 0.0; 0.0 ]; [ 0.0; 0.0 ] ], [ 0.0; 0.0; 0.0; 0.0 ] ]
            "logdet", logdet, [] ] do
          let symmetric =
              List.contains name [ "symmetricPower"; "symmetricLog"; "cholesky"; "eigvalsh" ]
          let f' (a: Expr) =
              if symmetric then
                  f (a + swapAxes -1 -2 a + diag (cast a.DType (constant (vector [ 0; 1; 2 ]))))
              else
                  f a
          row
              name
              [ regular 57 [ 3; 3 ] f'; regular 58 [ 2; 3; 3 ] f' ]
              [ for at, gradient in kinks do
                    { Where = $"{at}"
                      At = [ at ]
                      Of = fun xs -> f xs[0]
                      Gradients = [ gradient ] } ]
              [ refused [ "square"; "(2, 3)" ] (fun () -> f oblong) ]
      row
          "slogdet"
          [ regular 59 [ 3; 3 ] (fun a -> let sign, log = slogdet a in sign * log) ]
          []
          [ refused [ "slogdet"; "(2, 3)" ] (fun () -> snd (slogdet oblong)) ]
      row
          "lu"
          [ regular 60 [ 3; 3 ] (fun a -> let _, l, u = lu a in matmul (l * l) u)
            ofOne [ 4; 2 ] (fun a ->
                let _, l, u =
                    lu (a + 3.0 * broadcastTo [ 4; 2 ] (cast a.DType (constant (matrix [ [ 1; 0 ] ])))) in
                matmul (l * l) u) ]
          []
          [ refused [ "lu"; "(3)" ] (fun () -> let _, _, u = lu (array [ 3 ]) in u) ]
      row
          "qr"
          [ ofOne [ 4; 2 ] (fun a -> let q, r = qr a in matmul (q * q) r) ]
          []
          [ refused [ "qr"; "(3)" ] (fun () -> snd (qr (array [ 3 ]))) ]
      row
          "eigh"
          [ regular 61 [ 3; 3 ] (fun a ->
                let w, v =
                    eigh (a + swapAxes 0 1 a + diag (cast a.DType (constant (vector [ 0; 1; 3 ])))) in
                w * square (at 0 0 v)) ]
          []
          [ refused [ "eigh"; "(2, 3)" ] (fun () -> fst (eigh oblong)) ]
      row
          "svd"
          [ ofOne [ 4; 2 ] (fun a -> let u, s, v = svd a in matmul (u * u * s) v) ]
          []
          [ refused [ "svd"; "(3)" ] (fun () -> let _, s, _ = svd (array [ 3 ]) in s) ]
      row
          "svdvals"
          [ ofOne [ 3; 2 ] svdvals ]
          []
          [ refused [ "svd"; "(3)" ] (fun () -> svdvals (array [ 3 ])) ]
      row
          "matrixRank"
          [ ofOne [ 3; 2 ] (fun a -> a * cast a.DType (matrixRank a)) ]
          []
          [ refused [ "matrix_rank"; "(3)" ] (fun () -> matrixRank (array [ 3 ])) ]
      row
          "matrixRankWith"
          [ ofOne [ 3; 2 ] (fun a -> a * cast a.DType (matrixRankWith 0.1 a)) ]
          []
          [ refused [ "(3)" ] (fun () -> matrixRankWith 0.1 (array [ 3 ])) ]
      row "pinv" [ ofOne [ 4; 2 ] pinv ] [] [ refused [ "pinv"; "(3)" ] (fun () -> pinv (array [ 3 ])) ]
      row
          "pinvWith"
          [ ofOne [ 2; 4 ] (pinvWith 1e-9) ]
          []
          [ refused [ "pinv"; "-1" ] (fun () -> pinvWith -1.0 oblong) ] ]

let private transforms =
    let z = array [ 4; 2 ]
    let bad = array [ 4; 3 ]
    [ for name, f in
          [ "realPart", realPart
            "imaginaryPart", imaginaryPart
            "conjugate", conjugate
            "squaredMagnitude", squaredMagnitude
            "fft", fft
            "ifft", ifft ] do
          row name [ ofOne [ 4; 2 ] f; ofOne [ 2; 3; 2 ] f ] [] [ refused [ "(4, 3)" ] (fun () -> f bad) ]
      for name, f in [ "fft2", fft2; "ifft2", ifft2; "fftn", fftn [ 0; 1 ]; "ifftn", ifftn [ 0; 1 ] ] do
          row name [ ofOne [ 3; 2; 2 ] f ] [] [ refused [ "(4, 3)" ] (fun () -> f bad) ]
      row
          "complexOf"
          [ ofTwo [ 3 ] [ 3 ] complexOf ]
          []
          [ refused [ "(2)"; "(3)" ] (fun () -> complexOf (array [ 2 ]) (array [ 3 ])) ]
      row
          "complexMultiply"
          [ ofTwo [ 3; 2 ] [ 3; 2 ] complexMultiply ]
          []
          [ refused [ "(4, 3)" ] (fun () -> complexMultiply z bad) ]
      row "rfft" [ ofOne [ 2; 5 ] rfft ] [] [ refused [ "rfft" ] (fun () -> rfft (array [])) ]
      row
          "irfft"
          [ ofOne [ 3; 2 ] (irfft 5); ofOne [ 3; 2 ] (irfft 4) ]
          []
          [ refused [ "irfft"; "(4, 3)" ] (fun () -> irfft 4 bad) ]
      row
          "fftConvolve"
          [ ofTwo [ 3 ] [ 5 ] fftConvolve ]
          []
          [ refused [ "fft_convolve" ] (fun () -> fftConvolve (array []) (array [ 3 ])) ] ]

// ---- Windows, curves, losses ----------------------------------------------------------------------------------------

let private windows =
    let kernel = array [ 3; 2; 2; 2 ]
    let image = array [ 1; 3; 4; 4 ]
    [ row
          "conv"
          [ ofTwo [ 3; 2; 2 ] [ 2; 2; 4 ] conv; ofTwo [ 2; 1; 2; 2 ] [ 1; 1; 3; 3 ] conv ]
          []
          [ refused
                [ "conv"
                  "axis 1 of the array"
                  "(1, 3, 4, 4)"
                  "3 channels"
                  "axis 1 of the kernel"
                  "(3, 2, 2, 2)" ]
                (fun () -> conv kernel image) ]
      row
          "convWith"
          [ ofTwo [ 2; 1; 2 ] [ 1; 2; 6 ] (convWith [ 2 ] Padding.Same [ 2 ] 2) ]
          []
          [ refused [ "conv"; "axis 1 of the array"; "in 2 groups"; "4 are expected" ] (fun () ->
                convWith [] Padding.Valid [] 2 (array [ 2; 2; 2 ]) (array [ 1; 2; 3 ])) ]
      row
          "convTranspose"
          [ ofTwo [ 2; 3; 2 ] [ 1; 2; 3 ] convTranspose ]
          []
          [ refused [ "conv_transpose"; "axis 1 of the array"; "axis 0 of the kernel" ] (fun () ->
                convTranspose (array [ 3; 2; 2 ]) (array [ 1; 2; 3 ])) ]
      row
          "convTransposeWith"
          [ ofTwo [ 2; 3; 2 ] [ 1; 2; 3 ] (convTransposeWith [ 2 ] Padding.Valid [ 1 ] [ 1 ] 1) ]
          []
          [ refused [ "conv_transpose"; "extra" ] (fun () ->
                convTransposeWith [ 2 ] Padding.Valid [ 5 ] [] 1 (array [ 2; 3; 2 ]) (array [ 1; 2; 3 ])) ]
      row
          "maxPool"
          [ ofOne [ 1; 2; 4 ] (maxPool [ 2 ]) ]
          [ { Where = "ties"
              At = [ NDArray.Create([| 1.0; 1.0 |], Shape [| 1; 1; 2 |]) ]
              Of = fun xs -> maxPool [ 2 ] xs[0]
              Gradients = [ [ 0.5; 0.5 ] ] } ]
          [ refused [ "max_pool"; "(3)" ] (fun () -> maxPool [ 2 ] (array [ 3 ])) ]
      row
          "maxPoolWith"
          [ ofOne [ 1; 2; 5 ] (maxPoolWith [ 2 ] [ 1 ] (Padding.Around 1) []) ]
          []
          [ refused [ "max_pool"; "reaches over 9" ] (fun () ->
                maxPoolWith [ 9 ] [] Padding.Valid [] (array [ 1; 1; 3 ])) ]
      row
          "avgPool"
          [ ofOne [ 1; 2; 4 ] (avgPool [ 2 ]) ]
          []
          [ refused [ "avg_pool"; "(3)" ] (fun () -> avgPool [ 2 ] (array [ 3 ])) ]
      row
          "avgPoolWith"
          [ ofOne [ 1; 2; 5 ] (avgPoolWith [ 2 ] [ 1 ] (Padding.Around 1)) ]
          []
          [ refused [ "avg_pool"; "stride"; "0" ] (fun () ->
                avgPoolWith [ 2 ] [ 0 ] Padding.Valid (array [ 1; 1; 3 ])) ]
      for name, f in
          [ "interpolateLinear", interpolateLinear
            "interpolatePchip", interpolatePchip
            "interpolateSpline", interpolateSpline SplineEnds.NotAKnot ] do
          let knots = constant (vector [ 0; 1; 2.5; 3; 4.5 ])
          row
              name
              [ [ spread 71 any [ 5 ]; vector [ 0.4; 1.7; 2.8; 4.1 ] ],
                (fun xs -> f (cast xs[0].DType knots) xs[0] xs[1])
                [ spread 72 any [ 5; 2 ] ],
                (fun xs ->
                    let same = cast xs[0].DType in
                    f (same knots) xs[0] (same (constant (vector [ 0.4; 1.7 ])))) ]
              [ if name = "interpolateLinear" then
                    kink1
                        "at a knot, before and beyond"
                        [ 1.0; -1.0; 9.0 ]
                        (f knots (constant (vector [ 0; 1; 4; 5; 2 ])))
                        [ 2; 1; -2 ]
                if name = "interpolatePchip" then
                    kink1
                        "flat where neighbours turn"
                        [ 1.0 ]
                        (f knots (constant (vector [ 0; 1; 0; 1; 0 ])))
                        [ 0 ] ]
              [ refused [ name; "knots"; "(5)"; "(4)" ] (fun () -> f knots (array [ 4 ]) (array [ 2 ])) ] ]

let private losses =
    [ row
          "crossEntropyOfClasses"
          [ ofOne [ 3; 4 ] (fun x -> crossEntropyOfClasses x (ints [ 0; 3; 1 ])) ]
          []
          [ refused [ "(3, 4)" ] (fun () -> crossEntropyOfClasses (array [ 3; 4 ]) (ints [ 0; 1 ])) ]
      row
          "crossEntropyOfDistributions"
          [ ofTwo [ 3; 4 ] [ 3; 4 ] (fun x t -> crossEntropyOfDistributions x (softmax 1 t)) ]
          [ kink
                "a certain class"
                [ [ 0.0; 0.0 ]; [ 0.0; 1.0 ] ]
                (fun xs -> crossEntropyOfDistributions xs[0] (stopGradient xs[1]))
                [ [ 0.5; -0.5 ]; [ 0; 0 ] ] ]
          [ refused [ "(3)"; "(2)" ] (fun () -> crossEntropyOfDistributions (array [ 3 ]) (array [ 2 ])) ]
      row
          "sigmoidCrossEntropy"
          [ ofTwo [ 3 ] [ 3 ] (fun x t -> sigmoidCrossEntropy x (sigmoid t)) ]
          [ kink1 "no overflow" [ 1000.0; -1000.0 ] (fun x -> sigmoidCrossEntropy x (zerosLike x)) [ 1; 0 ] ]
          [ refused [ "(3)"; "(2)" ] (fun () -> sigmoidCrossEntropy (array [ 3 ]) (array [ 2 ])) ]
      row
          "mse"
          [ ofTwo [ 2; 3 ] [ 2; 3 ] mse ]
          [ kink "equal" [ [ 1.0 ]; [ 1.0 ] ] (fun xs -> mse xs[0] xs[1]) [ [ 0 ]; [ 0 ] ] ]
          [ refused [ "(3)"; "(2)" ] (fun () -> mse (array [ 3 ]) (array [ 2 ])) ]
      row
          "frobeniusNorm"
          [ ofTwo [ 2 ] [ 2; 3 ] (fun x y -> frobeniusNorm [ x; y ]) ]
          [ kink1 "0" [ 0.0; 0.0 ] (fun x -> frobeniusNorm [ x; x ]) [ 0; 0 ] ]
          [ refused [ "norm" ] (fun () -> frobeniusNorm []) ]
      for name, f in [ "normalLogDensity", normalLogDensity; "normalDensity", normalDensity ] do
          row
              name
              [ [ spread 81 any [ 3 ]; spread 82 (0.5, 2.0) [ 3 ]; spread 83 any [ 3 ] ],
                (fun xs -> f xs[0] xs[1] xs[2]) ]
              []
              [ refused [ "(3)"; "(2)" ] (fun () -> f (array [ 3 ]) (array [ 2 ]) (array [ 3 ])) ] ]

// ---- What has no row, and why ---------------------------------------------------------------------------------------

let private elsewhere =
    [ yield!
          without
              "makes a leaf or a constant: nothing to differentiate"
              [ "variableOf"
                "variable"
                "tensor"
                "input"
                "constant"
                "full"
                "iota"
                "scalar" ]
      yield!
          without
              "makes constants: values in MatrixTests and FourierTests"
              [ "eye"; "linspace"; "arange"; "fftFrequencies" ]
      yield!
          without
              "loops and branches: samples of Op.Loop and Op.Branch"
              [ "cond"; "forLoop"; "whileLoop"; "whileLoopWith"; "scan"; "scanWith" ]
      yield!
          without
              "a derivative: LawTests and TransformTests"
              [ "grad"
                "grads"
                "gradsWith"
                "hessian"
                "jacobian"
                "batchJacobian"
                "jacobianBy"
                "jvp"
                "vjp"
                "hvp"
                "hvpMany"
                "nthDerivative"
                "gaussNewtonProduct"
                "jet"
                "taylor"
                "hessianOf" ]
      yield!
          without
              "a function of functions: CheckpointTests, TransformTests, BatchTests"
              [ "checkpoint"
                "checkpointWith"
                "checkpointOf"
                "saveAs"
                "simplify"
                "customGrad"
                "customJvp"
                "vmap"
                "vmap2"
                "vmapWith" ]
      yield!
          without
              "random numbers: RandomTests, and samples of Op.Random"
              [ for name in
                    [ "bernoulli"
                      "beta"
                      "bits"
                      "categorical"
                      "choice"
                      "dirichlet"
                      "dropout"
                      "exponential"
                      "foldIn"
                      "gamma"
                      "gumbel"
                      "integers"
                      "key"
                      "laplace"
                      "logGamma"
                      "logistic"
                      "multivariateNormal"
                      "normal"
                      "permutation"
                      "shuffle"
                      "splitAxis"
                      "split"
                      "studentT"
                      "truncatedNormal"
                      "uniform" ] -> "Rng." + name ] ]

/// Every row.
let table: Row list =
    List.concat
        [ unary
          binary
          tests
          choices
          reductions
          arrangement
          sequences
          matrices
          transforms
          windows
          losses
          elsewhere ]
