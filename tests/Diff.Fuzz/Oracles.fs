/// The questions that have two answers which must agree.
module internal Diff.Fuzz.Oracles

open System
open System.Collections.Generic
open Diff
open Diff.Kernels
open Diff.Fuzz.Arrays

// ---- What the reference says ------------------------------------------------------------------------------------------

/// Results, how far another evaluation of each may be from it, and the largest number on the way.
type Expected =
    {
        Values: NDArray[]
        Allowed: float[]
        /// How far rounding within the graph moves each, estimated where an evaluation is farther off than allowed.
        Moved: Lazy<float[]>
        Scale: float
        /// Whether every number on the way is finite.
        IsFinite: bool
    }

let private reference (roots: Expr[]) : struct (NDArray[] * float * bool) =
    let opened = Control.inlineAll roots
    let nodes = Graph.topological opened
    let values = Reference.evaluate (Array.append opened nodes)
    struct (values[.. roots.Length - 1], largest values, Array.forall isFinite values)

/// How far finite elements of two arrays are apart.
let private error (a: NDArray) (b: NDArray) : float =
    let mutable most = 0.0
    for i in 0 .. a.Length - 1 do
        let d = abs (a.Float i - b.Float i)
        if Double.IsFinite d then
            most <- max most d
    most

/// The graph with every operand of what rounds off by up to some units in its last place: terms of 1e59 that cancel leave as much as
/// rounding may leave of them.
let private shaken (r: SplitMix) (roots: Expr[]) : Expr[] =
    let shake (a: Expr) =
        match a.Op with
        // Whole exponents and orders stay whole.
        | Op.Const _ -> a
        | _ when isFloat a.DType ->
            let unit = if a.DType = DType.Float32 then 4.8e-7 else 8.9e-16
            let factors = Array.init a.Shape.Length (fun _ -> 1.0 + unit * r.Within(-1.0, 1.0))
            a * constant (ofFloats a.DType a.Shape factors)
        | _ -> a
    Control.inlineAll roots
    |> Graph.map (fun e ->
        if Kinks.keepsExact e then
            e
        else
            e.With(Array.map shake e.Args))

/// Rounding grows with the largest number on the way; in float32 also with how far float32 is from float64 already.
let expected (s: Subject) (order: Order) : struct (Expr[] * Expected) =
    let roots = s.Roots(s.Own, order)
    let struct (values, scale, isFinite) = reference roots
    let allowed =
        if s.HasSingle then
            // Long sums come out otherwise in another order.
            let longest =
                Graph.topological roots |> Seq.fold (fun n e -> max n e.Shape.Length) 1
            let share = 1e-5 * max 1.0 (sqrt (float longest) / 30.0)
            let better = Reference.evaluate (s.Roots(s.Precise, order))
            Array.map2 (fun a b -> share * scale + 8.0 * error a b) values better
        else
            Array.create values.Length (1e-11 * scale)
    struct (roots,
            { Values = values
              Allowed = allowed
              Moved =
                lazy
                    (Array.map2
                        (fun value other -> 16.0 * error value other)
                        values
                        (Reference.evaluate (shaken (s.Random 17UL) roots)))
              Scale = scale
              IsFinite = isFinite })

// ---- What the engine says ---------------------------------------------------------------------------------------------

let private results (roots: Expr[]) =
    roots |> Array.mapi (fun k _ -> Target.Result k)

/// A plan of loops, however small the graph is.
let planOf (tier: Tier) (prepared: Expr[]) : Plan =
    Planner.makeLowered (EngineOptions(1, tier)) [||] prepared (results prepared)

/// The results of a run into memory full of other numbers, and of another run over what that left behind.
let run (note: Recorder) (what: string) (plan: Plan) (threads: int) : NDArray[] =
    let plan = Plan { plan.Data with Threads = threads }
    let results = plan.NewResults()
    for r in results do
        (bytesOf r).Fill 0xA5uy
    plan.Run([||], results)
    let first = results |> Array.map _.Clone()
    plan.Run([||], results)
    Array.iteri2 (fun k a b -> note.Same("repeat", $"{what}, result {k} of a second run", a, b)) first results
    first

let private near (note: Recorder) oracle what (e: Expected) (actual: NDArray[]) =
    actual
    |> Array.iteri (fun k a ->
        let struct (off, _) = farthest e.Values[k] a
        let allowed =
            if off <= e.Allowed[k] then
                e.Allowed[k]
            else
                e.Allowed[k] + e.Moved.Value[k]
        note.Compare(oracle, allowed, $"{what}, result {k}", e.Values[k], a))

