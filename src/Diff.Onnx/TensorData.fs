namespace Diff

open System
open System.IO
open System.Runtime.InteropServices

/// The elements of a tensor in a model: in raw bytes, in typed fields, or in a file beside it.
[<RequireQualifiedAccess>]
module internal TensorData =
    /// The element types of NumPy with the same bytes: what reads .npy files reads these too.
    let private descr (code: int) : string =
        if code = OnnxType.float then "<f4"
        elif code = OnnxType.double then "<f8"
        elif code = OnnxType.float16 then "<f2"
        elif code = OnnxType.int8 then "|i1"
        elif code = OnnxType.uint8 then "|u1"
        elif code = OnnxType.int16 then "<i2"
        elif code = OnnxType.uint16 then "<u2"
        elif code = OnnxType.int32 then "<i4"
        elif code = OnnxType.uint32 then "<u4"
        elif code = OnnxType.int64 then "<i8"
        elif code = OnnxType.uint64 then "<u8"
        else "|b1"

    let private readAll path place (tensor: OnnxTensor) (stream: Stream) (array: NDArray) : unit =
        if tensor.Type = OnnxType.bfloat16 then
            // bfloat16 is the upper half of a float32
            let bits = MemoryMarshal.Cast<float32, int>(array.Span<float32>())
            ElementStream.readAs<uint16, int> stream false bits
            for i in 0 .. bits.Length - 1 do
                bits[i] <- bits[i] <<< 16
        else
            let struct (element, bigEndian) =
                NpyElement.find false path place (descr tensor.Type)
            match element.Read stream bigEndian array with
            | null -> ()
            | problem -> FileText.fail path (place + problem)

    /// The bytes that values in a typed field stand for.
    let private typedBytes (size: int) (values: int64[]) : byte[] =
        let bytes = Array.zeroCreate<byte>(size * values.Length)
        for i in 0 .. values.Length - 1 do
            for k in 0 .. size - 1 do
                bytes[i * size + k] <- byte (values[i] >>> (8 * k))
        bytes

    /// The number of the field that holds values of a type.
    let private fieldOf (code: int) =
        if code = OnnxType.float then
            4
        elif code = OnnxType.double then
            10
        elif code = OnnxType.int64 then
            7
        elif code = OnnxType.uint32 || code = OnnxType.uint64 then
            11
        else
            5

    /// The array, with everything checked before memory is taken.
    let load (path: string) (limits: FileLimits) (tensor: OnnxTensor) : NDArray =
        let place = $"tensor {FileText.quote tensor.Name}: "
        let fail text = FileText.fail path (place + text)
        let dtype =
            match OnnxType.dtype tensor.Type with
            | Some dtype -> dtype
            | None -> fail $"elements of {OnnxType.name tensor.Type} cannot be loaded"
        let text = "(" + String.Join(", ", tensor.Dims) + ")"
        if tensor.Dims.Length > limits.MaxRank then
            fail $"rank {tensor.Dims.Length}; at most {limits.MaxRank} is allowed"
        for d in tensor.Dims do
            if d < 0L then
                fail $"shape {FileText.plain text}: {d} is negative"
        let dims = tensor.Dims |> Array.map uint64
        let shape () = $"{place}shape {FileText.plain text}"
        let size = OnnxType.size tensor.Type
        let needed = FileShape.bytes path shape dims (uint64 size)
        let extents = FileShape.toInts path shape dims
        let count = needed / uint64 size
        let ofBytes (bytes: ReadOnlyMemory<byte>) =
            if uint64 bytes.Length <> needed then
                fail $"shape {FileText.plain text} needs {needed} bytes, {bytes.Length} are there"
            let array = NDArray.Zeros(dtype, Shape extents)
            let mutable segment = ArraySegment<byte>()
            MemoryMarshal.TryGetArray(bytes, &segment) |> ignore
            use stream =
                new MemoryStream(nonNull segment.Array, segment.Offset, segment.Count, false)
            readAll path place tensor stream array
            array
        match tensor.Raw, tensor.Typed, tensor.IsExternal with
        | ValueSome raw, [], false -> ofBytes raw
        | ValueNone, [ struct (field, values) ], false ->
            if field <> fieldOf tensor.Type then
                fail $"its values are not in the field for {OnnxType.name tensor.Type}"
            if uint64 values.Length <> count then
                fail $"shape {FileText.plain text} has {count} elements, {values.Length} are there"
            ofBytes (ReadOnlyMemory(typedBytes size values))
        | ValueNone, [], false -> ofBytes ReadOnlyMemory.Empty
        | ValueNone, [], true ->
            let mutable array: NDArray | null = null
            ExternalData.read path tensor.Name tensor.External needed (fun stream ->
                let filled = NDArray.Zeros(dtype, Shape extents)
                readAll path place tensor stream filled
                array <- filled)
            match array with
            | null -> fail "its bytes could not be read"
            | array -> array
        | _ -> fail "its values are given twice: raw_data, typed fields and external data exclude each other"
