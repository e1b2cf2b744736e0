using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Uml.CI.Wire;

namespace Uml.CI.Benchmarks;

/// <summary>What is measured, and against what.</summary>
internal sealed class Measurements(string kernelReference, long memory, int runs, string? cli, string? project)
{
    private const int OutputBytes = 200 * 1024 * 1024;

    // After this time without work a guest is idle, and its supervisor has given back what it no longer needs.
    private static readonly TimeSpan Idle = TimeSpan.FromMilliseconds(300);
    private GuestKernel _kernel = null!;
    private FloorGuest _floor = null!;

    public async Task RunAsync(TextWriter output)
    {
        _kernel = await new KernelStore().ResolveAsync(kernelReference);
        _floor = FloorGuest.Create(_kernel, memory);
        await output.WriteLineAsync($"kernel {_kernel.Release} ({_kernel.Reference}), {Environment.ProcessorCount} CPUs, {runs} runs: median, min-max");

        Statistics floorBoot = await Statistics.MeasureAsync(runs, async () => (await _floor.BootAsync()).Hello);
        await Print(output, new Line("start to first result, host root", "ms", await FirstResult(GuestRoot.Host, "/bin/true"), "trivial init", floorBoot));
        // The agent is the one program an empty root holds; as anything but PID 1 it says how it is used, and ends.
        await Print(output, new Line("start to first result, empty root", "ms", await FirstResult(GuestRoot.Empty, "/init"), "trivial init", floorBoot));
        await Print(output, new Line("start to ready, empty root", "ms", await Ready(GuestRoot.Empty), "trivial init", floorBoot));
        await Print(output, await TeardownAsync());
        await Print(output, await RoundTripAsync());
        await Print(output, await ThroughputAsync());
        await Print(output, await MemoryAsync(GuestRoot.Host, "host root"));
        await Print(output, await MemoryAsync(GuestRoot.Empty, "empty root"));
        await Print(output, await MemoryOfManyAsync());
        await Print(output, await RateAsync(GuestRoot.Empty, "/init", "empty root"));
        Line rate = await RateAsync(GuestRoot.Host, "/bin/true", "host root");
        await Print(output, rate);
        var tests = new TestRuns(kernelReference, runs);
        await Print(output, await tests.FreshGuestsAsync(rate.Ours));
        if (cli is not null)
            await Print(output, new Line("uml run -- true, as a process", "ms", await CliAsync(cli, "run", "--", "true"), "uml --version", await CliAsync(cli, "--version")));
        if (cli is not null && project is not null)
            await Print(output, await tests.InsideAsync(project, Path.ChangeExtension(Path.GetFullPath(cli), ".dll")));

        _floor.Dispose();
    }

    private static async Task Print(TextWriter output, Line line)
    {
        await output.WriteLineAsync(line.ToString());
        await output.FlushAsync();
    }

    private GuestBuilder Builder(GuestRoot root) => new GuestBuilder().WithKernel(_kernel.Reference).WithRoot(root).WithMemory(memory);

    private async Task<Statistics> FirstResult(GuestRoot root, string program) => await Statistics.MeasureAsync(runs, async () =>
    {
        var clock = Stopwatch.StartNew();
        await using Guest guest = await Builder(root).StartAsync();
        await guest.ExecAsync([program]);
        return clock.Elapsed.TotalMilliseconds;
    });

    private async Task<Statistics> Ready(GuestRoot root) => await Statistics.MeasureAsync(runs, async () =>
    {
        var clock = Stopwatch.StartNew();
        await using Guest guest = await Builder(root).StartAsync();
        return clock.Elapsed.TotalMilliseconds;
    });

    private async Task<Line> TeardownAsync()
    {
        Statistics ours = await Statistics.MeasureAsync(runs, async () =>
        {
            Guest guest = await Builder(GuestRoot.Host).StartAsync();
            await guest.ExecAsync(["/bin/true"]);
            var clock = Stopwatch.StartNew();
            await guest.DisposeAsync();
            return clock.Elapsed.TotalMilliseconds;
        });
        Statistics floor = await Statistics.MeasureAsync(runs, async () => (await _floor.BootAsync()).Teardown);
        return new Line("teardown", "ms", ours, "trivial init, killed", floor);
    }

