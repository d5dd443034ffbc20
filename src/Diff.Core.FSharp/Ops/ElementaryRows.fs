namespace Diff

open System
open Diff.Kernels

/// Elementary functions beyond the first ones: roots, logarithms, arcs, hyperbolic functions, steps.
[<RequireQualifiedAccess>]
module internal ElementaryRows =
    let private map fn (xs: Expr list) = Expr.Map(fn, Array.ofList xs)
    let private where (condition: Expr) a b = map Fn.Where [ condition; a; b ]
    let private ln2 = Math.Log 2.0
    let private ln10 = Math.Log 10.0

    /// A step: nothing is passed back.
    let private step (value: DType -> Kernel) =
        { Row.flat value 1 with
            Domain = [| (0.1, 0.4) |] }

    /// part·g over the distance of (x, y) from the origin, where it is 0.
    let private overDistance x y part g =
        let h = map Fn.Hypot [ x; y ]
        let atOrigin = map Fn.Equal [ h; 0.0 ]
        where atOrigin (Row.like g 0.0) (part * (g / where atOrigin (Row.like h 1.0) h))

    let private direction x y = map Fn.Direction [ x; y ]

    let rule =
        function
        | Fn.Cbrt -> Row.unary (fun x -> SpecialMath.Cbrt x) (fun _ y -> 1.0 / (3.0 * y * y)) (0.2, 3.0)
        | Fn.Log2 -> Row.unary (fun x -> Math.Log2 x) (fun x _ -> (1.0 / ln2) / x) (0.2, 3.0)
        | Fn.Log10 -> Row.unary (fun x -> Math.Log10 x) (fun x _ -> (1.0 / ln10) / x) (0.2, 3.0)
        | Fn.Exp2 -> Row.unary (fun x -> SpecialMath.Exp2 x) (fun _ y -> ln2 * y) Row.any
        | Fn.Asin ->
            Row.unary (fun x -> Math.Asin x) (fun x _ -> 1.0 / sqrt (map Fn.OneMinusSquare [ x ])) (-0.8, 0.8)
        | Fn.Acos ->
            Row.unary
                (fun x -> Math.Acos x)
                (fun x _ -> -1.0 / sqrt (map Fn.OneMinusSquare [ x ]))
                (-0.8, 0.8)
        | Fn.Atan -> Row.unary (fun x -> Math.Atan x) (fun x _ -> 1.0 / (1.0 + x * x)) Row.any
        | Fn.Sinh -> Row.unary (fun x -> Math.Sinh x) (fun x _ -> map Fn.Cosh [ x ]) Row.any
        | Fn.Cosh -> Row.unary (fun x -> Math.Cosh x) (fun x _ -> map Fn.Sinh [ x ]) Row.any
        | Fn.Asinh ->
            Row.unary (fun x -> Math.Asinh x) (fun x _ -> 1.0 / map Fn.Hypot [ x; Row.like x 1.0 ]) Row.any
        | Fn.Acosh ->
            Row.unary (fun x -> Math.Acosh x) (fun x _ -> 1.0 / (sqrt (x - 1.0) * sqrt (x + 1.0))) (1.3, 3.0)
        | Fn.Atanh ->
            Row.unary (fun x -> Math.Atanh x) (fun x _ -> 1.0 / map Fn.OneMinusSquare [ x ]) (-0.8, 0.8)
        | Fn.OneMinusSquare -> Row.unary (fun x -> SpecialMath.OneMinusSquare x) (fun x _ -> -2.0 * x) Row.any
        | Fn.Atan2 ->
            Row.binary
                (fun y x -> Math.Atan2(y, x))
                (fun i xs _ g ->
                    let y, x = xs[0], xs[1]
                    overDistance x y (if i = 0 then direction x y else -(direction y x)) g)
                Row.any
                (0.3, 2.0)
        | Fn.Hypot ->
            Row.binary
                (fun x y -> SpecialMath.Hypot(x, y))
                (fun i xs _ g -> direction xs[i] xs[1 - i] * g)
                Row.any
                (0.3, 2.0)
        | Fn.Direction ->
            Row.binary
                (fun x y -> SpecialMath.Direction(x, y))
                (fun i xs value g ->
                    let across = direction xs[1] xs[0]
                    overDistance xs[0] xs[1] (if i = 0 then across * across else -(value * across)) g)
                Row.any
                (0.3, 2.0)
        | Fn.Logaddexp ->
            Row.binary
                (fun x y -> SpecialMath.Logaddexp(x, y))
                (fun i xs _ g ->
                    let x, y = xs[i], xs[1 - i]
                    let both = map Fn.Equal [ x; y ]
                    let infinite = map Fn.Equal [ abs x; Double.PositiveInfinity ]
                    let flat = map Fn.And [ both; infinite ]
                    let finite v = where flat (Row.like v 0.0) v
                    where flat (Row.like g 0.0) (map Fn.Sigmoid [ finite x - finite y ] * g))
                Row.any
                Row.any
        | Fn.Sinc ->
            Row.unary
                (fun x -> SpecialMath.Sinc x)
                (fun x _ -> map Fn.SincDerivative [ Row.ofOrder x 1; x ])
                Row.any
        | Fn.SincDerivative ->
            Row.binary
                (fun n x -> SpecialMath.SincDerivative(n, x))
                (fun _ xs _ g ->
                    let n = Row.order "sinc" xs[0]
                    map Fn.SincDerivative [ Row.ofOrder xs[1] (n + 1); xs[1] ] * g)
                Row.any
                Row.any
        | Fn.Floor -> step (Loops.floats1 (fun x -> Math.Floor x))
        | Fn.Ceil -> step (Loops.floats1 (fun x -> Math.Ceiling x))
        | Fn.Round -> step (Loops.floats1 (fun x -> SpecialMath.Round x))
        | Fn.Trunc -> step (Loops.floats1 (fun x -> Math.Truncate x))
        | Fn.Fmod ->
            { Value = Loops.exact2 (fun x y -> SpecialMath.Fmod(x, y)) (Row.divide "fmod" (fun m n -> m % n))
              Derivative =
                Pointwise(fun i xs rest g ->
                    if i = 0 then
                        g
                    else
                        -(map Fn.Round [ (xs[0] - rest) / xs[1] ] * g))
              Domain = [| (45.0, 46.0); (18.0, 19.0) |] }
        | fn -> invalidOp $"{Fn.name fn} has no row"
