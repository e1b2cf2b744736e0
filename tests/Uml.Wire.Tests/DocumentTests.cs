using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace Uml.CI.Wire.Tests;

/// <summary>docs/protocol.md says what the code does.</summary>
public sealed partial class DocumentTests
{
    private static readonly string s_document = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "protocol.md"));

    [Fact]
    public void The_hello_frame_of_the_document_is_the_one_we_send()
    {
        byte[] documented = HexDump("hello");
        var writer = new MessageWriter();
        new HelloMessage(Protocol.Version, "0.1.0", "7.2.7").Encode(writer);
        var frame = new byte[Frame.HeaderSize + writer.Written.Length];
        Frame.Write(frame, FrameType.Hello, 0, 0, writer.Written);
        Assert.Equal(frame, documented);

        var reader = new FrameReader();
        documented.CopyTo(reader.GetSpan());
        reader.Advance(documented.Length);
        Assert.True(reader.TryRead(out ReceivedFrame received));
        Assert.Equal("7.2.7", HelloMessage.Decode(received.Payload.Span).Release);
    }

    [Fact]
    public void The_tree_of_the_document_is_the_one_we_pack_and_unpack()
    {
        using var sandbox = new TreeSandbox();
        sandbox.MakeFile("from/a", "hi\n"u8);
        TreeSandbox.Run(sandbox["from"], """cd "$1"; chmod 755 .; chmod 644 a; touch -d '2023-11-14 22:13:20 UTC' a .""");
        byte[] documented = HexDump("tree");
        Assert.Equal(documented, Tree.Pack(sandbox["from"]));
        Tree.Unpack(documented, sandbox["to"]);
        Assert.Equal(TreeSandbox.Describe(sandbox["from"]), TreeSandbox.Describe(sandbox["to"]));
    }

    [Fact]
    public void Every_frame_type_is_documented_with_its_number()
    {
        Dictionary<int, string> documented = FrameTypeRow().Matches(s_document)
            .ToDictionary(row => int.Parse(row.Groups["number"].ValueSpan, CultureInfo.InvariantCulture), row => row.Groups["name"].Value);
        Dictionary<int, string> actual = Enum.GetValues<FrameType>().Where(type => type != FrameType.None).ToDictionary(type => (int)type, type => type.ToString());
        Assert.Equal(actual, documented);
    }

    [Fact]
    public void The_numbers_of_the_document_are_the_ones_in_force()
    {
        Assert.Contains($"The version of the protocol is **{Protocol.Version}**", s_document, StringComparison.Ordinal);
        Assert.Contains($"`{Protocol.GuestDevice}`", s_document, StringComparison.Ordinal);
        Assert.Contains($"never has more than {Protocol.LineWindow} bytes sent", s_document, StringComparison.Ordinal);
        Assert.Contains($"at the latest whenever {Protocol.AckEvery} bytes", s_document, StringComparison.Ordinal);
        Assert.Contains($"at most {Frame.MaxPayload} |", s_document, StringComparison.Ordinal);
        Assert.Contains($"Input of up to {Protocol.InlineInput} bytes", s_document, StringComparison.Ordinal);
        Assert.Contains($"name and length, at most {Protocol.SpoolChunk} bytes", s_document, StringComparison.Ordinal);
        Assert.Contains($"| host | {Protocol.InputWindow} bytes |", s_document, StringComparison.Ordinal);
        Assert.Equal(2, Regex.Count(s_document, Regex.Escape($"| guest | {Protocol.OutputWindow} bytes |"), RegexOptions.None, TimeSpan.FromSeconds(10)));
        Assert.Contains($"Directories may be {TreeFormat.MaxDepth} deep", s_document, StringComparison.Ordinal);
        Assert.Contains($"length, 1 to {TreeFormat.MaxText},", s_document, StringComparison.Ordinal);
        Assert.Contains($"`u32` length, at most {TreeFormat.MaxChunk},", s_document, StringComparison.Ordinal);
        Assert.Contains($"1 to {TreeFormat.MaxName} bytes without", s_document, StringComparison.Ordinal);
        Assert.Contains($"format's version, {TreeFormat.Version}.", s_document, StringComparison.Ordinal);
    }

    private static byte[] HexDump(string name)
    {
        string block = s_document.Split($"```{name}\n")[1].Split("```")[0];
        var bytes = new List<byte>();
        foreach (string line in block.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Assert.Equal(bytes.Count, int.Parse(line.AsSpan(0, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
            bytes.AddRange(Convert.FromHexString(line[6..53].Replace(" ", "", StringComparison.Ordinal)));
        }

        return [.. bytes];
    }

    [GeneratedRegex(@"^\| (?<number>\d+) \| (?<name>[A-Z]\w+) \|", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex FrameTypeRow();
}
