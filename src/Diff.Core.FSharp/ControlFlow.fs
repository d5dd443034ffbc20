namespace Diff

open System

/// How a loop is done. Immutable.
[<Sealed>]
type LoopOptions private (length: int voption, reverse: bool, maxIterations: int64, maxRecordBytes: int64) =
    /// Forwards, as many iterations as there are slices, no limit but that of an int32, and 1 GiB for the states that derivatives need.
    static member val Default = LoopOptions(ValueNone, false, int64 (Int32.MaxValue - 1), 1L <<< 30)
    member internal _.Length = length
    /// Whether a scan goes from the last slice to the first.
    member _.IsReversed = reverse
    /// The most iterations of a loop with a condition.
    member _.MaxIterations = maxIterations
    /// The memory that a derivative may take for the states before each iteration.
    member _.MaxRecordBytes = maxRecordBytes
    /// The same with a number of iterations: of a scan that has nothing to slice.
    member _.WithLength(length: int) : LoopOptions =
        if length < 0 then
            invalidArg "length" $"WithLength: expected at least 0, got {length}"
        LoopOptions(ValueSome length, reverse, maxIterations, maxRecordBytes)
    /// The same from the last slice to the first; slices and results keep their order.
    member _.Reversed() : LoopOptions =
        LoopOptions(length, true, maxIterations, maxRecordBytes)
    /// The same with a limit: a condition that still holds after so many iterations is an `IterationLimitException`.
    member _.WithMaxIterations(count: int64) : LoopOptions =
        if count < 0L then
            invalidArg "count" $"WithMaxIterations: expected at least 0, got {count}"
        LoopOptions(length, reverse, count, maxRecordBytes)
    /// The same with a bound for the memory that a derivative may take for the states before each iteration. Where they need more, some are
    /// kept and the others computed again from them, which takes one more pass.
    member _.WithMaxRecordBytes(bytes: int64) : LoopOptions =
        if bytes < 0L then
            invalidArg "bytes" $"WithMaxRecordBytes: expected at least 0, got {bytes}"
        LoopOptions(length, reverse, maxIterations, bytes)

