namespace Diff

open System

/// Loops over spans, one for each element type, with the scalar function written into them: no call for each element.
[<RequireQualifiedAccess>]
module internal Loops =
    // Each loop converts to float64 or int64, the types of the scalar functions, and back. For +, −, ×, ÷ and √ of float32
    // this rounds exactly as float32 arithmetic does (Figueroa 1995: 53 ≥ 2·24 + 2).
    let inline one
        ([<InlineIfLambda>] convert: 'T -> 'V)
        ([<InlineIfLambda>] back: 'U -> 'R)
        ([<InlineIfLambda>] f: 'V -> 'U)
        =
        Kernel(fun args result ->
            let x = args[0].Span<'T>()
            let out = result.Span<'R>()
            for i in 0 .. out.Length - 1 do
                out[i] <- back (f (convert x[i])))

    let inline two
        ([<InlineIfLambda>] convert: 'T -> 'V)
        ([<InlineIfLambda>] back: 'U -> 'R)
        ([<InlineIfLambda>] f: 'V -> 'V -> 'U)
        =
        Kernel(fun args result ->
            let x = args[0].Span<'T>()
            let y = args[1].Span<'T>()
            let out = result.Span<'R>()
            for i in 0 .. out.Length - 1 do
                out[i] <- back (f (convert x[i]) (convert y[i])))

    let ofBool (b: bool) = if b then 1L else 0L

    let refused (dtype: DType) : Kernel =
        raise (DTypeException $"a function of floats was asked for {DType.name dtype}")

    /// One operand of a float type.
    let inline floats1 ([<InlineIfLambda>] f: float -> float) : DType -> Kernel =
        function
        | DType.Float64 -> one (fun (x: float) -> x) (fun (y: float) -> y) (fun x -> f x)
        | DType.Float32 -> one (fun (x: float32) -> float x) (fun (y: float) -> float32 y) (fun x -> f x)
        | dtype -> refused dtype

    /// Two operands of a float type.
    let inline floats2 ([<InlineIfLambda>] f: float -> float -> float) : DType -> Kernel =
        function
        | DType.Float64 -> two (fun (x: float) -> x) (fun (y: float) -> y) (fun x y -> f x y)
        | DType.Float32 -> two (fun (x: float32) -> float x) (fun (y: float) -> float32 y) (fun x y -> f x y)
        | dtype -> refused dtype

    /// Any number of operands of a float type, given to the function as an array.
    let floatsOf (f: System.Func<float[], float>) : DType -> Kernel =
        let run (toFloat: 'T -> float) (ofFloat: float -> 'T) =
            Kernel(fun args result ->
                let operands = Array.zeroCreate args.Length
                for i in 0 .. result.Length - 1 do
                    for k in 0 .. args.Length - 1 do
                        operands[k] <- toFloat (args[k].Span<'T>()[i])
                    result.Span<'T>()[i] <- ofFloat (f.Invoke operands))
        function
        | DType.Float64 -> run (id: float -> float) id
        | DType.Float32 -> run (float: float32 -> float) float32
        | dtype -> refused dtype

    /// One operand of any type; bools are 0 and 1.
    let inline exact1
        ([<InlineIfLambda>] f: float -> float)
        ([<InlineIfLambda>] g: int64 -> int64)
        : DType -> Kernel =
        function
        | DType.Int32 -> one (fun (x: int) -> int64 x) (fun (y: int64) -> int y) (fun x -> g x)
        | DType.Int64 -> one (fun (x: int64) -> x) (fun (y: int64) -> y) (fun x -> g x)
        | DType.Bool -> one ofBool (fun (y: int64) -> y <> 0L) (fun x -> g x)
        | dtype -> floats1 f dtype

    /// Two operands of any type; bools are 0 and 1.
    let inline exact2
        ([<InlineIfLambda>] f: float -> float -> float)
        ([<InlineIfLambda>] g: int64 -> int64 -> int64)
        : DType -> Kernel =
        function
        | DType.Int32 -> two (fun (x: int) -> int64 x) (fun (y: int64) -> int y) (fun x y -> g x y)
        | DType.Int64 -> two (fun (x: int64) -> x) (fun (y: int64) -> y) (fun x y -> g x y)
        | DType.Bool -> two ofBool (fun (y: int64) -> y <> 0L) (fun x y -> g x y)
        | dtype -> floats2 f dtype

    /// A question about two operands of any type.
    let inline test
        ([<InlineIfLambda>] f: float -> float -> bool)
        ([<InlineIfLambda>] g: int64 -> int64 -> bool)
        : DType -> Kernel =
        function
        | DType.Float64 -> two (fun (x: float) -> x) (fun (y: bool) -> y) (fun x y -> f x y)
        | DType.Float32 -> two (fun (x: float32) -> float x) (fun (y: bool) -> y) (fun x y -> f x y)
        | DType.Int32 -> two (fun (x: int) -> int64 x) (fun (y: bool) -> y) (fun x y -> g x y)
        | DType.Int64 -> two (fun (x: int64) -> x) (fun (y: bool) -> y) (fun x y -> g x y)
        | DType.Bool -> two ofBool (fun (y: bool) -> y) (fun x y -> g x y)
        | dtype -> refused dtype

    let private chosen =
        { new IMove with
            member _.Run<'T when 'T: unmanaged>(args, result) =
                let condition = args[0].Span<bool>()
                let a = args[1].Span<'T>()
                let b = args[2].Span<'T>()
                let out = result.Span<'T>()
                for i in 0 .. out.Length - 1 do
                    out[i] <- if condition[i] then a[i] else b[i] }

    /// The second operand where the first holds, else the third.
    let select (dtype: DType) : Kernel =
        Kernel(fun args result -> Loop.move dtype chosen args result)
