/// Samples of loops and branches: names, points, and what is made of them.
module Diff.Testing.ControlFlowSamples

open Diff
open Diff.Testing.Generators

let private any = -2.0, 2.0
let private at (dims: int list list) =
    dims |> List.mapi (fun k d -> spread (k + 1) any d)

/// h ← tanh(x_t·W + h·V), with the states as ys.
let cell (w: Expr) (v: Expr) (state: Expr list) (x: Expr list) =
    let h = tanh (matmul x[0] w + matmul state[0] v)
    [ h ], [ h ]

let private last (states, _) = List.head states
let private all (states: Expr list, ys: Expr list) = sum (List.head states) + ys.Head

let loops: (string * NDArray list * (Expr list -> Expr)) list =
    [ "with captured values",
      at [ [ 3; 2 ]; [ 2; 2 ]; [ 2; 2 ]; [ 2 ] ],
      (fun xs -> scan (cell xs[1] xs[2]) [ xs[3] ] [ xs[0] ] |> all)
      "last state",
      at [ [ 2 ]; [ 4; 2 ] ],
      (fun xs -> scan (fun h x -> [ sin (h[0] * x[0]) + x[0] ], []) [ xs[0] ] [ xs[1] ] |> last)
      "backwards",
      at [ [ 2 ]; [ 3; 2 ] ],
      (fun xs ->
          scanWith
              (LoopOptions.Default.Reversed())
              (fun h x -> [ sin (h[0] * x[0]) + x[0] ], [ exp (0.3 * h[0]) ])
              [ xs[0] ]
              [ xs[1] ]
          |> all)
      "two states, one of integers",
      at [ [ 2 ]; [ 3; 2 ] ],
      (fun xs ->
          let body (h: Expr list) (x: Expr list) =
              let scale = cast x[0].DType h[1] + 1.0
              [ tanh (h[0] + x[0] / scale); h[1] + Expr.op_Implicit 1L ], [ h[0] * scale ]
          let states, ys = scan body [ xs[0]; Expr.op_Implicit 4294967298L ] [ xs[1] ]
          ys.Head * 1e-9
          + sum states[0]
            * 0.5
            * cast xs[0].DType (equal states[1] (Expr.op_Implicit 4294967301L)))
      "of no slices",
      at [ [ 2 ]; [ 0; 2 ] ],
      (fun xs -> scan (fun h x -> [ h[0] * x[0] ], [ x[0] ]) [ exp xs[0] ] [ xs[1] ] |> last)
      "of one slice",
      at [ [ 2 ]; [ 1; 2 ] ],
      (fun xs -> scan (fun h x -> [ h[0] * x[0] ], [ h[0] ]) [ xs[0] ] [ xs[1] ] |> all)
      "without slices",
      at [ [ 2 ] ],
      (fun xs ->
          scanWith (LoopOptions.Default.WithLength(3)) (fun h _ -> [ sin h[0] * xs[0] ], []) [ xs[0] ] []
          |> last)
      "within another",
      at [ [ 2 ]; [ 2; 3; 2 ] ],
      (fun xs ->
          let inner h x =
              scan (fun h x -> [ sin (h[0] + x[0]) ], [ h[0] * x[0] ]) h x
          scan (fun h x -> let h, ys = inner h x in h, [ sum ys.Head ]) [ xs[0] ] [ xs[1] ]
          |> all)
      "after another",
      at [ [ 2 ]; [ 3; 2 ] ],
      (fun xs ->
          let _, ys = scan (fun h x -> [ h[0] * x[0] ], [ sin h[0] ]) [ xs[0] ] [ xs[1] ]
          scanWith (LoopOptions.Default.Reversed()) (fun h x -> [ h[0] + exp x[0] ], [ h[0] ]) [ xs[0] ] ys
          |> all)
      "with vmap in the body",
      at [ [ 2 ]; [ 3; 2 ] ],
      (fun xs ->
          scan (fun h x -> [ vmap (fun e -> sin e * e) (h[0] + x[0]) ], []) [ xs[0] ] [ xs[1] ]
          |> last)
      "with a gradient in the body",
      at [ [ 2 ]; [ 3; 2 ] ],
      (fun xs ->
          let step (h: Expr list) (x: Expr list) =
              let free = h[0] * 1.0
              [ h[0] - 0.1 * grad (sum (sin (free * x[0]))) free ], []
          scan step [ xs[0] ] [ xs[1] ] |> last)
      "with a checkpoint in the body",
      at [ [ 2 ]; [ 3; 2 ] ],
      (fun xs ->
          scan
              (fun h x -> [ checkpoint (fun ys -> sin (exp (0.3 * ys[0]) * ys[1])) [ h[0]; x[0] ] ], [])
              [ xs[0] ]
              [ xs[1] ]
          |> last)
      "with a branch in the body",
      at [ [ 2 ]; [ 3; 2 ] ],
      (fun xs ->
          let body (h: Expr list) (x: Expr list) =
              let grows = greater (sum x[0]) (zerosLike (sum x[0]))
              cond grows (fun a -> [ sin a[0] * x[0] ]) (fun a -> [ a[0] + square x[0] ]) h, []
          scan body [ xs[0] ] [ xs[1] ] |> last)
      "a loop with a condition",
      at [ [ 2 ]; [ 2 ] ],
      (fun xs ->
          // Newton's method for the square root of 2 + x²; the number of steps depends on the numbers.
          let a = 2.0 + square xs[0]
          let far (s: Expr list) =
              greater (reduceMax (abs (s[0] * s[0] - a))) (full [] a.DType 0.05)
          whileLoop far (fun s -> [ 0.5 * (s[0] + a / s[0]) ]) [ 3.0 + 0.1 * square xs[1] ]
          |> List.head)
      "a loop with a condition and two states",
      at [ [ 2 ]; [] ],
      (fun xs ->
          let go (s: Expr list) = less s[1] (full [] xs[0].DType 3.0)
          let states =
              whileLoop go (fun s -> [ sin (s[0] * xs[1]) + s[0]; s[1] + 0.7 ]) [ xs[0]; zerosLike xs[1] ]
          states[0] * (1.0 + states[1]))
      "a loop with a condition within a scan",
      at [ [ 2 ]; [ 3; 2 ] ],
      (fun xs ->
          let halve h =
              whileLoop
                  (fun s -> greater (sum (square s[0])) (onesLike (sum s[0])))
                  (fun s -> [ 0.6 * sin s[0] ])
                  [ h ]
          scan (fun h x -> halve (h[0] + 2.0 * x[0]), []) [ xs[0] ] [ xs[1] ] |> last)
      "a loop that makes no iteration",
      at [ [ 2 ] ],
      (fun xs ->
          whileLoop
              (fun s -> less (sum (square s[0])) (zerosLike (sum s[0])))
              (fun s -> [ exp s[0] ])
              [ sin xs[0] ]
          |> List.head) ]

