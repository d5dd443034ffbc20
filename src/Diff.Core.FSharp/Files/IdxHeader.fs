namespace Diff

open System
open System.Buffers.Binary
open System.IO

/// The types of element that an IDX file can have, with their codes in the file.
type IdxElement =
    | UInt8 = 0x08
    | Int8 = 0x09
    | Int16 = 0x0B
    | Int32 = 0x0C
    | Float32 = 0x0D
    | Float64 = 0x0E

/// The header of an IDX file: 0, 0, element type, number of dimensions, then the dimensions as big-endian
/// uint32.
/// http://yann.lecun.com/exdb/mnist, "the IDX file format"
[<RequireQualifiedAccess>]
module internal IdxHeader =
    /// A byte of gzip cannot stand for more bytes than this (RFC 1951: 258 bytes for 2 bits).
    let private maxRatio = 1032L

    let size (element: IdxElement) =
        match element with
        | IdxElement.Float64 -> 8L
        | IdxElement.Int32
        | IdxElement.Float32 -> 4L
        | IdxElement.Int16 -> 2L
        | _ -> 1L

    let private readBytes path (stream: Stream) (count: int) (problem: int -> string) =
        let bytes = Array.zeroCreate count
        let found = stream.ReadAtLeast(bytes.AsSpan(), count, false)
        if found < count then
            FileText.fail path (problem found)
        bytes

    let private dimensions path (dims: uint32[]) : int[] =
        let mutable count = 1UL
        for d in dims do
            // both below 2^32: no overflow
            count <- count * uint64 d
            if count > uint64 Array.MaxLength || d > uint32 Int32.MaxValue then
                let text = String.Join(", ", dims)
                let most = Array.MaxLength
                let problem = $"the number of elements overflows; at most {most} are allowed"
                FileText.fail path $"header: dimensions ({text}): {problem}"
        Array.map int dims

    /// Element type and shape, checked against the size of the file.
    let read
        (path: string)
        (limits: FileLimits)
        (stream: Stream)
        (fileSize: int64)
        (zipped: bool)
        : struct (IdxElement * int[]) =
        let magic =
            readBytes path stream 4 (fun found ->
                $"header: an IDX header has at least 4 bytes, found {found}")
        if magic[0] <> 0uy || magic[1] <> 0uy then
            FileText.fail
                path
                $"header: magic: the first two bytes must be 0, found 0x{magic[0]:X2} 0x{magic[1]:X2}"
        let element = enum<IdxElement>(int magic[2])
        if not (Enum.IsDefined element) then
            let known = "08, 09, 0B, 0C, 0D and 0E are allowed"
            FileText.fail path $"header: magic: element type 0x{magic[2]:X2} is unknown; {known}"
        let rank = int magic[3]
        if rank > limits.MaxRank then
            FileText.fail path $"header: {rank} dimensions; at most {limits.MaxRank} are allowed"
        let bytes =
            readBytes path stream (4 * rank) (fun found ->
                $"header: {rank} dimensions need {4 + 4 * rank} bytes, found {4 + found}")
        let dims =
            Array.init rank (fun i -> BinaryPrimitives.ReadUInt32BigEndian(ReadOnlySpan(bytes, 4 * i, 4)))
            |> dimensions path
        let count = dims |> Array.fold (fun n d -> n * int64 d) 1L
        let needed = count * size element
        let found = fileSize - int64 (4 + 4 * rank)
        if zipped then
            if needed > fileSize * maxRatio then
                FileText.fail
                    path
                    $"header: it declares {needed} bytes, more than {fileSize} bytes of gzip can hold"
            if needed > limits.MaxUnpackedBytes then
                FileText.fail
                    path
                    $"header: it declares {needed} bytes; at most {limits.MaxUnpackedBytes} are allowed"
        elif needed <> found then
            let problem =
                if needed > found then
                    "it is truncated"
                else
                    "it has trailing bytes"
            let declared = $"{count} elements ({needed} bytes)"
            FileText.fail path $"header: it declares {declared}, the file has {found} bytes: {problem}"
        struct (element, dims)
