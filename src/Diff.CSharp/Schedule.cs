using Microsoft.FSharp.Core;

namespace Diff;

/// <summary>A number that depends on the step of training, as a graph of the step's number (which counts from 0).</summary>
public sealed class Schedule
{
    private readonly Func<Expr, Expr> _rate;

    private readonly double? _constant;

    private Schedule(Func<Expr, Expr> rate, double? constant = null) => (_rate, _constant) = (rate, constant);

    private static Schedule Of(FSharpFunc<Expr, Expr> rate) => new(rate.Invoke);

    internal FSharpFunc<Expr, Expr> Core => Interop.Func(_rate);

    /// <summary>The schedule as a learning rate: a constant one below 0 would climb, and is refused.</summary>
    internal FSharpFunc<Expr, Expr> AsRate(string optimizer)
    {
        if (_constant is { } rate) Optimize.checkRate(optimizer, rate);
        return Core;
    }

    /// <summary>The value at a step.</summary>
    /// <param name="step">The step's number, a float64 scalar.</param>
    public Expr At(Expr step) => _rate(Given(step));

    /// <summary>The same at every step.</summary>
    /// <param name="rate">The value.</param>
    public static implicit operator Schedule(double rate) => Constant(rate);

    /// <summary>The same at every step.</summary>
    /// <param name="rate">The value.</param>
    public static Schedule Constant(double rate) => new(_ => rate, rate);

    /// <summary>Any function of the step's number.</summary>
    /// <param name="rate">From a float64 scalar to a scalar.</param>
    public static Schedule From(Func<Expr, Expr> rate) => new(Given(rate));

    /// <summary>rate·decay^(step / every).</summary>
    /// <param name="rate">The value at step 0.</param>
    /// <param name="decay">The factor.</param>
    /// <param name="every">After how many steps the factor has applied once.</param>
    public static Schedule ExponentialDecay(double rate, double decay, double every) => Of(Optimize.exponentialDecay(rate, decay, every));

    /// <summary>In a straight line from one value to another, constant after.</summary>
    /// <param name="first">The value at step 0.</param>
    /// <param name="last">The value after the steps.</param>
    /// <param name="steps">How many steps it takes.</param>
    public static Schedule Linear(double first, double last, double steps) => Of(Optimize.linearRate(first, last, steps));

    /// <summary>From a value to 0 along half a cosine, 0 after (Loshchilov and Hutter 2017).</summary>
    /// <param name="rate">The value at step 0.</param>
    /// <param name="steps">How many steps it takes.</param>
    public static Schedule CosineDecay(double rate, double steps) => Of(Optimize.cosineDecay(rate, steps));

    /// <summary>From 0 in a straight line to a value, then to 0 along half a cosine.</summary>
    /// <param name="rate">The largest value.</param>
    /// <param name="warmup">How many steps the rise takes.</param>
    /// <param name="steps">How many steps it takes altogether.</param>
    public static Schedule WarmupCosine(double rate, double warmup, double steps)
    {
        if (!(warmup >= 0 && warmup < steps))
            throw new ArgumentException($"WarmupCosine: expected a rise of 0 to less than all {steps} steps, got {warmup}", nameof(warmup));
        var fall = CosineDecay(rate, steps - warmup);
        return warmup == 0 ? fall : Linear(0, rate, warmup).Then(warmup, fall);
    }

    /// <summary>This schedule for a number of steps, then another, whose steps count from there.</summary>
    /// <param name="steps">For how many steps this one holds.</param>
    /// <param name="next">The other one.</param>
    public Schedule Then(double steps, Schedule next)
    {
        ArgumentNullException.ThrowIfNull(next);
        return Of(Optimize.join(Core, steps, next.Core));
    }
}
