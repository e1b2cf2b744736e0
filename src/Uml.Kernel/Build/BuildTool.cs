using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>Something a kernel cannot be built without.</summary>
/// <param name="Name">A program, or a header file as it is included.</param>
/// <param name="Package">Debian's package that has it.</param>
internal sealed record BuildTool(string Name, string Package)
{
    /// <summary>It is a C header, and no program.</summary>
    public bool IsHeader => Name.EndsWith(".h", StringComparison.Ordinal);

    /// <summary>What the build of a configuration needs.</summary>
    /// <param name="configuration">What is asked for.</param>
    /// <param name="compiler">The compiler.</param>
    /// <param name="source">The source, for what is needed to unpack it: the path of a tarball or of a tree.</param>
    /// <param name="patches">Patches are applied.</param>
    public static ImmutableArray<BuildTool> For(MergedConfiguration configuration, string compiler, string source, bool patches)
    {
        List<BuildTool> tools =
        [
            new(compiler, Path.GetFileName(compiler) is "gcc" or "cc" ? "gcc" : Path.GetFileName(compiler)),
            new("ld", "binutils"),
            new("objcopy", "binutils"),
            new("make", "make"),
            new("flex", "flex"),
            new("bison", "bison"),
            new("bc", "bc"),
            new("awk", "mawk"),
            new("perl", "perl"),
            new("stdlib.h", "libc6-dev"),
        ];
        if (Unpacker(source) is { } unpacker)
        {
            tools.Add(new BuildTool("tar", "tar"));
            if (unpacker.Name.Length > 0)
                tools.Add(unpacker);
        }

        if (patches)
            tools.Add(new BuildTool("patch", "patch"));
        if (configuration.Lines.Any(l => l.Value == "m"))
            tools.Add(new BuildTool("depmod", "kmod"));
        if (configuration.Asks("IKHEADERS"))
            tools.Add(new BuildTool("cpio", "cpio"));
        if (((string[])["MODULE_SIG", "SYSTEM_TRUSTED_KEYRING", "SYSTEM_REVOCATION_LIST"]).Any(configuration.Asks))
        {
            tools.Add(new BuildTool("openssl", "openssl"));
            tools.Add(new BuildTool("openssl/opensslv.h", "libssl-dev"));
        }

        if (configuration.Asks("GENDWARFKSYMS"))
            tools.Add(new BuildTool("dwarf.h", "libdw-dev"));
        if (configuration.Asks("DEBUG_INFO_BTF"))
        {
            tools.Add(new BuildTool("pahole", "pahole"));
            tools.Add(new BuildTool("gelf.h", "libelf-dev"));
        }

        foreach ((string option, string program, string package) in ((string, string, string)[])
            [("KERNEL_LZ4", "lz4", "lz4"), ("MODULE_COMPRESS_ZSTD", "zstd", "zstd"), ("MODULE_COMPRESS_XZ", "xz", "xz-utils"), ("RUST", "rustc", "rustc")])
        {
            if (configuration.Asks(option))
                tools.Add(new BuildTool(program, package));
        }

        return [.. tools.Distinct()];
    }

    /// <summary>The program that tar needs for a tarball; one without a name where tar does it alone; null for what is none.</summary>
    public static BuildTool? Unpacker(string source)
    {
        string name = source.ToLowerInvariant();
        return name switch
        {
            _ when name.EndsWith(".tar", StringComparison.Ordinal) => new BuildTool("", ""),
            _ when EndsWith(".tar.gz", ".tgz") => new BuildTool("gzip", "gzip"),
            _ when EndsWith(".tar.xz", ".txz") => new BuildTool("xz", "xz-utils"),
            _ when EndsWith(".tar.zst", ".tzst") => new BuildTool("zstd", "zstd"),
            _ when EndsWith(".tar.bz2", ".tbz2") => new BuildTool("bzip2", "bzip2"),
            _ => null,
        };

        bool EndsWith(string one, string other) => name.EndsWith(one, StringComparison.Ordinal) || name.EndsWith(other, StringComparison.Ordinal);
    }

    /// <summary>Finds out what is missing, and says all of it at once.</summary>
    /// <param name="tools">What is needed.</param>
    /// <param name="host">The machine.</param>
    /// <param name="reference">For the error.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="KernelException">Something is missing.</exception>
    public static async Task CheckAsync(IReadOnlyCollection<BuildTool> tools, HostTools host, string reference, CancellationToken cancellationToken)
    {
        string? path = host.Variable("PATH");
        BuildTool[] missing = [.. tools.Where(t => !t.IsHeader && Find(t.Name, path) is null)];
        if (Find(tools.First().Name, path) is { } compiler)
            missing = [.. missing, .. await MissingHeadersAsync(compiler, [.. tools.Where(t => t.IsHeader)], host, cancellationToken)];
        if (missing.Length == 0)
            return;
        string packages = string.Join(' ', missing.Select(t => t.Package).Distinct(StringComparer.Ordinal));
        throw new KernelException(
            $"{reference} cannot be built: {string.Join(", ", missing.Select(t => t.Name))} {(missing.Length == 1 ? "is" : "are")} missing; install {(missing.Length == 1 ? "it" : "them")} with: apt-get install {packages}")
        { Problem = KernelProblem.Unavailable };
    }

    /// <summary>Finds a program by its name in the search path, or by a path of its own.</summary>
    public static string? Find(string program, string? path) =>
        program.Contains('/', StringComparison.Ordinal) ? File.Exists(program) && Native.IsExecutable(program) ? Path.GetFullPath(program) : null : ExternalProgram.Find(program, path ?? "");

    // The compiler knows its directories. Most of the time all are there, and asking once is enough.
    private static async Task<IEnumerable<BuildTool>> MissingHeadersAsync(string compiler, BuildTool[] headers, HostTools host, CancellationToken cancellationToken)
    {
        if (await HasHeadersAsync(compiler, headers, host, cancellationToken))
            return [];
        List<BuildTool> missing = [];
        foreach (BuildTool header in headers)
        {
            if (!await HasHeadersAsync(compiler, [header], host, cancellationToken))
                missing.Add(header);
        }

        return missing;
    }

    private static async Task<bool> HasHeadersAsync(string compiler, BuildTool[] headers, HostTools host, CancellationToken cancellationToken)
    {
        ExternalResult result = await new ExternalProgram(compiler)
        {
            Arguments = ["-E", .. headers.SelectMany(h => (string[])["-include", h.Name]), "-x", "c", "/dev/null", "-o", "/dev/null"],
            Environment = BuildEnvironment.Create(host.Variable),
            ThrowsOnFailure = false,
        }.RunAsync(cancellationToken);
        return result.ExitCode == 0;
    }
}
