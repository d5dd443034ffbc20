namespace Diff

open System.Runtime.CompilerServices
open System.Threading

/// Values of expressions, with what the variables hold now.
[<RequireQualifiedAccess>]
module internal Evaluate =
    // Graphs that a loop builds anew differ in their leaves only.
    let private plans = PlanCache(EngineOptions.Default, 256, 128L <<< 20)

    // An expression that is evaluated again and again is looked through twice. A table entry costs half a microsecond, so the first
    // evaluation leaves only a note of the expression's Id, which others may write over.
    let private known = ConditionalWeakTable<Expr, GivenPlan>()
    let private notes: int64[] = Array.zeroCreate 256

    let private find (e: Expr) : GivenPlan =
        let plan = plans.Find [| e |]
        let note = &notes[int e.Id &&& (notes.Length - 1)]
        if Volatile.Read &note = e.Id then
            known.AddOrUpdate(e, plan)
        else
            Volatile.Write(&note, e.Id)
        plan

    let one (e: Expr) : NDArray =
        match known.TryGetValue e with
        | true, plan -> plan.Run()[0]
        | _ -> (find e).Run()[0]

    /// Several values in one run, sharing what they have in common.
    let many (es: Expr[]) : NDArray[] =
        if es.Length = 0 then [||] else (plans.Find es).Run()
