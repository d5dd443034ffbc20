/// Random arrays, shapes and arguments of operations, with what smaller case to try when a law fails.
module Diff.Testing.Generators

open System
open System.Runtime.InteropServices
open FsCheck
open FsCheck.FSharp
open Diff

/// The message of an exception without the line of the caller's code, which would change with every edit of a test.
let withoutLine (error: exn) =
    error.Message.Split($"{Environment.NewLine}   at ")[0]

/// The memory of an array, to compare bit by bit.
let bytesOf (a: NDArray) : Span<byte> =
    match a.DType with
    | DType.Float32 -> MemoryMarshal.AsBytes(a.Span<float32>())
    | DType.Float64 -> MemoryMarshal.AsBytes(a.Span<float>())
    | DType.Int32 -> MemoryMarshal.AsBytes(a.Span<int>())
    | DType.Int64 -> MemoryMarshal.AsBytes(a.Span<int64>())
    | DType.Float16 -> MemoryMarshal.AsBytes(a.Span<Half>())
    | DType.BFloat16 -> MemoryMarshal.AsBytes(a.Span<BFloat16>())
    | _ -> MemoryMarshal.AsBytes(a.Span<bool>())

// ---- Numbers from a seed ------------------------------------------------------------------------------------------

/// Numbers spread over an interval in random order; no two are close, so that maxima are clear.
let spread (seed: int) (low: float, high: float) (shape: int list) : NDArray =
    let shape = Shape(Array.ofList shape)
    let source = Random seed
    let n = shape.Length
    let cells = [| 0 .. n - 1 |]
    source.Shuffle cells
    let width = (high - low) / float (max 1 n)
    NDArray.Create(
        cells
        |> Array.map (fun c -> low + width * (float c + 0.25 + 0.5 * source.NextDouble())),
        shape
    )

/// Integers from low up to high, exclusive.
let integers (seed: int) (low: int, high: int) (shape: int list) : NDArray =
    let shape = Shape(Array.ofList shape)
    let source = Random seed
    NDArray.Create(Array.init shape.Length (fun _ -> source.Next(low, high)), shape)

let booleans (seed: int) (shape: int list) : NDArray =
    let shape = Shape(Array.ofList shape)
    let source = Random seed
    NDArray.Create(Array.init shape.Length (fun _ -> source.Next 2 = 1), shape)

/// The elements as float64, whatever they are.
let floats (x: NDArray) : float[] = Array.init x.Length x.Float

// ---- Shapes -------------------------------------------------------------------------------------------------------

let private extent =
    Gen.frequency [ 1, Gen.constant 0; 3, Gen.constant 1; 8, Gen.choose (2, 4) ]

/// Ranks 0 to 4, extents 0 to 4.
let shape: Gen<int list> =
    Gen.choose (0, 4) |> Gen.bind (fun rank -> Gen.listOfLength rank extent)

/// One extent smaller, or one axis fewer.
let smallerShapes (dims: int list) : int list seq =
    seq {
        for i in 0 .. dims.Length - 1 do
            yield List.removeAt i dims
            if dims[i] > 1 then
                yield List.updateAt i (dims[i] - 1) dims
    }

let shapes = Arb.fromGenShrink (shape, smallerShapes)

/// Two shapes that broadcast with each other, of given ranks.
let pairOfRanks (a: int) (b: int) : Gen<int list * int list> =
    gen {
        let! common = Gen.listOfLength (max a b) extent
        let! stretched =
            Gen.listOfLength (a + b) (Gen.frequency [ 3, Gen.constant false; 1, Gen.constant true ])
        let part rank (marks: bool list) =
            List.map2 (fun d one -> if one then 1 else d) (List.skip (common.Length - rank) common) marks
        return part a (List.take a stretched), part b (List.skip a stretched)
    }

// ---- Contractions -------------------------------------------------------------------------------------------------

/// The parts of an einsum: labels with extents; for each operand its labels and the extents of its ellipsis axes, if it has any.
type Contraction =
    {
        Sizes: Map<char, int>
        Operands: (string * int list option) list
        Output: string
        /// Where the ellipsis stands among the output's labels.
        Ellipsis: int option
    }

    /// Notation in letters; each operand's ellipsis stands first.
    member c.Notation =
        let operand (labels: string, hidden: int list option) =
            (if hidden.IsSome then "..." else "") + labels
        let output =
            match c.Ellipsis with
            | Some at -> c.Output.Insert(at, "...")
            | None -> c.Output
        String.Join(",", List.map operand c.Operands) + "->" + output
    member c.Shapes =
        c.Operands
        |> List.map (fun (labels, hidden) ->
            Option.defaultValue [] hidden @ [ for l in labels -> c.Sizes[l] ])
    /// The labels that stand only in the output.
    member c.Extents =
        [ for l in Seq.distinct c.Output do
              if not (c.Operands |> List.exists (fun (s, _) -> s.Contains l)) then
                  l, c.Sizes[l] ]
    override c.ToString() =
        $"""{c.Notation} of {String.Join(" ", c.Shapes |> List.map (fun s -> string (Shape(Array.ofList s))))}"""

