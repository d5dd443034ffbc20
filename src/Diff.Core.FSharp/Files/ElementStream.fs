namespace Diff

open System
open System.Buffers.Binary
open System.IO
open System.Numerics
open System.Numerics.Tensors
open System.Runtime.InteropServices

/// Elements of arrays in files: in pieces, so that an array may have more than 2 GB, and in either byte
/// order.
[<RequireQualifiedAccess>]
module internal ElementStream =
    let private piece = 1 <<< 18

    /// Opens a file for reading from front to back; a save may replace it meanwhile.
    let openRead (path: string) : FileStream =
        ArgumentException.ThrowIfNullOrEmpty(path, nameof path)
        FileText.checkPath path
        if Directory.Exists path then
            raise (IOException $"{path}: is a folder, a file was expected")
        let share = FileShare.Read ||| FileShare.Delete
        let stream =
            new FileStream(path, FileMode.Open, FileAccess.Read, share, 65536, FileOptions.SequentialScan)
        if not stream.CanSeek then
            stream.Dispose()
            raise (IOException $"{path}: is a pipe or a device, a file was expected")
        stream

    let private reverse (size: int) (bytes: Span<byte>) =
        match size with
        | 2 ->
            let words = MemoryMarshal.Cast<byte, uint16> bytes
            BinaryPrimitives.ReverseEndianness(words, words)
        | 4 ->
            let words = MemoryMarshal.Cast<byte, uint32> bytes
            BinaryPrimitives.ReverseEndianness(words, words)
        | 8 ->
            let words = MemoryMarshal.Cast<byte, uint64> bytes
            BinaryPrimitives.ReverseEndianness(words, words)
        | _ -> ()

    /// Fills the target with the stream's next elements, bit by bit.
    let read<'T when 'T: unmanaged and 'T: (new: unit -> 'T) and 'T: struct and 'T :> ValueType>
        (stream: Stream)
        (bigEndian: bool)
        (target: Span<'T>)
        =
        let mutable rest = target
        while rest.Length > 0 do
            let part = rest.Slice(0, min piece rest.Length)
            let bytes = MemoryMarshal.AsBytes part
            stream.ReadExactly bytes
            if bigEndian = BitConverter.IsLittleEndian then
                reverse sizeof<'T> bytes
            rest <- rest.Slice part.Length

    /// Fills the target with the stream's next elements of type 'S, converted; 'T must hold all values of
    /// 'S.
    let readAs<'S, 'T
        when 'S: unmanaged
        and 'S: (new: unit -> 'S)
        and 'S: struct
        and 'S :> ValueType
        and 'S :> INumberBase<'S>
        and 'T: unmanaged
        and 'T: (new: unit -> 'T)
        and 'T: struct
        and 'T :> ValueType
        and 'T :> INumberBase<'T>>
        (stream: Stream)
        (bigEndian: bool)
        (target: Span<'T>)
        =
        if typeof<'S> = typeof<'T> then
            read stream bigEndian target
        else
            let source: 'S[] = Array.zeroCreate (min piece target.Length)
            let mutable rest = target
            while rest.Length > 0 do
                let part = source.AsSpan(0, min piece rest.Length)
                read stream bigEndian part
                TensorPrimitives.ConvertTruncating<'S, 'T>(part, rest)
                rest <- rest.Slice part.Length

    /// Writes the elements, bit by bit.
    let write<'T when 'T: unmanaged and 'T: (new: unit -> 'T) and 'T: struct and 'T :> ValueType>
        (stream: Stream)
        (bigEndian: bool)
        (source: ReadOnlySpan<'T>)
        =
        let swap = bigEndian = BitConverter.IsLittleEndian
        let swapped: 'T[] = Array.zeroCreate (if swap then min piece source.Length else 0)
        let mutable rest = source
        while rest.Length > 0 do
            let part = rest.Slice(0, min piece rest.Length)
            if swap then
                let copy = swapped.AsSpan(0, part.Length)
                part.CopyTo copy
                let bytes = MemoryMarshal.AsBytes copy
                reverse sizeof<'T> bytes
                stream.Write bytes
            else
                stream.Write(MemoryMarshal.AsBytes part)
            rest <- rest.Slice part.Length

    /// Writes all elements of an array, bit by bit.
    let writeArray (stream: Stream) (bigEndian: bool) (array: NDArray) =
        match array.DType with
        | DType.Float32 -> write<float32> stream bigEndian (array.Span<float32>())
        | DType.Float64 -> write<float> stream bigEndian (array.Span<float>())
        | DType.Int32 -> write<int> stream bigEndian (array.Span<int>())
        | DType.Int64 -> write<int64> stream bigEndian (array.Span<int64>())
        | DType.Bool -> write<bool> stream bigEndian (array.Span<bool>())
        | DType.Float16 -> write<Half> stream bigEndian (array.Span<Half>())
        | DType.BFloat16 -> write<BFloat16> stream bigEndian (array.Span<BFloat16>())
        | other -> DType.unknown other
