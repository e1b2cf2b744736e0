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
        ["fuse3/fuse.h"] = "libfuse3-dev",
        ["fuse"] = "libfuse-dev",
        ["fuse3"] = "libfuse3-dev",
        ["keyutils"] = "libkeyutils-dev",
        ["liburing.h"] = "liburing-dev",
        ["uring"] = "liburing-dev",
        ["hugetlbfs.h"] = "libhugetlbfs-dev",
        ["ssl"] = "libssl-dev",
        ["crypto"] = "libssl-dev",
        ["clang"] = "clang",
        ["flex"] = "flex",
        ["bison"] = "bison",
        ["bc"] = "bc",
        ["python3"] = "python3",
        ["pahole"] = "pahole",
        ["bpftool"] = "bpftool",
        ["rst2man"] = "python3-docutils",
        ["pkg-config"] = "pkgconf",
        ["stdlib.h"] = "libc6-dev",
        ["stdio.h"] = "libc6-dev",
        ["c"] = "libc6-dev",
        ["pthread"] = "libc6-dev",
    };

    /// <summary>Builds and installs. A target that cannot be built is none of the others' business.</summary>
    /// <param name="source">The source: <c>debian-source:</c> or <c>source:</c>. Nothing is written to it.</param>
    /// <param name="targets">Targets of tools/testing/selftests: <c>timers</c>, <c>net/forwarding</c>.</param>
    /// <param name="jobs">How many files to compile at once; null for as many as there are processors.</param>
    /// <param name="progress">Told what is going on.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Where they are installed, and which could not be built.</returns>
    /// <exception cref="KernelException">None can be built, or there is no such target; the message says why.</exception>
    public static async Task<KselftestInstallation> InstallAsync(
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
                    throw new KernelException($"The source has no selftests \"{target}\" (tools/testing/selftests){NearestNames.Hint(target, TargetsOf(selftests))}.") { Problem = KernelProblem.NotFound };
            }

            // Named as the objects of kernels are, so that pruning the store finds them and leaves them alone while they are locked.
            string root = store.BesideKernels(source);
            string key = "kselftest-" + BuildInputs.HashOf(identity)[..32];
            string kept = Path.Combine(root, "objects", key);
            string objects = Path.Combine(kept, "objects");
            string locks = Path.Combine(root, "locks");
            Directory.CreateDirectory(locks);
            using IDisposable mine = await KernelStore.LockAsync(Path.Combine(locks, "objects-" + key), () => progress?.Report(new KernelProgress("waiting for another process that builds these selftests")), cancellationToken);
            Directory.CreateDirectory(objects);
            Directory.SetLastWriteTimeUtc(kept, DateTime.UtcNow);

            // User space is that of this machine, which UML is of, too.
            string[] common = ["ARCH=x86_64", "O=" + objects, "-j" + (jobs ?? Environment.ProcessorCount).ToString(CultureInfo.InvariantCulture)];
            progress?.Report(new KernelProgress("making the kernel's headers"));
            string headers = Path.Combine(kept, "headers.log");
            if (await MakeAsync(path, ["-C", directory, .. common, "headers"], headers, cancellationToken) is { } reason)
                throw new KernelException($"The kernel's headers cannot be made: {reason}; all that make said is in {headers}.");

            progress?.Report(new KernelProgress("copying the selftests' sources"));
            selftests = await CopyAsync(path, directory, Path.Combine(kept, "tree"), cancellationToken);

            // One after the other, as only then is it known which one fails. The kernel's own makefile leaves that out without a word
            // unless told to stop at the first; it also leaves out some that were asked for (SKIP_TARGETS).
            var failures = ImmutableArray.CreateBuilder<KselftestBuildFailure>();
            var built = new List<string>();
            foreach (string target in targets.Distinct(StringComparer.Ordinal))
            {
                progress?.Report(new KernelProgress($"building selftests: {target}"));
                string log = Path.Combine(kept, $"build-{target.Replace('/', '-')}.log");
                if (await MakeAsync(path, ["-C", selftests, .. common, "TARGETS=" + target, "SKIP_TARGETS=", "FORCE_TARGETS=1", "all"], log, cancellationToken) is { } failure)
                    failures.Add(new KselftestBuildFailure(target, failure, log));
                else
                    built.Add(target);
            }

            if (built.Count == 0)
                throw new KernelException($"No selftests can be built: {string.Join("; ", failures.Select(f => $"{f.Target}: {f.Reason}"))}; all that make said is in {Path.Combine(kept, "build-*.log")}.") { Problem = KernelProblem.Unavailable };
            TemporaryDirectory installed = await TemporaryDirectory.CreateAsync(Path.Combine(root, "tmp"), cancellationToken);
            try
            {
                string log = Path.Combine(kept, "install.log");
                if (await MakeAsync(path, ["-C", selftests, .. common, $"TARGETS={string.Join(' ', built)}", "SKIP_TARGETS=", "INSTALL_PATH=" + installed.Path, "FORCE_TARGETS=1", "install"], log, cancellationToken) is { } failure)
                    throw new KernelException($"The kernel's selftests cannot be installed: {failure}; all that make said is in {log}.");
                string list = Path.Combine(installed.Path, "kselftest-list.txt");
                string[] installedTargets = File.Exists(list) ? [.. File.ReadLines(list).Select(l => l.Split(':', 2)[0])] : [];
                foreach (string target in built.Except(installedTargets, StringComparer.Ordinal))
                    failures.Add(new KselftestBuildFailure(target, "its makefile installed no tests", log));
                return installedTargets.Length > 0
                    ? new KselftestInstallation(installed, failures.ToImmutable())
                    : throw new KernelException($"The kernel's selftests were built, and none were installed; all that make said is in {log}.");
            }
            catch
            {
                installed.Dispose();
                throw;
            }
        }, cancellationToken);
    }

    // Some makefiles write beside their sources whatever they are told (mm, prctl, uevent). So they get sources of their own, in a tree
    // whose other files are those of the kernel's tree.
    private static async Task<string> CopyAsync(string path, string tree, string copy, CancellationToken cancellationToken)
    {
        string from = tree, to = copy;
        foreach (string part in (string[])["tools", "testing", "selftests"])
        {
            Directory.CreateDirectory(to);
            foreach (string old in Directory.EnumerateFileSystemEntries(to).Where(e => new FileInfo(e).LinkTarget is not null))
                File.Delete(old);
            foreach (string entry in Directory.EnumerateFileSystemEntries(from).Where(e => Path.GetFileName(e) != part))
                File.CreateSymbolicLink(Path.Combine(to, Path.GetFileName(entry)), entry);
            (from, to) = (Path.Combine(from, part), Path.Combine(to, part));
        }

        // With their times, so that make finds what it has made of them.
        try
        {
            await new ExternalProgram(BuildTool.Find("rsync", path)!) { Arguments = ["-a", "--delete", from + "/", to + "/"], EndsWithParent = true }.RunAsync(cancellationToken);
        }
        catch (ExternalProgramException e)
        {
            throw new KernelException($"The selftests' sources in {from} cannot be copied to {to}: {e.Message}.", e);
        }

        return to;
    }

    // Directories with a makefile of their own; some are below others.
    private static IEnumerable<string> TargetsOf(string selftests) => !Directory.Exists(selftests) ? [] :
        from makefile in Directory.EnumerateFiles(selftests, "Makefile", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 3 })
        let target = Path.GetRelativePath(selftests, Path.GetDirectoryName(makefile)!)
        where target != "."
        select target;

    /// <summary>Null when it worked, else why not.</summary>
    private static async Task<string?> MakeAsync(string path, ImmutableArray<string> arguments, string logFile, CancellationToken cancellationToken)
    {
        ExternalResult result = await new ExternalProgram("/bin/sh")
        {
            Arguments = ["-c", "exec \"$@\" 2>&1", "sh", BuildTool.Find("make", path)!, .. arguments],
            Environment = BuildEnvironment.Create(Environment.GetEnvironmentVariable),
            EndsWithParent = true,
            ThrowsOnFailure = false,
        }.RunAsync(cancellationToken);
        await File.WriteAllTextAsync(logFile, result.StandardOutput, cancellationToken);
        return result.ExitCode == 0 ? null : Reason(result.StandardOutput) ?? $"make ended with status {result.ExitCode}";
    }

    /// <summary>What a log says is missing, or its first error; null when it names none.</summary>
    internal static string? Reason(string log)
    {
        string[] missing = [.. MissingHeader().Matches(log).Concat(MissingLibrary().Matches(log)).Concat(MissingProgram().Matches(log)).Select(m => m.Groups["name"].Value).Distinct(StringComparer.Ordinal)];
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

    // The shell's and make's ways to say it.
    [GeneratedRegex(@"(?:^/bin/sh: \d+: |^(?:/bin/)?(?:ba)?sh: (?:line \d+: )?|^make(?:\[\d+\])?: )(?<name>[\w.+-]+): (?:not found|command not found|No such file or directory)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.Multiline)]
    private static partial Regex MissingProgram();
}
