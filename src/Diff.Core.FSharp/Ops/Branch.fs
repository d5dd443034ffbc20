namespace Diff

open System.Collections.Generic

/// One of two graphs of the same inputs and like results; the first argument of the node, a bool, says which. Only that one is computed.
[<Sealed>]
type internal Branches(name: string, packed: DType, whenTrue: Body, whenFalse: Body, isSimple: bool) =
    inherit Extension(name)
    let starts =
        whenTrue.Outputs
        |> Array.map (fun e -> Pack.length packed e.Shape e.DType)
        |> Array.scan (fun (start: int) length -> Checked.(+) start length) 0
    new(name, whenTrue: Body, whenFalse) =
        let packed = whenTrue.Outputs |> Seq.map _.DType |> Pack.typeOf
        Branches(name, packed, whenTrue, whenFalse, false)
    /// Whether the bodies are simplified.
    member _.IsSimple = isSimple
    member _.WhenTrue = whenTrue
    member _.WhenFalse = whenFalse
    /// The type of the value, where each result starts in it, and its length.
    member _.Packed = packed
    member _.Starts = starts
    member _.Length = starts[starts.Length - 1]
    static member Of(extension: Extension) : Branches = extension :?> Branches

    /// A result in the value of a node.
    member _.Part(node: Expr, k: int) : Expr =
        let result = whenTrue.Outputs[k]
        Pack.unpack starts[k] result.Shape result.DType node

