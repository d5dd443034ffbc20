using System.Collections;
using System.Linq.Expressions;
using System.Numerics.Tensors;
using System.Reflection;
using Xunit;

namespace Diff.Tests;

/// <summary>Null for any argument that is not declared to allow it is answered with its name, whatever the method.</summary>
public sealed class NullTests
{
    private static readonly NullabilityInfoContext nullability = new();

    // What F# calls: its own compiler knows what may be null, and options and lists stand for what C# has other types for.
    private static bool IsForFSharp(Type type) =>
        type.GetCustomAttributes().Any(a => a is Microsoft.FSharp.Core.CompilationMappingAttribute { SourceConstructFlags: Microsoft.FSharp.Core.SourceConstructFlags.Module or Microsoft.FSharp.Core.SourceConstructFlags.RecordType or Microsoft.FSharp.Core.SourceConstructFlags.SumType });

    private static IEnumerable<MethodBase> Methods() =>
        from assembly in new[] { typeof(Ops).Assembly, typeof(Expr).Assembly }
        from type in assembly.GetExportedTypes()
        where !type.IsEnum && !typeof(Delegate).IsAssignableFrom(type) && !typeof(Exception).IsAssignableFrom(type) && !IsForFSharp(type)
        where !type.Name.Contains('<', StringComparison.Ordinal) // the compiler's own for extensions
        where type != typeof(NamedExpr) && type != typeof(CsvTable)
        from method in type.GetMembers(BindingFlags.Public | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly).OfType<MethodBase>()
        where method.Name is not ("Equals" or "CompareTo" or "ToString" or "GetHashCode")
        where !method.GetParameters().Any(p => p.ParameterType.IsByRef || p.ParameterType.IsByRefLike)
        where !(method.IsConstructor && method.IsStatic) && !(method.IsConstructor && type.IsAbstract)
        select method is MethodInfo { IsGenericMethodDefinition: true } generic ? generic.MakeGenericMethod([.. generic.GetGenericArguments().Select(_ => typeof(double))]) : method;

    /// <summary>Refused by name is what must be; a name within an array stands for the array.</summary>
    private static string? Wrong(MethodBase method, ParameterInfo parameter)
    {
        var others = $"{method.DeclaringType!.Name}.{method.Name}";
        object?[] args;
        try
        {
            args = [.. method.GetParameters().Select(p => p.Position == parameter.Position ? null : Sample(p.ParameterType, p.Name!))];
        }
        catch (TargetInvocationException e)
        {
            return $"{others}: the test cannot make its arguments: {e.InnerException!.Message}";
        }
        var mayBeNull = nullability.Create(parameter).WriteState != NullabilityState.NotNull;
        var where = $"{method.DeclaringType!.Name}.{method.Name}({string.Join(", ", method.GetParameters().Select(p => p.Name))})";
        object? target;
        try
        {
            target = method.IsStatic || method.IsConstructor ? null : Sample(method.DeclaringType!, "this");
        }
        catch (TargetInvocationException e)
        {
            return $"{others}: the test cannot make its object: {e.InnerException!.Message}";
        }
        if (!method.IsStatic && !method.IsConstructor && target is null) return $"{where}: the test has no {method.DeclaringType!.Name}";
        try
        {
            if (method is ConstructorInfo constructor) constructor.Invoke(args);
            else method.Invoke(target, args);
        }
        catch (TargetInvocationException e)
        {
            // A property's value has no name of its own.
            if (method.IsSpecialName && method.Name.StartsWith("set_", StringComparison.Ordinal) && e.InnerException is ArgumentNullException) return null;
            return e.InnerException switch
            {
                ArgumentNullException n when n.ParamName?.Split('[')[0] == parameter.Name => null,
                NullReferenceException => $"{where}: {parameter.Name} null is a NullReferenceException",
                var other when mayBeNull => null,
                var other => $"{where}: {parameter.Name} null is {other!.GetType().Name}: {other.Message}",
            };
        }
        return mayBeNull ? null : $"{where}: {parameter.Name} null is accepted";
    }

    [Fact]
    public void Null_is_refused_by_name()
    {
        var wrong = new List<string>();
        var checks = 0;
        foreach (var method in Methods())
            foreach (var parameter in method.GetParameters().Where(p => !p.ParameterType.IsValueType))
            {
                checks++;
                if (Wrong(method, parameter) is { } why) wrong.Add(why);
            }
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {checks}:\n{string.Join("\n", wrong)}");
        Assert.True(checks > 400, $"{checks} arguments were tried");
    }

    // ---- Arguments for the others ---------------------------------------------------------------------------------------