    private async Task<Line> RoundTripAsync()
    {
        await using Guest guest = await Builder(GuestRoot.Host).StartAsync();
        Statistics ours = await Statistics.MeasureAsync(runs * 5, async () =>
        {
            var clock = Stopwatch.StartNew();
            await guest.ExecAsync(["/bin/true"]);
            return clock.Elapsed.TotalMilliseconds;
        });
        Statistics floor = await Statistics.MeasureAsync(runs * 5, async () =>
        {
            var clock = Stopwatch.StartNew();
            using var process = Process.Start(new ProcessStartInfo("/bin/true") { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
            await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            return clock.Elapsed.TotalMilliseconds;
        });
        return new Line("exec round trip of /bin/true", "ms", ours, "fork+exec on the host", floor);
    }

    private async Task<Line> ThroughputAsync()
    {
        string[] command = ["head", "-c", OutputBytes.ToString(CultureInfo.InvariantCulture), "/dev/zero"];
        await using Guest guest = await Builder(GuestRoot.Host).StartAsync();
        byte[] buffer = new byte[256 * 1024];
        Statistics ours = await Statistics.MeasureAsync(runs, async () =>
        {
            var clock = Stopwatch.StartNew();
            GuestProcess process = await guest.StartProcessAsync(new ExecOptions(command));
            await Drain(process.StandardOutput, buffer);
            await process.WaitAsync();
            return OutputBytes / 1e6 / clock.Elapsed.TotalSeconds;
        });
        Statistics floor = await Statistics.MeasureAsync(runs, async () =>
        {
            var clock = Stopwatch.StartNew();
            using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, UseShellExecute = false })!;
            await Drain(process.StandardOutput.BaseStream, buffer);
            await process.WaitForExitAsync();
            return OutputBytes / 1e6 / clock.Elapsed.TotalSeconds;
        });
        return new Line("output of a command, 200 MB", "MB/s", ours, "a pipe on the host", floor);

        static async Task Drain(Stream stream, byte[] buffer)
        {
            long total = 0;
            while (await stream.ReadAsync(buffer) is > 0 and var n)
                total += n;
            if (total != OutputBytes)
                throw new IOException($"{total} bytes arrived of {OutputBytes}");
        }
    }

    private async Task<Line> MemoryAsync(GuestRoot root, string name)
    {
        Statistics ours = await Statistics.MeasureAsync(runs, async () =>
        {
            await using Guest guest = await Builder(root).StartAsync();
            await guest.ExecAsync([root == GuestRoot.Empty ? "/init" : "/bin/true"]);
            await Task.Delay(Idle);
            return FloorGuest.ProportionalMegabytes(guest.ProcessId);
        });
        Statistics floor = await Statistics.MeasureAsync(runs, async () => (await _floor.BootAsync()).Memory);
        return new Line($"memory of an idle guest (PSS), {name}", "MB", ours, "trivial init", floor);
    }

    /// <summary>Guests share the pages of the kernel's executable: the second costs less than the first.</summary>
    private async Task<Line> MemoryOfManyAsync()
    {
        const int Guests = 8;
        var alone = new List<double>();
        Statistics ours = await Statistics.MeasureAsync(runs, async () =>
        {
            var guests = new List<Guest>();
            try
            {
                for (int i = 0; i < Guests; i++)
                {
                    guests.Add(await Builder(GuestRoot.Host).StartAsync());
                    await guests[i].ExecAsync(["/bin/true"]);
                    if (i != 0)
                        continue;
                    await Task.Delay(Idle);
                    alone.Add(FloorGuest.ProportionalMegabytes(guests[0].ProcessId));
                }

                await Task.Delay(Idle);

                return guests.Sum(g => FloorGuest.ProportionalMegabytes(g.ProcessId)) / Guests;
            }
            finally
            {
                foreach (Guest guest in guests)
                    await guest.DisposeAsync();
            }
        });
        return new Line($"memory per guest, {Guests} idle (PSS)", "MB", ours, "the first, alone", new Statistics([.. alone]));
    }