let branches: (string * NDArray list * (Expr list -> Expr)) list =
    let positive (x: Expr) = greater (sum x) (zerosLike (sum x))
    let choice flip (xs: Expr list) =
        let p = positive xs[0]
        let p = if flip then logicalNot p else p
        cond p (fun a -> [ sin a[0] * a[1] ]) (fun a -> [ exp (0.3 * a[0]) ]) [ xs[0]; xs[1] ]
        |> List.head
    [ "one side", at [ [ 3 ]; [ 3 ] ], choice false
      "the other side", at [ [ 3 ]; [ 3 ] ], choice true
      "with captured values and two results",
      at [ [ 3 ]; [] ],
      (fun xs ->
          let rs =
              cond
                  (positive xs[0])
                  (fun a -> [ a[0] * xs[1]; xs[1] ])
                  (fun a -> [ sin a[0]; sum a[0] ])
                  [ square xs[0] ]
          rs[0] * rs[1])
      "within another",
      at [ [ 3 ]; [ 3 ] ],
      (fun xs ->
          cond
              (positive xs[0])
              (fun a ->
                  cond (positive xs[1]) (fun b -> [ sin b[0] ]) (fun b -> [ b[0] * a[0] ]) [ a[0] * xs[1] ])
              (fun a -> cond (positive xs[1]) (fun b -> [ cos b[0] ]) (fun b -> [ b[0] + xs[1] ]) a)
              [ xs[0] ]
          |> List.head)
      "where the other side is not finite",
      at [ [ 3 ] ],
      (fun xs ->
          let x = square xs[0]
          cond
              (positive x)
              (fun a -> [ sqrt a[0] * a[0] ])
              (fun a -> [ log (-a[0]) / (a[0] - a[0]) ])
              [ x + 0.1 ]
          |> List.head) ]
