namespace Diff

open System
open System.Collections.Generic

/// Lowering: contractions in terms of what the engine has: matrix products, products index by index, and sums over axes that lie together.
[<RequireQualifiedAccess>]
module internal Lower =
    let private contract (inputs: string[]) (output: string) (args: Expr[]) (extent: char -> int) =
        Expr.Contract(
            { Inputs = inputs; Output = output },
            args,
            Shape(output.ToCharArray() |> Array.map extent)
        )

    let private repeated (axes: string) (output: string) extent (x: Expr) =
        if axes = output then
            x
        else
            contract [| axes |] output [| x |] extent

    /// A sum over axes some of which are last and some not, as a sum over the last ones and a sum over the rest; also where the axes that
    /// stay change their order. What is left: sums over the last axes, and sums over neighbouring axes before those that stay.
    let rec private sum (spec: EinsumSpec) (e: Expr) : Expr =
        let axes = spec.Inputs[0]
        let x = e.Args[0]
        let extent (label: char) = x.Shape[axes.IndexOf label]
        let has label = spec.Output.Contains(label: char)
        let isDistinct = Seq.length (Seq.distinct axes) = axes.Length
        let kept = String.filter has axes
        // Axes of extent 1 count as kept or summed, whichever their neighbours are.
        let summed =
            axes
            |> Seq.filter (fun l -> extent l <> 1 && not (has l))
            |> Array.ofSeq
            |> String
        if not isDistinct || summed = "" then
            e
        elif
            not (Seq.forall (fun l -> axes.Contains(l: char)) spec.Output)
            || kept <> spec.Output
        then
            // Repetition and order come after the sum.
            let inner = sumOf axes kept x extent
            Expr.Contract(
                { Inputs = [| kept |]
                  Output = spec.Output },
                [| inner |],
                e.Shape
            )
        else
            let long = String.filter (fun l -> extent l <> 1) axes
            let tail =
                long.ToCharArray() |> Array.rev |> Array.takeWhile (has >> not) |> Array.length
            let parts =
                if tail > 0 && tail < summed.Length && kept |> Seq.exists (fun l -> extent l <> 1) then
                    long.Substring(long.Length - tail)
                elif tail = 0 then
                    // The run before the last axes that stay.
                    let staying = long.ToCharArray() |> Array.rev |> Array.takeWhile has |> Array.length
                    let rest = long.Substring(0, long.Length - staying)
                    let run =
                        rest.ToCharArray() |> Array.rev |> Array.takeWhile (has >> not) |> Array.length
                    rest.Substring(rest.Length - run)
                else
                    summed
            if parts.Length = summed.Length then
                e
            else
                let between = String.filter (fun l -> not (parts.Contains(l: char))) axes
                let inner = contract [| axes |] between [| x |] extent
                sumOf between spec.Output inner (fun l -> inner.Shape[between.IndexOf l])

    and private sumOf (axes: string) (output: string) (x: Expr) extent : Expr =
        if axes = output then
            x
        else
            let e = contract [| axes |] output [| x |] extent
            sum { Inputs = [| axes |]; Output = output } e

    /// A product of two in which nothing is summed, or in which every index but the summed ones stands in both operands, takes one
    /// multiplication for each element read: a loop over the elements, which can be fused with others, does that at the memory's speed.
    let private product (spec: EinsumSpec) (e: Expr) : Expr =
        let sizes = Einsum.sizes spec e
        let extent label = sizes[label]
        let a, b, c = spec.Inputs[0], spec.Inputs[1], spec.Output
        let long label = extent label <> 1
        let has (axes: string) label = axes.Contains(label: char)
        let sums = Seq.exists (fun l -> long l && not (has c l)) a
        let rows = Seq.exists (fun l -> long l && not (has b l)) a
        let columns = Seq.exists (fun l -> long l && not (has a l)) b
        let times (axes: string) =
            Expr.Map(Fn.Mul, [| repeated a axes extent e.Args[0]; repeated b axes extent e.Args[1] |])
        if not sums then
            // Summed axes of extent 1 need not be there.
            let without (axes: string) (x: Expr) =
                let kept = String.filter (has c) axes
                kept, repeated axes kept extent x
            let a, x = without a e.Args[0]
            let b, y = without b e.Args[1]
            Expr.Map(Fn.Mul, [| repeated a c extent x; repeated b c extent y |])
        elif not rows && not columns && DType.isFloat e.DType then
            let axes = if a.Length >= b.Length then a else b
            let axes =
                axes
                + String.filter (fun l -> not (has axes l)) (if a.Length >= b.Length then b else a)
            sumOf axes c (times axes) extent
        else
            e

    /// An extreme over a few elements, windows of a pooling say, as extremes of slices: the slices are views, and all of it is index by index.
    let private fewExtremes extreme (axes: int[]) (e: Expr) : Expr =
        let fn =
            match extreme with
            | Extreme.Max -> Fn.Max
            | Extreme.Min -> Fn.Min
        Reduce.slices axes e.Args[0]
        |> Array.map (fun (struct (_, slice)) -> slice)
        |> Array.reduce (fun a b -> Expr.Map(fn, [| a; b |]))

    /// One node in terms of what the engine has.
    let private node (e: Expr) : Expr =
        match e.Op with
        | Op.Einsum spec when spec.Inputs.Length = 2 && Einsum.isMatrixProduct spec e -> product spec e
        | Op.Einsum spec when spec.Inputs.Length = 1 && DType.isFloat e.DType -> sum spec e
        | Op.Reduce(extreme, axes) when DType.isFloat e.DType && Reduce.isOverFew axes e.Args[0].Shape ->
            fewExtremes extreme axes e
        // The derivative of tanh; better than the square where it is near 1.
        | Op.Elementwise Fn.Sub when DType.isFloat e.DType ->
            match e.Args with
            | [| IsOne; Binary Fn.Mul (x, y) |] when same x y -> Expr.Map(Fn.OneMinusSquare, [| x |])
            | _ -> e
        | _ -> e

    /// Whole graphs; contractions of many operands become products of two first. Products that several contractions have in common,
    /// those of a gradient say, are computed once.
    let run (roots: Expr[]) : Expr[] =
        let known = HashSet<Expr>(SameValue.comparer)
        let share (e: Expr) =
            if known.Add e then
                e
            else
                match known.TryGetValue e with
                | true, first -> first
                | _ -> e
        roots
        |> Logistic.run
        |> LikeTerms.run
        |> Powers.run
        |> Graph.map Contraction.lower
        |> Graph.map node
        |> SlicedValues.run
        |> Graph.map share
