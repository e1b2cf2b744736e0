using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>How <see cref="KernelStore.BuildAsync"/> may go about it, and what it adds to the profiles.</summary>
public sealed record KernelBuildOptions
{
    /// <summary>Paths of configuration fragments of the user's own, applied after the profiles in their order.</summary>
    public ImmutableArray<string> Fragments { get; init; } = [];

    /// <summary>Single options, applied last: <c>CONFIG_BTRFS_FS=y</c>.</summary>
    public ImmutableArray<string> Settings { get; init; } = [];

    /// <summary>
    /// Leave every option that nothing asks for at its default, as <c>make olddefconfig</c> does, and take no profile, whatever the
    /// reference names: a kernel as the tree's own tools configure it. Otherwise such options are off.
    /// </summary>
    public bool FromDefaults { get; init; }

    /// <summary>
    /// Paths of configuration fragments in the source, below its top, applied before <see cref="Fragments"/>:
    /// <c>tools/testing/kunit/configs/default.config</c>. A directory stands for the <c>.kunitconfig</c> in it.
    /// </summary>
    public ImmutableArray<string> SourceFragments { get; init; } = [];

    /// <summary>Make no debug information (<c>linux.debug</c>), which takes some of the time and most of the space of a build.</summary>
    public bool NoDebugInformation { get; init; }

    /// <summary>The C compiler, a name or a path.</summary>
    public string Compiler { get; init; } = "gcc";

    /// <summary>How many files to compile at once; null for as many as there are processors.</summary>
    public int? Jobs { get; init; }

    /// <summary>Build even what the store has.</summary>
    public bool Force { get; init; }

    /// <summary>Build twice, in different directories, and fail when one byte differs.</summary>
    public bool Twice { get; init; }

    /// <summary>Look for a newer source package.</summary>
    public bool Refresh { get; init; }

    /// <summary>Told what is going on, from any thread.</summary>
    public IProgress<KernelProgress>? Progress { get; init; }

    /// <summary>The kernel is what its reference says, and nothing was changed that the reference does not tell.</summary>
    internal bool IsPlain => !FromDefaults && SourceFragments.IsEmpty && Fragments.IsEmpty && Settings.IsEmpty && !NoDebugInformation && Compiler == "gcc";
}
