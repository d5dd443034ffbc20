namespace Diff

open System
open System.Collections.Concurrent

/// Functions of nested expressions, traced and planned, as functions of arrays nested in the same way.
[<RequireQualifiedAccess>]
module internal NestedCall =
    let arrays operation (value: 'X) : TreeStructure * NDArray[] =
        let shape, found = TreeShape.split operation typeof<NDArray> typeof<'X> (box value)
        TreeStructure(shape, Array.map fst found), found |> Array.map (fun (_, a) -> a :?> NDArray)

    let ofArrays operation (structure: TreeStructure) (values: NDArray[]) : 'Y =
        TreeShape.join
            operation
            typeof<NDArray>
            typeof<'Y>
            structure.Shape
            (values |> Array.map (fun x -> x :> obj))
        |> Unchecked.unbox<'Y>

    let ofExprs operation (structure: TreeStructure) (inputs: Expr[]) : 'T =
        TreeShape.join
            operation
            typeof<Expr>
            typeof<'T>
            structure.Shape
            (inputs |> Array.map (fun x -> x :> obj))
        |> Unchecked.unbox<'T>

/// A function and a linear function that goes with it, planned for one signature: the first plan stores what the second one needs.
type private LinearPlans =
    { Value: Plan
      Linear: Plan
      Values: int
      Result: TreeStructure }

/// Compiled functions of nested arguments.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module CompileTrees =
    /// A function of nested expressions as a function of arrays nested in the same way, for results too: a tuple of expressions is one of arrays,
    /// a record that is generic in what it holds likewise. It is traced once for each nesting, with the plain data in it,
    /// and for each combination of shapes and element types.
    /// `let step: Parameters<NDArray> * NDArray -> NDArray = compileOf loss`
    let compileWith (options: EngineOptions) (f: 'T -> 'R) : 'X -> 'Y =
        let known =
            ConcurrentDictionary<TreeStructure, CompiledFunction * (TreeStructure | null) ref>()
        let make (structure: TreeStructure) =
            let result = ref (null: TreeStructure | null)
            let trace (inputs: Expr[]) =
                let found, leaves =
                    Tree.split "compileOf" (f (NestedCall.ofExprs "compileOf" structure inputs))
                result.Value <- found
                leaves
            new CompiledFunction(Func<Expr[], Expr[]> trace, Seq.toArray structure.Paths, options), result
        fun (x: 'X) ->
            let structure, arrays = NestedCall.arrays "compileOf" x
            let compiled, result = known.GetOrAdd(structure, make)
            let values = compiled.Call arrays
            NestedCall.ofArrays "compileOf" (nonNull result.Value) values

    /// The same with the options of the process.
    let compileOf (f: 'T -> 'R) : 'X -> 'Y = compileWith EngineOptions.Default f

    /// Plans of a function and of what `linear` makes, from inputs and results, of placeholders of its own: those and results linear in them.
    let private linearPlans
        operation
        options
        (structure: TreeStructure)
        (f: 'T -> 'R)
        linear
        (inputs: Expr[])
        =
        let result, outputs =
            Tree.split operation (f (NestedCall.ofExprs operation structure inputs))
        let (holes: Expr[]), (roots: Expr[]) = linear inputs outputs
        let residuals, places, rest = Partial.split holes outputs roots
        { Value = Planner.make options inputs (Array.append outputs residuals)
          Linear = Planner.make options (Array.append holes places) rest
          Values = outputs.Length
          Result = result }

    let private linearly
        operation
        options
        (f: 'T -> 'R)
        linear
        (apply: TreeStructure -> TreeStructure -> (NDArray[] -> NDArray[]) -> 'F)
        =
        let known = ConcurrentDictionary<TreeStructure, SignatureCache<LinearPlans>>()
        let make (structure: TreeStructure) =
            SignatureCache(64, Seq.toArray structure.Paths, linearPlans operation options structure f linear)
        fun (x: 'X) ->
            let structure, arrays = NestedCall.arrays operation x
            let plans = known.GetOrAdd(structure, make).Get arrays
            let found = plans.Value.Run arrays
            let residuals = found[plans.Values ..]
            let value: 'Y =
                NestedCall.ofArrays operation plans.Result found[.. plans.Values - 1]
            value, apply structure plans.Result (fun vs -> plans.Linear.Run(Array.append vs residuals))

    let private given operation what (expected: TreeStructure) (value: 'V) =
        let structure, arrays = NestedCall.arrays operation value
        if
            not (
                structure.Count = expected.Count
                && Seq.forall2 (=) structure.Paths expected.Paths
            )
        then
            invalidArg "value" $"{operation}: the {what} have the structure {structure}, expected {expected}"
        arrays

    let private floats operation (structure: Expr[]) =
        for x in structure do
            if not (DType.isReal x.DType) then
                raise (
                    DTypeException
                        $"{operation}: an argument is {DType.name x.DType}; derivatives need float32 or float64, so let the function capture it, or cast it"
                )

    let private placeholder name (like: Expr) =
        Leaf.input name like.Shape (DType.ofDerivative like.DType)

    /// The value at a point, and the derivative there as a function of tangents. Two plans: the first computes the value and stores what the
    /// second, which does the rest for each tangent, needs of it.
    let compileLinearizeWith (options: EngineOptions) (f: 'T -> 'R) : 'X -> 'Y * ('X -> 'Y) =
        let linear inputs outputs =
            floats "compileLinearize" inputs
            let vs = inputs |> Array.map (placeholder "tangent")
            vs, outputs |> Array.map (fun y -> Gradient.jvp y inputs vs)
        linearly "compileLinearize" options f linear (fun argument result run ->
            fun (tangents: 'X) ->
                given "compileLinearize" "tangents" argument tangents
                |> run
                |> NestedCall.ofArrays "compileLinearize" result)

    /// The same with the options of the process.
    let compileLinearize (f: 'T -> 'R) : 'X -> 'Y * ('X -> 'Y) =
        compileLinearizeWith EngineOptions.Default f

    /// The value at a point, and the pullback there as a function of cotangents, in two plans as compileLinearize has.
    let compileVjpWith (options: EngineOptions) (f: 'T -> 'R) : 'X -> 'Y * ('Y -> 'X) =
        let linear inputs outputs =
            floats "compileVjp" inputs
            let gs = outputs |> Array.map (placeholder "cotangent")
            let parts =
                Array.map2 (fun y g -> Gradient.vjp Unconnected.Zeros y g inputs) outputs gs
            gs, Array.reduce (Array.map2 (+)) parts
        linearly "compileVjp" options f linear (fun argument result run ->
            fun (cotangents: 'Y) ->
                given "compileVjp" "cotangents" result cotangents
                |> run
                |> NestedCall.ofArrays "compileVjp" argument)

    /// The same with the options of the process.
    let compileVjp (f: 'T -> 'R) : 'X -> 'Y * ('Y -> 'X) = compileVjpWith EngineOptions.Default f
