namespace Diff

open System
open Diff.Kernels
open FSharp.NativeInterop

/// The step of a node with graphs within: their plans run on addresses.
[<AbstractClass>]
type internal InnerStep() =
    inherit MemoryStep()
    abstract Kind: string
    abstract Flops: float
    abstract Bytes: float
    /// How often the plans within run.
    abstract Text: string
    /// The plans within, and what they are.
    abstract Plans: (string * Plan)[]

/// Numbers at addresses.
[<RequireQualifiedAccess>]
module internal Memory =
    let private span<'T when 'T: unmanaged> (at: nativeint) (count: int) =
        Span<'T>(NativePtr.toVoidPtr (NativePtr.ofNativeInt<'T> at), count)

    let copy (bytes: int64) (from: nativeint) (into: nativeint) : unit =
        Buffer.MemoryCopy(from.ToPointer(), into.ToPointer(), bytes, bytes)

    /// Numbers into a vector of parts, of whose type they need not be: see Pack.
    let pack (dtype: DType) (packed: DType) (count: int) (from: nativeint) (into: nativeint) : unit =
        let inline wide (_: 'T) (convert: 'T -> float) =
            let x = span<'T> from count
            let out = span<float> into count
            for i in 0 .. count - 1 do
                out[i] <- convert x[i]
        if dtype = packed then
            copy (int64 count * int64 (DType.size dtype)) from into
        else
            match dtype with
            | DType.Float32 -> wide 0f float
            | DType.Float64 -> wide 0.0 id
            | DType.Int32 -> wide 0 float
            | DType.Bool -> wide false (fun b -> if b then 1.0 else 0.0)
            | DType.Float16 -> wide Half.Zero float
            | DType.BFloat16 -> wide (BFloat16()) (fun x -> x.ToDouble())
            | DType.Int64 ->
                let x = span<int64> from count
                let out = span<float> into (2 * count)
                for i in 0 .. count - 1 do
                    out[2 * i] <- float (x[i] &&& 0xFFFFFFFFL)
                    out[2 * i + 1] <- float (x[i] >>> 32)
            | other -> DType.unknown other
