using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Uml.CI;

/// <summary>KernelCI's database's JSON, version 5: a file to submit; see its documentation for how and to whom.</summary>
/// <remarks>
/// MISS is the harness's fault, ERROR the test's: a kernel that did not come up is MISS. Properties of a run named
/// git.commit, git.url, git.branch, compiler and config name the checkout and the build.
/// </remarks>
internal static class KcidbWriter
{
    private const int Major = 5;
    private const int Minor = 0;
    private const int MostExcerpt = 16_000;
    private const int FlushAt = 64 * 1024;

    public static void Write(Report report, ReportTarget target)
    {
        string origin = target.Options.KcidbOrigin;
        if (origin.Length == 0 || origin.Any(c => !char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '_'))
            throw new ArgumentException($"\"{origin}\" is not an origin of KernelCI's database: it takes small letters, digits and underscores");
        using var json = new Utf8JsonWriter(target.Stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteStartObject("version");
        json.WriteNumber("major", Major);
        json.WriteNumber("minor", Minor);
        json.WriteEndObject();

        json.WriteStartArray("checkouts");
        foreach (ReportRun run in report.Runs.DistinctBy(CheckoutId))
            WriteCheckout(json, origin, run);
        json.WriteEndArray();
        json.WriteStartArray("builds");
        foreach (ReportRun run in report.Runs.DistinctBy(BuildId))
            WriteBuild(json, origin, run);
        json.WriteEndArray();
        json.WriteStartArray("tests");
        HashSet<Guid> ids = [];
        foreach (ReportRun run in report.Runs)
        {
            foreach (ReportEntry entry in ReportEntry.Of(run))
            {
                WriteTest(json, origin, run, entry, ids);
                if (json.BytesPending > FlushAt)
                    json.Flush();
            }
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        target.Stream.WriteByte((byte)'\n');
    }

    private static string CheckoutId(ReportRun run) => Identifier.Of("checkout", run.Properties.GetValueOrDefault("git.commit", ""), run.Properties.GetValueOrDefault("git.url", ""), run.Release.Length > 0 ? run.Release : run.Kernel).ToString("n");

    private static string BuildId(ReportRun run) => Identifier.Of("build", CheckoutId(run), run.Kernel, run.Properties.GetValueOrDefault("config", "")).ToString("n");

    private static void WriteCheckout(Utf8JsonWriter json, string origin, ReportRun run)
    {
        json.WriteStartObject();
        json.WriteString("id", $"{origin}:{CheckoutId(run)}");
        json.WriteString("origin", origin);
        if (run.Properties.TryGetValue("git.commit", out string? commit) && commit.Length == 40 && commit.All(c => char.IsAsciiDigit(c) || c is >= 'a' and <= 'f'))
        {
            json.WriteString("git_commit_hash", commit);
            json.WriteString("patchset_hash", "");
        }

        if (run.Properties.TryGetValue("git.url", out string? url))
            json.WriteString("git_repository_url", url);
        if (run.Properties.TryGetValue("git.branch", out string? branch))
            json.WriteString("git_repository_branch", branch);
        json.WriteString("comment", run.Release.Length > 0 ? $"Linux {run.Release}" : run.Kernel);
        json.WriteBoolean("valid", true);
        json.WriteEndObject();
    }

    private static void WriteBuild(Utf8JsonWriter json, string origin, ReportRun run)
    {
        json.WriteStartObject();
        json.WriteString("id", $"{origin}:{BuildId(run)}");
        json.WriteString("checkout_id", $"{origin}:{CheckoutId(run)}");
        json.WriteString("origin", origin);
        json.WriteString("architecture", "um");
        json.WriteString("comment", run.Kernel);
        if (run.Properties.TryGetValue("compiler", out string? compiler))
            json.WriteString("compiler", compiler);
        if (run.Properties.TryGetValue("config", out string? config))
            json.WriteString("config_name", config);
        if (run.Release.Length > 0)
            json.WriteString("status", "PASS");
        json.WriteEndObject();
    }

    private static void WriteTest(Utf8JsonWriter json, string origin, ReportRun run, ReportEntry entry, HashSet<Guid> ids)
    {
        ReportTest test = entry.Test;
        DateTimeOffset? started = test.Started ?? run.Started;
        Guid id = Identifier.Of(entry.Id(run, "kcidb").ToString("n"), run.Started?.ToString("O", CultureInfo.InvariantCulture) ?? "");
        for (int again = 1; !ids.Add(id); again++)
            id = Identifier.Of(id.ToString("n"), again.ToString());
        json.WriteStartObject();
        json.WriteString("id", $"{origin}:{id:n}");
        json.WriteString("build_id", $"{origin}:{BuildId(run)}");
        json.WriteString("origin", origin);
        json.WriteString("path", Path(run, entry));
        json.WriteString("comment", ReportText.FirstLine(test.FullName));
        json.WriteString("status", Status(run, entry));
        if (test.Outcome == ReportOutcome.ExpectedFailure)
            json.WriteBoolean("waived", true);
        if (started is { } time)
            json.WriteString("start_time", time.ToString("O", CultureInfo.InvariantCulture));
        json.WriteNumber("duration", Math.Max(0, test.Duration.TotalSeconds));
        string excerpt = string.Join('\n', ((string[])[test.Message, test.Details, test.Outcome.IsFailure() ? test.Output : ""]).Where(t => t.Length > 0));
        if (excerpt.Length > 0)
            json.WriteString("log_excerpt", ReportText.Head(excerpt, MostExcerpt));
        if (run.Environment.Length > 0)
        {
            json.WriteStartObject("environment");
            json.WriteString("comment", run.Environment);
            json.WriteEndObject();
        }

        json.WriteStartObject("misc");
        json.WriteString("outcome", test.Outcome.Words());
        json.WriteString("kernel", run.Kernel);
        if (test.SourceFile is { } file)
            json.WriteString("source", file + (test.SourceLine is { } line ? string.Create(CultureInfo.InvariantCulture, $":{line}") : ""));
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static string Status(ReportRun run, ReportEntry entry) => entry.Test.Outcome switch
    {
        ReportOutcome.Passed => "PASS",
        ReportOutcome.Skipped or ReportOutcome.NotRun => "SKIP",
        ReportOutcome.Error => run.Release.Length == 0 ? "MISS" : "ERROR",
        _ => "FAIL",
    };

    private static string Path(ReportRun run, ReportEntry entry)
    {
        IEnumerable<string> parts = entry.Kind switch
        {
            ReportEntryKind.Test => entry.Test.Path.SelectMany(p => p.Split('.')).Prepend(run.Name),
            ReportEntryKind.Complaint => [run.Name, "kernel_log"],
            _ => [run.Name],
        };
        return string.Join('.', parts.Where(p => p.Length > 0).Select(Word));
    }

    private static string Word(string part)
    {
        var word = new StringBuilder(part.Length);
        foreach (char c in part)
            word.Append(char.IsAsciiLetterOrDigit(c) || c is '_' or '-' ? c : '_');
        return word.ToString();
    }
}
