/// The 35 problems of Moré, Garbow and Hillstrom, Testing unconstrained optimization software, ACM TOMS 7 (1981), 17–41:
/// residuals whose sum of squares is minimised, standard starts, published minima.
module Diff.Solvers.MoreGarbowHillstrom

open System
open Diff

/// A problem of the collection.
type Problem =
    {
        Number: int
        Name: string
        Residuals: Expr -> Expr
        Start: float[]
        /// The published least sums of squares: the first is the global one.
        Minima: float list
    }

let private constants (values: float seq) : Expr =
    constant (NDArray.op_Implicit (Array.ofSeq values))
let private numbers first last =
    constants (seq { for i in first..last -> float i })
let private vector (parts: Expr list) : Expr = stack 0 parts
let private part first count (x: Expr) : Expr =
    slice 0 (Some first) (Some(first + count)) 1 x
let private repeated count (values: float list) =
    Array.init count (fun i -> values[i % values.Length])

let private problem number name start minima (residuals: Expr -> Expr) =
    { Number = number
      Name = name
      Residuals = residuals
      Start = start
      Minima = minima }

/// A problem of few variables, given one by one.
let private few number name start minima (residuals: (int -> Expr) -> Expr) =
    problem number name (Array.ofList start) minima (fun x -> residuals (fun i -> at 0 (i - 1) x))

