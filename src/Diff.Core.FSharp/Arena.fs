namespace Diff

open System
open System.Buffers
open System.Collections.Generic
open System.Runtime.CompilerServices
open System.Runtime.InteropServices
open FSharp.NativeInterop

/// What memory is taken in, so that a block may have more bytes than an array has elements.
[<Struct; StructLayout(LayoutKind.Sequential, Size = 64)>]
type internal CacheLine = struct end

/// One block of memory that does not move, from an address that is a multiple of 64: a cache line, and the widest vector.
[<Sealed>]
type internal Block(bytes: int64) =
    let memory =
        try
            GC.AllocateUninitializedArray<CacheLine>(Checked.int ((bytes + 127L) / 64L), pinned = true)
        with :? OutOfMemoryException as e ->
            raise (
                InsufficientMemoryException(
                    $"run: the machine does not give the memory for intermediate values, {bytes} bytes; evaluate in parts, or use checkpoints",
                    e
                )
            )
    let offset =
        let first = &MemoryMarshal.GetArrayDataReference memory
        let address = NativePtr.toNativeInt (&&first)
        int ((64n - address % 64n) % 64n)

    /// The address of the first byte.
    member _.Address: nativeint =
        let first = &MemoryMarshal.GetArrayDataReference memory
        NativePtr.toNativeInt (&&first) + nativeint offset
    member _.Bytes = bytes
    /// Some bytes as elements; good only as long as the block is held.
    member this.Span<'T when 'T: unmanaged>(start: int64, length: int) : Span<'T> =
        Span<'T>(NativePtr.toVoidPtr (NativePtr.ofNativeInt<'T>(this.Address + nativeint start)), length)

/// Elements in a block, for those who work on arrays.
[<Sealed>]
type internal BlockMemory<'T when 'T: unmanaged>(block: Block, start: int64, length: int) =
    inherit MemoryManager<'T>()
    override _.GetSpan() = block.Span<'T>(start, length)
    override _.Pin index =
        let address =
            block.Address + nativeint start + nativeint (index * Unsafe.SizeOf<'T>())
        new MemoryHandle(NativePtr.toVoidPtr (NativePtr.ofNativeInt<byte> address))
    override _.Unpin() = ()
    override _.Dispose(_: bool) = ()

/// Elements at an address that an entry of a table says, whatever it is at the time.
[<Sealed>]
type internal EntryMemory<'T when 'T: unmanaged>(table: nativeint[], entry: int, length: int) =
    inherit MemoryManager<'T>()
    interface IMoving
    override _.GetSpan() =
        Span<'T>(NativePtr.toVoidPtr (NativePtr.ofNativeInt<'T> table[entry]), length)
    override _.Pin index =
        let address = table[entry] + nativeint (index * Unsafe.SizeOf<'T>())
        new MemoryHandle(NativePtr.toVoidPtr (NativePtr.ofNativeInt<byte> address))
    override _.Unpin() = ()
    override _.Dispose(_: bool) = ()

[<RequireQualifiedAccess>]
module internal Block =
    /// An array over a part of a block.
    let array (block: Block) (start: int64) (shape: Shape) (dtype: DType) : NDArray =
        let inline over (_: 'T) =
            NDArray.Create((new BlockMemory<'T>(block, start, shape.Length)).Memory, shape)
        match dtype with
        | DType.Float32 -> over 0f
        | DType.Float64 -> over 0.0
        | DType.Int32 -> over 0
        | DType.Int64 -> over 0L
        | DType.Bool -> over false
        | DType.Float16 -> over Half.Zero
        | DType.BFloat16 -> over (BFloat16())
        | other -> DType.unknown other

    /// An array wherever an entry of a table says.
    let entry (table: nativeint[]) (entry: int) (shape: Shape) (dtype: DType) : NDArray =
        let inline over (_: 'T) =
            NDArray.Create((new EntryMemory<'T>(table, entry, shape.Length)).Memory, shape)
        match dtype with
        | DType.Float32 -> over 0f
        | DType.Float64 -> over 0.0
        | DType.Int32 -> over 0
        | DType.Int64 -> over 0L
        | DType.Bool -> over false
        | DType.Float16 -> over Half.Zero
        | DType.BFloat16 -> over (BFloat16())
        | other -> DType.unknown other

/// Where in one block values of known size and lifetime lie: first fit, neighbours that become free are one again.
[<Sealed>]
type internal Arena() =
    let free = List<struct (int64 * int64)>() // start and length, in ascending order
    let mutable top = 0L

    /// Sizes are multiples of a cache line, so that no two values share one.
    static member Rounded(bytes: int64) = (bytes + 63L) &&& ~~~63L

    /// The bytes that the block needs.
    member _.Bytes = top

    member _.Take(bytes: int64) : int64 =
        let bytes = Arena.Rounded bytes
        if bytes = 0L then
            0L
        else
            // The smallest hole that is large enough.
            let mutable best, size = -1, Int64.MaxValue
            for i in 0 .. free.Count - 1 do
                let struct (_, length) = free[i]
                if length >= bytes && length < size then
                    best <- i
                    size <- length
            if best >= 0 then
                let struct (start, length) = free[best]
                if length = bytes then
                    free.RemoveAt best
                else
                    free[best] <- struct (start + bytes, length - bytes)
                start
            else
                // A hole at the end grows.
                let mutable start = top
                if free.Count > 0 then
                    let struct (last, length) = free[free.Count - 1]
                    if last + length = top then
                        start <- last
                        free.RemoveAt(free.Count - 1)
                top <- start + bytes
                start

    member _.Release(start: int64, bytes: int64) : unit =
        let bytes = Arena.Rounded bytes
        if bytes > 0L then
            let mutable low, high = 0, free.Count
            while low < high do
                let middle = (low + high) / 2
                let struct (at, _) = free[middle]
                if at < start then low <- middle + 1 else high <- middle
            free.Insert(low, struct (start, bytes))
            let join i =
                if i >= 0 && i + 1 < free.Count then
                    let struct (a, n) = free[i]
                    let struct (b, m) = free[i + 1]
                    if a + n = b then
                        free[i] <- struct (a, n + m)
                        free.RemoveAt(i + 1)
            join low
            join (low - 1)
