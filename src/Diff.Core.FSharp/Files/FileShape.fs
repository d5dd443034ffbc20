namespace Diff

open System

/// Shapes that a file declares: numbers of 64 bits that nobody has checked yet.
[<RequireQualifiedAccess>]
module internal FileShape =
    /// a·b; fails where it does not fit 64 bits.
    let private times path (what: unit -> string) (a: uint64) (b: uint64) =
        let mutable low = 0UL
        if Math.BigMul(a, b, &low) <> 0UL then
            FileText.fail path $"{what ()}: the number of bytes overflows 64 bits"
        low

    /// The bytes that an array of the shape takes.
    let bytes path (what: unit -> string) (dims: uint64[]) (elementSize: uint64) : uint64 =
        times path what (Array.fold (times path what) 1UL dims) elementSize

    /// The shape as an array can have it.
    let toInts path (what: unit -> string) (dims: uint64[]) : int[] =
        let count = Array.fold (times path what) 1UL dims
        if
            count > uint64 Array.MaxLength
            || dims |> Array.exists (fun d -> d > uint64 Int32.MaxValue)
        then
            FileText.fail path $"{what ()} is too large: an array has at most {Array.MaxLength} elements"
        Array.map int dims
