namespace Diff.Benchmarks;

/// <summary>Threads that do the parts of one job side by side, again and again. They end with the process.</summary>
internal sealed class Team
{
    private readonly int _threads;
    private readonly Action<int> _part;
    private readonly Barrier _barrier;

    public Team(int threads, Action<int> part)
    {
        (_threads, _part, _barrier) = (threads, part, new Barrier(threads));
        for (var i = 1; i < threads; i++)
        {
            var index = i;
            new Thread(() => Work(index)) { IsBackground = true }.Start();
        }
    }

    /// <summary>Does all parts; the caller does the first.</summary>
    public void Run()
    {
        if (_threads > 1) _barrier.SignalAndWait();
        _part(0);
        if (_threads > 1) _barrier.SignalAndWait();
    }

    private void Work(int index)
    {
        while (true)
        {
            _barrier.SignalAndWait();
            _part(index);
            _barrier.SignalAndWait();
        }
    }
}
