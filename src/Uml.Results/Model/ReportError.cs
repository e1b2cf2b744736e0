namespace Uml.CI;

/// <summary>What went wrong in a run and was no test: a lost guest, a panic, a cleanup, a plan that was not met.</summary>
/// <param name="Message">One line.</param>
/// <param name="Details">What there is to know beyond that.</param>
public sealed record ReportError(string Message, string Details = "")
{
    /// <summary>An error of text whose first line says what happened.</summary>
    public static ReportError Of(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split('\n', 2);
        return new ReportError(parts[0], parts.Length > 1 ? parts[1] : "");
    }
}