let private small =
    [ few 1 "Rosenbrock" [ -1.2; 1.0 ] [ 0.0 ] (fun x -> vector [ 10.0 * (x 2 - x 1 * x 1); 1.0 - x 1 ])
      few 2 "Freudenstein and Roth" [ 0.5; -2.0 ] [ 0.0; 48.9842 ] (fun x ->
          vector
              [ x 1 - 13.0 + ((5.0 - x 2) * x 2 - 2.0) * x 2
                x 1 - 29.0 + ((x 2 + 1.0) * x 2 - 14.0) * x 2 ])
      few 3 "Powell badly scaled" [ 0.0; 1.0 ] [ 0.0 ] (fun x ->
          vector [ 1e4 * x 1 * x 2 - 1.0; exp (-(x 1)) + exp (-(x 2)) - 1.0001 ])
      few 4 "Brown badly scaled" [ 1.0; 1.0 ] [ 0.0 ] (fun x ->
          vector [ x 1 - 1e6; x 2 - 2e-6; x 1 * x 2 - 2.0 ])
      few 5 "Beale" [ 1.0; 1.0 ] [ 0.0 ] (fun x ->
          vector
              [ 1.5 - x 1 * (1.0 - x 2)
                2.25 - x 1 * (1.0 - x 2 ** 2.0)
                2.625 - x 1 * (1.0 - x 2 ** 3.0) ])
      few 6 "Jennrich and Sampson" [ 0.3; 0.4 ] [ 124.362 ] (fun x ->
          let i = numbers 1 10
          2.0 + 2.0 * i - (exp (i * x 1) + exp (i * x 2)))
      few 7 "helical valley" [ -1.0; 0.0; 0.0 ] [ 0.0 ] (fun x ->
          // The angle in turns, from −1/4 to 3/4.
          let angle = atan (x 2 / x 1) / (2.0 * Math.PI)
          let theta = where (greater (x 1) 0.0) angle (angle + 0.5)
          vector [ 10.0 * (x 3 - 10.0 * theta); 10.0 * (hypot (x 1) (x 2) - 1.0); x 3 ])
      few 8 "Bard" [ 1.0; 1.0; 1.0 ] [ 8.21487e-3; 17.4286 ] (fun x ->
          let u = numbers 1 15
          let v = 16.0 - u
          let y =
              constants
                  [ 0.14
                    0.18
                    0.22
                    0.25
                    0.29
                    0.32
                    0.35
                    0.39
                    0.37
                    0.58
                    0.73
                    0.96
                    1.34
                    2.10
                    4.39 ]
          y - (x 1 + u / (v * x 2 + minimum u v * x 3)))
      few 9 "Gaussian" [ 0.4; 1.0; 0.0 ] [ 1.12793e-8 ] (fun x ->
          let half = [ 0.0009; 0.0044; 0.0175; 0.0540; 0.1295; 0.2420; 0.3521 ]
          let y = constants (half @ [ 0.3989 ] @ List.rev half)
          let t = (8.0 - numbers 1 15) / 2.0
          x 1 * exp (-(x 2) * square (t - x 3) / 2.0) - y)
      few 10 "Meyer" [ 0.02; 4000.0; 250.0 ] [ 87.9458 ] (fun x ->
          let y =
              constants
                  [ 34780.0
                    28610.0
                    23650.0
                    19630.0
                    16370.0
                    13720.0
                    11540.0
                    9744.0
                    8261.0
                    7030.0
                    6005.0
                    5147.0
                    4427.0
                    3820.0
                    3307.0
                    2872.0 ]
          x 1 * exp (x 2 / (45.0 + 5.0 * numbers 1 16 + x 3)) - y)
      few 11 "Gulf research and development" [ 5.0; 2.5; 0.15 ] [ 0.0 ] (fun x ->
          let t = numbers 1 99 / 100.0
          let y = 25.0 + (-50.0 * log t) ** (2.0 / 3.0)
          exp (-(abs (y - x 2) ** x 3) / x 1) - t)
      few 12 "box three-dimensional" [ 0.0; 10.0; 20.0 ] [ 0.0 ] (fun x ->
          let t = 0.1 * numbers 1 10
          exp (-t * x 1) - exp (-t * x 2) - x 3 * (exp -t - exp (-10.0 * t)))
      few 13 "Powell singular" [ 3.0; -1.0; 0.0; 1.0 ] [ 0.0 ] (fun x ->
          vector
              [ x 1 + 10.0 * x 2
                sqrt 5.0 * (x 3 - x 4)
                square (x 2 - 2.0 * x 3)
                sqrt 10.0 * square (x 1 - x 4) ])
      few 14 "Wood" [ -3.0; -1.0; -3.0; -1.0 ] [ 0.0 ] (fun x ->
          vector
              [ 10.0 * (x 2 - square (x 1))
                1.0 - x 1
                sqrt 90.0 * (x 4 - square (x 3))
                1.0 - x 3
                sqrt 10.0 * (x 2 + x 4 - 2.0)
                (x 2 - x 4) / sqrt 10.0 ])
      few 15 "Kowalik and Osborne" [ 0.25; 0.39; 0.415; 0.39 ] [ 3.07505e-4; 1.02734e-3 ] (fun x ->
          let y =
              constants
                  [ 0.1957
                    0.1947
                    0.1735
                    0.1600
                    0.0844
                    0.0627
                    0.0456
                    0.0342
                    0.0323
                    0.0235
                    0.0246 ]
          let u =
              constants [ 4.0; 2.0; 1.0; 0.5; 0.25; 0.167; 0.125; 0.1; 0.0833; 0.0714; 0.0625 ]
          y - x 1 * (u * u + u * x 2) / (u * u + u * x 3 + x 4))
      few 16 "Brown and Dennis" [ 25.0; 5.0; -5.0; -1.0 ] [ 85822.2 ] (fun x ->
          let t = numbers 1 20 / 5.0
          square (x 1 + t * x 2 - exp t) + square (x 3 + x 4 * sin t - cos t))
      few 17 "Osborne 1" [ 0.5; 1.5; -1.0; 0.01; 0.02 ] [ 5.46489e-5 ] (fun x ->
          let y =
              constants
                  [ 0.844
                    0.908
                    0.932
                    0.936
                    0.925
                    0.908
                    0.881
                    0.850
                    0.818
                    0.784
                    0.751
                    0.718
                    0.685
                    0.658
                    0.628
                    0.603
                    0.580
                    0.558
                    0.538
                    0.522
                    0.506
                    0.490
                    0.478
                    0.467
                    0.457
                    0.448
                    0.438
                    0.431
                    0.424
                    0.420
                    0.414
                    0.411
                    0.406 ]
          let t = 10.0 * numbers 0 32
          y - (x 1 + x 2 * exp (-t * x 4) + x 3 * exp (-t * x 5)))
      few 18 "Biggs EXP6" [ 1.0; 2.0; 1.0; 1.0; 1.0; 1.0 ] [ 0.0; 5.65565e-3 ] (fun x ->
          let t = 0.1 * numbers 1 13
          let y = exp -t - 5.0 * exp (-10.0 * t) + 3.0 * exp (-4.0 * t)
          x 3 * exp (-t * x 1) - x 4 * exp (-t * x 2) + x 6 * exp (-t * x 5) - y)
      few 19 "Osborne 2" [ 1.3; 0.65; 0.65; 0.7; 0.6; 3.0; 5.0; 7.0; 2.0; 4.5; 5.5 ] [ 4.01377e-2 ] (fun x ->
          let y =
              constants
                  [ 1.366
                    1.191
                    1.112
                    1.013
                    0.991
                    0.885
                    0.831
                    0.847
                    0.786
                    0.725
                    0.746
                    0.679
                    0.608
                    0.655
                    0.616
                    0.606
                    0.602
                    0.626
                    0.651
                    0.724
                    0.649
                    0.649
                    0.694
                    0.644
                    0.624
                    0.661
                    0.612
                    0.558
                    0.533
                    0.495
                    0.500
                    0.423
                    0.395
                    0.375
                    0.372
                    0.391
                    0.396
                    0.405
                    0.428
                    0.429
                    0.523
                    0.562
                    0.607
                    0.653
                    0.672
                    0.708
                    0.633
                    0.668
                    0.645
                    0.632
                    0.591
                    0.559
                    0.597
                    0.625
                    0.739
                    0.710
                    0.729
                    0.720
                    0.636
                    0.581
                    0.428
                    0.292
                    0.162
                    0.098
                    0.054 ]
          let t = numbers 0 64 / 10.0
          let bell height width centre =
              x height * exp (-square(t - x centre) * x width)
          y - (x 1 * exp (-t * x 5) + bell 2 6 9 + bell 3 7 10 + bell 4 8 11)) ]

