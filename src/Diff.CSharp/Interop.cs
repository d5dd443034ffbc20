using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace Diff;

/// <summary>What the core's F# signatures need; nothing of it is visible outside.</summary>
internal static class Interop
{
    public static FSharpList<T> List<T>(IEnumerable<T> items) => ListModule.OfSeq(items);

    public static FSharpFunc<A, R> Func<A, R>(Func<A, R> f) => FuncConvert.FromFunc(f);
}
