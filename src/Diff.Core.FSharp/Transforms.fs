namespace Diff

open System

/// A function applied to placeholders in place of the leaves of its argument, so that derivatives mean its argument alone:
/// leaves given twice are two, and what it captures is constant.
type internal Traced<'T, 'R> =
    { Structure: TreeStructure
      Leaves: Expr[]
      Holes: Expr[]
      Output: 'R }

[<RequireQualifiedAccess>]
module internal Trace =
    let run operation (f: 'T -> 'R) (x: 'T) : Traced<'T, 'R> =
        let structure, leaves = Tree.split operation x
        let holes =
            leaves |> Array.mapi (fun i e -> Leaf.input structure.Paths[i] e.Shape e.DType)
        { Structure = structure
          Leaves = leaves
          Holes = holes
          Output = f (Tree.join operation structure holes) }

    /// The same, for derivatives with respect to all leaves.
    let smooth operation (f: 'T -> 'R) (x: 'T) : Traced<'T, 'R> =
        let traced = run operation f x
        Seq.iter2
            (fun (path: string) (e: Expr) ->
                if not (DType.isReal e.DType) then
                    let name =
                        if path = "" then
                            "the argument"
                        else
                            $"the argument \"{path}\""
                    raise (
                        DTypeException
                            $"{operation}: {name} is {DType.name e.DType}; derivatives need float32 or float64, so let the function capture it, or cast it"
                    ))
            traced.Structure.Paths
            traced.Leaves
        traced

    /// Graphs of the placeholders as graphs of the arguments.
    let close (traced: Traced<'T, 'R>) (roots: Expr[]) : Expr[] =
        Graph.substitute (Array.zip traced.Holes traced.Leaves) roots

    /// The same, call after call: a node is made once, so that later graphs share what earlier ones have.
    let closer (traced: Traced<'T, 'R>) : Expr[] -> Expr[] =
        let closed = NodeMap<Expr | null>()
        Array.iter2 (fun hole leaf -> closed[hole] <- leaf) traced.Holes traced.Leaves
        let found (e: Expr) : Expr =
            match closed[e] with
            | null -> e
            | other -> other
        fun roots ->
            for node in Graph.topological roots do
                if isNull closed[node] then
                    let args = Array.map found node.Args
                    let isSame = Array.forall2 (fun a b -> obj.ReferenceEquals(a, b)) args node.Args
                    closed[node] <- if isSame then node else node.With args
            Array.map found roots

    /// Values like the leaves of an argument or result: one for each, of its shape.
    let alike
        operation
        what
        (structure: TreeStructure)
        (of': Expr[])
        (dtype: DType -> DType)
        (value: 'T)
        : Expr[] =
        let other, leaves = Tree.split operation value
        if not (other.Count = structure.Count && Seq.forall2 (=) other.Paths structure.Paths) then
            invalidArg "value" $"{operation}: the {what} have the structure {other}, expected {structure}"
        leaves
        |> Array.iteri (fun i v ->
            let x = of'[i]
            if not (v.Shape.Equals x.Shape) || v.DType <> dtype x.DType then
                let path = structure.Paths[i]
                let name = if path = "" then "" else $" \"{path}\""
                raise (
                    ShapeException
                        $"{operation}: among the {what},{name} has shape {v.Shape}, {DType.name v.DType}, expected shape {x.Shape}, {DType.name (dtype x.DType)}"
                ))
        leaves

/// Transforms of functions of nested arguments (see Tree): from a function to a function, where Derivatives has those from graph to graph.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Transforms =
    let private simplified = Derivatives.simplified

    /// The value of f and the derivative of its sum with respect to every leaf of the argument, nested as the argument is.
    let valueAndGradOf (f: 'T -> Expr) (x: 'T) : Expr * 'T =
        let mutable structure = None
        let found =
            simplified (fun () ->
                let traced = Trace.smooth "valueAndGradOf" f x
                structure <- Some traced.Structure
                Gradient.grad Unconnected.Zeros traced.Output traced.Holes
                |> Array.append [| traced.Output |]
                |> Trace.close traced)
        found[0], Tree.join "valueAndGradOf" structure.Value found[1..]

    /// The derivative of the sum of f's value with respect to every leaf of the argument, nested as the argument is.
    let gradOf (f: 'T -> Expr) (x: 'T) : 'T = valueAndGradOf f x |> snd

    /// The value of f and its pullback: from cotangents nested as the value is to cotangents nested as the argument is.
    let vjpOf (f: 'T -> 'R) (x: 'T) : 'R * ('R -> 'T) =
        let traced = Trace.smooth "vjpOf" f x
        let structure, outputs = Tree.split "vjpOf" traced.Output
        let close = Trace.closer traced
        let values = close outputs
        let pullback (cotangents: 'R) =
            let gs =
                Trace.alike "vjpOf" "cotangents" structure outputs DType.ofDerivative cotangents
            simplified (fun () ->
                let one =
                    Array.map2 (fun y g -> Gradient.vjp Unconnected.Zeros y g traced.Holes) outputs gs
                let sums =
                    Array.init traced.Holes.Length (fun i ->
                        one |> Array.map (fun parts -> parts[i]) |> Array.reduce (+))
                close sums)
            |> Tree.join "vjpOf" traced.Structure
        Tree.join "vjpOf" structure values, pullback

    /// The tangents of results along tangents of the placeholders.
    let private pushed (traced: Traced<'T, 'R>) (outputs: Expr[]) (vs: Expr[]) =
        outputs |> Array.map (fun y -> Gradient.jvp y traced.Holes vs)

    /// The value of f and its derivative along tangents, which are nested as the argument is; the result is nested as the value is.
    let jvpOf (f: 'T -> 'R) (x: 'T) (tangents: 'T) : 'R * 'R =
        let traced = Trace.smooth "jvpOf" f x
        let vs =
            Trace.alike "jvpOf" "tangents" traced.Structure traced.Leaves DType.ofDerivative tangents
        let structure, outputs = Tree.split "jvpOf" traced.Output
        let found =
            simplified (fun () -> Array.append outputs (pushed traced outputs vs) |> Trace.close traced)
        Tree.join "jvpOf" structure found[.. outputs.Length - 1],
        Tree.join "jvpOf" structure found[outputs.Length ..]

    /// The derivative of f's value with respect to each leaf of the argument: the axes of the value, then those of the leaf.
    let jacobianOf (f: 'T -> Expr) (x: 'T) : 'T =
        let mutable structure = None
        let found =
            simplified (fun () ->
                let traced = Trace.smooth "jacobianOf" f x
                structure <- Some traced.Structure
                traced.Holes
                |> Array.map (Jacobians.jacobian JacobianMode.Auto traced.Output)
                |> Trace.close traced)
        Tree.join "jacobianOf" structure.Value found

    /// The second derivatives of a scalar function: a block for each pair of leaves of the argument, in their order, with the axes of both.
    /// For one matrix, take it of a raveled argument (Tree.ravel).
    let hessianOf (f: 'T -> Expr) (x: 'T) : Expr list list =
        let mutable n = 0
        let found =
            simplified (fun () ->
                let traced = Trace.smooth "hessianOf" f x
                n <- traced.Holes.Length
                if traced.Output.Shape.Length <> 1 then
                    raise (
                        ShapeException
                            $"hessianOf: expected a scalar, but the value to differentiate has shape {traced.Output.Shape}; sum it"
                    )
                let gradient = Gradient.grad Unconnected.Zeros traced.Output traced.Holes
                Array.allPairs gradient traced.Holes
                |> Array.map (fun (g, x) -> Jacobians.jacobian JacobianMode.Auto g x)
                |> Trace.close traced)
        found |> Array.chunkBySize (max 1 n) |> Array.map List.ofArray |> List.ofArray

    /// The second derivative of a scalar function applied to directions, which are nested as the argument is, as the result is.
    let hvpOf (f: 'T -> Expr) (x: 'T) (directions: 'T) : 'T =
        let traced = Trace.smooth "hvpOf" f x
        let vs =
            Trace.alike "hvpOf" "directions" traced.Structure traced.Leaves DType.ofDerivative directions
        simplified (fun () -> Gradient.hvp traced.Output traced.Holes vs |> Trace.close traced)
        |> Tree.join "hvpOf" traced.Structure

    /// f for all slices of all leaves along their leading axes at once, its results stacked; see vmap.
    let vmapOf (f: 'T -> 'R) (x: 'T) : 'R =
        let structure, leaves = Tree.split "vmapOf" x
        let mutable result = None
        let onLeaves =
            Func<Expr[], Expr[]>(fun slices ->
                let shape, outputs = Tree.split "vmapOf" (f (Tree.join "vmapOf" structure slices))
                result <- Some shape
                outputs)
        let stacked =
            Vectorization.vmapAxes (Array.create leaves.Length (Nullable 0)) 0 onLeaves leaves
        Tree.join "vmapOf" result.Value stacked

    /// f, whose intermediate values are not kept for the derivative but computed again there; see checkpoint.
    let checkpointOf (f: 'T -> Expr) (x: 'T) : Expr =
        let structure, leaves = Tree.split "checkpointOf" x
        Control.checkpoint (fun xs -> f (Tree.join "checkpointOf" structure xs)) leaves

    /// The value of f, and its derivative as a function of tangents, whose graphs share the nodes of the value: however often it is applied,
    /// the value is computed once.
    let linearizeOf (f: 'T -> 'R) (x: 'T) : 'R * ('T -> 'R) =
        let traced = Trace.smooth "linearizeOf" f x
        let vs =
            traced.Holes
            |> Array.map (fun x -> Leaf.input "tangent" x.Shape (DType.ofDerivative x.DType))
        let structure, outputs = Tree.split "linearizeOf" traced.Output
        let close = Trace.closer traced
        let values = close outputs
        let tangents = simplified (fun () -> close (pushed traced outputs vs))
        let apply (directions: 'T) =
            let given =
                Trace.alike
                    "linearizeOf"
                    "tangents"
                    traced.Structure
                    traced.Leaves
                    DType.ofDerivative
                    directions
            Graph.substitute (Array.zip vs given) tangents
            |> Tree.join "linearizeOf" structure
        Tree.join "linearizeOf" structure values, apply

    /// Taylor mode: the coefficients 0 … order of f along the curve x + x₁·t + x₂·t² + …, given by its coefficients from the first on, each nested
    /// as the argument is; see jet.
    let jetOf (order: int) (f: 'T -> 'R) (x: 'T) (curve: 'T list) : 'R list =
        let traced = Trace.smooth "jetOf" f x
        let structure, outputs = Tree.split "jetOf" traced.Output
        let coefficients =
            curve
            |> List.map (Trace.alike "jetOf" "coefficients" traced.Structure traced.Leaves DType.ofDerivative)
        let curves =
            Array.init traced.Holes.Length (fun i -> [| for c in coefficients -> c[i] |])
        let found =
            simplified (fun () ->
                outputs
                |> Array.collect (fun y -> Jet.run order y traced.Holes curves)
                |> Trace.close traced)
        [ for k in 0..order ->
              outputs
              |> Array.mapi (fun i _ -> found[i * (order + 1) + k])
              |> Tree.join "jetOf" structure ]

    // ---- Functions with derivatives of one's own -----------------------------------------------------------------------

    let private checkedLike operation what (like: Expr) (e: Expr) =
        if not (e.Shape.Equals like.Shape) || e.DType <> DType.ofDerivative like.DType then
            raise (
                ShapeException
                    $"{operation}: its rule gave a {what} of shape {e.Shape}, {DType.name e.DType}, where shape {like.Shape}, {DType.name (DType.ofDerivative like.DType)}, was expected"
            )
        e

    /// f with a derivative of your own, for stability or speed: `backward` gives, from argument, value and cotangent of the value, the cotangents of
    /// the argument's leaves (those of integers do not count). It is a graph, so derivatives of every order follow from it, not from f. f and
    /// the rule may capture only constants and what is wrapped in stopGradient.
    let customGrad (f: 'T -> Expr) (backward: 'T -> Expr -> Expr -> 'T) (x: 'T) : Expr =
        let structure, leaves = Tree.split "customGrad" x
        let nested xs : 'T = Tree.join "customGrad" structure xs
        let vjp xs y g : (Expr | null)[] =
            let other, parts = Tree.split "customGrad" (backward (nested xs) y g)
            if not (Seq.forall2 (=) other.Paths structure.Paths && other.Count = structure.Count) then
                invalidOp
                    $"customGrad: its rule gave cotangents of the structure {other}, expected {structure}"
            Array.map2
                (fun (x: Expr) part ->
                    if DType.isReal x.DType then
                        (checkedLike "customGrad" "cotangent" x part: Expr | null)
                    else
                        null)
                xs
                parts
        Control.custom "customGrad" (fun xs -> f (nested xs)) (GivenDerivative.Vjp vjp) leaves

    /// f with a derivative of your own: `forward` gives, from argument, value and tangents of the argument, the tangent of the value. It must be
    /// linear in the tangents; reverse mode is its transpose, and derivatives of every order follow from it. f and the rule may
    /// capture only constants and what is wrapped in stopGradient.
    let customJvp (f: 'T -> Expr) (forward: 'T -> Expr -> 'T -> Expr) (x: 'T) : Expr =
        let structure, leaves = Tree.split "customJvp" x
        let nested xs : 'T = Tree.join "customJvp" structure xs
        let jvp (xs: Expr[]) (y: Expr) (vs: (Expr | null)[]) =
            let tangents =
                Array.map2
                    (fun (x: Expr) (v: Expr | null) ->
                        match v with
                        | null -> Expr.NoDerivative x
                        | v -> v)
                    xs
                    vs
            forward (nested xs) y (nested tangents) |> checkedLike "customJvp" "tangent" y
        Control.custom "customJvp" (fun xs -> f (nested xs)) (GivenDerivative.Jvp jvp) leaves
