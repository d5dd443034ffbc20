namespace Diff.Conformance;

/// <summary>Inputs that must fail clearly. Cases are programs, or words, which here are code.</summary>
internal static class ErrorCases
{
    /// <summary>Build-time errors come from making the expression, others from its evaluation.</summary>
    private static readonly Dictionary<string, Func<Expr>> expressions = new()
    {
        ["error-01"] = () => Zeros(2, 3) + Zeros(2, 4),
        ["error-03"] = () => Ops.MatMul(Zeros(2, 3), Zeros(2, 3)),
        ["error-05"] = () => Ops.Einsum("ij,jk->ik", Zeros(2, 3), Zeros(4, 5)),
        ["error-07"] = () => Ops.Einsum("ij->jij", Zeros(2, 3)),
        ["error-08"] = () => Ops.Einsum("i->ij", Zeros(3)),
        ["error-11"] = () => Ops.Einsum("ijk->i", Zeros(2, 3)),
        ["error-13"] = () => Ops.Reshape(Zeros(2, 3), 4),
        ["error-15"] = () => Ops.Reshape(Zeros(0, 3), -1, 0),
        ["error-16"] = () => Ops.Sum(Zeros(2, 3), 2),
        ["error-18"] = () => Ops.Sum(Zeros(2, 3), 0, 0),
        ["error-20"] = () => Ops.Transpose(Zeros(2, 3, 4), 1, 0),
        ["error-21"] = () => Ops.Concat(0, Zeros(2, 3), Zeros(2, 4)),
        ["error-25"] = () => Ops.Gather(Zeros(3), Ops.Constant(new[] { 3 })),
        ["error-27"] = () => Ops.ScatterAdd(Zeros(1), Ops.Constant(new[] { 7 }), new Shape([5])),
        ["error-28"] = () => Ops.CrossEntropy(Zeros(1, 3), Ops.Constant(new[] { 3 })),
        ["error-29"] = () => Ops.CrossEntropy(Zeros(1, 3), Ops.Constant(new[] { -1 })),
        ["error-32"] = () => Ops.ReduceMax(Zeros(2, 0), 1),
        ["error-35"] = () => Ops.Inverse(Matrix(1, 2, 2, 4)),
        ["error-37"] = () => Ops.Cholesky(Matrix(1, 2, 2, 1)),
        ["error-39"] = () => Ops.Det(Zeros(2, 3)),
        ["error-40"] = () => Ops.BroadcastTo(Zeros(3), 2),
        ["error-42"] = () => Ops.Conv2d(Zeros(1, 3, 5, 5), Zeros(2, 4, 3, 3)),
        ["error-46"] = () => Ops.Grad(Ops.Sum(Zeros(2)), Ops.Variable(new[] { 1, 2 })),
        ["error-60"] = () => Ops.Variable(new[] { 1, 2, 3 }) / Ops.Variable(new[] { 1, 0, 1 }),
        ["size-01"] = () => Ops.Zeros(new Shape([65536, 65536, 65536])),
        ["size-04"] = () => Ops.Zeros(new Shape([-1, 3])),
        ["size-06"] = () => Ops.Einsum("i,j->ij", Zeros(100_000), Zeros(100_000)),
    };

    /// <summary>Each action of a case must fail as the case says.</summary>
    private static readonly Dictionary<string, Func<Action[]>> actions = new()
    {
        ["error-44"] = () =>
        [
            () => Vector().Backward(),
            () => Ops.Compile(x => x * x).ValueAndGrad(new[] { 1.0, 2.0 }),
            () => Ops.Hessian(Vector(), Vector()),
        ],
        ["error-48"] = () =>
        [
            () => SumOfThree().Call(new[] { 1.0, 2.0, 3.0, 4.0 }),
            () => SumOfThree().CallInto([new[] { 0.0, 0.0, 0.0, 0.0 }], new[] { 1.0, 2.0, 3.0 }),
        ],
        ["error-49"] = () => [() => Ops.Compile((x, y) => x * y).Call()],
        ["error-51"] = () => [() => _ = new Dropout(1.5), () => Ops.Dropout(Zeros(3), 1.5, new RandomKey(1))],
        ["error-53"] = () => [() => Optimizer.Sgd(-0.1)],
        ["error-56"] = () =>
        [
            () => _ = new Linear(0, 3),
            () => _ = new Linear(3, 0),
            () => _ = new Linear(-1, 3),
            () => _ = new Linear(3, -1),
        ],
        ["error-57"] = () => [() => _ = new Batches([NDArray.Zeros(DType.Float64, new Shape([4]))], 0), () => _ = new Batches([NDArray.Zeros(DType.Float64, new Shape([4]))], -1)],
        ["error-58"] = () => [() => Disposed().Call(1.0), () => Disposed().ValueAndGrad(1.0)],
        ["error-65"] = () =>
        [
            () => Ops.Sin(null!),
            () => Ops.MatMul(Zeros(2), null!),
            () => Ops.Concat(0, null!),
            () => Ops.Constant(null!),
            () => Ops.Grad(Zeros(), (Expr)null!),
            () => Ops.Einsum(null!, Zeros(2)),
            () => Ops.Variable(1.0, null!),
            () => Safetensors.Load(null!),
            () => Idx.Save(null!, 1.0),
            () => _ = new Sequential(null!),
        ],
        ["error-67"] = () => [() => LoadInto(new Named(withExtra: true), new Named(withExtra: false))],
        ["error-68"] = () => [() => LoadInto(new Named(withExtra: false), new Named(withExtra: true))],
        ["size-02"] = () => [() => Ops.Zeros(Shape.FromExtents(2147483648, 2147483648, 4))],
    };

