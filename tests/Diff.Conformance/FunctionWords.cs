namespace Diff.Conformance;

/// <summary>Words that take functions, or give several results: loops, branches, transforms, solutions of equations.</summary>
internal static class FunctionWords
{
    public delegate Expr[] Word(Expr[] args, Attributes attributes);

    private static readonly Dictionary<string, Word> words = new()
    {
        ["scan"] = Scan,
        ["for"] = (a, j) => [Ops.For(j.Int("count")!.Value, j.Pair(), a[0])],
        ["while"] = (a, j) =>
        {
            var (state, count) = Ops.While(j.Scalar("condition"), j.Function(), a, Loop(j));
            return [.. state, count];
        },
        ["cond"] = (a, j) => Ops.Cond(a[0], j.Function("when_true"), j.Function("when_false"), a[1..]),

        ["grad"] = (a, j) => Ops.Grad(j.Scalar(), a),
        ["value_and_grad"] = (a, j) =>
        {
            var (value, gradient) = Ops.ValueAndGrad(j.Scalar(), a);
            return [value, .. gradient];
        },
        // The last argument is the cotangent, or the direction.
        ["vjp"] = (a, j) => Ops.Vjp(j.Scalar(), a[..^1]).Pullback(a[^1]),
        ["jvp"] = (a, j) => [Ops.Jvp(j.Single(), a[0], a[1]).Tangent],
        ["linearize"] = (a, j) => [Ops.Linearize(j.Single(), a[0]).Derivative(a[1])],
        ["hvp"] = (a, j) => [Ops.Hvp(j.Single(), a[0], a[1])],
        ["gauss_newton"] = (a, j) =>
        {
            var outputs = j.Function("model")([a[0]]);
            return Ops.GaussNewtonProduct(j.Scalar("loss")(outputs), outputs, [a[0]], [a[1]]);
        },
        ["jacobian"] = (a, j) => [Ops.Jacobian(j.Single()(a[0]), a[0], Mode(j))],
        ["hessian"] = (a, j) => [Ops.Hessian(j.Single()(a[0]), a[0])],
        ["nth_derivative"] = (a, j) => [Ops.NthDerivative(j.Int("order")!.Value, j.Single()(a[0]), a[0])],
        ["taylor"] = (a, j) => Ops.Taylor(j.Int("order")!.Value, j.Single()(a[0]), a[0]),
        ["jet"] = (a, j) => Ops.Jet(j.Int("order")!.Value, j.Single(), a[0], a[1..]),
        ["sparse_jacobian"] = (a, j) => [Ops.SparseJacobian(j.Single()(a[0]), a[0], Mode(j)).ToDense()],
        ["sparse_hessian"] = (a, j) => [Ops.SparseHessian(j.Single()(a[0]), a[0]).ToDense()],
        ["vmap"] = (a, j) => Ops.Vmap(j.Function(), a, j.OptionalInts("in_axes"), j.Int("out_axis") ?? 0),
        ["checkpoint"] = (a, j) => [Ops.Checkpoint(j.Scalar(), a)],
        ["custom_grad"] = (a, j) =>
        {
            var rule = j.Function("backward");
            return [Ops.CustomGrad<Expr[]>(j.Scalar(), (x, y, g) => rule([.. x, y, g]))(a)];
        },
        ["custom_jvp"] = (a, j) =>
        {
            var rule = j.Scalar("forward");
            return [Ops.CustomJvp<Expr[]>(j.Scalar(), (x, y, t) => rule([.. x, y, .. t]))(a)];
        },

        ["root"] = (a, j) => [Implicit.Root(j.Single(), a[0])],
        ["fixed_point"] = (a, j) => [Implicit.FixedPoint(j.Single(), a[0])],
        ["minimizer"] = (a, j) => [Implicit.ArgMin(j.Single(), a[0], new() { GradientTolerance = 1e-13 })],
        ["linear_solve"] = (a, j) => [Implicit.LinearSolve(j.Single(), a[0], j.Flag("symmetric"), new() { Tolerance = 1e-14 })],
        ["ode_fixed"] = (a, j) => [OdeSolve.FixedSteps(j.Pair(), a[0], a[1], Ode(j))],
        ["ode_adaptive"] = (a, j) => [OdeSolve.Adaptive(j.Pair(), a[0], a[1], Ode(j))],
        ["ode_adjoint"] = (a, j) => [OdeSolve.Adjoint(j.Pair(), a[0], a[1], Ode(j))],
    };

    public static IEnumerable<string> All => words.Keys;

    public static Word? Find(string op) => words.GetValueOrDefault(op);

    private static Expr[] Scan(Expr[] args, Attributes attributes)
    {
        var states = attributes.Int("states")!.Value;
        var body = attributes.Function();
        var (state, ys) = Ops.Scan(
            (s, xs) => body([.. s, .. xs]) is var all && attributes.Int("next") is { } next ? (all[..next], all[next..]) : (all[..states], all[states..]),
            args[..states],
            args[states..],
            Loop(attributes));
        return [.. state, .. ys];
    }

    private static LoopOptions Loop(Attributes attributes)
    {
        var options = LoopOptions.Default;
        if (attributes.Int("length") is { } length) options = options.WithLength(length);
        if (attributes.Int("limit") is { } limit) options = options.WithMaxIterations(limit);
        if (attributes.Int("max_record_bytes") is { } bytes) options = options.WithMaxRecordBytes(bytes);
        return attributes.Flag("reverse") ? options.Reversed() : options;
    }

    private static JacobianMode Mode(Attributes attributes) => Enum.Parse<JacobianMode>(attributes.Text("mode") ?? "Auto", ignoreCase: true);

    private static OdeSolveOptions Ode(Attributes attributes)
    {
        var options = new OdeSolveOptions();
        if (attributes.Text("method") is { } method) options.Method = Enum.Parse<OdeMethod>(method);
        if (attributes.Int("steps") is { } steps) options.Steps = steps;
        if (attributes.Int("max_steps") is { } most) options.MaxSteps = most;
        if (attributes.Number("tolerance") is { } tolerance) (options.RelativeTolerance, options.AbsoluteTolerance) = (tolerance, tolerance);
        return options;
    }
}
