namespace Diff

open System
open System.IO
open System.IO.Compression
open System.Numerics
open System.Numerics.Tensors

/// Arrays in the IDX format of the MNIST data sets, also compressed with gzip.
[<AbstractClass; Sealed>]
type Idx =
    static member private ReadElements<'T
        when 'T: unmanaged
        and 'T: (new: unit -> 'T)
        and 'T: struct
        and 'T :> ValueType
        and 'T :> INumberBase<'T>>
        (stream: Stream, element: IdxElement, target: Span<'T>)
        : unit =
        match element with
        | IdxElement.UInt8 -> ElementStream.readAs<byte, 'T> stream true target
        | IdxElement.Int8 -> ElementStream.readAs<sbyte, 'T> stream true target
        | IdxElement.Int16 -> ElementStream.readAs<int16, 'T> stream true target
        | IdxElement.Int32 -> ElementStream.readAs<int, 'T> stream true target
        | IdxElement.Float32 -> ElementStream.readAs<float32, 'T> stream true target
        | _ -> ElementStream.readAs<float, 'T> stream true target

    static member private ReadNumbers(stream: Stream, element: IdxElement, dims: int[]) : NDArray =
        match element with
        | IdxElement.Float32 ->
            let array = NDArray.Zeros(DType.Float32, Shape dims)
            Idx.ReadElements(stream, element, array.Span<float32>())
            array
        | IdxElement.Float64 ->
            let array = NDArray.Zeros(DType.Float64, Shape dims)
            Idx.ReadElements(stream, element, array.Span<float>())
            array
        | _ ->
            let array = NDArray.Zeros(DType.Int32, Shape dims)
            Idx.ReadElements(stream, element, array.Span<int>())
            array

    static member private ReadScaled
        (stream: Stream, element: IdxElement, dims: int[], scale: float)
        : NDArray =
        let array = NDArray.Zeros(DType.Float32, Shape dims)
        let values: float[] = Array.zeroCreate (min (1 <<< 16) array.Length)
        let mutable rest = array.Span<float32>()
        while rest.Length > 0 do
            let part = values.AsSpan(0, min values.Length rest.Length)
            Idx.ReadElements(stream, element, part)
            TensorPrimitives.Multiply<float>(part, scale, part)
            TensorPrimitives.ConvertTruncating<float, float32>(part, rest)
            rest <- rest.Slice part.Length
        array

    /// Opens a file, unpacks it if it begins like gzip, reads it to its end.
    static member private Read
        (path: string, limits: FileLimits, fill: Func<Stream, IdxElement, int[], NDArray>)
        : NDArray =
        use file = ElementStream.openRead path
        let zipped = file.ReadByte() = 0x1F && file.ReadByte() = 0x8B
        file.Position <- 0L
        use stream: Stream =
            if zipped then
                new GZipStream(file, CompressionMode.Decompress)
            else
                file
        try
            let struct (element, dims) = IdxHeader.read path limits stream file.Length zipped
            let array = fill.Invoke(stream, element, dims)
            if stream.ReadByte() >= 0 then
                FileText.fail
                    path
                    $"header: it declares {array.Length} elements, the file has more: it has trailing bytes"
            array
        with
        | :? EndOfStreamException as e ->
            raise (DiffFormatException(path, "the elements end before the header says: it is truncated", e))
        | :? InvalidDataException as e -> raise (DiffFormatException(path, $"gzip: {e.Message}", e))

    /// Loads a file: integers as int32, float32 and float64 as they are. A gzip file is unpacked.
    /// <param name="path">The file.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is not IDX, or damaged.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string) : NDArray = Idx.Load(path, null)

    /// Loads a file: integers as int32, float32 and float64 as they are. A gzip file is unpacked.
    /// <param name="path">The file.</param>
    /// <param name="limits">What the file may ask for; null for the defaults.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is not IDX, or damaged.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string, limits: FileLimits | null) : NDArray =
        Idx.Read(
            path,
            FileLimits.OrDefault limits,
            fun stream element dims -> Idx.ReadNumbers(stream, element, dims)
        )

    /// Loads a file as float32: each element times the scale, computed in float64 and rounded once; images
    /// take 1.0 / 255.
    /// <param name="path">The file.</param>
    /// <param name="scale">The factor; 1 for the numbers as they are.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is not IDX, or damaged.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member LoadFloat32(path: string, scale: float) : NDArray =
        Idx.Read(path, FileLimits(), fun stream element dims -> Idx.ReadScaled(stream, element, dims, scale))

    static member private Range(element: IdxElement) : struct (float * float) =
        match element with
        | IdxElement.UInt8 -> struct (0.0, 255.0)
        | IdxElement.Int8 -> struct (-128.0, 127.0)
        | IdxElement.Int16 -> struct (-32768.0, 32767.0)
        | _ -> struct (-2147483648.0, 2147483647.0)

    static member private Holds(element: IdxElement, array: NDArray, index: int) : bool =
        let value = array.Float index
        match element with
        // from 2^53 on, value may already be rounded
        | IdxElement.Float32
        | IdxElement.Float64 when array.DType = DType.Int64 && abs value >= 9007199254740992.0 -> false
        | IdxElement.Float32 -> float (float32 value) = value || Double.IsNaN value
        | IdxElement.Float64 -> true
        | _ ->
            let struct (low, high) = Idx.Range element
            value >= low && value <= high && value = Math.Floor value

    static member private WriteElements<'S
        when 'S: unmanaged
        and 'S: (new: unit -> 'S)
        and 'S: struct
        and 'S :> ValueType
        and 'S :> INumberBase<'S>>
        (stream: Stream, array: NDArray)
        : unit =
        let piece = min (1 <<< 16) array.Length
        let values, converted = Array.zeroCreate<float> piece, Array.zeroCreate<'S> piece
        for start in 0 .. max 1 piece .. array.Length - 1 do
            let count = min piece (array.Length - start)
            for i in 0 .. count - 1 do
                values[i] <- array.Float(start + i)
            TensorPrimitives.ConvertTruncating<float, 'S>(ReadOnlySpan(values, 0, count), Span converted)
            ElementStream.write<'S> stream true (ReadOnlySpan(converted, 0, count))

    static member private WriteNumbers(stream: Stream, array: NDArray, element: IdxElement) : unit =
        match element with
        | IdxElement.UInt8 -> Idx.WriteElements<byte>(stream, array)
        | IdxElement.Int8 -> Idx.WriteElements<sbyte>(stream, array)
        | IdxElement.Int16 -> Idx.WriteElements<int16>(stream, array)
        | IdxElement.Int32 -> Idx.WriteElements<int>(stream, array)
        | IdxElement.Float32 when array.DType = DType.Float32 -> ElementStream.writeArray stream true array
        | IdxElement.Float32 -> Idx.WriteElements<float32>(stream, array)
        | _ when array.DType = DType.Float64 -> ElementStream.writeArray stream true array
        | _ -> Idx.WriteElements<float>(stream, array)

    static member private Write(stream: Stream, array: NDArray, element: IdxElement) : unit =
        stream.Write(ReadOnlySpan [| 0uy; 0uy; byte element; byte array.Shape.Rank |])
        ElementStream.write<int> stream true (ReadOnlySpan array.Shape.Dims)
        Idx.WriteNumbers(stream, array, element)

    /// Saves an array in one step; with gzip when the name ends with .gz. The same array gives the same
    /// bytes.
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="array">The numbers, of any element type.</param>
    /// <param name="element">The type of the elements in the file; it must hold every number
    /// exactly.</param>
    /// <exception cref="T:System.ArgumentException">The format has no room for the array or for one of its
    /// numbers.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    static member Save(path: string, array: NDArray, element: IdxElement) : unit =
        ArgumentException.ThrowIfNullOrEmpty(path, nameof path)
        ArgumentNullException.ThrowIfNull(array, nameof array)
        if not (Enum.IsDefined element) then
            raise (ArgumentException $"Idx.Save: there is no element type {int element}")
        let most = (FileLimits()).MaxRank
        if array.Shape.Rank > most then
            raise (ArgumentException $"Idx.Save: rank {array.Shape.Rank}; at most {most} is allowed")
        for i in 0 .. array.Length - 1 do
            if not (Idx.Holds(element, array, i)) then
                raise (
                    ArgumentException $"Idx.Save: element {i} is {array.Float i}, which {element} cannot hold"
                )
        AtomicFile.Write(
            path,
            (fun stream ->
                if path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) then
                    use zip = new GZipStream(stream, CompressionLevel.Optimal, true)
                    Idx.Write(zip, array, element)
                else
                    Idx.Write(stream, array, element))
        )

    /// Saves an array in one step with elements of its own type; float32, float64 or int32.
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="array">The numbers.</param>
    /// <exception cref="T:System.ArgumentException">IDX has no such elements.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    static member Save(path: string, array: NDArray) : unit =
        ArgumentNullException.ThrowIfNull(array, nameof array)
        match array.DType with
        | DType.Float32 -> Idx.Save(path, array, IdxElement.Float32)
        | DType.Float64 -> Idx.Save(path, array, IdxElement.Float64)
        | DType.Int32 -> Idx.Save(path, array, IdxElement.Int32)
        | other ->
            let name = DType.name other
            raise (
                ArgumentException
                    $"Idx.Save: IDX has no {name}; name the elements: Idx.Save(path, array, IdxElement.UInt8)"
            )
