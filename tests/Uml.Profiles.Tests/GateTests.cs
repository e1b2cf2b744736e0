using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Uml.CI.Profiles.Tests;

/// <summary>A kernel that complained cannot be green: real warnings, which its own LKDTM provokes.</summary>
public sealed partial class GateTests(Kernels kernels) : IDisposable
{
    private const string Debugfs = "mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug; ";
    private const string Warn = Debugfs + "echo WARNING > /sys/kernel/debug/provoke-crash/DIRECT; echo the command is content; exit 0";

    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml gate ");

    public void Dispose() => _scratch.Delete(recursive: true);

    [Fact]
    public async Task A_warning_makes_a_run_fail_whose_command_is_content()
    {
        string json = Path.Combine(_scratch.FullName, "run.json");
        ToolRun run = await RunAsync(["--fail-on-complaint", "--json", json], Warn);
        Assert.Equal((122, "the command is content\n"), (run.ExitCode, run.Output));
        Match place = Place().Match(run.Error);
        Assert.True(place.Success, run.ToString());

        using JsonDocument document = JsonDocument.Parse(await File.ReadAllTextAsync(json, TestContext.Current.CancellationToken));
        Assert.Equal("complained", document.RootElement.GetProperty("outcome").GetString());
        JsonElement complaint = Assert.Single(document.RootElement.GetProperty("complaints").EnumerateArray());
        Assert.Equal("drivers/misc/lkdtm/bugs.c", complaint.GetProperty("file").GetString());
        Assert.Equal(place.Groups["line"].Value, complaint.GetProperty("line").GetInt32().ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task Without_the_gate_it_is_told_and_no_more()
    {
        ToolRun run = await RunAsync([], Warn);
        Assert.Equal(0, run.ExitCode);
        Assert.Matches(Place(), run.Error);
    }

    [Fact]
    public async Task What_is_allowed_for_a_reason_is_silent_until_its_last_day()
    {
        ToolRun allowed = await RunAsync(["--allow", Allow("kind: Warning\nsource: drivers/misc/lkdtm/*\nreason: planted here\nexpires: 2999-12-31\n")], Warn);
        Assert.True(allowed.ExitCode == 0, allowed.ToString());
        Assert.Contains("planted here", allowed.Error, StringComparison.Ordinal);

        string list = Allow("kind: Warning\nsource: drivers/misc/lkdtm/*\nreason: planted once\nexpires: 2020-12-31\n");
        ToolRun expired = await RunAsync(["--allow", list], Warn);
        Assert.True(expired.ExitCode == 122, expired.ToString());
        Assert.Contains($"{list}:1 allowed it (planted once) until 2020-12-31, which is over", expired.Error, StringComparison.Ordinal);

        ToolRun other = await RunAsync(["--allow", Allow("source: fs/*\nreason: something else\nexpires: 2999-12-31\n")], Warn);
        Assert.True(other.ExitCode == 122, other.ToString());
    }

    [Fact]
    public async Task A_warning_that_the_console_does_not_show_is_in_the_taint()
    {
        ToolRun run = await RunAsync(["--fail-on-complaint"], "dmesg -n 1; " + Warn);
        Assert.True(run.ExitCode == 122, run.ToString());
        Assert.Contains("tainted (W)", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_content_command_on_a_content_kernel_passes()
    {
        ToolRun run = await RunAsync(["--fail-on-complaint"], "true");
        Assert.True(run.ExitCode == 0, run.ToString());
    }

    [Fact]
    public async Task A_command_that_fails_keeps_its_status_and_the_complaint_is_told()
    {
        ToolRun run = await RunAsync(["--fail-on-complaint"], Warn.Replace("exit 0", "exit 7", StringComparison.Ordinal));
        Assert.True(run.ExitCode == 7, run.ToString());
        Assert.Matches(Place(), run.Error);
    }

    [Fact]
    public async Task A_guest_that_is_killed_is_never_green()
    {
        string log = Path.Combine(_scratch.FullName, "kernel.log");
        using Process process = ToolRun.Start(await ArgumentsAsync(["--fail-on-complaint", "--kernel-log", log], "echo here > /dev/kmsg; sleep 600"));
        while (!process.HasExited && !(File.Exists(log) && (await ReadAsync(log)).Contains("here", StringComparison.Ordinal)))
            await Task.Delay(50, TestContext.Current.CancellationToken);

        // As the host's OOM killer would.
        string kernel = Path.Combine((await kernels.BuildAsync(Kernels.Debug)).Directory, "linux");
        Assert.True(KillGuestsOf(process.Id, kernel) > 0, "its guest was not found");
        ToolRun run = await ToolRun.EndAsync(process);
        Assert.True(run.ExitCode == 123, run.ToString());
    }

    [Fact]
    public async Task An_allow_list_without_a_reason_is_refused()
    {
        string list = Allow("kind: Warning\nexpires: 2999-12-31\n");
        ToolRun run = await RunAsync(["--allow", list], "true");
        Assert.True(run.ExitCode == 125, run.ToString());
        Assert.Contains("reason", Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    private async Task<string[]> ArgumentsAsync(string[] options, string script) =>
    [
        "run", "--kernel", Path.Combine((await kernels.BuildAsync(Kernels.Debug)).Directory, "linux"), "--memory", "1G", "--boot-timeout", "3m", "--append", "kunit.enable=0",
        "--no-stdin", .. options, "--", "sh", "-c", script,
    ];

    private async Task<ToolRun> RunAsync(string[] options, string script) => await ToolRun.RunAsync(await ArgumentsAsync(options, script));

    private string Allow(string text)
    {
        string path = Path.Combine(_scratch.FullName, $"allow {Guid.NewGuid():N}");
        File.WriteAllText(path, text);
        return path;
    }

    private static async Task<string> ReadAsync(string path)
    {
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(file);
        return await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
    }

    // All of a guest's processes at once: a kernel that dies alone leaves its guest's programs running.
    private static int KillGuestsOf(int tool, string kernel)
    {
        int killed = 0;
        foreach (string process in Directory.EnumerateDirectories("/proc").Where(p => int.TryParse(Path.GetFileName(p), out _)))
        {
            try
            {
                if (!File.ReadAllText(Path.Combine(process, "cmdline")).StartsWith(kernel, StringComparison.Ordinal) || !IsBelow(process, tool))
                    continue;
                using Process kill = Process.Start("kill", ["-KILL", "--", "-" + Path.GetFileName(process)]);
                kill.WaitForExit();
                killed += kill.ExitCode == 0 ? 1 : 0;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Gone, or another's.
            }
        }

        return killed;
    }

    private static bool IsBelow(string process, int ancestor)
    {
        for (string? at = process; at is not null;)
        {
            string[] fields = File.ReadAllText(Path.Combine(at, "stat")).Split(") ", 2)[1].Split(' ');
            if (fields[1] == ancestor.ToString(System.Globalization.CultureInfo.InvariantCulture))
                return true;
            at = fields[1] is "0" or "1" ? null : "/proc/" + fields[1];
        }

        return false;
    }

    [GeneratedRegex(@"WARNING: drivers/misc/lkdtm/bugs\.c:(?<line>[1-9]\d*) at lkdtm_WARNING\+", RegexOptions.CultureInvariant)]
    private static partial Regex Place();
}
