namespace Diff

open System

/// Words that ONNX lacks, as graphs of words that it has.
[<RequireQualifiedAccess>]
module internal Compositions =
    let private number (x: Expr) value = Expr.Full(value, Shape.Scalar, x.DType)

    // ---- Index by index ---------------------------------------------------------------------------------------------

    /// The larger magnitude of two, 1 where both are 0, so that dividing by it neither overflows nor gives 0 / 0.
    let private scale (x: Expr) (y: Expr) =
        let size = maximum (abs x) (abs y)
        size, where (equal size 0.0) (number x 1.0) size

    let private hypot (x: Expr) (y: Expr) =
        let size, safe = scale x y
        let a, b = x / safe, y / safe
        where (isInfinite size) (number x Double.PositiveInfinity) (size * sqrt (a * a + b * b))

    /// Infinities count as ones beside what is finite.
    let private directed (x: Expr) (y: Expr) =
        let isAny = logicalOr (isInfinite x) (isInfinite y)
        let one (v: Expr) =
            where isAny (where (isInfinite v) (signum v) (number v 0.0)) v
        one x, one y

    let private direction (x: Expr) (y: Expr) =
        let x, y = directed x y
        let _, safe = scale x y
        let a, b = x / safe, y / safe
        let length = sqrt (a * a + b * b)
        a / where (equal length 0.0) (number x 1.0) length

    let private atan2 (y: Expr) (x: Expr) =
        let both = logicalAnd (isInfinite x) (isInfinite y)
        let y, x = where both (signum y) y, where both (signum x) x
        let isUpright = equal x 0.0
        let flat = atan (y / where isUpright (number x 1.0) x)
        // A zero with a sign counts as a number of that sign.
        let isBelow = logicalOr (less y 0.0) (logicalAnd (equal y 0.0) (less (1.0 / y) 0.0))
        let turned = where isBelow (flat - Math.PI) (flat + Math.PI)
        where isUpright (signum y * (Math.PI / 2.0)) (where (less x 0.0) turned flat)

    let private logaddexp (x: Expr) (y: Expr) =
        let largest = maximum x y
        where (equal x y) (x + Math.Log 2.0) (largest + log1p (exp (-(abs (x - y)))))

    let private sinc (x: Expr) =
        let isZero = equal x 0.0
        let z = Math.PI * where isZero (number x 1.0) x
        where isZero (number x 1.0) (sin z / z)

    let private pointwise (fn: Fn) (xs: Expr[]) : Expr option =
        let x = xs[0]
        match fn with
        | Fn.Atan2 -> Some(atan2 x xs[1])
        | Fn.Hypot -> Some(hypot x xs[1])
        | Fn.Direction -> Some(direction x xs[1])
        | Fn.Logaddexp -> Some(logaddexp x xs[1])
        | Fn.Sinc -> Some(sinc x)
        | Fn.Gaussian -> Some(exp (-(x * xs[1] * xs[1])))
        | Fn.OneMinusSquare -> Some((1.0 - x) * (1.0 + x))
        | Fn.Trunc -> Some(signum x * floor (abs x))
        | Fn.Cbrt -> Some(signum x * Expr.Map(Fn.Pow, [| abs x; number x (1.0 / 3.0) |]))
        | Fn.Log2 -> Some(log x / Math.Log 2.0)
        | Fn.Log10 -> Some(log x / Math.Log 10.0)
        | Fn.Exp2 -> Some(Expr.Map(Fn.Pow, [| number x 2.0; x |]))
        | Fn.Erfc -> Some(1.0 - erf x) // ONNX has no erfc, so what is left of it far above 0 is 0
        | _ -> None

    // ---- Along an axis ----------------------------------------------------------------------------------------------

    /// One slice after the other from a first one on; what is given for each is stacked.
    let private running
        reverse
        (first: Expr list)
        (xs: Expr list)
        (body: Expr list -> Expr list -> Expr list * Expr list)
        =
        let options =
            if reverse then
                LoopOptions.Default.Reversed()
            else
                LoopOptions.Default
        snd (scanWith options body first xs)

    let private recurrence axis reverse (e: Expr) =
        let a, b = e.Args[0], e.Args[1]
        let wide x = cast DType.Float64 x
        let isFloat = DType.isFloat e.DType
        let widened x = if isFloat then wide x else x
        let a = Expr.BroadcastTo(a, b.Shape) |> widened |> moveAxis axis 0
        let b = widened b |> moveAxis axis 0
        let n = b.Shape[0]
        // The first is the first b; its a is not read.
        let first, rest = if reverse then n - 1, (0, n - 1) else 0, (1, n)
        let part x =
            slice 0 (Some(fst rest)) (Some(snd rest)) 1 x
        let edge = slice 0 (Some first) (Some(first + 1)) 1 b
        let step (state: Expr list) (xs: Expr list) =
            let h = xs[0] * state[0] + xs[1]
            [ h ], [ h ]
        if n <= 1 then
            e.Args[1]
        else
            let others = (running reverse [ at 0 0 edge ] [ part a; part b ] step).Head
            let all = if reverse then [ others; edge ] else [ edge; others ]
            concat 0 all |> moveAxis 0 axis |> cast e.DType

    let private argRunning extreme axis (e: Expr) =
        let x = moveAxis axis 0 e.Args[0]
        let wins = if extreme = Extreme.Max then greater else less
        let places = arange 0.0 (float x.Shape[0]) 1.0 DType.Int64
        let step (state: Expr list) (xs: Expr list) =
            let best, place = state[0], state[1]
            let isBetter =
                if DType.isFloat x.DType then
                    logicalOr (wins xs[0] best) (logicalAnd (isNaN xs[0]) (logicalNot (isNaN best)))
                else
                    wins xs[0] best
            let place = where isBetter (Expr.BroadcastTo(xs[1], place.Shape)) place
            [ where isBetter xs[0] best; place ], [ place ]
        if x.Shape[0] = 0 then
            None
        else
            let first = at 0 0 x
            let none = Expr.Full(0.0, first.Shape, DType.Int64)
            (running false [ first; none ] [ x; places ] step).Head
            |> moveAxis 0 axis
            |> Some

    /// How many of the numbers are less than each value: as many comparisons as there are pairs.
    let private searchSorted right (e: Expr) =
        let sorted, values = e.Args[0], e.Args[1]
        let sorted = expandDims (sorted.Rank - 1) sorted
        let sorted =
            if e.Args[0].Rank = 1 && values.Rank <> 1 then
                Reshape.make
                    (Shape(Array.append (Array.create values.Rank 1) [| sorted.Shape.Length |]))
                    sorted
            else
                sorted
        let values = expandDims -1 values
        let counts =
            if right then
                logicalNot (greater sorted values)
            else
                less sorted values
        let counts =
            // A value that is no number stands behind all.
            if DType.isFloat values.DType then
                logicalOr counts (isNaN values)
            else
                counts
        sumOver [ -1 ] (cast DType.Int64 counts)

    /// The same value as a graph of other words, of which ONNX has counterparts; None where there is none, or none is needed.
    let tryOf (e: Expr) : Expr option =
        match e.Op with
        | Op.Elementwise fn when e.Args.Length > 0 && DType.isFloat e.DType -> pointwise fn e.Args
        | Op.Recurrence(axis, reverse) -> Some(recurrence axis reverse e)
        | Op.ArgRunning(extreme, axis) -> argRunning extreme axis e
        | Op.SearchSorted right -> Some(searchSorted right e)
        | _ -> None
