using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>Packages with a kernel that boots: that of a Debian suite, with the one module it needs.</summary>
internal static class RealPackage
{
    /// <summary>The package of the kernel that a reference stands for, which has to run on the host's C library.</summary>
    public static async Task<TestPackage> CreateAsync(CancellationToken cancellationToken, string reference = "debian:bookworm")
    {
        GuestKernel kernel = await new KernelStore().ResolveAsync(reference, cancellationToken: cancellationToken);
        string directory = Path.GetDirectoryName(kernel.ExecutablePath)!;
        TestPackage package = new(Regex.Match(kernel.Release, @"^\d+\.\d+\.\d+").Value, await File.ReadAllBytesAsync(kernel.ExecutablePath, cancellationToken));
        if (kernel.ModulesDirectory is { } modules)
        {
            foreach (string file in Directory.EnumerateFiles(modules, "modules.*").Concat(Directory.EnumerateFiles(Path.Combine(modules, "kernel/fs/overlayfs"))))
                package.With(Path.GetRelativePath(directory, file), await File.ReadAllBytesAsync(file, cancellationToken));
        }

        return package;
    }
}
