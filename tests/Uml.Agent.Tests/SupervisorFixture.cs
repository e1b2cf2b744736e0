using Uml.CI.Wire;

namespace Uml.CI.Agent.Tests;

/// <summary>A directory for guests, and shell scripts that stand in for a kernel.</summary>
public abstract class SupervisorFixture : IDisposable
{
    private const string Shell = "/bin/sh";

    protected SupervisorFixture()
    {
        Base = Directory.CreateTempSubdirectory("uml agent tests ").FullName;
    }

    /// <summary>Has spaces in it, as any path may.</summary>
    protected string Base { get; }

    internal StartGuestMessage Kernel(string script, string? name = null, bool confine = false) => new()
    {
        BaseDirectory = Base,
        Name = name ?? SupervisorProcess.NewName(),
        Kernel = Shell,
        Arguments = ["-c", script, "console={console}", "log={log}"],
        Environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
        ReadPaths = ["/usr", "/bin", "/lib", "/lib64", "/etc", "/proc"],
        Confine = confine,
    };

    /// <summary>Something to look for among the processes of the host.</summary>
    internal static string NewMark() => $"9{Random.Shared.Next(100_000, 999_999)}.{Random.Shared.Next(100_000, 999_999)}";

    internal static void AssertNoneLeft(string mark) =>
        SupervisorProcess.Eventually(
            () => !HostProcess.All().Exists(p => p.CommandLine.Contains(mark, StringComparison.Ordinal)),
            $"processes with {mark} are left");

    internal void AssertNothingInBase() => Assert.Empty(Directory.EnumerateFileSystemEntries(Base));

    public void Dispose()
    {
        Directory.Delete(Base, recursive: true);
        GC.SuppressFinalize(this);
    }
}
