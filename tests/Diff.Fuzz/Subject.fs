namespace Diff.Fuzz

open System
open System.Collections.Generic
open Diff
open Diff.Fuzz.Arrays

/// Two ways to one thing do not agree.
exception Disagreement of oracle: string * detail: string

/// What the oracles of one graph found: the largest error of each in fractions of what it allows, and what was not asked and why.
[<Sealed>]
type Recorder() =
    let errors = Dictionary<string, float>()
    let skips = HashSet<string>()

    member _.Errors = errors
    member _.Skips = skips
    member _.Skip(reason: string) = skips.Add reason |> ignore

    /// Notes an error; one that is larger than allowed is a disagreement.
    member _.Note(oracle: string, error: float, allowed: float, detail: unit -> string) : unit =
        let fraction =
            if error = 0.0 then 0.0
            elif allowed > 0.0 then error / allowed
            else infinity
        match errors.TryGetValue oracle with
        | true, known when known >= fraction -> ()
        | _ -> errors[oracle] <- fraction
        if not (fraction <= 1.0) then
            raise (Disagreement(oracle, detail ()))

    /// Notes how far two arrays are apart.
    member this.Compare
        (oracle: string, allowed: float, what: string, expected: NDArray, actual: NDArray)
        : unit =
        let struct (error, at) = farthest expected actual
        this.Note(
            oracle,
            error,
            allowed,
            fun () ->
                if at < 0 then
                    $"{what}: expected {text expected}, got {text actual}"
                else
                    $"{what}, element {at} of {expected.Shape}: expected {expected.Float at:R}, got {actual.Float at:R}, allowed {allowed:R}"
        )

    member this.Same(oracle: string, what: string, expected: NDArray, actual: NDArray) : unit =
        this.Note(
            oracle,
            (if sameBits expected actual then 0.0 else infinity),
            1.0,
            fun () ->
                let struct (_, at) = farthest expected actual
                if at < 0 then
                    $"{what}: expected {text expected}, got {text actual}"
                else
                    $"{what}, element {at} of {expected.Shape}: expected {expected.Float at:R}, got {actual.Float at:R}, to the bit"
        )

/// How much is asked for.
type Order =
    | Values = 0
    | First = 1
    | Second = 2

/// A program under test, with what several oracles need.
[<Sealed>]
type Subject(program: GraphProgram, seed: uint64) =
    let variable (i: int) (value: NDArray) = variableOf $"x{i}" value
    let build single program =
        GraphProgram.buildWith Table.meaning single variable program
    let own = lazy build DType.Float32 program
    let hasSingle =
        lazy
            (Graph.topological own.Value.Outputs
             |> Array.exists (fun e -> e.DType = DType.Float32))
    let precise =
        lazy
            if hasSingle.Value then
                build DType.Float64 program
            else
                own.Value

    /// Numbers of the shape and type of a node; the same for a node of the same shape.
    let numbers (salt: uint64) (e: Expr) =
        let r = SplitMix(SplitMix.Derive(seed, salt))
        let values =
            Array.init e.Shape.Length (fun _ -> float (float32 (r.Within(-1.5, 1.5))))
        ofFloats e.DType e.Shape values
    let derives =
        lazy
            (let b = own.Value
             isFloat b.Outputs[0].DType
             && (Graph.dependents b.Floats (Graph.topological [ b.Outputs[0] ]))[b.Outputs[0]])

    member _.Program = program
    member _.Seed = seed
    /// The graph as it is.
    member _.Own = own.Value
    /// The same with float64 in place of float32.
    member _.Precise = precise.Value
    member _.HasSingle = hasSingle.Value
    /// Whether there is something to differentiate.
    member _.Derives = derives.Value
    member _.Build(program: GraphProgram) : Built = build DType.Float64 program
    member _.Random(salt: uint64) = SplitMix(SplitMix.Derive(seed, salt))
    member _.Numbers(salt: uint64, e: Expr) : NDArray = numbers salt e

    /// A scalar of the first output, that no element of it leaves alone.
    member _.Loss(b: Built) : Expr =
        let y = b.Outputs[0]
        let weights = numbers 1UL y
        sum (y * constant weights) * (1.0 / sqrt (float (max 1 y.Shape.Length)))
    /// A direction for each leaf, none long.
    member _.Direction(salt: uint64, b: Built) : NDArray[] =
        let vs = b.Floats |> Array.mapi (fun i x -> numbers (salt + uint64 i) x)
        let norm =
            vs |> Array.sumBy (fun v -> floats v |> Array.sumBy (fun a -> a * a)) |> sqrt
        let factor = float (float32 (1.0 / max 1.0 norm))
        vs
        |> Array.map (fun v -> ofFloats v.DType v.Shape (floats v |> Array.map (fun a -> a * factor)))

    member this.Gradient(b: Built) : Expr[] =
        Gradient.grad Unconnected.Zeros (this.Loss b) b.Floats
    /// The derivative of the gradient along the direction, forward over reverse.
    member this.Second(b: Built) : Expr[] =
        Gradient.hvp (this.Loss b) b.Floats (this.Direction(100UL, b) |> Array.map constant)
    /// The same, reverse over reverse.
    member this.SecondBackward(b: Built) : Expr[] =
        let pairing =
            Array.map2 (fun g v -> sum (g * constant v)) (this.Gradient b) (this.Direction(100UL, b))
            |> Array.reduce (+)
        Gradient.grad Unconnected.Zeros pairing b.Floats

    /// What is computed of a graph: its outputs, and derivatives of the first.
    member this.Roots(b: Built, order: Order) : Expr[] =
        if order = Order.Values || not derives.Value then
            b.Outputs
        else
            Array.concat
                [ b.Outputs
                  [| this.Loss b |]
                  this.Gradient b
                  (if order = Order.Second then this.Second b else [||]) ]

