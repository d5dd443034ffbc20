namespace Diff.Tests;

/// <summary>Where the repository lies, found upwards from the tests' own folder.</summary>
internal static class Repository
{
    public static string Root { get; } = Find(AppContext.BaseDirectory);

    public static string File(string path) => Path.Combine(Root, path);

    private static string Find(string folder) =>
        System.IO.File.Exists(Path.Combine(folder, "Diff.sln")) ? folder : Find(Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("Diff.sln is in no parent folder of the tests"));
}

/// <summary>Makes a folder the current one while it lives. Tests that use it do not run beside others.</summary>
internal sealed class WorkingFolder : IDisposable
{
    private static readonly Lock Gate = new();
    private readonly string _before;

    public WorkingFolder(string folder)
    {
        Gate.Enter();
        _before = Directory.GetCurrentDirectory();
        Directory.SetCurrentDirectory(folder);
    }

    public void Dispose()
    {
        Directory.SetCurrentDirectory(_before);
        Gate.Exit();
    }
}
