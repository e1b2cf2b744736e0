using System.Collections.Immutable;

namespace Uml.CI.Cli;

/// <summary>Loads modules in a guest, runs a command there, unloads them in reverse, and looks at what they left.</summary>
internal static class KmodSession
{
    private const string Place = "/opt/uml-modules";
    private const string Kmemleak = "/sys/kernel/debug/kmemleak";

    // Younger objects are not looked at (mm/kmemleak.c, MSECS_MIN_AGE).
    private static readonly TimeSpan KmemleakAge = TimeSpan.FromSeconds(6);

    /// <summary>Does it all and returns the exit status.</summary>
    public static async Task<int> RunAsync(
        GuestOptions options, ImmutableArray<(KernelModule Module, ImmutableArray<string> Parameters)> modules, ImmutableArray<string> command, TimeSpan? timeout, ComplaintGate? gate)
    {
        using var signals = new ForwardedSignals();
        try
        {
            GuestKernel kernel = await new KernelStore().ResolveAsync(options.Kernel, options.KernelResolution, signals.Stopped);
            foreach ((KernelModule module, _) in modules)
                module.Check(kernel);
            return await RunGuestAsync(options, modules, command, timeout, gate, signals);
        }
        catch (Exception e) when (Outcome.Of(e, signals.Last) is { } failure)
        {
            Message.Error(failure.Error ?? "interrupted");
            if (failure.Detail.TrimEnd() is { Length: > 0 } detail)
                Descriptor.Error.WriteLine(detail);
            return failure.ExitStatus;
        }
    }

    private static async Task<int> RunGuestAsync(
        GuestOptions options, ImmutableArray<(KernelModule Module, ImmutableArray<string> Parameters)> modules, ImmutableArray<string> command, TimeSpan? timeout, ComplaintGate? gate, ForwardedSignals signals)
    {
        CancellationToken stop = signals.Stopped;
        options = options with { Artifacts = [.. options.Artifacts, .. modules.Select(m => new GuestArtifact(Path.GetFullPath(m.Module.Path), PlaceOf(m.Module)))] };
        var problems = new List<string>();
        int status = 0;
        ulong? before, after;
        Guest guest = await new GuestBuilder(options).StartAsync(stop);
        try
        {
            before = await ComplaintGate.ReadTaintAsync(guest, stop);
            bool leaks = await TryAsync(guest, stop, "sh", "-c", $"mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug; [ -w {Kmemleak} ] && echo scan > {Kmemleak} && echo clear > {Kmemleak}") is null;
            foreach ((KernelModule module, ImmutableArray<string> parameters) in modules)
            {
                foreach (string dependency in module.Dependencies.Where(d => !modules.Any(m => m.Module.Name == d.Replace('-', '_'))))
                {
                    if (await TryAsync(guest, stop, "modprobe", dependency) is { } missing)
                        return NotLoaded($"{dependency}, which {module.Name} needs, cannot be loaded: {missing}");
                }

                if (await TryAsync(guest, stop, ["insmod", PlaceOf(module), .. parameters]) is { } refused)
                    return NotLoaded($"the module {module.Name} cannot be loaded: {refused}");
            }

            if (!command.IsEmpty)
                status = await RunCommandAsync(guest, command, timeout, signals);
            foreach ((KernelModule module, _) in modules.Reverse())
            {
                if (await TryAsync(guest, stop, "rmmod", module.Name) is { } stuck)
                    problems.Add($"the module {module.Name} cannot be unloaded: {stuck}");
            }

            if (leaks)
                problems.AddRange(await FindLeaksAsync(guest, stop));
            after = await ComplaintGate.ReadTaintAsync(guest, stop);
        }
        finally
        {
            await guest.DisposeAsync();
        }

        // A module's exit function may have taken the kernel with it.
        if (await guest.WaitForExitAsync(CancellationToken.None) is { Signal: 6 })
        {
            Message.Error($"the guest's kernel panicked: {guest.KernelLog.Panic?.Reason ?? "no report"}");
            return status == 0 ? ExitStatus.Lost : status;
        }

        if (gate is not null)
        {
            ComplaintVerdict verdict = await gate.JudgeAsync(guest.KernelLog.Lines.Select(KunitBoot.Text), guest.Kernel, before, after, stop);
            problems.AddRange(verdict.Problems);
            foreach (string note in verdict.Notes)
                Message.Note(TestStyle.Safe(note));
        }

        foreach (string problem in problems)
            Message.Error(TestStyle.Safe(problem));
        return status == 0 && problems.Count > 0 ? ExitStatus.Complained : status;
    }

    private static int NotLoaded(string problem)
    {
        Message.Error(TestStyle.Safe(problem));
        return ExitStatus.NotProvided;
    }

    private static string PlaceOf(KernelModule module) => $"{Place}/{module.Name}.ko";

    private static async Task<int> RunCommandAsync(Guest guest, ImmutableArray<string> arguments, TimeSpan? timeout, ForwardedSignals signals)
    {
        bool input = Descriptor.Input.HasContent;
        GuestProcess process = await guest.StartProcessAsync(new ExecOptions(arguments) { Timeout = timeout, RedirectStandardInput = input }, signals.Stopped);
        (GuestExit exit, _) = await CommandStreams.FollowAsync(new OwnCommandProcess(process), signals, input, terminal: false, () => process.WaitAsync(signals.Stopped));
        return exit.ExitCode;
    }

    private static async Task<IEnumerable<string>> FindLeaksAsync(Guest guest, CancellationToken stop)
    {
        await Task.Delay(KmemleakAge, stop);

        // What the first scan finds may have moved while it looked; the second confirms.
        if (await TryAsync(guest, stop, "sh", "-c", $"echo scan > {Kmemleak} && echo scan > {Kmemleak}") is { } failure)
            return [$"memory leaks could not be looked for: {failure}"];
        ExecResult found = await guest.ExecAsync(["cat", Kmemleak], stop);
        string[] lines = found.StandardOutput.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        int count = lines.Count(l => l.StartsWith("unreferenced object", StringComparison.Ordinal));
        return count == 0 ? [] : [$"{count} {(count == 1 ? "object" : "objects")} leaked:\n{string.Join('\n', lines.Take(40))}"];
    }

    /// <summary>Null when it worked, else why not.</summary>
    private static async Task<string?> TryAsync(Guest guest, CancellationToken stop, params string[] command)
    {
        try
        {
            ExecResult result = await guest.ExecAsync(new ExecOptions(command), stop);
            return result.Exit.Success ? null : result.StandardError.Trim() is { Length: > 0 } text ? text.Split('\n')[^1] : result.Exit.ToString();
        }
        catch (ExecException e)
        {
            return $"{command[0]}: {e.Summary} (Debian's package is kmod)";
        }
    }
}
