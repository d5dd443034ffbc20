namespace Diff

/// Factorisations and what is solved with them, as calls of the helpers in Resources/CodeMatrices.txt.
[<RequireQualifiedAccess>]
module internal CodeMatrices =
    /// Writes the node into the span `t`; false for other words.
    let tryEmit (scope: CodeScope) (t: string) (node: Expr) : bool =
        let text = scope.Text
        // The helpers for float32 are made of those for float64, under names of their own.
        let suffix = if node.DType = DType.Float32 then "Single" else ""
        let stacked (count: int) (line: string) =
            text.Line $"for (int d = 0; d < {count}; d++)"
            text.Line("    " + line)
        /// One line for each matrix of a stack.
        let each (line: string) =
            stacked (Array.fold (*) 1 node.Shape.Dims[.. node.Rank - 3]) line
        let operand k =
            let a = node.Args[k]
            let size = a.Shape[a.Rank - 2] * a.Shape[a.Rank - 1]
            $"{scope.SpanOf a}.Slice(d * {size}, {size})"
        let rows, columns =
            if node.Rank < 2 then
                0, 0
            else
                node.Shape[node.Rank - 2], node.Shape[node.Rank - 1]
        let result = $"{t}.Slice(d * {rows * columns}, {rows * columns})"
        /// With memory for so many numbers, until it is done.
        let within (count: int) (write: string -> unit) =
            let bytes = int64 count * int64 (DType.size node.DType)
            text.Open ""
            let struct (work, place) = scope.Frame.Span(CodeText.typeOf node, bytes)
            write work
            text.Close()
            scope.Frame.Release(place, bytes)
        let onlyDouble () =
            if node.DType = DType.Float32 then
                CodeText.refuse node "is emitted for float64 only; cast to it and back"
        match node.Op with
        | Op.Linalg Factorization.Cholesky ->
            each $"Cholesky{suffix}({operand 0}, {result}, {rows});"
            true
        | Op.Linalg Factorization.Lu ->
            if node.Args[0].Shape[node.Rank - 1] <> rows then
                CodeText.refuse node "is emitted for square matrices only"
            each $"Lu{suffix}({operand 0}, {result}, {rows});"
            true
        | Op.Linalg(Factorization.Det _) ->
            onlyDouble ()
            let n = node.Args[0].Shape[node.Args[0].Rank - 1]
            stacked node.Shape.Length $"{t}[d] = Determinant({operand 0}, {n});"
            true
        | Op.Linalg(Factorization.SignedLogDet _) ->
            onlyDouble ()
            let n = node.Args[0].Shape[node.Args[0].Rank - 1]
            stacked (node.Shape.Length / 2) $"SignedLog({operand 1}, {t}.Slice(d * 2, 2), {n});"
            true
        | Op.Linalg Factorization.Equilibrate ->
            onlyDouble ()
            let n = rows
            each $"Equilibrate({operand 0}, {t}.Slice(d * {2 * n}, {2 * n}), {n});"
            true
        | Op.Linalg(Factorization.Solve(transposed, _)) ->
            let flag = if transposed then "true" else "false"
            each $"Solve{suffix}({operand 1}, {operand 2}, {result}, {rows}, {columns}, {flag});"
            true
        | Op.Linalg(Factorization.TriangularSolve lower) ->
            let flag = if lower then "true" else "false"
            scope.Text.Line $"{scope.SpanOf node.Args[1]}.CopyTo({t});"
            each
                $"Triangular{suffix}({operand 0}, {rows}, {rows}, {result}, {columns}, {flag}, false, false);"
            true
        | Op.Linalg Factorization.Qr ->
            let m = rows - columns
            within (columns * (m + 1)) (fun work ->
                each $"Qr{suffix}({operand 0}, {result}, {work}, {m}, {columns});")
            true
        | Op.Linalg Factorization.Eigh ->
            within (2 * rows * rows) (fun work ->
                each $"Eigh{suffix}({operand 0}, {result}, {work}, {rows});")
            true
        | _ -> false
