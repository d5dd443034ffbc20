/// Windows, convolution and pooling against loops that say what they mean.
module ConvolutionTests

open System
open Xunit
open FsCheck
open FsCheck.FSharp
open Diff
open Diff.Testing
open Diff.Testing.Generators

// ---- Random cases ---------------------------------------------------------------------------------------------------

/// One spatial axis.
type Axis =
    { Extent: int
      Size: int
      Stride: int
      Dilation: int
      Before: int
      After: int }

    member a.Count =
        (a.Before + a.Extent + a.After - (a.Size - 1) * a.Dilation - 1) / a.Stride + 1

type Case =
    { Axes: Axis list
      Batch: int
      Groups: int
      In: int
      Out: int }

    member c.ArrayDims = [ c.Batch; c.Groups * c.In ] @ [ for a in c.Axes -> a.Extent ]
    member c.KernelDims = [ c.Groups * c.Out; c.In ] @ [ for a in c.Axes -> a.Size ]
    member c.ResultDims = [ c.Batch; c.Groups * c.Out ] @ [ for a in c.Axes -> a.Count ]
    member c.Strides = c.Axes |> List.map _.Stride
    member c.Dilations = c.Axes |> List.map _.Dilation
    member c.Padding = Padding.Each [| for a in c.Axes -> struct (a.Before, a.After) |]

let private axis: Gen<Axis> =
    gen {
        let! size, stride, dilation =
            Gen.zip3 (Gen.choose (1, 4)) (Gen.choose (1, 3)) (Gen.choose (1, 3))
        let! before, after, more =
            Gen.zip3 (Gen.choose (0, 2)) (Gen.choose (0, 2)) (Gen.choose (0, 5))
        return
            { Extent = max 1 ((size - 1) * dilation + 1 - before - after + more)
              Size = size
              Stride = stride
              Dilation = dilation
              Before = before
              After = after }
    }

let private case: Gen<Case> =
    gen {
        let! axes = Gen.choose (1, 3) |> Gen.bind (fun n -> Gen.listOfLength n axis)
        let! batch = Gen.frequency [ 1, Gen.constant 0; 9, Gen.choose (1, 2) ]
        let! groups, inputs, outputs =
            Gen.zip3 (Gen.choose (1, 2)) (Gen.choose (1, 4)) (Gen.choose (1, 3))
        return
            { Axes = axes
              Batch = batch
              Groups = groups
              In = inputs
              Out = outputs }
    }

let private smaller (c: Case) : Case seq =
    seq {
        if c.Axes.Length > 1 then
            for i in 0 .. c.Axes.Length - 1 do
                yield { c with Axes = List.removeAt i c.Axes }
        yield!
            [ { c with Batch = 1 }
              { c with Groups = 1 }
              { c with In = 1 }
              { c with Out = 1 } ]
            |> List.filter ((<>) c)
        for i in 0 .. c.Axes.Length - 1 do
            let a = c.Axes[i]
            for simpler in
                [ { a with Stride = 1 }
                  { a with
                      Before = 0
                      Extent = a.Extent + a.Before }
                  { a with
                      After = 0
                      Extent = a.Extent + a.After }
                  { a with Dilation = 1 } ] do
                if simpler <> a then
                    yield
                        { c with
                            Axes = List.updateAt i simpler c.Axes }
    }

let private cases = Arb.fromGenShrink (case, smaller)

/// All indices of a shape, in row-major order.
let private indices (dims: int list) : int list list =
    List.foldBack
        (fun d rest ->
            [ for i in 0 .. d - 1 do
                  for r in rest -> i :: r ])
        dims
        [ [] ]

let private position (dims: int list) (index: int list) =
    List.fold2 (fun p d i -> p * d + i) 0 dims index

