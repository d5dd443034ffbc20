namespace Diff

open System

/// Recurrent layers of ONNX, one step of time after the other: X [time, batch, inputs], W [directions, gates, inputs],
/// R [directions, gates, hidden], B [directions, 2·gates].
[<RequireQualifiedAccess>]
module internal Recurrent =
    /// What one direction of a layer has: x·Wᵀ and both biases apart, R, the first state.
    [<NoEquality; NoComparison>]
    type private Direction =
        {
            /// x Wᵀ + Wb for all steps: [time, batch, gates].
            Given: Expr
            /// R and its bias.
            R: Expr
            Rb: Expr
            First: Expr
            Number: int
        }

    let private activations (node: NodeContext) (defaults: string list) (count: int) =
        match node.Texts "activations" with
        | ValueNone -> ()
        | ValueSome given ->
            let expected = List.replicate count defaults |> List.concat
            let text = String.Join(", ", defaults)
            if List.ofArray given <> expected then
                node.Fail $"activations other than {text} are not supported"

    let private gate hidden k (x: Expr) =
        slice -1 (Some(k * hidden)) (Some((k + 1) * hidden)) 1 x

    /// Runs `step`, from what is given at a time and the states to the new states, of which the first is put out.
    let private run
        (node: NodeContext)
        (gates: int)
        (defaults: string list)
        (states: int)
        (step: Direction -> Expr -> Expr list -> Expr list)
        : Expr list =
        let x, w, r = node.Input 0, node.Input 1, node.Input 2
        node.Ignore "hidden_size"
        if node.Int("layout", 0L) <> 0L then
            node.Fail "layout 1 is not supported"
        if (node.TryInput 4).IsSome then
            node.Fail "sequence_lens are not supported"
        if x.Rank <> 3 || w.Rank <> 3 || r.Rank <> 3 then
            node.Fail $"X, W and R have three axes each, got shapes {x.Shape}, {w.Shape} and {r.Shape}"
        let time, batch, hidden, directions = x.Shape[0], x.Shape[1], r.Shape[2], w.Shape[0]
        let orders =
            match node.Text("direction", "forward"), directions with
            | "forward", 1 -> [ false ]
            | "reverse", 1 -> [ true ]
            | "bidirectional", 2 -> [ false; true ]
            | name, n -> node.Fail $"direction {FileText.quote name} with {n} directions of weights"
        if time = 0 || time > node.Limits.MaxNodes / 100 then
            node.Fail $"{time} steps of time; 1 to {node.Limits.MaxNodes / 100} are allowed"
        activations node defaults directions
        let zeros n =
            Expr.Full(0.0, Shape [| batch; n |], x.DType)
        let bias number first =
            match node.TryInput 3 with
            | ValueNone -> Expr.Full(0.0, Shape [| gates * hidden |], x.DType)
            | ValueSome b ->
                let b = at 0 number b
                slice 0 (Some(first * gates * hidden)) (Some((first + 1) * gates * hidden)) 1 b
        let initial input number =
            match node.TryInput input with
            | ValueNone -> zeros hidden
            | ValueSome h -> at 0 number h
        let results =
            orders
            |> List.mapi (fun number isReverse ->
                let weights = transpose (at 0 number w)
                let direction =
                    { Given = matmul x weights + bias number 0
                      R = transpose (at 0 number r)
                      Rb = bias number 1
                      First = initial 5 number
                      Number = number }
                let mutable state =
                    direction.First :: List.init (states - 1) (fun k -> initial (6 + k) number)
                let outputs = Array.zeroCreate<Expr> time
                for t in 0 .. time - 1 do
                    let t = if isReverse then time - 1 - t else t
                    state <- step direction (at 0 t direction.Given) state
                    outputs[t] <- state.Head
                stack 0 (List.ofArray outputs), state)
        let all = results |> List.map fst |> stack 1
        all
        :: List.init states (fun k -> results |> List.map (fun (_, s) -> s[k]) |> stack 0)

    let private lstm: NodeImport =
        fun node ->
            if node.Flag("input_forget", false) then
                node.Fail "input_forget is not supported"
            let step (d: Direction) (given: Expr) (state: Expr list) =
                let h, c = state[0], state[1]
                let hidden = h.Shape[1]
                let sums = given + matmul h d.R + d.Rb
                let peephole k (c: Expr) (x: Expr) =
                    match node.TryInput 7 with
                    | ValueNone -> x
                    | ValueSome p -> x + gate hidden k (at 0 d.Number p) * c
                let i = sigmoid (gate hidden 0 sums |> peephole 0 c)
                let f = sigmoid (gate hidden 2 sums |> peephole 2 c)
                let c' = f * c + i * tanh (gate hidden 3 sums)
                let o = sigmoid (gate hidden 1 sums |> peephole 1 c')
                [ o * tanh c'; c' ]
            run node 4 [ "Sigmoid"; "Tanh"; "Tanh" ] 2 step

    let private gru: NodeImport =
        fun node ->
            let isLate = node.Flag("linear_before_reset", false)
            let step (d: Direction) (given: Expr) (state: Expr list) =
                let h = state[0]
                let hidden = h.Shape[1]
                let part k = gate hidden k given
                let own k (h: Expr) =
                    matmul h (gate hidden k d.R) + gate hidden k d.Rb
                let z, r = sigmoid (part 0 + own 0 h), sigmoid (part 1 + own 1 h)
                let next =
                    if isLate then
                        tanh (part 2 + r * own 2 h)
                    else
                        tanh (part 2 + own 2 (r * h))
                [ (1.0 - z) * next + z * h ]
            run node 3 [ "Sigmoid"; "Tanh" ] 1 step

    let private rnn: NodeImport =
        fun node ->
            let step (d: Direction) (given: Expr) (state: Expr list) =
                [ tanh (given + matmul state[0] d.R + d.Rb) ]
            run node 1 [ "Tanh" ] 1 step

    let table: (string * NodeImport) list = [ "LSTM", lstm; "GRU", gru; "RNN", rnn ]