    private static readonly string folder = Directory.CreateTempSubdirectory("diff-null").FullName;

    private static object? Sample(Type type, string name)
    {
        if (type.IsArray)
        {
            if (type.GetArrayRank() > 1) return Array.CreateInstance(type.GetElementType()!, [.. Enumerable.Repeat(2, type.GetArrayRank())]);
            var array = Array.CreateInstance(type.GetElementType()!, type.GetElementType() == typeof(double) && name == "values" ? 4 : 1);
            for (var i = 0; i < array.Length; i++) array.SetValue(Sample(type.GetElementType()!, name), i);
            return array;
        }
        if (type == typeof(LinearOperator)) return (LinearOperator)((x, result) => x.CopyTo(result));
        if (typeof(Delegate).IsAssignableFrom(type)) return Lambda(type);
        if (type == typeof(string)) return name == "path" ? Path.Combine(folder, "file") : name is "notation" ? "ij->ij" : "a";
        if (type == typeof(DType)) return DType.Float64;
        if (type == typeof(double)) return 0.5;
        if (type == typeof(int) || type == typeof(long) || type == typeof(float)) return Convert.ChangeType(name is "axis" or "index" ? 0 : 1, type, null);
        if (type == typeof(CheckpointPolicy)) return CheckpointPolicy.SaveNothing;
        if (type == typeof(TreeStructure)) return Trees.Structure(Ops.Variable(1.0));
        if (type == typeof(Shape)) return new Shape([2, 2]);
        if (type == typeof(Expr)) return Ops.Variable(new double[,] { { 2, 1 }, { 1, 3 } });
        if (type == typeof(NDArray)) return NDArray.OfArray<double>(new double[,] { { 2, 1 }, { 1, 3 } });
        if (type == typeof(Array)) return new double[2, 2];
        if (type == typeof(Tensor<double>)) return Tensor.Create([1.0, 2]);
        if (type == typeof(Stream)) return new MemoryStream();
        if (type == typeof(Initializer)) return Initializer.Zeros;
        if (type == typeof(Schedule)) return Schedule.Constant(0.1);
        if (type == typeof(GradientTransformation)) return Optimizer.Sgd(0.1);
        if (type == typeof(EngineOptions)) return EngineOptions.Default;
        if (type == typeof(CompiledFunction)) return Ops.Compile(x => Ops.Sum(x));
        if (type == typeof(Parameter)) return new Parameter(new double[,] { { 2, 1 }, { 1, 3 } });
        if (type == typeof(Module)) return new Linear(2, 2);
        if (type == typeof(RnnCell)) return new RnnCell(2, 2);
        if (type == typeof(Function)) return new Copy();
        if (type == typeof(TrainingStep)) return TrainingStep.Compile(new Linear(2, 2, dtype: DType.Float64), () => Ops.Variable(1.0), Optimizer.Sgd(0.1));
        if (type == typeof(Random)) return new Random(1);
        if (type == typeof(SolverOptions)) return new MinimizeOptions();
        if (type == typeof(IProgress<SolverProgress>)) return new Progress<SolverProgress>();
        if (type.IsEnum) return Enum.GetValues(type).GetValue(0);
        if (type.IsInterface && type.IsGenericType) return Collection(type);
        if (type == typeof(IEnumerable)) return Array.Empty<object>();
        if (type.IsValueType) return Activator.CreateInstance(type);
        var constructor = type.GetConstructors().OrderBy(c => c.GetParameters().Length).FirstOrDefault();
        return constructor?.Invoke([.. constructor.GetParameters().Select(p => Sample(p.ParameterType, p.Name!))]);
    }

    private static Delegate Lambda(Type type)
    {
        var invoke = type.GetMethod("Invoke")!;
        var parameters = invoke.GetParameters().Select(p => Expression.Parameter(p.ParameterType)).ToArray();
        Expression body = invoke.ReturnType == typeof(void) ? Expression.Empty() : Expression.Constant(Sample(invoke.ReturnType, "result"), invoke.ReturnType);
        return Expression.Lambda(type, body, parameters).Compile();
    }

    private static object Collection(Type type)
    {
        var arguments = type.GetGenericArguments();
        if (arguments.Length == 2) return Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(arguments))!;
        var list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(arguments))!;
        list.Add(Sample(arguments[0], "item"));
        return list;
    }

    private sealed class Copy : Function
    {
        protected override NDArray Forward(NDArray[] args) => args[0];

        protected override Expr?[] Backward(Expr[] args, Expr value, Expr cotangent) => [cotangent];
    }
}
