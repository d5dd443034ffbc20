/// What must hold of a graph and its derivatives whatever they are.
module internal Diff.Fuzz.Metamorphic

open System
open Diff
open Diff.Kernels
open Diff.Fuzz.Arrays
open Diff.Fuzz.Transformed

let private dot (xs: NDArray[]) (ys: NDArray[]) =
    Array.fold2
        (fun total (x: NDArray) (y: NDArray) ->
            total + Array.fold2 (fun t a b -> t + a * b) 0.0 (floats x) (floats y))
        0.0
        xs
        ys

/// Pulling back 2g − 3h gives what g gives, twice, less three times what h gives; and y + y has twice the gradient of y.
let private linear (s: Subject) (b: Built) (note: Recorder) scale =
    let y = b.Outputs[0]
    let g, h = constant (s.Numbers(11UL, y)), constant (s.Numbers(12UL, y))
    let back cotangent =
        Gradient.vjp Unconnected.Zeros y cotangent b.Floats
    let combined = Array.map2 (fun a b -> 2.0 * a - 3.0 * b) (back g) (back h) |> values
    // An infinite slope has no multiples to add: √x at 0.
    if Array.forall isFinite combined then
        near note "linear" (1e-11 * scale) combined (values (back (2.0 * g - 3.0 * h)))
        let doubled = Gradient.vjp Unconnected.Zeros (y + y) g b.Floats
        near note "twice" (1e-12 * scale) (values (back (2.0 * g))) (values doubled)

/// ⟨u, J v⟩ = ⟨Jᵀu, v⟩.
let private adjoint (s: Subject) (b: Built) (note: Recorder) scale =
    let y = b.Outputs[0]
    let u, v = s.Numbers(13UL, y), s.Direction(200UL, b)
    let pushed = Gradient.jvp y b.Floats (v |> Array.map constant)
    let pulled = Gradient.vjp Unconnected.Zeros y (constant u) b.Floats
    let all = values (Array.append [| pushed |] pulled)
    let left, right = dot [| u |] [| all[0] |], dot all[1..] v
    let size = scale * sqrt (float (max 1 y.Shape.Length))
    note.Note(
        "adjoint",
        distance left right,
        1e-10 * size,
        fun () -> $"⟨u, Jv⟩ = {left:R}, ⟨J'u, v⟩ = {right:R}"
    )

/// ⟨w, H v⟩ = ⟨v, H w⟩.
let private symmetric (s: Subject) (b: Built) (note: Recorder) =
    let v, w = s.Direction(300UL, b), s.Direction(400UL, b)
    let along d =
        Gradient.hvp (s.Loss b) b.Floats (d |> Array.map constant)
    let both = Array.append (along v) (along w)
    let scale = scaleOf both
    let all = values both
    let n = b.Floats.Length
    let left, right = dot w all[.. n - 1], dot v all[n..]
    note.Note(
        "symmetric",
        distance left right,
        1e-10 * scale,
        fun () -> $"⟨w, Hv⟩ = {left:R}, ⟨v, Hw⟩ = {right:R}"
    )

/// Leaves through a function index by index: f(s(t)) has the gradient s′(t)·∇f.
let private chained (s: Subject) (b: Built) (note: Recorder) scale (expected: NDArray[]) =
    // s(t) = sinh t = (eᵗ − e⁻ᵗ)/2, t = asinh x.
    let inner =
        b.Floats
        |> Array.map (fun x ->
            let v = eval x
            variableOf "t" (NDArray.Create(floats v |> Array.map Math.Asinh, v.Shape)))
    let through (t: Expr) = 0.5 * (exp t - exp -t)
    let other = rebuilt s b (fun k -> through inner[k])
    let g = Gradient.grad Unconnected.Zeros (s.Loss other) inner
    let slope =
        b.Floats
        |> Array.map (fun x -> floats (eval x) |> Array.map (fun v -> sqrt (1.0 + v * v)))
    let wanted =
        Array.map2
            (fun (e: NDArray) slope -> NDArray.Create(Array.map2 (*) (floats e) slope, e.Shape))
            expected
            slope
    near note "chained" (1e-8 * scale) wanted (values g)

/// Leaves that have become constants give the same values.
let private folded (s: Subject) (b: Built) (note: Recorder) scale =
    let r = s.Random 14UL
    let constants =
        { s.Program with
            Leaves =
                s.Program.Leaves
                |> Array.map (fun l -> if r.Chance 0.5 then { l with IsConstant = true } else l) }
    let other =
        GraphProgram.buildWith Table.meaning DType.Float64 (fun _ v -> variableOf "" v) constants
    near note "constants" (1e-11 * scale) (values b.Outputs) (values other.Outputs)

/// The whole graph as a checkpoint: the same gradient.
let private recomputed (s: Subject) (b: Built) (note: Recorder) scale expected =
    let y = checkpoint (fun _ -> b.Outputs[0]) (List.ofArray b.Floats)
    let inside =
        Control.checkpoint (fun holes -> (rebuilt s b (fun k -> holes[k])).Outputs[0]) b.Floats
    for y in [ y; inside ] do
        let loss = s.Loss { b with Outputs = [| y |] }
        near
            note
            "checkpoint"
            (1e-11 * scale)
            expected
            (values (Gradient.grad Unconnected.Zeros loss b.Floats))

