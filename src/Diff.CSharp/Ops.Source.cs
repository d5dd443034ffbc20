namespace Diff;

public static partial class Ops
{
    /// <summary>
    /// The source of a static C# class with one method <c>Evaluate</c>, which computes the results, under their names, from all variables, in the
    /// order in which these were made: free-standing, with plain loops over spans, without allocation.
    /// </summary>
    /// <param name="className">The name of the class.</param>
    /// <param name="results">The results with their names.</param>
    /// <exception cref="NotSupportedException">An operation has no form in plain C#; it is named.</exception>
    public static string ToCSharp(string className, params (string Name, Expr Value)[] results)
    {
        ArgumentNullException.ThrowIfNull(results);
        return SourceCode.toCSharp(Given(className), Interop.List(results.Select(r => Tuple.Create(Given(r.Name), Given(r.Value)))));
    }

    /// <summary>
    /// The source of a static C# class with two methods: <c>Value</c>, and <c>ValueAndGradient</c>, which also computes the derivatives of the
    /// sum of the value with respect to all variables of a float type.
    /// </summary>
    /// <param name="y">The value.</param>
    /// <param name="className">The name of the class.</param>
    /// <exception cref="NotSupportedException">An operation has no form in plain C#; it is named.</exception>
    public static string ToCSharp(this Expr y, string className) => SourceCode.toCSharpOf(Given(className), Given(y));
}
