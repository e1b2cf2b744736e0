using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Uml.CI;

/// <summary>Everything that decides what a guest is. Immutable; <see cref="GuestBuilder"/> is the convenient way to one.</summary>
public sealed record GuestOptions
{
    /// <summary>The least memory of a guest, in bytes, and that only of kernels that fork no helper for each device (CONFIG_UEVENT_HELPER is off, as in kernels built here).</summary>
    public const long MinimumMemory = 64L * 1024 * 1024;

    /// <summary>The least memory of a guest on any other kernel, in bytes: with less, some boots of Debian's kernels fail with "can't fork" (kernel/fork.c, max_threads).</summary>
    public const long MinimumMemoryWithHelper = 256L * 1024 * 1024;

    /// <summary>The kernel to boot; <see cref="DefaultKernel"/> unless the variable UML_KERNEL names another.</summary>
    public KernelReference Kernel { get; init; } = System.Environment.GetEnvironmentVariable("UML_KERNEL") is { Length: > 0 } name ? name : DefaultKernel;

    /// <summary>How the kernel is resolved; null for the defaults.</summary>
    public KernelResolveOptions? KernelResolution { get; init; }

    /// <summary>The guest's root file system.</summary>
    public GuestRoot Root { get; init; } = GuestRoot.Host;

    /// <summary>
    /// The program that becomes PID 1 of the guest's root, for a whole system in it; null for none: the agent is PID 1, and nothing
    /// runs but what is asked for. The guest is ready when that system is up.
    /// </summary>
    public InitSystem? Init { get; init; }

    /// <summary>How long the guest's own system may take to come up, once the guest serves commands; without meaning unless <see cref="Init"/> is set.</summary>
    public TimeSpan SystemTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>
    /// Bytes of the host's disk that the guest's writes to its root may take, for a root that is an image; null to keep them in the
    /// guest's memory. The disk gives what is used, and has it back when the guest ends.
    /// </summary>
    public long? Scratch { get; init; }

    /// <summary>Memory of the guest in bytes, at least <see cref="MinimumMemory"/> or <see cref="MinimumMemoryWithHelper"/>. The host gives it as the guest uses it.</summary>
    public long Memory { get; init; } = 512L * 1024 * 1024;

    /// <summary>Number of CPUs, 1 to 64. More than one needs a kernel built with CONFIG_SMP.</summary>
    public int Cpus { get; init; } = 1;

    /// <summary>Arguments appended to the kernel's command line.</summary>
    public ImmutableArray<string> KernelArguments { get; init; } = [];

    /// <summary>Whether to leave out what makes stock kernels slow to boot (RAID6 and XOR benchmarks, delay calibration).</summary>
    public bool FastBoot { get; init; } = true;

    /// <summary>
    /// Whether the guest's processes are kept apart by ptrace even where the kernel has the faster seccomp mode. In seccomp
    /// mode a hostile program in the guest can take over the guest's kernel (arch/um/kernel/skas/stub.c).
    /// </summary>
    public bool Ptrace { get; init; }

    /// <summary>
    /// Whether the guest's time is virtual: computing takes none of it, and every wait is over at once, with the clock set
    /// forward. It passes only while something is awaited in the guest, such as a command, and goes on to the guest's next
    /// timer when a command begins. A wait for the host, such as for standard input, is one that time passes in. Needs a
    /// kernel with CONFIG_UML_TIME_TRAVEL_SUPPORT, and one CPU.
    /// </summary>
    public bool VirtualTime { get; init; }

    /// <summary>
    /// A directory of the host, made if it is missing, that gets the counts (<c>.gcda</c>) of a kernel built with CONFIG_GCOV when
    /// the guest powers off, in <c>gcov/</c>, each named for the path of its object with <c>#</c> for <c>/</c>, its notes
    /// (<c>.gcno</c>) beside it. Counts of several guests add up. Null for none.
    /// </summary>
    public string? CoverageDirectory { get; init; }

    /// <summary>Directories and files of the host to share.</summary>
    public ImmutableArray<GuestMount> Mounts { get; init; } = [];

