using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace Uml.CI;

/// <summary>Runs the kernel's makefiles, and takes what they made.</summary>
/// <param name="plan">What to build.</param>
/// <param name="host">The machine.</param>
/// <param name="progress">Told how far it is.</param>
internal sealed class KernelMake(BuildPlan plan, HostTools host, IProgress<KernelProgress>? progress)
{
    /// <summary>How many files were compiled.</summary>
    public int Compiled { get; private set; }

    /// <summary>The compiler was called through ccache.</summary>
    public bool UsesCcache { get; private set; }

    /// <summary>Configures, compiles and collects.</summary>
    /// <param name="objects">The directory for what is made on the way, empty or of an earlier build.</param>
    /// <param name="built">An empty directory for the kernel and what belongs to it.</param>
    /// <param name="logFile">Where make's words go.</param>
    /// <param name="expected">How many files will be compiled, where that is known.</param>
    /// <param name="useCcache">Let ccache keep the compiler's results.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="KernelException">It cannot be built.</exception>
    public async Task<KernelImage> BuildAsync(string objects, string built, string logFile, Func<string, int?> expected, bool useCcache, CancellationToken cancellationToken)
    {
        UsesCcache = useCcache && BuildTool.Find("ccache", host.Variable("PATH")) is not null;
        Directory.CreateDirectory(objects);
        Directory.CreateDirectory(Path.GetDirectoryName(logFile)!);
        bool again = File.Exists(Path.Combine(objects, ".config"));
        string stage = $"Linux {plan.Tree.Version}{(plan.Profiles.IsEmpty ? "" : $" ({string.Join(", ", plan.Profiles)})")}";
        progress?.Report(new KernelProgress($"configuring {stage}"));
        string configuration = await ConfigureAsync(objects, logFile, cancellationToken);

        int? estimate = again ? null : expected(configuration) ?? ObjectCount.Estimate(plan.Tree.Directory, KernelConfiguration.Parse(configuration));
        progress?.Report(new KernelProgress($"building {stage}") { FilesDone = 0, FilesTotal = estimate });
        using (BuildLog log = new(logFile, stage, estimate, progress))
        {
            await MakeAsync(objects, log, [$"-j{plan.Jobs.ToString(CultureInfo.InvariantCulture)}", "all"], cancellationToken);
            Compiled = log.Compiled;
        }

        progress?.Report(new KernelProgress($"collecting {stage}"));
        return await CollectAsync(objects, built, logFile, configuration, cancellationToken);
    }

    /// <summary>Configures, and gives the whole configuration.</summary>
    /// <param name="objects">The build's directory.</param>
    /// <param name="logFile">Where make's words go.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="KernelException">An option that was asked for is not in it; the message says why.</exception>
    public async Task<string> ConfigureAsync(string objects, string logFile, CancellationToken cancellationToken)
    {
        string merged = Path.Combine(objects, "asked.config");
        await File.WriteAllTextAsync(merged, plan.Configuration.Text, cancellationToken);
        if (plan.FromDefaults)
            File.Copy(merged, Path.Combine(objects, ".config"), overwrite: true);
        using (BuildLog log = new(logFile, "", 0, null))
            await MakeAsync(objects, log, plan.FromDefaults ? ["olddefconfig"] : ["KCONFIG_ALLCONFIG=" + merged, "allnoconfig"], cancellationToken);
        string text = await File.ReadAllTextAsync(Path.Combine(objects, ".config"), cancellationToken);
        List<LostOption> lost = ConfigurationCheck.FindLost(plan.Configuration, KernelConfiguration.Parse(text), () => KconfigFiles.Read(plan.Tree.Directory));
        LostOption[] missed = [.. lost.Where(l => !l.Line.IsOptional)];
        if (missed.Length > 0)
        {
            throw new KernelException(
                $"{plan.Reference} cannot be built: {(missed.Length == 1 ? "an option that was" : $"{missed.Length} options that were")} asked for did not survive configuration: {string.Join("; ", missed.Select(l => l.ToString()))}.");
        }

        return text;
    }

