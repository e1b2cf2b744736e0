using System.Text;
using System.Text.Json;

namespace Uml.CI;

/// <summary>Writes boots for programs. Pure.</summary>
internal static class BootChartJson
{
    private const int FormatVersion = 1;

    /// <summary>Writes everything; times are milliseconds since the guest was asked for.</summary>
    public static string Write(BootMeasurement boots)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, new JsonWriterOptions { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            BootSubject subject = boots.Subject;
            json.WriteStartObject();
            json.WriteNumber("version", FormatVersion);
            json.WriteString("release", subject.Release);
            json.WriteString("kernel", subject.Reference);
            json.WriteString("commandLine", subject.CommandLine);
            json.WriteString("guest", subject.Guest);
            json.WriteString("command", subject.Command);
            json.WriteString("host", subject.Host);
            WriteTimes(json, "totals", boots.Traced.Select(b => b.Goal));
            WriteTimes(json, "totalsWithoutTracing", boots.Plain.Select(t => (TimeSpan?)t));
            json.WriteNumber("shown", boots.Traced.IndexOf(boots.Shown));
            json.WriteStartArray("boots");
            foreach (BootTimeline boot in boots.Traced)
                WriteBoot(json, boot);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(memory.GetBuffer(), 0, (int)memory.Length) + "\n";
    }

    private static void WriteBoot(Utf8JsonWriter json, BootTimeline boot)
    {
        json.WriteStartObject();
        WriteTime(json, "ready", boot.Ready);
        WriteTime(json, "result", boot.Result);
        WriteTime(json, "end", boot.End);
        if (boot.Failure is { } failure)
        {
            json.WriteString("failure", failure);
            WriteTime(json, "failedAt", boot.FailedAt);
        }

        json.WriteBoolean("live", boot.IsLive);
        json.WriteNumber("droppedLines", boot.DroppedLines);
        json.WriteStartArray("phases");
        foreach (BootPhase phase in boot.Phases)
        {
            json.WriteStartObject();
            json.WriteString("actor", BootChartSvg.Name(phase.Actor));
            json.WriteString("name", phase.Name);
            WriteTime(json, "start", phase.Start);
            WriteTime(json, "duration", phase.Duration);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("initcalls");
        foreach (BootInitcall call in boot.Initcalls)
        {
            json.WriteStartObject();
            json.WriteString("name", call.Name);
            if (call.Module.Length > 0)
                json.WriteString("module", call.Module);
            if (call.Level.Length > 0)
                json.WriteString("level", call.Level);
            WriteTime(json, "start", call.Start);
            WriteTime(json, "duration", call.Duration);
            json.WriteNumber("result", call.Result);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteTimes(Utf8JsonWriter json, string name, IEnumerable<TimeSpan?> times)
    {
        json.WriteStartArray(name);
        foreach (TimeSpan? time in times)
        {
            if (time is { } known)
                json.WriteNumberValue(Math.Round(known.TotalMilliseconds, 3));
            else
                json.WriteNullValue();
        }

        json.WriteEndArray();
    }

    private static void WriteTime(Utf8JsonWriter json, string name, TimeSpan? time)
    {
        if (time is { } known)
            json.WriteNumber(name, Math.Round(known.TotalMilliseconds, 3));
    }
}
