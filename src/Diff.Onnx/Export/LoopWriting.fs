namespace Diff

open System.Collections.Generic

/// Loops and branches as operations of ONNX. A sweep is a Loop; what later sweeps read of it at each iteration it gives stacked.
[<RequireQualifiedAccess>]
module internal LoopWriting =
    /// Writes graphs within a graph: given the values of some nodes, those of others.
    type Writing = ModelWriter -> (Expr * Written)[] -> Expr[] -> Written[]

    let private scalar = [||]: int[]

    let private index = DType.Int64

    let private named (m: ModelWriter) hint dims dtype : Written =
        { Name = m.Fresh hint
          Dims = dims
          DType = dtype }

    /// A result of a graph is made in it.
    let private result (m: ModelWriter) (v: Written) =
        m.Node("Identity", [ v.Name ], [], v.Dims, v.DType)

    /// The slice of an array at an index.
    let private slice (m: ModelWriter) (v: Written) (at: Written) =
        m.Node("Gather", [ v.Name; at.Name ], [ Setting.Int("axis", 0L) ], v.Dims[1..], v.DType)

    /// What a sweep has at each iteration, stacked in the order of the iterations as it makes them.
    [<NoEquality; NoComparison>]
    type private Record = { Stack: Written; Reverse: bool }

    /// What later sweeps and the parts of the value read of a sweep.
    let private recorded (it: Iteration) (j: int) : Feed[] =
        let read =
            it.Sweeps[j + 1 ..]
            |> Seq.collect _.Feeds
            |> Seq.filter (fun feed ->
                match feed with
                | Feed.State(k, _)
                | Feed.After(k, _)
                | Feed.Output(k, _) -> k = j
                | _ -> false)
        let stacked =
            it.Parts
            |> Seq.choose (fun part ->
                match part with
                | LoopPart.Stacked(k, o) when k = j -> Some(Feed.Output(k, o))
                | _ -> None)
        Seq.append read stacked |> Seq.distinct |> Array.ofSeq

    let private sweep
        (m: ModelWriter)
        (write: Writing)
        (it: Iteration)
        (count: Written voption)
        (records: Dictionary<Feed, Record>)
        (arg: int -> Written)
        (j: int)
        : struct (Written[] * Written) =
        let sweep = it.Sweeps[j]
        let inner = m.Inner()
        let step, goesOn =
            named inner "step" scalar index, named inner "goes_on" scalar DType.Bool
        let states =
            Array.init sweep.States (fun s ->
                let like = sweep.State s
                named inner "state" like.Shape.Dims like.DType)
        let counter = named inner "count" scalar index
        let one (w: ModelWriter) = w.Number(index, 1.0)
        let sum (w: ModelWriter) op (a: Written) (b: Written) =
            w.Node(op, [ a.Name; b.Name ], [], scalar, index)
        // The same iteration counted from the other end.
        let opposite =
            lazy
                (match count with
                 | ValueSome n -> sum inner "Sub" (sum inner "Sub" n (one inner)) step
                 | ValueNone -> invalidOp "onnx: a sweep whose length is not known goes forwards")
        let along isReverse =
            if isReverse = sweep.Reverse then step else opposite.Value
        let value (feed: Feed) =
            match feed with
            | Feed.State(k, s) when k = j -> states[s]
            | Feed.State _
            | Feed.After _
            | Feed.Output _ ->
                let record = records[feed]
                slice inner record.Stack (along record.Reverse)
            | Feed.Slice a -> slice inner (arg a) (along false)
            | Feed.Whole a -> arg a
        let given = Array.zip sweep.Body.Inputs (Array.map value sweep.Feeds)
        let outputs = write inner given sweep.Body.Outputs
        // Whether the condition holds of some states.
        let holds (w: ModelWriter) (states: Written[]) =
            match it.Condition with
            | ValueNone -> goesOn
            | ValueSome(struct (feeds, test)) ->
                let value (feed: Feed) =
                    match feed with
                    | Feed.State(0, s) -> states[s]
                    | Feed.Whole a -> arg a
                    | _ -> invalidOp "onnx: a condition reads the states of the first sweep"
                (write w (Array.zip test.Inputs (Array.map value feeds)) test.Outputs)[0]
        let isCounting = count.IsNone
        let kept = recorded it j
        let record (feed: Feed) =
            match feed with
            | Feed.State(_, s) -> states[s]
            | Feed.After(_, s) -> outputs[s]
            | Feed.Output(_, o) -> outputs[sweep.States + o]
            | _ -> invalidOp "onnx: no part of a sweep"
        let next = outputs[.. sweep.States - 1]
        let results =
            [| result inner (if isCounting then holds inner next else goesOn)
               yield! Array.map (result inner) next
               if isCounting then
                   result inner (sum inner "Add" counter (one inner))
               yield! kept |> Array.map (record >> result inner) |]
        let inputs =
            [| step
               goesOn
               yield! states
               if isCounting then
                   counter |]
        let body = inner.Graph("body", inputs, results, false)
        let first = sweep.Init |> Array.map arg
        let start = if isCounting then holds m first else goesOn
        let known =
            match it.Length with
            | ValueSome n -> n
            | ValueNone -> -1
        let written =
            m.Nodes(
                "Loop",
                [ (match count with
                   | ValueSome n -> n.Name
                   | ValueNone -> "")
                  (if isCounting then start.Name else "")
                  for v in first do
                      v.Name
                  if isCounting then
                      m.Number(index, 0.0).Name ],
                [ Setting.Graph("body", body) ],
                [| for v in next do
                       v.Dims, v.DType
                   if isCounting then
                       scalar, index
                   for feed in kept do
                       let v = record feed
                       Array.append [| known |] v.Dims, v.DType |]
            )
        let states = if isCounting then sweep.States + 1 else sweep.States
        kept
        |> Array.iteri (fun k feed ->
            records[feed] <-
                { Stack = written[states + k]
                  Reverse = sweep.Reverse })
        let count =
            match count with
            | ValueSome n -> n
            | ValueNone -> written[sweep.States]
        struct (written[.. sweep.States - 1], count)

    /// Parts as the vector that a node has for its value.
    let private packed (m: ModelWriter) (write: Writing) (dtype: DType) (parts: Written[]) =
        let holes = parts |> Array.map (fun v -> Leaf.input "part" (Shape v.Dims) v.DType)
        (write m (Array.zip holes parts) [| Pack.concat dtype holes |])[0]

    /// A loop. A limit of its iterations has no counterpart: it goes on while its condition holds.
    let loop (m: ModelWriter) (write: Writing) (extension: Extension) (args: Written[]) : Written =
        let it = (Iterated.Of extension).Iteration
        let arg a = args[a]
        let finals = Array.zeroCreate<Written[]> it.Sweeps.Length
        let records = Dictionary<Feed, Record>()
        if it.Length = ValueSome 0 then
            it.Sweeps |> Array.iteri (fun j s -> finals[j] <- Array.map arg s.Init)
        else
            let mutable count =
                match it.Length with
                | ValueSome n -> ValueSome(m.Number(index, float n))
                | ValueNone -> ValueNone
            for j in 0 .. it.Sweeps.Length - 1 do
                let struct (last, n) = sweep m write it count records arg j
                finals[j] <- last
                count <- ValueSome n
        let part (part: LoopPart) =
            match part with
            | LoopPart.Final(j, s) -> finals[j][s]
            | LoopPart.Stacked(j, o) ->
                let dims = (it.ShapeOf part).Dims
                match records.TryGetValue(Feed.Output(j, o)) with
                | true, record when not record.Reverse -> record.Stack
                | true, record ->
                    let ones, none = Array.create dims.Length 1, Array.zeroCreate<int> dims.Length
                    m.Slice(record.Stack, Array.updateAt 0 (dims[0] - 1) none, Array.updateAt 0 -1 ones, dims)
                | _ -> m.Expand(m.Number((it.PartOf part).DType, 0.0), dims)
        packed m write it.Packed (Array.map part it.Parts)

    /// A branch: both bodies give the vector that the node has for its value.
    let branch (m: ModelWriter) (write: Writing) (extension: Extension) (args: Written[]) : Written =
        let branches = Branches.Of extension
        let side name (body: Body) =
            let inner = m.Inner()
            let value =
                write inner (Array.zip body.Inputs args[1..]) [| Pack.concat branches.Packed body.Outputs |]
            inner.Graph(name, [], [ result inner value[0] ], false)
        let settings =
            [ Setting.Graph("then_branch", side "then" branches.WhenTrue)
              Setting.Graph("else_branch", side "else" branches.WhenFalse) ]
        m.Node("If", [ args[0].Name ], settings, [| branches.Length |], branches.Packed)