/// Loops and branches as operations: the graph has one node for them, however many iterations there are, and derivatives of every order.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module ControlFlow =
    let private typeText (e: Expr) =
        $"shape {e.Shape}, {DType.name e.DType}"

    /// Checks that what a body gives for its state is like the state.
    let private checkCarry operation (init: Expr[]) (next: Expr[]) =
        if next.Length <> init.Length then
            invalidArg
                "body"
                $"{operation}: the state has {init.Length} parts at first, but the body gives {next.Length}; give each of them, changed or not"
        for k in 0 .. init.Length - 1 do
            if next[k].DType <> init[k].DType then
                raise (
                    DTypeException
                        $"{operation}: part {k} of the state is {DType.name init[k].DType} at first, but the body gives {DType.name next[k].DType}; cast one of them"
                )
            if not (next[k].Shape.Equals init[k].Shape) then
                raise (
                    ShapeException
                        $"{operation}: part {k} of the state has shape {init[k].Shape} at first, but the body gives shape {next[k].Shape}; a state keeps its shape, so start with that shape, or reduce or broadcast in the body"
                )

    let private simple (body: Body) =
        Body(body.Inputs, Simplify.run body.Outputs)

    let private sweepOf reverse (init: Expr[]) (feeds: Feed[]) (captured: Expr[]) (first: int) (body: Body) =
        let feeds =
            Array.append feeds (captured |> Array.mapi (fun k _ -> Feed.Whole(first + k)))
        let struct (feeds, body) = Bodies.trimmed feeds (simple body)
        Sweep(reverse, [| 0 .. init.Length - 1 |], feeds, body, true)

    let private holes name (like: Expr[]) =
        like |> Array.mapi (fun k e -> Leaf.input $"{name}{k}" e.Shape e.DType)

    /// How many slices the xs have.
    let private lengthOf (options: LoopOptions) (xs: Expr[]) =
        for k in 0 .. xs.Length - 1 do
            if xs[k].Rank = 0 then
                raise (
                    ShapeException
                        $"scan: xs have slices along their leading axis, but part {k} is a scalar; capture it, or broadcast it"
                )
        let given = xs |> Array.map (fun x -> x.Shape[0]) |> Array.distinct
        match given, options.Length with
        | [||], ValueNone ->
            invalidArg
                "options"
                "scan: without xs the number of iterations is not known; give it: LoopOptions.Default.WithLength"
        | [||], ValueSome n -> n
        | [| n |], ValueNone -> n
        | [| n |], ValueSome m when n = m -> n
        | [| n |], ValueSome m ->
            invalidArg
                "options"
                $"scan: the length is to be {m}, but xs have {n} slices; leave the length out"
        | several, _ ->
            let shapes = String.Join(", ", xs |> Array.map (fun x -> string x.Shape))
            raise (
                ShapeException
                    $"scan: xs of shapes {shapes} have {Shape.Text several} slices along their leading axes; they need equally many"
            )

    /// What depends on slices alone and multiplies matrices, x_t·W say, is done for all iterations at once before the loop, where it is not
    /// much larger than the state: the new slices, their holes, and the body with these.
    let private hoisted
        n
        (carry: Expr[])
        (slices: Expr[])
        (xs: Expr[])
        (outputs: Expr[])
        : struct (Expr[] * Expr[] * Expr[]) =
        let nodes = Graph.topological outputs
        let ofCarry, ofSlices = Graph.dependents carry nodes, Graph.dependents slices nodes
        let multiplies, isRefused = NodeMap<bool>(), NodeMap<bool>()
        for node in nodes do
            let anyOf (marked: NodeMap<bool>) =
                node.Args |> Array.exists (fun a -> ofSlices[a] && marked[a])
            match node.Op with
            | Op.Einsum spec when spec.Inputs.Length > 1 ->
                multiplies[node] <- true
                isRefused[node] <- anyOf isRefused
            | Op.Custom _ // done for each slice by itself
            | Op.Call _
            | Op.Loop _
            | Op.Branch _ -> isRefused[node] <- true
            | _ ->
                multiplies[node] <- anyOf multiplies
                isRefused[node] <- anyOf isRefused
        let bytes (e: Expr) =
            int64 e.Shape.Length * int64 (DType.size e.DType)
        let room = 4L * Array.sumBy bytes carry
        let isFound (e: Expr) =
            ofSlices[e]
            && not ofCarry[e]
            && multiplies[e]
            && not isRefused[e]
            && bytes e <= room
        let found =
            if n <= 1 then
                [||]
            else
                nodes
                |> Seq.filter (fun node -> ofCarry[node])
                |> Seq.collect _.Args
                |> Seq.filter isFound
                |> Seq.distinctBy _.Id
                |> Array.ofSeq
        let stacked = Batch.run n (Array.zip slices xs) found
        let holes = found |> Array.map (fun e -> Leaf.input "slice" e.Shape e.DType)
        struct (stacked, holes, Graph.substitute (Array.zip found holes) outputs)

    let internal scanArrays
        (options: LoopOptions)
        (body: Func<Expr[], Expr[], struct (Expr[] * Expr[])>)
        (init: Expr[])
        (xs: Expr[])
        : struct (Expr[] * Expr[]) =
        let n = lengthOf options xs
        let carry = holes "state" init
        let slices =
            xs
            |> Array.mapi (fun k x -> Leaf.input $"x{k}" (Shape x.Shape.Dims[1..]) x.DType)
        let struct (next, ys) = body.Invoke(carry, slices)
        checkCarry "scan" init next
        let struct (more, moreSlices, outputs) =
            hoisted n carry slices xs (Array.append next ys)
        let xs, slices = Array.append xs more, Array.append slices moreSlices
        let struct (captured, body) = Bodies.close (Array.append carry slices) outputs
        let feeds =
            Array.append
                (init |> Array.mapi (fun s _ -> Feed.State(0, s)))
                (xs |> Array.mapi (fun k _ -> Feed.Slice(init.Length + k)))
        let sweep =
            sweepOf options.IsReversed init feeds captured (init.Length + xs.Length) body
        let parts =
            Array.append
                (init |> Array.mapi (fun s _ -> LoopPart.Final(0, s)))
                (ys |> Array.mapi (fun o _ -> LoopPart.Stacked(0, o)))
        let node =
            Iterated.Node(
                { Name = "scan"
                  Length = ValueSome n
                  Condition = ValueNone
                  Limit = int64 n
                  Sweeps = [| sweep |]
                  Parts = parts
                  Packed = Seq.append next ys |> Seq.map _.DType |> Pack.typeOf
                  MaxRecordBytes = options.MaxRecordBytes
                  Lends = null
                  Borrows = null },
                Array.concat [ init; xs; captured ]
            )
        let results = Iterated.Parts node
        struct (results[.. init.Length - 1], results[init.Length ..])

    let internal whileArrays
        (options: LoopOptions)
        (condition: Func<Expr[], Expr>)
        (body: Func<Expr[], Expr[]>)
        (init: Expr[])
        : struct (Expr[] * Expr) =
        if options.Length.IsSome || options.IsReversed then
            invalidArg
                "options"
                "while: a condition says when it ends, so it has neither a length nor a direction; use scan"
        let carry = holes "state" init
        let next = body.Invoke carry
        checkCarry "while" init next
        let asked = holes "state" init
        let holds = condition.Invoke asked
        if holds.DType <> DType.Bool || not holds.Shape.IsScalar then
            raise (
                DTypeException
                    $"while: the condition is a bool scalar, got {typeText holds}; compare something, and reduce it to one"
            )
        // The number of iterations is one more state.
        let zero, one: Expr * Expr = Expr.op_Implicit 0L, Expr.op_Implicit 1L
        let counter = Leaf.input "count" Shape.Scalar DType.Int64
        let all = Array.append init [| zero |]
        let struct (captured, body) =
            Bodies.close (Array.append carry [| counter |]) (Array.append next [| counter + one |])
        let states = all |> Array.mapi (fun s _ -> Feed.State(0, s))
        let sweep = sweepOf false all states captured all.Length body
        let struct (asking, test) = Bodies.close asked [| holds |]
        let first = all.Length + captured.Length
        let feeds =
            Array.append states[.. init.Length - 1] (asking |> Array.mapi (fun k _ -> Feed.Whole(first + k)))
        let struct (feeds, test) = Bodies.trimmed feeds (simple test)
        let node =
            Iterated.Node(
                { Name = "while"
                  Length = ValueNone
                  Condition = ValueSome(struct (feeds, test))
                  Limit = options.MaxIterations
                  Sweeps = [| sweep |]
                  Parts = all |> Array.mapi (fun s _ -> LoopPart.Final(0, s))
                  Packed = all |> Seq.map _.DType |> Pack.typeOf
                  MaxRecordBytes = options.MaxRecordBytes
                  Lends = null
                  Borrows = null },
                Array.concat [ all; captured; asking ]
            )
        let results = Iterated.Parts node
        struct (results[.. init.Length - 1], results[init.Length])

    let internal condArrays
        (predicate: Expr)
        (whenTrue: Func<Expr[], Expr[]>)
        (whenFalse: Func<Expr[], Expr[]>)
        (args: Expr[])
        : Expr[] =
        if predicate.DType <> DType.Bool || not predicate.Shape.IsScalar then
            raise (
                DTypeException
                    $"cond: the predicate is a bool scalar, got {typeText predicate}; compare something, or use where for one choice an element"
            )
        let traced (f: Func<Expr[], Expr[]>) =
            let holes = holes "arg" args
            let results = f.Invoke holes
            struct (results, holes)
        let struct (yes, yesHoles) = traced whenTrue
        let struct (no, noHoles) = traced whenFalse
        if yes.Length <> no.Length then
            invalidArg
                "whenFalse"
                $"cond: whenTrue gives {yes.Length} results, whenFalse {no.Length}; they give equally many"
        for k in 0 .. yes.Length - 1 do
            if yes[k].DType <> no[k].DType then
                raise (
                    DTypeException
                        $"cond: result {k} is {DType.name yes[k].DType} of whenTrue, {DType.name no[k].DType} of whenFalse; cast one of them"
                )
            if not (yes[k].Shape.Equals no[k].Shape) then
                raise (
                    ShapeException
                        $"cond: result {k} has shape {yes[k].Shape} of whenTrue, {no[k].Shape} of whenFalse; broadcast or reduce one of them"
                )
        if yes.Length = 0 then
            [||]
        else
            let struct (captured, yes) = Bodies.close yesHoles yes
            let struct (others, no) = Bodies.close noHoles no
            // Each side takes what the other captures too.
            let unused (xs: Expr[]) =
                xs |> Array.map (fun e -> Leaf.input "unused" e.Shape e.DType)
            let n = args.Length
            let yes = simple (Body(Array.append yes.Inputs (unused others), yes.Outputs))
            let no =
                simple (
                    Body(Array.concat [ no.Inputs[.. n - 1]; unused captured; no.Inputs[n..] ], no.Outputs)
                )
            let branches =
                Branches("cond", Pack.typeOf (yes.Outputs |> Seq.map _.DType), yes, no, true)
            let node =
                Branch.node branches (Array.concat [ [| predicate |]; args; captured; others ])
            Array.init yes.Outputs.Length (fun k -> branches.Part(node, k))

    /// A loop over the slices of xs along their leading axis: the body gets the state and a slice of each, and gives the new state and ys.
    /// The result is the last state, and the ys of all iterations stacked along a new leading axis. It is one node, traced once; a state
    /// keeps its shape and element type. What the body uses from outside is computed before the loop. With 0 slices the state is the first.
    let scan
        (body: Expr list -> Expr list -> Expr list * Expr list)
        (init: Expr list)
        (xs: Expr list)
        : Expr list * Expr list =
        let onArrays state slices =
            let next, ys = body (List.ofArray state) (List.ofArray slices)
            struct (Array.ofList next, Array.ofList ys)
        let struct (last, ys) =
            scanArrays LoopOptions.Default (Func<_, _, _> onArrays) (Array.ofList init) (Array.ofList xs)
        List.ofArray last, List.ofArray ys

    /// The same with options: backwards, a length where there are no xs, a bound for the memory of derivatives.
    let scanWith
        (options: LoopOptions)
        (body: Expr list -> Expr list -> Expr list * Expr list)
        (init: Expr list)
        (xs: Expr list)
        : Expr list * Expr list =
        let onArrays state slices =
            let next, ys = body (List.ofArray state) (List.ofArray slices)
            struct (Array.ofList next, Array.ofList ys)
        let struct (last, ys) =
            scanArrays options (Func<_, _, _> onArrays) (Array.ofList init) (Array.ofList xs)
        List.ofArray last, List.ofArray ys

    /// The body for i = 0 … n − 1, an int64 scalar, and the state.
    let forLoop (n: int) (body: Expr -> Expr list -> Expr list) (init: Expr list) : Expr list =
        scan (fun state i -> body i.Head state, []) init [ Leaf.iota (Shape [| n |]) 0 DType.Int64 ]
        |> fst

    /// The body, as long as the condition, a bool scalar, holds of the state; also the number of iterations, int64. The derivative is that of
    /// the iterations made: their number is taken as constant.
    let whileLoopWith
        (options: LoopOptions)
        (condition: Expr list -> Expr)
        (body: Expr list -> Expr list)
        (init: Expr list)
        : Expr list * Expr =
        let struct (last, count) =
            whileArrays
                options
                (Func<_, _>(List.ofArray >> condition))
                (Func<_, _>(List.ofArray >> body >> Array.ofList))
                (Array.ofList init)
        List.ofArray last, count

    /// The same without a limit or a count.
    let whileLoop
        (condition: Expr list -> Expr)
        (body: Expr list -> Expr list)
        (init: Expr list)
        : Expr list =
        whileLoopWith LoopOptions.Default condition body init |> fst

    /// One of two functions of the arguments, as the predicate, a bool scalar, says: only that one is computed. Their results are alike in
    /// number, shapes and element types. Stacked by vmap, both are computed, and each slice takes its own.
    let cond
        (predicate: Expr)
        (whenTrue: Expr list -> Expr list)
        (whenFalse: Expr list -> Expr list)
        (args: Expr list)
        : Expr list =
        let onArrays f =
            Func<_, _>(List.ofArray >> f >> Array.ofList)
        condArrays predicate (onArrays whenTrue) (onArrays whenFalse) (Array.ofList args)
        |> List.ofArray
