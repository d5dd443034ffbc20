namespace Diff

open System
open System.Collections.Generic

/// Sums of overlapping windows of products as products with windows: Σ a[p]·b[k] over p·step + k·dilation = j is the product of the
/// windows of a, zeros around it, and b turned round. The products, several times as many as their sums, are then never stored.
[<RequireQualifiedAccess>]
module internal Overlap =
    /// Zeros before and after along an axis; within windows of other axes, so that these stay a view.
    let rec private padded axis before extent (x: Expr) : Expr =
        match x.Op with
        | Op.Unfold(a, size, step, dilation) when axis < a || axis > a + 1 ->
            x.Args[0]
            |> padded (if axis < a then axis else axis - 1) before extent
            |> Unfold.make a size step dilation
        | Op.Embed(starts, steps) when
            starts[axis] = 0 && steps[axis] = 1 && x.Args[0].Shape[axis] = x.Shape[axis]
            ->
            let dims = Array.updateAt axis extent x.Shape.Dims
            Window.embed (Array.updateAt axis before starts) steps (Shape dims) x.Args[0]
        | _ ->
            let starts = Array.zeroCreate x.Rank
            starts[axis] <- before
            let dims = Array.updateAt axis extent x.Shape.Dims
            Window.embed starts (Array.create x.Rank 1) (Shape dims) x

    /// The axis from its end to its start.
    let private reversed axis (x: Expr) : Expr =
        let last = x.Shape[axis] - 1
        match x.Op with
        | Op.Slice(starts, steps) ->
            let first = starts[axis] + last * steps[axis]
            let starts, steps =
                Array.updateAt axis first starts, Array.updateAt axis -steps[axis] steps
            Window.slice starts steps x.Shape x.Args[0]
        | _ ->
            let starts, steps = Array.zeroCreate x.Rank, Array.create x.Rank 1
            starts[axis] <- last
            steps[axis] <- -1
            Window.slice starts steps x.Shape x

    /// The greatest common divisor.
    let rec private divisor m n = if n = 0 then m else divisor n (m % n)

    let private once (labels: string) (c: char) =
        labels.IndexOf c >= 0 && labels.IndexOf c = labels.LastIndexOf c

    /// The one operand that has a label, if it has it once.
    let private holder (spec: EinsumSpec) (c: char) =
        match
            [ for i in 0 .. spec.Inputs.Length - 1 do
                  if spec.Inputs[i].Contains c then
                      i ]
        with
        | [ i ] when once spec.Inputs[i] c -> ValueSome i
        | _ -> ValueNone

    /// The windows at `axis` of a contraction added up along an axis of the given extent; none where it would take too many products.
    let private ofContraction axis extent step dilation (e: Expr) (spec: EinsumSpec) : Expr voption =
        let p, k = spec.Output[axis], spec.Output[axis + 1]
        let positions, size = e.Shape[axis], e.Shape[axis + 1]
        // Elements k and k + phases of a window meet those of other windows; those between stay among themselves.
        let shared = divisor step dilation
        let phases, apart = step / shared, dilation / shared
        let terms = (size + phases - 1) / phases
        let sums = positions + apart * (terms - 1)
        // What is stored and added up otherwise, about 1 ns an element, against what is packed for the product (also about 1 ns
        // an element of the windows) and the products that there are more of. Of three ways to the derivative of a 3×3 convolution
        // by its array (all products stored, those of the first axis, none), measured with 64 channels at 28×28: 20.7, 13.9 and
        // 14.7 ms; from 32 to 64 channels at 13×13: 5.9, 5.3 and 8.4 ms; from 16 to 128 at 28×28: 7.4, 8.9 and 13.9 ms.
        let isWorth (operand: Expr) =
            int64 operand.Shape.Length / int64 positions * int64 (sums * terms)
            <= 2L * int64 e.Shape.Length
            && int64 sums * int64 (terms * phases) <= 2L * int64 positions * int64 size
        match holder spec p, holder spec k with
        | ValueSome a, b when
            isWorth e.Args[a]
            && once spec.Output p
            && once spec.Output k
            && b <> ValueSome a
            && (b.IsSome
                || (phases = 1 && not (spec.Inputs |> Array.exists (fun s -> s.Contains k))))
            ->
            let used = HashSet<char>(String.Join("", spec.Inputs) + spec.Output)
            let r = Seq.head (EinsumSpec.freshLabels used)
            let phase = if phases = 1 then "" else string r
            let args, inputs = Array.copy e.Args, Array.copy spec.Inputs
            let window = spec.Inputs[a].IndexOf p
            args[a] <-
                e.Args[a]
                |> padded window (apart * (terms - 1)) (sums + apart * (terms - 1))
                |> Unfold.make window terms 1 apart
            inputs[a] <- spec.Inputs[a].Insert(window + 1, string k)
            match b with
            | ValueSome b ->
                let at = spec.Inputs[b].IndexOf k
                let elements =
                    if phases = 1 then
                        e.Args[b]
                    else
                        let whole = padded at 0 (terms * phases) e.Args[b]
                        let dims = whole.Shape.Dims
                        let split = [| terms; phases |]
                        Reshape.make (Shape(Array.concat [ dims[.. at - 1]; split; dims[at + 1 ..] ])) whole
                args[b] <- reversed at elements
                inputs[b] <- spec.Inputs[b].Insert(at + 1, phase)
            | ValueNone -> ()
            let dims =
                Array.concat
                    [ e.Shape.Dims[.. axis - 1]
                      [| sums |]
                      (if phases = 1 then [||] else [| phases |])
                      e.Shape.Dims[axis + 2 ..] ]
            let output =
                { Inputs = inputs
                  Output = spec.Output.Remove(axis + 1, 1).Insert(axis + 1, phase) }
            let product = Expr.Contract(output, args, Shape dims)
            if step = 1 then
                // The last window ends where the axis does.
                ValueSome product
            else
                // The phases lie between each other, apart from each other.
                let product =
                    if phases > 1 then
                        product
                    else
                        Reshape.make (Shape(Array.insertAt (axis + 1) 1 dims)) product
                let reached = (sums - 1) * step + dilation * (phases - 1) + 1
                let y = Unfold.fold axis (max extent reached) step dilation product
                let starts, steps = Array.zeroCreate y.Rank, Array.create y.Rank 1
                ValueSome(Window.slice starts steps (Shape(Array.updateAt axis extent y.Shape.Dims)) y)
        | _ -> ValueNone

    /// Whether a node does nothing to the axes up to `last`.
    let private isBehind last (x: Expr) =
        let from = x.Args[0].Shape
        let isKept () =
            x.Rank > last
            && from.Rank > last
            && x.Shape.Dims.AsSpan(0, last + 1).SequenceEqual(from.Dims.AsSpan(0, last + 1))
        match x.Op with
        | Op.Reshape -> isKept ()
        | Op.Slice(starts, steps)
        | Op.Embed(starts, steps) ->
            isKept ()
            && Seq.forall (fun axis -> starts[axis] = 0 && steps[axis] = 1) (seq { 0..last })
        | Op.Fold(axis, _, _, _) -> axis > last
        | _ -> false

    /// The same done to an array in which the axes `axis` and the one after it have become one.
    let private again axis (x: Expr) (y: Expr) : Expr =
        let shape = Shape(Array.append y.Shape.Dims[..axis] x.Shape.Dims[axis + 2 ..])
        let less = Array.removeAt (axis + 1)
        match x.Op with
        | Op.Slice(starts, steps) -> Window.slice (less starts) (less steps) shape y
        | Op.Embed(starts, steps) -> Window.embed (less starts) (less steps) shape y
        | Op.Fold(a, extent, step, dilation) -> Unfold.fold (a - 1) extent step dilation y
        | _ -> Reshape.make shape y

    /// `count` elements of an axis from `start` on, cut off before windows are taken and before zeros are put around.
    let rec private cut axis start count (x: Expr) : Expr =
        match x.Op with
        | _ when count = x.Shape[axis] -> x
        | Op.Unfold(a, size, step, dilation) when axis <> a + 1 ->
            let source =
                if axis = a then
                    let reach = (count - 1) * step + int (Unfold.span size dilation)
                    cut a (start * step) reach x.Args[0]
                else
                    cut (if axis < a then axis else axis - 1) start count x.Args[0]
            Unfold.make a size step dilation source
        | Op.Embed(starts, steps) when steps[axis] = 1 ->
            let source = x.Args[0]
            let first = max 0 (start - starts[axis])
            let last = min source.Shape[axis] (start + count - starts[axis])
            let source = cut axis first (max 0 (last - first)) source
            let dims = Array.updateAt axis count x.Shape.Dims
            Window.embed (Array.updateAt axis (max 0 (starts[axis] - start)) starts) steps (Shape dims) source
        | _ ->
            let starts = Array.zeroCreate x.Rank
            starts[axis] <- start
            Window.slice starts (Array.create x.Rank 1) (Shape(Array.updateAt axis count x.Shape.Dims)) x

    /// Part of a product with windows that has taken the place of a sum of windows: the padding of a convolution, whose
    /// derivative nobody asks for, is not computed.
    let private partOf (e: Expr) (starts: int[]) (product: Expr) (spec: EinsumSpec) : Expr =
        let isTurned (x: Expr) =
            match x.Op with
            | Op.Slice(_, steps) -> Array.exists (fun step -> step < 0) steps
            | _ -> false
        let holders = spec.Output |> Seq.map (holder spec) |> Array.ofSeq
        let isWhole axis = e.Shape[axis] = product.Shape[axis]
        let isPart axis =
            isWhole axis
            || (once spec.Output spec.Output[axis]
                && match holders[axis] with
                   | ValueSome a -> product.Args[a].Op.IsUnfold
                   | ValueNone -> false)
        if
            Array.exists isTurned product.Args
            && Seq.forall isPart (seq { 0 .. e.Rank - 1 })
        then
            let args = Array.copy product.Args
            for axis in 0 .. e.Rank - 1 do
                match holders[axis] with
                | ValueSome a when not (isWhole axis) ->
                    args[a] <-
                        cut (spec.Inputs[a].IndexOf spec.Output[axis]) starts[axis] e.Shape[axis] args[a]
                | _ -> ()
            Expr.Contract(spec, args, e.Shape)
        else
            e

    /// A sum of windows that are sums themselves, each part of one element of every window (the derivative of a pooling): the parts, each put
    /// where its element is. Windows of k elements would take k times the memory.
    let private ofParts axis extent step dilation (windows: Expr) : Expr voption =
        let parts, waiting = List<Expr>(), Stack<Expr>([ windows ])
        while waiting.Count > 0 do
            let part = waiting.Pop()
            match part with
            | Binary Fn.Add (a, b) ->
                waiting.Push b
                waiting.Push a
            | _ -> parts.Add part
        let isOne (part: Expr) =
            match part.Op with
            | Op.Embed(starts, steps) ->
                let source = part.Args[0]
                source.Shape[axis + 1] = 1
                && source.Shape[axis] = windows.Shape[axis]
                && starts[axis] = 0
                && steps[axis] = 1
            | _ -> false
        let placed (part: Expr) =
            match part.Op with
            | Op.Embed(starts, steps) ->
                let source = part.Args[0]
                let less (from: int[]) at =
                    Array.removeAt (axis + 1) from |> Array.updateAt axis at
                Reshape.make (Shape(Array.removeAt (axis + 1) source.Shape.Dims)) source
                |> Window.embed
                    (less starts (starts[axis + 1] * dilation))
                    (less steps step)
                    (Shape(less windows.Shape.Dims extent))
            | op -> invalidOp $"plan: {Formula.opText op} is no part of a window"
        if parts.Count <= 16 && Seq.forall isOne parts then
            ValueSome(parts |> Seq.map placed |> Seq.reduce (+))
        else
            ValueNone

    /// A sum of windows without the windows, where they are products or sums of their elements' parts; else as it is.
    let lower (e: Expr) : Expr =
        match e.Op with
        | Op.Slice(starts, steps) when Array.forall ((=) 1) steps && e.Shape.Length > 0 ->
            match e.Args[0].Op with
            | Op.Einsum spec -> partOf e starts e.Args[0] spec
            | Op.Fold(axis, extent, step, dilation) ->
                match e.Args[0].Args[0] with
                | Contraction spec as product ->
                    // The other axes are cut before the windows of this one are added up.
                    let ones = Array.create product.Rank 1
                    let dims =
                        Array.concat
                            [ e.Shape.Dims[.. axis - 1]
                              product.Shape.Dims[axis .. axis + 1]
                              e.Shape.Dims[axis + 1 ..] ]
                    let before = starts |> Array.updateAt axis 0 |> Array.insertAt axis 0
                    let cut = Window.slice before ones (Shape dims) product
                    let part = partOf cut before product spec
                    if same part cut then
                        e
                    else
                        let sums = Unfold.fold axis extent step dilation part
                        let after = Array.zeroCreate e.Rank |> Array.updateAt axis starts[axis]
                        Window.slice after steps e.Shape sums
                | _ -> e
            | _ -> e
        | Op.Fold(axis, extent, step, dilation) ->
            // Windows of later axes are added up before this.
            let rec within (x: Expr) =
                match x.Op with
                | Op.Einsum spec ->
                    match WindowSums.ofRepetition axis extent step dilation x spec with
                    | ValueSome sums -> ValueSome sums
                    | ValueNone -> ofContraction axis extent step dilation x spec
                | _ when x.Args.Length = 1 && isBehind (axis + 1) x ->
                    within x.Args[0] |> ValueOption.map (again axis x)
                | _ -> ValueNone
            match within e.Args[0] with
            | ValueSome sums -> sums
            | ValueNone -> ofParts axis extent step dilation e.Args[0] |> ValueOption.defaultValue e
        | _ -> e
