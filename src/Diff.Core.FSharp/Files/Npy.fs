namespace Diff

open System
open System.Collections.Generic
open System.IO
open System.Runtime.InteropServices
open Diff.Kernels
open FSharp.NativeInterop

/// An element type of .npy files: how large, what it becomes, how it is read.
[<NoEquality; NoComparison>]
type internal NpyElement =
    {
        Size: int
        DType: DType
        /// Fills an array from a stream in either byte order; says what is wrong with an element, or nothing.
        Read: Stream -> bool -> NDArray -> string | null
    }

[<RequireQualifiedAccess>]
module internal NpyElement =
    let inline private plain size dtype ([<InlineIfLambda>] read: Stream -> bool -> NDArray -> unit) =
        { Size = size
          DType = dtype
          Read =
            fun stream bigEndian array ->
                read stream bigEndian array
                null }

    let inline private toInt<'S
        when 'S: unmanaged
        and 'S: (new: unit -> 'S)
        and 'S: struct
        and 'S :> ValueType
        and 'S :> Numerics.INumberBase<'S>>
        (stream: Stream)
        bigEndian
        (array: NDArray)
        =
        ElementStream.readAs<'S, int> stream bigEndian (array.Span<int>())

    let private bool =
        { Size = 1
          DType = DType.Bool
          Read =
            fun stream _ array ->
                let target = array.Span<bool>()
                ElementStream.read stream false target
                match (MemoryMarshal.AsBytes target).IndexOfAnyExcept(0uy, 1uy) with
                | -1 -> null
                | other -> $"element {other} of bool is neither 0 nor 1" }

    let private uint64 =
        { Size = 8
          DType = DType.Int64
          Read =
            fun stream bigEndian array ->
                let target = array.Span<int64>()
                ElementStream.read stream bigEndian target
                match target.IndexOfAnyExceptInRange(0L, Int64.MaxValue) with
                | -1 -> null
                | large -> $"element {large} of uint64 is {uint64 target[large]}, more than int64 holds" }

    let private known: IReadOnlyDictionary<string, NpyElement> =
        dict
            [ "b1", bool
              "i1", plain 1 DType.Int32 toInt<sbyte>
              "u1", plain 1 DType.Int32 toInt<byte>
              "i2", plain 2 DType.Int32 toInt<int16>
              "u2", plain 2 DType.Int32 toInt<uint16>
              "i4", plain 4 DType.Int32 (fun s b a -> ElementStream.read s b (a.Span<int>()))
              "u4",
              plain 4 DType.Int64 (fun s b a -> ElementStream.readAs<uint32, int64> s b (a.Span<int64>()))
              "i8", plain 8 DType.Int64 (fun s b a -> ElementStream.read s b (a.Span<int64>()))
              "u8", uint64
              "f2",
              plain 2 DType.Float32 (fun s b a -> ElementStream.readAs<Half, float32> s b (a.Span<float32>()))
              "f4", plain 4 DType.Float32 (fun s b a -> ElementStream.read s b (a.Span<float32>()))
              "f8", plain 8 DType.Float64 (fun s b a -> ElementStream.read s b (a.Span<float>())) ]
        |> Dictionary
        :> _

    /// float16 as it is.
    let private half =
        plain 2 DType.Float16 (fun s b a -> ElementStream.read s b (a.Span<Half>()))

    /// The element type that NumPy's words name, and whether its bytes stand most significant first.
    let find keepHalf path place (descr: string) : struct (NpyElement * bool) =
        let isNative c =
            c = '<' || c = '>' || c = '|' || c = '='
        let code =
            if descr <> "" && isNative descr[0] then
                descr.Substring 1
            else
                descr
        if code.StartsWith 'O' then
            FileText.fail
                path
                $"{place}header: dtype {FileText.quote descr}: Python objects are pickled code, which is never read"
        match known.TryGetValue code with
        | true, element ->
            let big = descr[0] = '>' || (descr[0] = '=' && not BitConverter.IsLittleEndian)
            struct ((if keepHalf && code = "f2" then half else element), big)
        | _ ->
            let words = String.Join(", ", known.Keys)
            FileText.fail path $"{place}header: dtype {FileText.quote descr} cannot be loaded; {words} can"

    let descr operation (dtype: DType) =
        match dtype with
        | DType.Float32 -> "<f4"
        | DType.Float64 -> "<f8"
        | DType.Int32 -> "<i4"
        | DType.Int64 -> "<i8"
        | DType.Bool -> "|b1"
        | DType.Float16 -> "<f2"
        | other ->
            raise (
                DTypeException
                    $"{operation}: NumPy has no type for {DType.name other}; cast it to float32, or save it as safetensors"
            )

