namespace Diff

open System
open System.Collections.Generic
open System.Runtime.CompilerServices
open System.Threading

/// What a scope holds beside the nodes of a module.
[<RequireQualifiedAccess>]
type internal ScopeKind =
    | Module
    /// What derivatives are made of.
    | Derivative
    /// Masks that go back to a `where` of the caller's.
    | Mask

/// Where a node was made: the path of modules, outermost first, and the line of the caller's code if lines are recorded.
[<Sealed>]
type Scope private (parent: Scope | null, name: string, line: string | null, kind: ScopeKind) =
    // Flows with the caller's control flow, so that parallel constructions do not see each other's scopes.
    static let current = AsyncLocal<Scope | null>()
    member _.Parent = parent
    member _.Name = name
    member private _.Kind: ScopeKind = kind
    /// The line of the caller's code, `Program.cs:12`; null if it was not recorded.
    member _.Line = line
    /// The names from the outermost scope to this one.
    member this.Path: string[] =
        let names = Stack<string>()
        let mutable scope: Scope | null = this
        while not (isNull scope) do
            match scope with
            | null -> ()
            | s ->
                if s.Name <> "" then // what only holds a line is no module
                    names.Push s.Name
                scope <- s.Parent
        names.ToArray()
    override this.ToString() =
        match line with
        | null -> String.Join("/", this.Path)
        | line -> String.Join("/", Array.append this.Path [| line |])
    /// The path of modules as a text; empty outside all.
    static member internal PathText(scope: Scope | null) : string =
        match scope with
        | null -> ""
        | scope -> String.Join("/", scope.Path)
    /// The line of the caller's code; null if it was not recorded.
    static member internal LineOf(scope: Scope | null) : string | null =
        match scope with
        | null -> null
        | scope -> scope.Line
    /// The scope that nodes made now belong to; null outside all scopes.
    static member Current = current.Value
    static member internal Set(scope: Scope | null) = current.Value <- scope
    static member internal Under(parent: Scope | null, name: string) =
        Scope(parent, name, null, ScopeKind.Module)
    static member internal OfKind(kind: ScopeKind, parent: Scope | null, name: string) =
        Scope(parent, name, null, kind)
    /// Of what kind the innermost named scope is, and the outermost.
    static member internal KindsOf(scope: Scope | null) : struct (ScopeKind * ScopeKind) =
        let mutable scope, inner, outer = scope, ValueNone, ScopeKind.Module
        while not (isNull scope) do
            match scope with
            | null -> ()
            | s ->
                if s.Name <> "" then
                    inner <- ValueSome(ValueOption.defaultValue s.Kind inner)
                    outer <- s.Kind
                scope <- s.Parent
        struct (ValueOption.defaultValue ScopeKind.Module inner, outer)
    /// The same modules, with a line.
    static member internal At(scope: Scope | null, line: string | null) : Scope | null =
        match line with
        | null -> scope
        | line -> Scope(scope, "", line, ScopeKind.Module)
    /// What a new node belongs to. What is made on behalf of a node, as its derivative is, keeps the line of that node.
    static member internal Here: Scope | null =
        let scope = current.Value
        if not SourceLines.IsRecording then
            scope
        else
            match scope with
            | null -> Scope.At(null, SourceLine.here ())
            | s when isNull s.Line -> Scope.At(s, SourceLine.here ())
            | s -> s
    /// Nodes made until the result is disposed belong to this scope, inside the present one.
    static member Enter(name: string) : IDisposable =
        ArgumentException.ThrowIfNullOrEmpty(name, nameof name)
        let outer = current.Value
        current.Value <- Scope(outer, name, null, ScopeKind.Module)
        { new IDisposable with
            member _.Dispose() = current.Value <- outer }

/// The one process-wide counter: it orders nodes by the time they were made.
module internal NodeId =
    let mutable private last = 0L
    let next () = Interlocked.Increment &last
    /// The Id that the latest node got: later ones are larger.
    let latest () = Volatile.Read &last

