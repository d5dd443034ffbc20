/// Problems with bounds from Hock and Schittkowski, Test examples for nonlinear programming codes (1981).
module Diff.Solvers.HockSchittkowski

open System
open Diff

/// A problem: the bounds, the standard start, and the published minima, the global one first.
type Problem =
    { Number: int
      Objective: Expr -> Expr
      Lower: float[]
      Upper: float[]
      Start: float[]
      Minima: float list }

let private problem number lower upper start minima (objective: (int -> Expr) -> Expr) =
    { Number = number
      Objective = fun x -> objective (fun i -> at 0 (i - 1) x)
      Lower = Array.ofList lower
      Upper = Array.ofList upper
      Start = Array.ofList start
      Minima = minima }

let private rosenbrock (x: int -> Expr) =
    100.0 * square (x 2 - square (x 1)) + square (1.0 - x 1)

/// Those of the collection with bounds and no other constraints, but for one with data.
let problems: Problem list =
    [ problem 1 [ -infinity; -1.5 ] [ infinity; infinity ] [ -2.0; 1.0 ] [ 0.0 ] rosenbrock
      problem
          2
          [ -infinity; 1.5 ]
          [ infinity; infinity ]
          [ -2.0; 1.0 ]
          [ 0.0504261879; 4.94122932 ]
          rosenbrock
      problem 3 [ -infinity; 0.0 ] [ infinity; infinity ] [ 10.0; 1.0 ] [ 0.0 ] (fun x ->
          x 2 + 1e-5 * square (x 2 - x 1))
      problem 4 [ 1.0; 0.0 ] [ infinity; infinity ] [ 1.125; 0.125 ] [ 8.0 / 3.0 ] (fun x ->
          (x 1 + 1.0) ** 3.0 / 3.0 + x 2)
      problem 5 [ -1.5; -3.0 ] [ 4.0; 3.0 ] [ 0.0; 0.0 ] [ -sqrt 3.0 / 2.0 - Math.PI / 3.0 ] (fun x ->
          sin (x 1 + x 2) + square (x 1 - x 2) - 1.5 * x 1 + 2.5 * x 2 + 1.0)
      problem 38 (List.replicate 4 -10.0) (List.replicate 4 10.0) [ -3.0; -1.0; -3.0; -1.0 ] [ 0.0 ] (fun x ->
          rosenbrock x
          + 90.0 * square (x 4 - square (x 3))
          + square (1.0 - x 3)
          + 10.1 * (square (x 2 - 1.0) + square (x 4 - 1.0))
          + 19.8 * (x 2 - 1.0) * (x 4 - 1.0))
      problem 45 (List.replicate 5 0.0) [ 1.0; 2.0; 3.0; 4.0; 5.0 ] (List.replicate 5 2.0) [ 1.0 ] (fun x ->
          2.0 - x 1 * x 2 * x 3 * x 4 * x 5 / 120.0)
      problem
          110
          (List.replicate 10 2.001)
          (List.replicate 10 9.999)
          (List.replicate 10 9.0)
          [ -45.77846971 ]
          (fun x ->
              let xs = stack 0 [ for i in 1..10 -> x i ]
              sum (square (log (xs - 2.0)) + square (log (10.0 - xs))) - prod xs ** 0.2) ]

let solve (problem: Problem) : MinimizeResult =
    let options = MinimizeOptions(GradientTolerance = 1e-9)
    Minimize.lbfgsb options problem.Lower problem.Upper problem.Objective problem.Start
