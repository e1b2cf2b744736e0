namespace Uml.CI;

/// <summary>A kernel's source, ready to be built from.</summary>
internal sealed record KernelTree
{
    /// <summary>Where <c>make</c> can work on it; never written to.</summary>
    public required string Directory { get; init; }

    /// <summary>What stands in the kernel's record.</summary>
    public required KernelRecordSource Record { get; init; }

    /// <summary>SHA-256 of everything in it.</summary>
    public required string Hash { get; init; }

    /// <summary>When it was made, in seconds since 1970: the time of the commit, or of the newest file.</summary>
    public required long Date { get; init; }

    /// <summary>Its version.</summary>
    public required KernelSourceVersion Version { get; init; }

    /// <summary>The version of the package it came from, or null.</summary>
    public string? PackageVersion { get; init; }

    /// <summary>Files it consists of, where it cannot be built from where it is: below <see cref="Directory"/>, in no order.</summary>
    public IReadOnlyList<string>? Listed { get; init; }

    /// <summary>It is somebody's working directory, of which one build follows the other.</summary>
    public bool IsWorkingTree { get; init; }
}

/// <summary>sources/KEY.json: an unpacked source, written when it is whole.</summary>
internal sealed record SourceDocument
{
    /// <summary>The tarball's file name.</summary>
    public required string Name { get; init; }

    /// <summary>The time of its newest file.</summary>
    public required long Date { get; init; }

    /// <summary>Bytes it takes.</summary>
    public required long Size { get; init; }
}

/// <summary>sources/debian-VERSION.json: what <c>debian-source:VERSION</c> was found to be.</summary>
internal sealed record DebianSourceDocument
{
    /// <summary>The package.</summary>
    public required string Package { get; init; }

    /// <summary>Its version.</summary>
    public required string Version { get; init; }

    /// <summary>The suite it was found in.</summary>
    public required string Suite { get; init; }

    /// <summary>SHA-256 of the tarball in it.</summary>
    public required string Sha256 { get; init; }

    /// <summary>The tarball's name.</summary>
    public required string FileName { get; init; }
}

/// <summary>builds/INPUTS.json: which kernel came of some inputs.</summary>
internal sealed record BuildDocument
{
    /// <summary>SHA-256 of the kernel's executable.</summary>
    public required string Sha256 { get; init; }

    /// <summary>How many files were compiled.</summary>
    public int Compiled { get; init; }
}
