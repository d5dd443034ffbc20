namespace Diff

open System.Collections.Generic

/// From graphs to plans: simplification, lowering, fusion, order, memory, kernels. Each part looks only at what the one before made.
[<RequireQualifiedAccess>]
module internal Planner =
    /// The nodes that a unit reads from memory.
    let private readsOf (graph: PlanGraph) (terms: Terms) (fuser: Fuser) (unit: FusedUnit) : HashSet<int> =
        let found = HashSet<int>()
        let add a =
            let s = graph.BaseOf a
            if not (FusedUnit.isSame unit (fuser.UnitOf s)) then
                found.Add s |> ignore
        for i in unit.Members do
            Array.iter add (graph.ReadsOf i)
            for term in terms.Of i do
                Array.iter add graph.Args[term]
        found

    /// Plans a lowered graph, in which nothing is simplified any more.
    let makeLowered (options: EngineOptions) (inputs: Expr[]) (roots: Expr[]) (targets: Target[]) : Plan =
        let graph = PlanGraph roots
        let terms = Terms(graph, roots)
        let fuser = Fuser(graph, terms)
        let units = fuser.Units
        let reads = units |> Array.map (readsOf graph terms fuser)
        let sources = PlanSources inputs
        let memory = PlanMemory(graph, sources, units, reads)
        let draft =
            { Tier = options.Tier
              Graph = graph
              Terms = terms
              Fuser = fuser
              Memory = memory
              Roots = PlanRoots(graph, fuser, units, memory, targets)
              Steps = List<Step>() }
        for struct (r, into) in draft.Roots.Early do
            draft.CopyWhole(r, into)
        units
        |> Array.iteri (fun u unit ->
            if unit.IsLoop then
                LoopStep.add draft u unit reads[u]
            else
                KernelStep.add draft u unit)
        for struct (from, r, into) in draft.Roots.Late do
            let node = graph.Nodes[r]
            let strides = Shape.strides node.Shape.Dims
            draft.Copy(node, node.Shape.Dims, strides, from, strides, into)
        Plan
            { Steps = draft.Steps.ToArray()
              Sources = sources.ToArray()
              Results = draft.Roots.Results
              Roots = roots
              Targets = targets
              Constants = memory.Constants.ToBlock()
              ArenaBytes = memory.ArenaBytes
              Threads = options.Threads }

    /// Simplified, opened and lowered to what the engine has.
    let prepare (roots: Expr[]) : Expr[] =
        roots |> Control.inlineAll |> Simplify.run |> Lower.run

    /// Plans the values of `simple`, which is simplified and has no graphs within it, as functions of the placeholders `inputs`;
    /// each goes to its target.
    let makeSimple (options: EngineOptions) (inputs: Expr[]) (simple: Expr[]) (targets: Target[]) : Plan =
        match ScalarPlanner.tryMake options inputs simple targets with
        | ValueSome plan -> plan
        | ValueNone -> makeLowered options inputs (Lower.run simple) targets

    /// Plans the values of `roots` as functions of the placeholders `inputs`; each goes to its target.
    let makeFor (options: EngineOptions) (inputs: Expr[]) (roots: Expr[]) (targets: Target[]) : Plan =
        makeSimple options inputs (roots |> Control.inlineAll |> Simplify.run) targets

    /// Plans the values of `roots` as functions of the placeholders `inputs`.
    let make (options: EngineOptions) (inputs: Expr[]) (roots: Expr[]) : Plan =
        makeFor options inputs roots (roots |> Array.mapi (fun k _ -> Target.Result k))
