namespace Diff

open System
open System.Buffers.Binary
open System.IO
open System.Text

/// Writes fields of a message. Messages within it are written to writers of their own first, for their length comes before them.
[<Sealed>]
type internal ProtoWriter() =
    let stream = new MemoryStream()

    let varint (value: uint64) =
        let mutable rest = value
        while rest >= 0x80UL do
            stream.WriteByte(byte rest ||| 0x80uy)
            rest <- rest >>> 7
        stream.WriteByte(byte rest)

    let key (field: int) (wire: int) = varint (uint64 (field <<< 3 ||| wire))

    member _.Length = stream.Length
    member _.WriteTo(target: Stream) : unit = stream.WriteTo target

    member _.Int64(field: int, value: int64) : unit =
        key field 0
        varint (uint64 value)

    member _.Float(field: int, value: float32) : unit =
        key field 5
        let bytes = Array.zeroCreate<byte> 4
        BinaryPrimitives.WriteSingleLittleEndian(Span bytes, value)
        stream.Write(bytes, 0, 4)

    member _.Bytes(field: int, value: ReadOnlySpan<byte>) : unit =
        key field 2
        varint (uint64 value.Length)
        stream.Write value

    member this.Text(field: int, value: string) : unit =
        this.Bytes(field, ReadOnlySpan(Encoding.UTF8.GetBytes value))

    member _.Message(field: int, value: ProtoWriter) : unit =
        key field 2
        varint (uint64 value.Length)
        value.WriteTo stream

    member this.PackedInts(field: int, values: int64 seq) : unit =
        let inner = ProtoWriter()
        for value in values do
            inner.Varint(uint64 value)
        this.Message(field, inner)

    member _.Varint(value: uint64) : unit = varint value
