using Xunit;

namespace Uml.CI.Tests;

public sealed class KernelLogParserTests
{
    [Theory]
    [InlineData("[    0.123456] text", 123_456, "text")]
    [InlineData("[12345.000001] text\r\n", 12_345_000_001, "text")]
    [InlineData("[    0.390000] ", 390_000, "")]
    [InlineData("[    0.390000]", 390_000, "")]
    [InlineData("[    0.390000]  [<6002d37a>] f", 390_000, " [<6002d37a>] f")]
    [InlineData("[    0.123456][  T123] text", 123_456, "text")]
    [InlineData("[    0.123456][    C0] text", 123_456, "text")]
    [InlineData("[    0.123456] [  T123] text", 123_456, "[  T123] text")]
    [InlineData("[    0.123456] [    0.5] text", 123_456, "[    0.5] text")]
    [InlineData("[    0.123456] \uFFFD\ttext\r\r\n", 123_456, "\uFFFD\ttext")]
    public void A_line_with_a_time_stamp(string raw, long microseconds, string text)
    {
        DateTimeOffset received = DateTimeOffset.UnixEpoch;
        Assert.Equal(new KernelLogLine(received, TimeSpan.FromMicroseconds(microseconds), text), KernelLogParser.Parse(raw, received));
    }

    [Theory]
    [InlineData("Core dump limits :\r\n", "Core dump limits :")]
    [InlineData("", "")]
    [InlineData("[", "[")]
    [InlineData("[]", "[]")]
    [InlineData("[.]", "[.]")]
    [InlineData("[  OK  ] Started x", "[  OK  ] Started x")]
    [InlineData("[    0.5] text", "[    0.5] text")]
    [InlineData("[    0.123456]text", "[    0.123456]text")]
    [InlineData("[   -1.123456] text", "[   -1.123456] text")]
    [InlineData("[    0.12345x] text", "[    0.12345x] text")]
    [InlineData("[99999999999.123456] text", "[99999999999.123456] text")]
    [InlineData(" [    0.123456] text", " [    0.123456] text")]
    public void A_line_without_a_time_stamp(string raw, string text) => Assert.Equal(new KernelLogLine(default, null, text), KernelLogParser.Parse(raw, default));
}
