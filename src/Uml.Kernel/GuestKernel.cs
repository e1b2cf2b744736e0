namespace Uml.CI;

/// <summary>A kernel on this machine that can be started right now.</summary>
public sealed record GuestKernel
{
    /// <summary>The reference it was resolved from, in its full form.</summary>
    public required string Reference { get; init; }

    /// <summary>The release as <c>uname -r</c> prints it in the guest: <c>7.2.7</c>.</summary>
    public required string Release { get; init; }

    /// <summary>The whole version line of the kernel, with its build number and options.</summary>
    public required string Banner { get; init; }

    /// <summary>What to execute: a patched copy when the kernel brings its own libc.</summary>
    public required string ExecutablePath { get; init; }

    /// <summary>SHA-256 of the original executable, in lower-case hexadecimal.</summary>
    public required string Sha256 { get; init; }

    /// <summary>The version of the package it came from, or null for a file.</summary>
    public string? PackageVersion { get; init; }

    /// <summary>
    /// NuGet's content hash of the package it came from, as <c>packages.lock.json</c> has it: SHA-512 in base64. Null for other kernels.
    /// </summary>
    public string? ContentHash { get; init; }

    /// <summary>The directory with the kernel's modules (<c>.../modules/7.2.7</c>), or null when it has none.</summary>
    public string? ModulesDirectory { get; init; }

    /// <summary>To be set as <c>LD_LIBRARY_PATH</c> when the kernel is started with its own libc; otherwise null.</summary>
    public string? LibraryDirectory { get; init; }

    /// <summary>Files and directories the kernel's process must be able to read and execute, for a sandbox.</summary>
    public required IReadOnlyList<string> ReadPaths { get; init; }

    /// <summary>Major and minor version.</summary>
    public required Version Version { get; init; }

    /// <summary>The kernel has the seccomp mode of running its user space, which came with 6.16.</summary>
    public bool SupportsSeccomp => Version >= new Version(6, 16);

    /// <summary>The kernel can use more than one processor.</summary>
    public required bool IsSmp { get; init; }

    /// <summary>The executable needs no dynamic loader.</summary>
    public required bool IsStatic { get; init; }
}
