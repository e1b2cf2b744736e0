namespace Uml.CI;

/// <summary>
/// How a kernel was made: <c>build.json</c> beside its executable, in the store and in packages. With it, the source and
/// the files it names, anybody can make the same kernel again.
/// </summary>
public sealed record KernelRecord
{
    /// <summary>The name of the file.</summary>
    public const string FileName = "build.json";

    /// <summary>The version of this form.</summary>
    public const int FormatVersion = 1;

    /// <summary>The version of the form it was written in.</summary>
    public int Format { get; init; } = FormatVersion;

    /// <summary>The kernel's release, as <c>uname -r</c> prints it.</summary>
    public required string Release { get; init; }

    /// <summary>
    /// The kernel's version as three numbers and, before a release, its candidate: <c>7.3.4</c>, <c>7.3.0-rc7</c>. The version of its
    /// package.
    /// </summary>
    public required string Version { get; init; }

    /// <summary>What it was built from.</summary>
    public required KernelRecordSource Source { get; init; }

    /// <summary>The profiles, in the order they were applied; <c>base</c> comes before all and is not named.</summary>
    public required IReadOnlyList<string> Profiles { get; init; }

    /// <summary>The configuration fragments in their order; each is in <c>fragments/</c> by its name.</summary>
    public required IReadOnlyList<KernelRecordFile> Fragments { get; init; }

    /// <summary>The patches in their order; each is in <c>patches/</c> by its name.</summary>
    public IReadOnlyList<KernelRecordFile> Patches { get; init; } = [];

    /// <summary>The first line that the compiler prints for <c>--version</c>.</summary>
    public required string Compiler { get; init; }

    /// <summary>The first line that the linker prints for <c>--version</c>.</summary>
    public required string Linker { get; init; }

    /// <summary>The time that stands in the kernel, in seconds since 1970 (SOURCE_DATE_EPOCH).</summary>
    public required long SourceDateEpoch { get; init; }

    /// <summary>What <c>make</c> was given, without paths of the machine.</summary>
    public IReadOnlyList<string> MakeArguments { get; init; } = [];

    /// <summary>SHA-256 of everything that goes into the kernel: equal inputs make equal kernels.</summary>
    public required string Inputs { get; init; }
}

/// <summary>What a kernel was built from.</summary>
public sealed record KernelRecordSource
{
    /// <summary>The name of the source: <c>linux-source-7.3 7.3~rc7-1~exp1</c>, the name of a tarball or of a directory.</summary>
    public required string Name { get; init; }

    /// <summary>Where to get it: <c>debian-source:7.3</c>, or <c>source:NAME</c> for what was on the machine.</summary>
    public required string Reference { get; init; }

    /// <summary>SHA-256 of the tarball, or of the tree's files where there is none.</summary>
    public string? Sha256 { get; init; }

    /// <summary>The commit, for a git work tree.</summary>
    public string? Commit { get; init; }

    /// <summary>The work tree differed from the commit.</summary>
    public bool Modified { get; init; }
}

/// <summary>A file that took part in a build.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Sha256">SHA-256 of its content.</param>
public sealed record KernelRecordFile(string Name, string Sha256);
