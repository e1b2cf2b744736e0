using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>A kind of package and the tools that go with it: what the smoke test knows of neither.</summary>
internal interface IPackageFamily
{
    /// <summary>Finds out what arguments name: packages in files, directories of them, lists of them, names.</summary>
    /// <exception cref="KernelException">One names no package; the message says why.</exception>
    Task<PackageSelection> SelectAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken);

    /// <summary>Collects on the host what guests of a suite need to install packages without a network.</summary>
    /// <param name="selection">The packages.</param>
    /// <param name="suite">The suite.</param>
    /// <param name="recommends">Whether what they only recommend is installed too.</param>
    /// <param name="progress">Told what is going on.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="KernelException">The suite, or the tools for it, cannot be used.</exception>
    Task<PreparedSuite> PrepareAsync(PackageSelection selection, string suite, bool recommends, IProgress<KernelProgress>? progress, CancellationToken cancellationToken);

    /// <summary>What packages may leave behind.</summary>
    LeftoverRules Leftovers { get; }
}

/// <summary>What arguments named.</summary>
/// <param name="Names">The packages to test, each once.</param>
/// <param name="Files">Those that are there as files.</param>
/// <param name="Notes">What was left out, and why.</param>
internal sealed record PackageSelection(ImmutableArray<string> Names, ImmutableArray<DebianPackageFile> Files, ImmutableArray<string> Notes);

/// <summary>A suite that guests can install packages of.</summary>
/// <param name="Suite">Its name.</param>
/// <param name="Root">What guests start from.</param>
/// <param name="Owner">Removes the directory.</param>
/// <param name="Directory">What they see at <see cref="SmokeRun.Place"/>; it has a script smoke.sh that does what a verb names.</param>
/// <param name="Targets">The packages, in the order they were selected in.</param>
internal sealed record PreparedSuite(string Suite, GuestRoot Root, IDisposable Owner, string Directory, ImmutableArray<SmokeTarget> Targets) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Owner.Dispose();
}

/// <summary>A package to test.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Version">The version under test.</param>
/// <param name="OlderVersion">The version to upgrade from; null for none.</param>
/// <param name="NoUpgrade">Why there is none.</param>
/// <param name="Problem">Why it cannot be installed; null when it can.</param>
/// <param name="InImage">The version the suite's image has of it from the start, without which it would be another system; null for none.</param>
internal sealed record SmokeTarget(string Name, string Version, string? OlderVersion, string NoUpgrade, string? Problem, string? InImage = null);
