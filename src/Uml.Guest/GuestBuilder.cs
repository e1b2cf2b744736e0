using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Uml.CI;

/// <summary>Describes a guest step by step and starts it. Every method returns a new builder.</summary>
/// <example>
/// <code>
/// await using Guest guest = await new GuestBuilder()
///     .WithKernel("debian:sid")
///     .WithMemory("256M")
///     .WithArtifact("out/mymod.ko", "/opt/mymod.ko")
///     .StartAsync(cancellationToken);
/// ExecResult result = await guest.ExecAsync(["insmod", "/opt/mymod.ko"], cancellationToken);
/// </code>
/// </example>
public sealed class GuestBuilder
{
    /// <summary>Starts from the defaults.</summary>
    public GuestBuilder()
        : this(new GuestOptions())
    {
    }

    /// <summary>Starts from <paramref name="options"/>.</summary>
    public GuestBuilder(GuestOptions options) => Options = options;

    /// <summary>What the guest will be.</summary>
    public GuestOptions Options { get; }

    /// <summary>The kernel to boot.</summary>
    public GuestBuilder WithKernel(KernelReference kernel) => new(Options with { Kernel = kernel });

    /// <summary>The root file system.</summary>
    public GuestBuilder WithRoot(GuestRoot root) => new(Options with { Root = root });

    /// <summary>Room on the host's disk for what the guest writes to a root that is an image: <c>4G</c>. See <see cref="GuestOptions.Scratch"/>.</summary>
    /// <exception cref="FormatException">The text is not a size.</exception>
    public GuestBuilder WithScratch(string size) => new(Options with { Scratch = ByteSize.Parse(size) });

    /// <summary>Memory in bytes with an optional suffix K, M or G: <c>512M</c>. At least 256M, or 64M on a kernel built here.</summary>
    /// <exception cref="FormatException">The text is not a size.</exception>
    public GuestBuilder WithMemory(string size) => WithMemory(ByteSize.Parse(size));

    /// <summary>Memory in bytes. At least 256 MiB.</summary>
    public GuestBuilder WithMemory(long bytes) => new(Options with { Memory = bytes });

    /// <summary>Number of CPUs.</summary>
    public GuestBuilder WithCpus(int count) => new(Options with { Cpus = count });

    /// <summary>Virtual time: every wait of the guest is over at once. See <see cref="GuestOptions.VirtualTime"/>.</summary>
    public GuestBuilder WithVirtualTime() => new(Options with { VirtualTime = true });

    /// <summary>Where a kernel built with gcov leaves its counts. See <see cref="GuestOptions.CoverageDirectory"/>.</summary>
    public GuestBuilder WithCoverage(string directory) => new(Options with { CoverageDirectory = directory });

    /// <summary>Appends arguments to the kernel's command line.</summary>
    public GuestBuilder WithKernelArguments(params IEnumerable<string> arguments) =>
        new(Options with { KernelArguments = [.. Options.KernelArguments, .. arguments] });

    /// <summary>Copies a file or directory of the host in; the guest's changes never reach the host.</summary>
    public GuestBuilder WithArtifact(string hostPath, string guestPath) =>
        new(Options with { Artifacts = Options.Artifacts.Add(new GuestArtifact(hostPath, guestPath)) });

    /// <summary>Shares a directory or file of the host.</summary>
    public GuestBuilder WithMount(string hostPath, string guestPath, MountMode mode = MountMode.ReadOnly) =>
        new(Options with { Mounts = Options.Mounts.Add(new GuestMount(hostPath, guestPath, mode)) });

    /// <summary>Sets a variable for every command.</summary>
    public GuestBuilder WithEnvironment(string name, string value) =>
        new(Options with { Environment = Options.Environment.SetItem(name, value) });

    /// <summary>Working directory of commands that name none.</summary>
    public GuestBuilder WithWorkingDirectory(string path) => new(Options with { WorkingDirectory = path });

