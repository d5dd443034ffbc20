/// How near the operands of a node are to where its derivative jumps, and what is computed without rounding.
module internal Diff.Fuzz.Kinks

open System
open Diff
open Diff.Fuzz.Arrays

/// Whether an operation on exact numbers gives exact numbers, so that what compares them gives the same in any order of evaluation.
let keepsExact (e: Expr) : bool =
    match e.Op with
    | Op.Variable _
    | Op.Const _
    | Op.Literal _
    | Op.Iota _
    | Op.Reshape
    | Op.Slice _
    | Op.Embed _
    | Op.Concat _
    | Op.Unfold _
    | Op.ClassIndices _
    | Op.Gather _
    | Op.StopGradient
    | Op.Barrier
    | Op.Reduce _
    | Op.ArgReduce _
    | Op.ArgRunning _
    | Op.ArgSort _
    | Op.SearchSorted _
    | Op.TakeAlong _ -> true
    | Op.Cast -> e.DType <> DType.Float32 || e.Args[0].DType <> DType.Float64
    | Op.Einsum spec ->
        spec.Inputs.Length = 1
        && Seq.forall (fun (c: char) -> spec.Output.Contains c) spec.Inputs[0]
    | Op.Elementwise fn ->
        match fn with
        | Fn.Neg
        | Fn.Abs
        | Fn.Sign
        | Fn.Relu
        | Fn.Max
        | Fn.Min
        | Fn.Where
        | Fn.Not
        | Fn.And
        | Fn.Or
        | Fn.Floor
        | Fn.Ceil
        | Fn.Round
        | Fn.Trunc -> true
        | fn -> Fn.isComparison fn || not (isFloat e.DType)
    | _ -> false

/// The operands whose nearness to each other or to 0 matters: none where the operation is smooth.
let private compared (e: Expr) : int list =
    match e.Op with
    | Op.Elementwise fn ->
        match fn with
        | Fn.Abs
        | Fn.Sign
        | Fn.Relu
        // Where they begin, their derivatives are infinite.
        | Fn.Sqrt
        | Fn.Log
        | Fn.Cbrt
        | Fn.Asin
        | Fn.Acos
        | Fn.Acosh
        // Beside a pole the slope has overflowed, or a step leads over it.
        | Fn.Lgamma
        | Fn.Digamma
        | Fn.Floor
        | Fn.Ceil
        | Fn.Round
        | Fn.Trunc -> [ 0 ]
        | Fn.Polygamma
        | Fn.GammaDensity -> [ 1 ]
        | Fn.Betainc
        | Fn.BetaDensity
        | Fn.GammaincDerivative -> [ 2 ]
        | Fn.BetaincDerivative -> [ 4 ]
        | Fn.Gammainc
        | Fn.Gammaincc
        | Fn.Lbeta
        | Fn.Max
        | Fn.Min
        | Fn.Atan2
        | Fn.Hypot
        | Fn.Direction
        | Fn.Pow
        | Fn.Fmod -> [ 0; 1 ]
        | fn when Fn.isComparison fn -> [ 0; 1 ]
        | _ -> []
    | Op.Reduce _
    | Op.ArgReduce _
    | Op.ArgRunning _
    | Op.ArgSort _ -> [ 0 ]
    | Op.SearchSorted _ -> [ 0; 1 ]
    | Op.Cast when isFloat e.Args[0].DType && not (isFloat e.DType) -> [ 0 ]
    | _ -> []

/// The operands of a node in which its derivative or value jumps somewhere.
let operands (e: Expr) : Expr list =
    compared e
    |> List.map (fun i -> e.Args[i])
    |> List.filter (fun a -> isFloat a.DType)

let private leastOf (count: int) (f: int -> float) =
    let mutable least = infinity
    for i in 0 .. count - 1 do
        let d = f i
        if d < least then
            least <- d
    least

/// Between the best and the second best of each group.
let private gap extreme (axes: int list) (x: NDArray) =
    let dims = x.Shape.ToArray()
    let strides = Array.create dims.Length 1
    for a in dims.Length - 2 .. -1 .. 0 do
        strides[a] <- strides[a + 1] * dims[a + 1]
    let groups =
        seq { 0 .. x.Length - 1 }
        |> Seq.groupBy (fun i ->
            Seq.sum (
                seq {
                    for a in 0 .. dims.Length - 1 do
                        if not (List.contains a axes) then
                            i / strides[a] % dims[a] * strides[a]
                }
            ))
    let sign = if extreme = Extreme.Max then -1.0 else 1.0
    groups
    |> Seq.map (fun (_, members) ->
        match
            members
            |> Seq.map (fun i -> sign * x.Float i)
            |> Seq.sort
            |> Seq.truncate 2
            |> List.ofSeq
        with
        | [ a; b ] -> if a = b then 0.0 else b - a
        | _ -> infinity)
    |> Seq.fold min infinity

