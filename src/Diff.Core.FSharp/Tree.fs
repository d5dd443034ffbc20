namespace Diff

open System
open System.Collections.Generic

/// A nested value without its leaves.
[<RequireQualifiedAccess; CustomEquality; NoComparison>]
type internal TreeShape =
    | Leaf
    | Static of (obj | null)
    | Node of Type * TreeContainer * key: obj list * names: string[] * parts: TreeShape[]

    override a.Equals(other) =
        match other with
        | :? TreeShape as b ->
            match a, b with
            | Leaf, Leaf -> true
            | Static x, Static y -> Object.Equals(x, y)
            | Node(s, _, j, _, xs), Node(t, _, k, _, ys) -> s = t && j = k && xs = ys
            | _ -> false
        | _ -> false

    override a.GetHashCode() =
        match a with
        | Leaf -> 1
        | Static null -> 2
        | Static x -> (nonNull x).GetHashCode()
        | Node(t, _, key, _, parts) -> HashCode.Combine(t, hash key, hash parts)

/// Nested values taken apart and put together, whatever their leaves are.
[<RequireQualifiedAccess>]
module internal TreeShape =
    let private below (path: string) (name: string) =
        if path = "" then name else path + "." + name

    let private name (path: string) =
        if path = "" then "the value" else $"\"{path}\""

    let private refuse operation path what =
        invalidArg "value" $"{operation}: {name path} {what}"

    /// The leaves with their paths, and what is left without them.
    let split operation (leaf: Type) (declared: Type) (value: obj | null) : TreeShape * (string * obj)[] =
        let leaves = List<string * obj>()
        let rec visit path (declared: Type) (value: obj | null) =
            let t = TreeLayout.typeOf declared value
            match TreeLayout.ofType leaf t, value with
            | TreeLayout.Leaf, null -> refuse operation path $"is null, expected an {leaf.Name}"
            | TreeLayout.Leaf, value ->
                leaves.Add((path, nonNull value))
                TreeShape.Leaf
            | TreeLayout.Node container, value when not (isNull value) || container.Kind = "option" ->
                let parts = container.Split(Unchecked.nonNull value)
                let types = container.Types parts.Key
                let below =
                    Array.init parts.Values.Length (fun i ->
                        visit (below path parts.Names[i]) types[i] parts.Values[i])
                TreeShape.Node(t, container, parts.Key, parts.Names, below)
            | TreeLayout.Opaque reason, value when not (isNull value) ->
                refuse
                    operation
                    path
                    $"is of type {t.Name}, which is no expression and cannot be taken apart ({reason}); use tuples, records, lists, arrays, Map, Dictionary or options of expressions"
            | _ -> TreeShape.Static value
        visit "" declared value, leaves.ToArray()

    /// A value of a type, of a shape that may come from a value of another type with the same nesting.
    let join operation (leaf: Type) (declared: Type) (shape: TreeShape) (leaves: obj[]) : obj | null =
        let mutable next = 0
        let rec make path (declared: Type) shape : obj | null =
            match shape with
            | TreeShape.Static value ->
                if not (isNull value) && not (declared.IsInstanceOfType value) then
                    refuse
                        operation
                        path
                        $"is {(nonNull value).GetType().Name} here and {declared.Name} there"
                value
            | TreeShape.Leaf ->
                let value = leaves[next]
                next <- next + 1
                if not (declared.IsInstanceOfType value) then
                    refuse
                        operation
                        path
                        $"is declared as {declared.Name}, which what is put there, of type {value.GetType().Name}, is not; declare it as {leaf.Name}, or make the type generic in it"
                value
            | TreeShape.Node(t, container, key, names, parts) ->
                let t = if declared.IsAssignableFrom t then t else declared
                match TreeLayout.ofType leaf t with
                | TreeLayout.Node other when other.Kind = container.Kind ->
                    let types = other.Types key
                    if types.Length <> parts.Length then
                        refuse operation path $"has {parts.Length} parts here and {types.Length} there"
                    parts
                    |> Array.mapi (fun i part -> make (below path names[i]) types[i] part)
                    |> other.Join key
                | _ -> refuse operation path $"is a {container.Kind} here and {t.Name} there"
        make "" declared shape

    let rec private text (names: string) shape =
        match shape with
        | TreeShape.Leaf -> names
        | TreeShape.Static null -> "null"
        | TreeShape.Static value -> string value
        | TreeShape.Node(_, container, _, labels, parts) ->
            let parts = parts |> Array.map (text names)
            match container.Kind with
            | "list" -> "[" + String.Join(", ", parts) + "]"
            | "tuple" -> "(" + String.Join(", ", parts) + ")"
            | "option"
            | "union" when parts.Length = 0 -> container.Kind
            | _ ->
                let labelled = Array.map2 (fun label part -> $"{label}: {part}") labels parts
                "{" + String.Join(", ", labelled) + "}"

    let toText shape = text "*" shape