    private async Task<Line> RateAsync(GuestRoot root, string program, string name)
    {
        const int Guests = 8;
        Statistics ours = await Statistics.MeasureAsync(runs, () => Rate(async () =>
        {
            await using Guest guest = await Builder(root).StartAsync();
            await guest.ExecAsync([program]);
        }));
        Statistics floor = await Statistics.MeasureAsync(runs, () => Rate(() => _floor.BootAsync()));
        return new Line($"complete guests, two in parallel, {name}", "guests/s", ours, "trivial init", floor);

        static async Task<double> Rate(Func<Task> one)
        {
            var clock = Stopwatch.StartNew();
            await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => Task.Run(async () =>
            {
                for (int i = 0; i < Guests / 2; i++)
                    await one();
            })));
            return Guests / clock.Elapsed.TotalSeconds;
        }
    }

    private Task<Statistics> CliAsync(string program, params string[] arguments) => Statistics.MeasureAsync(runs, async () =>
    {
        var clock = Stopwatch.StartNew();
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardInput = true, UseShellExecute = false })!;
        process.StandardInput.Close();
        await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? clock.Elapsed.TotalMilliseconds : throw new IOException($"{program} {string.Join(' ', arguments)} exited with {process.ExitCode}");
    });
}

/// <summary>What the trivial guest took.</summary>
internal sealed record FloorRun(double Hello, double Teardown, double Memory);

/// <summary>The same kernel, command line and supervisor with an init that only says hello.</summary>
internal sealed class FloorGuest(GuestKernel kernel, long memory, string agent, string directory) : IDisposable
{
    private int _count;

    public static FloorGuest Create(GuestKernel kernel, long memory)
    {
        string directory = Directory.CreateTempSubdirectory("uml-benchmark-").FullName;
        string init = Path.Combine(directory, "init");
        using (var compiler = Process.Start("gcc", ["-static", "-O2", "-o", init, Path.Combine(AppContext.BaseDirectory, "floor-init.c")]))
        {
            compiler.WaitForExit();
            if (compiler.ExitCode != 0)
                throw new IOException("gcc cannot build the trivial init");
        }

        File.WriteAllBytes(Path.Combine(directory, "initramfs"), Initramfs.Build(File.ReadAllBytes(init)));
        return new FloorGuest(kernel, memory, AgentBinary.Find(), directory);
    }

    public async Task<FloorRun> BootAsync()
    {
        var options = new GuestOptions { Memory = memory, Root = GuestRoot.Empty };
        BootPlan plan = BootPlan.Create(options, kernel, new BootPlan.HostFacts(
            MemoryDirectory.Find(options.Memory), Path.Combine(directory, "initramfs"), $"uml-floor-{Environment.ProcessId}-{Interlocked.Increment(ref _count)}", directory));
        var clock = Stopwatch.StartNew();
        (SupervisorClient supervisor, Socket socket) = SupervisorClient.Spawn(agent, "kernel");
        using Socket console = socket;
        GuestStartedMessage started = await supervisor.StartAsync(plan.Start);
        byte[] word = new byte[16];
        if (await console.ReceiveAsync(word) != 5)
            throw new IOException("the trivial init did not say hello");
        double hello = clock.Elapsed.TotalMilliseconds;
        double used = ProportionalMegabytes((int)started.ProcessId);
        clock.Restart();
        supervisor.Stop(TimeSpan.Zero, halt: false);
        await supervisor.DisposeAsync();
        return new FloorRun(hello, clock.Elapsed.TotalMilliseconds, used);
    }

    /// <summary>
    /// Proportional set size of all processes of a guest, its two supervisors among them, in MB (Documentation/filesystems/proc.rst,
    /// smaps_rollup).
    /// </summary>
    /// <param name="kernel">The kernel's process, which leads a session of its own; its parent and grandparent are the supervisors.</param>
    public static double ProportionalMegabytes(int kernel)
    {
        int inner = int.Parse(StatusOf(kernel)[1], CultureInfo.InvariantCulture), outer = int.Parse(StatusOf(inner)[1], CultureInfo.InvariantCulture);
        long kilobytes = 0;
        foreach (string process in Directory.GetDirectories("/proc").Select(d => d[6..]).Where(d => char.IsAsciiDigit(d[0])))
        {
            try
            {
                int id = int.Parse(process, CultureInfo.InvariantCulture);
                if (id != inner && id != outer && StatusOf(id)[3] != kernel.ToString(CultureInfo.InvariantCulture))
                    continue;
                string line = File.ReadLines($"/proc/{process}/smaps_rollup").First(l => l.StartsWith("Pss:", StringComparison.Ordinal));
                kilobytes += long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The process ended while we looked.
            }
        }

        return kilobytes / 1024.0;
    }

    // The fields after the name: state, parent, process group, session (proc(5)).
    private static string[] StatusOf(int process)
    {
        string stat = File.ReadAllText($"/proc/{process}/stat");
        return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
    }

    public void Dispose() => Directory.Delete(directory, recursive: true);
}
