namespace Diff

open System
open System.ComponentModel

/// What is put around the spatial axes before windows are taken: zeros for sums, −∞ for maxima.
[<Sealed>]
type Padding private (isSame: bool, widths: struct (int * int)[]) =
    static let valid = Padding(false, [||])
    static let same = Padding(true, [||])
    member internal _.IsSame = isSame
    member internal _.Widths = widths
    /// Nothing: windows lie within the array.
    static member Valid = valid
    /// So much that there are ⌈extent / stride⌉ windows; where the number is odd, one more after than before.
    static member Same = same
    /// As much before as after: one number for all spatial axes, or one for each.
    static member Around([<ParamArray>] amounts: int[]) : Padding =
        ArgumentNullException.ThrowIfNull(amounts, nameof amounts)
        Padding.Each(amounts |> Array.map (fun n -> struct (n, n)))
    /// How much before and after: one pair for all spatial axes, or one for each.
    static member Each([<ParamArray>] widths: struct (int * int)[]) : Padding =
        ArgumentNullException.ThrowIfNull(widths, nameof widths)
        for struct (before, after) in widths do
            if before < 0 || after < 0 then
                raise (
                    ShapeException
                        $"padding: expected numbers of at least 0, got {before} before and {after} after"
                )
        Padding(false, Array.copy widths)
    static member op_Implicit(amount: int) : Padding = Padding.Around amount