/// What a nested value is without its leaves: its types, keys, lengths, and the plain data in it. Two are equal if all of that is.
[<Sealed>]
type TreeStructure internal (shape: TreeShape, paths: string[]) =
    member internal _.Shape = shape
    /// Where the leaves are, in order: `0.weights.1`.
    member _.Paths: IReadOnlyList<string> = Array.AsReadOnly paths
    /// The number of leaves.
    member _.Count = paths.Length

    override _.Equals(other) =
        match other with
        | :? TreeStructure as other -> shape = other.Shape
        | _ -> false

    override _.GetHashCode() = shape.GetHashCode()
    /// The nesting, with * for a leaf.
    override _.ToString() = TreeShape.toText shape

/// Nested values of expressions: tuples, records, lists, arrays, Map, Dictionary, options and unions, C# records, in each other to any depth.
/// Other plain data in them (numbers, text) stays as it is. Keys of a Map or Dictionary count in their order.
[<RequireQualifiedAccess; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Tree =
    let internal split (operation: string) (value: 'T) : TreeStructure * Expr[] =
        let shape, leaves = TreeShape.split operation typeof<Expr> typeof<'T> (box value)
        TreeStructure(shape, Array.map fst leaves), leaves |> Array.map (fun (_, e) -> e :?> Expr)

    let internal join (operation: string) (structure: TreeStructure) (leaves: Expr[]) : 'T =
        if leaves.Length <> structure.Count then
            invalidArg "leaves" $"{operation}: {structure} has {structure.Count} leaves, got {leaves.Length}"
        TreeShape.join
            operation
            typeof<Expr>
            typeof<'T>
            structure.Shape
            (leaves |> Array.map (fun x -> x :> obj))
        |> Unchecked.unbox<'T>

    /// The leaves of two values of one structure.
    let internal pairs (operation: string) (x: 'T) (y: 'U) : TreeStructure * Expr[] * Expr[] =
        let structure, first = split operation x
        let other, second = split operation y
        if not (Seq.forall2 (=) structure.Paths other.Paths && structure.Count = other.Count) then
            invalidArg
                "y"
                $"{operation}: the structures {structure} and {other} differ; they need the same leaves"
        structure, first, second

    /// The expressions in a nested value, in order.
    let leaves (value: 'T) : Expr list =
        split "leaves" value |> snd |> List.ofArray

    /// The expressions with their paths.
    let named (value: 'T) : (string * Expr) list =
        let structure, leaves = split "named" value
        List.ofSeq (Seq.zip structure.Paths leaves)

    /// What is left of a nested value without its leaves.
    let structure (value: 'T) : TreeStructure = split "structure" value |> fst

    /// The nested value of a structure with these leaves.
    let build (structure: TreeStructure) (leaves: Expr list) : 'T =
        join "build" structure (Array.ofList leaves)

    /// The same nesting with each leaf replaced.
    let map (f: Expr -> Expr) (value: 'T) : 'T =
        let structure, leaves = split "map" value
        join "map" structure (Array.map f leaves)

    /// Two values of one structure combined leaf by leaf.
    let map2 (f: Expr -> Expr -> Expr) (x: 'T) (y: 'T) : 'T =
        let structure, first, second = pairs "map2" x y
        join "map2" structure (Array.map2 f first second)

    /// The leaves of two values side by side.
    let zip (x: 'T) (y: 'U) : (Expr * Expr) list =
        let _, first, second = pairs "zip" x y
        List.ofArray (Array.zip first second)

    /// All numbers as one vector, leaf after leaf, and the way back. The leaves need one element type.
    let ravel (value: 'T) : Expr * (Expr -> 'T) =
        let structure, leaves = split "ravel" value
        match leaves |> Array.map _.DType |> Array.distinct with
        | [| _ |] -> ()
        | [||] -> invalidArg "value" "ravel: expected at least one leaf, got none"
        | several ->
            let names = String.Join(", ", several |> Array.map DType.name)
            raise (DTypeException $"ravel: expected leaves of one element type, got {names}; cast them")
        let flat =
            leaves |> Array.map (fun e -> Reshape.make (Shape [| e.Shape.Length |]) e)
        let vector = if flat.Length = 1 then flat[0] else Window.concat 0 flat
        let starts = flat |> Array.scan (fun at e -> at + e.Shape.Length) 0
        let back (vector: Expr) =
            if vector.Rank <> 1 || vector.Shape[0] <> starts[flat.Length] then
                raise (
                    ShapeException
                        $"ravel: the way back takes a vector of {starts[flat.Length]}, got shape {vector.Shape}"
                )
            leaves
            |> Array.mapi (fun i e ->
                Window.slice [| starts[i] |] [| 1 |] (Shape [| e.Shape.Length |]) vector
                |> Reshape.make e.Shape)
            |> join "ravel" structure
        vector, back
