namespace Diff

open System
open System.Buffers.Binary
open System.Text

/// Protocol buffers on the wire: fields of a message that lies in a part of a byte array. Nothing is copied, lengths are checked
/// before they are used, and nothing recurses; who reads messages within messages counts how deep they are.
/// https://protobuf.dev/programming-guides/encoding
[<Sealed>]
type internal ProtoReader(path: string, bytes: byte[], first: int, last: int) =
    let mutable at = first
    let mutable field = 0
    let mutable wire = 0

    let fail (where: int) (text: string) =
        FileText.fail path $"protobuf: at byte {where}: {text}"

    let varint () : uint64 =
        let start = at
        let mutable value, shift = 0UL, 0
        let mutable more = true
        while more do
            if at >= last then
                fail start "a number ends beyond its message: it is truncated"
            let b = bytes[at]
            at <- at + 1
            if shift = 63 && b > 1uy then
                fail start "a number has more than 64 bits"
            value <- value ||| (uint64 (b &&& 0x7Fuy) <<< shift)
            shift <- shift + 7
            more <- b >= 0x80uy
        value

    let take (count: uint64) =
        if count > uint64 (last - at) then
            fail
                at
                $"{count} bytes reach past the end of its message, which has {last - at} left: it is truncated"
        let start = at
        at <- at + int count
        start

    let expect (wanted: int) =
        if wire <> wanted then
            fail at $"field {field} has wire type {wire}, expected {wanted}"

    /// The number of the field that `Next` moved to.
    member _.Field = field

    /// Moves to the next field; false at the end.
    member _.Next() : bool =
        if at >= last then
            false
        else
            let start = at
            let key = varint ()
            if key > 0xFFFFFFFFUL || key >>> 3 = 0UL then
                fail start $"{key} is no key of a field"
            field <- int (key >>> 3)
            wire <- int (key &&& 7UL)
            true

    /// Leaves a field out.
    member _.Skip() : unit =
        match wire with
        | 0 -> varint () |> ignore
        | 1 -> take 8UL |> ignore
        | 2 -> take (varint ()) |> ignore
        | 5 -> take 4UL |> ignore
        | other -> fail at $"field {field} has wire type {other}; 0, 1, 2 and 5 are allowed"

    member _.Int64() : int64 =
        expect 0
        int64 (varint ())

    member this.Int32() : int =
        let value = this.Int64()
        if value < int64 Int32.MinValue || value > int64 Int32.MaxValue then
            fail at $"field {field} is {value}, more than 32 bits"
        int value

    member _.Float() : float32 =
        expect 5
        BinaryPrimitives.ReadSingleLittleEndian(ReadOnlySpan(bytes, take 4UL, 4))

    member _.Bytes() : ReadOnlyMemory<byte> =
        expect 2
        let count = varint ()
        let start = take count
        ReadOnlyMemory(bytes, start, int count)

    member this.Text() : string =
        let start = at
        try
            UTF8Encoding(false, true).GetString(this.Bytes().Span)
        with :? DecoderFallbackException ->
            fail start $"field {field} is not UTF-8"

    /// The message in the field, which is so many messages deep.
    member _.Message(depth: int, limit: int) : ProtoReader =
        expect 2
        if depth > limit then
            fail at $"messages are nested more than {limit} deep"
        let count = varint ()
        let start = take count
        ProtoReader(path, bytes, start, start + int count)

    /// Calls `add` with each number of a repeated field, packed or not.
    member _.Varints(add: Action<int64>) : unit =
        if wire = 0 then
            add.Invoke(int64 (varint ()))
        else
            expect 2
            let count = varint ()
            let start = take count
            let stop = at
            at <- start
            while at < stop do
                add.Invoke(int64 (varint ()))
            if at <> stop then
                fail at "a packed list ends within a number"

    /// Calls `add` with the bytes of each number of a repeated field of so many bytes each, packed or not.
    member _.Fixed(size: int, add: Action<ReadOnlyMemory<byte>>) : unit =
        if wire = (if size = 4 then 5 else 1) then
            add.Invoke(ReadOnlyMemory(bytes, take (uint64 size), size))
        else
            expect 2
            let count = varint ()
            let start = take count
            if count % uint64 size <> 0UL then
                fail start $"a packed list of {size} bytes each has {count} bytes"
            add.Invoke(ReadOnlyMemory(bytes, start, int count))