    /// <summary>Where a documented result is as good as an error: the result is checked.</summary>
    private static readonly Dictionary<string, Action> alternatives = new()
    {
        ["error-23"] = () => Shaped(Zeros(3)[5..9].Eval(), 0),
        ["error-34"] = () => Holds(Ops.LogSumExp(Zeros(2, 0), 1).Eval(), double.NegativeInfinity, double.NegativeInfinity),
        ["error-63"] = CastOutOfRange,
        ["size-08"] = () =>
        {
            var sum = Ops.Sum(Ops.BroadcastTo(Ops.Ones(new Shape([1])), 60_000, 50_000)).Item();
            Require.Close(sum, 3e9, 0, "the sum of 3e9 ones");
        },
        ["size-11"] = () => Shaped(NDArray.Zeros(DType.Bool, new Shape([int.MaxValue])), int.MaxValue),
    };

    public static void Run(Case c)
    {
        var expected = c["expected_error"];
        if (c.Find("program") is not null) Errors.RequireAsExpected(() => EvalCase.Evaluate(c), expected);
        else if (expressions.TryGetValue(c.Id, out var expression)) Errors.RequireAsExpected(() => expression().Eval(), expected);
        else if (actions.TryGetValue(c.Id, out var several))
            foreach (var action in several()) Errors.RequireAsExpected(action, expected);
        else if (alternatives.TryGetValue(c.Id, out var alternative)) RunAlternative(alternative, expected);
        else throw new UnsupportedException(c["what"].GetString()!);
        Require.That((Ops.Variable(20.0) + 22).Item() == 42, "the library is not usable afterwards");
    }

    private static void RunAlternative(Action action, System.Text.Json.JsonElement expected)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is not (FailureException or UnsupportedException))
        {
            Errors.RequireClear(e, expected.Text("category")!, expected.Texts("message_mentions"));
        }
    }

    // ---- What the cases are about -----------------------------------------------------------------------------------

    private static Expr Zeros(params int[] shape) => Ops.Variable(NDArray.Zeros(DType.Float64, new Shape(shape)));

    private static Expr Matrix(double a, double b, double c, double d) =>
        Ops.Variable(NDArray.Create([a, b, c, d], new Shape([2, 2])));

    private static Expr Vector() => Ops.Variable(new[] { 1.0, 2.0 });

    private static CompiledFunction SumOfThree() => Ops.Compile(x => x + Ops.Constant(new[] { 1.0, 2.0, 3.0 }));

    private static CompiledFunction Disposed()
    {
        var f = Ops.Compile(x => x * x);
        f.Call(1.0);
        f.Dispose();
        return f;
    }

    private sealed class Named(bool withExtra) : Module
    {
        public Parameter Weight { get; } = new(new[] { 1.0, 2.0 });

        public Parameter? Name { get; } = withExtra ? new(new[] { 3.0 }) : null;
    }

    private static void LoadInto(Named target, Named saved)
    {
        using var folder = new TemporaryFolder();
        saved.Save(folder["model.safetensors"]);
        var before = target.Weight.Value.ToArray<double>();
        saved.Weight.Assign(new[] { 8.0, 9.0 });
        saved.Save(folder["model.safetensors"]);
        try
        {
            target.Load(folder["model.safetensors"]);
        }
        finally
        {
            Require.That(target.Weight.Value.ToArray<double>().SequenceEqual(before), "a part of the state was loaded");
        }
    }

    private static void CastOutOfRange()
    {
        // One element, a few, whole vectors, and vectors with a tail.
        foreach (var length in new[] { 1, 3, 8, 64, 1003 })
        {
            double[] values = [.. Enumerable.Range(0, length).Select(i => (i % 3) switch { 0 => double.NaN, 1 => 1e20, _ => -1.5 })];
            int[] want = [.. Enumerable.Range(0, length).Select(i => (i % 3) switch { 0 => 0, 1 => int.MaxValue, _ => -1 })];
            var got = Ops.Cast(Ops.Variable(values), DType.Int32).Eval().ToArray<int>();
            Require.That(got.SequenceEqual(want), $"NaN, 1e20 and -1.5 as int32, {length} elements: {string.Join(", ", got.Take(3))}, expected 0, 2147483647, -1");
        }
    }

    private static void Shaped(NDArray array, params int[] shape) =>
        Require.That(array.Shape.ToArray().SequenceEqual(shape), $"shape {array.Shape}, expected ({string.Join(", ", shape)})");

    private static void Holds(NDArray array, params double[] values) =>
        Require.That(array.ToArray<double>().SequenceEqual(values), $"{array}, expected {string.Join(", ", values)}");
}