/// A value of a known shape and element type, as the graph of operations that computes it. Immutable, but for what a variable holds.
/// A node is made after its arguments, so its Id is larger than theirs: ascending Id is a topological order,
/// and no pass over the graph needs recursion.
type Expr internal (op: Op, args: Expr[], shape: Shape, dtype: DType, scope: Scope | null) =
    let id = NodeId.next ()

    internal new(op, args, shape, dtype) = Expr(op, args, shape, dtype, Scope.Here)

    /// Larger than the Id of every argument.
    member _.Id = id
    member internal _.Op = op
    /// Never to be changed.
    member internal _.Args = args
    /// The nodes that this one is computed from.
    member _.Arguments: IReadOnlyList<Expr> = Array.AsReadOnly args
    member _.Shape = shape
    member _.DType = dtype
    /// The module scope in which the node was made; null outside all scopes.
    member _.Scope = scope
    /// The number of axes.
    member _.Rank = shape.Rank
    /// The same operation, made in the same scope, on other arguments of the same shapes.
    member internal _.With(args: Expr[]) = Expr(op, args, shape, dtype, scope)

    /// The same, linear operation on tangents.
    member internal _.OfTangents(args: Expr[]) =
        Expr(op, args, shape, DType.ofDerivative dtype, scope)

    override this.ToString() =
        Formula.text
            { Id = fun (e: Expr) -> e.Id
              Op = fun e -> e.Op
              Args = fun e -> e.Args
              Shape = fun e -> e.Shape }
            this

    // ---- Leaves -------------------------------------------------------------------------------------------------

    static member internal Const(value: Scalar, shape: Shape) =
        Expr(Op.Const value, [||], shape, value.DType)
    /// One number at every index of a shape.
    static member Full(value: float, shape: Shape, dtype: DType) =
        ArgumentNullException.ThrowIfNull(shape, nameof shape)
        Expr.Const(Scalar.ofFloat dtype value, shape)
    /// Zeros of the shape and element type of another expression.
    static member internal ZerosLike(x: Expr) = Expr.Full(0.0, x.Shape, x.DType)
    /// A derivative that is 0: of the type that derivatives of the expression have.
    static member internal NoDerivative(x: Expr) =
        Expr.Full(0.0, x.Shape, DType.ofDerivative x.DType)
    static member internal OnesLike(x: Expr) = Expr.Full(1.0, x.Shape, x.DType)
    /// A scalar constant. Beside another operand it takes that operand's element type.
    static member op_Implicit(value: float) : Expr =
        Expr.Full(value, Shape.Scalar, DType.Float64)
    static member op_Implicit(value: float32) : Expr =
        Expr.Full(float value, Shape.Scalar, DType.Float32)
    static member op_Implicit(value: int) : Expr =
        Expr.Full(float value, Shape.Scalar, DType.Int32)
    static member op_Implicit(value: int64) : Expr =
        Expr.Const(Scalar.ofInt DType.Int64 value, Shape.Scalar)
    static member op_Implicit(value: bool) : Expr =
        Expr.Full((if value then 1.0 else 0.0), Shape.Scalar, DType.Bool)

    // ---- Contraction, of which broadcasting is a case -------------------------------------------------------------

    /// The sum of products `spec` with a result of the given shape (it says the extents of labels that only the output has).
    static member internal Contract(spec: EinsumSpec, args: Expr[], shape: Shape) : Expr =
        Expr(Op.Einsum spec, args, shape, args[0].DType)

    /// The value repeated along new leading axes and along axes of extent 1; the value itself if it has that shape.
    static member internal BroadcastTo(x: Expr, shape: Shape) : Expr =
        if x.Shape.Equals shape then
            x
        else
            match x.Op with
            | Op.Const value -> Expr.Const(value, shape)
            | _ ->
                match Shape.tryBroadcast x.Shape shape with
                | ValueSome s when s.Equals shape -> ()
                | _ ->
                    raise (
                        ShapeException
                            $"broadcast: shape {x.Shape} does not broadcast to {shape}; aligned from the last axis, its extents must be the same or 1"
                    )
                // A stretched axis is summed over its one element and repeated under a new label.
                let labels = EinsumSpec.labels (shape.Rank + x.Rank)
                let output = labels[.. shape.Rank - 1]
                let offset = shape.Rank - x.Rank
                let input =
                    Array.init x.Rank (fun i ->
                        if x.Shape[i] = shape[i + offset] then
                            output[i + offset]
                        else
                            labels[shape.Rank + i])
                Expr.Contract(
                    { Inputs = [| String input |]
                      Output = String output },
                    [| x |],
                    shape
                )

    // ---- Windows ----------------------------------------------------------------------------------------------------

    /// A window of the array: one slice an axis, the axes not mentioned whole. Integers, `^1`, `1..^1` and Slice mix:
    /// `x[0]`, `x[.., ^1]`, `x[Slice.Every(-1), 2..5]`.
    member x.Item
        with get ([<ParamArray>] slices: Slice[]): Expr =
            ArgumentNullException.ThrowIfNull(slices, nameof slices)
            let struct (starts, steps, window, shape) = Slicing.resolve x.Shape slices
            let part =
                if window.Equals x.Shape && Array.forall ((=) 1) steps then
                    x
                else
                    Expr(Op.Slice(starts, steps), [| x |], window, x.DType)
            if shape.Equals part.Shape then
                part
            else
                Expr(Op.Reshape, [| part |], shape, x.DType)

    // ---- Scalar functions index by index ----------------------------------------------------------------------------

    /// The name of a variable that has one, for messages.
    static member private NameOf(e: Expr) =
        match e.Op with
        | Op.Variable v when v.Name <> "" -> $" of \"{v.Name}\""
        | _ -> ""

    /// The one element type of operands: a scalar constant takes that of the others.
    static member internal Unify(fn: Fn, args: Expr[]) : Expr[] =
        let mutable dtype = args[0].DType
        let mutable same = true
        for a in args do
            same <- same && a.DType = dtype
        if same then
            args
        else
            let isLiteral (e: Expr) =
                match e.Op with
                | Op.Const _ -> e.Shape.IsScalar
                | _ -> false
            let fixedTypes =
                args
                |> Array.filter (fun a -> not (isLiteral a))
                |> Array.map _.DType
                |> Array.distinct
            match fixedTypes with
            | [| one |] ->
                args
                |> Array.map (fun a ->
                    match a.Op with
                    | Op.Const v when a.DType <> one ->
                        if DType.isReal v.DType then
                            Expr.Full(v.AsFloat, a.Shape, one)
                        else
                            Expr.Const(Scalar.ofInt one v.AsInt, a.Shape)
                    | _ -> a)
            | [||] ->
                // Only literals: the widest float, or the widest integer.
                let widest =
                    args
                    |> Array.map _.DType
                    |> Array.maxBy (function
                        | DType.Float64 -> 5
                        | DType.Float32 -> 4
                        | DType.Float16
                        | DType.BFloat16 -> 3
                        | DType.Int64 -> 2
                        | DType.Int32 -> 1
                        | _ -> 0)
                args
                |> Array.map (fun a ->
                    match a.Op with
                    | Op.Const v -> Expr.Const(Scalar.cast widest v, a.Shape)
                    | _ -> a)
            | several ->
                let first (dtype: DType) =
                    DType.name dtype
                    + Expr.NameOf(Array.find (fun (a: Expr) -> a.DType = dtype) args)
                let names = String.Join(" and ", several |> Array.map first)
                raise (DTypeException $"{Fn.name fn}: element types {names} do not mix; cast one of them")

    /// A scalar function index by index; operands broadcast to one shape.
    static member internal Map(fn: Fn, operands: Expr[]) : Expr =
        for i in 0 .. operands.Length - 1 do
            ArgumentNullException.ThrowIfNull(box operands[i], (if i = 0 then "x" else "y"))
        let args =
            if fn = Fn.Where then
                Array.append operands[..0] (Expr.Unify(fn, operands[1..]))
            else
                Expr.Unify(fn, operands)
        let dtype = args[args.Length - 1].DType
        match Fn.refuses fn dtype with
        | Some expected ->
            let into = if DType.isHalf dtype then " to float32" else ""
            raise (DTypeException $"{Fn.name fn}: expected {expected}, got {DType.name dtype}; cast it{into}")
        | None -> ()
        if fn = Fn.Where && args[0].DType <> DType.Bool then
            raise (
                DTypeException
                    $"where: the condition is bool, got {DType.name args[0].DType}; compare it with something"
            )
        let mutable shape = args[0].Shape
        for i in 1 .. args.Length - 1 do
            match Shape.tryBroadcast shape args[i].Shape with
            | ValueSome s -> shape <- s
            | ValueNone ->
                let shapes =
                    String.Join(" and ", args |> Array.map (fun a -> string a.Shape + Expr.NameOf a))
                raise (
                    ShapeException
                        $"{Fn.name fn}: shapes {shapes} do not broadcast: {Shape.mismatch shape args[i].Shape}; extents must be equal or 1, so give one an axis of extent 1 where it repeats"
                )
        let result = if Fn.isComparison fn then DType.Bool else dtype
        Expr(
            Op.ofFn fn,
            (if args |> Array.forall (fun a -> a.Shape.Equals shape) then
                 args
             else
                 args |> Array.map (fun a -> Expr.BroadcastTo(a, shape))),
            shape,
            result
        )

    static member private Map(fn, x: Expr, y: Expr) = Expr.Map(fn, [| x; y |])
    /// A number beside an operand: of that operand's element type.
    static member private Beside(x: Expr, value: float, name: string) =
        ArgumentNullException.ThrowIfNull(box x, name)
        Expr.Full(value, Shape.Scalar, x.DType)

    static member (~-)(x: Expr) = Expr.Map(Fn.Neg, [| x |])
    static member (~+)(x: Expr) =
        ArgumentNullException.ThrowIfNull(box x, nameof x)
        x
    static member (+)(x: Expr, y: Expr) = Expr.Map(Fn.Add, x, y)
    static member (+)(x: Expr, y: float) =
        Expr.Map(Fn.Add, x, Expr.Beside(x, y, "x"))
    static member (+)(x: float, y: Expr) =
        Expr.Map(Fn.Add, Expr.Beside(y, x, "y"), y)
    static member (-)(x: Expr, y: Expr) = Expr.Map(Fn.Sub, x, y)
    static member (-)(x: Expr, y: float) =
        Expr.Map(Fn.Sub, x, Expr.Beside(x, y, "x"))
    static member (-)(x: float, y: Expr) =
        Expr.Map(Fn.Sub, Expr.Beside(y, x, "y"), y)
    static member (*)(x: Expr, y: Expr) = Expr.Map(Fn.Mul, x, y)
    static member (*)(x: Expr, y: float) =
        Expr.Map(Fn.Mul, x, Expr.Beside(x, y, "x"))
    static member (*)(x: float, y: Expr) =
        Expr.Map(Fn.Mul, Expr.Beside(y, x, "y"), y)
    static member (/)(x: Expr, y: Expr) = Expr.Map(Fn.Div, x, y)
    static member (/)(x: Expr, y: float) =
        Expr.Map(Fn.Div, x, Expr.Beside(x, y, "x"))
    static member (/)(x: float, y: Expr) =
        Expr.Map(Fn.Div, Expr.Beside(y, x, "y"), y)
    static member Pow(x: Expr, y: Expr) = Expr.Map(Fn.Pow, x, y)
    static member Pow(x: Expr, y: float) =
        Expr.Map(Fn.Pow, x, Expr.Beside(x, y, "x"))
    static member Pow(x: float, y: Expr) =
        Expr.Map(Fn.Pow, Expr.Beside(y, x, "y"), y)
    static member Exp(x: Expr) = Expr.Map(Fn.Exp, [| x |])
    static member Log(x: Expr) = Expr.Map(Fn.Log, [| x |])
    static member Sqrt(x: Expr) = Expr.Map(Fn.Sqrt, [| x |])
    static member Sin(x: Expr) = Expr.Map(Fn.Sin, [| x |])
    static member Cos(x: Expr) = Expr.Map(Fn.Cos, [| x |])
    static member Tan(x: Expr) = Expr.Map(Fn.Tan, [| x |])
    static member Tanh(x: Expr) = Expr.Map(Fn.Tanh, [| x |])
    static member Abs(x: Expr) = Expr.Map(Fn.Abs, [| x |])
    static member Log10(x: Expr) = Expr.Map(Fn.Log10, [| x |])
    static member Asin(x: Expr) = Expr.Map(Fn.Asin, [| x |])
    static member Acos(x: Expr) = Expr.Map(Fn.Acos, [| x |])
    static member Atan(x: Expr) = Expr.Map(Fn.Atan, [| x |])
    static member Atan2(y: Expr, x: Expr) =
        ArgumentNullException.ThrowIfNull(box y, nameof y)
        ArgumentNullException.ThrowIfNull(box x, nameof x)
        Expr.Map(Fn.Atan2, y, x)
    static member Sinh(x: Expr) = Expr.Map(Fn.Sinh, [| x |])
    static member Cosh(x: Expr) = Expr.Map(Fn.Cosh, [| x |])
    static member Floor(x: Expr) = Expr.Map(Fn.Floor, [| x |])
    static member Ceiling(x: Expr) = Expr.Map(Fn.Ceil, [| x |])
    /// Halves to even.
    static member Round(x: Expr) = Expr.Map(Fn.Round, [| x |])
    static member Truncate(x: Expr) = Expr.Map(Fn.Trunc, [| x |])
    /// The rest of a division that cuts off: it has the sign of x.
    static member (%)(x: Expr, y: Expr) = Expr.Map(Fn.Fmod, x, y)
    static member (%)(x: Expr, y: float) =
        Expr.Map(Fn.Fmod, x, Expr.Beside(x, y, "x"))
    static member (%)(x: float, y: Expr) =
        Expr.Map(Fn.Fmod, Expr.Beside(y, x, "y"), y)
    static member op_GreaterThan(x: Expr, y: Expr) = Expr.Map(Fn.Greater, x, y)
    static member op_GreaterThanOrEqual(x: Expr, y: Expr) = Expr.Map(Fn.GreaterEqual, x, y)
    static member op_LessThan(x: Expr, y: Expr) = Expr.Map(Fn.Less, x, y)
    static member op_LessThanOrEqual(x: Expr, y: Expr) = Expr.Map(Fn.LessEqual, x, y)