/// Calls `f` with the positions of every product: in the array, in the kernel, in the result.
let private products (c: Case) (f: int -> int -> int -> unit) =
    let windows = indices (c.In :: [ for a in c.Axes -> a.Size ])
    for result in indices c.ResultDims do
        let batch, channel, places = result[0], result[1], List.skip 2 result
        for offsets in windows do
            let at =
                List.map3
                    (fun (a: Axis) p k -> p * a.Stride + k * a.Dilation - a.Before)
                    c.Axes
                    places
                    offsets.Tail
            if List.forall2 (fun (a: Axis) i -> i >= 0 && i < a.Extent) c.Axes at then
                f
                    (position c.ArrayDims (batch :: (channel / c.Out * c.In + offsets.Head) :: at))
                    (position c.KernelDims (channel :: offsets))
                    (position c.ResultDims result)

/// Small whole numbers: every order of summation gives the same.
let private whole seed (dims: int list) : NDArray =
    NDArray.Create(floats (integers seed (-3, 4) dims), Shape(Array.ofList dims))

let private single (x: NDArray) =
    NDArray.Create(floats x |> Array.map float32, x.Shape)

let private isEqual what (dims: int list) (expected: float[]) (actual: NDArray) =
    Assert.Equal<int list>(dims, List.ofArray (actual.Shape.ToArray()))
    if expected <> floats actual then
        Assert.Fail
            $"""{what}: expected {String.Join(" ", expected)}, got {String.Join(" ", floats actual)}"""

let private convolution (c: Case) kernel x =
    convWith c.Strides c.Padding c.Dilations c.Groups kernel x

// ---- Convolution ----------------------------------------------------------------------------------------------------

[<Property(MaxTest = 400)>]
let ``a convolution and its derivatives are the sums of products that the loops say, as written and compiled``
    ()
    =
    Prop.forAll cases (fun c ->
        let x, w, g = whole 1 c.ArrayDims, whole 2 c.KernelDims, whole 3 c.ResultDims
        let y, dx, dw: float[] * float[] * float[] =
            Array.zeroCreate g.Length, Array.zeroCreate x.Length, Array.zeroCreate w.Length
        products c (fun i j k ->
            y[k] <- y[k] + x.Float i * w.Float j
            dx[i] <- dx[i] + g.Float k * w.Float j
            dw[j] <- dw[j] + g.Float k * x.Float i)
        for convert in [ id; single ] do
            let xs = [ variableOf "x" (convert x); variableOf "w" (convert w) ]
            let value = convolution c xs[1] xs[0]
            let roots = Array.ofList (value :: vjp value (constant (convert g)) xs)
            for what, values in [ "as written", Reference.evaluate roots; "compiled", Evaluate.many roots ] do
                isEqual $"{what}, value" c.ResultDims y values[0]
                isEqual $"{what}, by the array" c.ArrayDims dx values[1]
                isEqual $"{what}, by the kernel" c.KernelDims dw values[2])

[<Property(MaxTest = 400)>]
let ``a transposed convolution is the derivative of a convolution by its array, and has a convolution as its own``
    ()
    =
    Prop.forAll cases (fun c ->
        let x, w, g =
            variableOf "x" (whole 1 c.ArrayDims),
            variableOf "w" (whole 2 c.KernelDims),
            variableOf "g" (whole 3 c.ResultDims)
        let expected = vjp (convolution c w x) g [ x ] |> List.head
        // What the strides leave open of the extent.
        let extra =
            [ for a in c.Axes -> (a.Before + a.Extent + a.After - (a.Size - 1) * a.Dilation - 1) % a.Stride ]
        let y = convTransposeWith c.Strides c.Padding extra c.Dilations c.Groups w g
        isEqual "value" c.ArrayDims (floats (eval expected)) (eval y)
        let back = vjp y x [ g; w ]
        isEqual "by the array" c.ResultDims (floats (eval (convolution c w x))) (eval back[0])
        isEqual
            "by the kernel"
            c.KernelDims
            (floats (eval (vjp (convolution c w x) g [ w ] |> List.head)))
            (eval back[1]))

