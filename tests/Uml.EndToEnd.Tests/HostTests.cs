namespace Uml.CI.EndToEnd.Tests;

/// <summary>Guests run where containers and CI put us; where they cannot, one line says what to do.</summary>
public sealed class HostTests
{
    private static readonly string[] NoPrivileges = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--regid=65534", "--clear-groups"];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Without_capabilities_home_and_a_temporary_directory_without_spaces()
    {
        Assert.SkipUnless(Tool.IsRoot, "only root can take privileges away for good");
        using var place = new TemporaryDirectory("/tmp");
        Outcome run = await Tool.RunAsync(
            "setpriv", [.. NoPrivileges, Tool.Uml, "run", "--", "sh", "-c", "id -u; uname -r; touch /etc/x && echo written"],
            new Dictionary<string, string?> { ["HOME"] = "/nonexistent", ["TMPDIR"] = place.Path, ["XDG_CACHE_HOME"] = null, ["UML_CACHE"] = null });
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Equal("0", run.Output.Split('\n')[0]);
    }

    [Fact]
    public async Task With_a_small_noexec_shared_memory()
    {
        Assert.SkipUnless(Tool.IsRoot, "only root can mount");
        using var place = new TemporaryDirectory("/tmp");
        Outcome run = await Tool.RunAsync(
            "unshare", ["-m", "sh", "-c", $"mount -t tmpfs -o noexec,size=64M tmpfs /dev/shm && exec \"$@\"", "sh", Tool.Uml, "run", "--", "uname", "-s"],
            new Dictionary<string, string?> { ["TMPDIR"] = place.Path, ["XDG_RUNTIME_DIR"] = null });
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Equal("Linux\n", run.Output);
    }

    [Fact]
    public async Task A_cache_with_spaces_works()
    {
        using var place = new TemporaryDirectory("/tmp");
        Outcome run = await Tool.RunAsync(Tool.Uml, ["run", "--", "uname", "-s"], new Dictionary<string, string?> { ["UML_CACHE"] = place["a cache"] });
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Equal("Linux\n", run.Output);
    }

    [Fact]
    public async Task No_executable_directory_is_said_in_one_line()
    {
        Assert.SkipUnless(Tool.IsRoot, "only root can mount");
        Outcome run = await Tool.RunAsync(
            "unshare", ["-m", "sh", "-c", "mkdir -p /run/noexec; mount -t tmpfs -o noexec,size=600M tmpfs /run/noexec && exec \"$@\"", "sh", Tool.Uml, "run", "--", "true"],
            new Dictionary<string, string?> { ["UML_TMPDIR"] = "/run/noexec" });
        OneLine(run, "/run/noexec", "noexec", "UML_TMPDIR");
    }

    [Fact]
    public async Task A_full_disk_is_said_in_one_line()
    {
        Assert.SkipUnless(Tool.IsRoot, "only root can mount");
        Outcome run = await Tool.RunAsync(
            "unshare", ["-m", "sh", "-c", "mkdir -p /run/full; mount -t tmpfs -o size=2M tmpfs /run/full && exec \"$@\"", "sh", Tool.Uml, "run", "--", "true"],
            new Dictionary<string, string?> { ["UML_TMPDIR"] = "/run/full" });
        OneLine(run, "/run/full", "free");
    }

    [Fact]
    public async Task Memory_that_runs_out_ends_the_guest_with_the_reason()
    {
        Assert.SkipUnless(Tool.IsRoot, "only root can mount");
        Outcome run = await Tool.RunAsync(
            "unshare", ["-m", "sh", "-c", "mkdir -p /run/short; mount -t tmpfs -o size=300M tmpfs /run/short && dd if=/dev/zero of=/run/short/ballast bs=1M count=20 status=none && exec \"$@\"", "sh",
                Tool.Uml, "run", "--memory", "256M", "--mount", "/run/short:/mnt:rw", "--timeout", "1m", "--", "sh", "-c", "dd if=/dev/zero of=/mnt/more bs=1M; head -c 200M /dev/zero > /tmp/fill; echo survived"],
            new Dictionary<string, string?> { ["UML_TMPDIR"] = "/run/short" });
        Assert.Equal(123, run.ExitCode);
        Assert.Contains("/run/short ran out of space for the guest's memory", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("debian:sid")]
    [InlineData("debian:bookworm")]
    public async Task A_host_that_denies_ptrace_and_seccomp_is_said_in_one_line(string kernel)
    {
        using var build = new TemporaryDirectory(Path.GetTempPath());
        string deny = await Tool.CompileAsync("deny-tracing", build.Path);
        // So that the one line is not that of a download.
        await Tool.RunAsync(Tool.Uml, ["kernel", "pull", kernel]);
        Outcome run = await Tool.RunAsync(deny, [Tool.Uml, "run", "--kernel", kernel, "--", "true"]);
        OneLine(run, "ptrace");
    }

    [Fact]
    public async Task A_kernel_of_another_architecture_is_said_in_one_line()
    {
        using var place = new TemporaryDirectory(Path.GetTempPath());
        byte[] kernel = await File.ReadAllBytesAsync("/bin/true", Cancel);
        kernel[18] = 183; // e_machine: EM_AARCH64
        await File.WriteAllBytesAsync(place["linux"], kernel, Cancel);
        File.SetUnixFileMode(place["linux"], (UnixFileMode)0x1ed);
        Outcome run = await Tool.RunAsync(Tool.Uml, ["run", "--kernel", place["linux"], "--", "true"]);
        OneLine(run, place["linux"], "x86-64");
    }

    private static void OneLine(Outcome run, params string[] words)
    {
        Assert.Equal(125, run.ExitCode);
        string[] lines = run.Error.TrimEnd('\n').Split('\n');
        Assert.True(lines.Length == 1, run.Error);
        foreach (string word in words)
            Assert.Contains(word, lines[0], StringComparison.Ordinal);
    }
}
