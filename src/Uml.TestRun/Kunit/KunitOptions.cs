using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>Which of a kernel's unit tests run, and how.</summary>
public sealed record KunitOptions
{
    /// <summary>The memory kunit.py gives a kernel; some tests are sized by it.</summary>
    public const long DefaultMemory = 1L << 30;

    /// <summary>The kernel, and what it is given. Its mounts, artifacts and root are not used: there is no user space.</summary>
    public required GuestOptions Guest { get; init; }

    /// <summary><c>SUITE</c> or <c>SUITE.TEST</c>, each a pattern of the kernel's glob(7) (lib/glob.c); empty for all.</summary>
    public string FilterGlob { get; init; } = "";

    /// <summary>Filter by attributes, such as <c>speed&gt;slow, module!=example</c>; empty for none. Kernels since 6.6.</summary>
    public string Filter { get; init; } = "";

    /// <summary>Tests that <see cref="Filter"/> leaves out are reported as skipped instead of left out.</summary>
    public bool SkipFiltered { get; init; }

    /// <summary>What gets a kernel of its own.</summary>
    public KunitIsolation Isolation { get; init; }

    /// <summary>How long one kernel may take for its tests; kunit.py's default.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>How long one test may go without a result before its kernel is given up and the next tests get another.</summary>
    public TimeSpan TestTimeout { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>How many kernels run at once, where several do; the machine's own limit holds besides.</summary>
    public int Jobs { get; init; } = Environment.ProcessorCount;

    /// <summary>When cancelled, kernels that run are ended, and the run gives what there is, with a problem that says so.</summary>
    public CancellationToken Stopping { get; init; }

    /// <summary>
    /// How many kernels in a row may be lost to tests that crash or hang; after that the tests that are left are given up.
    /// </summary>
    public int MaximumLosses { get; init; } = 50;

    /// <summary>Told every line of the kernels' logs, with the pattern of the tests that the kernel runs; from any thread.</summary>
    public Action<string, KernelLogLine>? LogListener { get; init; }
}
