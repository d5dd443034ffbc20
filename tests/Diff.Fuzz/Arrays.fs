/// Arrays as the fuzzer compares them.
module Diff.Fuzz.Arrays

open System
open System.Runtime.InteropServices
open Diff

/// The memory of an array, to compare bit by bit.
let bytesOf (a: NDArray) : Span<byte> =
    match a.DType with
    | DType.Float32 -> MemoryMarshal.AsBytes(a.Span<float32>())
    | DType.Float64 -> MemoryMarshal.AsBytes(a.Span<float>())
    | DType.Int32 -> MemoryMarshal.AsBytes(a.Span<int>())
    | DType.Int64 -> MemoryMarshal.AsBytes(a.Span<int64>())
    | _ -> MemoryMarshal.AsBytes(a.Span<bool>())

/// The elements as float64, whatever they are.
let floats (x: NDArray) : float[] = Array.init x.Length x.Float

/// An array of a type from float64 numbers.
let ofFloats (dtype: DType) (shape: Shape) (values: float[]) : NDArray =
    match dtype with
    | DType.Float32 -> NDArray.Create(Array.map float32 values, shape)
    | DType.Float64 -> NDArray.Create(values, shape)
    | DType.Int32 -> NDArray.Create(Array.map int values, shape)
    | DType.Int64 -> NDArray.Create(Array.map int64 values, shape)
    | _ -> NDArray.Create(Array.map ((<>) 0.0) values, shape)

let dimsOf (shape: Shape) : int list = List.ofArray (shape.ToArray())
let shapeOf (dims: int list) : Shape = Shape(Array.ofList dims)

/// The number of elements, or more than an int holds.
let countOf (dims: int list) : int64 =
    dims |> List.fold (fun n d -> n * int64 d) 1L

/// The shape that two broadcast to, unless they do not fit or no array has so many elements.
let tryBroadcast (a: Shape) (b: Shape) : Shape voption =
    let rank = max a.Rank b.Rank
    let padded (s: Shape) =
        List.replicate (rank - s.Rank) 1 @ dimsOf s
    if countOf (List.map2 max (padded a) (padded b)) > int64 Int32.MaxValue then
        ValueNone
    else
        Shape.tryBroadcast a b

let isFloat (dtype: DType) =
    dtype = DType.Float32 || dtype = DType.Float64

let nameOf (dtype: DType) = (string dtype).ToLowerInvariant()

let dtypeOf (name: string) : DType =
    Enum.GetValues<DType>() |> Array.find (fun d -> nameOf d = name)

/// The largest finite magnitude, at least 1.
let largest (values: NDArray seq) : float =
    let mutable most = 1.0
    for v in values do
        if isFloat v.DType then
            for i in 0 .. v.Length - 1 do
                let m = abs (v.Float i)
                if m > most && Double.IsFinite m then
                    most <- m
    most

/// Whether no element is infinite or NaN.
let isFinite (x: NDArray) : bool =
    let mutable fine = true
    if isFloat x.DType then
        for i in 0 .. x.Length - 1 do
            fine <- fine && Double.IsFinite(x.Float i)
    fine

/// Equal bits, but that NaN is NaN.
let sameBits (a: NDArray) (b: NDArray) : bool =
    a.DType = b.DType
    && a.Shape.Equals b.Shape
    && ((bytesOf a).SequenceEqual(bytesOf b)
        || (isFloat a.DType
            && Seq.forall
                (fun i ->
                    let x, y = a.Float i, b.Float i
                    BitConverter.DoubleToInt64Bits x = BitConverter.DoubleToInt64Bits y
                    || (Double.IsNaN x && Double.IsNaN y))
                (seq { 0 .. a.Length - 1 })))

/// How far apart two numbers are: 0 if they are equal, infinitely far if only one is finite.
let distance (x: float) (y: float) : float =
    if x = y || (Double.IsNaN x && Double.IsNaN y) then 0.0
    elif Double.IsFinite x && Double.IsFinite y then abs (x - y)
    else infinity

/// The greatest distance between two arrays and where it is; infinite where shapes or types differ.
let farthest (a: NDArray) (b: NDArray) : struct (float * int) =
    if a.DType <> b.DType || not (a.Shape.Equals b.Shape) then
        struct (infinity, -1)
    else
        let mutable most, where = 0.0, 0
        for i in 0 .. a.Length - 1 do
            let d = distance (a.Float i) (b.Float i)
            if d > most then
                most <- d
                where <- i
        struct (most, where)

let text (x: NDArray) : string =
    let shown =
        String.Join(" ", floats x |> Array.truncate 12 |> Array.map _.ToString("R"))
    $"{nameOf x.DType}{x.Shape}[{shown}]"