/// Arrays in NumPy's .npy format: bool, int32, int64, float32 and float64 as they are, in either byte order and either order of axes.
/// float16 is saved as it is, and loaded as float32 unless asked for as it is. int8, uint8, int16 and uint16 become int32, uint32 and
/// uint64 become int64: the same numbers.
/// Python objects, structures, strings and complex numbers are refused.
[<AbstractClass; Sealed>]
type Npy =
    /// The elements in row-major order, from those of an array whose first axis lies closest.
    static member private FromFortran(array: NDArray, dims: int[]) : NDArray =
        let result = NDArray.Uninitialized(array.DType, Shape dims)
        let reversed = Array.rev (Shape.strides (Array.rev dims))
        let copy = StridedCopy(DType.size array.DType, dims, reversed, Shape.strides dims)
        use from = array.Pin()
        use into = result.Pin()
        for chunk in 0 .. copy.Chunks - 1 do
            copy.RunChunk(
                NativePtr.ofVoidPtr<byte> from.Pointer,
                NativePtr.ofVoidPtr<byte> into.Pointer,
                chunk
            )
        result

    /// The array in a stream of so many bytes, all of which it must take. `place` goes before messages.
    static member internal Read
        (path: string, place: string, limits: FileLimits, keepHalf: bool, stream: Stream, available: int64)
        : NDArray =
        let struct (header, used) = NpyHeader.read path place limits stream available
        let struct (element, bigEndian) = NpyElement.find keepHalf path place header.Descr
        let shape () =
            let text = String.Join(", ", header.Dims)
            $"{place}header: shape ({text})"
        let needed = FileShape.bytes path shape header.Dims (uint64 element.Size)
        let found = uint64 (available - used)
        if needed <> found then
            let problem =
                if needed > found then
                    "it is truncated"
                else
                    "it has trailing bytes"
            FileText.fail
                path
                $"{shape ()} of {header.Descr} needs {needed} bytes of data, there are {found}: {problem}"
        let dims = FileShape.toInts path shape header.Dims
        let array = NDArray.Zeros(element.DType, Shape dims)
        match element.Read stream bigEndian array with
        | null -> ()
        | problem -> FileText.fail path (place + problem)
        if header.IsFortran && dims.Length > 1 && array.Length > 1 then
            Npy.FromFortran(array, dims)
        else
            array

    static member internal Write(stream: Stream, array: NDArray) : unit =
        stream.Write(ReadOnlySpan(NpyHeader.write (NpyElement.descr "Npy.Save" array.DType) array.Shape.Dims))
        ElementStream.writeArray stream false array

    static member internal Check(operation: string, array: NDArray) : unit =
        ArgumentNullException.ThrowIfNull(array, nameof array)
        NpyElement.descr operation array.DType |> ignore
        let most = (FileLimits()).MaxRank
        if array.Shape.Rank > most then
            raise (ArgumentException $"{operation}: rank {array.Shape.Rank}; at most {most} is allowed")

    /// Loads an array. All that the header says is checked against the size of the file before memory is taken.
    /// <param name="path">The file.</param>
    /// <param name="limits">What the file may ask for; null for the defaults.</param>
    /// <param name="keepHalf">Whether float16 stays what it is; else it becomes float32.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has elements of a type that cannot be
    /// loaded.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string, limits: FileLimits | null, keepHalf: bool) : NDArray =
        use stream = ElementStream.openRead path
        try
            Npy.Read(path, "", FileLimits.OrDefault limits, keepHalf, stream, stream.Length)
        with :? EndOfStreamException as e ->
            raise (DiffFormatException(path, "the file became shorter while it was read", e))

    /// Loads an array, float16 as float32.
    /// <param name="path">The file.</param>
    /// <param name="limits">What the file may ask for; null for the defaults.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has elements of a type that cannot be
    /// loaded.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string, limits: FileLimits | null) : NDArray = Npy.Load(path, limits, false)

    /// Loads an array.
    /// <param name="path">The file.</param>
    /// <param name="keepHalf">Whether float16 stays what it is; else it becomes float32.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has elements of a type that cannot be
    /// loaded.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string, keepHalf: bool) : NDArray = Npy.Load(path, null, keepHalf)

    /// Loads an array, float16 as float32.
    /// <param name="path">The file.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has elements of a type that cannot be
    /// loaded.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string) : NDArray = Npy.Load(path, null, false)

    /// Saves an array in one step: when it fails or the process dies, the file is as before. The same array gives the same bytes.
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="array">The array, of at most 32 axes.</param>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    static member Save(path: string, array: NDArray) : unit =
        Npy.Check("Npy.Save", array)
        let check =
            Action<Stream>(fun stream -> NpyHeader.read path "" (FileLimits()) stream stream.Length |> ignore)
        AtomicFile.Write(path, (fun stream -> Npy.Write(stream, array)), check)