/// Convolution and pooling: windows of the spatial axes, and one contraction or reduction over them. None has derivative code.
/// Arrays are [batch, channels, spatial…], with any number of spatial axes.
[<AutoOpen; EditorBrowsable(EditorBrowsableState.Never)>]
module Convolution =
    let private fail operation what =
        raise (ShapeException $"{operation}: {what}")

    /// The number of spatial axes; `wanted` is 0 where any will do.
    let private spatial operation wanted (x: Expr) =
        if x.Rank < 3 || (wanted > 0 && x.Rank <> wanted + 2) then
            let axes = if wanted = 0 then "spatial..." else $"{wanted} spatial"
            fail operation $"expected an array of axes [batch, channels, {axes}], got shape {x.Shape}"
        x.Rank - 2

    /// A number for each spatial axis from none (`absent`), one for all, or one for each.
    let private perAxis operation what axes (absent: int[]) (given: int[]) =
        let numbers =
            match given.Length with
            | 0 -> absent
            | 1 -> Array.create axes given[0]
            | n when n = axes -> given
            | n -> fail operation $"expected one {what} or {axes}, one for each spatial axis, got {n}"
        if numbers |> Array.exists (fun n -> n < 1) then
            fail operation $"a {what} is at least 1, got {Shape.Text given}"
        numbers

    let private explicitWidths operation axes (padding: Padding) =
        match padding.Widths with
        | [||] -> Array.create axes (struct (0, 0))
        | [| one |] -> Array.create axes one
        | each when each.Length = axes -> each
        | each ->
            fail operation $"expected one padding or {axes}, one for each spatial axis, got {each.Length}"

    let private halves total = struct (total / 2, total - total / 2)

    /// The spatial axes as windows and their elements, [batch…, p, k, q, l …], within an array padded with a value.
    let private windowed
        operation
        (value: float)
        (sizes: int[])
        stride
        dilation
        (padding: Padding)
        (x: Expr)
        =
        let axes = Array.length sizes
        let first = x.Rank - axes
        let span i =
            int (min (int64 Int32.MaxValue) (Unfold.span sizes[i] (Array.item i dilation)))
        let widths =
            if padding.IsSame then
                Array.init axes (fun i ->
                    let n, step = x.Shape[first + i], Array.item i stride
                    halves (max 0 ((n + step - 1) / step * step - step + span i - n)))
            else
                explicitWidths operation axes padding
        for i in 0 .. axes - 1 do
            let struct (before, after) = widths[i]
            if before + x.Shape[first + i] + after < span i then
                fail
                    operation
                    $"a window of {sizes[i]} elements, {dilation[i]} apart, reaches over {span i}, but spatial axis {i} of shape {x.Shape} has {x.Shape[first + i]} and a padding of {before + after}"
            if value <> 0.0 && before + after > 0 && not (DType.isFloat x.DType) then
                raise (
                    DTypeException
                        $"{operation}: padding needs float32 or float64, got {DType.name x.DType}; cast it, or pad it before"
                )
            if value <> 0.0 && (before >= span i || after >= span i) then
                fail
                    operation
                    $"a padding of {max before after} would make windows that reach over {span i} of nothing else"
        let around =
            List.init x.Rank (fun axis ->
                if axis < first then
                    0, 0
                else
                    let struct (before, after) = widths[axis - first]
                    before, after)
        // Each unfolded axis moves those after it by one.
        Seq.fold
            (fun x i -> Unfold.make (first + 2 * i) sizes[i] (Array.item i stride) (Array.item i dilation) x)
            (padWith value around x)
            (seq { 0 .. axes - 1 })

    let private checkKernel operation (kernel: Expr) (x: Expr) =
        if kernel.DType <> x.DType then
            raise (
                DTypeException
                    $"{operation}: element types {DType.name x.DType} and {DType.name kernel.DType} do not mix; cast one of them"
            )
        Einsum.checkNumbers operation x

    /// Labels of batch, group (if there are several), channels of the array, channels of the result, positions and offsets.
    let private named axes groups =
        let labels = EinsumSpec.labels (4 + 2 * axes)
        let group = if groups = 1 then [||] else labels[1..1]
        labels[..0], group, labels[2..2], labels[3..3], labels[4 .. 3 + axes], labels[4 + axes ..]

    let private interleaved (positions: char[]) (offsets: char[]) =
        Array.collect id (Array.map2 (fun p k -> [| p; k |]) positions offsets)

    /// Splits an axis in front of the spatial ones into groups.
    let private grouped axis groups (x: Expr) =
        let dims = x.Shape.Dims
        let split = [| groups; dims[axis] / groups |]
        if groups = 1 then
            x
        else
            Reshape.make (Shape(Array.concat [ dims[.. axis - 1]; split; dims[axis + 1 ..] ])) x

    /// The last step of both: the channels of all groups as one axis.
    let private ungrouped groups (y: Expr) =
        let dims = y.Shape.Dims
        if groups = 1 then
            y
        else
            Reshape.make (Shape(Array.concat [ [| dims[0]; dims[1] * dims[2] |]; dims[3..] ])) y

    /// The contraction with these labels; every one is in an operand.
    let private contract (inputs: char[] list list) (output: char[] list) (args: Expr[]) =
        let text labels = String(Array.concat labels)
        let spec =
            { Inputs = inputs |> List.map text |> Array.ofList
              Output = text output }
        let sizes = EinsumSpec.sizes (string spec) spec.Inputs (args |> Array.map _.Shape)
        Expr.Contract(spec, args, Shape(spec.Output.ToCharArray() |> Array.map (fun c -> sizes[c])))

    let private expectKernel operation layout fits (kernel: Expr) (x: Expr) groups =
        if groups < 1 || not fits then
            let inGroups = if groups = 1 then "" else $" in {groups} groups"
            fail
                operation
                $"an array of shape {x.Shape}{inGroups} needs a kernel of axes {layout}, got shape {kernel.Shape}"

    /// The channels of the array and those that the kernel reads, each on an axis that is named.
    let private expectChannels operation axis read channels groups (kernel: Expr) (x: Expr) =
        if groups >= 1 && kernel.Rank = x.Rank && x.Shape[1] <> read then
            let inGroups = if groups = 1 then "" else $" in {groups} groups"
            fail
                operation
                $"axis 1 of the array of shape {x.Shape} has {x.Shape[1]} channels, but axis {axis} of the kernel of shape {kernel.Shape} has {channels}{inGroups}: {read} are expected"

    let internal convolve operation wanted stride padding dilation groups (kernel: Expr) (x: Expr) : Expr =
        let axes = spatial operation wanted x
        checkKernel operation kernel x
        if kernel.Rank >= 2 then
            expectChannels operation 1 (kernel.Shape[1] * groups) kernel.Shape[1] groups kernel x
        let fits =
            kernel.Rank = x.Rank
            && x.Shape[1] = kernel.Shape[1] * groups
            && kernel.Shape[0] % (max 1 groups) = 0
        expectKernel operation "[out, in / groups, spatial...]" fits kernel x groups
        let sizes, ones = kernel.Shape.Dims[2..], Array.create axes 1
        if Array.contains 0 sizes then
            fail operation $"the kernel of shape {kernel.Shape} has no elements along a spatial axis"
        let stride, dilation =
            perAxis operation "stride" axes ones stride, perAxis operation "dilation" axes ones dilation
        let b, g, c, o, positions, offsets = named axes groups
        let windows =
            grouped 1 groups x |> windowed operation 0.0 sizes stride dilation padding
        contract
            [ [ b; g; c; interleaved positions offsets ]; [ g; o; c; offsets ] ]
            [ b; g; o; positions ]
            [| windows; grouped 0 groups kernel |]
        |> ungrouped groups

    let internal convolveBack
        operation
        wanted
        stride
        (padding: Padding)
        extra
        dilation
        groups
        (kernel: Expr)
        (x: Expr)
        : Expr =
        let axes = spatial operation wanted x
        checkKernel operation kernel x
        if kernel.Rank >= 2 then
            expectChannels operation 0 kernel.Shape[0] kernel.Shape[0] groups kernel x
        let fits =
            kernel.Rank = x.Rank
            && x.Shape[1] = kernel.Shape[0]
            && x.Shape[1] % (max 1 groups) = 0
        expectKernel operation "[in, out / groups, spatial...]" fits kernel x groups
        let sizes, ones = kernel.Shape.Dims[2..], Array.create axes 1
        if Array.contains 0 sizes || Array.contains 0 x.Shape.Dims[2..] then
            fail
                operation
                $"shape {x.Shape} or the kernel's {kernel.Shape} has no elements along a spatial axis"
        let stride, dilation =
            perAxis operation "stride" axes ones stride, perAxis operation "dilation" axes ones dilation
        let extra =
            match extra with
            | [||] -> Array.zeroCreate axes
            | [| one |] -> Array.create axes one
            | each when each.Length = axes -> each
            | each ->
                fail
                    operation
                    $"expected one extra extent or {axes}, one for each spatial axis, got {each.Length}"
        let span i = int (Unfold.span sizes[i] dilation[i])
        // What the array has beyond the windows, where the strides leave room; and what is cut off on each side.
        let rest, widths =
            if padding.IsSame then
                Array.init axes (fun i -> max 0 (stride[i] - span i)),
                Array.init axes (fun i -> halves (max 0 (span i - stride[i])))
            else
                for i in 0 .. axes - 1 do
                    if extra[i] < 0 || extra[i] >= stride[i] then
                        fail
                            operation
                            $"an extra extent is at least 0 and less than the stride {stride[i]}, got {extra[i]}"
                extra, explicitWidths operation axes padding
        let b, g, c, o, positions, offsets = named axes groups
        let products =
            contract
                [ [ b; g; c; positions ]; [ g; c; o; offsets ] ]
                [ b; g; o; interleaved positions offsets ]
                [| grouped 1 groups x; grouped 0 groups kernel |]
        let first = products.Rank - 2 * axes
        // The last axis first: those before keep their numbers.
        let whole =
            Seq.fold
                (fun y i ->
                    let extent = (x.Shape[2 + i] - 1) * stride[i] + span i + rest[i]
                    Unfold.fold (first + 2 * i) extent stride[i] dilation[i] y)
                products
                (seq { axes - 1 .. -1 .. 0 })
        let starts, dims = Array.zeroCreate whole.Rank, whole.Shape.ToArray()
        for i in 0 .. axes - 1 do
            let struct (before, after) = widths[i]
            let axis = first + i
            starts[axis] <- before
            dims[axis] <- dims[axis] - before - after
            if dims[axis] < 1 then
                fail
                    operation
                    $"a padding of {before + after} leaves nothing of the {whole.Shape[axis]} elements of spatial axis {i}"
        Window.slice starts (Array.create whole.Rank 1) (Shape dims) whole
        |> ungrouped groups

    /// The windows of a pooling, and which axes are their elements'.
    let private pooled operation wanted value (size: int[]) stride dilation padding (x: Expr) =
        let axes = spatial operation wanted x
        if size.Length = 0 then
            fail operation "expected the size of a window, got none"
        let size = perAxis operation "size" axes [||] size
        let windows =
            windowed
                operation
                value
                size
                (perAxis operation "stride" axes size stride)
                (perAxis operation "dilation" axes (Array.create axes 1) dilation)
                padding
                x
        windows, Array.init axes (fun i -> 3 + 2 * i)

    let internal maxPooled operation wanted size stride padding dilation (x: Expr) : Expr =
        let windows, axes =
            pooled operation wanted Double.NegativeInfinity size stride dilation padding x
        extremeAxes Extreme.Max false axes windows

    let internal meanPooled operation wanted size stride padding (x: Expr) : Expr =
        let windows, axes = pooled operation wanted 0.0 size stride [||] padding x
        meanAxes false axes windows

    /// The kernel [out, in / groups, spatial…] laid over every `stride`-th window of the padded array, its elements `dilation` apart:
    /// Σ kernel·window over channels and elements, without turning the kernel round. Lists hold one number for all
    /// spatial axes, or one for each; an empty one means 1. Channels are cut into `groups` that do not see each other.
    let convWith
        (stride: int list)
        (padding: Padding)
        (dilation: int list)
        (groups: int)
        (kernel: Expr)
        (x: Expr)
        : Expr =
        convolve "conv" 0 (Array.ofList stride) padding (Array.ofList dilation) groups kernel x

    /// The kernel [out, in, spatial…] laid over every window that lies within the array.
    let conv (kernel: Expr) (x: Expr) : Expr = convWith [] Padding.Valid [] 1 kernel x

    /// The transpose of `convWith` with a kernel [in, out / groups, spatial…]: each element of x spreads the kernel over the result,
    /// of which the padding is cut off. The stride leaves the result's extent open; `extra` is added to the least one.
    let convTransposeWith
        (stride: int list)
        (padding: Padding)
        (extra: int list)
        (dilation: int list)
        (groups: int)
        (kernel: Expr)
        (x: Expr)
        : Expr =
        convolveBack
            "conv_transpose"
            0
            (Array.ofList stride)
            padding
            (Array.ofList extra)
            (Array.ofList dilation)
            groups
            kernel
            x

    /// The transpose of `conv`.
    let convTranspose (kernel: Expr) (x: Expr) : Expr =
        convTransposeWith [] Padding.Valid [] [] 1 kernel x

    /// The largest element of each window, within each channel. The stride is the size if there is none given.
    /// Equal ones share the derivative; NaN if one is NaN; padding is less than every number.
    let maxPoolWith
        (size: int list)
        (stride: int list)
        (padding: Padding)
        (dilation: int list)
        (x: Expr)
        : Expr =
        maxPooled "max_pool" 0 (Array.ofList size) (Array.ofList stride) padding (Array.ofList dilation) x

    /// The largest element of each window, windows side by side; what does not fill a window at the end is left out.
    let maxPool (size: int list) (x: Expr) : Expr = maxPoolWith size [] Padding.Valid [] x

    /// The mean of each window, within each channel; padding counts as zeros. The stride is the size if there is none given.
    let avgPoolWith (size: int list) (stride: int list) (padding: Padding) (x: Expr) : Expr =
        meanPooled "avg_pool" 0 (Array.ofList size) (Array.ofList stride) padding x

    /// The mean of each window, windows side by side; what does not fill a window at the end is left out.
    let avgPool (size: int list) (x: Expr) : Expr = avgPoolWith size [] Padding.Valid x
