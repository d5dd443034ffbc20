namespace Diff

open System

/// What a sum of products is commonly called. Axes count from 0.
type internal Notation =
    | Broadcast
    | Sum of axes: int[]
    | Transpose of order: int[]
    | Trace
    | Diagonal
    | Dot
    /// Which operand comes first.
    | Outer of first: int
    /// Which operand comes first, and of which operands the last two axes are exchanged before.
    | MatMul of first: int * transposeLeft: bool * transposeRight: bool
    /// The sum over some axes of the product of operands that broadcast.
    | Product of axes: int[]
    | Unnamed

/// Common names for sums of products.
[<RequireQualifiedAccess>]
module internal Notation =
    let private distinct (labels: string) =
        Seq.length (Seq.distinct labels) = labels.Length
    let private axesWithout (output: string) (input: string) =
        [| for i in 0 .. input.Length - 1 do
               if not (output.Contains input[i]) then
                   i |]
    let private isKept (output: string) (input: string) =
        String.filter (fun c -> output.Contains c) input = output

    /// Whether the labels of one operand stand where broadcasting puts them, axes of extent 1 under labels of their own.
    let private isBroadcast (input: string) (shape: Shape) (output: string) =
        let offset = output.Length - input.Length
        let fits i label =
            label = output[i + offset]
            || (shape[i] = 1
                && not (output.Contains(label: char))
                && not (input.Contains output[i + offset]))
        offset >= 0
        && Seq.forall id (Seq.mapi fits input)
        && Seq.forall (fun (c: char) -> not (input.Contains c)) output[.. offset - 1]

    let private ofOne (input: string) (shape: Shape) (output: string) =
        if distinct input && distinct output then
            if input <> output && isKept output input then
                Sum(axesWithout output input)
            elif isBroadcast input shape output then
                (if input = output then Unnamed else Broadcast)
            elif Seq.sort input |> String.Concat = (Seq.sort output |> String.Concat) then
                Transpose(output.ToCharArray() |> Array.map input.IndexOf)
            else
                Unnamed
        elif input.Length = 2 && not (distinct input) && output = "" then
            Trace
        elif input.Length = 2 && not (distinct input) && output = input[..0] then
            Diagonal
        else
            Unnamed

    /// Whether `left` @ `right` has these labels: [batch…, p, s] · [s, q], with a batch of its own or none on the right.
    let private matMul first (left: string) (right: string) (output: string) =
        let isMatrix (labels: string) row column =
            match labels[labels.Length - 2], labels[labels.Length - 1] with
            | r, c when r = row && c = column -> Some false
            | r, c when r = column && c = row -> Some true
            | _ -> None
        let batch (labels: string) = labels[.. labels.Length - 3]
        let summed =
            left |> String.filter (fun c -> right.Contains c && not (output.Contains c))
        match List.ofSeq summed with
        | [ _ ] when right.Length = 1 && left.Length >= 2 && left = output + right ->
            Some(MatMul(first, false, false))
        | [ _ ] when left.Length = 1 && right.Length = 2 && right = left + output ->
            Some(MatMul(first, false, false))
        | [ s ] when
            left.Length >= 2
            && right.Length >= 2
            && output.Length = left.Length
            && batch left = batch output
            && (right.Length = 2 || batch right = batch output)
            ->
            let p, q = output[output.Length - 2], output[output.Length - 1]
            match isMatrix left p s, isMatrix right s q with
            | Some l, Some r -> Some(MatMul(first, l, r))
            | _ -> None
        | _ -> None

    /// The name of a contraction of operands of these shapes.
    let ofSpec (spec: EinsumSpec) (shapes: Shape[]) : Notation =
        let output = spec.Output
        match spec.Inputs with
        | [| input |] -> ofOne input shapes[0] output
        | inputs when not (Array.forall distinct inputs && distinct output) -> Unnamed
        | [| a; b |] when a = b && a.Length = 1 && output = "" -> Dot
        | [| a; b |] when a.Length = 1 && b.Length = 1 && output = a + b -> Outer 0
        | [| a; b |] when a.Length = 1 && b.Length = 1 && output = b + a -> Outer 1
        | inputs ->
            let product =
                match inputs with
                | [| a; b |] -> matMul 0 a b output |> Option.orElseWith (fun () -> matMul 1 b a output)
                | _ -> None
            let all = Array.maxBy String.length inputs
            match product with
            | Some notation -> notation
            | None when
                Array.forall (fun (input: string) -> all.EndsWith(input, StringComparison.Ordinal)) inputs
                && isKept output all
                ->
                Product(axesWithout output all)
            | None -> Unnamed
