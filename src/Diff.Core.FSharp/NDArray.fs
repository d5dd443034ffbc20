namespace Diff

open System
open System.Buffers
open System.Globalization
open System.Numerics.Tensors
open System.Runtime.CompilerServices
open System.Runtime.InteropServices
open FSharp.NativeInterop

/// The elements of a dense tensor, used in place.
[<Sealed>]
type internal TensorMemory<'T when 'T: unmanaged>(tensor: Tensor<'T>) =
    inherit MemoryManager<'T>()
    member _.Tensor = tensor
    override _.GetSpan() =
        let first = &tensor.GetPinnableReference()
        MemoryMarshal.CreateSpan(&Unsafe.AsRef<'T>(&first), int tensor.FlattenedLength)
    override this.Pin index =
        let handle = tensor.GetPinnedHandle()
        let unpin =
            { new IPinnable with
                member _.Pin _ = Unchecked.defaultof<_>
                member _.Unpin() = handle.Dispose() }
        new MemoryHandle(Unsafe.Add<'T>(handle.Pointer, index), Unchecked.defaultof<GCHandle>, unpin)
    override _.Unpin() = ()
    override _.Dispose(_: bool) = ()

/// The elements of a rectangular array of any rank, used in place.
[<Sealed>]
type internal RectangularMemory<'T when 'T: unmanaged>(array: Array) =
    inherit MemoryManager<'T>()
    override _.GetSpan() =
        let first = &MemoryMarshal.GetArrayDataReference array
        MemoryMarshal.CreateSpan(&Unsafe.As<byte, 'T>(&first), array.Length)
    override _.Pin index =
        let handle = GCHandle.Alloc(array, GCHandleType.Pinned)
        let first = handle.AddrOfPinnedObject() + nativeint (index * sizeof<'T>)
        new MemoryHandle(first.ToPointer(), handle)
    override _.Unpin() = ()
    override _.Dispose(_: bool) = ()

/// Memory whose elements may lie elsewhere each time that they are asked for.
type internal IMoving = interface end

/// Numbers in row-major order with a shape. It may share its memory with an array or a Tensor.
[<Sealed>]
type NDArray private (shape: Shape, dtype: DType, memory: obj) =
    member _.Shape = shape
    member _.DType = dtype
    /// The number of elements.
    member _.Length = shape.Length

    /// The elements in row-major order; fails when they are of another type.
    member _.Memory<'T when 'T: unmanaged>() : Memory<'T> =
        match memory with
        | :? Memory<'T> as m -> m
        | _ ->
            raise (
                DTypeException
                    $"NDArray: its elements are {DType.name dtype}, asked for {DType.name (DType.ofType typeof<'T>)}"
            )
    /// The elements in row-major order; fails when they are of another type.
    member this.Span<'T when 'T: unmanaged>() : Span<'T> = this.Memory<'T>().Span

    /// The memory, kept where it is until the handle is disposed of.
    member internal this.Pin() : MemoryHandle =
        match dtype with
        | DType.Float32 -> this.Memory<float32>().Pin()
        | DType.Float64 -> this.Memory<float>().Pin()
        | DType.Int32 -> this.Memory<int>().Pin()
        | DType.Int64 -> this.Memory<int64>().Pin()
        | DType.Bool -> this.Memory<bool>().Pin()
        | DType.Float16 -> this.Memory<Half>().Pin()
        | DType.BFloat16 -> this.Memory<BFloat16>().Pin()
        | other -> DType.unknown other

    /// Whether the elements may lie elsewhere next time: an address of theirs is good only until then.
    member internal _.Moves: bool =
        let inline isMoving (m: Memory<'T>) =
            let mutable manager: MemoryManager<'T> | null = null
            let elements: ReadOnlyMemory<'T> = Memory.op_Implicit m
            MemoryMarshal.TryGetMemoryManager<'T, MemoryManager<'T>>(elements, &manager)
            && (box manager :? IMoving)
        match memory with
        | :? Memory<float> as m -> isMoving m
        | :? Memory<float32> as m -> isMoving m
        | :? Memory<int> as m -> isMoving m
        | :? Memory<int64> as m -> isMoving m
        | :? Memory<bool> as m -> isMoving m
        | :? Memory<Half> as m -> isMoving m
        | :? Memory<BFloat16> as m -> isMoving m
        | _ -> false

    /// The element at a row-major position as a float.
    member this.Float(index: int) : float =
        match dtype with
        | DType.Float32 -> float (this.Span<float32>()[index])
        | DType.Float64 -> this.Span<float>()[index]
        | DType.Int32 -> float (this.Span<int>()[index])
        | DType.Int64 -> float (this.Span<int64>()[index])
        | DType.Bool -> if this.Span<bool>()[index] then 1.0 else 0.0
        | DType.Float16 -> float (this.Span<Half>()[index])
        | DType.BFloat16 -> (this.Span<BFloat16>()[index]).ToDouble()
        | other -> DType.unknown other

    /// The same memory with another shape of as many elements.
    member _.Reshape(target: Shape) : NDArray =
        ArgumentNullException.ThrowIfNull(target, nameof target)
        if target.Length <> shape.Length then
            raise (
                ShapeException
                    $"NDArray: shape {shape} has {shape.Length} elements, shape {target} has {target.Length}"
            )
        NDArray(target, dtype, memory)
    /// Copies the elements into an array of the same shape and element type.
    member this.CopyTo(target: NDArray) : unit =
        ArgumentNullException.ThrowIfNull(box target, nameof target)
        if not (target.Shape.Equals shape) then
            raise (ShapeException $"copy: shape {shape} does not fit into shape {target.Shape}")
        match dtype with
        | DType.Float32 -> this.Span<float32>().CopyTo(target.Span<float32>())
        | DType.Float64 -> this.Span<float>().CopyTo(target.Span<float>())
        | DType.Int32 -> this.Span<int>().CopyTo(target.Span<int>())
        | DType.Int64 -> this.Span<int64>().CopyTo(target.Span<int64>())
        | DType.Bool -> this.Span<bool>().CopyTo(target.Span<bool>())
        | DType.Float16 -> this.Span<Half>().CopyTo(target.Span<Half>())
        | DType.BFloat16 -> this.Span<BFloat16>().CopyTo(target.Span<BFloat16>())
        | other -> DType.unknown other
    /// A copy with memory of its own.
    member this.Clone() : NDArray =
        let copy = NDArray.Zeros(dtype, shape)
        this.CopyTo copy
        copy

    static member private Over<'T when 'T: unmanaged>(shape: Shape, memory: Memory<'T>) : NDArray =
        NDArray(shape, DType.ofType typeof<'T>, nonNull (box memory))

    /// An array over the caller's memory, without a copy.
    static member Create<'T when 'T: unmanaged>(memory: Memory<'T>, shape: Shape) : NDArray =
        ArgumentNullException.ThrowIfNull(shape, nameof shape)
        if memory.Length <> shape.Length then
            raise (
                ShapeException
                    $"NDArray: shape {shape} has {shape.Length} elements, the memory has {memory.Length}"
            )
        NDArray.Over(shape, memory)
    /// An array over the caller's array, without a copy.
    static member Create<'T when 'T: unmanaged>(values: 'T[], shape: Shape) : NDArray =
        ArgumentNullException.ThrowIfNull(values, nameof values)
        NDArray.Create(Memory<'T> values, shape)
    /// An array over the caller's rectangular array ('T[,], 'T[,,] …), without a copy; its shape is the array's.
    static member OfArray<'T when 'T: unmanaged>(values: Array) : NDArray =
        ArgumentNullException.ThrowIfNull(values, nameof values)
        if values.GetType().GetElementType() <> typeof<'T> then
            raise (
                DTypeException
                    $"NDArray: the array's elements are {values.GetType().GetElementType()}, asked for {typeof<'T>}"
            )
        let shape = Shape(Array.init values.Rank values.GetLength)
        match box values with
        | :? ('T[]) as vector -> NDArray.Over(shape, Memory<'T> vector)
        | _ when values.Length = 0 -> NDArray.Over(shape, Memory<'T>.Empty)
        | _ -> NDArray.Over(shape, (new RectangularMemory<'T>(values)).Memory)
    /// An array over a tensor's memory: without a copy if the tensor is dense.
    static member OfTensor<'T when 'T: unmanaged>(tensor: Tensor<'T>) : NDArray =
        ArgumentNullException.ThrowIfNull(box tensor, nameof tensor)
        let lengths = tensor.Lengths
        let dims = Array.init lengths.Length (fun _ -> 0)
        for i in 0 .. dims.Length - 1 do
            dims[i] <- int lengths[i]
        let dense = if tensor.IsDense then tensor else tensor.ToDenseTensor()
        if dense.FlattenedLength = 0n then
            NDArray.Over(Shape dims, Memory<'T>.Empty)
        else
            NDArray.Over(Shape dims, (new TensorMemory<'T>(dense)).Memory)
    /// New memory. A large array does not move and begins at a multiple of 64 bytes, so that whole cache lines of it can be written at once.
    static member private New<'T when 'T: unmanaged>(shape: Shape, isCleared: bool) : NDArray =
        let n, size = shape.Length, sizeof<'T>
        let bytes = int64 n * int64 size
        if int64 n + 64L > int64 Array.MaxLength then
            raise (
                ShapeException
                    $"NDArray: shape {shape} takes {bytes} bytes of memory in one array of {n} elements, at most {Array.MaxLength - 64} are possible; divide it"
            )
        if bytes < (1L <<< 20) then
            let array =
                if isCleared then
                    Array.zeroCreate<'T> n
                else
                    GC.AllocateUninitializedArray<'T> n
            NDArray.Over(shape, Memory<'T> array)
        else
            let room = n + 64 / size
            let array =
                if isCleared then
                    GC.AllocateArray<'T>(room, pinned = true)
                else
                    GC.AllocateUninitializedArray<'T>(room, pinned = true)
            let first = &MemoryMarshal.GetArrayDataReference array
            let address = int64 (NativePtr.toNativeInt (&&first))
            NDArray.Over(shape, Memory<'T>(array, int ((64L - address % 64L) % 64L) / size, n))
    static member private New(dtype: DType, shape: Shape, isCleared: bool) : NDArray =
        try
            match dtype with
            | DType.Float32 -> NDArray.New<float32>(shape, isCleared)
            | DType.Float64 -> NDArray.New<float>(shape, isCleared)
            | DType.Int32 -> NDArray.New<int>(shape, isCleared)
            | DType.Int64 -> NDArray.New<int64>(shape, isCleared)
            | DType.Bool -> NDArray.New<bool>(shape, isCleared)
            | DType.Float16 -> NDArray.New<Half>(shape, isCleared)
            | DType.BFloat16 -> NDArray.New<BFloat16>(shape, isCleared)
            | other -> DType.unknown other
        with :? OutOfMemoryException as e ->
            raise (
                InsufficientMemoryException(
                    $"NDArray: the machine does not give the memory for {DType.name dtype} of shape {shape}, {int64 shape.Length * int64 (DType.size dtype)} bytes",
                    e
                )
            )
    /// New memory of the given shape; zeros.
    static member Zeros(dtype: DType, shape: Shape) : NDArray =
        ArgumentNullException.ThrowIfNull(shape, nameof shape)
        NDArray.New(dtype, shape, true)
    /// New memory of the given shape, for one who writes all of it: its contents may be anything.
    static member internal Uninitialized(dtype: DType, shape: Shape) : NDArray =
        NDArray.New(dtype, shape, false)
    /// New memory filled with one number.
    static member internal Full(value: Scalar, shape: Shape) : NDArray =
        let result = NDArray.Zeros(value.DType, shape)
        match value.DType with
        | DType.Float32 -> result.Span<float32>().Fill(float32 value.AsFloat)
        | DType.Float64 -> result.Span<float>().Fill value.AsFloat
        | DType.Int32 -> result.Span<int>().Fill(int value.Bits)
        | DType.Int64 -> result.Span<int64>().Fill value.Bits
        | DType.Bool -> result.Span<bool>().Fill(value.Bits <> 0L)
        | DType.Float16 -> result.Span<Half>().Fill(Half.op_Explicit value.AsFloat: Half)
        | DType.BFloat16 -> result.Span<BFloat16>().Fill(BFloat16.OfDouble value.AsFloat)
        | other -> DType.unknown other
        result

    /// The elements as a Tensor: without a copy when the memory is an array or a tensor.
    /// The platform's tensors have at least one axis, so a scalar becomes a tensor of shape [1].
    member this.ToTensor<'T when 'T: unmanaged>() : Tensor<'T> =
        let lengths =
            (if shape.Rank = 0 then [| 1 |] else shape.Dims) |> Array.map nativeint
        let memory = Memory<'T>.op_Implicit(this.Memory<'T>()): ReadOnlyMemory<'T>
        let mutable segment = ArraySegment<'T>()
        let mutable manager: TensorMemory<'T> | null = null
        if MemoryMarshal.TryGetArray(memory, &segment) && this.Length > 0 then
            match segment.Array with
            | null -> Tensor.Create(memory.ToArray(), ReadOnlySpan lengths)
            | array when array.Length = this.Length -> Tensor.Create(array, ReadOnlySpan lengths)
            | array ->
                let strides = Shape.strides (Array.map int lengths) |> Array.map nativeint
                Tensor.Create(array, segment.Offset, ReadOnlySpan lengths, ReadOnlySpan strides)
        elif MemoryMarshal.TryGetMemoryManager(memory, &manager) then
            match manager with
            | null -> Tensor.Create(memory.ToArray(), ReadOnlySpan lengths)
            | manager when manager.Tensor.Lengths.SequenceEqual(ReadOnlySpan lengths) -> manager.Tensor
            | _ -> Tensor.Create(memory.ToArray(), ReadOnlySpan lengths)
        else
            Tensor.Create(memory.ToArray(), ReadOnlySpan lengths)
    /// A copy of the elements in row-major order.
    member this.ToArray<'T when 'T: unmanaged>() : 'T[] = this.Span<'T>().ToArray()

    // Conversions without a copy, for callers who hand over arrays as they are.
    static member op_Implicit(value: float) : NDArray =
        NDArray.Create([| value |], Shape.Scalar)
    static member op_Implicit(value: float32) : NDArray =
        NDArray.Create([| value |], Shape.Scalar)
    static member op_Implicit(value: int) : NDArray =
        NDArray.Create([| value |], Shape.Scalar)
    static member op_Implicit(values: float[]) : NDArray = NDArray.OfArray<float> values
    static member op_Implicit(values: float32[]) : NDArray = NDArray.OfArray<float32> values
    static member op_Implicit(values: int[]) : NDArray = NDArray.OfArray<int> values
    static member op_Implicit(values: int64[]) : NDArray = NDArray.OfArray<int64> values
    static member op_Implicit(values: bool[]) : NDArray = NDArray.OfArray<bool> values
    static member op_Implicit(values: Half[]) : NDArray = NDArray.OfArray<Half> values
    static member op_Implicit(values: BFloat16[]) : NDArray = NDArray.OfArray<BFloat16> values
    static member op_Implicit(values: float[,]) : NDArray = NDArray.OfArray<float> values
    static member op_Implicit(values: float32[,]) : NDArray = NDArray.OfArray<float32> values
    static member op_Implicit(values: int[,]) : NDArray = NDArray.OfArray<int> values
    static member op_Implicit(tensor: Tensor<float>) : NDArray = NDArray.OfTensor tensor
    static member op_Implicit(tensor: Tensor<float32>) : NDArray = NDArray.OfTensor tensor
    static member op_Implicit(tensor: Tensor<int>) : NDArray = NDArray.OfTensor tensor
    static member op_Implicit(tensor: Tensor<int64>) : NDArray = NDArray.OfTensor tensor

    /// Element type, shape and, of a small array, the numbers.
    override this.ToString() =
        let heading = $"{DType.name dtype}{shape}"
        if shape.Length > 64 then
            heading
        else
            let one i =
                match dtype with
                | DType.Float32 -> (this.Span<float32>()[i]).ToString("R", CultureInfo.InvariantCulture)
                | DType.Float16 -> (this.Span<Half>()[i]).ToString("R", CultureInfo.InvariantCulture)
                | DType.BFloat16 -> string (this.Span<BFloat16>()[i])
                | DType.Bool -> if this.Span<bool>()[i] then "true" else "false"
                | DType.Int64 -> (this.Span<int64>()[i]).ToString(CultureInfo.InvariantCulture)
                | _ -> (this.Float i).ToString("R", CultureInfo.InvariantCulture)
            heading + " [" + String.Join(", ", Array.init shape.Length one) + "]"
