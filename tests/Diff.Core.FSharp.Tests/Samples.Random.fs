/// Samples of random draws: the numbers are functions of keys, so derivatives with respect to what is beside the key can be compared.
module Diff.Testing.RandomSamples

open Diff

/// Names, the intervals and shapes of the points, and what is made of them.
let all: (string * ((float * float) * int list) list * (Expr list -> Expr)) list =
    let key = Rng.key 5L
    let any, below, above = (-2.0, 2.0), (-1.5, -0.2), (0.3, 1.5)
    let draw f = f DType.Float64 [ 2; 3 ] key
    let weighted f =
        [ any, [ 2; 3 ] ], (fun (xs: Expr list) -> xs[0] * draw f)
    [ for name, (points, build) in
          [ "uniform", weighted Rng.uniform
            "normal", weighted Rng.normal
            "exponential", weighted Rng.exponential
            "laplace", weighted Rng.laplace
            "gumbel", weighted Rng.gumbel
            "logistic", weighted Rng.logistic ] do
          name, points, build
      "bits",
      [ any, [ 3 ] ],
      (fun xs ->
          xs[0]
          * cast DType.Float64 (less (Rng.bits DType.Int32 [ 3 ] key) (Expr.op_Implicit 0)))
      "keys",
      [ any, [ 2 ] ],
      (fun xs ->
          xs[0]
          * Rng.normal DType.Float64 [] (Rng.splitAxis 2 (Rng.foldIn (Expr.op_Implicit 3) key)))
      "permutation", [ any, [ 4 ] ], (fun xs -> square (Rng.shuffle 0 xs[0] key) * iota [ 4 ] 0 DType.Float64)
      "dropout", [ any, [ 3; 3 ] ], (fun xs -> exp (Rng.dropout 0.3 xs[0] key))
      "integers",
      [ any, [ 3 ] ],
      (fun xs -> xs[0] * cast DType.Float64 (Rng.integers -2L 5L DType.Int32 [ 3 ] key))
      "truncated normal",
      [ below, [ 3 ]; above, [ 2; 1 ] ],
      (fun xs -> Rng.truncatedNormal xs[0] xs[1] [ 2; 3 ] key)
      "truncated normal below",
      [ any, [ 3 ] ],
      (fun xs -> Rng.truncatedNormal (Expr.op_Implicit -infinity) xs[0] [ 3 ] key)
      "truncated normal in the upper tail",
      [ above, [ 3 ] ],
      (fun xs -> Rng.truncatedNormal xs[0] (full [] DType.Float64 4.0) [ 3 ] key)
      "multivariate normal",
      [ any, [ 2 ]; any, [ 2; 2 ] ],
      (fun xs -> Rng.multivariateNormal xs[0] xs[1] [ 2 ] key) ]
