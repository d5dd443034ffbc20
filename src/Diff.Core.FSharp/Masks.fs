namespace Diff

open System
open System.Collections.Generic

/// Masks of cotangents: `where` lets pass what goes to the branch taken, and what it keeps back stays back, whatever comes after. In a branch that
/// is not taken an infinite or undefined derivative times 0 would be NaN.
[<RequireQualifiedAccess>]
module internal Masks =
    /// f(g) for a function index by index. Where g is masked the result is, not f of a mask: in a branch that `where` did not take,
    /// an infinite or undefined derivative times 0 would be NaN. There is one mask at a time, however many functions gave one.
    let masked (f: Expr -> Expr) (g: Expr) : Expr =
        match Mask.unmasked null g with
        | struct (null, _) -> f g
        | struct (mask, within) ->
            let part = f within
            if obj.ReferenceEquals(part, within) then
                g
            else
                match Mask.unmasked mask part with
                | struct (null, part) -> part
                | struct (mask, part) -> Mask.maskedBy mask part

    // Masks of more elements, or of more nodes, are looked at where the function runs.
    let private mostKnown, mostNodes = 1L <<< 18, 64

    /// Whether a mask lets all pass whatever the data are: one of indices and constants, as that of causal attention is.
    let private isOpen (mask: Expr) : bool =
        let seen = HashSet<Expr>(HashIdentity.Reference)
        let waiting = Stack<Expr>([ mask ])
        let mutable elements, isKnown = 0L, true
        while isKnown && waiting.Count > 0 do
            let e = waiting.Pop()
            if seen.Add e then
                elements <- elements + int64 e.Shape.Length
                match e.Op with
                | Op.Const _
                | Op.Literal _
                | Op.Iota _
                | Op.Elementwise _
                | Op.Cast
                | Op.Reshape -> isKnown <- elements <= mostKnown && seen.Count <= mostNodes
                | Op.Einsum spec ->
                    isKnown <- spec.Inputs.Length = 1 && elements <= mostKnown && seen.Count <= mostNodes
                | _ -> isKnown <- false
                Array.iter waiting.Push e.Args
        isKnown
        && (let known = Reference.evaluate [| mask |]
            not (known[0].Span<bool>().Contains false))

    /// A mask, or numbers of it, that has the labels `from`, along the labels `into`: true where something passes at any index of the others.
    /// Null if all passes.
    let rec private along (from: string) (into: string) (shape: Shape) dtype (mask: Expr) : Expr | null =
        match mask.Op with
        | Op.Einsum spec when spec.Inputs.Length = 1 && mask.Shape.Length > 0 ->
            // What is repeated is looked at once.
            let unused =
                EinsumSpec.labels (from.Length + into.Length + mask.Args[0].Rank)
                |> Array.filter (fun c -> not (from.Contains c || into.Contains c))
            let labels =
                spec.Inputs[0]
                |> Seq.mapi (fun k c ->
                    match spec.Output.IndexOf c with
                    | -1 -> unused[k]
                    | i -> from[i])
            along (String(Array.ofSeq labels)) into shape dtype mask.Args[0]
        | _ ->
            let shared =
                from |> Seq.distinct |> Seq.filter into.Contains |> Array.ofSeq |> String
            let compact =
                if shared = from then
                    if mask.DType = DType.Bool then mask else Mask.positive mask
                else
                    let dims = shared |> Seq.map (fun c -> mask.Shape[from.IndexOf c]) |> Array.ofSeq
                    Mask.positive (
                        Expr.Contract(
                            { Inputs = [| from |]; Output = shared },
                            [| Mask.passing mask dtype |],
                            Shape dims
                        )
                    )
            if isOpen compact then
                null
            elif shared = into then
                compact
            else
                Expr.Contract({ Inputs = [| shared |]; Output = into }, [| compact |], shape)

    /// Whether x is windows of an array, perhaps with other axes. The mask of their cotangent is not written down, as it would be as large as
    /// the windows, which are not stored: it is found where they are added up.
    let private isWindows (x: Expr) =
        let mutable e = x
        while e.Op.IsReshape do
            e <- e.Args[0]
        e.Op.IsUnfold

    /// Whether x is a contraction, perhaps with windows of it added up.
    let private isFolded (x: Expr) =
        let mutable e = x
        while e.Op.IsFold || e.Op.IsReshape || e.Op.IsEmbed do
            e <- e.Args[0]
        e.Op.IsEinsum

    /// Whether x is a leaf, perhaps moved: nothing undefined can come after.
    let private isOfLeaf (x: Expr) =
        let mutable e = x
        while e.Op.IsReshape || e.Op.IsEmbed || e.Op.IsSlice do
            e <- e.Args[0]
        e.Args.Length = 0

    /// A masked cotangent through the transpose of an operation on x: masked where all that an element is made of was.
    let private movedReach (x: Expr) (transpose: Expr -> Expr) (g: Expr) : Expr =
        if isWindows x then
            transpose g
        else
            match Mask.reach g with
            | null -> transpose g
            | numbers ->
                let live = Mask.inWhere (fun () -> Mask.positive (transpose numbers))
                if isOpen live then
                    transpose g
                else
                    Mask.maskedBy live (transpose g)

    /// The same for an operation that moves, repeats or sums elements. Among zeros a mask shows by what it is.
    let moved (op: Op) (x: Expr) (transpose: Expr -> Expr) (g: Expr) : Expr =
        match Mask.unmasked null g with
        | struct (null, _) when op.IsEinsum || op.IsEmbed -> movedReach x transpose g
        | struct (null, _) -> transpose g
        | struct (mask, _) when isWindows x && not (isNull (Mask.chosen mask)) -> transpose g
        | struct (mask, _) ->
            let result = transpose g
            if Mask.isEmbedded result && obj.ReferenceEquals(result.Args[0], g) then
                result
            else
                Mask.maskedBy
                    (Mask.madeOf mask (fun () -> Mask.positive (transpose (Mask.passing mask g.DType))))
                    result

    /// The same where the mask costs as much as the transpose does: only for masks that go back to `where`.
    let movedIfChosen (op: Op) (x: Expr) (transpose: Expr -> Expr) (g: Expr) : Expr =
        // What padding gets is not computed; behind it the mask is found.
        if (op.IsFold && isFolded x) || (op.IsUnfold && (x.Op.IsEmbed || isOfLeaf x)) then
            transpose g
        else
            movedReach x transpose g

    /// The cotangent of what was reduced along axes: masked where that of its row was.
    let ofRows (axes: int[]) (g: Expr) (part: Expr) : Expr =
        match Mask.unmasked null g with
        | struct (null, _) -> part
        | struct (mask, _) ->
            let labels = EinsumSpec.labels part.Rank
            let kept =
                labels
                |> Array.indexed
                |> Array.filter (fun (i, _) -> not (Array.contains i axes))
            let rows =
                Mask.madeOf mask (fun () ->
                    along (String(Array.map snd kept)) (String labels) part.Shape g.DType mask)
            Mask.maskedBy rows part

    /// Windows of an array that is 0 where no element of a window passes: those stay windows, which are not stored.
    let private safeWindows (numbers: Expr) (windows: Expr) : Expr =
        let chain = Stack<Expr>()
        let mutable x, numbers = windows, numbers
        while isWindows x do
            chain.Push x
            let source = x.Args[0]
            numbers <-
                match x.Op with
                | Op.Unfold(axis, _, step, dilation) ->
                    Mask.folded axis source.Shape[axis] step dilation numbers
                | _ -> Reshape.make source.Shape numbers
            x <- source
        let live = Mask.positive numbers
        if x.Op.IsConst || isOpen live then
            windows
        else
            chain |> Seq.fold (fun source w -> w.With [| source |]) (Mask.maskedBy live x)

    /// The cotangent of operand i of a product: no product is made of what only the branch not taken reads, which may be infinite there,
    /// and what only it read gets a masked cotangent. Of windows the array is masked, before they are taken, and after they are added up.
    let ofProduct
        (spec: EinsumSpec)
        (i: int)
        (args: Expr[])
        (transpose: Expr[] -> Expr -> Expr)
        (g: Expr)
        : Expr =
        let mask =
            match Mask.unmasked null g with
            | struct (null, _) -> Mask.reach g
            | struct (mask, _) -> Mask.chosen mask
        match mask with
        | null -> transpose args g
        | mask ->
            let read k =
                Mask.inWhere (fun () -> along spec.Output spec.Inputs[k] args[k].Shape g.DType mask)
            let safe k (x: Expr) =
                match x.Op with
                | _ when k = i -> x
                | Op.Const _ -> x
                | _ when isWindows x ->
                    Mask.inWhere (fun () ->
                        let numbers = Mask.passing mask g.DType
                        let own =
                            { Inputs = [| spec.Output |]
                              Output = spec.Inputs[k] }
                        safeWindows (Expr.Contract(own, [| numbers |], x.Shape)) x)
                | _ -> Mask.maskedBy (read k) x
            let part = transpose (Array.mapi safe args) g
            if args[i].Args.Length = 0 || isWindows args[i] then
                part
            else
                Mask.maskedBy (read i) part

    /// The cotangent of an operand of something done to each of a batch of blocks, the last axes: masked where that of its block was.
    let ofBlocks (batch: int) (g: Expr) (part: Expr) : Expr =
        match Mask.unmasked null g with
        | struct (mask, _) when not (isNull mask) && not (isNull (Mask.chosen (nonNull mask))) ->
            let mask = nonNull mask
            let used = EinsumSpec.labels (g.Rank + part.Rank) |> String
            let into = used[.. batch - 1] + used[g.Rank .. g.Rank + part.Rank - batch - 1]
            Mask.maskedBy
                (Mask.inWhere (fun () -> along used[.. g.Rank - 1] into part.Shape g.DType mask))
                part
        | _ -> part

    /// The cotangents of factors and terms of a linear recurrence: masked where no step from there on passes anything.
    let ofRecurrence axis reverse (xs: Expr[]) (y: Expr) (vjp: Expr[] -> Expr -> (Expr | null)[]) (g: Expr) =
        match Mask.unmasked null g with
        | struct (mask, _) when not (isNull mask) && not (isNull (Mask.chosen (nonNull mask))) ->
            let reaches =
                Mask.inWhere (fun () ->
                    let one = Expr.Full(1.0, Shape.Scalar, g.DType)
                    Mask.positive (
                        Recurrence.make
                            "recurrence"
                            axis
                            (not reverse)
                            one
                            (Mask.passing (nonNull mask) g.DType)
                    ))
            let a, b = xs[0], xs[1]
            let a = if a.Shape.IsScalar then a else Mask.maskedBy reaches a
            vjp [| a; b |] (Mask.maskedBy reaches y)
            |> Array.map (fun part ->
                match part with
                | null -> null
                | part when part.Shape.Equals y.Shape -> Mask.maskedBy reaches part
                | part -> part)
        | _ -> vjp xs y

    /// Whether the transpose of an operation only moves, repeats or sums elements, and costs no more than looking at them.
    let isMove (op: Op) =
        match op with
        | Op.Reshape
        | Op.Slice _
        | Op.Embed _
        | Op.Concat _ -> true
        | Op.Einsum spec -> spec.Inputs.Length = 1
        | _ -> false

    /// Whether it does so at places that it looks up, or in windows.
    let isDearMove (op: Op) =
        match op with
        | Op.Gather _
        | Op.ScatterAdd _
        | Op.TakeAlong _
        | Op.AddAlong _
        | Op.Unfold _
        | Op.Fold _ -> true
        | _ -> false
