namespace Diff

open System.Collections.Generic
open Diff.Kernels

/// A loop of a plan: the program with its extents, and for each stream what it is.
type internal FusedLoop =
    {
        Kernel: LoopKernel
        Streams: StreamOf[]
        /// The first of the axes that are the columns.
        FirstColumn: int
        /// Extents of the axes that streams have strides for.
        Extents: int[]
        DType: DType
    }

/// From a fused unit to a loop over rows and columns.
[<RequireQualifiedAccess>]
module internal LoopBuild =
    let private typeOf (dtype: DType) : LoopType =
        LanguagePrimitives.EnumOfValue(byte dtype)

    // ---- The program ----------------------------------------------------------------------------------------------------

    let private load stream =
        LoopInstruction(LoopOp.Load, -1, -1, -1, -1, 0.0, stream)

    /// An operation on one value: a reduction, or one that writes to a stream.
    let private onValue op value stream =
        LoopInstruction(op, -1, value, -1, -1, 0.0, stream)

    let private apply name (operands: int[]) =
        let operand k =
            if k < operands.Length then operands[k] else -1
        LoopInstruction(LoopOp.Apply, LoopFunction.Find name, operand 0, operand 1, operand 2, 0.0, -1)

    let private code (f: LoopFrame) (streams: LoopStreams) firstColumn : LoopInstruction[] =
        let graph = f.Graph
        let columns = f.Unit.Order[firstColumn..]
        let code = List<LoopInstruction>()
        let emit instruction =
            code.Add instruction
            code.Count - 1
        let constant (value: float) =
            emit (LoopInstruction(LoopOp.Constant, -1, -1, -1, -1, value, -1))
        let loads = Array.create streams.All.Length -1
        let valueOf = Dictionary<int, int>()
        let operand (a: int) (stream: int) =
            if stream >= 0 then
                if loads[stream] < 0 then
                    loads[stream] <- emit (load stream)
                loads[stream]
            else
                match graph.Views[a].Base.Op with
                | Op.Const value -> constant value.AsFloat
                | _ -> valueOf[graph.BaseOf a]
        let coversColumns (map: int[]) =
            columns.Length = 0
            || map |> Array.exists (fun axis -> Array.contains axis columns)
        f.Members
        |> Array.iteri (fun m i ->
            let node = graph.Nodes[i]
            let result = streams.Results[m]
            let values = Array.map2 operand (graph.ReadsOf i) streams.Reads[m]
            let reduce op = emit (onValue op values[0] -1)
            let have value =
                valueOf[i] <- value
                if result >= 0 then
                    emit (onValue LoopOp.Store value result) |> ignore
            match node.Op with
            | _ when graph.IsView i -> have values[0]
            | Op.Elementwise fn -> have (emit (apply (Fn.name fn) values))
            | Op.Cast when node.DType = DType.Bool ->
                have (emit (apply "not_equal" [| values[0]; constant 0.0 |]))
            | Op.Cast -> have (emit (apply "where" [| values[0]; constant 1.0; constant 0.0 |]))
            | Op.Reduce(Extreme.Max, _) -> have (reduce LoopOp.Max)
            | Op.Reduce(Extreme.Min, _) -> have (reduce LoopOp.Min)
            | Op.Einsum _ ->
                let map, operandMap = f.Fuser.MapOf i, f.Fuser.OperandMapOf i
                let summed =
                    operandMap
                    |> Array.filter (fun axis -> axis >= 0 && not (Array.contains axis map))
                if not f.Unit.IsOpen && summed = columns then
                    have (reduce LoopOp.Sum)
                else
                    // Over rows too: added up from row to row.
                    let value =
                        if coversColumns operandMap && not (coversColumns map) then
                            reduce LoopOp.Sum
                        else
                            values[0]
                    emit (onValue LoopOp.Accumulate value result) |> ignore
            | op -> invalidOp $"fusion: {Formula.opText op} cannot stand in a loop")
        code.ToArray()

    // ---- Rows and what is around them -----------------------------------------------------------------------------------

    /// The axes around the columns: the last are the rows, the others are outer axes.
    let private rowsOf (around: int[]) : struct (int[] * nativeint) =
        if around.Length = 0 then
            struct ([||], 1n)
        else
            struct (around[.. around.Length - 2], nativeint around[around.Length - 1])

    /// How far a stream goes from row to row and along the outer axes, given its strides along the axes around the columns.
    let private stepsOf (dtype: DType) (strides: int[]) : LoopSteps =
        let bytes =
            strides
            |> Array.map (fun stride -> nativeint stride * nativeint (DType.size dtype))
        if bytes.Length = 0 then
            LoopSteps([||], 0n)
        else
            LoopSteps(bytes[.. bytes.Length - 2], bytes[bytes.Length - 1])

    let make (tier: Tier) (graph: PlanGraph) (fuser: Fuser) (unit: FusedUnit) : FusedLoop =
        let f = LoopStreams.frame graph fuser unit
        let streams = LoopStreams.make f
        let firstColumn = LoopStreams.firstColumn f streams.All
        let all = streams.All |> Array.map (LoopStreams.runnable f firstColumn)
        let laid = all |> Array.map (LoopStreams.laidStrides f firstColumn)
        let loopStream (stream: TypedStream) (strides: int[]) =
            let isPerRow = strides[firstColumn..] |> Array.forall ((=) 0)
            match LoopAxes.lineStep f.Extents strides firstColumn with
            | ValueSome step -> LoopStream(typeOf stream.DType, isPerRow, max 1 step)
            | ValueNone ->
                invalidOp
                    $"fusion: a loop over {Shape.Text f.Extents} cannot run along {Shape.Text strides} from axis {firstColumn}"
        let loopStreams = Array.map2 loopStream all laid
        let columns = f.Extents[firstColumn..] |> Array.fold (*) 1
        let code =
            LoopDivision.ByProducts(loopStreams, code f streams firstColumn, nativeint columns)
        let program = LoopProgram(typeOf f.DType, loopStreams, code)
        let struct (around, strides) =
            LoopAxes.collapse
                f.Extents[.. firstColumn - 1]
                (laid |> Array.map (fun s -> s[.. firstColumn - 1]))
        let struct (outer, rows) = rowsOf around
        let steps =
            Array.map2 (fun (stream: TypedStream) -> stepsOf stream.DType) all strides
        { Kernel = LoopKernel(program, outer, rows, nativeint columns, steps, tier)
          Streams = all |> Array.map (fun stream -> stream.Of)
          FirstColumn = firstColumn
          Extents = f.Extents
          DType = f.DType }

    /// target += source, along windows of two arrays.
    let addition
        (tier: Tier)
        (dtype: DType)
        (extents: int[])
        (source: Place)
        (from: int[])
        (target: Place)
        (into: int[])
        : MemoryStep =
        let struct (extents, strides) = LoopAxes.collapse extents [| from; into |]
        let rank = extents.Length
        // Elements apart from each other are rows of one column.
        let isLine = rank > 0 && (strides |> Array.forall (fun s -> s[rank - 1] = 1))
        let around = if isLine then rank - 1 else rank
        let columns = if isLine then extents[rank - 1] else 1
        let struct (outer, rows) = rowsOf extents[.. around - 1]
        let steps = strides |> Array.map (fun s -> stepsOf dtype s[.. around - 1])
        let program =
            LoopProgram(
                typeOf dtype,
                Array.create 3 (LoopStream(typeOf dtype, not (isLine || rank = 0))),
                [| load 0; load 1; apply "add" [| 0; 1 |]; onValue LoopOp.Store 2 2 |]
            )
        LoopMemoryStep(
            LoopKernel(program, outer, rows, nativeint columns, [| steps[0]; steps[1]; steps[1] |], tier),
            [| source; target; target |]
        )
