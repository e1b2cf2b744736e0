namespace Uml.CI.Tests;

/// <summary>The agent is started whatever became of its executable bit on the way.</summary>
public sealed class AgentBinaryTests : IDisposable
{
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml-agent-binary-");

    private string Cache => Path.Combine(_scratch.FullName, "cache");

    public void Dispose() => _scratch.Delete(recursive: true);

    [Fact]
    public void A_file_of_ones_own_is_made_executable()
    {
        string agent = Path.Combine(_scratch.FullName, "uml-agent");
        File.WriteAllText(agent, "agent");
        File.SetUnixFileMode(agent, UnixFileMode.UserRead | UnixFileMode.UserWrite);

        Assert.Equal(agent, AgentBinary.MakeExecutable(agent, () => throw new InvalidOperationException("no copy is needed")));
        Assert.True(File.GetUnixFileMode(agent).HasFlag(UnixFileMode.UserExecute));
    }

    [Fact]
    public void A_file_that_cannot_be_changed_is_copied()
    {
        // Not even root can change this one.
        const string Agent = "/proc/version";

        string copy = AgentBinary.MakeExecutable(Agent, () => Cache);

        Assert.True(Native.IsExecutable(copy));
        Assert.Equal(File.ReadAllText(Agent), File.ReadAllText(copy));
        Assert.Equal(copy, Assert.Single(Directory.GetFiles(Cache, "*", SearchOption.AllDirectories)));
    }

    [Fact]
    public void Without_a_place_for_the_copy_the_error_names_the_agent()
    {
        GuestUnavailableException error = Assert.Throws<GuestUnavailableException>(() => AgentBinary.MakeExecutable("/proc/version", () => "/proc/nowhere"));

        Assert.Contains("/proc/version", error.Summary, StringComparison.Ordinal);
        Assert.Contains("/proc/nowhere", error.Summary, StringComparison.Ordinal);
    }
}