let private watson n minimum =
    problem 20 $"Watson, n = {n}" (Array.zeroCreate n) [ minimum ] (fun x ->
        let t = Array.init 29 (fun i -> float (i + 1) / 29.0)
        let powers =
            constants (
                seq {
                    for ti in t do
                        for j in 0 .. n - 1 -> ti ** float j
                }
            )
            |> reshape [ 29; n ]
        let values = matmul powers x
        let slopes =
            matmul (slice 1 (Some 0) (Some(n - 1)) 1 powers) (numbers 1 (n - 1) * part 1 (n - 1) x)
        let x1, x2 = at 0 0 x, at 0 1 x
        concat 0 [ slopes - square values - 1.0; vector [ x1; x2 - x1 * x1 - 1.0 ] ])

let private extendedRosenbrock n =
    problem 21 $"extended Rosenbrock, n = {n}" (repeated n [ -1.2; 1.0 ]) [ 0.0 ] (fun x ->
        let odd, even = slice 0 None None 2 x, slice 0 (Some 1) None 2 x
        concat 0 [ 10.0 * (even - square odd); 1.0 - odd ])

let private extendedPowell n =
    problem 22 $"extended Powell singular, n = {n}" (repeated n [ 3.0; -1.0; 0.0; 1.0 ]) [ 0.0 ] (fun x ->
        let every first = slice 0 (Some first) None 4 x
        let a, b, c, d = every 0, every 1, every 2, every 3
        concat
            0
            [ a + 10.0 * b
              sqrt 5.0 * (c - d)
              square (b - 2.0 * c)
              sqrt 10.0 * square (a - d) ])

let private penalty1 n minimum =
    problem 23 $"penalty I, n = {n}" (Array.init n (fun i -> float (i + 1))) [ minimum ] (fun x ->
        concat 0 [ sqrt 1e-5 * (x - 1.0); reshape [ 1 ] (sum (x * x) - 0.25) ])

let private penalty2 n minimum =
    problem 24 $"penalty II, n = {n}" (Array.create n 0.5) [ minimum ] (fun x ->
        let a = sqrt 1e-5
        let y =
            constants (seq { for i in 2..n -> exp (float i / 10.0) + exp (float (i - 1) / 10.0) })
        let e = exp (x / 10.0)
        let later, earlier = part 1 (n - 1) e, part 0 (n - 1) e
        let weights = constants (seq { for j in 1..n -> float (n - j + 1) })
        concat
            0
            [ reshape [ 1 ] (at 0 0 x - 0.2)
              a * (later + earlier - y)
              a * (later - exp -0.1)
              reshape [ 1 ] (sum (weights * x * x) - 1.0) ])

let private variablyDimensioned n =
    problem
        25
        $"variably dimensioned, n = {n}"
        (Array.init n (fun i -> 1.0 - float (i + 1) / float n))
        [ 0.0 ]
        (fun x ->
            let s = sum (numbers 1 n * (x - 1.0))
            concat 0 [ x - 1.0; vector [ s; s * s ] ])

let private trigonometric n =
    problem 26 $"trigonometric, n = {n}" (Array.create n (1.0 / float n)) [ 0.0; 2.79506e-5 ] (fun x ->
        float n - sum (cos x) + numbers 1 n * (1.0 - cos x) - sin x)

let private brownAlmostLinear n =
    problem 27 $"Brown almost-linear, n = {n}" (Array.create n 0.5) [ 0.0; 1.0 ] (fun x ->
        let first = part 0 (n - 1) x + sum x - float (n + 1)
        concat 0 [ first; reshape [ 1 ] (prod x - 1.0) ])