/// Run, run with other numbers, run again: the first bits. And the same through the cache of plans, by a graph built anew.
let private reused (s: Subject) (b: Built) (note: Recorder) scale (expected: NDArray[]) =
    let gradient = s.Gradient b
    let plan = Oracles.planOf Tier.Tiles (Planner.prepare gradient)
    let first = plan.Run [||]
    let own = b.Floats |> Array.map eval
    let others = b.Floats |> Array.mapi (fun k x -> s.Numbers(500UL + uint64 k, x))
    let set (values: NDArray[]) = Array.iter2 assign b.Floats values
    // The other numbers may be outside the domain of the graph; what counts is what they leave behind.
    set others
    let cached = Evaluate.many gradient
    let between = plan.Run [||]
    let fresh = Reference.evaluate gradient
    set own
    Array.iteri2 (fun k e a -> note.Same("reuse", $"leaf {k}", e, a)) first (plan.Run [||])
    near note "cache" (1e-11 * scale) expected (Evaluate.many gradient)
    if Array.forall isFinite fresh && Array.forall isFinite between then
        let size = largest fresh * scale * 1e3
        Array.iteri2
            (fun k e a -> note.Compare("reuse", 1e-10 * size, $"other numbers, leaf {k}", e, a))
            fresh
            between
        Array.iteri2
            (fun k e a -> note.Compare("cache", 1e-10 * size, $"other numbers, leaf {k}", e, a))
            fresh
            cached

/// The same graph with another number among its attributes: what was found for the one must not be taken for the other.
let private varied (s: Subject) (note: Recorder) =
    let r = s.Random 15UL
    let other (step: Application) =
        let change (name: string, attr: Attr) =
            match step.Op, name, attr with
            | "const", "value", Filled(dims, v) ->
                name, Filled(dims, (if r.Chance 0.5 then Math.BitIncrement v else v + 0.25))
            | "slice", "slices", Bounds bounds ->
                // The other direction begins elsewhere; a longer step begins where this one does.
                let change =
                    if r.Chance 0.4 then
                        (~-)
                    else
                        (fun step -> step + sign step)
                let axis = bounds.Length - 1
                let start, stop, step = bounds[axis]
                name, Bounds(List.updateAt axis (start, stop, change step) bounds)
            | "embed", "steps", Ints steps -> name, Ints(steps |> List.map (fun s -> s + r.Between(0, 1)))
            | "embed", "starts", Ints starts -> name, Ints(starts |> List.map (fun a -> a + r.Between(-1, 1)))
            | "unfold", "dilation", Int 1 -> name, Int 2
            | _, "axis", Int axis -> name, Int(if axis <> 0 then 0 else -1)
            | "transpose", "perm", Ints order -> name, Ints(List.rev order)
            | _ -> name, attr
        { step with
            Attrs = step.Attrs |> List.map change }
    let tried =
        s.Program.Steps
        |> Array.map (fun step -> if r.Chance 0.5 then other step else step)
    let b = s.Precise
    Evaluate.many b.Outputs |> ignore
    let built =
        try
            // Most changes change shapes, which then do not fit.
            let built = s.Build { s.Program with Steps = tried }
            let values = Reference.evaluate built.Outputs
            if Array.forall isFinite values then
                ValueSome(struct (built, values))
            else
                ValueNone
        with
        | :? ArgumentException
        | :? IndexOutOfRangeException -> ValueNone
    match built with
    | ValueNone -> ()
    | ValueSome(struct (built, expected)) ->
        let scale = scaleOf built.Outputs
        let isRobust =
            (Scan.of' (Subject({ s.Program with Steps = tried }, s.Seed))).IsRobust
        if isRobust && scale < 1e12 then
            near note "varied" (1e-10 * scale) expected (Evaluate.many built.Outputs)

let check (s: Subject) (note: Recorder) (asked: string -> float -> bool) (scan: Scan) : unit =
    if
        s.Derives
        && scan.IsFinite
        && scan.IsRobust
        && not s.HasSingle
        && s.Program.Count < 300
    then
        let b = s.Precise
        let roots = Array.append b.Outputs (s.Gradient b)
        let scale = scaleOf roots
        if scale < 1e12 then
            let expected = lazy (values (s.Gradient b))
            let isApart = scan.Kink > 1e-9
            if asked "linear" 0.12 then
                linear s b note scale
            if asked "adjoint" 0.2 then
                adjoint s b note scale
            if asked "symmetric" 0.08 then
                symmetric s b note
            if asked "arranged" 0.1 then
                arranged s b note scale expected.Value
            if isApart && asked "chained" 0.08 then
                chained s b note scale expected.Value
            if asked "constants" 0.12 then
                folded s b note scale
            if asked "checkpoint" 0.08 then
                recomputed s b note scale expected.Value
            if asked "varied" 0.15 then
                varied s note
            if isApart && asked "reuse" 0.1 then
                reused s b note scale expected.Value
            if asked "stacked" 0.05 then
                stacked s b note scale
            if asked "parts" 0.04 then
                inParts s b note
            if asked "dead code" 0.05 then
                accompanied s b note scale
            if asked "file" 0.06 then
                filed s b note scale
            if asked "shifted" 0.05 then
                shifted s b note scale
            if asked "homogeneous" 0.05 then
                homogeneous s b note
            if asked "einsum" 0.15 then
                contracted s b note
            if asked "masked" 0.05 then
                masked s note
            if asked "masked rows" 0.03 then
                maskedRows s note
