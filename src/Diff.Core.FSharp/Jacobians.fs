namespace Diff

open System

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

    /// The unit arrays of a shape, stacked: ones on the diagonal of a matrix of zeros, whose rows have that shape.
    let private units (shape: Shape) (dtype: DType) : Expr =
        let n = shape.Length
        let stacked = Stack.shape n shape
        let ones = Expr.Full(1.0, Shape [| n |], dtype)
        let diagonal =
            Window.embed [| 0 |] [| n + 1 |] (Shape [| n * n |]) ones
            |> Reshape.make stacked
        // Small ones are there before anything runs.
        if stacked.Length <= 65536 then
            Leaf.literal (Reference.evaluate [| diagonal |] |> Array.head)
        else
            diagonal

    /// The cotangents of x for all unit cotangents of y at once: a row for each element of y.
    let private rows (y: Expr) (x: Expr) : Expr | null =
        let g = Leaf.input "row" y.Shape y.DType
        match (Passes.accumulate y g [| x |])[0] with
        | null -> null
        | row -> (Batch.run y.Shape.Length [| g, units y.Shape y.DType |] [| row |])[0]

    /// The tangents of y for all unit tangents of x at once: a column for each element of x.
    let private columns (y: Expr) (x: Expr) : Expr | null =
        let v = Leaf.input "column" x.Shape (DType.ofDerivative x.DType)
        match Passes.push y [| x |] [| v |] with
        | null -> null
        | column ->
            let m = x.Shape.Length
            let all = (Batch.run m [| v, units x.Shape v.DType |] [| column |])[0]
            Einsum.permute (Array.append [| 1 .. y.Rank |] [| 0 |]) all

    /// ∂yᵢ/∂xⱼ with the axes of y before those of x, by rows or by columns, whichever are fewer; all of them at once.
    let jacobian (mode: JacobianMode) (y: Expr) (x: Expr) : Expr =
        Gradient.differentiable "jacobian" y
        Gradient.target "jacobian" x
        let shape = Shape(Array.append y.Shape.Dims x.Shape.Dims)
        let byRows =
            match mode with
            | JacobianMode.Rows -> true
            | JacobianMode.Columns -> false
            | _ -> y.Shape.Length <= x.Shape.Length
        let found =
            if shape.Length = 0 then null
            elif byRows then rows y x
            else columns y x
        match found with
        | null -> Expr.Full(0.0, shape, DType.ofDerivative x.DType)
        | all -> Reshape.make shape all

    /// The matrix of second derivatives of a scalar, with the axes of x twice.
    let hessian (y: Expr) (x: Expr) : Expr =
        Gradient.scalarValue "hessian" y
        let gradient = Gradient.grad Unconnected.Zeros y [| x |]
        jacobian JacobianMode.Rows gradient[0] x