[<Property(MaxTest = 30)>]
let ``convolutions have the derivatives of both orders that differences give`` () =
    Prop.forAll cases (fun c ->
        let f (xs: Expr[]) = tanh (0.2 * convolution c xs[1] xs[0])
        let report =
            Diff.Check.Gradients(
                Func<Expr[], Expr>(f),
                [| spread 1 (-1.0, 1.0) c.ArrayDims; spread 2 (-1.0, 1.0) c.KernelDims |]
            )
        for comparison in report.Comparisons do
            Assert.True(comparison.Digits >= (if comparison.Order = 1 then 9.0 else 8.0), string comparison))

[<Property(MaxTest = 100)>]
let ``derivatives of second order are the same compiled as written`` () =
    Prop.forAll cases (fun c ->
        let xs =
            [ variableOf "x" (whole 1 c.ArrayDims); variableOf "w" (whole 2 c.KernelDims) ]
        let first = grads (sum (square (convolution c xs[1] xs[0]))) xs
        let second = grads (first |> List.map (square >> sum) |> List.reduce (+)) xs
        let roots = Array.ofList second
        for expected, actual in Array.zip (Reference.evaluate roots) (Evaluate.many roots) do
            isEqual "second order" (List.ofArray (expected.Shape.ToArray())) (floats expected) actual)

let private lowered (roots: Expr list) =
    Array.ofList roots
    |> Simplify.run
    |> Graph.map Contraction.lower
    |> Graph.topological

/// What is stored for the derivatives of a padded 3×3 convolution.
let private storedFor inputs outputs stride dilation =
    let x = input "x" [ 2; inputs; 20; 21 ] DType.Float32
    let w = input "w" [ outputs; inputs; 3; 3 ] DType.Float32
    let y = convWith [ stride ] (Padding.Around 1) [ dilation ] 1 w x
    let isStored (node: Expr) =
        node.Args.Length > 0 && not node.Op.IsUnfold // windows are a view
    x, y, lowered (grads (sum (square y)) [ x; w ]) |> Array.filter isStored

let steps: TheoryData<int, int> =
    TheoryData<int, int>([ struct (1, 1); struct (2, 1); struct (3, 1); struct (1, 2); struct (2, 2) ])

[<Theory; MemberData(nameof steps)>]
let ``derivatives of convolutions to few channels store nothing larger than the padded cotangent``
    (stride: int)
    (dilation: int)
    =
    let x, y, nodes = storedFor 16 4 stride dilation
    for node in nodes do
        let reach = 2 * dilation
        let padded = 2 * 4 * (y.Shape[2] + 2 * reach) * (y.Shape[3] + 2 * reach)
        Assert.True(
            node.Shape.Length <= max padded (x.Shape.Length * 24 * 24 / 20 / 21),
            $"{node.Op} of shape {node.Shape}"
        )

[<Theory; MemberData(nameof steps)>]
let ``derivatives of convolutions to as many channels store the windows of one axis``
    (stride: int)
    (dilation: int)
    =
    let x, _, nodes = storedFor 16 16 stride dilation
    for node in nodes do
        Assert.True(node.Shape.Length <= 4 * x.Shape.Length, $"{node.Op} of shape {node.Shape}")

[<Fact>]
let ``derivatives by padding are not computed`` () =
    let x, w =
        input "x" [ 2; 12; 9; 8 ] DType.Float64, input "w" [ 3; 12; 3; 5 ] DType.Float64
    let y = convWith [] (Padding.Each [| struct (1, 0); struct (2, 4) |]) [] 1 w x
    let g = input "g" (List.ofArray (y.Shape.ToArray())) DType.Float64
    let nodes = lowered (vjp y g [ x ])
    Assert.Equal(x.Shape, (Array.last nodes).Shape)
    Assert.True((Array.last nodes).Op.IsEinsum)
    // Nor where only one of the axes is rewritten.
    let _, _, nodes = storedFor 16 16 1 1
    Assert.Contains(nodes, fun n -> n.Op.IsEinsum && n.Shape.Equals(Shape [| 2; 16; 20; 3; 21 |]))

