using System.Text.RegularExpressions;

namespace Diff.Conformance;

/// <summary>Crashes and input/output errors while files are saved and loaded.</summary>
internal static partial class FaultCases
{
    private static readonly Dictionary<string, Action<Case, RunOptions>> recipes = new()
    {
        ["kill9-during-save-200"] = KillWhileSaving,
        ["io-error-at-every-write"] = (_, _) => FailEveryWrite(),
        ["disk-full"] = (_, _) => DiskFull(),
        ["truncate-everywhere"] = (_, options) => TruncateEverywhere(options),
        ["flip-every-bit"] = (_, options) => FlipEveryBit(options),
        ["save-into-missing-folder"] = (_, _) => SaveIntoMissingFolder(),
        ["fsync-order"] = (_, _) => FsyncOrder(),
        ["resume-bitwise"] = (_, options) => Resume.Check(options),
        ["old-version-files"] = (_, _) => GoldenFiles.CheckOldVersions(),
        ["interop"] = (_, _) => GoldenFiles.CheckInterop(),
    };

    public static void Run(Case c, RunOptions options)
    {
        if (!recipes.TryGetValue(c.Id, out var recipe)) throw new UnsupportedException("a recipe that is not known");
        recipe(c, options);
    }

    // ---- Crashes ----------------------------------------------------------------------------------------------------

