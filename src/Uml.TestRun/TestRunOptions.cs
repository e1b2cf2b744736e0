using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>Which tests run in which guests.</summary>
public sealed record TestRunOptions
{
    /// <summary>The test assemblies.</summary>
    public ImmutableArray<TestAssembly> Assemblies { get; init; } = [];

    /// <summary>The guests, one for each kernel; each assembly gets a fresh one of each.</summary>
    public ImmutableArray<GuestOptions> Guests { get; init; } = [];

    /// <summary>Which tests of the assemblies run.</summary>
    public TestFilter Filter { get; init; } = new();

    /// <summary>How long an assembly's tests may take in a guest, without its boot, and how long finding them on the host; null for no limit, and a minute to find them.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Guests at once; null for as many as the host has processors.</summary>
    public int? Jobs { get; init; }

    /// <summary>Whether the first failure ends everything.</summary>
    public bool StopOnFail { get; init; }

    /// <summary>A directory for what the guests leave: attachments, what the test programs wrote, the kernel logs; null to keep none of it.</summary>
    public string? ResultsDirectory { get; init; }

    /// <summary>The names of the kernels in tables and reports: short where that tells them apart.</summary>
    /// <exception cref="TestRunException">A kernel is there twice.</exception>
    public ImmutableArray<string> KernelNames()
    {
        string[] full = [.. Guests.Select(g => g.Kernel.ToString())];
        if (full.GroupBy(n => n, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new TestRunException($"the kernel {twice.Key} is there twice: name each once");
        string[] brief = [.. Guests.Select(g => g.Kernel.Source == KernelSource.File ? Path.GetFileName(g.Kernel.Value) : g.Kernel.ToString())];
        return [.. full.Select((name, i) => brief.Count(b => b == brief[i]) == 1 ? brief[i] : name)];
    }
}
