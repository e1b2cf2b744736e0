namespace Uml.CI;

/// <summary>What bounds a parser's memory, whatever it is fed.</summary>
public sealed record KtapParserOptions
{
    /// <summary>The longest line, in characters; the rest of a longer one is dropped. At least 256.</summary>
    public int MaxLineLength { get; init; } = 65_536;

    /// <summary>How deep tests may be nested. From 1 to 1,000.</summary>
    public int MaxDepth { get; init; } = 64;

    /// <summary>How many lines of log are kept with one test: the first ones, which hold the cause.</summary>
    public int MaxLogLines { get; init; } = 20_000;

    /// <summary>How many complaints are kept.</summary>
    public int MaxComplaints { get; init; } = 10_000;

    /// <summary>How many tests that were planned and never reported are put into the tree, over all suites.</summary>
    public int MaxMissingTests { get; init; } = 10_000;
}
