using System.Collections.Concurrent;
using Xunit;

namespace Uml.CI;

public sealed class ExternalProgramTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static ExternalProgram Shell(string script, bool guarded) => new("/bin/sh") { Arguments = ["-c", script], EndsWithParent = guarded };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Output_status_and_arguments_arrive(bool guarded)
    {
        ConcurrentQueue<string> lines = [];
        ExternalProgram program = Shell("printf '%s|' \"$@\"; echo; echo two; echo wrong >&2; exit 3", guarded) with
        {
            OnOutput = lines.Enqueue,
            ThrowsOnFailure = false,
        };
        program = program with { Arguments = [.. program.Arguments, "sh", "a b", "", "*", "$x"] };
        ExternalResult result = await program.RunAsync(Cancelled);
        Assert.Equal(new ExternalResult(3, "a b||*|$x|\ntwo\n", "wrong\n"), result);
        Assert.Equal(["a b||*|$x|", "two"], lines);
        ExternalProgramException e = await Assert.ThrowsAsync<ExternalProgramException>(() => (program with { ThrowsOnFailure = true }).RunAsync(Cancelled));
        Assert.Equal("sh ended with status 3: wrong", e.Message);
    }

    [Theory]
    [InlineData(false, "exec sleep 1000")]
    [InlineData(true, "exec sleep 1000")]
    [InlineData(false, "trap '' TERM; sleep 1000 & sleep 1000")]
    [InlineData(true, "trap '' TERM; sleep 1000 & sleep 1000")]
    public async Task Cancellation_ends_the_program_and_what_it_started(bool guarded, string script)
    {
        string mark = "UML_TEST_MARK_" + Guid.NewGuid().ToString("N");
        using CancellationTokenSource source = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        ExternalProgram program = Shell(": " + mark + "; echo up; " + script, guarded) with
        {
            OnOutput = _ => source.Cancel(),
            Grace = TimeSpan.FromMilliseconds(300),
            Environment = System.Collections.Immutable.ImmutableDictionary<string, string?>.Empty.Add("MARK", mark),
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => program.RunAsync(source.Token));
        await Processes.NoneWithAsync(mark, Cancelled);
    }

    [Fact]
    public async Task A_cancelled_token_starts_nothing()
    {
        using Scratch scratch = new();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Shell($"touch '{scratch["x"]}'", false).RunAsync(new CancellationToken(canceled: true)));
        Assert.False(File.Exists(scratch["x"]));
    }

    [Fact]
    public void Programs_are_found_in_a_path()
    {
        using Scratch scratch = new();
        scratch.Write("a/prog", "", executable: false);
        string found = scratch.Write("b/prog", "", executable: true);
        Assert.Equal(found, ExternalProgram.Find("prog", $"{scratch["a"]}::relative:{scratch["b"]}"));
        Assert.Null(ExternalProgram.Find("prog", scratch["a"]));
    }
}

/// <summary>Looks for processes by a mark in their environment or command line.</summary>
internal static class Processes
{
    public static async Task NoneWithAsync(string mark, CancellationToken cancellationToken)
    {
        // Killed processes may take a moment to be gone.
        List<string> found = [];
        for (int i = 0; i < 200; i++)
        {
            found = [.. Directory.EnumerateDirectories("/proc").Where(d => int.TryParse(Path.GetFileName(d), out int id) && id != Environment.ProcessId && Has(d))];
            if (found.Count == 0)
                return;
            await Task.Delay(50, cancellationToken);
        }

        Assert.Fail("Still there: " + string.Join(", ", found.Select(d => Read(d, "cmdline").Replace('\0', ' '))));

        bool Has(string process) => Read(process, "cmdline").Contains(mark, StringComparison.Ordinal) || Read(process, "environ").Contains(mark, StringComparison.Ordinal);
    }

    private static string Read(string process, string file)
    {
        try
        {
            return File.ReadAllText(Path.Combine(process, file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
