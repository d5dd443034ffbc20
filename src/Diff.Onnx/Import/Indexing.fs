namespace Diff

open System

/// Operations of ONNX that make constants, or take and put elements by their indices.
[<RequireQualifiedAccess>]
module internal Indexing =
    let private int64s (x: Expr) = cast DType.Int64 x
    let private number (value: int64) : Expr = Expr.op_Implicit value

    /// Indices counted from 0; those outside an extent become `bad`, which is outside of everything.
    let private counted (extent: int) (bad: int64) (i: Expr) =
        let i = int64s i
        let n = number (int64 extent)
        let isBad = logicalOr (less i (number (int64 -extent))) (greaterEqual i n)
        where isBad (number bad) (where (less i (number 0L)) (i + n) i)

    /// Positions in an array laid out flat; outside of it where one of the indices is.
    let private flat (extents: int[]) (total: int) (indices: Expr list) =
        let strides = Shape.strides extents
        let bad = int64 total
        let checkedOnes = indices |> List.mapi (fun k i -> counted extents[k] bad i)
        let isBad =
            checkedOnes |> List.map (fun i -> equal i (number bad)) |> List.reduce logicalOr
        let place =
            checkedOnes
            |> List.mapi (fun k i -> i * number (int64 strides[k]))
            |> List.reduce (+)
        where isBad (number bad) place

    /// For each index of an array of indices, the position it names along an axis of another array.
    let private elementwise (node: NodeContext) axis (whole: Shape) (indices: Expr) =
        if indices.Rank <> whole.Rank then
            node.Fail $"indices of shape {indices.Shape} and data of shape {whole} differ in rank"
        if whole.Length = 0 then
            node.Fail $"data of shape {whole} have no elements"
        List.init whole.Rank (fun k ->
            if k = axis then
                indices
            else
                Leaf.iota indices.Shape k DType.Int64)
        |> flat whole.Dims whole.Length

    let private gatherElements: NodeImport =
        fun node ->
            let x, indices = node.Input 0, node.Input 1
            let axis = node.Axis(node.Int("axis", 0L), x.Rank)
            if indices.Shape.Length = 0 then
                [ Expr.Full(0.0, indices.Shape, x.DType) ]
            else
                [ gather 0 (elementwise node axis x.Shape indices) (reshape [ -1 ] x) ]

    let private scattered (node: NodeContext) (x: Expr) (places: Expr) (updates: Expr) =
        // Rows of the flat array at places; x is laid out as [rows, width].
        let sum v =
            scatterAdd 0 (List.ofArray x.Shape.Dims) places v
        match node.Text("reduction", "none") with
        | "add" -> x + sum updates
        | "none" ->
            let isPut = greater (sum (Expr.OnesLike updates)) 0.0
            where isPut (sum updates) x
        | other -> node.Fail $"reduction {FileText.quote other} is not supported; none and add are"

    let private scatterElements: NodeImport =
        fun node ->
            let x, indices, updates = node.Input 0, node.Input 1, node.Input 2
            let axis = node.Axis(node.Int("axis", 0L), x.Rank)
            if indices.Shape.Length = 0 then
                [ x ]
            else
                let places = elementwise node axis x.Shape indices
                let n = indices.Shape.Length
                let result =
                    scattered node (reshape [ -1 ] x) (reshape [ n ] places) (reshape [ n ] updates)
                [ reshape (List.ofArray x.Shape.Dims) result ]

    /// The last axis of the indices as so many arrays.
    let private tuples (node: NodeContext) (x: Expr) (indices: Expr) =
        if indices.Rank = 0 then
            node.Fail "indices need an axis"
        let k = indices.Shape[indices.Rank - 1]
        if k < 1 || k > x.Rank then
            node.Fail $"indices of shape {indices.Shape} name {k} axes of shape {x.Shape}"
        k, List.init k (fun i -> at -1 i indices)

    let private gatherND: NodeImport =
        fun node ->
            let x, indices = node.Input 0, node.Input 1
            if node.Int("batch_dims", 0L) <> 0L then
                node.Fail "batch_dims other than 0 are not supported"
            let k, parts = tuples node x indices
            let rows = Array.fold (*) 1 x.Shape.Dims[.. k - 1]
            let rest = x.Shape.Dims[k..]
            let table = Reshape.make (Shape(Array.append [| rows |] rest)) x
            [ gather 0 (flat x.Shape.Dims[.. k - 1] rows parts) table ]

    let private scatterND: NodeImport =
        fun node ->
            let x, indices, updates = node.Input 0, node.Input 1, node.Input 2
            let k, parts = tuples node x indices
            let rows = Array.fold (*) 1 x.Shape.Dims[.. k - 1]
            let rest = x.Shape.Dims[k..]
            let n = Array.fold (*) 1 indices.Shape.Dims[.. indices.Rank - 2]
            let places = flat x.Shape.Dims[.. k - 1] rows parts
            let shaped first =
                Reshape.make (Shape(Array.append [| first |] rest))
            let result =
                scattered node (shaped rows x) (reshape [ n ] places) (shaped n updates)
            [ Reshape.make x.Shape result ]

    let private oneHotOf: NodeImport =
        fun node ->
            let indices, depth, values = node.Input 0, (node.KnownInts 1)[0], node.Input 2
            let classes = node.Small("depth", depth)
            let axis =
                let given = node.Int("axis", -1L)
                node.Axis(given, indices.Rank + 1)
            let named = expandDims axis (int64s indices)
            let dims = Array.insertAt axis classes indices.Shape.Dims
            let position = Leaf.iota (Shape dims) axis DType.Int64
            let isOn =
                logicalOr (equal position named) (equal position (named + number (int64 classes)))
            [ where isOn (at 0 1 values) (at 0 0 values) ]

    let private range: NodeImport =
        fun node ->
            let dtype = (node.Input 0).DType
            let value i = (node.Known i).Float 0
            let first, last, step = value 0, value 1, value 2
            if step = 0.0 then
                node.Fail "the step is 0"
            let count = max 0.0 (ceil ((last - first) / step))
            if not (count <= float Int32.MaxValue) then
                node.Fail $"{count} elements are too many"
            let shape = Shape [| int count |]
            let place = Leaf.iota shape 0 dtype
            [ Expr.Full(first, shape, dtype) + place * Expr.Full(step, shape, dtype) ]

    let private constantOf: NodeImport =
        fun node ->
            let ofValues (values: 'T[]) dims =
                [ constant (NDArray.Create(values, Shape(Array.ofList dims))) ]
            if node.Has "value" then
                match node.Tensor "value" with
                | ValueSome value -> [ constant value ]
                | ValueNone -> node.Fail "attribute value is missing"
            elif node.Has "value_float" then
                ofValues [| float32 (node.Float("value_float", 0.0)) |] []
            elif node.Has "value_int" then
                ofValues [| node.Int("value_int", 0L) |] []
            elif node.Has "value_floats" then
                let values = (node.Floats "value_floats").Value |> Array.map float32
                ofValues values [ values.Length ]
            elif node.Has "value_ints" then
                let values = (node.Ints "value_ints").Value
                ofValues values [ values.Length ]
            else
                node.Fail "it has no value of numbers"

    let private filled: NodeImport =
        fun node ->
            let dims = node.KnownInts 0 |> Array.map (fun d -> node.Small("extent", d))
            match node.Tensor "value" with
            | ValueNone -> [ Expr.Full(0.0, Shape dims, DType.Float32) ]
            | ValueSome value when value.Length = 1 ->
                let scalar =
                    if value.DType = DType.Int64 then
                        Scalar.ofInt value.DType (value.Span<int64>()[0])
                    else
                        Scalar.ofFloat value.DType (value.Float 0)
                [ Expr.Const(scalar, Shape dims) ]
            | ValueSome value -> node.Fail $"one value was expected, got shape {value.Shape}"

    let private eye: NodeImport =
        fun node ->
            let x = node.Input 0
            if x.Rank <> 2 then
                node.Fail $"a matrix was expected, got shape {x.Shape}"
            let dtype =
                match node.Int("dtype", 0L) with
                | 0L -> x.DType
                | code ->
                    match OnnxType.dtype (int code) with
                    | Some dtype -> dtype
                    | None -> node.Fail $"elements of {OnnxType.name (int code)} are not supported"
            let row, column = Leaf.iota x.Shape 0 DType.Int64, Leaf.iota x.Shape 1 DType.Int64
            [ cast dtype (equal (column - row) (number (node.Int("k", 0L)))) ]

    let table: (string * NodeImport) list =
        [ "Gather",
          fun node ->
              let x = node.Input 0
              [ gather (node.Axis(node.Int("axis", 0L), x.Rank)) (node.Input 1) x ]
          "GatherElements", gatherElements
          "GatherND", gatherND
          "ScatterElements", scatterElements
          "ScatterND", scatterND
          "OneHot", oneHotOf
          "Range", range
          "Constant", constantOf
          "ConstantOfShape", filled
          "EyeLike", eye ]
