using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>Linear algebra as C# calls it; how accurate it is the core's tests say.</summary>
public class LinearAlgebraTests
{
    private static readonly Expr a = Variable(new double[,] { { 4, 1, 0.5 }, { 1, 3, -1 }, { 0.5, -1, 2 } }, "a");
    private static readonly Expr eye = Diag(Variable(new double[] { 1, 1, 1 }));

    private static void Same(Expr expected, Expr actual)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        foreach (var (x, y) in expected.Eval().ToArray<double>().Zip(actual.Eval().ToArray<double>())) Assert.Equal(x, y, 1e-12);
    }

    [Fact]
    public void Factors_multiply_to_the_matrix()
    {
        var l = Cholesky(a);
        Same(a, MatMul(l, Transpose(l)));
        var (p, lower, upper) = Lu(a);
        Same(a, MatMul(p, MatMul(lower, upper)));
        var (q, r) = Qr(a);
        Same(a, MatMul(q, r));
        var (values, vectors) = Eigh(a);
        Same(a, MatMul(vectors * values, Transpose(vectors)));
        Same(values, EigvalsH(a));
        var (u, s, vt) = Svd(a[..2]);
        Same(a[..2], MatMul(u * s, vt));
        Same(s, SvdVals(a[..2]));
    }

    [Fact]
    public void Equations_and_inverses()
    {
        var b = Variable(new double[] { 1, 2, 3 });
        var x = Solve(a, b);
        Same(b, MatMul(a, x));
        Same(x, CholeskySolve(Cholesky(a), b));
        Same(x, Lstsq(a, b));
        Same(x, MatMul(Inverse(a), b));
        Same(Inverse(a), Pinv(a));
        Same(Inverse(a), Pinv(a, 1e-3));
        Same(Inverse(a), MatrixPower(a, -1));
        Same(b, MatMul(Cholesky(a), TriangularSolve(Cholesky(a), b)));
        Same(b, MatMul(Transpose(Cholesky(a)), TriangularSolve(Transpose(Cholesky(a)), b, lower: false)));
        Assert.Equal(3L, MatrixRank(a).Eval().ToArray<long>()[0]);
        Assert.Equal(2L, MatrixRank(a, 0.3).Eval().ToArray<long>()[0]);
    }

    [Fact]
    public void Determinants_and_functions_of_matrices()
    {
        var (sign, log) = SlogDet(a);
        Same(Det(a), sign * Exp(log));
        Same(LogDet(a), log);
        Same(Trace(a), Sum(Diagonal(a)));
        Same(a, Expm(SymmetricLog(a)));
        Same(Inverse(a), MatMul(SymmetricPower(a, -0.5), SymmetricPower(a, -0.5)));
        Same(eye, Expm(a * 0));
    }

    [Fact]
    public void Derivatives_of_a_compiled_function()
    {
        // The negative log-likelihood of a normal distribution: ∂/∂A of (bᵀA⁻¹b + log det A)/2 is (A⁻¹ − xxᵀ)/2 with x = A⁻¹b.
        var b = Variable(new double[] { 1, -1, 2 });
        var f = Compile((Expr m) => 0.5 * (Sum(b * Solve(m, b)) + LogDet(m)));
        var (_, gradients) = f.ValueAndGrad(a.Eval());
        var x = Solve(a, b);
        Same(0.5 * (Inverse(a) - Einsum("i,j->ij", x, x)), Variable(gradients[0]!.ToArray<double>(), new Shape([3, 3])));
    }

    [Fact]
    public void What_numbers_do_not_allow_is_a_typed_error()
    {
        var singular = Variable(new double[,] { { 1, 2 }, { 2, 4 } });
        void Says<T>(string words, Func<object> f) where T : Exception =>
            Assert.Contains(words, Assert.Throws<T>(() => _ = f()).Message, StringComparison.Ordinal);
        Says<LinearAlgebraException>("singular", () => Inverse(singular).Eval());
        Says<LinearAlgebraException>("positive definite", () => Cholesky(-singular).Eval());
        Says<ShapeException>("square", () => Det(singular[..1]));
    }
}
