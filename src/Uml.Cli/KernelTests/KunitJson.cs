using System.Text;
using System.Text.Json;

namespace Uml.CI.Cli;

/// <summary>Results as kunit.py's <c>--json</c> writes them, for the tools that read those.</summary>
internal static class KunitJson
{
    /// <summary>The tree as JSON.</summary>
    public static string Write(KtapTest root, string buildDirectory)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, IndentSize = 4, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            WriteGroup(json, root, "KUnit Test Group", buildDirectory);
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length) + "\n";
    }

    private static void WriteGroup(Utf8JsonWriter json, KtapTest group, string name, string buildDirectory)
    {
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteStartArray("sub_groups");
        foreach (KtapTest test in group.Subtests.Where(t => !t.Subtests.IsEmpty))
            WriteGroup(json, test, test.Name, buildDirectory);
        json.WriteEndArray();
        json.WriteStartArray("test_cases");
        foreach (KtapTest test in group.Subtests.Where(t => t.Subtests.IsEmpty))
        {
            json.WriteStartObject();
            json.WriteString("name", test.Name);
            json.WriteString("status", test.Outcome switch
            {
                KtapOutcome.Passed or KtapOutcome.ExpectedFailure or KtapOutcome.UnexpectedPass => "PASS",
                KtapOutcome.Skipped => "SKIP",
                KtapOutcome.Crashed or KtapOutcome.TimedOut or KtapOutcome.NotRun => "ERROR",
                _ => "FAIL",
            });
            json.WriteEndObject();
        }

        json.WriteEndArray();
        KtapCounts counts = group.Counts;
        json.WriteStartObject("misc");
        json.WriteNumber("tests", counts.Total);
        json.WriteNumber("passed", counts.Passed + counts.ExpectedFailures + counts.UnexpectedPasses);
        json.WriteNumber("failed", counts.Failed);
        json.WriteNumber("crashed", counts.Crashed + counts.TimedOut);
        json.WriteNumber("skipped", counts.Skipped);
        json.WriteNumber("errors", counts.Errors + counts.NotRun + counts.Empty);
        json.WriteEndObject();
        json.WriteString("arch", "um");
        json.WriteString("defconfig", "kunit_defconfig");
        json.WriteString("build_environment", buildDirectory);
        json.WriteNull("lab_name");
        json.WriteNull("kernel");
        json.WriteNull("job");
        json.WriteString("git_branch", "kselftest");
        json.WriteEndObject();
    }
}