let private discreteBoundaryValue n =
    let h = 1.0 / float (n + 1)
    let t = Array.init n (fun i -> float (i + 1) * h)
    problem 28 $"discrete boundary value, n = {n}" (t |> Array.map (fun t -> t * (t - 1.0))) [ 0.0 ] (fun x ->
        let padded = pad [ (1, 1) ] x
        2.0 * x - part 0 n padded - part 2 n padded
        + h * h * (x + constants t + 1.0) ** 3.0 / 2.0)

let private discreteIntegral n =
    let h = 1.0 / float (n + 1)
    let t = Array.init n (fun i -> float (i + 1) * h)
    problem
        29
        $"discrete integral equation, n = {n}"
        (t |> Array.map (fun t -> t * (t - 1.0)))
        [ 0.0 ]
        (fun x ->
            let kernel =
                constants (
                    seq {
                        for ti in t do
                            for tj in t -> if tj <= ti then (1.0 - ti) * tj else ti * (1.0 - tj)
                    }
                )
                |> reshape [ n; n ]
            x + h / 2.0 * matmul kernel ((x + constants t + 1.0) ** 3.0))

let private broydenTridiagonal n =
    problem 30 $"Broyden tridiagonal, n = {n}" (Array.create n -1.0) [ 0.0 ] (fun x ->
        let padded = pad [ (1, 1) ] x
        (3.0 - 2.0 * x) * x - part 0 n padded - 2.0 * part 2 n padded + 1.0)

let private broydenBanded n =
    problem 31 $"Broyden banded, n = {n}" (Array.create n -1.0) [ 0.0 ] (fun x ->
        let band =
            constants (
                seq {
                    for i in 0 .. n - 1 do
                        for j in 0 .. n - 1 -> if j <> i && j >= i - 5 && j <= i + 1 then 1.0 else 0.0
                }
            )
            |> reshape [ n; n ]
        x * (2.0 + 5.0 * x * x) + 1.0 - matmul band (x * (1.0 + x)))

let private linear number name n m minimum (matrix: int -> int -> float) =
    problem number $"{name}, n = {n}, m = {m}" (Array.create n 1.0) [ minimum ] (fun x ->
        let a =
            constants (
                seq {
                    for i in 1..m do
                        for j in 1..n -> matrix i j
                }
            )
            |> reshape [ m; n ]
        matmul a x - 1.0)

let private fullRank n m =
    linear 32 "linear, full rank" n m (float (m - n)) (fun i j ->
        (if i = j then 1.0 else 0.0) - 2.0 / float m)

let private rankOne n m =
    let minimum = float m * float (m - 1) / (2.0 * float (2 * m + 1))
    linear 33 "linear, rank 1" n m minimum (fun i j -> float i * float j)

let private rankOneWithZeros n m =
    let minimum = float (m * m + 3 * m - 6) / (2.0 * float (2 * m - 3))
    linear 34 "linear, rank 1 with zeros" n m minimum (fun i j ->
        if i = 1 || i = m || j = 1 || j = n then
            0.0
        else
            float (i - 1) * float j)

let private chebyquad n minimum =
    problem
        35
        $"Chebyquad, n = {n}"
        (Array.init n (fun i -> float (i + 1) / float (n + 1)))
        [ minimum ]
        (fun x ->
            let shifted = 2.0 * x - 1.0
            let polynomials =
                (onesLike x, shifted)
                |> Seq.unfold (fun (before, now) -> Some(now, (now, 2.0 * shifted * now - before)))
                |> Seq.truncate n
            let integral i =
                if i % 2 = 0 then -1.0 / float (i * i - 1) else 0.0
            polynomials
            |> Seq.mapi (fun k t -> mean t - integral (k + 1))
            |> List.ofSeq
            |> vector)

/// All problems, some with several numbers of variables.
let problems: Problem list =
    small
    @ [ watson 6 2.28767e-3
        watson 9 1.39976e-6
        extendedRosenbrock 100
        extendedPowell 40
        penalty1 4 2.24997e-5
        penalty1 10 7.08765e-5
        penalty2 4 9.37629e-6
        penalty2 10 2.93660e-4
        variablyDimensioned 10
        trigonometric 10
        brownAlmostLinear 10
        discreteBoundaryValue 10
        discreteIntegral 10
        broydenTridiagonal 10
        broydenBanded 10
        fullRank 10 20
        rankOne 10 20
        rankOneWithZeros 10 20
        chebyquad 7 0.0
        chebyquad 8 3.51687e-3
        chebyquad 10 6.50395e-3 ]

/// The sum of squares.
let objective (problem: Problem) (x: Expr) : Expr =
    let r = problem.Residuals x
    sum (r * r)
