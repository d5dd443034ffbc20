namespace Diff

open System
open System.Collections.Generic

/// Masks in cotangents. A condition of `where` that the caller chose is told from those that come with rules; a mask is found in a cotangent, written
/// there or not.
[<RequireQualifiedAccess>]
module internal Mask =
    /// Nodes of masks that go back to a `where` of the caller's.
    let inWhere (make: unit -> 'T) : 'T =
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

    /// The conditions among those of a mask that are chosen: null if none is.
    let chosen (mask: Expr) : Expr | null =
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

    /// The mask as numbers, 1 where something passes; what is repeated or laid out otherwise is so as numbers.
    let passing (mask: Expr) dtype : Expr =
        let layouts = Stack<Expr>()
        let mutable inner = mask
        while (match inner.Op with
               | Op.Reshape -> true
               | Op.Einsum spec -> spec.Inputs.Length = 1
               | _ -> false) do
            layouts.Push inner
            inner <- inner.Args[0]
        let mutable numbers = Expr(Op.Cast, [| inner |], inner.Shape, dtype)
        for layout in layouts do
            numbers <- Expr(layout.Op, [| numbers |], layout.Shape, dtype)
        numbers

    /// Where numbers of what passes are above 0.
    let positive (live: Expr) =
        Expr.Map(Fn.Greater, [| live; Expr.ZerosLike live |])

    /// A mask made of another: one that goes back to `where` if the other does.
    let madeOf (mask: Expr) (make: unit -> 'T) : 'T =
        match chosen mask with
        | null -> make ()
        | _ -> inWhere make

    /// Where one of two masks lets pass.
    let either (m: Expr) (n: Expr) : Expr =
        let join (m: Expr) (n: Expr) = Expr.Map(Fn.Or, [| m; n |])
        match chosen m, chosen n with
        | null, _
        | _, null -> join m n
        | p, q when obj.ReferenceEquals(p, m) && obj.ReferenceEquals(q, n) -> inWhere (fun () -> join m n)
        // What is chosen on both sides stays so, beside what is not.
        | p, q -> both (inWhere (fun () -> join p q)) (join m n)

    let private isMasked (g: Expr) =
        match g.Op with
        | Op.Elementwise Fn.Where -> isZero g.Args[1] || isZero g.Args[2]
        | _ -> false

    /// Whether something masked lies among zeros.
    let isEmbedded (g: Expr) =
        match g.Op with
        | Op.Embed _ -> isMasked g.Args[0]
        | _ -> false

    /// What a chain of masks lets pass: where all of `mask` and the chain's conditions hold, the value within. What lies among zeros
    /// is masked as it is within, and so are sums of that: they are made without a mask, since most of them end where none is needed.
    let rec unmasked (mask: Expr | null) (g: Expr) : struct (Expr | null * Expr) =
        match g.Op with
        | Op.Elementwise Fn.Where when isZero g.Args[2] -> unmasked (both mask g.Args[0]) g.Args[1]
        | Op.Elementwise Fn.Where when isZero g.Args[1] ->
            let opposite () = Expr.Map(Fn.Not, [| g.Args[0] |])
            let condition = if isChosen g.Args[0] then inWhere opposite else opposite ()
            unmasked (both mask condition) g.Args[2]
        | Op.Embed _ ->
            match ofEmbedded g with
            | struct (null, _) -> struct (mask, g)
            | struct (within, value) -> struct (both mask within, value)
        | Op.Elementwise Fn.Add when isEmbedded g.Args[1] ->
            let terms = Stack<Expr>()
            let mutable left = g
            while left.Op = Op.Elementwise Fn.Add && isEmbedded left.Args[1] do
                terms.Push left.Args[1]
                left <- left.Args[0]
            let mutable struct (m, _) = unmasked null left
            for term in terms do
                match m, ofEmbedded term with
                | null, _
                | _, struct (null, _) -> m <- null
                | p, struct (q, _) -> m <- either p q
            // Each term stays masked as it is: one mask lets pass what another's does not.
            match m with
            | null -> struct (mask, g)
            | m -> struct (both mask m, g)
        | _ -> struct (mask, g)

    and private ofEmbedded (g: Expr) : struct (Expr | null * Expr) =
        match
            (if isMasked g.Args[0] then
                 unmasked null g.Args[0]
             else
                 struct (null, g))
        with
        | struct (null, _) -> struct (null, g)
        | struct (mask, within) ->
            let embed (x: Expr) = Expr(g.Op, [| x |], g.Shape, x.DType)
            struct (madeOf mask (fun () -> positive (embed (passing mask within.DType))), embed within)

    /// A value where a mask lets it pass, else 0.
    let maskedBy (mask: Expr | null) (value: Expr) : Expr =
        match mask with
        | null -> value
        | mask -> Expr.Map(Fn.Where, [| mask; value; Expr.ZerosLike value |])

    let private sameMask (a: Expr) (b: Expr) =
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
        if isEmbedded b then
            a + b
        else
            match unmasked null a, unmasked null b with
            | struct (null, _), _
            | _, struct (null, _) -> a + b
            | struct (m, x), struct (n, y) when sameMask m n -> maskedBy m (x + y)
            | struct (m, x), struct (n, y) when isNot n m -> Expr.Map(Fn.Where, [| m; x; y |])
            | struct (m, x), struct (n, y) when isNot m n -> Expr.Map(Fn.Where, [| n; y; x |])
            | struct (m, _), struct (n, _) -> maskedBy (either m n) (a + b)

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
        let own =
            labels |> Seq.distinct |> Seq.filter kept.Contains |> Array.ofSeq |> String
        let dims = own |> Seq.map (fun c -> x.Shape[labels.IndexOf c]) |> Array.ofSeq
        own, Expr.Contract({ Inputs = [| labels |]; Output = own }, [| x |], Shape dims)

    /// Numbers of windows added up. Where all windows have the same, every element has all of these: they are not repeated for that.
    let folded axis extent step dilation (numbers: Expr) : Expr =
        let sums = Unfold.fold axis extent step dilation numbers
        match numbers.Op with
        | Op.Einsum spec when
            sums.Op.IsFold
            && numbers.Args.Length = 1
            && not (spec.Inputs[0].Contains spec.Output[axis])
            ->
            Expr.Contract(
                { spec with
                    Output = spec.Output.Remove(axis + 1, 1) },
                numbers.Args,
                sums.Shape
            )
        | _ -> sums

    // A mask lies near. Long chains and sums are not looked through again for each of their nodes.
    let private mostSteps, mostNodes = 64, 512

    /// Numbers above 0 where something of a cotangent passes a chosen mask; null if it has none. The mask is looked for below operations that
    /// move and add up elements, and below one product, in which one masked factor is enough.
    let reach (g: Expr) : Expr | null =
        let region, seen = List<Expr>(), NodeMap<bool>()
        let masks = NodeMap<Expr | null>()
        let waiting = Stack<struct (Expr * bool * int)>([ struct (g, false, 0) ])
        let mutable isMasked = true
        while isMasked && waiting.Count > 0 do
            let struct (e, isFactor, steps) = waiting.Pop()
            if not seen[e] then
                seen[e] <- true
                let below (args: Expr seq) isFactor steps =
                    region.Add e
                    for a in args do
                        waiting.Push(struct (a, isFactor, steps))
                match e.Op with
                | _ when isZero e -> region.Add e
                | _ when region.Count = mostNodes -> isMasked <- false
                | Op.Elementwise Fn.Where ->
                    let struct (mask, _) = unmasked null e
                    masks[e] <- if isNull mask then null else chosen (nonNull mask)
                    region.Add e
                    isMasked <- isFactor || not (isNull masks[e])
                | Op.Elementwise Fn.Add when not isFactor -> below e.Args false steps
                | _ when steps = mostSteps -> isMasked <- isFactor
                | Op.Elementwise Fn.Add -> below e.Args true (steps + 1)
                | Op.Einsum spec when spec.Inputs.Length > 1 && not isFactor -> below e.Args true steps
                | op when isOfFirst op -> below e.Args[..0] isFactor (steps + 1)
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
                    | mask -> passing mask e.DType
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
                            // As 0 and 1: counts of counts may be infinite, and 0·∞ lets nothing pass.
                            | n -> Some(summed spec.Output labels (passing (positive n) n.DType)))
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
                    numbers[e] <- ofNode e)
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
        inWhere (fun () -> passing mask like.DType)
