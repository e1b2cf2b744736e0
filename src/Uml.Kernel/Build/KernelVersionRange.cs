namespace Uml.CI;

/// <summary>Kernel versions from one (included) up to another (not included).</summary>
/// <param name="Since">The first, as major and minor number, or null.</param>
/// <param name="Before">The first that is not meant any more, or null.</param>
internal readonly record struct KernelVersionRange(Version? Since, Version? Before)
{
    public static KernelVersionRange All => default;

    /// <summary>Whether a kernel is meant; only its first two numbers count, so that a release candidate is its release.</summary>
    public bool Contains(Version version)
    {
        Version plain = new(version.Major, version.Minor);
        return (Since is null || plain >= Since) && (Before is null || plain < Before);
    }

    /// <summary>
    /// Takes <c>since A.B</c> or <c>before A.B</c> off the front of some words. False when they begin with neither, or the version is
    /// none.
    /// </summary>
    public static bool TryTake(Queue<string> words, ref KernelVersionRange range)
    {
        if (words.Count < 2 || words.Peek() is not ("since" or "before") || !Version.TryParse(words.ElementAt(1), out Version? version))
            return false;
        bool since = words.Dequeue() == "since";
        words.Dequeue();
        range = since ? range with { Since = version } : range with { Before = version };
        return true;
    }

    public override string ToString() => (Since, Before) switch
    {
        (null, null) => "all kernels",
        (not null, null) => $"kernels {Since} and later",
        (null, not null) => $"kernels before {Before}",
        _ => $"kernels from {Since} to before {Before}",
    };
}
