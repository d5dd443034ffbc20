namespace Diff

open System
open System.Collections.Generic

/// An input or output of a model as its file declares it.
[<Sealed>]
type OnnxValueInfo internal (name: string, elementType: string, axes: IReadOnlyList<string> | null) =
    /// The name by which it is given or asked for.
    member _.Name = name
    /// The element type in ONNX's words: float, double, int64 …
    member _.ElementType = elementType
    /// The axes: numbers, names of sizes that may differ from call to call, or "?"; null where the file says nothing.
    member _.Axes = axes

    override _.ToString() =
        let shape =
            match axes with
            | null -> "(...)"
            | axes -> "(" + String.Join(", ", axes) + ")"
        $"{name}: {elementType}{shape}"

/// A model out of an ONNX file: a function of its inputs whose weights are variables, so that it can be evaluated, compiled,
/// differentiated and trained further like any other expression.
[<Sealed>]
type OnnxModel
    internal
    (
        path: string,
        file: OnnxFile,
        limits: FileLimits,
        sizes: IReadOnlyDictionary<string, int>,
        initial: IReadOnlyDictionary<string, Expr>
    ) =
    let given =
        file.Graph.Inputs
        |> Array.filter (fun input -> not (initial.ContainsKey input.Name))

    let describe (value: OnnxValue) : OnnxValueInfo =
        let axes: IReadOnlyList<string> | null =
            match value.Axes with
            | null -> null
            | axes -> Array.AsReadOnly axes
        OnnxValueInfo(value.Name, OnnxType.name value.Type, axes)

    let isVariable (e: Expr) =
        match e.Op with
        | Op.Variable _ -> true
        | _ -> false

    /// The extents that a shape gives to named axes; fails where it does not fit.
    let check (known: Dictionary<string, int>) (input: OnnxValue) (e: Expr) =
        match OnnxType.dtype input.Type with
        | Some dtype when dtype <> e.DType ->
            raise (
                DTypeException
                    $"{path}: input {FileText.quote input.Name} is {DType.name dtype}, got {DType.name e.DType}; cast it"
            )
        | _ -> ()
        match input.Axes with
        | null -> ()
        | axes ->
            let wrong () =
                let expected = FileText.plain (String.Join(", ", axes))
                raise (
                    ShapeException
                        $"{path}: input {FileText.quote input.Name} has the shape ({expected}), got {e.Shape}"
                )
            if axes.Length <> e.Rank then
                wrong ()
            axes
            |> Array.iteri (fun i axis ->
                match Int32.TryParse axis with
                | true, extent ->
                    if extent <> e.Shape[i] then
                        wrong ()
                | _ when axis = "?" -> ()
                | _ ->
                    match known.TryGetValue axis with
                    | true, extent ->
                        if extent <> e.Shape[i] then
                            raise (
                                ShapeException
                                    $"{path}: input {FileText.quote input.Name} has {e.Shape[i]} along {FileText.quote axis}, which is {extent} elsewhere"
                            )
                    | _ -> known[axis] <- e.Shape[i])

    let apply (inputs: Expr[]) : Expr[] =
        if inputs.Length <> given.Length then
            let names = String.Join(", ", given |> Array.map _.Name)
            raise (
                ArgumentException
                    $"{path}: the model has {given.Length} inputs ({FileText.plain names}), got {inputs.Length}"
            )
        let known = Dictionary<string, int>(sizes, StringComparer.Ordinal)
        Array.iter2 (check known) given inputs
        Importer.run path file limits initial (Seq.zip (given |> Array.map _.Name) inputs)

    /// The file, as it was named by the caller.
    member _.Path = path
    /// What has to be given, in the order of the file.
    member _.Inputs: IReadOnlyList<OnnxValueInfo> =
        Array.AsReadOnly(given |> Array.map describe)
    /// What comes out, in the order of the file.
    member _.Outputs: IReadOnlyList<OnnxValueInfo> =
        Array.AsReadOnly(file.Graph.Outputs |> Array.map describe)
    /// The weights by name: variables, which may be differentiated with respect to and assigned.
    member _.Parameters: IReadOnlyDictionary<string, Expr> =
        Dictionary(initial |> Seq.filter (fun p -> isVariable p.Value), StringComparer.Ordinal)

    /// Every axis that no number is known of, or null.
    member internal _.Placeholders() : Expr[] | null =
        let extent (axis: string) =
            match Int32.TryParse axis with
            | true, extent when extent >= 0 -> Some extent
            | _ ->
                match sizes.TryGetValue axis with
                | true, extent -> Some extent
                | _ -> None
        let placeholder (input: OnnxValue) =
            match input.Axes, OnnxType.dtype input.Type with
            | null, _
            | _, None -> None
            | axes, Some dtype ->
                let dims = axes |> Array.map extent
                if Array.forall Option.isSome dims then
                    Some(Leaf.input input.Name (Shape(Array.map Option.get dims)) dtype)
                else
                    None
        let all = given |> Array.map placeholder
        if Array.forall Option.isSome all then
            Array.map Option.get all
        else
            null

    /// The outputs as expressions of the inputs, both in the order of the file. Axes with a name take their extents from the inputs.
    /// <param name="inputs">An expression for each input, of its shape and element type.</param>
    /// <exception cref="T:Diff.ShapeException">An input has another shape than the file says.</exception>
    /// <exception cref="T:Diff.DTypeException">An input has another element type than the file says.</exception>
    /// <exception cref="T:Diff.DiffFormatException">An operation cannot have such inputs, or has a form that cannot be loaded.</exception>
    member _.Apply([<ParamArray>] inputs: Expr[]) : Expr[] = apply inputs

    /// The outputs by name as expressions of the inputs by name.
    /// <param name="inputs">An expression for each input, of its shape and element type.</param>
    /// <exception cref="T:System.ArgumentException">An input is missing or unknown, or has another shape or element type.</exception>
    /// <exception cref="T:Diff.DiffFormatException">An operation cannot have such inputs, or has a form that cannot be loaded.</exception>
    member _.Apply(inputs: IReadOnlyDictionary<string, Expr>) : IReadOnlyDictionary<string, Expr> =
        ArgumentNullException.ThrowIfNull(inputs, nameof inputs)
        for name in inputs.Keys do
            if given |> Array.forall (fun input -> input.Name <> name) then
                raise (ArgumentException $"{path}: the model has no input {FileText.quote name}")
        let ordered =
            given
            |> Array.map (fun input ->
                match inputs.TryGetValue input.Name with
                | true, e -> e
                | _ -> raise (ArgumentException $"{path}: input {FileText.quote input.Name} is missing"))
        let results = apply ordered
        Dictionary(Seq.zip (file.Graph.Outputs |> Array.map _.Name) results |> dict, StringComparer.Ordinal)

    /// The model as a function of arrays, planned once for each combination of shapes that it is called with.
    member _.Compile() : CompiledFunction =
        new CompiledFunction(fun inputs -> apply inputs)
