namespace Diff

open System.Collections.Generic
open Diff.Kernels

/// Plans for graphs of few numbers: all of it as straight-line code.
[<RequireQualifiedAccess>]
module internal ScalarPlanner =
    // Beyond this, loops over arrays cost less to compile and run about as fast.
    let private maxInstructions = 2_500

    let private leaves (roots: Expr[]) =
        Graph.topological roots
        |> Array.filter (fun node ->
            match node.Op with
            | Op.Variable _ -> true
            | _ -> false)

    // ---- Times, in ns -----------------------------------------------------------------------------------------------

    // Fewer functions take no longer than a plan of loops does to begin.
    let private fewestCalls = 24

    /// How many functions such as exp there are, which scalar code computes one number at a time.
    let private callsIn (roots: Expr[]) =
        let calls (node: Expr) =
            match node.Op with
            | Op.Elementwise fn ->
                let position = LoopFunction.Find(Fn.name fn)
                if position >= 0 && LoopFunction.All[position].Cost >= 16 then
                    node.Shape.Length
                else
                    0
            | _ -> 0
        Graph.topological roots |> Array.sumBy calls

    /// About how long a plan of loops over few numbers takes: to start each step, and what loops do by the vector.
    let timeOf (plan: PlanData) =
        let ofLoop (kernel: LoopKernel) =
            let lanes = 64n / nativeint kernel.Program.Size
            let vectors = (kernel.Cols + lanes - 1n) / lanes
            50.0 + 0.8 * float kernel.Cost * float vectors / float (max 1n kernel.Cols)
        let ofProduct (p: GemmPlan) =
            100.0 + 0.6 * float p.Batch * float p.Rows * float p.Cols * float p.Depth
        plan.Steps
        |> Array.sumBy (fun step ->
            match step.Action with
            | OnMemory(:? LoopMemoryStep as loop) -> ofLoop loop.Kernel
            | OnMemory(:? ProductLoopMemoryStep as both) ->
                ofProduct both.Product.Plan + ofLoop both.Loop.Kernel
            | OnMemory(:? CopyMemoryStep) -> 30.0
            | OnMemory _ -> 100.0 + 0.3 * step.Flops
            | OnArrays _ -> 500.0 + 10.0 * step.Flops)

    /// The plan if the graph is as small as that, and `accepts` the time that it will take about, where that matters.
    let tryMake
        (options: EngineOptions)
        (inputs: Expr[])
        (roots: Expr[])
        (targets: Target[])
        (accepts: float -> bool)
        : Plan voption =
        let isGiven (node: Expr) =
            inputs |> Array.exists (fun input -> obj.ReferenceEquals(input, node))
        let held = leaves roots |> Array.filter (isGiven >> not)
        let all = Array.append inputs held
        let calls = callsIn roots
        match Scalarize.tryMake maxInstructions all roots with
        | ValueNone -> ValueNone
        | ValueSome f when
            calls >= fewestCalls
            && not (accepts (10.0 * float calls + 0.15 * float f.Count))
            ->
            ValueNone
        | ValueSome f ->
            if options.Tier = Tier.Tiles then
                f.Compiles <- false
            elif options.Tier = Tier.Compiled then
                f.Compile()
            let sources = List<Source>()
            let entry = Dictionary<Variable, int>(HashIdentity.Reference)
            inputs |> Array.iteri (fun i _ -> sources.Add(Source.Input i))
            let addHeld v =
                match entry.TryGetValue v with
                | true, known -> known
                | _ ->
                    sources.Add(Source.Held v)
                    let added = Entry.source (sources.Count - 1)
                    entry[v] <- added
                    added
            let variable (node: Expr) =
                match node.Op with
                | Op.Variable v -> v
                | op -> invalidOp $"plan: {Formula.opText op} is no variable"
            let froms =
                Array.append
                    (inputs |> Array.mapi (fun i _ -> Place(Entry.source i, 0n)))
                    (held |> Array.map (fun node -> Place(addHeld (variable node), 0n)))
            for target in targets do
                match target with
                | Target.Into v -> addHeld v |> ignore
                | Target.Result _ -> ()
            let results = List<struct (Shape * DType)>()
            let tos =
                Array.map2
                    (fun (root: Expr) target ->
                        match target with
                        | Target.Result k ->
                            results.Add(struct (root.Shape, root.DType))
                            Place(Entry.source (sources.Count + k), 0n)
                        | Target.Into v -> Place(addHeld v, 0n))
                    roots
                    targets
            let bytes =
                Seq.append all roots
                |> Seq.sumBy (fun e -> float (e.Shape.Length * DType.size e.DType))
            ValueSome(
                Plan
                    { Steps =
                        [| { Action = OnMemory(ScalarMemoryStep(f, froms, tos))
                             Nodes = roots
                             Kind = "scalar code"
                             Flops = float f.Count
                             Bytes = bytes } |]
                      Sources = sources.ToArray()
                      Results = results.ToArray()
                      Roots = roots
                      Targets = targets
                      Constants = Block 0L
                      ArenaBytes = 0L
                      Recomputed = [||]
                      Threads = options.Threads }
            )
