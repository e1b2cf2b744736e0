using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>Selftests that were built from a kernel's source, installed for as long as this is not disposed of.</summary>
public sealed class KselftestInstallation : IDisposable
{
    private readonly TemporaryDirectory _place;

    internal KselftestInstallation(TemporaryDirectory place, ImmutableArray<KselftestBuildFailure> failures)
    {
        _place = place;
        Failures = failures;
    }

    /// <summary>The directory they are installed in.</summary>
    public string Directory => _place.Path;

    /// <summary>Targets that were asked for and could not be built.</summary>
    public ImmutableArray<KselftestBuildFailure> Failures { get; }

    /// <inheritdoc/>
    public void Dispose() => _place.Dispose();
}

/// <summary>A target of the kernel's selftests that could not be built.</summary>
/// <param name="Target">The target.</param>
/// <param name="Reason">What is missing or wrong, in one line.</param>
/// <param name="LogFile">All that make said.</param>
public sealed record KselftestBuildFailure(string Target, string Reason, string LogFile)
{
    /// <inheritdoc/>
    public override string ToString() => $"the selftests \"{Target}\" cannot be built: {Reason}; all that make said is in {LogFile}";
}