    /// <summary>Two chains of processes at a time, each of which goes on from what the one before it left.</summary>
    private static void KillWhileSaving(Case c, RunOptions options)
    {
        var kills = options.Times(c["recipe"].Int("loop")!.Value);
        Parallel.For(0, 2, chain =>
        {
            using var folder = new TemporaryFolder();
            var (path, random) = (folder["checkpoint.safetensors"], new Random(chain));
            var saved = 0;
            for (var i = chain; i < kills; i += 2)
            {
                using (var child = Child.Start([], "save-on", path, $"{saved + 1}"))
                {
                    // The 300 ms count from the first save, not from the start of the runtime.
                    saved = int.Parse(child.StandardOutput.ReadLine() ?? throw new FailureException("the child did not save"), null);
                    Thread.Sleep(random.Next(300));
                    child.Kill();
                    foreach (var line in child.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries)) saved = int.Parse(line, null);
                    child.WaitForExit();
                }
                var version = Child.VersionOf(Safetensors.Load(path).Tensors);
                Require.That(version >= saved, $"version {version} was loaded, but the save of version {saved} had returned");
                Require.That(folder.Contents().Length <= 2, $"stray files: {string.Join(", ", folder.Contents())}");
                saved = version;
            }
            Safetensors.Save(path, Child.Checkpoint(saved));
            RequireOnly(folder, path);
        });
    }

    // ---- Failing writes ---------------------------------------------------------------------------------------------

    /// <summary>Every write fails in turn, once and for ever after; the writer gives up or tries again.</summary>
    private static void FailEveryWrite()
    {
        using var folder = new TemporaryFolder();
        var path = folder["file.bin"];
        byte[] old = [1, 2, 3];
        foreach (var forever in new[] { false, true })
        {
            var succeeded = false;
            for (var failing = 1; !succeeded; failing++)
            {
                File.WriteAllBytes(path, old);
                try
                {
                    AtomicFile.Write(path, stream => WritePieces(new FailingStream(stream, failing, forever)));
                    succeeded = true;
                    Require.That(failing > 20, "a failed write was not reported");
                    Require.That(File.ReadAllBytes(path).Length == 20 * 1000, "the file is not whole");
                }
                catch (IOException e)
                {
                    Require.That(e.Message.Contains(path, StringComparison.Ordinal), $"the error does not name the path: {e.Message}");
                    Require.That(File.ReadAllBytes(path).SequenceEqual(old), $"the old file changed when write {failing} failed");
                }
                RequireOnly(folder, path);
            }
        }
    }

    private static void WritePieces(Stream stream)
    {
        for (var k = 0; k < 20; k++) stream.Write(new byte[1000]);
    }

    /// <summary>The file system refuses what goes beyond 1 MB.</summary>
    private static void DiskFull()
    {
        if (OperatingSystem.IsWindows()) throw new UnsupportedException("no limit of file sizes on Windows");
        using var folder = new TemporaryFolder();
        var path = folder["checkpoint.safetensors"];
        Safetensors.Save(path, new Dictionary<string, NDArray> { ["old"] = new float[128 * 1024] });
        var old = File.ReadAllBytes(path);
        // Ignored, the signal becomes an error of the write. The runtime's double mapping would be such a file too.
        var (code, text) = Child.Run(["env", "DOTNET_EnableWriteXorExecute=0", "bash", "-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "-"], "save", path);
        Require.That(code == 1, $"the child ended with {code}: {text}");
        Require.That(text.Contains(path, StringComparison.Ordinal), $"the error does not name the path: {text}");
        Require.That(File.ReadAllBytes(path).SequenceEqual(old), "the old file changed");
        RequireOnly(folder, path);
    }

    private static void SaveIntoMissingFolder()
    {
        using var folder = new TemporaryFolder();
        var directory = Directory.CreateDirectory(folder["a-folder"]).FullName;
        List<string> paths = [folder["missing/model"], directory, folder[new string('x', 5000)], folder["nul\0name"]];
        // Nobody can make files there, not even the administrator, whom permissions do not stop.
        if (OperatingSystem.IsLinux()) paths.Add("/proc/diff-conformance.safetensors");
        if (!OperatingSystem.IsWindows() && Environment.UserName != "root")
        {
            var locked = Directory.CreateDirectory(folder["locked"]).FullName;
            File.SetUnixFileMode(locked, UnixFileMode.UserRead | UnixFileMode.UserExecute);
            paths.Add(Path.Combine(locked, "model"));
        }
        var before = folder.Contents();
        foreach (var path in paths)
        {
            try
            {
                Safetensors.Save(path, new Dictionary<string, NDArray> { ["a"] = 1.0 });
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
            {
                // A name with NUL is written without it.
                var named = path.Split('\0')[0];
                Require.That(e.Message.Contains(named[..Math.Min(60, named.Length)], StringComparison.Ordinal), $"the error does not name the path: {e.Message}");
                continue;
            }
            throw new FailureException($"saved to {path[..Math.Min(60, path.Length)]}");
        }
        Require.That(folder.Contents().SequenceEqual(before), "something was created");
    }

    /// <summary>The system calls of a save: temp written, temp on the disk, renamed, folder on the disk.</summary>
    private static void FsyncOrder()
    {
        using var folder = new TemporaryFolder();
        using var traces = new TemporaryFolder();
        var (path, trace) = (folder["model.safetensors"], traces["calls"]);
        string[] strace = ["strace", "-f", "-e", "trace=openat,open,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2", "-o", trace];
        try
        {
            var (code, text) = Child.Run(strace, "save", path);
            if (!File.Exists(trace)) throw new UnsupportedException($"strace: {text}");
            Require.That(code == 0, $"the child ended with {code}: {text}");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new UnsupportedException("strace is not installed");
        }
        var calls = File.ReadAllLines(trace);
        var temp = Array.FindIndex(calls, l => l.Contains(folder.Path + "/.", StringComparison.Ordinal) && l.Contains("O_CREAT", StringComparison.Ordinal) && l.Contains("O_EXCL", StringComparison.Ordinal));
        Require.That(temp >= 0, "no temporary file in the target's folder");
        var (file, name) = (Descriptor().Match(calls[temp]).Groups[1].Value, Quoted().Match(calls[temp]).Groups[1].Value);
        int After(int start, string call) => Array.FindIndex(calls, Math.Max(0, start), l => l.Contains(call, StringComparison.Ordinal));
        var written = After(temp, $"write64({file},") is var w && w >= 0 ? w : After(temp, $"write({file},");
        var synced = After(written, $"fsync({file})");
        var renamed = After(synced, "rename");
        var opened = Array.FindIndex(calls, Math.Max(0, renamed), l => l.Contains($"\"{folder.Path}\"", StringComparison.Ordinal));
        Require.That(written > temp && synced > written && renamed > synced && calls[renamed].Contains(name, StringComparison.Ordinal), "the order is not write, fsync, rename");
        Require.That(opened > renamed && After(opened, $"fsync({Descriptor().Match(calls[opened]).Groups[1].Value})") > opened, "the folder is not flushed after the rename");
    }

    [GeneratedRegex(@"= (\d+)\s*$")]
    private static partial Regex Descriptor();

    [GeneratedRegex("\"([^\"]+)\"")]
    private static partial Regex Quoted();

    private static void RequireOnly(TemporaryFolder folder, string path)
    {
        var files = Directory.GetFileSystemEntries(folder.Path);
        Require.That(files is [var one] && one == path, $"stray files: {string.Join(", ", files)}");
    }

    /// <summary>A disk on which a write fails, once or from then on.</summary>
    private sealed class FailingStream(Stream inner, int failing, bool forever) : Stream
    {
        private int _writes;

        public override bool CanRead => false;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => inner.Length;
        public override long Position { get => inner.Position; set => throw new NotSupportedException(); }

        public override void Write(byte[] buffer, int offset, int count)
        {
            if (++_writes == failing || (forever && _writes > failing)) throw new IOException("no space left on device");
            inner.Write(buffer, offset, count);
        }

        public override void Flush() => inner.Flush();
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
