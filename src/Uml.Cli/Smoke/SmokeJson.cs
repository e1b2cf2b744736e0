using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Uml.CI.Cli;

/// <summary>What came of packages, for programs.</summary>
internal static class SmokeJson
{
    /// <summary>The whole of it as JSON.</summary>
    public static string Of(SmokeTest.Outcome outcome)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteBoolean("succeeded", outcome.Succeeded);
            json.WriteStartArray("packages");
            foreach (SmokeResult result in outcome.Results)
                Write(json, result);
            json.WriteEndArray();
            Write(json, "notRun", outcome.NotRun);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(memory.ToArray()) + "\n";
    }

    private static void Write(Utf8JsonWriter json, SmokeResult result)
    {
        json.WriteStartObject();
        json.WriteString("package", result.Target.Name);
        json.WriteString("version", result.Target.Version);
        json.WriteString("suite", result.Suite);
        json.WriteString("kernel", result.Kernel);
        json.WriteString("release", result.Release);
        json.WriteBoolean("succeeded", result.Succeeded);
        json.WriteNumber("seconds", Math.Round(result.Duration.TotalSeconds, 3));
        json.WriteStartArray("steps");
        foreach (SmokeStep step in result.Steps)
        {
            json.WriteStartObject();
            json.WriteString("name", step.Name);
            json.WriteString("outcome", step.Outcome.Words());
            json.WriteNumber("seconds", Math.Round(step.Duration.TotalSeconds, 3));
            if (step.Reason.Length > 0)
                json.WriteString("reason", step.Reason);
            Write(json, "notes", step.Notes);
            if (step.Log.Length > 0)
                json.WriteString("log", step.Log);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        Write(json, "problems", result.Problems);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, IReadOnlyCollection<string> texts)
    {
        if (texts.Count == 0)
            return;
        json.WriteStartArray(name);
        foreach (string text in texts)
            json.WriteStringValue(text);
        json.WriteEndArray();
    }
}
