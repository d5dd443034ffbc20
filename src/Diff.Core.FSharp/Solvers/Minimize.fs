namespace Diff

open System

/// Minimisers of scalar functions of a vector: the function is traced, differentiated and planned once. `Packing` makes one vector of
/// several arrays; `CompiledFunction.Apply` makes a traced function of a compiled one.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
[<ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Minimize =
    let private start operation (options: MinimizeOptions) f (x0: float[]) : FunctionGraph =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        SolverText.checkStart operation x0
        Tracing.scalar operation f x0.Length options.Engine

    let private descend operation options f (x0: float[]) direction =
        let graph = start operation options f x0
        Descent(options, graph, [||], direction x0.Length, x0).Run()

    /// Down the gradient, with a line search; the step of Barzilai and Borwein (1988) is tried first.
    let gradientDescent (options: MinimizeOptions) (f: Expr -> Expr) (x0: float[]) : MinimizeResult =
        descend "gradientDescent" options f x0 (fun _ -> GradientDirection())

    /// Nonlinear conjugate gradients (Hager, Zhang 2005).
    let conjugateGradient (options: MinimizeOptions) (f: Expr -> Expr) (x0: float[]) : MinimizeResult =
        descend "conjugateGradient" options f x0 (fun n -> ConjugateDirection n)

    /// BFGS: the inverse Hessian, n × n, approximated from gradients.
    let bfgs (options: MinimizeOptions) (f: Expr -> Expr) (x0: float[]) : MinimizeResult =
        descend "bfgs" options f x0 (fun n -> BfgsDirection n)

    /// L-BFGS (Nocedal 1980): the same from the latest steps, in memory of a few vectors.
    let lbfgs (options: MinimizeOptions) (f: Expr -> Expr) (x0: float[]) : MinimizeResult =
        descend "lbfgs" options f x0 (fun n -> LimitedDirection(n, options.Memory))

    /// L-BFGS-B (Byrd, Lu, Nocedal, Zhu 1995): within bounds, which may be infinite. A start outside is moved to the nearest bound.
    let lbfgsb
        (options: MinimizeOptions)
        (lower: float[])
        (upper: float[])
        (f: Expr -> Expr)
        (x0: float[])
        : MinimizeResult =
        ArgumentNullException.ThrowIfNull(lower, nameof lower)
        ArgumentNullException.ThrowIfNull(upper, nameof upper)
        let graph = start "lbfgsb" options f x0
        if lower.Length <> x0.Length || upper.Length <> x0.Length then
            raise (
                ShapeException
                    $"lbfgsb: expected {x0.Length} lower and upper bounds, as many as the start has numbers, got {lower.Length} and {upper.Length}"
            )
        for i in 0 .. x0.Length - 1 do
            if not (lower[i] <= upper[i]) then
                invalidArg
                    (nameof lower)
                    $"lbfgsb: no number is within the bounds at index {i}: lower {lower[i]}, upper {upper[i]}"
        BoundedLBfgs(options, graph, [||], lower, upper, x0).Run()

    /// Newton's method in a trust region, its steps by conjugate gradients (Steihaug 1983): second derivatives only as products with
    /// directions.
    let newtonCG (options: MinimizeOptions) (f: Expr -> Expr) (x0: float[]) : MinimizeResult =
        let graph = start "newtonCG" options f x0
        TrustRegion(options, graph, [||], x0).Run()