    /// <summary>The guest's host name.</summary>
    public GuestBuilder WithHostname(string name) => new(Options with { Hostname = name });

    /// <summary>Boots a whole system in the guest's root, with its own init as PID 1, and waits until it is up.</summary>
    public GuestBuilder WithInit(InitSystem init) => new(Options with { Init = init });

    /// <summary>How long the guest's own system may take to come up.</summary>
    public GuestBuilder WithSystemTimeout(TimeSpan timeout) => new(Options with { SystemTimeout = timeout });

    /// <summary>The guest's clock when it starts.</summary>
    public GuestBuilder WithClock(DateTimeOffset clock) => new(Options with { Clock = clock });

    /// <summary>How long the guest may take until it serves commands.</summary>
    public GuestBuilder WithBootTimeout(TimeSpan timeout) => new(Options with { BootTimeout = timeout });

    /// <summary>How long a command may take unless it names its own deadline.</summary>
    public GuestBuilder WithCommandTimeout(TimeSpan timeout) => new(Options with { CommandTimeout = timeout });

    /// <summary>A file that gets the whole kernel log.</summary>
    public GuestBuilder WithKernelLog(string path) => new(Options with { KernelLogFile = path });

    /// <summary>Where messages go.</summary>
    public GuestBuilder WithLogger(ILogger logger) => new(Options with { Logger = logger });

    /// <summary>Boots the guest and returns when it serves commands.</summary>
    /// <exception cref="KernelException">The kernel could not be had.</exception>
    /// <exception cref="GuestUnavailableException">This host cannot run the guest; the message says what is missing and how to mend it.</exception>
    /// <exception cref="GuestBootException">The guest did not come up; the message ends with the end of the kernel log.</exception>
    /// <exception cref="ArgumentException">An option makes no sense; the message names it.</exception>
    public Task<Guest> StartAsync(CancellationToken cancellationToken = default) => Guest.StartAsync(Options, cancellationToken);

    /// <summary>
    /// Starts the kernel alone, without the agent and any user space, and returns while it runs: for what is built into a kernel and
    /// runs when it boots, such as its own unit tests (KUnit). What the options say of files and commands does not apply.
    /// </summary>
    /// <exception cref="KernelException">The kernel could not be had.</exception>
    /// <exception cref="GuestUnavailableException">This host cannot run it; the message says what is missing and how to mend it.</exception>
    /// <exception cref="GuestBootException">It could not be started.</exception>
    /// <exception cref="ArgumentException">An option makes no sense; the message names it.</exception>
    public Task<KernelRun> RunKernelAsync(CancellationToken cancellationToken = default) => KernelRun.StartAsync(Options, cancellationToken);
}

/// <summary>Sizes as people write them.</summary>
public static class ByteSize
{
    /// <summary>Reads <c>268435456</c>, <c>256M</c>, <c>1G</c>, <c>512MiB</c>; K, M and G are powers of 1024.</summary>
    /// <exception cref="FormatException">The text is not a size.</exception>
    public static long Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string number = text.Trim().TrimEnd('B', 'b').TrimEnd('i');
        int shift = number.Length == 0 ? 0 : char.ToUpperInvariant(number[^1]) switch { 'K' => 10, 'M' => 20, 'G' => 30, _ => 0 };
        if (shift > 0)
            number = number[..^1];
        if (long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value <= long.MaxValue >> shift)
            return value << shift;
        throw new FormatException($"\"{text}\" is not a size: write a number of bytes, or a number with K, M or G, such as 512M");
    }

    /// <summary>Writes a size as the kernel's <c>mem=</c> takes it and people read it: <c>256M</c>.</summary>
    public static string Format(long bytes) =>
        bytes % (1L << 30) == 0 ? $"{bytes >> 30}G" : bytes % (1L << 20) == 0 ? $"{bytes >> 20}M" : bytes % (1L << 10) == 0 ? $"{bytes >> 10}K" : $"{bytes}";
}
