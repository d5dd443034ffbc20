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
    private readonly string _step, _unit;
    private TimeSpan _next;
    private int _width;

    public Progress(int first, int last, int every, double unitsPerStep, string unit, string step = "step")
    {
        (_first, _last, _every, _unitsPerStep, _unit, _step) = (first, last, every, unitsPerStep, unit, step);
        Console.CancelKeyPress += Interrupt;
    }

    public bool Interrupted { get; private set; }

    /// <summary>Called after every step; <paramref name="words"/> is asked only when the line is shown.</summary>
    public void Report(int done, Func<string> words)
    {
        var time = _watch.Elapsed;
        if (done < _last && (_live ? time < _next : done % _every != 0)) return;
        _next = time + TimeSpan.FromSeconds(0.1);
        var rate = (done - _first) / Math.Max(1e-9, time.TotalSeconds);
        var left = TimeSpan.FromSeconds(Math.Min(1e6, (_last - done) / Math.Max(1e-9, rate)));
        var line = $"{_step} {done:N0} of {_last:N0}   {words()}   {rate * _unitsPerStep:N0} {_unit}/s   {left:h\\:mm\\:ss} left";
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
