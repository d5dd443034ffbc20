namespace Diff

open System.Collections.Generic

/// Where an input of a body comes from at iteration i.
[<RequireQualifiedAccess>]
type internal Feed =
    /// A state that a sweep had before the iteration: its own, or that of an earlier sweep.
    | State of sweep: int * state: int
    /// The state that an earlier sweep had after the iteration.
    | After of sweep: int * state: int
    /// What an earlier sweep gave at the iteration.
    | Output of sweep: int * output: int
    /// Slice i, along the leading axis, of an argument.
    | Slice of arg: int
    /// An argument, the same at all iterations.
    | Whole of arg: int

/// One pass over all iterations, forwards or backwards, with a state of its own.
[<Sealed>]
type internal Sweep(reverse: bool, init: int[], feeds: Feed[], body: Body, isSimple: bool) =
    new(reverse, init, feeds, body) = Sweep(reverse, init, feeds, body, false)
    member _.Reverse = reverse
    /// The arguments that are the states at first.
    member _.Init = init
    /// Where the inputs of the body come from.
    member _.Feeds = feeds
    /// From its inputs the new states, then what it gives at the iteration.
    member _.Body = body
    /// Whether the body is simplified.
    member _.IsSimple = isSimple
    member _.States = init.Length
    member _.Outputs = body.Outputs.Length - init.Length
    member _.State(s: int) : Expr = body.Outputs[s]
    member _.Output(o: int) : Expr = body.Outputs[init.Length + o]

/// A part of a loop's value.
[<RequireQualifiedAccess>]
type internal LoopPart =
    /// The state of a sweep after its last iteration.
    | Final of sweep: int * state: int
    /// What a sweep gave at each iteration, stacked along a new leading axis.
    | Stacked of sweep: int * output: int

/// What one loop recorded for others in a run.
type internal Lent =
    {
        /// The run that holds the record.
        Run: obj
        /// How many loops have yet to read it, and what to do after the last.
        mutable Left: int
        Release: unit -> unit
    }

/// That a loop whose length its values decide records what the first sweep of others would, so that these begin with their second: which
/// states and outputs, and the records that there are, by the memory that a run works on.
[<Sealed>]
type internal Loan(reads: Feed[], borrowers: int) =
    // As few as there are runs at a time. In the steady state nothing is allocated.
    let lent = List<struct (nativeint * Lent)>()
    let find (where: nativeint) =
        let mutable at = lent.Count - 1
        while at >= 0
              && (let struct (place, _) = lent[at]
                  place <> where) do
            at <- at - 1
        at
    let giveBack where (isOver: Lent -> bool) =
        let over: Lent | null =
            lock lent (fun () ->
                match find where with
                | -1 -> null
                | at ->
                    let struct (_, loan) = lent[at]
                    if isOver loan then
                        lent.RemoveAt at
                        loan
                    else
                        null)
        match over with
        | null -> ()
        | loan -> loan.Release()
    member _.Reads = reads
    member _.Give(where: nativeint, loan: Lent) : unit =
        loan.Left <- borrowers
        lock lent (fun () -> lent.Add(struct (where, loan)))
    /// What an earlier run left that did not come to its end goes back.
    member _.Forget(where: nativeint) : unit = giveBack where (fun _ -> true)
    member _.TryFind(where: nativeint) : obj | null =
        lock lent (fun () ->
            match find where with
            | -1 -> null
            | at ->
                let struct (_, loan) = lent[at]
                loan.Run)
    member _.IsRead(where: nativeint) : unit =
        giveBack where (fun loan ->
            loan.Left <- loan.Left - 1
            loan.Left = 0)

/// Sweeps over the same iterations, one after the other; each may read what those before it had at the iteration. One-sweep loops are what
/// users write; the derivative of a loop is a loop with more sweeps, so that derivatives of every order exist.
type internal Iteration =
    {
        Name: string
        /// How many iterations there are, if that is known before.
        Length: int voption
        /// Else they go on while this holds of the states of the first sweep, which goes forwards.
        Condition: struct (Feed[] * Body) voption
        /// The most iterations that a condition may ask for.
        Limit: int64
        Sweeps: Sweep[]
        Parts: LoopPart[]
        /// The type of the value.
        Packed: DType
        /// The bytes that may be taken for states that later sweeps read; beyond it states are computed again.
        MaxRecordBytes: int64
        /// What it records for others, in a graph that is to be planned.
        Lends: Loan | null
        /// Where the record of its first sweep is. The loop that makes it is then its last argument, so that it runs before.
        Borrows: Loan | null
    }

    member l.PartOf(part: LoopPart) : Expr =
        match part with
        | LoopPart.Final(j, s) -> l.Sweeps[j].State s
        | LoopPart.Stacked(j, o) -> l.Sweeps[j].Output o

    member l.ShapeOf(part: LoopPart) : Shape =
        match part with
        | LoopPart.Final _ -> (l.PartOf part).Shape
        | LoopPart.Stacked _ -> Stack.shape l.Length.Value (l.PartOf part).Shape

    /// Where each part starts in the value, and how long that is.
    member l.Starts: struct (int[] * int) =
        let lengths =
            l.Parts
            |> Array.map (fun part -> Pack.length l.Packed (l.ShapeOf part) (l.PartOf part).DType)
        let starts =
            Array.scan (fun (start: int) length -> Checked.(+) start length) 0 lengths
        struct (starts[.. starts.Length - 2], starts[starts.Length - 1])

