namespace Diff

open System
open System.Collections.Generic

/// From graphs to plans: simplification, lowering, fusion, order, memory, kernels. Each part looks only at what the one before made.
[<RequireQualifiedAccess>]
module internal Planner =
    /// What is computed for a root: a result in other words of its shape is written as what it reshapes, in row-major order all the same.
    let rec private stored (root: Expr) (target: Target) : Expr =
        match root.Op, target with
        | Op.Reshape, Target.Result _ -> stored root.Args[0] target
        | _ -> root

    /// The plan of a lowered graph, in which nothing is simplified any more. Loops may follow products block by block whose results have at least
    /// `blockwise` bytes.
    let rec private makeData
        (blockwise: int64)
        (options: EngineOptions)
        (inputs: Expr[])
        (roots: Expr[])
        (targets: Target[])
        recomputed
        : PlanData =
        let shapes = roots |> Array.map _.Shape
        let roots = Array.map2 stored roots targets
        let graph = PlanGraph roots
        let terms = Terms(graph, roots)
        let fuser = Fuser(graph, terms)
        let units = fuser.Units
        let reads = units |> Array.map (UnitReads.ofUnit graph terms fuser)
        let sources = PlanSources inputs
        let memory =
            PlanMemory(graph, sources, units, reads, Joined.find graph terms fuser targets)
        let draft =
            { Tier = options.Tier
              Inner = make options
              Graph = graph
              Terms = terms
              Fuser = fuser
              Memory = memory
              Roots = PlanRoots(graph, fuser, units, memory, targets, shapes)
              Steps = List<Step>() }
        for struct (r, into) in draft.Roots.Early do
            draft.CopyWhole(r, into)
        let isFollowed u =
            u >= 0
            && u + 1 < units.Length
            && Epilogue.mayFollow draft blockwise units[u] units[u + 1] reads[u + 1]
        units
        |> Array.iteri (fun u unit ->
            if unit.IsLoop then
                let product =
                    if isFollowed (u - 1) then
                        ValueSome units[u - 1].Members[0]
                    else
                        ValueNone
                LoopStep.add draft u unit reads[u] product
            else
                KernelStep.add draft u unit
            // The operands of a product that a loop may follow block by block are read until that is done.
            if not (isFollowed u) then
                if isFollowed (u - 1) then
                    memory.Release(u - 1)
                memory.Release u)
        for struct (from, r, into) in draft.Roots.Late do
            let node = graph.Nodes[r]
            let strides = Shape.strides node.Shape.Dims
            draft.Copy(node, node.Shape.Dims, strides, from, strides, into)
        { Steps = draft.Steps.ToArray()
          Sources = sources.ToArray()
          Results = draft.Roots.Results
          Roots = roots
          Targets = targets
          Constants = memory.Constants.ToBlock()
          ArenaBytes = memory.ArenaBytes
          Recomputed = recomputed
          Threads = options.Threads }

    /// Plans a lowered graph with loops after products as steps of their own if the results are smaller than `blockwise` bytes. Where there is too little
    /// memory for what it keeps, all are, since operands then go sooner; and if there still is, one that computes some of that again.
    and makeBlockwise blockwise (options: EngineOptions) (inputs: Expr[]) (roots: Expr[]) (targets: Target[]) : Plan =
        let separately = makeData Int64.MaxValue options inputs
        let data = makeData blockwise options inputs roots targets [||]
        match options.MemoryBudget with
        | ValueSome budget when data.ArenaBytes > budget ->
            let data = separately roots targets [||]
            if data.ArenaBytes <= budget then
                data
            else
                Remat.fit budget roots data (fun roots recomputed -> separately roots targets recomputed) _.ArenaBytes
        | _ -> data
        |> Plan

    /// Plans a lowered graph; where there is too little memory for what it keeps, one that computes some of that again.
    and makeLowered (options: EngineOptions) (inputs: Expr[]) (roots: Expr[]) (targets: Target[]) : Plan =
        makeBlockwise Epilogue.leastBytes options inputs roots targets

    /// Plans the values of `simple`, which is simplified and has no graphs within it, as functions of the placeholders `inputs`;
    /// each goes to its target.
    and makeSimple (options: EngineOptions) (inputs: Expr[]) (simple: Expr[]) (targets: Target[]) : Plan =
        let loops = lazy makeLowered options inputs (Lower.run simple) targets
        match
            ScalarPlanner.tryMake options inputs simple targets (fun time ->
                time < 1.5 * ScalarPlanner.timeOf loops.Value.Data)
        with
        | ValueSome plan -> plan
        | ValueNone -> loops.Value

    /// Plans the values of `roots` as functions of the placeholders `inputs`; each goes to its target.
    and makeFor (options: EngineOptions) (inputs: Expr[]) (roots: Expr[]) (targets: Target[]) : Plan =
        makeSimple options inputs (roots |> Control.inlineAll |> Simplify.forPlan) targets

    /// Plans the values of `roots` as functions of the placeholders `inputs`.
    and make (options: EngineOptions) (inputs: Expr[]) (roots: Expr[]) : Plan =
        makeFor options inputs roots (roots |> Array.mapi (fun k _ -> Target.Result k))

    /// Simplified, opened and lowered to what the engine has.
    let prepare (roots: Expr[]) : Expr[] =
        roots |> Control.inlineAll |> Simplify.forPlan |> Lower.run
