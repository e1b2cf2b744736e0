using System.Text.Json;

namespace Uml.CI;

/// <summary>Complaints of a kernel in JSON, as <see cref="CtrfReader"/> takes them.</summary>
internal static class ComplaintJson
{
    /// <summary>Writes them as the property "complaints".</summary>
    /// <param name="json">Where to; in an object.</param>
    /// <param name="complaints">The complaints.</param>
    /// <param name="mostText">How many characters of a report are written.</param>
    public static void Write(Utf8JsonWriter json, IEnumerable<ReportComplaint> complaints, int mostText)
    {
        json.WriteStartArray("complaints");
        foreach (ReportComplaint complaint in complaints)
        {
            json.WriteStartObject();
            json.WriteString("kind", complaint.Kind);
            json.WriteString("title", complaint.Title);
            json.WriteString("text", ReportText.Head(complaint.Text, mostText));
            if (complaint.SourceFile is { } file)
                json.WriteString("file", file);
            if (complaint.SourceLine is { } line)
                json.WriteNumber("line", line);
            if (complaint.AllowedBecause is { } reason)
                json.WriteString("allowedBecause", reason);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