[<RequireQualifiedAccess>]
module internal Branch =
    let node (branches: Branches) (args: Expr[]) : Expr =
        Expr(Op.Branch branches, args, Shape [| branches.Length |], branches.Packed)

    let private zeros (like: Expr) = Expr.NoDerivative like

    /// A branch on arguments and numbers that stand beside them, each result where one of the two has it; null where none has.
    let private derived
        (branches: Branches)
        (args: Expr[])
        (beside: Expr[])
        (likes: Expr[])
        (derive: Body -> Expr[] -> (Expr | null)[])
        : (Expr | null)[] =
        let derive (body: Body) =
            let holes =
                beside
                |> Array.map (fun e ->
                    if e.DType = DType.Bool then
                        Mask.hole e
                    else
                        Leaf.input "derivative" e.Shape e.DType)
            struct (Array.append body.Inputs holes, derive body holes)
        let struct (inputs, results) = derive branches.WhenTrue
        let struct (otherInputs, others) = derive branches.WhenFalse
        let kept =
            [| for k in 0 .. likes.Length - 1 do
                   if not (isNull results[k] && isNull others[k]) then
                       k |]
        let found: (Expr | null)[] = Array.create likes.Length null
        if kept.Length > 0 then
            let body inputs (results: (Expr | null)[]) =
                Body(
                    inputs,
                    kept
                    |> Array.map (fun k ->
                        match results[k] with
                        | null -> zeros likes[k]
                        | g -> g)
                )
            let made = Branches(branches.Name, body inputs results, body otherInputs others)
            let value = node made (Array.append args beside)
            kept |> Array.iteri (fun i k -> found[k] <- made.Part(value, i))
        found

    let private vjp
        (branches: Branches)
        (d: Differentiator)
        (needed: bool[])
        (args: Expr[])
        (g: Expr)
        : (Expr | null)[] =
        let cotangents =
            branches.WhenTrue.Outputs
            |> Array.mapi (fun k result ->
                let length = branches.Starts[k + 1] - branches.Starts[k]
                if not (DType.isReal result.DType) then
                    null
                else
                    match Pack.tryPart branches.Starts[k] length g with
                    | null -> null
                    | flat ->
                        Reshape.make result.Shape flat
                        |> Elementwise.makeCast (DType.ofDerivative result.DType)
                        |> fun e -> (e: Expr | null))
        let present =
            [| for k in 0 .. cotangents.Length - 1 do
                   match cotangents[k] with
                   | null -> ()
                   | g -> k, g |]
        let wanted =
            [| for i in 1 .. args.Length - 1 do
                   if needed[i] then
                       i |]
        // What a mask of the caller's keeps back stays back: the masks go into the branches, and those of what comes back out of them.
        let masks = present |> Array.map (fun (_, g) -> Mask.tryMask g)
        let beside = Array.append (Array.map snd present) (Array.choose Option.ofObj masks)
        let isMasked = beside.Length > present.Length
        let likes = wanted |> Array.map (fun i -> args[i])
        let pull (body: Body) (holes: Expr[]) : (Expr | null)[] =
            let given = Queue<Expr> holes[present.Length ..]
            let seeds =
                [| for n in 0 .. present.Length - 1 do
                       body.Outputs[fst present[n]],
                       if isNull masks[n] then
                           holes[n]
                       else
                           Mask.maskedBy (given.Dequeue()) holes[n] |]
            let gs = d.Pull seeds (wanted |> Array.map (fun i -> body.Inputs[i - 1]))
            let numbers (i: int) (g: Expr | null) : Expr | null =
                match g with
                | null -> null
                | _ when args[i].Args.Length = 0 && not d.IsWithin -> null
                | g ->
                    match Mask.reach g with
                    | null -> Expr.OnesLike g
                    | numbers -> numbers
            if isMasked then
                Array.append gs (Array.map2 numbers wanted gs)
            else
                gs
        let found =
            derived branches args beside (if isMasked then Array.append likes likes else likes) pull
        let result: (Expr | null)[] = Array.create args.Length null
        wanted
        |> Array.iteri (fun k i ->
            result[i] <-
                match found[k] with
                | null -> null
                | g when found.Length > wanted.Length ->
                    match found[wanted.Length + k] with
                    | null -> g
                    | numbers -> Mask.within numbers g
                | g -> g)
        result

    let private jvp
        (branches: Branches)
        (d: Differentiator)
        (args: Expr[])
        (tangents: (Expr | null)[])
        : Expr | null =
        let present =
            [| for i in 1 .. args.Length - 1 do
                   match tangents[i] with
                   | null -> ()
                   | v -> i, v |]
        let results = branches.WhenTrue.Outputs
        let found =
            derived branches args (Array.map snd present) results (fun body vs ->
                let pushed =
                    d.Push body.Outputs (present |> Array.map (fun (i, _) -> body.Inputs[i - 1])) vs
                Array.map2 (fun (y: Expr) v -> if DType.isReal y.DType then v else null) body.Outputs pushed)
        if Array.forall isNull found then
            null
        else
            let packed = DType.ofDerivative branches.Packed
            Array.mapi2
                (fun k (_: Expr) (v: Expr | null) ->
                    match v with
                    | null -> Expr.Full(0.0, Shape [| branches.Starts[k + 1] - branches.Starts[k] |], packed)
                    | v -> Pack.flat packed v)
                results
                found
            |> Window.concat 0

    /// Where all sets go the same way the branch is done for all of them; else both, and each set takes what it chose.
    let private batch
        (branches: Branches)
        (run: int -> (Expr * Expr)[] -> Expr[] -> Expr[])
        n
        (stacked: bool[])
        (args: Expr[])
        (node': Expr)
        : Expr =
        let rows (results: Expr[]) (flat: int -> Expr) =
            results
            |> Array.mapi (fun k _ ->
                Reshape.make (Shape [| n; branches.Starts[k + 1] - branches.Starts[k] |]) (flat k))
            |> Window.concat 1
        if n = 0 || branches.Length = 0 then
            Expr.Full(0.0, Stack.shape n node'.Shape, node'.DType)
        elif stacked[0] then
            let results (body: Body) =
                let isStacked i = stacked[i + 1]
                let pairs = Array.zip body.Inputs args[1..] |> Array.indexed
                let many, one = pairs |> Array.partition (fst >> isStacked)
                Graph.substitute (Array.map snd one) body.Outputs |> run n (Array.map snd many)
            let yes, no = results branches.WhenTrue, results branches.WhenFalse
            let chosen (a: Expr) (b: Expr) =
                let dims = Array.create a.Rank 1
                dims[0] <- n
                Expr.Map(Fn.Where, [| Reshape.make (Shape dims) args[0]; a; b |])
            rows yes (fun k -> Pack.flat branches.Packed (chosen yes[k] no[k]))
        else
            let mapped (body: Body) =
                let holes =
                    Array.map2
                        (fun (hole: Expr) isStacked ->
                            if isStacked then
                                Leaf.input "stacked" (Stack.shape n hole.Shape) hole.DType
                            else
                                hole)
                        body.Inputs
                        stacked[1..]
                let pairs =
                    Array.zip3 body.Inputs holes stacked[1..]
                    |> Array.filter (fun (_, _, isStacked) -> isStacked)
                    |> Array.map (fun (hole, stack, _) -> hole, stack)
                Body(holes, run n pairs body.Outputs)
            let made =
                Branches(branches.Name, mapped branches.WhenTrue, mapped branches.WhenFalse)
            let value = node made args
            rows made.WhenTrue.Outputs (fun k ->
                Pack.window made.Starts[k] (made.Starts[k + 1] - made.Starts[k]) value)

    let rule (extension: Extension) : Rule =
        let branches = Branches.Of extension
        { Derivative = Differentiated(vjp branches, jvp branches)
          Kernel =
            fun _ -> invalidOp "cond: what runs the branches is Reference.fs, and in plans BranchStep.fs"
          Batching = Batched(batch branches) }
