namespace Diff

open System
open System.Collections.Generic

/// Rewriting of contractions: contractions of contractions become one, and one of many operands becomes a sequence of products.
[<RequireQualifiedAccess>]
module internal Contraction =
    /// How often each node is an argument or a root.
    let countUses (nodes: Expr[]) (roots: Expr[]) : NodeMap<int> =
        let uses = NodeMap<int>()
        let count (e: Expr) = uses[e] <- uses[e] + 1
        Array.iter count roots
        for node in nodes do
            Array.iter count node.Args
        uses

    let private isPermutation (a: string) (b: string) =
        a.Length = b.Length
        && Seq.distinct a |> Seq.length = a.Length
        && Seq.forall (fun (c: char) -> b.Contains c) a

    /// Identities of a single contraction: the identity itself, and constant operands.
    let simplify (spec: EinsumSpec) (e: Expr) : Expr =
        if
            spec.Inputs.Length = 1
            && spec.Inputs[0] = spec.Output
            && Seq.distinct spec.Output |> Seq.length = spec.Output.Length
        then
            e.Args[0]
        else
            match
                Array.tryFindIndex
                    (fun (a: Expr) ->
                        match a.Op with
                        | Op.Const _ -> true
                        | _ -> false)
                    e.Args
            with
            | None -> e
            | Some k ->
                let sizes = Einsum.sizes spec e
                // A constant operand leaves; the labels that only it has are summed, giving their extent as a factor.
                let rest = Array.removeAt k spec.Inputs
                let lost =
                    spec.Inputs[k]
                    |> Seq.distinct
                    |> Seq.filter (fun c ->
                        not (spec.Output.Contains c)
                        && not (rest |> Array.exists (fun s -> s.Contains c)))
                    |> Seq.fold (fun n c -> n * sizes[c]) 1
                match e.Args[k].Op with
                | Op.Const c when
                    rest.Length = 0 && Seq.distinct spec.Output |> Seq.length = spec.Output.Length
                    ->
                    let total =
                        if not (DType.isFloat c.DType) then
                            Scalar.cast
                                c.DType
                                { DType = DType.Int64
                                  Bits = c.Bits * int64 lost } // wraps around, as the sum does
                        else
                            Scalar.ofFloat c.DType (if lost = 0 then 0.0 else c.AsFloat * float lost)
                    Expr.Const(total, e.Shape)
                | Op.Const c when rest.Length > 0 && c.AsFloat = 1.0 && lost = 1 ->
                    Expr.Contract({ spec with Inputs = rest }, Array.removeAt k e.Args, e.Shape)
                | _ -> e

    /// The labels of `inner`, whose output has each label once, written in those of the place it takes: its output becomes
    /// `place`, its other labels become new ones.
    let private rename (place: string) (inner: EinsumSpec) (used: HashSet<char>) : string[] =
        let names = Dictionary<char, char>()
        Seq.iter2 (fun inside outside -> names[inside] <- outside) inner.Output place
        let fresh = (EinsumSpec.freshLabels used).GetEnumerator()
        let name c =
            match names.TryGetValue c with
            | true, known -> known
            | _ ->
                fresh.MoveNext() |> ignore
                names[c] <- fresh.Current
                used.Add fresh.Current |> ignore
                fresh.Current
        inner.Inputs |> Array.map (String.map name)

    /// Takes the operands of an operand that is itself a contraction into this one, where that repeats no work:
    /// when nobody else uses it, or when it only permutes and repeats.
    let absorb (uses: NodeMap<int>) (keep: int64) (e: Expr) : Expr =
        let isFree (a: Expr) (inner: EinsumSpec) =
            let unary = inner.Inputs.Length = 1
            let summed = inner.Inputs[0] |> Seq.exists (fun c -> not (inner.Output.Contains c))
            a.Id > keep
            && ((unary && not summed) || (uses[a] <= 1 && (unary || e.Args.Length = 1)))
            && Seq.distinct inner.Output |> Seq.length = inner.Output.Length
        match e.Op with
        | Op.Einsum spec ->
            let inner (k: int) (a: Expr) =
                match a.Op with
                | Op.Einsum inner when isFree a inner -> Some(k, inner)
                | _ -> None
            match e.Args |> Seq.mapi inner |> Seq.tryPick id with
            | Some(k, inner) ->
                let used = HashSet<char>(String.Join("", spec.Inputs) + spec.Output)
                let merged =
                    Array.concat
                        [ spec.Inputs[.. k - 1]
                          rename spec.Inputs[k] inner used
                          spec.Inputs[k + 1 ..] ]
                // Labels that only the inner output had must still get their extent: from the outer output,
                // or from another operand. If they are summed outside, the sum of equal terms would lose its count.
                let isLost c =
                    not (spec.Output.Contains(c: char))
                    && not (merged |> Array.exists (fun s -> s.Contains c))
                if Seq.exists isLost spec.Inputs[k] then
                    e
                else
                    let args = Array.concat [ e.Args[.. k - 1]; e.Args[k].Args; e.Args[k + 1 ..] ]
                    Expr.Contract({ spec with Inputs = merged }, args, e.Shape)
            | None -> e
        | _ -> e

    // ---- Lowering: what the kernels are given ------------------------------------------------------------------------

    let private unary (axes: string) (output: string) (sizes: Dictionary<char, int>) (x: Expr) =
        if axes = output then
            x
        else
            Expr.Contract(
                { Inputs = [| axes |]; Output = output },
                [| x |],
                Shape(output.ToCharArray() |> Array.map (fun c -> sizes[c]))
            )

    /// A product of two in the words that all such products have, so that equal ones are seen to be equal: the older operand first,
    /// labels in the order in which they appear.
    let private product (a: string) (x: Expr) (b: string) (y: Expr) (output: string) (shape: Shape) : Expr =
        let struct (a, x, b, y) =
            if x.Id <= y.Id then
                struct (a, x, b, y)
            else
                struct (b, y, a, x)
        let labels = EinsumSpec.labels (a.Length + b.Length + output.Length)
        let names = Dictionary<char, char>()
        let rename =
            String.map (fun c ->
                match names.TryGetValue c with
                | true, name -> name
                | _ ->
                    names[c] <- labels[names.Count]
                    names[c])
        let a, b = rename a, rename b
        Expr.Contract(
            { Inputs = [| a; b |]
              Output = rename output },
            [| x; y |],
            shape
        )

    /// A contraction as unary ones (sums and diagonals of one operand, at the end repetition) and products of two, in the order that
    /// multiplies least. Sums of windows of products become products with windows.
    let lower (e: Expr) : Expr =
        match e.Op with
        | Op.Einsum spec when e.Args.Length > 1 && not (Einsum.isMatrixProduct spec e) && Einsum.isComputed e ->
            let sizes = Einsum.sizes spec e
            let terms = List<struct (string * Expr)>()
            // First what one operand has for itself: repeated labels become diagonals, private labels are summed.
            spec.Inputs
            |> Array.iteri (fun k axes ->
                let others = String.Join("", Array.removeAt k spec.Inputs) + spec.Output
                let kept =
                    axes
                    |> Seq.distinct
                    |> Seq.filter (fun c -> others.Contains c)
                    |> Array.ofSeq
                    |> String
                terms.Add(struct (kept, unary axes kept sizes e.Args[k])))
            let text (struct (axes: string, _: Expr)) = axes
            let order =
                ContractionOrder.pairs (Seq.map text terms |> Array.ofSeq) spec.Output (fun c ->
                    float sizes[c])
            let waiting = HashSet<int>(seq { 0 .. terms.Count - 1 })
            for struct (i, j) in order do
                waiting.Remove i |> ignore
                waiting.Remove j |> ignore
                let struct (a, x), struct (b, y) = terms[i], terms[j]
                let rest =
                    spec.Output + String.Join("", waiting |> Seq.map (fun k -> text terms[k]))
                let kept =
                    Seq.distinct (a + b)
                    |> Seq.filter (fun c -> rest.Contains c)
                    |> Array.ofSeq
                    |> String
                // The last product takes the output's own order of axes if it can.
                let output =
                    if waiting.Count = 0 && isPermutation kept spec.Output then
                        spec.Output
                    else
                        kept
                let shape = Shape(output.ToCharArray() |> Array.map (fun c -> sizes[c]))
                terms.Add(struct (output, product a x b y output shape))
                waiting.Add(terms.Count - 1) |> ignore
            let struct (axes, result) = terms[terms.Count - 1]
            unary axes spec.Output sizes result
        | Op.Einsum _ when e.Args.Length = 1 -> WindowSums.lower e
        | Op.Fold _
        | Op.Slice _ -> Overlap.lower e
        | _ -> e
