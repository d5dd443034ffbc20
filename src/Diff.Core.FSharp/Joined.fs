namespace Diff

open System.Collections.Generic

/// Where a node is computed within another one that it is copied to otherwise: so many bytes behind the first element, with these strides.
[<Struct>]
type internal Joined =
    { Whole: int
      Offset: int64
      Strides: int[] }

/// What a concatenation consists of, or a sum of arrays put into zeros that leave none (the derivative of slices), is computed there, so that
/// nothing is copied, if a loop or a product computes it. Where its rows do not follow one another there, all who read it have to go by rows
/// too. The whole lives from its first part on, as long as any. Roots have places of their own, and variables may still be read.
[<RequireQualifiedAccess>]
module internal Joined =
    // Loops that write past the caches begin at whole lines.
    let private streamed = 1L <<< 20

    // Each is looked at for each whole that the part could lie in.
    let private maxReaders = 64

    // A row costs who reads or writes it a start; from so many elements on that is less than the copy.
    let private leastRow = 64

    /// What an operand reshapes, if all of that lies in memory as the operand would: the node, and the strides that it has if these are the operand's.
    let private stored (graph: PlanGraph) a (strides: int[]) : struct (int * int[]) voption =
        let view, shape = graph.Views[a], graph.Nodes[a].Shape
        if not (graph.IsView a) then
            ValueSome(struct (a, strides))
        elif view.Base.Shape.Length = shape.Length && View.isContiguous shape view then
            match View.reshaped shape strides view.Base.Shape with
            | ValueSome strides -> ValueSome(struct (graph.BaseOf a, strides))
            | ValueNone -> ValueNone
        else
            ValueNone

    /// Whether a loop can run along what it reads or writes at these of its axes.
    let private runs (graph: PlanGraph) (fuser: Fuser) (unit: FusedUnit) (map: int[]) (strides: int[]) =
        let f = LoopStreams.frame graph fuser unit
        let first = f.Rank - (if unit.IsOpen then 1 else unit.Columns.Length)
        LoopAxes.lineStep f.Extents (f.Along map strides) first = ValueSome 1

    /// Those who read a node.
    let private usersOf (graph: PlanGraph) : List<int>[] =
        let users = Array.init graph.Count (fun _ -> List<int>())
        graph.Args
        |> Array.iteri (fun i args ->
            for a in Array.distinct args do
                users[a].Add i)
        users

    /// Where nodes are computed within others, and the graph told of it.
    let find (graph: PlanGraph) (terms: Terms) (fuser: Fuser) (targets: Target[]) : Joined voption[] =
        let variables =
            Array.zip graph.Roots targets
            |> Seq.choose (function
                | r, Target.Into _ -> Some r
                | _ -> None)
            |> HashSet
        let parts: Joined voption[] = Array.create graph.Count ValueNone
        let nodes = graph.Nodes
        let users = lazy usersOf graph

        /// Whether a step computes the node wherever it is to lie.
        let isComputedAnywhere a =
            match fuser.UnitOf a with
            | null -> false
            | unit -> unit.IsLoop || terms.IsSum a || nodes[a].Op.IsConcat || Terms.IsProduct nodes[a]

        /// Whether a step writes the node by rows that do not follow one another.
        let isWrittenByRows a strides =
            match fuser.UnitOf a with
            | null -> false
            | unit when unit.IsLoop -> runs graph fuser unit (fuser.MapOf a) strides
            | _ ->
                (terms.Parts a).IsSome
                || Array.forall
                    (fun t -> Terms.IsProduct nodes[t])
                    (if terms.IsSum a then terms.Of a else [| a |])

        /// Whether views of the node stay views where its rows do not follow one another.
        let keepsRows i =
            match nodes[i].Op with
            | Op.Reshape -> (View.squeezed nodes[i].Args[0].Shape nodes[i].Shape).IsSome
            | _ -> true

        /// Whether all who read the node can do so by rows.
        let isReadByRows a strides =
            let waiting = Stack<int>()
            let mutable fits = true
            let visit i =
                let readers = users.Value[i]
                fits <- fits && readers.Count <= maxReaders
                for user in (if fits then readers else List<int>()) do
                    if graph.IsView user then
                        // One that is wanted as an array is copied, by a loop that has its axes.
                        fits <- fits && not (graph.IsRoot user) && keepsRows user
                        waiting.Push user
                    else
                        let takesRows =
                            terms.IsTerm user
                            || Terms.IsProduct nodes[user]
                            || nodes[user].Op.IsEmbed
                            || nodes[user].Op.IsConcat
                            || (match fuser.UnitOf user with
                                | null -> false
                                | unit ->
                                    unit.IsLoop
                                    && (i <> a || runs graph fuser unit (fuser.OperandMapOf user) strides))
                        fits <- fits && takesRows
            visit a
            while fits && waiting.Count > 0 do
                visit (waiting.Pop())
            fits

        let isAligned a offset (strides: int[]) isWhole =
            let size = int64 (DType.size nodes[a].DType)
            let isLine n = n % 64L = 0L
            graph.BytesOf a < streamed
            || (isLine offset
                && (isWhole
                    || Seq.forall2
                        (fun n stride -> n = 1 || stride = 1 || isLine (int64 stride * size))
                        nodes[a].Shape.Dims
                        strides))

        let mayBe a offset strides =
            parts[a].IsNone
            && not (graph.IsRoot a)
            && not (terms.IsTerm a)
            && isComputedAnywhere a
            && (let n = View.row nodes[a].Shape strides
                let isWhole = (n = nodes[a].Shape.Length)
                isAligned a offset strides isWhole
                && (isWhole
                    || (n >= leastRow && isWrittenByRows a strides && isReadByRows a strides)))

        let mutable hasRows = false
        // What is within another is laid out after that.
        for c in graph.Count - 1 .. -1 .. 0 do
            match terms.Parts c with
            | ValueSome found when not (variables.Contains c) && not (terms.IsTerm c) ->
                let own =
                    match parts[c] with
                    | ValueSome part -> part.Strides
                    | ValueNone -> Shape.strides nodes[c].Shape.Dims
                for part in found do
                    let start =
                        Array.fold2 (fun sum start stride -> sum + start * stride) 0 part.Starts own
                    let offset = int64 start * int64 (DType.size nodes[c].DType)
                    match stored graph part.Of (Array.map2 (*) part.Steps own) with
                    | ValueSome(struct (a, strides)) when mayBe a offset strides ->
                        hasRows <- hasRows || View.row nodes[a].Shape strides < nodes[a].Shape.Length
                        parts[a] <-
                            ValueSome
                                { Whole = c
                                  Offset = offset
                                  Strides = strides }
                    | _ -> ()
            | _ -> ()
        if hasRows then
            graph.LayOut(fun i -> parts[i] |> ValueOption.map _.Strides)
        parts
