namespace Diff

open System
open System.Collections.Generic

/// What a sum over all iterations of a contraction is made of: an operand in the body, where it is when the loop is done.
[<RequireQualifiedAccess>]
type internal Factor =
    /// Given at each iteration: a part of the value, and the one that is its mask, or −1.
    | Given of part: int * mask: int
    /// The slices of an argument.
    | Sliced of arg: int
    /// The same at all iterations.
    | Whole of arg: int

/// A contraction that is taken out of a loop: an argument gets its sum over all iterations.
type internal LaterContraction =
    {
        Arg: int
        Spec: EinsumSpec
        /// What it is at one iteration.
        Term: Expr
        Factors: Factor[]
    }

/// Contractions added up over the iterations, Σᵢ hᵢᵀδᵢ say, are one contraction of what was stacked: one large product for many small.
[<RequireQualifiedAccess>]
module internal SweepContractions =
    /// The terms of a sum.
    let private terms (e: Expr) : Expr list =
        let found = List<Expr>()
        let waiting = Stack<Expr>([ e ])
        while waiting.Count > 0 do
            let next = waiting.Pop()
            match next.Op with
            | Op.Elementwise Fn.Add -> Array.iter waiting.Push (Array.rev next.Args)
            | _ -> found.Add next
        List.ofSeq found

    /// Whether a term is taken out of the loop, and as what contraction: where its operands are small beside the states, so that they take no
    /// more memory than these.
    let private trySpec (it: Iteration) (sweep: Sweep) (term: Expr) : EinsumSpec voption =
        let bytes (e: Expr) =
            int64 e.Shape.Length * int64 (DType.size e.DType)
        match term.Op, it.Length with
        | Op.Einsum spec, ValueSome n when n > 1 ->
            let states = Seq.init sweep.States sweep.State |> Seq.sumBy bytes
            let operands = term.Args |> Array.sumBy bytes
            let isWhole (e: Expr) =
                match Array.IndexOf(sweep.Body.Inputs, e) with
                | -1 -> false
                | k -> sweep.Feeds[k].IsWhole
            if Array.forall isWhole term.Args then
                ValueNone // the same at each iteration
            elif operands <= 4L * states && int64 n * operands <= it.MaxRecordBytes then
                ValueSome spec
            else
                ValueNone
        | _ -> ValueNone

    /// The terms of a sum that are taken out of the loop, and those that are added up in it.
    let split
        (it: Iteration)
        (sweep: Sweep)
        (sum: Expr)
        : struct (List<struct (EinsumSpec * Expr)> * Expr list) =
        let later, now = List<struct (EinsumSpec * Expr)>(), List<Expr>()
        for term in terms sum do
            match trySpec it sweep term with
            | ValueSome spec -> later.Add(struct (spec, term))
            | ValueNone -> now.Add term
        struct (later, List.ofSeq now)

    /// The operand of a contraction, after the loop; `give` makes a part of the value of what the body computes.
    let factor (sweep: Sweep) (give: Expr -> struct (int * int)) (operand: Expr) : Factor =
        let given () =
            let struct (part, mask) = give operand
            Factor.Given(part, mask)
        match Array.IndexOf(sweep.Body.Inputs, operand) with
        | -1 -> given ()
        | k ->
            match sweep.Feeds[k] with
            | Feed.Slice a -> Factor.Sliced a
            | Feed.Whole a -> Factor.Whole a
            | _ -> given ()

    /// The sum over all iterations, from the loop's arguments and the parts of its value.
    let product (args: Expr[]) (part: int -> int -> Expr) (later: LaterContraction) : Expr =
        let spec = later.Spec
        let label =
            EinsumSpec.labels (spec.Output.Length + Seq.sumBy String.length spec.Inputs + 1)
            |> Array.find (fun c -> not (String.exists ((=) c) (String.Join("", spec.Inputs) + spec.Output)))
        let along =
            later.Factors
            |> Array.map (function
                | Factor.Given(k, mask) -> string label, part k mask
                | Factor.Sliced a -> string label, args[a]
                | Factor.Whole a -> "", args[a])
        let spec =
            { spec with
                Inputs = Array.map2 (fun (label, _) axes -> label + axes) along spec.Inputs }
        Expr(Op.Einsum spec, Array.map snd along, later.Term.Shape, later.Term.DType)
