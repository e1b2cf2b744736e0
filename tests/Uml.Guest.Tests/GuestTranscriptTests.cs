using System.Text;

namespace Uml.CI.Tests;

/// <summary>What is kept of the commands of a guest.</summary>
public sealed class GuestTranscriptTests
{
    [Fact]
    public void A_command_is_told_as_a_shell_would_take_it()
    {
        var transcript = new GuestTranscript();
        GuestTranscript.Entry entry = transcript.Begin(new ExecOptions("sh", "-c", "echo 'a b'", "") { User = "nobody" }, "/srv");
        Assert.Contains("still runs", transcript.ToString(), StringComparison.Ordinal);
        entry.Output.Add("one\ntwo"u8);
        entry.Error.Add("three\n"u8);
        entry.End("exit status 1");
        entry.End("not this");

        Assert.Matches(
            @"^\[ +\d+\.\d{3}\] \$ sh -c 'echo '\\''a b'\\''' ''\n    in /srv\n    as nobody\n  \| one\n  \| two\n  ! three\n    exit status 1 after \d+ ms\n\n$",
            transcript.ToString());
    }

    [Theory]
    [InlineData(1, 100)]
    [InlineData(7, 20_000)]
    [InlineData(4096, 3)]
    [InlineData(5000, 2)]
    [InlineData(100_000, 5)]
    public void Of_long_output_the_beginning_and_the_end_are_kept(int piece, int pieces)
    {
        byte[] all = [.. Enumerable.Range(0, piece * pieces).Select(i => (byte)('a' + (i % 23)))];
        var excerpt = new GuestTranscript.Excerpt();
        for (int i = 0; i < pieces; i++)
            excerpt.Add(all.AsSpan(i * piece, piece));

        var text = new StringBuilder();
        excerpt.Write(text, "");

        string whole = Encoding.ASCII.GetString(all);
        string expected = whole.Length <= 4096 ? whole + "\n"
            : whole.Length <= 8192 ? whole[..4096] + "\n" + whole[4096..] + "\n"
            : $"{whole[..4096]}\n[{whole.Length - 8192} bytes more]\n{whole[^4096..]}\n";
        Assert.Equal(expected, text.ToString());
    }

    [Fact]
    public void Of_many_commands_the_last_are_kept()
    {
        var transcript = new GuestTranscript();
        for (int i = 0; i < 1000; i++)
            transcript.Begin(new ExecOptions($"command-{i}"), "");

        string text = transcript.ToString();
        Assert.StartsWith("[800 commands before]\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("command-799\n", text, StringComparison.Ordinal);
        Assert.Contains("command-800\n", text, StringComparison.Ordinal);
        Assert.Contains("command-999\n", text, StringComparison.Ordinal);
        Assert.StartsWith("[", transcript.ToString(skip: 999), StringComparison.Ordinal);
        Assert.DoesNotContain("command-998\n", transcript.ToString(skip: 999), StringComparison.Ordinal);
        Assert.Equal("", transcript.ToString(skip: 1000));
    }

    [Fact]
    public async Task Commands_of_a_guest_are_noted()
    {
        await using Guest guest = await Guests.StartAsync();
        await guest.Shell("true");
        guest.Transcript = new GuestTranscript();
        await guest.Shell("echo out; echo err >&2; exit 7");
        await Assert.ThrowsAsync<ExecException>(() => guest.ExecAsync(["/no/such/program"], TestContext.Current.CancellationToken));
        await guest.Shell("kill -9 $$");

        string text = guest.Transcript.ToString();
        Assert.Contains("  | out\n  ! err\n    exit status 7 after ", text, StringComparison.Ordinal);
        Assert.Contains("$ /no/such/program\n", text, StringComparison.Ordinal);
        Assert.Contains("killed by signal 9 after ", text, StringComparison.Ordinal);
        Assert.Equal(3, guest.Transcript.Count);
    }
}