[<Fact>]
let ``where a rewritten sum of windows would take many more products it stays`` () =
    let x, w = input "x" [ 1; 2; 10 ] DType.Float64, input "w" [ 3; 2; 9 ] DType.Float64
    let nodes = lowered (grads (sum (square (conv w x))) [ x ])
    Assert.Contains(nodes, fun node -> node.Op.IsFold)

[<Fact>]
let ``same padding keeps ⌈extent ÷ stride⌉ windows, with one more after than before`` () =
    for extent in 1..7 do
        for size in 1..4 do
            for stride in 1..3 do
                for dilation in 1..2 do
                    let x = constant (whole 1 [ 1; 1; extent ])
                    let w = constant (whole 2 [ 1; 1; size ])
                    let y = convWith [ stride ] Padding.Same [ dilation ] 1 w x
                    let count = (extent + stride - 1) / stride
                    Assert.Equal(count, y.Shape[2])
                    let total = max 0 ((count - 1) * stride + (size - 1) * dilation + 1 - extent)
                    let widths = struct (total / 2, total - total / 2)
                    let expected = convWith [ stride ] (Padding.Each [| widths |]) [ dilation ] 1 w x
                    isEqual "same" [ 1; 1; count ] (floats (eval expected)) (eval y)
                    let back = convTransposeWith [ stride ] Padding.Same [] [ dilation ] 1 w y
                    Assert.Equal(count * stride, back.Shape[2])

[<Fact>]
let ``integers are convolved too`` () =
    let x, w =
        constant (integers 1 (-3, 4) [ 1; 1; 6 ]), constant (integers 2 (-3, 4) [ 1; 1; 2 ])
    let expected = eval (conv (cast DType.Float64 w) (cast DType.Float64 x))
    isEqual "int32" [ 1; 1; 5 ] (floats expected) (eval (conv w x))

// ---- Windows --------------------------------------------------------------------------------------------------------

[<Fact>]
let ``windows side by side are a reshape, and windows apart need no sums`` () =
    let x = input "x" [ 2; 6 ] DType.Float64
    Assert.Equal(Op.Reshape, (unfold 1 3 3 1 x).Op)
    Assert.Equal(Op.Reshape, (unfold 1 6 1 1 x).Op)
    Assert.Equal(Op.Reshape, (unfold 1 1 1 1 x).Op)
    Assert.True((unfold 1 4 4 1 x).Op.IsUnfold)
    for y in
        [ fold 1 7 2 1 (unfold 1 1 2 1 (input "" [ 2; 7 ] DType.Float64))
          fold 1 8 3 1 (unfold 1 3 3 1 (input "" [ 2; 8 ] DType.Float64)) ] do
        Assert.True(y.Op.IsEmbed)

[<Fact>]
let ``windows of a constant are a constant`` () =
    Assert.True((simplify (unfold 0 3 1 1 (full [ 5 ] DType.Float64 2.5))).Op.IsConst)

[<Fact>]
let ``float32 windows are added up in float64`` () =
    let x = NDArray.Create([| 1e8f; 1.0f; 0.0f; -1e8f |], Shape [| 2; 2 |])
    let y = fold 0 3 1 1 (variableOf "x" x)
    isEqual "sums" [ 3 ] [| 1e8; 1.0; -1e8 |] (eval y)
    let many =
        NDArray.Create([| 1e8f; 0f; 0f; 0f; 1f; 0f; 0f; 0f; -1e8f |], Shape [| 3; 3 |])
    isEqual "the middle" [ 5 ] [| 1e8; 0.0; 1.0; 0.0; -1e8 |] (eval (fold 0 5 1 1 (variableOf "x" many)))

// ---- Pooling --------------------------------------------------------------------------------------------------------

