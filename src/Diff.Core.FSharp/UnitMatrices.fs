namespace Diff

open System

/// All unit arrays of a shape at once, as directions for many derivatives.
[<RequireQualifiedAccess>]
module internal UnitMatrices =
    /// The unit arrays of a shape, stacked: ones on the diagonal of a matrix of zeros, whose rows have that shape.
    let make (shape: Shape) (dtype: DType) : Expr =
        let n = shape.Length
        let stacked = Stack.shape n shape
        let ones = Expr.Full(1.0, Shape [| n |], dtype)
        let diagonal =
            Window.embed [| 0 |] [| n + 1 |] (Shape [| n * n |]) ones
            |> Reshape.make stacked
        // Small ones are there before anything runs.
        if stacked.Length <= 65536 then
            Leaf.literal (Reference.evaluate [| diagonal |] |> Array.head)
        else
            diagonal

    /// Products with a unit matrix as its other factors: Σⱼ δᵢⱼ·fⱼ is fᵢ. Only for unit matrices that are directions, of which each
    /// row stands for itself; what another row's zero would have made of an infinite factor is not asked.
    let absorb (units: Expr) (roots: Expr[]) : Expr[] =
        let nodes = Graph.since units.Id roots
        // What a node multiplies the unit matrix by, index by index.
        let scale = NodeMap<Expr | null>()
        scale[units] <- Expr.OnesLike units
        let onDiagonal = Elementwise.makeCast DType.Bool units
        let without (spec: EinsumSpec) (k: int) (e: Expr) : Expr =
            let i, j = spec.Inputs[k][0], spec.Inputs[k][1]
            let rest = Array.removeAt k spec.Inputs
            let isElsewhere (c: char) =
                rest |> Array.exists (fun s -> s.Contains c)
            let bothStay = spec.Output.Contains i && spec.Output.Contains j
            if i = j || bothStay || not (isElsewhere i || isElsewhere j) then
                e
            else
                let struct (kept: char, gone: char) =
                    if spec.Output.Contains j then
                        struct (j, i)
                    else
                        struct (i, j)
                let inputs = rest |> Array.map (fun s -> s.Replace(gone, kept))
                Expr.Contract({ spec with Inputs = inputs }, Array.removeAt k e.Args, e.Shape)
        let contraction (spec: EinsumSpec) (e: Expr) : Expr =
            match e.Args |> Array.tryFindIndex (fun a -> not (isNull scale[a])) with
            | Some k when e.Args[k].Rank = 2 ->
                let factor = nonNull scale[e.Args[k]]
                let inputs = Array.append spec.Inputs [| spec.Inputs[k] |]
                let wide = { spec with Inputs = inputs }
                let args = Array.append (Array.updateAt k units e.Args) [| factor |]
                let found = without wide k (Expr.Contract(wide, args, e.Shape))
                if found.Args.Length = args.Length then e else found
            | _ -> e
        let scaled (fn: Fn) (node: Expr) : Expr | null =
            match fn, node.Args with
            | Fn.Neg, [| a |] ->
                match scale[a] with
                | null -> null
                | f -> -f
            | Fn.Mul, [| a; b |] ->
                match scale[a], scale[b] with
                | null, null -> null
                | null, f -> a * nonNull f
                | f, _ -> f * b
            | (Fn.Add | Fn.Sub), [| a; b |] ->
                match scale[a], scale[b] with
                | null, _
                | _, null -> null
                | f, g -> Expr.Map(fn, [| f; g |])
            | _ -> null
        let replace (_: Expr) (node: Expr) =
            match node.Op with
            | Op.Elementwise fn ->
                match scaled fn node with
                | null -> node
                | factor ->
                    // Where nothing absorbs it, the factor stands on the diagonal alone: it may be infinite, and 0 times it would be NaN.
                    let alone = Expr.Map(Fn.Where, [| onDiagonal; factor; Expr.ZerosLike factor |])
                    scale[alone] <- factor
                    alone
            | Op.Einsum spec -> Graph.within node.Scope (fun () -> contraction spec node)
            | _ -> node
        Graph.rebuild replace nodes roots