let private same (note: Recorder) oracle what (expected: NDArray[]) (actual: NDArray[]) =
    Array.iteri2 (fun k e a -> note.Same(oracle, $"{what}, result {k}", e, a)) expected actual

/// Whether numbers that are not finite come out the same in any order of evaluation.
let private isOrdered (roots: Expr[]) =
    Graph.topological (Control.inlineAll roots)
    |> Array.forall (fun e ->
        match e.Op with
        | Op.Einsum spec -> spec.Inputs.Length = 1
        | _ -> true)

let private name (order: Order) =
    match order with
    | Order.Values -> "value"
    | Order.First -> "gradient"
    | _ -> "second"

/// The reference against each part of the way to a plan, and plans against each other.
let engine (s: Subject) (note: Recorder) (asked: string -> float -> bool) (order: Order) : unit =
    let struct (roots, e) = expected s order
    // Products of several may overflow in one order and not in another, also where nothing in the end is infinite.
    let isTame = e.IsFinite && e.Scale < (if s.HasSingle then 1e10 else 1e75)
    if not isTame && not (isOrdered roots) then
        note.Skip "a contraction of numbers that are not finite"
    else
        let before = s.Program.Leaves |> Array.map _.Value.Clone()
        let simple = roots |> Control.inlineAll |> Simplify.run
        if asked "simplify" 0.3 then
            near note "simplify" "simplified" e (Reference.evaluate simple)
        let lowered = Lower.run simple
        if asked "lower" 0.2 then
            near note "lower" "lowered" e (Reference.evaluate lowered)
        let tiles = planOf Tier.Tiles lowered
        let onTiles = run note "on tiles" tiles 1
        near note (name order) "on tiles" e onTiles
        let elements = lowered |> Array.sumBy (fun r -> r.Shape.Length)
        let isLarge =
            Graph.topological lowered |> Array.exists (fun r -> r.Shape.Length > 4096)
        if isLarge || asked "threads" 0.04 then
            for threads in [ 2; 4; 7 ] do
                same note "threads" $"{threads} threads" onTiles (run note $"{threads} threads" tiles threads)
        if asked "compiled" (if isLarge then 0.3 else 0.05) then
            let plan = planOf Tier.Compiled lowered
            same note "compiled" "compiled" onTiles (run note "compiled" plan 1)
            if isLarge then
                same note "compiled" "compiled, 4 threads" onTiles (run note "compiled, 4 threads" plan 4)
        if elements <= 400 && asked "scalar" 0.25 then
            // As any caller's plan is made: of few numbers, as straight-line code, interpreted or compiled.
            for options in [ EngineOptions(1, Tier.Tiles); EngineOptions(1, Tier.Compiled) ] do
                if options.Tier = Tier.Tiles || asked "scalar compiled" 0.1 then
                    let plan = Planner.makeSimple options [||] simple (results simple)
                    near note "scalar" $"planned for {options.Tier}" e (run note "planned" plan 1)
        Array.iteri2
            (fun i (leaf: Leaf) was -> note.Same("inputs", $"leaf {i} after the runs", was, leaf.Value))
            s.Program.Leaves
            before

// ---- Differences ------------------------------------------------------------------------------------------------------

/// The program in which what no derivative passes through is a number: what differences see of the others is the derivative.
let private frozen (s: Subject) : GraphProgram =
    let p = s.Program
    if p.Steps |> Array.exists (fun step -> step.Op = "stop_gradient") then
        let values = Reference.evaluate s.Precise.Nodes
        let nodes =
            GraphProgram.flat p
            |> Array.mapi (fun n node ->
                match node with
                | Choice2Of2 step when step.Op = "stop_gradient" ->
                    Choice1Of2 { Value = values[n]; IsConstant = true }
                | node -> node)
        GraphProgram.ofFlat nodes p.Outputs
    else
        p

/// Values at points along a direction: f(h) evaluates with every leaf moved by h times its direction.
let private along (b: Built) (direction: NDArray[]) (roots: Expr[]) : float -> NDArray[] =
    let centre = b.Floats |> Array.map (fun x -> (eval x).Clone())
    fun h ->
        for k in 0 .. b.Floats.Length - 1 do
            let moved = centre[k].Clone()
            let span = moved.Span<float>()
            for i in 0 .. span.Length - 1 do
                span[i] <- span[i] + h * direction[k].Float i
            assign b.Floats[k] moved
        let values = Reference.evaluate roots
        for k in 0 .. b.Floats.Length - 1 do
            assign b.Floats[k] centre[k]
        values

