namespace Diff

open Diff.Kernels
open FSharp.NativeInterop

/// The step of a branch: the plan of the side that the first argument says.
[<Sealed>]
type internal BranchStep
    (branches: Branches, whenTrue: Plan, whenFalse: Plan, args: Place[], result: Place, room: Place) =
    inherit InnerStep()

    let attached (plan: Plan) (body: Body) =
        Pool<Workspace>(fun () ->
            let workspace = Workspace plan.Data
            workspace.Attach body.Inputs
            workspace)
    let yes, no =
        attached whenTrue branches.WhenTrue, attached whenFalse branches.WhenFalse
    let larger (f: Step -> float) =
        max (Array.sumBy f whenTrue.Data.Steps) (Array.sumBy f whenFalse.Data.Steps)

    let address (table: nativeptr<nativeint>) (place: Place) =
        NativePtr.get table place.Entry + place.Bytes

    let run (body: Body) (plan: Plan) (pool: Pool<Workspace>) (places: nativeptr<nativeint>) =
        let workspace = pool.Rent()
        try
            let table = workspace.Table
            for k in 0 .. plan.Data.Sources.Length - 1 do
                match plan.Data.Sources[k] with
                | Source.Input i -> table[Entry.source k] <- address places args[i + 1]
                | _ -> ()
            let first = Entry.source plan.Data.Sources.Length
            let value = address places result
            let inline into k =
                value + nativeint (branches.Starts[k] * DType.size branches.Packed)
            let mutable aside = address places room
            for k in 0 .. body.Outputs.Length - 1 do
                if body.Outputs[k].DType = branches.Packed then
                    table[first + k] <- into k
                else
                    table[first + k] <- aside
                    aside <- aside + nativeint (Arena.Rounded(SweepLayout.bytesOf body.Outputs[k]))
            workspace.RunSteps()
            for k in 0 .. body.Outputs.Length - 1 do
                let output = body.Outputs[k]
                if output.DType <> branches.Packed then
                    Memory.pack output.DType branches.Packed output.Shape.Length table[first + k] (into k)
        finally
            pool.GiveBack workspace

    override _.Kind = branches.Name
    override _.Flops = larger _.Flops
    override _.Bytes = larger _.Bytes
    override _.Plans = [| "when true", whenTrue; "when false", whenFalse |]
    override _.Text = "one of two"
    override _.Run(table: nativeptr<nativeint>, _: int) =
        if NativePtr.read (NativePtr.ofNativeInt<byte>(address table args[0])) <> 0uy then
            run branches.WhenTrue whenTrue yes table
        else
            run branches.WhenFalse whenFalse no table

[<RequireQualifiedAccess>]
module internal BranchStep =
    /// The step of a branch: both sides are planned once.
    let make
        (inner: Expr[] -> Expr[] -> Plan)
        (branches: Branches)
        (args: Place[])
        (result: Place)
        (temporary: int64 -> Place)
        : InnerStep =
        let room =
            branches.WhenTrue.Outputs
            |> Array.sumBy (fun e ->
                if e.DType = branches.Packed then
                    0L
                else
                    Arena.Rounded(SweepLayout.bytesOf e))
        let plan (body: Body) = inner body.Inputs body.Outputs
        BranchStep(branches, plan branches.WhenTrue, plan branches.WhenFalse, args, result, temporary room)
