namespace Uml.CI;

/// <summary>Finds the suite of Debian that has a package.</summary>
internal static class DebianSuites
{
    // Newest first, by the names that stay the same from release to release.
    private static readonly string[] s_suites =
        ["unstable", "experimental", "testing", "stable-backports", "stable", "oldstable-backports", "oldstable", "oldoldstable-backports", "oldoldstable"];

    /// <summary>Looks through the suites until one has it.</summary>
    /// <param name="apt">The archive; afterwards it stands at the suite.</param>
    /// <param name="package">The package.</param>
    /// <param name="suite">The only suite to look at, or null.</param>
    /// <param name="hint">The suite to begin with, or null.</param>
    /// <param name="reference">For the error.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="KernelException">No suite has it, or the archive cannot be reached.</exception>
    public static async Task<(AptClient.Package Package, string Suite)> FindAsync(
        AptClient apt, string package, string? suite, string? hint, string reference, CancellationToken cancellationToken)
    {
        string[] suites = suite is not null ? [suite] : hint is not null ? [hint, .. s_suites.Where(s => s != hint)] : s_suites;
        KernelException? last = null;
        foreach (AptSource archive in await apt.FindArchivesAsync(cancellationToken))
        {
            foreach (string candidate in suites)
            {
                try
                {
                    await apt.UpdateAsync(archive, candidate, cancellationToken);
                    return (await apt.FindPackageAsync(package, candidate, cancellationToken), candidate);
                }
                catch (KernelException e) when (e.Problem == KernelProblem.NotFound)
                {
                    last = e;
                }
            }
        }

        throw suite is not null
            ? last!
            : new KernelException($"{reference} cannot be built: no suite of Debian has the package {package} now ({string.Join(", ", s_suites)}); name another version, or a tarball or a tree with source:PATH.", last) { Problem = KernelProblem.NotFound };
    }
}