/// Central differences of three steps, extrapolated twice: the derivative, and how far the two extrapolations are apart.
let private extrapolated (f: float -> NDArray[]) : (float[] * float)[] =
    let central h =
        Array.map2
            (fun (a: NDArray) (b: NDArray) ->
                Array.map2 (fun x y -> (x - y) / (2.0 * h)) (floats a) (floats b))
            (f h)
            (f -h)
    let d1, d2, d3 = central 1e-3, central 5e-4, central 2.5e-4
    Array.map3
        (fun a b c ->
            let r1 = Array.map2 (fun a b -> (4.0 * b - a) / 3.0) a b
            let r2 = Array.map2 (fun b c -> (4.0 * c - b) / 3.0) b c
            let apart = Array.fold2 (fun m x y -> max m (abs (x - y))) 0.0 r1 r2
            Array.map2 (fun x y -> (16.0 * y - x) / 15.0) r1 r2, apart)
        d1
        d2
        d3

/// The gradient, and its derivative, against differences in a direction.
let differences (s: Subject) (note: Recorder) (asked: string -> float -> bool) (scan: Scan) : unit =
    if not s.Derives then
        note.Skip "nothing to differentiate"
    elif not scan.IsFinite then
        note.Skip "numbers that are not finite"
    elif scan.Kink < 1e-2 then
        note.Skip "near a kink"
    else
        let b = s.Precise
        let struct (values, scale, _) =
            reference (Array.append [| s.Loss b |] (s.Gradient b))
        let gradient = values[1..]
        if not (Double.IsFinite scale) || scale > 1e12 then
            note.Skip "numbers too large for differences"
        else
            let program = frozen s
            let still =
                if obj.ReferenceEquals(program, s.Program) then
                    b
                else
                    s.Build program
            let direction = s.Direction(100UL, b)
            let compare oracle allowed (roots: Expr[]) (expected: NDArray[]) =
                extrapolated (along still direction roots)
                |> Array.iteri (fun k (difference, apart) ->
                    if apart > 1e-7 * scale || Double.IsNaN apart then
                        note.Skip "differences that do not settle"
                    else
                        note.Compare(
                            oracle,
                            allowed * scale,
                            $"differences, result {k}",
                            NDArray.Create(difference, expected[k].Shape),
                            expected[k]
                        ))
            let slope =
                Array.fold2
                    (fun total (g: NDArray) (v: NDArray) ->
                        total + Array.fold2 (fun t x y -> t + x * y) 0.0 (floats g) (floats v))
                    0.0
                    gradient
                    direction
            compare "differences" 1e-9 [| s.Loss still |] [| NDArray.Create([| slope |], Shape.Scalar) |]
            let isSmall = s.Program.Count < 300
            if isSmall && asked "second differences" 0.5 then
                let struct (second, largest, _) = reference (s.Second b)
                if largest < 1e12 then
                    compare "second differences" 1e-8 (s.Gradient still) second
                    let backward = Reference.evaluate (s.SecondBackward b)
                    Array.iteri2
                        (fun k e a ->
                            note.Compare("modes", 1e-11 * largest, $"second derivative of leaf {k}", e, a))
                        second
                        backward

/// Float32 against float64.
let single (s: Subject) (note: Recorder) (scan: Scan) : unit =
    if s.HasSingle then
        if not scan.IsFinite then
            note.Skip "numbers that are not finite"
        elif scan.Kink < 1e-2 then
            note.Skip "near a kink"
        else
            let struct (precise, scale, _) = reference (s.Roots(s.Precise, Order.First))
            if scale > 1e10 then
                note.Skip "numbers that may be too large for float32 on the way"
            else
                let own = planOf Tier.Tiles (Planner.prepare (s.Roots(s.Own, Order.First)))
                let allowed = if s.Program.Steps.Length < 10 then 1e-5 else 1e-4
                Array.iteri2
                    (fun k (e: NDArray) (a: NDArray) ->
                        if isFloat e.DType then
                            note.Compare(
                                "single",
                                allowed * scale,
                                $"float32, result {k}",
                                e,
                                ofFloats DType.Float64 a.Shape (floats a)
                            ))
                    precise
                    (own.Run [||])
