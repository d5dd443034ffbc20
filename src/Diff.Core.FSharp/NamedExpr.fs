namespace Diff

open System
open System.Collections.Generic

/// An expression whose axes have names. Operators align by name, whatever the order of axes; an axis that only one operand has repeats
/// along it; a name with two extents is an error when the expression is made. `Unwrap` gives the expression.
[<Sealed>]
type NamedExpr private (expr: Expr, names: string[]) =
    static let describe (expr: Expr) (names: string[]) =
        let axes = names |> Array.mapi (fun k name -> $"{name} {expr.Shape[k]}")
        DType.name expr.DType + "(" + String.Join(", ", axes) + ")"

    /// The expression with axes in the order of `Names`.
    member _.Expr = expr
    /// The names of the axes, in order.
    member _.Names: IReadOnlyList<string> = Array.AsReadOnly names
    member internal _.NameArray = names
    override _.ToString() = describe expr names

    /// Gives the axes of an expression names, one each, in order.
    static member Of(expr: Expr, [<ParamArray>] names: string[]) : NamedExpr =
        if names.Length <> expr.Rank then
            let given = String.Join(", ", names)
            raise (
                ShapeException
                    $"named: expected {expr.Rank} names for shape {expr.Shape}, got {names.Length}: {given}"
            )
        for i in 0 .. names.Length - 1 do
            if String.IsNullOrWhiteSpace names[i] then
                raise (ShapeException $"named: axis {i} of shape {expr.Shape} has an empty name")
            if Array.IndexOf(names, names[i]) < i then
                raise (
                    ShapeException $"named: the name '{names[i]}' is given to two axes of shape {expr.Shape}"
                )
        NamedExpr(expr, Array.copy names)

    member private this.Find(operation: string, name: string) : int =
        match Array.IndexOf(names, name) with
        | -1 -> raise (ShapeException $"{operation}: {this} has no axis '{name}'")
        | axis -> axis

    member private this.FindAll(operation: string, wanted: string[]) : int[] =
        let axes = wanted |> Array.map (fun name -> this.Find(operation, name))
        if (Array.distinct axes).Length < axes.Length then
            let given = String.Join(", ", wanted)
            raise (ShapeException $"{operation}: an axis is named twice in {given}")
        axes

    /// The extent of an axis.
    member this.Extent(name: string) : int = expr.Shape[this.Find("extent", name)]

    /// The expression with its axes in the order given, every one; in the order of `Names` without any.
    member this.Unwrap([<ParamArray>] order: string[]) : Expr =
        if order.Length = 0 then
            expr
        else
            let axes = this.FindAll("unwrap", order)
            if axes.Length < names.Length then
                let missing = names |> Array.find (fun name -> not (Array.contains name order))
                raise (
                    ShapeException
                        $"unwrap: the order leaves out axis '{missing}' of {this}; name every axis, or reduce it"
                )
            permuted axes expr

    /// Another name for an axis.
    member this.Rename(from: string, into: string) : NamedExpr =
        NamedExpr.Of(expr, Array.updateAt (this.Find("rename", from)) into names)

    // ---- Alignment --------------------------------------------------------------------------------------------------

    /// The names of all operands in order of appearance; fails where two differ in an axis's extent.
    static member private Union(operation: string, operands: NamedExpr[]) : string[] =
        let first = Dictionary<string, NamedExpr>()
        let all = List<string>()
        for x in operands do
            for name in x.NameArray do
                match first.TryGetValue name with
                | true, known when known.Extent name <> x.Extent name ->
                    raise (
                        ShapeException
                            $"{operation}: axis '{name}' is {known.Extent name} in {known}, but {x.Extent name} in {x}"
                    )
                | true, _ -> ()
                | _ ->
                    first[name] <- x
                    all.Add name
        all.ToArray()

    /// The expression with axes in the order of `all`, those it lacks with extent 1.
    member private _.AlignedTo(all: string[]) : Expr =
        let own = all |> Array.filter (fun name -> Array.contains name names)
        let ordered =
            permuted (own |> Array.map (fun name -> Array.IndexOf(names, name))) expr
        let dims =
            all
            |> Array.map (fun name ->
                match Array.IndexOf(names, name) with
                | -1 -> 1
                | axis -> expr.Shape[axis])
        Reshape.make (Shape dims) ordered

    /// A function index by index of two aligned expressions.
    static member private Join(operation, f: Expr -> Expr -> Expr, a: NamedExpr, b: NamedExpr) : NamedExpr =
        let all = NamedExpr.Union(operation, [| a; b |])
        NamedExpr.Of(f (a.AlignedTo all) (b.AlignedTo all), all)

    /// A function index by index of two expressions, such as maximum or a comparison, on their aligned axes.
    static member Combine(f: Func<Expr, Expr, Expr>, a: NamedExpr, b: NamedExpr) : NamedExpr =
        NamedExpr.Join("combine", (fun x y -> f.Invoke(x, y)), a, b)

    /// A function index by index, such as exp: the shape must stay.
    member this.Map(f: Func<Expr, Expr>) : NamedExpr =
        let result = f.Invoke expr
        if not (result.Shape.Equals expr.Shape) then
            raise (
                ShapeException
                    $"map: the function made shape {result.Shape} of {this}; expected one that keeps the axes, or use Unwrap"
            )
        NamedExpr.Of(result, names)

    /// A function along one axis that keeps the shape, such as softmax or cumsum: it gets the expression and the axis's number.
    member this.Along(name: string, f: Func<Expr, int, Expr>) : NamedExpr =
        let axis = this.Find("along", name)
        this.Map(fun e -> f.Invoke(e, axis))

    static member (~-)(x: NamedExpr) = x.Map(fun e -> -e)
    static member (+)(a: NamedExpr, b: NamedExpr) = NamedExpr.Join("add", (+), a, b)
    static member (+)(a: NamedExpr, b: float) = a.Map(fun e -> e + b)
    static member (+)(a: float, b: NamedExpr) = b.Map(fun e -> a + e)
    static member (-)(a: NamedExpr, b: NamedExpr) = NamedExpr.Join("sub", (-), a, b)
    static member (-)(a: NamedExpr, b: float) = a.Map(fun e -> e - b)
    static member (-)(a: float, b: NamedExpr) = b.Map(fun e -> a - e)
    static member (*)(a: NamedExpr, b: NamedExpr) = NamedExpr.Join("mul", (*), a, b)
    static member (*)(a: NamedExpr, b: float) = a.Map(fun e -> e * b)
    static member (*)(a: float, b: NamedExpr) = b.Map(fun e -> a * e)
    static member (/)(a: NamedExpr, b: NamedExpr) = NamedExpr.Join("div", (/), a, b)
    static member (/)(a: NamedExpr, b: float) = a.Map(fun e -> e / b)
    static member (/)(a: float, b: NamedExpr) = b.Map(fun e -> a / e)

    // ---- Reductions and contraction ---------------------------------------------------------------------------------

    member private this.Reduce(operation, f: int[] -> Expr -> Expr, over: string[]) : NamedExpr =
        let axes = this.FindAll(operation, (if over.Length = 0 then names else over))
        if axes.Length = 0 then
            this
        else
            let kept =
                names
                |> Array.indexed
                |> Array.filter (fun (k, _) -> not (Array.contains k axes))
            NamedExpr.Of(f axes expr, Array.map snd kept)

    /// The sum over some axes; over all without any.
    member this.Sum([<ParamArray>] over: string[]) : NamedExpr = this.Reduce("sum", sumAxes false, over)
    /// The mean over some axes; over all without any.
    member this.Mean([<ParamArray>] over: string[]) : NamedExpr =
        this.Reduce("mean", meanAxes false, over)
    /// The product over some axes; over all without any.
    member this.Prod([<ParamArray>] over: string[]) : NamedExpr =
        this.Reduce("prod", prodAxes false, over)
    /// The largest element over some axes; over all without any.
    member this.Max([<ParamArray>] over: string[]) : NamedExpr =
        this.Reduce("max", extremeAxes Extreme.Max false, over)
    /// The smallest element over some axes; over all without any.
    member this.Min([<ParamArray>] over: string[]) : NamedExpr =
        this.Reduce("min", extremeAxes Extreme.Min false, over)
    /// log Σ eˣ over some axes; over all without any.
    member this.LogSumExp([<ParamArray>] over: string[]) : NamedExpr =
        this.Reduce("logsumexp", logsumexpAxes false, over)

    /// The sum of products of expressions over the axes named: one contraction. Axes that several have and that are not summed stay aligned.
    static member Contract(over: string[], [<ParamArray>] operands: NamedExpr[]) : NamedExpr =
        if operands.Length = 0 then
            invalidArg "operands" "contract: expected at least one operand, got none"
        let all = NamedExpr.Union("contract", operands)
        for i in 0 .. over.Length - 1 do
            if not (Array.contains over[i] all) then
                let given = String.Join(" and ", operands)
                raise (ShapeException $"contract: no operand has an axis '{over[i]}': {given}")
            if Array.IndexOf(over, over[i]) < i then
                raise (ShapeException $"contract: axis '{over[i]}' is named twice")
        for x in operands do
            if x.Expr.DType <> operands[0].Expr.DType then
                raise (
                    DTypeException
                        $"contract: the element types of {operands[0]} and {x} do not mix; cast one of them"
                )
        Einsum.checkNumbers "contract" operands[0].Expr
        let labels = EinsumSpec.labels all.Length
        let label name = labels[Array.IndexOf(all, name)]
        let kept = all |> Array.filter (fun name -> not (Array.contains name over))
        let extent name =
            (operands |> Array.find (fun x -> Array.contains name x.NameArray)).Extent name
        let spec =
            { Inputs = operands |> Array.map (fun x -> String(x.NameArray |> Array.map label))
              Output = String(kept |> Array.map label) }
        let exprs = operands |> Array.map _.Expr
        NamedExpr.Of(Expr.Contract(spec, exprs, Shape(kept |> Array.map extent)), kept)

    // ---- Parts --------------------------------------------------------------------------------------------------------

    /// The part at one index of an axis, which goes away; negative indices count from the end.
    member this.At(name: string, index: int) : NamedExpr =
        let axis = this.Find("at", name)
        NamedExpr.Of(at axis index expr, Array.removeAt axis names)

    /// Elements start … before stop of an axis, as Python counts them.
    member this.Slice(name: string, start: int, stop: int) : NamedExpr =
        NamedExpr.Of(slice (this.Find("slice", name)) (Some start) (Some stop) 1 expr, names)

    /// An axis taken apart into two, the outer one of the extent given.
    member this.Split(name: string, outer: string, extent: int, inner: string) : NamedExpr =
        let axis = this.Find("split", name)
        let whole = expr.Shape[axis]
        if extent < 1 || whole % extent <> 0 then
            raise (
                ShapeException
                    $"split: axis '{name}' of {this} has {whole} elements, which {extent} do not divide"
            )
        let dims = expr.Shape.Dims
        let shape =
            Shape(Array.concat [ dims[.. axis - 1]; [| extent; whole / extent |]; dims[axis + 1 ..] ])
        let split =
            Array.concat [ names[.. axis - 1]; [| outer; inner |]; names[axis + 1 ..] ]
        NamedExpr.Of(Reshape.make shape expr, split)

    /// Two axes as one, which comes last: the index along the inner one runs fastest.
    member this.Merge(outer: string, inner: string, into: string) : NamedExpr =
        let pair = this.FindAll("merge", [| outer; inner |])
        let rest = [| 0 .. names.Length - 1 |] |> Array.except pair
        let ordered = permuted (Array.append rest pair) expr
        let dims = rest |> Array.map (fun k -> expr.Shape[k])
        let shape = Shape(Array.append dims [| expr.Shape[pair[0]] * expr.Shape[pair[1]] |])
        NamedExpr.Of(
            Reshape.make shape ordered,
            Array.append (rest |> Array.map (fun k -> names[k])) [| into |]
        )
