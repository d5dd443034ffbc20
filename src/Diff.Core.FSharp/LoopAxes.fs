namespace Diff

open System.Collections.Generic

/// Axes of loops: which of them the elements of a stream lie along, and how.
[<RequireQualifiedAccess>]
module internal LoopAxes =
    /// The strides of an array in the order of the loop's axes that has only the axes along which a view varies; of the columns all if any,
    /// so that rows lie in one piece.
    let compact (extents: int[]) (firstColumn: int) (strides: int[]) : int[] =
        let result = Array.zeroCreate extents.Length
        let varies =
            Seq.exists (fun axis -> strides[axis] <> 0) (seq { firstColumn .. extents.Length - 1 })
        let mutable step = 1
        for axis in extents.Length - 1 .. -1 .. 0 do
            if (if axis >= firstColumn then varies else strides[axis] <> 0) then
                result[axis] <- step
                step <- step * extents[axis]
        result

    /// How far apart the elements lie along some neighbouring axes, as one: 0 if it is always the same element; none if these are no line.
    let lineStep (extents: int[]) (strides: int[]) first : int voption =
        let mutable step, size, fits = 0, 1, true
        for axis in extents.Length - 1 .. -1 .. first do
            if axis = extents.Length - 1 then
                step <- strides[axis]
            fits <- fits && strides[axis] = step * size
            size <- size * extents[axis]
        if fits then ValueSome step else ValueNone

    /// Neighbouring axes, outermost first, that are one axis for every stream: extents and strides of what is left.
    let collapse (extents: int[]) (strides: int[][]) : struct (int[] * int[][]) =
        let lasts = List<int>()
        for axis in 0 .. extents.Length - 1 do
            if
                axis = extents.Length - 1
                || not (strides |> Array.forall (fun s -> s[axis] = s[axis + 1] * extents[axis + 1]))
            then
                lasts.Add axis
        let first k = if k = 0 then 0 else lasts[k - 1] + 1
        struct (Array.init lasts.Count (fun k -> Array.fold (*) 1 extents[first k .. lasts[k]]),
                strides
                |> Array.map (fun s -> lasts |> Seq.map (fun axis -> s[axis]) |> Array.ofSeq))