[<Property(MaxTest = 200)>]
let ``pooling is the maximum or the mean of each window`` () =
    let fits (c: Case) =
        c.Axes
        |> List.forall (fun a -> max a.Before a.After <= (a.Size - 1) * a.Dilation)
    Prop.forAll (Arb.filter fits cases) (fun c ->
        let c = { c with Out = 1; In = 1 }
        let x = spread 1 (-2.0, 2.0) c.ArrayDims
        let size = c.Axes |> List.map _.Size
        let largest: float[] = Array.create (List.fold (*) 1 c.ResultDims) -infinity
        let sums: float[] = Array.zeroCreate largest.Length
        products c (fun i _ k ->
            largest[k] <- max largest[k] (x.Float i)
            sums[k] <- sums[k] + x.Float i)
        let y = maxPoolWith size c.Strides c.Padding c.Dilations (variableOf "x" x)
        isEqual "max" c.ResultDims largest (eval y)
        if c.Axes |> List.forall (fun a -> a.Dilation = 1) then
            let y = avgPoolWith size c.Strides c.Padding (variableOf "x" x)
            let means = eval y
            Array.iteri2
                (fun k (s: float) m -> Assert.Equal(s / float (List.fold (*) 1 size), m, 1e-12))
                sums
                (floats means))

[<Fact>]
let ``equal maxima share the derivative, and a NaN is kept`` () =
    let x =
        tensor "x" [ 1; 1; 2; 5 ] [| 1.0; 1.0; 0.0; 7.0; 9.0; 0.0; 1.0; 2.0; nan; 9.0 |]
    let y = maxPool [ 2 ] x
    Assert.Equal<float[]>([| 1.0; nan |], floats (eval y))
    let third = 1.0 / 3.0
    // NaN equals nothing, so nothing is passed back there; the last column fills no window.
    let g = floats (eval (grad (at 3 0 y) x))
    Assert.Equal<float[]>([| third; third; 0.0; 0.0; 0.0; 0.0; third; 0.0; 0.0; 0.0 |], g)

[<Fact>]
let ``overlapping maxima add up what they pass back, but padding gets nothing`` () =
    let x = tensor "x" [ 1; 1; 4 ] [| -1.0; -2.0; -3.0; -1.5 |]
    let y = maxPoolWith [ 3 ] [ 1 ] (Padding.Around 1) [] x
    Assert.Equal<float[]>([| -1.0; -1.0; -1.5; -1.5 |], floats (eval y))
    Assert.Equal<float[]>([| 2.0; 0.0; 0.0; 2.0 |], floats (eval (grad y x)))

/// One axis with windows, in an array of three more.
let private oneAxis: Gen<int * int * int * int> =
    gen {
        let! size = Gen.choose (1, 18)
        let! step = Gen.choose (1, 7)
        let! dilation = Gen.elements [ 1; 1; 2; 3 ]
        let! more = Gen.choose (0, 20)
        return (size - 1) * dilation + 1 + more, size, step, dilation
    }

[<Property(MaxTest = 150)>]
let ``sums of windows, and equal elements added up as windows, are what the reference says`` () =
    Prop.forAll
        (Arb.fromGen (Gen.zip oneAxis (Gen.elements [ 0; 1; 2 ])))
        (fun ((extent, size, step, dilation), axis) ->
            let dims = List.updateAt axis extent [ 2; 3; 5 ]
            let x = variableOf "x" (spread 1 (-2.0, 2.0) dims)
            let windows = unfold axis size step dilation x
            let sums = sumOver [ axis + 1 ] windows
            let all =
                sumOver
                    [ 0; axis + 1 ]
                    (if axis = 0 then
                         unfold 2 2 1 1 windows |> sumOver [ 3 ]
                     else
                         windows)
            // Of the rows, the windows and their elements, along all other axes and along one.
            let back = grad (sum (sums * sums * sums)) x
            let short = sumOver [ 2 - (if axis = 2 then 1 else 0) ] sums
            let again = grad (sum (short * short * short)) x
            let single = cast DType.Float32 x
            let narrow = sumOver [ axis + 1 ] (unfold axis size step dilation single)
            let roots =
                [| sums; all; back; again; grad (sum (back * x)) x; cast DType.Float64 narrow |]
            for k, (expected, found) in
                Array.indexed (Array.zip (Reference.evaluate roots) (Evaluate.many roots)) do
                Assert.Equal(expected.Shape, found.Shape)
                let allowed = if k = 5 then 1e-5 else 1e-11
                let scale = floats expected |> Array.fold (fun m v -> max m (abs v)) 1.0
                Array.iter2
                    (fun (a: float) b ->
                        Assert.True(abs (a - b) <= allowed * scale, $"root {k}: {b}, not {a}"))
                    (floats expected)
                    (floats found))

