using System.Text;

namespace Uml.CI.Tests;

public sealed class MessageLinesTests
{
    private const string Message = """{"$type":"test-passed","Output":"x"}""";

    [Theory]
    [InlineData(Message + "\n", "M")]
    [InlineData("\n", "")]
    [InlineData("own\r\n" + Message + "\r\n", "own|M")]
    [InlineData("begun " + Message + "\n", "M|begun ")]
    [InlineData("{\"$type\":\"nothing of ours\"}\n", "{\"$type\":\"nothing of ours\"}")]
    [InlineData("{\"$type\":\"nothing\"} " + Message + "\n", "M|{\"$type\":\"nothing\"} ")]
    [InlineData("{\"$type\":\"test-passed\",\n" + Message + "\n", "{\"$type\":\"test-passed\",|M")]
    [InlineData("{}\nnull\n[]\n{\n", "{}|null|[]|{")]
    [InlineData("no end", "no end")]
    [InlineData(Message, "M")]
    public void Messages_and_own_lines_are_told_apart_however_they_arrive(string text, string expected)
    {
        for (int size = 1; size <= text.Length; size++)
            Assert.Equal(expected, Split(text, size));
    }

    [Fact]
    public void Every_line_that_may_be_a_message_is_acknowledged_so_that_nobody_waits_for_ever()
    {
        var lines = new MessageLines(_ => false, _ => { });
        Assert.Equal(2, lines.Feed($"own\n{Message}\nbroken {MessageLines.Beginning}test-pa\nown\n"));
    }

    [Fact]
    public void A_text_without_an_end_is_handed_on_in_pieces()
    {
        var own = new List<string>();
        var lines = new MessageLines(_ => false, own.Add);
        string piece = new('x', 10_000);
        for (int i = 0; i < 1_000; i++)
            lines.Feed(piece);
        lines.End();
        Assert.True(own.Count > 100);
        Assert.Equal(10_000_000, own.Sum(l => l.Length));
    }

    [Fact]
    public void A_long_message_is_one()
    {
        string text = $$"""{"$type":"test-passed","Output":"{{new string('x', 1_000_000)}}"}""";
        var messages = new List<string>();
        var lines = new MessageLines(m => { messages.Add(m); return true; }, o => Assert.Fail(o[..20]));
        foreach (char[] piece in text.Chunk(777))
            lines.Feed(piece);
        lines.Feed("\n");
        Assert.Equal([text], messages);
    }

    [Fact]
    public async Task What_a_program_writes_in_place_of_messages_is_never_one_and_never_an_error()
    {
        TestAssembly assembly = Cases.Assembly;
        List<string> real = [];
        using var program = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(assembly.Command[0], ["-automated", "-class", "Demo.MixedTests"]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardInput = true })!;
        program.StandardInput.Close();
        while (await program.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
            real.Add(line);
        Assert.All(real, l => Assert.NotNull(TestMessages.Read(l)));

        // Broken in every way chance finds; the seed is fixed, so that a failure comes again.
        var random = new Random(4711);
        string pool = string.Concat(real.SelectMany(l => l).Distinct());
        for (int round = 0; round < 5_000; round++)
        {
            var line = new StringBuilder(real[random.Next(real.Count)]);
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                int at = random.Next(line.Length);
                switch (random.Next(4))
                {
                    case 0:
                        line[at] = pool[random.Next(pool.Length)];
                        break;
                    case 1:
                        line.Remove(at, Math.Min(random.Next(1, 40), line.Length - at));
                        break;
                    case 2:
                        line.Insert(at, pool[random.Next(pool.Length)]);
                        break;
                    default:
                        line.Length = Math.Max(1, at);
                        break;
                }

                if (line.Length == 0)
                    line.Append('{');
            }

            var recorder = new RunRecorder([], _ => { }, _ => { });
            if (TestMessages.Read(line.ToString()) is { } message)
                TestMessages.Deliver(message, recorder);
        }
    }

    private static string Split(string text, int size)
    {
        var found = new List<string>();
        var lines = new MessageLines(
            m =>
            {
                if (m != Message)
                    return false;
                found.Add("M");
                return true;
            },
            found.Add);
        foreach (char[] piece in text.Chunk(size))
            lines.Feed(piece);
        lines.End();
        return string.Join('|', found);
    }
}
