namespace Diff

/// Scans along trees, from the roots on.
[<AutoOpen; System.ComponentModel.EditorBrowsable(System.ComponentModel.EditorBrowsableState.Never)>]
module TreeScans =
    /// How many others are above each place, without recursion.
    let private depths (parents: int[]) : int[] =
        let depths = Array.create parents.Length -1
        for i in 0 .. parents.Length - 1 do
            let mutable above = []
            let mutable at = i
            while at >= 0 && depths[at] < 0 do
                if above.Length >= parents.Length then
                    invalidArg "parents" $"scan_tree: expected trees, but {i} is below itself"
                above <- at :: above
                at <- parents[at]
            let first = if at < 0 then 0 else depths[at] + 1
            above |> List.iteri (fun k place -> depths[place] <- first + k)
        depths

    /// A scan along trees from their roots: slab i of the result is `combine` of the result at parents[i] and of slab i of x; where the parent is −1, slab i
    /// itself. `combine` gets all slabs of one depth at once, stacked along a leading axis: parents' results, then slabs of x, and gives as many
    /// of their shape. With matmul, it places the parts of a body that hang on each other.
    let scanTree (parents: int list) (combine: Expr -> Expr -> Expr) (x: Expr) : Expr =
        let n = parents.Length
        if x.Rank = 0 || x.Shape[0] <> n then
            raise (
                ShapeException
                    $"scan_tree: expected a leading axis of {n}, one slab for each parent, got shape {x.Shape}"
            )
        for parent in parents do
            if parent < -1 || parent >= n then
                invalidArg "parents" $"scan_tree: expected parents of -1 (a root) to {n - 1}, got {parent}"
        let parents = Array.ofList parents
        // Results are made by depth; places says which slab has which number then.
        let order = depths parents |> Array.indexed |> Array.groupBy snd |> Array.sortBy fst
        let places = Array.zeroCreate n
        order
        |> Array.collect (snd >> Array.map fst)
        |> Array.iteri (fun place slab -> places[slab] <- place)
        let deeper (above: Expr | null) (_, slabs) : Expr | null =
            let slabs = slabs |> Array.map fst |> List.ofArray
            let own = gatherAt 0 slabs x
            match above with
            | null -> own
            | above ->
                let next =
                    combine (gatherAt 0 (slabs |> List.map (fun i -> places[parents[i]])) above) own
                if not (next.Shape.Equals own.Shape) || next.DType <> own.DType then
                    raise (
                        ShapeException
                            $"scan_tree: combine gives {DType.name next.DType} of shape {next.Shape} of slabs of {DType.name own.DType} of shape {own.Shape}; it has to keep them"
                    )
                concat 0 [ above; next ]
        match Array.fold deeper null order with
        | null -> x
        | results -> gatherAt 0 (List.ofArray places) results
