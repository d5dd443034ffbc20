namespace Diff

open System.Collections.Generic

/// 1 + tanh u as 2·σ(2u), as in gelu, where nothing reads tanh u but such sums and the 1 - tanh² u of their derivatives, which are 4·σ·(1 - σ).
/// These are fewer operations, and no digit is lost where tanh u is near -1. The 2 or 4 goes into a constant of the product that the sum stands in.
[<RequireQualifiedAccess>]
module internal Logistic =
    // A product of more is as it was written.
    let private maxFactors = 12

    // Constants that take a number neither far beyond the largest nor far below the smallest.
    let private isModest (c: float) = abs c >= 1e-3 && abs c <= 1e3

    [<return: Struct>]
    let private (|OnePlus|_|) (e: Expr) =
        match e with
        | Binary Fn.Add (IsOne, x)
        | Binary Fn.Add (x, IsOne) -> ValueSome x
        | _ -> ValueNone

    let private isSquareOf (x: Expr) (e: Expr) =
        match e with
        | Binary Fn.Mul (a, b) -> same a x && same b x
        | _ -> false

    let private isOneMinus (square: Expr) (e: Expr) =
        match e with
        | Binary Fn.Sub (IsOne, x) -> same x square
        | _ -> false

    /// For each sum that changes its tanh, and whether it is 1 + tanh u or 1 - tanh² u.
    let private find (nodes: Expr[]) (uses: NodeMap<int>) : Dictionary<Expr, struct (Expr * bool)> =
        let readers = Dictionary<Expr, List<Expr>>(HashIdentity.Reference)
        for e in nodes do
            for a in Seq.distinct e.Args do
                match readers.TryGetValue a with
                | true, known -> known.Add e
                | _ ->
                    match a with
                    | Unary Fn.Tanh _
                    | Binary Fn.Mul (Unary Fn.Tanh _, Unary Fn.Tanh _) when DType.isFloat a.DType ->
                        readers[a] <- List<Expr>([ e ])
                    | _ -> ()
        let isOnlyRead (e: Expr) reads = uses[e] = reads
        let found = Dictionary<Expr, struct (Expr * bool)>(HashIdentity.Reference)
        for KeyValue(t, all) in readers do
            if t.Op.IsElementwise && t.Args.Length = 1 then
                let sums =
                    all
                    |> Seq.filter (function
                        | OnePlus x -> same x t
                        | _ -> false)
                    |> List.ofSeq
                let squares = all |> Seq.filter (isSquareOf t) |> List.ofSeq
                let isInside (square: Expr) =
                    match readers.TryGetValue square with
                    | true, readers ->
                        isOnlyRead square readers.Count && Seq.forall (isOneMinus square) readers
                    | _ -> false
                if
                    not sums.IsEmpty
                    && isOnlyRead t (sums.Length + 2 * squares.Length)
                    && List.forall isInside squares
                then
                    for sum in sums do
                        found[sum] <- struct (t, true)
                    for square in squares do
                        for difference in readers[square] do
                            found[difference] <- struct (t, false)
        found

    /// A product that some such sums are factors of.
    type private Product =
        { Constant: float
          Sums: Expr list
          Others: Expr list }

    let private times (a: Expr) (b: Expr) = Expr.Map(Fn.Mul, [| a; b |])

    let private scaled (constant: float) (x: Expr) : Expr =
        match x with
        | Binary Fn.Mul (Number c, y)
        | Binary Fn.Mul (y, Number c) when isModest c -> SumTerms.scaled (c * constant) y
        | _ -> SumTerms.scaled constant x

    /// The graph with such sums as what they are in terms of σ.
    let run (roots: Expr[]) : Expr[] =
        let nodes = Graph.topological roots
        let isTanh e =
            match e with
            | Unary Fn.Tanh _ -> true
            | _ -> false
        let uses = lazy Contraction.countUses nodes roots
        let found =
            if Array.exists isTanh nodes then
                find nodes uses.Value
            else
                Dictionary<Expr, struct (Expr * bool)>()
        if found.Count = 0 then
            roots
        else
            let made = Dictionary<Expr, struct (Expr * Expr)>(HashIdentity.Reference)
            /// σ(2u) and 1 - σ(2u).
            let sigmoids (t: Expr) (result: NodeMap<Expr>) =
                match made.TryGetValue t with
                | true, known -> known
                | _ ->
                    let s = Expr.Map(Fn.Sigmoid, [| scaled 2.0 result[t.Args[0]] |])
                    let both = struct (s, 1.0 - s)
                    made[t] <- both
                    both
            /// The number and the values of which a sum is the product.
            let parts (sum: Expr) (result: NodeMap<Expr>) : struct (float * Expr list) =
                match found[sum] with
                | struct (t, isPlus) ->
                    let struct (s, rest) = sigmoids t result
                    if isPlus then
                        struct (2.0, [ s ])
                    else
                        struct (4.0, [ s; rest ])
            let inner = HashSet<Expr>(HashIdentity.Reference)
            let product (e: Expr) : Product voption =
                let waiting = Stack<Expr>([ e ])
                let passed = List<Expr>()
                let mutable p =
                    { Constant = 1.0
                      Sums = []
                      Others = [] }
                while waiting.Count > 0
                      && waiting.Count + p.Sums.Length + p.Others.Length <= maxFactors do
                    let x = waiting.Pop()
                    match x with
                    | _ when found.ContainsKey x -> p <- { p with Sums = x :: p.Sums }
                    | Number c when isModest (c * p.Constant) -> p <- { p with Constant = c * p.Constant }
                    | Binary Fn.Mul (a, b) when same x e || uses.Value[x] = 1 || a.Op.IsConst || b.Op.IsConst ->
                        if uses.Value[x] = 1 then
                            passed.Add x
                        waiting.Push b
                        waiting.Push a
                    | _ -> p <- { p with Others = x :: p.Others }
                if waiting.Count = 0 && not p.Sums.IsEmpty then
                    inner.UnionWith passed
                    ValueSome p
                else
                    ValueNone
            let rebuilt (p: Product) (result: NodeMap<Expr>) : Expr =
                let sums = p.Sums |> List.map (fun sum -> parts sum result)
                let constant = sums |> List.fold (fun c (struct (n, _)) -> c * n) p.Constant
                // A sum can take the constant to its own ones.
                let takesConstant =
                    p.Others |> List.tryFind (fun e -> SumTerms.isSum e && uses.Value[e] = 1)
                let other (e: Expr) =
                    if takesConstant = Some e then
                        SumTerms.scaled constant result[e]
                    else
                        result[e]
                let whole =
                    Seq.append
                        (p.Others |> List.sortBy _.Id |> Seq.map other)
                        (sums |> Seq.collect (fun (struct (_, values)) -> values))
                    |> Seq.reduce times
                if takesConstant.IsSome then
                    whole
                else
                    SumTerms.scaled constant whole
            let change (e: Expr) =
                if found.ContainsKey e then
                    ValueSome(
                        struct (e,
                                fun result ->
                                    let struct (constant, values) = parts e result
                                    SumTerms.scaled constant (List.reduce times values))
                    )
                else
                    match e with
                    | Binary Fn.Mul _ when not (inner.Contains e) ->
                        match product e with
                        | ValueSome p -> ValueSome(struct (e, rebuilt p))
                        | ValueNone -> ValueNone
                    | _ -> ValueNone
            SumTerms.rewrite nodes change roots
