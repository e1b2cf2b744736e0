using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>Builds the kernel's selftests from its source, and installs them as <c>make -C tools/testing/selftests install</c> does.</summary>
public static partial class KselftestBuild
{
    // What the makefiles call without a word about what is missing.
    private static readonly (string Program, string Package)[] Tools = [("make", "make"), ("gcc", "gcc"), ("ld", "binutils"), ("rsync", "rsync"), ("perl", "perl")];

    // Headers and libraries that targets ask for, and Debian's packages of them.
    private static readonly Dictionary<string, string> Packages = new(StringComparer.Ordinal)
    {
        ["sys/capability.h"] = "libcap-dev",
        ["cap"] = "libcap-dev",
        ["cap-ng.h"] = "libcap-ng-dev",
        ["cap-ng"] = "libcap-ng-dev",
        ["popt.h"] = "libpopt-dev",
        ["popt"] = "libpopt-dev",
        ["numa.h"] = "libnuma-dev",
        ["numa"] = "libnuma-dev",
        ["libelf.h"] = "libelf-dev",
        ["elf"] = "libelf-dev",
        ["libmnl/libmnl.h"] = "libmnl-dev",
        ["mnl"] = "libmnl-dev",
        ["alsa/asoundlib.h"] = "libasound2-dev",
        ["asound"] = "libasound2-dev",
        ["fuse.h"] = "libfuse-dev",
        ["keyutils.h"] = "libkeyutils-dev",
        ["openssl/bio.h"] = "libssl-dev",
        ["mount/libmount.h"] = "libmount-dev",
        ["libkmod.h"] = "libkmod-dev",
        ["stdlib.h"] = "libc6-dev",
        ["stdio.h"] = "libc6-dev",
        ["c"] = "libc6-dev",
        ["pthread"] = "libc6-dev",
    };

    /// <summary>Builds and installs.</summary>
    /// <param name="source">The source: <c>debian-source:</c> or <c>source:</c>.</param>
    /// <param name="targets">Targets of tools/testing/selftests: <c>timers</c>, <c>net/forwarding</c>.</param>
    /// <param name="jobs">How many files to compile at once; null for as many as there are processors.</param>
    /// <param name="progress">Told what is going on.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The directory they are installed in, in the kernel store.</returns>
    /// <exception cref="KernelException">They cannot be built; the message names what is missing.</exception>
    public static async Task<string> InstallAsync(
        KernelReference source, ImmutableArray<string> targets, int? jobs = null, IProgress<KernelProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        string path = Environment.GetEnvironmentVariable("PATH") ?? "";
        (string Program, string Package)[] missing = [.. Tools.Where(t => BuildTool.Find(t.Program, path) is null)];
        if (missing.Length > 0)
            throw new KernelException($"The kernel's selftests cannot be built: {string.Join(", ", missing.Select(t => t.Program))} {(missing.Length == 1 ? "is" : "are")} missing; install {string.Join(' ', missing.Select(t => t.Package).Distinct())}.") { Problem = KernelProblem.Unavailable };
        var store = new KernelStore();
        return await store.WithSourceAsync(source, progress, async (directory, identity) =>
        {
            string selftests = Path.Combine(directory, "tools", "testing", "selftests");
            foreach (string target in targets)
            {
                if (target.Split('/').Contains("..") || !File.Exists(Path.Combine(selftests, target, "Makefile")))
                    throw new KernelException($"The source has no selftests \"{target}\" (tools/testing/selftests/{target}): \"ls {selftests}\" shows what there is.") { Problem = KernelProblem.NotFound };
            }

            string kept = Path.Combine(store.BesideKernels(source), "kselftest", BuildInputs.HashOf(identity)[..32]);
            string objects = Path.Combine(kept, "objects");
            string installed = Path.Combine(kept, "install-" + BuildInputs.HashOf(targets)[..12]);
            Directory.CreateDirectory(objects);
            using IDisposable mine = await KernelStore.LockAsync(Path.Combine(kept, "lock"), () => progress?.Report(new KernelProgress("waiting for another process that builds these selftests")), cancellationToken);
            UnixFiles.DeleteTree(installed);
            string parallel = "-j" + (jobs ?? Environment.ProcessorCount).ToString(CultureInfo.InvariantCulture);

            // User space is that of this machine, which UML is of, too.
            string[] common = ["ARCH=x86_64", "O=" + objects, parallel];
            progress?.Report(new KernelProgress("making the kernel's headers"));
            await MakeAsync(path, ["-C", directory, .. common, "headers"], Path.Combine(kept, "headers.log"), "the kernel's headers", cancellationToken);
            progress?.Report(new KernelProgress($"building selftests: {string.Join(", ", targets)}"));
            string log = Path.Combine(kept, "build.log");
            await MakeAsync(path, ["-C", selftests, .. common, $"TARGETS={string.Join(' ', targets)}", "INSTALL_PATH=" + installed, "FORCE_TARGETS=1", "install"], log, "the kernel's selftests", cancellationToken);
            return File.Exists(Path.Combine(installed, "kselftest-list.txt"))
                ? installed
                : throw new KernelException($"The kernel's selftests were built, and none were installed; all that make said is in {log}.");
        }, cancellationToken);
    }

    private static async Task MakeAsync(string path, ImmutableArray<string> arguments, string logFile, string what, CancellationToken cancellationToken)
    {
        ExternalResult result = await new ExternalProgram("/bin/sh")
        {
            Arguments = ["-c", "exec \"$@\" 2>&1", "sh", BuildTool.Find("make", path)!, .. arguments],
            Environment = BuildEnvironment.Create(Environment.GetEnvironmentVariable),
            EndsWithParent = true,
            ThrowsOnFailure = false,
        }.RunAsync(cancellationToken);
        await File.WriteAllTextAsync(logFile, result.StandardOutput, cancellationToken);
        if (result.ExitCode == 0)
            return;
        string reason = Reason(result.StandardOutput) ?? "make failed";
        throw new KernelException($"{char.ToUpperInvariant(what[0])}{what[1..]} cannot be built: {reason}; all that make said is in {logFile}.");
    }

    /// <summary>What a log says is missing, or its first error; null when it names none.</summary>
    internal static string? Reason(string log)
    {
        string[] missing = [.. MissingHeader().Matches(log).Concat(MissingLibrary().Matches(log)).Select(m => m.Groups["name"].Value).Distinct(StringComparer.Ordinal)];
        if (missing.Length > 0)
        {
            string[] packages = [.. missing.Select(m => Packages.GetValueOrDefault(m)).OfType<string>().Distinct(StringComparer.Ordinal)];
            return $"{string.Join(", ", missing)} {(missing.Length == 1 ? "is" : "are")} missing{(packages.Length > 0 ? $" (install {string.Join(' ', packages)})" : "")}";
        }

        return log.Split('\n').Select(l => l.Trim()).FirstOrDefault(l => l.Contains("error:", StringComparison.OrdinalIgnoreCase) || l.Contains(": not found", StringComparison.Ordinal) || l.Contains("*** ", StringComparison.Ordinal))?.TrimEnd('.');
    }

    [GeneratedRegex(@"fatal error: (?<name>[\w./+-]+): No such file", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex MissingHeader();

    [GeneratedRegex(@"cannot find -l(?<name>[\w+-]+)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex MissingLibrary();
}
