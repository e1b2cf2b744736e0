using System.Collections.Immutable;
using System.Text.Json;

namespace Uml.CI.Cli;

/// <summary>What <c>uml run --json</c> wrote about a run of the action.</summary>
internal sealed record ActionResult
{
    public string Outcome { get; init; } = "not-run";

    public int ExitStatus { get; init; }

    public string Error { get; init; } = "";

    public string Detail { get; init; } = "";

    public string Release { get; init; } = "";

    public TimeSpan Duration { get; init; }

    /// <summary>What the kernel complained of, and what else about it is no good.</summary>
    public ImmutableArray<ReportComplaint> Complaints { get; init; } = [];

    /// <summary>Reads the file; where it is missing or broken, the exit status is all that is known.</summary>
    public static ActionResult Read(string file, int exitStatus)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            JsonElement root = document.RootElement;
            return new ActionResult
            {
                Outcome = Text(root, "outcome"),
                ExitStatus = exitStatus,
                Error = Text(root, "error"),
                Detail = Text(root, "detail"),
                Release = Text(root.GetProperty("kernel"), "release"),
                Duration = TimeSpan.FromMilliseconds(root.GetProperty("milliseconds").GetProperty("total").GetDouble()),
                Complaints = [.. ReadComplaints(root)],
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException)
        {
            return new ActionResult { ExitStatus = exitStatus, Error = "the run left no account of itself" };
        }
    }

    // Where the run got far enough, judged by the allow lists; else what the kernel said until then.
    private static IEnumerable<ReportComplaint> ReadComplaints(JsonElement root)
    {
        if (!root.TryGetProperty("complaints", out JsonElement judged))
        {
            foreach (JsonElement report in root.GetProperty("reports").EnumerateArray())
                yield return new ReportComplaint { Kind = Text(report, "kind"), Title = Text(report, "title"), Text = string.Join('\n', report.GetProperty("lines").EnumerateArray().Select(l => l.GetString())) };
            yield break;
        }

        foreach (JsonElement complaint in judged.EnumerateArray())
        {
            yield return new ReportComplaint
            {
                Kind = Text(complaint, "kind"),
                Title = Text(complaint, "title"),
                Text = Text(complaint, "text"),
                SourceFile = complaint.TryGetProperty("file", out JsonElement file) ? file.GetString() : null,
                SourceLine = complaint.TryGetProperty("line", out JsonElement line) ? line.GetInt32() : null,
                AllowedBecause = complaint.TryGetProperty("allowedBecause", out JsonElement reason) ? reason.GetString() : null,
            };
        }

        // A taint that nothing explains, a log that could not be read: said nowhere else.
        foreach (string problem in root.GetProperty("problems").EnumerateArray().Select(p => p.GetString() ?? "").Where(p => !p.StartsWith("the kernel complained: ", StringComparison.Ordinal)))
            yield return new ReportComplaint { Kind = "Check", Title = problem };
    }

    private static string Text(JsonElement of, string name) => of.TryGetProperty(name, out JsonElement value) ? value.GetString() ?? "" : "";
}
