namespace Uml.CI.Tests;

public sealed class KernelLogLinesTests
{
    [Theory]
    [InlineData("<4>[   12.345678][  T123] text", "Warning", "[   12.345678][  T123] ", "text")]
    [InlineData("<3>text", "Error", "", "text")]
    [InlineData("<7>[   12.345678] text", "Dim", "[   12.345678] ", "text")]
    [InlineData("[   12.345678] BUG: x", "Error", "[   12.345678] ", "BUG: x")]
    [InlineData("[   12.345678]  indented", "Plain", "[   12.345678] ", " indented")]
    [InlineData("4,123,12345678,-;text", "Warning", "4,123,12345678,-;", "text")]
    [InlineData(" text", "Plain", "", " text")]
    [InlineData("[  OK  ] Started x", "Plain", "", "[  OK  ] Started x")]
    [InlineData("", "Plain", "", "")]
    public void A_line_has_a_tone_a_prefix_and_a_text(string line, string tone, string prefix, string text) =>
        Assert.Equal((tone, prefix, text), Shown(line));

    private static (string, string, string) Shown(string line)
    {
        (KernelLogTone tone, string prefix, string text) = new KernelLogLines().Next(line);
        return (tone.ToString(), prefix, text);
    }
}