let private labels least most =
    Gen.choose (least, most)
    |> Gen.bind (fun n -> Gen.listOfLength n (Gen.elements [ 'a' .. 'e' ]))
    |> Gen.map (fun l -> String(Array.ofList l))

let private contraction: Gen<Contraction> =
    gen {
        let! extents =
            Gen.listOfLength 5 (Gen.frequency [ 1, Gen.constant 0; 3, Gen.constant 1; 12, Gen.choose (2, 3) ])
        let! count = Gen.choose (1, 3)
        let! hidden =
            Gen.frequency
                [ 2, Gen.constant None
                  1, Gen.listOfLength 2 (Gen.choose (1, 3)) |> Gen.map Some ]
        let operand =
            gen {
                let! names = labels 0 3
                let! shown = Gen.choose (0, 2)
                let! ones = Gen.listOfLength 2 (Gen.elements [ false; false; true ])
                let! has = Gen.elements [ true; true; false ]
                let axes all =
                    List.map2 (fun d one -> if one then 1 else d) all ones |> List.skip (2 - shown)
                return names, (if has then Option.map axes hidden else None)
            }
        let! operands = Gen.listOfLength count operand
        let! output = labels 0 3
        let! distinct = Gen.elements [ true; true; true; false ]
        let output =
            if distinct then
                String(output |> Seq.distinct |> Array.ofSeq)
            else
                output
        let! at = Gen.choose (0, output.Length)
        let any = operands |> List.exists (fun (_, h) -> h.IsSome)
        return
            { Sizes = Map(List.zip [ 'a' .. 'e' ] extents)
              Operands = operands
              Output = output
              Ellipsis = if any then Some at else None }
    }

let private smallerContractions (c: Contraction) : Contraction seq =
    let without (l: char) (s: string) = s.Replace(string l, "")
    seq {
        if c.Operands.Length > 1 then
            for k in 0 .. c.Operands.Length - 1 do
                let rest = List.removeAt k c.Operands
                let any = rest |> List.exists (fun (_, h) -> h.IsSome)
                yield
                    { c with
                        Operands = rest
                        Ellipsis = if any then c.Ellipsis else None }
        for l in Seq.distinct (c.Output + String.Join("", List.map fst c.Operands)) do
            yield
                { c with
                    Operands = c.Operands |> List.map (fun (s, h) -> without l s, h)
                    Output = without l c.Output
                    Ellipsis = c.Ellipsis |> Option.map (fun _ -> 0) }
            if c.Sizes[l] > 1 then
                yield
                    { c with
                        Sizes = c.Sizes.Add(l, c.Sizes[l] - 1) }
        if c.Ellipsis.IsSome then
            yield
                { c with
                    Operands = c.Operands |> List.map (fun (s, _) -> s, None)
                    Ellipsis = None }
    }

let contractions = Arb.fromGenShrink (contraction, smallerContractions)

/// A contraction of the result of another: the labels that its axes get, those of a second operand if there is one, the
/// output's labels, of which 'z' stands only there.
type Chain =
    { Inner: Contraction
      Axes: string
      Other: string option
      Kept: string }

/// The shape of a contraction's result.
let resultDims (c: Contraction) : int list =
    let most =
        c.Operands
        |> List.map (fun (_, h) -> h |> Option.map List.length |> Option.defaultValue 0)
        |> List.max
    let slot j =
        c.Operands
        |> List.choose (fun (_, h) ->
            h
            |> Option.bind (fun h -> let i = j - (most - h.Length) in if i < 0 then None else Some h[i]))
        |> List.fold (fun m d -> if d = 1 then m else d) 1
    let dims = [ for l in c.Output -> c.Sizes[l] ]
    match c.Ellipsis with
    | Some at -> List.insertManyAt at [ for j in 0 .. most - 1 -> slot j ] dims
    | None -> dims

