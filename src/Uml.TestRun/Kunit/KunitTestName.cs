namespace Uml.CI;

/// <summary>A unit test of a kernel.</summary>
/// <param name="Suite">Its suite.</param>
/// <param name="Test">Its own name.</param>
public readonly record struct KunitTestName(string Suite, string Test)
{
    /// <summary>
    /// Reads a line of the kernel's list of tests; null when it is something else. A suite's name may hold dots (util_macros.h), a
    /// test's is that of a function.
    /// </summary>
    public static KunitTestName? Parse(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        int dot = line.LastIndexOf('.');
        return dot > 0 && dot < line.Length - 1 && !line.AsSpan().ContainsAny(" \t\r") ? new KunitTestName(line[..dot], line[(dot + 1)..]) : null;
    }

    /// <summary><c>SUITE.TEST</c>.</summary>
    public override string ToString() => $"{Suite}.{Test}";
}
