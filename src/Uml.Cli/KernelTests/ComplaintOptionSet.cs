using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary>The options about what a kernel complains of, for every verb that tests kernels.</summary>
internal sealed class ComplaintOptionSet
{
    private readonly Option<string[]> _allow = new("--allow") { HelpName = "FILE", Description = "Complaints of the kernel that are put up with, each with a reason and an end (docs/kunit.md). Repeatable" };
    private readonly Option<bool> _ignore = new("--ignore-complaints") { Description = "Do not fail because the kernel complained" };

    /// <summary>For verbs that look at complaints unless told not to.</summary>
    public Option[] Options => [_allow, _ignore];

    /// <summary>The gate that was asked for; null for none.</summary>
    /// <exception cref="ArgumentException">An allow list cannot be used.</exception>
    public ComplaintGate? Read(ParseResult result, KernelAllowList? known = null)
    {
        var gate = ComplaintGate.Open(result.GetValue(_allow) ?? [], known);
        return result.GetValue(_ignore) ? null : gate;
    }
}
