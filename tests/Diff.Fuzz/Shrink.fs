/// Smaller programs that fail in the same way.
module Diff.Fuzz.Shrink

open System
open Diff
open Diff.Fuzz.Arrays

/// Whether a program still fails the oracle.
let fails (oracle: string) (seed: uint64) (p: GraphProgram) : string option =
    match Judge.judge (Some oracle) (Recorder()) seed p with
    | Judge.Disagrees(found, detail) when found = oracle -> Some detail
    | _ -> None

/// Earlier outputs, fewer outputs.
let private cutOutputs (p: GraphProgram) =
    seq {
        if p.Outputs.Length > 1 then
            { p with Outputs = [ p.Outputs.Head ] }
            for o in p.Outputs do
                { p with
                    Outputs = p.Outputs |> List.filter ((<>) o) }
        for n in 0 .. p.Count - 1 do
            if n < p.Outputs.Head then
                { p with Outputs = [ n ] }
    }

/// The values of all nodes; none where the program means nothing.
let private values (p: GraphProgram) : NDArray[] voption =
    try
        let b =
            GraphProgram.buildWith Table.meaning DType.Float32 (fun _ v -> variableOf "" v) p
        ValueSome(Reference.evaluate b.Nodes)
    with _ ->
        ValueNone

/// A step replaced by one of its operands, or by its value.
let private replaceSteps (p: GraphProgram) =
    seq {
        match values p with
        | ValueNone -> ()
        | ValueSome known ->
            let like a b =
                known[a].DType = known[b].DType && known[a].Shape.Equals known[b].Shape
            for k in p.Steps.Length - 1 .. -1 .. 0 do
                let n = p.Leaves.Length + k
                for a in List.distinct p.Steps[k].Args do
                    if like a n then
                        let other m = if m = n then a else m
                        { p with
                            Steps =
                                p.Steps
                                |> Array.map (fun s ->
                                    { s with
                                        Args = s.Args |> List.map other })
                            Outputs = p.Outputs |> List.map other |> List.distinct }
                for isConstant in [ false; true ] do
                    let leaf =
                        { Value = known[n]
                          IsConstant = isConstant }
                    let nodes =
                        GraphProgram.flat p
                        |> Array.mapi (fun m node -> if m = n then Choice1Of2 leaf else node)
                    GraphProgram.ofFlat nodes p.Outputs
    }

/// One operand less, where there are several.
let private dropOperands (p: GraphProgram) =
    seq {
        for k in 0 .. p.Steps.Length - 1 do
            let s = p.Steps[k]
            if s.Args.Length > 2 then
                for i in 0 .. s.Args.Length - 1 do
                    { p with
                        Steps = Array.updateAt k { s with Args = List.removeAt i s.Args } p.Steps }
    }

/// A leaf's array cut to a smaller extent, everywhere where the extent occurs.
let private cutExtents (p: GraphProgram) =
    let extents =
        p.Leaves
        |> Seq.collect (fun l -> l.Value.Shape.ToArray())
        |> Seq.distinct
        |> Seq.filter (fun d -> d > 1)
        |> Seq.sortDescending
    seq {
        for d in List.ofSeq extents do
            for smaller in [ 1; d / 2; d - 1 ] |> List.distinct do
                if smaller > 0 then
                    let swap e = if e = d then smaller else e
                    let cut (value: NDArray) =
                        let dims = dimsOf value.Shape
                        let target = List.map swap dims
                        let isInteger = not (isFloat value.DType) && value.DType <> DType.Bool
                        let source = floats value
                        let strides = List.ofArray (Shape.strides (Array.ofList dims))
                        let shape = shapeOf target
                        let inner = List.ofArray (Shape.strides (Array.ofList target))
                        ofFloats
                            value.DType
                            shape
                            (Array.init shape.Length (fun i ->
                                let at =
                                    List.zip3 target strides inner
                                    |> List.sumBy (fun (extent, stride, own) -> i / own % extent * stride)
                                let v = source[at]
                                if isInteger && v >= float smaller then
                                    float (smaller - 1)
                                else
                                    v))
                    { p with
                        Leaves =
                            p.Leaves
                            |> Array.map (fun l ->
                                if List.contains d (dimsOf l.Value.Shape) then
                                    { l with Value = cut l.Value }
                                else
                                    l)
                        Steps =
                            p.Steps
                            |> Array.map (fun s ->
                                { s with
                                    Attrs =
                                        s.Attrs
                                        |> List.map (fun (name, attr) ->
                                            match name, attr with
                                            | "shape", Ints xs -> name, Ints(List.map swap xs)
                                            | _, Filled(dims, v) -> name, Filled(List.map swap dims, v)
                                            | _ -> name, attr) }) }
    }

