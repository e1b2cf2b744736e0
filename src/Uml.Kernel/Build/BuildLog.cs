using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>What make says: all of it goes to a file, and how far the build is to a progress.</summary>
internal sealed partial class BuildLog : IDisposable
{
    private readonly StreamWriter _file;
    private readonly IProgress<KernelProgress>? _progress;
    private readonly string _stage;
    private readonly int? _expected;
    private readonly TimeProvider _clock;
    private readonly long _begun;
    private readonly Lock _lock = new();
    private string? _error;
    private int _total;

    /// <summary>Begins a log.</summary>
    /// <param name="path">Its file; one that is there is replaced.</param>
    /// <param name="stage">What is being built.</param>
    /// <param name="expected">How many files are expected to be compiled, where that is known.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="clock">The clock.</param>
    public BuildLog(string path, string stage, int? expected, IProgress<KernelProgress>? progress, TimeProvider? clock = null)
    {
        _file = new StreamWriter(path) { AutoFlush = true };
        Path = path;
        _stage = stage;
        _expected = expected;
        _progress = progress;
        _clock = clock ?? TimeProvider.System;
        _begun = _clock.GetTimestamp();
        _total = expected ?? 0;
    }

    public string Path { get; }

    /// <summary>How many files have been compiled.</summary>
    public int Compiled { get; private set; }

    /// <summary>The first line that tells of an error, or null.</summary>
    public string? FirstError => _error;

    /// <summary>Takes the next line; from any thread.</summary>
    public void Add(string line)
    {
        lock (_lock)
        {
            _file.WriteLine(line);
            if (_error is null && IsError(line))
                _error = line.Trim();
            if (Step().Match(line) is not { Success: true } match)
                return;
            string what = match.Groups["what"].Value;
            if (what is "CC" or "AS" or "USER")
                Compiled++;
            else if (what is not "LD" || !match.Groups["file"].Value.StartsWith("vmlinux", StringComparison.Ordinal))
                return;
            Report(what);
        }
    }

    /// <summary>Whether a line tells what is wrong, and not just that something is.</summary>
    internal static bool IsError(string line) =>
        Error().IsMatch(line) || line.StartsWith("*** ", StringComparison.Ordinal) || line.Contains("undefined reference to", StringComparison.Ordinal)
        || line.Contains("No space left on device", StringComparison.Ordinal) || line.StartsWith("ERROR: ", StringComparison.Ordinal);

    public void Dispose() => _file.Dispose();

    private void Report(string what)
    {
        if (what == "LD")
        {
            _progress?.Report(new KernelProgress($"linking {_stage}"));
            return;
        }

        if (_expected is not { } expected)
        {
            _progress?.Report(new KernelProgress($"building {_stage}") { FilesDone = Compiled });
            return;
        }

        // An estimate that turns out too low grows ahead of the count, so that it never says that all is done before it is.
        _total = Math.Max(_total, Compiled + Math.Max(1, expected / 50));
        TimeSpan elapsed = _clock.GetElapsedTime(_begun);
        const int enough = 20;
        TimeSpan? left = Compiled >= enough && elapsed > TimeSpan.FromSeconds(3) ? elapsed / Compiled * (_total - Compiled) : null;
        _progress?.Report(new KernelProgress($"building {_stage}") { FilesDone = Compiled, FilesTotal = _total, TimeLeft = left });
    }

    // "  CC      init/main.o", "  CC [M]  fs/x.o"; programs for the build itself have HOSTCC.
    [GeneratedRegex(@"^  (?<what>[A-Z]+)( \[M\])?\s+(?<file>\S+)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Step();

    [GeneratedRegex(@"^\S+:(\d+:)* (fatal )?error: |^make(\[\d+\])?: \*\*\* (No rule|No targets|missing)|^\S*(Makefile|Kconfig|Kbuild)\S*:\d+: \*\*\*", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Error();
}
