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

    /// The scope of masks that go back to a `where` of the caller's, within the scope of a derivative.
    let private ofWhere = "where"

    let private inWhere (make: unit -> 'T) : 'T =
        let outer = Scope.Current
        Graph.within (Scope.At(Scope.Under(outer, ofWhere), Scope.LineOf outer)) make

    /// Whether a condition is the caller's own, or goes back to one. Others come with a rule, as that of relu, or guard an operation.
    let private isChosen (condition: Expr) : bool =
        let rec named (scope: Scope | null) =
            match scope with
            | null -> ""
            | scope when scope.Name = "" -> named scope.Parent
            | scope -> scope.Name
        let rec top (scope: Scope | null) name =
            match scope with
            | null -> name
            | scope -> top scope.Parent (if scope.Name = "" then name else scope.Name)
        match condition.Op with
        | Op.StopGradient -> false
        | _ -> named condition.Scope = ofWhere || top condition.Scope "" <> "grad"

    let private both (mask: Expr | null) (also: Expr) : Expr =
        match mask with
        | null -> also
        | mask -> Expr.Map(Fn.And, [| mask; also |])

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

    /// The mask as numbers, 1 where something passes; what is repeated or laid out otherwise is so as numbers.
    let private passing (mask: Expr) dtype : Expr =
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

    let private positive (live: Expr) =
        Expr.Map(Fn.Greater, [| live; Expr.ZerosLike live |])

    /// A mask made of another: one that goes back to `where` if the other does.
    let private madeOf (mask: Expr) (make: unit -> 'T) : 'T =
        match chosen mask with
        | null -> make ()
        | _ -> inWhere make

    /// Where one of two masks lets pass.
    let private either (m: Expr) (n: Expr) : Expr =
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
    let private isEmbedded (g: Expr) =
        match g.Op with
        | Op.Embed _ -> isMasked g.Args[0]
        | _ -> false

    /// What a chain of masks lets pass: where all of `mask` and the chain's conditions hold, the value within. What lies among zeros
    /// is masked as it is within, and so are sums of that: they are made without a mask, since most of them end where none is needed.
    let rec private unmasked (mask: Expr | null) (g: Expr) : struct (Expr | null * Expr) =
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
            let mutable struct (m, sum) = unmasked null left
            for term in terms do
                match m, ofEmbedded term with
                | null, _
                | _, struct (null, _) -> m <- null
                | p, struct (q, value) ->
                    m <- either p q
                    sum <- sum + value
            match m with
            | null -> struct (mask, g)
            | m -> struct (both mask m, sum)
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

    let private maskedBy (mask: Expr | null) (value: Expr) : Expr =
        match mask with
        | null -> value
        | mask -> Expr.Map(Fn.Where, [| mask; value; Expr.ZerosLike value |])

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

    // Masks of more elements are looked at where the function runs.
    let private mostKnown = 1L <<< 18

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
                | Op.Variable _
                | Op.Loop _
                | Op.Branch _ -> isKnown <- false
                | _ -> isKnown <- elements <= mostKnown
                Array.iter waiting.Push e.Args
        isKnown
        && (let known = Reference.evaluate [| mask |]
            not (known[0].Span<bool>().Contains false))

    /// A mask that has the labels `from`, along the labels `into`: true where something passes at any index of the others. Null if all passes.
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
                    mask
                else
                    let dims = shared |> Seq.map (fun c -> mask.Shape[from.IndexOf c]) |> Array.ofSeq
                    positive (
                        Expr.Contract(
                            { Inputs = [| from |]; Output = shared },
                            [| passing mask dtype |],
                            Shape dims
                        )
                    )
            if isOpen compact then
                null
            elif shared = into then
                compact
            else
                Expr.Contract({ Inputs = [| shared |]; Output = into }, [| compact |], shape)

    /// A masked cotangent through the transpose of an operation that moves, repeats or sums elements: masked where all that an element
    /// is made of was. Among zeros it shows by what it is.
    let moved (transpose: Expr -> Expr) (g: Expr) : Expr =
        match unmasked null g with
        | struct (null, _) -> transpose g
        | struct (mask, _) ->
            let result = transpose g
            if isEmbedded result && obj.ReferenceEquals(result.Args[0], g) then
                result
            else
                maskedBy (madeOf mask (fun () -> positive (transpose (passing mask g.DType)))) result

    /// The same where the mask costs as much as the transpose does: only for masks that go back to `where`.
    let movedIfChosen (transpose: Expr -> Expr) (g: Expr) : Expr =
        match unmasked null g with
        | struct (null, _) -> transpose g
        | struct (mask, _) ->
            match chosen mask with
            | null -> transpose g
            | mask -> maskedBy (inWhere (fun () -> positive (transpose (passing mask g.DType)))) (transpose g)

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
                madeOf mask (fun () ->
                    along (String(Array.map snd kept)) (String labels) part.Shape g.DType mask)
            maskedBy rows part

    /// The cotangent of operand i of a product: no product is made of what only the branch not taken reads, which may be infinite there,
    /// and what only it read gets a masked cotangent. Windows of convolutions stay as they are: they are not to be stored.
    let ofProduct
        (spec: EinsumSpec)
        (i: int)
        (args: Expr[])
        (transpose: Expr[] -> Expr -> Expr)
        (g: Expr)
        : Expr =
        let chosen =
            match unmasked null g with
            | struct (null, _) -> null
            | struct (mask, _) -> chosen mask
        match chosen with
        | null -> transpose args g
        | mask ->
            let isWindow (x: Expr) =
                match x.Op with
                | Op.Unfold _ -> true
                | _ -> false
            let read k =
                inWhere (fun () -> along spec.Output spec.Inputs[k] args[k].Shape g.DType mask)
            let safe k (x: Expr) =
                match x.Op with
                | _ when k = i -> x
                | Op.Const _
                | Op.Unfold _ -> x
                | _ -> maskedBy (read k) x
            let part = transpose (Array.mapi safe args) g
            if args[i].Args.Length = 0 || isWindow args[i] then
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
            maskedBy (inWhere (fun () -> along used[.. g.Rank - 1] into part.Shape g.DType mask)) part
        | _ -> part

    /// The cotangents of factors and terms of a linear recurrence: masked where no step from there on passes anything.
    let ofRecurrence axis reverse (xs: Expr[]) (y: Expr) (vjp: Expr[] -> Expr -> (Expr | null)[]) (g: Expr) =
        match unmasked null g with
        | struct (mask, _) when not (isNull mask) && not (isNull (chosen (nonNull mask))) ->
            let reaches =
                inWhere (fun () ->
                    let one = Expr.Full(1.0, Shape.Scalar, g.DType)
                    positive (
                        Recurrence.make "recurrence" axis (not reverse) one (passing (nonNull mask) g.DType)
                    ))
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