/// Between neighbours in order along an axis.
let private closest (axis: int) (x: NDArray) =
    let dims = x.Shape.ToArray()
    let width = Array.fold (*) 1 dims[axis + 1 ..]
    let line i = i / (width * dims[axis]), i % width
    seq { 0 .. x.Length - 1 }
    |> Seq.groupBy line
    |> Seq.map (fun (_, members) ->
        members
        |> Seq.map x.Float
        |> Seq.sort
        |> Seq.pairwise
        |> Seq.map (fun (a, b) -> if a = b then 0.0 else b - a)
        |> Seq.fold min infinity)
    |> Seq.fold min infinity

/// How far the operands are from the nearest kink.
let nearest (e: Expr) (args: NDArray[]) : float =
    let between (x: float) (y: float) =
        // Rounding does not part infinite numbers.
        if x = y && Double.IsFinite x then 0.0
        elif Double.IsFinite x && Double.IsFinite y then abs (x - y)
        else infinity
    // Of the gamma function: 0, -1, -2 ...
    let toPole (x: NDArray) =
        leastOf x.Length (fun i -> between (x.Float i) (min 0.0 (Math.Round(x.Float i))))
    match e.Op with
    | Op.Elementwise fn ->
        match fn with
        | Fn.Abs
        | Fn.Sign
        | Fn.Relu
        | Fn.Sqrt
        | Fn.Log
        | Fn.Cbrt -> leastOf args[0].Length (fun i -> between (args[0].Float i) 0.0)
        | Fn.Asin
        | Fn.Acos -> leastOf args[0].Length (fun i -> between (abs (args[0].Float i)) 1.0)
        | Fn.Acosh -> leastOf args[0].Length (fun i -> between (args[0].Float i) 1.0)
        | Fn.Lgamma
        | Fn.Digamma
        | Fn.Polygamma -> toPole (Array.last args)
        | Fn.Lbeta -> min (toPole args[0]) (toPole args[1])
        // With respect to x where that is 0 and a < 1, and to a where that is 0.
        | Fn.Gammainc
        | Fn.Gammaincc ->
            leastOf args[0].Length (fun i ->
                min (between (args[0].Float i) 0.0) (between (args[1].Float i) 0.0))
        | Fn.GammaDensity
        | Fn.Betainc
        | Fn.BetaDensity
        | Fn.BetaincDerivative ->
            let x = Array.last args
            leastOf x.Length (fun i -> min (between (x.Float i) 0.0) (between (x.Float i) 1.0))
        | Fn.GammaincDerivative ->
            let x = Array.last args
            leastOf x.Length (fun i -> between (x.Float i) 0.0)
        | Fn.Floor
        | Fn.Ceil
        | Fn.Trunc ->
            leastOf args[0].Length (fun i -> between (args[0].Float i) (Math.Round(args[0].Float i)))
        | Fn.Round ->
            leastOf args[0].Length (fun i -> between (args[0].Float i) (Math.Floor(args[0].Float i) + 0.5))
        // It jumps where the quotient is whole: so far in the operand that is nearest.
        | Fn.Fmod ->
            leastOf args[0].Length (fun i ->
                let divisor = args[1].Float i
                let quotient = args[0].Float i / divisor
                between quotient (Math.Round quotient) * abs divisor / max 1.0 (abs quotient))
        // Their derivatives are infinite where both are 0, and that of atan2 jumps on the negative axis of the second.
        | Fn.Atan2
        | Fn.Hypot
        | Fn.Direction ->
            leastOf args[0].Length (fun i ->
                max
                    (abs (args[0].Float i))
                    (if fn = Fn.Atan2 then
                         args[1].Float i
                     else
                         abs (args[1].Float i)))
        // Of a negative number only whole powers exist, so there is no derivative with respect to an exponent that varies.
        | Fn.Pow ->
            let isFixed =
                match e.Args[1].Op with
                | Op.Const _ -> true
                | _ -> false
            leastOf args[0].Length (fun i ->
                let x = args[0].Float i
                if isFixed then between x 0.0 else max 0.0 x)
        | _ -> leastOf args[0].Length (fun i -> between (args[0].Float i) (args[1].Float i))
    | Op.ArgRunning(_, axis)
    | Op.ArgSort(axis, _) -> closest axis args[0]
    | Op.SearchSorted _ ->
        let found = floats args[0]
        leastOf args[1].Length (fun i -> leastOf found.Length (fun j -> between found[j] (args[1].Float i)))
    | Op.Reduce(extreme, axes) -> gap extreme (List.ofArray axes) args[0]
    | Op.ArgReduce(extreme, axis) -> gap extreme [ axis ] args[0]
    | Op.Cast when e.DType = DType.Bool -> leastOf args[0].Length (fun i -> between (args[0].Float i) 0.0)
    | _ -> leastOf args[0].Length (fun i -> let v = args[0].Float i in abs (v - Math.Round v))
