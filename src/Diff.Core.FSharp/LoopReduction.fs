namespace Diff

/// A reduction that a loop can compute.
type internal LoopReduction =
    {
        Node: Expr
        /// The axes of the operand that it takes away, none of extent 1.
        Taken: int[]
        /// The other axes of the operand that are longer than 1.
        Kept: int[]
        /// Whether nothing stays behind the axes that it takes away.
        IsLast: bool
    }

[<RequireQualifiedAccess>]
module internal LoopReduction =
    // A row whose sum is used again is not cut among threads: it has to be short, or one of many.
    let private maxRow = 1 <<< 14
    let private manyRows = 16
    // A loop of more members than this gets no new axes.
    let private maxWidened = 40

    let isSum (r: LoopReduction) =
        match r.Node.Op with
        | Op.Einsum _ -> true
        | _ -> false

    let private takenAxes (node: Expr) : int[] =
        match node.Op with
        | Op.Einsum spec when
            spec.Inputs.Length = 1
            && DType.isFloat node.DType
            && View.isDistinct spec.Inputs[0]
            && Seq.forall (fun (c: char) -> spec.Inputs[0].Contains c) spec.Output
            && String.filter spec.Output.Contains spec.Inputs[0] = spec.Output
            ->
            View.longAxes node.Args[0].Shape
            |> Array.filter (fun k -> not (spec.Output.Contains(spec.Inputs[0][k])))
        | Op.Reduce(_, axes) when DType.isFloat node.DType ->
            View.longAxes node.Args[0].Shape
            |> Array.filter (fun k -> Array.contains k axes)
        | _ -> [||]

    /// The node as a reduction, if a loop can compute it: the axes it takes away lie together, last or before those that stay last.
    let tryMake (node: Expr) : LoopReduction voption =
        let taken = takenAxes node
        if taken.Length = 0 || node.Args[0].Shape.Length = 0 then
            ValueNone
        else
            let axes = View.longAxes node.Args[0].Shape
            let first, last = taken[0], taken[taken.Length - 1]
            let between = axes |> Array.filter (fun k -> k >= first && k <= last)
            let reduction =
                { Node = node
                  Taken = taken
                  Kept = axes |> Array.filter (fun k -> not (Array.contains k taken))
                  IsLast = (last = axes[axes.Length - 1] && between.Length = taken.Length) }
            if reduction.IsLast || (isSum reduction && between.Length = taken.Length) then
                ValueSome reduction
            else
                ValueNone

    /// The extents of the axes that it takes away.
    let extents (r: LoopReduction) =
        r.Taken |> Array.map (fun k -> r.Node.Args[0].Shape[k])

    /// The axes of the operand in a loop, given those of the result, and those that are taken away.
    let operandMap (r: LoopReduction) (map: int[]) (taken: int[]) : int[] =
        let result = Array.create r.Node.Args[0].Rank -1
        Array.iter2 (fun k own -> result[k] <- map[own]) r.Kept (View.longAxes r.Node.Shape)
        Array.iter2 (fun k axis -> result[k] <- axis) r.Taken taken
        result

    /// The axes of the result in a loop, given those of the operand.
    let resultMap (r: LoopReduction) (operandMap: int[]) : int[] =
        let own = Array.create r.Node.Rank -1
        Array.iter2 (fun k kept -> own[k] <- operandMap[kept]) (View.longAxes r.Node.Shape) r.Kept
        own

    /// The columns that the reduction would take in a loop; None if it does not fit, [] if they are new axes.
    let columns (r: LoopReduction) (unit: FusedUnit) (map: int[]) : int[] option =
        let extents = extents r
        let haveExtents axes =
            axes |> Array.map (fun axis -> unit.Extents[axis]) = extents
        let found axes =
            if haveExtents axes then Some axes else None
        if not unit.IsOpen then
            let rows = map |> Seq.filter (fun axis -> axis >= 0) |> Seq.length
            if rows = unit.Order.Length - unit.Columns.Length then
                found unit.Columns
            else
                None
        else
            let free = unit.Order |> Array.filter (fun axis -> not (Array.contains axis map))
            if free.Length > 0 then
                if unit.Order[unit.Order.Length - free.Length ..] = free then
                    found free
                else
                    None
            elif
                Array.fold (*) 1 extents >= FuseRules.minColumns
                && unit.Members.Count < maxWidened
            then
                Some [||]
            else
                None

    /// Whether a loop that uses the result at these axes may compute it.
    let mayJoin (r: LoopReduction) (unit: FusedUnit) (map: int[]) =
        r.IsLast
        && (Array.fold (*) 1 (extents r) <= maxRow || r.Node.Shape.Length >= manyRows)
        && unit.IsLoop
        && unit.Members.Count < FuseRules.maxMembers
        && FuseRules.typesFit unit.DType r.Node.DType
        && FuseRules.isAscending unit map
        && not (Array.exists (fun axis -> Array.contains axis unit.Columns) map)
        && (columns r unit map).IsSome

    /// Makes room for it in a loop that it may join: the columns, now decided.
    let takeColumns (r: LoopReduction) (unit: FusedUnit) (map: int[]) : int[] =
        let taken =
            match columns r unit map with
            | Some [||] ->
                let first = unit.Extents.Count
                unit.Extents.AddRange(extents r)
                let added = Array.init r.Taken.Length (fun k -> first + k)
                unit.Order <- Array.append unit.Order added
                added
            | Some taken -> taken
            | None -> invalidOp "fusion: a reduction that fitted no longer fits"
        unit.IsOpen <- false
        unit.Columns <- taken
        taken

    /// Decides the columns of a new loop over its operand: what is summed, or what stays behind it. A sum over everything leaves them open.
    let decideColumns (r: LoopReduction) (unit: FusedUnit) (operandMap: int[]) =
        if r.Kept.Length > 0 || not (isSum r) then
            let last = r.Taken[r.Taken.Length - 1]
            let axes =
                if r.IsLast then
                    r.Taken
                else
                    r.Kept |> Array.filter (fun k -> k > last)
            unit.IsOpen <- false
            unit.Columns <- axes |> Array.map (fun k -> operandMap[k])
