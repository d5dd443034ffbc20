namespace Diff

open System
open System.Collections.Generic

/// Two terms of a sum of which one is the other times W, a product of squares of its factors that is computed anyway, as in odd polynomials
/// and their derivatives: a·F + b·F·W becomes F·(a + b·W), and a constant factor of the whole goes into a and b. The signs of a and b must agree: then
/// nothing cancels, and a number that is not finite stays what it is, since W is 0 or infinite where a factor of F is. b·W is at most eight times
/// what was computed before, and F has two factors at most, or one beside those that are never larger than 1: in any order nothing overflows that did not but within 1000 of the largest number.
[<RequireQualifiedAccess>]
module internal Powers =
    /// Two such terms, W, b for W as it is, and the most that W is multiplied with already.
    [<Struct>]
    type private Pair =
        { First: Term
          Second: Term
          Square: Expr
          Times: float
          Most: float }

    /// The factors that the second has beyond the first, if they are pairs of factors of the first.
    let private beyond (first: Expr[]) (second: Expr[]) : Expr[] voption =
        let counts = Dictionary<Expr, int>(HashIdentity.Reference)
        let add n (e: Expr) =
            counts[e] <- n + (counts.TryGetValue e |> snd)
        Array.iter (add 1) second
        Array.iter (add -1) first
        let isSquare (KeyValue(e: Expr, n)) =
            n = 0 || (n > 0 && n % 2 = 0 && Array.exists (same e) first)
        if second.Length > first.Length && Seq.forall isSquare counts then
            counts
            |> Seq.collect (fun (KeyValue(e, n)) -> Seq.replicate n e)
            |> Seq.sortBy _.Id
            |> Array.ofSeq
            |> ValueSome
        else
            ValueNone

    let private mayBeLarge (e: Expr) =
        match e with
        | Unary Fn.Sigmoid _
        | Unary Fn.Tanh _
        | Binary Fn.Sub (IsOne, Unary Fn.Sigmoid _) -> false
        | _ -> true

    let private pair (first: Term) (second: Term) : Pair voption =
        if
            first.Factors.Length > 2
            && Array.length (Array.filter mayBeLarge first.Factors) > 1
            || (first.Constant > 0.0) <> (second.Constant > 0.0)
        then
            ValueNone
        else
            match beyond first.Factors second.Factors with
            | ValueNone -> ValueNone
            | ValueSome more ->
                let square (node: Expr) =
                    let product = SumTerms.term node 1.0
                    if
                        product.Factors.Length = more.Length
                        && Array.forall2 same product.Factors more
                        && product.Constant > 0.0
                    then
                        Some product
                    else
                        None
                match second.Products |> List.choose square with
                | [] -> ValueNone
                | squares ->
                    let w = squares |> List.minBy _.Products.Length
                    ValueSome
                        { First = first
                          Second = second
                          Square = w.Node
                          Times = second.Constant / w.Constant
                          Most = (squares |> Seq.map _.Constant |> Seq.max) / w.Constant }

    /// The first such pair of a sum.
    let private find (terms: Term list) : Pair voption =
        let terms =
            SumTerms.once terms
            |> List.filter (fun t -> t.Factors.Length > 0)
            |> List.sortBy _.Factors.Length
        let rec search terms =
            match terms with
            | [] -> ValueNone
            | first :: rest ->
                let pairs = rest |> List.map (pair first) |> List.filter _.IsSome
                match pairs with
                | found :: _ -> found
                | [] -> search rest
        search terms

    /// Whether a and b are numbers to multiply with, with a factor.
    let private allows (factor: float) (pair: Pair) =
        let times = factor * pair.Times
        SumTerms.isModest (factor * pair.First.Constant)
        && SumTerms.isModest times
        && abs times <= 8.0 * pair.Most

    /// factor·F·(a + b·W).
    let private product (factor: float) (pair: Pair) (result: NodeMap<Expr>) : Expr =
        let constant (c: float) =
            Expr.Const(Scalar.ofFloat pair.First.Node.DType (factor * c), pair.First.Node.Shape)
        let times (a: Expr) (b: Expr) = Expr.Map(Fn.Mul, [| a; b |])
        let sum =
            constant pair.First.Constant + times (constant pair.Times) result[pair.Square]
        times (pair.First.Factors |> Seq.map (fun e -> result[e]) |> Seq.reduce times) sum

    /// The graph with such sums as products.
    let run (roots: Expr[]) : Expr[] =
        let nodes = Graph.topological roots
        let uses = Contraction.countUses nodes roots
        let inner = HashSet<Expr>(HashIdentity.Reference)
        // Sums that only a multiplication by a constant uses, with that.
        let multiplied = Dictionary<Expr, struct (Expr * float)>(HashIdentity.Reference)
        let change (e: Expr) =
            match e with
            | Binary Fn.Mul (Number c, s)
            | Binary Fn.Mul (s, Number c) when SumTerms.isSum s && uses[s] = 1 ->
                multiplied[s] <- struct (e, c)
            | _ -> ()
            if SumTerms.isSum e && not (inner.Contains e) then
                let terms = SumTerms.ofSum uses inner e
                match find terms with
                | ValueSome pair when allows 1.0 pair ->
                    if terms.Length = 2 then
                        match multiplied.TryGetValue e with
                        | true, (node, c) when allows c pair -> ValueSome(struct (node, product c pair))
                        | _ -> ValueSome(struct (e, product 1.0 pair))
                    else
                        let make (result: NodeMap<Expr>) =
                            let become (term: Expr) =
                                if same term pair.First.Node then
                                    ValueSome(product pair.First.Sign pair result)
                                elif same term pair.Second.Node then
                                    ValueNone
                                else
                                    ValueSome result[term]
                            SumTerms.rebuilt inner become e |> ValueOption.get
                        ValueSome(struct (e, make))
                | _ -> ValueNone
            else
                ValueNone
        SumTerms.rewrite nodes change roots
