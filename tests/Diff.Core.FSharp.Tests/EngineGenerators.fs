/// Random graphs of every operation that loops, products, copies and kernels compute, from one seed.
module Diff.Testing.EngineGenerators

open System
open System.Collections.Generic
open Diff

/// Extents around each threshold: none, one, less than a vector, vectors with and without a rest, several tiles.
let private extents =
    [| 0; 1; 1; 2; 2; 3; 3; 7; 8; 15; 16; 17; 31; 33; 63; 64; 65; 100; 513; 1025 |]

/// The elements of one array at most.
let private mostElements = 12_000

/// Whether a value is free of rounding, so that what is compared with it is the same in any order of summation.
let rec private isExact (e: Expr) =
    let keeps =
        match e.Op with
        | Op.Cast -> true // it rounds in the same way wherever it is done
        | _ -> Diff.Fuzz.Kinks.keepsExact e
    keeps && Array.forall isExact e.Args

/// Makes a graph step by step. The same seed gives the same graph with any type for what is float32, and fewer steps the same beginning.
[<Sealed>]
type private Maker(seed: int, single: DType) =
    let source = Random seed
    let known = List<Expr>()
    let leaves = List<Expr>()
    let bools = List<Expr>()
    let others = List<Expr>()
    // All float32, all float64, or both.
    let mixture = source.Next 5
    let mutable hasKinks = false

    let pick (list: 'T list) = list[source.Next list.Length]
    let chance n = source.Next n = 0
    let dims (e: Expr) = List.ofArray (e.Shape.ToArray())
    let shapeOf (dims: int list) = Shape(Array.ofList dims)
    let number () =
        float (float32 (source.NextDouble() * 3.0 - 1.5))

    let leafOf (shape: int list) (dtype: DType) =
        let shape = shapeOf shape
        let values = Array.init shape.Length (fun _ -> number ())
        let leaf =
            if dtype = DType.Float32 then
                variableOf "x" (NDArray.Create(Array.map float32 values, shape))
            else
                variableOf "x" (NDArray.Create(values, shape))
        leaves.Add leaf
        leaf

    let anyType () =
        match mixture with
        | 0 -> if chance 2 then single else DType.Float64
        | 1
        | 2 -> single
        | _ -> DType.Float64

    let rec anyShape () =
        let rank = pick [ 0; 1; 1; 2; 2; 2; 2; 3; 3; 4 ]
        let shape = List.init rank (fun _ -> extents[source.Next extents.Length])
        // Arrays without elements are their own case; most have some.
        if
            List.fold (fun n d -> n * int64 d) 1L shape > int64 mostElements
            || (List.contains 0 shape && not (chance 4))
        then
            anyShape ()
        else
            shape

    let ints (shape: int list) high =
        let shape = shapeOf shape
        variableOf "i" (NDArray.Create(Array.init shape.Length (fun _ -> source.Next(0, max 1 high)), shape))

    let boolLeaf (shape: int list) =
        let shape = shapeOf shape
        variableOf "b" (NDArray.Create(Array.init shape.Length (fun _ -> chance 2), shape))

    /// A shape that broadcasts with another: axes of extent 1, fewer axes, now and then one more.
    let partOf (shape: int list) =
        let shape = shape |> List.map (fun d -> if chance 4 then 1 else d)
        if not shape.IsEmpty && chance 4 then
            List.skip (source.Next(1, shape.Length + 1)) shape
        elif chance 12 then
            2 :: shape
        else
            shape

    let fits (x: Expr) (y: Expr) =
        match Shape.tryBroadcast x.Shape y.Shape with
        | ValueSome s -> s.Length <= mostElements
        | ValueNone -> false

    /// Something to combine with x: known or new, of its element type.
    let partner (x: Expr) =
        let candidates = known |> Seq.filter (fits x) |> Array.ofSeq
        let y =
            if candidates.Length > 0 && chance 2 then
                candidates[source.Next candidates.Length]
            elif chance 8 then
                scalar (number ())
            elif chance 8 then
                full (dims x) x.DType (number ())
            else
                leafOf (partOf (dims x)) x.DType
        if y.DType = x.DType then y else cast x.DType y

    let kink (x: Expr) =
        hasKinks <- hasKinks || not (isExact x)
        x

    let unary (x: Expr) =
        match source.Next 16 with
        | 0 -> -x
        | 1 -> abs (kink x)
        | 2 -> signum (if isExact x then x else leafOf (dims x) x.DType)
        | 3 -> exp (tanh x)
        | 4 -> log (x * x + 0.5)
        | 5 -> log1p (x * x)
        | 6 -> expm1 (sin x)
        | 7 -> sqrt (x * x + 0.25)
        | 8 -> sin x
        | 9 -> cos x
        | 10 -> tan (tanh x)
        | 11 -> tanh x
        | 12 -> sigmoid x
        | 13 -> softplus x
        | 14 -> relu (kink x)
        | _ -> x * number ()

    let condition (x: Expr) : Expr =
        let fitting =
            bools
            |> Seq.filter (fun b -> (Shape.tryBroadcast b.Shape x.Shape) = ValueSome x.Shape)
            |> Array.ofSeq
        if fitting.Length > 0 && chance 3 then
            fitting[source.Next fitting.Length]
        else
            let exact = if isExact x && chance 2 then x else leafOf (dims x) x.DType
            match source.Next 5 with
            | 0 -> boolLeaf (dims x)
            | 1 when x.Rank > 0 ->
                let axis = source.Next x.Rank
                let i = iota (dims x) axis DType.Int32
                pick [ equal; less; greaterEqual ] i (ints (partOf (dims x)) x.Shape[axis])
            | 2 -> logicalOr (less exact (leafOf (partOf (dims x)) x.DType)) (boolLeaf (partOf (dims x)))
            | 3 -> logicalAnd (logicalNot (greater exact 0.5)) (notEqual exact -0.5)
            | _ ->
                pick
                    [ less; lessEqual; greater; greaterEqual; equal; notEqual ]
                    exact
                    (leafOf (partOf (dims x)) x.DType)

    let binary (x: Expr) =
        let y = partner x
        match source.Next 8 with
        | 0 -> x + y
        | 1 -> x - y
        | 2 -> x * tanh y
        | 3 -> x / (y * y + 0.5)
        | 4 -> Expr.Pow(x * x + 0.5, tanh y)
        | 5 -> maximum (kink x) (kink y)
        | 6 -> minimum (kink x) (kink y)
        | _ -> where (condition x) x y

    let someAxes (x: Expr) =
        let chosen = [ 0 .. x.Rank - 1 ] |> List.filter (fun _ -> chance 2)
        if chosen.IsEmpty then [ source.Next x.Rank ] else chosen

    let countOf (x: Expr) axes =
        float (axes |> List.fold (fun n axis -> n * x.Shape[axis]) 1 |> max 1)

    let reduction (x: Expr) =
        let axes = if chance 3 then [ 0 .. x.Rank - 1 ] else someAxes x
        match source.Next 9 with
        | 0 -> sumOver axes x / Math.Sqrt(countOf x axes)
        | 1 ->
            // Several sums in one pass.
            for _ in 1 .. source.Next(1, 3) do
                let others = someAxes x
                known.Add(sumOver others x / Math.Sqrt(countOf x others))
            sumOver axes x / Math.Sqrt(countOf x axes)
        | 2 -> sumKeeping axes x / countOf x axes
        | 3 -> reduceMaxOver axes (kink x)
        | 4 -> reduceMinKeeping axes (kink x)
        | 5 -> logsumexpOver axes x
        | 6 -> softmax (pick axes) x
        | 7 -> logSoftmax (pick axes) x
        | _ ->
            let centred = x - meanKeeping axes x
            centred / sqrt (meanKeeping axes (square centred) + 0.1)

    let crossEntropy (x: Expr) =
        let classes = x.Shape[x.Rank - 1]
        if chance 3 then
            crossEntropyOfDistributions x (leafOf (dims x) x.DType)
        else
            crossEntropyOfClasses x (ints (List.take (x.Rank - 1) (dims x)) classes)

    let move (x: Expr) =
        match source.Next 10 with
        | 0 -> transpose x
        | 1 ->
            let order = [| 0 .. x.Rank - 1 |]
            source.Shuffle order
            permute (List.ofArray order) x
        | 2
        | 3 ->
            let axis = source.Next x.Rank
            let n = x.Shape[axis]
            let bound () =
                if chance 2 then None else Some(source.Next(-n - 1, n + 2))
            slice axis (bound ()) (bound ()) (pick [ 1; 1; 2; 3; -1; -1; -2 ]) x
        | 4 ->
            // Two neighbouring axes as one, or one as two.
            let axis = source.Next x.Rank
            let d = dims x
            if axis + 1 < x.Rank && chance 2 then
                reshape (d[.. axis - 1] @ [ d[axis] * d[axis + 1] ] @ d[axis + 2 ..]) x
            else
                let divisors = [ 1; 2; 3; 5; 8 ] |> List.filter (fun k -> d[axis] % k = 0)
                let k = pick divisors
                reshape
                    (d[.. axis - 1]
                     @ pick [ [ k; d[axis] / k ]; [ d[axis] / k; k ] ]
                     @ d[axis + 1 ..])
                    x
        | 5 ->
            let axis = source.Next x.Rank
            unfold axis (source.Next(1, 4)) (source.Next(1, 3)) (source.Next(1, 3)) x
        | 6 -> pad (dims x |> List.map (fun _ -> source.Next 3, source.Next 3)) x
        | 7 ->
            let axis = source.Next x.Rank
            let other = List.updateAt axis extents[source.Next 8] (dims x)
            concat axis (pick [ [ x; leafOf other x.DType ]; [ leafOf other x.DType; x; x ] ])
        | 8 ->
            let axis = source.Next x.Rank
            let indices =
                ints (List.truncate (source.Next 3) [ source.Next(1, 6); 2 ]) x.Shape[axis]
            if x.Shape[axis] = 0 then x else gather axis indices x
        | _ ->
            if x.Shape[0] = 0 then
                x
            else
                scatterAdd 0 (source.Next(1, 9) :: List.tail (dims x)) (ints [ x.Shape[0] ] 1) x

    let contraction (x: Expr) =
        let letters = "abcd".Substring(0, x.Rank)
        let count = source.Next 4
        // Labels of x, now and then twice the same where the extents agree, and one of its own.
        let operand _ =
            let own = letters |> Seq.filter (fun _ -> chance 2) |> Array.ofSeq
            source.Shuffle own
            let fresh = if chance 2 then "z" else ""
            let labels = String own + fresh
            let extent (c: char) =
                if c = 'z' then 5 else x.Shape[letters.IndexOf c]
            labels, leafOf [ for c in labels -> extent c ] x.DType
        let operands = (letters, x) :: List.init count operand
        let all =
            operands
            |> Seq.collect fst
            |> Seq.distinct
            |> Seq.filter (fun _ -> chance 2)
            |> Array.ofSeq
        source.Shuffle all
        let notation = String.Join(",", List.map fst operands) + "->" + String all
        let value = einsum notation (List.map snd operands)
        let summed =
            operands
            |> Seq.collect (fun (labels, e) -> Seq.zip labels (dims e))
            |> Seq.distinct
            |> Seq.filter (fun (label, _) -> not (Array.contains label all))
            |> Seq.fold (fun n (_, extent) -> n * float extent) 1.0
        value / Math.Sqrt(max 1.0 summed)

    let other (x: Expr) =
        match source.Next 6 with
        | 0 -> broadcastTo (source.Next(1, 4) :: dims x) x
        | 1 -> stopGradient x
        | 2 ->
            let y = partner x
            checkpoint (fun xs -> sin xs[0] * xs[0] + tanh xs[1]) [ x; y ]
        | 3 -> cast x.DType (condition x)
        | 4 ->
            let b = condition x
            bools.Add b
            where b x (-x)
        | _ -> cast (anyType ()) x

    let next () =
        // The latest more often than the others: chains are what is fused.
        let x =
            if chance 2 then
                known[known.Count - 1]
            else
                known[source.Next known.Count]
        match source.Next 12 with
        | 0
        | 1 -> unary x
        | 2
        | 3
        | 4 -> binary x
        | 5
        | 6 when x.Rank > 0 -> reduction x
        | 7 when x.Rank > 0 -> move x
        | 8 when x.Rank > 0 && x.Rank <= 4 -> contraction x
        | 9 when x.Rank > 0 && x.Shape[x.Rank - 1] > 0 -> crossEntropy x
        | 10 when x.Rank > 0 && isExact x && x.Shape.Length > 0 ->
            others.Add(argmax (source.Next x.Rank) x)
            x + 1.0
        | 11 -> other x
        | _ -> unary x

    /// Takes one step.
    member _.Step() =
        if known.Count = 0 then
            known.Add(leafOf (anyShape ()) (anyType ()))
        else
            try
                let made = next ()
                if made.Shape.Length <= mostElements then
                    known.Add made
            with
            | :? ShapeException
            | :? DTypeException -> ()

    /// Some of the nodes, and derivatives of one of them.
    member _.Roots: Expr[] =
        let source = Random(seed + 1)
        let chance n = source.Next n = 0
        let roots = List<Expr>()
        roots.Add known[known.Count - 1]
        roots.AddRange(known |> Seq.filter (fun _ -> chance 8))
        roots.AddRange(bools |> Seq.filter (fun _ -> chance 4))
        roots.AddRange(others |> Seq.filter (fun _ -> chance 2))
        if not hasKinks && source.Next 5 < 3 then
            let y = known[known.Count - 1]
            let wanted = leaves |> Seq.filter (fun _ -> chance 2) |> List.ofSeq
            roots.AddRange(grads (mean (sin y)) (leaves[0] :: wanted))
        roots.ToArray()

/// A graph's roots.
/// <param name="single">What stands for float32.</param>
let graph (seed: int) (single: DType) (steps: int) : Expr[] =
    let maker = Maker(seed, single)
    for _ in 1..steps do
        maker.Step()
    maker.Roots

/// The steps that the graph of a seed takes.
let lengthOf (seed: int) = 2 + Random(seed + 2).Next 14
