/// All oracles on one program.
module Diff.Fuzz.Judge

open System
open Diff

/// What became of a program.
type Verdict =
    | Agrees
    /// The oracle, and what does not agree.
    | Disagrees of oracle: string * detail: string

/// Asks of a program; of the oracles that cost much, a share decides, or the one that is wanted is asked for certain.
let judge (wanted: string option) (note: Recorder) (seed: uint64) (program: GraphProgram) : Verdict =
    let r = SplitMix(SplitMix.Derive(seed, 7UL))
    // Where the failure of an oracle shows, if not under its own name.
    let place =
        match wanted with
        | Some "modes" -> "second differences"
        | Some "twice" -> "linear"
        | Some "cache" -> "reuse"
        | Some name -> name
        | None -> ""
    let everywhere =
        place = "repeat"
        || place = "inputs"
        || place.StartsWith("exception", StringComparison.Ordinal)
    let asked (oracle: string) (share: float) =
        // Drawn in any case: what an oracle draws does not depend on which one is wanted.
        let drawn = r.Chance share
        if wanted.IsNone then
            drawn
        else
            everywhere || oracle = place || (place = "scalar" && oracle = "scalar compiled")
    try
        let s = Subject(program, seed)
        let scan = Scan.of' s
        if not scan.IsRobust then
            note.Skip "a comparison of rounded numbers, a matrix or an angle of very large ones"
        else
            let order =
                match wanted with
                | Some "value" -> Order.Values
                | Some "gradient" -> Order.First
                | Some "second" -> Order.Second
                | _ ->
                    let isBig = program.Leaves |> Array.exists (fun l -> l.Value.Length > 1000)
                    r.Weighted
                        [| 0.2, Order.Values
                           0.6, Order.First
                           (if isBig || program.Count > 300 then 0.0 else 0.2), Order.Second |]
            Oracles.engine s note asked order
            Oracles.differences s note asked scan
            if asked "single" 0.5 then
                Oracles.single s note scan
            Metamorphic.check s note asked scan
        Agrees
    with
    | Disagreement(oracle, detail) -> Disagrees(oracle, detail)
    // With other numbers, or others' rounding, a matrix is singular: that is an answer too.
    | :? LinearAlgebraException ->
        note.Skip "a matrix that cannot be factored"
        Agrees
    | e -> Disagrees("exception " + e.GetType().Name, string e)