[<Fact>]
let ``the derivative of a mean pooling stores no windows`` () =
    let x = variableOf "x" (spread 1 (-2.0, 2.0) [ 2; 3; 12; 12 ])
    for size, stride, padding in
        [ [ 3 ], [ 1 ], Padding.Valid
          [ 3 ], [ 1 ], Padding.Same
          [ 3 ], [ 2 ], Padding.Valid
          [ 5; 2 ], [ 2; 3 ], Padding.Around 1
          [ 4 ], [ 3 ], Padding.Same ] do
        let y = avgPoolWith size stride padding x
        let g = grad (sum (y * y)) x
        let text = explain g
        Assert.DoesNotContain("fold(", text)
        let expected = (Reference.evaluate [| g |])[0]
        Array.iter2 (fun (a: float) b -> Assert.Equal(a, b, 1e-12)) (floats expected) (floats (eval g))

[<Fact>]
let ``of an empty batch nothing is convolved or pooled`` () =
    let x, w =
        variableOf "x" (whole 1 [ 0; 2; 6; 6 ]), variableOf "w" (whole 2 [ 3; 2; 3; 3 ])
    let y =
        maxPoolWith [ 2 ] [] (Padding.Around 1) [] (relu (convWith [ 2 ] (Padding.Around 1) [] 1 w x))
    Assert.Equal(Shape [| 0; 3; 2; 2 |], y.Shape)
    match grads y [ x; w ] with
    | [ dx; dw ] ->
        Assert.Equal(Shape [| 0; 2; 6; 6 |], (eval dx).Shape)
        Assert.All(floats (eval dw), fun d -> Assert.Equal(0.0, d))
    | _ -> Assert.Fail "two gradients"

// ---- Messages -------------------------------------------------------------------------------------------------------

