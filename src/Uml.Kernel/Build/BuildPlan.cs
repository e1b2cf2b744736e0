using System.Collections.Immutable;
using System.Globalization;

namespace Uml.CI;

/// <summary>All that is decided before the first file is compiled.</summary>
internal sealed record BuildPlan
{
    /// <summary>What is built, for messages.</summary>
    public required string Reference { get; init; }

    /// <summary>The source.</summary>
    public required KernelTree Tree { get; init; }

    /// <summary>The profiles, without <c>base</c>.</summary>
    public required ImmutableArray<string> Profiles { get; init; }

    /// <summary>The fragments, in their order.</summary>
    public required ImmutableArray<ConfigurationFragment> Fragments { get; init; }

    /// <summary>The fragments merged.</summary>
    public required MergedConfiguration Configuration { get; init; }

    /// <summary>Options that nothing asks for have their defaults.</summary>
    public bool FromDefaults { get; init; }

    /// <summary>The patches.</summary>
    public required ImmutableArray<KernelPatch> Patches { get; init; }

    /// <summary>The compiler's name or path.</summary>
    public required string Compiler { get; init; }

    /// <summary>Which compiler that is.</summary>
    public required CompilerIdentity Identity { get; init; }

    /// <summary>The time that stands in the kernel.</summary>
    public required long Epoch { get; init; }

    /// <summary>SHA-256 over the files outside the source that options name, or null where none does.</summary>
    public string? FilesHash { get; init; }

    /// <summary>How many files are compiled at once.</summary>
    public required int Jobs { get; init; }

    /// <summary>What make is given, but for paths of this machine and what makes no difference.</summary>
    public ImmutableArray<string> MakeArguments =>
    [
        "ARCH=um", $"CC={Path.GetFileName(Compiler)}", $"HOSTCC={Path.GetFileName(Compiler)}", "LOCALVERSION=",
        "KBUILD_BUILD_TIMESTAMP=" + Timestamp, "KBUILD_BUILD_USER=uml", "KBUILD_BUILD_HOST=uml", "KBUILD_BUILD_VERSION=1",

        // Whether these happen to be installed would stand in the configuration, which is part of the kernel.
        .. Configuration.Asks("DEBUG_INFO_BTF") ? (string[])[] : ["PAHOLE=not-used"],
        .. Configuration.Asks("RUST") ? (string[])[] : ["RUSTC=not-used", "BINDGEN=not-used"],
    ];

    /// <summary>The time as <c>date</c> prints it and reads it again, which the kernel's makefiles make it do.</summary>
    public string Timestamp => DateTimeOffset.FromUnixTimeSeconds(Epoch).UtcDateTime.ToString("ddd MMM d HH:mm:ss 'UTC' yyyy", CultureInfo.InvariantCulture);

    /// <summary>SHA-256 of all of it: equal inputs, equal kernels.</summary>
    public string Inputs => BuildInputs.HashOf(
    [
        BuildInputs.RecipeVersion.ToString(CultureInfo.InvariantCulture), Tree.Hash, Configuration.Text, Identity.Compiler, Identity.Linker, Identity.Target,
        .. Fragments.Select(f => f.FileName), .. Fragments.Select(f => f.Text), .. Patches.Select(p => p.Text), .. MakeArguments,
        .. FilesHash is { } files ? [files] : (string[])[],
        .. FromDefaults ? (string[])["defaults"] : [],
    ]);

    /// <summary>The record of a kernel built by it.</summary>
    public KernelRecord Record(string release) => new()
    {
        Release = release,
        Version = Tree.Version.ToString(),
        Source = Tree.Record,
        Profiles = Profiles,
        Fragments = [.. Fragments.Select(f => new KernelRecordFile(f.FileName, BuildInputs.HashOfText(f.Text)))],
        Patches = [.. Patches.Select(p => new KernelRecordFile(p.FileName, BuildInputs.HashOfText(p.Text)))],
        Compiler = Identity.Compiler,
        Linker = Identity.Linker,
        SourceDateEpoch = Epoch,
        MakeArguments = MakeArguments,
        Inputs = Inputs,
    };
}