    /// <summary>Files and directories of the host to copy in before <see cref="GuestBuilder.StartAsync"/> returns.</summary>
    public ImmutableArray<GuestArtifact> Artifacts { get; init; } = [];

    /// <summary>Environment of every command, unless the command has its own value.</summary>
    public ImmutableSortedDictionary<string, string> Environment { get; init; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>Working directory of commands that name none; null for the host's current directory (host root) or <c>/</c>.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>The guest's host name.</summary>
    public string Hostname { get; init; } = "uml";

    /// <summary>The guest's clock when it starts; null for the host's time.</summary>
    public DateTimeOffset? Clock { get; init; }

    /// <summary>How long the guest may take until it serves commands.</summary>
    public TimeSpan BootTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long an orderly power-off may take before the guest is killed.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a command may take unless it names its own deadline; null for no deadline.</summary>
    public TimeSpan? CommandTimeout { get; init; }

    /// <summary>A file that gets the whole kernel log, as it is written; null to keep the log only when something goes wrong.</summary>
    public string? KernelLogFile { get; init; }

    /// <summary>Told every line of the kernel log as it is written, from the first on; called from any thread, one line at a time.</summary>
    public Action<KernelLogLine>? KernelLogListener { get; init; }

    /// <summary>Whether the host's Landlock, where it has it, confines the kernel to what the guest was given.</summary>
    public bool Confine { get; init; } = true;

    /// <summary>Name of the guest's directory on the host; null for one made up. Unique on the host, letters, digits and dashes.</summary>
    internal string? Name { get; init; }

    /// <summary>A disk for the guest's writes that outlives the guest, and that an earlier one may have written to; null for one of its own, if <see cref="Scratch"/> asks for it. Its owner disposes it.</summary>
    internal ScratchFile? KeptScratch { get; init; }

    /// <summary>Notes when what of the start happens; null for nobody.</summary>
    internal BootTrace? Trace { get; init; }

    /// <summary>Told what happens.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>The kernel used when nothing names one.</summary>
    public static KernelReference DefaultKernel => "debian:sid";

    /// <summary>Whether both describe the same guest: lists are equal when their elements are.</summary>
    public bool Equals(GuestOptions? other) =>
        other is not null
        && Kernel == other.Kernel
        && KernelResolution == other.KernelResolution
        && Root == other.Root
        && Init == other.Init
        && SystemTimeout == other.SystemTimeout
        && Scratch == other.Scratch
        && Memory == other.Memory
        && Cpus == other.Cpus
        && KernelArguments.SequenceEqual(other.KernelArguments, StringComparer.Ordinal)
        && FastBoot == other.FastBoot
        && Ptrace == other.Ptrace
        && VirtualTime == other.VirtualTime
        && CoverageDirectory == other.CoverageDirectory
        && Mounts.SequenceEqual(other.Mounts)
        && Artifacts.SequenceEqual(other.Artifacts)
        && Environment.SequenceEqual(other.Environment)
        && WorkingDirectory == other.WorkingDirectory
        && Hostname == other.Hostname
        && Clock == other.Clock
        && BootTimeout == other.BootTimeout
        && ShutdownTimeout == other.ShutdownTimeout
        && CommandTimeout == other.CommandTimeout
        && KernelLogFile == other.KernelLogFile
        && KernelLogListener == other.KernelLogListener
        && Confine == other.Confine
        && Name == other.Name
        && ReferenceEquals(KeptScratch, other.KeptScratch)
        && ReferenceEquals(Trace, other.Trace)
        && ReferenceEquals(Logger, other.Logger);

    /// <inheritdoc/>
    public override int GetHashCode() =>
        HashCode.Combine(Kernel, Root, Memory, Cpus, KernelArguments.Length, Mounts.Length, Artifacts.Length, Hostname);
}

/// <summary>How a share behaves when the guest writes.</summary>
public enum MountMode
{
    /// <summary>The guest cannot write.</summary>
    ReadOnly,

