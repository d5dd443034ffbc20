/// Graphs that use the words of linear algebra, with points to differentiate them at.
module Diff.Testing.LinearAlgebraSamples

open Diff
open Diff.Testing.Generators

/// Matrices far from singular, of which neither the eigenvalues nor the singular values are close to each other.
let private regular seed (dims: int list) =
    let rows, columns = dims[dims.Length - 2], dims[dims.Length - 1]
    let x = floats (spread seed (-0.9, 0.9) dims)
    for i in 0 .. x.Length - 1 do
        if i / columns % rows = i % columns then
            x[i] <- x[i] + 2.5 + 1.5 * float (i % columns)
    NDArray.Create(x, Shape(Array.ofList dims))

let private right seed dims = spread seed (-2.0, 2.0) dims
let private weigh (parts: Expr list) =
    parts
    |> List.mapi (fun k x ->
        sum (x * constant (spread (20 + k) (-1.5, 1.5) (List.ofArray (x.Shape.ToArray())))))
    |> List.reduce (+)
let private squares: int list list =
    [ [ 1; 1 ]; [ 2; 2 ]; [ 3; 3 ]; [ 2; 3; 3 ]; [ 0; 2; 2 ] ]
let private oblong: int list list =
    [ [ 1; 1 ]
      [ 2; 2 ]
      [ 3; 2 ]
      [ 4; 3 ]
      [ 2; 3; 3 ]
      [ 2; 3 ]
      [ 2; 1; 3 ]
      [ 0; 3; 2 ] ]

/// Name, points and graph.
let all: (string * NDArray list * (Expr list -> Expr)) list =
    [ for dims in squares do
          $"cholesky {dims}",
          [ regular 3 dims ],
          (fun xs -> let l = cholesky xs[0] in l * (l + 0.5) * (l - 0.25))
          $"lu {dims}",
          [ regular 4 dims ],
          (fun xs ->
              let _, l, u = lu xs[0]
              l * 0.7 + u)
          $"solve {dims}",
          [ regular 5 dims; right 6 (dims[.. dims.Length - 2] @ [ 2 ]) ],
          (fun xs -> solve xs[0] xs[1])
          $"inverse {dims}", [ regular 5 dims ], (fun xs -> inverse xs[0])
          for lower in [ true; false ] do
              $"triangular solve {lower} {dims}",
              [ regular 7 dims; right 8 (dims[.. dims.Length - 2] @ [ 2 ]) ],
              (fun xs -> triangularSolve lower xs[0] xs[1])
          $"eigh {dims}",
          [ regular 9 dims ],
          (fun xs -> let values, vectors = eigh xs[0] in weigh [ values; vectors; values * values ])
          $"expm {dims}", [ spread 10 (-0.9, 0.9) dims ], (fun xs -> expm xs[0])
          $"symmetric power {dims}", [ regular 30 dims ], (fun xs -> symmetricPower -0.5 xs[0])
          $"symmetric log {dims}", [ regular 31 dims ], (fun xs -> symmetricLog xs[0])
          $"slogdet {dims}", [ regular 11 dims ], (fun xs -> snd (slogdet (-xs[0])))
          $"logdet {dims}", [ regular 12 dims ], (fun xs -> logdet xs[0])
      for dims in oblong do
          $"qr {dims}", [ regular 13 dims ], (fun xs -> let q, r = qr xs[0] in weigh [ q; r; r * r ])
          $"svd {dims}",
          [ regular 14 dims ],
          (fun xs -> let u, s, vt = svd xs[0] in weigh [ u; s; vt; s * s ])
          $"pinv {dims}", [ regular 15 dims ], (fun xs -> weigh [ pinv xs[0] ])
      for dims in oblong do
          $"lu {dims}", [ regular 33 dims ], (fun xs -> let _, l, u = lu xs[0] in weigh [ l; u; u * u ])
      "lu with rows exchanged",
      [ NDArray.Create([| 0.3; 2.0; -1.0; 0.2; 0.5; 3.0; 4.0; 1.0; 0.1 |], Shape [| 3; 3 |]) ],
      (fun xs ->
          let p, l, u = lu xs[0]
          weigh [ l; u; matmul p (l * l) ])
      "solve a vector in each place",
      [ regular 16 [ 2; 2; 2 ]; right 17 [ 2 ] ],
      (fun xs -> solve xs[0] xs[1])
      "solve many matrices by one",
      [ regular 18 [ 2; 2 ]; right 19 [ 3; 2; 2; 1 ] ],
      (fun xs -> solve xs[0] xs[1])
      "solve, both broadcast",
      [ regular 18 [ 2; 1; 2; 2 ]; right 19 [ 3; 2; 1 ] ],
      (fun xs -> solve xs[0] xs[1])
      "solve by cholesky",
      [ regular 20 [ 3; 3 ]; right 21 [ 3 ] ],
      (fun xs -> choleskySolve (cholesky xs[0]) xs[1])
      "least squares", [ regular 22 [ 4; 2 ]; right 23 [ 4 ] ], (fun xs -> lstsq xs[0] xs[1])
      "pinv of rank 1", [ right 24 [ 3 ]; right 25 [ 2 ] ], (fun xs -> pinvWith 1e-5 (einsum "i,j->ij" xs))
      "determinant 4x4", [ regular 34 [ 2; 4; 4 ] ], (fun xs -> 0.01 * det xs[0])
      "determinant 5x5", [ regular 26 [ 5; 5 ] ], (fun xs -> 0.001 * det xs[0])
      "determinants 6x6", [ spread 27 (-1.0, 1.0) [ 2; 6; 6 ] ], (fun xs -> det xs[0])
      "power -3", [ regular 28 [ 2; 2 ] ], (fun xs -> matrixPower -3 xs[0])
      "square root, equal eigenvalues",
      [ NDArray.Create([| 2.0; 0.0; 0.0; 0.0; 2.0; 0.0; 0.0; 0.0; 3.0 |], Shape [| 3; 3 |]) ],
      (fun xs -> symmetricPower 0.5 xs[0])
      "logarithm, equal eigenvalues",
      [ NDArray.Create([| 1.0; 0.0; 0.0; 1.0 |], Shape [| 2; 2 |]) ],
      (fun xs -> symmetricLog xs[0])
      "nuclear norm, equal singular values",
      [ NDArray.Create([| 2.0; 0.0; 0.0; 2.0; 0.0; 0.0 |], Shape [| 3; 2 |]) ],
      (fun xs -> sum (svdvals xs[0])) ]
