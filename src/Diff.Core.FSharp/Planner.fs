namespace Diff

open System.Collections.Generic

/// From graphs to plans: simplification, lowering, fusion, order, memory, kernels. Each part looks only at what the one before made.
[<RequireQualifiedAccess>]
module internal Planner =
    /// What is computed for a root: a result in other words of its shape is written as what it reshapes, in row-major order all the same.
    let rec private stored (root: Expr) (target: Target) : Expr =
        match root.Op, target with
        | Op.Reshape, Target.Result _ -> stored root.Args[0] target
        | _ -> root

    /// The plan of a lowered graph, in which nothing is simplified any more.
    let rec private makeData
        (blockwise: Blockwise)
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
        // What the unit before has ended with, if this one may run on blocks of it.
        let mutable product = ValueNone
        for u in 0 .. units.Length - 1 do
            let before = product
            if units[u].IsLoop then
                LoopStep.add draft u units[u] reads[u] before
            else
                KernelStep.add draft u units[u]
            product <-
                Epilogue.tryStart draft blockwise units reads u
                |> ValueOption.map (fun product -> struct (product, units[u].Members[0]))
            if product.IsNone then
                if before.IsSome then
                    memory.Release(u - 1)
                memory.Release u
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

    /// Plans a lowered graph. Where there is too little memory for what it keeps, no loop runs on blocks of a product, since operands then go sooner; and
    /// if there still is, some of it is computed again.
    and makeBlockwise
        blockwise
        (options: EngineOptions)
        (inputs: Expr[])
        (roots: Expr[])
        (targets: Target[])
        : Plan =
        let make blockwise roots recomputed =
            makeData blockwise options inputs roots targets recomputed
        let data = make blockwise roots [||]
        match options.MemoryBudget with
        | ValueSome budget when data.ArenaBytes > budget ->
            let data = make Blockwise.Never roots [||]
            if data.ArenaBytes <= budget then
                data
            else
                Remat.fit budget roots data (make Blockwise.Never) _.ArenaBytes
        | _ -> data
        |> Plan

    /// Plans a lowered graph; where there is too little memory for what it keeps, one that computes some of that again.
    and makeLowered (options: EngineOptions) (inputs: Expr[]) (roots: Expr[]) (targets: Target[]) : Plan =
        makeBlockwise Blockwise.WherePays options inputs roots targets

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
