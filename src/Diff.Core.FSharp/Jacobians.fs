namespace Diff

/// Many derivatives at once: matrices of them, and products with such matrices.
[<RequireQualifiedAccess>]
module internal Jacobians =
    /// The same for n directions at once, stacked.
    let hvpMany n (y: Expr) (xs: Expr[]) (stacks: Expr[]) : Expr[] =
        Gradient.scalarValue "hvpMany" y
        let vs =
            xs
            |> Array.map (fun x -> Leaf.input "direction" x.Shape (DType.ofDerivative x.DType))
        Batch.run n (Array.zip vs stacks) (Gradient.hvp y xs vs)

    /// Jᵀ·H·J applied to directions `vs` of `xs`: J that of the outputs, H the second derivatives of the loss with respect to them.
    let gaussNewton (loss: Expr) (outputs: Expr[]) (xs: Expr[]) (vs: Expr[]) : Expr[] =
        Gradient.scalarValue "gaussNewtonProduct" loss
        let tangents = outputs |> Array.map (fun y -> Gradient.jvp y xs vs)
        let cotangents = Gradient.hvp loss outputs tangents
        Array.map2 (fun y g -> Gradient.vjp Unconnected.Zeros y g xs) outputs cotangents
        |> Array.reduce (Array.map2 (+))

    /// A derivative with respect to `direction` for all unit directions at once.
    let private inAllDirections (direction: Expr) (derivative: Expr) : Expr =
        let units = UnitMatrices.make direction.Shape direction.DType
        Batch.run direction.Shape.Length [| direction, units |] [| derivative |]
        |> UnitMatrices.absorb units
        |> Array.head

    /// The cotangents of x for all unit cotangents of y at once: a row for each element of y.
    let private rows (y: Expr) (x: Expr) : Expr | null =
        let g = Leaf.input "row" y.Shape y.DType
        match (Passes.accumulate y g [| x |])[0] with
        | null -> null
        | row -> inAllDirections g row

    /// The tangents of y for all unit tangents of x at once: a column for each element of x.
    let private columns (y: Expr) (x: Expr) : Expr | null =
        let v = Leaf.input "column" x.Shape (DType.ofDerivative x.DType)
        match Passes.push y [| x |] [| v |] with
        | null -> null
        | column ->
            let all = inAllDirections v column
            Einsum.permute (Array.append [| 1 .. y.Rank |] [| 0 |]) all

    /// The matrix by colours, if it is found quickly to need few of them. Looking costs no more than a few runs of the whole matrix.
    let private byColors (y: Expr) (x: Expr) : Expr | null =
        let m, n = y.Shape.Length, x.Shape.Length
        if min m n < 8 then
            null
        else
            match Sparsity.within (min 2e6 (20.0 * float m * float n)) y x with
            | ValueSome pattern when pattern.Count > 0 && pattern.Count <= m * n / 4 ->
                let struct (byColumns, colors) = Compression.color JacobianMode.Auto pattern
                if Coloring.count colors <= min m n / 4 then
                    Compression.values pattern byColumns colors y x |> Compression.expand pattern
                else
                    null
            | _ -> null

    /// ∂yᵢ/∂xⱼ with the axes of y before those of x, in the element type of x as a gradient, all at once: by rows or by columns as asked, else by colours where few do, else
    /// by whichever of rows and columns are fewer.
    let jacobian (mode: JacobianMode) (y: Expr) (x: Expr) : Expr =
        Gradient.differentiable "jacobian" y
        Gradient.target "jacobian" x
        let shape = Shape(Array.append y.Shape.Dims x.Shape.Dims)
        let found =
            if shape.Length = 0 then
                null
            else
                match mode with
                | JacobianMode.Rows -> rows y x
                | JacobianMode.Columns -> columns y x
                | _ ->
                    match byColors y x with
                    | null when y.Shape.Length <= x.Shape.Length -> rows y x
                    | null -> columns y x
                    | all -> all
        match found with
        | null -> Expr.Full(0.0, shape, DType.ofDerivative x.DType)
        | all -> Reshape.make shape all |> Elementwise.makeCast (DType.ofDerivative x.DType)

    /// ∂y/∂x of each place of a batch, which no other place has a part in: the batch, then the other axes of y, then those of x.
    let batch (y: Expr) (x: Expr) : Expr =
        Gradient.differentiable "batch_jacobian" y
        Gradient.target "batch_jacobian" x
        if y.Rank = 0 || x.Rank = 0 || y.Shape[0] <> x.Shape[0] then
            raise (
                ShapeException
                    $"batch_jacobian: expected a leading axis of one extent, that of the batch, got shapes {y.Shape} and {x.Shape}"
            )
        let n = x.Shape[0]
        let ofY, ofX = Shape y.Shape.Dims[1..], Shape x.Shape.Dims[1..]
        let shape = Shape(Array.concat [ [| n |]; ofY.Dims; ofX.Dims ])
        // One unit at the same place of every element of the batch.
        let directions (part: Shape) dtype =
            let units = UnitMatrices.make part dtype
            let beside =
                Reshape.make (Shape(Array.concat [ [| part.Length; 1 |]; part.Dims ])) units
            Expr.BroadcastTo(beside, Shape(Array.concat [ [| part.Length; n |]; part.Dims ]))
        let all part (direction: Expr) (derivative: Expr | null) : Expr | null =
            match derivative with
            | null -> null
            | one ->
                Batch.run
                    part
                    [| direction, directions (Shape direction.Shape.Dims[1..]) direction.DType |]
                    [| one |]
                |> Array.head
        let found: Expr | null =
            if shape.Length = 0 then
                null
            elif ofX.Length <= ofY.Length then
                let v = Leaf.input "column" x.Shape (DType.ofDerivative x.DType)
                match all ofX.Length v (Passes.push y [| x |] [| v |]) with
                | null -> null
                | columns -> Einsum.permute (Array.append [| 1 .. y.Rank |] [| 0 |]) columns
            else
                let g = Leaf.input "row" y.Shape y.DType
                match all ofY.Length g (Array.head (Passes.accumulate y g [| x |])) with
                | null -> null
                | rows -> Einsum.permute (Array.concat [ [| 1; 0 |]; [| 2 .. x.Rank |] ]) rows
        match found with
        | null -> Expr.Full(0.0, shape, DType.ofDerivative x.DType)
        | all -> Reshape.make shape all |> Elementwise.makeCast (DType.ofDerivative x.DType)

    /// The matrix of second derivatives of a scalar, with the axes of x twice.
    let hessian (y: Expr) (x: Expr) : Expr =
        Gradient.scalarValue "hessian" y
        let gradient = Gradient.grad Unconnected.Zeros y [| x |]
        jacobian JacobianMode.Auto gradient[0] x
