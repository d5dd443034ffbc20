namespace Diff

open System
open System.Numerics

/// Checks of what callers give.
[<RequireQualifiedAccess>]
module internal Argument =
    /// Fails when the array or one of its elements is null, and names which.
    let noneIsNull (name: string) (items: 'T[]) =
        ArgumentNullException.ThrowIfNull(items, name)
        for i in 0 .. items.Length - 1 do
            if isNull (box items[i]) then // a call must not make the name each time
                raise (ArgumentNullException $"{name}[{i}]")

/// Raised when the shapes of operands do not fit an operation.
type ShapeException(message: string) =
    inherit ArgumentException(message)
    /// What does not fit, and the line of the caller's code.
    override e.Message = SourceLine.append e base.Message

/// The extents of an array along its axes, outermost first. A scalar has none.
[<Sealed>]
type Shape private (dims: int[], length: int) =
    static let scalar = Shape([||], 1)

    /// A shape of the given extents; fails when one is negative or the number of elements exceeds an int.
    new(dims: int[]) =
        ArgumentNullException.ThrowIfNull(dims, nameof dims)
        let mutable length = 1L
        for d in dims do
            if d < 0 || length > int64 Int32.MaxValue then
                length <- -1L
            elif length >= 0L then
                length <- length * int64 d
        if length < 0L || length > int64 Int32.MaxValue then
            length <- Shape.Count(Array.map int64 dims)
        Shape(Array.copy dims, int length)

    /// The number of elements of many or large extents; fails when an array cannot have as many.
    static member private Count(extents: int64[]) : int64 =
        let text = Shape.Text extents
        if Array.exists (fun d -> d < 0L) extents then
            raise (ShapeException $"shape: extents are at least 0, got {text}")
        let count = extents |> Array.fold (fun n d -> n * BigInteger d) BigInteger.One
        if count > BigInteger Int32.MaxValue then
            let overflow =
                if count > BigInteger Int64.MaxValue then
                    ", an overflow of 64 bits"
                else
                    ""
            raise (
                ShapeException
                    $"shape: {text} has {count} elements{overflow}; the memory of one array holds at most {Int32.MaxValue}, so compute it in parts"
            )
        int64 count

    /// A shape of extents that may come from outside, such as a file or another library; fails when one of them or the number of elements
    /// exceeds an int.
    static member FromExtents([<ParamArray>] extents: int64[]) : Shape =
        ArgumentNullException.ThrowIfNull(extents, nameof extents)
        let large = extents |> Array.tryFind (fun d -> d > int64 Int32.MaxValue)
        Shape.Count extents |> ignore
        match large with
        | Some d ->
            raise (
                ShapeException
                    $"shape: the extent {d} in {Shape.Text extents} exceeds {Int32.MaxValue}, the most that an axis can have"
            )
        | None -> Shape(Array.map int extents)

    static member internal Text<'T>(dims: 'T seq) : string = "(" + String.Join(", ", dims) + ")"
    /// The shape of a scalar: no axes, one element.
    static member Scalar = scalar
    /// The extents; never to be changed.
    member internal _.Dims = dims
    /// The number of axes.
    member _.Rank = dims.Length
    /// The number of elements: the product of the extents, 1 for a scalar.
    member _.Length = length
    /// The extent of an axis, counted from 0.
    member _.Item
        with get (axis: int) = dims[axis]
    /// A copy of the extents.
    member _.ToArray() = Array.copy dims
    member internal _.IsScalar = dims.Length = 0

    override _.ToString() = Shape.Text dims
    override _.GetHashCode() =
        let mutable h = HashCode()
        for d in dims do
            h.Add d
        h.ToHashCode()
    member _.Equals(other: Shape) =
        obj.ReferenceEquals(dims, other.Dims)
        || dims.AsSpan().SequenceEqual(other.Dims.AsSpan())
    override this.Equals(other: obj) =
        match other with
        | :? Shape as s -> this.Equals s
        | _ -> false
    interface IEquatable<Shape> with
        member this.Equals other =
            match other with
            | null -> false
            | s -> this.Equals s

    static member op_Implicit(dims: int[]) : Shape = Shape dims

/// Arithmetic of shapes: strides, axes, broadcasting.
[<RequireQualifiedAccess>]
module internal Shape =
    /// Elements between neighbours along each axis, row-major.
    let strides (dims: int[]) =
        let strides = Array.zeroCreate dims.Length
        let mutable step = 1
        for axis = dims.Length - 1 downto 0 do
            strides[axis] <- step
            step <- step * dims[axis]
        strides

    /// The axis counted from 0; negative ones count from the end.
    let axis operation (shape: Shape) axis =
        if axis < -shape.Rank || axis >= shape.Rank then
            let axes =
                if shape.Rank = 0 then
                    "a scalar has none"
                else
                    $"its axes are {-shape.Rank} to {shape.Rank - 1}"
            raise (ShapeException $"{operation}: axis {axis} is outside shape {shape}; {axes}")
        if axis < 0 then axis + shape.Rank else axis

    /// Axes counted from 0, sorted; an empty request means all of them.
    let axes operation (shape: Shape) (requested: int[]) =
        if requested.Length = 0 then
            Array.init shape.Rank id
        else
            let axes = requested |> Array.map (axis operation shape) |> Array.sort
            for i in 1 .. axes.Length - 1 do
                if axes[i] = axes[i - 1] then
                    raise (
                        ShapeException
                            $"{operation}: axis {axes[i]} of shape {shape} is named twice in {Shape.Text requested}"
                    )
            axes

    /// The shape that both broadcast to, aligned from the last axis; None when they do not fit.
    let tryBroadcast (a: Shape) (b: Shape) =
        if a.Equals b then
            ValueSome a
        else
            let rank = max a.Rank b.Rank
            let extent (s: Shape) axis =
                let i = axis - (rank - s.Rank)
                if i < 0 then 1 else s.Dims[i]
            let dims = Array.zeroCreate rank
            let mutable fits = true
            for axis in 0 .. rank - 1 do
                let m, n = extent a axis, extent b axis
                fits <- fits && (m = n || m = 1 || n = 1)
                dims[axis] <- if m = 1 then n else m
            if fits then ValueSome(Shape dims) else ValueNone

    /// Where two shapes do not fit each other, for messages.
    let mismatch (a: Shape) (b: Shape) =
        let back =
            Seq.initInfinite ((+) 1)
            |> Seq.find (fun k ->
                let m, n = a[a.Rank - k], b[b.Rank - k]
                m <> n && m <> 1 && n <> 1)
        $"axis -{back} is {a[a.Rank - back]} in one and {b[b.Rank - back]} in the other"

    /// The shape without the given axes, or with extent 1 in their place.
    let reduce keepDims (axes: int[]) (shape: Shape) =
        if keepDims then
            shape.Dims
            |> Array.mapi (fun i d -> if Array.contains i axes then 1 else d)
            |> Shape
        else
            [| for i in 0 .. shape.Rank - 1 do
                   if not (Array.contains i axes) then
                       shape.Dims[i] |]
            |> Shape
