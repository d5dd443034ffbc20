namespace Diff;

/// <summary>
/// Whether expressions made now are for training, where <see cref="Dropout"/> and its like draw random numbers, or for evaluation, where they
/// pass their argument on. A <see cref="TrainingStep"/> sees to it by itself. It flows with the caller, also through await.
/// </summary>
public static class Training
{
    /// <summary>Whether expressions made now are for training.</summary>
    public static bool IsActive => TrainingMode.isOn();

    /// <summary>Until the result is disposed expressions are made for training: <c>using (Training.Begin(key)) loss = model.Call(x);</c></summary>
    /// <param name="key">Where random numbers are drawn from; take another one for each step.</param>
    public static IDisposable Begin(RandomKey key) => TrainingMode.enter(Given(key).Value);

    /// <summary>A key for a layer of one's own; another one at each call.</summary>
    /// <exception cref="InvalidOperationException">Nothing is made for training, or the training step has no seed.</exception>
    public static RandomKey NextKey() => new(TrainingMode.nextKey("NextKey"));
}
