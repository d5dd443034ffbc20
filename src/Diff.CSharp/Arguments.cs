global using static Diff.Arguments;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Diff;

/// <summary>Checks of what callers give, where it is used.</summary>
internal static class Arguments
{
    /// <summary>The argument itself; fails when it is null, naming it.</summary>
    public static T Given<T>([NotNull] T? argument, [CallerArgumentExpression(nameof(argument))] string name = "") where T : class
    {
        ArgumentNullException.ThrowIfNull(argument, name);
        return argument;
    }

    /// <summary>The array itself; fails when it or one of its elements is null, naming which.</summary>
    public static T[] Given<T>([NotNull] T[]? arguments, [CallerArgumentExpression(nameof(arguments))] string name = "") where T : class
    {
        ArgumentNullException.ThrowIfNull(arguments, name);
        for (var i = 0; i < arguments.Length; i++)
            if (arguments[i] is null) throw new ArgumentNullException($"{name}[{i}]");
        return arguments;
    }
}
