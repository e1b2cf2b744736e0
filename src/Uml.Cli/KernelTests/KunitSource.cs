using System.Collections.Immutable;
using System.Text.Json;

namespace Uml.CI.Cli;

/// <summary>What a kernel with unit tests is built from, how it is configured, and where the one that came of it is remembered.</summary>
internal sealed record KunitSource
{
    private const string ConfigurationDirectory = "tools/testing/kunit/configs/";
    private const string KunitConfig = ".kunitconfig";

    /// <summary>The source, for the kernel store.</summary>
    public required KernelReference Reference { get; init; }

    /// <summary>What people call it.</summary>
    public string Name => Reference.Source == KernelSource.DebianSource ? "debian-source:" + Reference.BuildSource : Reference.BuildSource!;

    /// <summary>How to configure and build it.</summary>
    public required KernelBuildOptions Build { get; init; }

    /// <summary>Finds the source and the fragments.</summary>
    /// <param name="source">A tree, a tarball or <c>debian-source:VERSION</c>; null for the current directory.</param>
    /// <param name="kunitconfigs">What <c>--kunitconfig</c> names: files and directories of this machine, or below the source's top.</param>
    /// <param name="allTests">The tree's <c>all_tests.config</c>, too.</param>
    /// <param name="settings">Single options.</param>
    /// <exception cref="ArgumentException">The source or a fragment is not there, or two fragments contradict each other.</exception>
    public static KunitSource Find(string? source, IReadOnlyList<string> kunitconfigs, bool allTests, IReadOnlyList<string> settings)
    {
        string? tree = source is null ? TreeAbove(Directory.GetCurrentDirectory()) : Directory.Exists(source) ? Path.GetFullPath(source) : null;
        if (source is null && tree is null)
            throw new ArgumentException("this directory is not in a kernel tree: name one with --source DIR, Debian's source with --source debian-source:7.3, or a kernel that is built already with --kernel");
        KernelReference reference = tree is not null ? KernelReference.Parse($"source:{tree}#{KernelReference.DefaultProfile}") : KernelBuildCommand.Reference(source!, null);
        var inSource = ImmutableArray.CreateBuilder<string>();
        var own = ImmutableArray.CreateBuilder<string>();

        // As kunit.py: what UML needs, which the rest may override.
        inSource.Add(ConfigurationDirectory + "arch_uml.config");
        if (allTests)
            inSource.Add(ConfigurationDirectory + "all_tests.config");
        foreach (string path in kunitconfigs)
        {
            string? file = Directory.Exists(path) ? Path.Combine(path, KunitConfig) : File.Exists(path) ? path : null;
            if (file is not null && !File.Exists(file))
                throw new ArgumentException($"the directory \"{path}\" has no {KunitConfig}: name one that has, or a file");
            if (file is not null)
                own.Add(Path.GetFullPath(file));
            else if (Path.IsPathRooted(path) || tree is not null && !Path.Exists(Path.Combine(tree, path)))
                throw new ArgumentException($"the kunitconfig \"{path}\" does not exist, neither here nor in the kernel's source");
            else
                inSource.Add(path);
        }

        if (kunitconfigs.Count == 0 && !allTests)
        {
            // Where kernel people keep theirs.
            string[] known = [.. ((string?[])[Path.GetFullPath(KunitConfig), tree is null ? null : Path.Combine(tree, KunitConfig), tree is null ? null : Path.Combine(tree, ".kunit", KunitConfig)]).OfType<string>().Where(File.Exists)];
            if (known.Length > 0)
                own.Add(known[0]);
            else
                inSource.Add(ConfigurationDirectory + "default.config");
        }

        CheckContradictions(own.Concat(tree is null ? [] : inSource.Skip(1).Select(f => Locate(tree, f))).Where(File.Exists));
        return new KunitSource
        {
            Reference = reference,
            Build = new KernelBuildOptions { FromDefaults = true, SourceFragments = inSource.ToImmutable(), Fragments = own.ToImmutable(), Settings = [.. settings] },
        };
    }

    /// <summary>The kernel that was last built of this; null when there is none.</summary>
    public string? FindBuilt(KernelStore store)
    {
        string note = NotePath(store);
        return File.Exists(note) && JsonSerializer.Deserialize(File.ReadAllText(note), KunitNoteJson.Default.KunitNote) is { } known && File.Exists(known.Kernel) ? known.Kernel : null;
    }

    /// <summary>Remembers the kernel that was built of this.</summary>
    public void Remember(KernelStore store, BuiltKernel built)
    {
        string note = NotePath(store);
        Directory.CreateDirectory(Path.GetDirectoryName(note)!);
        AtomicFile.Write(note, JsonSerializer.Serialize(new KunitNote { Source = Reference.ToString(), Kernel = Path.Combine(built.Directory, "linux") }, KunitNoteJson.Default.KunitNote));
    }

    private string NotePath(KernelStore store) => Path.Combine(store.Root, "kunit", BuildInputs.HashOf(
        [Reference.ToString(), .. Build.SourceFragments, .. Build.Fragments, .. Build.Settings, Build.Compiler, Build.NoDebugInformation.ToString()])[..32] + ".json");

    private static string Locate(string tree, string path) => Directory.Exists(Path.Combine(tree, path)) ? Path.Combine(tree, path, KunitConfig) : Path.Combine(tree, path);

    private static string? TreeAbove(string directory)
    {
        for (string? at = directory; at is not null; at = Path.GetDirectoryName(at))
        {
            if (KernelSourceVersion.Read(at) is not null)
                return at;
        }

        return null;
    }

    // The last one would win without a word.
    private static void CheckContradictions(IEnumerable<string> files)
    {
        var seen = new Dictionary<string, (string Value, string File)>(StringComparer.Ordinal);
        foreach (string file in files)
        {
            foreach (ConfigurationLine line in ConfigurationFragment.Parse(Path.GetFileName(file), File.ReadAllText(file)).Lines)
            {
                if (seen.TryGetValue(line.Option, out (string Value, string File) other) && other.Value != line.Value)
                    throw new ArgumentException($"CONFIG_{line.Option} is {other.Value} in {other.File} and {line.Value} in {file}: have it say one thing, or use --kconfig_add");
                seen[line.Option] = (line.Value, file);
            }
        }
    }
}
