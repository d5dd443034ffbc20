namespace Diff

open System
open System.Runtime.InteropServices

/// Checks the derivatives of graphs against differences of values. For an operation of your own:
/// `Check.Gradients(x => MyOperation(x), point).ThrowIfWorseThan(8)`.
[<AbstractClass; Sealed>]
type Check =
    /// Compares at one point, in float64, the first and second derivatives of f with respect to each argument:
    /// reverse mode with differences, forward mode with differences, and both modes with each other.
    /// The value is weighted with random numbers, so that every element of it counts. f is called once, with placeholders.
    static member Gradients
        (f: Func<Expr[], Expr>, points: NDArray[], [<Optional; DefaultParameterValue(2)>] order: int)
        : CheckReport =
        ArgumentNullException.ThrowIfNull(f, nameof f)
        Argument.noneIsNull (nameof points) points
        if order < 1 || order > 2 then
            raise (ArgumentOutOfRangeException("order", $"check: expected order 1 or 2, got {order}"))
        Compare.run f.Invoke points order

    /// The same for a function of one argument.
    static member Gradients
        (f: Func<Expr, Expr>, point: NDArray, [<Optional; DefaultParameterValue(2)>] order: int)
        : CheckReport =
        ArgumentNullException.ThrowIfNull(f, nameof f)
        ArgumentNullException.ThrowIfNull(box point, nameof point)
        Check.Gradients(Func<Expr[], Expr>(fun xs -> f.Invoke xs[0]), [| point |], order)

    /// The same for a function of two arguments.
    static member Gradients
        (
            f: Func<Expr, Expr, Expr>,
            first: NDArray,
            second: NDArray,
            [<Optional; DefaultParameterValue(2)>] order: int
        ) : CheckReport =
        ArgumentNullException.ThrowIfNull(f, nameof f)
        ArgumentNullException.ThrowIfNull(box first, nameof first)
        ArgumentNullException.ThrowIfNull(box second, nameof second)
        Check.Gradients(Func<Expr[], Expr>(fun xs -> f.Invoke(xs[0], xs[1])), [| first; second |], order)

/// The same from F#.
[<AutoOpen; System.ComponentModel.EditorBrowsable(System.ComponentModel.EditorBrowsableState.Never)>]
module CheckFunctions =
    /// Compares the first and second derivatives of f at one point with differences; see Check.Gradients.
    let checkGradients (f: Expr list -> Expr) (points: NDArray list) : CheckReport =
        Compare.run (List.ofArray >> f) (Array.ofList points) 2
