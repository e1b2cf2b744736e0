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

    /// <summary>What the kernel complained of: kind, title, lines.</summary>
    public ImmutableArray<(string Kind, string Title, string Text)> Complaints { get; init; } = [];

    /// <summary>Reads the file; where it is missing or broken, the exit status is all that is known.</summary>
    public static ActionResult Read(string file, int exitStatus)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            JsonElement root = document.RootElement;
            string Text(JsonElement of, string name) => of.TryGetProperty(name, out JsonElement value) ? value.GetString() ?? "" : "";
            return new ActionResult
            {
                Outcome = Text(root, "outcome"),
                ExitStatus = exitStatus,
                Error = Text(root, "error"),
                Detail = Text(root, "detail"),
                Release = Text(root.GetProperty("kernel"), "release"),
                Duration = TimeSpan.FromMilliseconds(root.GetProperty("milliseconds").GetProperty("total").GetDouble()),
                Complaints = [.. root.GetProperty("reports").EnumerateArray().Select(r =>
                    (Text(r, "kind"), Text(r, "title"), string.Join('\n', r.GetProperty("lines").EnumerateArray().Select(l => l.GetString()))))],
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException)
        {
            return new ActionResult { ExitStatus = exitStatus, Error = "the run left no account of itself" };
        }
    }
}
