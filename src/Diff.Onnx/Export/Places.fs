namespace Diff

open System

/// Operations that move numbers, as operations of ONNX.
[<RequireQualifiedAccess>]
module internal Places =
    let private set (values: int[]) at value = Array.updateAt at value values

    /// The axis with step − 1 zeros behind each element.
    let private spread (m: ModelWriter) axis step (v: Written) : Written =
        let n = v.Dims[axis]
        if step = 1 || n <= 1 then
            v
        else
            let apart = m.Reshape(v, Array.insertAt (axis + 1) 1 v.Dims)
            let none = Array.zeroCreate<int> apart.Dims.Length
            let wide = m.Pad(apart, none, set none (axis + 1) (step - 1))
            let flat = m.Reshape(wide, set v.Dims axis (n * step))
            let ones = Array.create v.Dims.Length 1
            m.Slice(flat, Array.zeroCreate v.Dims.Length, ones, set v.Dims axis ((n - 1) * step + 1))

    /// Zeros of the given shape, with the value at starts[k] + steps[k]·i.
    let embed (m: ModelWriter) (starts: int[]) (steps: int[]) (dims: int[]) (v: Written) : Written =
        if v.Dims |> Array.contains 0 then
            m.Expand(m.Number(v.DType, 0.0), dims)
        else
            let mutable x, first = v, Array.copy starts
            for axis in 0 .. dims.Length - 1 do
                if steps[axis] < 0 then
                    let from = Array.zeroCreate<int> dims.Length
                    let one = Array.create dims.Length 1
                    x <- m.Slice(x, set from axis (x.Dims[axis] - 1), set one axis -1, x.Dims)
                    first[axis] <- starts[axis] + steps[axis] * (x.Dims[axis] - 1)
                x <- spread m axis (abs steps[axis]) x
            let after = Array.map3 (fun d f n -> d - f - n) dims first x.Dims
            m.Pad(x, first, after)

    /// The axis as windows and their elements: indices that are known.
    let unfold (m: ModelWriter) axis size step dilation (dims: int[]) (v: Written) : Written =
        let positions = dims[axis]
        let places =
            Array.init (positions * size) (fun i -> int64 (i / size * step + i % size * dilation))
        let indices =
            m.Tensor("windows", NDArray.Create(places, Shape [| positions; size |]))
        m.Node("Gather", [ v.Name; indices.Name ], [ Setting.Int("axis", int64 axis) ], dims, v.DType)

    /// Windows added up: for each of their elements, the array of all windows' is put where it belongs.
    let fold (m: ModelWriter) axis step dilation (dims: int[]) (v: Written) : Written =
        let positions, size = v.Dims[axis], v.Dims[axis + 1]
        let ones = Array.create v.Dims.Length 1
        let part k =
            let starts = set (Array.zeroCreate v.Dims.Length) (axis + 1) k
            let taken = m.Slice(v, starts, ones, set v.Dims (axis + 1) 1)
            let flat = m.Reshape(taken, set dims axis positions)
            let from = set (Array.zeroCreate<int> dims.Length) axis (k * dilation)
            let steps = set (Array.create dims.Length 1) axis step
            embed m from steps dims flat
        Seq.init size part
        |> Seq.reduce (fun x y -> m.Node("Add", [ x.Name; y.Name ], [], dims, v.DType))

    /// The elements that indices name in each line along an axis.
    let takeAlong (m: ModelWriter) axis (dims: int[]) (v: Written) (indices: Written) : Written =
        let settings = [ Setting.Int("axis", int64 axis) ]
        m.Node("GatherElements", [ v.Name; indices.Name ], settings, dims, v.DType)

    /// Zeros, with elements added where indices say in each line along an axis.
    let addAlong (m: ModelWriter) axis (dims: int[]) (v: Written) (indices: Written) : Written =
        let zeros = m.Expand(m.Number(v.DType, 0.0), dims)
        let settings = [ Setting.Int("axis", int64 axis); Setting.Text("reduction", "add") ]
        m.Node("ScatterElements", [ zeros.Name; indices.Name; v.Name ], settings, dims, v.DType)

    /// Where elements lie in order: the places that the sort of all of them gives. What NaN does there is the runtime's affair.
    let argSort (m: ModelWriter) axis descending (v: Written) : Written =
        let settings =
            [ Setting.Int("axis", int64 axis)
              Setting.Int("largest", (if descending then 1L else 0L))
              Setting.Int("sorted", 1L) ]
        let count = m.List [| int64 v.Dims[axis] |]
        (m.Nodes("TopK", [ v.Name; count ], settings, [| v.Dims, v.DType; v.Dims, DType.Int64 |]))[1]

    /// The transform along the axis before the last, which holds pairs. A batch comes first.
    let fourier (m: ModelWriter) inverse (v: Written) : Written =
        let wide =
            if v.Dims.Length = 2 then
                m.Reshape(v, Array.append [| 1 |] v.Dims)
            else
                v
        let settings =
            [ Setting.Int("axis", int64 (wide.Dims.Length - 2))
              Setting.Int("inverse", (if inverse then 1L else 0L)) ]
        m.Reshape(m.Node("DFT", [ wide.Name ], settings, wide.Dims, v.DType), v.Dims)

    let gather (m: ModelWriter) axis (dims: int[]) (v: Written) (indices: Written) : Written =
        m.Node("Gather", [ v.Name; indices.Name ], [ Setting.Int("axis", int64 axis) ], dims, v.DType)

    /// Zeros, with slabs added where indices say: ScatterND along the first axis.
    let scatterAdd (m: ModelWriter) axis (dims: int[]) (v: Written) (indices: Written) : Written =
        let k, rank = indices.Dims.Length, v.Dims.Length
        let count = Array.fold (*) 1 indices.Dims
        let others =
            [| for i in 0 .. dims.Length - 1 do
                   if i <> axis then
                       i |]
        let rest = others |> Array.map (fun i -> dims[i])
        // The axes of the indices first.
        let order =
            [| for i in axis .. axis + k - 1 do
                   i
               for i in 0 .. rank - 1 do
                   if i < axis || i >= axis + k then
                       i |]
        let updates = m.Reshape(m.Transpose(v, order), Array.append [| count |] rest)
        // Negative indices count from the end.
        let extent = m.Number(indices.DType, float dims[axis])
        let zero = m.Number(indices.DType, 0.0)
        let isNegative =
            m.Node("Less", [ indices.Name; zero.Name ], [], indices.Dims, DType.Bool)
        let moved = m.Map("Add", [ indices; extent ], indices)
        let places =
            m.Node("Where", [ isNegative.Name; moved.Name; indices.Name ], [], indices.Dims, indices.DType)
        let places =
            if places.DType = DType.Int64 then
                places
            else
                let settings = [ Setting.Int("to", int64 OnnxType.int64) ]
                m.Node("Cast", [ places.Name ], settings, places.Dims, DType.Int64)
        let places = m.Reshape(places, [| count; 1 |])
        let whole = Array.append [| dims[axis] |] rest
        let zeros = m.Expand(m.Number(v.DType, 0.0), whole)
        let sum =
            m.Node(
                "ScatterND",
                [ zeros.Name; places.Name; updates.Name ],
                [ Setting.Text("reduction", "add") ],
                whole,
                v.DType
            )
        let back =
            Array.init dims.Length (fun i ->
                if i = axis then 0
                elif i < axis then i + 1
                else i)
        m.Transpose(sum, back)

    let iota (m: ModelWriter) axis (dims: int[]) (dtype: DType) : Written =
        let n = dims[axis]
        let line = NDArray.Zeros(dtype, Shape [| n |])
        for i in 0 .. n - 1 do
            match dtype with
            | DType.Float32 -> line.Span<float32>()[i] <- float32 i
            | DType.Float64 -> line.Span<float>()[i] <- float i
            | DType.Int32 -> line.Span<int>()[i] <- i
            | _ -> line.Span<int64>()[i] <- int64 i
        let shape = Array.mapi (fun k d -> if k = axis then d else 1) dims
        m.Expand(m.Reshape(m.Tensor("indices", line), shape), dims)
