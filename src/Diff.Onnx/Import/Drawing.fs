namespace Diff

open System

/// Random numbers of ONNX. Its generators are the runtimes' own; here the seed of a node is the key, so that a model gives the same
/// numbers each time, and a node without a seed is refused.
[<RequireQualifiedAccess>]
module internal Drawing =
    let private key (node: NodeContext) : Expr =
        if not (node.Has "seed") then
            node.Fail
                "it has no seed, and without one its numbers would differ from call to call; set the attribute seed, or make the numbers an input"
        let seed = node.Float("seed", 0.0)
        Leaf.literal (NDArray.Create([| BitConverter.DoubleToInt64Bits seed |], Shape.Scalar))

    let private dtypeOf (node: NodeContext) (absent: DType) =
        match node.Int("dtype", 0L) with
        | 0L -> absent
        | code ->
            match OnnxType.dtype (node.Small("attribute dtype", code)) with
            | Some dtype -> dtype
            | None -> node.Fail $"numbers of {OnnxType.name (int code)} are not supported"

    let private shape (node: NodeContext) =
        match node.Ints "shape" with
        | ValueSome dims -> [ for d in dims -> node.Small("extent", d) ]
        | ValueNone -> node.Fail "attribute shape is missing"

    let private likeShape (node: NodeContext) = List.ofArray (node.Input 0).Shape.Dims

    /// Numbers of a shape and type; float16 is drawn as float32.
    let private drawn
        (shapeOf: NodeContext -> int list)
        (typeOf: NodeContext -> DType)
        (draw: NodeContext -> DType -> int list -> Expr -> Expr)
        : NodeImport =
        fun node -> [ draw node (typeOf node) (shapeOf node) (key node) ]

    let private uniform (node: NodeContext) dtype shape key =
        let low, high = node.Float("low", 0.0), node.Float("high", 1.0)
        low + (high - low) * Rng.uniform dtype shape key

    let private normal (node: NodeContext) dtype shape key =
        node.Float("mean", 0.0) + node.Float("scale", 1.0) * Rng.normal dtype shape key

    let private bernoulli (node: NodeContext) dtype shape key =
        cast dtype (Rng.bernoulli (node.Input 0) shape key)

    let private single node = dtypeOf node DType.Float32
    let private same (node: NodeContext) = dtypeOf node (node.Input 0).DType

    let table: (string * NodeImport) list =
        [ "RandomUniform", drawn shape single uniform
          "RandomNormal", drawn shape single normal
          "RandomUniformLike", drawn likeShape same uniform
          "RandomNormalLike", drawn likeShape same normal
          "Bernoulli", drawn likeShape same bernoulli ]
