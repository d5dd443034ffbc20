namespace Diff

open System

/// What to take of one axis: everything, one index (the axis goes away), a range with a step, or a new axis of extent 1.
/// An int, an Index (`^1`) or a Range (`1..^2`) converts to one.
[<Struct; NoComparison; NoEquality>]
type Slice private (kind: int, start: Index, stop: Index, step: int) =
    static let whole = 0
    static let one = 1
    static let range = 2
    static let stepped = 3
    static let newAxis = 4
    static let ellipsis = 5
    member internal _.Kind = kind
    member internal _.Start = start
    member internal _.Stop = stop
    member internal _.Step = step
    member internal _.IsOne = (kind = one)
    member internal _.IsNewAxis = (kind = newAxis)
    member internal _.IsEllipsis = (kind = ellipsis)

    /// The whole axis.
    static member All = Slice(whole, Index.Start, Index.End, 1)
    /// All the axes that the other slices do not mention.
    static member Ellipsis = Slice(ellipsis, Index.Start, Index.End, 1)
    /// A new axis of extent 1.
    static member NewAxis = Slice(newAxis, Index.Start, Index.End, 1)
    /// Every step-th element of the axis; a negative step goes backwards from the end.
    static member Every(step: int) =
        Slice.Stepped(step, whole, Index.Start, Index.End)
    /// Elements start, start + step … before stop.
    static member Of(start: Index, stop: Index, step: int) =
        Slice.Stepped(step, stepped, start, stop)
    static member private Stepped(step, kind, start, stop) =
        if step = 0 then
            invalidArg "step" "slice: expected a step other than 0"
        Slice(kind, start, stop, step)
    static member op_Implicit(index: int) : Slice =
        if index = Int32.MinValue then
            raise (ArgumentOutOfRangeException("index", $"slice: {index} is outside every axis"))
        Slice(
            one,
            (if index < 0 then
                 Index.FromEnd(-index)
             else
                 Index.FromStart index),
            Index.End,
            1
        )
    static member op_Implicit(index: Index) : Slice = Slice(one, index, Index.End, 1)
    static member op_Implicit(r: Range) : Slice = Slice(range, r.Start, r.End, 1)

/// From slices to windows.
[<RequireQualifiedAccess>]
module internal Slicing =
    /// How many steps of a size, either way, fit a span; written so that no step overflows.
    let private count span (step: int) =
        if span <= 0 then
            0
        else
            1 + int (int64 (span - 1) / abs (int64 step))

    /// First element and number of elements of start, stop (exclusive), step along an axis, as Python counts them:
    /// negative bounds count from the end, bounds beyond the axis are cut, absent ones mean the whole.
    let window (extent: int) (start: int voption) (stop: int voption) (step: int) : struct (int * int) =
        if step = 0 then
            invalidArg "step" "slice: expected a step other than 0"
        let clamp low high n =
            max low (min high (if n < 0 then n + extent else n))
        let bound low high absent n =
            match n with
            | ValueSome n -> clamp low high n
            | ValueNone -> absent
        if step > 0 then
            let first, last = bound 0 extent 0 start, bound 0 extent extent stop
            struct (first, count (last - first) step)
        else
            let first = bound -1 (extent - 1) (extent - 1) start
            let last = bound -1 (extent - 1) -1 stop
            struct (first, count (first - last) step)

    let private offset (shape: Shape) axis (extent: int) (index: Index) =
        let i =
            if index.IsFromEnd then
                extent - index.Value
            else
                index.Value
        if i < 0 || i > extent then
            raise (
                ArgumentOutOfRangeException(
                    "slices",
                    $"slice: {index} is outside axis {axis} of shape {shape}"
                )
            )
        i

    /// Starts and steps along the axes of `shape`, the window's shape, and the shape that the user sees
    /// (without the axes of which one index was taken, with the new ones).
    let resolve (shape: Shape) (slices: Slice[]) : struct (int[] * int[] * Shape * Shape) =
        let mentioned =
            slices |> Array.sumBy (fun s -> if s.IsNewAxis || s.IsEllipsis then 0 else 1)
        let ellipses = slices |> Array.sumBy (fun s -> if s.IsEllipsis then 1 else 0)
        if mentioned > shape.Rank then
            raise (
                ShapeException
                    $"slice: expected at most {shape.Rank} slices for shape {shape}, got {mentioned}"
            )
        if ellipses > 1 then
            raise (ShapeException $"slice: expected at most one ellipsis, got {ellipses}")
        let rest = Array.create (shape.Rank - mentioned) Slice.All
        let slices =
            match slices |> Array.tryFindIndex _.IsEllipsis with
            | Some i -> Array.concat [ slices[.. i - 1]; rest; slices[i + 1 ..] ]
            | None -> Array.append slices rest
        let starts, steps, dims =
            Array.zeroCreate shape.Rank, Array.create shape.Rank 1, shape.ToArray()
        let seen = Collections.Generic.List<int>()
        let mutable axis = 0
        for s in slices do
            if s.IsNewAxis then
                seen.Add 1
            else
                let extent = shape[axis]
                if s.IsOne then
                    let i = offset shape axis extent s.Start
                    if i = extent then
                        raise (
                            ArgumentOutOfRangeException(
                                "slices",
                                $"slice: {s.Start} is outside axis {axis} of shape {shape}"
                            )
                        )
                    starts[axis] <- i
                    dims[axis] <- 1
                else
                    let first, taken =
                        if s.Step > 0 then
                            let first, last =
                                offset shape axis extent s.Start, offset shape axis extent s.Stop
                            first, count (last - first) s.Step
                        elif s.Kind = 0 then
                            extent - 1, count extent s.Step
                        else
                            let first, last =
                                min (extent - 1) (offset shape axis extent s.Start),
                                offset shape axis extent s.Stop
                            first, count (first - last) s.Step
                    starts[axis] <- if taken = 0 then 0 else first
                    steps[axis] <- s.Step
                    dims[axis] <- taken
                    seen.Add taken
                axis <- axis + 1
        struct (starts, steps, Shape dims, Shape(seen.ToArray()))