/// Facts of a graph's values that say which oracles can be asked.
type Scan =
    {
        /// How near the first output's graph is to a kink.
        Kink: float
        /// Whether every comparison comes out the same in any order of evaluation, every matrix is definite by more than rounding, and every angle
        /// is known.
        IsRobust: bool
        IsFinite: bool
    }

[<RequireQualifiedAccess>]
module internal Scan =
    let of' (s: Subject) : Scan =
        let b = s.Own
        let opened = Control.inlineAll (Array.append b.Outputs b.Floats)
        let outputs, floats' = opened[.. b.Outputs.Length - 1], opened[b.Outputs.Length ..]
        let nodes = Graph.topological opened
        let values = NodeMap<NDArray>()
        Array.iter2 (fun (e: Expr) v -> values[e] <- v) nodes (Reference.evaluate nodes)
        let exact = NodeMap<bool>()
        for e in nodes do
            exact[e] <- Kinks.keepsExact e && e.Args |> Array.forall (fun a -> exact[a])
        let active = Graph.dependents floats' nodes
        // What the derivative of the first output passes through.
        let seen = NodeMap<bool>()
        let waiting = Stack<Expr>([ outputs[0] ])
        while waiting.Count > 0 do
            let e = waiting.Pop()
            if not seen[e] then
                seen[e] <- true
                match e.Op with
                // A condition behind it turns where differences see it turn.
                | Op.StopGradient when e.DType <> DType.Bool -> ()
                | _ -> Array.iter waiting.Push e.Args
        let margin = if s.HasSingle then 1e-3 else 1e-7
        let mutable kink, robust = infinity, true
        for e in nodes do
            match e.Op with
            // What makes it definite vanishes beside such numbers: it is singular but for rounding.
            | Op.Linalg _ when largest [| values[e.Args[0]] |] > 1e8 -> robust <- false
            // Rounding of the angle turns it by as much.
            | Op.Elementwise(Fn.Sin | Fn.Cos | Fn.Tan | Fn.Sinc | Fn.SincDerivative) when
                not exact[e.Args[e.Args.Length - 1]]
                && largest [| values[e.Args[e.Args.Length - 1]] |] > 1e6
                ->
                robust <- false
            | _ -> ()
            match Kinks.operands e with
            | [] -> ()
            | operands ->
                let isExact = operands |> List.forall (fun a -> exact[a])
                let isActive = seen[e] && operands |> List.exists (fun a -> active[a])
                if isActive || not isExact then
                    let near = Kinks.nearest e (e.Args |> Array.map (fun a -> values[a]))
                    if isActive then
                        kink <- min kink near
                    if not isExact && near <= margin then
                        robust <- false
        { Kink = kink
          IsRobust = robust
          IsFinite = nodes |> Array.forall (fun e -> isFinite values[e]) }
