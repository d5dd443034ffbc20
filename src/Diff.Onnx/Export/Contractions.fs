namespace Diff

open System

/// Sums of products as operations of ONNX: sums, transposes, repetitions, products index by index, matrix products, and Einsum for the rest.
[<RequireQualifiedAccess>]
module internal Contractions =
    let private distinct (labels: string) =
        String(Array.distinct (labels.ToCharArray()))

    /// The operand with its axes in the order of `labels`, which has all of its own, and extent 1 for labels that it has not.
    let private aligned (m: ModelWriter) (own: string) (v: Written) (labels: string) : Written =
        let order = labels.ToCharArray() |> Array.filter own.Contains
        let v = m.Transpose(v, order |> Array.map (fun c -> own.IndexOf c))
        let mutable next = 0
        let dims =
            labels.ToCharArray()
            |> Array.map (fun c ->
                if own.Contains c then
                    next <- next + 1
                    v.Dims[next - 1]
                else
                    1)
        m.Reshape(v, dims)

    /// Zeros but where axes with one label have one index.
    let private diagonal (m: ModelWriter) (labels: string) (dims: int[]) (v: Written) : Written =
        let mutable result = v
        for c in distinct labels do
            let axes =
                [| for k in 0 .. labels.Length - 1 do
                       if labels[k] = c then
                           k |]
            for k in 1 .. axes.Length - 1 do
                let n = dims[axes[0]]
                let mask = Array.init (n * n) (fun i -> i / n = i % n)
                let shape =
                    Array.init dims.Length (fun i -> if i = axes[0] || i = axes[k] then n else 1)
                let mask = m.Tensor("diagonal", NDArray.Create(mask, Shape shape))
                let zero = m.Scalar(Scalar.cast v.DType (Scalar.ofFloat DType.Float64 0.0))
                result <- m.Node("Where", [ mask.Name; result.Name; zero.Name ], [], dims, v.DType)
        result

    /// From the labels that a value has to those of the output, which may repeat or be new.
    let private finish (m: ModelWriter) (own: string) (v: Written) (output: string) (dims: int[]) : Written =
        let first =
            String(
                output.ToCharArray()
                |> Array.mapi (fun k c -> if output.IndexOf c = k then c else '\000')
            )
        // A repeated label stands for an axis of extent 1 first.
        let order = first.ToCharArray() |> Array.filter own.Contains
        let v = m.Transpose(v, order |> Array.map (fun c -> own.IndexOf c))
        let shape =
            first.ToCharArray()
            |> Array.mapi (fun k c -> if own.Contains c then dims[k] else 1)
        let wide = m.Expand(m.Reshape(v, shape), dims)
        if distinct output = output then
            wide
        else
            diagonal m output dims wide

    let private einsum (m: ModelWriter) (inputs: string[]) (args: Written[]) (output: string) dims : Written =
        let labels = distinct (String.Join("", inputs) + output)
        if labels.Length > 52 then
            raise (ArgumentException $"Onnx.Save: an einsum with {labels.Length} labels; ONNX has 52")
        let letter (c: char) =
            let k = labels.IndexOf c
            char (if k < 26 then int 'a' + k else int 'A' + k - 26)
        let write (text: string) = String.map letter text
        let equation = String.Join(",", Array.map write inputs) + "->" + write output
        m.Node(
            "Einsum",
            args |> Array.map _.Name |> List.ofArray,
            [ Setting.Text("equation", equation) ],
            dims,
            args[0].DType
        )

    let private sumOut
        (m: ModelWriter)
        (own: string)
        (v: Written)
        (isKept: char -> bool)
        : struct (string * Written) =
        let axes =
            [| for k in 0 .. own.Length - 1 do
                   if not (isKept own[k]) then
                       k |]
        if axes.Length = 0 then
            struct (own, v)
        else
            let kept = own.ToCharArray() |> Array.filter isKept
            let dims =
                [| for k in 0 .. own.Length - 1 do
                       if isKept own[k] then
                           v.Dims[k] |]
            if axes |> Array.forall (fun k -> v.Dims[k] = 1) then
                struct (String kept, m.Reshape(v, dims)) // a stretched axis; bools too
            else
                let inputs = [ v.Name; m.List(Array.map int64 axes) ]
                let sum =
                    m.Node("ReduceSum", inputs, [ Setting.Int("keepdims", 0L) ], dims, v.DType)
                struct (String kept, sum)

    /// The matrix product that two operands are, if there is one summed label and one of each alone.
    let private tryMatMul
        (m: ModelWriter)
        (a: string)
        (x: Written)
        (b: string)
        (y: Written)
        (output: string)
        =
        let inBoth = a.ToCharArray() |> Array.filter b.Contains
        let batch, summed = inBoth |> Array.partition output.Contains
        let rows = a.ToCharArray() |> Array.filter (fun c -> not (b.Contains c))
        let columns = b.ToCharArray() |> Array.filter (fun c -> not (a.Contains c))
        if
            summed.Length = 1
            && rows.Length = 1
            && columns.Length = 1
            && output.Contains rows[0]
            && output.Contains columns[0]
        then
            let order own wanted =
                wanted |> Array.map (fun (c: char) -> (own: string).IndexOf c)
            let left = m.Transpose(x, order a (Array.concat [ batch; rows; summed ]))
            let right = m.Transpose(y, order b (Array.concat [ batch; summed; columns ]))
            let dims =
                Array.append left.Dims[.. left.Dims.Length - 2] right.Dims[right.Dims.Length - 1 ..]
            let product = m.Node("MatMul", [ left.Name; right.Name ], [], dims, x.DType)
            Some(String(Array.concat [ batch; rows; columns ]), product)
        else
            None

    let write (m: ModelWriter) (spec: EinsumSpec) (args: Written[]) (dims: int[]) : Written =
        // Diagonals first, then labels that only one operand has and nobody wants.
        let operands =
            Array.map2
                (fun (own: string) (v: Written) ->
                    if distinct own = own then
                        struct (own, v)
                    else
                        let labels = distinct own
                        let shape = labels.ToCharArray() |> Array.map (fun c -> v.Dims[own.IndexOf c])
                        struct (labels, einsum m [| own |] [| v |] labels shape))
                spec.Inputs
                args
        let operands =
            operands
            |> Array.mapi (fun k (struct (own, v)) ->
                let isElsewhere (c: char) =
                    operands
                    |> Array.indexed
                    |> Array.exists (fun (j, struct (other, _)) -> j <> k && other.Contains c)
                sumOut m own v (fun c -> spec.Output.Contains c || isElsewhere c))
        let labels =
            distinct (String.Join("", operands |> Array.map (fun (struct (own, _)) -> own)))
        let kept = String(labels.ToCharArray() |> Array.filter spec.Output.Contains)
        let extent (c: char) =
            operands
            |> Array.pick (fun (struct (own, v)) ->
                match own.IndexOf c with
                | -1 -> None
                | k -> Some v.Dims[k])
        let sizes (labels: string) =
            labels.ToCharArray() |> Array.map extent
        let struct (own, value) =
            match operands with
            | [| one |] -> one
            | _ when kept.Length = labels.Length ->
                // Nothing is summed: a product index by index.
                let wanted =
                    String(spec.Output.ToCharArray() |> Array.distinct |> Array.filter kept.Contains)
                let product =
                    operands
                    |> Array.map (fun (struct (own, v)) -> aligned m own v wanted)
                    |> Array.reduce (fun x y ->
                        let dims = Array.map2 max x.Dims y.Dims
                        let dims =
                            Array.init dims.Length (fun i ->
                                if x.Dims[i] = 0 || y.Dims[i] = 0 then 0 else dims[i])
                        m.Node("Mul", [ x.Name; y.Name ], [], dims, x.DType))
                struct (wanted, product)
            | _ ->
                let general () =
                    let inputs = operands |> Array.map (fun (struct (own, _)) -> own)
                    let args = operands |> Array.map (fun (struct (_, v)) -> v)
                    struct (kept, einsum m inputs args kept (sizes kept))
                match operands with
                | [| struct (a, x); struct (b, y) |] ->
                    match tryMatMul m a x b y spec.Output with
                    | Some(own, product) -> struct (own, product)
                    | None -> general ()
                | _ -> general ()
        finish m own value spec.Output dims