let private chain: Gen<Chain> =
    gen {
        let! inner = contraction
        let dims = resultDims inner
        let! repeats = Gen.listOfLength dims.Length (Gen.choose (0, 4))
        let axes =
            (([], dims, repeats)
             |||> List.fold2 (fun known d r ->
                 // Now and then the label of an earlier axis of the same extent.
                 match known |> List.tryFind (fun (_, d') -> d' = d) with
                 | Some(l, _) when r = 0 -> known @ [ l, d ]
                 | _ -> known @ [ char (int 'p' + known.Length), d ]))
            |> List.map fst
        let! other = Gen.subListOf (List.distinct axes)
        let! second = Gen.elements [ true; false ]
        let! kept = Gen.subListOf (List.distinct axes)
        let! order = Gen.shuffle (List.ofSeq kept)
        let! extra = Gen.elements [ ""; ""; "z" ]
        let text (l: char seq) = String(Array.ofSeq l)
        return
            { Inner = inner
              Axes = text axes
              Other = if second then Some(text other) else None
              Kept = extra + text order }
    }

let private smallerChains (c: Chain) : Chain seq =
    seq {
        if c.Other.IsSome then
            yield { c with Other = None }
        for l in Seq.distinct c.Kept do
            yield
                { c with
                    Kept = c.Kept.Replace(string l, "") }
        for inner in smallerContractions c.Inner do
            if (resultDims inner).Length = c.Axes.Length && inner.Sizes = c.Inner.Sizes then
                yield { c with Inner = inner }
    }

let chains = Arb.fromGenShrink (chain, smallerChains)

// ---- Slices and permutations --------------------------------------------------------------------------------------

/// A shape, and for each axis start, stop and step as in Python.
type Window =
    { Dims: int list
      Bounds: (int option * int option * int) list }

let private window: Gen<Window> =
    gen {
        let! dims = shape
        let bound =
            Gen.frequency [ 1, Gen.constant None; 3, Gen.choose (-6, 6) |> Gen.map Some ]
        let step = Gen.elements [ 1; 1; 2; 3; -1; -2; -3 ]
        let! bounds =
            Gen.listOfLength dims.Length (Gen.map3 (fun a b s -> a, b, s) bound bound step)
        return { Dims = dims; Bounds = bounds }
    }

let private smallerWindows (w: Window) : Window seq =
    seq {
        for i in 0 .. w.Dims.Length - 1 do
            yield
                { Dims = List.removeAt i w.Dims
                  Bounds = List.removeAt i w.Bounds }
            if w.Dims[i] > 1 then
                yield
                    { w with
                        Dims = List.updateAt i (w.Dims[i] - 1) w.Dims }
            let a, b, s = w.Bounds[i]
            for simpler in [ None, b, s; a, None, s; a, b, sign s ] do
                if simpler <> (a, b, s) then
                    yield
                        { w with
                            Bounds = List.updateAt i simpler w.Bounds }
    }

let windows = Arb.fromGenShrink (window, smallerWindows)

/// The indices that Python's slice picks from an axis.
let pythonIndices (extent: int) (start: int option, stop: int option, step: int) : int list =
    let clamp low high n =
        max low (min high (if n < 0 then n + extent else n))
    let low, high = if step > 0 then 0, extent else -1, extent - 1
    let first =
        start
        |> Option.map (clamp low high)
        |> Option.defaultValue (if step > 0 then low else high)
    let last =
        stop
        |> Option.map (clamp low high)
        |> Option.defaultValue (if step > 0 then high else low)
    first
    |> List.unfold (fun i ->
        if (step > 0 && i < last) || (step < 0 && i > last) then
            Some(i, i + step)
        else
            None)

/// A shape and an order of its axes.
let permutations =
    let order =
        shape
        |> Gen.bind (fun dims ->
            Gen.shuffle [| 0 .. dims.Length - 1 |]
            |> Gen.map (fun p -> dims, List.ofArray p))
    let smaller (dims: int list, order: int list) =
        seq {
            for i in 0 .. dims.Length - 1 do
                yield
                    List.removeAt i dims,
                    order |> List.filter ((<>) i) |> List.map (fun a -> if a > i then a - 1 else a)
                if dims[i] > 1 then
                    yield List.updateAt i (dims[i] - 1) dims, order
        }
    Arb.fromGenShrink (order, smaller)

/// A shape and some of its axes, counted from either end.
let axes =
    let pick =
        gen {
            let! dims = shape
            let! chosen = Gen.subListOf [ 0 .. dims.Length - 1 ]
            let! negative = Gen.listOfLength chosen.Length (Gen.elements [ true; false ])
            return
                dims,
                List.map2 (fun a back -> if back then a - dims.Length else a) (List.ofSeq chosen) negative
        }
    let smaller (dims: int list, axes: int list) =
        seq {
            for i in 0 .. axes.Length - 1 do
                yield dims, List.removeAt i axes
            for i in 0 .. dims.Length - 1 do
                if dims[i] > 1 then
                    yield List.updateAt i (dims[i] - 1) dims, axes
        }
    Arb.fromGenShrink (pick, smaller)
