namespace Diff

open System
open System.Collections.Concurrent
open System.Collections.Generic
open System.Reflection
open FSharp.Reflection

/// The parts of a nested value, and what, beside them, it is: how many there are, their keys, the case of a union.
type internal TreeParts =
    { Key: obj list
      Names: string[]
      Values: (obj | null)[] }

/// How values of one type are taken apart and put together again.
type internal TreeContainer =
    {
        /// What kind of container it is: those of one kind become each other part by part.
        Kind: string
        Split: obj -> TreeParts
        Join: obj list -> (obj | null)[] -> obj | null
        /// The declared types of the parts, given the key.
        Types: obj list -> Type[]
    }

/// What a type is in a nested value.
[<RequireQualifiedAccess>]
type internal TreeLayout =
    | Leaf
    /// Plain data, which stays as it is.
    | Static
    | Node of TreeContainer
    /// Neither: why.
    | Opaque of reason: string

/// Containers of elements of one type. Made by reflection, once for each type.
[<AbstractClass; Sealed>]
type internal Containers private () =
    static let indices n = Array.init n string

    static let sequence kind (ofElements: 'E[] -> obj | null) : TreeContainer =
        { Kind = kind
          Split =
            fun x ->
                let values = Seq.toArray (x :?> IEnumerable<'E>)
                { Key = [ values.Length ]
                  Names = indices values.Length
                  Values = values |> Array.map (fun v -> box v: obj | null) }
          Join = fun _ values -> ofElements (values |> Array.map (fun v -> Unchecked.unbox<'E> v))
          Types = fun key -> Array.create (unbox<int> key.Head) typeof<'E> }

    // Keys in order, so that equal dictionaries have equal structures, however they were filled.
    static let keyed
        kind
        (pairs: obj -> KeyValuePair<'K, 'V>[])
        (ofPairs: obj list -> ('K * 'V)[] -> obj | null)
        extra
        =
        { Kind = kind
          Split =
            fun x ->
                let pairs = pairs x
                let pairs =
                    if typeof<'K> = typeof<string> then
                        pairs
                        |> Array.sortWith (fun a b -> String.CompareOrdinal(string a.Key, string b.Key))
                    elif typeof<IComparable>.IsAssignableFrom typeof<'K> then
                        let order = Comparer<'K>.Default
                        pairs |> Array.sortWith (fun a b -> order.Compare(a.Key, b.Key))
                    else
                        pairs
                { Key = extra x @ [ for p in pairs -> Unchecked.nonNull (box p.Key) ]
                  Names = pairs |> Array.map (fun p -> string p.Key)
                  Values = pairs |> Array.map (fun p -> box p.Value: obj | null) }
          Join =
            fun key values ->
                let keys = key |> List.skip (key.Length - values.Length) |> Array.ofList
                Array.map2 (fun k v -> unbox<'K> k, Unchecked.unbox<'V> v) keys values
                |> ofPairs key
          Types = fun key -> Array.create key.Length typeof<'V> }

    static member List<'E>() : TreeContainer =
        sequence "list" (fun (values: 'E[]) -> box (List.ofArray values))

    static member Array<'E>() : TreeContainer =
        sequence "list" (fun (values: 'E[]) -> box values)

    static member Growing<'E>() : TreeContainer =
        sequence "list" (fun (values: 'E[]) -> box (List<'E> values))

    static member Map<'K, 'V when 'K: comparison>() : TreeContainer =
        keyed
            "map"
            (fun x -> Seq.toArray (x :?> IEnumerable<KeyValuePair<'K, 'V>>))
            (fun _ pairs -> box (Map.ofArray pairs))
            (fun _ -> [])

    static member Dictionary<'K, 'V when 'K: not null and 'K: equality>() : TreeContainer =
        keyed
            "map"
            (fun x -> Seq.toArray (x :?> Dictionary<'K, 'V>))
            (fun _ pairs ->
                let made = Dictionary<'K, 'V>()
                for k, v in pairs do
                    made[k] <- v
                box made)
            (fun _ -> [])

    static member Option<'E>() : TreeContainer =
        { Kind = "option"
          Split =
            fun x ->
                match x :?> 'E option with
                | Some v ->
                    { Key = [ true ]
                      Names = [| "Value" |]
                      Values = [| box v |] }
                | None ->
                    { Key = [ false ]
                      Names = [||]
                      Values = [||] }
          Join =
            fun _ values ->
                match values with
                | [| v |] -> box (Some(Unchecked.unbox<'E> v))
                | _ -> null
          Types = fun key -> if unbox<bool> key.Head then [| typeof<'E> |] else [||] }

/// How each type is taken apart: worked out once.
[<RequireQualifiedAccess>]
module internal TreeLayout =
    let private flags = BindingFlags.Public ||| BindingFlags.NonPublic

    let private made (name: string) (arguments: Type[]) : TreeLayout =
        let make =
            nonNull (typeof<Containers>.GetMethod(name, BindingFlags.Static ||| flags))
        TreeLayout.Node(nonNull (make.MakeGenericMethod(arguments).Invoke(null, [||])) :?> TreeContainer)

    /// A container with a fixed list of parts.
    let private fixedParts
        kind
        names
        (types: Type[])
        (read: obj -> (obj | null)[])
        (join: (obj | null)[] -> obj | null)
        =
        TreeLayout.Node
            { Kind = kind
              Split =
                fun x ->
                    { Key = []
                      Names = names
                      Values = read x }
              Join = fun _ values -> join values
              Types = fun _ -> types }

    let private tuple (t: Type) =
        let types = FSharpType.GetTupleElements t
        let read, join =
            FSharpValue.PreComputeTupleReader t, FSharpValue.PreComputeTupleConstructor t
        fixedParts "tuple" (Array.init types.Length string) types (fun x -> Array.map id (read x)) join

    let private record (t: Type) =
        let fields = FSharpType.GetRecordFields(t, flags)
        let read = FSharpValue.PreComputeRecordReader(t, flags)
        let join = FSharpValue.PreComputeRecordConstructor(t, flags)
        fixedParts
            "record"
            (fields |> Array.map _.Name)
            (fields |> Array.map _.PropertyType)
            (fun x -> Array.map id (read x))
            join

    let private union (t: Type) =
        let cases = FSharpType.GetUnionCases(t, flags)
        let tag = FSharpValue.PreComputeUnionTagReader(t, flags)
        let read = cases |> Array.map (fun c -> FSharpValue.PreComputeUnionReader(c, flags))
        let join =
            cases |> Array.map (fun c -> FSharpValue.PreComputeUnionConstructor(c, flags))
        let fields = cases |> Array.map (fun c -> c.GetFields())
        TreeLayout.Node
            { Kind = "union"
              Split =
                fun x ->
                    let k = tag x
                    { Key = [ cases[k].Name ]
                      Names = fields[k] |> Array.map _.Name
                      Values = read[k] x |> Array.map id }
              Join =
                fun key values ->
                    let k = cases |> Array.findIndex (fun c -> c.Name = unbox<string> key.Head)
                    join[k] values
              Types =
                fun key ->
                    let k = cases |> Array.findIndex (fun c -> c.Name = unbox<string> key.Head)
                    fields[k] |> Array.map _.PropertyType }

    /// A class or structure that a constructor and settable properties rebuild from its public properties: a C# record, for one.
    let private ofProperties (t: Type) : TreeLayout =
        let properties =
            t.GetProperties(BindingFlags.Instance ||| BindingFlags.Public)
            |> Array.filter (fun p -> p.CanRead && p.GetIndexParameters().Length = 0)
        let property (p: ParameterInfo) =
            properties
            |> Array.tryFindIndex (fun q ->
                String.Equals(q.Name, p.Name, StringComparison.OrdinalIgnoreCase)
                && q.PropertyType = p.ParameterType)
        let constructors =
            t.GetConstructors(BindingFlags.Instance ||| BindingFlags.Public)
            |> Array.map (fun c -> c, c.GetParameters() |> Array.map property)
            |> Array.filter (snd >> Array.forall Option.isSome)
            |> Array.map (fun (c, found) -> c, Array.choose id found)
            |> Array.sortByDescending (fun (_, found) -> found.Length)
        let chosen =
            match constructors with
            | [||] when t.IsValueType -> Some((fun _ -> Activator.CreateInstance t), [||])
            | [||] -> None
            | found ->
                let c, positions = found[0]
                Some((fun (values: (obj | null)[]) -> c.Invoke values), positions)
        match chosen with
        | None -> TreeLayout.Opaque "no public constructor takes its properties"
        | Some(construct, positions) ->
            let parts =
                properties
                |> Array.indexed
                |> Array.filter (fun (i, p) -> p.CanWrite || Array.contains i positions)
            let lost =
                properties
                |> Array.indexed
                |> Array.filter (fun (i, p) ->
                    not (p.CanWrite || Array.contains i positions)
                    && typeof<Expr>.IsAssignableFrom p.PropertyType)
            if lost.Length > 0 && parts.Length = 0 then
                TreeLayout.Opaque $"nothing sets its property {(snd lost[0]).Name}"
            else
                let place = parts |> Array.map fst
                let arguments = positions |> Array.map (fun i -> Array.IndexOf(place, i))
                let set =
                    [| for k in 0 .. parts.Length - 1 do
                           if not (Array.contains k arguments) then
                               k, snd parts[k] |]
                fixedParts
                    "record"
                    (parts |> Array.map (fun (_, p) -> p.Name))
                    (parts |> Array.map (fun (_, p) -> p.PropertyType))
                    (fun x -> parts |> Array.map (fun (_, p) -> p.GetValue x))
                    (fun values ->
                        let x = nonNull (construct (arguments |> Array.map (fun k -> values[k])))
                        for k, p in set do
                            p.SetValue(x, values[k])
                        x)

    let private isPlain (t: Type) =
        t.IsPrimitive
        || t.IsEnum
        || t = typeof<string>
        || t = typeof<unit>
        || typeof<Delegate>.IsAssignableFrom t
        || typeof<Type>.IsAssignableFrom t
        || FSharpType.IsFunction t
        || t.Assembly = typeof<Expr>.Assembly
           && not t.IsArray
           && not (FSharpType.IsRecord(t, flags))
        || t.IsValueType
           && not t.IsGenericType
           && (match t.Namespace with
               | null -> false
               | n -> n = "System" || n.StartsWith("System.", StringComparison.Ordinal))

    let private describe (leaf: Type) (t: Type) : TreeLayout =
        let definition = if t.IsGenericType then t.GetGenericTypeDefinition() else t
        let arguments = t.GetGenericArguments()
        if leaf.IsAssignableFrom t then
            TreeLayout.Leaf
        elif isPlain t then
            TreeLayout.Static
        elif FSharpType.IsTuple t then
            tuple t
        elif t.IsArray && t.GetArrayRank() = 1 then
            made "Array" [| nonNull (t.GetElementType()) |]
        elif definition = typedefof<_ list> then
            made "List" arguments
        elif definition = typedefof<List<_>> then
            made "Growing" arguments
        elif definition = typedefof<Map<_, _>> then
            made "Map" arguments
        elif definition = typedefof<Dictionary<_, _>> then
            made "Dictionary" arguments
        elif definition = typedefof<_ option> then
            made "Option" arguments
        elif FSharpType.IsRecord(t, flags) then
            record t
        elif FSharpType.IsUnion(t, flags) then
            union t
        elif typeof<Collections.IEnumerable>.IsAssignableFrom t then
            TreeLayout.Opaque "a collection of another kind than list, array, Map and Dictionary"
        else
            ofProperties t

    let private known = ConcurrentDictionary<struct (Type * Type), TreeLayout>()

    /// What a type is, where the leaves are of type `leaf`.
    let ofType (leaf: Type) (t: Type) : TreeLayout =
        known.GetOrAdd(struct (leaf, t), (fun (struct (leaf, t)) -> describe leaf t))

    /// The type by which a value is taken apart: the declared one, unless that says too little.
    let typeOf (declared: Type) (value: obj | null) : Type =
        match value with
        | null -> declared
        | value when declared.IsAbstract || declared.IsInterface || declared = typeof<obj> ->
            // The class of a union's case is not the union.
            let t = value.GetType()
            if FSharpType.IsUnion(t, flags) then
                (FSharpType.GetUnionCases(t, flags)[0]).DeclaringType
            else
                t
        | _ -> declared
