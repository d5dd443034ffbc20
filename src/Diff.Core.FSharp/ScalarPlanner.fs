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

    let tryMake (options: EngineOptions) (inputs: Expr[]) (roots: Expr[]) (targets: Target[]) : Plan voption =
        let isGiven (node: Expr) =
            inputs |> Array.exists (fun input -> obj.ReferenceEquals(input, node))
        let held = leaves roots |> Array.filter (isGiven >> not)
        let all = Array.append inputs held
        match Scalarize.tryMake maxInstructions all roots with
        | ValueNone -> ValueNone
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
