using System.Diagnostics;
using System.Globalization;

namespace Diff.Conformance;

/// <summary>What this program does when it is started by itself: to be killed, to run out of disk, to be looked at from outside.</summary>
internal static class Child
{
    public const string Switch = "--child";

    private const string Version = "version";

    public static int Play(string[] args)
    {
        switch (args)
        {
            case ["save-on", var path, var first]:
                for (var version = int.Parse(first, CultureInfo.InvariantCulture); ; version++)
                {
                    Safetensors.Save(path, Checkpoint(version));
                    Console.WriteLine(version);
                }
            case ["save", var path]:
                try
                {
                    Safetensors.Save(path, Checkpoint(1));
                    return 0;
                }
                catch (IOException e)
                {
                    Console.WriteLine(e.Message);
                    return 1;
                }
            case ["continue", var path, var steps, var target]:
                Resume.Continue(path, int.Parse(steps, CultureInfo.InvariantCulture), target);
                return 0;
            case ["golden", var folder]:
                GoldenFiles.Write(folder);
                return 0;
            default:
                return 2;
        }
    }

    /// <summary>The program as a process of its own, with arguments for its child's part; before them comes what starts it, if anything.</summary>
    public static Process Start(string[] before, params string[] args)
    {
        string[] own = ["dotnet", Path.Combine(AppContext.BaseDirectory, "Diff.Conformance.dll"), Switch];
        string[] all = [.. before, .. own, .. args];
        var start = new ProcessStartInfo(all[0], all[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        // Diagnostics of the runtime would open files of their own.
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        return Process.Start(start) ?? throw new InvalidOperationException($"{all[0]} did not start");
    }

    /// <summary>Runs to the end: exit code and what was written.</summary>
    public static (int Code, string Out) Run(string[] before, params string[] args)
    {
        using var process = Start(before, args);
        var errors = process.StandardError.ReadToEndAsync();
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, text + errors.Result);
    }

    /// <summary>4 MB in several tensors, which all hold the version.</summary>
    public static Dictionary<string, NDArray> Checkpoint(int version)
    {
        var tensors = new Dictionary<string, NDArray>();
        for (var k = 0; k < 4; k++)
        {
            var values = new float[256 * 1024];
            Array.Fill(values, version);
            tensors[$"layer{k}.weight"] = values;
        }
        tensors[Version] = version;
        return tensors;
    }

    /// <summary>The one version that all tensors of a checkpoint have.</summary>
    public static int VersionOf(IReadOnlyDictionary<string, NDArray> tensors)
    {
        var version = tensors[Version].ToArray<int>()[0];
        foreach (var (name, tensor) in tensors)
            if (name != Version) Require.That(!tensor.Span<float>().ContainsAnyExcept((float)version), $"{name} is not of version {version}");
        return version;
    }
}
