namespace Diff

open System
open System.Collections.Generic

/// Masks of cotangents: `where` lets pass what goes to the branch taken, and what it keeps back stays back, whatever comes after. In a branch that
/// is not taken an infinite or undefined derivative times 0 would be NaN.
[<RequireQualifiedAccess>]
module internal Masks =
    let private isZero (e: Expr) =
        match e.Op with
        | Op.Const c -> c.AsFloat = 0.0
        | _ -> false

    /// Nodes of masks that go back to a `where` of the caller's.
    let private inWhere (make: unit -> Expr) : Expr =
        let outer = Scope.Current
        Graph.within (Scope.At(Scope.OfKind(ScopeKind.Mask, outer, "where"), Scope.LineOf outer)) make

    /// Whether a condition is the caller's own, or goes back to one. Others come with a rule, as that of relu, or guard an operation.
    let private isChosen (condition: Expr) : bool =
        match condition.Op with
        | Op.StopGradient -> false
        | _ ->
            let struct (inner, outer) = Scope.KindsOf condition.Scope
            inner = ScopeKind.Mask || outer <> ScopeKind.Derivative

    let private both (mask: Expr | null) (also: Expr) : Expr =
        match mask with
        | null -> also
        | mask -> Expr.Map(Fn.And, [| mask; also |])

    /// What a chain of masks lets pass: where all of `mask` and the chain's conditions hold, the value within.
    let rec private unmasked (mask: Expr | null) (g: Expr) : struct (Expr | null * Expr) =
        match g.Op with
        | Op.Elementwise Fn.Where when isZero g.Args[2] -> unmasked (both mask g.Args[0]) g.Args[1]
        | Op.Elementwise Fn.Where when isZero g.Args[1] ->
            let opposite () = Expr.Map(Fn.Not, [| g.Args[0] |])
            let condition = if isChosen g.Args[0] then inWhere opposite else opposite ()
            unmasked (both mask condition) g.Args[2]
        | _ -> struct (mask, g)

    /// The conditions among those of a mask that are chosen: null if none is.
    let private chosen (mask: Expr) : Expr | null =
        let waiting = Stack<Expr>([ mask ])
        let mutable found: Expr | null = null
        while waiting.Count > 0 do
            let condition = waiting.Pop()
            if isChosen condition then
                found <- both found condition
            else
                match condition.Op with
                | Op.Elementwise Fn.And -> Array.iter waiting.Push condition.Args
                | _ -> ()
        found

    /// A value where a mask lets it pass, else 0.
    let maskedBy (mask: Expr) (value: Expr) : Expr =
        Expr.Map(Fn.Where, [| mask; value; Expr.ZerosLike value |])

    /// f(g) for a function index by index. Where g is masked the result is, not f of a mask: in a branch that `where` did not take,
    /// an infinite or undefined derivative times 0 would be NaN. There is one mask at a time, however many functions gave one.
    let masked (f: Expr -> Expr) (g: Expr) : Expr =
        match unmasked null g with
        | struct (null, _) -> f g
        | struct (mask, within) ->
            let part = f within
            if obj.ReferenceEquals(part, within) then
                g
            else
                match unmasked mask part with
                | struct (null, part) -> part
                | struct (mask, part) -> maskedBy mask part

    let private sameMask (a: Expr) (b: Expr) =
        let same (a: Expr) (b: Expr) = obj.ReferenceEquals(a, b)
        same a b
        || (a.Args.Length > 0
            && a.Args.Length = b.Args.Length
            && a.Op.Equals b.Op
            && Array.forall2 same a.Args b.Args)

    let private isNot (a: Expr) (b: Expr) =
        match a.Op with
        | Op.Elementwise Fn.Not -> sameMask a.Args[0] b
        | _ -> false

    /// The sum of two cotangents of one node: masked where both are, one or the other where one mask is the other's opposite.
    let sum (a: Expr) (b: Expr) : Expr =
        match unmasked null a, unmasked null b with
        | struct (null, _), _
        | _, struct (null, _) -> a + b
        | struct (m, x), struct (n, y) when sameMask m n -> maskedBy m (x + y)
        | struct (m, x), struct (n, y) when isNot n m -> Expr.Map(Fn.Where, [| m; x; y |])
        | struct (m, x), struct (n, y) when isNot m n -> Expr.Map(Fn.Where, [| n; y; x |])
        | struct (m, _), struct (n, _) ->
            let either (m: Expr) (n: Expr) = Expr.Map(Fn.Or, [| m; n |])
            let mask =
                match chosen m with
                | null -> either m n
                | p ->
                    match chosen n with
                    | null -> either m n
                    | q when obj.ReferenceEquals(p, m) && obj.ReferenceEquals(q, n) ->
                        inWhere (fun () -> either m n)
                    // What is chosen on both sides stays so, beside what is not.
                    | q -> both (inWhere (fun () -> either p q)) (either m n)
            maskedBy mask (a + b)

    /// The mask as numbers, 1 where something passes.
    let private passing (mask: Expr) (g: Expr) =
        Expr(Op.Cast, [| mask |], g.Shape, g.DType)

    let private positive (live: Expr) =
        Expr.Map(Fn.Greater, [| live; Expr.ZerosLike live |])

    /// A mask made of another: one that goes back to `where` if the other does.
    let private madeOf (mask: Expr) (make: unit -> Expr) =
        match chosen mask with
        | null -> make ()
        | _ -> inWhere make

    /// A mask, true or numbers, that has the labels `from`, along the labels `into`: true where something passes at any index of the others.
    let private along (from: string) (into: string) (shape: Shape) (mask: Expr) (g: Expr) : Expr =
        let shared =
            from |> Seq.distinct |> Seq.filter into.Contains |> Array.ofSeq |> String
        let numbers () =
            if mask.DType = DType.Bool then passing mask g else mask
        let compact =
            if shared = from then
                if mask.DType = DType.Bool then mask else positive mask
            else
                let dims = shared |> Seq.map (fun c -> g.Shape[from.IndexOf c]) |> Array.ofSeq
                positive (Expr.Contract({ Inputs = [| from |]; Output = shared }, [| numbers () |], Shape dims))
        if shared = into then
            compact
        else
            Expr.Contract({ Inputs = [| shared |]; Output = into }, [| compact |], shape)

    /// Whether an operation moves, repeats or adds up elements of its first operand, and nothing else.
    let private isOfFirst (op: Op) =
        match op with
        | Op.Reshape
        | Op.Slice _
        | Op.Embed _
        | Op.Gather _
        | Op.ScatterAdd _
        | Op.TakeAlong _
        | Op.AddAlong _
        | Op.Unfold _
        | Op.Fold _
        | Op.Cast -> true
        | Op.Einsum spec -> spec.Inputs.Length = 1
        | _ -> false

    /// The sums of numbers over the labels that are not kept.
    let private summed (kept: string) (labels: string) (x: Expr) : string * Expr =
        let own = labels |> Seq.distinct |> Seq.filter kept.Contains |> Array.ofSeq |> String
        let dims = own |> Seq.map (fun c -> x.Shape[labels.IndexOf c]) |> Array.ofSeq
        own, Expr.Contract({ Inputs = [| labels |]; Output = own }, [| x |], Shape dims)

    /// Numbers of windows added up. Where all windows have the same, every element has all of these: they are not repeated for that.
    let private folded axis extent step dilation (numbers: Expr) : Expr =
        let sums = Unfold.fold axis extent step dilation numbers
        match numbers.Op with
        | Op.Einsum spec when sums.Op.IsFold && numbers.Args.Length = 1 && not (spec.Inputs[0].Contains spec.Output[axis]) ->
            Expr.Contract({ spec with Output = spec.Output.Remove(axis + 1, 1) }, numbers.Args, sums.Shape)
        | _ -> sums

    /// Numbers above 0 where something of a cotangent passes a chosen mask; null if it has none. The mask is looked for below operations that
    /// move and add up elements, and below one product, in which one masked factor is enough.
    let reach (g: Expr) : Expr | null =
        let region, seen = List<Expr>(), NodeMap<bool>()
        let masks = NodeMap<Expr | null>()
        let waiting = Stack<struct (Expr * bool)>([ struct (g, false) ])
        let mutable isMasked = true
        while isMasked && waiting.Count > 0 do
            let struct (e, isFactor) = waiting.Pop()
            if not seen[e] then
                seen[e] <- true
                let below (args: Expr seq) isFactor =
                    region.Add e
                    for a in args do
                        waiting.Push(struct (a, isFactor))
                match e.Op with
                | _ when isZero e -> region.Add e
                | Op.Elementwise Fn.Where ->
                    let struct (mask, _) = unmasked null e
                    masks[e] <- if isNull mask then null else chosen (nonNull mask)
                    region.Add e
                    isMasked <- isFactor || not (isNull masks[e])
                | Op.Elementwise Fn.Add -> below e.Args isFactor
                | Op.Einsum spec when spec.Inputs.Length > 1 && not isFactor -> below e.Args true
                | op when isOfFirst op -> below e.Args[..0] isFactor
                | _ -> isMasked <- isFactor
        if not isMasked then
            null
        else
            let numbers = NodeMap<Expr | null>()
            let ofNode (e: Expr) : Expr | null =
                match e.Op with
                | _ when isZero e -> Expr.ZerosLike e
                | Op.Elementwise Fn.Where ->
                    match masks[e] with
                    | null -> null
                    | mask -> passing mask e
                | Op.Elementwise Fn.Add ->
                    match numbers[e.Args[0]], numbers[e.Args[1]] with
                    | null, _
                    | _, null -> null
                    | a, b -> a + b
                | Op.Einsum spec when spec.Inputs.Length > 1 ->
                    let factors =
                        Array.zip spec.Inputs e.Args
                        |> Array.choose (fun (labels, x) ->
                            match numbers[x] with
                            | null -> None
                            | n -> Some(summed spec.Output labels n))
                    match factors with
                    | [||] -> null
                    | factors ->
                        let inputs, xs = Array.unzip factors
                        let found = String.Join("", inputs)
                        let known = spec.Output |> String.filter found.Contains
                        let dims = known |> Seq.map (fun c -> e.Shape[spec.Output.IndexOf c]) |> Array.ofSeq
                        let part = Expr.Contract({ Inputs = inputs; Output = known }, xs, Shape dims)
                        if known = spec.Output then
                            part
                        else
                            Expr.Contract({ spec with Inputs = [| known |] }, [| part |], e.Shape)
                | _ ->
                    match numbers[e.Args[0]] with
                    | null -> null
                    | n ->
                        match e.Op with
                        | Op.Fold(axis, extent, step, dilation) -> folded axis extent step dilation n
                        | op -> Expr(op, Array.updateAt 0 n e.Args, e.Shape, e.DType)
            inWhere (fun () ->
                region.Sort(fun a b -> compare a.Id b.Id)
                for e in region do
                    numbers[e] <- ofNode e
                g)
            |> ignore
            numbers[g]

    /// A value where numbers of `reach` are above 0, else 0.
    let within (reach: Expr) (value: Expr) : Expr =
        maskedBy (inWhere (fun () -> positive reach)) value

    /// The chosen mask of a cotangent; null if it has none.
    let tryMask (g: Expr) : Expr | null =
        match reach g with
        | null -> null
        | numbers -> inWhere (fun () -> positive numbers)

    /// Whether there are masks among these values and what they are computed from that may be found in cotangents.
    let areIn (values: Expr[]) : bool =
        Graph.topological values
        |> Array.exists (fun e -> e.Op.Equals(Op.Elementwise Fn.Where) && isChosen e.Args[0])

    /// The place of a mask in a body, for values like this.
    let hole (like: Expr) : Expr =
        inWhere (fun () -> Leaf.input "mask" like.Shape DType.Bool)

    /// A mask as 0 and 1.
    let numbers (mask: Expr) (like: Expr) : Expr =
        inWhere (fun () -> passing mask like)

    /// True where either is.
    let either (a: Expr) (b: Expr) : Expr =
        inWhere (fun () -> Expr.Map(Fn.Or, [| a; b |]))

    /// Whether x is windows of an array, perhaps with other axes.
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

    /// Whether what has x for its value finds the mask of its cotangent by `reach`. None is then written down: it would be as large as the
    /// windows, which are not stored.
    let private isReached (x: Expr) =
        isWindows x || x.Op.IsLoop || x.Op.IsBranch

    /// Whether x is a leaf, perhaps moved: nothing undefined can come after.
    let private isOfLeaf (x: Expr) =
        let mutable e = x
        while e.Op.IsReshape || e.Op.IsEmbed || e.Op.IsSlice do
            e <- e.Args[0]
        e.Args.Length = 0

    /// A masked cotangent through the transpose of an operation on x: masked where all that an element is made of was.
    let private movedReach (x: Expr) (transpose: Expr -> Expr) (g: Expr) : Expr =
        if isReached x then
            transpose g
        else
            match reach g with
            | null -> transpose g
            | numbers -> within (inWhere (fun () -> transpose numbers)) (transpose g)

    /// The same for an operation that moves, repeats or sums elements.
    let moved (op: Op) (x: Expr) (transpose: Expr -> Expr) (g: Expr) : Expr =
        match unmasked null g with
        | struct (null, _) when op.IsEinsum || op.IsEmbed -> movedReach x transpose g
        | struct (null, _) -> transpose g
        | struct (mask, _) when isReached x && not (isNull (chosen mask)) -> transpose g
        | struct (mask, _) ->
            let live = madeOf mask (fun () -> positive (transpose (passing mask g)))
            maskedBy live (transpose g)

    /// The same where the mask costs as much as the transpose does: only for masks that go back to `where`.
    let movedIfChosen (op: Op) (x: Expr) (transpose: Expr -> Expr) (g: Expr) : Expr =
        // What padding gets is not computed; behind it the mask is found.
        if (op.IsFold && isFolded x) || (op.IsUnfold && (x.Op.IsEmbed || isOfLeaf x)) then
            transpose g
        else
            movedReach x transpose g

    /// The cotangent of what was reduced along axes: masked where that of its row was.
    let ofRows (axes: int[]) (g: Expr) (part: Expr) : Expr =
        match unmasked null g with
        | struct (null, _) -> part
        | struct (mask, _) ->
            let labels = EinsumSpec.labels part.Rank
            let kept =
                labels
                |> Array.indexed
                |> Array.filter (fun (i, _) -> not (Array.contains i axes))
            let rows =
                madeOf mask (fun () -> along (String(Array.map snd kept)) (String labels) part.Shape mask g)
            maskedBy rows part

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
                    folded axis source.Shape[axis] step dilation numbers
                | _ -> Reshape.make source.Shape numbers
            x <- source
        if x.Op.IsConst then
            windows
        else
            chain |> Seq.fold (fun source w -> w.With [| source |]) (maskedBy (positive numbers) x)

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
            match unmasked null g with
            | struct (null, _) -> reach g
            | struct (mask, _) -> chosen mask
        match mask with
        | null -> transpose args g
        | mask ->
            let read k =
                inWhere (fun () -> along spec.Output spec.Inputs[k] args[k].Shape mask g)
            let safe k (x: Expr) =
                match x.Op with
                | _ when k = i -> x
                | Op.Const _ -> x
                | _ when isWindows x ->
                    inWhere (fun () ->
                        let numbers = if mask.DType = DType.Bool then passing mask g else mask
                        let own =
                            { Inputs = [| spec.Output |]
                              Output = spec.Inputs[k] }
                        safeWindows (Expr.Contract(own, [| numbers |], x.Shape)) x)
                | _ -> maskedBy (read k) x
            let part = transpose (Array.mapi safe args) g
            if args[i].Args.Length = 0 || isWindows args[i] then
                part
            else
                maskedBy (read i) part

    /// The cotangent of an operand of something done to each of a batch of blocks, the last axes: masked where that of its block was.
    let ofBlocks (batch: int) (g: Expr) (part: Expr) : Expr =
        match unmasked null g with
        | struct (mask, _) when not (isNull mask) && not (isNull (chosen (nonNull mask))) ->
            let mask = nonNull mask
            let used = EinsumSpec.labels (g.Rank + part.Rank) |> String
            let into = used[.. batch - 1] + used[g.Rank .. g.Rank + part.Rank - batch - 1]
            maskedBy (inWhere (fun () -> along used[.. g.Rank - 1] into part.Shape mask g)) part
        | _ -> part

    /// The cotangents of factors and terms of a linear recurrence: masked where no step from there on passes anything.
    let ofRecurrence axis reverse (xs: Expr[]) (y: Expr) (vjp: Expr[] -> Expr -> (Expr | null)[]) (g: Expr) =
        match unmasked null g with
        | struct (mask, _) when not (isNull mask) && not (isNull (chosen (nonNull mask))) ->
            let reaches =
                inWhere (fun () ->
                    let one = Expr.Full(1.0, Shape.Scalar, g.DType)
                    positive (Recurrence.make "recurrence" axis (not reverse) one (passing (nonNull mask) g)))
            let a, b = xs[0], xs[1]
            let a = if a.Shape.IsScalar then a else maskedBy reaches a
            vjp [| a; b |] (maskedBy reaches y)
            |> Array.map (fun part ->
                match part with
                | null -> null
                | part when part.Shape.Equals y.Shape -> maskedBy reaches part
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
