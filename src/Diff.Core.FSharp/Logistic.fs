namespace Diff

open System.Collections.Generic

/// 1 + tanh u as 2·σ(2u), as in gelu, where nothing reads tanh u but such sums and the 1 - tanh² u of their derivatives, which are 4·σ·(1 - σ).
/// These are fewer operations, and no digit is lost where tanh u is near -1. The 2 or 4 goes into a constant of the product that the sum stands in.
[<RequireQualifiedAccess>]
module internal Logistic =
    // A product of more is as it was written.
    let private maxFactors = 12

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

    /// A product that some such sums are factors of: its root, the products within it, and the first constant among its factors, if any.
    type private Product =
        { Root: Expr
          Inner: HashSet<Expr>
          Sums: Expr list
          Constant: float voption }

    let private times (a: Expr) (b: Expr) = Expr.Map(Fn.Mul, [| a; b |])

    let private scaled (constant: float) (x: Expr) : Expr =
        match x with
        | Binary Fn.Mul (Number c, y)
        | Binary Fn.Mul (y, Number c) when SumTerms.isModest c -> SumTerms.scaled (c * constant) y
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
            let covered = HashSet<Expr>(HashIdentity.Reference)
            let product (root: Expr) : Product voption =
                let waiting = Stack<Expr>([ root ])
                let mutable p =
                    { Root = root
                      Inner = HashSet<Expr>(HashIdentity.Reference)
                      Sums = []
                      Constant = ValueNone }
                let mutable factors = 0
                while waiting.Count > 0 && factors + waiting.Count <= maxFactors do
                    let x = waiting.Pop()
                    factors <- factors + 1
                    match x with
                    | _ when found.ContainsKey x -> p <- { p with Sums = x :: p.Sums }
                    | Number c when p.Constant.IsNone -> p <- { p with Constant = ValueSome c }
                    | Binary Fn.Mul (a, b) when
                        same x root || uses.Value[x] = 1 || a.Op.IsConst || b.Op.IsConst
                        ->
                        factors <- factors - 1
                        p.Inner.Add x |> ignore
                        waiting.Push b
                        waiting.Push a
                    | _ -> ()
                if waiting.Count = 0 && not p.Sums.IsEmpty then
                    covered.UnionWith(p.Inner |> Seq.filter (fun e -> uses.Value[e] = 1))
                    ValueSome p
                else
                    ValueNone
            /// The product with the sums in their places, so that nothing meets in another order than it did.
            let rebuilt (p: Product) (result: NodeMap<Expr>) : Expr =
                let total =
                    p.Sums |> List.fold (fun n e -> let struct (m, _) = parts e result in n * m) 1.0
                // What the sums leave for the first constant.
                let mutable rest =
                    match p.Constant with
                    | ValueSome c when SumTerms.isModest c && SumTerms.isModest (c * total) -> total
                    | _ -> 1.0
                let isTaken = rest <> 1.0
                // No deeper than there are factors; nothing where a constant is 1 now.
                let rec build (e: Expr) : Expr voption =
                    match e with
                    | _ when p.Inner.Contains e ->
                        match build e.Args[0], build e.Args[1] with
                        | ValueSome a, ValueSome b -> ValueSome(times a b)
                        | ValueSome a, _ -> ValueSome a
                        | _, b -> b
                    | _ when found.ContainsKey e ->
                        let struct (constant, values) = parts e result
                        let value = List.reduce times values
                        ValueSome(if isTaken then value else SumTerms.scaled constant value)
                    | Number c when rest <> 1.0 ->
                        let c = c * rest
                        rest <- 1.0
                        if c = 1.0 then
                            ValueNone
                        else
                            ValueSome(Expr.Const(Scalar.ofFloat e.DType c, e.Shape))
                    | _ -> ValueSome result[e]
                (build p.Root).Value
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
                    | Binary Fn.Mul _ when not (covered.Contains e) ->
                        match product e with
                        | ValueSome p -> ValueSome(struct (e, rebuilt p))
                        | ValueNone -> ValueNone
                    | _ -> ValueNone
            SumTerms.rewrite nodes change roots
