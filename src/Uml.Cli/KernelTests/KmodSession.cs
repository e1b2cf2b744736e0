using System.Collections.Immutable;

namespace Uml.CI.Cli;

/// <summary>Loads modules in a guest, runs a command there, unloads them in reverse, and looks at what they left.</summary>
internal static class KmodSession
{
    private const string Place = "/opt/uml-modules";
    private const string Kmemleak = "/sys/kernel/debug/kmemleak";

    // Younger objects are not looked at (mm/kmemleak.c, MSECS_MIN_AGE), and only a scan that finds an object as the last one left it tells.
    // What is left of a pointer on some stack keeps an object from both for a while. The guest's seconds count, not the host's.
    private const string FindLeaks = $"""
        sleep 6
        for wait in 3 3 0; do
            echo scan > {Kmemleak} && echo scan > {Kmemleak} || exit
            [ -n "$(head -c 1 {Kmemleak})" ] && exit
            sleep $wait
        done
        """;

    private const string PrepareLeaks = $"""
        mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
        [ -e {Kmemleak} ] || exit 0
        echo scan > {Kmemleak} && echo clear > {Kmemleak} && echo ready
        """;

    /// <summary>Does it all and returns the exit status.</summary>
    public static async Task<int> RunAsync(
        GuestOptions options, ImmutableArray<(KernelModule Module, ImmutableArray<string> Parameters)> modules, ImmutableArray<string> command, TimeSpan? timeout, ComplaintGate? gate)
    {
        using var signals = new ForwardedSignals();
        string step = "";
        try
        {
            GuestKernel kernel = await new KernelStore().ResolveAsync(options.Kernel, options.KernelResolution, signals.Stopped);
            foreach ((KernelModule module, _) in modules)
                module.Check(kernel);
            return await RunGuestAsync(options, modules, command, timeout, gate, signals, s => step = s);
        }
        catch (Exception e) when (Outcome.Of(e, signals.Last) is { } failure)
        {
            // What the kernel died of says little without what it was at.
            Message.Error((failure.Error ?? "interrupted") + (failure.GuestAnswers || step.Length == 0 ? "" : $", while {step}"));
            if (failure.Detail.TrimEnd() is { Length: > 0 } detail)
                Descriptor.Error.WriteLine(detail);
            return failure.ExitStatus;
        }
    }

    private static async Task<int> RunGuestAsync(
        GuestOptions options, ImmutableArray<(KernelModule Module, ImmutableArray<string> Parameters)> modules, ImmutableArray<string> command, TimeSpan? timeout, ComplaintGate? gate, ForwardedSignals signals, Action<string> at)
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
            ExecResult kmemleak = await guest.ExecAsync(["sh", "-c", PrepareLeaks], stop);
            bool leaks = kmemleak.StandardOutput.Contains("ready", StringComparison.Ordinal);
            if (kmemleak.ExitCode != 0)
                problems.Add($"memory leaks could not be looked for: {kmemleak.StandardError.Trim()}");
            foreach ((KernelModule module, ImmutableArray<string> parameters) in modules)
            {
                foreach (string dependency in module.Dependencies.Where(d => !modules.Any(m => m.Module.Name == d.Replace('-', '_'))))
                {
                    if (await TryAsync(guest, stop, "modprobe", dependency) is { } missing)
                        return NotLoaded($"{dependency}, which {module.Name} needs, cannot be loaded: {missing}");
                }

                at($"the module {module.Name} was loaded");
                if (await TryAsync(guest, stop, ["insmod", PlaceOf(module), .. parameters]) is { } refused)
                    return NotLoaded($"the module {module.Name} cannot be loaded: {refused}{Saying(guest, module)}");
            }

            at("the command ran");
            if (!command.IsEmpty)
                status = await RunCommandAsync(guest, command, timeout, signals);
            foreach ((KernelModule module, _) in modules.Reverse())
            {
                at($"the module {module.Name} was unloaded");
                if (await TryAsync(guest, stop, "rmmod", module.Name) is { } stuck)
                    problems.Add($"the module {module.Name} cannot be unloaded: {stuck}");
            }

            at("the guest was looked at after the modules had gone");
            if (leaks)
                problems.AddRange(await LeaksAsync(guest, stop));
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

        // A parameter that is misspelt is taken without a word, but for this one.
        foreach (KernelLogLine line in guest.KernelLog.Lines.Where(l => l.Text.Contains(": unknown parameter '", StringComparison.Ordinal)))
            Message.Warning(TestStyle.Safe(line.Text));
        if (gate is not null)
        {
            var symbols = modules.ToDictionary(m => m.Module.Name, m => Path.GetFullPath(m.Module.Path), StringComparer.Ordinal);
            ComplaintVerdict verdict = await gate.WithModules(symbols).JudgeAsync(guest.KernelLog.Lines.Select(KunitBoot.Text), guest.Kernel, before, after, stop);
            problems.AddRange(verdict.Problems);
            foreach (string note in verdict.Notes)
                Message.Note(TestStyle.Safe(note));
        }

        foreach (string problem in problems)
            Message.Error(TestStyle.Safe(problem));
        return status == 0 && problems.Count > 0 ? ExitStatus.Complained : status;
    }

    // insmod only knows the error's number; why it came is in the kernel's log.
    private static string Saying(Guest guest, KernelModule module) =>
        guest.KernelLog.Lines.Select(l => l.Text).LastOrDefault(l => l.StartsWith($"{module.Name}: ", StringComparison.Ordinal) || l.StartsWith($"module {module.Name}: ", StringComparison.Ordinal)) is { } line ? $"; the kernel says: {line}" : "";

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

    private static async Task<IEnumerable<string>> LeaksAsync(Guest guest, CancellationToken stop)
    {
        if (await TryAsync(guest, stop, "sh", "-c", FindLeaks) is { } failure)
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