    private async Task MakeAsync(string objects, BuildLog log, ImmutableArray<string> arguments, CancellationToken cancellationToken)
    {
        string map = $"-ffile-prefix-map={plan.Tree.Directory}/= -ffile-prefix-map={objects}=.";

        // Objects that count know where their counts go, and have a stamp that is the time unless there is a seed.
        if (plan.Configuration.Asks("GCOV"))
            map += $" -frandom-seed=uml -fprofile-dir={GcovNotes.Directory} -fprofile-prefix-path={objects}";
        ExternalProgram make = new("/bin/sh")
        {
            // One stream, so that the log has errors where they came.
            Arguments =
            [
                "-c", "exec \"$@\" 2>&1", "sh", BuildTool.Find("make", host.Variable("PATH")) ?? "make", "-C", plan.Tree.Directory, "O=" + objects, .. plan.MakeArguments,

                // The plan has the compiler's name alone, as a path would stand in the record. The last word holds.
                $"CC={(UsesCcache ? "ccache " : "")}{plan.Compiler}", $"HOSTCC={plan.Compiler}",
                "KCFLAGS=" + map, "KAFLAGS=" + map, .. arguments,
            ],
            Environment = BuildEnvironment.Create(host.Variable).SetItem("SOURCE_DATE_EPOCH", plan.Epoch.ToString(CultureInfo.InvariantCulture)),
            EndsWithParent = true,
            ThrowsOnFailure = false,
            OnOutput = log.Add,
        };
        ExternalResult result = await make.RunAsync(cancellationToken);
        if (result.ExitCode != 0)
        {
            string error = log.FirstError ?? result.StandardOutput.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).LastOrDefault() ?? "make failed without a word";
            throw new KernelException($"{plan.Reference} cannot be built: {error.TrimEnd('.')}; all that make said is in {log.Path}.");
        }
    }

    private async Task<KernelImage> CollectAsync(string objects, string built, string logFile, string configuration, CancellationToken cancellationToken)
    {
        string linux = Path.Combine(built, "linux");
        string debug = Path.Combine(built, "linux.debug");
        string made = Path.Combine(objects, File.Exists(Path.Combine(objects, "vmlinux.unstripped")) ? "vmlinux.unstripped" : "linux");
        await RunAsync("objcopy", ["--only-keep-debug", made, debug], built, cancellationToken);
        await RunAsync("objcopy", ["--strip-all", Path.Combine(objects, "linux"), linux], built, cancellationToken);

        // By its name and checksum, so that a debugger finds it beside the executable.
        await RunAsync("objcopy", ["--add-gnu-debuglink=linux.debug", "linux"], built, cancellationToken);
        KernelImage image;
        try
        {
            image = KernelImage.Read(linux);
        }
        catch (ElfException e)
        {
            throw new KernelException($"{plan.Reference} was built, but what came out {e.Message}; all that make said is in {logFile}.", e);
        }

        await File.WriteAllTextAsync(Path.Combine(built, "config"), configuration, cancellationToken);
        File.Copy(Path.Combine(objects, "System.map"), Path.Combine(built, "System.map"));
        await CollectModulesAsync(objects, built, logFile, image.Release, cancellationToken);
        CollectNotes(objects, built);
        foreach (ConfigurationFragment fragment in plan.Fragments)
            Write(Path.Combine(built, "fragments", fragment.FileName), fragment.Text);
        foreach (KernelPatch patch in plan.Patches)
            Write(Path.Combine(built, "patches", patch.FileName), patch.Text);
        Write(Path.Combine(built, "COPYING"), Licences());
        Write(Path.Combine(built, KernelRecord.FileName), JsonSerializer.Serialize(plan.Record(image.Release), KernelJson.Default.KernelRecord) + "\n");
        return image;
    }

    private async Task CollectModulesAsync(string objects, string built, string logFile, string release, CancellationToken cancellationToken)
    {
        string order = Path.Combine(objects, "modules.order");
        if (!File.Exists(order) || string.IsNullOrWhiteSpace(await File.ReadAllTextAsync(order, cancellationToken)))
            return;
        string installed = Path.Combine(objects, "installed");
        UnixFiles.DeleteTree(installed);
        using (BuildLog log = new(logFile + ".modules", "", 0, null))
            await MakeAsync(objects, log, [$"-j{plan.Jobs.ToString(CultureInfo.InvariantCulture)}", "INSTALL_MOD_PATH=" + installed, "INSTALL_MOD_STRIP=1", "modules_install"], cancellationToken);
        File.Delete(logFile + ".modules");
        string modules = Path.Combine(installed, "lib", "modules", release);
        foreach (string link in (string[])["build", "source"])
            File.Delete(Path.Combine(modules, link));

        // Copied, as the two directories may be on different file systems.
        foreach (string file in Directory.EnumerateFiles(modules, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(built, "modules", release, Path.GetRelativePath(modules, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    /// <summary>What gcov needs to make sense of a coverage kernel's data.</summary>
    private static void CollectNotes(string objects, string built)
    {
        // Not through the link to the source, which may have been built in place.
        foreach (string note in FileTree.List(objects).Where(e => e.Path.EndsWith(".gcno", StringComparison.Ordinal)).Select(e => Path.Combine(objects, e.Path)))
        {
            string target = Path.Combine(built, "gcov", Path.GetRelativePath(objects, note));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.WriteAllBytes(target, GcovNotes.WithoutPath(File.ReadAllBytes(note), objects));
        }
    }

    private string Licences()
    {
        string[] texts = [.. ((string[])["COPYING", "LICENSES/preferred/GPL-2.0", "LICENSES/exceptions/Linux-syscall-note"]).Select(f => Path.Combine(plan.Tree.Directory, f)).Where(File.Exists).Select(File.ReadAllText)];
        return string.Join("\n" + new string('-', 72) + "\n\n", texts);
    }

    private async Task RunAsync(string program, ImmutableArray<string> arguments, string directory, CancellationToken cancellationToken)
    {
        try
        {
            await new ExternalProgram(BuildTool.Find(program, host.Variable("PATH")) ?? program)
            {
                Arguments = arguments,
                WorkingDirectory = directory,
                Environment = BuildEnvironment.Create(host.Variable),
                EndsWithParent = true,
            }.RunAsync(cancellationToken);
        }
        catch (ExternalProgramException e)
        {
            throw new KernelException($"{plan.Reference} was built, but {program} cannot make a kernel of it: {OneLine.Of(e)}", e);
        }
    }

    private static void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