/// A loop as what a node carries.
[<Sealed>]
type internal Iterated(iteration: Iteration) =
    inherit Extension(iteration.Name)
    let starts = iteration.Starts
    member _.Iteration = iteration
    /// Where each part starts in the value.
    member _.Starts =
        let struct (starts, _) = starts
        starts
    member _.Length =
        let struct (_, length) = starts
        length
    static member Of(extension: Extension) : Iterated = extension :?> Iterated

    /// The node on arguments.
    static member Node(iteration: Iteration, args: Expr[]) : Expr =
        let loop = Iterated iteration
        Expr(Op.Loop loop, args, Shape [| loop.Length |], iteration.Packed)

    /// The parts of the value of a node that is a loop.
    static member Parts(node: Expr) : Expr[] =
        match node.Op with
        | Op.Loop extension ->
            let loop = Iterated.Of extension
            let it = loop.Iteration
            it.Parts
            |> Array.mapi (fun k part ->
                Pack.unpack loop.Starts[k] (it.ShapeOf part) (it.PartOf part).DType node)
        | op -> invalidOp $"loop: {Formula.opText op} is none"

/// Raised where a loop whose length depends on its values does not end within the limit given for it.
type IterationLimitException internal (operation: string, limit: int64) =
    inherit
        System.ArithmeticException(
            $"{operation}: the condition still holds after {limit} iterations, the limit; raise the limit, or see why it stays true (NaN, a step that gains nothing)"
        )
    /// The most iterations that were allowed.
    member _.Limit = limit

/// The parts that graphs within the graph are made of.
[<RequireQualifiedAccess>]
module internal Bodies =
    /// A few indices that are known: what is made of them depends on their numbers.
    let private isKey (value: NDArray) =
        value.Length <= 64 && not (DType.isReal value.DType)

    /// Whether a node only repeats numbers: what is captured is what it repeats.
    let private repeats (e: Expr) =
        match e.Op with
        | Op.Einsum spec ->
            e.Args.Length = 1
            && e.Shape.Length > e.Args[0].Shape.Length
            && Seq.forall
                (fun (c: char) -> e.Args[0].Shape[spec.Inputs[0].IndexOf c] = 1 || spec.Output.Contains c)
                spec.Inputs[0]
        | _ -> false

    /// Values as a body: what they use beside the holes becomes further holes.
    let close (holes: Expr[]) (outputs: Expr[]) : struct (Expr[] * Body) =
        let nodes = Graph.topological outputs
        let inside = Graph.dependents holes nodes
        let captured = List<Expr>()
        let seen = NodeMap<bool>()
        let capture (used: Expr) =
            let mutable e = used
            while not inside[e] && repeats e do
                e <- e.Args[0]
            if not inside[e] && not seen[e] then
                seen[e] <- true
                match e.Op with
                | Op.Const _
                | Op.Iota _ -> ()
                | Op.Literal value when isKey value -> ()
                | _ -> captured.Add e
        for node in nodes do
            if inside[node] then
                Array.iter capture node.Args
        Array.iter capture outputs
        let captured = captured.ToArray()
        let more = captured |> Array.map (fun e -> Leaf.input "captured" e.Shape e.DType)
        let outputs = Graph.substitute (Array.zip captured more) outputs
        struct (captured, Body(Array.append holes more, outputs))

    /// The inputs of a body, by position, that some of its outputs use.
    let used (body: Body) (outputs: Expr[]) : bool[] =
        let needed = NodeMap<bool>()
        for node in Graph.topological outputs do
            needed[node] <- true
        body.Inputs |> Array.map (fun hole -> needed[hole])

    /// A body and its feeds without the inputs that it does not use.
    let trimmed (feeds: Feed[]) (body: Body) : struct (Feed[] * Body) =
        let kept = used body body.Outputs
        let keep (xs: 'T[]) =
            Array.zip xs kept |> Array.filter snd |> Array.map fst
        struct (keep feeds, Body(keep body.Inputs, body.Outputs))
