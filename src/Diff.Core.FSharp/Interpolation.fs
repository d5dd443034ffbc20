namespace Diff

open System

/// What a cubic spline does at its ends.
type SplineEnds =
    /// The second derivative is 0 there.
    | Natural = 0
    /// The third derivative is continuous at the second and the last but one knot, so that cubics are reproduced.
    | NotAKnot = 1

/// Functions through given points, as graphs that are differentiated with respect to the points' values, the knots and the queries.
/// Knots are a vector that ascends strictly; `ys` holds a number, or an array, for each knot along its leading axis. The result has the queries'
/// axes, then those of the arrays: many functions on the same knots lie in trailing axes of `ys`, [n, many]; vmap takes knots of their own
/// along a leading axis. Beyond the ends the first and last pieces go on.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Interpolation =
    let private number (x: Expr) value = Expr.Full(value, Shape.Scalar, x.DType)

    /// Rows first … of a vector or matrix.
    let private rows first count (x: Expr) =
        let starts, dims = Array.zeroCreate x.Rank, x.Shape.ToArray()
        starts[0] <- first
        dims[0] <- count
        Window.slice starts (Array.create x.Rank 1) (Shape dims) x

    let private column (x: Expr) =
        Reshape.make (Shape [| x.Shape.Length; 1 |]) x

    /// Knots as a column and values as a matrix; `f` makes of these, and of what finds the piece of each query, the values at queries.
    let private piecewise
        operation
        least
        (xs: Expr)
        (ys: Expr)
        (query: Expr)
        (f: Expr -> Expr -> (Expr -> Expr) -> (Expr -> Expr) -> Expr -> Expr)
        =
        let n = if xs.Rank = 1 then xs.Shape[0] else -1
        if n < least || ys.Rank = 0 || ys.Shape[0] <> n then
            raise (
                ShapeException
                    $"{operation}: expected a vector of at least {least} knots and as many values along the leading axis, got shapes {xs.Shape} and {ys.Shape}; many functions lie in the axes after that, move them there"
            )
        for x in [ xs; ys; query ] do
            if not (DType.isFloat x.DType) || x.DType <> xs.DType then
                raise (
                    DTypeException
                        $"{operation}: expected float32 or float64, the same for knots, values and queries, got {DType.name xs.DType}, {DType.name ys.DType} and {DType.name query.DType}; cast them"
                )
        let rest = ys.Shape.Dims[1..]
        let width = Array.fold (*) 1 rest
        let flat = Reshape.make (Shape [| query.Shape.Length |]) query
        // The piece that a query lies in: knots not greater, less one, within the pieces.
        let above = searchSorted true (stopGradient xs) (stopGradient flat)
        let piece = Expr.Map(Fn.Sub, [| above; Expr.Full(1.0, Shape.Scalar, above.DType) |])
        let piece = Expr.Map(Fn.Max, [| piece; Expr.Full(0.0, Shape.Scalar, piece.DType) |])
        let piece =
            Expr.Map(Fn.Min, [| piece; Expr.Full(float (n - 2), Shape.Scalar, piece.DType) |])
        let next = Expr.Map(Fn.Add, [| piece; Expr.Full(1.0, Shape.Scalar, piece.DType) |])
        let values = Reshape.make (Shape [| n; width |]) ys
        f (column xs) values (fun x -> Index.gather 0 x piece) (fun x -> Index.gather 0 x next) (column flat)
        |> Reshape.make (Shape(Array.append query.Shape.Dims rest))

    /// Differences of neighbouring rows.
    let private steps (x: Expr) =
        rows 1 (x.Shape[0] - 1) x - rows 0 (x.Shape[0] - 1) x

    /// Straight lines between the points.
    let interpolateLinear (xs: Expr) (ys: Expr) (query: Expr) : Expr =
        piecewise "interpolateLinear" 2 xs ys query (fun xs ys at next q ->
            let x0, y0 = at xs, at ys
            y0 + (next ys - y0) * ((q - x0) / (next xs - x0)))

    /// The cubic with given values and slopes at the ends of each piece.
    let private hermite
        (xs: Expr)
        (ys: Expr)
        (slopes: Expr)
        (at: Expr -> Expr)
        (next: Expr -> Expr)
        (q: Expr)
        =
        let x0, y0, d0 = at xs, at ys, at slopes
        let h = next xs - x0
        let t = (q - x0) / h
        let rise = (next ys - y0) / h
        let d1 = next slopes
        y0
        + (q - x0)
          * (d0 + t * ((3.0 * rise - 2.0 * d0 - d1) + t * (d0 + d1 - 2.0 * rise)))

    /// Cubics whose slopes keep the points' monotonicity, so that nothing overshoots (Fritsch, Butland 1984): PCHIP.
    let interpolatePchip (xs: Expr) (ys: Expr) (query: Expr) : Expr =
        piecewise "interpolatePchip" 2 xs ys query (fun xs ys at next q ->
            let n = xs.Shape[0]
            let h = steps xs
            let rise = steps ys / h
            let zero = number ys 0.0
            let slopes =
                if n = 2 then
                    Window.concat 0 [| rise; rise |]
                else
                    let h = Expr.BroadcastTo(h, rise.Shape)
                    let h0, h1 = rows 0 (n - 2) h, rows 1 (n - 2) h
                    let r0, r1 = rows 0 (n - 2) rise, rows 1 (n - 2) rise
                    // The weighted harmonic mean of neighbours of one sign, else 0.
                    let isTurn = lessEqual (r0 * r1) zero
                    let one = onesLike r0
                    let w0, w1 = 2.0 * h1 + h0, h1 + 2.0 * h0
                    let inner =
                        where isTurn zero ((w0 + w1) / (w0 / where isTurn one r0 + w1 / where isTurn one r1))
                    // Three points' slope at an end, cut where it would overshoot.
                    let ending (h0: Expr) (h1: Expr) (r0: Expr) (r1: Expr) =
                        let d = ((2.0 * h0 + h1) * r0 - h0 * r1) / (h0 + h1)
                        let opposite = lessEqual (d * r0) zero
                        let steep = logicalAnd (lessEqual (r0 * r1) zero) (greater (abs d) (3.0 * abs r0))
                        where opposite zero (where steep (3.0 * r0) d)
                    let first = ending (rows 0 1 h) (rows 1 1 h) (rows 0 1 rise) (rows 1 1 rise)
                    let last =
                        ending
                            (rows (n - 2) 1 h)
                            (rows (n - 3) 1 h)
                            (rows (n - 2) 1 rise)
                            (rows (n - 3) 1 rise)
                    Window.concat 0 [| first; inner; last |]
            hermite xs ys slopes at next q)

    /// A matrix with a vector on one of its diagonals.
    let private onDiagonal offset (x: Expr) =
        diagonalEmbed offset (Reshape.make (Shape [| x.Shape.Length |]) x)

    /// A cubic spline: two continuous derivatives. Its n second derivatives solve a system with an n × n matrix.
    let interpolateSpline (ends: SplineEnds) (xs: Expr) (ys: Expr) (query: Expr) : Expr =
        let least = if ends = SplineEnds.Natural then 3 else 4
        piecewise "interpolateSpline" least xs ys query (fun xs ys at next q ->
            let n = xs.Shape[0]
            let h = steps xs
            let rise = steps ys / h
            let h0, h1 = rows 0 (n - 2) h, rows 1 (n - 2) h
            let one = Expr.Full(1.0, Shape [| 1; 1 |], xs.DType)
            let zeros count =
                Expr.Full(0.0, Shape [| count; 1 |], xs.DType)
            let bands =
                match ends with
                | SplineEnds.Natural ->
                    onDiagonal 0 (Window.concat 0 [| one; 2.0 * (h0 + h1); one |])
                    + onDiagonal -1 (Window.concat 0 [| h0; zeros 1 |])
                    + onDiagonal 1 (Window.concat 0 [| zeros 1; h1 |])
                | _ ->
                    let first k = rows k 1 h
                    let last k = rows (n - 2 - k) 1 h
                    onDiagonal 0 (Window.concat 0 [| first 1; 2.0 * (h0 + h1); last 1 |])
                    + onDiagonal -1 (Window.concat 0 [| h0; -(last 0 + last 1) |])
                    + onDiagonal 1 (Window.concat 0 [| -(first 0 + first 1); h1 |])
                    + onDiagonal 2 (Window.concat 0 [| first 0; zeros (n - 3) |])
                    + onDiagonal -2 (Window.concat 0 [| zeros (n - 3); last 0 |])
            let edge = Expr.Full(0.0, Shape [| 1; ys.Shape[1] |], ys.DType)
            let bends =
                LinearAlgebra.solve bands (Window.concat 0 [| edge; 6.0 * steps rise; edge |])
            let x0, y0, m0, m1 = at xs, at ys, at bends, next bends
            let h = next xs - x0
            let t = q - x0
            let slope = (next ys - y0) / h - h * (2.0 * m0 + m1) / 6.0
            y0 + t * (slope + t * (m0 / 2.0 + t * ((m1 - m0) / (6.0 * h)))))
