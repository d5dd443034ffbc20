namespace Diff

open System
open System.Collections.Generic

/// Several arrays in one vector, one after the other. Arrays of one type make a vector of that type, others one of float64, which holds
/// float32, int32 and bool as they are; an int64 is its lower and its upper half there.
[<RequireQualifiedAccess>]
module internal Pack =
    /// The type of a vector of such parts.
    let typeOf (parts: DType seq) : DType =
        match Seq.distinct parts |> List.ofSeq with
        | [ one ] -> one
        | _ -> DType.Float64

    /// How many elements of the vector one element takes.
    let width (packed: DType) (dtype: DType) =
        if dtype = DType.Int64 && packed <> DType.Int64 then
            2
        else
            1

    /// How many elements of the vector a part takes.
    let length (packed: DType) (shape: Shape) (dtype: DType) : int =
        Checked.(*) shape.Length (width packed dtype)

    let private half = 4294967296.0

    /// The elements of a vector from a position on.
    let window (start: int) (length: int) (vector: Expr) : Expr =
        Window.slice [| start |] [| 1 |] (Shape [| length |]) vector

    /// A part of a vector as what it was.
    let unpack (start: int) (shape: Shape) (dtype: DType) (vector: Expr) : Expr =
        let flat = window start (length vector.DType shape dtype) vector
        if width vector.DType dtype = 1 then
            Reshape.make shape flat |> Elementwise.makeCast dtype
        else
            let whole (offset: int) =
                Window.slice [| offset |] [| 2 |] (Shape [| shape.Length |]) flat
                |> Elementwise.makeCast DType.Int64
                |> Reshape.make shape
            let upper = Expr.Const(Scalar.ofInt DType.Int64 (int64 half), Shape.Scalar)
            Expr.Map(Fn.Add, [| whole 0; Expr.Map(Fn.Mul, [| whole 1; upper |]) |])

    /// An array as a part of a vector.
    let flat (packed: DType) (x: Expr) : Expr =
        if width packed x.DType = 1 then
            Reshape.make (Shape [| x.Shape.Length |]) x |> Elementwise.makeCast packed
        else
            let count = Shape [| x.Shape.Length |]
            let upper = Expr.Const(Scalar.ofInt DType.Int64 (int64 half), Shape.Scalar)
            let x = Reshape.make count x
            // Rounded down, so that the rest is from 0 on.
            let rest = Expr.Map(Fn.Fmod, [| x; upper |])
            let isBelow = Expr.Map(Fn.Less, [| rest; Expr.ZerosLike rest |])
            let low =
                Expr.Map(Fn.Where, [| isBelow; rest + Expr.BroadcastTo(upper, count); rest |])
            let high = Expr.Map(Fn.Div, [| Expr.Map(Fn.Sub, [| x; low |]); upper |])
            let pair = Shape [| x.Shape.Length; 1 |]
            Window.concat 1 [| Reshape.make pair low; Reshape.make pair high |]
            |> Reshape.make (Shape [| 2 * x.Shape.Length |])
            |> Elementwise.makeCast packed

    /// Parts as one vector.
    let concat (packed: DType) (parts: Expr[]) : Expr =
        if parts.Length = 0 then
            Expr.Full(0.0, Shape [| 0 |], packed)
        else
            parts |> Array.map (flat packed) |> Window.concat 0

    /// The numbers of a part into the vector.
    let write (part: NDArray) (vector: NDArray) (start: int) : unit =
        let inline copy (_: 'T) =
            part.Span<'T>().CopyTo(vector.Span<'T>().Slice(start, part.Length))
        if part.DType = vector.DType then
            match part.DType with
            | DType.Float32 -> copy 0f
            | DType.Float64 -> copy 0.0
            | DType.Int32 -> copy 0
            | DType.Int64 -> copy 0L
            | DType.Bool -> copy false
            | DType.Float16 -> copy Half.Zero
            | DType.BFloat16 -> copy (BFloat16())
            | other -> DType.unknown other
        elif part.DType = DType.Int64 then
            let from = part.Span<int64>()
            let into = vector.Span<float>()
            for i in 0 .. part.Length - 1 do
                into[start + 2 * i] <- float (from[i] &&& 0xFFFFFFFFL)
                into[start + 2 * i + 1] <- float (from[i] >>> 32)
        else
            let into = vector.Span<float>()
            for i in 0 .. part.Length - 1 do
                into[start + i] <- part.Float i

    /// The part of a cotangent, from a position on, that was put there; null where nothing was. A cotangent of a vector is mostly a sum of
    /// cotangents of its parts among zeros: those parts are found, not cut out of the sum.
    let tryPart (start: int) (length: int) (cotangent: Expr) : Expr | null =
        let found = List<Expr>()
        // Terms, and where the part begins in each: an array among zeros has places of its own.
        let waiting = Stack<struct (int * Expr)>([ struct (start, cotangent) ])
        while waiting.Count > 0 do
            let struct (start, g) = waiting.Pop()
            match g.Op with
            | Op.Const c when c.AsFloat = 0.0 -> ()
            | Op.Elementwise Fn.Add ->
                for term in Array.rev g.Args do
                    waiting.Push(struct (start, term))
            | Op.Embed([| first |], [| 1 |]) ->
                let inner = g.Args[0]
                let n = inner.Shape.Length
                if first <= start && start + length <= first + n then
                    waiting.Push(struct (start - first, inner))
                elif first < start + length && start < first + n then
                    found.Add(window start length g)
            | _ when g.Shape.Length = length -> found.Add g
            | _ -> found.Add(window start length g)
        match List.ofSeq found with
        | [] -> null
        | parts -> List.reduce (+) parts