/// A graph of several results with holes: `Outputs` as functions of the placeholders `Inputs`. It captures nothing else but constants.
[<Sealed>]
type internal Body(inputs: Expr[], outputs: Expr[]) =
    member _.Inputs = inputs
    member _.Outputs = outputs

/// The derivative of a graph within the graph where the caller gives it; graphs from arguments and value.
[<RequireQualifiedAccess>]
type internal GivenDerivative =
    /// From the cotangent of the value to those of the arguments; null where there is none.
    | Vjp of (Expr[] -> Expr -> Expr -> (Expr | null)[])
    /// From tangents of the arguments (null: none) to that of the value.
    | Jvp of (Expr[] -> Expr -> (Expr | null)[] -> Expr)

/// A graph with named holes: `Output` as a function of the placeholders `Inputs`. It captures nothing else but constants.
[<Sealed>]
type internal Subgraph
    (name: string, inputs: Expr[], output: Expr, saved: Expr[], given: GivenDerivative voption) =
    inherit Extension(name)
    new(name, inputs, output, given) = Subgraph(name, inputs, output, [||], given)
    new(name, inputs, output, saved) = Subgraph(name, inputs, output, saved, ValueNone)
    member _.Inputs = inputs
    member _.Output = output
    /// Nodes within, the values of which are kept for the derivative.
    member _.Saved = saved
    member _.Given = given
