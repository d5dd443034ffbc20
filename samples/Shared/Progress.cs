using System.Diagnostics;

namespace Diff.Samples;

/// <summary>
/// How far a run is. On a terminal one line that refreshes itself; in a pipe or a file a line now and then. The first Ctrl+C asks the
/// run to stop, a second one ends the program.
/// </summary>
internal sealed class Progress : IDisposable
{
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly bool _live = !Console.IsOutputRedirected;
    private readonly int _first, _last, _every;
    private readonly double _unitsPerStep;
    private readonly string _unit;
    private TimeSpan _shown = TimeSpan.MinValue;
    private int _width;

    public Progress(int first, int last, int every, double unitsPerStep = 1, string unit = "steps")
    {
        (_first, _last, _every, _unitsPerStep, _unit) = (first, last, every, unitsPerStep, unit);
        Console.CancelKeyPress += Interrupt;
    }

    public bool Interrupted { get; private set; }

    /// <summary>Called after every step; <paramref name="words"/> is asked only when the line is shown.</summary>
    public void Report(int done, Func<string> words)
    {
        var time = _watch.Elapsed;
        if (!(_live ? time - _shown > TimeSpan.FromSeconds(0.1) || done == _last : done % _every == 0 || done == _last)) return;
        _shown = time;
        var rate = (done - _first) / Math.Max(1e-9, time.TotalSeconds);
        var left = TimeSpan.FromSeconds(Math.Min(1e6, (_last - done) / Math.Max(1e-9, rate)));
        var line = $"step {done:N0} of {_last:N0}   {words()}   {rate * _unitsPerStep:N0} {_unit}/s   {left:h\\:mm\\:ss} left";
        if (_live) Refresh(line);
        else Console.WriteLine(line);
    }

    /// <summary>Writes lines above the one that refreshes itself.</summary>
    public void WriteLine(string text)
    {
        if (_live) Refresh("");
        Console.WriteLine(_live ? "\r" + text : text);
    }

    public void Dispose()
    {
        Console.CancelKeyPress -= Interrupt;
        if (_live && _width > 0) Console.WriteLine();
    }

    private void Refresh(string line)
    {
        if (Console.WindowWidth > 1 && line.Length >= Console.WindowWidth) line = line[..(Console.WindowWidth - 1)];
        Console.Write("\r" + line.PadRight(_width));
        _width = line.Length;
    }

    private void Interrupt(object? sender, ConsoleCancelEventArgs e)
    {
        e.Cancel = !Interrupted;
        Interrupted = true;
    }
}
