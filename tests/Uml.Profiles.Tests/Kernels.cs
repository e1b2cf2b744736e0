using System.Collections.Concurrent;
using Uml.CI.Profiles.Tests;

[assembly: AssemblyFixture(typeof(Kernels))]

namespace Uml.CI.Profiles.Tests;

/// <summary>
/// The kernels of these tests, each built once into this user's own store, so that the next run finds it there. Two profiles in one
/// kernel wherever they go together: a kernel takes minutes.
/// </summary>
public sealed class Kernels
{
    /// <summary>The default kernel.</summary>
    public const string Fast = "debian-source:7.3#fast";

    /// <summary>Everything that finds mistakes, and the unit tests.</summary>
    public const string Debug = "debian-source:7.3#debug,kunit";

    /// <summary>Several CPUs.</summary>
    public const string Smp = "debian-source:7.3#fast,smp";

    /// <summary>Counts of what ran, and virtual time.</summary>
    public const string Coverage = "debian-source:7.3#coverage,timetravel";

    /// <summary>What systemd and packages of a distribution expect.</summary>
    public const string Distro = "debian-source:7.3#distro";

    /// <summary>Everything is to be built, whatever time it takes.</summary>
    public static bool All { get; } = Environment.GetEnvironmentVariable("UML_TEST_PROFILES") == "all";

    private readonly ConcurrentDictionary<string, Lazy<Task<BuiltKernel>>> _built = new(StringComparer.Ordinal);

    /// <summary>The store of this user.</summary>
    public KernelStore Store { get; } = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>
    /// Builds a kernel, or finds it; skips the test where the tools for that are missing. Kernels other than the default one are built
    /// only when UML_TEST_PROFILES is "all", as each takes a machine of two processors ten minutes; once built, they are found.
    /// </summary>
    public async Task<BuiltKernel> BuildAsync(string reference)
    {
        if (reference != Fast && !All && !IsBuilt(reference))
            Assert.Skip($"{reference} is not in the kernel store; UML_TEST_PROFILES=all builds it, which takes a while");

        // The first to ask builds, for all: one test's end must not take the kernel away from another.
        Lazy<Task<BuiltKernel>> build = _built.GetOrAdd(
            reference, r => new Lazy<Task<BuiltKernel>>(() => Store.BuildAsync(r, Options(r), CancellationToken.None)));
        try
        {
            return await build.Value.WaitAsync(Cancel);
        }
        catch (KernelException e) when (e.Problem == KernelProblem.Unavailable && Environment.GetEnvironmentVariable("UML_REQUIRED") != "1")
        {
            Assert.Skip(e.Message);
            throw;
        }
    }

    // One that was built of other fragments would be built anew.
    private bool IsBuilt(string reference)
    {
        string[] profiles = [.. KernelReference.Parse(reference).Profiles];
        (string, string)[] fragments = [.. MergedConfiguration.FragmentsOf(profiles, null).Select(f => (f.FileName, BuildInputs.HashOfText(f.Text)))];
        return Store.List().Any(k => k.Profiles.SequenceEqual(profiles) && k.Release.StartsWith("7.3", StringComparison.Ordinal)
            && KernelStore.RecordOf(k) is { } record && fragments.All(f => record.Fragments.Any(r => (r.Name, r.Sha256) == f)));
    }

    // Debug information takes time, too: it is for the kernel that is compared byte by byte, and gcov asks for it.
    private static KernelBuildOptions Options(string reference) => new() { NoDebugInformation = reference is Debug or Distro or Smp, Progress = new Progress() };

    /// <summary>Starts a guest on a kernel, and counts it.</summary>
    public async Task<Guest> StartAsync(string reference, Func<GuestBuilder, GuestBuilder>? configure = null)
    {
        BuiltKernel kernel = await BuildAsync(reference);
        GuestBuilder builder = new GuestBuilder().WithKernel(kernel.Reference.ToString()).WithMemory("512M").WithBootTimeout(TimeSpan.FromMinutes(3)).WithCommandTimeout(TimeSpan.FromMinutes(5));
        Guest guest = await (configure ?? (b => b))(builder).StartAsync(Cancel);
        BootCount.Record();
        return guest;
    }

    /// <summary>Warnings and stages in the test's output, so that a slow run tells what it did.</summary>
    private sealed class Progress : IProgress<KernelProgress>
    {
        private string _stage = "";

        public void Report(KernelProgress value)
        {
            if (value.Stage == _stage)
                return;
            _stage = value.Stage;
            TestContext.Current.SendDiagnosticMessage("{0}", value.Stage);
        }
    }
}
