using System.Globalization;
using System.Runtime.InteropServices;

namespace Diff.Comparing;

/// <summary>What the machine is and what else it does; where the system does not say, NaN.</summary>
internal static class Machine
{
    private const int SampleMilliseconds = 500;

    /// <summary>In words.</summary>
    public static string Description =>
        $"{Processor()}, {Environment.ProcessorCount} processors, {RuntimeInformation.FrameworkDescription}, {RuntimeInformation.OSDescription.Trim()}";

    private static string Processor() =>
        (File.Exists("/proc/cpuinfo") ? File.ReadLines("/proc/cpuinfo") : [])
        .FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? $"{RuntimeInformation.ProcessArchitecture}";

    /// <summary>The load average of the last minute; what was just measured is in it too.</summary>
    public static double Load() =>
        File.Exists("/proc/loadavg") ? double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture) : double.NaN;

    /// <summary>How many processors are busy just now, by their clocks over half a second; time that a host takes away counts.</summary>
    public static async Task<double> Busy()
    {
        if (!File.Exists("/proc/stat")) return double.NaN;
        var before = Ticks();
        await Task.Delay(SampleMilliseconds);
        var after = Ticks();
        return after.All > before.All ? (double)(after.Busy - before.Busy) / (after.All - before.All) * Environment.ProcessorCount : 0;
    }

    // The first line: user, nice, system, idle, waiting for disks, interrupts (two kinds), taken away; guests are in user already.
    private static (long Busy, long All) Ticks()
    {
        var times = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8)
            .Select(t => long.Parse(t, CultureInfo.InvariantCulture)).ToArray();
        return (times.Sum() - times[3] - times[4], times.Sum());
    }
}
