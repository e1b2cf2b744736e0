using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>What a run of the kernel's selftests gave.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Root">A suite for each collection, with its programs; what these printed in KTAP is below them.</param>
/// <param name="Totals">The programs by outcome, as the kernel's own runner counts them.</param>
/// <param name="Problems">Why the run is not good, apart from programs that failed: a line each.</param>
/// <param name="Notes">What is worth knowing beyond that.</param>
/// <param name="Complaints">What the kernels complained about.</param>
/// <param name="KernelLog">The logs of all guests, line by line.</param>
/// <param name="Duration">Of all of it.</param>
public sealed record KselftestResult(
    GuestKernel Kernel, KtapTest Root, KselftestTotals Totals, ImmutableArray<string> Problems, ImmutableArray<string> Notes, ImmutableArray<ReportComplaint> Complaints, ImmutableArray<string> KernelLog, TimeSpan Duration)
{
    /// <summary>Whether every program came to a good end, one at least passed, and nothing else went wrong.</summary>
    public bool IsSuccess => Problems.IsEmpty && Totals is { Fail: 0, Pass: > 0 };
}

/// <summary>The last line of the kernel's own runner (kselftest/ktap_helpers.sh): <c># Totals: pass:9 fail:1 ...</c>.</summary>
/// <param name="Pass">Exit status 0.</param>
/// <param name="Fail">Everything else: also a timeout, a crash, and exit status 3 (a pass that was not expected).</param>
/// <param name="XFail">Exit status 2.</param>
/// <param name="Skip">Exit status 4.</param>
public sealed record KselftestTotals(int Pass, int Fail, int XFail, int Skip)
{
    /// <inheritdoc/>
    public override string ToString() => $"# Totals: pass:{Pass} fail:{Fail} xfail:{XFail} xpass:0 skip:{Skip} error:0";
}
