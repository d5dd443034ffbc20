namespace Diff

open System.Collections.Generic

/// In which order the operands of a contraction are multiplied, two at a time: fewest multiplications. Up to 8 operands the best of all orders,
/// by dynamic programming over sets of operands; beyond that greedily, the pair first whose product is smallest beside what it replaces.
[<RequireQualifiedAccess>]
module internal ContractionOrder =
    let private maxExact = 8

    /// The labels of a product of some operands: those that somebody else has, or the output.
    let private kept (mine: string seq) (others: string seq) (output: string) : HashSet<char> =
        let needed = HashSet<char>(Seq.append output (Seq.concat others))
        let labels = HashSet<char>(Seq.concat mine)
        labels.IntersectWith needed
        labels

    let private product (size: char -> float) (labels: char seq) =
        labels |> Seq.fold (fun n label -> n * size label) 1.0

    let private exact (inputs: string[]) (output: string) (size: char -> float) : struct (int * int)[] =
        let n = inputs.Length
        let all = (1 <<< n) - 1
        let members set =
            seq { 0 .. n - 1 } |> Seq.filter (fun k -> set >>> k &&& 1 = 1)
        let pick set =
            members set |> Seq.map (fun k -> inputs[k])
        let labels =
            Array.init (all + 1) (fun set -> kept (pick set) (pick (all - set)) output)
        let cost = Array.create (all + 1) infinity
        let split = Array.zeroCreate<int>(all + 1)
        for k in 0 .. n - 1 do
            cost[1 <<< k] <- 0.0
        for set in 1..all do
            // Each division once: the part without the set's lowest operand.
            let lowest = set &&& -set
            let mutable part = (set - 1) &&& set
            while part > 0 do
                if part &&& lowest = 0 then
                    let other = set - part
                    let union = HashSet<char> labels[part]
                    union.UnionWith labels[other]
                    let total = cost[part] + cost[other] + product size union + product size labels[set]
                    if total < cost[set] then
                        cost[set] <- total
                        split[set] <- part
                part <- (part - 1) &&& set
        let order = List<struct (int * int)>()
        /// The number of a set's product; as deep as there are operands.
        let rec build set =
            if set &&& (set - 1) = 0 then
                Seq.head (members set)
            else
                let a = build (set - split[set])
                let b = build split[set]
                order.Add(struct (a, b))
                n + order.Count - 1
        build all |> ignore
        order.ToArray()

    let private greedy (inputs: string[]) (output: string) (size: char -> float) : struct (int * int)[] =
        let terms =
            List<struct (int * string)>(inputs |> Seq.mapi (fun k labels -> struct (k, labels)))
        let order = List<struct (int * int)>()
        let text (struct (_, labels: string)) = labels
        while terms.Count > 1 do
            let mutable best, least = struct (0, 1), infinity
            let result i j =
                let others =
                    seq {
                        for k in 0 .. terms.Count - 1 do
                            if k <> i && k <> j then
                                text terms[k]
                    }
                kept [ text terms[i]; text terms[j] ] others output
            for i in 0 .. terms.Count - 1 do
                for j in i + 1 .. terms.Count - 1 do
                    let union = HashSet<char>(Seq.append (text terms[i]) (text terms[j]))
                    let change =
                        product size (result i j)
                        - product size (text terms[i])
                        - product size (text terms[j])
                        + 1e-3 * product size union
                    if change < least then
                        least <- change
                        best <- struct (i, j)
            let struct (i, j) = best
            let labels = System.String(Seq.toArray (result i j))
            let struct (a, _), struct (b, _) = terms[i], terms[j]
            terms.RemoveAt j
            terms.RemoveAt i
            order.Add(struct (a, b))
            terms.Add(struct (inputs.Length + order.Count - 1, labels))
        order.ToArray()

    /// Pairs to multiply, first to last: operands by position, products numbered on from there. Labels of an operand stand in it once.
    let pairs (inputs: string[]) (output: string) (size: char -> float) : struct (int * int)[] =
        if inputs.Length <= maxExact then
            exact inputs output size
        else
            greedy inputs output size