let private isSimple (v: float) = v = Math.Round(v * 4.0) / 4.0

/// Simpler numbers, constants in place of variables, float64 in place of float32.
let private simplifyLeaves (p: GraphProgram) =
    seq {
        for i in 0 .. p.Leaves.Length - 1 do
            let l = p.Leaves[i]
            let set value =
                { p with
                    Leaves = Array.updateAt i { l with Value = value } p.Leaves }
            if isFloat l.Value.DType then
                let v = floats l.Value
                for simple in [ 1.0; 0.5 ] do
                    if Array.exists ((<>) simple) v then
                        set (ofFloats l.Value.DType l.Value.Shape (Array.map (fun _ -> simple) v))
                if not (Array.forall isSimple v) then
                    set (
                        ofFloats
                            l.Value.DType
                            l.Value.Shape
                            (v |> Array.map (fun x -> Math.Round(x * 4.0) / 4.0))
                    )
                if not l.IsConstant then
                    { p with
                        Leaves = Array.updateAt i { l with IsConstant = true } p.Leaves }
        if p.Leaves |> Array.exists (fun l -> l.Value.DType = DType.Float32) then
            { p with
                Leaves =
                    p.Leaves
                    |> Array.map (fun l ->
                        if l.Value.DType = DType.Float32 then
                            { l with
                                Value = ofFloats DType.Float64 l.Value.Shape (floats l.Value) }
                        else
                            l)
                Steps =
                    p.Steps
                    |> Array.map (fun s ->
                        { s with
                            Attrs =
                                s.Attrs
                                |> List.map (fun (name, attr) ->
                                    name, (if attr = Text "float32" then Text "float64" else attr)) }) }
    }

let private size (p: GraphProgram) =
    struct (p.Count, p.Leaves |> Array.sumBy (fun l -> 1 + l.Value.Length))

let private candidates (p: GraphProgram) : GraphProgram seq =
    Seq.concat [ cutOutputs p; replaceSteps p; dropOperands p; cutExtents p; simplifyLeaves p ]
    |> Seq.map GraphProgram.trimmed

/// The least program found in so many trials that fails, and how it does.
let shrinkBy
    (trials: int)
    (fails: GraphProgram -> string option)
    (p: GraphProgram)
    : struct (GraphProgram * string) voption =
    match fails p with
    | None -> ValueNone
    | Some detail ->
        let mutable best, what, left = p, detail, trials
        let mutable moved = true
        while moved && left > 0 do
            moved <- false
            let next =
                candidates best
                |> Seq.filter (fun c -> c.Outputs.Head < c.Count && c <> best && size c <= size best)
                |> Seq.truncate left
                |> Seq.tryPick (fun c ->
                    left <- left - 1
                    fails c |> Option.map (fun detail -> c, detail))
            match next with
            | Some(c, detail) ->
                best <- c
                what <- detail
                moved <- true
            | None -> ()
        ValueSome(struct (best, what))

/// The least program found in so many trials that fails the same oracle. One that means nothing any more raises, which is another failure.
let shrink
    (trials: int)
    (oracle: string)
    (seed: uint64)
    : GraphProgram -> struct (GraphProgram * string) voption =
    shrinkBy trials (fails oracle seed)
