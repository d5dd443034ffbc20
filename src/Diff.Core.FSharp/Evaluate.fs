namespace Diff

open System.Runtime.CompilerServices

/// Values of expressions, with what the variables hold now.
[<RequireQualifiedAccess>]
module internal Evaluate =
    // A plan lives as long as its expression does.
    let private plans = ConditionalWeakTable<Expr, Plan>()

    let planOf (e: Expr) : Plan =
        plans.GetValue(e, (fun e -> Plan.make [||] [| e |]))

    let one (e: Expr) : NDArray = (planOf e).Run([||])[0]

    /// Several values in one run, sharing what they have in common.
    let many (es: Expr[]) : NDArray[] =
        if es.Length = 0 then [||] else (Plan.make [||] es).Run [||]