    /// <summary>The guest writes on the host.</summary>
    ReadWrite,

    /// <summary>The guest can write; the host's files do not change.</summary>
    CopyOnWrite,
}

/// <summary>A directory or file of the host that the guest sees.</summary>
/// <param name="HostPath">Path on the host; made absolute.</param>
/// <param name="GuestPath">Absolute path in the guest.</param>
/// <param name="Mode">What happens when the guest writes. A file cannot be <see cref="MountMode.CopyOnWrite"/>.</param>
public sealed record GuestMount(string HostPath, string GuestPath, MountMode Mode = MountMode.ReadOnly);

/// <summary>A file or directory tree that is copied into the guest when it starts.</summary>
/// <param name="HostPath">Path on the host; made absolute.</param>
/// <param name="GuestPath">Absolute path the copy gets in the guest; with a '/' at the end, the directory it is put in.</param>
public sealed record GuestArtifact(string HostPath, string GuestPath);

/// <summary>What the guest's root file system is made of.</summary>
public sealed record GuestRoot
{
    private GuestRoot(string directory, ImageReference? reference = null)
    {
        HostDirectory = directory;
        Reference = reference;
    }

    /// <summary>The host's own file system under a layer that keeps the guest's writes in the guest: any command of the host runs.</summary>
    public static GuestRoot Host { get; } = new("/");

    /// <summary>Nothing but what is copied or mounted in. Boots fastest.</summary>
    public static GuestRoot Empty { get; } = new("");

    /// <summary>The host directory below the copy-on-write layer; empty for <see cref="Empty"/> and images.</summary>
    public string HostDirectory { get; }

    /// <summary>The image below the copy-on-write layer; null where the root is none.</summary>
    public ImageReference? Reference { get; }

    /// <summary>A directory of the host that holds a root file system, under a layer that keeps the guest's writes in the guest.</summary>
    public static GuestRoot Directory(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new GuestRoot(Path.GetFullPath(path));
    }

    /// <summary>
    /// A distribution, made by its own packages on this host and kept in the image store, under a layer that keeps the guest's
    /// writes in the guest.
    /// </summary>
    /// <param name="distribution">Distribution and suite, and optionally a recipe: <c>debian:trixie</c>, <c>debian:bookworm#systemd</c>.</param>
    /// <param name="packages">Packages beyond those of the recipe.</param>
    /// <exception cref="KernelException">It is no distribution; the message says what can be written.</exception>
    public static GuestRoot Distribution(string distribution, params IEnumerable<string> packages) => new("", ImageReference.Distribution(distribution, packages));

    /// <summary>An image by its reference: <c>image:NAME</c> of the image store, or the path of an image file.</summary>
    /// <exception cref="KernelException">The text is no reference.</exception>
    public static GuestRoot Image(string reference) => Image(ImageReference.Parse(reference));

    /// <inheritdoc cref="Image(string)"/>
    public static GuestRoot Image(ImageReference reference) => new("", reference);

    /// <summary>Reads what the command line takes: <c>host</c>, <c>empty</c>, a directory or the reference of an image.</summary>
    /// <param name="text">The text.</param>
    /// <param name="directory">An absolute path that relative ones start from.</param>
    /// <exception cref="KernelException">The text is none of these.</exception>
    public static GuestRoot Parse(string text, string directory)
    {
        ArgumentNullException.ThrowIfNull(text);
        switch (text)
        {
            case "host" or "/":
                return Host;
            case "empty":
                return Empty;
        }

        string path = Path.GetFullPath(text.Length == 0 ? "." : text, directory);
        if (System.IO.Directory.Exists(path))
            return Directory(path);
        return Image(ImageReference.Parse(System.IO.File.Exists(path) ? "file:" + path : text).From(directory));
    }

    /// <summary>The name used on the command line: <c>host</c>, <c>empty</c>, the directory, or the image's reference.</summary>
    public override string ToString() => Reference is not null ? Reference.ToString() : HostDirectory switch { "/" => "host", "" => "empty", _ => HostDirectory };
}