let private says<'E when 'E :> exn> (message: string) (mistake: unit -> Expr) =
    Assert.Equal(message, withoutLine (Assert.Throws<'E>(fun () -> mistake () |> ignore)))

let private image = input "image" [ 2; 4; 5; 6 ] DType.Float64
let private kernel dims = input "kernel" dims DType.Float64

[<Fact>]
let ``windows that do not fit`` () =
    says<ShapeException>
        "unfold: a window of 3 elements, 2 apart, reaches over 5, but axis 1 of shape (2, 4) has 4; pad the axis or take a smaller window"
        (fun () -> unfold 1 3 1 2 (input "x" [ 2; 4 ] DType.Float64))
    says<ShapeException>
        "unfold: size, step and dilation of a window are at least 1, got 2, 0 and 1"
        (fun () -> unfold 1 2 0 1 (input "x" [ 2; 4 ] DType.Float64))
    says<ShapeException>
        "fold: an axis of 7 has 3 windows of 3 elements with step 2 and dilation 1, but axis 0 of shape (4, 3) has 4"
        (fun () -> fold 0 7 2 1 (input "x" [ 4; 3 ] DType.Float64))
    says<ShapeException>
        "fold: axis 1 of shape (4, 3) is the last; the axis of a window's elements must follow it"
        (fun () -> fold -1 7 2 1 (input "x" [ 4; 3 ] DType.Float64))
    says<DTypeException> "fold: expected numbers, got bool; cast them" (fun () ->
        fold 0 4 1 1 (input "x" [ 2; 3 ] DType.Bool))

[<Fact>]
let ``kernels that do not fit`` () =
    says<ShapeException>
        "conv: expected an array of axes [batch, channels, spatial...], got shape (4, 5)"
        (fun () -> conv (kernel [ 1; 1; 1 ]) (kernel [ 4; 5 ]))
    says<ShapeException>
        "conv: axis 1 of the array of shape (2, 4, 5, 6) has 4 channels, but axis 1 of the kernel of shape (8, 3, 3, 3) has 3: 3 are expected"
        (fun () -> conv (kernel [ 8; 3; 3; 3 ]) image)
    says<ShapeException>
        "conv: an array of shape (2, 4, 5, 6) in 2 groups needs a kernel of axes [out, in / groups, spatial...], got shape (3, 2, 3, 3)"
        (fun () -> convWith [] Padding.Valid [] 2 (kernel [ 3; 2; 3; 3 ]) image)
    says<ShapeException>
        "conv_transpose: axis 1 of the array of shape (2, 4, 5, 6) has 4 channels, but axis 0 of the kernel of shape (3, 2, 3, 3) has 3: 3 are expected"
        (fun () -> convTranspose (kernel [ 3; 2; 3; 3 ]) image)
    says<ShapeException>
        "conv: a window of 7 elements, 1 apart, reaches over 7, but spatial axis 1 of shape (2, 4, 5, 6) has 6 and a padding of 0"
        (fun () -> conv (kernel [ 8; 4; 3; 7 ]) image)
    says<DTypeException> "conv: element types float64 and float32 do not mix; cast one of them" (fun () ->
        conv (input "w" [ 8; 4; 3; 3 ] DType.Float32) image)
    says<DTypeException> "conv: expected numbers, got bool; cast it" (fun () ->
        conv (input "w" [ 1; 1; 1 ] DType.Bool) (input "x" [ 1; 1; 1 ] DType.Bool))

[<Fact>]
let ``strides, paddings and sizes that do not fit`` () =
    let w = kernel [ 8; 4; 3; 3 ]
    says<ShapeException> "conv: expected one stride or 2, one for each spatial axis, got 3" (fun () ->
        convWith [ 1; 2; 3 ] Padding.Valid [] 1 w image)
    says<ShapeException> "conv: a dilation is at least 1, got (0)" (fun () ->
        convWith [] Padding.Valid [ 0 ] 1 w image)
    says<ShapeException> "conv: expected one padding or 2, one for each spatial axis, got 3" (fun () ->
        convWith [] (Padding.Around(1, 1, 1)) [] 1 w image)
    says<ShapeException> "padding: expected numbers of at least 0, got -1 before and -1 after" (fun () ->
        convWith [] (Padding.Around -1) [] 1 w image)
    says<ShapeException>
        "max_pool: a padding of 2 would make windows that reach over 2 of nothing else"
        (fun () -> maxPoolWith [ 2 ] [] (Padding.Around 2) [] image)
    says<ShapeException> "avg_pool: expected the size of a window, got none" (fun () -> avgPool [] image)
    says<ShapeException>
        "conv_transpose: an extra extent is at least 0 and less than the stride 2, got 2"
        (fun () -> convTransposeWith [ 2 ] Padding.Valid [ 2 ] [] 1 (kernel [ 4; 1; 3; 3 ]) image)
    says<ShapeException>
        "conv_transpose: a padding of 8 leaves nothing of the 7 elements of spatial axis 0"
        (fun () -> convTransposeWith [] (Padding.Around 4) [] [] 1 (kernel [ 4; 1; 3; 3 ]) image)

// ---- Text -----------------------------------------------------------------------------------------------------------

[<Fact>]
let ``windows in formulas and listings`` () =
    let x = input "x" [ 8 ] DType.Float64
    let y = fold 0 8 2 1 (unfold 0 3 2 1 x)
    Assert.Equal("fold(unfold(x, 0, 3, 2, 1), 0, 8, 2, 1)", Print.Formula y)
    Assert.Contains("= unfold 0 size 3 step 2 dilation 1 %1", Print.Listing y)
    Assert.Contains("= fold 0 extent 8 step 2 dilation 1 %2", Print.Listing y)
    Assert.Contains(@"\operatorname{unfold}_{0,3,2,1}", Print.Latex y)
