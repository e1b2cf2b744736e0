using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace Uml.CI.EndToEnd.Tests;

/// <summary>Whoever dies, whenever: nothing of a guest is left, and nothing of it gets at the host.</summary>
public sealed class DeathTests(ITestOutputHelper log)
{
    private const string Processes = "for i in $(seq 50); do sleep 1000 & done; echo ready; wait";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private enum Victim
    {
        Tool,
        OuterSupervisor,
        InnerSupervisor,
        BothSupervisors,
        Kernel,
    }

    [Theory]
    [InlineData("debian:bookworm", 1)]
    [InlineData("debian:sid", 2)]
    public async Task Nothing_is_left_whoever_is_killed_whenever(string kernel, int seed)
    {
        const int Rounds = 100, AtOnce = 3;
        await Tool.RunAsync(Tool.Uml, ["kernel", "pull", kernel]);
        var random = new Random(seed);
        (Victim Victim, int Delay)[] plans = [.. Enumerable.Range(0, Rounds).Select(i => ((Victim)(i % 5), random.Next(0, 700)))];
        var times = new ConcurrentBag<double>();
        int killed = 0;
        await Parallel.ForEachAsync(plans, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = Cancel }, async (plan, cancel) =>
        {
            using var memory = new TemporaryDirectory("/dev/shm", "death");
            using Process tool = Tool.Start(Tool.Uml, ["run", "--kernel", kernel, "--", "sh", "-c", Processes], new Dictionary<string, string?> { ["UML_TMPDIR"] = memory.Path });
            if (plan.Delay > 350)
                await tool.StandardOutput.ReadLineAsync(cancel); // Half of them with all 50 processes there.
            await Task.Delay(plan.Delay % 350, cancel);

            List<HostProcess> tree = HostProcess.Tree(tool.Id);
            List<int> targets = Choose(plan.Victim, tool.Id, tree);
            foreach (int target in targets)
                Kill(target);
            Interlocked.Add(ref killed, targets.Count);
            var clock = Stopwatch.StartNew();
            if (targets.Count == 0 && !tool.HasExited)
                tool.Kill();

            // With both supervisors dead the directory waits for the next guest that starts there.
            string directory = plan.Victim == Victim.BothSupervisors ? "/nowhere" : memory.Path;
            List<string> left;
            while ((left = Left(tree, memory.Path, directory)).Count > 0 && clock.Elapsed < TimeSpan.FromSeconds(20))
                await Task.Delay(5, cancel);
            times.Add(clock.Elapsed.TotalSeconds);
            Assert.True(left.Count == 0, $"{plan.Victim} killed after {plan.Delay} ms left: {string.Join(", ", left)}");
            await tool.WaitForExitAsync(cancel);
        });
        double[] sorted = [.. times.Order()];
        log.WriteLine($"{kernel}: {killed} processes killed in {Rounds} rounds; nothing left after {sorted[sorted.Length / 2]:0.000} s (median), {sorted[^1]:0.000} s (slowest)");
        Assert.True(killed > Rounds / 2, "most rounds should find their victim");
    }

    [Theory]
    [InlineData("debian:bookworm", "")]
    [InlineData("debian:sid", "seccomp=off")]
    [InlineData("debian:sid", "seccomp=on")]
    public async Task No_process_of_a_guest_gets_loose_on_the_host(string kernel, string mode)
    {
        const int Rounds = 100;
        using var build = new TemporaryDirectory(Path.GetTempPath());
        using var prey = new TemporaryDirectory("/dev/shm", "prey");
        string spinner = await Tool.CompileAsync("spin-mkdir", build.Path);
        GuestBuilder builder = new GuestBuilder().WithKernel(kernel).WithMemory("256M").WithKernelArguments(mode.Length > 0 ? [mode] : []);
        await Parallel.ForEachAsync(Enumerable.Range(0, Rounds), new ParallelOptions { MaxDegreeOfParallelism = 2, CancellationToken = Cancel }, async (round, cancel) =>
        {
            await using Guest guest = await builder.StartAsync(cancel);
            GuestProcess spinning = await guest.StartProcessAsync(new ExecOptions(spinner, prey.Path), cancel);
            using var reader = new StreamReader(spinning.StandardOutput);
            for (int i = 0; i < 10; i++)
                Assert.Equal("spinning", await reader.ReadLineAsync(cancel));
            await Task.Delay(round % 10, cancel);
            Kill(guest.ProcessId);
            await Assert.ThrowsAsync<GuestConnectionException>(() => spinning.WaitAsync(cancel));
            Assert.Empty(Directory.GetFileSystemEntries(prey.Path));
        });
        Assert.Empty(Directory.GetFileSystemEntries(prey.Path));
    }

    [Fact]
    public async Task What_a_double_kill_left_is_cleared_by_the_next_guest()
    {
        using var memory = new TemporaryDirectory("/dev/shm", "double");
        var environment = new Dictionary<string, string?> { ["UML_TMPDIR"] = memory.Path };
        using (Process tool = Tool.Start(Tool.Uml, ["run", "--", "sh", "-c", Processes], environment))
        {
            await tool.StandardOutput.ReadLineAsync(Cancel);
            foreach (int target in Choose(Victim.BothSupervisors, tool.Id, HostProcess.Tree(tool.Id)))
                Kill(target);
            await tool.WaitForExitAsync(Cancel);
            Assert.Equal(123, tool.ExitCode);
        }

        Directory.CreateDirectory(memory["uml-mine"]);
        await File.WriteAllTextAsync(memory["uml-mine/kept"], "kept", Cancel);
        Outcome next = await Tool.RunAsync(Tool.Uml, ["run", "--", "true"], environment);
        Assert.Equal(0, next.ExitCode);
        // Only what is a guest's is cleared away, whatever else is called like one.
        Assert.Equal(["uml-mine"], Directory.GetFileSystemEntries(memory.Path).Select(Path.GetFileName));
        Assert.True(File.Exists(memory["uml-mine/kept"]));
    }

    /// <summary>The processes of a role, found by how they descend from the tool: outer supervisor, inner one, kernel.</summary>
    private static List<int> Choose(Victim victim, int tool, List<HostProcess> tree)
    {
        HostProcess? outer = tree.Find(p => p.Parent == tool && p.Command.Contains("supervise", StringComparison.Ordinal));
        HostProcess? inner = tree.Find(p => p.Parent == outer?.Id && p.Command.Contains("supervise inner", StringComparison.Ordinal));
        HostProcess? kernel = tree.Find(p => p.Parent == inner?.Id && p.Command.Contains("mem=", StringComparison.Ordinal));
        IEnumerable<HostProcess?> chosen = victim switch
        {
            Victim.OuterSupervisor => [outer],
            Victim.InnerSupervisor => [inner],
            Victim.BothSupervisors => [outer, inner],
            Victim.Kernel => [kernel],
            _ => [],
        };
        return victim == Victim.Tool ? [tool] : [.. chosen.OfType<HostProcess>().Select(p => p.Id)];
    }

    private static void Kill(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            process.Kill();
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            // It ended before we came.
        }
    }

    private static List<string> Left(List<HostProcess> tree, string memory, string emptied)
    {
        var left = tree.Where(p => p.Lives()).Select(p => $"{p.Id} {p.Command}").ToList();
        if (Directory.Exists(emptied))
            left.AddRange(Directory.GetFileSystemEntries(emptied));
        // A process that was born after the tree was looked at still has the guest's directory as its own.
        foreach (string directory in Directory.GetDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out _))
                continue;
            try
            {
                if (new FileInfo($"{directory}/cwd").LinkTarget?.StartsWith(memory, StringComparison.Ordinal) == true)
                    left.Add($"{Path.GetFileName(directory)} in {memory}");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
            }
        }

        return left;
    }
}
